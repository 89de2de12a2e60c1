"""DenseNet: closed forms, connections, image sizes, what is refused."""

from __future__ import annotations

import itertools

import networkx
import pytest
import torch
import torchvision
from oracles import Row
from quick import slow_but
from torch import nn
from twins import FORMS, loaded, ours, randomised

import archc

BLOCKS = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32), 264: (6, 12, 64, 48)}


def parameters(blocks: tuple[int, ...], k: int, bottlenecks: bool, theta: float, stem: int, classes: int) -> int:
    """From the paper's text, for the network behind its first layers."""
    count, channels = 0, stem
    for number, layers in enumerate(blocks, 1):
        for _ in range(layers):
            count += 2 * channels + (4 * k * channels + 8 * k + 36 * k * k if bottlenecks else 9 * k * channels)
            channels += k
        if number < len(blocks):
            kept = int(theta * channels)
            count += 2 * channels + channels * kept
            channels = kept
    return count + 2 * channels + (channels + 1) * classes


@pytest.mark.parametrize("depth", slow_but((121,), BLOCKS))
def test_closed_forms_on_imagenet(depth: int) -> None:
    for k in (32, 48):
        found = archc.load("DenseNet", n=list(BLOCKS[depth]), growth_rate=k).stats()
        assert found.parameters == 3 * 2 * k * 49 + 4 * k + parameters(BLOCKS[depth], k, True, 0.5, 2 * k, 1000)
        assert found.depth == 2 * sum(BLOCKS[depth]) + 5 == (depth if depth != 264 else 265)
    assert archc.load(f"densenet{depth}").stats().depth == found.depth


