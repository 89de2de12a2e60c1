"""Plots: their figures are those of the analyses, their files the same each time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elaborated_zoo import load

from archc.api import loads
from archc.compiler.analyses.usual import checked_sizes
from archc.dsl.diagnostics import ArchError
from archc.viz.curves import box_costs, course

Run = Callable[..., Any]
NETS = ("resnet50", "inception_v3", "fractalnet", "densenet121")


@pytest.mark.parametrize("name", NETS)
def test_bars_add_up_to_the_architecture(name: str) -> None:
    net = load(name)
    rows, stats = box_costs(net.ir), net.stats()
    assert sum(row.parameters for row in rows) == stats.parameters
    assert sum(row.multiply_adds for row in rows) == stats.multiply_adds
    assert len(rows) <= 20 and all(row.label for row in rows)


def test_bars_are_the_stages_from_top_to_bottom() -> None:
    net = load("resnet50")
    assert [row.label for row in box_costs(net.ir)][-5:] == ["layer1", "layer2", "layer3", "layer4", "fc"]
    scopes = {row.path: row.parameters for row in net.stats().rows}
    assert all(row.parameters == scopes[row.label] for row in box_costs(net.ir)[-5:])
    assert len(box_costs(net.ir, 4)) > len(box_costs(net.ir))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETS)
def test_memory_comes_to_what_stats_says(name: str, dtype: str) -> None:
    net = load(name)
    stats = net.stats(dtype, N=4)
    found = course(net.ir, checked_sizes(net.ir, {"N": 4}), dtype)
    assert max(found.held) == stats.inference_bytes - stats.weight_bytes
    assert found.kept == sorted(found.kept) and found.kept[-1] <= stats.kept
    if not any(output.when_training for output in net.ir.outputs):
        assert found.kept[-1] == stats.kept


def test_memory_of_a_chain_layer_by_layer() -> None:
    net = loads("arch Net() { input x: [N, 1, 4, 4] output x -> a: conv(2, 1) -> b: conv(3, 1) -> gap }")
    found = course(net.ir, checked_sizes(net.ir, {"N": 1}), "float32")
    x, a, b, mean = 4 * 16, 4 * 32, 4 * 48, 4 * 3
    assert found.held == [x + a, x + a + b, x + b + mean]
    assert found.kept == [x + a, x + a, x + a]


def test_sections_are_scopes() -> None:
    net = load("resnet50")
    found = course(net.ir, checked_sizes(net.ir, {}), "float32")
    assert [name for _, name in found.sections] == ["layer1", "layer2", "layer3", "layer4"]


@pytest.mark.parametrize(
    ("what", "options", "theme"),
    [("costs", {}, "light"), ("memory", {"N": 2}, "dark"), ("paths", {"by": "module"}, "light")],
)
def test_plots_are_the_same_each_time(what: str, options: dict[str, Any], theme: str) -> None:
    net = load("resnet18")
    plot = net.plot(what, theme=theme, **options)
    first = plot.content("svg")
    assert plot.content("png").startswith(b"\x89PNG")
    assert first == plot.content("svg") == net.plot(what, theme=theme, **options).content("svg")
    assert plot._repr_svg_().startswith("<svg")


def test_words_options_and_formats_that_there_are_not(tmp_path: Path) -> None:
    net = load("resnet18")
    for arguments in ({"what": "speed"}, {"theme": "sepia"}, {"what": "memory", "Q": 3}, {"what": "paths", "by": "x"}):
        with pytest.raises(ValueError):
            net.plot(**arguments)
    for what, option in (("costs", {"by": "module"}), ("memory", {"depth": 2}), ("paths", {"N": 3})):
        with pytest.raises(ArchError) as caught:
            net.plot(what, **option)
        assert caught.value.diagnostics[0].code == "E1040"
    with pytest.raises(ArchError) as caught:
        net.plot("costs", tmp_path / "a.docx")
    assert caught.value.diagnostics[0].code == "E1005" and not (tmp_path / "a.docx").exists()


def test_the_command_writes_what_the_ending_says(archc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert archc("plot", "fof").out == "wrote fof-costs.svg\n"
    assert (tmp_path / "fof-costs.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert archc("plot", "fof", "--what", "paths", "-o", "a.png").status == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert archc("plot", "fof", "--what", "memory", "--size", "N=2", "--theme", "dark", "-o", tmp_path).status == 0
    assert (tmp_path / "fof-memory.svg").exists()


def test_the_command_refuses(archc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = archc("plot", "fof", "-o", tmp_path / "a.docx")
    assert refused.status == 1 and "E1005" in refused.err and ".svg" in refused.err
    refused = archc("plot", "fof", "--what", "paths", "--depth", "2")
    assert refused.status == 1 and "E1040" in refused.err
    assert archc("plot", "fof", "--what", "memory", "--size", "Q=2").status == 2
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    refused = archc("plot", "fof")
    assert refused.status == 1 and "E1004" in refused.err and "archc-lang[plot]" in refused.err
    assert not list(tmp_path.iterdir())


def test_drawing_does_not_import_matplotlib() -> None:
    code = "import sys, archc; archc.load('nin_cifar').draw(); assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
