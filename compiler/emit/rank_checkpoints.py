"""Checkpoints of what several ranks hold, by torch.distributed.checkpoint, for any ranks and for one file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from torch.distributed.checkpoint.state_dict_loader import load as load_distributed
from torch.distributed.checkpoint.state_dict_saver import save as save_distributed

from ...dsl.diagnostics import refused
from ...dsl.quoting import quoted
from ..files import beside, path_of, writable
from ..ir.words import few
from .weights import save_state


def save(
    folder: str | os.PathLike[str],
    modules: nn.Module | Sequence[nn.Module],
    optimizers: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] = (),
) -> None:
    """Writes what all ranks hold into a folder, with torch.distributed.checkpoint: every rank calls it, with its own
    modules and an optimizer for each. Any number of ranks, sharded and cut in any way, loads it. Raises ArchError
    (E0805) where the folder cannot be written."""
    try:
        save_distributed(_state(modules, optimizers), checkpoint_id=path_of(folder))
    except (OSError, CheckpointException) as error:
        raise refused("E0805", f"cannot write into {os.fspath(folder)}: {quoted(error)}") from None


def load(
    folder: str | os.PathLike[str],
    modules: nn.Module | Sequence[nn.Module],
    optimizers: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] = (),
) -> None:
    """Loads what `save` wrote into this rank's modules and optimizers. Raises ArchError (E1307), on every rank, where
    the folder has no checkpoint of them."""
    saved = _names_in(folder)
    state = _state(modules, optimizers)
    known = _of_all_ranks(sorted(state["model"]))
    if beyond := saved.keys() - known:
        message = f"{os.fspath(folder)} has a checkpoint of another network, with `{min(beyond)}`"
        raise refused("E1307", message, "all ranks load together, each its own stages")
    if other := _of_all_ranks(_reshaped(state["model"], saved)):
        message = f"{os.fspath(folder)} has a checkpoint of a network with other sizes: {few(other, 3)}"
        raise refused("E1307", message, "the parameters of the arch (widths, classes) decide the shapes")
    try:
        load_distributed(state, checkpoint_id=os.fspath(folder))
    except (Exception, CheckpointException) as error:  # torch's is no Exception
        raise refused("E1307", f"{os.fspath(folder)} has no checkpoint of this network: {quoted(error)}") from None
    options = states.StateDictOptions(flatten_optimizer_state_dict=True)
    for module, optimizer in _pairs(modules, optimizers):
        own = states.get_model_state_dict(module)
        states.set_model_state_dict(module, {name: state["model"][name] for name in own}, options=options)
        if optimizer is not None:
            own = states.get_optimizer_state_dict(module, optimizer, options=options)
            given = {name: state["optimizer"][name] for name in own}
            states.set_optimizer_state_dict(module, optimizer, given, options=options)


def resume(
    folder: str | os.PathLike[str],
    modules: nn.Module | Sequence[nn.Module],
    optimizers: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] = (),
) -> int:
    """Loads the last whole checkpoint of a folder in which each was saved under the number of its step, and returns
    that; 0 where there is none. A checkpoint that a stopped run left half-written has no `.metadata`, and is no whole
    one."""
    found = [int(path.parent.name) for path in path_of(folder).glob("*/.metadata") if path.parent.name.isdecimal()]
    if found:
        load(Path(folder) / str(max(found)), modules, optimizers)
    return max(found, default=0)


def one_file(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Writes the weights of what `save` wrote as one file, as `compile` and `load_weights` take it. One process calls
    it. Raises ArchError where the folder has no checkpoint (E1307), and where the file cannot be written (E0805)."""
    _names_in(folder)
    with beside(writable(path)) as made:
        dcp_to_torch_save(os.fspath(folder), made)
        weights = torch.load(made, weights_only=True)["model"]
        save_state(weights, path)


def _names_in(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What a checkpoint says of the tensors of the network in it, by name."""
    if not (path_of(folder) / ".metadata").is_file():
        hint = "`parallel.save` writes a folder, on every rank, and its `.metadata` last"
        raise refused("E1307", f"{os.fspath(folder)} has no checkpoint, or one that was not written to the end", hint)
    try:
        known = FileSystemReader(folder).read_metadata().state_dict_metadata
    except Exception as error:
        message = f"{os.fspath(folder)} has a checkpoint that cannot be read: {quoted(error)}"
        raise refused("E1307", message) from None
    return {name.removeprefix("model."): value for name, value in known.items() if name.startswith("model.")}


def _of_all_ranks(own: list[str]) -> list[str]:
    """What all ranks say together, each thing once."""
    if not dist.is_initialized():
        return own
    found: list[list[str]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(found, own)
    return [*dict.fromkeys(chain.from_iterable(found))]


def _reshaped(own: Mapping[str, Any], saved: Mapping[str, Any]) -> list[str]:
    """What is said of the tensors that have another shape in a checkpoint."""
    return [
        f"`{name}` has shape {list(saved[name].size)}, and {list(tensor.shape)} here"
        for name, tensor in own.items()
        if name in saved and saved[name].size != tensor.shape
    ]


def _state(modules: Any, optimizers: Any) -> dict[str, dict[str, Any]]:
    """What a checkpoint has of them, flat, by the names of the whole."""
    options = states.StateDictOptions(flatten_optimizer_state_dict=True)
    found: dict[str, dict[str, Any]] = {"model": {}, "optimizer": {}}
    for module, optimizer in _pairs(modules, optimizers):
        found["model"] |= states.get_model_state_dict(module)
        if optimizer is not None:
            found["optimizer"] |= states.get_optimizer_state_dict(module, optimizer, options=options)
    return {name: part for name, part in found.items() if part}


def _pairs(modules: Any, optimizers: Any) -> list[tuple[nn.Module, torch.optim.Optimizer | None]]:
    modules = [modules] if isinstance(modules, nn.Module) else list(modules)
    optimizers = [optimizers] if isinstance(optimizers, torch.optim.Optimizer) else list(optimizers)
    if optimizers and len(optimizers) != len(modules):
        raise TypeError(
            f"each module has an optimizer of its own: {len(modules)} modules, {len(optimizers)} optimizers"
        )
    return list(zip(modules, optimizers or [None] * len(modules), strict=True))
