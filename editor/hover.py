"""What the editor tells of the place under the pointer, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ..compiler.elaborate.environment import MISSING
from ..compiler.elaborate.language import global_value
from ..compiler.ir.counts import short
from ..compiler.ir.graph import Graph, Node, outwards
from ..compiler.ir.words import say
from ..dsl import ast
from ..dsl.source import Span, clip
from ..dsl.walk import children
from ..viz.page_details import Sights
from .document import Document
from .names import Binding
from .reference import described, documented, fenced, heading, page
from .shapes import Seen, costs, seen_at, shape, symbolic
from .words import literal_at, word_at

_MOST_NODES = 3_000
"""Nodes of a graph whose receptive fields are worked out while somebody waits."""
_LISTED = 8
"""Shapes, and values of a parameter, that are told one by one."""


@dataclass(frozen=True, slots=True)
class Hover:
    """A text about a part of the source."""

    text: str
    span: Span


def hover(document: Document, offset: int) -> Hover | None:
    """What is known of the place of a character, None where that is nothing."""
    literal = literal_at(document.source.text, offset)
    if literal is not None and literal[0] != "string":
        return None
    word = word_at(document.source, offset) if literal is None else None
    sections: list[str] = []
    node = _applied(document, offset)
    seen = seen_at(document, node) if node is not None else None
    if seen is not None:
        sections.append(measured(seen))
    if word is not None:
        sections += filter(None, [_of_name(document, word, offset), _of_word(document, word)])
    problems = {d.code: d.span for d in document.diagnostics if d.span and d.span.start <= offset <= d.span.end}
    sections += filter(None, map(page, problems))
    if not sections:
        return None
    span = word or (node.span if node is not None else next(iter(problems.values())))
    return Hover("\n\n---\n\n".join(sections), span)


# --- shapes and costs ------------------------------------------------------------------------------


def path_to(root: tuple[ast.Statement, ...], offset: int) -> list[ast.Syntax]:
    """The nodes around a character, the outermost first."""
    found: list[ast.Syntax] = []
    level: list[ast.Syntax] = [*root]
    while node := next((n for n in reversed(level) if n.span.start <= offset <= n.span.end), None):
        found.append(node)
        level = children(node)
    return found


def _applied(document: Document, offset: int) -> ast.Syntax | None:
    """The expression at a character whose application is meant: the call of a layer by its name, an operator where no
    operand is."""
    around = path_to(document.statements, offset)
    if not around:
        return None
    node = around[-1]
    before = around[-2] if len(around) > 1 else node
    if isinstance(node, ast.Name) and isinstance(before, ast.Call) and before.function is node:
        return before
    if isinstance(node, ast.LabelPath):
        return before
    plain = ast.Name | ast.Call | ast.Fold | ast.Power | ast.In | ast.Chain | ast.Group
    return node if isinstance(node, plain) else None


def measured(seen: Seen) -> str:
    """Shapes, parameters, multiply-adds and receptive field of what is applied at a place."""
    graph, first = seen.graph, seen.applications[0]
    nodes = seen.nodes(first)
    arriving = shape(first.inputs, graph) + " → " if first.inputs else ""
    lines = [f"**{arriving}{shape(first.outputs, graph)}**"]
    if symbolic(first.outputs) != shape(first.outputs, graph):
        lines.append(f"of any size: `{symbolic(first.outputs)}`")
    own = costs(graph, nodes)
    lines.append(f"{own.parameters:,} parameters · {short(own.multiply_adds)} multiply-adds{_field(graph, nodes)}")
    if len(seen.applications) > 1:
        lines += _several(seen)
    return "\n\n".join(lines)


def _several(seen: Seen) -> Iterator[str]:
    graph = seen.graph
    total = costs(graph, (node for a in seen.applications for node in seen.nodes(a)))
    amounts = f"{total.parameters:,} parameters · {short(total.multiply_adds)} multiply-adds"
    yield f"applied {len(seen.applications)} times in `{seen.run.name}`, together {amounts}"
    kinds = list(dict.fromkeys((a.inputs, a.outputs) for a in seen.applications))
    if len(kinds) > 1:
        rows = [f"- {shape(i, graph)} → {shape(o, graph)}" for i, o in kinds[:_LISTED]]
        yield "\n".join([*rows, *([f"- and {len(kinds) - _LISTED} more"] if len(kinds) > _LISTED else [])])


def _field(graph: Graph, nodes: list[Node]) -> str:
    """The receptive field of the last of some nodes, empty where it is none or would take too long."""
    seen = Sights(graph).of(nodes[-1]) if nodes and len(graph.nodes) <= _MOST_NODES else ""
    return f" · receptive field {seen}" if seen else ""


# --- names -----------------------------------------------------------------------------------------


def _of_name(document: Document, word: Span, offset: int) -> str | None:
    """What a name of the spec is."""
    names = document.names
    use = names.at(offset) if names is not None else None
    if use is None or use[0] != word:
        keyword = names.keyword_at(offset) if names is not None else None
        return _of_keyword(document, *keyword[1:]) if keyword is not None else None
    binding = document.workspace.origin(use[1])
    node = binding.node
    if isinstance(node, ast.Declaration):
        where = node.span.source.path
        far = f"from `{where.name}`" if where is not None and where != document.path else ""
        return "\n\n".join(filter(None, [fenced(heading(node)), node.doc or "", far]))
    if isinstance(node, ast.Parameter):
        return "\n\n".join([f"parameter `{node.span.text}`", *_values(document, binding)])
    if binding.kind == "size":
        values = {run.graph.nominal.get(binding.name) for run in document.runs.values()} - {None}
        usual = f", usually {' or '.join(map(str, sorted(values)))}" if values else ""  # type: ignore[type-var]
        return f"`{binding.name}`: a size that the input leaves open{usual}"
    if isinstance(node, ast.Use):
        return f"`{binding.name}`, imported from `{node.path}`"
    return fenced(clip(node.span.text, 400))


def _of_keyword(document: Document, callee: Binding, name: str) -> str | None:
    origin = document.workspace.origin(callee)
    parameter = origin.parameters.get(name)
    return None if parameter is None else f"parameter `{parameter.node.span.text}` of `{origin.name}`"


def _values(document: Document, binding: Binding) -> Iterator[str]:
    """The values that a parameter has in the architectures, each once."""
    owner = binding.owner
    if owner is None:
        return
    for run in document.runs.values():
        calls = dict.fromkeys(call for node in run.graph.nodes for call in outwards(node.origin))
        own = [c.arguments for c in calls if c.block == owner.name and binding.name in c.arguments]
        values = list(dict.fromkeys(say(arguments[binding.name]) for arguments in own))
        known = [value for value in values if value not in ("...", "a network")]
        if known:
            more = ", …" if len(known) > _LISTED else ""
            yield f"in `{run.name}`: {', '.join(known[:_LISTED])}{more}"
            return


def _of_word(document: Document, word: Span) -> str | None:
    """What a name or a word of the language means, where the spec does not take it for something of its own."""
    names, text = document.names, word.text
    if names is not None and names.at(word.start) is not None and names.at(word.start)[0] == word:  # type: ignore[index]
        return None
    argument = argument_at(document, word)
    if argument is not None:
        return argument
    if global_value(text) is not MISSING:
        return documented(text)
    return page(text)


def argument_at(document: Document, word: Span) -> str | None:
    """What the argument of a layer means whose name a word is."""
    around = path_to(document.statements, word.start)
    for outer, node in pairwise(around):
        if isinstance(node, ast.Argument) and node.name == word.text and node.span.start == word.start:
            function = outer.function if isinstance(outer, ast.Call) else None
            called = function.id if isinstance(function, ast.Name) else getattr(outer, "layer", "")
            _, entry = described(called) if global_value(called) is not MISSING else ("", None)
            found = next((p for p in entry.parameters if p.name == node.name), None) if entry is not None else None
            if found is not None:
                default = f"; `{found.default}` unless told" if found.default is not None else ""
                return f"`{called}`: `{found.name}`: {found.description} ({found.type}{default})"
    return None
