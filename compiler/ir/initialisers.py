"""How a weight starts, as data: the initialisers of the language.

Their names and meanings are `torch.nn.init`'s. `INITIALISERS` says what each takes; `make_initialiser` checks a call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .words import BadValue, choice, did_you_mean, number, say


@dataclass(frozen=True, slots=True)
class Initialiser:
    """`kind` names one of the initialisers of the language (`normal`, `constant`, `kaiming_normal`, ...).

    `arguments` holds all its settings, in the order of the declaration; lists are tuples.
    """

    kind: str
    arguments: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        """A call that makes it, without the settings that have their defaults."""
        defaults = {s.name: s.default for s in INITIALISERS[self.kind].settings}
        settings = ", ".join(f"{name} = {say(value)}" for name, value in self.arguments if value != defaults[name])
        return f"{self.kind}({settings})" if settings else self.kind

    @property
    def described(self) -> str:
        return f"the initialiser {self.kind}"

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.arguments)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the list that it holds; () where it holds none."""
        return _shape(self.settings.get("value"))


REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Setting:
    """One argument of an initialiser."""

    name: str
    default: Any
    check: Callable[[Any], Any]
    description: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """One initialiser.

    `torch` is the function that fills a tensor so (its keywords are the settings' names), None where torch has none.
    `least_rank` is the fewest axes that the tensor must have. `of_shape`: the numbers depend on each other or on their
    places, so that a part of the tensor is no tensor that starts so. `random` is False where the numbers are the same
    each time.
    """

    kind: str
    doc: str
    settings: tuple[Setting, ...] = ()
    torch: str | None = None
    least_rank: int = 0
    of_shape: bool = False
    random: bool = True

    @property
    def signature(self) -> str:
        parts = [s.name if s.default is REQUIRED else f"{s.name} = {say(s.default)}" for s in self.settings]
        return f"{self.kind}({', '.join(parts)})" if parts else self.kind


def _positive(value: Any) -> float:
    return number(value, above=0)


def _nonnegative(value: Any) -> float:
    return number(value, 0)


def _values(value: Any) -> Any:
    """A number, or a list of them, nested as the weight's axes are."""
    if not isinstance(value, list | tuple):
        return number(value)
    items = tuple(item if type(item) is int else _values(item) for item in value)
    if not items or len({_shape(item) for item in items}) > 1:
        raise BadValue("must be a number, or a list of numbers with rows of equal length")
    return items


def _shape(value: Any) -> tuple[int, ...]:
    return (len(value), *_shape(value[0])) if isinstance(value, tuple) else ()


_STD = Setting("std", 1.0, _nonnegative, "standard deviation")
_MEAN = Setting("mean", 0.0, number, "mean")
_GAIN = Setting("gain", 1.0, _positive, "factor on the standard deviation")
_NONLINEARITIES = ("leaky_relu", "relu", "linear", "sigmoid", "tanh", "selu", "conv1d", "conv2d", "conv3d")
_KAIMING = (
    Setting("mode", "fan_in", choice("fan_in", "fan_out"), "keep the variance of the forward or of the backward pass"),
    Setting("nonlinearity", "leaky_relu", choice(*_NONLINEARITIES), "what follows, and so the gain"),
    Setting("a", 0.0, number, "slope of a leaky_relu; with 0 its gain is the relu's"),
)

INITIALISERS: dict[str, Declaration] = {
    d.kind: d
    for d in (
        Declaration("zeros", "All 0.", torch="torch.nn.init.zeros_", random=False),
        Declaration("ones", "All 1.", torch="torch.nn.init.ones_", random=False),
        Declaration(
            "constant",
            "One number everywhere, or a list of numbers of the weight's shape.",
            (Setting("value", REQUIRED, _values, "a number, or a list as long as the weight"),),
            random=False,
        ),
        Declaration("normal", "Normal distribution.", (_STD, _MEAN), "torch.nn.init.normal_"),
        Declaration(
            "uniform",
            "Uniform distribution from `low` to `high`.",
            (Setting("low", 0.0, number, "lower bound"), Setting("high", 1.0, number, "upper bound")),
        ),
        Declaration(
            "trunc_normal",
            "Normal distribution, drawn again outside `a` to `b` (values, not multiples of `std`).",
            (
                replace(_STD, check=_positive),
                _MEAN,
                Setting("a", -2.0, number, "lower bound"),
                Setting("b", 2.0, number, "upper bound"),
            ),
            "torch.nn.init.trunc_normal_",
        ),
        Declaration(
            "kaiming_normal",
            "Normal, std = gain / sqrt(fan) (He et al. 2015, arXiv 1502.01852).",
            _KAIMING,
            "torch.nn.init.kaiming_normal_",
            2,
        ),
        Declaration(
            "kaiming_uniform",
            "Uniform in ±gain * sqrt(3 / fan) (He et al. 2015, arXiv 1502.01852).",
            _KAIMING,
            "torch.nn.init.kaiming_uniform_",
            2,
        ),
        Declaration(
            "xavier_normal",
            "Normal, std = gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).",
            (_GAIN,),
            "torch.nn.init.xavier_normal_",
            2,
        ),
        Declaration(
            "xavier_uniform",
            "Uniform in ±gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).",
            (_GAIN,),
            "torch.nn.init.xavier_uniform_",
            2,
        ),
        Declaration("lecun_normal", "Normal, std = 1 / sqrt(fan_in), as for selu (arXiv 1706.02515).", least_rank=2),
        Declaration(
            "orthogonal",
            "A (semi-)orthogonal matrix, the axes after the first flattened (Saxe et al. 2013, arXiv 1312.6120).",
            (_GAIN,),
            "torch.nn.init.orthogonal_",
            2,
            of_shape=True,
        ),
        Declaration(
            "dirac",
            "The identity of a convolution: output channel i copies input channel i.",
            torch="torch.nn.init.dirac_",
            random=False,
            least_rank=3,
            of_shape=True,
        ),
        Declaration(
            "eye", "The identity matrix.", torch="torch.nn.init.eye_", least_rank=2, of_shape=True, random=False
        ),
        Declaration(
            "bilinear",
            "Bilinear interpolation on the channels' diagonal, as FCN's fixed upsampling has it (arXiv 1411.4038): "
            "along an axis of size k the kernel is 1 - |i - c| / f, with f = (k + 1) // 2, and c = f - 1 for odd k, "
            "f - 0.5 for even.",
            least_rank=3,
            of_shape=True,
            random=False,
        ),
        Declaration("fan_in_uniform", "Uniform in ±1 / sqrt(fan_in of the layer's weight): torch's start of a bias."),
    )
}

