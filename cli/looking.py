"""Specs for commands that only look at an architecture: a claim that fails is said, and hides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..api import found
from ..architecture import Architecture
from .options import OfSpec, settings_of
from .terminal import report

if TYPE_CHECKING:
    from ..dsl.diagnostics import Diagnostic


def asked_for(request: OfSpec) -> Architecture:
    """The architecture that a command line names. Raises ArchError, and usage errors."""
    return looked_at_place(request.spec, request.name, settings_of(request.settings), request.inputs, True)


def looked_at(request: OfSpec) -> Architecture:
    """The same, with claims that do not hold reported as warnings."""
    return looked_at_place(request.spec, request.name, settings_of(request.settings), request.inputs)


def looked_at_place(
    spec: str, name: str | None, settings: dict[str, Any], inputs: list[str] | None = None, strict: bool = False
) -> Architecture:
    failing: list[Diagnostic] = []
    architecture = found(spec, name, settings, inputs, None if strict else failing)
    report(replace(claim, severity="warning") for claim in failing)
    report(architecture.warnings)
    return architecture
