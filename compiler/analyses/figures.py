"""The figures of a graph: parameters, multiply-adds, depth, counts, paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from ...dsl.diagnostics import refused
from ..ir.graph import Graph, Node, is_under
from ..ir.sizes import Dim, substitute, total
from ..ir.words import did_you_mean, few

if TYPE_CHECKING:
    from .receptive_field import Seen


class Numbers(NamedTuple):
    """How many numbers of a layer train, how many are parameters that do not, and how many are not learned."""

    parameters: int
    frozen: int
    buffers: int


def numbers_of(graph: Graph, node: Node) -> Numbers:
    """The numbers that a node's op owns."""
    weights = list(node.op.weights(graph.input_types(node))) if node.op.has_weights else []
    learned = sum(prod(weight.shape) for weight in weights if weight.learned)
    kept = sum(prod(weight.shape) for weight in weights if not weight.learned)
    return Numbers(0, learned, kept) if node.frozen else Numbers(learned, 0, kept)


def selected(graph: Graph, selector: str | None, owners_only: bool = False) -> list[Node]:
    """The nodes of a kind of layer, or in a scope; all of them for None. Raises ValueError where there is none."""
    nodes: Iterable[Node] = graph.owners() if owners_only else graph.nodes
    if selector is None:
        return list(nodes)
    chosen = [n for n in nodes if n.op.kind == selector]
    if not chosen:
        from ..ops import registry

        cls = registry.lookup(selector)
        if cls is not None:
            return [n for n in graph.nodes if n.op.kind == cls.kind]
        chosen = [n for n in graph.nodes if is_under(n.place, selector)]
        if owners_only:
            chosen = [n for n in chosen if n.owner == n.index]
    if not chosen:
        why = f"has nothing to look at: there is no layer or scope `{selector}`"
        raise ValueError("; ".join((why, *did_you_mean(selector, _scopes(graph)))))
    return chosen


def _scopes(graph: Graph) -> list[str]:
    """The paths of the modules, for suggestions."""
    paths = {n.path for n in graph.nodes if n.name}
    return sorted(paths | {path.rpartition(".")[0] for path in paths} | {n.op.kind for n in graph.nodes})


def parameters(graph: Graph, selector: str | None = None) -> int:
    """Numbers that train, each counted once however often it is used. What is `frozen` does not count."""
    return sum(numbers_of(graph, node).parameters for node in selected(graph, selector, owners_only=True))


def buffers(graph: Graph, selector: str | None = None) -> int:
    """Numbers that are kept and not learned, such as batch norm's statistics."""
    return sum(numbers_of(graph, node).buffers for node in selected(graph, selector, owners_only=True))


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
    known: dict[tuple[object, ...], Dim] = {}
    found: list[Dim] = []
    for node, needed in zip(graph.nodes, evaluated(graph), strict=True):
        key = (node.op, *[id(graph.type_of(value)) for value in node.inputs])
        if needed and key not in known:
            known[key] = node_multiply_adds(graph, node)
        found.append(known[key] if needed else 0)
    return found


def multiply_adds(graph: Graph, selector: str | None = None, sizes: dict[str, Dim] | None = None) -> Dim:
    """Multiply-adds of evaluation at the usual sizes or those given; of one image where the usual batch is 1."""
    at: dict[str, Dim] = {**graph.nominal, **(sizes or {})}
    return substitute(formula(graph, selector), at)


def formula(graph: Graph, selector: str | None = None) -> Dim:
    """Multiply-adds in the symbolic sizes."""
    costs = spent(graph)
    return total(costs[node.index] for node in selected(graph, selector))


def longest(graph: Graph, weight: Callable[[Node], int]) -> int:
    """The largest sum of node weights along a path to an output."""
    best = [0] * len(graph.nodes)
    for node in graph.nodes:
        if node.op.carries_data:
            before = (best[source] for source, _ in node.op.arriving(node.inputs))
            best[node.index] = max(before, default=0) + weight(node)
    return max((best[node] for output in graph.outputs for node, _ in output.values), default=0)


def depth(graph: Graph) -> int:
    """Weight layers (convolutions and linear maps) on the longest path, as papers count them."""
    return longest(graph, lambda node: node.op.weight_layers())


