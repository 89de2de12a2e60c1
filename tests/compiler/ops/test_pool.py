"""Pools against torch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archc.compiler.ir.op import LayerError

from .interpret import Lowered, check_against_torch, infer, op, per_axis, refused_as_torch_does, tensor_type

EXAMPLES = settings(max_examples=60, deadline=None)


@st.composite
def pools(draw: st.DrawFn, kind: str):
    rank = draw(st.integers(1, 3))
    x = tensor_type(2, 3, *(draw(st.integers(1, 10)) for _ in range(rank)))
    kernel = per_axis(draw, rank, 1, 4)
    least = kernel if isinstance(kernel, int) else min(kernel)
    keywords = {"padding": draw(st.integers(0, least // 2)), "ceil": draw(st.booleans())}
    if draw(st.booleans()):
        keywords["stride"] = per_axis(draw, rank, 1, 5)
    if kind == "maxpool":
        keywords["dilation"] = per_axis(draw, rank, 1, 2)
    else:
        keywords["count_pad"] = draw(st.booleans())
    return op(kind, kernel, **keywords), x


@EXAMPLES
@given(st.sampled_from(["maxpool", "avgpool"]).flatmap(pools))
def test_pools_have_torchs_sizes(case):
    layer, x = case
    assume(not refused_as_torch_does(layer, x))
    check_against_torch(layer, x)


@EXAMPLES
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 4))
def test_same_padding_gives_the_size_over_the_stride_rounded_up(n, kernel, stride):
    (y,) = check_against_torch(op("maxpool", kernel, stride, padding="same"), tensor_type(2, 3, n, n))
    assert y.shape[-1] == -(-n // stride)
    assert torch.isfinite(y).all()


def test_uneven_padding_of_a_maximum_is_minus_infinity():
    x = tensor_type(1, 1, 3)
    layer = op("maxpool", 3, 1, padding=[[1, 0]])
    (y,) = Lowered(layer, (x,), infer(layer, x))(torch.tensor([[[-3.0, -2.0, -1.0]]]))
    assert y.flatten().tolist() == [-2, -1]


@EXAMPLES
@given(st.integers(1, 3), st.data())
def test_pools_to_a_size(rank, data):
    x = tensor_type(2, 3, *(data.draw(st.integers(1, 9)) for _ in range(rank)))
    kind = data.draw(st.sampled_from(["adaptive_avgpool", "adaptive_maxpool"]))
    check_against_torch(op(kind, per_axis(data.draw, rank, 1, 4)), x)


@pytest.mark.parametrize("kind", ["gap", "gmp"])
@pytest.mark.parametrize("sizes", [(5,), (5, 7), (2, 3, 4)])
def test_global_pools_keep_a_map_of_size_1(kind, sizes):
    (y,) = check_against_torch(op(kind), tensor_type(2, 3, *sizes))
    assert y.shape == (2, 3, *(1 for _ in sizes))


@pytest.mark.parametrize("sizes", [(8,), (9, 7), (5, 6, 7)])
@pytest.mark.parametrize("ceil", [False, True])
def test_power_pool(sizes, ceil):
    check_against_torch(op("lppool", 2, 3, 2, ceil=ceil), tensor_type(2, 3, *sizes))


def test_caffes_pools_round_up():
    (y,) = infer(op("maxpool", 2, ceil=True), tensor_type(1, 64, 175, 175))
    assert y.dims == (1, 64, 88, 88)


@pytest.mark.parametrize(
    "layer, x, code, words",
    [
        (op("maxpool", 2), tensor_type(1, 3, 1, 8), "E0404", "height of 1"),
        (op("maxpool", 2), tensor_type(1, 3, 8, 1), "E0404", "width of 1"),
        (op("maxpool", 2, padding=2), tensor_type(1, 3, 8, 8), "E0407", "more than half the window of maxpool (2)"),
        (op("avgpool", 2), tensor_type(1, 3), "E0401", "the vector [1, 3]"),
        (op("gap"), tensor_type(1, 7, 3, channel_axis=2), "E0401", "the tokens [1, 7, 3]"),
        (op("adaptive_avgpool", [2, 2]), tensor_type(1, 3, 8), "E0407", "`size` of adaptive_avgpool lists 2 values"),
    ],
)
def test_what_does_not_fit_is_refused(layer, x, code, words):
    with pytest.raises(LayerError, match=r".") as caught:
        infer(layer, x)
    assert caught.value.code == code and words in str(caught.value)


@pytest.mark.parametrize(("size", "kernel", "stride"), [(4, 3, 2), (5, 3, 2), (7, 2, 2), (6, 3, 1), (8, 4, 3)])
def test_an_average_with_tensorflows_padding_counts_what_is_there(size, kernel, stride):
    x = tensor_type(2, 3, size, size)
    layer = op("avgpool", kernel, stride, padding="same")
    outputs = infer(layer, x)
    data = torch.randn(2, 3, size, size)
    (result,) = Lowered(layer, (x,), outputs)(data)
    out = -(-size // stride)
    before = max((out - 1) * stride + kernel - size, 0) // 2
    for i in range(out):
        for j in range(out):
            rows = slice(max(i * stride - before, 0), i * stride - before + kernel)
            columns = slice(max(j * stride - before, 0), j * stride - before + kernel)
            torch.testing.assert_close(result[:, :, i, j], data[:, :, rows, columns].mean((2, 3)))
