"""Gradient by the length of paths (Veit et al. 2016, arXiv 1605.06431, section 4.3).

Through single paths of a trained residual network, drawn at random, how large is the gradient of the loss at the input?
Times the number of paths of a length, that is what the paths of that length bring together.
"""

from __future__ import annotations

from math import comb
from statistics import mean
from typing import Any

from deletion import STAGE
from depth import plan as plan_of_depth
from digits import small, split
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from report import GREY, RESIDUAL, Options, label, options, write
from torch.nn.functional import cross_entropy
from training import train

from archc import ablation

DRAWS, IMAGES = 8, 50
SHARE = 0.95


def measured(options: Options) -> dict[str, Any]:
    training, testing = map(small, split(options.quick))
    plan = plan_of_depth("residual", 2 if options.quick else STAGE, options.seed, options.quick)
    done = train(plan, training, options.checkpoints, options.device)
    step = max(len(testing) // IMAGES, 1)
    images, classes = testing.images[::step].to(options.device), testing.classes[::step].to(options.device)
    counts = done.net.paths("module").counts
    norms: dict[int, list[float]] = {}
    for length, count in counts.items():
        found = ablation.path_gradients(
            done.net,
            done.module,
            images,
            lambda logits: cross_entropy(logits, classes),
            length,
            min(count, 2 if options.quick else DRAWS),
            seed=options.seed,
        )
        norms[length] = [path.norm for path in found]
        print(f"{count:,} paths of length {length}: gradients of {mean(norms[length]):.3g}")
    shares = shared(counts, norms)
    low, high = shortest(shares)
    return {
        "seed": options.seed,
        "modules": max(counts),
        "norms": {str(length): found for length, found in norms.items()},
        "shares": {str(length): share for length, share in shares.items()},
        "effective": {
            "share of the gradient": SHARE,
            "from": low,
            "to": high,
            "share of the paths": sum(counts[k] for k in range(low, high + 1)) / sum(counts.values()),
        },
    }


def shared(counts: dict[int, int], norms: dict[int, list[float]]) -> dict[int, float]:
    """What the paths of each length bring, of the sum over all: their number times the mean norm."""
    brought = {length: count * mean(norms[length]) for length, count in counts.items()}
    total = sum(brought.values())
    return {length: value / total for length, value in brought.items()}


def shortest(shares: dict[int, float]) -> tuple[int, int]:
    """The shortest interval of lengths that brings at least SHARE."""
    spans = [(low, high) for low in shares for high in shares if low <= high]
    enough = [s for s in spans if sum(shares[k] for k in range(s[0], s[1] + 1)) >= SHARE]
    return min(enough, key=lambda s: (s[1] - s[0], -sum(shares[k] for k in range(s[0], s[1] + 1))))


def drawn(results: dict[str, Any]) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for length, norms in results["norms"].items():
        left.plot([int(length)] * len(norms), norms, ".", color=RESIDUAL, ms=3, alpha=0.4)
    lengths = [int(length) for length in results["norms"]]
    left.plot(lengths, [mean(norms) for norms in results["norms"].values()], "-", color=RESIDUAL, lw=1)
    left.set_yscale("log")
    label(left, "residual modules on the path", "norm of the gradient", "Through one path")
    paths = [comb(results["modules"], length) / 2 ** results["modules"] for length in lengths]
    right.bar(lengths, paths, color=GREY, alpha=0.5, width=1, label="of the paths")
    right.bar(lengths, list(results["shares"].values()), color=RESIDUAL, alpha=0.7, width=1, label="of the gradient")
    label(right, "residual modules on the path", "share", "Together")
    right.legend(frameon=False)
    return figure


if __name__ == "__main__":
    given = options(__doc__)
    write("path_lengths", measured(given), drawn, given.out)
