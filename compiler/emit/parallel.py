"""Architectures on many devices: thin functions over torch.distributed, whose engines do the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from torch.distributed.checkpoint.state_dict_loader import load as load_distributed
from torch.distributed.checkpoint.state_dict_saver import save as save_distributed
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe, ScheduleInterleaved1F1B
from torch.distributed.tensor import DTensor

from ...dsl.diagnostics import refused
from ...dsl.quoting import quoted
from ..analyses.schedules import CHUNKS, SCHEDULES
from ..analyses.units import sharded_units
from ..ir.graph import Graph, Node, walk
from ..ir.op import Weight
from ..ir.words import did_you_mean
from .fx import to_graph_module
from .recompute import recomputed
from .scopes import Dissolved
from .sendable import LEFT, sendable
from .weights import load_weights, save_state

Loss = Callable[[Any, Any], Tensor]


class Pipeline:
    """This rank's part of a pipeline: `pipeline` makes it.

    `modules` are the stages of this rank, one, or two of an interleaved schedule, and `numbers` which they are. Names
    of their parameters are those of the whole.
    """

    def __init__(
        self,
        graphs: list[Graph],
        numbers: list[int],
        modules: list[nn.Module],
        schedule: Any,
        micro_batches: int,
        mesh: DeviceMesh,
        replicas: DeviceMesh | None,
    ):
        self.modules = modules
        self.numbers = numbers
        self.schedule = schedule
        self._micro_batches = micro_batches
        self._replicas = replicas
        self._last = numbers[-1] == len(graphs) - 1
        self._first = numbers[0] == 0
        self._shared = _sharing(graphs, mesh)

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of this rank's stages."""
        return [parameter for module in self.modules for parameter in module.parameters()]

    def step(self, *inputs: Any, target: Any = None) -> Tensor | None:
        """Runs all micro-batches forward and backward, and leaves gradients, of the mean loss, at the parameters.

        Each rank is given the batch; the first stage takes the inputs, and the last one the target. Returns the mean
        loss on the rank with the last stage, None on others. Raises ArchError (E1304) where the batch is not that of
        so many micro-batches.
        """
        for given in (*inputs, target):
            if isinstance(given, Tensor) and (not len(given) or len(given) % self._micro_batches):
                message = f"a batch of {len(given)} cannot be split into {self._micro_batches} micro-batches"
                raise refused("E1304", message, "each micro-batch has as many images as any other")
        losses: list[Tensor] = []
        wanted = {"target": target, "losses": losses} if self._last else {}
        self.schedule.step(*(inputs if self._first else ()), **wanted, **LEFT)
        self._add_shared_gradients()
        self._average_gradients()
        return torch.stack([loss.detach() for loss in losses]).mean() if self._last else None

    def _average_gradients(self) -> None:
        """Averages gradients over the replicas."""
        if self._replicas is None or self._replicas.size() == 1:
            return
        group, count = self._replicas.get_group(), self._replicas.size()
        gradients = [parameter.grad for parameter in self.parameters() if parameter.grad is not None]
        for work in [dist.all_reduce(gradient, group=group, async_op=True) for gradient in gradients]:
            work.wait()
        for gradient in gradients:
            gradient /= count

    def _add_shared_gradients(self) -> None:
        """Adds up the gradients of parameters that several stages share, among the ranks that have them."""
        own = [dict(module.named_parameters()) for module in self.modules]
        for name, group in self._shared.items():
            held = [parameters[name] for parameters in own if name in parameters]
            for parameter in held:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            gradients = [_local(parameter.grad) for parameter in held if parameter.grad is not None]
            total = torch.stack(gradients).sum(0)
            if group is not None:
                dist.all_reduce(total, group=group)
            for gradient in gradients:
                gradient.copy_(total)


