"""Sizes that a check calls legal run, and the module refuses those that it calls illegal, where torch tells."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._pytree import tree_leaves

import archc
from archc.compiler.decompile.python.file import to_python
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.sizes import evaluate
from archc.figures import for_training

from ..compiler.emit.random_programs import programs

TEXT = """
conv(4, 3)
conv(4, 3, 2, "valid")
conv(4, 3, dilation = 2, padding = 0)
upconv(4)
dwconv(5, padding = 1)
maxpool(2)
maxpool(3, 2, padding = 1)
maxpool(3, 2, ceil = true)
avgpool(3)
adaptive_avgpool(2)
bn
inorm
gn(2)
lrn
upsample(2)
pad(1, mode = "reflect")
pad([[0, 2], [2, 0]], mode = "circular")
slice("height", 1, 4)
slice("width", 2)
slice("height", -3)
crop(1, 2)
crop(size = 3)
subsample(3)
roll(2)
select("height", 1) -> unsqueeze(2)
pixel_unshuffle(2) -> conv(4, 1)
unfold(2) -> reshape([16, -1, 1]) -> conv(4, 1)
reshape([4, 2, 8])
rearrange("n c (h p) w -> n c h (p w)", p = 2, h = 3)
slice("width", W // 2, W // 2 + 2)
id + (conv(4, 3, 2) -> upsample(2))
id + (maxpool(2) -> upconv(4))
id ++ conv(4, 3) -> conv(4, 1)
reduce("var", "width", true)
looked_up
cropped
split(2, axis = "height") -> sum
gn(4)
conv(4, 3, 2) -> gn(4) -> upconv(4)
reduce("std", ["height", "width"], true)
conv(4, 3, 2) -> bn
squeeze("height") -> unsqueeze(2)
chunk(3, axis = "width") -> max
id * (maxpool(2) -> upsample(2))
slice("width", 1, -2)
slice("height", -4, -1)
id - (maxpool(2) -> upconv(4))
(id, conv(4, 3, 2) -> upsample(2)) -> einsum("n c h w, n c h w -> n c h w")
attended
gathered
gap * id
bn -> gap -> bn
conv(4, 3, 2) -> bn(track = false)
min(id, maxpool(2) -> upsample(2))
slice("width", 1, none, 2)
id + (conv(4, 3, 4, padding = 1) -> upsample(4))
conv(4, 3, 2) -> (id - (maxpool(2) -> upsample(2)))
id + (conv(4, 3, 3) -> upsample(3) -> crop(0, 6))
"""
FORMS = ("fx", "traced", "copied", "python")
HALF = "input y: [N, 4, H, W // 2]"
PARTS = TEXT.strip().split("\n")
BLOCKS = """
block looked_up() = in + (in -> arange(in.width) -> embedding(4, 1) -> reshape([1, 1, -1]))
block cropped()(x) = x -> conv(4, 2, padding = "valid") -> crop(like = x -> conv(4, 3, padding = "valid"))
block attended()(x) {
  t = x -> flatten(2) -> transpose
  m = x -> maxpool(2) -> upsample(2) -> reduce("mean", "channels", true) -> flatten(2)
  output (t, t, t) -> sdpa(mask = m) -> transpose -> reshape([4, x.height, x.width], like = x)
}
block gathered()(x) = (x, x -> maxpool(2) -> upsample(2) -> argmax("width", true)) -> gather("width")
"""


def held(graph: Graph, module: torch.nn.Module, sizes: dict[str, int], *shapes: tuple[int, ...]) -> None:
    """At these sizes, with both batches and in both modes, the module makes what a check inferred, or refuses them."""
    for batch in (1, 2):
        at = {"N": batch, **sizes}
        legal = not graph.requirements.violations(at)
        for training in (False, True):
            wanted = None
            if legal and not (training and graph.requirements.in_training.violations(at)):
                made = [v for o in graph.outputs if training or not o.when_training for v in o.values]
                wanted = [tuple(evaluate(dim, at) for dim in graph.type_of(value).dims) for value in made]
            found = made_by(module.train(training), *((batch, *shape) for shape in shapes))
            assert found == wanted, (at, training)


def made_by(module: torch.nn.Module, *shapes: tuple[int, ...]) -> list[tuple[int, ...]] | None:
    """The shapes of what the module makes of inputs of these shapes, None where it fails, or its gradients do."""
    try:
        made = tree_leaves(module(*(torch.randn(shape, requires_grad=True) for shape in shapes)))
        tensors = [tensor for tensor in made if isinstance(tensor, torch.Tensor)]
        if module.training:
            torch.stack([tensor.sum() for tensor in tensors if tensor.requires_grad]).sum().backward()
    except (AssertionError, RuntimeError, ValueError, IndexError):
        return None
    return [tuple(tensor.shape) for tensor in tensors]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_legal_at_some_size(part: str) -> None:
    archc.loads(f"{BLOCKS}arch A {{ input x: [N, 4, H, W]   output x -> ({part}) }}")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=3))
def test_legal_sizes_hold(parts: list[str]) -> None:
    text = f"{BLOCKS}arch A {{ input x: [N, 4, H, W]   output x -> {' -> '.join(f'({part})' for part in parts)} }}"
    try:
        network = archc.loads(text)
    except archc.ArchError:
        return
    module = network.module(seed=0)
    for height, width in ((1, 1), (1, 6), (2, 2), (3, 4), (4, 3), (6, 9), (8, 8)):
        held(network.ir, module, {"H": height, "W": width}, (4, height, width))


@settings(max_examples=20, deadline=None)
@given(programs(), st.lists(st.integers(1, 9), min_size=2, max_size=2))
def test_legal_sizes_of_random_programs_hold(text: str, sizes: list[int]) -> None:
    try:
        network = archc.loads(text)
    except archc.ArchError:
        return
    height, width = sizes
    at = {"H": height, "W": width, "h": height}
    shapes = [tuple(evaluate(dim, at) for dim in entry.type.dims[1:]) for entry in network.ir.inputs]
    held(network.ir, network.module(seed=0), {name: at[name] for name in network.ir.nominal if name != "N"}, *shapes)


@pytest.mark.parametrize(
    ("body", "legal", "refused"),
    [
        ('x -> slice("width", 2)', (3, 3), (3, 2)),
        ("x + (x -> conv(4, 3, 2) -> upsample(2))", (2, 2), (1, 2)),
        ('x -> split(2, axis = "height") -> sum', (4, 4), (3, 4)),
        ('x -> reduce("var", "width", true)', (1, 2), (2, 1)),
        ("x -> gn(4)", (1, 2), (1, 1)),
        ("x -> squeeze(2)", (1, 2), (2, 2)),
        ("min(x, x -> maxpool(2) -> upsample(2))", (2, 2), (2, 3)),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_module_refuses(body: str, legal: tuple[int, int], refused: tuple[int, int], form: str) -> None:
    """What torch takes without a word is refused by the module with the reason, written and traced ones too."""
    network = archc.loads(f"arch A {{ input x: [N, 4, H, W]   output {body} }}")
    module = in_form(network, form)
    module(torch.randn(2, 4, *legal))
    with pytest.raises(AssertionError, match=r"x \[N, 4, H, W\] needs [HW]"):
        module(torch.randn(2, 4, *refused))


@pytest.mark.parametrize(
    ("inputs", "legal", "refused", "needs"),
    [
        ("x: [N, 4, 8 * h, 8 * w]", [(2, 4, 16, 8)], [(2, 4, 16, 9)], "8 * w on axis 3"),
        ("x: [N, 4, 2 * h + 1, W]", [(1, 4, 3, 8)], [(1, 4, 4, 8)], "2 * h + 1 on axis 2"),
        ("x: [N, 4, W + 2, W]", [(1, 4, 3, 1)], [(1, 4, 3, 2)], "W on axis 3"),
        ("x: [N, 4, H + 2, W]", [(1, 4, 3, 1)], [(1, 4, 2, 2)], "H + 2 on axis 2"),
        ("x: [N, 4, H - 1, W]", [(1, 4, 1, 1)], None, ""),
        ("x: [N, 4, H, H]", [(1, 4, 3, 3)], [(1, 4, 3, 4)], "H on axis 3"),
        (
            "x: [N, 4, H, W]\n input y: [N, 4, H, W // 2]",
            [(2, 4, 3, 5), (2, 4, 3, 2)],
            [(2, 4, 3, 5), (1, 4, 3, 2)],
            "N",
        ),
        (
            "x: [N, 4, H, W]\n input y: [N, 4, H, W // 2]",
            [(2, 4, 3, 4), (2, 4, 3, 2)],
            [(2, 4, 3, 4), (2, 4, 3, 3)],
            "W",
        ),
        ("x: [N, 4, 2 * h, W]\n input y: [N, h]", [(2, 4, 6, 4), (2, 3)], [(2, 4, 6, 4), (2, 2)], "h on axis 1"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_inputs_are_of_the_sizes_that_are_declared(
    inputs: str,
    legal: list[tuple[int, ...]],
    refused: list[tuple[int, ...]] | None,
    needs: str,
    form: str,
) -> None:
    more = ", y -> relu" if "input y" in inputs else ""
    network = archc.loads(f"arch A {{ input {inputs}\n output (x -> conv(4, 3){more}) }}")
    module = in_form(network, form)
    module(*map(torch.randn, legal))
    if refused is not None:
        with pytest.raises(AssertionError, match=rf"[xy] \[N, .* needs {re.escape(needs)}"):
            module(*map(torch.randn, refused))


def test_a_size_that_is_declared_is_one() -> None:
    """A formula that is 0 for some sizes is no size there."""
    network = archc.loads(
        "arch A { input x: [N, 4, H, W]\n input y: [N, 4, H // 2, W - 2]  output (x -> relu, y -> relu) }"
    )
    assert network.ir.requirements.describe() == ["H at least 2", "W at least 3"]
    assert network.ir.nominal == {"N": 1, "H": 2, "W": 3}
    (found,) = archc.check(text="arch A { input x: [N, 3, H - H, W]  output x -> relu }")
    assert found.code == "E0348"


def in_form(network: archc.Architecture, form: str) -> torch.nn.Module:
    """The module in evaluation, as made, traced again, copied, or as written Python."""
    module: torch.nn.Module = network.module(seed=0)
    if form == "traced":
        module = torch.fx.symbolic_trace(module.eval())
    elif form == "copied":
        module = pickle.loads(pickle.dumps(module))
    elif form == "python":
        space: dict[str, Any] = {}
        exec(to_python(network.ir), space)
        module = space["A"]()
    return module.eval()


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        ("x -> bn", "N, H or W at least 2"),
        ("x -> [conv(4, 3, 2), bn, relu] ** 3", "N at least 2, or H or W at least 9"),
        ("x -> gap -> bn", "N at least 2"),
        ("x -> maxpool(8, 8) -> bn", "N at least 2, or H or W at least 16"),
    ],
)
def test_a_batch_norm_of_one_value_cannot_train(body: str, needs: str) -> None:
    network = archc.loads(f"arch A {{ input x: [N, 4, H, W]   output {body} }}")
    assert network.ir.requirements.in_training.describe() == [needs]
    module = network.module(seed=0)
    for height, width in ((8, 8), (8, 9), (16, 8)):
        held(network.ir, module, {"H": height, "W": width}, (4, height, width))


@pytest.mark.parametrize(("kernel", "said"), [(3, []), (1, ["in training N at least 2, or H or W at least 4"])])
def test_what_training_needs_is_said_where_no_other_size_lacks_it(kernel: int, said: list[str]) -> None:
    """Behind `conv(4, 3)` the norm has 2 places from 4 on."""
    body = f"x -> conv(4, 3, padding = 0) -> bn -> conv(4, {kernel}, padding = 0)"
    network = archc.loads(f"arch A {{ input x: [N, 4, H, W]   output {body} }}")
    assert for_training(network.ir) == said
    for height, width in ((3, 3), (3, 4), (5, 5)):
        held(network.ir, network.module(seed=0), {"H": height, "W": width}, (4, height, width))


@pytest.mark.parametrize("body", ["x -> bn(track = false)", "x -> gap -> bn(track = false)"])
def test_a_batch_norm_without_running_statistics_takes_no_single_value(body: str) -> None:
    network = archc.loads(f"arch A {{ input x: [N, 4, H, W]   output {body} }}")
    for height, width in ((1, 1), (1, 2), (8, 8)):
        held(network.ir, network.module(seed=0), {"H": height, "W": width}, (4, height, width))


@pytest.mark.parametrize("layer", ["upsample(2)", "pad(1)", "subsample(2)", "roll(1)", "upsample(size = [4, 3])"])
def test_layers_of_maps_take_all_axes_behind_the_channels_for_space(layer: str) -> None:
    """What an axis of a reshaped tensor is may be open; a layer of maps takes it as torch's does."""
    network = archc.loads(f"arch A {{ input x: [N, 4, H, W]   output x -> reshape([4, -1, 1]) -> {layer} }}")
    held(network.ir, network.module(seed=0), {"H": 5, "W": 4}, (4, 5, 4))


def test_a_network_that_never_trains_says_so() -> None:
    network = archc.loads("arch A { input x: [1, 4, 8, 8]   output x -> gap -> bn }")
    assert network.ir.requirements.describe() == [] and network.ir.requirements.in_training.describe() == ["no size"]
    module = network.module(seed=0)
    assert made_by(module.eval(), (1, 4, 8, 8)) == [(1, 4, 1, 1)] and made_by(module.train(), (1, 4, 8, 8)) is None


def test_usual_sizes_are_legal_where_one_of_several_must_be_large() -> None:
    network = archc.loads("arch A { input x: [N, 4, H, W]   output x -> conv(4, 3, 2) -> inorm }")
    assert network.ir.requirements.describe() == ["H or W at least 3"]
    assert network.ir.nominal == {"N": 1, "H": 3, "W": 3}


@pytest.mark.parametrize(
    ("shape", "body", "usual"),
    [
        ("[N, 4, H, W]", "reshape([4, 2, 8])", {"N": 1, "H": 4, "W": 4}),
        ("[N, 4, H, W]", "reshape([-1, 3, 5])", {"N": 1, "H": 3, "W": 5}),
        ("[N, 4, H, W]", "unfold(2) -> reshape([16, 4])", {"N": 1, "H": 3, "W": 3}),
        ("[N, 4, H, W]", "conv(4, 3, 2) -> bn(track = false)", {"N": 2, "H": 2, "W": 2}),
        ("[N, 4]", "bn(track = false)", {"N": 2}),
    ],
)
def test_usual_sizes_are_legal_where_several_depend_on_each_other(shape: str, body: str, usual: dict[str, int]) -> None:
    network = archc.loads(f"arch A {{ input x: {shape}   output x -> {body} }}")
    assert network.ir.nominal == usual and network.ir.requirements.violations(usual) == []
    assert made_by(network.module(seed=0).eval(), network.ir.inputs[0].nominal) is not None


def test_places_beyond_a_table_are_not_legal() -> None:
    body = "(t -> arange(t.length, start = 2) -> unsqueeze(0) -> embedding(10, 4))"
    body += " + index_select(table, t -> arange(t.length), 0)"
    text = f"arch A {{ input t: tokens [N, T, 4]   param table = zeros([7, 4])   output t + {body} }}"
    network = archc.loads(text)
    assert network.ir.requirements.describe() == ["T at most 7"]
    module = network.module(seed=0)
    assert module(torch.zeros(2, 7, 4)).shape == (2, 7, 4)
    found = archc.check(text=text.replace("T, 4", "8, 4"))
    assert [d.code for d in found] == ["E0410"]
