"""Expressions that parse, and that the eye reads in another way: bare labels, merges to the right of an arrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from . import ast
from .diagnostics import Diagnostic, finding
from .slips import quoted_label
from .source import Span, clip
from .walk import walk


class Tensors:
    """The names in a statement that certainly stand for tensors: inputs, parameters, and what is computed from them."""

    def __init__(self, statement: ast.Statement):
        self._statement = statement

    @cached_property
    def names(self) -> frozenset[str]:
        found: set[str] = set()
        for node, _ in walk(self._statement):
            if isinstance(node, ast.Input | ast.TensorDef):
                found.add(node.name)
            elif isinstance(node, ast.BlockDef):
                found.update(p.name for p in node.inputs or ())
            elif isinstance(node, ast.Assign) and (_is_tensor(node.value, found) or _are_tensors(node, found)):
                found.update(node.defines)
        return frozenset(found)

    def holds(self, value: ast.Expr) -> bool:
        return _is_tensor(value, self.names)


def _is_tensor(value: ast.Expr, names: Iterable[str]) -> bool:
    while not isinstance(value, ast.In | ast.Name):
        if isinstance(value, ast.Chain):
            value = value.parts[0]
        elif isinstance(value, ast.Fold):
            value = value.first
        elif isinstance(value, ast.Group | ast.Labelled):
            value = value.value
        elif isinstance(value, ast.Call) and value.arguments and value.arguments[0].name is None:
            # What is called on a tensor is applied to it.
            value = value.arguments[0].value
        else:
            return False
    return isinstance(value, ast.In) or value.id in names


def _are_tensors(node: ast.Assign, names: Iterable[str]) -> bool:
    """Whether an assignment takes a list of tensors apart."""
    value = node.value
    if len(node.targets) == 1 or not isinstance(value, ast.ListExpr | ast.TupleExpr):
        return False
    return all(_is_tensor(item, names) for item in value.items)


# --- labels


def bare_labels(fold: ast.Fold) -> Iterator[Diagnostic]:
    operands = [fold.first, *(operand for _, operand in fold.rest)]
    for i, (operator, right) in enumerate(fold.rest):
        label = _last_label(operands[i])
        # A value that ends in a bracket shows where the label ends: `a: (f -> g) + h`, `a: f(64) + h`.
        if label is None or isinstance(label.value, ast.Group | ast.Call | ast.Index | ast.ListExpr | ast.TupleExpr):
            continue
        name, value = label.label.span.text, label.value.span
        whole = clipped(Span(value.source, value.start, fold.span.end).text)
        first = f"`{name}: ({whole})`"
        second = f"`({name}: {clipped(value.text)}) {operator} {clipped(right.span.text)}`"
        message = f"does the label `{name}` name the whole `{operator}`, or only what is left of it?"
        hints = f"write {first} to label the result", f"write {second} to label the left operand"
        yield finding("E0108", message, label.span, *hints)


def _last_label(operand: ast.Expr) -> ast.Labelled | None:
    """The label with which an operand ends that no bracket closes."""
    while not isinstance(operand, ast.Labelled):
        if isinstance(operand, ast.Fold):
            operand = operand.rest[-1][1]
        elif isinstance(operand, ast.Negative):
            operand = operand.operand
        else:
            return None
    return operand


def dashed_labels(fold: ast.Fold) -> Iterator[Diagnostic]:
    """`branch-a: f`, which is the difference of `branch` and `a: f`."""
    left = fold.first
    for operator, right in fold.rest:
        text = Span(right.span.source, left.span.end, right.span.start).text
        if operator == "-" and text == "-" and isinstance(left, ast.Name) and isinstance(right, ast.Labelled):
            name = f"{left.id}-{right.label.span.text}"
            message, hint = quoted_label(name)
            yield finding("E0111", message, left.span.to(right.label.span), hint)
        left = right


# --- merges


def merges_after_arrows(chain: ast.Chain, tensors: Tensors) -> Iterator[Diagnostic]:
    for i, part in enumerate(chain.parts[1:], 1):
        if not isinstance(part, ast.Fold) or [*bare_labels(part), *dashed_labels(part)]:
            continue
        operator = part.rest[0][0]
        texts = _texts(chain)
        inner = f"`{_arrows(texts)}` to apply `{operator}` to what follows the arrow"
        outer = [_outer(chain.parts[0], texts[:i], part, tensors), *texts[i + 1 :]]
        hints = (f"write {inner}", f"write `{_arrows(outer)}` to apply `{operator}` to the result of the chain")
        if any(tensors.holds(operand) for operand in (part.first, *(operand for _, operand in part.rest))):
            hints = hints[1:]  # a tensor is merged with tensors alone
        if (times := _times(part)) is not None:
            hints = (f"write `{_arrows([*texts[:i], times, *texts[i + 1 :]])}` to apply the list so often", *hints)
        message = f"`{operator}` to the right of an arrow can be read in two ways"
        yield finding("E0109", message, part.span, *hints)


def _times(part: ast.Fold) -> str | None:
    """The power that `[f, g] * 3` may have been meant as; None where it is no list times a whole number."""
    (operator, count), *more = part.rest
    whole = isinstance(count, ast.Number) and isinstance(count.value, int) and count.value > 1
    if more or operator != "*" or not whole or not isinstance(part.first, ast.ListExpr):
        return None
    return f"{_text(part.first)} ** {_text(count)}"


def _outer(head: ast.Expr, before: list[str], part: ast.Fold, tensors: Tensors) -> str:
    """The merge of what the chain has come to with what is to the right of the operator."""
    if isinstance(part.first, ast.Number):
        return " ".join([_text(part.first), *(f"{op} ({_arrows([*before, _text(e)])})" for op, e in part.rest)])
    of_tensor = isinstance(head, ast.In | ast.Name) and tensors.holds(head)
    source = _text(head)
    if not of_tensor and any(isinstance(operand, ast.In) for _, operand in part.rest):
        # `in` is a tensor, which is merged with tensors alone: so what comes before is applied to it.
        of_tensor, source, before = True, "in", ["in", *before]
    words = [f"({_arrows([*before, _text(part.first)])})"]
    for operator, operand in part.rest:
        bare = not of_tensor or isinstance(operand, ast.Number | ast.Negative) or tensors.holds(operand)
        words.append(operator)
        words.append(_text(operand) if bare else f"({source} -> {_text(operand)})")
    return " ".join(words)


def _texts(chain: ast.Chain) -> list[str]:
    """The parts of a chain, with parentheses around its merges."""
    rest = [f"({_text(part)})" if isinstance(part, ast.Fold) else _text(part) for part in chain.parts[1:]]
    return [_text(chain.parts[0]), *rest]


def _arrows(texts: list[str]) -> str:
    return " -> ".join(texts)


def _text(node: ast.Expr) -> str:
    """What a node is written as. `...` where that is too long for a hint, so that no bracket stays open."""
    text = " ".join(node.span.text.split())
    return text if len(text) <= 48 and "#" not in text else "..."


def clipped(text: str) -> str:
    """Text of a spec, in one line that fits into a hint."""
    return clip(" ".join(text.split()), 48)
