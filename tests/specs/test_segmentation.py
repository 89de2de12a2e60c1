"""Segmentation networks: one module for every size, named outputs, the auxiliary classifier."""

from __future__ import annotations

import pytest
import torch
from quick import slow_but
from rows.deeplabv3 import MOBILE
from rows.fcn_resnet import segmentation
from twins import FORMS, loaded, ours, randomised, unfilled

import archc

NAMES = slow_but([MOBILE], ["fcn_resnet50", "deeplabv3_resnet50", MOBILE])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", slow_but(["lraspp_mobilenet_v3_large"], ["lraspp_mobilenet_v3_large", MOBILE]))
def test_one_module_takes_every_size(name: str, form: str) -> None:
    row = segmentation(name)
    state = randomised(row.theirs())
    with unfilled():
        reference = loaded(row.theirs(), state).eval()
    made = loaded(ours(row.ours(), form), state).eval()
    for height, width in ((1, 1), (33, 65), (90, 47)):
        images = torch.randn(1, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone())["out"]), (height, width)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_have_the_names_of_torchvisions(name: str) -> None:
    images = torch.empty(2, 3, 64, 96, device="meta")
    made = archc.load(name, aux=True, classes=5).module(device="meta")
    for mode in (True, False):
        outputs = made.train(mode)(images)
        assert list(outputs) == list(segmentation(name, True).theirs("meta").train(mode)(images)) == ["out", "aux"]
        assert {output.shape for output in outputs.values()} == {(2, 5, 64, 96)}
    assert archc.load(name, classes=5).module(device="meta")(images).shape == (2, 5, 64, 96)


@pytest.mark.parametrize("name", NAMES)
def test_the_auxiliary_classifier_only_adds(name: str) -> None:
    with_aux, without = (archc.load(name, aux=aux).module(device="meta").state_dict() for aux in (True, False))
    added = [key for key in with_aux if key not in without]
    assert list(with_aux) == [*without, *added]
    assert all(key.startswith("aux_classifier.") for key in added)
    assert added


def test_the_last_stages_are_dilated_and_not_strided() -> None:
    """The rates of the 3 x 3 convolutions in the third and the fourth stage of ResNet-50."""
    nodes = archc.load("fcn_resnet50").ir.nodes
    rates = [
        n.op.dilation
        for n in nodes
        if n.path.startswith(("backbone.layer3", "backbone.layer4")) and n.path.endswith("conv2")
    ]  # type: ignore[attr-defined]
    assert rates == [1, 2, 2, 2, 2, 2, 2, 4, 4]
