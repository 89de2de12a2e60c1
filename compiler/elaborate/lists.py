"""Lists: their items, comprehensions, loops over them, and taking them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, Hint, Poisoned, fault, warning
from ...dsl.limits import LIMITS, higher
from ...dsl.source import Span
from ...dsl.walk import walk
from .callables import Function
from .environment import MISSING, Environment
from .machine import exhausted
from .networks import is_network
from .sharing import named_part
from .values import POISON, Listed, Tensor, describe, is_number, is_tensors, key_of

if TYPE_CHECKING:
    from .machine import Machine
    from .module_names import OpenScope


def truth(ctx: Machine, node: ast.Expr, environment: Environment) -> bool:
    """The value of a condition. Raises a Fault for anything but true and false."""
    value = condition(ctx, node, environment)
    if isinstance(value, Tensor):
        hint = "what depends on the numbers of a tensor is chosen by its mask: `where(x > 0, a, b)`"
        raise fault("E0314", f"a condition must be true or false, and this is {describe(value)}", node.span, hint)
    return value


def condition(ctx: Machine, node: ast.Expr, environment: Environment) -> bool | Tensor:
    """A truth value, or a tensor, which may be a mask. Raises a Fault for anything else."""
    value = ctx.evaluate(node, environment)
    if value is POISON:
        raise Poisoned
    if not isinstance(value, bool | Tensor):
        hint = "compare it: `n > 0`, `len(xs) > 0`"
        raise fault("E0314", f"a condition must be true or false, and this is {describe(value)}", node.span, hint)
    return value


def listed(ctx: Machine, values: list[Any], span: Span) -> Listed:
    """A list of the language. Raises a Fault where it holds more values than there may be."""
    result = Listed(values)
    if result.extent > LIMITS.list_values:
        hint = "a list that holds itself twice doubles at every level: is the count as meant?"
        message = f"a list holds at most {LIMITS.list_values:,} values, those of lists in it included"
        raise fault("E0914", message, span, hint, *higher("list_values", result.extent))
    ctx.spend(len(result), span)
    return result


def items(ctx: Machine, nodes: tuple[ast.Expr, ...], environment: Environment, numbered: bool) -> list[Any]:
    """The values of the items of a list or tuple: splats spread, `if` without else may vanish, errors leave POISON."""
    values: list[Any] = []
    for item in nodes:
        if isinstance(item, ast.Comprehension):
            values.extend(comprehension(ctx, item, environment))
        elif isinstance(item, ast.Splat):
            values.extend(spread(ctx, item, environment))
        else:
            value = _element(ctx, item, environment) if numbered else ctx.attempt(item, environment)
            if value is not MISSING:
                values.append(value)
    return values


def _element(ctx: Machine, node: ast.Expr, environment: Environment) -> Any:
    """An element of a list: where it applies something, that belongs under the element's number."""
    if isinstance(node, ast.Group):
        return _element(ctx, node.value, environment)
    if isinstance(node, ast.If):
        return _chosen(ctx, node, environment)
    if isinstance(node, SIMPLE):
        return ctx.attempt(node, environment)
    virtual = ctx.enter_virtual(None)
    try:
        value = ctx.attempt(node, environment)
    finally:
        ctx.leave_virtual(virtual)
    if virtual.scope is None and is_tensors(value):
        ctx.number()
    elif virtual.scope is not None and isinstance(node, ast.Chain):
        _warn_of_number(ctx, node, virtual.scope)
    return value


def _chosen(ctx: Machine, node: ast.If, environment: Environment) -> Any:
    """The element that an `if` chooses, which is as it would be without the `if`; none where it has no `else`."""
    ctx.spend(1, node.span)
    try:
        chosen = node.then if truth(ctx, node.condition, environment) else node.otherwise
    except Fault as problem:
        if exhausted(problem):
            raise
        ctx.report(problem)
        return POISON
    return MISSING if chosen is None else _element(ctx, chosen, environment)


