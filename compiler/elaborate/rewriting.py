"""Calls of rewrites, functions from architectures to architectures: `convolutionalize(vgg16)`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from ...dsl import ast
from ...dsl.diagnostics import Fault, fault
from ...dsl.diagnostics import Label as Note
from ..ir.graph import Graph
from ..ops.build import ArgumentError
from .callables import Arch, Rewriter, Rewritten
from .environment import Environment
from .values import describe, is_tensors, plain

if TYPE_CHECKING:
    from .machine import Machine


class Rewrite(Protocol):
    """A rewrite with its settings."""

    def apply(self, graph: Graph) -> Graph:
        """The graph rewritten. Raises a Fault at the layer that stands in the way."""
        ...


class Rewrites(Protocol):
    """The rewrites by name. The passes provide them."""

    def make(self, name: str, settings: dict[str, Any]) -> Rewrite:
        """The rewrite of this name. Raises ArgumentError for wrong settings."""
        ...


@dataclass(slots=True)
class Stage:
    """What becomes of an arch on the way to the one that is asked for: rewrites, the first one first, then claims about
    the result."""

    rewrites: list[Rewritten] = field(default_factory=list)
    claims: list[tuple[ast.Expect, Environment]] = field(default_factory=list)


def rewritten(
    ctx: Machine, node: ast.Call, rewriter: Rewriter, positional: list[Any], keywords: dict[str, Any]
) -> Rewritten:
    """The value of a call of a rewrite. Raises a Fault where it gets no arch, or wrong settings."""
    form = f"`arch fcn = {rewriter.name}(vgg16)` takes an arch, or one with arguments, and settings by name"
    if not positional:
        raise fault("E0360", f"`{rewriter.name}` needs the arch that it rewrites", node.span, form)
    base, *rest = positional
    if not isinstance(base, Arch):
        first = next((a.span for a in node.arguments if a.name is None), node.span)
        raise fault("E0360", f"`{rewriter.name}` rewrites an arch, and this is {describe(base)}", first, form)
    if rest:
        more = f"{len(rest)} more argument{'s are' if len(rest) > 1 else ' is'} given"
        raise fault("E0308", f"`{rewriter.name}` takes one arch, and {more}", node.span, form)
    settings = {name: plain(value) for name, value in keywords.items()}
    try:
        rewrite = ctx.rewrites.make(rewriter.name, settings)
    except ArgumentError as error:
        blamed = next((a.span for a in node.arguments if a.name == error.parameter and a.name), node.span)
        raise fault("E0303", str(error), blamed, *(error.hints or (form,))) from None
    return Rewritten(rewrite, base, node.span)


_NODE_STEPS = 75
"""Steps of a rewrite for each node."""


def carried_out(ctx: Machine, graph: Graph, rewrites: list[Rewritten]) -> Graph | None:
    """The graph after rewrites; None where one cannot be done, which is reported."""
    for step in rewrites:
        try:
            ctx.spend(_NODE_STEPS * len(graph.nodes), step.span)
            graph = step.rewrite.apply(graph)
        except Fault as problem:
            found = problem.diagnostic
            labels = (*found.labels, Note(step.span, "for the rewrite that is asked for here"))
            elsewhere = found.span is not None
            problem.diagnostic = replace(found, labels=labels) if elsewhere else replace(found, span=step.span)
            ctx.report(problem)
            return None
    return graph


def without_tensors(environment: Environment) -> Environment:
    """The names of a body, those of its tensors left out: after a rewrite they would be others."""
    names = {name: value for name, value in environment.names.items() if not is_tensors(value)}
    return Environment(environment.parent, names)
