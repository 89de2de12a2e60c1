"""Resampling against torch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.ir.sizes import symbol

from .compare import H, N, W, agree, argument_error, dims, refusal
from .interpret import infer, op

X = dims(N, 3, H, W)
SIZES = {"N": 2, "H": 5, "W": 4}
MODES = ["nearest", "nearest-exact", "bilinear", "bicubic", "area"]
EXAMPLES = settings(max_examples=50, deadline=None)
h, w = symbol("h"), symbol("w")


def corners(mode: str, align: bool) -> dict[str, bool]:
    return {"align_corners": align} if mode in ("bilinear", "bicubic") else {}


@EXAMPLES
@given(
    st.one_of(
        st.integers(1, 3),
        st.sampled_from([0.5, 1.5, 2.25]),
        st.lists(st.sampled_from([1, 2, 0.5]), min_size=2, max_size=2),
    ),
    st.sampled_from(MODES),
    st.booleans(),
)
def test_upsample_by_a_scale(scale, mode, align):
    (x,), (result,) = agree(op("upsample", scale, mode=mode, **corners(mode, align)), [X], **SIZES)
    scales = tuple(scale) if isinstance(scale, list) else scale
    assert torch.equal(result, F.interpolate(x, scale_factor=scales, mode=mode, **corners(mode, align)))


@EXAMPLES
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(MODES))
def test_upsample_to_a_size(height, width, mode):
    (x,), (result,) = agree(op("upsample", size=[height, width], mode=mode), [X], **SIZES)
    assert torch.equal(result, F.interpolate(x, size=(height, width), mode=mode))
    layer = op("upsample", like=True, mode=mode)
    (x, _), (result,) = agree(layer, [X, dims(N, 7, h, w)], **SIZES, h=height, w=width)
    assert torch.equal(result, F.interpolate(x, size=(height, width), mode=mode))
    (x, _), (result,) = agree(layer, [X, dims(N, h, w, 7, channel_axis=3)], **SIZES, h=height, w=width)
    assert torch.equal(result, F.interpolate(x, size=(height, width), mode=mode))


@EXAMPLES
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(["bilinear", "bicubic"]), st.booleans())
def test_upsample_without_aliases(height, width, mode, align):
    settings = {"mode": mode, "align_corners": align, "antialias": True}
    (x,), (result,) = agree(op("upsample", size=[height, width], **settings), [X], **SIZES)
    assert torch.equal(result, F.interpolate(x, size=(height, width), **settings))


def test_upsample_sequences_and_volumes():
    (x,), (result,) = agree(op("upsample", 3, mode="linear"), [dims(N, 3, W)], N=2, W=4)
    assert torch.equal(result, F.interpolate(x, scale_factor=3, mode="linear"))
    (x,), (result,) = agree(op("upsample", mode="trilinear"), [dims(N, 3, 2, H, W)], **SIZES)
    assert torch.equal(result, F.interpolate(x, scale_factor=2, mode="trilinear"))


def test_upsample_refuses():
    assert refusal(op("upsample", mode="bilinear"), dims(N, 3, W)).code == "E0401"
    assert refusal(op("upsample", 0.3), X).code == "E0406"
    assert refusal(op("upsample", 0.25), dims(N, 3, 3, 8)).code == "E0410"
    assert refusal(op("upsample", size=h), X).code == "E0406"
    assert refusal(op("upsample", like=True), X, dims(N, 3, W)).code == "E0401"
    assert "interpolates" in argument_error("upsample", align_corners=True)
    assert "like" in argument_error("upsample", like=True, size=3)
    assert "greater than 0" in argument_error("upsample", 0)
    assert '"bilinear"' in argument_error("upsample", mode="cubic")
    assert '"bicubic"' in argument_error("upsample", antialias=True)


@pytest.mark.parametrize("align", [True, False])
def test_spatial_transformer(align):
    theta = dims(N, 2, 3)
    (tensor, x), (grid,) = agree(op("affine_grid", like=True, align_corners=align), [theta, X], **SIZES)
    assert torch.equal(grid, F.affine_grid(tensor, list(x.shape), align_corners=align))
    assert infer(op("affine_grid", like=True), theta, X)[0].channel_axis == 3
    (tensor,), (grid,) = agree(op("affine_grid", size=[6, 7], align_corners=align), [theta], N=2)
    assert torch.equal(grid, F.affine_grid(tensor, [2, 1, 6, 7], align_corners=align))
    (tensor,), (grid,) = agree(op("affine_grid", size=[2, 6, 7], align_corners=align), [dims(N, 3, 4)], N=2)
    assert torch.equal(grid, F.affine_grid(tensor, [2, 1, 2, 6, 7], align_corners=align))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_grid_sample(mode, padding_mode):
    keywords = {"mode": mode, "padding_mode": padding_mode}
    (x, grid), (result,) = agree(
        op("grid_sample", **keywords), [X, dims(N, h, w, 2, channel_axis=3)], **SIZES, h=3, w=6
    )
    assert torch.equal(result, F.grid_sample(x, grid, align_corners=True, **keywords))


def test_grids_refuse():
    assert refusal(op("affine_grid", size=[4, 4]), dims(N, 6)).code == "E0401"
    assert refusal(op("affine_grid", size=[4, 4, 4]), dims(N, 2, 3)).code == "E0401"
    assert refusal(op("affine_grid", like=True), dims(2, 2, 3), dims(3, 3, 8, 8)).code == "E0405"
    assert "like = x" in argument_error("affine_grid")
    assert refusal(op("grid_sample"), X, dims(N, 4, 4, 3, channel_axis=3)).code == "E0401"
    assert refusal(op("grid_sample"), dims(2, 3, 8, 8), dims(3, 4, 4, 2, channel_axis=3)).code == "E0405"
    volume, places = dims(N, 3, 8, 8, 8), dims(N, 4, 4, 4, 3, channel_axis=4)
    assert infer(op("grid_sample"), volume, places)[0].dims == (N, 3, 4, 4, 4)
    assert refusal(op("grid_sample", mode="bicubic"), volume, places).code == "E0401"
