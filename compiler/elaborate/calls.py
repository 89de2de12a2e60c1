"""Calls: of layers, blocks, functions, and of what the language brings along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Hint, fault
from ...dsl.diagnostics import Label as Note
from ..ir.initialisers import INITIALISERS, make_initialiser
from ..ir.words import say
from .arithmetic import exact
from .blocks import Block, Instance
from .callables import (
    ArchInstance,
    Architecture,
    Builtin,
    Combinator,
    Drawing,
    DrawKind,
    Drawn,
    Function,
    InitialiserKind,
    Rewriter,
    Tensorial,
)
from .environment import Environment, Frame
from .extern import ExternCall, ExternKind
from .language import form_of, numeric
from .lists import comprehension, listed, spread
from .networks import (
    Chain,
    Each,
    Element,
    Fixed,
    Frozen,
    Labelled,
    Layer,
    LayerKind,
    Parallel,
    Recompute,
    WithTensors,
    as_network,
    is_network,
)
from .parameters import bind, bind_parameters
from .rewriting import rewritten
from .sharing import Fresh, Shared, anew
from .suggestions import is_statistic
from .values import POISON, Network, Tensor, as_tensors, describe, is_number, is_tensors, key_of, one, plain

if TYPE_CHECKING:
    from .machine import Machine


IN_FUNCTION = Frame()

_CALL_STEPS = 20
"""Steps of a call that looks up its arguments by their names, beside those of the expressions that give them."""


def call(ctx: Machine, node: ast.Call, environment: Environment) -> Any:
    """The value of a call."""
    function = ctx.attempt(node.function, environment)
    positional, keywords = _arguments(ctx, node, environment)
    if function is POISON or POISON in positional or POISON in keywords.values():
        return POISON
    if isinstance(function, LayerKind):
        return _layer(ctx, node, function, positional, keywords)
    if isinstance(function, Block):
        return _block(ctx, node, function, positional, keywords)
    if isinstance(function, Function):
        return _function(ctx, node, function, positional, keywords)
    return _other(ctx, node, function, positional, keywords)


_SPREADS = ast.Comprehension, ast.Splat
"""What stands for any number of arguments."""


def _arguments(ctx: Machine, node: ast.Call, environment: Environment) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for argument in node.arguments:
        value = argument.value
        if isinstance(value, ast.Comprehension):
            positional.extend(_elements(comprehension(ctx, value, environment)))
        elif isinstance(value, ast.Splat):
            values = spread(ctx, value, environment)
            ctx.look_over(values, value.span)
            positional.extend(_elements(values))
        elif argument.name is None:
            positional.append(ctx.attempt(value, environment))
        elif argument.name in keywords:
            raise fault("E0310", f"`{argument.name}` is given twice", argument.span, "keep one of them")
        else:
            keywords[argument.name] = ctx.attempt(value, environment)
    return positional, keywords


def _elements(values: list[Any]) -> list[Any]:
    """Networks spread from a list keep their place in its numbering."""
    return [Element(v) if is_network(v) and not isinstance(v, Labelled) else v for v in values]


def _layer(ctx: Machine, node: ast.Call, kind: LayerKind, positional: list[Any], keywords: dict[str, Any]) -> Any:
    if kind.cls.of_numbers is not None and not keywords and _of_numbers(kind, positional):
        values = [_unwrap(v) for v in positional]
        return _builtin(ctx, node, kind.name, values, lambda: numeric(kind.cls, values))
    if kind.cls.operands and any(is_tensors(v) for v in positional):
        positional, keywords = _operands(node, kind, positional, keywords)
    tensors, values = _split(positional)
    number = next((v for v in values if is_number(v)), None)
    if kind.cls.with_number and number is not None and (tensors or any(map(is_network, values))):
        message = f"`{kind.name}` merges tensors with tensors, and this is {describe(number)}"
        hint = f"of a tensor and a number it is {kind.cls.with_number.format(say(number))}"
        raise fault("E0303", message, node.span, hint)
    if kind.cls.merges_networks and not tensors and values and all(is_network(v) for v in values):
        return _merge_networks(ctx, node, kind, values, keywords)
    extra: list[Tensor] = []
    for name in kind.cls.tensor_parameters:
        if isinstance(keywords.get(name), Tensor):
            extra.append(keywords[name])
            keywords[name] = True
    given = []
    for name in kind.cls.weight_parameters:
        if isinstance(keywords.get(name), Tensor):
            extra.append(keywords.pop(name))
            given.append(name)
            if name == "bias":
                keywords[name] = True
    for name in kind.cls.drawn_parameters:
        value = keywords.get(name)
        if isinstance(value, Drawn):
            extra.append(value.tensor)
            keywords[name] = value.columns
    drawn = next((v for v in (*positional, *keywords.values()) if isinstance(v, Drawn)), None)
    if drawn is not None:
        message = f"`{kind.name}` takes no drawn number, and `{drawn.name}` is drawn anew at each forward"
        hint = f"a join takes it by name, `drop_mean(p, survivor = {drawn.name})`"
        raise fault("E0353", message, node.span, hint)
    layer = Layer(kind.cls, tuple(_unwrap(v) for v in values), keywords, node.span, call=node, given=tuple(given))
    if extra and not tensors:
        ctx.events += 1
        return WithTensors(layer, tuple(extra), node.span)
    if tensors:
        (argument, *others) = node.arguments
        if isinstance(positional[0], Tensor) and not others and not isinstance(argument.value, _SPREADS):
            refuse_single(kind, node.function)
        ctx.here = node.span
        return one(ctx.apply(layer, (*tensors, *extra), node.span))
    ctx.resolve(layer)
    return layer


def refuse_single(layer: LayerKind, syntax: ast.Expr) -> None:
    """Refuses a merge that stands by its name behind one tensor, or is called with one, and is likelier meant to reduce
    it."""
    word = layer.cls.kind
    if isinstance(syntax, ast.Name) and syntax.id == word and is_statistic(word):
        hint = f'`reduce("{word}", axis)` takes it along an axis, or along a list of axes, of one tensor'
        raise fault("E0301", f"`{word}` merges several tensors, and one arrives", syntax.span, hint)


def _of_numbers(kind: LayerKind, values: list[Any]) -> bool:
    """Whether a call is one of numbers: a function of one tensor takes no arguments but these."""
    return _all_numbers(values) or (not kind.cls.is_merge and not any(is_tensors(_unwrap(v)) for v in values))


def _operands(
    node: ast.Call, kind: LayerKind, positional: list[Any], keywords: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The operands of a call that are tensors; those that are numbers become settings, by their places."""
    names = kind.cls.operands
    other = next((v for v in positional[: len(names)] if not (is_tensors(v) or is_number(v))), None)
    if other is not None:
        hint = "numbers and tensors may stand in any place" if all(names) else f"`{kind.name}(mask, a, b)`"
        raise fault("E0303", f"`{kind.name}` takes tensors and numbers, and this is {describe(other)}", node.span, hint)
    numbers = {names[i]: v for i, v in enumerate(positional) if i < len(names) and names[i] and is_number(v)}
    return [v for i, v in enumerate(positional) if i >= len(names) or names[i] not in numbers], numbers | keywords


