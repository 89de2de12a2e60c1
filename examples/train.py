"""Trains an architecture on the handwritten digits that scikit-learn ships, on one process or many.

    torchrun --nproc-per-node 1 examples/train.py resnet_cifar --set depth=8
    torchrun --nproc-per-node 4 examples/train.py resnet_cifar --set depth=8 --stages 2 --shard --folder run

Ranks form a mesh of stages and replicas. Each step prints its mean loss as a line of JSON. With --folder a checkpoint
is written every few steps, and a run that was stopped goes on from the last whole one, on any number of ranks.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import Progress
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

import archc
from archc import parallel


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the spec")
    parser.add_argument("--plan", type=Path, help="what `archc plan -o plan.json` wrote: its first way is followed")
    parser.add_argument("--stages", type=int, default=1, help="ranks of a pipeline")
    parser.add_argument("--schedule", default="1f1b", choices=["gpipe", "1f1b", "interleaved"])
    parser.add_argument("--micro-batches", type=int, default=4, help="of the whole batch, on all replicas together")
    parser.add_argument("--shard", action="store_true", help="share parameters out among replicas")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"], help="the type of numbers")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where checkpoints stand")
    parser.add_argument("--every", type=int, default=5, help="steps between checkpoints")
    return parser.parse_args()


def batches(channels: int, height: int, width: int, batch: int, steps: int) -> list[tuple[Tensor, Tensor]]:
    """Digits as images of the architecture's size, the same whatever the number of ranks."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 8 - 1
    images = nn.functional.interpolate(images, (height, width), mode="bilinear").expand(-1, channels, -1, -1)
    labels = torch.tensor(digits.target)
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(labels), generator=generator) for _ in range(1 + batch * steps // len(labels))]
    return [(images[part], labels[part]) for part in torch.cat(orders)[: batch * steps].split(batch)]


def main() -> None:
    asked = arguments()
    settings = ((name, value) for name, _, value in (text.partition("=") for text in asked.set))
    net = archc.load(asked.spec, **{name: int(v) if v.isdecimal() else v for name, v in settings})
    world = int(os.environ["WORLD_SIZE"])
    if asked.plan is None:
        how = {"stages": asked.stages, "schedule": asked.schedule, "micro_batches": asked.micro_batches}
        shared = parallel.shared(net, world, asked.batch, **how, sharded=asked.shard)
    else:
        shared = parallel.planned(net, asked.plan, world, asked.batch)
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    rank, replicas = dist.get_rank(), shared.replicas
    mesh = init_device_mesh(kind, (replicas, shared.stages), mesh_dim_names=("replicas", "stages"))
    sharing: dict[str, Any] = {"replicas": mesh["replicas"]}
    if shared.sharded and replicas > 1:
        sharing = {"wrap": lambda stage: parallel.shard(stage, mesh["replicas"])}
    line = parallel.pipeline(
        net,
        mesh["stages"],
        loss=nn.functional.cross_entropy,
        micro_batches=shared.micro_batches,
        schedule=shared.schedule,
        at=shared.cuts,
        recompute=shared.recompute,
        seed=0,
        dtype=asked.dtype,
        **sharing,
    )
    optimizers = [torch.optim.AdamW(module.parameters(), lr=1e-3) for module in line.modules]
    start = parallel.resume(asked.folder, line.modules, optimizers) if asked.folder else 0
    data = batches(*net.ir.inputs[0].nominal[1:], asked.batch, asked.steps)
    replica = mesh["replicas"].get_local_rank()
    gc.freeze()  # so that a rank ends at once when another one is gone, without a look at all objects
    with Progress(console=Console(stderr=True), disable=rank > 0) as progress:
        for step in progress.track(range(start, asked.steps), description=net.name):
            torch.manual_seed(step * world + rank)  # each rank has dropout of its own, the same when a run goes on
            images, labels = (part.chunk(replicas)[replica].to(kind) for part in data[step])
            loss = line.step(images.to(getattr(torch, asked.dtype)), target=labels)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            if loss is not None:
                dist.all_reduce(loss, group=mesh["replicas"].get_group())
                if replica == 0:
                    print(json.dumps({"step": step, "loss": loss.item() / replicas}), flush=True)
            if asked.folder and (step + 1) % asked.every == 0:
                parallel.save(asked.folder / str(step + 1), line.modules, optimizers)
    dist.destroy_process_group()


if __name__ == "__main__":
    try:
        main()
    except archc.ArchError as error:
        raise SystemExit(str(error)) from None
