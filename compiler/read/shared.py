"""Modules that are called several times: their layers and tensors are applied again."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from ..ir.graph import Node, Value, is_under
from .reader import Reader

Rows = list[list[Node]]
"""The nodes of each call of a module."""


def share_calls(reader: Reader) -> set[str]:
    """Has a module with tensors and parts apply its layers again where it is called again, as far as each call computes
    the same, with no tensor of others that is of no layer. Returns the paths of those that are so called.

    One with tensors of its own is so called where all its calls, and those of what is in it, compute the same.
    """
    modules = dict(reader.module.named_modules())
    calls = {path: rows for path, rows in _calls(reader).items() if len(rows) > 1}
    split = {path for path, rows in calls.items() if _own(rows) and len(_alike(rows)) < len(rows)}
    shared: set[str] = set()
    for path, rows in sorted(calls.items(), key=lambda item: item[0].count(".")):
        first, *later = _alike(rows)
        apart = _own(rows) and any(is_under(other, path) for other in split)
        if _has_parts(modules.get(path)) and later and not apart and not _takes_others(reader, first):
            shared.add(path)
            for a, b in ((a, b) for row in later for a, b in zip(first, row, strict=True)):
                b.owner = a.owner if b.op.is_module else b.owner
    return shared


def join_tensors(reader: Reader, shared: set[str]) -> dict[Value, Value]:
    """Makes one of the nodes of a tensor that several calls of what is not shared take. Returns by which tensors others
    are replaced."""
    replaced: dict[Value, Value] = {}
    for node in reader.nodes:
        again = node.op.is_parameter and node.owner != node.index
        if again and not any(path in shared for path, _ in reader.places[node.index].stack):
            replaced[node.index, 0] = node.owner, 0
        node.inputs = tuple([replaced.get(value, value) for value in node.inputs])
    return replaced


def _calls(reader: Reader) -> dict[str, Rows]:
    found: dict[str, dict[str, list[Node]]] = {}
    for node in reader.nodes:
        for path, call in reader.places[node.index].stack:
            found.setdefault(path, {}).setdefault(call, []).append(node)
    return {path: list(rows.values()) for path, rows in found.items()}


def _alike(rows: Rows) -> Rows:
    """The first call, and those that compute the same: of a module with tensors of its own those that take one tensor
    in the same places."""
    first, *later = rows
    same = [row for row in later if len(row) == len(first) and all(map(_may_share, first, row))]
    return [first, *(row for row in same if not _own(rows) or _wiring(row) == _wiring(first))]


def _wiring(row: list[Node]) -> list[list[Value]]:
    """What each node takes, by its place in the row or, from outside, by a number of its own below 0."""
    places = {node.index: place for place, node in enumerate(row)}
    outside: dict[Value, int] = {}

    def taken(value: Value) -> Value:
        if value[0] in places:
            return places[value[0]], value[1]
        return -1 - outside.setdefault(value, len(outside)), 0

    return [list(map(taken, node.inputs)) for node in row]


def _may_share(first: Node, later: Node) -> bool:
    return first.op.key == later.op.key and (not later.op.has_weights or first.owner == later.owner)


def _own(rows: Rows) -> bool:
    return any(node.op.is_parameter for row in rows for node in row)


def _has_parts(module: nn.Module | None) -> bool:
    return module is not None and any(True for _ in module.children()) and bool(module.state_dict())


def _takes_others(reader: Reader, row: Iterable[Node]) -> bool:
    """Whether the nodes of a call take a tensor that is of no layer, and none of theirs."""
    inside = {node.index for node in row}
    sources = {source for node in row for source, _ in node.inputs} - inside
    return any(reader.nodes[source].op.is_parameter for source in sources)
