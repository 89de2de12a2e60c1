"""`expect`: what an arch claims of itself, held against what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ...dsl import ast
from ...dsl.diagnostics import ArchError, Fault, Poisoned, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.source import Span
from ...dsl.walk import children
from ..ir.graph import Graph
from ..ir.sizes import Dim, Size
from ..ir.words import is_whole
from .arithmetic import compare
from .callables import Builtin
from .environment import MISSING, Environment
from .inputs import show, solve
from .language import global_value
from .lists import truth
from .machine import exhausted
from .networks import LayerKind
from .suggestions import did_you_mean
from .values import POISON, describe

if TYPE_CHECKING:
    from .machine import Machine


class Measures(Protocol):
    """The figures that claims are about. The analyses provide them."""

    names: tuple[str, ...]

    def looks(self, graph: Graph, name: str, selector: str | None, sizes: dict[str, Dim]) -> int:
        """How many nodes telling a figure looks at."""
        ...

    def measure(self, graph: Graph, name: str, selector: str | None, sizes: dict[str, Dim]) -> Any:
        """A figure, of the whole or of one kind of layer or scope. Raises ValueError where there is none,
        ArchError where it cannot be told."""
        ...

    def explain(self, graph: Graph, name: str, selector: str | None) -> tuple[str, ...]:
        """Where a figure comes from, in a few lines."""
        ...


class Measured:
    """The figures of one graph, each computed once and paid for in steps of the evaluation."""

    def __init__(self, ctx: Machine, graph: Graph, measures: Measures):
        self.ctx, self.graph, self.measures = ctx, graph, measures
        self.names = measures.names
        self.known: dict[object, Any] = {}
        self.explained: dict[object, tuple[str, ...]] = {}

    def figure(self, name: str, selector: str | None, sizes: dict[str, Dim], span: Span, hint: str) -> Any:
        """A figure. Raises a Fault where there is none, or where it takes too long."""
        key = (name, selector, tuple(sizes.items()))
        if key not in self.known:
            self.ctx.spend(1 + self.measures.looks(self.graph, name, selector, sizes) // _NODES_A_STEP, span)
            try:
                self.known[key] = self.measures.measure(self.graph, name, selector, sizes)
            except ValueError as error:
                raise fault("E0604", f"`{name}` {error}", span, hint) from None
            except ArchError as error:
                problem = error.diagnostics[0]
                raise fault(problem.code, problem.message, span, *problem.hints) from None
        return self.known[key]

    def explain(self, name: str, selector: str | None, span: Span) -> tuple[str, ...]:
        """Where a figure comes from. Raises a Fault where that takes too long."""
        key = (name, selector)
        if key not in self.explained:
            self.ctx.spend(len(self.graph.nodes), span)
            self.explained[key] = self.measures.explain(self.graph, name, selector)
        return self.explained[key]


_NODES_A_STEP = 4
"""How many nodes a figure looks at in the time of one step of the evaluation."""


def check_claims(ctx: Machine, claims: list[tuple[ast.Expect, Environment]], graph: Graph, measures: Measures) -> int:
    """Reports every claim about the graph that does not hold. Gives the number of those that do."""
    held = 0
    measured = Measured(ctx, graph, measures)
    for node, environment in claims:
        try:
            held += _check(ctx, graph, measured, node, environment)
        except Fault as problem:
            ctx.report(problem)
            if exhausted(problem):
                break
    return held


def _check(ctx: Machine, graph: Graph, measures: Measured, node: ast.Expect, environment: Environment) -> bool:
    """True where the claim is about this case and holds. Raises a Fault where it does not hold."""
    if node.when is not None and not truth(ctx, node.when, environment):
        return False
    sizes = _sizes(ctx, graph, node, environment)
    used = _used(node.left)
    _known(measures, node, used, environment)
    left = ctx.evaluate(node.left, _with_measures(measures, used, sizes, environment, node.span))
    fallback = {name: used_as for name, used_as in _used(node.right).items() if environment.lookup(name) is MISSING}
    right = ctx.evaluate(node.right, _with_measures(measures, fallback, sizes, environment, node.span))
    if left is POISON or right is POISON:
        return False
    left, right = _at(left, sizes), _at(right, sizes)
    if _holds(node, left, right, graph.nominal):
        return True
    details = _explain(measures, used, node.span)
    message = f"expected {node.left.span.text} {node.operator} {show(right)}, and it is {show(left)}"
    message += of_variant(graph, environment)
    notes = _makers(graph) if "shape" in used else ()
    hints = *_difference(left, right), *details, *_of_defaults(node, environment)
    raise fault("E0603", message, node.span, *hints, labels=notes)


def _of_defaults(node: ast.Expect, environment: Environment) -> tuple[str, ...]:
    """How a claim without a `when` is made one about the defaults, where parameters have other values."""
    definition = environment.frame.definition if environment.frame is not None else None
    if node.when is not None or not isinstance(definition, ast.ArchDef):
        return ()
    others = []
    for parameter in definition.parameters:
        default, value = parameter.default, environment.lookup(parameter.name)
        if isinstance(default, ast.Number | ast.Boolean):
            usual = default.value
        elif isinstance(default, ast.Text) and all(isinstance(part, str) for part in default.parts):
            usual = "".join(map(str, default.parts))
        else:
            continue
        if value != usual:
            others.append(f"{parameter.name} == {default.span.text}")
    if not others:
        return ()
    return (f"a claim about the defaults alone says so: `{node.span.text} when {' and '.join(others)}`",)


def of_variant(graph: Graph, environment: Environment) -> str:
    """The end of a message about an arch: which one it is, where the statement is another one's."""
    definition = environment.frame.definition if environment.frame is not None else None
    return "" if definition is None or definition.name == graph.name else f" in `{graph.name}`"


