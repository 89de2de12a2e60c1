"""Merges against torch's operators."""

from __future__ import annotations

import itertools
from functools import reduce

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import archc
from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.sizes import evaluate
from archc.compiler.ir.types import Axis, Role, TensorType
from archc.compiler.ops.merge import Add

from .compare import H, N, T, W, agree, argument_error, counted, dims, refusal
from .interpret import infer, op, tensor_type

X = dims(N, 4, H, W)
SIZES = {"N": 2, "H": 3, "W": 5}
FOLDS = {
    "sum": torch.add,
    "multiply": torch.mul,
    "max": torch.maximum,
    "min": torch.minimum,
}


@pytest.mark.parametrize("name", FOLDS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_merges_fold_left(name, count):
    tensors, (result,) = agree(op(name), [X] * count, **SIZES)
    assert torch.equal(result, reduce(FOLDS[name], tensors))


@pytest.mark.parametrize("count", [1, 3])
def test_mean_divides_the_sum(count):
    tensors, (result,) = agree(op("mean"), [X] * count, **SIZES)
    assert torch.equal(result, reduce(torch.add, tensors) / count)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([1, -1]), min_size=1, max_size=5))
def test_signs_subtract(signs):
    tensors, (result,) = agree(Add(signs=tuple(signs)), [X] * len(signs), **SIZES)
    expected = tensors[0] if signs[0] > 0 else -tensors[0]
    for sign, tensor in zip(signs[1:], tensors[1:], strict=True):
        expected = expected + tensor if sign > 0 else expected - tensor
    assert torch.equal(result, expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=2, max_size=4))
def test_only_a_product_stretches_axes_of_size_1(masks):
    types = [dims(*(1 if one else d for one, d in zip(mask, X.dims, strict=True))) for mask in masks]
    tensors, (result,) = agree(op("multiply"), types, **SIZES)
    assert torch.equal(result, reduce(torch.mul, tensors))
    if len({mask[1:] for mask in masks}) > 1:
        assert refusal(op("sum"), *(tensor_type(*(d if d == 1 else 7 for d in x.dims)) for x in types)).code == "E0405"


@pytest.mark.parametrize("name", ["sum", "multiply", "max", "mean"])
def test_a_parameter_stretches_over_the_batch(name):
    tokens, positions = dims(N, T, 8, channel_axis=2), dims(1, 7, 8, channel_axis=2)
    for types in ([tokens, positions], [positions, tokens]):
        requirements = Requirements()
        (out,) = op(name).infer(tuple(types), requirements)
        assert (out.dims, out.channel_axis) == ((N, 7, 8), 2)
        assert requirements.violations({"N": 1, "T": 8}) and not requirements.violations({"N": 1, "T": 7})
        agree(op(name), types, N=3, T=7)


def test_the_channels_of_a_parameter_go_with_a_part_of_the_channels():
    """As a bias for each head, which a dense layer made."""
    scores = TensorType((Axis(N, Role.BATCH), Axis(3, Role.PART), Axis(4), Axis(4)))
    biases = TensorType((Axis(3, Role.CHANNELS), Axis(4), Axis(4)))
    agree(op("sum"), [scores, biases], N=2)
    assert refusal(op("sum"), scores, dims(N, 3, 4, 4)).code == "E0405"


def test_a_single_learned_number_multiplies_anything():
    for number in (TensorType((Axis(1),)), TensorType(())):
        (alpha, x), (result,) = agree(op("multiply"), [number, X], **SIZES)
        assert torch.equal(result, alpha * x)


def test_element_types_promote_as_torchs():
    assert infer(op("multiply"), dims(2, 3), dims(2, 3, dtype="bool"))[0].dtype == "float"
    agree(op("multiply"), [dims(2, 3), dims(2, 3, dtype="bool")])
    agree(op("sum"), [dims(2, 3, dtype="int"), dims(2, 3, dtype="bool")])
    agree(op("mean"), [dims(2, 3, dtype="int")] * 2)
    agree(op("stack"), [dims(2, 3, dtype="int")] * 2)


def test_unequal_shapes_are_shown_with_the_axes_by_name():
    error = refusal(op("sum"), dims(N, 64, 56, 56), dims(N, 128, 28, 28))
    assert error.code == "E0405"
    assert str(error) == (
        "cannot add [N, 64, 56, 56] and [N, 128, 28, 28]: they differ in channels 64 and 128, height 56 and 28, "
        "width 56 and 28"
    )
    assert len(error.hints) == 2
    pooled = refusal(op("sum"), dims(N, 64, H + 1, 8), dims(N, 64, 1, 1))
    assert any("only `*` stretches" in hint for hint in pooled.hints)
    length = refusal(op("max"), dims(N, 9, 8, channel_axis=2), dims(N, 7, 8, channel_axis=2))
    assert "length 9 and 7" in str(length)


def test_a_vector_times_a_map_is_refused_with_the_way_out():
    error = refusal(op("multiply"), dims(N, 64), dims(N, 64, H, W))
    assert error.code == "E0405" and "gap" in error.hints[0]


