"""The module of a graph beside the module that it was read from, with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ...dsl.diagnostics import ArchError, refused
from ...dsl.quoting import quoted
from ..emit.agreement import distance, scale
from ..emit.check import NEEDS_MORE, Trial, named, placement, running, wanted
from ..emit.fx import to_graph_module
from ..emit.private import pytree, without_numbers
from ..emit.trials import Sizes, least_sizes, make_inputs, trial_sizes
from ..ir.graph import Graph
from .whole import Names

T = TypeVar("T")
TOLERANCE = 1e-5
"""How far numbers may differ, as a share of the largest of a tensor, where functions of torch's round otherwise."""
_SEED = 0
_MODES = (
    "in training the two are equal: what the module computes in evaluation is another network, as where its Python "
    "asks `self.training`. Give a module for each mode, which does not ask"
)


def verify(
    graph: Graph,
    module: nn.Module,
    outputs: dict[bool, Sequence[Names]],
    names: dict[Names, str],
    code: Mapping[str, nn.Module],
) -> float:
    """The largest difference, as a share of the largest number: 0 where all is equal bit for bit.

    Both run with the source's weights, those that hold one number everywhere changed a little, so that no layer's work
    is hidden; at the sizes of `_tried`, in evaluation and in training, with the same random numbers. `outputs` has what
    the module returns in each mode, `code` the layers of the host. Raises ArchError (E1205) where they differ.
    """
    kept = module.state_dict()
    ours, theirs = graph.tensor_shapes(), {name: tuple(tensor.shape) for name, tensor in kept.items()}
    if ours != theirs:
        raise otherwise(f"its weights are others: {_unlike(ours, theirs)}")
    device, dtype = placement(module)
    # Initial values would be drawn for nothing; a copy of a layer of the host has tensors that no state holds.
    made = to_graph_module(graph, device=device if code else "meta", dtype=dtype, externs=code)
    made = made if code else made.to_empty(device=device)
    weights = {name: _stirred(tensor) for name, tensor in kept.items()}
    buffers = {name for name, _ in module.named_buffers()}
    made.load_state_dict(weights)
    tried, enough = _tried(graph)
    largest = 0.0

    def compared(at: Sizes, training: bool) -> float | None:
        made.load_state_dict({name: weights[name] for name in buffers & {*weights}}, strict=False)
        return _compared(graph, module, made, weights, Trial(at, training), outputs[training], names)

    for training in (False, True):
        left = enough
        for at in tried:
            try:
                apart = compared(at, training)
            except ArchError as error:
                if training:
                    raise
                try:
                    compared(at, True)
                except ArchError:
                    raise error from None
                (found,) = error.diagnostics
                raise ArchError([replace(found, hints=(_MODES, *found.hints))]) from None
            largest = max(largest, apart or 0.0)
            left -= apart is not None
            if not left:
                break
    return largest


def _tried(graph: Graph) -> tuple[list[Sizes], int]:
    """The sizes to run at, and at how many of them: two and the smallest. Where one size alone is open, as the batch
    of a ViT, one and the smallest show what more would."""
    sizes, least = trial_sizes(graph), least_sizes(graph)[0]
    first, *others = sizes[1:3] if len(sizes) > 2 else sizes[:2]
    others = others if least in (first, *others) else [least, *others]
    return [first, *others], 2 if len(graph.nominal) == 1 else 3


