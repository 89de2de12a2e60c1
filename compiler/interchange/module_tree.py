"""Names of modules, and the tree of scopes: from the paths of nodes, and what `modules` says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import networkx

from ...dsl.diagnostics import fault
from ...dsl.limits import LIMITS
from ..elaborate.module_names import check_segment, own_name
from ..ir.graph import Graph, Node, Scope
from .attributes import MARKS, check_known, taken, wrong


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands: its own path, if it has one, else the scope it is in."""

    path: str | None
    scope: str


def place_of(attributes: Mapping[str, Any]) -> Place:
    """What the attributes of a node say of its place. Raises a Fault."""
    path = taken(attributes, "path", None, str, "a dotted name")
    scope = taken(attributes, "scope", "", str, "a dotted name")
    for text in (path, scope):
        if text:
            _check_path(text)
    if path is not None and scope and path.rpartition(".")[0] != scope:
        raise fault(
            "E1103", f"`path` is `{path[:60]}`, which is not in the `scope` `{scope[:60]}`", None, "leave one out"
        )
    return Place(path or None, scope)


def _check_path(path: str) -> None:
    segments = path.split(".")
    if len(segments) > LIMITS.instantiation_depth:
        raise fault("E0911", f"scopes are nested more than {LIMITS.instantiation_depth} deep", None)
    for segment in segments:
        check_segment(segment, None)


def build_tree(graph: Graph, places: Mapping[int, Place], said: Any) -> None:
    """Names the nodes, and makes the scopes. `places` are those of the nodes that own what they apply.

    Raises a Fault (E0501 to E0504, E1103). What `modules` says of a path that is gone is left out.
    """
    marks = _checked(said)
    nodes = _named(graph, places, marks)
    alive = _alive(nodes, marks)
    scopes: dict[str, Scope] = {"": graph.root}
    for path in (*(path for path in marks if path in alive), *nodes):
        _register(path, marks.get(path, {}), nodes, scopes)
    for path, node in nodes.items():
        node.scope, node.name = scopes[path.rpartition(".")[0]], path.rpartition(".")[2]
    for index, place in places.items():
        node = graph.nodes[index]
        if not node.name:
            node.scope = next(scopes[path] for path in (place.scope, *_around(place.scope), "") if path in scopes)
    _mark(scopes, marks)
    _check_no_loop(scopes)


def _checked(said: Any) -> dict[str, dict[str, Any]]:
    if said is None:
        return {}
    if not isinstance(said, dict) or not all(isinstance(p, str) and isinstance(m, dict) for p, m in said.items()):
        raise wrong(
            "modules", 'a dict from paths to what is said of them, as `{"body": {"block": "unit"}, "body.0": {}}`', said
        )
    for path, marks in said.items():
        check_known(f"`{path[:60]}` in `modules`", marks, MARKS)
        taken(marks, "block", None, str, "a name")
        taken(marks, "arguments", {}, dict, "a dict")
        taken(marks, "shared", False, bool, "true or false")
        taken(marks, "same_as", None, str, "a path")
    return said


def _named(graph: Graph, places: Mapping[int, Place], marks: Mapping[str, Any]) -> dict[str, Node]:
    """The modules by path, in topological order; one without a path by its kind, numbered where that is taken."""
    given: dict[str, int] = {}
    for index, place in places.items():
        if place.path is not None and place.path in given:
            hint = "each has parameters of its own, so rename one; `shared_with` applies one module several times"
            raise fault("E0504", f"two modules are called `{place.path}`", None, hint)
        if place.path is not None:
            given[place.path] = index
    taken_names = {*given, *(around for path in given for around in _around(path)), *_second_names(marks)}
    found: dict[str, Node] = {}
    for index, place in places.items():
        node = graph.nodes[index]
        if node.op.is_module:
            path = place.path or _free(f"{place.scope}." if place.scope else "", own_name(node), taken_names)
            found[path] = node
    for path in found:
        for around in _around(path):
            if around in found:
                what = f"`{around}` names a layer, so it cannot hold `{path}`"
                raise fault("E0504", what, None, "rename one of the two")
    return found


def _second_names(marks: Mapping[str, Any]) -> Iterator[str]:
    return (path for path, said in marks.items() if "same_as" in said)


def _free(prefix: str, kind: str, taken_names: set[str]) -> str:
    name, number = prefix + kind, 1
    while name in taken_names:
        number += 1
        name = f"{prefix}{kind}_{number}"
    taken_names.add(name)
    return name


def _around(path: str) -> list[str]:
    """The paths of the scopes around, the innermost first."""
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]


def _alive(nodes: Mapping[str, Node], marks: Mapping[str, Any]) -> set[str]:
    """The paths of modules and scopes that there are, second names included."""
    alive = {*nodes, *(around for path in nodes for around in _around(path))}
    second = {path: marks[path]["same_as"] for path in _second_names(marks) if path not in nodes}
    grown = True
    while grown:
        new = {path for path, target in second.items() if target in alive and path not in alive}
        for path in new:
            _check_path(path)
            layer = next((around for around in _around(path) if around in nodes or around in second), None)
            if layer is not None:
                what = f"`{layer}` is a layer or a second name, so it cannot hold `{path}`"
                raise fault("E0504", what, None, "rename one of the two")
        grown = bool(new)
        alive |= new | {around for path in new for around in _around(path)}
    return alive


def _register(path: str, said: Mapping[str, Any], nodes: Mapping[str, Node], scopes: dict[str, Scope]) -> None:
    """Puts a module or scope into the scope around it, unless it is there."""
    if not path:
        return
    around, _, name = path.rpartition(".")
    item = nodes.get(path)
    if item is None and "same_as" in said:
        item = nodes.get(said["same_as"]) or _opened(said["same_as"], scopes)
    _register(around, {}, nodes, scopes)
    holder = _opened(around, scopes)
    holder.children.setdefault(name, item or _opened(path, scopes))


def _opened(path: str, scopes: dict[str, Scope]) -> Scope:
    """The scope at a path; a new one is not yet registered."""
    if path not in scopes:
        around, _, name = path.rpartition(".")
        scopes[path] = Scope(name, _opened(around, scopes))
    return scopes[path]


def _mark(scopes: Mapping[str, Scope], marks: Mapping[str, Any]) -> None:
    series: dict[Any, object] = {}
    for path, scope in scopes.items():
        said = marks.get(path, {})
        scope.block, scope.shared = said.get("block"), said.get("shared", False)
        scope.arguments = dict(said.get("arguments") or {})
        if said.get("series") is not None:
            try:
                scope.series = series.setdefault(said["series"], object())
            except TypeError:
                raise wrong("series", "a number or a name, equal for the scopes of one power", said["series"]) from None


def _check_no_loop(scopes: Mapping[str, Scope]) -> None:
    inside = networkx.DiGraph()
    for scope in scopes.values():
        inside.add_edges_from((id(scope), id(child)) for child in scope.children.values() if isinstance(child, Scope))
    if not networkx.is_directed_acyclic_graph(inside):
        raise fault("E1103", "in `modules`, a scope is the `same_as` of one that it stands in", None)
