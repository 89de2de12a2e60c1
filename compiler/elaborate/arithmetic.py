"""Operators: on numbers exactly, on sizes symbolically, on tensors and networks as ops."""

from __future__ import annotations

import math
from fractions import Fraction
from operator import add, floordiv, mod, mul, sub
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Hint, fault
from ...dsl.limits import LIMITS, higher
from ...dsl.source import Span
from ..ir.op import Op
from ..ir.proofs import prove_at_least, prove_equal
from ..ir.sizes import Size
from ..ir.words import MAX_INT, bounded, say
from ..ops.core import Affine
from ..ops.merge import Add, Concat, Divide, Multiply
from ..ops.registry import lookup
from .callables import Drawn
from .networks import Chain, Fixed, Identity, Layer, Parallel, Repeat, as_network, is_network
from .suggestions import applied_to, division, power_of_each
from .values import Tensor, Value, describe, is_number, is_tensors, key_of, plain

if TYPE_CHECKING:
    from .machine import Machine

MERGES = {"+": Add, "-": Add, "*": Multiply, "/": Divide, "++": Concat}
MASKS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne", "and": "logical_and", "or": "logical_or"}
"""The layers that comparisons of tensors, and what joins them, mean."""
MOST_TERMS = 100
_RATIO_STEPS = 2
"""Steps of an operation whose result is an exact ratio, beside those of the expressions."""
_ZERO = "an `if` around it can take the case of zero out"
_LARGE = "sizes and counts stay far below this: is a power or a product larger than was meant?"


def fold(ctx: Machine, node: ast.Expr, first: Any, rest: list[tuple[str, Any, Span]]) -> Any:
    """The left fold of operands. Merges of one kind in a row become one n-ary op, still evaluated left to right."""
    if type(first) is int and _are_whole(rest):
        for operator, operand, _ in rest:
            first = _numbers(operator, first, operand, node.span)
        return first
    merge = _Merge(ctx, node)
    value, span = first, node.first.span if isinstance(node, ast.Fold) else node.span
    for operator, operand, operand_span in rest:
        if is_number(value) and is_number(operand):
            value = _numbers(operator, value, operand, node.span)
            if type(value) is Fraction:
                ctx.spend(_RATIO_STEPS, node.span)
            span = node.span
            continue
        ctx.look_over([value, operand], node.span)
        if _is_data(value) or _is_data(operand):
            raise _no_operator(operator, value, operand, span if _is_data(value) else operand_span)
        if is_number(value) or is_number(operand):
            value = merge.flush(value)
            value = _with_number(ctx, node.span, operator, value, operand)
        else:
            value = merge.extend(operator, value, span, operand, operand_span)
        span = node.span
    return merge.flush(value)


def _are_whole(rest: list[tuple[str, Any, Span]]) -> bool:
    """Whether all operands are whole numbers, as most are in tables."""
    for _, operand, _ in rest:  # noqa: SIM110 - a generator for each sum takes longer than the sum
        if type(operand) is not int:
            return False
    return True


def _is_data(value: Any) -> bool:
    """Whether a value can be no operand at all: text, a truth value, a list of such or of numbers."""
    if isinstance(value, list):
        return any(isinstance(v, (str, bool)) or is_number(v) for v in value)
    return isinstance(value, (str, bool))


def _no_operator(operator: str, left: Any, right: Any, span: Span) -> Exception:
    hints = ("numbers are calculated with, tensors and networks are merged; a value of another kind is neither",)
    if isinstance(left, str) or isinstance(right, str):
        hints = ('a value is inserted into text by braces: `"layer{i}"`',)
    elif isinstance(left, list) and isinstance(right, list):
        hints = ("`[*a, *b]` is one list of the elements of two",)
    elif operator == "*" and isinstance(left, list) and isinstance(right, int):
        hints = (f"a list is repeated by `[*{span.text} for i in 0..<{right}]`",)
    met = left if isinstance(left, _Merge) else None
    between = describe(right) if met is not None else f"{describe(left)} and {describe(right)}"
    return fault("E0325", f"`{operator}` does not work on {between}", span, *hints)


