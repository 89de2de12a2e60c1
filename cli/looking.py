"""Specs for commands that only look at an architecture: a claim that fails is said, and hides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..api import Architecture, opened
from .terminal import report

if TYPE_CHECKING:
    from ..catalog import Place
    from ..dsl.diagnostics import Diagnostic


def looked_at(place: Place, settings: dict[str, Any]) -> Architecture:
    """The architecture at a place. Claims that do not hold are reported as warnings. Raises ArchError."""
    failing: list[Diagnostic] = []
    architecture = opened(place, settings, failing)
    report(replace(claim, severity="warning") for claim in failing)
    return architecture
