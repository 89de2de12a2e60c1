"""Models of libraries as they come: read, verified, and written as short as an expert would."""

from __future__ import annotations

import pytest

import archc

MODELS = {
    "alexnet": 10,
    "convnext_tiny": 25,
    "densenet121": 18,
    "efficientnet_b0": 40,
    "googlenet": 35,
    "inception_v3": 60,
    "mnasnet1_0": 18,
    "mobilenet_v2": 25,
    "mobilenet_v3_large": 45,
    "regnet_y_400mf": 25,
    "resnet18": 14,
    "resnet50": 20,
    "resnext50_32x4d": 20,
    "shufflenet_v2_x1_0": 22,
    "squeezenet1_0": 14,
    "swin_t": 50,
    "vgg11_bn": 12,
    "vit_b_16": 22,
}
"""Models of torchvision, and the most lines that each may take."""

OF_TIMM = ["resnet18", "resnet26d", "densenet121", "mobilenetv3_small_100", "convnext_atto", "vit_tiny_patch16_224"]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_models_of_torchvision(name: str) -> None:
    settings = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    net = archc.load(f"torchvision.models:{name}", **settings)
    assert len(net.source().splitlines()) <= MODELS[name]
    assert not net.warnings or name == "vit_b_16"  # whose attention hands out weights, and rounds otherwise


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_TIMM)
def test_models_of_timm_say_their_shapes(name: str) -> None:
    net = archc.load("timm:create_model", model_name=name)
    assert len(net.source().splitlines()) <= 30