def _explain(measures: Measured, used: dict[str, list[ast.Call]], span: Span) -> tuple[str, ...]:
    """Where the claim's figure comes from."""
    for name, calls in used.items():
        asked = next((call for call in calls if len(call.arguments) == 1), None)
        if name in measures.names and (asked is not None or not calls):
            argument = None if asked is None else asked.arguments[0].value
            selector = argument.id if isinstance(argument, ast.Name) else None
            if isinstance(argument, ast.Text):
                selector = "".join(p for p in argument.parts if isinstance(p, str))
            return measures.explain(name, selector, span)
    return ()


def _makers(graph: Graph) -> tuple[Note, ...]:
    """The layers that put the outputs out."""
    makers = [(graph.nodes[node], port) for output in graph.outputs for node, port in output.values]
    return tuple(Note(n.span, f"this `{n.op.kind}` makes {n.outputs[port]}") for n, port in makers if n.span)


def _known(measures: Measured, node: ast.Expect, used: dict[str, list[ast.Call]], environment: Environment) -> None:
    """Raises a Fault where a claim is about a figure that there is not."""
    arguments = [a.value for calls in used.values() for call in calls for a in call.arguments]
    selectors = {a.id for a in arguments if isinstance(a, ast.Name)}
    for name in used.keys() - selectors - set(measures.names):
        if environment.lookup(name) is MISSING and global_value(name) is MISSING:
            hints = did_you_mean(name, [*measures.names, *environment]) or (f"figures are {', '.join(measures.names)}",)
            raise fault("E0604", f"there is no figure `{name}`", node.left.span, *hints)


def _at(value: Any, sizes: dict[str, Dim]) -> Any:
    """A size or a list of sizes with symbols given values."""
    if isinstance(value, list):
        return [_at(v, sizes) for v in value]
    return value.substitute(sizes) if isinstance(value, Size) and sizes else value


def _holds(node: ast.Expect, left: Any, right: Any, nominal: dict[str, int]) -> bool:
    """Whether a claim holds for all sizes; where that is open, whether it holds at the usual ones."""
    try:
        if compare(node.operator, left, right, node.span):
            return True
    except Fault as problem:
        if problem.diagnostic.code != "E0334":
            raise
    usual: dict[str, Dim] = {**nominal}
    return compare(node.operator, _at(left, usual), _at(right, usual), node.span)


