"""Random small programs: elaboration never raises, is repeatable, and does not depend on the order of hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from language_files import HERE, described, state
from quick import slow_but

from archc.compiler.analyses.claimed import Figures
from archc.compiler.ir.graph import Graph
from archc.compiler.program import Program
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.render import render

ATOMS = (
    "relu",
    "conv(4, 3)",
    "conv(3, 1, 2)",
    "bn",
    "id",
    "gap",
    "linear(2)",
    "maxpool(2)",
    "b(2)",
    "b",
    "pair",
    "g(3)",
)
VALUES = ("1", "2", "0.5", "n", "xs", "true", '"a"', "x", "in", "f", "s", "x.channels", "x.height", "[1, 2]", "nothing")
WORDS = st.sampled_from((*ATOMS, *ATOMS, *VALUES))


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda parts: f"({' -> '.join(parts)})"),
        st.tuples(several, st.sampled_from([" + ", " - ", " * ", " ++ ", " / ", " // ", " == ", " and "])).map(
            lambda pair: f"({pair[1].join(pair[0])})"
        ),
        several.map(lambda parts: f"[{', '.join(parts)}]"),
        several.map(lambda parts: f"({', '.join(parts)},)"),
        several.map(lambda parts: f"sum({', '.join(parts)})"),
        several.map(lambda parts: f"concat(*[{', '.join(parts)}])"),
        inner.map(lambda part: f"({part}) ** 2"),
        inner.map(lambda part: f"(a: ({part}))"),
        inner.map(lambda part: f"(c{{1..}}: ({part}))"),
        inner.map(lambda part: f"[{part} for i in 1..2]"),
        inner.map(lambda part: f"each({part})"),
        inner.map(lambda part: f"fresh({part})"),
        inner.map(lambda part: f"frozen({part})"),
        inner.map(lambda part: f"use({part})"),
        st.tuples(inner, inner, inner).map(lambda t: f"(if {t[0]} then {t[1]} else {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"(match {t[0]} {{ 1 => {t[1]}, _ => id }})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]})({t[1]})"),
        inner.map(lambda part: f"({part})[0]"),
    )


EXPRESSIONS = st.recursive(WORDS, _grown, max_leaves=8)
PROGRAM = """block b(c = 2, f = relu) = conv(c, 1) -> f
block pair()(x, *rest) {{ output (x, *rest) }}
block use(f) {{ y = in -> f   output y }}
fn g(v) = [conv(v, 1), relu]
arch A(n: int = 2) {{
  input x: [N, 3, H, 8] = [1, 3, 8, 8]
  xs = [1, 2]
  f = {first}
  shared s = {shared}
  y = x -> {second}
  output y
  expect params == {third}
}}
"""
PROGRAMS = st.builds(
    PROGRAM.format,
    first=EXPRESSIONS,
    shared=EXPRESSIONS,
    second=EXPRESSIONS,
    third=st.sampled_from(["1", "n", "depth"]),
)


def outcome(text: str) -> tuple[list[Diagnostic], Graph | None]:
    """What a check says, and the graph, which a text with errors does not have."""
    program = Program.parse(text)
    if program.loaded is None or "A" not in program.arches():
        return program.diagnostics, None
    checked = next(c for c in program.check() if c.name == "A")
    graph = None if program.errors else checked.elaborated.graph
    return [*program.diagnostics, *checked.elaborated.diagnostics], graph


def summary(text: str) -> Any:
    return described(*outcome(text))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS)
@example(PROGRAM.format(first="relu", shared="relu", second="(match 2 { 1 => nothing, _ => id })", third="depth"))
def test_elaboration_never_raises_and_repeats(text: str) -> None:
    diagnostics, graph = outcome(text)
    assert (graph is None) == any(d.severity == "error" for d in diagnostics)
    assert all(d.code and d.message and d.span for d in diagnostics)
    assert render(diagnostics) is not None
    assert summary(text) == summary(text)
    if graph is not None:
        names = [name for name, _, _ in state(graph)]
        assert len(set(names)) == len(names)
        owned = {n.path for n in graph.nodes if n.owner == n.index and n.op.has_weights}
        assert owned <= {name.rpartition(".")[0] for name in names} | set(names)
        assert Figures().measure(graph, "params", None, {}) >= 0


@cache
def digest_with(seed: str) -> str:
    """What a process finds whose hashes have this seed."""
    run = f"import sys; sys.path.insert(0, {str(HERE)!r}); import language_files; print(language_files.digest())"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", run]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("seed", slow_but(("1",), ("1", "4242")))
def test_nothing_depends_on_the_hash_seed(seed: str) -> None:
    assert digest_with(seed) == digest_with("0")
