"""Networks in which training leaves units out: the chances are torchvision's."""

from __future__ import annotations

import pytest
from oracles import Row
from quick import slow_but
from torchvision.ops import StochasticDepth

import archc

NAMES = ("efficientnet_b0", "efficientnet_v2_s", "convnext_tiny", "convnext_small")


@pytest.mark.parametrize("name", slow_but(("efficientnet_b0", "convnext_tiny"), NAMES))
@pytest.mark.parametrize("rate", [None, 0.0, 0.35])
def test_chances_of_survival(name: str, rate: float | None) -> None:
    """Those of units that can be left out; the chance of others is that of the identity."""
    options = {} if rate is None else {"stochastic_depth_prob": rate}
    peer = Row(name, "torchvision", name, options=options).theirs("meta")
    parts = [part for part in peer.modules() if getattr(part, "use_res_connect", True)]
    drops = [
        part.stochastic_depth.p
        for part in parts
        if isinstance(getattr(part, "stochastic_depth", None), StochasticDepth)
    ]
    network = archc.load(name) if rate is None else archc.load(name, drop_path=rate)
    kept = [node.op.p for node in network.ir.nodes if node.op.kind == "survive"]  # type: ignore[attr-defined]
    assert [float(p) for p in kept if p != 1] == [1 - p for p in drops if p > 0]
    assert all(node.op.per == "image" for node in network.ir.nodes if node.op.kind == "survive")  # type: ignore[attr-defined]
