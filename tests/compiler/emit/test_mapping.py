"""Checkpoints under other names: mapped where one way is left, refused otherwise, and never mapped wrongly."""

from __future__ import annotations

import ast
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

import archc
from archc import ArchError


def net(body: str, blocks: str = "") -> archc.Architecture:
    merged = "++" in body or " + " in body or " - " in body
    parts = f"x -> {body}" if not merged else f"x -> ({body})"
    return archc.loads(f"{blocks}\narch A {{ input x: [N, 4, 8, 8]  output {parts} }}")


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
    return module.double().eval()


def same_outputs(one: archc.Architecture, other: nn.Module, names: Any, exact: bool = True) -> bool:
    """Whether the one computes what the other does with the other's tensors."""
    module = one.module().double().eval()
    module.load_state_dict(names.apply(other), strict=True)
    image = torch.rand(1, 4, 8, 8, dtype=torch.float64)
    ours, theirs = module(image), other(image)
    return torch.equal(ours, theirs) if exact else torch.allclose(ours, theirs, rtol=1e-9)


def refused(code: str, spec: archc.Architecture, source: Any, given: Any = None) -> str:
    with pytest.raises(ArchError) as error:
        spec.map_weights(source, given)
    (found,) = error.value.diagnostics
    assert found.code == code, found.message
    return "\n".join([found.message, *found.hints])


UNIT = "block unit(c) = (body: [conv(c, 3), bn, relu, conv(c, 3), bn]) + id -> relu\n"
CHAIN = "stem: conv(8, 3) -> stage: [unit(8) ** 11] -> fc: conv(3, 1)"
OTHER = UNIT.replace("body:", "z:").replace("unit", "block_")
OTHERS = "first.conv: conv(8, 3) -> rest: [*[unit{i}: block_(8) for i in 1..11]] -> last: conv(3, 1)"


def test_the_order_of_the_checkpoint_plays_no_part():
    spec, other = net(CHAIN, UNIT), randomised(net(OTHERS, OTHER).module())
    state = list(other.state_dict().items())
    maps = []
    for seed in range(3):
        random.Random(seed).shuffle(state)
        maps.append(spec.map_weights(dict(state)))
    assert maps[0] == maps[1] == maps[2] == spec.map_weights(other)
    assert maps[0].pairs["rest.unit10.z.0.weight"] == "stage.9.body.0.weight"  # by number, not by text
    assert same_outputs(spec, other, maps[0]) and not maps[0].identical and maps[0].remarks == ()


def test_names_that_agree_are_taken_by_name():
    spec = net("(a: conv(4, 3)) ++ (b: conv(4, 3))")
    names = spec.map_weights(spec.module())
    assert names.identical and list(names.pairs) == ["a.weight", "b.weight"]


def test_what_training_scripts_save_is_read(tmp_path: Path):
    spec, other = net(CHAIN, UNIT), randomised(net(OTHERS, OTHER).module())
    wrapped = {"state_dict": {f"module.{name}": tensor for name, tensor in other.state_dict().items()}}
    torch.save(wrapped, tmp_path / "w.pt")
    names = spec.map_weights(tmp_path / "w.pt")
    assert names == spec.map_weights(other)
    assert names.apply(tmp_path / "w.pt").keys() == spec.module().state_dict().keys()


def test_old_checkpoints_lack_counters():
    spec, other = net(CHAIN, UNIT), randomised(net(OTHERS, OTHER).module())
    state = {name: tensor for name, tensor in other.state_dict().items() if "num_batches" not in name}
    assert spec.map_weights(state).pairs.items() <= spec.map_weights(other).pairs.items()


