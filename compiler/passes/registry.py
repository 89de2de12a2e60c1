"""Loads rewrites by their names."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...dsl.diagnostics import fault
from ..ir.rewrites import REWRITES, SPELLINGS
from ..ir.words import did_you_mean
from ..ops.build import build_op
from .base import Rewrite


def lookup(name: str) -> type[Rewrite]:
    """The rewrite of this name. Raises a Fault where there is none."""
    place = REWRITES.get(SPELLINGS.get(name, name))
    if place is None:
        hints = did_you_mean(name, REWRITES) or (f"there are {', '.join(REWRITES)}",)
        raise fault("E0442", f"there is no rewrite `{name}`", None, *hints)
    module, cls = place.split(":")
    return getattr(import_module(f".{module}", __package__), cls)


class Passes:
    """The rewrites, for the elaborator, which does not import them."""

    def make(self, name: str, settings: dict[str, Any]) -> Rewrite:
        """The rewrite of this name. Raises ArgumentError for wrong settings, and a Fault where there is none."""
        return build_op(lookup(name), [], settings)
