"""A spatial transformer that learns to undo rotation (Jaderberg et al. 2015, arXiv 1506.02025, section 4.1).

Digits are turned by up to 90 degrees either way, anew in every epoch. A fully connected net learns to name them, alone
and behind a transformer; nothing but the loss says that the transformer should turn them back. Does it?
"""

from __future__ import annotations

from typing import Any

import torch
from digits import Digits, normal, rotated, split
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from report import OTHER, PLAIN, RESIDUAL, Options, label, options, percent, write
from torch import Tensor
from training import Plan, Trained, error, logits, train

EPOCHS = 60
LARGEST = 90
BINS = 9
SHOWN = (3, 4, 7)
"""The digits that the picture shows."""
ANGLES = (-90, -45, 0, 45, 90)


def plan(arch: str, seed: int, quick: bool = False) -> Plan:
    return Plan("rotation.arch", arch, {}, epochs=2 if quick else EPOCHS, rate=0.03, seed=seed)


def turned(digits: Digits, generator: torch.Generator) -> Digits:
    """The digits, each turned by an angle of its own, as networks take them."""
    angles = (2 * torch.rand(len(digits), generator=generator) - 1) * LARGEST
    return Digits(normal(rotated(digits.images, angles)), digits.classes)


def undone(theta: Tensor) -> Tensor:
    """By how many degrees a transformer turns images back, clockwise, by its affine maps [N, 2, 3]."""
    return torch.atan2(theta[:, 0, 1] - theta[:, 1, 0], theta[:, 0, 0] + theta[:, 1, 1]).rad2deg()


def measured(options: Options) -> dict[str, Any]:
    training, testing = split(options.quick)
    trained = {
        arch: train(plan(arch, options.seed, options.quick), training, options.checkpoints, options.device, turned)
        for arch in ("fcn", "stn")
    }
    angles = (2 * torch.rand(len(testing), generator=torch.Generator().manual_seed(options.seed)) - 1) * LARGEST
    test = Digits(normal(rotated(testing.images, angles)), testing.classes)
    return {
        "seed": options.seed,
        "epochs": len(trained["fcn"].losses),
        "nets": [{"arch": arch, **_errors(done, test, angles, options)} for arch, done in trained.items()],
        **_turning(trained["stn"], test, angles, options),
        "images": _images(trained["stn"], testing, options),
    }


def _errors(done: Trained, test: Digits, angles: Tensor, options: Options) -> dict[str, Any]:
    """The error on turned digits: of all, and by the angle."""
    with torch.no_grad():
        wrong = logits(done.module(test.images.to(options.device))).argmax(1).cpu() != test.classes
    bins = ((angles + LARGEST) / (2 * LARGEST) * BINS).long().clamp(0, BINS - 1)
    by_angle = [float(wrong[bins == i].float().mean()) if (bins == i).any() else 0.0 for i in range(BINS)]
    whole = error(done.module, test.to(options.device))
    print(f"{done.net.name}: error {whole:.2%}")
    return {"losses": done.losses, "test error": whole, "by angle": by_angle}


def _turning(done: Trained, test: Digits, angles: Tensor, options: Options) -> dict[str, Any]:
    """How far the transformer turns each digit back, and the straight line through that."""
    with torch.no_grad():
        back = undone(done.module(test.images.to(options.device))["theta"]).cpu()
    slope, correlation = _line(angles, back)
    print(f"of each degree of rotation the transformer undoes {slope:.2f}; correlation {correlation:.2f}")
    points = list(range(0, len(test), max(len(test) // 250, 1)))
    return {
        "slope": slope,
        "correlation": correlation,
        "points": [[float(angles[i]), float(back[i])] for i in points],
    }


def _line(x: Tensor, y: Tensor) -> tuple[float, float]:
    """The slope of the line of least squares, and the correlation."""
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum()), float((x * y).sum() / (x.norm() * y.norm()).clamp(min=1e-12))


def _images(done: Trained, testing: Digits, options: Options) -> list[dict[str, Any]]:
    """Some digits as the net gets them and as its classifier sees them, 32 x 32 bytes each in hexadecimal."""
    chosen = [int((testing.classes == digit).nonzero()[0]) for digit in SHOWN]
    images = testing.images[chosen].repeat_interleave(len(ANGLES), 0)
    degrees = torch.tensor(ANGLES, dtype=torch.float32).repeat(len(SHOWN))
    given = rotated(images, degrees)
    with torch.no_grad():
        seen = done.module(normal(given).to(options.device))["seen"].cpu()
    pairs = zip(degrees.tolist(), normal(given), seen, strict=True)
    return [{"angle": angle, "given": _hexadecimal(a), "seen": _hexadecimal(b)} for angle, a, b in pairs]


def _hexadecimal(image: Tensor) -> str:
    low, high = normal(torch.tensor([0.0, 1.0])).tolist()
    return bytes(((image - low) / (high - low)).clamp(0, 1).mul(255).round().int().flatten().tolist()).hex()


def drawn(results: dict[str, Any]) -> Figure:
    figure = plt.figure(figsize=(8, 5), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 0.85))
    left, right = halves[0].subplots(2, 1)
    middles = [(2 * i + 1) / BINS * LARGEST - LARGEST for i in range(BINS)]
    for net, name, color in zip(results["nets"], ("alone", "behind a transformer"), (PLAIN, RESIDUAL), strict=True):
        text = f"{name}: {net['test error']:.1%} in all"
        left.plot(middles, net["by angle"], "o-", color=color, label=text)
    left.set_ylim(0, 1.5 * max(max(net["by angle"]) for net in results["nets"]))
    percent(left.yaxis)
    label(left, "rotation of the digit (degrees)", "test error", "A fully connected net")
    left.legend(frameon=False, loc="upper left")
    x, y = zip(*results["points"], strict=True)
    right.plot([-LARGEST, LARGEST], [-LARGEST, LARGEST], color="#777777", lw=1, label="all of it")
    right.plot(x, y, ".", color=OTHER, ms=4, label=f"measured: slope {results['slope']:.2f}")
    label(right, "rotation of the digit (degrees)", "turned back (degrees)", "What the transformer undoes")
    right.legend(frameon=False)
    _draw_images(halves[1], results["images"])
    return figure


def _draw_images(figure: Any, images: list[dict[str, Any]]) -> None:
    figure.suptitle("Digits as given, and below as the classifier sees them", fontsize=10)
    grid: Any = figure.subplots(2 * len(SHOWN), len(ANGLES), gridspec_kw={"wspace": 0.05, "hspace": 0.05})
    for place, image in enumerate(images):
        digit, column = divmod(place, len(ANGLES))
        for row, kind in enumerate(("given", "seen")):
            axes = grid[2 * digit + row][column]
            pixels = torch.tensor(list(bytes.fromhex(image[kind]))).view(32, 32).numpy()
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
            if digit == row == 0:
                axes.set_title(f"{image['angle']:.0f}°", fontsize=8)


if __name__ == "__main__":
    given = options(__doc__)
    write("transformer", measured(given), drawn, given.out)