def unstated(graph: Graph, *figures: str) -> tuple[str, ...]:
    """The layers of the host that do not state one of the figures, `macs` and `depth` unless told: totals lack them."""
    asked = {*(figures or _STATED)}
    return tuple(dict.fromkeys(node.op.called for node in graph.nodes if asked & {*node.op.unstated}))


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
        raise refused(
            "E0604", message, f"state the {_STATED[figure][0]} in the braces of {externs}: {_STATED[figure][1]}"
        )


_STATED = {
    "macs": ("multiply-adds", "`macs = N * C * H * W`, or `macs = 0`"),
    "depth": ("weight layers", "`depth = 1`, or `depth = 0`"),
}


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
    return {
        "parameters": parameters(graph),
        "buffers": buffers(graph),
        "multiply_adds": spent,
        "depth": depth(graph),
    }


class Figures:
    """What `expect` can ask. Selectors are a kind of layer (`conv`) or a scope's path."""

    names: tuple[str, ...] = (
        "params",
        "buffers",
        "macs",
        "depth",
        "shape",
        "paths",
        "count",
        "layers",
        "receptive_field",
    )

    def __init__(self) -> None:
        self._seen: Seen | None = None

    def measure(self, graph: Graph, name: str, selector: str | None, sizes: dict[str, Dim]) -> Any:
        """The figure. Raises ValueError where there is none, ArchError where it cannot be told."""
        match name:
            case "params":
                return parameters(graph, selector)
            case "buffers":
                return buffers(graph, selector)
            case "macs":
                needed = evaluated(graph)
                check_stated(name, (node for node in selected(graph, selector) if needed[node.index]))
                return multiply_adds(graph, selector, sizes)
            case "count":
                return len(selected(graph, selector))
            case "layers":
                return len(selected(graph, selector, owners_only=True))
            case "receptive_field":
                from .receptive_field import Seen, extent

                if self._seen is None or self._seen.graph is not graph:
                    self._seen = Seen(graph)
                return extent(self._seen, selector, sizes)
            case _ if selector is not None:
                raise ValueError("is a figure of the whole arch")
            case "depth":
                check_stated(name, graph.nodes)
                return depth(graph)
            case "paths":
                return paths(graph)
        return shape(graph, sizes)

    def explain(self, graph: Graph, name: str, selector: str | None) -> tuple[str, ...]:
        """Where a figure comes from: the parts with the most of it, or the layers that are counted."""
        if name in ("params", "buffers", "macs"):
            return _largest(graph, name, selected(graph, selector, name != "macs"))
        if name in ("count", "layers"):
            nodes = selected(graph, selector, owners_only=name == "layers")
            return (_listed("they are", nodes),)
        if name == "depth":
            counted = [n for n in graph.nodes if n.op.is_weight_layer()]
            return (_listed(f"{len(counted)} applications of convolutions and dense layers, on all paths:", counted),)
        return ()


def _listed(what: str, nodes: list[Node]) -> str:
    paths = dict.fromkeys(n.path if n.name else f"in {n.scope.path or 'the arch itself'}" for n in nodes)
    return f"{what} {few(list(paths))}" if nodes else "there is none"


def _largest(graph: Graph, name: str, nodes: list[Node]) -> tuple[str, ...]:
    """The five parts with the most of a figure, one level below what all of the nodes have in common."""
    paths = [n.path.split(".") if n.name else [*n.scope.path.split("."), ""] for n in nodes]
    common = 0
    while len(paths) > 1 and len({tuple(p[: common + 1]) for p in paths}) == 1 and len(paths[0]) > common:
        common += 1
    sums: dict[str, int] = {}
    for node, path in zip(nodes, paths, strict=True):
        value = _share(graph, name, node)
        if value:
            named = path[: common + 1]
            part = ".".join(named) if named[-1] else node.called.replace("`", "")
            sums[part] = sums.get(part, 0) + value
    largest = sorted(sums.items(), key=lambda item: -item[1])[:5]
    return ("most of it is in " + ", ".join(f"{part} ({value:,})" for part, value in largest),) if largest else ()


def _share(graph: Graph, name: str, node: Node) -> int:
    if name == "macs":
        value = substitute(node_multiply_adds(graph, node), dict(graph.nominal))
        return value if isinstance(value, int) else 0
    return getattr(numbers_of(graph, node), {"params": "parameters"}.get(name, name))
