"""Types as specs declare them: a word and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ...dsl.diagnostics import fault
from ...dsl.source import Span
from ..ir.sizes import Size
from ..ir.types import Role, TensorType
from .suggestions import did_you_mean


def input_type(dims: Sequence[Any], word: str, span: Span | None) -> TensorType:
    """The type that an `input` statement declares. `tokens` holds floats and has its channels last; whole numbers and
    truth values have no channels. Raises a Fault."""
    check_word(word, span)
    if word == "tokens":
        if len(dims) < 2:
            raise fault("E0348", "tokens have a batch and channels", span, "`input t: tokens [N, 16, 64]`")
        return _named(TensorType.of(dims, len(dims) - 1))
    return _named(TensorType.of(dims, _channel_axis(dims) if word == "float" else None, word))


def check_word(word: str, span: Span | None) -> None:
    """Raises a Fault (E0202) for a word that no input is declared by."""
    if word not in ("float", "int", "bool", "tokens"):
        hint = "`input words: int [N, T]` holds numbers of words, `input t: tokens [N, 16, 64]` has its channels last"
        raise fault("E0202", f"an input is `float`, `int`, `bool` or `tokens`, and not `{word}`", span, hint)


def fits(type_: TensorType, word: str, span: Span | None) -> bool:
    """Whether a tensor is of the type that an input declares by a word. Raises a Fault where there is no such word."""
    wanted = input_type(type_.dims, word, span)
    return wanted.dtype == type_.dtype and agree(wanted, type_)


def agree(one: TensorType, other: TensorType) -> bool:
    """Whether the axes of two types may be the same ones, as far as their roles are certain."""
    return all(a is b or Role.UNKNOWN in (a, b) for a, b in zip(one.roles, other.roles, strict=True))


def dtype_word(type_: TensorType) -> str:
    """The word for which `input_type` gives the type."""
    tokens = type_.dtype == "float" and type_.channel_axis != _channel_axis(type_.dims)
    return "tokens" if tokens else type_.dtype


Numbers = Literal["float", "int", "bool"]
DTYPES: dict[str, Numbers] = {"float": "float", "int": "int", "bool": "bool"}


def numbers(word: str, span: Span) -> Numbers:
    """The type of a tensor's numbers, by its word. Raises a Fault where there is no such word."""
    found = DTYPES.get(word)
    if found is None:
        hints = did_you_mean(word, DTYPES) or (f"types are {', '.join(DTYPES)}",)
        raise fault("E0202", f"there is no type `{word}` of numbers", span, *hints)
    return found


def _named(type_: TensorType) -> TensorType:
    """Axes have the names of the symbols that are their sizes."""
    return TensorType(
        tuple([a._replace(name=a.size.name) if isinstance(a.size, Size) else a for a in type_.axes]), type_.dtype
    )


def _channel_axis(dims: Sequence[Any]) -> int | None:
    """Channels are axis 1, but for `[N, T, 768]`, whose one fixed size is the last: those are tokens."""
    if len(dims) == 3 and isinstance(dims[2], int) and not isinstance(dims[1], int):
        return 2
    return 1 if len(dims) > 1 else None
