"""Layers that keep, cut or surround a part of a map, against torch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.sizes import symbol

from .compare import H, N, T, W, agree, argument_error, at, dims, refusal
from .interpret import Lowered, example, infer, op

X = dims(N, 4, H, W)
SIZES = {"N": 2, "H": 7, "W": 6}
EXAMPLES = settings(max_examples=50, deadline=None)
h, w = symbol("h"), symbol("w")


@EXAMPLES
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=2),
    st.sampled_from(["constant", "reflect", "replicate", "circular"]),
    st.sampled_from([0, 1.5]),
)
def test_pad(pairs, mode, value):
    (x,), (result,) = agree(op("pad", pairs, mode=mode, value=value), [X], **SIZES)
    (top, bottom), (left, right) = pairs
    settings_ = {"value": value} if mode == "constant" else {}
    assert torch.equal(result, F.pad(x, (left, right, top, bottom), mode, **settings_))


def test_pad_by_one_number_or_one_for_each_axis():
    (x,), (result,) = agree(op("pad", 1), [X], **SIZES)
    assert torch.equal(result, F.pad(x, (1, 1, 1, 1)))
    (x,), (result,) = agree(op("pad", [1, 2]), [X], **SIZES)
    assert torch.equal(result, F.pad(x, (2, 2, 1, 1)))
    (x,), (result,) = agree(op("pad", [1, 2]), [dims(N, H, W, 4, channel_axis=3)], **SIZES)
    assert torch.equal(result, F.pad(x, (0, 0, 2, 2, 1, 1)))


def test_pad_refuses():
    assert refusal(op("pad", 7, mode="reflect"), dims(N, 4, 7, 9)).code == "E0410"
    assert refusal(op("pad", 8, mode="circular"), dims(N, 4, 7, 9)).code == "E0410"
    assert refusal(op("pad", [1, 2, 3]), X).code == "E0407"
    assert refusal(op("pad", 1), dims(N, 4)).code == "E0401"
    assert refusal(op("pad", 1, mode="reflect"), dims(N, H, W, 4, channel_axis=3)).code == "E0401"
    assert "a list of pairs" in argument_error("pad", "half")


@EXAMPLES
@given(st.integers(4, 9), st.booleans(), st.integers(0, 2))
def test_pad_channels(channels, both, before):
    added = channels - 4
    keywords = {"both": True} if both else {"before": min(before, added)}
    front = added // 2 if both else min(before, added)
    (x,), (result,) = agree(op("pad_channels", channels, **keywords), [X], **SIZES)
    assert torch.equal(result, F.pad(x, (0, 0, 0, 0, front, added - front)))


def test_pad_channels_refuses():
    assert refusal(op("pad_channels", 3), X).code == "E0405"
    assert refusal(op("pad_channels", 5, before=2), X).code == "E0405"
    assert "both" in argument_error("pad_channels", 8, before=1, both=True)
    (x,), (result,) = agree(op("pad_channels", 6), [dims(N, T, 4, channel_axis=2)], N=2, T=3)
    assert torch.equal(result, F.pad(x, (0, 2)))


@EXAMPLES
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 7), st.integers(1, 7))
def test_subsample(a, b, height, width):
    (x,), (result,) = agree(op("subsample", [a, b]), [X], N=2, H=height, W=width)
    assert torch.equal(result, x[:, :, ::a, ::b])


@EXAMPLES
@given(st.integers(0, 3), st.integers(0, 3), st.integers(1, 4), st.integers(1, 3))
def test_crop_to_a_size(top, left, height, width):
    (x,), (result,) = agree(op("crop", [top, left], [height, width]), [X], **SIZES)
    assert torch.equal(result, x[:, :, top : top + height, left : left + width])


@EXAMPLES
@given(st.one_of(st.none(), st.integers(0, 3)), st.integers(1, 4), st.integers(1, 3))
def test_crop_like_a_tensor(offset, height, width):
    layer = op("crop", like=True) if offset is None else op("crop", offset, like=True)
    (x, y), (result,) = agree(layer, [X, dims(N, 9, h, w)], **SIZES, h=height, w=width)
    top = (7 - height) // 2 if offset is None else offset
    left = (6 - width) // 2 if offset is None else offset
    assert torch.equal(result, x[:, :, top : top + y.shape[2], left : left + y.shape[3]])


def test_crop_in_the_middle_of_related_maps_needs_no_size_at_run_time():
    (x, _y), (result,) = agree(op("crop", like=True), [X, dims(N, 9, H - 4, W - 2)], **SIZES)
    assert torch.equal(result, x[:, :, 2:5, 1:5])


def test_crop_states_what_it_requires_and_refuses_what_never_fits():
    requirements = Requirements()
    op("crop", 5, like=True).infer((X, dims(N, 9, h, w)), requirements)
    assert requirements.violations({"N": 1, "H": 9, "h": 5, "W": 9, "w": 4})
    assert not requirements.violations({"N": 1, "H": 9, "h": 4, "W": 9, "w": 4})
    error = refusal(op("crop", 5, 4), dims(N, 3, 8, 9))
    assert error.code == "E0410" and "height" in str(error)
    assert refusal(op("crop", like=True), X, dims(N, 3)).code == "E0401"
    assert refusal(op("crop", 0, h), X).code == "E0406"
    assert "like = x" in argument_error("crop", 5)
    assert "like = x" in argument_error("crop", 5, 3, like=True)


bounds = st.one_of(st.none(), st.integers(-7, 7))


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.integers(-7, 6)), bounds, st.integers(1, 3))
def test_slice(start, stop, step):
    layer = op("slice", "height", start, stop, step)
    x = example(dims(2, 4, 7, 6))
    expected = x[:, :, start:stop:step]
    if expected.shape[2] == 0:
        assert refusal(layer, dims(N, 4, 7, 6)).code == "E0410"
        return
    (x,), (result,) = agree(layer, [X], **SIZES)
    assert torch.equal(result, x[:, :, start:stop:step])


@pytest.mark.parametrize(
    ("start", "stop", "part"),
    [(0, H // 2, slice(0, 3)), (H // 2, None, slice(3, 7)), (1, H - 1, slice(1, 6)), (H - 3, -1, slice(4, 6))],
)
def test_bounds_of_slices_are_sizes(start, stop, part):
    (x,), (result,) = agree(op("slice", "height", start, stop), [X], **SIZES)
    assert torch.equal(result, x[:, :, part])
    requirements = Requirements()
    op("slice", "height", H - 3).infer((X,), requirements)
    assert requirements.violations({"N": 1, "H": 2, "W": 9}) and not requirements.violations({"N": 1, "H": 3, "W": 9})


def test_slice_of_channels():
    (x,), (result,) = agree(op("slice", "channels", 1, 3), [X], **SIZES)
    assert torch.equal(result, x[:, 1:3])
    assert refusal(op("slice", 1, 0, 5), X).code == "E0410"
    assert refusal(op("slice", 0, 0, 1), X).code == "E0420"


@EXAMPLES
@given(st.integers(-8, 8), st.integers(-8, 8))
def test_roll(a, b):
    (x,), (result,) = agree(op("roll", [a, b]), [X], **SIZES)
    assert torch.equal(result, torch.roll(x, (a, b), (2, 3)))
    (x,), (result,) = agree(op("roll", a, axes=["channels"]), [X], **SIZES)
    assert torch.equal(result, torch.roll(x, a, 1))


@pytest.mark.parametrize("layer", [op("roll", [1, 2, 3]), op("roll", [1], axes=[2, 3])])
def test_roll_wants_a_shift_for_each_axis(layer):
    assert refusal(layer, X).code == "E0401"


def test_channels_follow():
    for layer in (op("subsample"), op("slice", 1, 1), op("pad", 1), op("crop", 0, 2)):
        assert infer(layer, dims(N, 6, 6, 4, channel_axis=3))[0].channel_axis == 3
        (out,) = infer(layer, at(X, SIZES))
        assert Lowered(layer, (at(X, SIZES),), (out,))(example(at(X, SIZES)))[0].shape == out.dims


@pytest.mark.parametrize("layer", [op("crop", 3, size=4), op("slice", "height", 2, 6), op("slice", "height", -6, -2)])
def test_what_is_not_there_is_not_cut(layer):
    x = dims(N, 4, H, H)
    outputs = infer(layer, x)
    module = Lowered(layer, (x,), outputs)
    (made,) = module(torch.zeros(2, 4, 8, 8))
    assert made.shape[2] == 4
    with pytest.raises((RuntimeError, IndexError)):
        module(torch.zeros(2, 4, 5, 5))