def _all_numbers(values: list[Any]) -> bool:
    if len(values) == 1 and isinstance(_unwrap(values[0]), list):
        return all(is_number(v) for v in _unwrap(values[0]))
    return all(is_number(v) for v in values)


def _unwrap(value: Any) -> Any:
    return value.inner if isinstance(value, Element) else value


def _split(positional: list[Any]) -> tuple[list[Tensor], list[Any]]:
    """Positional tensors, which apply the call, and the other arguments."""
    tensors: list[Tensor] = []
    values: list[Any] = []
    for value in positional:
        flat = as_tensors(_unwrap(value))
        if flat is None:
            values.append(value)
        else:
            tensors.extend(flat)
    return tensors, values


def _merge_networks(
    ctx: Machine, node: ast.Call, kind: LayerKind, values: list[Any], keywords: dict[str, Any]
) -> Network:
    """`sum(f, g)`, which is `(f, g) -> sum`; `sum([f, g])` likewise."""
    if len(values) == 1 and isinstance(_unwrap(values[0]), list):
        values = _elements(_unwrap(values[0]))
    op = ctx.resolve(Layer(kind.cls, (), keywords, node.span))
    parts = [as_network(v, node.span) for v in values]
    return Chain([Parallel(parts, node.span), Fixed(op, node.span)], node.span)


