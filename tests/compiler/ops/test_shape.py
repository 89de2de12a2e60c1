"""Layers that give the same numbers another shape, against torch."""

from __future__ import annotations

from itertools import pairwise, permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.types import Axis, Role, TensorType

from .compare import H, N, T, W, agree, argument_error, at, dims, refusal
from .interpret import Lowered, example, infer, op

X = dims(N, 4, H, W)
SIZES = {"N": 2, "H": 6, "W": 5}


@pytest.mark.parametrize(("start", "end"), [(1, -1), (2, -1), (1, 2), (2, 3), (3, 3), ("height", "width")])
def test_flatten(start, end):
    (x,), (result,) = agree(op("flatten", start, end), [X], **SIZES)
    first, last = {"height": 2}.get(start, start), {"width": 3}.get(end, end)
    assert torch.equal(result, torch.flatten(x, first, last))


def test_flatten_keeps_track_of_the_channels():
    assert infer(op("flatten", 2), X)[0].channel_axis == 1
    assert infer(op("flatten", 1, 2), dims(N, H, W, 4, channel_axis=3))[0].channel_axis == 2
    assert infer(op("flatten"), dims(N, H, W, 4, channel_axis=3))[0].channel_axis == 1
    assert infer(op("flatten"), X)[0].dims == (N, 4 * H * W)
    assert refusal(op("flatten", 0), X).code == "E0420"
    assert refusal(op("flatten", 3, 1), X).code == "E0420"
    assert refusal(op("flatten"), dims(N)).code == "E0401"


