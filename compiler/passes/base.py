"""What a rewrite declares."""

from __future__ import annotations

from ...dsl.diagnostics import Fault, fault
from ..ir.graph import Carried, Graph, Node, WeightMap
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


def mapped(
    before: Graph,
    after: Graph,
    made: dict[str, Carried] | None = None,
    fresh: dict[str, tuple[int, ...]] | None = None,
) -> Graph:
    """What a rewrite made, with the map of its weights: names that it does not have are gone."""
    gone = frozenset(before.tensor_shapes()) - frozenset(after.tensor_shapes())
    after.weight_maps.append(WeightMap(made or {}, gone, fresh or {}))
    return after


def nothing_to_do(message: str, *hints: str) -> Fault:
    """The Fault (E0440) of a rewrite that would change nothing. No layer is to blame, so it stands at the rewrite."""
    return fault("E0440", message, None, *hints)


def refusal(code: str, message: str, node: Node, *hints: str) -> Fault:
    """The Fault that says why a rewrite cannot be done, at a node, with the instantiations that led to it."""
    problem = fault(code, message, node.span, *hints)
    problem.origin = node.origin
    return problem
