"""ShaResNet: which convolutions are one, and what that saves."""

from __future__ import annotations

import pytest
import torch
from quick import slow_but
from twins import randomised

import archc

UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


@pytest.mark.parametrize("version", [1, 1.5])
@pytest.mark.parametrize("depth", slow_but((18, 50), UNITS))
def test_a_stage_saves_all_its_second_convolutions_but_one(depth: int, version: float) -> None:
    shared, whole = (archc.load(net, depth=depth, version=version).stats() for net in ("sharesnet", "resnet"))
    saved = 0
    for stage, n in enumerate(UNITS[depth]):
        own = depth >= 50 and version == 1.5 and stage > 0  # the first unit's has a stride
        saved += (n - 1 - own) * 9 * (64 * 2**stage) ** 2
    assert whole.parameters - shared.parameters == saved
    assert (whole.multiply_adds, whole.depth) == (shared.multiply_adds, shared.depth)


@pytest.mark.parametrize(("depth", "version"), [(18, 1), (50, 1), (50, 1.5)])
def test_the_units_of_a_stage_have_one_parameter(depth: int, version: float) -> None:
    module = archc.load("sharesnet", depth=depth, version=version).module(device="meta")
    for stage, n in enumerate(UNITS[depth], 1):
        weights = [
            module.get_parameter(f"features.stage{stage}.unit{j}.body.conv2.conv.weight") for j in range(1, n + 1)
        ]
        own = depth == 50 and version == 1.5 and stage > 1
        assert all(weight is weights[own] for weight in weights[own:])
        assert not own or weights[0] is not weights[1]
        norms = {
            id(module.get_parameter(f"features.stage{stage}.unit{j}.body.conv2.bn.weight")) for j in range(1, n + 1)
        }
        assert len(norms) == n


def test_equal_convolutions_in_a_resnet_give_the_same() -> None:
    """A residual network whose stages repeat a weight is the same function. The order of the names is that of use."""
    module, resnet = (archc.load(net).module().eval() for net in ("sharesnet18", "resnet18"))
    state = randomised(module)
    module.load_state_dict(state)
    resnet.load_state_dict(dict(zip(resnet.state_dict(), state.values(), strict=True)))
    images = torch.randn(2, 3, 33, 40)
    with torch.no_grad():
        assert torch.equal(module(images), resnet(images))


@pytest.mark.parametrize(
    ("given", "message"), [({"depth": 200}, "18, 34, 50, 101 or 152"), ({"version": 2}, "1 or 1.5")]
)
def test_impossible_parameters(given: dict[str, int], message: str) -> None:
    with pytest.raises(archc.ArchError, match=message):
        archc.load("sharesnet", **given)
