"""VGG and its fully convolutional form: parameters, the grid, timm's form, refusals."""

from __future__ import annotations

import re

import pytest
import torch
from oracles import Row
from twins import finite, loaded, unfilled

import archc
from archc.compiler.emit.weights import load_weights

TRUNK = {"vgg16": 14_714_688, "vgg19": 20_024_384}
DENSE = {"classifier.0": 102_764_544, "classifier.3": 16_781_312, "classifier.6": 4_097_000}


def output_side(net: archc.Architecture, size: int) -> tuple[int, ...]:
    """The sides of the output for a square image, from the spec alone."""
    (value,) = net.ir.outputs[0].values
    sizes = {"N": 1, "H": size, "W": size}
    assert not net.ir.requirements.violations(sizes)
    return tuple(d if isinstance(d, int) else d.evaluate(sizes) for d in net.ir.type_of(value).dims)


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_where_the_parameters_are(name: str) -> None:
    for form in (name, f"{name}_fcn"):
        found = dict.fromkeys(("features", *DENSE), 0)
        for parameter, tensor in archc.load(form).module(device="meta").named_parameters():
            found[next(part for part in found if parameter.startswith(part))] += tensor.numel()
        assert found == {"features": TRUNK[name]} | DENSE


@pytest.mark.parametrize("name", ["vgg16_fcn", "vgg19_fcn"])
def test_the_side_of_the_grid(name: str) -> None:
    net = archc.load(name)
    for size in (*range(224, 520, 7), 256, 288, 320, 384, 448, 480, 500, 512):
        side = size // 32 - 6
        assert output_side(net, size) == (1, 1000, side, side), size
    assert net.ir.requirements.violations({"N": 1, "H": 223, "W": 224})


def test_batch_norm_without_biases() -> None:
    """Each of the 13 convolutions loses its bias."""
    assert archc.load("vgg16_bn", bias=False).stats().parameters == 138_361_768


@pytest.mark.parametrize("n", [[], [1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [2, 2, -1, 3, 3]])
def test_stages_that_are_refused(n: list[int]) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load("vgg", "VGG", n=n)
    assert [d.code for d in refused.value.diagnostics] == ["E0601"]
    assert "five stages" in refused.value.diagnostics[0].message


NAMES = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
SPEC_NAME = re.compile("|".join(map(re.escape, NAMES)))


@pytest.mark.slow
@pytest.mark.parametrize("size", [224, 256, 320])
def test_the_mean_of_the_grid_is_what_timm_computes(size: int) -> None:
    """timm's net averages before its last layer, which is linear, so that its scores are the mean of the grid's."""
    row = Row("vgg16", "timm", "vgg16")
    images = torch.randn(1, 3, size, size)
    _, state, outputs = finite(row, (images,))
    (wanted,) = outputs.values()
    dense = {SPEC_NAME.sub(lambda found: NAMES[found[0]], name): tensor for name, tensor in state.items()}
    dense |= {name: dense[name].flatten(1) for name in ("classifier.0.weight", "classifier.3.weight")}
    net = archc.load("vgg16_fcn")
    with unfilled():
        grid, whole = net.module().eval(), archc.load("vgg16").module().eval()
    load_weights(grid, dense, net.ir)
    with torch.no_grad():
        scores = grid(images)
        assert scores.shape[2:] == (size // 32 - 6,) * 2
        torch.testing.assert_close(scores.mean((2, 3)), wanted, rtol=1e-4, atol=1e-4)
        if size == 224:
            torch.testing.assert_close(loaded(whole, dense)(images), wanted, rtol=1e-4, atol=1e-4)
