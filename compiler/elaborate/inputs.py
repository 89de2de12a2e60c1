"""Inputs of an arch: their types, their symbolic sizes, and the usual values of those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import fault
from ...dsl.source import Span
from ..ir.counts import rounded
from ..ir.graph import Graph, GraphInput
from ..ir.sizes import Dim, Size, symbol, symbols
from ..ir.types import TensorType
from ..ir.words import is_whole, say
from ..ops.core import Input
from .callables import is_open
from .declared import input_type
from .environment import Environment, names_in
from .lists import items
from .module_names import check_argument
from .values import POISON, describe

if TYPE_CHECKING:
    from .machine import Machine


def add_input(ctx: Machine, node: ast.Input, environment: Environment) -> None:
    """An `input` statement: names without a value become symbolic sizes."""
    environment.names[node.name] = POISON
    dims = []
    for item in node.shape.items:
        _make_symbols(node, item, environment)
        for value in items(ctx, (item,), environment, numbered=False):
            if value is POISON:
                return
            legal = is_whole(value) and value >= 1
            if not legal and not (isinstance(value, Size) and ctx.graph.requirements.at_least(value, 1)):
                message = f"a size is a positive whole number or a symbol, and this is {describe(value)}"
                hint = "`input x: [N, 3, H, W]`: names that have no value are sizes left open"
                raise fault("E0348", message, item.span, hint)
            dims.append(value)
    if not dims:
        raise fault("E0348", "an input has at least a batch", node.shape.span, "for an image, `[N, 3, H, W]`")
    type_ = ctx.intern(input_type(dims, node.dtype or "float", node.span))
    declare(ctx.graph, node.name, type_, node.span)
    (environment.names[node.name],) = ctx.append(Input(name=node.name), (), (type_,), node.span)
    if node.nominal is not None:
        values = ctx.evaluate(node.nominal, environment)
        state(ctx.graph, type_, values, node.nominal.span, "the usual shape", show(values))


def _make_symbols(node: ast.Input, item: ast.Expr, environment: Environment) -> None:
    for name in names_in(item):
        if name == node.name:
            message = f"an input cannot be named `{name}`, as one of its sizes is"
            raise fault("E0511", message, node.span, "rename one: a name stands for one thing")
        if is_open(environment.lookup(name)):
            environment.names[name] = symbol(name)


def declare(graph: Graph, name: str, type_: TensorType, span: Span | None) -> None:
    """Adds an input, which is the node that comes next. Raises a Fault (E0349, E0511) where its name does not do."""
    others = [entry.name for entry in graph.inputs]
    if name in others:
        hint = "an input is an argument of the module: rename one"
        raise fault("E0349", f"two inputs are called `{name}`", span, hint)
    check_argument(name, span, others)
    graph.inputs.append(GraphInput(name, len(graph.nodes), type_, ()))


def state(graph: Graph, type_: TensorType, values: Any, span: Span | None, what: str, shown: str) -> None:
    """Takes the usual sizes of an input into those of the graph. Raises a Fault (E0350)."""
    if not isinstance(values, list | tuple) or len(values) != type_.rank:
        message = f"{what} must have {type_.rank} sizes, as {type_} has"
        raise fault("E0350", message, span, "it gives every size a number: `[N, 3, H, W] = [1, 3, 224, 224]`")
    for dim, value in zip(type_.dims, values, strict=True):
        if not is_whole(value) or not solve(dim, value, graph.nominal):  # type: ignore[arg-type]
            message = f"{what} {shown} is none of {type_}: {value} cannot be {dim}"
            raise fault("E0350", message, span, "a number stands for itself, and a symbol for one size everywhere")


def settle_nominal(graph: Graph) -> None:
    """Every symbol's usual value: as stated, else a batch of 1 where that is legal, and the smallest legal size."""
    smallest: dict[str, int] | None = None
    batches: list[str] = []
    for item in graph.inputs:
        for axis, dim in enumerate(item.type.dims):
            for name in sorted(symbols(dim)):
                if name in graph.nominal:
                    continue
                if axis:
                    graph.assumed.add(name)
                else:
                    batches.append(name)
                if axis and smallest is None:
                    smallest = graph.requirements.usual()
                graph.nominal[name] = (smallest or {}).get(name, 1) if axis else 1
    if batches and graph.requirements.violations(graph.nominal):
        smallest = graph.requirements.usual()
        graph.nominal.update({name: smallest.get(name, 1) for name in batches})
    for item in graph.inputs:
        item.nominal = tuple(d if isinstance(d, int) else d.evaluate(graph.nominal) for d in item.type.dims)


def solve(dim: Dim, value: Any, sizes: dict[str, Dim]) -> bool:
    """Finds the symbol of `dim` for which it equals `value`. False where there is none."""
    if dim is value:
        return True
    if isinstance(dim, int):
        return is_whole(value) and dim == value
    if isinstance(value, Size):
        if dim.name is None:
            return False
        sizes[dim.name] = value
        return True
    if not is_whole(value):
        return False
    (name, *more) = sorted(dim.symbols())
    if more:
        known = {k: v for k, v in sizes.items() if isinstance(v, int)}
        return dim.evaluate(dict.fromkeys(dim.symbols(), 1) | known) == value
    if isinstance(size := sizes.get(name), int):
        return dim.evaluate({name: size}) == value
    base = dim.evaluate({name: 1})
    slope = dim.evaluate({name: 2}) - base
    root = 1 + (value - base) // slope if slope else 1
    if root < 1 or dim.evaluate({name: root}) != value:
        return False
    sizes[name] = root
    return True


def show(value: Any) -> str:
    """A figure as people write it."""
    if isinstance(value, list):
        return "[" + ", ".join(show(v) for v in value) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return rounded(value)
    if value is None or isinstance(value, bool | str):
        return say(value)
    return f"{value:,}" if isinstance(value, float) else str(value)
