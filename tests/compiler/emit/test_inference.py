"""Modules for inference compute what the architecture's own module does in evaluation."""

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from random_graphs import graphs
from random_programs import elaborated, images, programs
from torch import Tensor, nn

import archc
from archc import ArchError
from archc.compiler.emit import kernels
from archc.compiler.ir.graph import Graph

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN")
QUICK = ["resnet18", "densenet_cifar", "preresnet18", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x1_0"]
LARGE = ["resnet50", "densenet121", "inception_v4", "efficientnet_b0", "convnext_tiny", "vit_b_32", "resnext"]
SIDES = {"densenet_cifar": (32, 40), "inception_v4": (107, 139), "vit_b_32": (224, 224)}


def lively(net: archc.Architecture) -> nn.Module:
    """A module in evaluation none of whose tensors have a special value, so that nothing hides behind a 0 or a 1."""
    module, generator = net.module(seed=0), torch.Generator().manual_seed(1)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point() and tensor.dim() < 2:
            tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator))
    for parameter in module.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02, generator=generator)
    return module.eval()


def tensors(result: object) -> list[Tensor | None]:
    if isinstance(result, dict):
        return [tensor for value in result.values() for tensor in tensors(value)]
    if isinstance(result, tuple):
        return [tensor for value in result for tensor in tensors(value)]
    assert result is None or isinstance(result, Tensor)
    return [result]


