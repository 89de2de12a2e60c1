"""RegNet: the widths of the paper's rule, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows.regnet import NAMES
from rows.regnet import settings as published
from torchvision.models.regnet import BlockParams

import archc


def stages(network: archc.Architecture) -> list[tuple[int, int, int]]:
    """Width, blocks and channels of a group, for each stage: of the grouped convolutions in a row."""
    convolutions = [n.op for n in network.ir.nodes if n.op.kind == "conv" and n.op.kernel == 3][1:]  # type: ignore[attr-defined]
    found: dict[int, list[int]] = {}
    for op in convolutions:
        found.setdefault(op.channels, []).append(op.channels // op.groups)  # type: ignore[attr-defined]
    return [(width, len(groups), groups[0]) for width, groups in found.items()]


def theirs(params: BlockParams) -> list[tuple[int, int, int]]:
    return list(zip(params.widths, params.depths, params.group_widths, strict=True))


@pytest.mark.parametrize("name", [*NAMES, "regnet_y_128gf"])
def test_published_widths(name: str) -> None:
    assert stages(archc.load(name)) == theirs(published(name))


@settings(max_examples=20, deadline=None)
@given(
    depth=st.integers(1, 24),
    w0=st.integers(1, 30).map(lambda n: 8 * n),
    wa=st.integers(5, 120),
    wm=st.sampled_from([1.5, 2, 2.25, 2.5, 3]),
    g=st.sampled_from([8, 16, 24]),
)
def test_any_widths(depth: int, w0: int, wa: int, wm: float, g: int) -> None:
    params = BlockParams.from_init_params(depth=depth, w_0=w0, w_a=wa, w_m=wm, group_width=g)
    if len(set(params.widths)) == len(params.widths):  # stages of one width are not told apart here
        assert stages(archc.load("RegNet", depth=depth, w0=w0, wa=wa, wm=wm, g=g)) == theirs(params)


@pytest.mark.parametrize("wrong", [{"w0": 20}, {"wm": 1}, {"wa": -1}, {"g": 0}, {"depth": 0}])
def test_what_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(archc.ArchError, match="multiple of 8, wa not below 0, wm above 1"):
        archc.load("RegNet", **{"depth": 8, "w0": 24, "wa": 24.5, "wm": 2.5, "g": 8} | wrong)
