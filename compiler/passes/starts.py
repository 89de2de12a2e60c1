"""How the weight of a convolution starts that was a dense layer's."""

from __future__ import annotations

import math

from ..ops.initialisers import Initialiser

_GAINS = {"relu": math.sqrt(2.0), "tanh": 5 / 3, "selu": 3 / 4}
"""torch's gain of each nonlinearity (`torch.nn.init.calculate_gain`) that is not 1, leaky_relu's left out."""


def as_convolution(init: Initialiser, matrix: tuple[int, int], places: int) -> Initialiser:
    """The initialiser that gives a convolution over a window of so many places the numbers that `init` gives `matrix`.

    A weight [out, C * h * w] and its view [out, C, h, w] have the same numbers and the same fan-in. Only the fan-out
    of the view is larger, by the number of places.
    """
    if places == 1:
        return init
    out, fan_in = matrix
    settings = init.settings
    if init.kind in ("xavier_normal", "xavier_uniform"):
        gain = settings["gain"] * math.sqrt((fan_in + out * places) / (fan_in + out))
        return Initialiser(init.kind, (("gain", gain),))
    if not init.kind.startswith("kaiming") or settings["mode"] == "fan_in":
        return init
    leaky = math.sqrt(2.0 / (1 + settings["a"] ** 2))
    gain = leaky if settings["nonlinearity"] == "leaky_relu" else _GAINS.get(settings["nonlinearity"], 1.0)
    std = gain / math.sqrt(out)
    if init.kind == "kaiming_normal":
        return Initialiser("normal", (("std", std), ("mean", 0.0)))
    bound = math.sqrt(3.0) * std
    return Initialiser("uniform", (("low", -bound), ("high", bound)))
