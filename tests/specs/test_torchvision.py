"""VGG, ResNet, Wide ResNet and ResNeXt are torchvision's, weights and all.

The default run takes a few of them; `pytest -m slow` takes every one.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from twins import FORMS, RESNET, VARIANTS, compared, largest_difference, loaded, ours, randomised, theirs

import archc
from archc.compiler.emit.weights import save_weights

QUICK = ("vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d")


def agrees(name: str) -> None:
    found = compared(name)
    assert len(found) == 4 * len(FORMS)
    assert not any(found.values()), found


@pytest.mark.parametrize("name", QUICK)
def test_equal_to_torchvision(name: str) -> None:
    agrees(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_equal_to_torchvision(name: str) -> None:
    agrees(name)


@pytest.mark.parametrize("name", VARIANTS)
def test_names_shapes_and_order(name: str) -> None:
    def layout(module: nn.Module) -> list[tuple[str, torch.Size, torch.dtype]]:
        return [(key, tensor.shape, tensor.dtype) for key, tensor in module.state_dict().items()]

    assert layout(archc.load(name).module(device="meta")) == layout(theirs(name, "meta"))


@pytest.mark.parametrize("name", RESNET)
def test_the_depth_chooses_the_variant(name: str) -> None:
    chosen = archc.load("resnet", depth=int(name.removeprefix("resnet")))
    named = archc.load(name)
    assert [node.path for node in chosen.ir.nodes] == [node.path for node in named.ir.nodes]
    assert chosen.stats().parameters == named.stats().parameters


def test_what_counts_as_a_difference() -> None:
    one, nan, infinite = torch.ones(2), torch.tensor([1.0, float("nan")]), torch.tensor([1.0, float("inf")])
    assert largest_difference({"a": one}, {"a": one.clone()}) == 0
    assert largest_difference({"a": one}, {"a": one + 2**-20}) == 2**-20
    for other in ({"b": one}, {"a": one, "b": one}, {"a": one[:1]}, {"a": nan}, {"a": infinite}):
        assert largest_difference({"a": one}, other) == float("inf")
    assert largest_difference({"a": nan}, {"a": nan}) == float("inf")
    assert largest_difference({"a": infinite}, {"a": infinite}) == float("inf")


# --- initialisation ------------------------------------------------------------------------


def sample(tensor: Tensor) -> Tensor:
    """At most a million of a tensor's elements, spread over it."""
    flat = tensor.detach().flatten()
    return flat[:: max(1, len(flat) // 1_000_000)].double()


def assert_same_distribution(name: str, made: Tensor, wanted: Tensor) -> None:
    """Equal constants; else mean, spread and shape within five standard errors of their difference."""
    a, b = sample(made), sample(wanted)
    if len(b) == 1 or float(b.std()) == 0:
        assert torch.equal(a, b), name
        return
    error = 5 * (2 / len(b)) ** 0.5
    spread = float(b.std())
    assert float((a.mean() - b.mean()).abs()) < error * spread, name
    assert abs(float(a.std()) / spread - 1) < error, name
    # The mean distance tells a uniform distribution (0.87 of the deviation) from a normal one (0.80).
    assert abs(float(a.abs().mean() / a.std() - b.abs().mean() / b.std())) < error, name


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("resnet18", "fx"),
        ("resnet18", "python"),
        ("vgg11_bn", "fx"),
        pytest.param("vgg11_bn", "python", marks=pytest.mark.slow),
        pytest.param("resnext50_32x4d", "fx", marks=pytest.mark.slow),
        pytest.param("resnext50_32x4d", "python", marks=pytest.mark.slow),
    ],
)
def test_initial_values_are_distributed_as_torchvisions(name: str, form: str) -> None:
    torch.manual_seed(0)
    wanted = theirs(name).state_dict()
    torch.manual_seed(1)
    for key, tensor in ours(name, form).state_dict().items():
        assert_same_distribution(key, tensor, wanted[key])


def test_a_seed_gives_the_same_weights_again() -> None:
    network = archc.load("resnet18")
    first, again, other = (network.module(seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


# --- sizes ---------------------------------------------------------------------------------

SIZES = {
    "resnet18": [(1, 1), (31, 33), (64, 97), (128, 224)],
    "vgg11_bn": [(32, 32), (33, 63), (97, 64)],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SIZES)
def test_one_module_takes_every_legal_size(name: str, form: str) -> None:
    state = randomised(theirs(name, "meta"))
    reference = loaded(lambda: theirs(name), state).eval()
    made = loaded(lambda: ours(name, form), state).eval()
    requirements = archc.load(name).ir.requirements
    for height, width in SIZES[name]:
        assert not requirements.violations({"N": 2, "H": height, "W": width})
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone())), (height, width)


@pytest.mark.parametrize("size", [(31, 32), (32, 31)])
def test_a_size_that_is_not_legal(size: tuple[int, int]) -> None:
    assert archc.load("vgg11").ir.requirements.violations({"N": 1, "H": size[0], "W": size[1]})
    # The classifier plays no part, and initialising it takes seconds.
    features = theirs("vgg11", "meta").get_submodule("features").to_empty(device="cpu")
    with pytest.raises(RuntimeError):
        features(torch.zeros(1, 3, *size))


# --- checkpoints ---------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_checkpoint_on_the_command_line(archc, tmp_path: Path, suffix: str) -> None:
    reference = loaded(lambda: theirs("resnet18"), randomised(theirs("resnet18", "meta"))).eval()
    checkpoint, program = tmp_path / f"net{suffix}", tmp_path / "net.pt2"
    save_weights(reference, checkpoint)
    outcome = archc("compile", "resnet18", "--weights", checkpoint, "-o", program, "--device", "cpu")
    assert outcome.status == 0, outcome.err
    images = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        assert torch.equal(torch.export.load(program).module()(images), reference(images))


def test_a_checkpoint_of_another_network(archc, tmp_path: Path) -> None:
    checkpoint, file = tmp_path / "net.safetensors", tmp_path / "net.py"
    save_weights(theirs("resnet34"), checkpoint)
    outcome = archc("compile", "resnet18", "--weights", checkpoint, "-o", file, "--device", "cpu")
    assert outcome.status == 1
    assert "layer1.2.bn1.weight" in outcome.err
    assert not file.exists()
