"""Arguments meeting parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.parse import parse_expression
from ...dsl.source import Source, Span
from ..ir.words import alternatives, is_whole
from .environment import MISSING, Environment
from .networks import Bare, is_network
from .suggestions import INPUTS, did_you_mean
from .values import POISON, Network, Outside, describe, is_number, key_of

if TYPE_CHECKING:
    from .machine import Machine


_PARAMETER_STEPS = 4
"""Steps of giving a parameter its value, beside those of the expressions."""


def signature(definition: ast.Declaration) -> str:
    """The call as its author wrote it: `bottleneck(c, stride = 1)`."""
    return f"{definition.name}({', '.join(p.span.text for p in definition.parameters)})"


def bind(
    definition: ast.Declaration,
    positional: list[Any],
    keywords: dict[str, Any],
    span: Span,
    asked: ast.Declaration | None = None,
) -> dict[str, Any]:
    """Arguments by parameter name. Raises a Fault for too many, unknown ones, and ones given twice.

    A variant of an arch takes unknown ones too: they are meant for the arch that it is a variant of. Where that does
    not know them either, the Fault speaks of the variant that was `asked` for.
    """
    if not positional and not keywords:
        return {}
    names = {p.name: None for p in definition.parameters}
    if len(positional) > len(names):
        takes = f"takes {len(names)} argument{'s' * (len(names) != 1)}" if names else "takes no arguments"
        given = f"{len(positional)} {'is' if len(positional) == 1 else 'are'} given"
        hint = f"it is `{signature(definition)}`"
        raise fault("E0308", f"`{definition.name}` {takes}, and {given}", span, hint, labels=_note(definition))
    bound = dict(zip(names, positional, strict=False))
    for name, value in keywords.items():
        if name not in names and not is_variant(definition):
            whose = asked or definition
            known = list(dict.fromkeys([*(p.name for p in whose.parameters), *names]))
            hints = did_you_mean(name, known) or (f"its parameters are {', '.join(known)}" if known else "it has none",)
            raise fault("E0309", f"`{whose.name}` has no parameter `{name}`", span, *hints, labels=_note(definition))
        if name in bound:
            hint = "once by position and once by name: keep one of them"
            raise fault(
                "E0310", f"`{name}` is given twice to `{definition.name}`", span, hint, labels=_note(definition)
            )
        bound[name] = value
    return {n: bound.pop(n) for n in names if n in bound} | bound if keywords else bound


def _note(definition: ast.Declaration) -> tuple[Note, ...]:
    return (Note(definition.name_span, f"declared as `{signature(definition)}`"),)


def is_variant(definition: ast.Declaration) -> bool:
    """Whether an arch is another one with arguments: `arch resnet50 = ResNet(...)`."""
    return isinstance(definition, ast.ArchDef) and isinstance(definition.body, ast.Expr)


def bind_parameters(
    ctx: Machine, definition: ast.Declaration, arguments: dict[str, Any], environment: Environment, span: Span | None
) -> None:
    """Gives every parameter its argument or its default. Raises a Fault where it has neither, or the wrong type."""
    ctx.spend(_PARAMETER_STEPS * len(definition.parameters), definition.name_span)
    for parameter in definition.parameters:
        value = arguments.get(parameter.name, MISSING)
        if value is MISSING:
            if parameter.default is None:
                message = f"`{definition.name}` needs its parameter `{parameter.name}`"
                hint = f"`{definition.name}({parameter.name} = ...)` gives it a value; so may its declaration"
                tensor = next((p.name for p in definition.parameters if p.name in INPUTS), None)
                if tensor is not None and isinstance(definition, ast.BlockDef):
                    others = ", ".join(p.name for p in definition.parameters if p.name != tensor)
                    form = f"block {definition.name}({others})({tensor})"
                    hint = f"tensors have parentheses of their own, `{form}`; then write `x -> {definition.name}(...)`"
                notes = (Note(parameter.span, "it has no default"),) if span else ()
                raise fault("E0307", message, span or parameter.span, hint, labels=notes)
            value = ctx.evaluate(parameter.default, environment)
        elif type(value) is Outside:
            value = read(ctx, definition, parameter, value)
        if value is not POISON and parameter.type is not None:
            value = check_type(ctx, definition, parameter, value, span)
        environment.names[parameter.name] = value


def _is_whole_ratio(value: Any) -> bool:
    return is_whole(value) or (isinstance(value, Fraction) and value.denominator == 1)


NAMED_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("a whole number", _is_whole_ratio),
    "float": ("a number", is_number),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "str": ("a string", lambda value: isinstance(value, str)),
    "list": ("a list", lambda value: isinstance(value, list)),
    "block": ("a block or a layer", lambda value: isinstance(value, (Network, Bare))),
    "network": ("a network", is_network),
    "none": ("none", lambda value: value is None),
}
"""The types of parameters: in words, and whether a value is of it."""
_NETWORKS = NAMED_TYPES["network"][0], NAMED_TYPES["block"][0]


def check_type(
    ctx: Machine, definition: ast.Declaration, parameter: ast.Parameter, value: Any, span: Span | None
) -> Any:
    """The value, if the parameter's type allows it. Raises a Fault that says which values exist."""
    assert parameter.type is not None
    wanted = []
    for alternative in parameter.type.alternatives:
        if isinstance(alternative, str):
            if alternative not in NAMED_TYPES:
                hints = did_you_mean(alternative, NAMED_TYPES) or (f"types are {', '.join(NAMED_TYPES)}",)
                raise fault("E0202", f"there is no type `{alternative}`", parameter.type.span, *hints)
            words, fits = NAMED_TYPES[alternative]
            if fits(value):
                return value
            wanted.append(words)
        else:
            literal = ctx.evaluate(alternative, Environment())
            if key_of(literal) == key_of(value):
                return value
            wanted.append(alternative.span.text)
    choices = alternatives(wanted)
    hint = f"`{parameter.name}` takes {choices}, as `{signature(definition)}` says"
    if isinstance(value, str) and {*_NETWORKS}.intersection(wanted):
        hint = f"layers and blocks are named without quotes: `{parameter.name} = relu`"
    message = f"the parameter `{parameter.name}` of `{definition.name}` must be {choices}, and is {describe(value)}"
    notes = (Note(parameter.span, "declared here"),) if span else ()
    raise fault("E0311", message, span or parameter.span, hint, labels=notes)


