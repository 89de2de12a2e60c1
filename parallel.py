"""Architectures on many devices, by torch.distributed: pipelines, sharding, checkpoints from any ranks to any others.

from archc import parallel

mesh = init_device_mesh("cuda", (2, 4), mesh_dim_names=("stages", "replicas"))
line = parallel.pipeline(net, mesh["stages"], loss=loss, micro_batches=8, seed=0,
                         wrap=lambda stage: parallel.shard(stage, mesh["replicas"]))
loss = line.step(images, target=labels)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .architecture import Architecture
from .arguments import PATH, need
from .compiler.emit import sharing
from .compiler.emit.parallel import Pipeline, pipelined, shard, stage_count, synchronized
from .compiler.emit.rank_checkpoints import load, one_file, resume, save
from .compiler.emit.sharing import Sharing

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.distributed.device_mesh import DeviceMesh

__all__ = [
    "Pipeline", "Sharing", "load", "one_file", "pipeline", "planned", "resume", "save", "shard", "shared",
    "synchronized",
]  # fmt: skip


def pipeline(
    net: Architecture,
    mesh: DeviceMesh,
    *,
    loss: Callable[[Any, Any], Tensor],
    micro_batches: int,
    schedule: str = "1f1b",
    at: Sequence[str | int] = (),
    weights: Any = None,
    seed: int | None = None,
    dtype: torch.dtype | str | None = None,
    replicas: DeviceMesh | None = None,
    recompute: Sequence[str] = (),
    wrap: Callable[[nn.Module], nn.Module] | None = None,
    **sizes: int,
) -> Pipeline:
    """This rank's part of a pipeline over a mesh of one dimension, each of whose ranks has a stage of the network, or
    two of an interleaved schedule.

    `loss` is of an output and a target; `schedule` is "gpipe", "1f1b" or "interleaved". The cuts are those of
    `net.stages(count)`, or stand `at` layers and nodes, such as a way of `net.plan` says. Weights are a checkpoint of
    the whole, or those of `net.module(seed=seed)`, in numbers of type `dtype`. Gradients are averaged over the
    `replicas`, each of which is given its share of the batch; or `wrap` is applied to each stage before it is used, and
    shards it. The forward of the parts at the paths `recompute`, such as a way names, is computed again in the backward
    pass. The keywords give open sizes values.

    Each rank calls this with the same arguments. Raises ArchError before any rank waits for another: E1301, E1303 for
    cuts and paths, E1304 for micro-batches, E1305 for a schedule, E1306 for a mesh.
    """
    need("pipeline", net, Architecture)
    count = stage_count(mesh, micro_batches, schedule, replicas)
    stages = net.stages(None if at else count, at=at, **sizes)
    return pipelined(
        net.ir,
        [stage.ir for stage in stages],
        mesh,
        loss=loss,
        micro_batches=micro_batches,
        schedule=schedule,
        weights=weights,
        seed=seed,
        dtype=dtype,
        replicas=replicas,
        recompute=recompute,
        wrap=wrap,
    )


def shared(
    net: Architecture,
    ranks: int,
    batch: int,
    *,
    stages: int = 1,
    schedule: str = "1f1b",
    micro_batches: int = 4,
    sharded: bool = False,
) -> Sharing:
    """How so many ranks share a batch, before any of them is there: as replicas of a pipeline of so many stages.

    `micro_batches` are those of all replicas together; `sharded` says that replicas share out parameters. Raises
    ArchError: E1301 for more stages than there are places to cut, E1304 for a batch that cannot be shared evenly, E1305
    for a schedule, E1306 for ranks that stages cannot share evenly.
    """
    need("shared", net, Architecture)
    numbers = {"ranks": ranks, "batch": batch, "stages": stages, "micro_batches": micro_batches}
    for name, number in numbers.items():
        need(name, number, int)
    need("schedule", schedule, str)
    return sharing.shared(net.ir, ranks, batch, stages, schedule, micro_batches, bool(sharded))


def planned(net: Architecture, path: str | os.PathLike[str], ranks: int, batch: int) -> Sharing:
    """As `shared`, as the first way of a plan says that `archc plan -o plan.json` wrote. Raises ArchError too for a
    file that is no plan of this network for so many ranks (E1310)."""
    need("planned", net, Architecture)
    need("path", path, *PATH)
    for name, number in (("ranks", ranks), ("batch", batch)):
        need(name, number, int)
    return sharing.planned(net.ir, path, ranks, batch)
