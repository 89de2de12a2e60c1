"""Modules that share their weights: tied to one, and untied again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from ..ir.graph import Carried, Graph, Node, Scope, WeightMap, scopes, walk
from ..ir.lowering import In, Program
from ..ir.words import BadValue, met
from ..ops.values import Words
from .applications import Applications, Paths, module_at, paths
from .base import Rewrite, refusal
from .replay import Replay


def _groups(value: Any) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list | tuple) or not value:
        raise BadValue(f'must list modules that shall be one, as in [["unit1", "unit2"]], not {met(value)}')
    groups = [value] if all(isinstance(item, str | int) for item in value) else value
    found = tuple(map(paths, groups))
    if any(len(set(group)) < 2 for group in found):
        raise BadValue("must name two different modules or more in each group")
    return found


Groups = Annotated[
    tuple[tuple[str, ...], ...], PlainValidator(_groups), Words("list of lists of paths; one such list may stand alone")
]


class Tie(Rewrite):
    """The architecture with one module in the place of several: the first of each group that is applied, of which the
    others become second names, as with `shared`. So the checkpoint has all names, of one tensor each.

    The modules must have the same layers under the same names, with equal settings. The result computes what it did
    before only where the weights are equal, so that a checkpoint of before in which they differ is refused (E0814).
    """

    kind: ClassVar[str] = "tie"

    modules: Groups = Field(description="groups of paths; each group becomes one module")

    def apply(self, graph: Graph) -> Graph:
        after = _copy(graph)
        for group in self.modules:
            _tie(after, group)
        after.weight_maps.append(WeightMap())
        return after


class Untie(Rewrite):
    """The architecture with modules of their own for the later applications of something shared. The i-th application
    gets the i-th name where what is shared has several (`a: f -> b: f`), else `NAME_i` beside the first. All start with
    the weights that they shared, in evaluation and in training the same until they are trained.
    """

    kind: ClassVar[str] = "untie"

    modules: Paths = Field(description="paths of the shared modules")

    def apply(self, graph: Graph) -> Graph:
        after = _copy(graph)
        made: dict[str, Carried] = {}
        for path in self.modules:
            made |= _Untying(after, path).done()
        after.weight_maps.append(WeightMap(made))
        return after


def _copy(graph: Graph) -> Graph:
    replay = Replay(graph)
    for node in graph.nodes:
        replay.again(node)
    return replay.finish()


# --- tie -----------------------------------------------------------------------------------


def _tie(graph: Graph, group: tuple[str, ...]) -> None:
    """Makes one module of several, in place."""
    applications = Applications(graph)
    first = {path: min(part.first for part in applications.of(path)) for path in group}
    kept, *others = sorted(group, key=lambda path: first[path])
    for other in others:
        a, b = module_at(graph, kept), module_at(graph, other)
        if a is not b:
            _check_alike(graph, (kept, a), (other, b))
            _become(graph, a, b)


def _check_alike(graph: Graph, kept: tuple[str, Scope | Node], other: tuple[str, Scope | Node]) -> None:
    """Raises a Fault (E0448) unless two modules have the same layers."""
    (name, a), (second, b) = kept, other
    ours, theirs = dict(walk(a)), dict(walk(b))
    place = _first_node(graph, b)
    if any(part is a for part in theirs.values()) or any(part is b for part in ours.values()):
        raise refusal("E0448", f"`{name}` and `{second}` lie in one another", place, "tie modules that lie apart")
    hint = "modules that are tied have the same layers, with equal settings, under the same names"
    odd = sorted(path for path in ours.keys() ^ theirs.keys())
    if odd:
        has, lacks = (name, second) if odd[0] in ours else (second, name)
        raise refusal("E0448", f"`{has}` has a part `{odd[0]}`, and `{lacks}` has none", place, hint)
    for path, one in ours.items():
        two = theirs[path]
        if isinstance(one, Scope) and isinstance(two, Scope):
            continue
        if isinstance(one, Scope) or isinstance(two, Scope) or not _are_alike(graph, one, two):
            where = [f"{module}.{path}".rstrip(".") for module in (name, second)]
            raise refusal("E0448", f"`{where[0]}` and `{where[1]}` are different layers", place, hint)


def _are_alike(graph: Graph, one: Node, two: Node) -> bool:
    return one.frozen == two.frozen and graph.may_share(one, two)


def _first_node(graph: Graph, module: Scope | Node) -> Node:
    if isinstance(module, Node):
        return module
    inside = set(scopes(module))
    return next(node for node in graph.nodes if node.scope in inside)


def _become(graph: Graph, kept: Scope | Node, other: Scope | Node) -> None:
    """Puts a module in the place of another that is like it."""
    if isinstance(kept, Scope):
        kept.shared = True
    theirs = dict(walk(other))
    _pair_merges(graph, kept, other)
    stand_in = {id(theirs[path]): part for path, part in walk(kept)}
    for path, part in list(walk(kept)):
        if isinstance(part, Node):
            two = theirs[path]
            assert isinstance(two, Node)
            stand_in[id(two)] = stand_in[id(part)] = _one(graph, part, two)
    for node in graph.nodes:
        scope = stand_in.get(id(node.scope))
        if isinstance(scope, Scope):
            node.scope = scope
    for scope in [part for _, part in walk(graph.root) if isinstance(part, Scope)]:
        for name, child in scope.children.items():
            scope.children[name] = stand_in.get(id(child), child)


def _pair_merges(graph: Graph, kept: Scope | Node, other: Scope | Node) -> None:
    """Lets what has no name in a module, sums and the like, be further applications of those in the one that is kept,
    where both have the same."""
    ours, theirs = (
        [n for n in graph.owners() if not n.name and isinstance(m, Scope) and n.scope in set(scopes(m))]
        for m in (kept, other)
    )
    if [n.op.key for n in ours] != [n.op.key for n in theirs]:
        return
    for one, two in zip(ours, theirs, strict=True):
        for node in graph.nodes if one.index < two.index else ():
            node.owner = one.index if node.owner == two.index else node.owner


def _one(graph: Graph, kept: Node, other: Node) -> Node:
    """The node that owns the one layer: the first application of either."""
    applied = [node for node in graph.nodes if node.owner in (kept.index, other.index)]
    scope, name = kept.scope, kept.name
    for node in applied:
        node.owner, node.scope, node.name = applied[0].index, scope, name
    return applied[0]


# --- untie ---------------------------------------------------------------------------------


class _Untying:
    """Later applications of a shared module, which become modules of their own, in place."""

    def __init__(self, graph: Graph, path: str):
        self.graph = graph
        self.path = path
        self.module = module_at(graph, path)
        self.applied: dict[int, list[Node]] = defaultdict(list)
        for node in graph.nodes:
            self.applied[node.owner].append(node)
        self.names = [(scope, name) for scope, name in self._places()]

    def _places(self) -> Iterator[tuple[Scope, str]]:
        """Where the module stands: its own place first, then its second names in the order of registration."""
        own = self.module.scope if isinstance(self.module, Node) else self.module.parent
        found = [
            (scope, name)
            for _, scope in walk(self.graph.root)
            if isinstance(scope, Scope)
            for name, child in scope.children.items()
            if child is self.module
        ]
        yield from sorted(found, key=lambda place: place[0] is not own or place[1] != self.module.name)

    def done(self) -> dict[str, Carried]:
        """Makes the modules. Returns how their tensors are made of a checkpoint's. Raises a Fault (E0440, E0448)."""
        owners = self._owners()
        counts = {len(self.applied[owner.index]) for owner in owners} - {1}
        if len(counts) != 1:
            place = owners[0]
            if not counts:
                raise refusal("E0440", f"`{self.path}` is applied once, so that nothing is shared", place)
            what = f"the layers of `{self.path}` are applied {' or '.join(map(str, sorted(counts)))} times"
            raise refusal("E0448", what, place, "untie what is shared within it first")
        made: dict[str, Carried] = {}
        for number in range(1, counts.pop()):
            made |= self._application(owners, number)
        return made

    def _owners(self) -> list[Node]:
        if isinstance(self.module, Node):
            return [self.module]
        inside = set(scopes(self.module))
        return [node for node in self.graph.owners() if node.scope in inside]

    def _application(self, owners: list[Node], number: int) -> dict[str, Carried]:
        """Makes a module of one application."""
        holder, name = self._place(number)
        made: dict[str, Carried] = {}
        if isinstance(self.module, Node):
            node = self.applied[self.module.index][number]
            holder.children[name] = node
            return self._own(node, holder, name)
        scopes = {id(self.module): Scope(name, holder, {}, self.module.block, self.module.arguments)}
        holder.children[name] = scopes[id(self.module)]
        for _, part in walk(self.module):
            for label, child in part.children.items() if isinstance(part, Scope) else ():
                around = scopes[id(part)]
                if isinstance(child, Scope):
                    scopes[id(child)] = child.emptied(label, around)
                    around.children[label] = scopes[id(child)]
                elif len(self.applied[child.index]) > 1:
                    around.children[label] = self.applied[child.index][number]
        for owner in owners:
            if len(self.applied[owner.index]) > 1:
                made |= self._own(self.applied[owner.index][number], scopes[id(owner.scope)], owner.name)
        return made

    def _own(self, node: Node, scope: Scope, name: str) -> dict[str, Carried]:
        """Gives a node its own place and weights."""
        before, node.frozen = node.path, self.graph.nodes[node.owner].frozen
        node.owner, node.scope, node.name = node.index, scope, name
        found = self.graph.weight_shapes(node) if node.op.has_weights else {}
        step = Program((In(0),))
        return {_tensor(node.path, n): Carried(((_tensor(before, n), shape),), step) for n, shape in found.items()}

    def _place(self, number: int) -> tuple[Scope, str]:
        if number < len(self.names):
            return self.names[number]
        scope, name = self.names[0]
        free = f"{name}_{number + 1}"
        while free in scope.children:
            free += "_"
        return scope, free


def _tensor(path: str, name: str) -> str:
    return f"{path}.{name}" if name else path