@pytest.mark.parametrize("n", slow_but((1, 2), (1, 2, 5)))
@pytest.mark.parametrize("bc", [True, False])
def test_closed_forms_on_cifar(bc: bool, n: int) -> None:
    """All four forms: with and without bottlenecks, with and without compression."""
    for k, theta, classes in itertools.product((3, 12), (0.3, 0.5, 1.0), (10, 100)):
        depth = (6 if bc else 3) * n + 4
        given = {"depth": depth, "growth_rate": k, "theta": theta, "classes": classes, "bc": bc}
        found = archc.load("densenet_cifar", **given).stats()
        stem = 2 * k if bc else 16
        assert found.parameters == 27 * stem + parameters(
            ((depth - 4) // (6 if bc else 3),) * 3, k, bc, theta, stem, classes
        )
        assert found.depth == depth


@pytest.mark.parametrize(
    ("depth", "k", "bc", "millions", "exact"),
    [
        (40, 12, False, 1.0, 1_019_722),
        (100, 12, False, 7.0, 6_979_642),
        (100, 24, False, 27.2, 27_249_082),
        (100, 12, True, 0.8, 769_162),
        (250, 24, True, 15.3, 15_324_406),
        (190, 40, True, 25.6, 25_624_430),
    ],
)
def test_table_2(depth: int, k: int, bc: bool, millions: float, exact: int) -> None:
    found = archc.load("densenet_cifar", depth=depth, growth_rate=k, bc=bc).stats().parameters
    assert found == exact
    assert abs(found / 1e6 - millions) < 0.05


@pytest.mark.parametrize("layers", [1, 2, 6])
def test_every_layer_sees_all_before_it(layers: int) -> None:
    """A block of n layers has n (n + 1) / 2 direct connections: ways without a convolution on them."""
    graph = archc.load("DenseNet", n=[layers], growth_rate=4).graph
    convolutions = [index for index, data in graph.nodes(data=True) if data["op"] == "conv"]
    first, last = convolutions[1::2], convolutions[2::2]
    sources = [next(index for index, data in graph.nodes(data=True) if data["op"] == "maxpool"), *last]
    simple = networkx.DiGraph(graph)
    found = 0
    for source, target in itertools.product(sources, first):
        between = simple.subgraph([n for n in simple if n not in convolutions or n in (source, target)])
        found += networkx.has_path(between, source, target)
    assert found == layers * (layers + 1) // 2


@pytest.mark.parametrize("bc", [True, False])
def test_a_layer_adds_the_growth_rate(bc: bool) -> None:
    module = archc.load("densenet_cifar", depth=22, growth_rate=5, bc=bc, stem=7).module(device="meta")
    entering = [module.get_submodule(f"features.denseblock1.denselayer{i}.conv1").in_channels for i in range(1, 4)]
    assert entering == [7, 12, 17]
    layers = (22 - 4) // (6 if bc else 3)
    transition = module.get_submodule("features.transition1.conv")
    assert transition.in_channels == 7 + 5 * layers
    assert transition.out_channels == (7 + 5 * layers) // (2 if bc else 1)


@pytest.mark.parametrize("form", FORMS)
def test_every_legal_size(form: str) -> None:
    row = Row(
        "DenseNet",
        "torchvision",
        "DenseNet(8, (2, 1, 3, 2), 16)",
        {"n": [2, 1, 3, 2], "growth_rate": 8},
        make=lambda: torchvision.models.DenseNet(8, (2, 1, 3, 2), 16),
    )
    state = randomised(row.theirs())
    reference, made = loaded(row.theirs(), state).eval(), loaded(ours(row.ours(), form), state).eval()
    requirements = row.ours().ir.requirements
    for size in ((29, 29), (31, 47), (64, 33)):
        assert not requirements.violations({"N": 1, "H": size[0], "W": size[1]})
        images = torch.randn(1, 3, *size)
        with torch.no_grad():
            assert torch.equal(made(images.clone()), reference(images.clone())), size
    assert requirements.violations({"N": 1, "H": 28, "W": 29})
    with pytest.raises(RuntimeError):
        reference(torch.zeros(1, 3, 28, 29))


def test_dropout_is_there_where_it_is_asked_for() -> None:
    for drop, count in ((0, 0), (0.2, 18)):
        module = archc.load("densenet_cifar", depth=40, drop=drop).module(device="meta")
        assert [m.p for m in module.modules() if isinstance(m, nn.Dropout)] == [drop] * count


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("densenet_cifar", {"depth": 41}, "6n + 4, or 3n + 4"),
        ("densenet_cifar", {"depth": 43}, "6n + 4, or 3n + 4"),
        ("densenet_cifar", {"depth": 42, "bc": False}, "6n + 4, or 3n + 4"),
        ("densenet_cifar", {"depth": 4}, "6n + 4, or 3n + 4"),
        ("densenet_cifar", {"depth": -2}, "6n + 4, or 3n + 4"),
        ("densenet_cifar", {"theta": 0.001}, "`channels` of conv"),
        ("densenet_cifar", {"theta": 1.5}, "theta is above 0 and at most 1"),
        ("densenet_cifar", {"stem": 0}, "`channels` of conv"),
        ("densenet_cifar", {"drop": 1.5}, "`p` of dropout"),
        ("densenet_cifar", {"drop": -0.5}, "`p` of dropout"),
        ("densenet121", {"growth_rate": 0}, "`channels` of conv"),
        ("densenet121", {"classes": 0}, "`units` of linear"),
        ("DenseNet", {"n": []}, "every block has layers"),
        ("DenseNet", {"n": [6, 0]}, "every block has layers"),
    ],
)
def test_what_is_refused(name: str, given: dict[str, object], words: str) -> None:
    with pytest.raises(archc.ArchError) as refused:
        archc.load(name, **given)
    (found,) = refused.value.diagnostics
    assert words in found.message


def test_memory_grows_with_the_layers_and_not_with_their_square() -> None:
    def kept(layers: int, memory_efficient: bool) -> int:
        net = archc.load("densenet_cifar", depth=6 * layers + 4, memory_efficient=memory_efficient).module()
        owned = {tensor.untyped_storage().data_ptr() for tensor in net.state_dict().values()}
        sizes: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in owned:
                sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            output = net(torch.zeros(2, 3, 32, 32))
        del output
        return sum(sizes.values())

    plain, lean = ([kept(n, efficient) for n in (4, 8, 16)] for efficient in (False, True))
    assert plain[2] / plain[1] > 2.5
    assert lean[2] / lean[1] < 2.2
    assert 2.5 * lean[2] < plain[2]
