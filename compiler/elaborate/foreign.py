"""Calls and inputs as other frameworks write them: what they are here. Accepted ones that look so are warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ...dsl import ast
from ...dsl.diagnostics import Hint, warning
from ...dsl.frameworks import is_activation, setting_here, why_left_out
from ..ir.graph import GraphInput
from ..ir.types import TensorType
from ..ir.words import is_whole
from ..ops import registry
from ..ops.build import ArgumentError, bind, build_op
from .environment import MISSING
from .values import Tensors, Value, plain

if TYPE_CHECKING:
    from .machine import Machine
    from .networks import Layer

Setting = tuple[str | None, str, Any]
"""One argument of a call: its name, None where it is given by position, its text and its value."""


def written_here(layer: Layer) -> tuple[str, ...]:
    """A hint with a refused call as the language writes it, where it is another framework's; none for other calls."""
    try:
        bind(layer.cls, list(layer.positional), layer.keywords)
    except ArgumentError:
        order = layer.cls.torch_order
        order = order[1:] if order[:1] == ("in",) and _begins_here(layer) else order
        return _as_torch(layer, layer.cls.positional) or _as_torch(layer, order)
    return ()


def _begins_here(layer: Layer) -> bool:
    """Whether a call that goes on as in torch begins as here: its window and stride are usual ones."""
    given = dict(zip(layer.cls.positional, layer.positional, strict=False))
    return given.get("kernel") in (1, 2, 3, 4, 5, 7, 9, 11) and given.get("stride") in (1, 2)


def warn_of_order(machine: Machine, layer: Layer, inputs: Tensors) -> None:
    """Reports a call that is accepted, and likelier has the order of torch's layer."""
    cls, types = layer.cls, [t.type for t in inputs]
    if len(types) != 1 or not cls.looks_like_torch(layer.positional, types[0]):
        return
    hints, given = _as_torch(layer, cls.torch_order), _settings(layer)
    if not hints or given is None:
        return
    names = iter(cls.positional)
    by_name: dict[str, Setting] = {name or next(names): (name or "", text, value) for name, text, value in given}
    read = ", ".join(f"{name} = {value}" for name, value in zip(cls.positional, layer.positional, strict=False))
    message = f"`{cls.kind}` reads {read}: is the first one meant for the {types[0].channels} channels that arrive?"
    kept = f"else give them by name: `{_call(layer, by_name)}`"
    machine.report(warning("E0357", message, layer.span, *hints, kept))


def warn_of_batch(machine: Machine) -> None:
    """Reports inputs that look like images without a batch, or with their channels last, where a window slides over
    them or their places are joined."""
    images = {item.node: item for item in machine.graph.inputs if _is_image(item.type)}
    slid: list[GraphInput] = []
    for node in machine.nodes if images else ():
        taken = [images[value[0]] for value in node.inputs if value[0] in images]
        if node.op.slides or node.op.joins_axes:
            slid += taken
        elif taken and node.outputs[0] is taken[0].type:
            images[node.index] = taken[0]
    slid += [images[t.node] for op, inputs in machine.misfits if op.slides for t in inputs if t.node in images]
    free = next((n for n in ("N", "B", "batch") if _is_free(machine, n)), "n")
    for item in slid:
        *before, first, second, last = item.type.dims
        if before:
            message = f"`{item.name}` has {first} channels and maps of {second} x {last}"
        else:
            sequences = f"{first} sequence{'s' * (first != 1)}"
            message = f"`{item.name}` is a batch of {sequences} of {second} channels and length {last}"
        if _is_last(item.type):
            shape = f"[{before[0] if before else free}, {last}, {first}, {second}]"
            hint = f"an image has its channels before its height and width: `input {item.name}: {shape}`"
        else:
            hint = f"an image has its batch first: `input {item.name}: [{free}, {first}, {second}, {last}]`"
        machine.report(warning("E0358", message, machine.nodes[item.node].span, hint))


def _is_free(machine: Machine, name: str) -> bool:
    return name not in machine.graph.parameters and machine.asked.lookup(name) is MISSING


