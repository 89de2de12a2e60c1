"""What stages of a pipeline send to each other is contiguous, as backends of torch.distributed take nothing else, and
stands in memory of its own, so that what is sent keeps nothing else alive."""

from __future__ import annotations

from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.pipelining import ScheduleGPipe

LEFT = {"return_outputs": False} if "return_outputs" in signature(ScheduleGPipe.step).parameters else {}
"""What makes a schedule drop what the last stage puts out, which else stays until the next step: torch 2.10 has it."""


class _Dense(torch.autograd.Function):
    """A tensor as it is, whose gradient stands alone: that of what enters a concatenation is a slice."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _alone(gradients[0])


def sendable(stage: nn.Module, receives: bool, sends: bool) -> nn.Module:
    """The stage, made to receive what it takes, or send what it puts out, or both."""
    if receives:
        stage.register_forward_pre_hook(lambda _, inputs: tuple(map(_Dense.apply, inputs)))
    if sends:
        stage.register_forward_hook(_dense)
    return stage


def _dense(_: nn.Module, _inputs: Any, made: Any) -> Any:
    return tuple(map(_alone, made)) if isinstance(made, tuple) else _alone(made)


def _alone(tensor: Tensor) -> Tensor:
    """A tensor in contiguous memory of its own. A slice of a batch of one is contiguous, within more."""
    alone = tensor.is_contiguous() and tensor.untyped_storage().nbytes() <= tensor.nbytes
    return tensor if alone else tensor.clone(memory_format=torch.contiguous_format)
