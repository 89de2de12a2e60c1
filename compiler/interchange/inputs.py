"""Inputs of a graph of networkx: their shapes, open sizes and usual sizes."""

from __future__ import annotations

import re
from typing import Any

from ...dsl.diagnostics import fault
from ...grammar.parser import words
from ..elaborate.inputs import input_type, solve
from ..elaborate.module_names import check_argument
from ..ir.graph import Graph, GraphInput
from ..ir.sizes import Dim, Size, symbol
from ..ir.types import TensorType
from ..ir.words import MAX_INT
from ..ops.core import Input
from .attributes import taken, wrong
from .layers import make_op

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def is_name(text: Any) -> bool:
    """Whether a spec may give this name to a thing."""
    return isinstance(text, str) and _NAME.match(text) is not None and text not in words().reserved


def read_input(graph: Graph, key: Any, settings: dict[str, Any]) -> tuple[Input, TensorType]:
    """An input, which becomes one of the graph's; its name is the node's, unless it has one. Raises a Fault."""
    shape = settings.pop("shape", None)
    word = taken(settings, "dtype", "float", str, "a word")
    nominal = settings.pop("nominal", None)
    settings.pop("dtype", None)
    settings.setdefault("name", key)
    name = settings["name"]
    if not is_name(name):
        raise wrong("name", "of an input is a word of letters, digits and `_` that is no word of the language", name)
    op = make_op(Input, settings, (), ())
    assert isinstance(op, Input)
    type_ = input_type(_dims(shape), word, None)
    _check_name(graph, name, type_)
    if nominal is not None:
        _state(graph, type_, nominal)
    graph.inputs.append(GraphInput(name, 0, type_, ()))
    return op, type_


def _dims(shape: Any) -> tuple[Dim, ...]:
    hint = 'sizes are numbers, and names for those left open: `shape=["N", 3, "H", "W"]`'
    if not isinstance(shape, list | tuple) or not shape:
        raise fault("E0348", "an input has a `shape`, a list that starts with the batch", None, hint)
    for dim in shape:
        whole = isinstance(dim, int) and not isinstance(dim, bool) and 1 <= dim <= MAX_INT
        if not (whole or isinstance(dim, Size) or is_name(dim)):
            raise fault("E0348", f"{dim!r:.60} is no size", None, hint)
    return tuple([symbol(dim) if isinstance(dim, str) else dim for dim in shape])


def _check_name(graph: Graph, name: str, type_: TensorType) -> None:
    check_argument(name, None, [entry.name for entry in graph.inputs])
    if any(entry.name == name for entry in graph.inputs):
        raise fault(
            "E0349", f"two inputs are called `{name}`", None, "an input is an argument of the module: rename one"
        )
    for other, type_of_other in [(name, type_), *((entry.name, entry.type) for entry in graph.inputs)]:
        both = [(name, type_of_other), (other, type_)]
        for one, sizes in both:
            if any(not isinstance(dim, int) and one in dim.symbols() for dim in sizes.dims):
                message = f"an input cannot be named `{one}`, as one of the sizes is"
                raise fault("E0511", message, None, "rename one: a name stands for one thing")


def _state(graph: Graph, type_: TensorType, nominal: Any) -> None:
    """Takes the usual sizes of an input into those of the graph. Raises a Fault (E0350)."""
    hint = "it gives every size a number, which is the same wherever the size stands"
    if not isinstance(nominal, list | tuple) or len(nominal) != type_.rank:
        raise fault("E0350", f"`nominal` must have {type_.rank} sizes, as {type_} has", None, hint)
    for dim, value in zip(type_.dims, nominal, strict=True):
        if isinstance(value, bool) or not isinstance(value, int) or not solve(dim, value, graph.nominal):  # type: ignore[arg-type]
            raise fault(
                "E0350",
                f"`nominal` {list(nominal)!r:.60} is none of {type_}: {value!r:.20} cannot be {dim}",
                None,
                hint,
            )
