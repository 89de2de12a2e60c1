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
    assert refusal(op("attention", 2, mask=True), x, dims(N, 5, 4, dtype="bool")).code == "E0405"
    assert refusal(op("sdpa"), X, Y).code == "E0401"


LATER = torch.ones(5, 5, dtype=torch.bool).triu(1)


def _mask(shape, dtype):
    given = dims(*shape, dtype=dtype)
    return given if shape[0] is N else TensorType(tuple(map(Axis, shape)), dtype)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("shape", [(N, T, T), (N, 4, T, T), (N, 1, 1, T), (T, T), (1, T), (4, T, T), (4, 1, 1), (T,)])
@pytest.mark.parametrize("dtype", ["bool", "float"])
def test_attention_takes_masks(shape, dtype, causal):
    layer = op("attention", 4, mask=True, causal=causal)
    types = (X, _mask(shape, dtype))
    x, m = (example(at(t, SIZES)) for t in types)
    if dtype == "bool":
        m = torch.ones_like(m)  # a query that attends to nothing has no output
        m[..., -1] = False
    module = Lowered(layer, types, infer(layer, *types)).eval()
    peer = torch.nn.MultiheadAttention(8, 4, batch_first=True).eval()
    peer.load_state_dict(module.layer.state_dict())
    added = m if dtype == "float" else torch.zeros(m.shape).masked_fill(~m, -torch.inf)
    added = added.unsqueeze(1) if shape == (N, T, T) else added
    added = added.expand(2, 4, 5, 5) + (torch.zeros(5, 5).masked_fill(LATER, -torch.inf) if causal else 0)
    expected, _ = peer(x, x, x, attn_mask=added.flatten(0, 1), need_weights=False)
    torch.testing.assert_close(module(x, m)[0], expected)


@pytest.mark.parametrize("training", [True, False])
def test_causal_attention_is_torchs(training):
    layer, inputs = op("attention", 4, causal=True, dropout=0.25), (at(X, SIZES),)
    module = Lowered(layer, inputs, infer(layer, *inputs)).train(training)
    peer = torch.nn.MultiheadAttention(8, 4, 0.25, batch_first=True).train(training)
    peer.load_state_dict(module.layer.state_dict())
    results = []
    for run in (
        lambda x: module(x)[0],
        lambda x: peer(x, x, x, attn_mask=LATER, is_causal=True, need_weights=False)[0],
    ):
        torch.manual_seed(1)
        x = torch.ones(2, 5, 8).cumsum(1).requires_grad_()
        (y := run(x)).square().sum().backward()
        results.append((y, x.grad))
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("types", [[X], [X, Y, Z]])
@pytest.mark.parametrize("extra", [{"bias_kv": True}, {"zero_kv": True}, {"bias_kv": True, "zero_kv": True}])
@pytest.mark.parametrize("causal", [True, False])
def test_keys_and_values_that_no_input_has_are_torchs(types, extra, bias, causal):
    layer = op("attention", 4, bias=bias, causal=causal, **extra)
    inputs = tuple(at(x, SIZES) for x in types)
    outputs = infer(layer, *inputs)
    module = Lowered(layer, inputs, outputs).eval()
    assert module.state() == [(w.name, w.shape, w.learned) for w in layer.weights(inputs)]
    kinds = {"add_bias_kv": "bias_kv" in extra, "add_zero_attn": "zero_kv" in extra}
    widths = {"kdim": inputs[-2].dims[2], "vdim": inputs[-1].dims[2]} if len(types) == 3 else {}
    peer = torch.nn.MultiheadAttention(8, 4, bias=bias, batch_first=True, **kinds, **widths).eval()
    peer.load_state_dict(module.layer.state_dict())
    tensors = [example(x) for x in inputs]
    q, k, v = tensors if len(tensors) == 3 else tensors * 3
    mask = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).triu(1) if causal else None
    assert torch.equal(module(*tensors)[0], peer(q, k, v, attn_mask=mask, need_weights=False)[0])
    assert layer.multiply_adds(inputs, outputs) - op("attention", 4, bias=bias).multiply_adds(inputs, outputs) == (
        2 * 5 * len(extra) * 16
    )