def _is_last(x: TensorType) -> bool:
    """Whether the last sizes are likelier the height, width and channels of an image, as TensorFlow has them."""
    sizes = x.dims[-3:]
    if x.rank not in (3, 4) or x.channel_axis != 1 or not all(map(is_whole, sizes)):
        return False
    height, width, channels = cast("tuple[int, ...]", sizes)
    return channels in (1, 3) and height == width >= 8


def _is_image(x: TensorType) -> bool:
    """Whether sizes are likelier those of an image, without its batch or with its channels last, than what they say."""
    if _is_last(x):
        return True
    if x.rank != 3 or x.channel_axis != 1 or not all(map(is_whole, x.dims)):
        return False
    channels, height, width = cast("tuple[int, ...]", x.dims)
    return channels in (1, 3, 4) and min(height, width) >= 8 and (height == width or channels == 3)


def _as_torch(layer: Layer, order: tuple[str, ...]) -> tuple[str, ...]:
    """A hint with the call in our words, its positions read in `order`; none where that makes no call that builds."""
    given = _settings(layer)
    if given is None or sum(name is None for name, _, _ in given) > len(order):
        return ()
    found: dict[str, Setting] = {}
    left_out, behind = "", ""
    for place, (name, text, value) in enumerate(given):
        here = order[place] if name is None else name
        if is_activation(here) and here not in layer.cls.model_fields:
            behind = _activation(text, value)
            if not behind:
                return ()
            continue
        reason = why_left_out("in_channels" if here == "in" else here)
        if reason is not None and here not in layer.cls.model_fields:
            if here == "in" and not (is_whole(value) and value > 0):
                return ()
            left_out = reason
            continue
        here = here if here in layer.cls.model_fields else setting_here(here, layer.cls.model_fields)
        if here is None or here in found:
            return ()
        found[here] = name, text, value
    try:
        build_op(layer.cls, [], {name: plain(value) for name, (_, _, value) in found.items()})
    except ArgumentError:
        return ()
    call = f"{_call(layer, found)}{behind}"
    return (Hint(f"write `{call}`" + (f": {left_out}" if left_out else ""), call, span=layer.span),)


def _activation(text: str, value: Any) -> str:
    """What stands behind a layer whose setting names its activation, by a network or as Keras does by a string."""
    if isinstance(value, str):
        cls = registry.lookup(value)
        return f" -> {value}" if cls is not None and cls.family == "activation" else ""
    return f" -> {text}" if isinstance(value, Value) else ""


def _settings(layer: Layer) -> list[Setting] | None:
    """The arguments of a call without its tensors; None where a splat makes it unclear which is which."""
    arguments = layer.call.arguments if layer.call is not None else ()
    if any(isinstance(a.value, (ast.Splat, ast.Comprehension)) for a in arguments):
        return None
    by_place = [a for a in arguments if a.name is None]
    values = dict(zip(by_place[len(by_place) - len(layer.positional) :], layer.positional, strict=False))
    found: list[Setting] = []
    for argument in arguments:
        if argument.name is not None:
            if argument.name in layer.keywords:
                found.append((argument.name, argument.value.span.text, layer.keywords[argument.name]))
        elif argument in values:
            found.append((None, argument.value.span.text, values[argument]))
    return found


def _call(layer: Layer, settings: dict[str, Setting]) -> str:
    """The call with these settings, by position where they stood so and may."""
    by_place = []
    for name in layer.cls.positional:
        if name not in settings or settings[name][0] is not None:
            break
        by_place.append(name)
    arguments = layer.call.arguments if layer.call is not None else ()
    tensors = [a.span.text for a in arguments if a.name is None]
    count = len(tensors) - len(layer.positional)
    texts = [*tensors[:count], *(settings[name][1] for name in by_place)]
    texts += [f"{name} = {text}" for name, (_, text, _) in settings.items() if name not in by_place]
    texts += [a.span.text for a in arguments if a.name is not None and a.name not in layer.keywords]
    return f"{layer.cls.kind}({', '.join(texts)})" if texts else layer.cls.kind
