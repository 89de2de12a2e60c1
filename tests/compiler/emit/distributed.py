"""What each of two processes runs for `test_distributed.py`: `python distributed.py RANK FILE`.

It prints what is done, line by line.
"""

from __future__ import annotations

import copy
import sys

import torch
import torch.distributed as dist
from module_steps import callable_paths, loss, step
from torch import nn
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.pipelining import ScheduleGPipe, SplitPoint, pipeline

import archc

RECOMPUTED = """
block unit(c) = id + (conv1: conv(c, 3) -> bn1: bn -> relu) -> relu
arch Again {
  input x: [N, 3, H, W] = [1, 3, 32, 32]
  output x -> stem: conv(8, 3, 4) -> layer1: [recompute(unit(8)) ** 2] -> recompute(layer2: [unit(8), unit(8)])
    -> recompute(layer3: unit(8) -> relu) -> gap -> fc: linear(10)
}"""
NETS = [
    archc.load("resnet_cifar", depth=8),
    archc.load("densenet_cifar", depth=10, memory_efficient=True),
    archc.loads(RECOMPUTED),
]


def images(seed: int) -> torch.Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def data_parallel(rank: int) -> None:
    for net in NETS:
        module = nn.parallel.DistributedDataParallel(net.module(seed=0))
        loss(module(images(rank))).backward()
        mean = [p.grad.clone() for p in module.parameters()]
        alone = net.module(seed=0)
        sums = [torch.zeros_like(p) for p in alone.parameters()]
        for seed in (0, 1):
            other = copy.deepcopy(alone)
            loss(other(images(seed))).backward()
            sums = [total + p.grad / 2 for total, p in zip(sums, other.parameters(), strict=True)]
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(mean, sums, strict=True))


def fully_sharded(rank: int) -> None:
    mesh = init_device_mesh("cpu", (2,), mesh_dim_names=("ranks",))
    for net in NETS:
        whole, module = net.module(seed=0), net.module(seed=0)
        for path in callable_paths(net):
            if not isinstance(module.get_submodule(path), nn.Sequential):
                fully_shard(module.get_submodule(path), mesh=mesh)
        fully_shard(module, mesh=mesh)
        x = images(0)
        trained = step(whole, [x])
        output = module(x)
        assert torch.equal(output, trained[0])
        loss(output).backward()
        torch.optim.SGD(module.parameters(), lr=0.1).step()
        torch.optim.SGD(whole.parameters(), lr=0.1).step()
        gathered = get_model_state_dict(module)
        assert list(gathered) == list(whole.state_dict())
        for key, tensor in whole.state_dict().items():
            found = gathered[key]
            found = found.full_tensor() if hasattr(found, "full_tensor") else found
            assert torch.allclose(found.float(), tensor.float(), atol=1e-5), key


def pipelined(rank: int) -> None:
    module = archc.load("resnet_cifar", depth=8).module(seed=0).eval()
    x = images(0)
    parts = pipeline(module, mb_args=(x[:2],), split_spec={"layer2": SplitPoint.BEGINNING})
    schedule = ScheduleGPipe(parts.build_stage(rank, torch.device("cpu")), 2)
    output = schedule.step(x) if rank == 0 else schedule.step()
    assert rank == 0 or torch.allclose(output, module(x), atol=1e-5)


if __name__ == "__main__":
    rank, file = int(sys.argv[1]), sys.argv[2]
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    for way in (data_parallel, fully_sharded, pipelined):
        way(rank)
        print(way.__name__, flush=True)
    dist.destroy_process_group()