def _compared(
    graph: Graph,
    module: nn.Module,
    made: nn.Module,
    weights: dict[str, Tensor],
    trial: Trial,
    outputs: Sequence[Names],
    names: dict[Names, str],
) -> float | None:
    """The largest difference, as a share of the largest number; None where there is too little to train with."""
    inputs = make_inputs(graph, trial.sizes, *placement(module))
    state = {name: weights[name] for name, _ in module.named_parameters() if name in weights}
    state |= {name: weights[name].clone() for name, _ in module.named_buffers() if name in weights}
    try:
        found = _run(module, trial.training, lambda: functional_call(module, state, tuple([x.clone() for x in inputs])))
        ours = _run(made, trial.training, lambda: _all(made, named(graph, made(*inputs), trial.training)))
    except Exception as error:  # whatever either raises is the finding
        reason = quoted(error)
        if trial.training and isinstance(error, ValueError) and reason.startswith(NEEDS_MORE):
            return None
        raise otherwise(f"it fails at {trial}: {type(error).__name__}: {reason}") from None
    leaves = [leaf for leaf in pytree.tree_leaves(found) if isinstance(leaf, Tensor)]
    theirs = {names[path]: leaf for path, leaf in zip(outputs, leaves, strict=True)}
    theirs |= {name: state[name] for name, _ in module.named_buffers() if name in state}
    largest = 0.0
    for name, expected in theirs.items():
        got = ours.get(name)
        if got is not None and got.shape != expected.shape:
            both = f"{list(expected.shape)} of the module, and {list(got.shape)} of what was read"
            raise otherwise(f"`{name}` has the shape {both} at {trial}")
        if got is not None and got.dtype != expected.dtype:
            if name not in state or expected.is_floating_point() or got.is_floating_point():
                both = f"{_type(expected)} of the module, and {_type(got)} of what was read"
                raise otherwise(f"`{name}` has the type {both} at {trial}")
            got = got.to(expected.dtype)  # a buffer of short whole numbers
        apart = distance(expected, got) / scale(expected)
        if not apart <= TOLERANCE:
            raise otherwise(f"`{name}` differs by {apart:.2g} of its largest number at {trial}")
        largest = max(largest, apart)
    return largest


def _run(module: nn.Module, training: bool, computing: Callable[[], T]) -> T:
    """What is computed with a module in a mode, always with the same random numbers."""
    device, _ = placement(module)
    with torch.no_grad(), running(module, device, training):
        torch.manual_seed(_SEED)
        return computing()


def _all(module: nn.Module, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The outputs, and what the buffers then hold."""
    return outputs | {name: buffer.clone() for name, buffer in module.named_buffers()}


def _stirred(tensor: Tensor) -> Tensor:
    """The tensor; one of real numbers that are all equal with a little added to each."""
    copy = tensor.detach().clone()
    if not copy.is_floating_point() or not copy.numel() or not bool((copy == copy.flatten()[0]).all()):
        return copy
    generator = torch.Generator().manual_seed(_SEED)
    return copy + torch.rand(copy.shape, generator=generator).to(copy.device, copy.dtype) / 8


def returned(module: nn.Module, inputs: Sequence[Tensor], training: bool = False) -> Any:
    """What the module returns in evaluation, or in training, as tensors without numbers."""
    device, _ = placement(module)
    with without_numbers() as fake, torch.no_grad(), running(module, device, training):
        return module(*map(fake.from_tensor, inputs))


def _unlike(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    unused = [name for name in theirs if name not in ours]
    extra = [name for name in ours if name not in theirs]
    if unused:
        return f"no output depends on `{unused[0]}`{_more(unused)}"
    if extra:
        return f"`{extra[0]}`{_more(extra)} {'is' if len(extra) == 1 else 'are'} none of the module's"
    name = next(name for name in ours if ours[name] != theirs[name])
    return f"`{name}` has shape {list(theirs[name])}, and {list(ours[name])} was inferred"


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def otherwise(how: str) -> ArchError:
    """The error (E1205) for what is not what was read."""
    hint = "nothing has been written: what archc read does not compute what the module does"
    return refused("E1205", f"the architecture that was read is another than the module: {how}", hint)


def output_names(graph: Graph, made: Sequence[tuple[Names, Any]]) -> dict[Names, str]:
    """The names that `named` gives to what a module returns, by the keys that lead there."""
    by_value: dict[Any, list[str]] = {}
    for name, value in wanted(graph, True):
        by_value.setdefault(value, []).append(name)
    return {path: by_value[value].pop(0) if len(by_value[value]) > 1 else by_value[value][0] for path, value in made}


def _type(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")
