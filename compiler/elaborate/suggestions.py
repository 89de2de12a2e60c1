"""Hints about names that nothing has: what they may be slips of, and what other frameworks call a layer."""

from __future__ import annotations

from collections.abc import Iterable

from ...dsl.frameworks import called_here
from ..ir.words import meant, nearest

INPUTS = frozenset({"x", "image", "img", "input", "inputs", "h", "self", "X"})


def did_you_mean(name: str, known: Iterable[str], in_block: bool = False, layers: bool = False) -> tuple[str, ...]:
    """A hint that offers the nearest known names, or none. A name that may be that of a layer is looked up among those
    of other frameworks too."""
    known = list(known)
    same = [k for k in known if k.lower() == name.lower()]
    here = called_here(name) if layers and not same else None
    if here:
        return (f"here it is {here}",)
    if in_block and name in INPUTS:
        return ("the input of a block is `in`",)
    return meant(same or nearest(name, known))
