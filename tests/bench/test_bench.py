"""The benchmarks run, at sizes at which their figures mean nothing."""

from __future__ import annotations

import check
import compile
import pytest
import run
import startup
from timing import Comparison, shown


def test_startup() -> None:
    found = startup.compare(("-c", "import archc"), ("-c", "pass"), runs=1)
    assert (len(found.ours), len(found.theirs)) == (1, 1)
    assert "import torch" in str(found)


def test_compile() -> None:
    found = compile.compare("resnet18", runs=1)
    assert found.ratio > 0
    assert "resnet18" in str(found)


@pytest.mark.parametrize("what", check.NETWORKS)
def test_check(what: str) -> None:
    growth = check.grow(what, check.NETWORKS[what], ops=(70, 140), runs=(1, 1))
    assert growth.ops == (71, 141)
    assert growth.ratio > 0
    assert what in str(growth)


def test_networkx_builds_the_same_graph() -> None:
    graph = check.checked(check.LOOP.replace("UNITS", "3"))
    built, view = check.built(*check.described(graph)), graph.networkx()
    assert list(built.edges(data=True)) == list(view.edges(data=True))
    assert [data["path"] for _, data in built.nodes(data=True)] == [node.path for node in graph.nodes]


def test_results() -> None:
    comparison = Comparison("this", "that", (0.5, 1.0, 0.6), (1.0, 2.0, 3.0), 0.25)
    text = run.results([comparison], [check.grow("tiny", check.REPEATED, ops=(7, 14), runs=(1, 1))])
    assert "| this | that | 500 ms | 1 s | 0.50 | 0.30 | ≤ 0.25 | no |" in text
    assert "| tiny | " in text


@pytest.mark.parametrize(("seconds", "text"), [(2.345, "2.35 s"), (0.0123, "12.3 ms"), (6.24e-06, "6.24 µs")])
def test_durations(seconds: float, text: str) -> None:
    assert shown(seconds) == text
