"""Where what is shared stands: under which second names it is registered, and in what order."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, cast

from ...ir.graph import Graph, Node, Scope, Value
from ...ir.region_tree import RegionTree
from ...ir.sharing import registered
from ...ops.given import with_weights
from .cells import Cell, cells_of


class Places:
    """What is shared, under which second name each application of it is registered, and in what order.

    A graph does not say which application has a second name. It is one at the place of the name, or, `in_order`, the
    first one that has none.
    """

    def __init__(self, graph: Graph, in_order: bool = False):
        self.graph = graph
        self.in_order = in_order
        self.tree = RegionTree(graph, by_first=True)
        self.cells = cells_of(self.tree)
        self.fresh = {id(scope) for cell in self.cells for scope in cell.fresh}
        self.thawed = {index for cell in self.cells for index in cell.thawed}
        self.again = {i: cell for cell in self.cells for run in cell.runs[1:] for i in range(*run)}
        """The cell that each node of a later application is of."""
        self.second: dict[tuple[int, int], tuple[Scope, str]] = {}
        """The second name of an application, by the identity of what is applied and its start."""
        self.renamed: dict[tuple[int, int], tuple[Scope, str]] = {}
        """The second name of a tensor of one's own that a node gives to what arrives at one of its inputs."""
        self.kept: dict[int, tuple[Scope, str]] = {}
        """The name under which the scope of a cell, or a layer, is registered and not applied, by its identity."""
        self.idle: list[str] = []
        """Other second names under which nothing is applied."""
        self.layers = {node.index: node.scope for node in graph.nodes if node.op.given and self._fills(node)}
        """The scopes of labels around layers whose weights are given."""
        self.implied = {weight for index in self.layers for weight in self._implied(graph.nodes[index])}
        """The weights that such layers have without being given them, by the numbers of their nodes."""
        self._assign()
        self.order = self._applied()

    def _fills(self, node: Node) -> bool:
        """Whether a layer is all that its scope applies, and its weights all that this holds, as a label says it."""
        scope, weights = node.scope, [self.graph.nodes[index] for index, _ in self._weights(node)]
        held = dict(zip(node.op.given, weights, strict=True)).items()
        alone = [region.indices for region in self.tree.of_scope[scope]] == [[node.index]]
        return alone and scope.block is None and bool(scope.children) and scope.children.items() <= held

    def _implied(self, node: Node) -> list[int]:
        """Of the weights that a layer is given, those that the call makes where others are tensors of one's own: they
        come right before it, and start as it says."""
        weights = {name: index for name, (index, _) in zip(node.op.given, self._weights(node), strict=True)}
        found: list[int] = []
        for name, index in reversed(weights.items()):
            rest = tuple(other for other in weights if weights[other] not in (index, *found))
            types = [self.graph.type_of(value) for value in node.inputs[: -len(weights)]]
            types += [self.graph.type_of((weights[other], 0)) for other in rest]
            made = {weight.name: weight for weight in with_weights(node.op.call, rest).weights(tuple(types))}
            tensor, op = self.graph.nodes[index], cast("Any", self.graph.nodes[index].op)
            own = op.is_parameter and op.learned and tensor.scope is self.layers[node.index] and not tensor.frozen
            before = index == node.index - 1 - len(found) and self.tree.users_of(tensor) == {node.index}
            if not (rest and own and before and made[name].init == op.init):
                break
            found.append(index)
        return found

    @staticmethod
    def _weights(node: Node) -> tuple[Value, ...]:
        return node.inputs[-len(node.op.given) :]

    def _assign(self) -> None:
        """Gives each second name to an application."""
        waiting: dict[int, dict[int, Scope]] = {}
        for cell in self.cells:
            starts = [start for start, _ in cell.runs]
            waiting[id(cell.scope)] = self._named(cell.scope, dict(zip(starts, cell.sites, strict=True)))
        layers: dict[int, list[int]] = {}
        for node in self.graph.nodes:
            if node.op.is_module and not node.op.is_parameter and node.index not in self.again:
                layers.setdefault(node.owner, []).append(node.index)
        for owner, indices in layers.items():
            sites = {index: self.tree.region_of(index).scope for index in indices}
            waiting[id(self.graph.nodes[owner])] = self._named(self.graph.nodes[owner], sites)
        labels = {id(scope) for scope in self.layers.values()}
        tensors: dict[int, list[tuple[Scope, str]]] = {}
        for scope, name in registered(self.graph.root):
            child = scope.children[name]
            if id(scope) in labels or scope.names_first(name) or self.kept.get(id(child)) == (scope, name):
                continue
            if isinstance(child, Node) and child.op.is_parameter:
                tensors.setdefault(child.index, []).append((scope, name))
            elif sites := waiting.get(id(child)):
                near = [] if self.in_order else [start for start, site in sites.items() if site is scope]
                start = next(iter(near or sites))
                self.second[id(child), start] = (scope, name)
                del sites[start]
            else:
                self.idle.append(path_in(scope, name))
        self._rename(tensors)

    def _named(self, target: Scope | Node, sites: dict[int, Scope]) -> dict[int, Scope]:
        """The applications of something, by their starts and with their places, that may have second names: the later
        ones, and the first one where the own name is one that is kept."""
        kept = self.tree.kept(target, len(sites))
        if kept is not None and not kept[1].isdigit():
            self.kept[id(target)] = kept
            if self._is_kept(target):
                return sites
        return dict([*sites.items()][1:])

    def _rename(self, tensors: dict[int, list[tuple[Scope, str]]]) -> None:
        """Gives the second names of tensors of one's own to their last uses in the scopes of these names, those that
        are left to the last uses that are left, in order."""
        uses: dict[int, list[tuple[int, int]]] = {index: [] for index in tensors}
        for node in self.graph.nodes if tensors else ():
            for slot, (source, _) in enumerate(node.inputs):
                if source in uses:
                    uses[source].append((node.index, slot))
        for index, names in tensors.items():
            for scope, name in list(names):
                inside = [use for use in uses[index] if self.tree.region_of(use[0]).scope is scope]
                if inside:
                    self.renamed[inside[-1]] = scope, name
                    uses[index].remove(inside[-1])
                    names.remove((scope, name))
            last = uses[index][-len(names) :] if names else []
            self.renamed.update(zip(last, names, strict=False))
            self.idle += [path_in(*name) for name in names[len(last) :]]

    def freezes(self, node: Node) -> bool:
        """Whether the text freezes a node where that stands, and not an application of something shared around it."""
        return node.frozen and node.index not in self.thawed

    def may_follow(self, node: Node, scope: Scope) -> bool:
        """Whether a node of a scope may as well stand behind it: something that is shared from elsewhere, and has no
        name of its own here."""
        cell = self.again.get(node.index)
        start = node.index
        if cell is not None:
            start, _ = cell.runs[bisect_right(cell.runs, start, key=lambda run: run[0]) - 1]
        elif node.owner == node.index:
            return False
        if (id(cell.scope if cell is not None else self.graph.nodes[node.owner]), start) in self.second:
            return False
        at = cell.scope.parent if cell is not None else self.graph.nodes[node.owner].scope
        while at is not None and at is not scope:
            at = at.parent
        return at is None

    def needs_body(self, scope: Scope) -> bool:
        """Whether a scope has what only a body states: tensors of its own, drawn numbers, an order of its children."""
        tensors = any(isinstance(c, Node) and (c.op.is_parameter or c.op.is_drawn) for c in scope.children.values())
        return tensors or bool(self.first(scope))

    def first(self, scope: Scope) -> list[str]:
        """The children that come first in a checkpoint, where its order is not that of application."""
        if scope in self.layers.values():
            return []
        wanted = list(scope.children)
        places = {name: place for place, name in enumerate(self.order.get(id(scope), []))}
        count, after = len(wanted), len(places)
        while count and places.get(wanted[count - 1], after) < after:
            count -= 1
            after = places[wanted[count]]
        return wanted[:count]

    def _applied(self) -> dict[int, list[str]]:
        """The children of each scope, by its identity, in the order of application."""
        found: dict[int, dict[str, None]] = {}
        second: dict[int, list[tuple[Scope, str]]] = {}
        for (_, start), name in self.second.items():
            second.setdefault(start, []).append(name)
        for node in self.graph.nodes:
            for slot in range(len(node.inputs)) if self.renamed else ():
                if (node.index, slot) in self.renamed:
                    self._register(*self.renamed[node.index, slot], found)
            for name in second.get(node.index, ()):
                self._register(*name, found)
            if node.index in self.layers:
                scope = self.layers[node.index]
                self._register(scope, next(iter(scope.children)), found)
            if node.owner == node.index and node.op.is_module and not self._is_kept(node):
                self._register(node.scope, node.name, found)
        return {key: list(names) for key, names in found.items()}

    def kept_name(self, what: Cell | Node) -> tuple[Scope, str] | None:
        """The name under which something shared is registered and not applied, with the scope that has it."""
        return self.kept.get(id(what if isinstance(what, Node) else what.scope))

    def _is_kept(self, target: Scope | Node) -> bool:
        """Whether the own name of something is one under which it is registered and not applied."""
        return self.kept.get(id(target)) == (target.holder, target.name)

    def _register(self, scope: Scope, name: str, found: dict[int, dict[str, None]]) -> None:
        while name not in (names := found.setdefault(id(scope), {})):
            names[name] = None
            if scope.parent is None or self._is_kept(scope):
                break
            name, scope = scope.name, scope.parent


def path_in(scope: Scope, name: str) -> str:
    """The path of a name in a scope."""
    return f"{scope.path}.{name}".lstrip(".")


def word_at(path: str) -> str:
    """A name for what stands at a path, whose first segments may be numbers: `0.0.weight` is `weight`."""
    return re.sub(r"\W", "_", path).lstrip("_0123456789") or "tensor"
