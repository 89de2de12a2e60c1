"""The value of each form of expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.limits import LIMITS, higher
from ...dsl.source import Span, clip
from ..ir.words import is_whole
from ..ops.axes import AXES
from ..ops.registry import lookup
from .arithmetic import compare, fold, join_masks, mask, matches, not_mask, power
from .calls import call, refuse_single
from .environment import MISSING, Environment
from .labels import labelled, piece
from .language import global_value, known_names
from .lists import condition, items, listed, truth
from .machine import Machine, exhausted, too_long
from .networks import Chain, LayerKind, Parallel, as_network
from .sharing import Shared
from .suggestions import did_you_mean, method
from .sums import warn_of_dropped_sum, warn_of_repetition
from .values import POISON, Later, Network, Tensor, as_tensors, describe, is_number, is_tensors, one

_REPORT_STEPS = 50
"""Steps of a report, which is made of words, beside those of its expression."""
ATTRIBUTES = ("shape", "channels", "height", "width", "depth", "length", "batch", "rank")


def _text(ctx: Machine, node: ast.Text, environment: Environment) -> str:
    text = "".join(p if isinstance(p, str) else piece(ctx, p, environment) for p in node.parts)
    if len(text) > LIMITS.source_bytes:
        hint = "a text that is inserted into itself twice doubles at every level"
        message = f"a text has at most {LIMITS.source_bytes:,} characters"
        raise fault("E0914", message, node.span, hint, *higher("source_bytes", len(text)))
    ctx.spend(len(text) // 64, node.span)
    return text


def _name(ctx: Machine, node: ast.Name, environment: Environment) -> Any:
    ctx.steps += environment.depth >> 5
    value = environment.lookup(node.id)
    if value is MISSING:
        value = global_value(node.id)
        if value is MISSING:
            raise unknown(ctx, node.id, node.span, environment)
    elif type(value) is Later:
        message = f"`{node.id}` is defined further down"
        hint = "the constants of a file are evaluated from top to bottom: move its definition up"
        raise fault("E0209", message, node.span, hint, labels=(Note(value.span, "here"),))
    return value


def unknown(ctx: Machine, name: str, span: Span, environment: Environment) -> Exception:
    """The Fault for a name that nothing defines, or that a body defines further down."""
    later = environment.further_down(name, span)
    if later is not None:
        what = f"{later.kind} {name}" if isinstance(later, ast.Declaration) else name
        hint = f"a body is read from top to bottom: move the definition of `{what}` up"
        return fault("E0209", f"`{name}` is defined further down", span, hint, labels=(Note(later.span, "here"),))
    hints = ctx.compared.did_you_mean(name, [*environment, *known_names()], layers=True)
    return fault("E0201", f"nothing here is called `{name}`", span, *hints)


def _in(ctx: Machine, node: ast.In, environment: Environment) -> Any:
    value = environment.input
    if value is None:
        hint = "in an arch, name the input: `input image: [N, 3, H, W]` and then `image -> ...`"
        raise fault("E0203", "`in` is the input of a block, and this is not inside one", node.span, hint)
    return value


def _chain(ctx: Machine, node: ast.Chain, environment: Environment) -> Any:
    first = ctx.attempt(node.parts[0], environment)
    if isinstance(node.parts[0], ast.Fold) and first is not POISON:
        warn_of_dropped_sum(ctx, node.parts[0], node.parts[1], environment)
    tensors = as_tensors(first)
    if tensors is not None:
        return _flow(ctx, first, tensors, node.parts[1:], environment)
    parts = [first, *[ctx.attempt(part, environment) for part in node.parts[1:]]]
    if any(part is POISON for part in parts):
        return POISON
    for part, syntax in zip(parts[1:], node.parts[1:], strict=True):
        if is_tensors(part):
            message = "a tensor stands where a network is needed: `->` applies what is on its right"
            raise fault("E0313", message, syntax.span, "the tensor comes first: `x -> f`")
    return Chain([as_network(p, s.span) for p, s in zip(parts, node.parts, strict=True)], node.span)


def _flow(ctx: Machine, before: Any, tensors: Any, parts: tuple[ast.Expr, ...], environment: Environment) -> Any:
    """Tensors through one network after the other."""
    for part in parts:
        network = ctx.attempt(part, environment)
        if tensors is POISON or network is POISON:
            tensors = POISON
        elif is_tensors(network):
            raise fault("E0313", "a tensor cannot be applied to a tensor", part.span, "merge them: `x + y`, `x ++ y`")
        else:
            ctx.here = part.span
            if isinstance(network, LayerKind) and len(tensors) == 1 and not isinstance(before, tuple):
                refuse_single(network, part)
            tensors, before = ctx.apply(network, tensors, part.span), network
    return one(tensors)


def _fold(ctx: Machine, node: ast.Fold, environment: Environment) -> Any:
    first = ctx.attempt(node.first, environment)
    rest: list[tuple[str, Any, Span]] = []
    poisoned = first is POISON
    for operator, operand in node.rest:
        value = ctx.attempt(operand, environment)
        poisoned = poisoned or value is POISON
        rest.append((operator, value, operand.span))
    if len(rest) == 1 and rest[0][0] == "*":
        warn_of_repetition(ctx, node, first, rest[0][1])
    return POISON if poisoned else fold(ctx, node, first, rest)


def _power(ctx: Machine, node: ast.Power, environment: Environment) -> Any:
    base, exponent = ctx.evaluate(node.base, environment), ctx.evaluate(node.exponent, environment)
    if base is POISON or exponent is POISON:
        return POISON
    return power(ctx, node, base, exponent)


def _negative(ctx: Machine, node: ast.Negative, environment: Environment) -> Any:
    value = ctx.evaluate(node.operand, environment)
    if value is POISON or is_number(value):
        return value if value is POISON else -value
    return fold(ctx, node, -1, [("*", value, node.operand.span)])


def _logic(ctx: Machine, node: ast.Logic, environment: Environment) -> bool | Tensor:
    stop = node.operator == "or"
    masks: list[bool | Tensor] = []
    for operand in node.operands:
        value = condition(ctx, operand, environment)
        if value is stop and not masks:
            return stop
        if masks or isinstance(value, Tensor):
            masks.append(value)
    return join_masks(ctx, node.operator, masks, node.span) if masks else not stop


def _not(ctx: Machine, node: ast.Not, environment: Environment) -> bool | Tensor:
    value = condition(ctx, node.operand, environment)
    return not_mask(ctx, value, node.span) if isinstance(value, Tensor) else not value


def _compare(ctx: Machine, node: ast.Compare, environment: Environment) -> Any:
    left = ctx.evaluate(node.first, environment)
    masks: list[bool | Tensor] = []
    for operator, operand in node.rest:
        right = ctx.evaluate(operand, environment)
        if left is POISON or right is POISON:
            return POISON
        if isinstance(left, list) and isinstance(right, list):
            ctx.look_over([left, right], node.span)
        tensors = [v for v in (left, right) if isinstance(v, Tensor)]
        masked = tensors and left is not None and right is not None
        found = mask(ctx, operator, left, right, node.span) if masked else compare(operator, left, right, node.span)
        if found is False and not masks:
            return False
        if masks or isinstance(found, Tensor):
            masks.append(found)
        left = right
    return (masks[0] if len(masks) == 1 else join_masks(ctx, "and", masks, node.span)) if masks else True


def _if(ctx: Machine, node: ast.If, environment: Environment) -> Any:
    if truth(ctx, node.condition, environment):
        return ctx.evaluate(node.then, environment)
    return MISSING if node.otherwise is None else ctx.evaluate(node.otherwise, environment)


def _match(ctx: Machine, node: ast.Match, environment: Environment) -> Any:
    subject = ctx.evaluate(node.subject, environment)
    if subject is POISON:
        return POISON
    for case in node.cases:
        patterns = [ctx.evaluate(p, environment) for p in case.patterns]
        if isinstance(subject, list):
            ctx.look_over(patterns, case.span)
        if not patterns or any(matches(p, subject, node.subject.span) for p in patterns):
            return ctx.evaluate(case.value, environment)
    known = [p.span.text for case in node.cases for p in case.patterns]
    hint = f"there are cases for {', '.join(known)}; `_ => ...` takes all the others"
    raise fault("E0315", f"no case matches {describe(subject)}", node.subject.span, hint)


def _range(ctx: Machine, node: ast.Range, environment: Environment) -> Any:
    start, stop = ctx.evaluate(node.start, environment), ctx.evaluate(node.stop, environment)
    for value, syntax in ((start, node.start), (stop, node.stop)):
        if value is POISON:
            return POISON
        if not is_whole(value):
            hint = "`//` divides and rounds down: `0..<n // 2`"
            raise fault(
                "E0316", f"a range runs between whole numbers, and this is {describe(value)}", syntax.span, hint
            )
    if stop - start > LIMITS.list_values:
        hint = "loops and lists take a number for each element: is the end of the range right?"
        message = f"a range holds at most {LIMITS.list_values:,} numbers"
        raise fault("E0914", message, node.span, hint, *higher("list_values", stop - start + 1))
    return listed(ctx, list(range(start, stop + 1 if node.inclusive else stop)), node.span)


def _index(ctx: Machine, node: ast.Index, environment: Environment) -> Any:
    value = ctx.evaluate(node.value, environment)
    if isinstance(node.index, ast.Slice):
        return _slice(ctx, value, node.value.span, node.index, environment)
    index = ctx.evaluate(node.index, environment)
    if value is POISON or index is POISON:
        return POISON
    _require_list(value, node.value.span)
    if not is_whole(index):
        hint = "the first element is `xs[0]`, the last `xs[-1]`, and all but the first are `xs[1..]`"
        raise fault("E0317", f"an index is a whole number, and this is {describe(index)}", node.index.span, hint)
    if not -len(value) <= index < len(value):
        raise _out_of_range(value, index, node.index.span)
    return value[index]


def _require_list(value: Any, span: Span) -> None:
    if isinstance(value, (list, tuple)):
        return
    hint = "a list is written `[a, b]`, and its first element is `xs[0]`"
    if isinstance(value, Tensor):
        sizes = "a size of a tensor is `x.channels`, `x.height` or `x.shape[0]`"
        hint = f"`x -> select(1, 0)` takes one place along axis 1; {sizes}"
    elif isinstance(value, Shared):
        hint = "what is shared is one network: share each on its own, `shared f = ...`, `shared g = ...`, `[f, g]`"
    raise fault("E0317", f"only lists and tuples have elements, and this is {describe(value)}", span, hint)


def _out_of_range(value: Any, index: int, span: Span) -> Fault:
    count = len(value)
    legal = f"its indices are 0 to {count - 1}" if count else "it is empty"
    return fault("E0318", f"there is no element {index} in {describe(list(value))}", span, legal)


def _slice(ctx: Machine, value: Any, span: Span, bounds: ast.Slice, environment: Environment) -> Any:
    """The elements between two bounds, each counted from the beginning, or where negative from the end."""
    written = [(side, bound) for side, bound in enumerate((bounds.start, bounds.stop)) if bound is not None]
    found = [(side, ctx.evaluate(syntax, environment), syntax.span) for side, syntax in written]
    if value is POISON or any(bound is POISON for _, bound, _ in found):
        return POISON
    _require_list(value, span)
    places = [0, len(value)]
    for side, bound, where in found:
        if not is_whole(bound):
            hint = "`xs[1..3]` has both ends, `xs[1..<3]` leaves the last out, `xs[1..]` goes to the end of the list"
            raise fault("E0317", f"an index is a whole number, and this is {describe(bound)}", where, hint)
        places[side] = (bound + len(value) if bound < 0 else bound) + (side if bounds.inclusive else 0)
        if not 0 <= places[side] <= len(value):
            raise _out_of_range(value, bound, where)
    part = value[slice(*places)]
    if isinstance(part, list):
        return listed(ctx, part, bounds.span)
    ctx.look_over(part, bounds.span)
    return part


def _attribute(ctx: Machine, node: ast.Attribute, environment: Environment) -> Any:
    value = ctx.evaluate(node.value, environment)
    if value is POISON:
        return POISON
    if not isinstance(value, Tensor):
        hints = ("only tensors have sizes: in a block, `in.channels`",) if not isinstance(value, tuple) else ()
        if isinstance(value, Network) and lookup(node.name) is not None:
            hints = (f"what follows a network stands behind an arrow: `{clip(node.value.span.text)} -> {node.name}`",)
        raise fault(
            "E0319", f"`.{node.name}` asks for the size of a tensor, and this is {describe(value)}", node.span, *hints
        )
    if node.name not in ATTRIBUTES:
        span, hints = method(node) or (node.span, did_you_mean(node.name, ATTRIBUTES))
        hints = hints or (f"there are {', '.join(ATTRIBUTES)}",)
        raise fault("E0204", f"a tensor has no `.{node.name}`", span, *hints)
    type_ = value.type
    if node.name in ("shape", "channels", "batch", "rank"):
        simple = {"shape": list(type_.dims), "batch": type_.dims[0], "rank": type_.rank, "channels": type_.channels}
        if (size := simple[node.name]) is None:
            hint = "`x.shape[-1]` is the size of the last axis, whatever it is"
            raise fault("E0320", f"it is not certain which axis of {type_} holds the channels", node.span, hint)
        return size
    places = AXES.get(len(type_.spatial), ())
    if node.name not in places:
        hint = f"its sizes are {', '.join(f'`.{p}`' for p in ('shape', 'batch', 'channels', *places))}"
        raise fault("E0320", f"a tensor {type_} has no {node.name}", node.span, hint)
    return type_.spatial[places.index(node.name)]


# --- lists, tuples, comprehensions -------------------------------------------------------------


def _list(ctx: Machine, node: ast.ListExpr, environment: Environment) -> Any:
    values = items(ctx, node.items, environment, numbered=True)
    return POISON if any(v is POISON for v in values) else listed(ctx, values, node.span)


def _tuple(ctx: Machine, node: ast.TupleExpr, environment: Environment) -> Any:
    values = items(ctx, node.items, environment, numbered=False)
    ctx.spend(4 + len(values), node.span)
    if any(v is POISON for v in values):
        return POISON
    if any(is_tensors(v) for v in values):
        tensors = as_tensors(values)
        if tensors is None:
            raise fault(
                "E0324", "a tuple holds tensors only or networks only", node.span, "apply the network first: `x -> f`"
            )
        return tensors
    if values and all(is_number(v) or isinstance(v, (bool, str)) for v in values):
        hint = f"values side by side are a list: `[{', '.join(item.span.text for item in node.items)}]`"
        raise fault("E0324", f"a tuple holds tensors or networks, and this is {describe(values[0])}", node.span, hint)
    written = node.items if len(node.items) == len(values) else (node,) * len(values)
    return Parallel([as_network(v, item.span) for v, item in zip(values, written, strict=True)], node.span)


EVALUATE: dict[type, Callable[..., Any]] = {
    ast.Number: lambda ctx, node, environment: node.value,
    ast.Boolean: lambda ctx, node, environment: node.value,
    ast.Text: _text,
    ast.Name: _name,
    ast.In: _in,
    ast.Group: lambda ctx, node, environment: ctx.evaluate(node.value, environment),
    ast.Chain: _chain,
    ast.Fold: _fold,
    ast.Power: _power,
    ast.Negative: _negative,
    ast.Not: _not,
    ast.Logic: _logic,
    ast.Compare: _compare,
    ast.If: _if,
    ast.Match: _match,
    ast.Range: _range,
    ast.Index: _index,
    ast.Attribute: _attribute,
    ast.ListExpr: _list,
    ast.TupleExpr: _tuple,
    ast.Labelled: labelled,
    ast.Call: call,
}


class Expressions(Machine):
    """A machine that evaluates expressions."""

    def evaluate(self, node: ast.Expr, environment: Environment) -> Any:
        self.steps += 1
        if self.steps > self.most_steps:
            raise too_long(node.span)
        return EVALUATE[type(node)](self, node, environment)

    def attempt(self, node: ast.Expr, environment: Environment) -> Any:
        # Counts and looks up as `evaluate` does, without a call of it: most expressions come this way.
        self.steps += 1
        try:
            if self.steps > self.most_steps:
                raise too_long(node.span)
            return EVALUATE[type(node)](self, node, environment)
        except Fault as problem:
            if exhausted(problem):
                raise
            self.report(problem)
            self.steps += _REPORT_STEPS
            return POISON
