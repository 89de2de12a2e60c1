"""Residual networks on ImageNet, plain and wide ones: closed forms, versions, shortcuts, sizes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import torch
from quick import slow_but
from rows.plain import without_shortcuts
from rows.resnet import with_adaptive_pool, with_option
from torch import nn
from torchvision.models import get_model
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.resnet import ResNet as Torchvision
from twins import FORMS, loaded, ours, randomised, unfilled

import archc

UNITS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
"""Table 1 of the paper, and ResNet-200."""


def halved(size: int) -> int:
    return (size + 1) // 2


def convolutions(
    depth: int, shortcut: str, version: float, k: int = 1, side: int = 224
) -> Iterator[tuple[int, int, int, int]]:
    """Input channels, output channels, kernel and output side of every convolution, from the paper's text."""
    side = halved(side)
    yield 3, 64, 7, side
    side, entering = halved(side), 64
    for stage, n in enumerate(UNITS[depth]):
        c = 64 * 2**stage
        leaving = c if depth < 50 else 4 * c
        for unit in range(n):
            before = side
            if stage > 0 and unit == 0:
                side = halved(side)
            if depth < 50:
                yield entering, c, 3, side
                yield c, c, 3, side
            else:
                yield entering, k * c, 1, side if version == 1 else before
                yield k * c, k * c, 3, side
                yield k * c, leaving, 1, side
            if shortcut == "C" or (shortcut == "B" and (entering, before) != (leaving, side)):
                yield entering, leaving, 1, side
            entering = leaving


def figures(depth: int, shortcut: str = "B", version: float = 1.5, k: int = 1, side: int = 224) -> tuple[int, int]:
    """Parameters, with batch norm's two for each channel, and multiply-adds."""
    found = list(convolutions(depth, shortcut, version, k, side))
    features = 512 if depth < 50 else 2048
    parameters = sum(i * o * kernel**2 + 2 * o for i, o, kernel, _ in found) + (features + 1) * 1000
    return parameters, sum(i * o * (kernel * s) ** 2 for i, o, kernel, s in found) + features * 1000


@pytest.mark.parametrize("depth", slow_but((18, 34, 50), UNITS))
def test_closed_forms(depth: int) -> None:
    for shortcut, version in itertools.product(("A", "B", "C", "none"), (1, 1.5)):
        found = archc.load("resnet", depth=depth, shortcut=shortcut, version=version).stats()
        assert (found.parameters, found.multiply_adds) == figures(depth, shortcut, version), (shortcut, version)
        assert found.depth == depth


@pytest.mark.parametrize(
    ("depth", "k"), slow_but([(50, 1), (50, 2), (50, 3)], [(50, 1), (50, 2), (50, 3), (101, 2), (152, 2)])
)
def test_closed_forms_of_wide_networks(depth: int, k: int) -> None:
    found = archc.load("wide_resnet", depth=depth, k=k).stats()
    assert (found.parameters, found.multiply_adds) == figures(depth, k=k)


def test_version_1_has_the_papers_operations() -> None:
    """Table 1 gives billions, to one decimal; version 1.5 is above them."""
    for depth, billions in {50: 3.8, 101: 7.6, 152: 11.3}.items():
        first, later = (archc.load("resnet", depth=depth, version=v).stats().multiply_adds for v in (1, 1.5))
        assert abs(first / 1e9 - billions) < 0.06
        assert later - first == 231_211_008


@pytest.mark.parametrize("depth", [18, 34])
def test_a_plain_network_is_the_residual_one_without_its_three_projections(depth: int) -> None:
    residual, plain = (archc.load(f"{name}{depth}").stats() for name in ("resnet", "plain"))
    assert residual.multiply_adds - plain.multiply_adds == 3 * 6_422_528
    assert residual.parameters - plain.parameters == 173_824
    text = f'use plain{depth} from "zoo/resnet.arch"\narch p = plain{depth}\n  expect count(sum) == '
    assert not archc.check(text=f"{text}0")
    assert archc.check(text=f"{text}1")


def test_ways_double_with_each_unit() -> None:
    text = 'use basic, ResNet from "zoo/resnet.arch"\n' + "\n".join(
        f"arch a{n} = ResNet(basic, [{n}, 1, {n}, 2])\n  expect paths == {2 ** (2 * n + 3)}" for n in (1, 2, 5)
    )
    assert not archc.check(text=text)


def test_the_release_differs_from_version_1_in_one_bias() -> None:
    release, first = archc.load("caffe_resnet"), archc.load("resnet", version=1)
    assert release.stats().parameters - first.stats().parameters == 64
    names = [set(network.module(device="meta").state_dict()) for network in (release, first)]
    assert names[0] - names[1] == {"conv1.bias"}
    assert names[1] <= names[0]


def test_facebooks_port_has_a_bias_for_each_channel() -> None:
    biased, plain = (archc.load(name).stats().parameters for name in ("fbresnet152", "resnet152"))
    assert biased - plain == sum(o for _, o, _, _ in convolutions(152, "B", 1.5)) == 75_712


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("resnet", {"depth": 20}, "18, 34, 50, 101, 152 or 200"),
        ("resnet", {"shortcut": "D"}, '"A", "B", "C" or "none"'),
        ("resnet", {"version": 2}, "1 or 1.5"),
        ("resnet18", {"depth": 34}, "`resnet18` already says what `depth` is"),
        ("caffe_resnet", {"depth": 18}, "50, 101 or 152"),
        ("wide_resnet", {"depth": 18}, "50, 101 or 152"),
        ("wide_resnet", {"k": 0}, "a whole number from 1, and not 0"),
        ("wide_resnet", {"k": -2}, "a whole number from 1, and not -2"),
        ("wide_resnet", {"k": 1.5}, "a whole number"),
        ("resnet", {"classes": 0}, "positive whole number"),
    ],
)
def test_what_is_refused(name: str, given: dict[str, object], words: str) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load(name, **given)
    (found,) = refused.value.diagnostics
    assert words in found.message


