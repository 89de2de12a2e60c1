"""Labels: their text, and what they name."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import fault, warning
from ...dsl.walk import walk
from .environment import Environment
from .given import is_own, second_name
from .module_names import CHARACTERS, check_segment
from .networks import Labelled, Repeat, as_network
from .sharing import Bound
from .values import POISON, Label, Tensor, as_tensors, describe, is_number, is_tensors

if TYPE_CHECKING:
    from .machine import Machine


def piece(ctx: Machine, node: ast.Expr, environment: Environment) -> str:
    value = ctx.evaluate(node, environment)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        message = f"only whole numbers and strings can be interpolated, and this is {describe(value)}"
        raise fault("E0312", message, node.span, "`{round(x)}` or `{x // 2}` is a whole number")
    return str(value)


def evaluate_label(ctx: Machine, path: ast.LabelPath, environment: Environment) -> Label:
    """The label's text, its interpolated pieces filled in."""
    known = ctx.labels.get(path)
    if known is not None:
        return known
    texts = tuple(
        "".join(p if isinstance(p, str) else piece(ctx, p, environment) for p in segment) for segment in path.segments
    )
    ctx.spend(sum(map(len, texts)) // CHARACTERS, path.span)
    label = Label(texts, path.span)
    if path.first is None:
        for text in texts:
            check_segment(text, path.span)
        if all(isinstance(p, str) for segment in path.segments for p in segment):
            ctx.labels[path] = label
    return label


def may_label(definition: ast.Declaration, name: str) -> bool:
    """Whether some label of a definition, applied or not, can name a part `name`."""
    names, patterns = _written(definition)
    return name in names or any(pattern.fullmatch(name) for pattern in patterns)


@lru_cache(maxsize=64)
def _written(definition: ast.Declaration) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """What the labels of a definition can name: whatever stands where they interpolate."""
    names: set[str] = set()
    found: set[str] = set()
    for node, _ in walk(definition):
        if isinstance(node, ast.Labelled):
            segment = node.label.segments[0]
            plain = [piece for piece in segment if isinstance(piece, str)]
            if node.label.first is None and len(plain) == len(segment):
                names.add("".join(plain))
                continue
            found.add(_pattern(segment) + (r"\d+" if node.label.first is not None else ""))
        elif isinstance(node, ast.Shared | ast.TensorDef):
            names.add(node.name)
    return frozenset(names), tuple(map(re.compile, found))


def _pattern(segment: tuple[str | ast.Expr, ...]) -> str:
    """Of what an interpolated label can be. Each piece of text but the last is looked for once: where it stands first
    leaves most to what follows, so that nothing is tried again."""
    start, *rest = ("\0" if not isinstance(piece, str) else piece for piece in segment)
    texts = re.sub("\0+", "\0", start + "".join(rest)).split("\0")
    middle = "".join(f"(?>.*?{re.escape(text)})" for text in texts[1:-1])
    return re.escape(texts[0]) + middle + (f".*{re.escape(texts[-1])}" if len(texts) > 1 else "")


def _numbered(node: ast.Labelled, label: Label, first: Any, value: Any) -> Any:
    """`a{1..}: fs`: each of a list or power by its number."""
    if value is POISON or first is POISON:
        return POISON
    if not isinstance(first, int):
        hint = "`a{1..}: fs` numbers a1, a2, a3"
        raise fault(
            "E0316", f"numbering starts from a whole number, and this is {describe(first)}", node.label.span, hint
        )

    def numbered(place: int) -> Label:
        *outer, last = label.segments
        check_segment(f"{last}{first + place}", label.span)
        return Label((*outer, f"{last}{first + place}"), label.span)

    repeat = value.inner if isinstance(value, Bound) else value
    if isinstance(repeat, Repeat) and repeat.labels is None:
        repeat = replace(repeat, labels=[numbered(i) for i in range(repeat.count)])
        return replace(value, inner=repeat) if isinstance(value, Bound) else repeat
    if value and as_tensors(value) is not None:
        hint = (
            f"label each where it is made: `[{label.segments[-1]}{{i}}: (x -> f) for i, x in enumerate(xs, {first})]`"
        )
        raise fault("E0508", "a numbered label numbers networks, and these are tensors", node.span, hint)
    if isinstance(value, list):
        return [Labelled(as_network(v, node.value.span), numbered(i)) for i, v in enumerate(value)]
    message = f"a numbered label numbers a list or a power, and this is {describe(value)}"
    raise fault("E0508", message, node.span, "`a{1..}: f ** 3` makes a1, a2, a3")


_LABEL_STEPS = 5
"""Steps of a label, beside those of its expressions."""


def labelled(ctx: Machine, node: ast.Labelled, environment: Environment) -> Any:
    ctx.spend(_LABEL_STEPS, node.span)
    label = evaluate_label(ctx, node.label, environment)
    if node.label.first is not None:
        first = ctx.evaluate(node.label.first, environment)
        return _numbered(node, label, first, ctx.evaluate(node.value, environment))
    virtual = ctx.enter_virtual(label)
    try:
        value = ctx.evaluate(node.value, environment)
    finally:
        ctx.leave_virtual(virtual)
    if isinstance(value, Tensor) and virtual.scope is None and is_own(ctx, value):
        second_name(ctx, value, label)
    elif is_tensors(value) and virtual.scope is None and isinstance(node.value, ast.Name | ast.In):
        _warn_of_a_tensor(ctx, node)
    if value is POISON or is_tensors(value) or as_tensors(value) is not None:
        return value
    if is_number(value) or isinstance(value, (str, bool)):
        hint = "a value is named by `name = value`"
        raise fault("E0508", f"a label names a network, and this is {describe(value)}", node.span, hint)
    return Labelled(as_network(value, node.value.span), label)


def _warn_of_a_tensor(ctx: Machine, node: ast.Labelled) -> None:
    """Reports `label: x`, of a tensor that is there already."""
    called, x = node.label.span.text, node.value.span.text
    message = f"the label `{called}` names nothing: no layer is applied in `{x}`, which is a tensor"
    hint = f"a label stands before a layer, `{x} -> {called}: f`; a tensor and an output are named by `{called} = ...`"
    ctx.report(warning("E0364", message, node.span, hint))
