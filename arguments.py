"""The types of arguments of the Python interface: any other is a TypeError that names the argument and the value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

PATH = (str, os.PathLike)


def need(name: str, value: object, *types: type, none: bool = False, each: bool = False) -> None:
    """Raises TypeError where an argument is of none of the types; with `none` it may be None, with `each` a list or
    tuple of such values too."""
    if (none and value is None) or (isinstance(value, types) and not isinstance(value, bool)):
        return
    if each and isinstance(value, list | tuple):
        for item in value:
            need(f"each of `{name}`", item, *types)
        return
    wanted = " or ".join([_WORDS.get(kind, f"an {kind.__name__}") for kind in types] + ["None"] * none)
    raise TypeError(f"{name} takes {wanted}, and not {described(value)}")


def need_weights(source: object) -> None:
    """Raises TypeError for what is no file, state dict or module."""
    if not hasattr(type(source), "state_dict"):
        need("weights", source, *PATH, Mapping)


_WORDS: dict[type, str] = {str: "a string", int: "a whole number", os.PathLike: "a path", Mapping: "a mapping"}


def described(value: Any) -> str:
    """A value in a message: short numbers as they are, others by their type."""
    text = repr(value) if value is None or isinstance(value, int | float | complex) else ""
    return text if 0 < len(text) <= 40 else f"a value of type {type(value).__name__}"
