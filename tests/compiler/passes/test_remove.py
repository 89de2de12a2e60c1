"""Modules left out, and networks without shortcuts: held to networks written without them, and to forwards by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import Net, agree, double, image, nets
from torch import nn

import archc
from archc.ablation import lesion

INPUT = "input x: [N, 4, 8, 8]"


def written(body: str) -> archc.Architecture:
    return archc.loads(f"arch A {{ {INPUT}   {body} }}")


@pytest.mark.parametrize(
    ("before", "removed", "after"),
    [
        # a branch of a sum, from its fork: the others are added
        ("output x -> (id + a: conv(4, 3)) -> relu", "a", "output x -> relu"),
        ("output x -> sum(a: conv(4, 3), id, b: conv(4, 1))", "a", "output x -> sum(id, b: conv(4, 1))"),
        ("output (x -> a: conv(4, 3)) - x", "a", "output -x"),
        ("output x -> mean(a: conv(4, 3), b: conv(4, 1), id)", "b", "output x -> mean(a: conv(4, 3), id)"),
        ("output x -> (id * a: (gap -> conv(4, 1) -> sigmoid))", "a", "output x"),
        ("output x -> max(a: (conv(4, 3) -> bn), id)", "a", "output x"),
        ("output x -> (id + sum(a: conv(4, 3), b: conv(4, 3)))", ["a", "b"], "output x"),
        # a residual unit: its branch goes, its shortcut and what follows the sum stay
        (
            "output x -> u: (body: conv(8, 3, 2) + s: conv(8, 1, 2) -> relu)",
            "u",
            "output x -> u: (s: conv(8, 1, 2) -> relu)",
        ),
        ("output x -> u: (bn -> relu -> (id + f: (conv(4, 3) -> bn)))", "u", "output x -> u: (bn -> relu)"),
        ("output x -> u: (sum(id, f: conv(4, 3), g: conv(4, 5)) -> relu)", "u", "output x -> u.relu: relu"),
        # a link of a chain: what came to it goes on
        ("output x -> a: (conv(4, 3) -> bn -> relu) -> b: conv(4, 3)", "a", "output x -> b: conv(4, 3)"),
        ("output x -> a: conv(8, 3) -> b: bn -> c: conv(4, 3)", "b", "output x -> a: conv(8, 3) -> c: conv(4, 3)"),
        ("output x + (x -> a: conv(4, 3) -> b: bn)", "b", "output x + (x -> a: conv(4, 3))"),
        ("output x -> (a: conv(4, 3) ++ b: conv(4, 1))", "a", "output x -> (id ++ b: conv(4, 1))"),
        (
            "output x -> [conv(4, 3), bn, relu, conv(4, 3)]",
            ["1", "2"],
            'output x -> "0": conv(4, 3) -> "3": conv(4, 3)',
        ),
        ("output x -> a: conv(4, 3)", "a", "output x"),
        # everything that is shared
        ("shared f = conv(4, 3)   output x -> f -> b: bn -> f", "f", "output x -> b: bn"),
        ("shared f = c: conv(4, 3) -> n: bn   output x -> f -> b: bn -> f", "f", "output x -> b: bn"),
        ("shared f = id + (c: conv(4, 3) -> n: bn)   output x -> f -> b: bn -> f ** 2", "f", "output x -> b: bn"),
        ("output x -> f: (c: conv(8, 3) -> relu -> conv(4, 3)) -> b: bn", "f", "output x -> b: bn"),
        ("block f() { shared c = conv(4, 3)   output in -> c -> c -> bn }   output x -> f: f()", "f", "output x"),
        ("param p = normal([1, 4, 8, 8])   output x + p", "p", "output x"),
    ],
)
def test_what_is_left(before: str, removed: str, after: str) -> None:
    net, wanted = written(before), written(after)
    rewritten = net.rewrite("remove", modules=removed)
    module = double(net)
    kept = double(rewritten, module.state_dict())
    same = double(wanted, kept.state_dict())
    assert kept.state_dict().keys() == same.state_dict().keys()
    x = image(2, 4, 8, 8)
    assert torch.equal(kept(x), same(x)) and torch.equal(kept.train()(x), same.train()(x))
    assert not rewritten.diff(wanted)


def test_a_lesion_is_that_of_veit() -> None:
    """Without its branch a unit passes its shortcut on: compared with the units of a module whose branch gives zero."""
    net = archc.load("resnet18")
    modules = ["layer1.1", "layer2.0", "layer4.1"]
    whole = double(net)
    lesioned = double(net.rewrite("remove", modules=modules), whole.state_dict())
    for path in modules:
        last: nn.Module = whole.get_submodule(f"{path}.bn2")
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    assert agree(whole, lesioned, image(1, 3, 64, 64))
    assert not any(name.startswith("layer1.1.conv") for name in lesioned.state_dict())
    assert "layer2.0.downsample.0.weight" in lesioned.state_dict()


def test_names_stay_and_both_checkpoints_load() -> None:
    net = archc.load("resnet18")
    smaller = net.rewrite("remove", modules=["layer1.0", "bn1"])
    module = double(net)
    kept = double(smaller, module.state_dict())
    gone = module.state_dict().keys() - kept.state_dict().keys()
    assert all(re.match(r"layer1\.0\.(conv|bn)|bn1\.", name) for name in gone)
    assert agree(kept, double(smaller, kept.state_dict()), image(1, 3, 64, 64))
    with pytest.raises(archc.ArchError, match="E0811"):
        double(net, kept.state_dict())


@pytest.mark.parametrize(
    ("body", "modules", "code", "message"),
    [
        ("output x -> conv1: conv(4, 3)", "conv2", "E0443", "has no module `conv2`"),
        ("output x -> a: (b: conv(4, 3) -> bn)", "a.c", "E0443", "did you mean `a.b`"),
        ("output x -> a: conv(8, 3) -> b: bn", "a", "E0444", r"`b` takes \[N, 8, 8, 8\] from it, and `x` gives"),
        ("output x -> a: conv(4, 3, 2) -> relu", "a", "E0444", r"`relu` takes \[N, 4, 4, 4\]"),
        ("output x -> (a: conv(3, 3) ++ b: conv(4, 1))", "a", "E0444", "`concat` takes"),
        ("output x -> (a: conv(4, 3) + b: conv(4, 1))", ["a", "b"], "E0444", "nothing would be left of `sum`"),
        ("output x -> a: (bn -> split(2)) -> concat", "a", "E0444", "gives 2 tensors"),
        ("output x -> (id, conv(4, 3)) -> a: (sum -> relu)", "a", "E0444", "takes 2 tensors"),
        ("output (x -> gap) * (x -> a: conv(4, 3))", "a", "E0444", "another shape"),
        ("shared f = conv(4, 3)   output x -> (f + f)", "f", "E0444", "nothing would be left"),
    ],
)
def test_what_is_refused(body: str, modules: str, code: str, message: str) -> None:
    with pytest.raises(archc.ArchError, match=message) as error:
        written(body).rewrite("remove", modules=modules)
    assert [d.code for d in error.value.diagnostics] == [code]
    assert code == "E0443" or error.value.diagnostics[0].span is not None


def test_a_column_beside_a_drawn_survivor_stays() -> None:
    net = archc.load("fractalnet", columns=2, widths=[4])
    with pytest.raises(archc.ArchError, match=r"E0444.*counts its columns from the deepest"):
        net.rewrite("remove", modules="features.unit1.block.blocks.block2.subblock2")


@pytest.mark.parametrize("modules", [[], 2.5, [["conv1"]], True])
def test_settings_that_name_nothing(modules: object) -> None:
    with pytest.raises(archc.ArchError, match="E0303"):
        written("output x -> conv1: conv(4, 3)").rewrite("remove", modules=modules)


KEEPING = ("alone", "quiet", "plain", "residual", "bare", "mean", "wide", "gated", "negative")


@settings(max_examples=20)
@given(net=nets(), data=st.data())
def test_random_nets(net: Net, data: st.DataObject) -> None:
    """Units without their parts compute what the whole does where these are made to do nothing."""
    labels = net.of_kind(*KEEPING)
    chosen = data.draw(st.lists(st.sampled_from(labels), unique=True)) if labels else []
    if not chosen:
        return
    before = net.architecture
    after = before.rewrite("remove", modules=chosen)
    text = net.text
    for label in chosen:
        kind = net.units[label]
        rest = {"residual": "relu", "wide": "relu", "mean": "relu"}.get(kind, "id")
        text = re.sub(rf"h = h -> {label}: \(.*\)\n", f"h = h -> {label}: ({rest})\n", text)
    wanted = archc.loads(text)
    module = double(before)
    kept = double(after, module.state_dict())
    assert agree(kept, double(wanted, kept.state_dict()), image(2, 3, 8, 8))


# --- without shortcuts ---------------------------------------------------------------------


def test_a_resnet_without_shortcuts_is_the_plain_net() -> None:
    made, wanted = archc.load("resnet34").rewrite("remove_shortcuts"), archc.load("resnet", "plain34")
    assert not made.diff(wanted)
    assert made.stats().parameters == wanted.stats().parameters
    one, other = (n.module(seed=0).eval() for n in (made, wanted))
    assert list(one.state_dict()) == list(other.state_dict())
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(one(x), other(x))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("id + f: conv(4, 3)", "f: conv(4, 3)"),
        ("id - f: conv(4, 3)", "-1 * f: conv(4, 3)"),
        ("mean(id, f: conv(4, 3)) -> relu", "f: conv(4, 3) -> relu"),
        ("(f: conv(4, 3) + [conv(4, 1), bn])", "f: conv(4, 3)"),
        ("sum(id, f: conv(4, 3), g: conv(4, 5))", "sum(f: conv(4, 3), g: conv(4, 5))"),
        ("id + (id + f: conv(4, 3) -> g: conv(4, 3))", "f: conv(4, 3) -> g: conv(4, 3)"),
        ("id + ((id + f: conv(4, 3)) -> (id + g: conv(4, 3)))", "f: conv(4, 3) -> g: conv(4, 3)"),
        ("(f: conv(8, 3, 2) + (subsample(2) -> pad_channels(8)))", "f: conv(8, 3, 2)"),
    ],
)
def test_shortcuts(before: str, after: str) -> None:
    net, wanted = written(f"output x -> ({before})"), written(f"output x -> ({after})")
    made = net.rewrite("remove_shortcuts")
    module = double(net)
    kept = double(made, module.state_dict())
    assert agree(kept, double(wanted, kept.state_dict()), image(2, 4, 8, 8))
    assert made.paths().total == wanted.paths().total


@pytest.mark.parametrize("body", ["x -> conv(4, 3)", "x -> (conv(4, 3) + conv(4, 5))", "x -> (id ++ conv(4, 3))"])
def test_no_shortcut_to_remove(body: str) -> None:
    with pytest.raises(archc.ArchError, match="E0440"):
        written(f"output {body}").rewrite("remove_shortcuts")


HEADS = """
arch A {
  input x: [N, 3, 16, 16]
  a = x -> stem: conv(4, 3)
  pooled = a -> pool: (gap -> flatten)
  output a -> body: conv(8, 3) -> gap -> fc: linear(10)
  output one = pooled -> h: linear(8) -> relu -> q: linear(10) when training
  output two = pooled -> r: linear(10) when training
}
"""


@pytest.mark.parametrize(
    ("removed", "outputs", "gone"),
    [
        (["r"], [None, "one"], ["r"]),
        (["h", "relu", "q"], [None, "two"], ["h", "q"]),
        (["h", "q", "relu", "pool", "r"], [None], ["h", "q", "r"]),
        (["relu"], [None, "one", "two"], []),
    ],
)
def test_an_output_for_training_goes_with_all_of_its_modules(
    removed: list[str], outputs: list[str | None], gone: list[str]
) -> None:
    net = archc.loads(HEADS)
    made = net.rewrite("remove", modules=removed)
    assert [output.name for output in made.ir.outputs] == outputs
    plain = double(net)
    module = double(made, plain.state_dict())
    assert {name.partition(".")[0] for name in plain.state_dict().keys() - module.state_dict().keys()} == set(gone)
    x = image(2, 3, 16, 16)
    whole, part = (net(x)["out"] if isinstance(net(x), dict) else net(x) for net in (plain, module))
    assert torch.equal(whole, part)


def test_a_part_of_what_an_output_for_training_needs_is_a_link() -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.loads(HEADS).rewrite("remove", modules="q")
    (problem,) = caught.value.diagnostics
    assert problem.code == "E0444" and problem.span is not None and problem.span.text == "linear(10)"
    assert problem.hints == ("remove all modules that only the output `one` needs: it goes with them",)


def test_messages_name_what_has_no_path_by_its_op_and_scope() -> None:
    net = written("output x -> f: (conv(8, 3, 2) -> (id * id) -> conv(4, 1))")
    with pytest.raises(archc.ArchError) as caught:
        net.rewrite("remove", modules="f.conv")
    assert "`multiply` in `f` takes" in caught.value.diagnostics[0].message


SHARED = """
block double(f) {
  shared cell = f
  output in -> a: (one: cell -> relu) -> b: (two: cell -> tanh)
}
arch A {
  input x: [N, 4, 8, 8]
  output x -> double(conv(4, 3) -> bn)
}
"""


@pytest.mark.parametrize(
    ("removed", "left"),
    [
        ("a", lambda cell, x: torch.tanh(cell(x))),
        ("b", lambda cell, x: torch.relu(cell(x))),
        ("b.two", lambda cell, x: torch.tanh(torch.relu(x))),  # what is shared goes wherever it is applied
    ],
)
def test_a_scope_goes_with_its_own_application_of_what_is_shared(removed: str, left: Any) -> None:
    net = archc.loads(SHARED)
    whole = double(net)
    x = image(2, 4, 8, 8)
    lesioned = net.rewrite("remove", modules=[removed]).module(dtype="float64").eval()
    lesioned.load_state_dict({k: v for k, v in whole.state_dict().items() if k in lesioned.state_dict()})
    torch.testing.assert_close(lesioned(x), left(whole.get_submodule("a.one"), x))
    torch.testing.assert_close(lesion(net, whole, removed)(x), left(whole.get_submodule("a.one"), x))
