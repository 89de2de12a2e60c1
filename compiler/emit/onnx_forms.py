"""Operations that torch's exporter to ONNX refuses, or writes for one size of the map alone, in those that it has."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.fx.node import map_arg

from ...dsl.diagnostics import ArchError, Diagnostic
from .private import is_open, open_lengths, written_out

_ATEN = torch.ops.aten
_AVERAGE = (_ATEN.adaptive_avg_pool1d.default, _ATEN.adaptive_avg_pool2d.default, _ATEN.adaptive_avg_pool3d.default)
_LARGEST = (_ATEN.adaptive_max_pool1d.default, _ATEN.adaptive_max_pool2d.default, _ATEN.adaptive_max_pool3d.default)
_ATTENTION = _ATEN.scaled_dot_product_attention.default
_LSTM, _PLAIN = _ATEN.lstm.input, (_ATEN.rnn_tanh.input, _ATEN.rnn_relu.input)


@dataclass(frozen=True, slots=True)
class _Form:
    """What a call of an operator becomes, unless it stays for what it is given."""

    made: Callable[..., Any]
    stays: Callable[..., bool] = lambda *_: False

    def __call__(self, *given: Any, **more: Any) -> Any:
        return NotImplemented if self.stays(*given) else self.made(*given, **more)


def in_onnx_forms(program: ExportedProgram) -> ExportedProgram:
    """The program with each adaptive pool as means or maxima over masks of its windows, which hold at every size, each
    attention over tensors of four axes, the parts of an open size as slices, and the loop of each RNN, and LSTM with a
    projection, written out.

    Window i of n out of m places is [floor(i m / n), ceil((i + 1) m / n)). Pools that are means, maxima or plain
    pools at every size stay. Raises ArchError (E0821) where such a loop has no fixed number of steps.
    """
    sliced = _parts_as_slices(program.graph)
    forms: dict[Any, _Form] = {
        **dict.fromkeys(_AVERAGE, _Form(_average, _is_plain)),
        **dict.fromkeys(_LARGEST, _Form(_largest, _is_plain)),
        _ATTENTION: _Form(_attention, lambda query, *_: query.ndim == 4),
        _LSTM: _Form(partial(_loop, "an LSTM with a projection", written_out(_LSTM)), _has_no_projection),
        **{op: _Form(partial(_loop, "an RNN", written_out(op))) for op in _PLAIN},
    }
    table = {
        op: form
        for op, form in forms.items()
        if not all(form.stays(*_values(node)) for node in program.graph.find_nodes(op="call_function", target=op))
    }
    if not table and not sliced:
        return program
    with open_lengths():
        return program.run_decompositions(table)


def _values(node: fx.Node) -> Any:
    """The arguments of a call, with tensors of shapes alone for nodes."""
    return map_arg(node.args, lambda given: given.meta["val"])


def _has_no_projection(x: Tensor, states: Sequence[Tensor], *_: Any) -> bool:
    return states[0].shape[-1] == states[1].shape[-1]


def _loop(what: str, steps: Callable[..., Any], x: Tensor, states: Any, weights: Any, *given: Any) -> Any:
    """A recurrent layer as a step for each token."""
    *_, batch_first = given
    if is_open(x.shape[1 if batch_first else 0]):
        message = f"torch's exporter writes {what} to ONNX as a step for each token, so their number cannot stay open"
        hint = "give the input a fixed number of tokens; `-o net.pt2` and `-o net.py` write the network for all"
        raise ArchError([Diagnostic("E0821", message, hints=(hint,))])
    return steps(x, states, weights, *given)


def _parts_as_slices(graph: fx.Graph) -> bool:
    """Makes slices of the parts into which an open size is split, which the exporter cannot write. Whether there are
    any."""
    found = False
    for node in graph.find_nodes(op="call_function", target=_ATEN.chunk.default):
        x, count, axis, *_ = cast("tuple[fx.Node, int, int]", (*node.args, 0))
        if not is_open(x.meta["val"].shape[axis]):
            continue
        found = True
        with graph.inserting_before(node):
            size = graph.call_function(_ATEN.sym_size.int, (x, axis))
            rounded = graph.call_function(operator.add, (size, count - 1))
            length = graph.call_function(operator.floordiv, (rounded, count))
        for part in list(node.users):
            with graph.inserting_before(part):
                start, end = (graph.call_function(operator.mul, (length, part.args[1] + place)) for place in (0, 1))
                part.replace_all_uses_with(graph.call_function(_ATEN.slice.Tensor, (x, axis, start, end)))
            graph.erase_node(part)
        graph.erase_node(node)
    return found


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *given: Any, **more: Any) -> Any:
    batch = query.shape[:-2]
    if query.ndim < 4:  # a batch without heads is as well one image with as many heads
        query, key, value = (x.reshape(*[1] * (4 - x.ndim), *x.shape) for x in (query, key, value))
    else:
        if mask is not None:
            mask = mask.expand(*batch, *mask.shape[-2:]).flatten(0, -4)
        query, key, value = (x.flatten(0, -4) for x in (query, key, value))
    attended = _ATTENTION(query, key, value, mask, *given, **more)
    return attended.reshape(*batch, *attended.shape[-2:])


def _average(x: Tensor, size: Sequence[int]) -> Any:
    for axis, count in enumerate(size, x.ndim - len(size)):
        inside = _windows(x.shape[axis], count, x.device).to(x.dtype)
        share = inside / inside.sum(1, keepdim=True)
        x = torch.matmul(x.transpose(axis, -1), share.t()).transpose(axis, -1)
    return x


def _largest(x: Tensor, size: Sequence[int]) -> Any:
    for axis, count in enumerate(size, x.ndim - len(size)):
        inside = _windows(x.shape[axis], count, x.device)
        spread = x.transpose(axis, -1).unsqueeze(-2)
        x = torch.where(inside, spread, -torch.inf).amax(-1).transpose(axis, -1)
    return x, torch.zeros_like(x, dtype=torch.int64)


def _is_plain(x: Tensor, size: Sequence[int], *_: Any) -> bool:
    """Whether the pool is a mean or maximum of the whole map, or of windows of one fixed size in two axes at most."""
    if all(count == 1 for count in size):
        return True
    sizes = x.shape[-len(size) :]
    return len(size) < 3 and all(isinstance(n, int) and n % count == 0 for n, count in zip(sizes, size, strict=True))


def _windows(places: int, count: int, device: torch.device) -> Tensor:
    """Which places each window has: a mask of shape [count, places]."""
    place = torch.arange(places, device=device)
    window = torch.arange(count, device=device).unsqueeze(1)
    first = window * places // count
    end = ((window + 1) * places + count - 1) // count
    return (place >= first) & (place < end)