def _warn_of_number(ctx: Machine, node: ast.Chain, scope: OpenScope) -> None:
    """Reports `[x -> a: f]`, where the number of the element precedes a label that likelier names the whole element."""
    last = node.parts[-1]
    if not isinstance(last, ast.Labelled) or last.label.first is not None or ctx.replays:
        return
    label = last.label.span.text
    if list(scope.children) == [label.partition(".")[0]] or (len(scope.children) == 1 and "{" in label):
        (child,) = scope.children
        message = f"the label `{label}` stands within element {scope.name}, so its part is `{scope.path}.{child}`"
        before = Span(node.span.source, node.span.start, last.span.start).text
        hint = f"write `{label}: ({before}{last.value.span.text})` to name the element itself"
        ctx.report(warning("E0363", message, node.span, hint))


SIMPLE = (ast.Number, ast.Boolean, ast.Name, ast.Text, ast.Attribute, ast.Labelled)


def spread(ctx: Machine, node: ast.Splat, environment: Environment) -> list[Any]:
    value = ctx.attempt(node.value, environment)
    if value is POISON:
        return [POISON]
    if not isinstance(value, (list, tuple)):
        hints = _unspread(node.value)
        ctx.report(fault("E0321", f"`*` spreads a list, and this is {describe(value)}", node.span, *hints))
        return [POISON]
    ctx.spend(len(value) // 8, node.span)
    return list(value)


def _unspread(node: ast.Expr) -> tuple[str, ...]:
    """What to write in the place of `*e`, where e is no list."""
    if not isinstance(node, ast.Power):
        return (Hint("without the `*` it is one element", node.span.text),)
    base, count = node.base.span.text, node.exponent.span.text
    hint = Hint("without the `*` it is one element for each application", node.span.text)
    if not isinstance(node.base, ast.ListExpr):
        return (hint,)
    every = f"*[*{base} for _ in 1..{count}]"
    return (Hint(f"`{every}` has the elements of every application", every), hint)


def comprehension(ctx: Machine, node: ast.Comprehension, environment: Environment) -> list[Any]:
    """The values of all elements, in order. A long table of numbers is made once for each value of what it uses."""
    rule = _rule(node, environment) if ctx.tables else None
    if rule in ctx.tables:
        ctx.spend(1, node.span)
        return ctx.tables[rule]
    before = ctx.steps
    values = _made(ctx, node, environment)
    if ctx.steps - before > _LONG and all(map(_is_table, values)):
        rule = rule or _rule(node, environment)
        if rule is not None:
            ctx.tables[rule] = values
    return values


_LONG = 1_000
"""So many steps make a table long."""
_LONGEST = 50_000
"""So many numbers are the most that a table has, or that one is looked up by."""
_RULE = 2_000
"""So many characters are no rule of a table, and looking at them again would take longer."""

_CLOSED = (
    *(ast.Number, ast.Boolean, ast.Name, ast.Fold, ast.Power, ast.Negative, ast.Not, ast.Logic, ast.Compare, ast.Range),
    *(ast.Argument, ast.Call, ast.If, ast.Group, ast.ListExpr, ast.Splat),
    *(ast.Comprehension, ast.ForClause, ast.IfClause),
)
"""What computes the same wherever it stands, where its names do."""


def _rule(node: ast.Comprehension, environment: Environment) -> Any:
    """What a comprehension depends on: its text, and the numbers, tables and functions of the file that its names stand
    for. None where it is no short text, or uses anything but these and the language's own names."""
    used = _names(node)
    if used is None:
        return None
    around = {name: value for name in used if (value := environment.lookup(name)) is not MISSING}
    if not all(isinstance(value, bool) or _is_table(value) or _is_of_file(value) for value in around.values()):
        return None
    return node.span.text, tuple([(name, key_of(value)) for name, value in around.items()])


@lru_cache(maxsize=256)
def _names(node: ast.Comprehension) -> tuple[str, ...] | None:
    """The names in a comprehension; None where it is no short text, or computes what may differ elsewhere."""
    if node.span.end - node.span.start >= _RULE:
        return None
    used = set[str]()
    for part, _ in walk(node):
        if not isinstance(part, _CLOSED):
            return None
        if isinstance(part, ast.Name):
            used.add(part.id)
    return tuple(sorted(used))


def _is_of_file(value: Any) -> bool:
    return isinstance(value, Function) and value.environment.parent is None


def _is_table(value: Any) -> bool:
    if isinstance(value, Listed):
        return value.extent <= _LONGEST and all(map(_is_table, value))
    return is_number(value)


def _made(ctx: Machine, node: ast.Comprehension, environment: Environment) -> list[Any]:
    values: list[Any] = []
    for inner in _clauses(ctx, node.clauses, 0, environment):
        if isinstance(node.element, ast.Splat):
            values.extend(spread(ctx, node.element, inner))
        else:
            value = _element(ctx, node.element, inner)
            if value is not MISSING:
                values.append(value)
    return values


def _clauses(ctx: Machine, clauses: tuple[Any, ...], at: int, environment: Environment) -> Iterator[Environment]:
    if at == len(clauses):
        yield environment
        return
    clause = clauses[at]
    if isinstance(clause, ast.IfClause):
        if truth(ctx, clause.condition, environment):
            yield from _clauses(ctx, clauses, at + 1, environment)
        return
    for value in iterate(ctx, clause.iterable, environment):
        inner = Environment(environment)
        assign(ctx, clause.targets, value, inner, clause.span)
        yield from _clauses(ctx, clauses, at + 1, inner)


def iterate(ctx: Machine, node: ast.Expr, environment: Environment) -> Sequence[Any]:
    """The elements to loop over. Raises a Fault for what is no list or tuple."""
    value = ctx.evaluate(node, environment)
    if value is POISON:
        raise Poisoned
    if not isinstance(value, (list, tuple)):
        hint = (f"`1..{value}` counts from 1 to {value}",) if isinstance(value, int) else ()
        if is_network(value):
            hint = (_unapplied(node.span.text, environment),)
        raise fault("E0322", f"a loop runs over a list, and this is {describe(value)}", node.span, *hint)
    return value


def _unapplied(text: str, environment: Environment) -> str:
    """A hint for a network where tensors are needed."""
    call = f"({'x' if environment.input is None else 'in'} -> {text})"
    return f"it is applied to nothing yet: `{call}` is what it makes of an input"


def assign(ctx: Machine, targets: ast.Targets, value: Any, environment: Environment, span: Span) -> None:
    """Binds one name, or takes a list or tuple apart."""
    if len(targets) == 1 and isinstance(targets[0], str) and not targets[0].startswith("*"):
        environment.names[targets[0]] = named_part(ctx, value, targets[0], span) if is_network(value) else value
        return
    if value is POISON:
        environment.names.update(dict.fromkeys(ast.names_of(targets), POISON))
        return
    count = len(targets)
    if not isinstance(value, (list, tuple)):
        message = f"{count} names take a list or a tuple apart, and this is {describe(value)}"
        hint = "give one name, or a list of as many values: `a, b = [1, 2]`"
        if span.text.startswith("for") and count == 2:
            hint = "`for i, x in enumerate(xs)` counts the elements; with one name it is `for x in xs`"
        elif isinstance(value, Tensor) and getattr(op := ctx.nodes[value.node].op, "states", None) is False:
            hint = f"`{op.kind}(.., states = true)` puts out the last states behind the tokens, each under a name"
        elif is_tensors(value):
            hint = f"give one name, or split it: `x -> split({count})` makes {count} tensors of its channels"
        elif is_network(value):
            hint = _unapplied(span.text.partition("=")[2].strip() or "f", environment)
        raise fault("E0323", message, span, hint)
    star = next((i for i, t in enumerate(targets) if isinstance(t, str) and t.startswith("*")), None)
    if (star is None and len(value) != count) or len(value) < count - 1:
        found = f"{len(value)} value" + "s" * (len(value) != 1)
        hint = "as many names as values; a `*rest` among the names takes those that are left over"
        raise fault("E0323", f"{count} names cannot take {found}", span, hint)
    for place, target in enumerate(targets):
        if place == star:
            rest = value[place : len(value) - (count - place - 1)]
            ctx.look_over(rest, span)
            (name,) = ast.names_of((target,))
            environment.names[name] = named_part(ctx, Listed(rest), name, span) if isinstance(rest, list) else rest
            continue
        item = value[place if star is None or place < star else len(value) - count + place]
        assign(ctx, target if isinstance(target, tuple) else (target,), item, environment, span)