def test_equal_branches_of_a_concatenation_are_refused_until_told():
    spec = net("((a: [conv(4, 3), relu]) ++ (b: [conv(4, 3), relu])) -> fc: conv(2, 1)")
    other = randomised(net("((p1: [conv(4, 3), relu]) ++ (p2: [conv(4, 3), relu])) -> q: conv(2, 1)").module())
    message = refused("E0818", spec, other)
    assert "p1.0, p2.0 <-> a.0, b.0" in message and '{"p1.0.weight": "a.0.weight"}' in message
    names = spec.map_weights(other, {"p1.0.weight": "a.0.weight"})
    assert same_outputs(spec, other, names)
    assert names.pairs == {"p1.0.weight": "a.0.weight", "p2.0.weight": "b.0.weight", "q.weight": "fc.weight"}


def test_refusals_of_flat_names_say_these_and_their_hint_works():
    """Names without dots are matched as those that they stand for."""
    message = refused("E0816", net("a: conv(4, 3)"), {"fc_weight": torch.tensor(0.0)})
    assert "1 in the checkpoint (fc)" in message
    spec = net("((a: [conv(4, 3), relu]) ++ (b: [conv(4, 3), relu])) -> fc: conv(2, 1)")
    other = net("((p1: [conv(4, 3), relu]) ++ (p2: [conv(4, 3), relu])) -> q: conv(2, 1)").module().state_dict()
    flat = {name.replace(".", "_"): tensor for name, tensor in other.items()}
    message = refused("E0818", spec, flat)
    pair = json.loads(message[message.index("{") : message.index("}") + 1])
    assert pair == {"p1_0_weight": "a.0.weight"}
    assert spec.map_weights(flat, pair).pairs == pair | {"p2_0_weight": "b.0.weight", "q_weight": "fc.weight"}


@pytest.mark.parametrize("merge", ["{} + {}", "max({}, {})", "mean({}, {})", "id + 2 * ({}) + 2 * ({})"])
def test_equal_branches_of_a_sum_may_change_places(merge: str):
    branch = "[conv(4, 3), relu, conv(4, 1)]"
    spec = net(merge.format(f"(a: {branch})", f"(b: {branch})"))
    other = randomised(net(merge.format(f"(p2: {branch})", f"(p1: {branch})")).module())
    names = spec.map_weights(other)
    assert same_outputs(spec, other, names, exact=False)
    assert "same function" in names.remarks[0]


def test_a_difference_is_no_sum():
    spec = net("(a: conv(4, 3)) - (b: conv(4, 3))")
    refused("E0818", spec, net("(p: conv(4, 3)) - (q: conv(4, 3))").module())


def test_what_follows_a_branch_tells_it_from_another():
    spec = net("(a: [conv(4, 3), conv(4, 1)]) ++ (b: [conv(4, 3), conv(6, 1)])")
    other = randomised(net("(y: [conv(4, 3), conv(4, 1)]) ++ (x: [conv(4, 3), conv(6, 1)])").module())
    assert same_outputs(spec, other, spec.map_weights(other))


FLAT = """
block unit(c, s) {
  body = conv1: conv(4, 1) -> conv2: conv(4, 3, s) -> conv3: conv(c, 1)
  output body + LABEL: conv(c, 1, s) -> relu
}
"""


def test_a_name_means_the_same_in_scopes_of_the_same_name():
    """In layer1 conv3 and the projection have one shape; in layer2 they differ, and settle it."""
    spec = net("layer1: unit(8, 1) -> layer2: unit(16, 2)", FLAT.replace("LABEL", "downsample"))
    swapped = FLAT.replace("conv3", "skip").replace("LABEL", "conv3")
    for other in (FLAT.replace("LABEL", "proj"), swapped):
        peer = randomised(net("stage1: unit(8, 1) -> stage2: unit(16, 2)", other).module())
        names = spec.map_weights(peer)
        assert same_outputs(spec, peer, names) and "other scopes" in names.remarks[0]
    alone = net("layer1: unit(8, 1)", FLAT.replace("LABEL", "downsample"))
    refused("E0818", alone, net("stage1: unit(8, 1)", FLAT.replace("LABEL", "proj")).module())


