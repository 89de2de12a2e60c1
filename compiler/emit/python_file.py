"""Runs a file of generated Python, and holds it against the module that it was generated with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..decompile.python.file import class_name, to_python
from ..ir.graph import Graph, Node
from .agreement import Agreement, agree, attempted, distance, other_form, otherwise, owner_of, written
from .check import check_forward, placement, restored, run, running
from .memory import allocating, physical, weight_bytes
from .private import BatchNorms, pytree
from .trials import make_inputs, trial_sizes

_SEED = 0
_SURE = 8.0
"""By how many standard errors the mean or the deviation of two drawn tensors may differ."""
_ENOUGH = 16
_ROUNDING = 1e-3


def to_py(module: nn.Module, graph: Graph, path: str | os.PathLike[str], fresh: bool = False) -> Agreement:
    """Writes a Python file that needs torch and nothing else.

    Before it is moved into place it is executed, and must compute to the bit what the module does. `fresh` says that
    the module has its initial values; the file's values must then start alike. Returns what was compared. Raises
    ArchError (E0803, E0805, E0807, E0822, E0823).
    """

    def write(temporary: Path) -> Agreement:
        temporary.write_bytes(to_python(graph).encode())
        return agree_in_python(temporary, module, graph, Path(path).name, fresh)

    return written(path, write, ".py")


def agree_in_python(path: Path, module: nn.Module, graph: Graph, what: str, fresh: bool = False) -> Agreement:
    """Executes the file, and compares what its class computes with what the module does: on the CPU to the bit.

    `what` names the file in messages. The tensors must have the same names, order, shapes and types, and the same of
    them train; where the module is `fresh` they must start with the same values, or such as are drawn alike. Then both
    run with the same state, in eval and in training: outputs, gradients and running statistics are compared. In that
    state no tensor is constant, or one could stand for another. The module is as before in the end.

    Raises ArchError (E0803, E0807, E0822, E0823).
    """
    there = physical()
    if there is not None and 2 * weight_bytes(graph) > there:
        lacking = f"{what}: its weights beside the module's take more memory than there is"
        return Agreement(left_out=[*check_forward(module, graph, training=True).left_out, lacking])
    device, _ = placement(module)
    twin = _constructed(path, graph, what).to(device)
    _compare_tensors(graph, module, twin, what, fresh and device.type != "meta")
    if device.type == "meta":
        return Agreement(left_out=check_forward(module, graph).left_out)
    with _telling(module):
        _calibrate(module, graph)
        record = check_forward(module, graph, training=True)
        twin.load_state_dict(module.state_dict())
        return agree(
            graph,
            record,
            lambda trial: run(twin, graph, trial),
            what=what,
            tolerance=0.0 if device.type == "cpu" else _ROUNDING,
            locate=lambda trial: _first_difference(graph, module, twin, lambda network: run(network, graph, trial)),
        )


def _constructed(path: Path, graph: Graph, what: str) -> nn.Module:
    """An object of the file's class. The file is executed in a namespace of its own, and Python keeps no module."""
    space: dict[str, Any] = {"__name__": path.stem}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        attempted(what, "", lambda: exec(compile(path.read_bytes(), what, "exec"), space))
        return attempted(what, "", lambda: space[class_name(graph)]())


def _compare_tensors(graph: Graph, module: nn.Module, twin: nn.Module, what: str, fresh: bool) -> None:
    """Raises ArchError (E0822) unless both have the same tensors in the same order, with the same beginnings."""
    ours, theirs = module.state_dict(keep_vars=True), twin.state_dict(keep_vars=True)
    if list(ours) != list(theirs):
        names = zip([*ours, ""], [*theirs, ""], strict=False)
        wrong = next((name or other for name, other in names if name != other), "")
        raise otherwise(
            what, f"its tensors have other names or another order, from `{wrong}` on", owner_of(graph, wrong)
        )
    for name, tensor in ours.items():
        how = _discrepancy(tensor, theirs[name], fresh)
        if how:
            raise otherwise(what, f"`{name}` {how}", owner_of(graph, name))


def _discrepancy(ours: Tensor, theirs: Tensor, fresh: bool) -> str:
    form = other_form(ours, theirs)
    if form:
        return form
    if ours.requires_grad != theirs.requires_grad:
        return "trains, and the module's does not" if theirs.requires_grad else "does not train, and the module's does"
    if fresh and not _drawn_alike(ours.detach(), theirs.detach()):
        return "starts with other values than the module's"
    return ""


