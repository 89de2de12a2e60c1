"""Embeddings and attention against torch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from archc.compiler.ir.sizes import symbol
from archc.compiler.ir.types import Axis, TensorType

from .compare import N, T, agree, at, counted, dims, refusal
from .interpret import Lowered, example, infer, op

S = symbol("S")
X = dims(N, T, 8, channel_axis=2)
Y = dims(N, S, 8, channel_axis=2)
Z = dims(N, S, 6, channel_axis=2)
SIZES = {"N": 2, "T": 5, "S": 3}


def test_embedding():
    tokens = dims(N, T, dtype="int")
    layer = op("embedding", 10, 8)
    (out,) = infer(layer, tokens)
    assert (out.dims, out.channel_axis, out.dtype) == ((N, T, 8), 2, "float")
    module, x = Lowered(layer, (tokens,), (out,)), example(at(tokens, SIZES))
    assert torch.equal(module(x)[0], F.embedding(x, module.layer.weight))
    assert module.state() == [(v.name, v.shape, v.learned) for v in layer.weights((tokens,))]
    error = refusal(layer, dims(N, T))
    assert error.code == "E0411" and "int [N, T]" in error.hints[0]


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("causal", [True, False])
def test_sdpa_splits_heads(heads, causal):
    (q, k, v), (result,) = agree(op("sdpa", heads, causal=causal), [X, Y, dims(N, S, 12, channel_axis=2)], **SIZES)
    q, k, v = (x.reshape(2, x.shape[1], heads, -1).transpose(1, 2) for x in (q, k, v))
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    assert torch.equal(result, expected.transpose(1, 2).reshape(2, 5, 12))


def test_sdpa_takes_heads_that_are_split():
    q, k = dims(N, 4, T, 8, channel_axis=3), dims(N, 4, S, 8, channel_axis=3)
    tensors, (result,) = agree(op("sdpa"), [q, k, k], **SIZES)
    assert torch.equal(result, F.scaled_dot_product_attention(*tensors))


def test_sdpa_counts_its_products():
    q, k = at(X, SIZES), at(Y, SIZES)
    layer = op("sdpa", 2)
    assert layer.multiply_adds((q, k, k), infer(layer, q, k, k)) == 2 * 5 * 3 * 16


def test_sdpa_refuses():
    assert refusal(op("sdpa", 3), X, Y, Y).code == "E0412"
    assert refusal(op("sdpa"), X, Z, Y).code == "E0405"
    assert refusal(op("sdpa"), X, dims(N, 6, 8, channel_axis=2), dims(N, 7, 8, channel_axis=2)).code == "E0405"
    assert refusal(op("sdpa"), dims(2, 5, 8, channel_axis=2), dims(3, 5, 8, channel_axis=2), X).code == "E0405"
    error = refusal(op("sdpa"), dims(N, 8, T), X, X)
    assert error.code == "E0401" and "flatten(2)" in "".join(error.hints)


@pytest.mark.parametrize("types", [[X], [X, Y], [X, Y, Y], [X, Z], [X, Y, Z]])
@pytest.mark.parametrize("bias", [True, False])
def test_attention_is_torchs(types, bias):
    torch.manual_seed(0)
    layer = op("attention", 4, bias=bias, dropout=0.25)
    inputs = tuple(at(x, SIZES) for x in types)
    outputs = infer(layer, *inputs)
    module = Lowered(layer, inputs, outputs).eval()
    assert module.state() == [(w.name, w.shape, w.learned) for w in layer.weights(inputs)]
    tensors = [example(x) for x in inputs]
    q, k, v = {1: [0, 0, 0], 2: [0, 1, 1], 3: [0, 1, 2]}[len(types)]
    peer = torch.nn.MultiheadAttention(
        8, 4, 0.25, bias, kdim=inputs[k].dims[2], vdim=inputs[v].dims[2], batch_first=True
    ).eval()
    peer.load_state_dict(module.layer.state_dict())
    (result,) = module(*tensors)
    expected, _ = peer(tensors[q], tensors[k], tensors[v], need_weights=False)
    assert torch.equal(result, expected)
    assert result.shape == outputs[0].dims


@pytest.mark.parametrize("types", [[X], [X, Y], [X, Y, Z]])
def test_attention_starts_as_torchs_does(types):
    layer = op("attention", 2)
    starts = {w.name: w.init.kind for w in layer.weights(tuple(types))}
    weights = [name for name in starts if name.endswith("proj_weight")]
    assert {starts[name] for name in weights} == {"xavier_uniform"}
    assert starts["in_proj_bias"] == starts["out_proj.bias"] == "zeros"
    assert starts["out_proj.weight"] == "kaiming_uniform"


@pytest.mark.parametrize(("types", "keys"), [([X], 5), ([X, Y], 3)])
def test_attention_counts_projections_and_products(types, keys):
    layer = op("attention", 2)
    inputs = tuple(at(x, SIZES) for x in types)
    assert layer.is_weight_layer()
    expected = 2 * (2 * 5 * 64 + 2 * keys * 64 + 2 * 5 * keys * 8)
    assert layer.multiply_adds(inputs, infer(layer, *inputs)) == expected


def test_attention_refuses():
    assert refusal(op("attention", 3), X).code == "E0412"
    assert refusal(op("attention", 2), dims(N, 8, 4, 4)).code == "E0401"
    assert refusal(op("attention", 2), X, X, X, X).code == "E0401"
    assert refusal(op("attention", 2), dims(N, T, S, channel_axis=2)).code == "E0406"


def test_the_products_of_attention_are_those_of_matmul():
    assert counted(op("matmul"), dims(2, 5, 8), dims(2, 8, 3)) + counted(
        op("matmul"), dims(2, 5, 3), dims(2, 3, 8)
    ) == (2 * 5 * 3 * 16)


@pytest.mark.parametrize(
    ("heads", "shape"),
    [
        *((heads, shape) for heads in (1, 4) for shape in ((N, T, S), (N, 1, 1, S), (N, 1, T, S), (1, S), (T, S))),
        (4, (4, T, S)),
    ],
)
@pytest.mark.parametrize("dtype", ["bool", "float"])
def test_a_mask_is_torchs(heads, shape, dtype):
    given = dims(*shape, dtype=dtype)
    mask = given if shape[0] is N else TensorType(tuple(map(Axis, shape)), dtype)
    (q, k, v, m), (result,) = agree(op("sdpa", heads, scale=0.3), [X, Y, Y, mask], **SIZES)
    split = [t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v)]
    whole = m.unsqueeze(1) if shape == (N, T, S) else m
    expected = F.scaled_dot_product_attention(*split, attn_mask=whole, scale=0.3).transpose(1, 2).flatten(2)
    torch.testing.assert_close(result, expected, equal_nan=True)


def test_masks_that_do_not_fit_are_refused():
    x = dims(N, 5, 8, channel_axis=2)
    assert refusal(op("sdpa"), x, x, x, dims(N, 5, 4, dtype="bool")).code == "E0405"
    assert refusal(op("sdpa"), X, Y, Y, dims(N, T, S, dtype="int")).code == "E0407"
    assert refusal(op("sdpa", causal=True), X, Y, Y, dims(N, T, S, dtype="bool")).code == "E0401"
    assert refusal(op("sdpa"), X, Y).code == "E0401"
