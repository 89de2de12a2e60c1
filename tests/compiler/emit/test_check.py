"""Running forward before anything is written, the code of extern layers, and devices."""

from __future__ import annotations

import pickle

import pytest
import torch
from graphs import H, N, Net, W, images, small
from torch import nn

import archc
from archc.compiler.emit.check import check_forward
from archc.compiler.emit.fx import check_device, to_graph_module
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.initialisers import ONES, ZEROS
from archc.compiler.ir.op import Weight
from archc.compiler.ir.types import TensorType
from archc.compiler.ops.core import Extern
from archc.dsl.diagnostics import ArchError


def code_of(error: pytest.ExceptionInfo[ArchError]) -> str:
    return error.value.diagnostics[0].code


def extern_net() -> Graph:
    net = Net()
    x = net.input("image")
    weights = (Weight("gain", (3,), ONES), Weight("seen", (), ZEROS, learned=False))
    op = Extern(name="gained", arguments={"power": 2}, results=(TensorType.of((N, 3, H, W)),), tensors=weights)
    net.output(net("part.gained", op, x))
    return net.graph


def gained(x: torch.Tensor, gain: torch.Tensor, seen: torch.Tensor, power: int) -> torch.Tensor:
    return x * gain[:, None, None] * power + seen


def test_an_extern_gets_its_weights_and_arguments():
    module = to_graph_module(extern_net(), externs={"gained": gained})
    assert list(module.state_dict()) == ["part.gained.gain", "part.gained.seen"]
    x = images()
    assert torch.equal(module(x), 2 * x)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), 2 * x)
    module(x).sum().backward()
    assert module.part.gained.gain.grad is not None


def test_an_extern_without_code_is_an_error():
    with pytest.raises(ArchError) as error:
        to_graph_module(extern_net())
    assert code_of(error) == "E0801"


@pytest.mark.parametrize("name", ["forward", "training", "type"])
def test_an_externs_tensor_cannot_hide_torchs(name: str):
    net = Net()
    op = Extern(name="f", results=(TensorType.of((N, 3, H, W)),), tensors=(Weight(name, (3,), ONES),))
    net.output(net("f", op, net.input("image")))
    with pytest.raises(ArchError) as error:
        to_graph_module(net.graph, externs={"f": gained})
    assert code_of(error) == "E0806"


def test_an_extern_that_lies_about_its_shape_is_found():
    module = to_graph_module(extern_net(), externs={"gained": lambda x, **_: x[:, :1]})
    with pytest.raises(ArchError, match=r"shape \[1, 1, 32, 32\]") as error:
        check_forward(module, extern_net())
    assert code_of(error) == "E0803"


def test_an_extern_that_raises_is_found():
    def broken(*_: object, **__: object) -> torch.Tensor:
        raise ValueError("no such luck")

    with pytest.raises(ArchError, match="no such luck") as error:
        check_forward(to_graph_module(extern_net(), externs={"gained": broken}), extern_net())
    assert code_of(error) == "E0803"


def test_check_forward_leaves_no_trace():
    module = to_graph_module(small(), seed=0)
    module.bn1.eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = torch.get_rng_state()
    check_forward(module, small())
    assert module.training and not module.bn1.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there(device: str):
    with pytest.raises(ArchError) as error:
        check_device(device)
    assert code_of(error) == "E0804"


def test_a_module_is_the_code_of_an_extern():
    net = archc.loads("""
      extern unit()(x: [N, C, H, W]) -> [N, 4, H, W] {
        param {0}.weight: [4, C, 1, 1]
        param {1}.weight: [4]   param {1}.bias: [4]
        buffer {1}.running_mean: [4]   buffer {1}.running_var: [4]   buffer {1}.num_batches_tracked: int []
      }
      arch A { input x: [N, 3, H, W]   output x -> a: unit -> relu }
    """)
    code = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
    module = net.module(externs={"unit": code})
    module.load_state_dict({f"a.{name}": tensor for name, tensor in code.state_dict().items()})
    x = torch.randn(2, 3, 5, 5)
    for training in (False, True):
        assert torch.equal(module.train(training)(x), code.train(training)(x).relu())
    assert torch.equal(module.get_buffer("a.1.running_mean"), code[1].running_mean)
    assert module.get_parameter("a.0.weight") is not code[0].weight
    with pytest.raises(ArchError, match=r"has `0.weight` \[5, 3, 1, 1\], and the spec declares `0.weight`") as error:
        net.module(externs={"unit": nn.Sequential(nn.Conv2d(3, 5, 1, bias=False), nn.BatchNorm2d(5))})
    assert code_of(error) == "E0808"
