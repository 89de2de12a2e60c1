"""Modules tied to one, which share its weights."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from ..ir.graph import Graph, Node, Scope, scopes, walk
from ..ir.words import BadValue, met
from ..ops.values import Words
from .applications import Applications, first_node, module_at, paths
from .base import Rewrite, mapped, refusal
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
        replay = Replay(graph)
        for node in graph.nodes:
            replay.again(node)
        after = replay.finish()
        for group in self.modules:
            _tie(after, group)
        return mapped(graph, after)


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
    place = first_node(graph, b)
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
