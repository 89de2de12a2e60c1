"""What each of two ranks runs for `test_ranks.py`, by torchrun. It prints what is done, line by line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

import archc
from archc import parallel

TEXTS = """
arch Texts {
  input text: int [N, T] = [1, 8]
  param table = normal([32, 16], std = 0.5)
  x = text -> embedding(32, 16, weight = table)
  output x -> h: [fc: linear(16) -> gelu] ** 3 -> ln -> head: linear(32, bias = false, weight = table)
}"""
IMAGES = """
block unit(c) = id + (conv1: conv(c, 3) -> bn1: bn -> relu) -> relu
arch Images {
  input x: [N, 3, 8, 8]
  output x -> stem: conv(8, 3) -> layer: unit(8) ** 4 -> gap -> fc: linear(4)
}"""
BATCH, PARTS = 8, 2


def loss(found: Tensor, target: Tensor) -> Tensor:
    return (found.double().square().mean() * 10).float() + 0 * target.sum()


def inputs(net: archc.Architecture) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    (given,) = net.ir.inputs
    shape = (BATCH, *given.nominal[1:])
    return torch.randint(32, shape, generator=generator) if given.type.dtype == "int" else torch.randn(
        shape, generator=generator
    )  # fmt: skip


def alone(net: archc.Architecture, parts: int) -> nn.Module:
    """The whole after a forward and a backward pass of each of so many parts of the batch."""
    module = net.module(seed=0)
    for part in inputs(net).chunk(parts):
        (loss(module(part), torch.zeros(1)) / parts).backward()
    return module


def check(modules: list[nn.Module], whole: nn.Module, buffers: bool = True) -> None:
    """Gradients, and running statistics, are those of the whole."""
    wanted, kept = dict(whole.named_parameters()), dict(whole.named_buffers())
    for module in modules:
        for name, parameter in module.named_parameters():
            gradient = parameter.grad
            assert gradient is not None and wanted[name].grad is not None, name
            found = gradient.full_tensor() if isinstance(gradient, DTensor) else gradient
            assert torch.allclose(found, wanted[name].grad, atol=1e-5), name
        for name, buffer in module.named_buffers() if buffers else ():
            assert torch.allclose(buffer.float(), kept[name].float(), atol=1e-5), name


def tied_parameters_are_sharded() -> None:
    """In one module, and among stages whose replicas share them out."""
    mesh = init_device_mesh("cpu", (2,))
    for net in (archc.loads(TEXTS), archc.load("tied_resnet_cifar")):
        module = parallel.shard(net.module(seed=0), mesh)
        rank, whole = dist.get_rank(), net.module(seed=0)
        for part in inputs(net).chunk(2):
            (loss(whole(part), torch.zeros(1)) / 2).backward()
        loss(module(inputs(net).chunk(2)[rank]), torch.zeros(1)).backward()
        check([module], whole, buffers=False)


def tied_parameters_are_sharded_in_stages() -> None:
    net = archc.loads(TEXTS)
    mesh = init_device_mesh("cpu", (1, 2), mesh_dim_names=("replicas", "stages"))
    for wrap in (None, lambda stage: parallel.shard(stage, mesh["replicas"])):
        line = parallel.pipeline(net, mesh["stages"], loss=loss, micro_batches=PARTS, seed=0, wrap=wrap)
        line.step(inputs(net), target=torch.zeros(BATCH))
        check(line.modules, alone(net, PARTS))


def units_are_computed_again() -> None:
    """Gradients and running statistics stay, whether units are sharded or stand in a pipeline."""
    net, mesh = archc.loads(IMAGES), init_device_mesh("cpu", (2,))
    units = ["layer.0", "layer.1", "layer.2", "layer.3"]
    line = parallel.pipeline(net, mesh, loss=loss, micro_batches=PARTS, seed=0, recompute=units)
    line.step(inputs(net), target=torch.zeros(BATCH))
    check(line.modules, alone(net, PARTS))
    for asked in (True, units):
        module = parallel.shard(net.module(seed=0), mesh, units=units, recompute=asked)
        loss(module(inputs(net)), torch.zeros(1)).backward()
        check([module], alone(net, 1))


def wrong_requests_end_on_every_rank(folder: Path) -> None:
    mesh = init_device_mesh("cpu", (2,))
    net = archc.load("resnet_cifar", depth=8)
    for error, asked in (
        ("E1301", {"net": archc.loads("arch A { input x: [N, 4]  output x -> linear(4) }")}),
        ("E1303", {"recompute": ["layr1"]}),
        ("E1306", {"at": ["layer2", "layer3"]}),
        ("E1306", {"replicas": init_device_mesh("cpu", (1, 2))}),
        ("E1306", {"replicas": mesh}),
    ):
        refused(error, lambda asked=asked: parallel.pipeline(
            asked.pop("net", net), mesh, loss=loss, micro_batches=2, **asked))  # fmt: skip
    line = parallel.pipeline(net, mesh, loss=loss, micro_batches=3, seed=0)
    refused("E1304", lambda: line.step(torch.randn(8, 3, 32, 32), target=torch.zeros(8)))
    refused("E1308", lambda: parallel.synchronized(net.module(), mesh))
    deep = parallel.pipeline(archc.load("resnet_cifar", depth=14), mesh, loss=loss, micro_batches=2, seed=0)
    parallel.save(folder, deep.modules)
    refused("E1307", lambda: parallel.load(folder, line.modules))
    parallel.save(folder / "small", line.modules)
    refused("E1307", lambda: parallel.load(folder / "small", deep.modules))
    wider = archc.load("resnet_cifar", depth=8, classes=12)  # other sizes in the last stage alone
    wide = parallel.pipeline(wider, mesh, loss=loss, micro_batches=2, seed=0)
    refused("E1307", lambda: parallel.load(folder / "small", wide.modules))
    parallel.load(folder, deep.modules)


def refused(code: str, request: Any) -> None:
    try:
        request()
    except archc.ArchError as error:
        assert error.diagnostics[0].code == code, error
    else:
        raise AssertionError(f"{code} was not raised")


def say(what: str) -> None:
    """Prints a line in one piece, so that those of two ranks do not mix: `print` writes its end apart."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    dist.init_process_group("gloo")
    for way in (
        tied_parameters_are_sharded,
        tied_parameters_are_sharded_in_stages,
        units_are_computed_again,
    ):
        way()
        say(way.__name__)
    wrong_requests_end_on_every_rank(Path(sys.argv[1]))
    say(wrong_requests_end_on_every_rank.__name__)
    dist.destroy_process_group()
