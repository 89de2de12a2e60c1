"""The scripts in studies/: they run, a training that was stopped ends as one that was not, and the page's figures are
those of the stored results."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "studies"
RESULTS = ROOT / "docs" / "images" / "studies"
LONG = ("deletion", "depth", "transformer")
NAMES = ["path_lengths", "reordering", *(pytest.param(name, marks=pytest.mark.slow) for name in LONG)]


@pytest.fixture(autouse=True)
def as_a_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules beside the script are found, and what a script sets for its process is set back."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    monkeypatch.syspath_prepend(STUDIES)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def run(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
    runpy.run_path(str(STUDIES / f"{name}.py"), run_name="__main__")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name: str, tmp_path: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("--quick", "--seed", "3", "--checkpoints", str(checkpoints))
    run(name, monkeypatch, *given, "--out", str(tmp_path))
    results = json.loads((tmp_path / f"{name}.json").read_text())
    stored = json.loads((RESULTS / f"{name}.json").read_text())
    assert results.keys() == stored.keys()
    assert (tmp_path / f"{name}.svg").read_text().lstrip().startswith("<?xml")
    run(name, monkeypatch, *given, "--out", str(tmp_path / "again"))
    for kind in ("json", "svg"):
        assert (tmp_path / f"{name}.{kind}").read_bytes() == (tmp_path / "again" / f"{name}.{kind}").read_bytes()


def test_a_training_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    import training
    from digits import Digits, small, split

    digits = small(split(quick=True)[0])
    plan = training.Plan("nets.arch", "residual", {"n": 1, "width": 4}, epochs=3)
    epochs = 0

    def stops(digits: Digits, generator: torch.Generator) -> Digits:
        nonlocal epochs
        epochs += 1
        if epochs == 3:
            raise KeyboardInterrupt
        return digits

    whole = training.train(plan, digits, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        training.train(plan, digits, tmp_path / "stopped", prepare=stops)
    resumed = training.train(plan, digits, tmp_path / "stopped", prepare=stops)
    assert epochs == 4 and resumed.losses == whole.losses and len(whole.losses) == 3
    ours, theirs = resumed.module.state_dict(), whole.module.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    # What is finished is loaded, and another plan is not taken for it.
    assert training.train(plan, digits, tmp_path / "stopped", prepare=stops).losses == whole.losses and epochs == 4
    other = training.Plan("nets.arch", "residual", {"n": 1, "width": 4}, epochs=3, seed=1)
    assert training.train(other, digits, tmp_path / "stopped").losses != whole.losses


def test_a_digit_turned_anticlockwise_and_back() -> None:
    from digits import rotated

    corner = torch.zeros(1, 1, 28, 28)
    corner[..., 4, 20] = 1  # above and right of the middle
    up = rotated(corner, torch.tensor([90.0]))[0, 0]
    assert divmod(int(up.argmax()), 32) == (31 - 22, 6)  # above and left of it
    import transformer

    # The map that looks up what `rotated` turned by 30 degrees turns it back by as much.
    angle = torch.tensor(30.0).deg2rad()
    theta = torch.tensor([[[angle.cos(), angle.sin(), 0], [-angle.sin(), angle.cos(), 0]]])
    assert transformer.undone(theta).item() == pytest.approx(30, abs=1e-3)


def stored(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def rate(share: float) -> str:
    return f"{100 * share:.1f} %"


def depth() -> Iterator[str]:
    nets = {(net["arch"], net["depth"]): net for net in stored("depth")["nets"]}
    for layers in sorted({depth for _, depth in nets}):
        found = [nets[arch, layers][of] for arch in ("plain", "residual") for of in ("training error", "test error")]
        yield f"| {layers} | {' | '.join(map(rate, found))} |"


def path_lengths() -> Iterator[str]:
    found = stored("path_lengths")
    last = str(found["modules"])
    yield f"from {mean(found['norms']['0']):.1e} with none to {mean(found['norms'][last]):.1e} with all {last}"
    share = found["effective"]
    brought = f"{100 * share['share of the gradient']:.0f} % of the gradient"
    yield f"lengths from {share['from']} to {share['to']} bring {brought}"
    yield f"these are {100 * share['share of the paths']:.0f} % of the paths"


def deletion() -> Iterator[str]:
    """Of each kind of net, over its seeds: the error, and without a unit the mean, the least and the largest."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for run in stored("deletion")["single"]:
        runs.setdefault(run["arch"], []).append(run)
    for arch, nets in runs.items():
        without = [error for net in nets for error in net["without"] if error is not None]
        shown = [mean(net["error"] for net in nets), mean(without), min(without), max(without)]
        yield f"| {arch} | {nets[0]['layers']} | {' | '.join(map(rate, shown))} |"
    errors: dict[str, list[float]] = {}
    for run in stored("deletion")["several"]:
        for count, found in run["errors"].items():
            errors.setdefault(count, []).extend(found)
    yield f"| modules left out | {' | '.join(errors)} |"
    yield f"| test error | {' | '.join(rate(mean(found)) for found in errors.values())} |"
    yield f"single sets of four lie between {rate(min(errors['4']))} and {rate(max(errors['4']))}"


def reordering() -> Iterator[str]:
    orders = [order for net in stored("reordering")["nets"] for order in net["orders"]]
    for low, high in pairwise((0.6, 0.7, 0.8, 0.9, 0.95, 1)):
        errors = [error for tau, error, _ in orders if low < tau <= high]
        yield f"| {low} to {high} | {len(errors)} | {rate(mean(errors))} | {rate(min(errors))} | {rate(max(errors))} |"
    stays, moves = ([e for tau, e, first in orders if 0.9 < tau <= 0.95 and first == kept] for kept in (1, 0))
    yield f"from 0.9 to 0.95 it is {rate(mean(stays))} where it does, and {rate(mean(moves))} where it does not"


def transformer() -> Iterator[str]:
    found = stored("transformer")
    alone, behind = (net["test error"] for net in found["nets"])
    yield f"{rate(alone)} of the test digits are named wrongly without the transformer, and {rate(behind)} with it"
    yield f"{found['slope']:.2f} degrees of every degree"
    yield f"a correlation of {found['correlation']:.2f}"


@pytest.mark.parametrize("study", [deletion, depth, path_lengths, reordering, transformer])
def test_the_page_has_the_stored_figures(study: Callable[[], Iterator[str]]) -> None:
    page = " ".join((ROOT / "docs" / "studies.md").read_text(encoding="utf-8").split())
    assert [text for text in study() if text not in page] == []
