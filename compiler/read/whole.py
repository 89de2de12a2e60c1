"""The graph as a whole: what modules are called, which outputs there are, which sizes are usual."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import fx, nn

from ...grammar.parser import words
from ..elaborate.inputs import settle_nominal, state
from ..elaborate.module_names import may_name, own_name
from ..interchange.attributes import OfNode
from ..interchange.module_tree import build_tree
from ..ir.free_names import FreeNames
from ..ir.graph import Graph, GraphOutput, Origin, Scope, Value, is_under, walk
from .reader import Reader
from .unsayable import Missing, missing
from .values import Place, is_value

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def pruned(reader: Reader, needed: Sequence[Value]) -> dict[Value, Value]:
    """Leaves out the nodes that no output needs. Returns the new tensors by the old ones."""
    graph, used = reader.graph, reader.graph.ancestors(needed)
    kept = [node for node in graph.nodes if used[node.index] or node.op.is_input]
    numbers = {node.index: number for number, node in enumerate(kept)}
    places = {numbers[i]: place for i, place in reader.places.items() if i in numbers}
    first: dict[int, int] = {}
    for node in kept:
        node.owner = first.setdefault(node.owner, numbers[node.index])
        node.inputs = tuple([(numbers[source], port) for source, port in node.inputs])
        node.index = numbers[node.index]
    for entry in graph.inputs:
        entry.node = numbers[entry.node]
    graph.nodes[:] = kept
    reader.places.clear()
    reader.places.update(places)
    return {(old, port): (new, port) for old, new in numbers.items() for port in range(len(kept[new].outputs))}


def name_modules(reader: Reader, shared: Collection[str]) -> None:
    """Names the nodes by the modules that they come from, and makes the scopes. `shared` are the paths of those that
    are applied again as a whole. A module that is one layer gives that its name; one that is a layer and holds others,
    as an activation, leaves these to what is around."""
    graph, module = reader.graph, reader.module
    modules = dict(module.named_modules())
    layers = {place.path for place in reader.places.values() if place.path}
    calls = Counter(place.stack[-1][1] for place in reader.places.values() if place.stack)
    taken = FreeNames([*layers, *(path for path in modules if path not in layers)])
    given: dict[str, None] = {}
    said: dict[int, OfNode] = {}
    for node in graph.owners():
        place = reader.places[node.index]
        around = next((p for p, _ in reversed(place.stack) if p not in layers and not _inside(p, layers)), "")
        path = place.path or (_own_path(place, modules, calls) if node.op.is_module else "")
        if path in given or (not place.path and _inside(path, layers)):
            path, around = "", around.rpartition(".")[0] if around == path else around
        if not path and node.op.is_module:
            path = taken.new(f"{around}.{own_name(node)}" if around else own_name(node))
        if path:
            given[path] = None
        said[node.index] = OfNode.model_construct(path=path or None, scope="" if path else around)
        node.frozen = _is_frozen(node, path, module)
    marks = {path: _mark(part) for path, part in modules.items() if path}
    marks |= {path: {**marks[path], "shared": True} for path in shared}
    marks |= (seconds := _second_names(module, given))
    _refuse_names([*given, *seconds], module)
    build_tree(graph, said, {path: marks.get(path, {}) for path in _in_order([*given, *seconds], module)})
    for node in graph.nodes:
        node.scope, node.name = graph.nodes[node.owner].scope, graph.nodes[node.owner].name


def note_calls(reader: Reader, made: Mapping[Value, Value]) -> None:
    """Notes which call of a block each node comes from, and what the calls are given and return. `made` are the tensors
    of the graph by those that were read."""

    def tensor(source: fx.Node) -> Value | None:
        read = reader.values.get(source)
        return made.get(read) if read is not None and is_value(read) else None

    graph, arch = reader.graph, Origin(reader.graph.name, {}, None, None)
    filled = {path: item for path, item in walk(graph.root) if isinstance(item, Scope) and item.block is not None}
    origins: dict[str, Origin] = {}
    for node in graph.nodes:
        node.origin = arch
        for path, call in reader.places[node.index].stack:
            if path in filled:
                block, arguments = filled[path].block or "", filled[path].arguments
                node.origin = origins.setdefault(call, Origin(block, arguments, None, node.origin))
    for call, origin in origins.items():
        given = reader.trace.arguments.get(call, [])
        names = Counter(name for name, _ in given)
        for place, (name, source) in enumerate(given):
            if (value := tensor(source)) is not None:
                node = graph.nodes[value[0]]
                node.put_in(value[1], origin, place)
                if names[name] == 1 and words().is_name(name):
                    node.call(value[1], name, origin)
        for place, source in enumerate(reader.trace.results.get(call, [])):
            if (value := tensor(source)) is not None:
                graph.nodes[value[0]].put_out(value[1], origin, place)


def _refuse_names(paths: Iterable[str], module: nn.Module) -> None:
    """Raises ArchError (E1204) where parts have names that no module of archc's can have."""
    found = [part.rpartition(".")[::2] for path in paths for part in _prefixes(path)]
    refused = [Missing(f"a part that is called `{name}`", above, "") for above, name in found if not may_name(name)]
    if refused:
        hint = "a name is letters, digits, `_` and `-`, no word of Python, and nothing that torch.fx's modules have"
        raise missing(type(module).__name__, refused, hint)