@st.composite
def factorisations(draw):
    """Sizes whose product is 48, or some of it left for one -1."""
    cuts = sorted(draw(st.lists(st.sampled_from([1, 2, 4, 12, 24]), max_size=3)))
    sizes = [b // a for a, b in pairwise([1, *cuts, 48]) if b % a == 0]
    if torch.Size(sizes).numel() != 48:
        sizes = [48]
    if draw(st.booleans()):
        sizes[draw(st.integers(0, len(sizes) - 1))] = -1
    return sizes


@settings(max_examples=80, deadline=None)
@given(factorisations(), st.sampled_from([(N, 48), (N, 4, 12), (N, 2, 6, 4), (N, 3, 4, 2, 2)]))
def test_reshape_at_fixed_sizes(sizes, shape):
    (x,), (result,) = agree(op("reshape", sizes), [dims(*shape)], N=3)
    assert torch.equal(result, x.reshape(3, *sizes))


@pytest.mark.parametrize(
    ("sizes", "peer"),
    [
        ([4, -1], lambda x: x.reshape(2, 4, 30)),
        ([4, H * W], lambda x: x.reshape(2, 4, 30)),
        ([2, 2, H, W], lambda x: x.reshape(2, 2, 2, 6, 5)),
        ([2, 2, -1, W], lambda x: x.reshape(2, 2, 2, 6, 5)),
        ([4, H // 3, 3, W], lambda x: x.reshape(2, 4, 2, 3, 5)),
        ([W, 4, H], lambda x: x.reshape(2, 5, 4, 6)),
        ([2 * H, 2 * W], lambda x: x.reshape(2, 12, 10)),
        ([8, -1], lambda x: x.reshape(2, 8, 15)),
    ],
)
def test_reshape_reads_symbolic_sizes_off_the_input(sizes, peer):
    layer, x = op("reshape", sizes), example(at(X, SIZES))
    requirements = Requirements()
    (out,) = layer.infer((X,), requirements)
    assert requirements.violations(SIZES) == []
    (result,) = Lowered(layer, (X,), (out,))(x)
    assert at(out, SIZES).dims == tuple(result.shape)
    assert torch.equal(result, peer(x))


def test_reshape_explains_what_does_not_fit():
    error = refusal(op("reshape", [2, 4]), dims(N, 6))
    assert error.code == "E0408" and "6 numbers, not 8" in str(error)
    assert refusal(op("reshape", [4, -1]), dims(N, 6)).code == "E0408"
    unknown = refusal(op("reshape", [H // 2, 2 * W]), dims(N, H * W))
    assert unknown.code == "E0406" and any("rearrange" in hint for hint in unknown.hints)
    assert "several" in argument_error("reshape", [-1, -1])
    assert "positive" in argument_error("reshape", [0, 3])
    assert "list of sizes" in argument_error("reshape", 3)


@pytest.mark.parametrize(("sizes", "shape"), [([12], (12,)), ([2, -1], (2, 6)), ([1, 3, 4], (1, 3, 4))])
def test_reshape_takes_all_axes_of_a_parameter(sizes, shape):
    (x,), (result,) = agree(op("reshape", sizes), [TensorType((Axis(6), Axis(2)))])
    assert torch.equal(result, x.reshape(shape))
    assert "without the batch" not in str(refusal(op("reshape", [5]), TensorType((Axis(6), Axis(2)))))


def test_reshape_keeps_channels_that_are_last_and_stay_so():
    tokens = dims(N, 16, 8, channel_axis=2)
    assert infer(op("reshape", [4, 4, 8]), tokens)[0].channel_axis == 3


@pytest.mark.parametrize("rest", list(permutations((1, 2, 3))))
def test_permute(rest):
    layer = op("permute", [0, *rest])
    (x,), (result,) = agree(layer, [X], **SIZES)
    assert torch.equal(result, x.permute(0, *rest))
    assert infer(layer, X)[0].channels == 4
    assert op("permute", [0, *(axis - 4 for axis in rest)]).key == layer.key


def test_permute_wants_every_axis_once():
    assert "each axis once" in argument_error("permute", [0, 1, 1])
    assert refusal(op("permute", [0, 2, 1]), X).code == "E0401"


def test_transpose():
    sequence = dims(N, 8, T)
    (x,), (result,) = agree(op("transpose"), [sequence], N=2, T=5)
    assert torch.equal(result, x.transpose(1, 2))
    assert infer(op("transpose"), sequence)[0].channel_axis == 2
    (x,), (result,) = agree(op("transpose", -2, -1), [X], **SIZES)
    assert torch.equal(result, x.transpose(2, 3))


@pytest.mark.parametrize("layer", [op("permute", [1, 0, 2, 3]), op("transpose", 0, 1)], ids=["permute", "transpose"])
def test_where_the_batch_is_not_first_nothing_is_known_of_other_axes(layer):
    (x,), (result,) = agree(layer, [X], **SIZES)
    assert torch.equal(result, x.transpose(0, 1))
    (moved,) = infer(layer, X)
    assert not moved.has_batch and moved.roles == (Role.UNKNOWN, Role.BATCH, Role.UNKNOWN, Role.UNKNOWN)
    for kind in ("conv", "bn", "softmax", "gap"):
        assert refusal(op(kind, *((8, 3) if kind == "conv" else ())), moved).code in ("E0401", "E0425")
    (back,) = infer(layer, moved)
    assert back.has_batch and infer(op("as_map"), back) == (X,)


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_unsqueeze_and_squeeze_undo_each_other(axis):
    x = dims(N, 4, W)
    (tensor,), (result,) = agree(op("unsqueeze", axis), [x], N=2, W=5)
    assert torch.equal(result, tensor.unsqueeze(axis))
    (wider,) = infer(op("unsqueeze", axis), x)
    assert wider.channels == 4
    assert infer(op("squeeze", axis), wider) == (x,)
    agree(op("squeeze", axis), [wider], N=2, W=5)


def test_squeeze_and_unsqueeze_refuse():
    assert refusal(op("squeeze", 2), dims(N, 4, 3)).code == "E0405"
    assert refusal(op("squeeze", 0), dims(1, 4, 3)).code == "E0420"
    assert refusal(op("unsqueeze", 0), X).code == "E0420"
    assert infer(op("unsqueeze", 1), dims(N))[0].dims == (N, 1)


@pytest.mark.parametrize(("axis", "index"), [("length", 0), (1, -1), (1, 3), (2, 2)])
def test_select(axis, index):
    (x,), (result,) = agree(op("select", axis, index), [dims(N, T, 8, channel_axis=2)], N=2, T=5)
    assert torch.equal(result, x.select({"length": 1}.get(axis, axis), index))
    assert refusal(op("select", 1, 5), dims(N, 5, 8, channel_axis=2)).code == "E0410"
    assert refusal(op("select", 1, -6), dims(N, 5, 8, channel_axis=2)).code == "E0410"
