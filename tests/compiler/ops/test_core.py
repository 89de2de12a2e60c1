"""What the language makes itself: numbers around a tensor, its own tensors, host layers."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.ir.initialisers import ZEROS
from archc.compiler.ir.lowering import ModuleCall
from archc.compiler.ir.op import Weight
from archc.compiler.ops.core import Affine, Extern, Input, Parameter

from .compare import H, N, W, agree, dims, refusal
from .interpret import infer

numbers = st.one_of(st.integers(-3, 3), st.floats(-2, 2, allow_nan=False))
X = dims(N, 3, H, W)


@settings(max_examples=60, deadline=None)
@given(numbers, numbers.filter(bool), numbers, st.sampled_from(["float", "int"]))
def test_affine_computes_in_the_order_written(scale, divisor, shift, dtype):
    x = dims(N, 3, H, W, dtype=dtype)
    (tensor,), (result,) = agree(Affine(scale=scale, divisor=divisor, shift=shift), [x], N=2, H=3, W=2)
    expected = tensor * scale / divisor + shift
    torch.testing.assert_close(result, expected, rtol=0, atol=0, equal_nan=True, check_dtype=False)


@pytest.mark.parametrize(
    ("fields", "peer"),
    [
        ({"scale": -1, "shift": 1}, lambda x: 1 - x),
        ({"scale": 0.3}, lambda x: 0.3 * x),
        ({"divisor": 8}, lambda x: x / 8),
        ({"shift": -0.1}, lambda x: x - 0.1),
        ({"scale": Fraction(4, 2)}, lambda x: 2 * x),
        ({"scale": -1}, lambda x: -x),
        ({}, lambda x: x),
    ],
)
def test_affine_is_bit_equal_to_what_one_writes(fields, peer):
    (x,), (result,) = agree(Affine(**fields), [X], N=2, H=3, W=5)
    assert torch.equal(result, peer(x))


def test_affine_refuses_truth_values_and_division_by_zero():
    assert refusal(Affine(scale=2), dims(N, 3, dtype="bool")).code == "E0407"
    assert refusal(Affine(divisor=0), X).code == "E0423"


def test_a_parameter_owns_one_tensor_without_a_name():
    token = Parameter(name="cls", shape=(1, 1, 8), init=ZEROS)
    (out,) = infer(token)
    assert (out.dims, out.channel_axis, out.has_batch) == ((1, 1, 8), None, False)
    assert list(token.weights(())) == [Weight("", (1, 1, 8), ZEROS)]
    mean = Parameter(name="mean", shape=(1, 3, 1, 1), init=ZEROS, learned=False)
    assert infer(mean)[0].dims == (1, 3, 1, 1)
    assert infer(Parameter(name="alpha", shape=(), init=ZEROS))[0].dims == ()
    assert not next(iter(mean.weights(()))).learned


def test_an_extern_has_the_types_and_weights_it_was_declared_with():
    weight = Weight("weight", (4, 3), ZEROS)
    layer = Extern(name="deform", arguments={"c": 4}, results=(dims(N, 4, H, W),), tensors=(weight,))
    assert infer(layer, X) == (dims(N, 4, H, W),)
    lowering = layer.lower((X,), (dims(N, 4, H, W),))
    assert isinstance(lowering, ModuleCall)
    assert (lowering.target, lowering.kwargs, tuple(layer.weights((X,)))) == ("extern:deform", {"c": 4}, (weight,))


def test_inputs_and_parameters_are_left_to_the_emitters():
    for layer in (Input(name="x"), Parameter(name="p", shape=(1,), init=ZEROS)):
        with pytest.raises(TypeError):
            layer.lower((), ())
