"""Sums of products over named axes against torch."""

from __future__ import annotations

import pytest
import torch

from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.types import Axis, Role, TensorType
from archc.compiler.ops.einsum import letters

from .compare import H, N, T, W, agree, argument_error, counted, dims, refusal
from .interpret import infer, op, tensor_type

MAP = dims(N, 3, H, W)
TOKENS = dims(N, T, 8, channel_axis=2)
MATRIX = TensorType((Axis(8), Axis(5)))
SIZES = {"N": 2, "T": 4, "H": 3, "W": 5}
B, C, S, U = Role.BATCH, Role.CHANNELS, Role.SPACE, Role.UNKNOWN


@pytest.mark.parametrize(
    ("pattern", "inputs", "roles"),
    [
        ("b i d, b j d -> b i j", [TOKENS, TOKENS], (B, S, S)),
        ("b t c, b t d -> b c d", [TOKENS, TOKENS], (B, C, C)),
        ("b t c, c d -> b t d", [TOKENS, MATRIX], (B, S, C)),
        ("b t c, c d -> b t c d", [TOKENS, MATRIX], (B, S, C, U)),
        ("n c h w -> n w c h", [MAP], (B, S, C, S)),
        ("n c h w -> n h", [MAP], (B, C)),
        ("m d, n d -> m n", [dims(H, 8), dims(N, 8)], (B, C)),
        ("n c h w, n c i j -> n h w i j", [MAP, MAP], (B, S, S, S, S)),
        ("b i c, b j c, b j e, e f -> b i f", [TOKENS, TOKENS, TOKENS, MATRIX], (B, S, C)),
    ],
)
def test_einsum_is_torchs(pattern: str, inputs: list[TensorType], roles: tuple[Role, ...]):
    layer = op("einsum", pattern)
    tensors, (result,) = agree(layer, inputs, **SIZES)
    torch.testing.assert_close(result, torch.einsum(letters(pattern), *tensors))
    (found,) = layer.infer(tuple(inputs), Requirements())
    assert found.roles == roles
    assert [axis.name for axis in found.axes] == pattern.partition("->")[2].split()


@pytest.mark.parametrize(
    ("pattern", "inputs"),
    [
        ("b i d, b j d -> b i j", [tensor_type(2, 4, 8), tensor_type(2, 6, 8)]),
        ("b t c, c d -> b t d", [tensor_type(2, 4, 8), MATRIX]),
        ("b t c, c d -> b t", [tensor_type(2, 4, 8), MATRIX]),
        ("b i d, b i d -> b i d", [tensor_type(2, 4, 8), tensor_type(2, 4, 8)]),
        ("b i d, b j d, b j e -> b i e", [tensor_type(2, 4, 8), tensor_type(2, 6, 8), tensor_type(2, 6, 3)]),
        ("b i d -> b d", [tensor_type(2, 4, 8)]),
    ],
)
def test_multiply_adds_are_those_that_torch_counts(pattern: str, inputs: list[TensorType]):
    counted(op("einsum", pattern), *inputs)


def test_names_become_letters():
    assert letters("b i d, b j d -> b i j") == "bid,bjd->bij"
    assert letters("batch head q d, batch head k d -> batch head q k") == "bhqd,bhkd->bhqk"


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("b i d, b j d -> b i j", "E0301"),
        ("b i d e -> b i", "E0401"),
        ("b i d -> i d", "E0420"),
        ("b i d -> i b d", "E0420"),
        ("b i i -> b i", "E0409"),
    ],
)
def test_refusals(pattern: str, code: str):
    error = refusal(op("einsum", pattern), tensor_type(2, 4, 8))
    assert error.code == code and error.hints


def test_batches_are_one():
    assert refusal(op("einsum", "a i d, b j d -> a i j"), TOKENS, TOKENS).code == "E0420"
    assert infer(op("einsum", "i j, j k -> i k"), MATRIX, TensorType((Axis(5), Axis(2))))[0].dims == (8, 2)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("b i d", "needs one arrow"),
        ("b i d -> b i, b d", "needs one arrow"),
        ("b i d -> b i i", "twice"),
        ("b i d -> b k", "`k` behind the arrow alone"),
        ("b ... d -> b d", "cannot be read"),
        (3, "must be a pattern"),
    ],
)
def test_patterns_that_cannot_be(pattern: object, words: str):
    assert words in argument_error("einsum", pattern)