def read(ctx: Machine, definition: ast.Declaration, parameter: ast.Parameter, outside: Outside) -> Any:
    """What a value from outside means to a parameter. Where that takes networks and no strings, a text is an
    expression of the file that was asked for: `elu`, `leakyrelu(0.1)`, `bn -> relu`. The text `none` is no value where
    the parameter takes that. Raises a Fault where a text is no expression.
    """
    types = parameter.type.alternatives if parameter.type is not None else ()
    if outside.value in ("none", None) and _takes_none(parameter):
        return None
    if outside.value is None:
        message = f"the parameter `{parameter.name}` cannot be None"
        hint = f"`{definition.name}` is declared as `{signature(definition)}`; leave it out for its default"
        raise fault("E0311", message, parameter.span, hint)
    wanted = [NAMED_TYPES[t][0] for t in types if isinstance(t, str) and t in ("network", "block")]
    if parameter.type is None and _starts_as_network(ctx, parameter):
        wanted = [NAMED_TYPES["network"][0]]
    if "str" in types or not wanted:
        return outside.value
    form = "it is written as in a spec: `elu`, `leakyrelu(0.1)`, `bn -> relu`, or a block of the file"
    words = [ctx.evaluate(t, ctx.asked) for t in types if isinstance(t, ast.Text)]

    def meant(value: Any) -> Any:
        if isinstance(value, list):
            return [meant(item) for item in value]
        if not isinstance(value, str) or value in words:
            return value
        expression = parse_expression(Source(value, f"<{parameter.name}>"))
        if expression is None:
            message = f"the parameter `{parameter.name}` of `{definition.name}` must be {' or '.join(wanted)}"
            raise fault("E0311", f'{message}, and "{value[:40]}" is no expression', parameter.span, form)
        try:
            return ctx.evaluate(expression, ctx.asked)
        except Fault as problem:
            found = problem.diagnostic
            hint = f"`{parameter.name}` takes {' or '.join(wanted)}; {form}"
            problem.diagnostic = replace(found, hints=(*found.hints, hint))
            raise

    return meant(outside.value)


def _takes_none(parameter: ast.Parameter) -> bool:
    if parameter.type is not None:
        return "none" in parameter.type.alternatives
    return isinstance(parameter.default, ast.Name) and parameter.default.id == "none"


def _starts_as_network(ctx: Machine, parameter: ast.Parameter) -> bool:
    """Whether a parameter without a type has the name of a layer or a block for its default."""
    if not isinstance(parameter.default, ast.Name):
        return False
    try:
        return isinstance(ctx.evaluate(parameter.default, ctx.asked), (Network, Bare))
    except Fault:
        return False  # it names another parameter
