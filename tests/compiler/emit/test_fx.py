"""The module that a graph becomes: names, order, sharing, initialisation, and what torch does with it."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torchvision
from graphs import Net, chain, images, resnet, small, with_aux
from torch import fx, nn

import archc
from archc.compiler.emit.check import check_forward
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.emit.modules import ArchModule
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.initialisers import ONES, ZEROS
from archc.compiler.ops.merge import Add

# --- names and order -----------------------------------------------------------------------


def test_a_residual_net_is_torchvisions_bit_for_bit():
    ours = to_graph_module(resnet((1, 1, 1, 1)), seed=0)
    theirs = torchvision.models.resnet.ResNet(torchvision.models.resnet.Bottleneck, [1, 1, 1, 1])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    theirs.load_state_dict(ours.state_dict())
    x = images(size=33)
    assert torch.equal(ours(x), theirs(x))
    ours(x).square().sum().backward()
    theirs(x).square().sum().backward()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_it_is_a_graph_module_with_readable_code():
    module = to_graph_module(small())
    assert isinstance(module, fx.GraphModule) and type(module).__name__ == "Small"
    module.graph.lint()
    assert "layer1 = self.layer1(relu)" in module.code
    assert "downsample = self.downsample(x)" in module.layer1[0].code
    assert " = bn3 + downsample" in module.layer1[0].code
    assert "(downsample): Sequential(" in repr(module)


def test_state_order_is_scope_order_with_parameters_then_buffers_first():
    net = Net()
    x = net.input("image")
    p = net.param("stage.late", (1, 4, 1, 1), ONES)
    b = net.param("stage.buffer", (1, 4, 1, 1), ZEROS, learned=False)
    h = net("stage.conv", "conv", x, channels=4, kernel=1)
    net.output(net("", Add(), net("", Add(), h, p), b))
    children = net.graph.root.children["stage"].children
    children["alone"] = children.pop("late")
    module = to_graph_module(net.graph)
    assert list(module.state_dict()) == ["stage.alone", "stage.buffer", "stage.conv.weight"]


def test_any_batch_and_image_size_run():
    module = to_graph_module(small()).eval()
    for batch, height, width in ((1, 32, 32), (5, 17, 40), (1, 1, 1)):
        assert module(torch.randn(batch, 3, height, width)).shape == (batch, 10)
    assert to_graph_module(small())(image=images()).shape == (2, 10)


def test_outputs_come_as_tensor_tuple_or_dict():
    net = Net()
    x = net.input("image")
    a = net("a", "relu", x)
    net.output(x, a)
    assert [t.shape for t in to_graph_module(net.graph)(images())] == [(2, 3, 32, 32)] * 2
    net.output(a, name="features")
    result = to_graph_module(net.graph)(images())
    assert list(result) == ["out", "features"] and isinstance(result["out"], tuple)


# --- sharing -------------------------------------------------------------------------------


def shared_net() -> Graph:
    net = Net()
    x = net.input("image")
    first = net("conv", "conv", x, channels=3, kernel=3)
    again = net("", net.graph.nodes[first[0]].op, first, owner=first)
    scale = net.param("scale", (1, 3, 1, 1), ONES)
    net.output(net("", Add(), net("", Add(), again, scale), scale))
    net.graph.root.children["alias"] = net.graph.nodes[first[0]]
    net.graph.root.children["second"] = net.graph.nodes[scale[0]]
    return net.graph


def test_shared_is_one_parameter_under_all_its_names():
    module = to_graph_module(shared_net())
    assert list(module.state_dict()) == ["scale", "second", "conv.weight", "alias.weight"]
    assert module.conv is module.alias and module.scale is module.second
    assert len(list(module.parameters())) == 2
    x = images()
    expected = module.conv(module.conv(x)) + module.scale + module.scale
    assert torch.equal(module(x), expected)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert other.conv is other.alias and other.scale is other.second and other.conv is not module.conv


def test_a_shared_scope_is_registered_twice():
    net = Net()
    x = net.input("image")
    net.output(net("cell.conv", "conv", x, channels=3, kernel=3))
    net.graph.root.children["twin"] = net.graph.root.children["cell"]
    module = to_graph_module(net.graph)
    assert list(module.state_dict()) == ["cell.conv.weight", "twin.conv.weight"]
    assert module.cell is module.twin


# --- outputs when training -----------------------------------------------------------------


def test_an_output_when_training_is_none_in_eval_and_costs_nothing_there():
    module = to_graph_module(with_aux())
    calls: list[int] = []
    hook = module.aux.conv.register_forward_hook(lambda *_: calls.append(1))
    assert module(images())["aux"].shape == (2, 5) and len(calls) == 1
    module.eval()
    assert module(images())["aux"] is None and len(calls) == 1
    hook.remove()
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), copy.copy(module)):
        assert other(images())["aux"] is None and other.train()(images())["aux"] is not None
        other.graph.lint()
    assert "def _forward_eval(self, image)" in module.code
    check_forward(module, with_aux())
    assert not module.training


def test_the_graph_is_the_one_of_the_mode():
    module = to_graph_module(with_aux())
    assert any(node.target == "aux" for node in module.graph.nodes)
    module.eval()
    assert not any(node.target == "aux" for node in module.graph.nodes)
    x = images()
    assert fx.Interpreter(module).run(x)["aux"] is None
    assert torch.export.export(module, (x,)).module()(x)["aux"] is None


def test_a_lone_output_when_training():
    module = to_graph_module(with_aux(single=True))
    assert module(images()).shape == (2, 5)
    assert module.eval()(images()) is None


# --- rectifiers in place -------------------------------------------------------------------


def test_a_rectifier_works_in_place_only_where_nobody_sees_it():
    net = Net()
    x = net.input("image")
    on_input = net("on_input", "relu", x)
    conv = net("conv", "conv", on_input, channels=3, kernel=1)
    twice = net("twice", "relu", conv)
    summed = net("", Add(), conv, twice)
    once = net("once", "relu", summed)
    double = net("doubled", "relu", once)
    both = net("both", "relu", net("bn", "bn", double))
    net.output(both, net("", net.graph.nodes[both[0]].op, double, owner=both))
    module = to_graph_module(net.graph)
    inplace = {name: child.inplace for name, child in module.named_modules() if isinstance(child, nn.ReLU)}
    assert inplace == {"on_input": False, "twice": False, "once": True, "doubled": False, "both": False}
    x_before = images()
    x_after = x_before.clone()
    module(x_after)
    assert torch.equal(x_before, x_after)


# --- what torch does with it ---------------------------------------------------------------


def test_copies_are_whole_and_apart():
    module = to_graph_module(small(), seed=0).eval()
    x = images()
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert isinstance(other, ArchModule) and type(other).__name__ == "Small" and not other.training
        assert list(other.state_dict()) == list(module.state_dict())
        assert repr(other) == repr(module) and other.code == module.code
        assert torch.equal(other(x), module(x))
        other.fc.weight.data.zero_()
        assert module.fc.weight.any()


def test_hooks_survive_deepcopy():
    module = to_graph_module(small())
    seen: list[object] = []
    module.register_forward_hook(lambda *_: seen.append(1))
    copy.deepcopy(module)(images())
    assert seen == [1]


def test_the_graph_can_be_edited():
    module = to_graph_module(with_aux())
    fc = next(node for node in module.graph.nodes if node.name == "fc")
    with module.graph.inserting_after(fc):
        doubled = module.graph.call_function(torch.mul, (fc, 2))
    fc.replace_all_uses_with(doubled, delete_user_cb=lambda user: user is not doubled)
    x = images()
    before = module(x)["out"]
    module.recompile()
    assert torch.equal(module(x)["out"], 2 * before)


def test_autocast_and_channels_last():
    module = to_graph_module(small()).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = module(images())
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert module.conv1.weight.grad is not None


def test_dtype_and_meta():
    assert to_graph_module(small(), dtype=torch.float64)(images().double()).dtype == torch.float64
    assert to_graph_module(small(), device="meta").conv1.weight.is_meta


def test_a_module_is_made_where_and_as_torch_makes_tensors() -> None:
    net = archc.loads(
        "arch Net { input x: [N, 3, 8, 8] output x -> conv(4, 3) -> bn -> gap -> linear(2, bias = zeros) }"
    )
    with torch.device("meta"):
        assert all(tensor.is_meta for tensor in net.module().state_dict().values())
        assert not any(tensor.is_meta for tensor in net.module(device="cpu", seed=0).state_dict().values())
    torch.set_default_dtype(torch.float64)
    try:
        made = net.module(seed=0)
        assert made(torch.rand(2, 3, 8, 8)).dtype == made.bn.running_mean.dtype == torch.float64
        assert made.bn.num_batches_tracked.dtype == torch.long
        assert next(net.module(dtype="float32").parameters()).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    plain = net.module(seed=0)
    assert all(torch.equal(a, b) for a, b in zip(made.float().parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize("graph", [small, with_aux, shared_net])
def test_torch_compile(graph):
    module = to_graph_module(graph(), seed=0).eval()
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    x = images()
    expected, found = module(x), compiled(x)
    if isinstance(expected, dict):
        expected, found = expected["out"], found["out"]
    assert torch.allclose(expected, found, atol=1e-6)


def test_distributed_data_parallel(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        module = nn.parallel.DistributedDataParallel(to_graph_module(small()))
        module(images()).sum().backward()
        assert all(p.grad is not None for p in module.parameters())
    finally:
        torch.distributed.destroy_process_group()


def test_two_thousand_layers():
    module = to_graph_module(chain(2000))
    x = torch.randn(1, 2, 4, 4)
    assert module(x).shape == x.shape
    assert len(copy.deepcopy(module).state_dict()) == len(pickle.loads(pickle.dumps(module)).state_dict()) == 2000


def test_two_hundred_nested_scopes():
    net = Net()
    x = net.input("image")
    for depth in range(200):
        x = net(".".join(["next"] * depth + ["conv"]), "conv", x, channels=3, kernel=1)
    net.output(x)
    module = to_graph_module(net.graph)
    assert list(copy.deepcopy(module).state_dict()) == list(module.state_dict())
    assert module(images()).shape == (2, 3, 32, 32)


def test_a_long_sum_folds_without_recursion():
    net = Net()
    x = net.input("image")
    net.output(net("", Add(), *[x] * 3000))
    assert torch.equal(to_graph_module(net.graph)(torch.ones(1, 3, 1, 1)), torch.full((1, 3, 1, 1), 3000.0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_seed_gives_the_same_weights_on_a_gpu():
    module = to_graph_module(small(), device="cuda", seed=0)
    here = to_graph_module(small(), seed=0)
    assert torch.equal(module.conv1.weight.cpu(), here.conv1.weight)
    check_forward(module, small())
    with torch.autocast("cuda"):
        module(images().cuda()).sum().backward()
