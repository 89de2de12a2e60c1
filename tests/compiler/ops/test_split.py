"""Layers that split channels or trade them for space, against torch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from archc.compiler.ir.requirements import Requirements

from .compare import H, N, W, agree, argument_error, dims, refusal
from .interpret import op

X = dims(N, 12, H, W)
SIZES = {"N": 2, "H": 6, "W": 4}


@pytest.mark.parametrize("parts", [1, 2, 3, 12])
@pytest.mark.parametrize("name", ["split", "chunk"])
def test_split_into_equal_parts(name, parts):
    (x,), results = agree(op(name, parts), [X], **SIZES)
    assert all(map(torch.equal, results, torch.chunk(x, parts, 1)))
    assert len(results) == parts


@pytest.mark.parametrize("parts", [[5, 7], [12], [1, 1, 10]])
def test_split_into_sizes(parts):
    (x,), results = agree(op("split", parts), [X], **SIZES)
    assert all(map(torch.equal, results, torch.split(x, parts, 1)))


def test_split_along_space_requires_that_it_divides():
    requirements = Requirements()
    layer = op("split", 3, axis="height")
    layer.infer((X,), requirements)
    assert requirements.violations({"N": 1, "H": 7, "W": 1}) and not requirements.violations({"N": 1, "H": 6, "W": 1})
    (x,), results = agree(layer, [X], **SIZES)
    assert all(map(torch.equal, results, torch.chunk(x, 3, 2)))


def test_split_refuses():
    assert refusal(op("split", 5), X).code == "E0421"
    assert refusal(op("split", [5, 8]), X).code == "E0421"
    assert refusal(op("split", 2, axis=0), X).code == "E0420"
    assert "number of parts" in argument_error("split", [])


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 12])
def test_channel_shuffle(groups):
    (x,), (result,) = agree(op("channel_shuffle", groups), [X], **SIZES)
    assert torch.equal(result, F.channel_shuffle(x, groups))
    assert refusal(op("channel_shuffle", 5), X).code == "E0403"
    assert refusal(op("channel_shuffle", 2), dims(N, 4)).code == "E0401"


@pytest.mark.parametrize(("name", "peer"), [("pixel_shuffle", F.pixel_shuffle), ("pixel_unshuffle", F.pixel_unshuffle)])
@pytest.mark.parametrize("factor", [1, 2])
def test_pixel_shuffles(name, peer, factor):
    (x,), (result,) = agree(op(name, factor), [X], **SIZES)
    assert torch.equal(result, peer(x, factor))


def test_pixel_shuffles_refuse():
    assert refusal(op("pixel_shuffle", 5), X).code == "E0421"
    assert refusal(op("pixel_unshuffle", 2), dims(N, 3, 5, 4)).code == "E0421"
    assert refusal(op("pixel_shuffle", 2), dims(N, 4)).code == "E0401"
