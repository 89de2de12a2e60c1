"""How a weight starts that was a weight of another shape, so that its numbers are drawn as before."""

from __future__ import annotations

import math

from ..ir.initialisers import INITIALISERS, Initialiser

Shape = tuple[int, ...]

_GAINS = {"relu": math.sqrt(2.0), "tanh": 5 / 3, "selu": 3 / 4}
"""torch's gain of each nonlinearity (`torch.nn.init.calculate_gain`) that is not 1, leaky_relu's left out."""


def reshaped(init: Initialiser, before: Shape, after: Shape) -> Initialiser:
    """The initialiser that draws the weight of one shape as `init` draws that of another, such as [out, C, h, w] for
    [out, C * h * w]. `is_drawn` must hold unless the one is a view of the other."""
    return _drawn(init, _fans(before), _fans(after))


def is_drawn(init: Initialiser) -> bool:
    """Whether the numbers of a part of the weight are as they would be in a weight of another shape: one number
    everywhere, or drawn each on its own."""
    return not INITIALISERS[init.kind].of_shape and not isinstance(init.settings.get("value"), tuple)


def _fans(shape: Shape) -> tuple[int, int]:
    places = math.prod(shape[2:])
    return shape[1] * places, shape[0] * places


def _drawn(init: Initialiser, before: tuple[int, int], after: tuple[int, int]) -> Initialiser:
    """The same distribution where fan-in and fan-out are others."""
    settings = init.settings
    if init.kind in ("xavier_normal", "xavier_uniform"):
        gain = settings["gain"] * math.sqrt(sum(after) / sum(before))
        return init if sum(after) == sum(before) else Initialiser(init.kind, (("gain", gain),))
    if init.kind == "lecun_normal" and before[0] != after[0]:
        return _normal(1 / math.sqrt(before[0]))
    side = int(settings.get("mode") == "fan_out")
    if not init.kind.startswith("kaiming") or before[side] == after[side]:
        return init
    leaky = math.sqrt(2.0 / (1 + settings["a"] ** 2))
    gain = leaky if settings["nonlinearity"] == "leaky_relu" else _GAINS.get(settings["nonlinearity"], 1.0)
    std = gain / math.sqrt(before[side])
    if init.kind == "kaiming_normal":
        return _normal(std)
    bound = math.sqrt(3.0) * std
    return Initialiser("uniform", (("low", -bound), ("high", bound)))


def _normal(std: float) -> Initialiser:
    return Initialiser("normal", (("std", std), ("mean", 0.0)))
