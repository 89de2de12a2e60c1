"""Norms against torch's."""

from __future__ import annotations

import itertools

import pytest
import torch

from archc.compiler.ir.op import LayerError
from archc.compiler.ir.sizes import symbol

from .interpret import Lowered, check_against_torch, example, infer, op, tensor_type

MAPS = [tensor_type(2, 6, *sizes) for sizes in [(5,), (4, 5), (2, 3, 4)]]
VECTOR = tensor_type(3, 6)
TOKENS = tensor_type(2, 5, 6, channel_axis=2)
CHANNELS_LAST = tensor_type(2, 4, 5, 6, channel_axis=3)


@pytest.mark.parametrize("x", [VECTOR, *MAPS], ids=str)
def test_batch_norm(x):
    for affine, track in itertools.product([True, False], repeat=2):
        check_against_torch(op("bn", eps=0.001, momentum=0.01, affine=affine, track=track), x)


@pytest.mark.parametrize("x", MAPS, ids=str)
def test_instance_norm(x):
    for affine, track in itertools.product([True, False], repeat=2):
        check_against_torch(op("inorm", affine=affine, track=track), x)


@pytest.mark.parametrize("x", [VECTOR, *MAPS], ids=str)
def test_group_norm(x):
    check_against_torch(op("gn", 3), x)
    check_against_torch(op("gn", 2, affine=False, eps=0.1), x)


@pytest.mark.parametrize("x", [VECTOR, TOKENS, CHANNELS_LAST, *MAPS], ids=str)
@pytest.mark.parametrize("kind", ["ln", "rmsnorm"])
def test_norms_over_the_channels(kind, x):
    (y,) = check_against_torch(op(kind, eps=1e-7), x)
    check_against_torch(op(kind, affine=False), x)
    if kind == "ln":
        assert torch.allclose(y.mean(x.channel_axis), torch.zeros(()), atol=1e-5)
        check_against_torch(op("ln", bias=False), x)
        check_against_torch(op("ln", affine=False, bias=False), x)
    else:
        assert torch.allclose(y.square().mean(x.channel_axis), torch.ones(()), atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "x"),
    [
        *itertools.product(("ln", "rmsnorm"), (tensor_type(3, 1), tensor_type(2, 5, 1, channel_axis=2))),
        *itertools.product(("ln", "rmsnorm"), (tensor_type(2, 1, 4, 5),)),
        ("inorm", tensor_type(2, 6, 1)),
        *itertools.product(("gn",), (tensor_type(3, 6), tensor_type(2, 6, 1, 1))),
    ],
)
def test_norms_over_one_number_are_refused(kind, x):
    """torch gives what no longer depends on how large the number is."""
    layer = op(kind, 6) if kind == "gn" else op(kind)
    with pytest.raises(LayerError, match="a single number there, of which nothing") as caught:
        infer(layer, x)
    assert caught.value.code == "E0407"
    one, other = example(x).abs() + 1, example(x).abs() + 9
    if kind != "inorm":  # torch refuses that itself
        given = Lowered(layer, (x,), (x,)).eval()
        assert torch.allclose(given(one)[0], given(other)[0], atol=1e-2)


def test_layer_norm_of_a_map_equals_that_of_its_channels_last():
    x = MAPS[1]
    layer = op("ln")
    tensor = example(x)
    (y,) = Lowered(layer, (x,), (x,))(tensor)
    assert torch.equal(y.movedim(1, -1), torch.nn.functional.layer_norm(tensor.movedim(1, -1), [6]))


@pytest.mark.parametrize("x", MAPS, ids=str)
def test_local_response_norm(x):
    check_against_torch(op("lrn"), x)
    check_against_torch(op("lrn", 3, alpha=1, beta=0.5, k=2), x)


@pytest.mark.parametrize(
    "layer, x, code, words",
    [
        (op("bn"), TOKENS, "E0401", "the tokens"),
        (op("bn"), tensor_type(1, symbol("C"), 4, 4), "E0406", "fixed number of channels"),
        (op("gn", 4), VECTOR, "E0403", "6 channels that it gets into 4 groups"),
        (op("inorm"), VECTOR, "E0401", "the vector"),
        (op("inorm"), tensor_type(1, 3, 1, 1), "E0407", "a single number"),
        (op("ln"), tensor_type(1, 3, dtype="int"), "E0407", "real numbers"),
    ],
)
def test_what_does_not_fit_is_refused(layer, x, code, words):
    with pytest.raises(LayerError) as caught:
        infer(layer, x)
    assert caught.value.code == code and words in str(caught.value)
