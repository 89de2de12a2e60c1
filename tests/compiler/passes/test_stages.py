"""Networks cut into stages: what runs in a row is held to the whole, forward, backward and in names."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import Net, double, image, nets
from small_nets import small, small_sizes
from torch import Tensor, nn

import archc
from archc.compiler.analyses.cuts import Cuts
from archc.compiler.ir.sizes import evaluate


def flat(found: Any) -> list[Tensor]:
    """The tensors of an output, of a dict or a tuple those in it, without those that evaluation leaves out."""
    parts = list(found.values()) if isinstance(found, dict) else found if isinstance(found, tuple) else [found]
    return [t for part in parts if part is not None for t in (part if isinstance(part, tuple) else (part,))]


def in_a_row(modules: list[nn.Module], *inputs: Tensor) -> Any:
    """What the last of some modules puts out, each fed what the one before it puts out."""
    found: Any = inputs
    for module in modules:
        found = module(*found) if isinstance(found, tuple) else module(found)
    return found


def check(net: archc.Architecture, stages: list[archc.Architecture], *inputs: Tensor, train: bool = False) -> None:
    """The stages load the whole's checkpoint, have its tensors together, and compute it and its gradients."""
    check_cuts(net, [stages], *inputs, train=train)


def check_cuts(
    net: archc.Architecture, cuts: list[list[archc.Architecture]], *inputs: Tensor, train: bool = False
) -> None:
    """Each list of stages is right as a whole."""
    whole = double(net)
    state = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    x = backward([whole.train(train)], inputs)
    for stages in cuts:
        modules = [loaded(stage, state).train(train) for stage in stages]
        held = [name for module in modules for name in module.state_dict()]
        assert set(held) == set(state)
        y = backward(modules, inputs)
        assert all(torch.equal(a, b) for a, b in zip(x.outputs, y.outputs, strict=True))
        assert all(close(a.grad, b.grad) for a, b in zip(x.inputs, y.inputs, strict=True) if a.grad is not None)
        gradients: dict[str, Tensor] = {}
        for module in modules:
            for name, parameter in module.named_parameters():
                if parameter.grad is not None:
                    gradients[name] = gradients[name] + parameter.grad if name in gradients else parameter.grad
        for name, parameter in whole.named_parameters():
            if parameter.grad is not None:
                assert close(parameter.grad, gradients[name]), name


def loaded(stage: archc.Architecture, state: dict[str, Tensor]) -> nn.Module:
    """A stage in double precision with what it has of a checkpoint of the whole."""
    module = stage.module(device="meta", dtype="float64").to_empty(device="cpu")
    module.load_state_dict({name: state[name] for name in module.state_dict()})
    return module


class Backward(NamedTuple):
    inputs: list[Tensor]
    outputs: list[Tensor]


def backward(modules: list[nn.Module], inputs: tuple[Tensor, ...]) -> Backward:
    """Runs modules in a row, with the same draws on every call, and goes back through them."""
    taken = [tensor.clone().requires_grad_(tensor.is_floating_point()) for tensor in inputs]
    with torch.random.fork_rng():
        torch.manual_seed(5)
        found = flat(in_a_row(modules, *taken))
    # PolyNet's outputs are too large for their squares.
    sum((t / t.detach().abs().max().clamp_min(1)).square().sum() for t in found).backward()
    return Backward(taken, [t.detach() for t in found])


def close(gradient: Tensor, other: Tensor | None) -> bool:
    """Whether two gradients are the same but for rounding: torch adds up what comes back in another order."""
    assert gradient.isfinite().all()
    return other is not None and bool((gradient - other).abs().max() <= 1e-9 * gradient.abs().max() + 1e-12)


@settings(max_examples=25, deadline=None)
@given(nets(), st.data())
def test_random_nets(net: Net, data: st.DataObject) -> None:
    architecture = net.architecture
    cuts = Cuts.of(architecture.ir)
    legal = [n.index for n in architecture.ir.nodes if cuts.flows[n.index] and not n.op.is_input]
    places = sorted(data.draw(st.sets(st.sampled_from(legal), min_size=1, max_size=min(4, len(legal)))))
    check(architecture, architecture.stages(at=places), image(2, 3, 8, 8), train=data.draw(st.booleans()))


FIXED = {"unet": {"h": 8, "v": 8}}
"""Sizes that stages do not leave open, as the margins that are cropped cannot be read off what crosses a cut."""