# --- sizes ---------------------------------------------------------------------------------

SIZES = {224: 4_089_184_256, 246: 5_184_034_496, 336: 9_353_097_216, 672: 36_786_274_304, 1120: 102_180_454_400}
SIZES[2240] = 408_715_673_600
"""An image 1, 1.1, 1.5, 3, 5 and 10 times as large, and ResNet-50's multiply-adds on it."""


def claims(off: int = 0) -> str:
    """ResNet-50 and its last map at these sizes, with figures that are wrong by `off`."""
    network = [
        f"expect macs at [1, 3, {s}, {s}] == {macs + off}\nexpect shape at [1, 3, {s}, {s}] == [1, {1000 + off}]"
        for s, macs in SIZES.items()
    ]
    features = [f"expect shape at [1, 3, {s}, {s}] == [1, 2048, {-(-s // 32) + off}, {-(-s // 32)}]" for s in SIZES]
    return "\n".join(
        [
            'use resnet50, bottleneck, stages, units from "zoo/resnet.arch"',
            "arch network = resnet50",
            *network,
            "arch map {\n  input image: [N, 3, H, W]",
            "output image -> conv(64, 7, 2) -> maxpool(3, 2, padding = 1) -> stages(bottleneck, 64, units(50))",
            *features,
            "}",
        ]
    )


def test_resnet50_on_larger_images() -> None:
    assert not archc.check(text=claims())
    assert len(archc.check(text=claims(off=1))) == 3 * len(SIZES)
    assert all(figures(50, side=side)[1] == macs for side, macs in SIZES.items())


def short(network: nn.Module) -> nn.Module:
    """The first two stages of a network, and ten classes."""
    network.layer3, network.layer4 = nn.Sequential(), nn.Sequential()
    last = [m for m in network.layer2.modules() if isinstance(m, nn.BatchNorm2d)]
    network.fc = nn.Linear(max(norm.num_features for norm in last), 10)
    return network


def torchvision(unit: type[BasicBlock] | type[Bottleneck], **options: int) -> Torchvision:
    return Torchvision(unit, [1, 1, 1, 1], **options)


def caffe() -> nn.Module:
    from pretrainedmodels.models import cafferesnet

    network = with_adaptive_pool(lambda: cafferesnet.ResNet(cafferesnet.Bottleneck, [1, 1, 1, 1]))()
    del network.last_linear
    network.logits = lambda x: network.fc(network.avgpool(x).flatten(1))  # pyright: ignore[reportAttributeAccessIssue]
    return network


CAFFE = "stem = conv1: conv(64, 7, 2) -> bn1: bn -> relu -> maxpool(3, 2, ceil = true)"

FAMILIES: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "basic": ("basic, [1, 1]", lambda: torchvision(BasicBlock)),
    "option A": ('basic, [1, 1], ["A"]', lambda: with_option("A", torchvision(BasicBlock))),
    "plain": ('basic, [1, 1], ["none"]', lambda: without_shortcuts(torchvision(BasicBlock))),
    "bottleneck": ("bottleneck, [1, 1]", lambda: torchvision(Bottleneck)),
    "wide": ('bottleneck, [1, 1], ["B", 1.5, 2]', lambda: torchvision(Bottleneck, width_per_group=128)),
    "caffe": (f'bottleneck, [1, 1], ["B", 1], {CAFFE}', caffe),
}
"""Two units, and the peer."""


def pair(arguments: str, peer: Callable[[], nn.Module], form: str) -> tuple[archc.Architecture, nn.Module, nn.Module]:
    network = archc.loads(
        f'use ResNet, basic, bottleneck from "zoo/resnet.arch"\narch net = ResNet({arguments}, classes = 10)'
    )
    with unfilled():
        reference = short(peer())
    state = randomised(reference)
    return network, loaded(ours(network, form), state).eval(), loaded(reference, state).eval()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_one_module_takes_every_legal_size(family: str, form: str) -> None:
    network, made, reference = pair(*FAMILIES[family], form)
    smallest = 3 if family == "caffe" else 1
    for height, width in [(smallest, smallest), (31, 33), (64, 97)]:
        assert not network.ir.requirements.violations({"N": 2, "H": height, "W": width})
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone())), (height, width)


def test_the_same_weights_on_larger_images() -> None:
    _, made, reference = pair(*FAMILIES["bottleneck"], "fx")
    for side in (246, 336):
        image = torch.randn(1, 3, side, side)
        with torch.no_grad():
            assert torch.equal(made(image.clone()), reference(image)), side


@pytest.mark.slow
def test_resnet50_with_the_same_weights_on_larger_images() -> None:
    reference = get_model("resnet50", weights=None)
    state = randomised(reference)
    made = loaded(ours(archc.load("resnet50"), "fx"), state).eval()
    loaded(reference, state).eval()
    for side in SIZES:
        image = torch.randn(1, 3, side, side)
        with torch.no_grad():
            found = made(image.clone())
            assert found.shape == (1, 1000)
            assert torch.equal(found, reference(image)), side


def test_a_size_below_the_smallest_of_the_release() -> None:
    assert archc.load("caffe_resnet").ir.requirements.violations({"N": 1, "H": 2, "W": 3})
