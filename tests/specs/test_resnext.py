"""ResNeXt: three forms of one function, sizes of equal complexity, closed forms."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from quick import slow_but
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck
from torchvision.models.resnet import ResNet as Torchvision
from twins import FORMS, loaded, ours, randomised, unfilled

import archc

UNIT = """
use aggregated from "zoo/resnext.arch"
arch unit(channels: int, c: int, stride: int, cardinality: int, width: int, form: "a" | "b" | "c" = "c") {
  input x: [N, channels, 9, 9]
  output x -> aggregated(c, stride, cardinality, width, form)
}
"""


def sliced(state: dict[str, Tensor], cardinality: int, form: str) -> dict[str, Tensor]:
    """The weights of the grouped form c as those of form a or b.

    Path i has the i-th of equal parts of the channels between the convolutions: of their rows, of what batch norm keeps
    for them, and in form a of the last convolution's columns. The rest is the same in every form.
    """
    made: dict[str, Tensor] = {}
    for key, tensor in state.items():
        found = re.fullmatch(r"(.*\b|)((conv1|bn1|conv2|bn2|conv3)\.\w+)", key)
        unit = found is not None and f"{found[1]}conv3.weight" in state  # the stem has one convolution
        if found is None or not unit or (found[3] == "conv3" and form == "b"):
            made[key] = tensor
            continue
        columns = found[3] == "conv3"
        parts = [tensor] * cardinality if tensor.dim() == 0 else tensor.chunk(cardinality, dim=int(columns))
        made |= {f"{found[1]}paths.{i}.{found[2]}": part for i, part in enumerate(parts)}
    return made


def forms(text: str, name: str | None, cardinality: int, **options: int) -> dict[str, nn.Module]:
    """The three forms with the same weights, in double precision."""
    grouped = archc.loads(text, name, form="c", cardinality=cardinality, **options).module().double()
    state = {key: tensor.clone() for key, tensor in randomised(grouped).items()}
    made = {"c": loaded(grouped, {key: t.double() if t.is_floating_point() else t for key, t in state.items()})}
    for form in ("a", "b"):
        module = archc.loads(text, name, form=form, cardinality=cardinality, **options).module().double()
        made[form] = loaded(module, sliced(grouped.state_dict(), cardinality, form))
    return made


@pytest.mark.parametrize(
    ("channels", "c", "stride", "cardinality", "width"),
    [(64, 16, 1, 32, 16), (64, 64, 1, 8, 14), (256, 64, 2, 3, 5), (32, 8, 1, 1, 64), (32, 8, 2, 2, 40)],
)
def test_the_three_forms_are_equal(channels: int, c: int, stride: int, cardinality: int, width: int) -> None:
    options = {"channels": channels, "c": c, "stride": stride, "width": width}
    made = forms(UNIT, "unit", cardinality, **options)
    x = torch.randn(2, channels, 9, 9, dtype=torch.float64)
    for training in (False, True):
        found = {form: module.train(training)(x) for form, module in made.items()}
        assert found["c"].std() > 0
        for form in ("a", "b"):
            assert (found[form] - found["c"]).abs().max() < 1e-12 * found["c"].abs().max()


def test_whole_networks_are_equal_in_the_three_forms() -> None:
    text = """
use resnext_cifar from "zoo/resnext.arch"
arch net(cardinality: int, form = "c") = resnext_cifar(11, cardinality, 8, form)
"""
    made = forms(text, "net", 4)
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    found = {form: module.eval()(images) for form, module in made.items()}
    assert found["c"].std() > 0
    assert all((found[form] - found["c"]).abs().max() < 1e-11 * found["c"].abs().max() for form in "ab")


def test_paths_that_are_mixed_up_are_noticed() -> None:
    """The comparison can fail: with two paths' second convolutions exchanged the outputs differ."""
    made = forms(UNIT, "unit", 4, channels=32, c=8, stride=1, width=16)
    x = torch.randn(2, 32, 9, 9, dtype=torch.float64)
    state = made["a"].state_dict()
    first, second = "paths.0.conv2.weight", "paths.1.conv2.weight"
    state[first], state[second] = state[second].clone(), state[first].clone()
    made["a"].load_state_dict(state)
    assert (made["a"].eval()(x) - made["c"].eval()(x)).abs().max() > 1e-3


