from __future__ import annotations

from pathlib import Path

import pytest
from patience import steps

from archc.dsl.diagnostics import ArchError
from archc.dsl.format import format_source
from archc.dsl.source import Source

from .support import parsed, shape

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.arch"))


def fmt(text: str) -> str:
    return format_source(Source(text))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_programs_keep_their_meaning(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    result = fmt(text)
    assert shape(parsed(result)) == shape(parsed(text))
    assert fmt(result) == result
    assert [line for line in result.splitlines() if len(line) > 120 and '"""' not in line] == []
    assert result.count("#") == text.count("#")


def test_one_line_is_broken_where_it_is_shallow() -> None:
    text = "block a(c) = " + " -> ".join(f"conv{i}: conv(c, 3)" for i in range(12))
    result = fmt(text)
    assert all(line.startswith("  ") and len(line) <= 120 for line in result.splitlines()[1:])
    assert fmt(result) == result
    assert fmt(text.replace("\n", " ")) == result


def test_spaces() -> None:
    assert fmt("x=f (a,- 1 ,*b , k=2)[ 0 ] . c->g**2\ny = 1 .. n - 1") == (
        "x = f(a, -1, *b, k = 2)[0].c -> g ** 2\ny = 1..n - 1\n"
    )
    assert fmt("arch A{input x:int[N,T]=[1,77]\noutput conv1 :f(x)}") == (
        "arch A {\n  input x: int [N, T] = [1, 77]\n  output conv1: f(x)\n}\n"
    )


def test_a_last_comma_stays_where_a_line_follows() -> None:
    """On one line it goes, unless it makes a tuple of one item."""
    text = "block b(c,)(x, ) {\n a, *r = [c,1, ]\n d = (c, )\n e = (c,1,)\n output conv(c,1, )(x,)\n}\n"
    assert fmt(text) == ("block b(c)(x) {\n  a, *r = [c, 1]\n  d = (c,)\n  e = (c, 1)\n  output conv(c, 1)(x)\n}\n")
    text = "f = [\n  relu,\n  bn, # last\n]\ng = [\n  relu,\n  bn,]\n"
    assert fmt(text) == "f = [\n  relu,\n  bn,   # last\n]\ng = [\n  relu,\n  bn]\n"


def test_statements_side_by_side_are_aligned() -> None:
    assert fmt("arch a = F()  expect p == 1\narch longer = F() expect p == 2 expect q == 3\n") == (
        "arch a = F()        expect p == 1\narch longer = F()   expect p == 2   expect q == 3\n"
    )


def test_comments_and_blank_lines_stay() -> None:
    text = "# head\n\n\n\nx = 1  # one\nlonger = 2 # two\n# own\nf = [a, # first\nb]\n\n\n\n# end"
    assert fmt(text) == ("# head\n\nx = 1        # one\nlonger = 2   # two\n# own\nf = [a,   # first\n  b]\n\n# end\n")


def test_long_bodies_are_expanded() -> None:
    text = "block a() { x = in -> " + " -> ".join(["relu"] * 14) + " for i in 1..3 { x = x -> relu } output x }"
    lines = fmt(text).splitlines()
    assert lines[0] == "block a() {" and lines[-1] == "}" and lines[-3] == "  for i in 1..3 { x = x -> relu }"


def test_a_line_behind_a_closing_brace_is_broken_between_its_statements() -> None:
    loops = "for i in (aaaaaaaaaa) { x = i   y = x } for i in (bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb) { x = i   y = x }"
    result = fmt(f"block a() {{if b {{ x = 1 }} else if c {{ x = 2\n }} else {{ }} {loops} }}")
    assert "\n  for i in (bbb" in result and fmt(result) == result


def test_errors_are_raised() -> None:
    with pytest.raises(ArchError) as raised:
        fmt("x = (")
    assert raised.value.diagnostics[0].code == "E0102"


def test_a_leading_rest_is_laid_out_as_one_word():
    text = "arch A {\n  xs = [1, 2]\n  *a, (b, *c) = xs[..<-1]\n  y = 2\n    * a[0]\n}\n"
    assert format_source(Source(text, "a")) == text


@pytest.mark.parametrize("form", ["output x -> {}", "output x -> [{}]", "h = x -> {}\n output h"])
def test_twice_the_layers_take_twice_the_steps(form: str) -> None:
    small, twice = (f"arch A {{ input x: [N, 3]\n {form.format(' -> '.join(['f(1)'] * n))} }}" for n in (200, 400))
    few, many = (steps(lambda text=text: fmt(text)) for text in (small, twice))
    assert many < 2.2 * few
