"""What a network puts out: channels and strides, against timm's figures of its own features."""

from __future__ import annotations

from fractions import Fraction

import pytest
import timm
import torch
import torchvision

import archc


@pytest.mark.parametrize(
    ("name", "modules", "peer"),
    [
        ("resnet50", ["bn1", "layer1", "layer2", "layer3", "layer4"], "resnet50"),
        ("swin_t", ["features.1", "features.3", "features.5", "features.7"], "swin_tiny_patch4_window7_224"),
        ("convnext_tiny", ["features.1", "features.3", "features.5", "features.7"], "convnext_tiny"),
        ("densenet121", ["features.relu0", "features.denseblock1", "features.denseblock2"], "densenet121"),
    ],
)
def test_features_have_the_channels_and_strides_that_timm_says(name: str, modules: list[str], peer: str) -> None:
    info = timm.create_model(peer, features_only=True).feature_info  # type: ignore[attr-defined]
    outputs = archc.load(name).features(*modules).outputs
    assert [output.channels for output in outputs] == info.channels()[: len(modules)]
    assert [output.stride for output in outputs] == info.reduction()[: len(modules)]


def test_features_take_weights_of_the_whole() -> None:
    whole = torchvision.models.resnet18().eval()
    features = archc.load("resnet18").features("layer1", "layer3")
    module = features.module(weights=whole).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        first = whole.layer1(whole.maxpool(whole.relu(whole.bn1(whole.conv1(image)))))
        found = module(image)
        assert torch.equal(found["layer1"], first)
        assert torch.equal(found["layer3"], whole.layer3(whole.layer2(first)))
    assert [output.name for output in features.outputs] == ["layer1", "layer3"]


def test_maps_that_are_finer_than_the_image() -> None:
    body = "output up = x -> conv(4, 3) -> upsample(2)\n output flat = x -> gap -> linear(5)"
    text = f"arch A {{ input x: [N, 3, 8, 8]\n {body} }}"
    up, flat = archc.loads(text).outputs
    assert (up.name, up.channels, up.stride) == ("up", 4, Fraction(1, 2))
    assert (flat.name, flat.shape[1:], flat.channels, flat.stride) == ("flat", (5,), 5, None)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(archc.ArchError, match="E0815"):
        archc.load("resnet18").module(weights=torchvision.models.vgg11())
    with pytest.raises(TypeError, match="weights"):
        archc.load("resnet18").module(weights=3)  # type: ignore[arg-type]


def test_weights_that_are_no_numbers_are_warned_of() -> None:
    net = archc.loads("arch A { input x: [N, 3, 8, 8]  output x -> conv(4, 3) }")
    state = net.module().state_dict()
    state["conv.weight"][0] = torch.nan
    with pytest.warns(RuntimeWarning, match="no finite numbers"):
        net.module(weights=state)
