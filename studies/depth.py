"""Plain against residual networks as depth grows (He et al. 2015, arXiv 1512.03385, section 4.2).

Both have the same layers and parameters; the plain ones lack the shortcuts. Trained alike, does a deeper plain net
have the higher error on the digits that it was trained on?
"""

from __future__ import annotations

from typing import Any

from digits import small, split
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from report import PLAIN, RESIDUAL, Options, label, options, percent, write
from training import Plan, error, train

EPOCHS = 15
STAGES = (1, 3, 5, 7, 9)
"""Units in each of the three stages; a net has 6n + 2 layers."""


def plan(arch: str, n: int, seed: int, quick: bool = False) -> Plan:
    return Plan("nets.arch", arch, {"n": n}, epochs=1 if quick else EPOCHS, seed=seed)


def measured(options: Options) -> dict[str, Any]:
    training, testing = map(small, split(options.quick))
    nets = []
    for n in STAGES[:2] if options.quick else STAGES:
        for arch in ("plain", "residual"):
            done = train(plan(arch, n, options.seed, options.quick), training, options.checkpoints, options.device)
            known, new = (error(done.module, digits.to(options.device)) for digits in (training, testing))
            nets.append(
                {"arch": arch, "depth": 6 * n + 2, "losses": done.losses, "training error": known, "test error": new}
            )
            print(f"{arch} {6 * n + 2}: error {known:.2%} in training, {new:.2%} in testing")
    return {"seed": options.seed, "epochs": len(nets[0]["losses"]), "nets": nets}


def drawn(results: dict[str, Any]) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for arch, color in (("plain", PLAIN), ("residual", RESIDUAL)):
        nets = [net for net in results["nets"] if net["arch"] == arch]
        depths = [net["depth"] for net in nets]
        left.plot(depths, [net["training error"] for net in nets], "o-", color=color, label=f"{arch}, training")
        left.plot(depths, [net["test error"] for net in nets], "s--", color=color, label=f"{arch}, test", mfc="white")
        for place, net in enumerate(nets):
            fade = 0.25 + 0.75 * (place + 1) / len(nets)
            epochs = range(1, len(net["losses"]) + 1)
            right.plot(epochs, net["losses"], color=color, alpha=fade, label=f"{arch}, {net['depth']} layers")
    left.set_xticks(sorted({net["depth"] for net in results["nets"]}))
    left.set_yscale("symlog", linthresh=0.01)
    left.set_ylim(0, 1)
    percent(left.yaxis)
    label(left, "layers", "error", "After training")
    left.legend(frameon=False)
    right.set_yscale("log")
    label(right, "epoch", "mean loss", "While training")
    right.legend(frameon=False, fontsize=7, ncols=2, loc="lower left")
    return figure


if __name__ == "__main__":
    given = options(__doc__)
    write("depth", measured(given), drawn, given.out)