def test_a_tensor_under_another_scope_is_refused():
    spec, other = net(CHAIN, UNIT), net(OTHERS, OTHER).module()
    state = dict(other.state_dict())
    state["rest.unit3.z.weight"] = state.pop("rest.unit2.z.0.weight")
    refused("E0817", spec, state)


def test_numbers_against_the_flow_are_refused():
    spec = net("a: conv(4, 3) -> b: conv(4, 1) -> c: conv(8, 1)")
    other = randomised(net("f3: conv(4, 3) -> f2: conv(4, 1) -> f1: conv(8, 1)").module())
    refused("E0817", spec, other)
    names = {"f3.weight": "a.weight", "f2.weight": "b.weight", "f1.weight": "c.weight"}
    assert same_outputs(spec, other, spec.map_weights(other, names))  # told in full it needs no proof


def test_names_without_numbers_tell_nothing_of_a_chain():
    spec = net("a: conv(4, 3) -> b: conv(4, 3)")
    refused("E0818", spec, net("p: conv(4, 3) -> q: conv(4, 3)").module())
    names = spec.map_weights(net("p9: conv(4, 3) -> p10: conv(4, 3)").module())
    assert names.pairs == {"p9.weight": "a.weight", "p10.weight": "b.weight"}


def test_sizes_in_a_label_are_no_numbers():
    spec = net("(a: [conv(4, 3), relu]) -> (b: [conv(4, 3), relu])")
    refused("E0818", spec, net("(c3x3: [conv(4, 3), relu]) -> (c3x1: [conv(4, 3), relu])").module())


def test_other_shapes_are_shown_side_by_side():
    message = refused("E0816", net("a: conv(8, 3) -> b: conv(4, 1)"), net("p: conv(8, 3) -> q: conv(5, 1)").module())
    assert "weight [5, 8, 1, 1]: 1 in the checkpoint (q), 0 in the spec" in message
    assert "weight [4, 8, 1, 1]: 0 in the checkpoint, 1 in the spec (b)" in message


UNEQUAL = net("c1: conv(8, 3) -> n1: bn -> relu -> c2: conv(8, 1) -> n2: bn -> gap -> fc: linear(5)")
STATE = {name: torch.rand(t.shape) for name, t in UNEQUAL.module().state_dict().items() if t.is_floating_point()}


def renamed(old: str, new: str) -> dict[str, torch.Tensor]:
    return {name.replace(old, new): tensor for name, tensor in STATE.items()}


def hint_of(message: str, says: str) -> str:
    first, *_, last = message.splitlines()
    assert says in first, message
    return last


def test_what_one_side_lacks_is_said_with_the_option():
    hint = hint_of(refused("E0816", UNEQUAL, {n: t for n, t in STATE.items() if n != "c2.weight"}), "lacks tensors")
    assert '`fresh=["c2"]`' in hint
    less = {n: t for n, t in renamed("c1", "p1").items() if n != "c2.weight"}
    assert len(UNEQUAL.map_weights(less, fresh=["c2"]).pairs) == len(less)
    more = STATE | {"c1.mask": torch.ones(8, 4, 3, 3), "ema.a": torch.ones(1), "ema.b": torch.ones(2)}
    hint = hint_of(refused("E0816", UNEQUAL, more), "has tensors that the spec lacks")
    assert "`--leave-out c1.mask --leave-out ema`" in hint
    given = ast.literal_eval(hint[hint.index("{") : hint.index("}") + 1])
    assert len(UNEQUAL.map_weights(more, given).pairs) == len(STATE)
    assert "holds no tensors" in refused("E0816", UNEQUAL, {})


