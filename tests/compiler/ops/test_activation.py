"""Activations and dropout against torch's."""

from __future__ import annotations

import pytest
import torch

from archc.compiler.ir.op import LayerError
from archc.compiler.ops.activation import Activation
from archc.compiler.ops.registry import lookup, names

from .interpret import Lowered, check_against_torch, example, infer, op, tensor_type

ACTIVATIONS = [name for name in names() if (cls := lookup(name)) and issubclass(cls, Activation)]
VECTOR, MAP, TOKENS = tensor_type(2, 4), tensor_type(2, 4, 3, 3), tensor_type(2, 5, 4, channel_axis=2)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_shape_stays(name):
    for x in (VECTOR, MAP):
        check_against_torch(op(name), x)
    if name != "prelu":
        check_against_torch(op(name), TOKENS)


@pytest.mark.parametrize(
    "layer, expected",
    [
        (op("leakyrelu", 0.2), lambda x: torch.where(x >= 0, x, 0.2 * x)),
        (op("prelu", init=0.1), lambda x: torch.where(x >= 0, x, 0.1 * x)),
        (op("prelu", init=0.1, shared=True), lambda x: torch.where(x >= 0, x, 0.1 * x)),
        (op("elu", 2), lambda x: torch.where(x >= 0, x, 2 * torch.expm1(x))),
        (op("celu", 2), lambda x: torch.where(x >= 0, x, 2 * torch.expm1(x / 2))),
        (op("gelu", approximate="tanh"), lambda x: torch.nn.functional.gelu(x, approximate="tanh")),
        (op("softplus", 3), lambda x: torch.log1p(torch.exp(3 * x)) / 3),
        (op("softmax"), lambda x: x.softmax(1)),
        (op("softmax", -1), lambda x: x.softmax(3)),
        (op("softmax", "height"), lambda x: x.softmax(2)),
        (op("logsoftmax"), lambda x: x.log_softmax(1)),
    ],
)
def test_settings_mean_what_they_say(layer, expected):
    tensor = example(MAP)
    (y,) = Lowered(layer, (MAP,), infer(layer, MAP))(tensor)
    assert torch.allclose(y, expected(tensor), atol=1e-6)


def test_softmax_runs_over_the_channels_wherever_they_are():
    (y,) = Lowered(op("softmax"), (TOKENS,), (TOKENS,))(example(TOKENS))
    assert torch.allclose(y.sum(2), torch.ones(2, 5))


def test_prelu_has_a_slope_for_each_channel_or_one():
    assert [w.shape for w in op("prelu").weights((MAP,))] == [(4,)]
    assert [w.shape for w in op("prelu", shared=True).weights((TOKENS,))] == [(1,)]
    check_against_torch(op("prelu", shared=True), TOKENS)


@pytest.mark.parametrize("kind", ["dropout", "dropout2d", "alphadropout"])
def test_dropout_works_in_training_only(kind):
    layer = op(kind, 0.5)
    for x in (MAP, tensor_type(2, 4, 9), tensor_type(2, 4, 3, 3, 3)):
        check_against_torch(layer, x)
        tensor = torch.ones(x.dims)
        module = Lowered(layer, (x,), infer(layer, x))
        assert not torch.equal(module(tensor)[0], tensor)
        assert torch.equal(module.eval()(tensor)[0], tensor)


def test_dropout2d_drops_whole_channels():
    layer, x = op("dropout2d", 0.5), tensor_type(4, 32, 3, 3)
    (y,) = Lowered(layer, (x,), (x,))(torch.ones(x.dims))
    assert torch.equal(y, y[:, :, :1, :1].expand_as(y)) and set(y.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize(
    "layer, x, code, words",
    [
        (op("prelu"), TOKENS, "E0401", "a slope for each channel"),
        (op("relu"), tensor_type(2, 4, dtype="int"), "E0407", "real numbers"),
        (op("dropout2d"), VECTOR, "E0401", "the vector [2, 4]"),
        (op("softmax", 4), MAP, "E0420", "no axis 4"),
        (op("softmax", "depth"), MAP, "E0420", "depth"),
    ],
)
def test_what_does_not_fit_is_refused(layer, x, code, words):
    with pytest.raises(LayerError) as caught:
        infer(layer, x)
    assert caught.value.code == code and words in str(caught.value)
