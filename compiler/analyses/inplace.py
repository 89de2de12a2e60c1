"""How a graph becomes torch, as data, and which rectifiers may overwrite their input.

That saves a map's memory in training and changes no bit of a result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..ir.graph import Graph, Node
from ..ir.lowering import In, Lowering, ModuleCall, Program, Step
from ..ir.regions import Regions

_FRESH_MODULES = (
    "torch.nn.Conv",
    "torch.nn.BatchNorm",
    "torch.nn.Linear",
)
_FRESH_FUNCTIONS = frozenset({"operator.add", "operator.sub", "torch.cat"})


def lowerings_of(graph: Graph) -> dict[int, Lowering]:
    """How each node becomes torch; inputs and parameters, which are no calls, are left out."""
    return {
        node.index: node.op.lower(tuple([graph.type_of(value) for value in node.inputs]), node.outputs)
        for node in graph.nodes
        if node.op.kind not in ("input", "parameter")
    }


def overwritable(regions: Regions, lowerings: Mapping[int, Lowering]) -> frozenset[int]:
    """The owners of rectifiers that may work in place at every application.

    Each must be the only user of a tensor made by an op that allocates it and whose backward does not read it again: a
    convolution, a batch norm, a dense layer, a sum or a concatenation. And it must be made by the forward that applies
    the rectifier: what a module returns may be looked at by hooks, and what it is given belongs to its caller.
    """
    graph = regions.graph
    uses = Counter(value for node in graph.nodes for value in node.inputs)
    uses.update(value for output in graph.outputs for value in output.values)
    safe: dict[int, bool] = {}
    for node in graph.nodes:
        lowering = lowerings[node.owner] if node.op.is_module and node.owner in lowerings else None
        if isinstance(lowering, ModuleCall) and lowering.target == "torch.nn.ReLU":
            source = graph.nodes[node.inputs[0][0]]
            # What a part that is computed again takes in must stay as it was.
            inside = node.recompute is source.recompute and regions.caller(node) is regions.caller(source)
            fine = inside and uses[node.inputs[0]] == 1 and _fresh(source, lowerings)
            safe[node.owner] = safe.get(node.owner, True) and fine
    return frozenset(owner for owner, fine in safe.items() if fine)


def _fresh(node: Node, lowerings: Mapping[int, Lowering]) -> bool:
    """Whether the node's output is memory of its own that its backward does not need."""
    lowering = lowerings.get(node.index)
    if isinstance(lowering, ModuleCall):
        return lowering.target.startswith(_FRESH_MODULES) and lowering.take is None
    if not isinstance(lowering, Program) or len(lowering.results) != 1:
        return False
    result = lowering.results[0]
    if not isinstance(result, Step) or result.target not in _FRESH_FUNCTIONS:
        return False
    return not any(isinstance(arg, In) for arg in result.args) or len(node.inputs) > 1 or node.op.kind == "affine"
