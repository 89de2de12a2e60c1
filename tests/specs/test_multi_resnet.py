"""Multi-residual networks: closed forms, one branch, grouped convolutions, numbers of paths."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pytorchcv.models.preresnet_cifar import get_preresnet_cifar
from quick import slow_but
from rows.resnet import with_adaptive_pool
from torch import Tensor, nn
from torch.nn import functional
from twins import randomised

import archc


def parameters(depth: int, k: int, unit: str, width: int = 1, classes: int = 10) -> int:
    """Branches times k; the first batch norm once where it is shared, which is where the shape changes and at first."""
    inner, convolutions = {"basic": (1, 2), "bottleneck": (4, 3)}[unit]
    total, entering = 27 * 16, 16
    for stage, c in enumerate((16 * width, 32 * width, 64 * width)):
        for j in range((depth - 2) // (3 * convolutions)):
            leaving = inner * c
            shared = entering != leaving or stage + j == 0
            branch = 9 * c * (entering + c) if unit == "basic" else c * (entering + 9 * c + leaving)
            branch += 2 * c * (convolutions - 1)
            total += (
                k * branch + 2 * entering * (1 if shared else k) + (entering * leaving if entering != leaving else 0)
            )
            entering = leaving
    return total + 2 * entering + entering * classes + classes


@pytest.mark.parametrize("k", slow_but((1, 2), (1, 2, 5)))
@pytest.mark.parametrize(("unit", "depths"), [("basic", (8, 14, 26)), ("bottleneck", (11, 20, 38))])
def test_parameters_by_the_closed_form(unit: str, depths: tuple[int, ...], k: int) -> None:
    for depth in depths:
        for width in (1, 3):
            given = {"depth": depth, "k": k, "unit": unit, "width": width}
            total = archc.load("multi_resnet_cifar", **given, classes=100).stats()
            assert total.parameters == parameters(**given, classes=100)
            assert total.depth == depth


def test_the_closed_form_gives_the_authors_figures() -> None:
    assert parameters(200, 5, "bottleneck") == 10_187_354
    assert parameters(398, 5, "bottleneck") == 20_388_314
    assert parameters(1001, 1, "bottleneck") == 10_327_706
    assert parameters(26, 2, "basic", 10) == 72_690_714
    assert parameters(26, 4, "basic", 10) == 145_113_754


def preactivated(name: str, projected: set[str]) -> str:
    """A name of pytorchcv's as a unit of one branch has it."""
    unit = name.partition(".body.")[0]
    if ".body.conv1.bn." in name and unit in projected:
        return name.replace(".body.conv1.bn.", ".preact.")
    return name.replace(".body.", ".branch1.")


def test_one_branch_is_the_preactivation_net() -> None:
    """Outputs in training, and the statistics that they leave behind."""
    made = archc.load("multi_resnet_cifar", depth=38, k=1, version=1.5).module()
    reference = with_adaptive_pool(lambda: get_preresnet_cifar(num_classes=10, blocks=38, bottleneck=True))()
    state = randomised(reference)
    reference.load_state_dict(state)
    projected = {name.partition(".identity_conv.")[0] for name in state if "identity_conv" in name}
    made.load_state_dict({preactivated(name, projected): tensor for name, tensor in state.items()})
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(made(images.clone()), reference(images.clone()))
    after = made.state_dict()
    assert all(torch.equal(after[preactivated(name, projected)], t) for name, t in reference.state_dict().items())


def bn(x: Tensor, module: nn.Module) -> Tensor:
    mean, var, weight, bias = (
        t.view(1, -1, 1, 1) for t in (module.running_mean, module.running_var, module.weight, module.bias)
    )
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def joined(branches: list[nn.Module], name: str) -> nn.BatchNorm2d:
    """One batch norm over the channels of all branches."""
    norms = [branch.get_submodule(name) for branch in branches]
    whole = nn.BatchNorm2d(sum(norm.num_features for norm in norms)).double().eval()
    whole.load_state_dict(
        {
            key: torch.cat([norm.state_dict()[key] for norm in norms])
            for key in ("weight", "bias", "running_mean", "running_var")
        }
        | {"num_batches_tracked": torch.tensor(0)}
    )
    return whole


def stacked(branches: list[nn.Module], name: str, axis: int) -> Tensor:
    return torch.cat([branch.get_submodule(name).weight for branch in branches], axis)


@pytest.mark.parametrize("channels", [16, 32], ids=["the shape changes", "the shape stays"])
def test_branches_are_a_grouped_convolution(channels: int) -> None:
    """k bottlenecks are one, with the 1 x 1 convolutions side by side and k groups in the 3 x 3. Where each
    has its own first batch norm, they are fed k copies that are scaled apart."""
    k, c = 5, 8
    text = (
        'use multi_bottleneck from "zoo/multi_resnet.arch"\n'
        f"arch unit {{ input x: [N, {channels}, 6, 6]   output x -> multi_bottleneck({c}, k = {k}) }}"
    )
    module = archc.loads(text, "unit").module(dtype="float64").eval()
    module.load_state_dict(randomised(module))
    branches = [module.get_submodule(f"branch{i}") for i in range(1, k + 1)]
    x = torch.randn(2, channels, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        if channels == 4 * c:
            skip, groups = x, k
            entering = torch.cat([bn(x, branch.conv1.bn) for branch in branches], 1).relu()
        else:
            entering = bn(x, module.get_submodule("preact")).relu()
            skip, groups = functional.conv2d(entering, module.get_submodule("identity_conv").weight), 1
        y = functional.conv2d(entering, stacked(branches, "conv1.conv", 0), groups=groups)
        y = bn(y, joined(branches, "conv2.bn")).relu()
        y = functional.conv2d(y, stacked(branches, "conv2.conv", 0), padding=1, groups=k)
        y = bn(y, joined(branches, "conv3.bn")).relu()
        expected = skip + functional.conv2d(y, stacked(branches, "conv3.conv", 1))
        assert float((module(x) - expected).abs().max()) < 1e-12 * float(expected.abs().max())


def ways(graph: Any) -> int:
    """Paths from the inputs to the ends, by walking every one of them."""

    def below(node: Any) -> int:
        edges = list(graph.out_edges(node))
        return sum(below(to) for _, to in edges) if edges else 1

    return sum(below(node) for node in graph if graph.in_degree(node) == 0)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_unit_multiplies_the_paths_by_its_branches_and_one(k: int) -> None:
    network = archc.load("multi_resnet_cifar", depth=14, k=k, unit="basic")
    assert ways(network.graph) == (k + 1) ** 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"k": 0}, "a unit has k branches, a whole number from 1, and not 0"),
        ({"depth": 26}, r"with bottlenecks 9n \+ 2 \(164, 200, 398, 1001\), and not 26"),
        ({"width": 0}, "a whole number from 1, and not 0"),
        ({"unit": "wide"}, '"basic" or "bottleneck"'),
    ],
)
def test_impossible_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(archc.ArchError, match=message):
        archc.load("multi_resnet_cifar", **given)
