"""The figures of a graph: parameters, multiply-adds, depth, counts, paths."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple

from ...dsl.diagnostics import refused
from ..ir.graph import Graph, Node
from ..ir.sizes import Dim, substitute, total
from ..ops.core import STATED


class Numbers(NamedTuple):
    """How many numbers of a layer train, how many are parameters that do not, and how many are not learned."""

    parameters: int
    frozen: int
    buffers: int


_NO_NUMBERS = Numbers(0, 0, 0)


def numbers_of(graph: Graph, node: Node) -> Numbers:
    """The numbers that a node's op owns."""
    if not node.op.has_weights:
        return _NO_NUMBERS
    weights = list(node.op.weights(graph.input_types(node)))
    learned = sum(prod(weight.shape) for weight in weights if weight.learned)
    kept = sum(prod(weight.shape) for weight in weights if not weight.learned)
    return Numbers(0, learned, kept) if node.frozen else Numbers(learned, 0, kept)


def parameters(graph: Graph) -> int:
    """Numbers that train, each counted once however often it is used. What is `frozen` does not count."""
    return sum([numbers_of(graph, node).parameters for node in graph.owners()])


def node_multiply_adds(graph: Graph, node: Node) -> Dim:
    """The multiply-adds of one application, with symbolic sizes left in."""
    return node.op.multiply_adds(graph.input_types(node), node.outputs)


def evaluated(graph: Graph) -> list[bool]:
    """For each node, whether evaluation computes it: not if only outputs for training depend on it."""
    if not any(output.when_training for output in graph.outputs):
        return [True] * len(graph.nodes)
    return graph.ancestors(v for output in graph.outputs if not output.when_training for v in output.values)


def spent(graph: Graph) -> list[Dim]:
    """The multiply-adds of each node in evaluation, with symbolic sizes left in."""
    known: dict[tuple[int, ...], Dim] = {}
    found: list[Dim] = []
    for node, needed in zip(graph.nodes, evaluated(graph), strict=True):
        key = graph.alike(node)
        if needed and key not in known:
            known[key] = node_multiply_adds(graph, node)
        found.append(known[key] if needed else 0)
    return found


def multiply_adds(graph: Graph, sizes: dict[str, Dim] | None = None) -> Dim:
    """Multiply-adds of evaluation at the usual sizes or those given; of one image where the usual batch is 1."""
    return substitute(formula(graph), {**graph.nominal, **(sizes or {})})


def formula(graph: Graph) -> Dim:
    """Multiply-adds in the symbolic sizes."""
    return total(spent(graph))


def depth(graph: Graph) -> int:
    """Weight layers (convolutions and linear maps) on the longest path, as papers count them."""
    own = {id(op): op.weight_layers() for op in graph.ops()}
    most = [0] * len(graph.nodes)
    for node in graph.nodes:
        if node.op.carries_data:
            before = [most[source] for source, _ in node.op.arriving(node.inputs)]
            most[node.index] = (max(before) if before else 0) + own[id(node.op)]
    return max((most[node] for output in graph.outputs for node, _ in output.values), default=0)


def unstated(graph: Graph, *figures: str) -> tuple[str, ...]:
    """The layers of the host that do not state one of the figures, `macs` and `depth` unless told: totals lack them."""
    asked = {*(figures or STATED)}
    return tuple(dict.fromkeys(op.called for op in graph.ops() if asked & {*op.unstated}))


def without(graph: Graph, *figures: str) -> str:
    """What a total of the figures says that it lacks: ` without deform`; empty where it lacks nothing."""
    lacking = unstated(graph, *figures)
    return f" without {' and '.join(lacking)}" if lacking else ""


def check_stated(figure: str, nodes: Iterable[Node]) -> None:
    """Raises ArchError (E0604) where a layer of the host does not state a figure, which a sum would then lack."""
    lacking = list(dict.fromkeys(node.op.called for node in nodes if figure in node.op.unstated))
    if lacking:
        names = " and ".join(f"`{name}`" for name in lacking)
        message = f"`{figure}` is not known: {names} do{'es' * (len(lacking) == 1)} not state it"
        externs = " and ".join(f"`extern {name}`" for name in lacking)
        what, form = STATED[figure]
        raise refused("E0604", message, f"state the {what} in the braces of {externs}: {form}")


def paths(graph: Graph) -> int:
    """How many ways lead from an input to an output; an op that takes a tensor twice is two ways."""
    ways = [0] * len(graph.nodes)
    last = {source: node.index for node in graph.nodes for source, _ in node.inputs}
    put_out = {node for output in graph.outputs for node, _ in output.values}
    for node in graph.nodes:
        before = (ways[source] for source, _ in node.op.arriving(node.inputs))
        ways[node.index] = int(node.op.is_input) + sum(before)
        for source, _ in node.inputs:
            if last[source] == node.index and source not in put_out:
                ways[source] = 0  # it may have as many digits as there are nodes
    return sum(ways[node] for output in graph.outputs if not output.when_training for node, _ in output.values)


def shape(graph: Graph, sizes: dict[str, Dim] | None = None) -> list[Any]:
    """The output's sizes; a list of them where there are several."""
    shapes = [
        [substitute(d, sizes or {}) for d in graph.type_of(v).dims]
        for output in graph.outputs
        if not output.when_training
        for v in output.values
    ]
    return shapes[0] if len(shapes) == 1 else shapes


def totals(graph: Graph) -> dict[str, int]:
    """Parameters, buffers, multiply-adds and depth at the usual sizes: what a summary says."""
    spent = multiply_adds(graph)
    assert isinstance(spent, int)
    owned = [numbers_of(graph, node) for node in graph.owners() if node.op.has_weights]
    return {
        "parameters": sum([numbers.parameters for numbers in owned]),
        "buffers": sum([numbers.buffers for numbers in owned]),
        "multiply_adds": spent,
        "depth": depth(graph),
    }