def check_shipped(net: archc.Architecture) -> None:
    sizes = {**net.ir.nominal, **small_sizes(net), "N": 2}
    (entry,) = net.ir.inputs
    extents = [evaluate(dim, sizes) for dim in entry.type.dims]
    inputs = torch.randint(1000, extents) if entry.type.dtype == "int" else image(*extents)
    cuts = [net.stages(count, **FIXED.get(net.name, {})) for count in (2, 4, 7)]
    assert [len(stages) for stages in cuts] == [2, 4, 7]
    check_cuts(net, cuts, inputs)


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [("resnet_cifar", {"depth": 20}), ("densenet_cifar", {"depth": 22})],
)
def test_shipped_networks(spec: str, parameters: dict[str, Any]) -> None:
    check_shipped(archc.load(spec, **parameters))


LARGE = (
    "resnet152 densenet201 inception_v4 polynet fractalnet fof ror3_56_cifar vit_b_16 convnext_tiny gpt2 googlenet "
    "mobilenet_v2 swin_t unet"
)


@pytest.mark.slow
@pytest.mark.parametrize("spec", LARGE.split())
def test_large_shipped_networks(spec: str) -> None:
    check_shipped(small(spec))


def test_names_and_what_is_handed_on() -> None:
    net = archc.loads(
        """arch A { input x: [N, 4, H, W] = [1, 4, 8, 8]
        a = x -> one: conv(4, 3)
        b = a -> two: conv(4, 3, 2)
        output (b -> three: conv(4, 3) -> upsample(2)) + a -> last: conv(2, 1) }"""
    )
    stages = net.stages(at=["two", "three", "last"])
    assert [list(s.module().state_dict()) for s in stages] == [
        ["one.weight"], ["two.weight"], ["three.weight"], ["last.weight"],
    ]  # fmt: skip
    assert [[i.name for i in s.ir.inputs] for s in stages] == [["x"], ["one_out"], ["one_out", "two_out"], ["sum_out"]]
    check(net, stages, image(2, 4, 8, 8))
    third = stages[2].module()
    with pytest.raises(AssertionError, match=r"one_out \[N, 4, H, W\] and two_out .* need 2 \* H2 == H"):
        third(torch.randn(1, 4, 8, 8), torch.randn(1, 4, 3, 3))


def test_what_is_made_of_parameters_alone_is_made_where_it_is_needed() -> None:
    net = archc.loads(
        """arch A { input x: [N, 4, 8, 8]   param w = normal([4, 4, 1, 1])   param s = ones([1, 4, 1, 1])
        v = w - 0.5
        y = x -> conv(4, 1, weight = v) -> relu -> last: conv(4, 1, weight = v) -> again: bn
        output y * s }"""
    )
    stages = net.stages(at=["again"])
    assert list(stages[0].module().state_dict()) == ["w"]
    assert "s" in stages[1].module().state_dict() and "w" not in stages[1].module().state_dict()
    check(net, stages, image(2, 4, 8, 8))


