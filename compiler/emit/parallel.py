"""Architectures on many devices: thin functions over torch.distributed, whose engines do the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe, ScheduleInterleaved1F1B
from torch.distributed.tensor import DTensor

from ...dsl.diagnostics import refused
from ..analyses.units import sharded_units
from ..ir.graph import Graph, Node, walk
from ..ir.op import Weight
from ..ir.words import did_you_mean
from .fx import to_graph_module
from .recompute import recomputed
from .scopes import Dissolved
from .sendable import LEFT, sendable
from .sharing import check_schedule
from .weights import load_weights

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
    if replicas is not None and len({*_ranks_of(mesh)} & {*_ranks_of(replicas)}) > 1:
        hint = 'a mesh of two dimensions has both, `mesh["stages"]` and `mesh["replicas"]`'
        raise refused("E1306", "the mesh of the replicas has ranks that are other stages of this pipeline", hint)
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
    for of, each in (("a pipeline", mesh), ("its replicas", replicas)):
        if each is not None and each.ndim != 1:
            hint = 'a dimension of it is one: `mesh["stages"]`'
            raise refused("E1306", f"the mesh of {of} has {each.ndim} dimensions, and one is needed", hint)
    return check_schedule(schedule, mesh.size(), micro_batches)


def _device(mesh: DeviceMesh) -> torch.device:
    kind = mesh.device_type
    return torch.device(kind) if kind == "cpu" else torch.device(kind, torch.accelerator.current_device_index())


def _ranks_of(mesh: DeviceMesh) -> list[int]:
    return dist.get_process_group_ranks(mesh.get_group())


def _trains(node: Node, weight: Weight) -> bool:
    return weight.learned and not node.frozen


def _sharing(graphs: Iterable[Graph], mesh: DeviceMesh) -> dict[str, dist.ProcessGroup | None]:
    """The parameters that several stages have, and this rank too, each with the group of the ranks that have it; None
    where this rank alone has all of these stages."""
    ranks, holders = _ranks_of(mesh), dict[str, list[int]]()
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