def _local(tensor: Tensor) -> Tensor:
    """What this rank has of a tensor, which may be sharded: stages that share a parameter shard it alike."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def pipelined(
    whole: Graph,
    graphs: list[Graph],
    mesh: DeviceMesh,
    *,
    loss: Loss,
    micro_batches: int,
    schedule: str,
    weights: Any,
    seed: int | None,
    dtype: torch.dtype | str | None,
    replicas: DeviceMesh | None,
    recompute: Sequence[str],
    wrap: Callable[[nn.Module], nn.Module] | None,
) -> Pipeline:
    """This rank's stages of the whole, which the graphs are in a row, as torch.distributed.pipelining runs them."""
    _check_known(recompute, [path for path, _ in walk(whole.root)])
    group, rank, ranks = mesh.get_group(), mesh.get_local_rank(), mesh.size()
    if len(graphs) % ranks or (len(graphs) > ranks) != (schedule == "interleaved"):
        message = f"{len(graphs)} stages do not run on {ranks} ranks by the schedule {schedule}"
        raise refused("E1306", message, "each rank has one stage, or two of an interleaved schedule")
    device, numbers, modules = _device(mesh), list(range(rank, len(graphs), ranks)), []
    state = to_graph_module(whole, seed=seed).state_dict() if weights is None else weights
    for number in numbers:
        module = to_graph_module(graphs[number], device=device, dtype=dtype)
        load_weights(module, state, graphs[number])
        for path, part in module.named_modules():
            if path in recompute and _can_be_called(part):
                _compute_again(part)
        module = sendable(module if wrap is None else wrap(module), number > 0, number < len(graphs) - 1)
        modules.append(module)
        if micro_batches > 1 and isinstance(module, FSDPModule):
            module.set_reshard_after_forward(False)  # a stage is gathered once a step, not for each micro-batch
    stages = [
        PipelineStage(module, number, len(graphs), device, group=group)
        for module, number in zip(modules, numbers, strict=True)
    ]
    made: Any
    if schedule == "interleaved":
        made = ScheduleInterleaved1F1B([*stages], micro_batches, loss)
    else:
        made = {"gpipe": ScheduleGPipe, "1f1b": Schedule1F1B}[schedule](stages[0], micro_batches, loss)
    return Pipeline(graphs, numbers, modules, made, micro_batches, mesh, replicas)


def stage_count(mesh: DeviceMesh, micro_batches: int, schedule: str, replicas: DeviceMesh | None = None) -> int:
    """How many stages a pipeline over a mesh has. Raises ArchError (E1304, E1305, E1306)."""
    if schedule not in SCHEDULES:
        hints = (*did_you_mean(schedule, SCHEDULES), f"known are {', '.join(SCHEDULES)}")
        raise refused("E1305", f"there is no schedule {schedule!r}", *hints)
    for of, each in (("a pipeline", mesh), ("its replicas", replicas)):
        if each is not None and each.ndim != 1:
            hint = 'a dimension of it is one: `mesh["stages"]`'
            raise refused("E1306", f"the mesh of {of} has {each.ndim} dimensions, and one is needed", hint)
    ranks = mesh.size()
    if micro_batches < 1 or (schedule == "interleaved" and micro_batches % ranks):
        what = f"a multiple of {ranks}" if schedule == "interleaved" else "at least 1"
        raise refused("E1304", f"micro_batches is {micro_batches}, and {schedule} takes {what}")
    return ranks * (CHUNKS if schedule == "interleaved" else 1)


def _device(mesh: DeviceMesh) -> torch.device:
    kind = mesh.device_type
    return torch.device(kind) if kind == "cpu" else torch.device(kind, torch.accelerator.current_device_index())


def _trains(node: Node, weight: Weight) -> bool:
    return weight.learned and not node.frozen


def _sharing(graphs: Iterable[Graph], mesh: DeviceMesh) -> dict[str, dist.ProcessGroup | None]:
    """The parameters that several stages have, and this rank too, each with the group of the ranks that have it; None
    where this rank alone has all of these stages."""
    ranks, holders = dist.get_process_group_ranks(mesh.get_group()), dict[str, list[int]]()
    for number, graph in enumerate(graphs):
        names = dict[tuple[int, str], str]()  # the first name of each, which `named_parameters` has
        for path, node, weight in graph.tensors():
            if _trains(node, weight):
                names.setdefault((node.index, weight.name), f"{path}.{weight.name}".strip("."))
        for name in names.values():
            holders.setdefault(name, []).append(ranks[number % len(ranks)])
    shared = {name: tuple(sorted(set(held))) for name, held in sorted(holders.items()) if len(held) > 1}
    mine = {name: held for name, held in shared.items() if dist.get_rank() in held}
    groups: dict[tuple[int, ...], Any] = {
        held: dist.new_group(list(held), use_local_synchronization=True) if len(held) > 1 else None
        for held in sorted(set(mine.values()))
    }
    return {name: groups[held] for name, held in mine.items()}


# --- sharding ------------------------------------------------------------------------------------


def shard(
    module: nn.Module,
    mesh: DeviceMesh,
    *,
    units: Sequence[str] | None = None,
    recompute: bool | Sequence[str] = False,
    **options: Any,
) -> nn.Module:
    """Shards a module's parameters over a mesh, unit by unit, in place: `torch.distributed.fsdp.fully_shard` of each
    unit, then of what is left.

    `units` are paths of modules that can be called; unless told they are those that `net.plan` counts with. With
    `recompute` the forward of each unit, or of the modules at these paths, such as a way of a plan names, is computed
    again in the backward pass. `options` go to `fully_shard`. Raises ArchError (E1303) for paths of nothing that can be
    called.
    """
    paths = unit_paths(module) if units is None else list(units)
    parts = [_part(module, path) for path in paths]
    for path in (paths if recompute else ()) if isinstance(recompute, bool) else recompute:
        _compute_again(_part(module, path))
    for part in parts:
        fully_shard(part, mesh=mesh, **options)
    fully_shard(module, mesh=mesh, **options)
    return module