def test_names_are_not_blamed_on_shapes():
    other = renamed("fc.weight", "fc.filter")
    hint = hint_of(refused("E0816", UNEQUAL, other), "have other names")
    pair = json.loads(hint[hint.index("{") : hint.index("}") + 1])
    assert pair == {"fc.filter": "fc.weight"} and len(UNEQUAL.map_weights(other, pair).pairs) == len(STATE)
    means = renamed("running_", "")
    hint = hint_of(refused("E0816", UNEQUAL, means), "have other names")
    given = {n: n.replace(".mean", ".running_mean").replace(".var", ".running_var") for n in means if n not in STATE}
    assert "{" not in hint and len(UNEQUAL.map_weights(means, given).pairs) == len(STATE)
    split = renamed("fc.bias", "shift.b")
    hint = hint_of(refused("E0816", UNEQUAL, split), "their names make other modules of them")
    assert "name all tensors" in hint
    assert UNEQUAL.map_weights(split, dict(zip(split, STATE, strict=True))).pairs["shift.b"] == "fc.bias"


def test_types_axes_and_other_networks_are_told_apart():
    whole = STATE | {"fc.bias": torch.ones(5, dtype=torch.int64)}
    message = refused("E0816", UNEQUAL, whole)
    assert "whole numbers" in message.splitlines()[0] and "bias [5] of whole numbers, weight [5, 8]:" in message
    hint_of(refused("E0816", UNEQUAL, STATE | {"fc.weight": STATE["fc.weight"].T}), "their axes in another order")
    hint_of(refused("E0816", UNEQUAL, {f"x.{i}": torch.ones(i + 1) for i in range(5)}), "of another network")
    wider = net("c1: conv(8, 3) -> n1: bn -> relu -> c2: conv(9, 1) -> n2: bn -> gap -> fc: linear(5)").module()
    assert "widths" in hint_of(refused("E0816", UNEQUAL, wider), "are not those of the spec")


def test_a_shared_tensor_may_have_one_name_or_several():
    tied = "shared f = conv(4, 3)  output x -> a: conv(4, 1) -> {} f -> relu -> {} f -> c: conv(8, 1)"
    spec = archc.loads("arch A { input x: [N, 4, 8, 8]  " + tied.format("b1:", "b2:") + " }")
    other = randomised(
        archc.loads("arch A { input x: [N, 4, 8, 8]  " + tied.format("y1:", "y2:").replace("c:", "z:") + " }").module()
    )
    state = dict(other.state_dict())
    names = spec.map_weights(state)
    assert names.pairs["y1.weight"] == names.pairs["y2.weight"] == "b1.weight"
    assert torch.equal(names.apply(state)["b1.weight"], state["y1.weight"])
    once = {name: tensor for name, tensor in state.items() if name != "y2.weight"}
    assert spec.map_weights(once).pairs.items() < names.pairs.items()
    with pytest.raises(ArchError) as error:
        names.apply({**state, "y2.weight": state["y2.weight"] + 1})
    assert error.value.diagnostics[0].code == "E0814"


def test_a_given_map_is_checked(tmp_path: Path):
    spec, other = net("a: conv(4, 3) -> b: conv(8, 1)"), net("p: conv(4, 3) -> q: conv(8, 1)").module()
    assert "no r.weight" in refused("E0819", spec, other, {"r.weight": "a.weight"})
    assert "no c.weight" in refused("E0819", spec, other, {"p.weight": "c.weight"})
    assert "does not fit" in refused("E0819", spec, other, {"p.weight": "b.weight"})
    path = tmp_path / "map.json"
    for text in ("[]", "{", '{"p.weight": 1}', "[" * 100_000):
        path.write_text(text)
        refused("E0819", spec, other, path)
    refused("E0819", spec, other, tmp_path / "absent.json")
    spec.map_weights(other).save(path)
    assert json.loads(path.read_text()) == {"p.weight": "a.weight", "q.weight": "b.weight"}
    assert spec.map_weights(other, path) == spec.map_weights(other)


def test_a_map_of_another_checkpoint_is_refused():
    spec, other = net("a: conv(4, 3)"), net("p: conv(4, 3)").module()
    with pytest.raises(ArchError) as error:
        spec.map_weights(other).apply(net("q: conv(4, 3)").module())
    assert error.value.diagnostics[0].code == "E0819"


