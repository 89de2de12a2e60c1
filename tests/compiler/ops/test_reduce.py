"""Reductions agree with torch, at numbers and at open sizes."""

from __future__ import annotations

import pytest
import torch

from archc.compiler.ir.requirements import Requirements

from .compare import H, N, W, agree, dims, refusal
from .interpret import infer, op

PEERS = {
    "mean": torch.mean,
    "sum": torch.sum,
    "max": torch.amax,
    "min": torch.amin,
    "var": torch.var,
    "std": torch.std,
    "norm": torch.linalg.vector_norm,
    "logsumexp": torch.logsumexp,
}
X = dims(N, 4, H, W)


@pytest.mark.parametrize("statistic", PEERS)
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("axes", [(2, 3), (1,), (3,), (1, 2, 3)])
def test_it_is_torchs(statistic, keep, axes):
    (x,), (result,) = agree(op("reduce", statistic, list(axes), keep), [X], N=2, H=3, W=5)
    assert torch.equal(result, PEERS[statistic](x, dim=axes, keepdim=keep))


def test_what_is_left():
    assert infer(op("reduce", "mean", ["height", "width"]), X)[0].channel_axis == 1
    assert infer(op("reduce", "mean", "channels"), X)[0].channel_axis is None
    assert infer(op("reduce", "mean", -1, True), X)[0].dims == (N, 4, H, 1)


def test_the_variance_of_a_population():
    (x,), (result,) = agree(op("reduce", "var", [2, 3], unbiased=False), [X], N=2, H=3, W=5)
    assert torch.equal(result, x.var((2, 3), correction=0))


def test_refusals():
    assert refusal(op("reduce", "mean", 0), X).code == "E0420"
    assert refusal(op("reduce", "mean", [1, "channels"]), X).code == "E0420"
    assert refusal(op("reduce", "std", 1), dims(N, 1, H, W)).code == "E0410"
    requirements = Requirements()
    op("reduce", "var", "height").infer((X,), requirements)
    assert requirements.violations({"N": 1, "H": 1, "W": 1}) and not requirements.violations({"N": 1, "H": 2, "W": 1})
