"""What comes out at a place of a text: shapes, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..compiler.analyses.figures import node_multiply_adds, numbers_of
from ..compiler.ir.graph import Graph, Node
from ..compiler.ir.sizes import Dim, substitute
from ..compiler.ir.types import Role, TensorType
from ..dsl import ast
from ..dsl.source import Span
from .document import Document, Run
from .names import Binding
from .trace import Application, Types

_FOLLOWED = 20
"""Names of names that are followed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What an architecture applies at a place: each time that it does, in order."""

    run: Run
    applications: Sequence[Application]

    @property
    def graph(self) -> Graph:
        return self.run.graph

    def nodes(self, application: Application) -> list[Node]:
        return self.graph.nodes[application.first : application.stop]

    def outputs(self) -> list[Types]:
        """What comes out, each thing once, in the order in which it first does."""
        return list(dict.fromkeys(a.outputs for a in self.applications))


def seen_at(document: Document, node: ast.Syntax) -> Seen | None:
    """What is applied by an expression, None where nothing is."""
    for _ in range(_FOLLOWED):
        found = document.applications(node.span) or _by_nodes(document, node.span)
        if found is not None:
            return Seen(*found)
        if isinstance(node, ast.Group | ast.Labelled | ast.Assign | ast.Shared | ast.Output | ast.Argument):
            node = node.value
        elif isinstance(node, ast.Chain):
            node = node.parts[-1]
        elif isinstance(node, ast.Name) and (binding := _bound(document, node.span)) is not None:
            node = binding.giver(node.span.start)
        else:
            return None
    return None


def _bound(document: Document, span: Span) -> Binding | None:
    found = document.names.at(span.start) if document.names is not None else None
    return found[1] if found is not None and found[1].kind in ("value", "input", "tensor", "network") else None


def _by_nodes(document: Document, span: Span) -> tuple[Run, list[Application]] | None:
    """The same of an operator, an input or a tensor, whose nodes say where they stand."""
    for run in document.runs.values():
        made = run.by_place().get(span)
        if made:
            graph = run.graph
            return run, [Application(graph.input_types(n), n.outputs, n.index, n.index + 1) for n in made]
    return None


# --- words -----------------------------------------------------------------------------------------


def usual(type_: TensorType, graph: Graph) -> tuple[Dim, ...]:
    """The sizes of a tensor as the editor shows them: the batch as it is declared, the others at the usual sizes."""
    at: dict[str, Dim] = {**graph.nominal}
    return tuple(a.size if a.role is Role.BATCH else substitute(a.size, at) for a in type_.axes)


def shape(types: Types, graph: Graph) -> str:
    """One shape, or those of several tensors in parentheses."""
    texts = [_bracketed([str(d) for d in usual(t, graph)], t.dtype) for t in types]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def symbolic(types: Types) -> str:
    """The same with the sizes that are left open by their names."""
    return str(types[0]) if len(types) == 1 else f"({', '.join(map(str, types))})"


def shapes(outputs: Sequence[Types], graph: Graph) -> str:
    """Shapes of several applications as one, with the first and the last where sizes differ: `[N, 64…512, 56…7]`."""
    if len(outputs) == 1:
        return shape(outputs[0], graph)
    if any(len(types) != 1 for types in outputs) or len({types[0].rank for types in outputs}) > 1:
        return f"{shape(outputs[0], graph)} and {len(outputs) - 1} more"
    dims = [usual(types[0], graph) for types in outputs]
    axes = [list(dict.fromkeys(map(str, axis))) for axis in zip(*dims, strict=True)]
    return _bracketed([a[0] if len(a) == 1 else f"{a[0]}…{a[-1]}" for a in axes], outputs[0][0].dtype)


def _bracketed(sizes: Iterable[str], dtype: str) -> str:
    text = f"[{', '.join(sizes)}]"
    return text if dtype == "float" else f"{dtype} {text}"


@dataclass(frozen=True, slots=True)
class Costs:
    """Numbers that train and multiply-adds, both at the usual sizes."""

    parameters: int
    multiply_adds: int


def costs(graph: Graph, nodes: Iterable[Node]) -> Costs:
    """The costs of nodes. What they share with nodes before them is counted there."""
    learned = spent = 0
    at: dict[str, Dim] = {**graph.nominal}
    for node in nodes:
        learned += numbers_of(graph, node).parameters if node.owner == node.index else 0
        made = substitute(node_multiply_adds(graph, node), at)
        spent += made if isinstance(made, int) else 0
    return Costs(learned, spent)
