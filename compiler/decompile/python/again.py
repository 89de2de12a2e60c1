"""Parts of a forward that training computes again: calls of modules, and methods of the class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from ...ir.free_names import FreeNames
from .expr import Expr, attr, call, raw, rewrite, var, walk
from .steps import Code, StepCode

_CALL = raw("recompute")
_STEP = raw("step")


@dataclass(frozen=True, slots=True)
class Method:
    """A method of its own for a part: its steps, from the numbers that it takes to those that it gives. `counts`: it is
    told which application it is."""

    name: str
    steps: list[StepCode]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    counts: bool


def with_parts(code: Code, steps: list[StepCode]) -> tuple[list[StepCode], list[Method]]:
    """The steps with a call for each part that training computes again, and the methods that are called."""
    if not any(step.again for step in steps):
        return steps, []
    tensors = _tensors(steps)
    steps = [replace(step, expr=_filled(step.expr, tensors)) for step in steps]
    names = FreeNames(name for name, _ in code.members)
    result, methods = [step for step in steps if step.kind == "tensor"], list[Method]()
    plain = [step for step in steps if step.kind != "tensor"]
    needed = [_filled(var(number), tensors) for number in code.outputs]
    for again, group in groupby(plain, key=lambda step: step.again):
        part = list(group)
        if not again:
            result += part
        elif len(part) == 1 and _is_call(part[0]):
            function, *args = part[0].expr.kids
            keys = (None, *part[0].expr.data)
            result.append(replace(part[0], expr=Expr("call", keys, (_CALL, function, *args)), again=0))
        else:
            others = [step.expr for step in plain if step not in part] + needed
            method = _method(part, names.new("recomputed"), others)
            args = [attr(raw("self"), method.name), *map(var, method.inputs), *([_STEP] * method.counts)]
            result.append(StepCode(method.outputs, call(_CALL, *args), "unit", training=part[0].training))
            methods.append(method)
    return result, methods


def _is_call(step: StepCode) -> bool:
    """Whether a step is a call of a module with tensors."""
    fits = step.kind in ("unit", "module", "weight layer") and step.expr.kind == "call" and not step.optional
    return fits and all(kid.kind in ("child", "var") for kid in step.expr.kids) and not any(step.expr.data)


def _method(part: list[StepCode], name: str, others: list[Expr]) -> Method:
    made = [number for step in part for number in step.outs]
    used = list(dict.fromkeys(number for step in part for number in _used([step.expr])))
    wanted = set(_used(others))
    counts = any(item == _STEP for step in part for item in walk(step.expr))
    steps = [replace(step, again=0, training=False) for step in part]
    inputs = tuple([number for number in used if number not in made])
    return Method(name, steps, inputs, tuple([number for number in made if number in wanted]), counts)


def _tensors(steps: list[StepCode]) -> dict[int, Expr]:
    """What may be said anywhere, by number."""
    found: dict[int, Expr] = {}
    for step in steps:
        if step.kind == "tensor":
            found[step.outs[0]] = _filled(step.expr, found)
    return found


def _filled(expr: Expr, known: dict[int, Expr]) -> Expr:
    return rewrite(expr, lambda leaf: known.get(leaf.data) if leaf.kind == "var" else None) if known else expr


def _used(exprs: Iterable[Expr]) -> list[int]:
    return [item.data for expr in exprs for item in walk(expr) if item.kind == "var"]
