"""One module takes every image size that its spec calls legal, and no other."""

from __future__ import annotations

import pytest
import torch
from oracles import Row
from quick import slow_but
from twins import FORMS, loaded, ours, randomised, unfilled

import archc

SIZES = {
    "resnet18": [(1, 1), (31, 33), (64, 97), (128, 224)],
    "vgg11_bn": [(32, 32), (33, 63), (97, 64)],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", slow_but(["resnet18"], SIZES))
def test_one_module_takes_every_legal_size(name: str, form: str) -> None:
    row = Row(name, "torchvision", name)
    state = randomised(row.theirs("meta"))
    with unfilled():
        reference = loaded(row.theirs(), state).eval()
    made = loaded(ours(row.ours(), form), state).eval()
    requirements = row.ours().ir.requirements
    for height, width in SIZES[name]:
        assert not requirements.violations({"N": 2, "H": height, "W": width})
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone())), (height, width)


@pytest.mark.parametrize("size", [(31, 32), (32, 31)])
def test_a_size_that_is_not_legal(size: tuple[int, int]) -> None:
    assert archc.load("vgg11").ir.requirements.violations({"N": 1, "H": size[0], "W": size[1]})
    # The classifier plays no part, and initialising it takes seconds.
    features = Row("vgg11", "torchvision", "vgg11").theirs("meta").get_submodule("features").to_empty(device="cpu")
    with pytest.raises(RuntimeError):
        features(torch.zeros(1, 3, *size))