def _block(ctx: Machine, node: ast.Call, block: Block, positional: list[Any], keywords: dict[str, Any]) -> Any:
    tensors, values = _split(positional) if any(is_tensors(v) for v in positional) else ([], positional)
    values = [_unwrap(v) for v in values]
    unbound = block.definition.parameters[len(values) :]
    if tensors and not values and any(p.default is None and p.name not in keywords for p in unbound):
        name = block.definition.name
        needed = ", ".join(p.name for p in unbound if p.default is None and p.name not in keywords)
        hints = [f"give it `{needed}` before the tensors: `x -> {name}({needed})`, or `{name}({needed})(x)`"]
        if isinstance(block.definition, ast.BlockDef) and block.definition.inputs is None:
            names = ", ".join([p.name for p in block.definition.parameters])
            hints.append(f"names for the tensors that arrive stand in second parentheses: `block {name}()({names})`")
        raise fault("E0335", f"`{name}` takes its parameters first", node.span, *hints)
    ctx.spend(_CALL_STEPS // 4, node.span)
    instance = Instance(block, bind(block.definition, values, keywords, node.span), node.span)
    if not tensors:
        return instance
    ctx.here = node.span
    return one(ctx.apply(instance, tuple(tensors), node.span))


def _function(ctx: Machine, node: ast.Call, function: Function, positional: list[Any], keywords: dict[str, Any]) -> Any:
    definition = function.definition
    arguments = bind(definition, [_unwrap(v) for v in positional], keywords, node.span)
    environment = Environment(function.environment, frame=IN_FUNCTION)
    key = definition, function.environment, key_of(arguments)
    if key in ctx.active:
        message = f"`{definition.name}` calls itself with the same arguments: it would never end"
        hint = "a recursive function needs an argument that changes, and an `if` that stops it"
        raise fault("E0304", message, node.span, hint)
    ctx.deepen(node.span)
    ctx.spend(4, node.span)
    ctx.active[key] = node.span
    try:
        bind_parameters(ctx, definition, arguments, environment, node.span)
        return ctx.evaluate(definition.body, environment)
    finally:
        del ctx.active[key]
        ctx.depth -= 1


def _other(ctx: Machine, node: ast.Call, function: Any, positional: list[Any], keywords: dict[str, Any]) -> Any:
    span, values = node.span, [_unwrap(v) for v in positional]
    match function:
        case Builtin():
            given = [*values, *keywords.values()] if function.name != "len" else []
            return _builtin(ctx, node, function.name, given, lambda: function.call(*values, **keywords))
        case InitialiserKind():
            ctx.spend(_CALL_STEPS, span)
            ctx.look_over(values, span)
            return _initialiser(node, function.name, [plain(v) for v in values], keywords)
        case Combinator():
            ctx.spend(_CALL_STEPS // 4, span)
            return _combinator(node, function.name, values, keywords)
        case Architecture():
            ctx.spend(_CALL_STEPS, span)
            return ArchInstance(function, bind(function.definition, values, keywords, span), span)
        case ExternKind():
            return ExternCall(function, bind(function.definition, values, keywords, span), span)
        case DrawKind():
            drawing = Drawing(Layer(function.cls, tuple(values), keywords, span, call=node))
            ctx.resolve(drawing.layer)
            return drawing
        case Rewriter():
            ctx.spend(2 * _CALL_STEPS, span)
            return rewritten(ctx, node, function, values, keywords)
        case Network() | list():
            tensors, rest = _split(positional)
            if tensors and not rest and not keywords:
                return one(ctx.apply(function, tuple(tensors), span))
            hint = "a network is applied to tensors: `x -> f`, or `f(x)`"
            raise fault("E0336", f"{describe(function)} takes no more parameters", span, hint)
    hint = "blocks, layers, functions and arches are called; is an operator missing before the parenthesis?"
    raise fault("E0337", f"{describe(function)} cannot be called", node.function.span, hint)


def _builtin(ctx: Machine, node: ast.Call, name: str, looked_at: list[Any], run: Any) -> Any:
    ctx.look_over(looked_at, node.span)
    try:
        result = exact(run(), node.span)
    except ValueError as error:
        raise fault("E0338", f"`{name}` {error}", node.span, *form_of(name)) from None
    except TypeError:
        raise fault("E0308", f"`{name}` does not take these arguments", node.span, *form_of(name)) from None
    except OverflowError:
        raise fault("E0330", "the result is too large for a double", node.span, "are the arguments as meant?") from None
    return listed(ctx, result, node.span) if isinstance(result, list) else result


def _initialiser(node: ast.Call, name: str, positional: list[Any], keywords: dict[str, Any]) -> Any:
    texts = [argument.value.span.text for argument in node.arguments]
    first = positional and isinstance(positional[0], list)
    shape = positional.pop(0) if first and (name != "constant" or len(positional) == 2) else None
    late = next((i for i, value in enumerate(positional) if i and isinstance(value, list)), None)
    if shape is None and late is not None and len(texts) == len(positional):
        call = ", ".join([texts.pop(late), *texts])
        hint = Hint(f"`{name}({call})`", call, old=", ".join(argument.span.text for argument in node.arguments))
        raise fault("E0339", f"the shape of a tensor comes first in {name}", node.span, hint)
    try:
        initialiser = make_initialiser(name, positional, {k: plain(v) for k, v in keywords.items()})
    except ValueError as error:
        if shape is None and all(map(is_number, positional)) and not (keywords or INITIALISERS[name].settings):
            sizes = ", ".join(texts)
            made = Hint(f"a shape is a list: `{name}([{sizes}])`", f"[{sizes}]", old=sizes)
            raise fault("E0339", str(error), node.span, made) from None
        hint = f"it is `{INITIALISERS[name].signature}`; the shape comes first where it makes a tensor of its own"
        raise fault("E0339", str(error), node.span, hint) from None
    return initialiser if shape is None else Tensorial(initialiser, shape)


def _combinator(node: ast.Call, name: str, values: list[Any], keywords: dict[str, Any]) -> Any:
    if len(values) != 1 or keywords:
        hint = f"`{name}(f)`; several in a row are one: `{name}(f -> g)`"
        raise fault("E0308", f"`{name}` takes one network", node.span, hint)
    network = as_network(values[0], node.span)
    if name in ("each", "fresh"):
        network = anew(network)
    if name == "fresh" and isinstance(network, Shared):
        message = f"`{network.name}` has one set of parameters at every application: it is shared, and cannot be fresh"
        hint = f"apply it as it is, `{network.name}`; what is fresh at each application is a `block`, or named by `=`"
        raise fault("E0513", message, node.span, hint, labels=(Note(network.span, "shared from here on"),))
    if name == "frozen":
        return Frozen(network)
    return {"each": Each, "fresh": Fresh, "recompute": Recompute}[name](network, node.span)
