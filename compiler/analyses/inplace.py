"""How a graph becomes torch, as data, and which rectifiers may overwrite their input.

That saves a map's memory in training and changes no bit of a result.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..ir.elements import laid_out
from ..ir.graph import Graph
from ..ir.lowering import Lowering
from ..ir.regions import Regions
from ..ops.activation import ReLU


@dataclass(frozen=True)
class Built:
    """What torch code is made from: the regions of a graph whose lists are laid out as rows, how its nodes become
    torch, the owners of rectifiers that work in place, and the modules that were made, as `LaidOut` has them."""

    regions: Regions
    lowerings: dict[int, Lowering]
    inplace: frozenset[int]
    made: tuple[tuple[str, str | None], ...] = ()


def to_build(graph: Graph) -> Built:
    """The graph as modules are built of it."""
    regions, lowerings = Regions(graph), lowerings_of(graph)
    inplace, rows = overwritable(regions), laid_out(regions, lowerings)
    if rows is None:
        return Built(regions, lowerings, inplace)
    # What is overwritten is that of the graph before: an element of a list is one module, whatever it holds.
    owners = frozenset([rows.index[owner] for owner in inplace])
    return Built(Regions(rows.graph), lowerings_of(rows.graph), owners, tuple(rows.made))


def lowerings_of(graph: Graph) -> dict[int, Lowering]:
    """How each node becomes torch; inputs and parameters, which are no calls, are left out."""
    return {
        node.index: node.op.lower(graph.input_types(node), node.outputs)
        for node in graph.nodes
        if not (node.op.is_input or node.op.is_parameter)
    }


def overwritable(regions: Regions) -> frozenset[int]:
    """The owners of rectifiers that may work in place at every application.

    Each must be the only user of a tensor made by a layer that allocates it and whose backward does not read it again.
    And it must be made by the forward that applies the rectifier: what a module returns may be looked at by hooks, and
    what it is given belongs to its caller.
    """
    graph = regions.graph
    uses = Counter(value for node in graph.nodes for value in node.inputs)
    uses.update(value for output in graph.outputs for value in output.values)
    uses.update(value for _, region in regions.callable_scopes() for value in region.outputs)
    safe: dict[int, bool] = {}
    for node in graph.nodes:
        if isinstance(node.op, ReLU):
            source = graph.nodes[node.inputs[0][0]]
            # What a part that is computed again takes in must stay as it was.
            inside = node.recompute is source.recompute and regions.caller(node) is regions.caller(source)
            fine = inside and uses[node.inputs[0]] == 1 and source.op.allocates(graph.input_types(source))
            safe[node.owner] = safe.get(node.owner, True) and fine
    return frozenset(owner for owner, fine in safe.items() if fine)
