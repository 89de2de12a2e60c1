"""Mobile networks: widths rounded as torchvision rounds them, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models._utils import _make_divisible

import archc

TEXT = """
use divisible from "std/mobile.arch"
arch rounded(values: list, step: int) {
  input x: [N, 1, 8, 8]
  output x -> [conv(divisible(v, step), 1) for v in values]
}
"""


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.integers(1, 5000) | st.floats(1, 5000), min_size=20, max_size=60),
    step=st.sampled_from([1, 2, 8, 24, 56, 120]),
)
def test_widths_are_rounded_as_torchvisions(values: list[float], step: int) -> None:
    nodes = archc.loads(TEXT, "rounded", values=values, step=step).ir.nodes
    widths = [node.op.channels for node in nodes if node.op.kind == "conv"]  # type: ignore[attr-defined]
    assert widths == [_make_divisible(value, step) for value in values]


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "mnasnet"])
@pytest.mark.parametrize("width", [0, -1.5])
def test_a_width_is_above_zero(name: str, width: float) -> None:
    spec = {"mnasnet": "MNASNet"}.get(name, name)
    with pytest.raises(archc.ArchError, match="is above 0"):
        archc.load(spec, width=width)


@pytest.mark.parametrize(
    ("given", "reason"), [({"tail": 3}, "1 or 2"), ({"dilation": 4}, "1 or 2"), ({"drop": 2}, "1")]
)
def test_what_is_refused(given: dict[str, int], reason: str) -> None:
    with pytest.raises(archc.ArchError, match=reason):
        archc.load("mobilenet_v3_large", **given)


def test_act_stands_in_the_place_of_hswish() -> None:
    """The first layers' rectifiers, and those of squeeze and excitation, stay."""
    kinds = {
        act: [n.op.kind for n in archc.load("mobilenet_v3_small", act=act).ir.nodes] for act in ("hardswish", "elu")
    }
    assert [kind.replace("hardswish", "elu") for kind in kinds["hardswish"]] == kinds["elu"]
    assert kinds["elu"].count("elu") == 19
    assert "relu" in kinds["elu"]