@pytest.mark.parametrize("form", ["a", "b", "c"])
def test_complexity_of_a_unit(form: str) -> None:
    """Table 2 of the paper: convolutions of a unit of 256 channels, at any cardinality C and width d."""
    published = {(1, 64): 69_632, (2, 40): 69_760, (4, 24): 69_888, (8, 14): 71_456, (32, 4): 70_144}
    for cardinality, d in [*published, (3, 7), (5, 1)]:
        weights = cardinality * (256 * d + 9 * d * d + 256 * d)
        assert published.get((cardinality, d), weights) == weights
        options = {"channels": 256, "c": 64, "stride": 1, "cardinality": cardinality, "width": d}
        found = archc.loads(UNIT, "unit", form=form, **options).stats()
        assert found.multiply_adds == weights * 9 * 9
        assert found.parameters == weights + 2 * (2 * cardinality * d + 256)


@pytest.mark.parametrize(
    ("depth", "units"),
    slow_but([(50, (3, 4, 6, 3))], [(50, (3, 4, 6, 3)), (101, (3, 4, 23, 3)), (152, (3, 8, 36, 3))]),
)
def test_closed_form(depth: int, units: tuple[int, ...]) -> None:
    for cardinality, width in [(1, 64), (8, 14), (5, 3)]:
        expected, entering = 9_408 + 128 + 2049 * 1000, 64
        for stage, n in enumerate(units):
            leaving, inner = 256 * 2**stage, cardinality * width * 2**stage
            expected += entering * leaving + 2 * leaving
            for _ in range(n):
                expected += (entering + leaving) * inner + 9 * inner**2 // cardinality + 4 * inner + 2 * leaving
                entering = leaving
        options = {"depth": depth, "cardinality": cardinality, "width": width}
        assert {archc.load("resnext", form=form, **options).stats().parameters for form in "abc"} == {expected}


@pytest.mark.parametrize("depth", slow_but((11,), (11, 29)))
def test_closed_form_on_cifar(depth: int) -> None:
    for cardinality, width, classes in itertools.product((1, 8), (4, 64), (10, 100)):
        expected, entering = 27 * 64 + 128 + 1025 * classes, 64
        for leaving, inner in ((256 * 2**s, cardinality * width * 2**s) for s in range(3)):
            expected += entering * leaving + 2 * leaving
            for _ in range((depth - 2) // 9):
                expected += (entering + leaving) * inner + 9 * inner**2 // cardinality + 4 * inner + 2 * leaving
                entering = leaving
        options = {"depth": depth, "cardinality": cardinality, "width": width, "classes": classes}
        found = archc.load("resnext_cifar", **options).stats()
        assert (found.parameters, found.depth) == (expected, depth)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("resnext", {"depth": 18}, "50, 101 or 152"),
        ("resnext", {"cardinality": 0}, "at least one path"),
        ("resnext", {"width": -4}, "at least one channel"),
        ("resnext", {"cardinality": 2.5}, "a whole number"),
        ("resnext", {"form": "d"}, '"a", "b" or "c"'),
        ("resnext_cifar", {"depth": 30}, "9n + 2, such as 20, 29 or 272, and not 30"),
        ("resnext_cifar", {"depth": 2}, "and not 2"),
        ("resnext_cifar", {"width": 0}, "at least one channel"),
        ("resnext50_32x4d", {"cardinality": 4}, "already says what `cardinality` is"),
    ],
)
def test_what_is_refused(name: str, given: dict[str, object], words: str) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load(name, **given)
    (found,) = refused.value.diagnostics
    assert words in found.message


def test_groups_that_do_not_divide() -> None:
    text = "arch net {\n  input x: [N, 64, 8, 8]\n  output x -> conv(64, 3, groups = 3)\n}"
    (found,) = archc.check(text=text)
    assert "groups" in found.message and "64" in found.message and "3" in found.message


@pytest.mark.parametrize("form", FORMS)
def test_one_module_takes_every_size(form: str) -> None:
    network = archc.loads(
        'use ResNet from "zoo/resnet.arch"\nuse aggregated from "zoo/resnext.arch"\n'
        "arch net = ResNet(aggregated, [1, 1], [32, 4], classes = 10)"
    )
    with unfilled():
        reference = Torchvision(Bottleneck, [1, 1, 1, 1], groups=32, width_per_group=4)
        reference.layer3, reference.layer4, reference.fc = nn.Sequential(), nn.Sequential(), nn.Linear(512, 10)
    state = randomised(reference)
    reference, made = loaded(reference, state).eval(), loaded(ours(network, form), state).eval()
    for height, width in [(1, 1), (31, 33), (64, 97)]:
        assert not network.ir.requirements.violations({"N": 2, "H": height, "W": width})
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone())), (height, width)
