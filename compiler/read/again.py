"""Parts that training computes again for the backward pass: `torch.utils.checkpoint`, and what archc writes for it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import checkpoint as utils

from ..decompile.python.init import HELPERS
from ..emit.private import pytree

PART = "archc_part"
"""Where the `meta` of a node has the part of which it is: the same object for all its nodes."""
_HELPER = HELPERS["recompute"]
_SETTINGS = {*inspect.signature(utils.checkpoint).parameters, "preserve_rng_state"} - {"function", "args", "kwargs"}
"""The settings that the part is not given. Up to torch 2.10 at least the last is not in the signature."""


@torch.library.custom_op("archc::border", mutates_args=())
def border(x: Tensor, call: int) -> Tensor:
    """What goes into a part or comes out of it, marked with a number of its call."""
    return x.clone()


@border.register_fake
def _(x: Tensor, call: int) -> Tensor:
    return torch.empty_like(x)


@contextmanager
def bordered(module: nn.Module, training: bool) -> Iterator[None]:
    """Inside, parts that are to be computed again run once, and in training mark their borders. Code calls what does it
    by a name of its own, so it is replaced wherever a Python module has it."""
    calls = count()

    def run(part: Callable[..., Any], *inputs: Any, **settings: Any) -> Any:
        if not (training and torch.is_grad_enabled()):
            return part(*inputs, **settings)
        number = next(calls)

        def mark(tensor: Tensor) -> Tensor:
            return torch.ops.archc.border(tensor, number)

        inputs, settings = pytree.tree_map_only(Tensor, mark, (inputs, settings))
        return pytree.tree_map_only(Tensor, mark, part(*inputs, **settings))

    def checkpoint(function: Any = None, *inputs: Any, **settings: Any) -> Any:
        if function is None:
            return lambda f: lambda *inputs, **settings: run(f, *inputs, **settings)
        return run(function, *inputs, **{name: value for name, value in settings.items() if name not in _SETTINGS})

    spaces = _namespaces(module)
    written = [names[_HELPER.name] for names in spaces if _is_written(names.get(_HELPER.name))]
    instead: dict[int, Any] = {id(utils.checkpoint): checkpoint, **{id(function): run for function in written}}
    held: list[tuple[dict[str, Any], str, Any, Any]] = []
    looked_for = {*instead}
    for names in spaces:
        if not looked_for.isdisjoint(map(id, names.values())):  # nearly all have none, and this is quick to see
            held += [(names, name, value, instead[id(value)]) for name, value in names.items() if id(value) in instead]
    before = {*sys.modules}
    try:
        for names, name, _, made in held:
            names[name] = made
        yield
    finally:
        for names, name, value, _ in held:
            names[name] = value
        for imported in sys.modules.keys() - before:  # which may have taken the name from a module that had another
            names = getattr(sys.modules[imported], "__dict__", {})
            for name in [name for name, value in names.items() if value is checkpoint]:
                names[name] = utils.checkpoint


def _namespaces(module: nn.Module) -> list[dict[str, Any]]:
    """The names of all Python modules that may call it: torch's own do not."""
    known = [*sys.modules.items()]
    found: list[Any] = [
        getattr(m, "__dict__", None) for name, m in known if m is utils or not name.startswith("torch.")
    ]
    found += [getattr(type(part).forward, "__globals__", None) for part in module.modules()]
    return list({id(names): names for names in found if isinstance(names, dict)}.values())


def _is_written(value: Any) -> bool:
    """Whether a function is the one that archc writes into files, where it has its own name."""
    if isinstance(value, FunctionType):
        with suppress(OSError, TypeError):
            return _HELPER.text.endswith(inspect.getsource(value))
    return False


def take_borders(graph: fx.Graph) -> None:
    """Notes of each node of which part it is, the outermost, and takes the borders out."""
    nodes = list(graph.nodes)
    borders: dict[int, list[int]] = {}
    for place, node in enumerate(nodes):
        if node.target is torch.ops.archc.border.default:
            borders.setdefault(node.args[1], []).append(place)
    for _, places in sorted(borders.items(), reverse=True):
        part = object()
        for node in nodes[places[0] : places[-1]]:
            node.meta[PART] = part
    for places in borders.values():
        for place in places:
            nodes[place].replace_all_uses_with(nodes[place].args[0])
            graph.erase_node(nodes[place])
