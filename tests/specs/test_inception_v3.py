"""Inception-v3: closed forms, the auxiliary classifier, initial values, sizes, what is refused."""

from __future__ import annotations

import pytest
import torch
from rows.inception_v3 import ROWS
from twins import loaded, ours, randomised

import archc


@pytest.mark.parametrize("classes", [1, 10, 1000])
def test_closed_forms(classes: int) -> None:
    """The classifiers have 2048 and 768 inputs, the auxiliary one two convolutions, 768 * 128 and 128 * 768 * 25."""
    plain, full = (archc.load("inception_v3", aux=aux, classes=classes).stats() for aux in (False, True))
    assert plain.parameters == 23_834_568 - 2049 * (1000 - classes)
    assert full.parameters - plain.parameters == 768 * 128 + 256 + 128 * 768 * 25 + 2 * 768 + 769 * classes
    assert full.multiply_adds == plain.multiply_adds == 5_713_216_096 - 2048 * (1000 - classes)


def test_the_auxiliary_classifier_is_trained_alone() -> None:
    """On the device that computes shapes alone."""
    made = archc.load("inception_v3", classes=3).module(device="meta")
    images = torch.empty(2, 3, 299, 299, device="meta")
    evaluated, trained = made.eval()(images), made.train()(images)
    assert list(evaluated) == list(trained) == ["logits", "aux"]
    assert evaluated["aux"] is None
    assert trained["aux"].shape == trained["logits"].shape == (2, 3)


def test_initial_values() -> None:
    state = archc.load("inception_v3", classes=100).module(seed=0).state_dict()
    for name, std in (
        ("fc", 0.1),
        ("AuxLogits.fc", 0.001),
        ("AuxLogits.conv1.conv", 0.1),
        ("Mixed_6e.branch1x1.conv", 0.1),
    ):
        assert abs(float(state[f"{name}.weight"].std()) / std - 1) < 0.02


def test_legal_sizes() -> None:
    """75, as torchvision says, and 299 where the auxiliary classifier is."""
    for aux, least in ((False, 75), (True, 299)):
        requirements = archc.load("inception_v3", aux=aux).ir.requirements
        assert not requirements.violations({"N": 1, "H": least, "W": least})
        assert requirements.violations({"N": 1, "H": least - 1, "W": least})
        assert requirements.violations({"N": 1, "H": least, "W": least - 1})


@pytest.mark.parametrize("form", ["fx", pytest.param("python", marks=pytest.mark.slow)])
def test_one_module_takes_every_legal_size(form: str) -> None:
    row = next(row for row in ROWS if row.quick)
    state = randomised(row.theirs("meta"))
    reference, made = (loaded(net, state).eval() for net in (row.theirs(), ours(row.ours(), form)))
    for height, width in ((75, 75), (76, 131)):
        images = torch.randn(1, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone()))


@pytest.mark.parametrize(("given", "reason"), [({"aux": 1}, "true or false"), ({"drop": 2}, "from 0 to 1")])
def test_what_is_refused(given: dict[str, object], reason: str) -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.load("inception_v3", **given)
    assert reason in str(caught.value)