class _Merge:
    """Collects the operands of a run of additions, products or concatenations."""

    def __init__(self, ctx: Machine, node: ast.Expr):
        self.ctx = ctx
        self.span = node.span
        self.kind: type | None = None
        self.operands: list[Any] = []
        self.spans: list[Span] = []
        self.signs: list[int] = []

    def extend(self, operator: str, left: Any, left_span: Span, right: Any, right_span: Span) -> Any:
        """Takes one more operand; the value stays `self` until `flush`."""
        if operator not in MERGES:
            other = left if isinstance(left, _Merge) or not is_number(left) else right
            met = "a network" if isinstance(other, _Merge) else describe(other)
            hint = "networks and tensors are merged by `+`, `-`, `*`, `/` and `++`"
            raise fault("E0325", f"`{operator}` works on numbers, and this is {met}", right_span, hint)
        kind = MERGES[operator]
        if self.kind is not kind:
            left = self.flush(left)
            self.kind, self.operands, self.signs = kind, [self._operand(left, left_span)], [1]
            self.spans = [left_span]
        self.operands.append(self._operand(right, right_span))
        self.spans.append(right_span)
        self.signs.append(-1 if operator == "-" else 1)
        return self

    def _operand(self, value: Any, span: Span) -> Any:
        if isinstance(value, tuple):
            hint = "`sum`, `mean`, `max` and `concat` merge tensors that stand side by side"
            raise fault("E0326", f"an operator merges single tensors, and this is {describe(value)}", span, hint)
        return value if isinstance(value, Tensor) else as_network(value, span)

    def flush(self, value: Any) -> Any:
        """The merge of what was collected, or `value` itself if nothing was."""
        if value is not self:
            return value
        assert self.kind is not None
        op = self.ctx.resolve(Layer(self.kind, (), self._settings(), self.span))
        operands, self.kind = self.operands, None
        tensors = [o for o in operands if isinstance(o, Tensor)]
        if len(tensors) == len(operands):
            return self.ctx.add(op, tuple(tensors), self.span)[0]
        if tensors:
            raise self._mixed(operands)
        return Chain([Parallel(operands, self.span), Fixed(op, self.span)], self.span)

    def _mixed(self, operands: list[Any]) -> Exception:
        message = "an operator takes tensors only or networks only, and here they are mixed"
        hint = "apply the network to its input first: `x + (x -> f)`"
        pairs = [*zip(self.spans, operands, strict=True)]
        own = (span.text for span, operand in pairs if isinstance(operand, Tensor) and operand.type.has_batch)
        place, given = applied_to(self.span) or (self.span, next(own, None))
        if self.spans[0] != self.span and given is not None:  # else the first operand is a merge of another kind
            written, end = "", self.span.start
            for span, operand in pairs:
                applied = given if isinstance(operand, Identity) else f"({given} -> {span.text})"
                applied = span.text if isinstance(operand, Tensor) else applied
                written, end = written + self.span.source.text[end : span.start] + applied, span.end
            written += self.span.source.text[end : self.span.end]
            hint = Hint(f"apply the network to its input first: `{written}`", written, span=place)
        return fault("E0327", message, self.span, hint)

    def _settings(self) -> dict[str, Any]:
        return {"signs": self.signs} if -1 in self.signs else {}


