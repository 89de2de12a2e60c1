"""`expect`: what an arch claims of itself, held against what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ...dsl import ast
from ...dsl.diagnostics import Fault, fault
from ..ir.graph import Graph
from ..ir.sizes import Dim, Size
from .arithmetic import compare
from .environment import MISSING, Environment
from .evaluate import truth
from .language import global_value
from .values import POISON, Builtin, LayerKind

if TYPE_CHECKING:
    from .elaboration import Elaboration


class Measures(Protocol):
    """The figures that claims are about. The analyses provide them."""

    names: tuple[str, ...]

    def measure(self, graph: Graph, name: str, selector: str | None, sizes: dict[str, Dim]) -> Any:
        """A figure, of the whole or of one kind of layer or scope. Raises ValueError where there is none."""
        ...

    def explain(self, graph: Graph, name: str) -> tuple[str, ...]:
        """Where a figure comes from, in a few lines."""
        ...


def check_claims(ctx: Elaboration, graph: Graph, measures: Measures) -> None:
    """Reports every claim that does not hold."""
    for node, environment in ctx.claims:
        try:
            _check(ctx, graph, measures, node, environment)
        except Fault as problem:
            ctx.report(problem)


def _check(ctx: Elaboration, graph: Graph, measures: Measures, node: ast.Expect, environment: Environment) -> None:
    if node.when is not None and not truth(ctx, node.when, environment):
        return
    sizes = _sizes(ctx, graph, node, environment)
    used = _used(node.left)
    left = ctx.evaluate(node.left, _with_measures(graph, measures, used, sizes, environment))
    fallback = {name: used_as for name, used_as in _used(node.right).items() if environment.lookup(name) is MISSING}
    right = ctx.evaluate(node.right, _with_measures(graph, measures, fallback, sizes, environment))
    if left is POISON or right is POISON or compare(node.operator, left, right, node.span):
        return
    names = [name for name in used if name in measures.names]
    details = measures.explain(graph, names[0]) if names else ()
    raise fault(
        "E0603",
        f"expected {node.left.span.text} {node.operator} {show(right)}, and it is {show(left)}",
        node.span,
        *_difference(left, right),
        *details,
    )


def _difference(left: Any, right: Any) -> tuple[str, ...]:
    whole = (int,)
    if isinstance(left, whole) and isinstance(right, whole) and not isinstance(left, bool):
        return (f"the difference is {left - right:+,}",)
    return ()


def show(value: Any) -> str:
    """A figure as people write it."""
    if isinstance(value, list):
        return "[" + ", ".join(show(v) for v in value) + "]"
    return f"{value:,}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _used(node: ast.Expr) -> dict[str, list[ast.Call]]:
    """The names of an expression, each with the calls in which it is the function."""
    used: dict[str, list[ast.Call]] = {}
    stack: list[Any] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.Call) and isinstance(item.function, ast.Name):
            used.setdefault(item.function.id, []).append(item)
            stack.extend(argument.value for argument in item.arguments)
        elif isinstance(item, ast.Name):
            used.setdefault(item.id, [])
        elif isinstance(item, ast.Syntax):
            stack.extend(getattr(item, s) for cls in type(item).__mro__ for s in getattr(cls, "__slots__", ()) if s != "span")
        elif isinstance(item, tuple):
            stack.extend(item)
    return used


def _with_measures(
    graph: Graph, measures: Measures, used: dict[str, list[ast.Call]], sizes: dict[str, Dim], environment: Environment
) -> Environment:
    """The environment of a claim: figures by name, and the scopes that they are asked of."""
    inner = Environment(environment)
    for name, calls in used.items():
        if name not in measures.names:
            continue
        if not calls:
            try:
                inner.names[name] = measures.measure(graph, name, None, sizes)
            except ValueError as error:
                raise fault("E0604", f"`{name}` {error}", None) from None
            continue
        inner.names[name] = Builtin(name, _of(graph, measures, name, sizes))
        for call in calls:
            for argument in call.arguments:
                _bind_selector(argument.value, inner)
    return inner


def _bind_selector(node: ast.Expr, environment: Environment) -> None:
    """A scope's name needs no quotes where nothing else has that name."""
    if isinstance(node, ast.Name) and not isinstance(global_value(node.id), LayerKind):
        environment.names[node.id] = node.id


def _of(graph: Graph, measures: Measures, name: str, sizes: dict[str, Dim]) -> Callable[[Any], Any]:
    def figure(selector: Any) -> Any:
        if isinstance(selector, LayerKind):
            selector = selector.cls.kind
        if not isinstance(selector, str):
            raise ValueError("is asked of a kind of layer (`conv`) or of a scope (`layer1`, or a string)")
        return measures.measure(graph, name, selector, sizes)

    return figure


def _sizes(ctx: Elaboration, graph: Graph, node: ast.Expect, environment: Environment) -> dict[str, Dim]:
    """The value of each symbolic size that an `at` gives."""
    if node.at is None:
        return {}
    shape = ctx.evaluate(node.at, environment)
    shapes = shape if isinstance(shape, list) and shape and isinstance(shape[0], list) else [shape]
    sizes: dict[str, Dim] = {}
    for given, wanted in zip(shapes, graph.inputs, strict=False):
        if not isinstance(given, list) or len(given) != wanted.type.rank:
            raise fault("E0605", f"`at` gives the sizes of the input {wanted.type}", node.at.span)
        for dim, value in zip(wanted.type.dims, given, strict=True):
            if not solve(dim, value, sizes):
                raise fault("E0605", f"the input is {wanted.type}, so it cannot be {show(given)}", node.at.span)
    known = {k: v for k, v in sizes.items() if isinstance(v, int)}
    wrong = graph.requirements.violations(known) if known else []
    if wrong:
        raise fault("E0605", f"sizes {show(shape)} are not legal: {wrong[0]}", node.at.span)
    return sizes


def solve(dim: Dim, value: Any, sizes: dict[str, Dim]) -> bool:
    """Finds the symbol of `dim` for which it equals `value`. False where there is none."""
    if isinstance(dim, int) or dim is value:
        return dim == value if isinstance(dim, int) else True
    if isinstance(value, Size):
        if dim.name is None:
            return False
        sizes[dim.name] = value
        return True
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    (name, *more) = sorted(dim.symbols())
    if more:
        return dim.evaluate({**{n: 1 for n in dim.symbols()}, **_ints(sizes)}) == value
    known = sizes.get(name)
    if isinstance(known, int):
        return dim.evaluate({name: known}) == value
    base = dim.evaluate({name: 1})
    slope = dim.evaluate({name: 2}) - base
    root = 1 + (value - base) // slope if slope else 1
    if root < 1 or dim.evaluate({name: root}) != value:
        return False
    sizes[name] = root
    return True


def _ints(sizes: dict[str, Dim]) -> dict[str, int]:
    return {k: v for k, v in sizes.items() if isinstance(v, int)}
