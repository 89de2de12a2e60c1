"""Residual modules and layers left out of a graph, or put in each other's place (Veit et al. 2016, arXiv 1605.06431).

What is made here are graphs for the weights of the graph before: layers keep their paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ...dsl.diagnostics import ArchError, Diagnostic, Fault
from ..analyses.modules import SUMS
from ..analyses.residual import ResidualModule, is_under, place_of, residual_modules
from ..ir.graph import Graph, Node, Value
from ..ops.base import Op
from ..ops.words import nearest
from ..passes.replay import Replay


@dataclass(frozen=True, slots=True)
class _Part:
    """Nodes with one tensor that comes in and one that goes out."""

    nodes: frozenset[int]
    entry: Value
    exit: Value


def left_out(graph: Graph, paths: Sequence[str]) -> Graph:
    """The graph without these residual modules, and with these other layers and scopes skipped.

    Raises ArchError (E0871, E0872).
    """
    modules = residual_modules(graph)
    dropped: set[Value] = set()
    skipped: dict[Value, Value] = {}
    for path in paths:
        chosen = [module for module in modules if is_under(module.path, path)]
        if chosen:
            dropped.update(into for module in chosen for place in module.places for into in place.into)
        else:
            for part in _parts(graph, path, modules):
                skipped[part.exit] = part.entry
    return _Lesion(graph, dropped, skipped).done()


class _Lesion:
    """The replay of a graph without some inputs of its sums. For each tensor in `skipped` another one stands."""

    def __init__(self, graph: Graph, dropped: set[Value], skipped: dict[Value, Value]):
        self.graph = graph
        self.skipped = skipped
        self.dropped = self._with_empty_sums(dropped)
        self.replay = Replay(graph)

    def done(self) -> Graph:
        before, after = self._needed({}, set()), self._needed(self.skipped, self.dropped)
        for node in self.graph.nodes:
            # What nothing needed in the graph before stays.
            if after[node.index] or not before[node.index] or node.op.kind == "input":
                self._again(node)
            for port in range(len(node.outputs)):
                if (node.index, port) in self.skipped:
                    self.replay.values[node.index, port] = self.replay.values[self.skipped[node.index, port]]
        return finished(self.replay)

    def _again(self, node: Node) -> None:
        kept = [slot for slot in range(len(node.inputs)) if (node.index, slot) not in self.dropped]
        op = node.op
        if len(kept) < len(node.inputs) and getattr(op, "signs", ()):
            op = op.model_copy(update={"signs": tuple([op.signs[slot] for slot in kept])})  # type: ignore[attr-defined]
        again(self.replay, node, op, tuple([self.replay.values[node.inputs[slot]] for slot in kept]))

    def _with_empty_sums(self, dropped: set[Value]) -> set[Value]:
        """The inputs that are dropped, with those that would take a sum of nothing."""
        result, empty = set(dropped), set()
        for node in self.graph.nodes:
            if node.op.kind in SUMS:
                result.update((node.index, slot) for slot, (source, _) in enumerate(node.inputs) if source in empty)
                arriving = node.op.arriving(tuple(range(len(node.inputs))))
                if all((node.index, slot) in result for slot in arriving):
                    empty.add(node.index)
        return result

    def _needed(self, skipped: dict[Value, Value], dropped: set[Value]) -> list[bool]:
        """For each node whether an output needs it."""
        found = [False] * len(self.graph.nodes)

        def need(value: Value) -> None:
            while value in skipped:
                value = skipped[value]
            found[value[0]] = True

        for output in self.graph.outputs:
            for value in output.values:
                need(value)
        for node in reversed(self.graph.nodes):
            for slot, value in enumerate(node.inputs) if found[node.index] else ():
                if (node.index, slot) not in dropped:
                    need(value)
        return found


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
    moved = {number: _movable(graph, modules[number]) for number in places if now[number] != number}
    _check_places(graph, modules, now, moved)
    occupants = {moved[place].exit: (moved[place], moved[now[place]]) for place in moved}
    return _Exchange(graph, occupants).done(), now


def _movable(graph: Graph, module: ResidualModule) -> _Part:
    """A residual module as a part by itself. Raises ArchError (E0874) where it is tied to other parts."""
    place = module.places[0]
    node = graph.nodes[place.source]
    if len(module.places) > 1 or any(graph.nodes[n].owner != n for n in place.nodes):
        raise problem("E0874", f"`{module.path}` is shared, so it has no single place to move from", node)
    nodes = _closed(graph, place.nodes)
    entries = _entries(graph, nodes)
    users = {user.index for user in graph.nodes if user.index not in nodes and _takes(user, nodes)}
    if len(entries) != 1 or users - {merge for merge, _ in place.into} or _put_out(graph, nodes):
        what = f"`{module.path}` has more than one tensor that comes in or goes out"
        raise problem("E0874", what, node, "only modules that meet the rest at one sum can change places")
    merge, slot = place.into[0]
    return _Part(nodes, entries[0], graph.nodes[merge].inputs[slot])


def _check_places(graph: Graph, modules: list[ResidualModule], now: list[int], moved: dict[int, _Part]) -> None:
    """Raises ArchError (E0874) where a module does not fit its new place, or holds another."""
    taken: dict[int, int] = {}
    for number, part in moved.items():
        other = next((taken[n] for n in part.nodes if n in taken), None)
        if other is not None:
            what = f"`{modules[number].path}` and `{modules[other].path}` have layers in common"
            raise problem("E0874", what, graph.nodes[part.exit[0]])
        taken.update(dict.fromkeys(part.nodes, number))
    for place, part in moved.items():
        comes = moved[now[place]]
        if _types(graph, comes) == _types(graph, part):
            continue
        (a, b), (c, d) = (map(str, _types(graph, p)) for p in (comes, part))
        path, old = modules[now[place]].path, modules[place].path
        what = f"`{path}` makes {b} of {a}, and in the place of `{old}` it would get {c} and make {d}"
        raise problem("E0874", what, graph.nodes[comes.exit[0]], "modules change places within a stage")


def _types(graph: Graph, part: _Part) -> tuple[object, object]:
    return graph.type_of(part.entry), graph.type_of(part.exit)


class _Exchange:
    """The replay of a graph in which, where one part ends, another is computed. `occupants` has both by the tensor
    that the first one puts out."""

    def __init__(self, graph: Graph, occupants: dict[Value, tuple[_Part, _Part]]):
        self.graph = graph
        self.occupants = {exit[0]: pair for exit, pair in occupants.items()}
        self.moved = frozenset[int]().union(*(part.nodes for part, _ in occupants.values()))
        self.replay = Replay(graph)

    def done(self) -> Graph:
        for node in self.graph.nodes:
            if node.index in self.occupants:
                self._exchange(*self.occupants[node.index])
            elif node.index not in self.moved:
                again(self.replay, node)
        return finished(self.replay)

    def _exchange(self, place: _Part, occupant: _Part) -> None:
        values = self.replay.values
        kept = dict(values)
        values[occupant.entry] = values[place.entry]
        for index in sorted(occupant.nodes):
            again(self.replay, self.graph.nodes[index])
        result = values[occupant.exit]
        values.clear()
        values.update(kept)
        values[place.exit] = result


def again(replay: Replay, node: Node, op: Op | None = None, inputs: tuple[Value, ...] | None = None) -> None:
    """Makes a node anew. Raises ArchError for a Fault."""
    try:
        replay.again(node, op, inputs)
    except Fault as fault:
        raise ArchError([fault.diagnostic]) from None


def finished(replay: Replay) -> Graph:
    """The graph that a replay made, in the scopes of the one before: the paths of its layers are those of a module
    that exists."""
    before, graph = replay.before, replay.graph
    for entry in before.inputs:
        graph.inputs.append(replace(entry, node=replay.values[entry.node, 0][0]))
    for output in before.outputs:
        graph.outputs.append(replace(output, values=tuple([replay.values[value] for value in output.values])))
    graph.root = before.root
    return graph


# --- parts of a graph --------------------------------------------------------------------------


def _parts(graph: Graph, path: str, modules: list[ResidualModule]) -> list[_Part]:
    """The layer or scope at a path, once for each time that it is applied. Raises ArchError (E0871, E0872)."""
    nodes = [node for node in graph.nodes if path and is_under(place_of(node), path) and node.op.kind != "input"]
    if not nodes:
        raise _unknown(graph, path, modules)
    for module in modules:
        if any(node.index in place.nodes for place in module.places for node in nodes):
            what = f"`{path}` is a part of the residual module `{module.path}`"
            hint = f"leave out `{module.path}`, of which the shortcut stays"
            raise problem("E0872", what, nodes[0], hint)
    applied: dict[int, set[int]] = {}
    times: dict[int, int] = {}
    for node in nodes:
        times[node.owner] = times.get(node.owner, 0) + 1
        applied.setdefault(times[node.owner], set()).add(node.index)
    return [_part(graph, path, _closed(graph, frozenset(part))) for part in applied.values()]


def _part(graph: Graph, path: str, nodes: frozenset[int]) -> _Part:
    last = graph.nodes[max(nodes)]
    entries = _entries(graph, nodes)
    exits = {value for node in graph.nodes if node.index not in nodes for value in node.inputs if value[0] in nodes}
    exits |= _put_out(graph, nodes)
    if len(entries) != 1 or len(exits) != 1:
        come = "1 tensor comes" if len(entries) == 1 else f"{len(entries)} tensors come"
        go = "1 goes" if len(exits) == 1 else f"{len(exits)} go"
        what = f"`{path}` cannot be skipped: {come} in and {go} out"
        raise problem("E0872", what, last, "what is skipped passes on the one tensor that it gets")
    part = _Part(nodes, entries[0], exits.pop())
    taken, made = _types(graph, part)
    if taken != made:
        what = f"`{path}` cannot be skipped: it gets {taken} and makes {made}"
        raise problem("E0872", what, last, "only what leaves the shape as it is can be skipped")
    return part


def _closed(graph: Graph, nodes: frozenset[int]) -> frozenset[int]:
    """The nodes, with parameters and draws that serve them alone."""
    uses: dict[int, set[int]] = {}
    for node in graph.nodes:
        for source, _ in node.inputs:
            uses.setdefault(source, set()).add(node.index)
    outputs = {node for output in graph.outputs for node, _ in output.values}
    result = set(nodes)
    for node in reversed(graph.nodes):
        carries = node.op.kind == "input" or any(True for _ in node.op.arriving(node.inputs))
        if not carries and node.index not in outputs and uses.get(node.index) and uses[node.index] <= result:
            result.add(node.index)
    return frozenset(result)


def _entries(graph: Graph, nodes: frozenset[int]) -> list[Value]:
    """The tensors from outside that the nodes take."""
    return list(dict.fromkeys(value for n in sorted(nodes) for value in graph.nodes[n].inputs if value[0] not in nodes))


def _takes(node: Node, nodes: frozenset[int]) -> bool:
    return any(source in nodes for source, _ in node.inputs)


def _put_out(graph: Graph, nodes: frozenset[int]) -> set[Value]:
    return {value for output in graph.outputs for value in output.values if value[0] in nodes}


# --- errors ------------------------------------------------------------------------------------


def _unknown(graph: Graph, path: str, modules: list[ResidualModule], modules_alone: bool = False) -> ArchError:
    names = [module.path for module in modules]
    if modules_alone:
        what = f"no residual module of {graph.name} is called `{path}`"
        hints = nearest(path, names) or _listed(names)
    else:
        what = f"nothing in {graph.name} is called `{path}`"
        hints = nearest(path, sorted(_all_paths(graph) | set(names))) or _listed(names)
    return problem("E0871", what, None, *hints)


def _listed(names: list[str]) -> tuple[str, ...]:
    shown = ", ".join(f"`{name}`" for name in names[:5]) + (", ..." if len(names) > 5 else "")
    return (f"its residual modules are {shown}",) if names else ("it has no residual modules",)


def _all_paths(graph: Graph) -> set[str]:
    """The paths of layers and scopes."""
    found: set[str] = set()
    for node in graph.nodes:
        parts = place_of(node).split(".")
        found.update(".".join(parts[: i + 1]) for i in range(len(parts)))
    return found - {""}


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
