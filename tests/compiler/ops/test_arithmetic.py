"""Functions of one tensor and learned scales against torch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.ir.initialisers import ZEROS, constant

from .compare import H, N, T, W, agree, argument_error, at, dims, refusal
from .interpret import Lowered, example, infer, op

X = dims(N, 3, H, W)
TOKENS = dims(N, T, 3, channel_axis=2)
SIZES = {"N": 2, "H": 5, "W": 4, "T": 6}


@pytest.mark.parametrize("n", [0, 1, 2, 3, 1.5, -1])
def test_power(n):
    (x,), (result,) = agree(op("power", n), [X], **SIZES)
    torch.testing.assert_close(result, x**n, rtol=0, atol=0, equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(st.one_of(st.none(), st.floats(-1, 0)), st.one_of(st.none(), st.floats(0, 1)))
def test_clamp(low, high):
    if low is None and high is None:
        assert "must be given" in argument_error("clamp", low, high)
        return
    (x,), (result,) = agree(op("clamp", low, high), [X], **SIZES)
    assert torch.equal(result, torch.clamp(x, low, high))


def test_clamp_wants_bounds_in_order():
    assert "exceed" in argument_error("clamp", 2, 1)
    assert "must be given" in argument_error("clamp")


@pytest.mark.parametrize("x", [X, TOKENS])
def test_l2norm_goes_along_the_channels(x):
    (tensor,), (result,) = agree(op("l2norm"), [x], **SIZES)
    assert torch.equal(result, F.normalize(tensor, dim=x.channel_axis))
    (tensor,), (result,) = agree(op("l2norm", eps=10), [x], **SIZES)
    assert torch.equal(result, F.normalize(tensor, dim=x.channel_axis, eps=10))


@pytest.mark.parametrize("x", [X, TOKENS, dims(N, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_scale_is_along_the_channels(x, bias):
    layer = op("scale", bias=bias, init=constant(0.5))
    fixed = at(x, SIZES)
    module, tensor = Lowered(layer, (fixed,), infer(layer, fixed)), example(fixed)
    assert module.state() == [(w.name, w.shape, w.learned) for w in layer.weights((fixed,))]
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(3))
    shape = [3 if axis == x.channel_axis else 1 for axis in range(x.rank)]
    expected = tensor * module.gamma.reshape(shape) + (module.beta.reshape(shape) if bias else 0)
    assert torch.equal(module(tensor)[0], expected)


def test_scale_refuses():
    assert [w.init for w in op("scale", bias=True).weights((X,))][1] == ZEROS
    assert refusal(op("scale"), dims(N)).code == "E0401"
    assert refusal(op("scale"), dims(N, T)).code == "E0406"
    assert refusal(op("power", 2), dims(N, 3, dtype="int")).code == "E0407"
    assert "initialiser" in argument_error("scale", init=3)