def unit_paths(module: nn.Module) -> list[str]:
    """The paths of the modules that `shard` takes as wholes."""

    def inner(part: nn.Module) -> list[nn.Module]:
        return [child for child in part.children() if any(True for _ in child.children()) and not _is_layer(child)]

    sizes = {m: sum(p.numel() for p in m.parameters() if p.requires_grad) for m in module.modules()}
    paths = {m: path for path, m in reversed(list(module.named_modules()))}
    return [paths[part] for part in sharded_units(module, sizes.__getitem__, inner, _can_be_called)]


def _is_layer(module: nn.Module) -> bool:
    """Whether a module is one layer of torch's, though it has modules in it, as attention has its projection."""
    containers = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    return type(module).__module__.startswith("torch.nn.") and not isinstance(module, containers)


def _can_be_called(module: nn.Module) -> bool:
    return not isinstance(module, (Dissolved, nn.ModuleList, nn.ModuleDict))


def _part(module: nn.Module, path: str) -> nn.Module:
    known = dict(module.named_modules())
    _check_known([path], [path for path, part in known.items() if path and _can_be_called(part)])
    return known[path]


def _check_known(paths: Iterable[str], known: Sequence[str]) -> None:
    for path in paths:
        if path not in known:
            message = f"the network has no part `{path}` that can be called, to be sharded or computed again"
            raise refused("E1303", message, *did_you_mean(path, known))


def _compute_again(module: nn.Module) -> None:
    forward = module.forward
    module.forward = lambda *inputs: recomputed(forward, ("",), *inputs)  # type: ignore[method-assign]


def synchronized(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """The module with `torch.nn.SyncBatchNorm` for each batch norm, which computes over what all ranks of a mesh of one
    dimension have. Raises ArchError (E1308) on CPUs, for which torch has none."""
    if mesh.device_type == "cpu":
        hint = "on CPUs leave it out: each rank normalises by its own micro-batch; or take `gn`, which needs no batch"
        raise refused("E1308", "torch joins the batch norms of several ranks on GPUs alone, and these are CPUs", hint)
    return nn.SyncBatchNorm.convert_sync_batchnorm(module, mesh.get_group())


# --- checkpoints ---------------------------------------------------------------------------------


def save(
    folder: str | os.PathLike[str],
    modules: nn.Module | Sequence[nn.Module],
    optimizers: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] = (),
) -> None:
    """Writes what all ranks hold into a folder, with torch.distributed.checkpoint: every rank calls it, with its own
    modules and an optimizer for each. Any number of ranks, sharded and cut in any way, loads it. Raises ArchError
    (E0805) where the folder cannot be written."""
    try:
        save_distributed(_state(modules, optimizers), checkpoint_id=os.fspath(folder))
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
    beyond = saved.keys() - _names_of_all(state["model"])
    if beyond:
        message = f"{os.fspath(folder)} has a checkpoint of another network, with `{min(beyond)}`"
        raise refused("E1307", message, "all ranks load together, each its own stages")
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
    found = [int(path.parent.name) for path in Path(folder).glob("*/.metadata") if path.parent.name.isdecimal()]
    if found:
        load(Path(folder) / str(max(found)), modules, optimizers)
    return max(found, default=0)


def one_file(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Writes the weights of what `save` wrote as one file, as `compile` and `load_weights` take it. One process calls
    it. Raises ArchError where the folder has no checkpoint (E1307), and where the file cannot be written (E0805)."""
    _names_in(folder)
    made = Path(path).with_name(f".{Path(path).name}.{os.getpid()}")
    try:
        dcp_to_torch_save(os.fspath(folder), made)
        weights = torch.load(made, weights_only=True)["model"]
        save_state(weights, path)
    finally:
        made.unlink(missing_ok=True)


def _names_in(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What a checkpoint says of the tensors of the network in it, by name."""
    if not (Path(folder) / ".metadata").is_file():
        hint = "`parallel.save` writes a folder, on every rank, and its `.metadata` last"
        raise refused("E1307", f"{os.fspath(folder)} has no checkpoint, or one that was not written to the end", hint)
    try:
        known = FileSystemReader(folder).read_metadata().state_dict_metadata
    except Exception as error:
        message = f"{os.fspath(folder)} has a checkpoint that cannot be read: {quoted(error)}"
        raise refused("E1307", message) from None
    return {name.removeprefix("model."): value for name, value in known.items() if name.startswith("model.")}


def _names_of_all(own: Iterable[str]) -> set[str]:
    """The names of all ranks together."""
    if not dist.is_initialized():
        return set(own)
    found: list[list[str]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(found, list(own))
    return {name for names in found for name in names}


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
