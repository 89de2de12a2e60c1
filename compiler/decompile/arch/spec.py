"""A graph as the text of a spec: self-contained, and elaborated again the same graph.

1. Units: the scopes whose nodes stand together, and what is recomputed or shared as a whole. The rest are paths in
   labels.
2. Flow: every node is a statement, which is put into the next where the order of application stays the same.
3. Names: numbers become lists, equal parts in a row become powers, labels that say nothing go.
4. Blocks: units of one structure are one block, and the values that differ its parameters.
5. Text, laid out by the formatter, elaborated again and compared with the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ....dsl.diagnostics import ArchError, fault
from ....dsl.format import format_source
from ....dsl.source import Source
from ...elaborate.declared import dtype_word
from ...elaborate.language import known_names
from ...ir.graph import Graph, GraphInput
from ...ir.sharing import registered
from ...ir.sizes import symbols
from ...ops.core import Extern
from ...program import Program
from .blocks import Blocks
from .flow import Flow
from .holes import give_lacking, give_smaller
from .optional import give_optional
from .places import Places
from .printer import Printer, Values, label_text
from .refusal import unapplied, unfaithful
from .same import first_discrepancy
from .units import Unit
from .values import Defaults, spelt
from .variables import local_names


def written(graph: Graph, read: Callable[[str], Program] = Program.parse) -> str:
    """The text of a spec that defines the graph's architecture, and nothing else needs.

    Blocks are made of scopes that are alike but for numbers, repetitions of what is repeated. The parameters of the
    spec that the graph comes from are settled in it. Elaborated as `read` gives it, the text gives the same graph,
    which is checked. Raises ArchError (E0850, E0851) where it cannot.
    """
    try:
        return _checked(graph, read, in_order=False)
    except ArchError:
        if all(scope.names_first(name) for scope, name in registered(graph.root)):
            raise
        return _checked(graph, read, in_order=True)


def _checked(graph: Graph, read: Callable[[str], Program], in_order: bool) -> str:
    text = min(map(_formatted, _texts(graph, in_order)), key=lambda text: text.count("\n"))
    _check(graph, read(text))
    return text


def _formatted(text: str) -> str:
    try:
        return format_source(Source(text, "written.arch"))
    except ArchError as error:
        raise unfaithful(error.diagnostics[0].message) from None


def _lines(text: str) -> int:
    return _formatted(text).count("\n")


def _check(graph: Graph, program: Program) -> None:
    """Raises ArchError (E0850) where a program does not define the graph's architecture."""
    found = program.elaborate(graph.name)
    if found.graph is None:
        raise unfaithful(found.diagnostics[0].message)
    other = first_discrepancy(graph, found.graph)
    if other is not None:
        raise unfaithful(other.what, other.node.span if other.node is not None else None)


def _externs(graph: Graph) -> dict[str, str]:
    """The declarations of the layers of the host, by name. Raises ArchError (E0851) for one that has no text here."""
    found: dict[str, str] = {}
    for node in graph.nodes:
        if not isinstance(op := node.op, Extern):
            continue
        if op.declaration is None or found.setdefault(op.name, op.declaration) != op.declaration:
            why = "uses names of its file" if op.declaration is None else f"is not the only one of `{op.name}`"
            hint = "`archc compile -o net.json` writes it; a spec says it where the declaration stands on its own"
            message = f"`{node.path}` is a layer of the host, whose declaration {why}"
            raise ArchError([fault("E0851", message, node.span, hint).diagnostic])
    return found


def _texts(graph: Graph, in_order: bool) -> Iterator[str]:
    """The ways to write the graph: with blocks that get from their callers what some of them lack, or as it is, which
    is shorter; and unless the first takes fewer lines, with blocks that leave it out by a parameter."""
    externs = _externs(graph)
    places = Places(graph, in_order)
    if places.idle:
        raise unapplied(places.idle[0])
    drawn = {node.name for node in graph.nodes if node.op.is_parameter or node.op.is_drawn}
    taken = {graph.name, *known_names(), *graph.symbols(), *externs}
    outer = {entry.name for entry in graph.inputs} - taken - drawn
    declarations = "".join(f"{text}\n\n" for text in externs.values())

    def printed(flow: Flow) -> str:
        return declarations + _printed(graph, flow, taken | outer, drawn, outer)

    flow = Flow(graph, places, taken | outer | drawn)
    flow.write(flow.root)
    give_smaller(flow.root, flow.keys)
    text = printed(flow)
    given = printed(flow) if give_lacking(flow.root, flow.keys) else text
    yield min(text, given, key=len)
    if len(given) < len(text) and _lines(given) < _lines(text):
        return
    flow = Flow(graph, places, taken | outer | drawn, parted=True)
    if flow.has_extras:
        flow.write(flow.root)
        give_smaller(flow.root, flow.keys)
        if give_optional(flow.root, flow.keys):
            yield printed(flow)


def _printed(graph: Graph, flow: Flow, taken: set[str], drawn: set[str], outer: set[str]) -> str:
    blocks = Blocks(flow.root, flow.keys, taken, drawn | flow.declared)
    printer = Printer(blocks, flow.keys, Defaults(graph), outer)
    definitions = [printer.define(block) for block in blocks.known.values()]
    return "\n\n".join([*definitions, _architecture(graph, flow.root, flow, printer)]) + "\n"


def _architecture(graph: Graph, root: Unit, flow: Flow, printer: Printer) -> str:
    printer.names, _ = local_names(root, printer.taken)
    by_node = {entry.node: entry for entry in graph.inputs}
    stated = _stated(graph)
    for statement in root.statements:
        if statement.term.tag == "input":
            entry = by_node[statement.term.data[0]]
            printer.names["local", statement.targets[0]] = entry.name
            sizes = {name for dim in entry.type.dims for name in symbols(dim)}
            statement.opening = _input(entry, not sizes.isdisjoint(stated))
            stated -= sizes
    lines = printer.statements(root, Values(flow.keys.of_unit(root), {}))
    first = next((i for i, line in enumerate(lines) if not line.startswith("input ")), len(lines))
    lines[first:first] = [*printer.defaults.statements(), *_order(root)]
    doc = [f'"""{graph.doc}{" " if graph.doc.endswith(chr(34)) else ""}"""'] if graph.doc else []
    return f"arch {graph.name} {{\n" + "\n".join([*doc, *lines]) + "\n}"


def _order(root: Unit) -> list[str]:
    return [f"order {', '.join(label_text(name)[:-1] for name in root.order)}"] if root.order else []


def _stated(graph: Graph) -> set[str]:
    """The sizes of inputs whose usual values are said: not those that are the smallest legal ones anyway."""
    open_sizes = {name for entry in graph.inputs for dim in entry.type.dims[1:] for name in symbols(dim)}
    smallest = (graph.requirements.smallest() or {}) if open_sizes else {}
    return {
        name
        for entry in graph.inputs
        for dim in entry.type.dims
        for name in symbols(dim)
        if graph.nominal.get(name) != smallest.get(name, 1) or (name in open_sizes and name not in graph.assumed)
    }


def _input(entry: GraphInput, nominal: bool) -> str:
    dims = "[" + ", ".join(map(str, entry.type.dims)) + "]"
    word = dtype_word(entry.type)
    word = "" if word == "float" else f"{word} "
    usual = f" = {spelt(entry.nominal)}" if nominal else ""
    return f"input {entry.name}: {word}{dims}{usual}"