def _with_number(ctx: Machine, span: Span, operator: str, left: Any, right: Any) -> Any:
    """A tensor or network with a number: scaled, divided, shifted."""
    number, other = (left, right) if is_number(left) else (right, left)
    if isinstance(number, Size):
        hint = "fix the size in the `input` statement, or make the factor a parameter of the arch"
        raise fault("E0328", f"a network cannot be scaled by the size {number}, which is not known yet", span, hint)
    number = int(number) if isinstance(number, Fraction) and number.denominator == 1 else number
    number = float(number) if isinstance(number, Fraction) else number
    if operator == "*":
        settings = {"scale": number}
    elif operator == "+":
        settings = {"shift": number}
    elif operator == "-":
        settings = {"shift": -number} if other is left else {"scale": -1, "shift": number}
    elif operator == "/":
        settings = {"divisor": number} if other is left else {"scale": number}
    else:
        hint = division(operator, *(("x", say(number)) if other is left else (say(number), "x")))
        raise fault("E0325", f"`{operator}` works on numbers, and this is {describe(other)}", span, hint)
    ops = [ctx.resolve(Layer(Affine, (), settings, span))]
    if operator == "/" and other is right:
        ops = [_layer(ctx, "reciprocal", {}, span), *(ops if number != 1 else [])]
    if is_tensors(other):
        if isinstance(other, tuple):
            hint = (
                "`xs -> each(f)` applies a network to every one of them; `sum`, `mean`, `max` and `concat` merge them"
            )
            raise fault("E0326", f"an operator takes a single tensor, and this is {describe(other)}", span, hint)
        for op in ops:
            (other,) = ctx.add(op, (other,), span)
        return other
    network = as_network(other, span)
    chained = [*([] if isinstance(network, Identity) else [network]), *(Fixed(op, span) for op in ops)]
    return chained[0] if len(chained) == 1 else Chain(chained, span)


def _layer(ctx: Machine, kind: str, settings: dict[str, Any], span: Span) -> Op:
    """The layer that an operator means."""
    cls = lookup(kind)
    assert cls is not None
    return ctx.resolve(Layer(cls, (), settings, span))


def _numbers(operator: str, a: Any, b: Any, span: Span) -> Any:
    if operator in ("/", "//", "%") and not isinstance(b, Size) and b == 0:
        raise fault("E0329", "division by zero", span, _ZERO)
    try:
        value = _OPERATIONS[operator](a, b)
    except (TypeError, KeyError):
        hint = "symbolic sizes take whole numbers: `+`, `-`, `*`, and `//` and `%` by a whole number"
        raise fault("E0325", f"`{operator}` does not work on {describe(a)} and {describe(b)}", span, hint) from None
    except OverflowError:
        raise fault("E0330", "the result is too large for a double", span, _LARGE) from None
    return exact(value, span)


def _ratio(a: Any, b: Any) -> Any:
    return Fraction(a) / b if isinstance(a, int) and isinstance(b, (int, Fraction)) else a / b


_OPERATIONS = {"+": add, "-": sub, "*": mul, "/": _ratio, "//": floordiv, "%": mod}


def exact(value: Any, span: Span) -> Any:
    """The value, with whole ratios as integers. Raises a Fault beyond 63 bits."""
    if type(value) is int and -MAX_INT <= value <= MAX_INT:
        return value
    if isinstance(value, Fraction):
        try:
            value = bounded(value)
        except OverflowError:
            raise fault("E0330", "the result is too large for a double", span, _LARGE) from None
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise fault("E0330", f"the result is larger than {LIMITS.integer_bits} bits hold", span, _LARGE)
    if isinstance(value, Size) and len(value.terms) > MOST_TERMS:
        hint = "shapes are short formulas of the input's sizes: is a power or a product larger than was meant?"
        raise fault("E0330", f"a formula of sizes has at most {MOST_TERMS} terms", span, hint)
    if isinstance(value, float) and not math.isfinite(value):
        raise fault("E0330", "the result is too large for a double", span, _LARGE)
    return value