def _drawn_alike(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors start equal, or with numbers of one mean and one deviation, as far as chance lets one see."""
    if not ours.is_floating_point() or _constant(ours):
        return ours.numel() == 1 or torch.equal(ours, theirs)
    if ours.numel() < _ENOUGH:
        return True
    spread, other = float(ours.std()), float(theirs.std())
    allowed = _SURE * max(spread, other) / sqrt(ours.numel())
    return abs(spread - other) <= allowed and abs(float(ours.mean()) - float(theirs.mean())) <= 2 * allowed


def _constant(tensor: Tensor) -> bool:
    flat = tensor.detach().reshape(-1)
    return flat.numel() > 0 and bool(flat[0] == flat[-1]) and bool((flat == flat[0]).all())


# --- a state that tells every tensor from every other --------------------------------------


@contextmanager
def _telling(module: nn.Module) -> Iterator[None]:
    """Tensors that are constant, as a norm's at the start, vary; they are as before in the end."""
    filled, buffers = [p for p in module.parameters() if _constant(p)], list(module.buffers())
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad(), restored([*filled, *buffers]):
        for tensor in [*filled, *(b for b in buffers if b.is_floating_point() and _constant(b))]:
            tensor.copy_(_varied(tensor, generator))
        yield


def _varied(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers around a tensor's constant: between a quarter of it and four times as much, or small where it is 0.

    So wide that activations which are bounded reach their bounds."""
    value = float(tensor.reshape(-1)[0])
    luck = torch.rand(tensor.shape, generator=generator)
    if value:
        return (value * 4 ** (2 * luck - 1)).to(tensor)
    inputs = tensor[0].numel() if tensor.dim() > 1 else _ENOUGH
    return ((luck - 0.5) / sqrt(max(inputs, 1))).to(tensor)


def _calibrate(module: nn.Module, graph: Graph) -> None:
    """Gives batch norms the statistics of a batch, as training does; with others very deep networks overflow in eval.

    Leaves them as they are where torch cannot train on the batch.
    """
    norms = [child for child in module.modules() if isinstance(child, BatchNorms)]
    if not norms:
        return
    device, dtype = placement(module)
    inputs = make_inputs(graph, trial_sizes(graph, 2)[-1], device, dtype)
    momenta = [norm.momentum for norm in norms]
    with allocating(graph, "to run it"), suppress(ValueError), torch.no_grad():
        with running(module, device, training=True):
            for norm in norms:
                norm.momentum = 1.0
            try:
                module(*inputs)
            finally:
                for norm, momentum in zip(norms, momenta, strict=True):
                    norm.momentum = momentum
            found = [buffer.clone() for buffer in module.buffers()]
        for buffer, value in zip(module.buffers(), found, strict=True):
            buffer.copy_(value)


# --- where two modules part ----------------------------------------------------------------


def _first_difference(
    graph: Graph, ours: nn.Module, theirs: nn.Module, doing: Callable[[nn.Module], object]
) -> Node | None:
    """The first layer that puts out something else in two modules of the same names; None where no layer does."""
    layers = {node.path: node for node in graph.owners() if node.name}
    others = _outputs(theirs, layers.keys(), doing)
    for path, tensors in _outputs(ours, layers.keys(), doing).items():
        pairs = zip(tensors, others.get(path, []), strict=False)
        if len(tensors) != len(others.get(path, [])) or any(distance(a, b) for a, b in pairs):
            return layers[path]
    return None


def _outputs(module: nn.Module, paths: Any, doing: Callable[[nn.Module], object]) -> dict[str, list[Tensor]]:
    """What each layer puts out while the module runs, in order of the layers' first uses."""
    found: dict[str, list[Tensor]] = {}

    def keep(path: str, result: object) -> None:
        tensors = [leaf.detach().clone() for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
        found.setdefault(path, []).extend(tensors)

    children = {path: child for path, child in module.named_modules(remove_duplicate=False) if path in paths}
    hooks = [
        child.register_forward_hook(lambda _module, _inputs, result, path=path: keep(path, result))
        for path, child in children.items()
    ]
    try:
        doing(module)
    finally:
        for hook in hooks:
            hook.remove()
    return found
