"""The benchmarks run, at sizes at which their figures mean nothing."""

from __future__ import annotations

import check
import compile
import draw
import eager
import inference
import linear
import pytest
import run
import startup
from timing import Comparison, shown

from archc.compiler.interchange.to_networkx import to_networkx


def test_startup() -> None:
    found = startup.compare(("-c", "import archc"), ("-c", "pass"), runs=1)
    assert (len(found.ours), len(found.theirs)) == (1, 1)
    assert "import torch" in str(found)


def test_compile() -> None:
    found = compile.compare("resnet18", runs=1)
    assert found.ratio > 0
    assert "resnet18" in str(found)


def test_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert draw.compare("resnet18", runs=1).ratio > 0
    monkeypatch.setattr(draw, "installed", lambda package: None)
    found = list(draw.table("resnet18", (), "resnet18", runs=1))
    assert next(drawn.boxes for drawn in found if not drawn.missing) == 10
    assert [(drawn.tool, drawn.missing) for drawn in found if drawn.missing] == [
        ("torchview", "not measured: torchview not installed"),
        ("Keras", "not measured: keras and pydot not installed"),
    ]


@pytest.mark.parametrize("what", check.NETWORKS)
def test_check(what: str) -> None:
    growth = check.grow(what, check.NETWORKS[what], ops=(70, 140), runs=(1, 1))
    assert growth.ops == (71, 141)
    assert growth.ratio > 0
    assert what in str(growth)


def test_every_action_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "RUNS", 1)
    found = list(linear.rows((70, 140)))
    assert [row.action for row in found] == list(linear.ACTIONS)
    assert all(seconds is not None and seconds > 0 for row in found for seconds in row.seconds)


def test_networkx_builds_the_same_graph() -> None:
    graph = check.checked(check.LOOP.replace("UNITS", "3"))
    built, view = check.built(*check.described(graph)), to_networkx(graph)
    assert sorted(built.edges(data="slot")) == sorted(view.edges(data="slot"))
    assert [data["path"] for _, data in built.nodes(data=True)] == [node.path for node in graph.nodes]


def test_results() -> None:
    comparison = Comparison("this", "that", (0.5, 1.0, 0.6), (1.0, 2.0, 3.0), 0.25)
    drawings = [draw.Drawn("ours", "net", 0.5, 10, 12345), draw.Drawn("theirs", "net", missing="not installed")]
    grown = linear.Row("drawn", (10, 20, 40), (0.1, 0.2, 0.5), (0, 2**20, 2**21))
    text = run.results([comparison], [check.grow("tiny", check.REPEATED, ops=(7, 14), runs=(1, 1))], [grown], drawings)
    assert "| this | that | 500 ms | 1 s | 0.50 | 0.30 | ≤ 0.25 | no |" in text
    assert "| tiny | " in text
    assert "| drawn | 100 ms | 200 ms | 500 ms | 2.50 | 2 MiB | no |" in text
    assert "| ours | net | 500 ms | 10 | 12,345 |" in text
    assert "| theirs | net | not installed |" in text


@pytest.mark.parametrize(("seconds", "text"), [(2.345, "2.35 s"), (0.0123, "12.3 ms"), (6.24e-06, "6.24 µs")])
def test_durations(seconds: float, text: str) -> None:
    assert shown(seconds) == text


def test_eager_modules_are_measured() -> None:
    found = eager.compare("resnet18", runs=1)
    assert found.ratio > 0 and "torchvision.models.resnet18()" in found.peer


def test_inference_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "shape", lambda name: (3, 64, 64))
    row, *others = inference.rows("resnet18", [2], ["float32"], ["kernels"], runs=1, count=4)
    assert not others and row.images == 4
    assert row.engines["kernels"].error < inference.ROUNDING["float32"] and row.engines["kernels"].agreeing == 4
    assert row.ratio("kernels") and row.ratio("frozen") is None


def test_the_page_of_inference_keeps_rows_and_says_what_misses_a_bar() -> None:
    def row(name: str, kernels: float, frozen: float, error: float, agreeing: int) -> inference.Row:
        engines = {"eager": inference.Engine(0, [1.0]), "frozen": inference.Engine(9.0, [frozen])}
        engines["kernels"] = inference.Engine(0.5, [kernels, 2.0], error, agreeing)
        return inference.Row(name, "torchvision", 1, "float32", 96, engines)

    def written(*rows: inference.Row) -> dict[inference.Key, list[str]]:
        return {(f"`{row.name}`", str(row.batch), row.dtype): inference.cells(row) for row in rows}

    page = inference.page(written(row("resnet18", 0.5, 0.6, 1e-6, 96), row("vgg16", 0.95, 0.8, 1e-3, 95)), "Here.")
    assert (
        "- float32, kernels to eager: 0.69 in geometric mean of 2, at most 0.62: missed; over 0.9 are `vgg16` at 1 0.95"
        in page
    )
    assert "kernels to frozen: 0.99 in geometric mean of 2, at most 1: met; over 1 are `vgg16` at 1 1.19" in page
    assert "error over 1e-05: `vgg16` at 1 1e-03" in page and "another class: `vgg16` at 1 95 of 96" in page
    assert inference.page(inference.written(page), "Here.") == page
