"""The arguments of `Architecture.module`, checked."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch

from ...dsl.diagnostics import ArchError, Diagnostic

SEEDS = 2**64


def checked_seed(seed: Any) -> int | None:
    """The seed as an int. Raises ArchError (E0808)."""
    if seed is None:
        return None
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if isinstance(seed, bool) or not 0 <= value < SEEDS:
        raise _wrong(f"a seed is a whole number from 0 to 2**64 - 1, and not {_shown(seed)}")
    return value


def checked_dtype(dtype: Any) -> torch.dtype | None:
    """The floating type of torch's, which may be given by name. Raises ArchError (E0808)."""
    if dtype is None:
        return None
    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point or not _takes(found):
        hint = "for example `torch.float16`, `torch.bfloat16`, `torch.float32` or `torch.float64`"
        raise _wrong(f"weights have a floating type of torch's, and not {_shown(dtype)}", hint)
    return found


def _takes(dtype: torch.dtype) -> bool:
    """Whether torch can cast weights to the type."""
    try:
        torch.zeros(1).to(dtype)
    except RuntimeError:
        return False
    return True


def checked_externs(externs: Any) -> Mapping[str, Any]:
    """The code of the extern layers by name. Raises ArchError (E0808)."""
    if externs is None:
        return {}
    if not isinstance(externs, Mapping):
        raise _wrong(
            f"externs are functions by name, and not {_shown(externs)}", "write `externs={'deform': function}`"
        )
    for name, code in externs.items():
        if not callable(code):
            raise _wrong(f"the code of the extern layer `{name}` is a function, and not {_shown(code)}")
    return externs


def checked_word(what: str, value: Any, words: tuple[str, ...]) -> str:
    """One of the words. Raises ArchError (E0808)."""
    if value not in words:
        hint = f"one of {', '.join(words)}"
        raise _wrong(f"{what} is {' or '.join(map(repr, words))}, and not {_shown(value)}", hint)
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"a value of type {type(value).__name__}"


def _wrong(message: str, *hints: str) -> ArchError:
    return ArchError([Diagnostic("E0808", message, hints=hints)])
