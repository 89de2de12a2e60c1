"""Residual modules and layers left out of a graph, or put in each other's place (Veit et al. 2016, arXiv 1605.06431).

What is made here are graphs for the weights of the graph before: layers keep their paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ...dsl.diagnostics import ArchError, Diagnostic, Fault
from ..analyses.residual import ResidualModule, residual_modules
from ..ir.graph import Graph, Node, Value, is_under, walk
from ..ir.words import did_you_mean, few
from ..passes.applications import Application, Applications
from ..passes.reorder import exchanged
from ..passes.wiring import Wiring


def left_out(graph: Graph, paths: Sequence[str]) -> Graph:
    """The graph without these residual modules, and with these other layers and scopes skipped.

    Raises ArchError (E0871, E0872).
    """
    modules, applications = residual_modules(graph), Applications(graph)
    wiring, terms = Wiring(graph), set[Value]()
    for path in paths:
        chosen = [module for module in modules if is_under(module.path, path)]
        if chosen:
            terms.update(into for module in chosen for place in module.places for into in place.into)
        else:
            for part in _skipped(applications, path, modules):
                wiring.instead[part.results[0]] = part.sources[0]
    with _refused_as("E0872"):
        wiring.drop(terms)
        return _on_layers_of(wiring)


def reordered(graph: Graph, order: Sequence[str]) -> tuple[Graph, list[int]]:
    """The graph with residual modules in each other's places: those of `order` take the places that they have
    together, in this order. And the number, in the network as it was, of the module that now stands in each place.

    Raises ArchError (E0871, E0873, E0874).
    """
    modules = residual_modules(graph)
    numbers = {module.path: number for number, module in enumerate(modules)}
    for path in order:
        if path not in numbers:
            raise _unknown(graph, path, modules, modules_alone=True)
    if len(set(order)) < len(order):
        twice = next(path for i, path in enumerate(order) if path in order[:i])
        hint = "name each module that moves once, in the order in which they are to be computed"
        raise problem("E0873", f"the order has `{twice}` twice", None, hint)
    places = sorted(numbers[path] for path in order)
    now = list(range(len(modules)))
    for place, path in zip(places, order, strict=True):
        now[place] = numbers[path]
    applications = Applications(graph)
    moved = {number: _movable(applications, modules[number]) for number in places if now[number] != number}
    _check_places(graph, modules, now, moved)
    standing = list(moved)
    with _refused_as("E0874"):
        return _on_layers_of(exchanged(graph, list(moved.values()), [standing.index(now[p]) for p in moved])), now


def _movable(applications: Applications, module: ResidualModule) -> Application:
    """A residual module by itself. Raises ArchError (E0874) where it is tied to other parts."""
    graph, place = applications.graph, module.places[0]
    node = graph.nodes[place.source]
    if len(module.places) > 1 or any(graph.nodes[n].owner != n for n in place.nodes):
        raise problem("E0874", f"`{module.path}` is shared, so it has no single place to move from", node)
    found = applications.made_of(module.path, applications.with_draws(place.nodes))
    merges = {merge for merge, _ in place.into}
    takers = {user for n in found.nodes for user in applications.tree.users_of(graph.nodes[n])} - found.nodes
    given = {value for output in graph.outputs for value in output.values} & set(found.results)
    if len(applications.tree.entering(found.nodes)) != 1 or len(found.results) != 1 or takers - merges or given:
        what = f"`{module.path}` has more than one tensor that comes in or goes out"
        raise problem("E0874", what, node, "only modules that meet the rest at one sum can change places")
    return found


def _check_places(graph: Graph, modules: list[ResidualModule], now: list[int], moved: dict[int, Application]) -> None:
    """Raises ArchError (E0874) where a module does not fit its new place, or holds another."""
    taken: dict[int, int] = {}
    for number, part in moved.items():
        other = next((taken[n] for n in part.nodes if n in taken), None)
        if other is not None:
            what = f"`{modules[number].path}` and `{modules[other].path}` have layers in common"
            raise problem("E0874", what, graph.nodes[part.results[0][0]])
        taken.update(dict.fromkeys(part.nodes, number))
    for place, part in moved.items():
        comes = moved[now[place]]
        if _types(graph, comes) == _types(graph, part):
            continue
        (a, b), (c, d) = (map(str, _types(graph, p)) for p in (comes, part))
        path, old = modules[now[place]].path, modules[place].path
        what = f"`{path}` makes {b} of {a}, and in the place of `{old}` it would get {c} and make {d}"
        raise problem("E0874", what, graph.nodes[comes.results[0][0]], "modules change places within a stage")


def _types(graph: Graph, part: Application) -> tuple[object, object]:
    return graph.type_of(part.sources[0]), graph.type_of(part.results[0])


def _on_layers_of(wiring: Wiring) -> Graph:
    """The graph as wired, in the scopes of the one before: the paths of its layers are those of a module that exists.
    Raises a Fault."""
    replay, outputs = wiring.replayed()
    before, graph = replay.before, replay.graph
    for entry in before.inputs:
        graph.inputs.append(replace(entry, node=replay.values[entry.node, 0][0]))
    graph.outputs += outputs
    graph.root = before.root
    return graph


@contextmanager
def _refused_as(code: str) -> Iterator[None]:
    """What a rewrite refuses, as an ablation does."""
    try:
        yield
    except Fault as fault:
        raise ArchError([replace(fault.diagnostic, code=code)]) from None


# --- modules that are skipped ------------------------------------------------------------------


def _skipped(applications: Applications, path: str, modules: list[ResidualModule]) -> list[Application]:
    """The applications of the layer or scope at a path. Raises ArchError (E0871, E0872)."""
    graph = applications.graph
    try:
        found = applications.of(path)
    except Fault:
        raise _unknown(graph, path, modules) from None
    for module in modules:
        inside = frozenset[int]().union(*(place.nodes for place in module.places))
        first = min((index for part in found for index in part.nodes & inside), default=None)
        if first is not None:
            what = f"`{path}` is a part of the residual module `{module.path}`"
            hint = f"leave out `{module.path}`, of which the shortcut stays"
            raise problem("E0872", what, graph.nodes[first], hint)
    for part in found:
        _check_skipped(graph, part)
    return found


def _check_skipped(graph: Graph, part: Application) -> None:
    """Raises ArchError (E0872) unless what comes in can stand for what goes out."""
    last = graph.nodes[max(part.nodes)]
    if len(part.sources) != 1 or len(part.results) != 1:
        come = "1 tensor comes" if len(part.sources) == 1 else f"{len(part.sources)} tensors come"
        go = "1 goes" if len(part.results) == 1 else f"{len(part.results)} go"
        what = f"`{part.path}` cannot be skipped: {come} in and {go} out"
        raise problem("E0872", what, last, "what is skipped passes on the one tensor that it gets")
    taken, made = _types(graph, part)
    if taken != made:
        what = f"`{part.path}` cannot be skipped: it gets {taken} and makes {made}"
        raise problem("E0872", what, last, "only what leaves the shape as it is can be skipped")


# --- errors ------------------------------------------------------------------------------------


def _unknown(graph: Graph, path: str, modules: list[ResidualModule], modules_alone: bool = False) -> ArchError:
    names = [module.path for module in modules]
    what, known = f"no residual module of {graph.name}", names
    if not modules_alone:
        what = f"nothing in {graph.name}"
        known = sorted({*names, *(name for name, _ in walk(graph.root) if name)})
    return problem("E0871", f"{what} is called `{path}`", None, *(did_you_mean(path, known) or _listed(names)))


def _listed(names: list[str]) -> tuple[str, ...]:
    shown = few([f"`{name}`" for name in names])
    return (f"its residual modules are {shown}" if names else "it has no residual modules",)


def problem(code: str, message: str, node: Node | None, *hints: str) -> ArchError:
    return ArchError([Diagnostic(code, message, node.span if node is not None else None, hints=hints)])


def checked_paths(paths: object) -> list[str]:
    """Paths as a list; a single one may be given as it is. Raises ArchError (E0871)."""
    given = [paths] if isinstance(paths, str) or not isinstance(paths, Iterable) else paths
    listed: list[str] = []
    for path in given:
        if not isinstance(path, str):
            raise problem("E0871", f"modules are named by their paths, and not by {path!r}"[:120], None)
        listed.append(path)
    return listed
