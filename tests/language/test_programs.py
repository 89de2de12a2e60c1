"""Small specs with their expected outcome: `good/` must elaborate as its comments say, `bad/` must err as its do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from language_files import HERE, every_diagnostic, expected_codes, good, state

from archc.compiler.program import Program
from archc.dsl.render import render, to_json

GOOD = sorted((HERE / "good").rglob("*.arch"))
BAD = sorted((HERE / "bad").rglob("*.arch"))
NO_HINT = {
    "E0201": "no known name is near the one that was met",
}
"""Codes that may come without a hint, and why."""


def name(path: Path) -> str:
    return str(path.relative_to(HERE).with_suffix(""))


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_good(path: Path) -> None:
    program = Program.open(path)
    assert not program.diagnostics, render(program.diagnostics)
    spec, met = good(path), set()
    for checked in program.check():
        graph = checked.elaborated.graph
        assert graph is not None, render(checked.elaborated.diagnostics)
        assert not checked.elaborated.diagnostics
        claims = spec.claims.get(checked.name)
        if claims is None or checked.name in met:
            continue
        met.add(checked.name)
        tensors = state(graph)
        if claims.state is not None:
            assert [t[0] for t in tensors] == claims.state
        if claims.params is not None:
            assert [t[0] for t in tensors if t[2]] == claims.params
        if claims.owners is not None:
            assert [graph.nodes[n.owner].path for n in graph.nodes if n.op.has_weights] == claims.owners
        if claims.requires is not None:
            assert graph.requirements.describe() == claims.requires
    assert met == spec.claims.keys()


@pytest.mark.parametrize("path", BAD, ids=name)
def test_bad(path: Path) -> None:
    diagnostics = every_diagnostic(Program.open(path))
    text = path.read_text(encoding="utf-8")
    for d in diagnostics:
        assert d.severity == "error"
        assert d.span is not None and d.span.source.path == path.resolve(), render([d])
        assert 0 <= d.span.start <= d.span.end <= len(text)
        assert d.hints or d.code in NO_HINT, f"no hint:\n{render([d])}"
        assert all(hint == hint.strip() and not re.search(r"[^.]\.$", hint) for hint in d.hints)
        assert d.code in render([d]) and to_json(d)["code"] == d.code
    found = sorted((d.span.line, d.code) for d in diagnostics if d.span)
    assert found == expected_codes(path), render(diagnostics)
