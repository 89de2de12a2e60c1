from __future__ import annotations

from archc.dsl.diagnostics import Diagnostic, Label
from archc.dsl.limits import LIMITS
from archc.dsl.render import render, to_json
from archc.dsl.source import Source, Span

from .support import errors


def test_a_diagnostic_shows_its_lines() -> None:
    source = Source("x = f(1,\n\n\n  2 $", "a.arch")
    found = Diagnostic(
        "E0106",
        "`$` means nothing here",
        Span(source, 15, 16),
        labels=(Label(Span(source, 5, 6), "inside of this"),),
        chain=(Label(Span(source, 0, 1), "in f(1)"), Label(Span(Source("y", "b.arch"), 0, 1), "from g")),
        hints=("delete it",),
    )
    assert render([found]) == (
        "error[E0106]: `$` means nothing here\n"
        " --> a.arch:4:5\n"
        "  |\n"
        "1 | x = f(1,\n"
        "  |      - inside of this\n"
        "...\n"
        "4 |   2 $\n"
        "  |     ^\n"
        "  = in f(1) at line 1\n"
        "  = from g at b.arch:1:1\n"
        "  = hint: delete it\n"
    )


def test_carets_stand_below_tabs_and_wide_characters() -> None:
    source = Source('\ta = "日本" $', "a")
    lines = render([Diagnostic("E0106", "m", Span(source, 10, 11))]).splitlines()
    assert lines[3].endswith('    a = "日本" $')
    assert len(lines[4]) == len(lines[3]) + 2


def test_long_lines_are_clipped() -> None:
    text = "x = [" + "relu, " * 500 + "$" + ", relu" * 500 + "]"
    rendered = render(errors(text))
    assert max(map(len, rendered.splitlines())) < 140
    code, carets = rendered.splitlines()[3:5]
    assert code[carets.index("^")] == "$"


def test_control_characters_are_shown_as_text() -> None:
    rendered = render(errors("x = 1 # \x1b[31m"))
    assert "\x1b" not in rendered and r"\u{1b}[31m" in rendered


def test_color_only_on_request() -> None:
    found = errors("x = $")
    assert "\x1b[" not in render(found)
    assert "\x1b[1;31m" in render(found, color=True)


def test_at_most_so_many_are_shown() -> None:
    found = [Diagnostic("E0101", "m")] * (LIMITS.diagnostics_shown + 7)
    rendered = render(found)
    assert rendered.count("error[") == LIMITS.diagnostics_shown
    assert rendered.endswith("... and 7 more; `--limit diagnostics_shown=200` on the command line shows all\n")
    assert render([]) == ""


def test_data() -> None:
    (error,) = errors("y = 1\nx = f(1,")
    data = to_json(error)
    assert data["code"] == "E0102" and data["severity"] == "error" and data["file"] == "<text>"
    assert data["start"] == {"line": 2, "column": 9, "offset": 14}
    assert data["labels"][0]["start"]["column"] == 6
    assert data["chain"] == [] and data["hints"]