def _second_names(module: nn.Module, given: Collection[str]) -> dict[str, dict[str, Any]]:
    """What is said of the paths under which a module or a tensor stands that has another path already, where anything
    of it is in the graph. What is in such a module has second names by that alone."""
    parts = [(path, part) for path, part in module.named_modules(remove_duplicate=False) if part.state_dict()]
    first: dict[int, str] = {}
    found: dict[str, dict[str, Any]] = {}
    for path, item in (*parts, *module.state_dict(keep_vars=True).items()):
        home = first.setdefault(id(item), path)
        used = any(is_under(name, home) for name in given)
        if home != path and used and not _inside(path, {*found}):
            found[path] = {"same_as": home}
    return found


def _in_order(applied: Iterable[str], module: nn.Module) -> list[str]:
    """The paths of layers and scopes in the order of the checkpoint. What has no tensors stands where it is applied."""
    kept = dict.fromkeys(around for name in module.state_dict() for around in _prefixes(name))
    inside: dict[str, dict[str, None]] = {}
    for path in (around for name in applied for around in _prefixes(name)):
        inside.setdefault(path.rpartition(".")[0], {})[path] = None
    found: list[str] = []
    waiting = [""]
    while waiting:
        path = waiting.pop()
        found += [path] if path else []
        names = list(inside.get(path, ()))
        with_tensors = [name for name in names if name in kept]
        if with_tensors != (wanted := sorted(with_tensors, key=list(kept).index)):
            names = [*wanted, *(name for name in names if name not in kept)]
        waiting += reversed(names)
    return found


def _prefixes(path: str) -> Iterator[str]:
    """A dotted path and those around it, the outermost first."""
    parts = path.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


def _inside(path: str, paths: set[str]) -> bool:
    return any(path.startswith(f"{other}.") for other in paths if other)


def _own_path(place: Place, modules: dict[str, nn.Module], calls: Counter[str]) -> str:
    """The path of the module that this one node is all of."""
    if not place.stack:
        return ""
    path, call = place.stack[-1]
    module = modules.get(path)
    alone = calls[call] == 1 and module is not None and not any(True for _ in module.children())
    return path if alone else ""


def _is_frozen(node: Any, path: str, module: nn.Module) -> bool:
    if not path or not node.op.has_weights:
        return False
    owner, _, name = path.rpartition(".")
    try:
        found = [*module.get_submodule(path).parameters()]
    except AttributeError:
        found = [p for n, p in module.get_submodule(owner).named_parameters(recurse=False) if n == name]
    return bool(found) and not any(p.requires_grad for p in found)


def _mark(module: nn.Module) -> dict[str, Any]:
    layer = type(module).__module__.startswith("torch.nn.") and not any(True for _ in module.children())
    if layer or type(module) in CONTAINERS:
        return {}
    return {"block": block_name(module), "arguments": dict(_arguments(module))}


def block_name(module: nn.Module) -> str:
    """What the language calls the class of a module."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(module).__name__)
    return words.strip("_").lower()


def _arguments(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """What the module was made with, as far as it keeps that under the same names."""
    try:
        names = list(inspect.signature(type(module).__init__).parameters)
    except (TypeError, ValueError):
        names = []
    for name in names:
        value = getattr(module, name, None)
        if isinstance(value, bool | int | float | str):
            yield name, value


Names = tuple[str, ...]
"""The keys that lead to a tensor in what a module returns."""


def set_outputs(graph: Graph, made: Sequence[tuple[Names, Value]], evaluation: Collection[Names]) -> None:
    """The outputs: one tensor, a tuple, or several by name. Those that evaluation does not have are for training."""
    made = sorted(made, key=lambda item: item[0] not in evaluation)
    listed = all(path and all(map(str.isdigit, path)) for path, _ in made)
    if len(made) == 1 or (listed and len(evaluation) == len(made)):
        graph.outputs = [GraphOutput(None, tuple([value for _, value in made]))]
        return
    names = FreeNames(words().reserved)
    for path, value in made:
        word = re.sub(r"\W", "_", "_".join(path))
        name = names.new(f"out_{word}" if word[:1].isdigit() else word or "out")
        graph.outputs.append(GraphOutput(name, (value,), path not in evaluation))


def settle(graph: Graph, shapes: Sequence[Sequence[int]]) -> None:
    """The usual sizes are those of the inputs that were given."""
    for entry, shape in zip(graph.inputs, shapes, strict=True):
        state(graph, entry.type, list(shape), None, "the shape", str(list(shape)))
    settle_nominal(graph)
