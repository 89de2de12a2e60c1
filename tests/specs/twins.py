"""Compares a shipped network with its peer: state, outputs, gradients, statistics, a step of training."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from oracles import Row
from torch import Tensor, nn

import archc
from archc.compiler.decompile.python.file import class_name, to_python
from archc.compiler.emit.targets import resolve

FORMS = ("fx", "python")
"""What archc makes of a spec: a `torch.fx.GraphModule`, and a Python file."""
QUANTITIES = ("eval", "train", "gradients", "step")


@dataclass(slots=True)
class Comparison:
    """What was found. `differences` are max|Δ| by form and quantity; `names` says how the peer's state came in."""

    parameters: int
    names: str = ""
    differences: dict[tuple[str, str], float] = field(default_factory=dict)

    def worst(self, quantity: str) -> float:
        return max(value for (_, q), value in self.differences.items() if q == quantity)

    @property
    def largest(self) -> float:
        return max(self.differences.values())


@dataclass(slots=True)
class Run:
    """What a network computed from one state: outputs, gradients, and the state after one step of SGD."""

    evaluated: dict[str, Tensor]
    trained: dict[str, Tensor]
    gradients: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)


def compared(row: Row) -> Comparison:
    """max|Δ| between archc's forms of a network and its peer, on random inputs and a random state.

    The state, batch norm's statistics included, is the peer's, loaded strictly: by its names, by the row's renaming, or
    by the map that the structure gives. Raises AssertionError where the states do not correspond.
    """
    architecture = row.ours()
    inputs = row.inputs()
    reference, state, evaluated = finite(row, inputs)
    expected = run(reference, inputs, evaluated)
    del reference
    assert all(output.std() > 0 for output in (*expected.evaluated.values(), *expected.trained.values()))
    names: dict[str, str] = {}
    found = Comparison(architecture.stats().parameters)
    for form in FORMS:
        module = ours(architecture, form)
        if not names:
            names, found.names = correspondence(row, architecture, expected.state, list(module.state_dict()))
        mapped = {names[key]: tensor for key, tensor in state.items() if key in names}
        made = run(loaded(module, mapped), inputs)
        differences = (
            largest_difference(expected.evaluated, made.evaluated),
            largest_difference(expected.trained, made.trained),
            largest_difference(under(names, expected.gradients), made.gradients),
            largest_difference(under(names, expected.state), made.state),
        )
        found.differences |= {(form, quantity): d for quantity, d in zip(QUANTITIES, differences, strict=True)}
        del module, made  # before the next of them, since they may be large
    return found


def correspondence(
    row: Row, architecture: archc.Architecture, theirs: dict[str, Tensor], own: list[str]
) -> tuple[dict[str, str], str]:
    """The spec's name for each name of the peer, and how it was found."""
    if list(theirs) == own:
        return {key: key for key in own}, "same, in order"
    if set(theirs) == set(own):
        return {key: key for key in own}, "same"
    if row.renamed:
        return {key: renamed(key, row.renamed) for key in theirs}, "renamed"
    return dict(architecture.map_weights(theirs).pairs), "mapped"


def renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def under(names: Mapping[str, str], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {names[key]: tensor for key, tensor in tensors.items() if key in names}


def ours(architecture: archc.Architecture, form: str) -> nn.Module:
    """archc's network in one of its forms, without initial values."""
    with unfilled():
        return built(architecture, form)


def built(architecture: archc.Architecture, form: str) -> nn.Module:
    """archc's network in one of its forms."""
    if form == "fx":
        return architecture.module()
    space: dict[str, Any] = {"__name__": "generated"}
    exec(compile(to_python(architecture.ir), "<generated>", "exec"), space)
    return space[class_name(architecture.ir)]()


def loaded(module: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """The network with the state, whose names, shapes and types it must have."""
    own = module.state_dict()
    assert set(own) == set(state), set(own) ^ set(state)
    assert all((own[key].shape, own[key].dtype) == (t.shape, t.dtype) for key, t in state.items())
    module.load_state_dict(state, strict=True)
    return module


def finite(row: Row, inputs: tuple[Tensor, ...]) -> tuple[nn.Module, dict[str, Tensor], dict[str, Tensor]]:
    """The peer with a random state at which its outputs are finite, that state, and the outputs.

    In a very deep net random statistics make activations grow without bound; its batch norms are then
    set to what these inputs give, and moved a little from there.
    """
    with unfilled():
        module = row.theirs()
    module.load_state_dict(randomised(module))
    result = evaluated(module, inputs)
    if not all(bool(output.isfinite().all()) for output in result.values()):
        with torch.no_grad():
            calibrated(module, inputs)
        result = evaluated(module, inputs)
    return module, {key: tensor.clone() for key, tensor in module.state_dict().items()}, result


def evaluated(module: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    with torch.no_grad():
        return outputs(called(module.eval(), inputs))


def calibrated(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average of what it sees
    called(module.train(), inputs)
    generator = torch.Generator().manual_seed(2)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        assert norm.running_var is not None
        norm.running_var.mul_(torch.empty(norm.num_features).uniform_(1.0, 1.5, generator=generator))


def randomised(module: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """A state for the module in which nothing has its initial value, at scales that keep activations finite."""
    generator = torch.Generator().manual_seed(seed)
    state = module.state_dict()  # with the versions of the modules, which some ask for
    drawn: dict[int, Tensor] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in drawn:
            drawn[id(tensor)] = random_values(name, tensor, generator)
        state[name] = drawn[id(tensor)]
    return state


def random_values(name: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    if not tensor.is_floating_point():
        return torch.randint(1, 100, tensor.shape, generator=generator)
    empty = torch.empty(tensor.shape)
    if tensor.dim() > 1:
        return empty.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
    if name.endswith(("weight", "running_var")):
        return empty.uniform_(0.5, 1.5, generator=generator)
    return empty.normal_(0, 0.1, generator=generator)


def run(module: nn.Module, inputs: tuple[Tensor, ...], known: dict[str, Tensor] | None = None) -> Run:
    """Evaluates, unless it is `known` what that gives, and trains for a step, with a loss that weighs every element of
    the outputs differently."""
    before = evaluated(module, inputs) if known is None else known
    module.train()
    torch.manual_seed(0)
    trained = outputs(called(module, inputs))
    generator = torch.Generator().manual_seed(3)
    losses = [(t.softmax(1) * torch.randn(t.shape, generator=generator)).sum() for t in trained.values()]
    torch.stack(losses).sum().backward()
    gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=1e-4, fused=True).step()
    detached = {name: output.detach() for name, output in trained.items()}
    return Run(before, detached, gradients, module.state_dict())


def called(module: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    return module(*[x.clone() for x in inputs])


def outputs(result: Any) -> dict[str, Tensor]:
    """A network's outputs in order, whatever it wraps them in."""
    if isinstance(result, Tensor):
        return {"0": result}
    values = result.values() if isinstance(result, Mapping) else result
    return {str(i): value for i, value in enumerate(values) if isinstance(value, Tensor)}


def largest_difference(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """The largest absolute difference; infinite where the names differ or anything is not finite."""
    if set(a) != set(b):
        return math.inf
    largest = 0.0
    for name, tensor in a.items():
        if tensor.shape != b[name].shape or not bool(tensor.sum().isfinite()):
            return math.inf
        if not torch.equal(tensor, b[name]):
            difference = float((tensor.double() - b[name].double()).abs().max())
            largest = max(largest, difference if difference == difference else math.inf)
    return largest


def zeroed(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
    tensor.data.zero_()
    return tensor


@contextmanager
def unfilled() -> Iterator[None]:
    """Initial values are zeros: drawing a hundred million weights that are then replaced takes seconds.

    Zeros, and not what is in memory: who draws again until all values lie within bounds would do so forever.
    """
    methods = ("normal_", "uniform_", "trunc_normal_")
    kept: dict[str, Callable[..., Tensor]] = {m: getattr(Tensor, m) for m in methods if hasattr(Tensor, m)}
    for method in kept:
        setattr(Tensor, method, zeroed)
    truncated = nn.init.trunc_normal_
    nn.init.trunc_normal_ = zeroed
    try:
        yield
    finally:
        for method, function in kept.items():
            setattr(Tensor, method, function)
        nn.init.trunc_normal_ = truncated
        resolve.cache_clear()  # it may have kept what stood in
