"""No text and no place in it makes the editor raise anything but `Refused`, and steps of an analysis end."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from archc.editor.completion import complete, documentation
from archc.editor.document import analysed
from archc.editor.fixing import laid_out, repairs
from archc.editor.hover import hover
from archc.editor.inlay import inlays
from archc.editor.navigation import Refused, definition, highlights, references, rename
from archc.editor.outline import coloured, folds, symbols
from archc.editor.pictures import boxes_at, lenses, picture, run_at
from archc.editor.signatures import signature_help
from archc.editor.workspace import Workspace
from archc.grammar.highlight import pieces

from .test_answers import SPEC
from .written import SHIPPED, offset, understood

SMALL = [path.read_text(encoding="utf-8") for path in SHIPPED if path.stem in ("alexnet", "nin", "squeezenet", "stn")]
TEXTS = [SPEC, 'use residual from "std/residual.arch"\nblock b(c) = residual(conv(c, 3), c)\n', *SMALL]
PIECES = (
    *('"', '"""', "(", ")", "{", "}", "[", "->", "=", ":", ",", "\n", "#", ".", "**", "é", "\U0001f600", "\r", "\x00"),
    *("for x in xs ", "if ", "match x {", "use a from ", "block b(", "arch A {", "output ", "expect ", "conv(8, "),
    "{1..}: ",
)


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, int]:
    """A spec after a few random edits, and a place in it."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.sampled_from(("", *PIECES)) | st.text(max_size=4)) + text[end:]
    return text, draw(st.integers(0, len(text)))


@settings(max_examples=60, deadline=None)
@given(edited(), st.sampled_from(["other", "conv", "c", "1", ""]))
def test_nothing_raises(case: tuple[str, int], name: str) -> None:
    text, at = case
    workspace, path = Workspace(), Path("/nowhere/fuzzed.arch")
    workspace.open(path, text)
    for document in analysed(workspace, path, at):
        assert all(d.span is not None and d.span.source.path == path for d in document.diagnostics)
        for ask in (hover, definition, references, highlights, complete, signature_help):
            ask(document, at)
        with contextlib.suppress(Refused):
            rename(document, at, name)
        documentation(document, "conv", at)
        for ask_all in (symbols, folds, coloured, lenses, laid_out):
            ask_all(document)
        assert all(0 <= hint.offset <= len(text) for hint in inlays(document, 0, len(text)))
        for repair in repairs(document, 0, len(text)):
            assert repair.edit.span.source.text == text
        run = run_at(document, None, at)
        drawn = picture(run) if run is not None else None
        if run is not None and drawn is not None:
            boxes_at(document, run, drawn.diagram, at)
    last = 0
    for piece in pieces(text):
        assert last <= piece.start < piece.end <= len(text)
        last = piece.end


def test_an_analysis_that_nobody_waits_for_stops() -> None:
    document = understood(SPEC)
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    assert [*analysed(document.workspace, document.path, offset(document, "arch"), stopped)] == []
    assert asked == 4
