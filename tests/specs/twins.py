"""Holds the shipped networks against torchvision's: names, outputs, gradients, statistics, a step of training.

Run as a script it prints the largest difference of every variant, which `docs/specs.md` lists.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torchvision.models
from torch import Tensor, nn
from torch.nn import functional as F

import archc
from archc.compiler.emit.source import class_name, to_python

VGG = ("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn")
RESNET = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
WIDE = ("wide_resnet50_2", "wide_resnet101_2")
RESNEXT = ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d")
VARIANTS = (*VGG, *RESNET, *WIDE, *RESNEXT)

FORMS = ("fx", "python")
"""What archc makes of a spec: a `torch.fx.GraphModule`, and a Python file."""


def theirs(name: str, device: str = "cpu") -> nn.Module:
    """torchvision's network, freshly initialised."""
    with torch.device(device):
        return torchvision.models.get_model(name, weights=None)


def ours(name: str, form: str) -> nn.Module:
    """archc's network in one of its forms, freshly initialised."""
    architecture = archc.load(name)
    if form == "fx":
        return architecture.module()
    space: dict[str, Any] = {"__name__": "generated"}
    exec(compile(to_python(architecture.ir), "<generated>", "exec"), space)
    return space[class_name(architecture.ir)]()


def randomised(module: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """A state for the module in which nothing has its initial value, at scales that keep activations finite."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            state[name] = torch.randint(1, 100, tensor.shape, generator=generator)
        elif tensor.dim() > 1:
            fan_in = tensor[0].numel()
            state[name] = torch.empty(tensor.shape).normal_(0, (2 / fan_in) ** 0.5, generator=generator)
        elif name.endswith(("weight", "running_var")):
            state[name] = torch.empty(tensor.shape).uniform_(0.5, 1.5, generator=generator)
        else:
            state[name] = torch.empty(tensor.shape).normal_(0, 0.1, generator=generator)
    return state


@dataclass(slots=True)
class Run:
    """What a network computed from one state: outputs, gradients, and the state after one step of SGD."""

    evaluated: Tensor
    trained: Tensor
    gradients: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)


def run(module: nn.Module, images: Tensor) -> Run:
    module.eval()
    with torch.no_grad():
        evaluated = module(images.clone())
    module.train()
    torch.manual_seed(0)
    trained = module(images.clone())
    F.cross_entropy(trained, torch.arange(len(images))).backward()
    gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=1e-4).step()
    return Run(evaluated, trained.detach(), gradients, module.state_dict())


def largest_difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """The largest absolute difference; infinite where the names differ or anything is not finite."""
    if list(a) != list(b):
        return float("inf")
    largest = 0.0
    for name, tensor in a.items():
        if tensor.shape != b[name].shape or not bool(tensor.sum().isfinite()):
            return float("inf")
        if not torch.equal(tensor, b[name]):
            difference = float((tensor.double() - b[name].double()).abs().max())
            largest = max(largest, difference if difference == difference else float("inf"))
    return largest


def compared(name: str) -> dict[str, float]:
    """max|Δ| between archc's forms of a network and torchvision's, by form and quantity, on two 64 x 64 images.

    The state, batch norm's statistics included, is random and loads strictly. Raises AssertionError where the names,
    their order or the shapes differ.
    """
    state = randomised(theirs(name, "meta"))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    reference = loaded(lambda: theirs(name), state)
    expected = run(reference, images)
    assert expected.evaluated.std() > 0
    assert expected.trained.std() > 0
    assert expected.gradients.keys() == dict(reference.named_parameters()).keys()
    found = {}
    for form in FORMS:
        made = run(loaded(lambda form=form: ours(name, form), state), images)
        found[f"{form} eval"] = largest_difference({"": expected.evaluated}, {"": made.evaluated})
        found[f"{form} train"] = largest_difference({"": expected.trained}, {"": made.trained})
        found[f"{form} gradients"] = largest_difference(expected.gradients, made.gradients)
        found[f"{form} state after a step"] = largest_difference(expected.state, made.state)
    return found


def loaded(make: Callable[[], nn.Module], state: dict[str, Tensor]) -> nn.Module:
    """The network with the state, whose names, order, shapes and types it must have."""
    with unfilled():
        module = make()
    own = module.state_dict()
    assert list(own) == list(state)
    assert [(t.shape, t.dtype) for t in own.values()] == [(t.shape, t.dtype) for t in state.values()]
    module.load_state_dict(state, strict=True)
    assert all(p.requires_grad for p in module.parameters())
    return module


@contextmanager
def unfilled() -> Iterator[None]:
    """Initial values are left out: filling a hundred million weights that are then replaced takes seconds."""
    filled = Tensor.normal_, Tensor.uniform_
    Tensor.normal_ = Tensor.uniform_ = lambda self, *_, **__: self  # type: ignore[method-assign]
    try:
        yield
    finally:
        Tensor.normal_, Tensor.uniform_ = filled  # type: ignore[method-assign]


def main(names: list[str]) -> None:
    print("| variant | eval | train | gradients | state after a step |")
    print("| --- | --- | --- | --- | --- |")
    for name in names or VARIANTS:
        start = time.perf_counter()
        found = compared(name)
        gc.collect()
        worst = [max(v for key, v in found.items() if key.partition(" ")[2] == k) for k in QUANTITIES]
        print(f"| {name} | {' | '.join(f'{value:g}' for value in worst)} |", flush=True)
        print(f"{name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)


QUANTITIES = ("eval", "train", "gradients", "state after a step")

if __name__ == "__main__":
    main(sys.argv[1:])