def agree(found: object, wanted: object, tolerance: float) -> None:
    """Holds that the largest difference is small against the largest number."""
    for a, b in zip(tensors(found), tensors(wanted), strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert a.shape == b.shape
            assert (a.double() - b.double()).abs().max() <= tolerance * b.double().abs().max() + 1e-30


def computed(module: nn.Module, *inputs: Tensor) -> Any:
    with torch.no_grad():
        return module(*inputs)


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_shipped_networks_compute_the_same_at_two_sizes(name: str) -> None:
    net = archc.load(name)
    module = lively(net)
    made = net.optimized(module)
    for batch, side in zip((1, 3), SIDES.get(name, (64, 96)), strict=True):
        image = torch.randn(batch, 3, side, side)
        before = image.clone()
        wanted, found = computed(module, image), computed(made, image)
        agree(found, wanted, 1e-5)
        assert torch.equal(image, before)
        assert torch.equal(found.argmax(1), wanted.argmax(1))


@pytest.mark.parametrize("name", ["resnet18", "preresnet18", "densenet_cifar"])
def test_bfloat16_is_near(name: str) -> None:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bfloat16")
    net = archc.load(name)
    side, _ = SIDES.get(name, (64, 64))
    module, image = lively(net), torch.randn(2, 3, side, side)
    wanted, plain = computed(module, image), copy.deepcopy(module).bfloat16()
    error = (computed(plain, image.bfloat16()).float() - wanted).abs().max() / wanted.abs().max()
    found = net.optimized(module, dtype="bfloat16")(image)
    assert found.dtype is torch.bfloat16
    agree(found, wanted, max(1e-2, 2 * float(error)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(programs())
def test_random_programs_compute_the_same(text: str) -> None:
    net = archc.Architecture(elaborated(text))
    module, inputs = lively(net), images(net.ir)
    made = net.optimized(module)
    for _ in range(2):  # a second call finds nothing that the first has written over
        agree(computed(made, *inputs), computed(module, *inputs), 1e-4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(graphs())
def test_random_graphs_compute_the_same(graph: Graph) -> None:
    net = archc.Architecture(graph)
    module, inputs = lively(net), images(graph)
    agree(computed(net.optimized(module), *inputs), computed(module, *inputs), 1e-4)


BODY = "arch A {{ input x: [N, 4, H, W] = [2, 4, 9, 9]  {} }}"
KEPT = {
    "used later": "y = x -> conv(4, 1)  z = y + (x -> conv(4, 3))  output a = z -> relu  output b = y -> tanh",
    "an output": "y = x -> conv(4, 1)  output a = y + (y -> tanh -> conv(4, 3))  output b = y",
    "an input": "output x + (x -> conv(4, 3))",
    "a parameter": "param p = constant([1, 4, 9, 9], 0.5)  output p + (x -> conv(4, 3))",
    "what the kernel reads": "y = x -> tanh  output y + (y -> conv(4, 3))",
    "a part of a map": "a, b = x -> conv(8, 1) -> split(2)  output (a + (x -> conv(4, 3))) ++ b",
    "another layout": "y = x -> transpose(2, 3) -> tanh  output y + (x -> conv(4, 3))",
}


@pytest.mark.parametrize("case", KEPT)
def test_nothing_that_is_needed_is_written_over(case: str) -> None:
    net = archc.loads(BODY.format(KEPT[case]))
    module, image = lively(net), torch.randn(2, 4, 9, 9)
    before, made = image.clone(), net.optimized(module)
    for _ in range(2):
        agree(computed(made, image), computed(module, image), 1e-5)
    assert torch.equal(image, before)


def test_a_residual_network_sums_in_place() -> None:
    report = archc.load("resnet18").optimized().report
    assert report.done["batch norms folded into the layer before"] == 20
    assert report.done["sums computed within a kernel"] == report.done["sums computed in place"] == 8
    assert not report.refused


def test_scales_of_any_sign_become_bounds() -> None:
    net = archc.loads(BODY.format("output x -> bn -> relu -> conv(6, 1, groups = 2, bias = zeros)"))
    module = lively(net)
    norm = next(layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))
    norm.weight.data = torch.tensor([1.5, -0.7, 0.0, 1e-42])
    norm.bias.data = torch.tensor([0.3, 0.4, 0.5, -0.2])
    made, image = net.optimized(module), torch.randn(2, 4, 9, 9)
    assert any("made bounds" in line for line in made.report.done)
    agree(made(image), computed(module, image), 1e-5)


def test_padding_keeps_a_norm_in_its_place() -> None:
    net = archc.loads(BODY.format("output x -> bn -> relu -> conv(6, 3)"))
    module, image = lively(net), torch.randn(2, 4, 9, 9)
    made = net.optimized(module)
    assert not any("made bounds" in line for line in made.report.done)
    agree(made(image), computed(module, image), 1e-5)


POOLED = {
    "output x -> bn -> relu -> conv(6, 1) -> avgpool(2)": True,
    "output x -> bn -> relu -> conv(6, 1, bias = zeros) -> avgpool(3, 2, padding = 1, count_pad = false)": True,
    "output x -> bn -> relu -> conv(6, 1) -> avgpool(3, 2, padding = 1)": False,
    "output x -> bn -> relu -> conv(6, 1) -> gap": True,
    "y = x -> bn -> relu  output y -> conv(6, 1) -> avgpool(2)  output b = y -> conv(4, 1)": True,
    "y = x -> bn -> relu  output y -> conv(6, 1) -> avgpool(2)  output b = y -> conv(4, 3)": False,
    "y = x -> bn -> relu -> avgpool(2)  output y  output b = y -> conv(4, 1)": False,
}


@pytest.mark.parametrize("body", POOLED)
def test_bounds_go_through_pools_that_keep_constants(body: str) -> None:
    net = archc.loads(BODY.format(body))
    module, image = lively(net), torch.randn(2, 4, 9, 9)
    made = net.optimized(module)
    assert POOLED[body] == any("made bounds" in line for line in made.report.done)
    agree(made(image), computed(module, image), 1e-5)


def test_branches_become_one_where_they_meet() -> None:
    branch = "conv(8, 1) -> bn -> relu -> conv(8, 3) -> bn -> relu -> conv(4, 1) -> bn"
    net = archc.loads(BODY.format(f"output x + {' + '.join([f'(x -> {branch})'] * 3)} -> relu"))
    apart = archc.loads(BODY.format("output a = x -> conv(8, 1) -> relu  output b = x -> conv(4, 1) -> tanh"))
    for each, merged in ((net, 1), (apart, 0)):
        module, image = lively(each), torch.randn(2, 4, 9, 9)
        made = each.optimized(module)
        assert made.report.done.get("sets of parallel branches merged into one", 0) == merged
        agree(made(image), computed(module, image), 1e-5)


def test_other_sizes_have_weights_of_their_own_from_the_second_call_on() -> None:
    net = archc.loads(BODY.format("output x -> conv(16, 3) -> relu -> conv(8, 1) -> gap -> flatten -> linear(5)"))
    module = lively(net)
    made = net.optimized(module)
    packed = [part for part in made.modules() if isinstance(part, kernels.Packed)]
    assert len(packed) == 3
    shapes = [(2, 4, 9, 9), *((3, 4, 5, side) for side in range(5, 12))]
    for calls in (1, 2, 3):
        for shape in shapes[:calls]:
            image = torch.randn(shape)
            agree(made(image), computed(module, image), 1e-5)
        pack = packed[0].packs.get((3, 4, 5, 5))
        assert (pack is not None) == (calls == 3)
    for shape in shapes:
        image = torch.randn(shape)
        agree(made(image), computed(module, image), 1e-5)
    assert all(len(part.packs) <= kernels.SIZES for part in packed)
    agree(copy.deepcopy(made)(image), computed(module, image), 1e-5)


GROWING = {
    "lists": "a = x -> conv(3, 3)  b = a ++ x -> bn -> relu -> conv(3, 3)  c = concat(a, x, b) -> bn -> relu"
    "  output concat(a, x, b, c) -> bn -> relu -> gap",
    "nested": "a = x ++ (x -> conv(3, 3))  b = a ++ (a -> bn -> relu -> conv(3, 1))  output b -> bn -> tanh",
    "in two ways": "a = x -> conv(3, 3)  b = a ++ x -> bn -> relu  c = concat(a, x, b) -> bn  d = concat(a, x, x) -> bn"
    "  output c -> gap  output e = d -> relu",
}


@pytest.mark.parametrize("case", GROWING)
def test_concats_that_grow_share_memory(case: str) -> None:
    net = archc.loads(BODY.format(GROWING[case]))
    module = lively(net)
    made = net.optimized(module)
    assert made.report.done["concats that are the first channels of one memory, without copies"] > 1
    for image in (torch.randn(2, 4, 9, 9), torch.randn(3, 4, 5, 6)):
        before = image.clone()
        for _ in range(2):
            agree(computed(made, image), computed(module, image), 1e-5)
        assert torch.equal(image, before)


@pytest.mark.parametrize("user", ["relu", "tanh -> conv(3, 1)", "conv(7, 1)"])
def test_concats_that_others_than_norms_take_are_made_anew(user: str) -> None:
    net = archc.loads(BODY.format(f"a = x ++ x -> bn  b = concat(x, x, a)  output b -> {user}  output c = b -> bn"))
    module, image = lively(net), torch.randn(2, 4, 9, 9)
    made = net.optimized(module)
    assert not any("concats" in line for line in made.report.done)
    agree(computed(made, image), computed(module, image), 1e-5)


CONSTANT = {
    "param p = normal([1, 4, 1, 1])  output x + (p -> tanh -> exp)": 1,
    "param w = normal([6, 4])  output x -> gap -> flatten -> linear(6, weight = w / 2)": 1,
    "param p = normal([8, 1, 1])  a, b = p -> exp -> split(2, axis = 0)  output x * a + b": 2,
    "param p = normal([4, 1, 1])  output x + p": 0,
}


@pytest.mark.parametrize("body", CONSTANT)
def test_what_weights_alone_decide_is_computed_once(body: str) -> None:
    net = archc.loads(BODY.format(body))
    module, image = lively(net), torch.randn(3, 4, 5, 9)
    made = net.optimized(module)
    assert made.report.done.get("tensors that weights alone decide computed once", 0) == CONSTANT[body]
    agree(made(image), computed(module, image), 1e-5)
    agree(copy.deepcopy(made)(image), computed(module, image), 1e-5)


def test_what_has_no_kernel_runs_as_it_is_and_is_named() -> None:
    body = 'output x -> a: conv(4, 3, padding_mode = "reflect") -> b: upconv(4) -> c: conv(4, 3) -> relu'
    net = archc.loads(BODY.format(body))
    module, image = lively(net), torch.randn(2, 4, 9, 9)
    made = net.optimized(module)
    assert set(made.report.refused) == {"a", "b"}
    assert "reflect" in made.report.refused["a"]
    agree(made(image), computed(module, image), 1e-5)


def test_a_norm_that_cannot_be_folded_is_named() -> None:
    net = archc.loads(BODY.format("y = x -> a: conv(4, 3)  output (y -> b: bn -> relu) + y"))
    module, image = lively(net), torch.randn(2, 4, 9, 9)
    made = net.optimized(module)
    assert "`b` cannot be folded into `a`" in made.report.refused["b"]
    agree(made(image), computed(module, image), 1e-5)


def test_a_type_without_kernels_runs_and_says_so() -> None:
    net = archc.load("resnet18")
    module, image = lively(net).double(), torch.randn(1, 3, 64, 64).double()
    made = net.optimized(module, dtype="float64")
    assert "float64" in made.report.refused[""]
    agree(made(image), computed(module, image), 1e-12)


def test_it_is_copied_and_pickled() -> None:
    net = archc.load("preresnet18")
    made, image = net.optimized(lively(net)), torch.randn(1, 3, 64, 64)
    wanted = made(image)
    agree(copy.deepcopy(made)(image), wanted, 1e-6)
    agree(pickle.loads(pickle.dumps(made))(image), wanted, 1e-6)


def test_it_has_no_training_mode_and_no_gradients() -> None:
    made = archc.load("resnet18").optimized().train()
    assert not made.training
    assert not made(torch.randn(1, 3, 64, 64, requires_grad=True)).requires_grad


def test_weights_are_strict_and_engines_are_named() -> None:
    net = archc.load("resnet18")
    with pytest.raises(ArchError) as error:
        net.optimized({"conv1.weight": torch.zeros(1)})
    assert error.value.diagnostics[0].code in ("E0811", "E0812")
    with pytest.raises(ArchError, match="an engine is 'kernels' or 'inductor'"):
        net.optimized(engine="magic")
