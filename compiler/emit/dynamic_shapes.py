"""The symbolic axes of a network's inputs: what torch.export is told of them, and what it made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import fx
from torch.export import Dim as ExportDim
from torch.export import ExportedProgram

from ..ir.free_names import FreeNames
from ..ir.graph import Graph
from ..ir.sizes import Size, symbols
from .private import is_open


def dynamic_shapes(graph: Graph) -> list[tuple[dict[int, Any], ...]]:
    """What may be said to torch of the symbolic axes, the best first. Where no two axes are related there is nothing to
    state, and a program in which torch has to prove each of its conditions true of all sizes would be refused."""
    sizes = [size for axes in _open_axes(graph) for _, size in axes]
    related = any(len(symbols(size)) != 1 or not str(size).isidentifier() for size in sizes)
    if related or len({str(size) for size in sizes}) < len(sizes):
        return [_stated(graph), inferred(graph)]
    return [inferred(graph)]


def _stated(graph: Graph) -> tuple[dict[int, Any], ...]:
    """The symbolic axes of each input, with the sizes as the spec relates them."""
    names = FreeNames(entry.name for entry in graph.inputs)
    known = {name: ExportDim(names.new(name)) for name in graph.nominal}
    return tuple([{axis: _dimension(dim, known) for axis, dim in axes} for axes in _open_axes(graph)])


def _open_axes(graph: Graph) -> list[list[tuple[int, Size]]]:
    """The axes of each input that may have several sizes, with these."""
    single = graph.requirements.fixed()
    return [
        [(axis, dim) for axis, dim in enumerate(entry.type.dims) if isinstance(dim, Size) and dim.symbols() - single]
        for entry in graph.inputs
    ]


def inferred(graph: Graph) -> tuple[dict[int, Any], ...]:
    """The symbolic axes of each input, with torch to relate them: it may infer sharper bounds than the spec states."""
    return tuple([dict.fromkeys(axes, ExportDim.AUTO) for axes in _stated(graph)])


def _dimension(dim: Any, known: Mapping[str, Any]) -> Any:
    """torch's name for a symbolic axis: a dimension, a multiple of one plus a number, or its own to find."""
    names = sorted(symbols(dim))
    if len(names) != 1:
        return ExportDim.AUTO
    (name,) = names
    at = [dim.evaluate({name: value}) for value in (1, 2, 5)]
    factor, offset = at[1] - at[0], 2 * at[0] - at[1]
    if factor < 1 or at[2] != 5 * factor + offset:
        return ExportDim.AUTO
    base = known[name]
    scaled = base if factor == 1 else factor * base
    return scaled if offset == 0 else scaled + offset


def _placeholders(program: ExportedProgram) -> list[fx.Node]:
    """The nodes of the arch's inputs."""
    user = set(program.graph_signature.user_inputs)
    return [node for node in program.graph.nodes if node.op == "placeholder" and node.name in user]


def fixed_axes(program: ExportedProgram, graph: Graph) -> list[str]:
    """The symbolic axes of inputs that became numbers."""
    found = []
    for entry, axes, node in zip(graph.inputs, _open_axes(graph), _placeholders(program), strict=True):
        for axis, dim in axes:
            if not is_open(node.meta["val"].shape[axis]):
                found.append(f"axis {axis} of `{entry.name}` ({dim})")
    return found


def symbols_of(program: ExportedProgram, graph: Graph) -> dict[str, str]:
    """The exporter's symbols, such as `s77`, in terms of the spec's."""
    found: dict[str, str] = {}
    for entry, node in zip(graph.inputs, _placeholders(program), strict=True):
        for dim, size in zip(entry.type.dims, node.meta["val"].shape, strict=True):
            if isinstance(dim, int) or isinstance(size, int):
                continue
            inner, outer = list(size.node.expr.free_symbols), symbols(dim)
            if size.node.expr in inner:
                found[str(inner[0])] = str(dim) if str(dim).isidentifier() else f"({dim})"
            elif len(inner) == len(outer) == 1:  # the same multiple of one symbol, as `_dimension` states it
                found[str(inner[0])] = next(iter(outer))
    return found
