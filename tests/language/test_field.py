"""Published networks against torchvision's: every name, shape and place in the checkpoint, and the outputs."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torchvision
from language_files import HERE, state
from torchvision.models.vision_transformer import VisionTransformer

from archc.compiler.emit.fx import to_graph_module
from archc.compiler.ir.graph import Graph
from archc.compiler.program import Program


def graph_of(spec: str, arch: str, **parameters: Any) -> Graph:
    graph = Program.open(HERE / "good" / "field" / f"{spec}.arch").elaborate(arch, parameters).graph
    assert graph is not None
    return graph


def shapes_of(build: Any) -> list[tuple[str, tuple[int, ...]]]:
    with torch.device("meta"):
        return [(name, tuple(tensor.shape)) for name, tensor in build().state_dict().items()]


@pytest.mark.parametrize(
    ("spec", "arch", "build"),
    [
        ("mobilenet_v2", "mobilenet_v2", torchvision.models.mobilenet_v2),
        ("vit", "vit_b_16", torchvision.models.vit_b_16),
        ("convnext", "convnext_tiny", torchvision.models.convnext_tiny),
    ],
)
def test_checkpoint_names_shapes_and_order(spec: str, arch: str, build: Any) -> None:
    ours = [(name, shape) for name, shape, _ in state(graph_of(spec, arch))]
    ours = [(name, shape[1:] if name.endswith("layer_scale") else shape) for name, shape in ours]
    assert ours == shapes_of(build)


@pytest.mark.parametrize(
    ("spec", "arch", "parameters", "build", "size"),
    [
        ("mobilenet_v2", "MobileNetV2", {"classes": 10}, partial(torchvision.models.mobilenet_v2, num_classes=10), 64),
        (
            "vit",
            "ViT",
            {"patch": 56, "layers": 2, "heads": 2, "width": 8, "hidden": 16, "classes": 5},
            partial(VisionTransformer, 224, 56, 2, 2, 8, 16, num_classes=5),
            224,
        ),
    ],
)
def test_outputs_are_bit_equal(spec: str, arch: str, parameters: dict[str, Any], build: Any, size: int) -> None:
    torch.manual_seed(0)
    peer = build().eval()
    ours = to_graph_module(graph_of(spec, arch, **parameters), seed=0)
    ours.load_state_dict(peer.state_dict(), strict=True)
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), peer(x))
