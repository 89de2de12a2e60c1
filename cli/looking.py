"""Specs for commands that only look at an architecture: a claim that fails is said, and hides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..api import found
from ..architecture import Architecture
from .options import OfSpec
from .terminal import report

if TYPE_CHECKING:
    from ..dsl.diagnostics import Diagnostic
    from .settings import Named


def asked_for(request: OfSpec) -> Architecture:
    """The architecture that a command line names. Raises ArchError, and usage errors."""
    return looked_at_network(request.network(), request.inputs, request.extern, strict=True)


def looked_at(request: OfSpec) -> Architecture:
    """The same, with claims that do not hold reported as warnings."""
    return looked_at_network(request.network(), request.inputs, request.extern)


def looked_at_network(
    network: Named, inputs: list[str] | None = None, extern: bool = False, strict: bool = False
) -> Architecture:
    failing: list[Diagnostic] = []
    architecture = found(network.spec, network.name, network.settings, inputs, extern, None if strict else failing)
    report(replace(claim, severity="warning") for claim in failing)
    report(architecture.warnings)
    return architecture
