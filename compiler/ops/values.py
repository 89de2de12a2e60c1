"""What a layer's settings may be.

Each type is `Annotated[T, PlainValidator(check), Words(...)]`: the check makes the canonical form or raises `BadValue`
with a message for the author of a spec, and `Words` is what the reference calls the type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from typing import Annotated, Any

from pydantic import PlainValidator

from ...dsl.diagnostics import Hint
from ..ir.initialisers import Initialiser
from ..ir.words import BadValue, choice, flag, met, number, say, truth_meant, whole


@dataclass(frozen=True, slots=True)
class Words:
    """What the reference calls a parameter's type."""

    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What the reference shows as a default that no value of the language can say (`stride = kernel`)."""

    text: str


class Mark(Enum):
    """What a written architecture has to know of a setting beside its type."""

    COUNTED = auto()
    """Settings of other layers are multiples of it by chance alone, as of a window's side."""
    OF_EACH = auto()
    """Each layer says it, as the form of its window: no `default` gives it to all layers of a kind."""


def one_of(*choices: str) -> PlainValidator:
    """A string out of a few."""
    return PlainValidator(choice(*choices))


def initialiser(value: Any) -> Initialiser:
    if not isinstance(value, Initialiser):
        hint = ("a number that every element starts at is `constant(0.1)`",) if isinstance(value, int | float) else ()
        raise BadValue(f"must be an initialiser such as `zeros` or `normal(std = 0.02)`, not {met(value)}", *hint)
    return value


def bias(value: Any) -> bool | Initialiser:
    if isinstance(value, bool | Initialiser):
        return value
    hints = truth_meant(value)
    if value is None:
        hints = (Hint("write `false` for no bias", "false", old="none"),)
    if isinstance(value, int | float | Fraction):
        hints += (f"a bias that starts at {say(value)} is `constant({say(value)})`",)
    raise BadValue(f"must be true, false or an initialiser such as `zeros`, not {met(value)}", *hints)


def per_axis(least: int = 1) -> Callable[[Any], int | tuple[int, ...]]:
    """One whole number for all spatial axes, or a list of one for each."""

    def check(value: Any) -> int | tuple[int, ...]:
        if not isinstance(value, list | tuple):
            return whole(value, least)
        if not 1 <= len(value) <= 3:
            raise BadValue(
                f"must be a number, or a list of one for each spatial axis (1 to 3 of them), not {met(value)}"
            )
        return tuple(whole(item, least) for item in value)

    return check


Pad = int | str | tuple[int, ...] | tuple[tuple[int, int], ...]
PADDING_WORDS = 'number, list, list of pairs, "half", "same" or "valid"'


def padding(value: Any) -> Pad:
    if isinstance(value, str):
        if value not in ("half", "same", "valid"):
            raise BadValue(f'must be a number, a list, "half", "same" or "valid", not {met(value)}')
        return 0 if value == "valid" else value
    if not isinstance(value, list | tuple) or not any(isinstance(item, list | tuple) for item in value):
        return per_axis(0)(value)
    if not all(isinstance(item, list | tuple) and len(item) == 2 for item in value) or len(value) > 3:
        raise BadValue(
            f"must list a pair [before, after] for each spatial axis, such as [[0, 1], [0, 1]], not {say(value)}"
        )
    return tuple((whole(before, 0), whole(after, 0)) for before, after in value)


def even_padding(value: Any) -> Pad:
    """A padding that is equal on both sides, or "same"."""
    if isinstance(value, list | tuple) and any(isinstance(item, list | tuple) for item in value):
        message = f"must be equal on both sides, a number or a list of one for each axis, not {met(value)}"
        raise BadValue(message, "`pad` before this layer adds zeros on one side")
    return padding(value)


def beside(value: Any) -> bool:
    """Whether a tensor is given, which the layer gets beside its input."""
    if not isinstance(value, bool):
        raise BadValue(f"must be a tensor, not {met(value)}")
    return value


Bool = Annotated[bool, PlainValidator(flag), Words("true or false")]
Beside = Annotated[bool, PlainValidator(beside), Words("tensor"), Shown("none")]
Count = Annotated[int, PlainValidator(lambda v: whole(v, 1)), Words("positive whole number")]
Whole = Annotated[int, PlainValidator(lambda v: whole(v, 0)), Words("whole number from 0")]
Integer = Annotated[int, PlainValidator(lambda v: whole(v)), Words("whole number")]
Real = Annotated[float, PlainValidator(lambda v: number(v)), Words("number")]
Positive = Annotated[float, PlainValidator(lambda v: number(v, above=0)), Words("number greater than 0")]
Probability = Annotated[float, PlainValidator(lambda v: number(v, 0, 1)), Words("number from 0 to 1")]
Init = Annotated[Initialiser, PlainValidator(initialiser), Words("initialiser")]
Bias = Annotated[bool | Initialiser, PlainValidator(bias), Words("true, false or an initialiser")]
Axes = Annotated[
    int | tuple[int, ...], PlainValidator(per_axis(1)), Words("positive whole number, or a list of one for each axis")
]
Extents = Annotated[Axes, Mark.COUNTED]
Dilation = Annotated[Extents, Mark.OF_EACH]
Groups = Annotated[Count, Mark.OF_EACH]
Padding = Annotated[Pad, PlainValidator(padding), Words(PADDING_WORDS), Mark.COUNTED]
EvenPadding = Annotated[
    Pad,
    PlainValidator(even_padding),
    Words('number, list of one for each axis, "half", "same" or "valid"'),
    Mark.COUNTED,
]
WholeAxes = Annotated[
    int | tuple[int, ...],
    PlainValidator(per_axis(0)),
    Words("whole number from 0, or a list of one for each axis"),
    Mark.COUNTED,
]
OutputPadding = Annotated[WholeAxes, Mark.OF_EACH]