TORCH_WEIGHT = Initialiser(
    "kaiming_uniform", (("mode", "fan_in"), ("nonlinearity", "leaky_relu"), ("a", math.sqrt(5.0)))
)
"""How torch starts the weight of a convolution or a linear layer: uniform in ±1 / sqrt(fan_in)."""
TORCH_BIAS = Initialiser("fan_in_uniform")
ZEROS = Initialiser("zeros")
ONES = Initialiser("ones")


def constant(value: float) -> Initialiser:
    return Initialiser("constant", (("value", float(value)),))


def make_initialiser(kind: str, positional: list[Any], keywords: dict[str, Any]) -> Initialiser:
    """The initialiser that a call in the language means, with every setting filled in.

    A tensor's shape (`param p = normal([1, 1, d], std = 0.02)`) is no setting: the caller takes it off `positional`
    first. Raises `BadValue` (a ValueError) with a message for the author; its `parameter` names the setting at fault.
    """
    declared = INITIALISERS.get(kind)
    if declared is None:
        raise BadValue(f"`{kind}` is no initialiser", *did_you_mean(kind, list(INITIALISERS)))
    names = [s.name for s in declared.settings]
    if len(positional) > len(names):
        raise BadValue(f"{kind} takes {_at_most(len(names))}, not {len(positional)}", f"it is `{declared.signature}`")
    given = dict(zip(names, positional, strict=False))
    for name, value in keywords.items():
        if name not in names:
            hints = did_you_mean(name, names) or (f"it is `{declared.signature}`",)
            raise BadValue(f"{kind} has no setting `{name}`", *hints, parameter=name)
        if name in given:
            raise BadValue(f"{kind} gets `{name}` twice, by position and by keyword", parameter=name)
        given[name] = value
    return _checked(Initialiser(kind, tuple((s.name, _setting(declared, s, given)) for s in declared.settings)))


def _setting(declared: Declaration, setting: Setting, given: dict[str, Any]) -> Any:
    if setting.name not in given:
        if setting.default is REQUIRED:
            raise BadValue(
                f"{declared.kind} needs a `{setting.name}`", f"it is `{declared.signature}`", parameter=setting.name
            )
        return setting.default
    try:
        return setting.check(given[setting.name])
    except BadValue as error:
        message = f"`{setting.name}` of {declared.kind} {error}"
        raise BadValue(message, *error.hints, parameter=setting.name) from None


def _checked(init: Initialiser) -> Initialiser:
    low, high = {"uniform": ("low", "high"), "trunc_normal": ("a", "b")}.get(init.kind, (None, None))
    if low and high and init.settings[low] >= init.settings[high]:
        raise BadValue(
            f"{init.kind} needs `{low}` below `{high}`, not {init.settings[low]:g} and {init.settings[high]:g}"
        )
    return init


def _at_most(count: int) -> str:
    return "no arguments" if count == 0 else f"at most {count} argument{'s' if count > 1 else ''}"


def misfit(init: Initialiser, shape: tuple[int, ...]) -> str | None:
    """Why a tensor of this shape cannot start so, None where it can."""
    rank, least = len(shape), INITIALISERS[init.kind].least_rank
    if rank < least:
        return f"{init.kind} is for tensors with {least} axes or more, not for {say(shape)}"
    if init.kind == "eye" and rank != 2:
        return f"eye is for matrices, not for {say(shape)}"
    if init.shape and init.shape != shape:
        return f"the list of constant has the shape {say(init.shape)}, the tensor {say(shape)}"
    return None