def power(ctx: Machine, node: ast.Power, base: Any, exponent: Any) -> Any:
    """`f ** n`, n applications; of numbers, their power."""
    if is_number(base):
        return _number_power(ctx, node, base, exponent)
    if is_tensors(base):
        raise fault("E0331", "`**` repeats a network, and this is a tensor", node.base.span, power_of_each(node))
    network = as_network(base, node.base.span)
    if not isinstance(exponent, int) or isinstance(exponent, bool):
        message = f"a network is repeated a whole number of times, and this is {describe(exponent)}"
        raise fault("E0332", message, node.exponent.span, "`//` divides and rounds down: `f ** (n // 2)`")
    if exponent < 0:
        hint = "the count is 0 or more; `f ** 0` is nothing at all, and `max(n - 1, 0)` never falls below it"
        raise fault("E0332", f"a network cannot be repeated {exponent} times", node.exponent.span, hint)
    if exponent > LIMITS.nodes:
        message = f"{exponent:,} repetitions make more than {LIMITS.nodes:,} nodes"
        hint = "so many layers are rarely meant: was it a number, with the base in parentheses?"
        raise fault("E0912", message, node.exponent.span, hint, *higher("nodes", 8 * exponent))
    return Repeat(network, exponent, node.span)


def _number_power(ctx: Machine, node: ast.Power, base: Any, exponent: Any) -> Any:
    if not is_number(exponent):
        hint = "the exponent of a number is a number; the base of a repetition is a network: `f ** n`"
        hint = power_of_each(node) if is_tensors(exponent) else hint
        raise fault("E0325", f"a number cannot be raised to {describe(exponent)}", node.exponent.span, hint)
    if isinstance(base, Size) or isinstance(exponent, Size):
        if isinstance(base, Size) and isinstance(exponent, int) and 0 <= exponent <= 8:
            result: Any = 1
            for _ in range(exponent):
                result = exact(result * base, node.span)
            return result
        hint = "the exponent is a number from 0 to 8, and known: `H ** 2`"
        raise fault("E0328", "sizes can be raised to small whole powers only", node.span, hint)
    if base == 0 and exponent < 0:
        raise fault("E0329", "division by zero", node.span, _ZERO)
    if isinstance(exponent, int) and abs(exponent) > 4096:
        if base in (0, 1, -1) and exponent > 0:
            return base ** (2 + exponent % 2)
        if isinstance(base, float) or exponent < 0:
            return _power_of_double(node, float(base), exponent)
        raise fault("E0330", f"the result is larger than {LIMITS.integer_bits} bits hold", node.span, _LARGE)
    if isinstance(base, Fraction | int) and isinstance(exponent, int):
        if isinstance(base, int) and exponent > LIMITS.integer_bits and abs(base) > 1:
            raise fault("E0330", f"the result is larger than {LIMITS.integer_bits} bits hold", node.span, _LARGE)
        # The exact result has so many digits, before it becomes a double.
        ctx.spend(abs(exponent) // 2, node.span)
        return exact(Fraction(base) ** exponent, node.span)
    return _power_of_double(node, base, exponent)


def _power_of_double(node: ast.Power, base: Any, exponent: Any) -> Any:
    try:
        value = base**exponent
    except OverflowError:
        raise fault("E0330", "the result is too large for a double", node.span, _LARGE) from None
    if isinstance(value, complex):
        raise fault("E0330", "a negative number has no such power", node.span, "raise `abs(x)`, or to a whole power")
    return exact(value, node.span)


def compare(operator: str, left: Any, right: Any, span: Span) -> bool:
    """A comparison's value. Raises a Fault where sizes leave it open, or the values have no order."""
    if isinstance(left, Drawn) or isinstance(right, Drawn):
        hint = "what depends on it is decided in the module, by a join: `drop_mean(p, survivor = ...)`"
        raise fault("E0333", "a drawn number cannot be compared while a network is built", span, hint)
    if operator in ("==", "!="):
        return _equal(left, right, span) is (operator == "==")
    if not (is_number(left) and is_number(right)):
        hint = "only numbers are more or less; for others there are `==` and `!=`, and `len(xs)` for lists"
        if is_network(left) or is_network(right):
            hint = "tensors are compared, number by number: `x > 0`, and in a block `in > 0`"
        raise fault("E0333", f"{describe(left)} and {describe(right)} have no order", span, hint)
    if operator in (">", ">="):
        left, right, operator = right, left, operator.replace(">", "<")
    if not isinstance(left, Size) and not isinstance(right, Size):
        return left < right if operator == "<" else left <= right
    if not (isinstance(left, (int, Size)) and isinstance(right, (int, Size))):
        raise fault(
            "E0333", f"{describe(left)} and {describe(right)} cannot be compared", span, "sizes are whole numbers"
        )
    decided = prove_at_least(right - left, 1 if operator == "<" else 0)
    if decided is None:
        raise undecided(f"{left} {operator} {right}", span)
    return decided


def mask(ctx: Machine, operator: str, left: Any, right: Any, span: Span) -> Tensor:
    """Where a comparison holds of tensors, or of a tensor and a number."""
    settings: dict[str, Any] = {}
    for side, value in (("left", left), ("right", right)):
        if isinstance(value, Size) or not (is_number(value) or isinstance(value, Tensor)):
            hint = "a tensor is compared with a tensor or with a number: `x > 0`, `x == y`"
            raise fault("E0333", f"a tensor cannot be compared with {describe(value)}", span, hint)
        settings |= {side: plain(value)} if is_number(value) else {}
    op = _layer(ctx, MASKS[operator], settings, span)
    return ctx.add(op, tuple(v for v in (left, right) if isinstance(v, Tensor)), span)[0]


def join_masks(ctx: Machine, operator: str, masks: list[Any], span: Span) -> Tensor:
    """`mask and other`, of tensors."""
    other = next((mask for mask in masks if not isinstance(mask, Tensor)), None)
    if other is not None:
        hint = "a comparison of a tensor makes a mask: `x > 0 and x < 1`"
        raise fault("E0327", f"`{operator}` joins a mask with masks only, and this is {describe(other)}", span, hint)
    return ctx.add(_layer(ctx, MASKS[operator], {}, span), tuple(masks), span)[0]


def not_mask(ctx: Machine, mask: Tensor, span: Span) -> Tensor:
    """`not mask`, of a tensor."""
    return ctx.add(_layer(ctx, "logical_not", {}, span), (mask,), span)[0]


def _equal(left: Any, right: Any, span: Span) -> bool:
    if left is None or right is None:
        return left is right
    if is_tensors(left) or is_tensors(right):
        hint = "single tensors are compared element by element, `x == y`, and sizes by `x.shape`"
        raise fault("E0333", "tensors in lists and tuples cannot be compared", span, hint)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_equal(a, b, span) for a, b in zip(left, right, strict=True))
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, Size) or isinstance(right, Size):
        return _same_size(left, right, span)
    if isinstance(left, Value) and isinstance(right, Value):
        return key_of(left) == key_of(right)
    return left is right or bool(left == right)


