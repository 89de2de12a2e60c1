"""Runs every benchmark but that of inference, which takes hours, and writes `results.md` beside this file.

python bench/run.py
"""

from __future__ import annotations

import datetime
import os
import platform
from functools import partial
from pathlib import Path

import check
import compile
import draw
import eager
import linear
import networkx
import startup
import torch
import torchvision
from timing import Comparison, shown

import archc

RESULTS = Path(__file__).with_name("results.md")
EXPLANATION = """\
Each line compares archc with a named peer in one run: both take turns on the same machine, and the ratio is that of the
fastest runs, which the rest of the machine disturbed least. The numbers are no gate of CI."""
GROWTH = f"""\
What everything costs as a network of one block repeated grows (`python bench/linear.py`): processor time, the largest
ratio of one size and the next (for twice the layers, target: at most {linear.TARGET:g}), and the peak memory
beyond the network's."""
DRAWINGS = f"""\
Drawings: for archc from the text of a spec to the SVG, for its peers from a module that is there already to the SVG
that Graphviz makes of their graph ({Path(draw.graphviz()).name}). The target is {draw.SECONDS:g} s for the overview of
ResNet-152."""


def results(
    comparisons: list[Comparison],
    growths: list[check.Growth],
    actions: list[linear.Row],
    drawings: list[draw.Drawn],
) -> str:
    """The text of `results.md`."""
    lines = ["# Benchmarks", "", *EXPLANATION.split("\n"), "", "```sh", "python bench/run.py", "```", "", machine(), ""]
    lines += [
        "| archc | peer | archc, fastest | peer, fastest | ratio | of medians | target | met |",
        "| --- " * 8 + "|",
    ]
    for c in [*comparisons, *(c for growth in growths for c in growth.beside_networkx)]:
        cells = [c.what, c.peer, shown(min(c.ours)), shown(min(c.theirs)), f"{c.ratio:.2f}", f"{c.median_ratio:.2f}"]
        lines.append(row(*cells, f"≤ {c.target:g}", answer(c.ratio <= c.target)))
    lines += ["", "What an op costs a check, at a small and at a large size:", ""]
    titles = ("network", "small", "large", "ratio", "target", "met")
    lines += [row(*titles), row(*["---"] * len(titles))]
    for g in growths:
        small, large = (f"{shown(cost)} ({ops:,} ops)" for cost, ops in zip(g.per_op, g.ops, strict=True))
        met = abs(g.ratio - 1) <= check.EVENNESS
        lines.append(row(g.what, small, large, f"{g.ratio:.2f}", f"1 ± {check.EVENNESS:g}", answer(met)))
    lines += ["", *GROWTH.split("\n"), ""]
    titles = ("action", *(f"{layers:,} layers" for layers in actions[0].layers), "growth", "memory", "met")
    lines += [row(*titles), row(*["---"] * len(titles))]
    for action in actions:
        times = ("refused" if seconds is None else shown(seconds) for seconds in action.seconds)
        memory = f"{max(action.memory) / 2**20:,.0f} MiB"
        lines.append(row(action.action, *times, f"{action.growth:.2f}", memory, answer(action.growth <= linear.TARGET)))
    lines += ["", *DRAWINGS.split("\n"), "", row("tool", "drawing", "fastest", "boxes", "bytes of SVG")]
    lines.append(row(*["---"] * 5))
    for d in drawings:
        figures = (d.missing, "", "") if d.missing else (shown(d.seconds), str(d.boxes), f"{d.size:,}")
        lines.append(row(d.tool, d.what, *figures))
    return "\n".join([*lines, ""])


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def answer(met: bool) -> str:
    return "yes" if met else "no"


def machine() -> str:
    """What the numbers depend on, without naming the machine."""
    versions = {
        "archc": archc.__version__,
        "torch": torch.__version__.partition("+")[0],
        "torchvision": torchvision.__version__.partition("+")[0],
        "networkx": networkx.__version__,
    }
    parts = [
        f"{os.cpu_count()} cores ({platform.machine()})",
        f"{platform.system()}, Python {platform.python_version()}",
    ]
    parts += [f"{name} {version}" for name, version in versions.items()]
    return f"Measured on {datetime.date.today().isoformat()}: {'; '.join(parts)}."


def main() -> None:
    comparisons = []
    modules = [partial(eager.compare, name) for name in eager.NAMES]
    for measure in (startup.compare, compile.compare, draw.compare, *modules):
        comparisons.append(measure())
        print(comparisons[-1], flush=True)
    growths = []
    for what, text in check.NETWORKS.items():
        growths.append(check.grow(what, text))
        print(growths[-1], flush=True)
    actions = []
    for action in linear.rows(linear.sizes()):
        actions.append(action)
        print(action, flush=True)
    drawings = []
    for drawn in draw.table():
        drawings.append(drawn)
        print(drawn, flush=True)
    RESULTS.write_text(results(comparisons, growths, actions, drawings), encoding="utf-8")
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
