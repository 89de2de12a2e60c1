"""Specs for commands that only look at an architecture: a claim that fails is said, and hides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..api import Architecture, opened
from ..catalog import locate
from .options import OfSpec, settings_of
from .terminal import report

if TYPE_CHECKING:
    from ..dsl.diagnostics import Diagnostic


def asked_for(request: OfSpec) -> Architecture:
    """The architecture that a command line names. Raises ArchError, and usage errors."""
    settings = settings_of(request.settings)
    return _warned(opened(locate(request.spec, request.name), settings))


def looked_at(request: OfSpec) -> Architecture:
    """The same, with claims that do not hold reported as warnings."""
    return looked_at_place(request.spec, request.name, settings_of(request.settings))


def looked_at_place(spec: str, name: str | None, settings: dict[str, Any]) -> Architecture:
    failing: list[Diagnostic] = []
    architecture = opened(locate(spec, name), settings, failing)
    report(replace(claim, severity="warning") for claim in failing)
    return _warned(architecture)


def _warned(architecture: Architecture) -> Architecture:
    report(architecture.warnings)
    return architecture
