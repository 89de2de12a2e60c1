"""Pre-activation residual networks on CIFAR: closed forms, the authors' form, shortcuts, sizes, refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from rows.resnet import OptionA, with_adaptive_pool
from torch import Tensor, nn
from twins import FORMS, loaded, ours, randomised

import archc


def parameters(depth: int, unit: str, shortcut: str = "B", classes: int = 10) -> int:
    """The count by section 4 of the paper: conv1, units with a batch norm before each convolution, BN, dense layer."""
    inner = {"basic": 1, "bottleneck": 4}[unit]
    total, entering = 27 * 16, 16
    for c in (16, 32, 64):
        for _ in range((depth - 2) // (6 if unit == "basic" else 9)):
            leaving = inner * c
            total += 2 * entering + 2 * c  # the norms before the first two convolutions
            if unit == "basic":
                total += 9 * entering * c + 9 * c * c
            else:
                total += entering * c + 9 * c * c + 2 * c + c * leaving
            total += entering * leaving if shortcut == "B" and entering != leaving else 0
            entering = leaving
    return total + 2 * entering + entering * classes + classes


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize(("unit", "depths"), [("basic", range(8, 57, 6)), ("bottleneck", range(11, 84, 9))])
def test_parameters_by_the_closed_form(unit: str, depths: range, shortcut: str) -> None:
    for depth in depths:
        given = {"depth": depth, "unit": unit, "shortcut": shortcut, "classes": depth}
        total = archc.load("preresnet_cifar", **given).stats()
        assert total.parameters == parameters(depth, unit, shortcut, depth)
        assert total.depth == depth


def test_the_closed_form_gives_the_papers_figures() -> None:
    assert [parameters(*net) for net in ((110, "basic", "A"), (110, "basic"), (164, "bottleneck"))] == [
        *(1_727_962, 1_730_522, 1_703_258)
    ]
    assert parameters(1001, "bottleneck", classes=100) == 10_350_836


def peer(blocks: int, bottleneck: bool) -> nn.Module:
    from pytorchcv.models.preresnet_cifar import get_preresnet_cifar

    return with_adaptive_pool(lambda: get_preresnet_cifar(num_classes=10, blocks=blocks, bottleneck=bottleneck))()


class ActivatedShortcut(nn.Module):
    """pytorchcv's unit, but that the shortcut carries what is activated."""

    def __init__(self, unit: nn.Module) -> None:
        super().__init__()
        self.body = unit.body

    def forward(self, x: Tensor) -> Tensor:
        y, activated = self.body(x)
        return y + activated


def activate_first(network: nn.Module) -> None:
    stage = network.get_submodule("features.stage1")
    stage.unit1 = ActivatedShortcut(stage.get_submodule("unit1"))


def option_a(network: nn.Module) -> None:
    for unit in network.modules():
        if getattr(unit, "resize_identity", False):
            unit.identity_conv = OptionA(unit.identity_conv.out_channels, unit.identity_conv.stride[0])


def version_1(network: nn.Module) -> None:
    for name in ("features.stage2.unit1.body", "features.stage3.unit1.body"):
        body = network.get_submodule(name)
        body.conv1.conv.stride, body.conv2.conv.stride = (2, 2), (1, 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({"depth": 14, "first": "both"}, activate_first),
        ({"depth": 14, "shortcut": "A"}, option_a),
        ({"depth": 20, "unit": "bottleneck", "version": 1}, version_1),
        ({"depth": 20, "unit": "bottleneck", "first": "both"}, lambda _: None),
    ],
    ids=["first activated", "option A", "version 1", "bottlenecks project first"],
)
def test_equal_to_the_peer_changed_likewise(
    given: dict[str, int | str], change: Callable[[nn.Module], None], form: str
) -> None:
    network = archc.load("preresnet_cifar", **given)
    reference = peer(int(given["depth"]), given.get("unit") == "bottleneck")
    state = randomised(reference)
    reference.load_state_dict(state)
    change(reference)
    state = reference.state_dict()
    made = loaded(ours(network, form), {key: t.clone() for key, t in state.items()})
    for height, width in ((32, 32), (33, 47), (8, 5), (1, 1)):
        assert not network.ir.requirements.violations({"N": 2, "H": height, "W": width})
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made.eval()(images.clone()), reference.eval()(images.clone()))


def test_the_first_unit_is_another_function() -> None:
    raw, activated = (archc.load("preresnet_cifar", depth=8, first=first).module() for first in ("branch", "both"))
    activated.load_state_dict(raw.state_dict())
    images = torch.randn(2, 3, 8, 8)
    assert not torch.equal(raw(images), activated(images))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"depth": 21}, r"the depth is 6n \+ 2 \(20, 32, 44, 56, 110, 1202\).*and not 21"),
        ({"depth": 2}, r"6n \+ 2"),
        ({"depth": 110, "unit": "bottleneck", "shortcut": "C"}, '"A" or "B"'),
        ({"depth": 1202, "unit": "bottleneck"}, r"9n \+ 2 \(164, 272, 542, 1001\), and not 1202"),
        ({"first": "none"}, '"branch" or "both"'),
    ],
)
def test_impossible_parameters(given: dict[str, int | str], message: str) -> None:
    with pytest.raises(archc.ArchError, match=message):
        archc.load("preresnet_cifar", **given)
