"""What is known of the axes of a tensor: which hold the channels, the batch, space, or parts of the channels."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.sizes import symbol
from archc.compiler.ir.types import Axis, Role, TensorType

from .compare import dims, refusal
from .interpret import Lowered, example, infer, op

N = symbol("N")
TOKENS, MAP = dims(N, 16, 64, channel_axis=2), dims(N, 64, 8, 8)


def chained(x: TensorType, *layers: tuple) -> TensorType:
    for name, *arguments, keywords in layers:
        (x,) = infer(op(name, *arguments, **keywords), x)
    return x


def names(x: TensorType) -> list[str]:
    short = {Role.BATCH: "N", Role.CHANNELS: "C", Role.SPACE: "s", Role.PART: "p", Role.UNKNOWN: "?"}
    return [short[role] for role in x.roles]


HEADS = ("rearrange", "n t (h d) -> n h t d", {"h": 4})


@pytest.mark.parametrize(
    ("x", "layers", "roles"),
    [
        (TOKENS, [HEADS], "N p s p"),
        (TOKENS, [HEADS, ("rearrange", "n h t d -> n t (h d)", {})], "N s C"),
        (TOKENS, [HEADS, ("transpose", 1, 2, {}), ("flatten", 2, {})], "N s C"),
        (TOKENS, [("rearrange", "n t (s c) -> n s t c", {"s": 4}), ("select", 1, 0, {})], "N s C"),
        (TOKENS, [("rearrange", "n t (h d) -> (n h) t d", {"h": 4})], "N s C"),
        (TOKENS, [("rearrange", "n t (h d) -> n h t d", {"h": 1}), ("squeeze", 1, {})], "N s C"),
        (TOKENS, [("rearrange", "n (a b) c -> n c a b", {"a": 4})], "N C s s"),
        (TOKENS, [("reshape", [4, 4, 64], {})], "N s s C"),
        (TOKENS, [("reshape", [16, 4, 16], {}), ("transpose", 1, 2, {})], "N p s p"),
        (MAP, [("rearrange", "n c (h p) (w q) -> n (h w) (p q c)", {"p": 2, "q": 2})], "N s C"),
        (MAP, [("rearrange", "n (c p q) h w -> n c (h p) (w q)", {"p": 2, "q": 2})], "N C s s"),
        (MAP, [("reshape", [4, 16, 8, 8], {}), ("transpose", 1, 2, {}), ("flatten", 1, 2, {})], "N C s s"),
        (MAP, [("rearrange", "n c (h a) (w b) -> (n h w) (a b) c", {"a": 4, "b": 4})], "N s C"),
        (MAP, [("permute", [0, 2, 3, 1], {})], "N s s C"),
        (MAP, [("flatten", {})], "N C"),
        (MAP, [("flatten", 2, {})], "N C s"),
        (MAP, [("select", "channels", 0, {})], "N s s"),
        (MAP, [("select", "channels", 0, {}), ("unsqueeze", 1, {})], "N C s s"),
        (MAP, [("gap", {}), ("flatten", {}), ("unsqueeze", 1, {})], "N s C"),
        (MAP, [("gap", {}), ("flatten", {}), ("unsqueeze", 1, {}), ("as_map", {})], "N C s"),
        (MAP, [("reshape", [32, 128], {})], "N ? ?"),
    ],
)
def test_what_becomes_of_axes(x, layers, roles):
    assert names(chained(x, *layers)) == roles.split()


@pytest.mark.parametrize("layer", ["softmax", "logsoftmax", "ln", "rmsnorm", "l2norm", "scale"])
def test_a_layer_along_the_channels_asks_where_these_are_split(layer):
    heads = chained(TOKENS, HEADS)
    error = refusal(op(layer), heads)
    assert error.code == "E0425" and 'axis = "d"' in error.hints[0]
    for axis in ("d", 3, -1):
        assert infer(op(layer, axis=axis), heads)[0].dims == heads.dims
    for weight in op(layer, axis="h").weights((heads,)):
        assert weight.shape == (4,)


@pytest.mark.parametrize("layer", ["softmax", "logsoftmax", "ln", "rmsnorm", "l2norm", "scale"])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_along_any_axis_it_computes_what_it_does_along_the_last(layer, axis):

    x = dims(2, 3, 4, 5)
    moved = x.with_dims([size for i, size in enumerate(x.dims) if i != axis] + [x.dims[axis]])
    data = example(x)
    one, other = op(layer, axis=axis), op(layer, axis=-1)
    here = Lowered(one, (x,), infer(one, x)).eval()
    last = Lowered(other, (moved,), infer(other, moved)).eval()
    for one_weight, other_weight in zip(here.parameters(), last.parameters(), strict=True):
        torch.nn.init.normal_(one_weight)
        other_weight.data.copy_(one_weight)
    (got,), (wanted,) = here(data), last(data.movedim(axis, -1))
    torch.testing.assert_close(got, wanted.movedim(-1, axis))


def test_linear_maps_the_last_axis_and_is_told_so_where_it_is_not_certain():
    heads = chained(TOKENS, HEADS)
    assert refusal(op("linear", 8), heads).code == "E0425"
    (made,) = infer(op("linear", 8, axis="d"), heads)
    assert (made.dims, names(made)) == ((N, 4, 16, 8), ["N", "p", "s", "p"])
    assert refusal(op("linear", 8, axis="h"), heads).code == "E0401"


def test_scores_of_attention_have_no_channels():
    q = chained(TOKENS, HEADS)
    (keys,) = infer(op("transpose", 2, 3), q)
    (scores,) = infer(op("matmul"), q, keys)
    error = refusal(op("softmax"), scores)
    assert error.code == "E0425" and "`axis = -1`" in error.hints[0]
    (mixed,) = infer(op("matmul"), *infer(op("softmax", -1), scores), q)
    assert names(chained(mixed, ("rearrange", "n h t d -> n t (h d)", {}))) == ["N", "s", "C"]


@pytest.mark.parametrize("merge", ["sum", "multiply", "max", "min", "mean"])
def test_merges_do_not_depend_on_the_order(merge):
    tokens, map_ = dims(N, 8, 8, channel_axis=2), dims(N, 8, 8)
    assert refusal(op(merge), tokens, map_).code == refusal(op(merge), map_, tokens).code == "E0405"
    offset = TensorType((Axis(1), Axis(8), Axis(8)))
    for x in (tokens, map_):
        (one,), (other,) = infer(op(merge), x, offset), infer(op(merge), offset, x)
        assert one == other == x


@given(st.lists(st.sampled_from([1, 2, 3]), max_size=4), st.sampled_from(["sum", "multiply", "max"]), st.data())
def test_parameters_are_stretched_as_numpy_does(shape, merge, data):
    x = TensorType.of((2, 3, 2, 3))
    parameter = TensorType(tuple(map(Axis, shape)))
    try:
        expected = torch.broadcast_shapes(x.dims, tuple(shape))
    except RuntimeError:
        assert refusal(op(merge), x, parameter).code == "E0405"
        return
    assume(len(expected) == 4 and expected[0] == 2)
    for inputs in permutations((x, parameter)):
        (made,) = infer(op(merge), *inputs)
        assert made.dims == expected and names(made) == ["N", "C", "s", "s"]


def test_what_holds_at_one_batch_alone_is_refused():
    parameter = TensorType((Axis(1), Axis(4), Axis(8)))
    data = dims(N, 4, 8)
    assert refusal(op("stack"), parameter, data).code == "E0405"
    requirements = Requirements()
    queries = TensorType((Axis(1), Axis(5), Axis(64)))
    for kind in ("sdpa", "attention"):
        layer = op(kind, 4)
        (made,) = layer.infer((queries, TOKENS, TOKENS), requirements)
        assert made.dims == (N, 5, 64) and names(made) == ["N", "s", "C"]
    assert not requirements.violations({"N": 2})
