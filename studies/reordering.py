"""Residual modules of a trained network in another order (Veit et al. 2016, arXiv 1605.06431, section 4.2).

Pairs of modules of one stage change places at random, more and more of them. How far the order is from the one in which
they were trained is Kendall's tau.
"""

from __future__ import annotations

import random
from typing import Any

from deletion import SEEDS, STAGE
from depth import plan as plan_of_depth
from digits import Digits, small, split
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from report import GREY, PLAIN, RESIDUAL, Options, label, options, percent, write
from training import Trained, error, train

from archc import ablation

SWAPS = (1, 2, 3, 5, 8, 12, 20, 40)
DRAWS = 8


def swapped(modules: list[str], swaps: int, draws: random.Random) -> list[str]:
    """The modules after some swaps of two of one stage. The first of the later stages changes the shape and stays."""
    stages = {path.partition(".")[0] for path in modules}
    groups = [[i for i, path in enumerate(modules) if path.startswith(stage)] for stage in sorted(stages)]
    groups = [groups[0], *(group[1:] for group in groups[1:])]
    order = list(modules)
    for _ in range(swaps):
        a, b = draws.sample(draws.choice([group for group in groups if len(group) > 1]), 2)
        order[a], order[b] = order[b], order[a]
    return order


def measured(options: Options) -> dict[str, Any]:
    training, testing = map(small, split(options.quick))
    testing = testing.to(options.device)
    nets = []
    for seed in range(options.seed, options.seed + (1 if options.quick else SEEDS)):
        plan = plan_of_depth("residual", 2 if options.quick else STAGE, seed, options.quick)
        done = train(plan, training, options.checkpoints, options.device)
        points = _points(done, testing, seed, options.quick)
        errors = [wrong for _, wrong, _ in points]
        print(f"{plan.title}: {len(points)} orders, errors from {min(errors):.2%} to {max(errors):.2%}")
        nets.append({"seed": seed, "error": error(done.module, testing), "orders": points})
    return {"nets": nets}


def _points(done: Trained, digits: Digits, seed: int, quick: bool) -> list[list[float]]:
    """Of each order Kendall's tau, the error, and 1 where the first module still comes first, else 0."""
    modules, draws = ablation.residual_modules(done.net), random.Random(seed)
    points = []
    for swaps in SWAPS[:2] if quick else SWAPS:
        for _ in range(2 if quick else DRAWS):
            other = ablation.reorder(done.net, done.module, swapped(modules, swaps, draws))
            points.append([other.tau, error(other.module, digits), int(other.order[0] == modules[0])])
    return points


def drawn(results: dict[str, Any]) -> Figure:
    figure, axes = plt.subplots(figsize=(5, 3.3), layout="constrained")
    for net, marker in zip(results["nets"], "osd^v", strict=False):
        for stays, color, what in ((1, RESIDUAL, "stays"), (0, PLAIN, "moved")):
            points = [(tau, wrong) for tau, wrong, first in net["orders"] if first == stays]
            text = f"first module {what}, seed {net['seed']}"
            axes.plot(
                [tau for tau, _ in points],
                [wrong for _, wrong in points],
                marker,
                color=color,
                ms=3.5,
                alpha=0.6,
                label=text,
            )
        axes.axhline(net["error"], color=GREY, lw=0.6, ls=":")
    axes.invert_xaxis()
    axes.set_ylim(bottom=0)
    percent(axes.yaxis)
    label(axes, "Kendall's tau", "test error", "Residual modules in another order")
    axes.legend(frameon=False, fontsize=7, loc="upper left")
    return figure


if __name__ == "__main__":
    given = options(__doc__)
    write("reordering", measured(given), drawn, given.out)