def test_a_given_pair_may_rename_a_tensor():
    spec = net("a: conv(4, 3) -> b: conv(8, 1)")
    state = {"p.filter": torch.rand(4, 4, 3, 3), "q.weight": torch.rand(8, 4, 1, 1)}
    refused("E0816", spec, state)
    assert spec.map_weights(state, {"p.filter": "a.weight"}).pairs == {"p.filter": "a.weight", "q.weight": "b.weight"}


def test_the_table_folds_scopes():
    spec = net("stem: conv(8, 3) -> layers: [unit(8) ** 3]", UNIT)
    other = net("first: conv(8, 3) -> rest: [unit(8) ** 3]", UNIT)
    assert str(spec.map_weights(other.module())).splitlines() == ["first -> stem", "rest  -> layers"]


@pytest.mark.parametrize("name", ["", ".", "..weight", "a." * 99 + "weight", "a..b.weight", "1.01.weight", "é.weight"])
def test_odd_names_are_no_fault(name: str):
    names = net("a: conv(4, 3)").map_weights({name: torch.rand(4, 4, 3, 3)}, {name: "a.weight"})
    assert names.pairs == {name: "a.weight"}


def test_names_nested_too_deep_are_refused():
    refused("E0818", net("a: conv(4, 3)"), {"a." * 2000 + "weight": torch.rand(4, 4, 3, 3)})


def test_many_ways_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("archc.compiler.compare.orders._LIMIT", 10_000)
    wide = " ++ ".join(f"(a{i}: [conv(4, 3), conv(4, 3), conv(4, 3)])" for i in range(12))
    spec = net(wide)
    refused("E0818", spec, net(re.sub(r"a(\d+)", r"x\1", wide)).module())


# --- random networks -----------------------------------------------------------------------

LAYERS = st.builds(lambda c, k: ("conv", c, k), st.sampled_from([2, 4]), st.sampled_from([1, 3]))
TREES = st.recursive(
    LAYERS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: ("seq", parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: ("sum", parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: ("cat", parts)),
    ),
    max_leaves=8,
)
TWO = ("conv", 2, 1)
WORDS = ["body", "skip", "left", "conv", "proj", "main", "up", "low"]


def written(tree: Any, draw: random.Random) -> str:
    """The network in the language: lists in the order of the data, numbered or named; branches in any order."""
    kind, *rest = tree
    if kind == "conv":
        return f"conv({rest[0]}, {rest[1]}) -> bn"
    parts = [written(part, draw) for part in rest[0]]
    numbers = list(range(draw.randrange(9), 12))[: len(parts)]
    if kind != "seq":
        draw.shuffle(numbers)
    labels = [f"u{number}" for number in numbers] if draw.random() < 0.6 else draw.sample(WORDS, len(parts))
    if kind == "seq":
        return "[" + ", ".join(f"{label}: ({part})" for label, part in zip(labels, parts, strict=True)) + "]"
    if kind == "sum":
        parts = [f"[{part}, conv(4, 1)]" for part in parts]
    return (" + " if kind == "sum" else " ++ ").join(
        f"({label}: [{part}, relu])" for label, part in zip(labels, parts, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(TREES, st.integers(0, 10**6))
@example(("seq", [("sum", [TWO, TWO]), ("cat", [("sum", [("conv", 2, 3), TWO]), ("seq", [TWO])])]), 0)
def test_a_random_network_is_never_mapped_wrongly(tree: Any, seed: int):
    draw = random.Random(seed)
    spec = net(f"top: [{written(tree, draw)}, conv(3, 1)]")
    other = randomised(net(f"whole: [{written(tree, draw)}, conv(3, 1)]").module(), seed)
    state = list(other.state_dict().items())
    draw.shuffle(state)
    try:
        names = spec.map_weights(dict(state))
    except ArchError as error:
        assert {found.code for found in error.diagnostics} == {"E0818"}
        return
    assert same_outputs(spec, other, names, exact=False), str(names)
