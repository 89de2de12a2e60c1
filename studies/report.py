"""What the studies share beside training: their options, their results as JSON, their plots."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import torch

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

ROOT = Path(__file__).parents[1]
RESIDUAL, PLAIN, OTHER, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"
"""Colours that stay apart without red and green."""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    quick: bool
    seed: int
    device: str
    out: Path
    checkpoints: Path


def options(doc: str | None) -> Options:
    """Reads the command line, and makes torch's results repeatable."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny nets and few digits: whether it runs, in seconds")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--device", default="cpu", help="where to train: cpu, cuda, ... (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch on the CPU (default: 1)")
    parser.add_argument("--out", type=Path, help="folder of the results (default: docs/images/studies)")
    parser.add_argument("--checkpoints", type=Path, help="folder of the checkpoints (default: build/studies)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    build = ROOT / "build" / ("studies-quick" if given.quick else "studies")
    out = given.out or (build / "results" if given.quick else ROOT / "docs" / "images" / "studies")
    return Options(given.quick, given.seed, given.device, out, given.checkpoints or build)


def write(name: str, results: dict[str, Any], draw: Callable[[dict[str, Any]], Figure], out: Path) -> None:
    """Writes `name`.json and, drawn from what it holds, `name`.svg. The same results give the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    rounded = json.loads(json.dumps(results), parse_float=lambda text: float(f"{float(text):.6g}"))
    (out / f"{name}.json").write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    style: dict[Any, Any] = {
        "svg.hashsalt": name,
        "svg.fonttype": "path",
        "font.size": 9,
        "axes.grid": True,
        "grid.alpha": 0.3,
    }
    with plt.rc_context({**style, "axes.spines.top": False, "axes.spines.right": False, "figure.facecolor": "white"}):
        figure = draw(rounded)
        figure.savefig(out / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)
    print(f"wrote {out / name}.json and .svg")


def percent(axis: Any) -> None:
    """Shares as per cents along an axis."""
    axis.set_major_formatter(PercentFormatter(1, decimals=0))


def label(axes: Axes, x: str, y: str, title: str = "") -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, fontsize=10)
