"""What a rewrite declares."""

from __future__ import annotations

from ...dsl.diagnostics import Fault, fault
from ..ir.graph import Graph, Node
from ..ir.op import Declared


class Rewrite(Declared):
    """Base of all rewrites, functions from architectures to architectures. Fields are their settings.

    A rewrite says what it wants of a graph, and refuses any other: what it gives computes what its documentation says,
    or it gives nothing.
    """

    def apply(self, graph: Graph) -> Graph:
        """The graph rewritten, with the map of its weights added to its `weight_maps`; the one given stays as it is.

        Raises a Fault (E044x) at the layer that stands in the way.
        """
        raise NotImplementedError


def refusal(code: str, message: str, node: Node, *hints: str) -> Fault:
    """The Fault that says why a rewrite cannot be done, at a node, with the instantiations that led to it."""
    problem = fault(code, message, node.span, *hints)
    problem.origin = node.origin
    return problem