def _difference(left: Any, right: Any) -> tuple[str, ...]:
    if is_whole(left) and is_whole(right):
        return (f"the difference is {'+' * (left > right)}{show(left - right)}",)
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            return (f"{len(right)} were expected, and there are {len(left)}",)
        pairs = [(show(a), show(b)) for a, b in zip(left, right, strict=True)]
        differ = [f"{is_} instead of {wanted}" for is_, wanted in pairs if is_ != wanted]
        return (f"there is {', '.join(differ)}",)
    return ()


def _used(node: ast.Expr) -> dict[str, list[ast.Call]]:
    """The names of an expression, each with the calls in which it is the function; those that its comprehensions bind
    are its own."""
    used: dict[str, list[ast.Call]] = {}
    bound: set[str] = set()
    stack: list[ast.Syntax] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.Call) and isinstance(item.function, ast.Name):
            used.setdefault(item.function.id, []).append(item)
            stack.extend(argument.value for argument in item.arguments)
        elif isinstance(item, ast.Name):
            used.setdefault(item.id, [])
        else:
            bound.update(ast.names_of(item.targets) if isinstance(item, ast.ForClause) else ())
            stack.extend(children(item))
    return {name: calls for name, calls in used.items() if name not in bound}


def _with_measures(
    measures: Measured,
    used: dict[str, list[ast.Call]],
    sizes: dict[str, Dim],
    environment: Environment,
    span: Span,
) -> Environment:
    """The environment of a claim: figures by name, and the scopes that they are asked of."""
    inner = Environment(environment)

    def of_part(name: str, span: Span) -> Callable[[Any], Any]:
        forms = f'`{name}`, `{name}(conv)`, `{name}("layer1.0")`'
        hint = f"it is asked of the whole, of a kind of layer, or of a scope: {forms}"
        hint = f"write `{name}` alone" if name in ("depth", "paths", "shape") else hint

        function = global_value(name)

        def asked(selector: Any, *others: Any) -> Any:
            if others and isinstance(function, Builtin):
                return function.call(selector, *others)
            selector = selector.cls.kind if isinstance(selector, LayerKind) else selector
            if not isinstance(selector, str):
                message = f"`{name}` is asked of a kind of layer or of a scope, and not of {describe(selector)}"
                raise fault("E0604", message, span, hint)
            return measures.figure(name, selector, sizes, span, hint)

        return asked

    for name, calls in used.items():
        if name not in measures.names:
            continue
        if not calls:
            hint = "`count(conv)` and `layers(conv)` count one kind of layer, or what is in one scope"
            inner.names[name] = measures.figure(name, None, sizes, span, hint)
            continue
        inner.names[name] = Builtin(name, of_part(name, calls[0].span))
        # A scope's name needs no quotes where nothing else has that name.
        selectors = [a.value.id for call in calls for a in call.arguments if isinstance(a.value, ast.Name)]
        inner.names.update({n: n for n in selectors if not isinstance(global_value(n), LayerKind)})
    return inner


_AT = "numbers of the input's shape stand for themselves; what the arch requires of the others must hold"


def _sizes(ctx: Machine, graph: Graph, node: ast.Expect, environment: Environment) -> dict[str, Dim]:
    """The value of each symbolic size that an `at` gives."""
    if node.at is None:
        return {}
    shape = ctx.evaluate(node.at, environment)
    shapes = shape if isinstance(shape, list) and shape and isinstance(shape[0], list) else [shape]
    sizes: dict[str, Dim] = {}
    if POISON in (shape, *shapes):
        raise Poisoned
    for given, wanted in zip(shapes, graph.inputs, strict=False):
        if not isinstance(given, list) or len(given) != wanted.type.rank:
            message = f"`at` gives the sizes of the input, {wanted.type}, and this is {show(given)}"
            raise fault(
                "E0605", message, node.at.span, "a number for each size: `expect shape at [1, 3, 64, 64] == ...`"
            )
        for dim, value in zip(wanted.type.dims, given, strict=True):
            if not solve(dim, value, sizes):
                raise fault("E0605", f"the input is {wanted.type}, so it cannot be {show(given)}", node.at.span, _AT)
    known = {k: v for k, v in sizes.items() if isinstance(v, int)}
    wrong = graph.requirements.violations(known) if known else []
    if wrong:
        raise fault("E0605", f"sizes {show(shape)} are not legal: {wrong[0]}", node.at.span, _AT)
    return sizes