def test_a_causal_token_sees_those_before_it():
    layer, x = op("attention", 2, causal=True), at(X, SIZES)
    (link,) = layer.index_map((x,), infer(layer, x), 0)
    assert link.axes[1].rule == op("sdpa", causal=True).index_map((x, x, x), (x,), 0)[1].axes[1].rule


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("mask", [None, "bool", "float"])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_heads_may_share_keys_and_values(kv_heads, mask, causal):
    keys, values = dims(N, S, 2 * kv_heads, channel_axis=2), dims(N, S, 3 * kv_heads, channel_axis=2)
    masks = [] if mask is None else [_mask((4, T, S), mask)]
    layer = op("sdpa", 4, kv_heads=kv_heads, causal=causal)
    tensors, (result,) = agree(layer, [X, keys, values, *masks], **SIZES)
    q, k, v = (
        t.unflatten(-1, (n, -1)).transpose(1, 2) for t, n in zip(tensors[:3], (4, kv_heads, kv_heads), strict=True)
    )
    k, v = (t.repeat_interleave(4 // kv_heads, 1) for t in (k, v))
    later = torch.ones(5, 3, dtype=torch.bool).triu(1)
    added = torch.zeros(5, 3).masked_fill(later, -torch.inf) if causal else torch.zeros(5, 3)
    if mask is not None:
        m = tensors[3]
        added = added + (m if mask == "float" else torch.zeros(m.shape).masked_fill(~m, -torch.inf))
    weights = (q @ k.transpose(-1, -2) / 2**0.5 + added).softmax(-1).nan_to_num(0.0)
    torch.testing.assert_close(result, (weights @ v).transpose(1, 2).flatten(2))
    split, (again,) = agree(
        op("sdpa"), [dims(N, 4, T, 8, channel_axis=3), *[dims(N, kv_heads, S, 8, channel_axis=3)] * 2], **SIZES
    )
    expected = F.scaled_dot_product_attention(*split, enable_gqa=True)
    torch.testing.assert_close(again, expected)


def test_heads_that_cannot_share_are_refused():
    keys = dims(N, S, 6, channel_axis=2)
    assert refusal(op("sdpa", 4, kv_heads=3), X, keys, keys).code == "E0412"
    assert refusal(op("sdpa", 4, kv_heads=2), X, Y, Y).code == "E0405"
    q, k, v = (dims(N, n, T, 8, channel_axis=3) for n in (4, 2, 1))
    assert refusal(op("sdpa"), q, k, v).code == "E0405"
    assert refusal(op("sdpa"), k, q, q).code == "E0412"


def test_sharing_heads_counts_all_products():
    q, k = dims(2, 5, 8, channel_axis=2), dims(2, 3, 4, channel_axis=2)
    layer = op("sdpa", 4, kv_heads=2)
    assert layer.multiply_adds((q, k, k), infer(layer, q, k, k)) == 2 * 5 * 3 * 16


@pytest.mark.parametrize("heads", [1, 4])
def test_sdpa_drops_weights_in_training_alone(heads):
    types = [at(x, SIZES) for x in (X, Y, Y)]
    layer = op("sdpa", heads, dropout=0.4)
    module = Lowered(layer, tuple(types), infer(layer, *types))
    tensors = [example(x) for x in types]
    parts = tensors if heads == 1 else [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in tensors]
    for training, p in ((True, 0.4), (False, 0.0)):
        module.train(training)
        torch.manual_seed(0)
        made = module(*tensors)[0]
        torch.manual_seed(0)
        expected = F.scaled_dot_product_attention(*parts, dropout_p=p)
        assert torch.equal(made, expected if heads == 1 else expected.transpose(1, 2).flatten(2))
