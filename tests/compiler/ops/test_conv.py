"""Convolutions against torch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archc.compiler.ir.initialisers import make_initialiser
from archc.compiler.ir.op import LayerError
from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.sizes import symbol

from .interpret import (
    Lowered,
    check_against_torch,
    example,
    infer,
    op,
    per_axis,
    refused_as_torch_does,
    symbolic,
    tensor_type,
)

EXAMPLES = settings(max_examples=40, deadline=None)


def padding(draw: st.DrawFn, rank: int) -> object:
    pair = st.lists(st.integers(0, 3), min_size=2, max_size=2)
    return draw(
        st.one_of(
            st.sampled_from(["half", "same", "valid"]),
            st.just(per_axis(draw, rank, 0, 3)),
            st.lists(pair, min_size=rank, max_size=rank),
        )
    )


@st.composite
def convolutions(draw: st.DrawFn):
    rank, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    x = tensor_type(2, groups * draw(st.integers(1, 2)), *(draw(st.integers(1, 9)) for _ in range(rank)))
    layer = op(
        "conv",
        groups * draw(st.integers(1, 2)),
        per_axis(draw, rank, 1, 4),
        per_axis(draw, rank, 1, 3),
        padding(draw, rank),
        dilation=per_axis(draw, rank, 1, 2),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    )
    return layer, x


@EXAMPLES
@given(convolutions())
def test_conv_has_torchs_shapes_weights_and_costs(case):
    layer, x = case
    assume(not refused_as_torch_does(layer, x))
    check_against_torch(layer, x)


@EXAMPLES
@given(st.integers(1, 3), st.data())
def test_depthwise_convolution(rank, data):
    x = tensor_type(2, 3, *(data.draw(st.integers(3, 8)) for _ in range(rank)))
    layer = op(
        "dwconv", data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2)), multiplier=data.draw(st.integers(1, 2))
    )
    check_against_torch(layer, x)


@EXAMPLES
@given(st.integers(1, 3), st.data())
def test_transposed_convolution(rank, data):
    groups, stride = data.draw(st.integers(1, 2)), per_axis(data.draw, rank, 1, 3)
    x = tensor_type(2, 2 * groups, *(data.draw(st.integers(2, 5)) for _ in range(rank)))
    layer = op(
        "upconv",
        3 * groups,
        per_axis(data.draw, rank, 1, 4),
        stride,
        data.draw(st.integers(0, 1)),
        output_padding=data.draw(st.integers(0, min([stride] if isinstance(stride, int) else stride) - 1)),
        dilation=data.draw(st.integers(1, 2)),
        groups=groups,
        bias=data.draw(st.booleans()),
    )
    assume(not refused_as_torch_does(layer, x))
    check_against_torch(layer, x)


def test_the_defaults_are_no_bias_and_half_padding():
    (y,) = infer(op("conv", 8, 3), tensor_type(1, 3, 15, 15))
    assert y.dims == (1, 8, 15, 15)
    assert [w.name for w in op("conv", 8, 3).weights((tensor_type(1, 3, 15, 15),))] == ["weight"]
    (y,) = infer(op("upconv", 8), tensor_type(1, 3, 15, 15))
    assert y.dims == (1, 8, 30, 30)


def test_same_padding_is_tensorflows():
    # TensorFlow pads 0 rows before and 1 behind for a 3-wide window of stride 2 on 4 rows.
    layer, x = op("conv", 1, 3, 2, "same"), tensor_type(1, 1, 4)
    module = Lowered(layer, (x,), infer(layer, x))
    module.layer.weight.data.fill_(1.0)
    assert module(torch.arange(1.0, 5).view(1, 1, 4))[0].flatten().tolist() == [6, 7]


@EXAMPLES
@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4))
def test_symbolic_same_padding_is_computed_at_run_time(n, kernel, stride):
    layer, x = op("conv", 1, kernel, stride, "same", bias=False), tensor_type(2, 1, n, n)
    unknown, _ = symbolic(x)
    fixed = Lowered(layer, (x,), infer(layer, x))
    open_ = Lowered(layer, (unknown,), layer.infer((unknown,), Requirements()))
    open_.load_state_dict(fixed.state_dict())
    tensor = example(x)
    assert torch.equal(fixed(tensor)[0], open_(tensor)[0])
    assert fixed(tensor)[0].shape[-1] == -(-n // stride)


def test_divisible_symbolic_sizes_need_no_padding_at_run_time():
    x = tensor_type(symbol("N"), 3, 32 * symbol("h"), 32 * symbol("w"))
    layer = op("conv", 8, 2, 2, "same")
    lowering = layer.lower((x,), infer(layer, x))
    assert lowering.inputs is None and "padding" not in lowering.kwargs


def test_what_does_not_fit_is_refused_with_a_lesson():
    image = tensor_type(1, 6, 4, 4)
    cases = [
        (op("conv", 8, 7, padding=1), image, "E0404", ["7 wide along the height", "height of 4, 6 with its padding"]),
        (op("conv", 8, 3, dilation=3, padding=0), image, "E0404", ["dilated, it spans 7"]),
        (op("conv", 8, 3, groups=4), image, "E0403", ["6 channels that it gets", "4 groups"]),
        (op("conv", 8, 3, groups=3), image, "E0403", ["8 channels that it makes", "3 groups"]),
        (op("conv", 8, [1, 7]), tensor_type(1, 6, 4), "E0407", ["`kernel` of conv lists 2 values", "one spatial axis"]),
        (op("conv", 8, 3, padding=[1, 1, 1]), image, "E0407", ["`padding` of conv lists 3 values"]),
        (op("conv", 8, 3), tensor_type(1, 6), "E0401", ["[N, C, H, W]", "the vector [1, 6]"]),
        (op("conv", 8, 3), tensor_type(1, 7, 6, channel_axis=2), "E0401", ["the tokens [1, 7, 6]"]),
        (op("conv", 8, 3), tensor_type(1, 6, 4, 4, dtype="int"), "E0407", ["real numbers"]),
        (op("conv", 8, 3), tensor_type(1, symbol("C"), 4, 4), "E0406", ["fixed number of channels", "C of them"]),
        (op("conv", 8, 3, padding=4, padding_mode="reflect"), image, "E0404", ["reflect padding of 4"]),
        (op("upconv", 8, 2, 2, output_padding=2), image, "E0407", ["`output_padding`", "below the stride"]),
        (op("upconv", 8, 1, 1, padding=2), image, "E0404", ["cuts the whole output"]),
        (
            op("conv", 4, 1, bias=make_initialiser("constant", [[1, 2]], {})),
            image,
            "E0407",
            ["`bias` of conv", "[2]", "[4]"],
        ),
    ]
    for layer, x, code, words in cases:
        with pytest.raises(LayerError) as caught:
            infer(layer, x)
        assert caught.value.code == code
        for word in words:
            assert word in str(caught.value)


def test_a_symbolic_size_too_small_for_the_window_becomes_a_requirement():
    requirements = Requirements()
    op("conv", 8, 7, padding=0).infer((tensor_type(symbol("N"), 3, symbol("H"), symbol("H")),), requirements)
    assert requirements.describe() == ["H at least 7"]
