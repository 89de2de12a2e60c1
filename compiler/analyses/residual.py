"""The residual modules of a network by name, and how far an order of them is from theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..ir.graph import Graph, is_under
from .modules import Residual, residual_branches


@dataclass(frozen=True, slots=True)
class ResidualModule:
    """A residual module: its name, and each place where it is applied; something `shared` has several."""

    path: str
    places: tuple[Residual, ...]


def residual_modules(graph: Graph) -> list[ResidualModule]:
    """The residual modules of a network, in the order of the computation.

    One is named by the innermost scope around the layers that are its alone. Where others end in that scope too, it is
    the outermost scope around its last layer in which no other ends, or that layer.
    """
    branches = residual_branches(graph)
    last = [_last(graph, branch) for branch in branches]
    found: dict[str, list[Residual]] = {}
    for i, branch in enumerate(branches):
        others = frozenset[int]().union(*(other.nodes for other in branches if other.end != branch.end))
        layers = [graph.nodes[n].path for n in branch.nodes - others or branch.nodes if graph.nodes[n].name]
        found.setdefault(_name(last[i], layers, last), []).append(branch)
    return [ResidualModule(path, tuple(places)) for path, places in found.items()]


def _last(graph: Graph, branch: Residual) -> str:
    """The path of the layer that a module ends with."""
    named = [n for n in branch.nodes if graph.nodes[n].name and n <= branch.end]
    return graph.nodes[max(named)].path if named else graph.nodes[branch.end].scope.path


def _name(last: str, layers: list[str], ends: list[str]) -> str:
    parts = last.split(".")
    size = min(_common(parts, path.split(".")) for path in [last, *layers])
    while size < len(parts) and (not size or any(e != last and is_under(e, ".".join(parts[:size])) for e in ends)):
        size += 1
    return ".".join(parts[:size])


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many segments two paths begin with alike."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def kendall_tau(order: Sequence[int]) -> float:
    """The rank correlation of an order with the sorted one (Kendall 1938): 1 for numbers that rise, -1 for those that
    fall, 0 where as many pairs rise as fall. Numbers are all different; of fewer than two it is 1.
    """
    pairs = len(order) * (len(order) - 1) // 2
    if len(set(order)) < len(order):
        raise ValueError("an order has each of its members once")
    rising = sum(a < b for i, a in enumerate(order) for b in order[i + 1 :])
    return 2 * rising / pairs - 1 if pairs else 1.0
