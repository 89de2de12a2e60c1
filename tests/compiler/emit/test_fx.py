"""The module that a graph becomes: names, order, sharing, initialisation, and what torch does with it."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torchvision
from archc.compiler.emit.check import check_forward
from archc.compiler.emit.fx import check_device, to_graph_module
from archc.compiler.emit.modules import ArchModule
from archc.compiler.ir.graph import Graph
from archc.compiler.ops.core import Extern
from archc.compiler.ops.base import Weight
from archc.compiler.ops.initialisers import ONES, ZEROS, Initialiser
from archc.compiler.ops.merge import Add
from archc.compiler.ir.types import TensorType
from archc.dsl.diagnostics import ArchError
from graphs import H, N, Net, W, chain, resnet, small, with_aux
from torch import fx, nn


def images(batch: int = 2, size: int = 32) -> torch.Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


def code_of(error: pytest.ExceptionInfo[ArchError]) -> str:
    return error.value.diagnostics[0].code


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
    assert 'layer1_0_conv1 = getattr(self.layer1, "0").conv1(relu)' in module.code
    assert " = layer1_0_bn3 + layer1_0_downsample_1" in module.code
    assert "(downsample): Container(" in repr(module)


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


# --- initialisation ------------------------------------------------------------------------


def test_the_default_start_draws_what_torch_draws():
    net = Net()
    x = net.input("image")
    h = net("a", "conv", x, channels=4, kernel=3, bias=True)
    net.output(net("b", "linear", net("gap", "gap", h), units=5))
    torch.manual_seed(3)
    theirs = [nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5)]
    torch.manual_seed(3)
    unseeded = to_graph_module(net.graph)
    for module in (unseeded, to_graph_module(net.graph, seed=3)):
        mine = [module.a.weight, module.a.bias, module.b.weight, module.b.bias]
        assert all(torch.equal(a, b) for a, b in zip(mine, [p for m in theirs for p in m.parameters()], strict=True))


def test_a_seed_is_reproducible_and_leaves_the_global_state():
    before = torch.get_rng_state()
    one, two, other = (to_graph_module(small(), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("normal", {"std": 0.02, "mean": 1.0}),
        ("uniform", {"low": 2.0, "high": 3.0}),
        ("trunc_normal", {"std": 0.5, "mean": 0.0, "a": -1.0, "b": 1.0}),
        ("kaiming_normal", {"mode": "fan_out", "nonlinearity": "relu", "a": 0.0}),
        ("xavier_normal", {"gain": 2.0}),
        ("orthogonal", {"gain": 1.0}),
        ("lecun_normal", {}),
        ("dirac", {}),
        ("bilinear", {}),
        ("constant", {"value": 0.25}),
    ],
)
def test_initialisers(kind: str, settings: dict[str, object]):
    net = Net()
    x = net.input("image", (N, 8, H, W), (1, 8, 8, 8))
    init = Initialiser(kind, tuple(settings.items()))
    net.output(net("up", "upconv", x, channels=8, kernel=4, init=init))
    first, second = (to_graph_module(net.graph, seed=0).up.weight for _ in range(2))
    assert torch.equal(first, second) and torch.isfinite(first).all()
    if kind == "uniform":
        assert 2 <= first.min() and first.max() <= 3
    if kind == "bilinear":
        line = torch.tensor([0.25, 0.75, 0.75, 0.25])
        assert torch.equal(first[3, 3], line[:, None] * line) and not first[3, 4].any()
    if kind == "kaiming_normal":
        assert torch.allclose(first.std(), torch.tensor((2 / (8 * 16)) ** 0.5), rtol=0.1)


def test_a_bias_takes_a_list():
    net = Net()
    x = net.input("v", (N, 2), (1, 2))
    bias = Initialiser("constant", (("value", (1.0, 2.0, 3.0)),))
    net.output(net("fc", "linear", x, units=3, bias=bias, init=ZEROS))
    assert to_graph_module(net.graph)(torch.randn(1, 2)).tolist() == [[1, 2, 3]]


def test_frozen_parts_do_not_train():
    net = Net()
    x = net.input("image")
    h = net("a", "conv", x, channels=3, kernel=1, frozen=True)
    net.output(net("b", "conv", h, channels=3, kernel=1))
    module = to_graph_module(net.graph)
    assert not module.a.weight.requires_grad and module.b.weight.requires_grad


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
    before = module.eval()(x)["out"]
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
    module(x).sum().backward()
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


# --- extern layers and devices -------------------------------------------------------------


def extern_net() -> Graph:
    net = Net()
    x = net.input("image")
    weights = (Weight("gain", (3,), ONES), Weight("seen", (), ZEROS, learned=False))
    op = Extern(name="gained", arguments={"power": 2}, results=(TensorType((N, 3, H, W)),), tensors=weights)
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
