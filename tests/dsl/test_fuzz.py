from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from archc.dsl.codes import all_codes
from archc.dsl.format import format_source
from archc.dsl.parse import decode, parse
from archc.dsl.render import render, to_json
from archc.dsl.source import Source

from .support import parsed, shape

QUICK = settings(max_examples=60, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])

WORDS = [
    "arch",
    "block",
    "fn",
    "use",
    "extern",
    "input",
    "output",
    "shared",
    "param",
    "buffer",
    "draw",
    "default",
    "require",
    "expect",
    "order",
    "for",
    "if",
    "match",
    "when",
    "at",
    "from",
    "as",
    "training",
    "then",
    "else",
    "in",
    "and",
    "or",
    "not",
    "true",
    "false",
    "a",
    "b",
    "x",
    "conv",
    "relu",
    "1",
    "0.5",
    "18",
    "1..n",
    '"t"',
    '"a{i}"',
    '"""d"""',
    "a:",
    "b{i}:",
    "c{1..}:",
    '"q-1":',
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ".",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    "->",
    "=>",
    "+",
    "-",
    "++",
    "*",
    "/",
    "//",
    "%",
    "**",
    "..",
    "..<",
    "|",
    ";",
    "$",
    "'",
    "#",
    "_",
    "def",
]
SOUP = st.lists(st.sampled_from([*WORDS, "\n", "\n"]), max_size=40).map(" ".join)
BITS = st.lists(st.sampled_from(["arch A {", "}", "output x", "\n", "x = ", "(", ")", '"', "{", "a", "\n  "])).map(
    "".join
)

NAMES = st.sampled_from(["a", "relu", "input", "at", "block"])
ATOMS = st.one_of(NAMES, st.sampled_from(["1", "0.5", "in", "true", '"s{a}"', "[]", "in.channels", "# c\nb"]))


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        several.map(lambda xs: "(" + " -> ".join(f"({x})" for x in xs) + ")"),
        st.tuples(several, st.sampled_from([" + ", " ++", "*", " // "])).map(lambda p: "(" + p[1].join(p[0]) + ")"),
        several.map(lambda xs: "[" + ",\n".join(xs) + "]"),
        st.tuples(NAMES, several).map(lambda p: f"{p[0]}({', '.join(p[1])},k=1)"),
        st.tuples(NAMES, inner).map(lambda p: f"({p[0]}{{1}}: ({p[1]}))"),
        st.tuples(inner, inner, inner).map(lambda p: f"(if {p[0]} then {p[1]} else {p[2]})"),
        st.tuples(inner, inner).map(lambda p: f"[*[{p[0]} for x in {p[1]} if x]]"),
        st.tuples(inner, inner).map(lambda p: f"(match {p[0]} {{ 1 | 2 => {p[1]}, _ => 1 }})"),
        inner.map(lambda x: f"(-({x}) ** 2)"),
    )


EXPRESSIONS = st.recursive(ATOMS, _grow, max_leaves=14)
STATEMENTS = st.one_of(
    st.tuples(st.sampled_from(["x = ", "a, *b = ", "output ", "shared f = ", "require "]), EXPRESSIONS).map("".join),
    EXPRESSIONS.map(lambda e: f"for i in {e} {{ x = i   y = x }}"),
    EXPRESSIONS.map(lambda e: f"if {e} {{ x = 1 }} else if b {{ x = 2\n }} else {{ }}"),
)
GAPS = st.sampled_from([" ", "\n", "\n\n\n", "  # note\n", "\n# own\n"])
BODIES = st.lists(st.tuples(STATEMENTS, GAPS).map("".join), max_size=5).map("".join)
DECLARATIONS = st.tuples(BODIES, GAPS, EXPRESSIONS, GAPS)


@QUICK
@given(st.one_of(st.text(max_size=60), SOUP, BITS))
def test_no_text_raises(text: str) -> None:
    source = Source(text)
    file, found = parse(source)
    assert file is not None or found
    for diagnostic in found:
        assert diagnostic.code in all_codes() and diagnostic.span is not None
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        assert to_json(diagnostic)
    render(found, color=True)
    if file is not None and not found:
        result = format_source(source)
        assert shape(parsed(result)) == shape(file)
        assert format_source(Source(result)) == result


@QUICK
@given(st.binary(max_size=40))
def test_no_bytes_raise(data: bytes) -> None:
    source, found = decode(data, "a")
    assert (source is None) == bool(found)


@QUICK
@given(DECLARATIONS)
def test_formatting_keeps_the_tree(parts: tuple[str, str, str, str]) -> None:
    body, gap, expression, end = parts
    text = (
        f"block a(p, q = 1) {{{body}}}{gap}block b(p)\n = {expression}{end}arch c = a() expect x == 1{gap}expect y == 2"
    )
    file = parsed(text)
    result = format_source(Source(text))
    assert shape(parsed(result)) == shape(file)
    assert format_source(Source(result)) == result
