"""What holds whatever the rewrite: no empty scope is left, the result can be written, and a diff agrees with the map of
the weights."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import Net, nets

import archc
from archc.compiler.compare.difference import difference
from archc.compiler.ir.graph import Graph, Node, scopes, tensor_name


def calls(net: Net) -> Iterator[tuple[str, dict[str, Any]]]:
    """Calls of rewrites that may do something to a network."""
    units = list(net.units)
    for label in units:
        yield "remove", {"modules": label}
        yield "truncate", {"at": label}
        yield "recompute_modules", {"modules": label}
    for one, other in pairwise(units):
        yield "swap", {"a": one, "b": other}
        yield "tie", {"modules": [one, other]}
    if len(units) > 2:
        yield "reorder", {"modules": units[:3], "order": [2, 0, 1]}
        yield "remove", {"modules": units[::2]}
        yield "taps", {"at": units[:2]}
    for label in net.of_kind("cell"):
        yield "untie", {"modules": label}
    yield "insert_identity", {"after": units[0]}
    yield "change_classes", {"classes": 7}
    yield "widen", {"modules": "stem.conv", "width": 8}
    for name in ("remove_shortcuts", "unroll", "fold_batch_norm", "merge_branches", "pool_first", "convolutionalize"):
        yield name, {}
    yield "absorb_batch_norm", {}
    yield "merge_kernels", {}


def sources(before: Graph, after: Graph) -> dict[int, set[int]]:
    """For each layer with weights after a rewrite, those of before that these are made of; none if they are new."""
    (weights,) = after.weight_maps[len(before.weight_maps) :]
    own = {name: node.owner for name, node in tensors(before)}
    found: dict[int, set[int]] = {}
    for name, node in tensors(after):
        made = [source for source, _ in weights.made[name].sources] if name in weights.made else [name]
        found.setdefault(node.owner, set()).update(
            own[source] for source in made if source in own and name not in weights.fresh
        )
    return found


def tensors(graph: Graph) -> Iterator[tuple[str, Node]]:
    return ((tensor_name(path, weight.name), node) for path, node, weight in graph.tensors())


def agrees(before: Graph, after: Graph) -> None:
    """Counterparts are layers whose weights the map makes of one another, and such layers are counterparts."""
    made, found = sources(before, after), difference(before, after)
    for a, b in found.counterparts.items():
        one, other = before.nodes[a], after.nodes[b]
        if one.op.has_weights and other.op.has_weights and made[other.owner]:
            assert one.owner in made[other.owner], (one.path, other.path)
    back = {after.nodes[b].owner: before.nodes[a].owner for a, b in found.counterparts.items()}
    for owner, layers in made.items():
        if len(layers) == 1:
            assert back.get(owner) == next(iter(layers)), after.nodes[owner].path


@settings(max_examples=25)
@given(net=nets(), data=st.data())
def test_random_nets(net: Net, data: st.DataObject) -> None:
    name, given = data.draw(st.sampled_from(list(calls(net))))
    before = net.architecture
    try:
        after = before.rewrite(name, **given)
    except archc.ArchError as error:
        assert all(d.code.startswith("E04") for d in error.diagnostics)
        return
    assert all(scope.children for scope in scopes(after.ir.root))
    agrees(before.ir, after.ir)
    try:
        after.source()
    except archc.ArchError as error:
        # Tied modules of other wiring are no one block; the part is named.
        assert name == "tie" and any(f"`{label}`" in str(error) for label in net.units), error