def _same_size(left: Any, right: Any, span: Span) -> bool:
    if not (isinstance(left, (int, Size)) and isinstance(right, (int, Size))):
        return False
    decided = prove_equal(left, right)
    if decided is None:
        raise undecided(f"{left} == {right}", span)
    return decided


def matches(pattern: Any, subject: Any, span: Span) -> bool:
    """Whether a pattern of `match` is the subject: an equal value of the same type, so that 1, 1.0 and true are three.

    Raises a Fault where sizes leave it open.
    """
    if isinstance(pattern, list) and isinstance(subject, list):
        pairs = zip(pattern, subject, strict=False)
        return len(pattern) == len(subject) and all(matches(p, s, span) for p, s in pairs)
    sizes = isinstance(pattern, Size) or isinstance(subject, Size)
    if sizes and not isinstance(pattern, bool) and not isinstance(subject, bool):
        return _same_size(pattern, subject, span)
    if isinstance(pattern, Value) and isinstance(subject, Value):
        return key_of(pattern) == key_of(subject)
    return type(pattern) is type(subject) and bool(pattern == subject)


def undecided(condition: str, span: Span) -> Exception:
    message = f"whether `{condition}` depends on the size of the input, so there is no one network"
    return fault("E0334", message, span, "fix the size in the `input` statement, or make it a parameter of the arch")
