"""What layers ask of the tensors they get, and how they refuse others."""

from __future__ import annotations

from ..ir.initialisers import Initialiser, misfit
from ..ir.op import Facts, LayerError, OfInput, Op
from ..ir.sizes import Dim
from ..ir.types import TensorType
from .axes import AXES, channel_index

MAPS = {1: "[N, C, L]", 2: "[N, C, H, W]", 3: "[N, C, D, H, W]"}


REAL = "`to(like = x)` makes real numbers of them, of the type of a tensor x"
OF_MASKS = ('`to("int")` makes whole numbers of truth values: 1 where they hold, 0 elsewhere', REAL)
"""How truth values become numbers."""
OF_NUMBERS = ("a comparison makes a mask: `x > 0`, `x != y`", '`to("bool")` makes one, true where a number is not 0')
"""How numbers become truth values."""


class KeepsShape(Op):
    """Base of what computes with real numbers and keeps the shape."""

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        need_float(self.kind, inputs[0])
        return inputs


def describe(t: TensorType) -> str:
    """A tensor in words."""
    if t.rank == 2 and t.is_channels_last:
        return f"the vector {t}"
    if t.is_channels_last:
        return f"the tokens {t}" if t.rank == 3 else f"the channels-last map {t}"
    return f"the map {t}" if t.channel_axis == 1 and t.rank in (3, 4, 5) else f"the tensor {t}"


def tokens_hint(t: TensorType) -> tuple[str, ...]:
    """How a tensor `[N, a, b]` whose channels are taken to be `a` is said to be tokens instead."""
    if t.rank != 3 or t.channel_axis != 1:
        return ()
    return (
        OfInput(
            f"archc takes axis 1 ({t.dims[1]}) for the channels: an input of tokens says so, `input t: tokens {t}`"
        ),
        f"where the last axis ({t.dims[2]}) holds the channels, and not axis 1, `as_tokens` before this layer says so",
        "a map becomes tokens by `flatten(2) -> transpose`",
    )


def need_map(kind: str, t: TensorType, ranks: tuple[int, ...] = (1, 2, 3)) -> int:
    """The number of spatial axes of a map of reals with its channels first; any other tensor is refused."""
    need_float(kind, t)
    if t.channel_axis == 1 and t.rank - 2 in ranks:
        return t.rank - 2
    forms = ", ".join(MAPS[r] for r in ranks)
    hints = ()
    if t.rank == 2 and t.is_channels_last:
        hints = (f"{kind} belongs before the layer that flattens or pools the map away",)
    elif t.is_channels_last:
        order = "transpose" if t.rank == 3 else f"permute({[0, t.rank - 1, *range(1, t.rank - 1)]})"
        hints = (
            f"the channels stand last here; {kind} wants them first, right after the batch, where `{order}` puts them",
            "`as_map` says that the second axis holds the channels, where it does",
        )
    elif t.rank - 2 in ranks:
        hints = ("it is not certain that axis 1 holds the channels: where it does, `as_map` says so",)
    raise LayerError("E0401", f"{kind} works on maps {forms}, and gets {describe(t)}", *hints)


def need_float(kind: str, t: TensorType, *ways: str) -> None:
    """Refuses whole numbers and truth values, for which hints may be given."""
    if t.dtype != "float":
        of_numbers = ("whole numbers such as tokens become vectors by `embedding`", REAL)
        hints = ways or (of_numbers if t.dtype == "int" else (REAL,))
        message = f"{kind} computes with real numbers, and gets {describe(t)} of type {t.dtype}"
        raise LayerError("E0407", message, *hints)


def fixed_channels(kind: str, t: TensorType) -> int:
    """The number of channels, which must be known, since weights are made for it."""
    return fixed_size(kind, t, channel_index(t, kind))


def fixed_size(kind: str, t: TensorType, axis: int) -> int:
    """The size of an axis, which must be known, since weights are made for it."""
    size = t.dims[axis]
    if isinstance(size, int):
        return size
    what = "channels" if axis == t.channel_axis else "numbers"
    message = f"{kind} makes weights for a fixed number of {what}, and gets {size} of them in {describe(t)}"
    if t.rank == 2 and size.name is None:
        hints = (
            "say the usual size of the input, which fixes it: `input x: [N, 3, H, W] = [1, 3, 32, 32]` of a map, "
            "`input x: tokens [N, T, 64] = [1, 16, 64]` of tokens",
            "or leave one number for each channel: a map takes `gap` in the place of `flatten`, and tokens "
            '`reduce("mean", 1)`',
        )
        raise LayerError("E0406", message, *hints)
    raise LayerError("E0406", message, "give the input a number of channels, as in `input x: [N, 3, H, W]`")


def expand(kind: str, parameter: str, value: int | tuple[int, ...], rank: int) -> tuple[int, ...]:
    """A setting for each spatial axis."""
    if isinstance(value, int):
        return (value,) * rank
    if len(value) == rank:
        return value
    raise _wrong_count(kind, parameter, len(value), rank)


def _wrong_count(kind: str, parameter: str, given: int, rank: int) -> LayerError:
    axes = "one spatial axis" if rank == 1 else f"{rank} spatial axes"
    message = f"`{parameter}` of {kind} lists {given} value{'s' if given > 1 else ''}, and the map has {axes}"
    return LayerError("E0407", message, f"one for each of: {', '.join(AXES[rank])}")


def expand_pairs(
    kind: str, parameter: str, value: int | tuple[int, ...] | tuple[tuple[int, int], ...], rank: int
) -> tuple[tuple[int, int], ...]:
    """A pair (before, after) for each spatial axis."""
    values = (value,) * rank if isinstance(value, int) else value
    if len(values) != rank:
        raise _wrong_count(kind, parameter, len(values), rank)
    return tuple((v, v) if isinstance(v, int) else v for v in values)


def certain(facts: Facts, size: Dim, least: int) -> bool:
    """Whether a size is `least` or more, or is then required to be. Every size is at least 1."""
    return size >= least if isinstance(size, int) else least <= 1 or facts.at_least(size, least)


def check_start(kind: str, parameter: str, init: Initialiser | bool, shape: tuple[int, ...]) -> None:
    """Refuses an initialiser that cannot fill a weight of this shape."""
    wrong = None if isinstance(init, bool) else misfit(init, shape)
    if wrong:
        raise LayerError("E0407", f"`{parameter}` of {kind}: {wrong}")


def check_starts(op: Op, inputs: tuple[TensorType, ...]) -> None:
    """Refuses initialisers that cannot fill the weight, set by `init`, and the bias of a layer."""
    for weight in op.weights(inputs):
        check_start(op.kind, "init" if weight.name == "weight" else "bias", weight.init, weight.shape)


def compact(values: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number where all are equal."""
    return values[0] if len(set(values)) == 1 else values