def test_sizes_that_cannot_be_compared_become_a_requirement():
    requirements = Requirements()
    (out,) = op("sum").infer((dims(N, 3, H // 2 * 2), dims(N, 3, H)), requirements)
    assert requirements.violations({"N": 1, "H": 5}) and not requirements.violations({"N": 1, "H": 6})
    assert evaluate(out.dims[2], {"H": 6}) == 6


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["channels", "height", "width", 1, 2, -1, -2]), st.lists(st.integers(1, 4), min_size=1, max_size=4)
)
def test_concat_adds_along_its_axis(axis, sizes):
    index = {"channels": 1, "height": 2, "width": 3}.get(axis, axis)
    types = []
    for size in sizes:
        own = list(X.dims)
        own[index] = size
        types.append(dims(*own))
    tensors, (result,) = agree(op("concat", axis=axis), types, **SIZES)
    assert torch.equal(result, torch.cat(tensors, index))


@pytest.mark.parametrize("first", [True, False])
def test_concat_repeats_a_parameter_over_the_batch(first):
    token, tokens = dims(1, 1, 8, channel_axis=2), dims(N, T, 8, channel_axis=2)
    types = [token, tokens] if first else [tokens, token]
    tensors, (result,) = agree(op("concat", axis="length"), types, N=3, T=4)
    assert torch.equal(result, torch.cat([x.expand(3, -1, -1) for x in tensors], 1))


def test_concat_says_which_axes_must_be_equal():
    error = refusal(op("concat"), dims(N, 3, 8, 8), dims(N, 5, 8, 4))
    assert error.code == "E0405" and "width 8 and 4" in str(error) and "channels may differ" in error.hints[0]
    assert refusal(op("concat"), dims(N, 3), dims(N, 3, 4)).code == "E0405"
    missing = refusal(op("concat", axis="depth"), dims(N, 3, 8, 8), dims(N, 3, 8, 8))
    assert missing.code == "E0420" and "height" in missing.hints[0]
    assert "chanels" in str(refusal(op("concat", axis="chanels"), dims(N, 3), dims(N, 3)))
    assert '"a b"' in argument_error("concat", axis="a b")


@pytest.mark.parametrize("axis", [1, 2, 3, 4, -1, -4])
def test_stack_makes_an_axis(axis):
    tensors, (result,) = agree(op("stack", axis=axis), [X] * 3, **SIZES)
    assert torch.equal(result, torch.stack(tensors, axis))


def test_stack_refuses_unequal_batches_and_far_axes():
    assert refusal(op("stack"), dims(1, 3), dims(2, 3)).code == "E0405"
    assert refusal(op("stack", axis=3), dims(2, 3), dims(2, 3)).code == "E0420"
    assert refusal(op("stack", axis=-3), dims(2, 3), dims(2, 3)).code == "E0420"


def test_matmul():
    assert counted(op("matmul"), dims(2, 4, 3), dims(2, 3, 5)) == 2 * 4 * 3 * 5
    (a, b), (result,) = agree(op("matmul"), [dims(N, 4, H, W), dims(N, 4, W, H)], **SIZES)
    assert torch.equal(result, a @ b)
    assert refusal(op("matmul"), dims(2, 4, 3), dims(2, 4, 3)).code == "E0405"
    assert refusal(op("matmul"), dims(2, 3), dims(3, 4)).code == "E0401"
    texts, images = dims(H, 8), infer(op("transpose", 0, 1), dims(N, 8))[0]
    (a, b), (result,) = agree(op("matmul"), [texts, images], **SIZES)
    assert torch.equal(result, a @ b) and infer(op("matmul"), texts, images)[0].roles == (Role.BATCH, Role.CHANNELS)


OF_TWO = (
    "concat({a}, {b})",
    "concat({a}, {b}, axis = 0)",
    "concat({a}, {b}, axis = -1)",
    "concat({a}, {b}, {a})",
    "stack({a}, {b})",
    "{a} + {b}",
    "{a} / {b}",
    "{a} @ {b}",
    "{a} > {b}",
    "max({a}, {b})",
    "where({a} > 0, {b}, {a})",
    "attention({a}, {b}, {b})",
)


@pytest.mark.parametrize("form", OF_TWO)
def test_tensors_of_any_ranks_are_merged_or_refused(form: str) -> None:
    """A parameter before and behind an input: what the check takes runs at two batches."""
    shapes = ("[4]", "[1, 4]", "[4, 1]", "[1, 1, 4]", "[1, 4, 1, 1]", "[4, 3, 3]", "[1, 1, 4, 3, 3]")
    inputs = {"[N, 4]": (4,), "[N, 4, 3]": (4, 3), "[N, 4, 3, 3]": (4, 3, 3), "[N, 4, 2, 3, 3]": (4, 2, 3, 3)}
    for shape, (input_, sizes) in itertools.product(shapes, inputs.items()):
        for a, b in (("p", "x"), ("x", "p")):
            text = f"arch A {{ input x: {input_} param p = zeros({shape}) output {form.format(a=a, b=b)} }}"
            try:
                net = archc.loads(text)
            except archc.ArchError:
                continue
            for batch in (1, 2):
                (value,) = net.ir.outputs[0].values
                inferred = [evaluate(dim, {"N": batch}) for dim in net.ir.type_of(value).dims]
                assert list(net.module()(torch.zeros(batch, *sizes)).shape) == inferred, text