SETTINGS = {
    "a part of a map of declared form": (
        "[N, 3, 4 * h, 4 * w]",
        """y = x -> a: conv(8, 3) -> b: conv(8, 3)
        output y -> slice("height", 0, h) -> c: conv(8, 3) -> gap -> fc: linear(3)""",
    ),
    "a map resized": (
        "[N, 3, 4 * h, 4 * w]",
        """y = x -> a: conv(8, 3) -> b: conv(8, 3)
        output y -> upsample(size = [2 * h, w], mode = "bilinear") -> c: conv(8, 3) -> gap -> fc: linear(3)""",
    ),
    "half of what a stage takes": (
        "[N, 3, H, W]",
        """y = x -> a: conv(8, 2, 2, padding = 0)
        z = y -> b: conv(8, 3) -> c: conv(8, 3)
        output z -> slice("height", 0, y.height // 2, like = y) -> fc: conv(4, 1)""",
    ),
    "places of a smaller map": (
        "[N, 3, H, W]",
        """y = x -> a: conv(8, 3, 2) -> b: conv(8, 3)
        z = y -> c: conv(8, 3)
        output z + (y -> arange(y.height) -> unsqueeze(1) -> to(like = y)) -> gap -> fc: linear(3)""",
    ),
    "tokens back to a map": (
        "[N, 3, H, W]",
        """y = x -> a: conv(8, 3, 2) -> b: conv(8, 3)
        t = y -> flatten(2) -> transpose -> c: linear(8) -> d: linear(8)
        output t -> transpose -> reshape([8, y.height, y.width], like = y) -> e: conv(8, 3) -> gap -> fc: linear(3)""",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_sizes_in_settings_mean_the_same(name: str) -> None:
    """A stage names sizes anew; those that layers have in their settings follow."""
    shape, body = SETTINGS[name]
    net = archc.loads(f"arch A {{ input x: {shape} = [1, 3, 16, 16]\n {body} }}")
    for count in (1, 2, 3):
        check(net, net.stages(count), image(2, 3, 20, 12))
        fixed = {size: usual for size, usual in net.ir.nominal.items() if size != "N"}
        check(net, net.stages(count, **fixed), image(2, 3, 16, 16))


def test_sizes_keep_their_names_where_what_arrives_is_a_multiple_of_them() -> None:
    net = archc.loads(
        """arch A { input x: [N, 3, 4 * h, 4 * w] = [1, 3, 16, 16]
        output x -> a: conv(8, 3) -> b: conv(8, 3, 2) -> c: conv(8, 3) }"""
    )
    stages = net.stages(at=["b", "c"])
    assert [str(s.ir.inputs[0].type) for s in stages[1:]] == ["[N, 8, 4 * h, 4 * w]", "[N, 8, 2 * h, 2 * w]"]
    assert sum(s.stats(h=5, w=7).multiply_adds for s in stages) == net.stats(h=5, w=7).multiply_adds


@pytest.mark.parametrize("shape", ["[N, 3, 4 * h, 4 * w]", "[N, 3, H, W]"])
def test_layers_of_the_host_stand_behind_cuts(shape: str) -> None:
    net = archc.loads(
        f"""extern grow()(x: [N, C, H, W]) -> [N, C, 2 * H, W] {{ macs = N * C * H * W   depth = 0 }}
        arch A {{ input x: {shape} = [1, 3, 16, 16]
        output x -> a: conv(8, 3) -> b: conv(8, 3, 2) -> grow -> c: conv(4, 3) }}"""
    )
    code = {"grow": lambda x: x.repeat_interleave(2, 2)}
    whole, (x,) = net.module(seed=0, externs=code), (image(2, 3, 24, 16).float(),)
    stages = net.stages(at=["grow", "c"])
    parts = [stage.module(weights=part_of(whole, stage), externs=code) for stage in stages]
    assert torch.equal(in_a_row(parts, x), whole(x))
    assert sum(stage.stats().multiply_adds for stage in stages) == net.stats().multiply_adds


def part_of(whole: nn.Module, stage: archc.Architecture) -> dict[str, Tensor]:
    own = stage.module(device="meta", externs={"grow": lambda x: x}).state_dict()
    return {name: tensor for name, tensor in whole.state_dict().items() if name in own}


def test_sizes_that_are_given_are_closed() -> None:
    stages = archc.load("resnet18").stages(2, H=64, W=64)
    assert [s.ir.inputs[0].type.dims[1:] for s in stages] == [(3, 64, 64), (512, 2, 2)]


def test_each_stage_is_an_architecture() -> None:
    whole = archc.load("resnet_cifar", depth=8)
    for stage in whole.stages(3):
        assert stage.stats().multiply_adds > 0 and "<svg" in stage.draw()._repr_svg_()
        again = archc.loads(stage.source())
        assert list(again.module().state_dict()) == list(stage.module().state_dict())
    totals = [s.stats() for s in whole.stages(3)]
    assert sum(s.parameters for s in totals) == whole.stats().parameters
    assert sum(s.multiply_adds for s in totals) == whole.stats().multiply_adds


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (lambda net: net.stages(1000), "E1301", "at most"),
        (lambda net: net.stages(at=["layr2"]), "E1303", "layer2"),
        (lambda net: net.stages(at=["layer2", "layer1"]), "E1303", "order"),
        (lambda net: net.stages(at=[0]), "E1303", "node 0"),
    ],
)
def test_wrong_cuts(asked: Any, code: str, words: str) -> None:
    with pytest.raises(archc.ArchError) as caught:
        asked(archc.load("resnet18"))
    assert caught.value.diagnostics[0].code == code and words in str(caught.value)


def test_no_stage_is_without_layers() -> None:
    net = archc.loads("arch A { input x: [N, 4]  output x -> linear(8) -> relu -> linear(4) }")
    assert [stage.stats().parameters for stage in net.stages(2)] == [5 * 8, 9 * 4]
    with pytest.raises(archc.ArchError, match="2 stages at most"):
        net.stages(3)


def test_wrong_arguments() -> None:
    net = archc.load("resnet18")
    for asked in (lambda: net.stages(), lambda: net.stages(2, at=["layer2"]), lambda: net.stages("2")):
        with pytest.raises(TypeError):
            asked()
