"""Dense layers against torch's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.ir.initialisers import make_initialiser
from archc.compiler.ir.op import LayerError
from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.sizes import symbol

from .interpret import check_against_torch, infer, op, tensor_type


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.data())
def test_linear_acts_on_the_last_axis(places, channels, units, bias, data):
    sizes = [data.draw(st.integers(1, 4)) for _ in range(places)]
    x = tensor_type(2, *sizes, channels, channel_axis=places + 1)
    (y,) = check_against_torch(op("linear", units, bias=bias), x)
    assert y.shape == (2, *sizes, units)


@pytest.mark.parametrize("ones", [1, 2, 3])
def test_a_map_of_size_1_is_a_vector(ones):
    x = tensor_type(2, 6, *[1] * ones)
    (y,) = infer(op("linear", 4), x)
    assert y.dims == (2, 4) and y.channel_axis == 1
    pooled = tensor_type(symbol("N"), 6, *[1] * ones)
    assert op("linear", 4).infer((pooled,), Requirements())[0].dims == (symbol("N"), 4)


def test_a_vector_of_a_1x1_map_is_computed():
    x = tensor_type(2, 6, 1, 1)
    layer = op("linear", 4)
    lowering = layer.lower((x,), infer(layer, x))
    assert [step.target for step in lowering.inputs] == ["torch.flatten"]


def refusal(layer, x) -> LayerError:
    with pytest.raises(LayerError) as caught:
        infer(layer, x)
    return caught.value


def test_a_map_of_symbolic_size_is_refused_with_three_ways_out():
    error = refusal(op("linear", 10), tensor_type(symbol("N"), 512, symbol("H") // 32, symbol("W") // 32))
    assert error.code == "E0402"
    assert "H // 32 x W // 32" in str(error) and "fixed number" in str(error)
    assert [hint.split(":")[0] for hint in error.hints] == ["pool globally", "pool adaptively", "convolutionalise"]


def test_a_map_of_fixed_size_is_refused_with_flatten_first():
    error = refusal(op("linear", 10), tensor_type(symbol("N"), 512, 7, 7))
    assert error.code == "E0402" and "7 x 7" in str(error)
    assert "`flatten -> linear(10)` has 25088 inputs" in error.hints[0]


@pytest.mark.parametrize(
    "layer, x, code, words",
    [
        (op("linear", 4), tensor_type(2, symbol("T"), dtype="float"), "E0406", "fixed number of channels"),
        (op("linear", 4), tensor_type(2, 3, dtype="int"), "E0407", "real numbers"),
        (op("linear", 4), tensor_type(2, 3, 4, 5, channel_axis=2), "E0401", "axis 2"),
        (
            op("linear", 6, bias=make_initialiser("constant", [[1, 0]], {})),
            tensor_type(2, 3),
            "E0407",
            "`bias` of linear",
        ),
    ],
)
def test_what_does_not_fit_is_refused(layer, x, code, words):
    error = refusal(layer, x)
    assert error.code == code and words in str(error)
