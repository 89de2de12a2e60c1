"""One parameter chooses the activation of a family: `act` of the shipped specs."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from oracles import Row
from quick import slow_but
from torch import Tensor, nn
from twins import compared

import archc

NIN_WIDTHS = [192, 160, 96, 192, 192, 192, 192, 192, 10]
VGG16_WIDTHS = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6 + [4096] * 2


def outputs(act: str, images: Tensor) -> Tensor:
    """What NIN computes with an activation, from the weights that a seed gives."""
    network = archc.load("nin_cifar", act=act).module(seed=0, dtype="float64").eval()
    plain = archc.load("nin_cifar").module(seed=0, dtype="float64").state_dict()
    slopes = {name: tensor for name, tensor in network.state_dict().items() if name not in plain}
    network.load_state_dict(plain | slopes)
    with torch.no_grad():
        return network(images)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("act", "other"),
    [
        ("prelu(init = 0)", "relu"),
        ("prelu(init = 0, shared = true)", "relu"),
        ("prelu(init = 0.125)", "leakyrelu(0.125)"),
        ("prelu(init = 0.5, shared = true)", "leakyrelu(0.5)"),
        ("leakyrelu(0)", "relu"),
        ("elu(0)", "relu"),
        ("relu -> relu", "relu"),
    ],
)
def test_limits(act: str, other: str, images: Tensor) -> None:
    assert torch.equal(outputs(act, images), outputs(other, images))


def test_elu_tends_to_relu(images: Tensor) -> None:
    """What alpha makes of a difference shrinks with it."""
    relu = outputs("relu", images)
    differences = [float((outputs(f"elu({alpha})", images) - relu).abs().max()) for alpha in (1e-2, 1e-4, 1e-6)]
    assert differences[0] > 0
    for larger, smaller in pairwise(differences):
        assert smaller == pytest.approx(larger / 100, rel=0.2)


def test_each_kind_of_activation_is_another_network(images: Tensor) -> None:
    found = [outputs(act, images) for act in ("relu", "leakyrelu", "prelu", "elu", "silu")]
    assert not any(torch.allclose(a, b) for i, a in enumerate(found) for b in found[:i])


# --- parameters and names ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "widths"), [("nin_cifar", NIN_WIDTHS), ("vgg16", VGG16_WIDTHS), ("fcn8s", VGG16_WIDTHS)]
)
def test_slopes_per_channel_or_shared(name: str, widths: list[int]) -> None:
    plain, channel, shared = (
        archc.load(name, act=act).stats().parameters for act in ("relu", "prelu", "prelu(shared = true)")
    )
    assert channel - plain == sum(widths)
    assert shared - plain == len(widths)


def test_names_in_a_sequential_are_torchs() -> None:
    """torchvision's net with every ReLU replaced has the spec's state dict."""
    theirs = Row("vgg11_bn", "torchvision", "vgg11_bn").theirs("meta")
    widths = iter([64, 128, 256, 256, 512, 512, 512, 512, 4096, 4096])
    for part in (theirs.get_submodule("features"), theirs.get_submodule("classifier")):
        for name, module in part.named_children():
            if isinstance(module, nn.ReLU):
                setattr(part, name, nn.PReLU(next(widths), device="meta"))
    ours = archc.load("vgg11_bn", act="prelu").module(device="meta")
    assert [(k, t.shape) for k, t in ours.state_dict().items()] == [
        (k, t.shape) for k, t in theirs.state_dict().items()
    ]


def pytorchcv_with(make: type[nn.Module], **settings: float) -> nn.Module:
    """pytorchcv's NIN with other activations, and a last pool for any size."""
    module = Row("nin_cifar", "pytorchcv", "nin_cifar10").theirs()
    for unit in [m for m in module.modules() if hasattr(m, "activ")]:
        channels = {"num_parameters": unit.conv.out_channels} if make is nn.PReLU and not settings else {}  # type: ignore[union-attr]
        unit.activ = make(**channels, **settings)
    module.get_submodule("output").final_pool = nn.AdaptiveAvgPool2d(1)
    return module


@pytest.mark.parametrize(
    ("act", "make", "settings"),
    [
        ("elu(0.7)", nn.ELU, {"alpha": 0.7}),
        ("leakyrelu(0.2)", nn.LeakyReLU, {"negative_slope": 0.2}),
        ("prelu", nn.PReLU, {}),
        ("prelu(shared = true)", nn.PReLU, {"num_parameters": 1}),
    ],
)
def test_equal_to_a_peer_with_that_activation(act: str, make: type[nn.Module], settings: dict[str, float]) -> None:
    """Outputs, gradients (the slopes' too) and a step of training, in both forms."""
    peer = Row(
        "nin_cifar",
        "pytorchcv",
        "nin_cifar10",
        {"pools": "padded", "act": act},
        make=lambda: pytorchcv_with(make, **settings),
        shape=(2, 3, 8, 8),
    )
    found = compared(peer)
    assert found.largest == 0, found.differences


# --- how it is set -------------------------------------------------------------------------


def test_in_the_language_from_python_and_on_the_command_line(archc) -> None:
    import archc as package

    text = 'use nin_cifar from "zoo/nin.arch"\narch nin_prelu = nin_cifar(act = prelu)'
    wanted = 966_986 + sum(NIN_WIDTHS)
    assert package.loads(text, "nin_prelu").stats().parameters == wanted
    assert package.load("nin_cifar", act="prelu").stats().parameters == wanted
    outcome = archc("check", "nin_cifar", "--set", "act=prelu")
    assert (outcome.status, outcome.err) == (0, "")
    assert f"{wanted:,}" in outcome.out


FAMILIES = (
    *("vgg11", "nin_cifar", "fcn8s", "plain18", "resnet18", "resnet20_cifar", "resnext50_32x4d", "wide_resnet50_2"),
    *("preresnet18", "preresnet20_cifar", "wrn16_8_cifar", "multi_resnet_cifar", "densenet121", "densenet_cifar"),
    *("inception_v3", "inception_v4", "inception_resnet_v2", "polynet", "fractalnet", "sharesnet", "stn_mnist"),
    *("alexnet", "squeezenet1_1", "mnasnet0_5", "shufflenet_v2_x0_5", "googlenet", "regnet_y_400mf", "fcn_resnet50"),
    *("ror3", "fof", "full_preactivation_cifar"),
)


QUICK = (
    *("vgg11", "nin_cifar", "plain18", "resnet18", "wrn16_8_cifar", "fractalnet", "stn_mnist", "alexnet"),
    *("squeezenet1_1", "shufflenet_v2_x0_5", "googlenet"),
)


@pytest.mark.parametrize("name", slow_but(QUICK, FAMILIES))
def test_every_family_takes_an_activation(name: str) -> None:
    plain = archc.load(name)
    chosen = {act: archc.load(name, act=act) for act in ("leakyrelu", "elu", "prelu", "prelu(shared = true)")}
    kinds = {act: {node.op.kind for node in net.ir.nodes} for act, net in chosen.items()}
    assert all("relu" not in found and act.partition("(")[0] in found for act, found in kinds.items())
    assert all(net.stats().multiply_adds == plain.stats().multiply_adds for net in chosen.values())
    parameters = {act: net.stats().parameters - plain.stats().parameters for act, net in chosen.items()}
    slopes = [node for node in chosen["prelu"].ir.owners() if node.op.kind == "prelu"]
    assert parameters["leakyrelu"] == parameters["elu"] == 0
    assert parameters["prelu(shared = true)"] == len(slopes) > 0
    assert parameters["prelu"] == sum(node.outputs[0].dims[1] for node in slopes)
