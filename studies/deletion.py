"""Deleting modules of trained networks (Veit et al. 2016, arXiv 1605.06431, sections 4.1 and 4.2).

First one module at a time: from residual networks the branch beside a shortcut, from plain networks and VGG a unit,
which then passes on what it gets. Then several residual modules at once, chosen at random.
"""

from __future__ import annotations

import random
from statistics import mean
from typing import Any

from depth import plan as plan_of_depth
from digits import Digits, small, split
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from report import OTHER, PLAIN, RESIDUAL, Options, label, options, percent, write
from training import Plan, Trained, error, train

import archc
from archc import ablation

SEEDS, STAGE, OF_VGG, OF_PLAIN = 2, 9, 4, 3
DRAWS = 8
MANY = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24)
NAMES = {"residual": "residual", "plain": "plain", "vgg": "VGG"}
COLORS = {"residual": RESIDUAL, "plain": PLAIN, "vgg": OTHER}


def plans(seed: int, quick: bool) -> list[Plan]:
    """A residual net, VGG, and the deepest plain net that trains well."""
    vgg = Plan("nets.arch", "vgg", {"n": 2 if quick else OF_VGG}, epochs=1 if quick else 15, seed=seed)
    sizes = (("residual", 2 if quick else STAGE), ("plain", 2 if quick else OF_PLAIN))
    return [*(plan_of_depth(arch, n, seed, quick) for arch, n in sizes), vgg]


def units(plan: Plan) -> list[str]:
    """The paths of a net's units: residual modules, or their likes."""
    stages = range(1, 4)
    return [f"stage{stage}.{unit}" for stage in stages for unit in range(plan.parameters["n"])]


def single(plan: Plan, done: Trained, digits: Digits) -> dict[str, Any]:
    """The error without each unit; None where one sets the width, so that nothing can stand for it."""
    found: list[float | None] = []
    for path in units(plan):
        try:
            found.append(error(ablation.lesion(done.net, done.module, path), digits))
        except archc.ArchError as refused:
            assert refused.diagnostics[0].code == "E0872", refused
            found.append(None)
    whole = error(done.module, digits)
    print(f"{plan.title}: error {whole:.2%}; without one unit {mean(e for e in found if e is not None):.2%} on average")
    return {
        "arch": plan.arch,
        "seed": plan.seed,
        "layers": done.net.stats().depth,
        "units": units(plan),
        "error": whole,
        "without": found,
    }


def several(plan: Plan, done: Trained, digits: Digits, quick: bool) -> dict[str, Any]:
    """The errors without random sets of residual modules, by how many they are."""
    modules = ablation.residual_modules(done.net)
    chosen = random.Random(plan.seed)
    errors = {}
    for count in MANY[:3] if quick else MANY:
        sets = [chosen.sample(modules, count) for _ in range(2 if quick else DRAWS)]
        errors[str(count)] = [error(ablation.lesion(done.net, done.module, paths), digits) for paths in sets]
        print(f"{plan.title}: without {count} modules {mean(errors[str(count)]):.2%} on average")
    return {"seed": plan.seed, "modules": len(modules), "errors": errors}


def measured(options: Options) -> dict[str, Any]:
    training, testing = map(small, split(options.quick))
    testing = testing.to(options.device)
    one, more = [], []
    for seed in range(options.seed, options.seed + (1 if options.quick else SEEDS)):
        for plan in plans(seed, options.quick):
            done = train(plan, training, options.checkpoints, options.device)
            one.append(single(plan, done, testing))
            if plan.arch == "residual":
                more.append(several(plan, done, testing, options.quick))
    return {"single": one, "several": more}


def drawn(results: dict[str, Any]) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.3), layout="constrained", width_ratios=(1.5, 1))
    shown = set()
    for net in results["single"]:
        color, count = COLORS[net["arch"]], len(net["units"])
        places = [(i + 0.5) / count for i in range(count)]
        points = [(place, e) for place, e in zip(places, net["without"], strict=True) if e is not None]
        text = f"{NAMES[net['arch']]}, {net['layers']} layers" if net["arch"] not in shown else None
        left.plot(*zip(*points, strict=True), "o-", color=color, ms=3, lw=0.8, alpha=0.8, label=text)
        left.axhline(net["error"], color=color, lw=0.6, ls=":")
        shown.add(net["arch"])
    for boundary in (1 / 3, 2 / 3):
        left.axvline(boundary, color="#bbbbbb", lw=0.8)
    left.set_xticks([1 / 6, 1 / 2, 5 / 6], ["stage 1", "stage 2", "stage 3"])
    label(left, "where in the net the unit stood", "test error", "Without one unit")
    left.legend(frameon=False, loc=(0.12, 0.3))
    for run in results["several"]:
        counts = [int(count) for count in run["errors"]]
        for count, errors in run["errors"].items():
            right.plot([int(count)] * len(errors), errors, ".", color=RESIDUAL, ms=3, alpha=0.35)
        right.plot(counts, [mean(errors) for errors in run["errors"].values()], "-", color=RESIDUAL, lw=1)
    label(right, f"modules left out, of {results['several'][0]['modules']}", "", "Without several, at random")
    for axes in (left, right):
        axes.set_ylim(0, 1)
        percent(axes.yaxis)
    return figure


if __name__ == "__main__":
    given = options(__doc__)
    write("deletion", measured(given), drawn, given.out)
