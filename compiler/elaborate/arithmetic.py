"""Operators: on numbers exactly, on sizes symbolically, on tensors and networks as ops."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import fault
from ...dsl.limits import LIMITS
from ...dsl.source import Span
from ..ir.sizes import Size, prove_at_least, prove_equal
from ..ops.core import Affine
from ..ops.merge import Add, Concat, Multiply
from .apply import as_network
from .values import Chain, Fixed, Identity, Layer, Parallel, Repeat, Tensor, describe, is_number, is_tensors

if TYPE_CHECKING:
    from .elaboration import Elaboration

MERGES = {"+": Add, "-": Add, "*": Multiply, "++": Concat}
BIGGEST = 2**LIMITS.integer_bits - 1


def fold(ctx: Elaboration, node: ast.Expr, first: Any, rest: list[tuple[str, Any, Span]]) -> Any:
    """The left fold of operands. Merges of one kind in a row become one n-ary op, still evaluated left to right."""
    merge = _Merge(ctx, node)
    value, span = first, node.first.span if isinstance(node, ast.Fold) else node.span
    for operator, operand, operand_span in rest:
        if is_number(value) and is_number(operand):
            value = _numbers(operator, value, operand, node.span)
        elif is_number(value) or is_number(operand):
            value = merge.flush(value)
            value = _with_number(ctx, node.span, operator, value, operand)
        else:
            value = merge.extend(operator, value, span, operand, operand_span)
        span = node.span
    return merge.flush(value)


class _Merge:
    """Collects the operands of a run of additions, products or concatenations."""

    def __init__(self, ctx: Elaboration, node: ast.Expr):
        self.ctx = ctx
        self.span = node.span
        self.kind: type | None = None
        self.operands: list[Any] = []
        self.signs: list[int] = []

    def extend(self, operator: str, left: Any, left_span: Span, right: Any, right_span: Span) -> Any:
        """Takes one more operand; the value stays `self` until `flush`."""
        if operator not in MERGES:
            raise fault("E0325", f"`{operator}` works on numbers, and this is {describe(right)}", right_span)
        kind = MERGES[operator]
        if self.kind is not kind:
            left = self.flush(left)
            self.kind, self.operands, self.signs = kind, [self._operand(left, left_span)], [1]
        self.operands.append(self._operand(right, right_span))
        self.signs.append(-1 if operator == "-" else 1)
        return self

    def _operand(self, value: Any, span: Span) -> Any:
        if isinstance(value, tuple):
            raise fault(
                "E0326",
                f"an operator merges single tensors, and this is {describe(value)}",
                span,
                "`sum`, `mean`, `max` and `concat` merge tensors that stand side by side",
            )
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
            raise fault(
                "E0327",
                "an operator takes tensors only or networks only, and here they are mixed",
                self.span,
                "apply the network first: `x + (x -> f)`",
            )
        return Chain([Parallel(operands, self.span), Fixed(op, self.span)], self.span)

    def _settings(self) -> dict[str, Any]:
        return {"signs": self.signs} if -1 in self.signs else {}


def _with_number(ctx: Elaboration, span: Span, operator: str, left: Any, right: Any) -> Any:
    """A tensor or network with a number: scaled, divided, shifted."""
    number, other = (left, right) if is_number(left) else (right, left)
    if isinstance(number, Size):
        raise fault("E0328", f"a network cannot be scaled by the size {number}, which is not known yet", span)
    number = int(number) if isinstance(number, Fraction) and number.denominator == 1 else number
    number = float(number) if isinstance(number, Fraction) else number
    if operator == "*":
        settings = {"scale": number}
    elif operator == "+":
        settings = {"shift": number}
    elif operator == "-":
        settings = {"shift": -number} if other is left else {"scale": -1, "shift": number}
    elif operator == "/" and other is left:
        settings = {"divisor": number}
    else:
        raise fault("E0325", f"`{operator}` works on numbers, and this is {describe(other)}", span)
    op = ctx.resolve(Layer(Affine, (), settings, span))
    if is_tensors(other):
        if isinstance(other, tuple):
            raise fault("E0326", f"an operator takes a single tensor, and this is {describe(other)}", span)
        return ctx.add(op, (other,), span)[0]
    network = as_network(other, span)
    fixed = Fixed(op, span)
    return fixed if isinstance(network, Identity) else Chain([network, fixed], span)


def _numbers(operator: str, a: Any, b: Any, span: Span) -> Any:
    if operator in ("/", "//", "%") and not isinstance(b, Size) and b == 0:
        raise fault("E0329", "division by zero", span)
    try:
        value = _operate(operator, a, b)
    except TypeError:
        raise fault("E0325", f"`{operator}` does not work on {describe(a)} and {describe(b)}", span) from None
    except OverflowError:
        raise fault("E0330", "the result is too large for a double", span) from None
    return exact(value, span)


def _operate(operator: str, a: Any, b: Any) -> Any:
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return Fraction(a) / b if isinstance(a, int) and isinstance(b, (int, Fraction)) else a / b
        case "//":
            return a // b
        case "%":
            return a % b
    raise TypeError(operator)


def exact(value: Any, span: Span) -> Any:
    """The value, with whole ratios as integers. Raises a Fault beyond 63 bits."""
    if isinstance(value, Fraction):
        if value.denominator == 1:
            value = value.numerator
        elif max(abs(value.numerator), value.denominator) > BIGGEST:
            return float(value)
    if isinstance(value, int) and abs(value) > BIGGEST:
        raise fault("E0330", f"the result is larger than {LIMITS.integer_bits} bits hold", span)
    return value


def power(node: ast.Power, base: Any, exponent: Any) -> Any:
    """`f ** n`, n applications; of numbers, their power."""
    if is_number(base):
        return _number_power(node, base, exponent)
    if is_tensors(base):
        raise fault(
            "E0331", "`**` repeats a network, and this is a tensor", node.base.span,
            "`x -> f ** 3` applies f three times; `x -> power(2)` squares every number",
        )
    network = as_network(base, node.base.span)
    if not isinstance(exponent, int) or isinstance(exponent, bool):
        raise fault("E0332", f"a network is repeated a whole number of times, and this is {describe(exponent)}", node.exponent.span)
    if exponent < 0:
        raise fault("E0332", f"a network cannot be repeated {exponent} times", node.exponent.span)
    if exponent > LIMITS.nodes:
        raise fault("E0905", f"{exponent:,} repetitions make more than {LIMITS.nodes:,} nodes", node.exponent.span)
    return Repeat(network, exponent, node.span)


def _number_power(node: ast.Power, base: Any, exponent: Any) -> Any:
    if not is_number(exponent):
        raise fault("E0325", f"a number cannot be raised to {describe(exponent)}", node.exponent.span)
    if isinstance(base, Size) or isinstance(exponent, Size):
        if isinstance(base, Size) and isinstance(exponent, int) and 0 <= exponent <= 8:
            return base**exponent
        raise fault("E0328", "sizes can be raised to small whole powers only", node.span)
    if isinstance(exponent, int) and abs(exponent) > 4096:
        if base in (0, 1):
            return base
        raise fault("E0330", f"the result is larger than {LIMITS.integer_bits} bits hold", node.span)
    if base == 0 and exponent < 0:
        raise fault("E0329", "division by zero", node.span)
    try:
        value = Fraction(base) ** exponent if isinstance(base, int) and isinstance(exponent, int) else base**exponent
    except OverflowError:
        raise fault("E0330", "the result is too large for a double", node.span) from None
    if isinstance(value, complex):
        raise fault("E0330", "a negative number has no such power", node.span)
    return exact(value, node.span)


def compare(operator: str, left: Any, right: Any, span: Span) -> bool:
    """A comparison's value. Raises a Fault where sizes leave it open, or the values have no order."""
    if operator in ("==", "!="):
        return _equal(left, right, span) is (operator == "==")
    if not (is_number(left) and is_number(right)):
        raise fault("E0333", f"{describe(left)} and {describe(right)} have no order", span)
    if operator in (">", ">="):
        left, right, operator = right, left, operator.replace(">", "<")
    if not isinstance(left, Size) and not isinstance(right, Size):
        return left < right if operator == "<" else left <= right
    decided = prove_at_least(right - left, 1 if operator == "<" else 0)
    if decided is None:
        raise undecided(f"{left} {operator} {right}", span)
    return decided


def _equal(left: Any, right: Any, span: Span) -> bool:
    if is_tensors(left) or is_tensors(right):
        raise fault("E0333", "tensors cannot be compared while a network is built", span, "compare their sizes: `x.shape`")
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_equal(a, b, span) for a, b in zip(left, right, strict=True))
    if isinstance(left, Size) or isinstance(right, Size):
        if not (is_number(left) and is_number(right)):
            return False
        decided = prove_equal(left, right)
        if decided is None:
            raise undecided(f"{left} == {right}", span)
        return decided
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return left is right or bool(left == right)


def undecided(condition: str, span: Span) -> Exception:
    return fault(
        "E0334",
        f"whether `{condition}` depends on the size of the input, so there is no one network",
        span,
        "fix the size in the `input` statement, or make it a parameter of the arch",
    )
