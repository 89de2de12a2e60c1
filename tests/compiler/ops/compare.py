"""Ops of several inputs, run at symbolic sizes: one symbol may stand in several inputs, or in none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from archc.compiler.ir.op import LayerError, Op
from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.sizes import Dim, evaluate, symbol
from archc.compiler.ir.types import TensorType
from archc.compiler.ops.build import ArgumentError

from .interpret import DTYPES, Lowered, check_types, example, infer, op, other_batch

N, H, W, T = (symbol(name) for name in "NHWT")


def at(x: TensorType, sizes: dict[str, int]) -> TensorType:
    """The type with numbers for its symbols."""
    return x.with_dims(tuple(evaluate(d, sizes) for d in x.dims))


def agree(layer: Op, types: list[TensorType], **sizes: int) -> tuple[list[torch.Tensor], tuple[torch.Tensor, ...]]:
    """Random inputs, and what the lowering makes of them; so at another batch too, where one is legal.

    It is made twice, from the symbolic types and from the numbers; shapes are as inferred, results equal.
    """
    requirements = Requirements()
    outputs = layer.infer(tuple(types), requirements)
    assert requirements.violations(sizes) == []
    module = Lowered(layer, tuple(types), outputs).eval()
    others = other_batch(types, sizes)
    if others is not None and requirements.violations(others) == []:
        _agree_at(layer, types, outputs, module, others)
    return _agree_at(layer, types, outputs, module, sizes)


def _agree_at(
    layer: Op, types: list[TensorType], outputs: tuple[TensorType, ...], module: Lowered, sizes: dict[str, int]
) -> tuple[list[torch.Tensor], tuple[torch.Tensor, ...]]:
    numbers = tuple(at(x, sizes) for x in types)
    tensors = [example(x) for x in numbers]
    results = module(*tensors)
    assert [tuple(evaluate(d, sizes) for d in y.dims) for y in outputs] == [tuple(y.shape) for y in results]
    assert [DTYPES[y.dtype] for y in outputs] == [y.dtype for y in results]
    layer = layer.at(sizes)
    fixed = infer(layer, *numbers)
    assert [y.dims for y in fixed] == [tuple(y.shape) for y in results]
    assert [y.channel_axis for y in fixed] == [y.channel_axis for y in outputs]
    for one, other in zip(Lowered(layer, numbers, fixed).eval()(*tensors), results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    check_types(layer, *numbers)
    return tensors, results


def refusal(layer: Op, *inputs: TensorType) -> LayerError:
    """The error that the inputs are met with."""
    with pytest.raises(LayerError) as caught:
        infer(layer, *inputs)
    return caught.value


def argument_error(name: str, *positional: Any, **keywords: Any) -> str:
    """The message that a call's arguments are met with."""
    with pytest.raises(ArgumentError) as caught:
        op(name, *positional, **keywords)
    return str(caught.value)


def dims(*sizes: Dim, dtype: str = "float", channel_axis: int | None = 1) -> TensorType:
    return TensorType.of(sizes, channel_axis, dtype)


def counted(layer: Op, *inputs: TensorType) -> int:
    """The multiply-adds of the op at these sizes, which torch must count as well, each as two operations."""
    outputs = infer(layer, *inputs)
    module = Lowered(layer, inputs, outputs)
    with FlopCounterMode(display=False) as counter:
        module(*map(example, inputs))
    result = evaluate(layer.multiply_adds(inputs, outputs), {})
    assert 2 * result == counter.get_total_flops()
    return result
