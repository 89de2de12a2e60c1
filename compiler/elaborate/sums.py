"""Sums and products that are accepted, and of which something else was likelier meant: they are warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Hint, warning
from ...dsl.source import Span
from .environment import MISSING, Environment
from .language import global_value
from .networks import LayerKind, is_network
from .values import Tensor

if TYPE_CHECKING:
    from .machine import Machine


def warn_of_longer_list(machine: Machine, node: ast.Assign, fold: ast.Fold, environment: Environment) -> None:
    """Reports `layers = layers + [f]`, which adds tensors, where a longer list is likelier meant."""
    operands = [fold.first, *(operand for _, operand in fold.rest)]
    names = [o.id for o in operands if isinstance(o, ast.Name)]
    listed = all(isinstance(environment.lookup(name), list) for name in names)
    displays = [o for o in operands if isinstance(o, ast.ListExpr)]
    if any(operator != "+" for operator, _ in fold.rest) or not (names and listed):
        return
    if len(names) + len(displays) == len(operands) and (displays or {*names} & {*ast.names_of(node.targets)}):
        pieces = [f"*{o.id}" if isinstance(o, ast.Name) else o.span.text[1:-1].strip(" ,") for o in operands]
        message = "`+` adds what these lists make of one input, and does not put one list behind the other"
        one = f"[{', '.join(filter(None, pieces))}]"
        total = f"sum({', '.join(o.span.text for o in operands)})"
        longer = Hint(f"for one list write `{one}`", one)
        kept = Hint(f"for the sum write `{total}`", total)
        machine.report(warning("E0361", message, fold.span, longer, kept))


def warn_of_repetition(machine: Machine, fold: ast.Fold, left: Any, right: Any) -> None:
    """Reports `[f, g] * 2`, which doubles what the list puts out, where the list twice is likelier meant."""
    first, second = fold.first, fold.rest[0][1]
    values, written, count = (left, first, right) if isinstance(left, list) else (right, second, left)
    if not isinstance(values, list) or not isinstance(count, int) or count < 2 or not all(map(is_network, values)):
        return
    fs = written.span.text
    message = f"`*` multiplies what the list puts out by {count}, and does not repeat the list"
    often = Hint(f"for the list {count} times in a row write `{fs} ** {count}`", f"{fs} ** {count}")
    if fs.isidentifier():
        often = Hint(f"a block is new each time: declare `block {fs} = ...`, and write `{fs} ** {count}`")
    times = f"({fs} -> ({count} * id))"
    product = Hint(f"for the product write `{times}`", times)
    machine.report(warning("E0365", message, fold.span, often, product))


def warn_of_dropped_sum(machine: Machine, fold: ast.Fold, then: ast.Expr, environment: Environment) -> None:
    """Reports `id + f -> survive(p)`, which leaves out the whole sum, where its branch is likelier meant."""
    layer = then.value if isinstance(then, ast.Labelled) else then
    name = layer.function if isinstance(layer, ast.Call) else None
    if not isinstance(name, ast.Name) or any(operator not in "+-" for operator, _ in fold.rest):
        return
    kind = environment.lookup(name.id)
    kind = global_value(name.id) if kind is MISSING else kind
    if not (isinstance(kind, LayerKind) and kind.cls.drops_paths and not kind.cls.is_merge):
        return
    operands = [fold.first, *(operand for _, operand in fold.rest)]
    branch = next((o for o in reversed(operands) if not _is_shortcut(o, environment)), operands[-1])
    before, after = Span(fold.span.source, fold.span.start, branch.span.start), branch.span.end
    rest = Span(fold.span.source, after, fold.span.end)
    message = f"`->` is weaker than `{fold.rest[-1][0]}`, so `{name.id}` leaves out the whole sum"
    alone = f"{before.text}({branch.span.text} -> {then.span.text}){rest.text}"
    whole = f"({fold.span.text}) -> {then.span.text}"
    hints = (
        Hint(f"write `{alone}` to leave out the branch alone", alone),
        Hint(f"write `{whole}` for the whole sum", whole),
    )
    machine.report(warning("E0362", message, fold.span.to(then.span), *hints))


def _is_shortcut(node: ast.Expr, environment: Environment) -> bool:
    """Whether an operand hands its input on: `in`, `id`, or the name of a tensor."""
    if isinstance(node, ast.Name):
        return node.id == "id" or isinstance(environment.lookup(node.id), Tensor)
    return isinstance(node, ast.In)
