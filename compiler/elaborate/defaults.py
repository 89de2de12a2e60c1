"""`default`: an arch's own settings for a layer, and what it has in a layer's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, fault
from ...dsl.diagnostics import Label as Note
from ..ops.build import parameter_names, setting_meant
from .environment import Environment
from .language import global_value, known_names
from .networks import Layer, LayerKind, Replacement, as_network
from .sharing import anew
from .statements import guarded
from .suggestions import did_you_mean
from .values import POISON

if TYPE_CHECKING:
    from .machine import Machine


def set_defaults(ctx: Machine, body: tuple[ast.Statement, ...], environment: Environment) -> None:
    """Makes the defaults of an arch known, and checks them. From here on layers are what they will be."""
    for statement in body:
        if isinstance(statement, ast.Default):
            guarded(_set_default)(ctx, statement, environment)
    ctx.settled = True
    for replacement in ctx.replacements.values():
        if isinstance(replacement.network, Layer):
            try:
                ctx.resolve(replacement.network)
            except Fault as problem:
                ctx.report(problem)
                replacement.network = POISON


def _set_default(ctx: Machine, node: ast.Default, environment: Environment) -> None:
    kind = global_value(node.layer)
    if not isinstance(kind, LayerKind):
        layers = [n for n in known_names() if isinstance(global_value(n), LayerKind)]
        near = did_you_mean(node.layer, layers, layers=True)
        hint = near or ("a block has defaults of its own: `block b(c, stride = 1)`",)
        raise fault("E0205", f"`default` names a layer, and `{node.layer}` is none", node.span, *hint)
    if node.replacement is not None:
        _replace(ctx, node, kind, node.replacement, environment)
        return
    settings: dict[str, Any] = {}
    for argument in node.arguments:
        if argument.name is None:
            raise fault("E0344", "the settings of a `default` are named", argument.span, "`default bn(eps = 0.001)`")
        if argument.name not in kind.cls.model_fields:
            fields = list(kind.cls.model_fields)
            hint = setting_meant(argument.name, kind.cls) or (f"its parameters are {', '.join(fields)}",)
            raise fault("E0309", f"`{node.layer}` has no parameter `{argument.name}`", argument.span, *hint)
        settings[argument.name] = ctx.evaluate(argument.value, environment)
        ctx.default_spans[kind.cls.kind, argument.name] = argument.span
    ctx.defaults.setdefault(kind.cls.kind, {}).update(settings)


def _replace(ctx: Machine, node: ast.Default, kind: LayerKind, expression: ast.Expr, environment: Environment) -> None:
    needed = [f"`{n}`" for n in parameter_names(kind.cls) if kind.cls.model_fields[n].is_required()]
    why = f"it needs {' and '.join(needed)}" if needed else "it merges tensors" if kind.cls.arity != 1 else ""
    if why:
        message = f"`{node.layer}` cannot be replaced: {why}, and only a layer without arguments is"
        hint = "a parameter of the arch chooses between such layers: `unit: block = conv`, then `unit(64, 3)`"
        raise fault("E0354", message, node.span, hint)
    earlier = ctx.replacements.get(kind.cls.kind)
    if earlier is not None:
        first = Note(earlier.span, "first replaced here")
        raise fault("E0355", f"`{node.layer}` is replaced twice", node.span, "keep one of the two", labels=(first,))
    replacement = ctx.replacements[kind.cls.kind] = Replacement(node.layer, POISON, node.span)
    value = ctx.evaluate(expression, environment)
    if value is not POISON:
        replacement.network = anew(as_network(value, expression.span))


def report_unreplaced(ctx: Machine) -> None:
    """Reports replacements that met nothing to replace. To replace a layer by itself is to keep it, and no mistake."""
    for replacement in ctx.replacements.values():
        network = replacement.network
        itself = isinstance(network, Layer) and network.bare and network.cls.kind == replacement.layer
        if not replacement.used and not itself:
            name = replacement.layer
            message = f"nothing is replaced: no `{name}` without arguments is applied in this arch"
            hint = f"a call with arguments of its own, as `{name}(...)`, stays what it is; else remove the `default`"
            ctx.report(fault("E0356", message, replacement.span, hint))
