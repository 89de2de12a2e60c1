"""What each rank of `test_predictions.py` runs: every way of a plan, with the bytes that gloo sends and that are held.

    torchrun --nproc-per-node 4 measured.py '{"spec": "resnet_cifar", "depth": 20}' 64

The first rank prints a line of JSON for each way, with what was predicted and what was measured on each rank.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import struct
import sys
import time
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from allocator import Allocator
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor
from torch.nn.functional import cross_entropy

import archc
from archc import parallel
from archc.compiler.ir.sizes import evaluate

SENT = 200
"""Where the kernel's `tcp_info` has `tcpi_bytes_sent`."""


def sent() -> int:
    """The bytes that this process has sent through its sockets, by the kernel's count."""
    total = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(number))) as copy:
                    info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                total += struct.unpack_from("Q", info, SENT)[0]
        except OSError:  # the folder's own number, and sockets of another kind
            continue
    return total


def quiet() -> int:
    """What all ranks have sent when nobody sends any more, which takes a while where other work has the machine."""
    dist.barrier()
    before, now = -1, sent()
    while before != now:
        time.sleep(0.1)
        before, now = now, sent()
    return now


def bytes_of(tensors: Any) -> int:
    local = (tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors)
    return sum(tensor.numel() * tensor.element_size() for tensor in local)


def gradients(line: parallel.Pipeline) -> int:
    return bytes_of(parameter.grad for parameter in line.parameters() if parameter.grad is not None)


class Held(Allocator):
    """What is held whenever a stage's forward or the loss ends: the most bytes beside gradients, and of gradients."""

    def __init__(self) -> None:
        super().__init__([])
        self.beside = self.gradients = 0

    def watch(self, line: parallel.Pipeline) -> None:
        for module in line.modules:
            module.register_forward_hook(lambda *_: self.mark(line))

    def mark(self, line: parallel.Pipeline) -> None:
        grown = gradients(line)
        self.beside = max(self.beside, self.now() - grown)
        self.gradients = max(self.gradients, grown)


@cache
def mesh_of(replicas: int, stages: int) -> DeviceMesh:
    return init_device_mesh("cpu", (replicas, stages), mesh_dim_names=("replicas", "stages"))


LOSSES = {
    "other": lambda found, target: found.float().square().mean(),
    "cross_entropy": lambda found, target: cross_entropy(found.flatten(0, -2), target.flatten()),
}


def measured(net: archc.Architecture, way: Any, batch: int, kind: str) -> dict[str, Any]:
    gc.collect()
    with Held() as held:
        figures = stepped(net, way, batch, held, kind)
    weights = sum(figures[kind] for kind in ("weights", "buffers", "optimizer"))
    return {**figures, "activations": held.beside - weights, "beside": held.beside, "unreduced": held.gradients}


def stepped(net: archc.Architecture, way: Any, batch: int, held: Held, kind: str) -> dict[str, Any]:
    """What a step sends, and tensors that stay; `held` watches the one after it."""
    stages = len(way.ranks)
    mesh = mesh_of(way.replicas, stages)
    sharing: dict[str, Any] = {"replicas": mesh["replicas"]}
    if way.sharded:
        sharing = {"wrap": lambda stage: parallel.shard(stage, mesh["replicas"])}
    watching: list[parallel.Pipeline] = []

    def loss(found: Tensor, target: Tensor) -> Tensor:
        result = LOSSES[kind](found, target)
        for watched in watching:
            held.mark(watched)
        return result

    line = parallel.pipeline(
        net,
        mesh["stages"],
        loss=loss,
        micro_batches=way.micro_batches,
        schedule=way.schedule or "1f1b",
        at=way.cuts,
        recompute=way.recompute,
        seed=0,
        **sharing,
    )
    optimizers = [torch.optim.AdamW(module.parameters(), foreach=False) for module in line.modules]
    inputs, target = samples(net, batch // way.replicas), targets(net, batch // way.replicas, kind)
    for _ in range(2):
        line.step(*inputs, target=target)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    before = quiet()
    line.step(*inputs, target=target)
    traffic, grown = quiet() - before, gradients(line)
    for optimizer in optimizers:
        optimizer.zero_grad()
    gc.collect()
    held.watch(line)
    watching.append(line)
    line.step(*inputs, target=target)
    kept = (v for optimizer in optimizers for s in optimizer.state.values() for k, v in s.items() if k != "step")
    return {
        "traffic": traffic,
        "weights": bytes_of(line.parameters()),
        "buffers": bytes_of(buffer for module in line.modules for buffer in module.buffers()),
        "gradients": grown,
        "optimizer": bytes_of(kept),
    }


def samples(net: archc.Architecture, batch: int) -> list[Tensor]:
    found = []
    for given in net.ir.inputs:
        shape = (batch, *given.nominal[1:])
        found.append(torch.randint(8, shape) if given.type.dtype == "int" else torch.randn(shape))
    return found


def targets(net: archc.Architecture, batch: int, kind: str) -> Tensor:
    """A class for each vector that the network puts out."""
    made = net.ir.type_of(net.ir.outputs[0].values[0])
    extents = [evaluate(dim, net.ir.nominal) for dim in made.dims[1:-1]] if kind == "cross_entropy" else []
    return torch.zeros(batch, *extents, dtype=torch.long)


def main(asked: dict[str, Any], batch: int) -> None:
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    kind = asked.pop("loss", "other")
    net = archc.loads(asked["text"]) if "text" in asked else archc.load(asked.pop("spec"), **asked)
    for way in net.plan(dist.get_world_size(), "80GB", batch=batch, loss=kind).ways:
        mine = measured(net, way, batch, kind)
        all_: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(all_, mine)
        if dist.get_rank() == 0:
            ranks = [{"memory": rank.memory, **archc_fields(rank)} for rank in way.ranks]
            print(
                json.dumps(
                    {
                        "way": way.called,
                        "replicas": way.replicas,
                        "sharded": way.sharded,
                        "micro": way.micro_batches,
                        "traffic": way.traffic,
                        "ranks": ranks,
                        "measured": all_,
                    }
                ),
                flush=True,
            )
    dist.barrier()
    dist.destroy_process_group()


def archc_fields(rank: Any) -> dict[str, int]:
    return {kind: getattr(rank, kind) for kind in ("weights", "gradients", "optimizer", "activations", "buffers")}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), int(sys.argv[2]))
