"""Checkpoints under names of other frameworks and training scripts, with more or fewer tensors than the spec."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import archc
from archc import ArchError
from archc.compiler.emit.checkpoint import Checkpoint, not_finite, read, remarks
from archc.compiler.emit.weights import load_weights

NET = archc.loads("arch A { input x: [N, 3, 8, 8] output x -> c1: conv(8, 3) -> bn1: bn -> gap -> fc: linear(5) }")
EXTRA = {"criterion.weight": torch.ones(5), "n_averaged": torch.tensor(3)}


def state(net: archc.Architecture = NET, seed: int = 1) -> dict[str, Tensor]:
    """A state whose tensors all differ."""
    generator = torch.Generator().manual_seed(seed)
    found = net.module(seed=0).state_dict()
    return {n: torch.rand(t.shape, generator=generator) if t.is_floating_point() else t for n, t in found.items()}


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    """Whether all tensors but counters are the same."""
    return all(name.endswith("tracked") or torch.equal(found[name], tensor) for name, tensor in wanted.items())


def refused(code: str, source: Any, **more: Any) -> str:
    with pytest.raises(ArchError) as error:
        load_weights(NET.module(), read(source, NET.ir.tensor_shapes(), **more), NET.ir)
    assert code in {d.code for d in error.value.diagnostics}
    return "\n".join(f"{d.message}\n{d.hints}" for d in error.value.diagnostics)


@pytest.mark.parametrize("wrapper", ["", "net.", "backbone.", "module.", "model.module.", "a.b.c."])
def test_wrappers_and_what_is_beside_them(wrapper: str):
    weights = {f"{wrapper}{name}": tensor for name, tensor in state().items()}
    assert same(read(weights, NET.ir.tensor_shapes()).tensors, state())
    found = read(weights | EXTRA, NET.ir.tensor_shapes(), ["criterion", "n_aver*"])
    assert same(found.tensors, state()) and set(found.left_out) == set(EXTRA)
    given = {"criterion.weight": None, "n_averaged": None}
    names = NET.map_weights(weights | EXTRA, given)
    assert same(names.apply(weights | EXTRA), state())
    load_weights(module := NET.module(), found, NET.ir)
    assert same(module.state_dict(), state())


@pytest.mark.parametrize("around", ["state_dict", "ema", "student"])
def test_a_state_beside_other_things_is_found(around: str):
    whole = {around: state(), "epoch": 3, "optimizer": {"state": {}}}
    assert same(read(whole, NET.ir.tensor_shapes()).tensors, state())


def test_the_hint_leaves_out_what_is_too_much():
    text = refused("E0812", state() | EXTRA)
    options = re.findall(r"--leave-out ([\w.*]+)", text)
    assert options == ["criterion", "n_averaged"]
    assert same(read(state() | EXTRA, NET.ir.tensor_shapes(), options).tensors, state())
    text = refused("E0810", {**state(), "epoch": 3})
    (option,) = re.findall(r"--leave-out ([\w.*]+)", text)
    assert same(read({**state(), "epoch": 3}, NET.ir.tensor_shapes(), [option]).tensors, state())


@pytest.mark.parametrize("lacking", [False, True])
def test_a_head_of_other_classes_starts_anew_where_that_is_said(lacking: bool):
    other = {n: t for n, t in state().items() if not (lacking and n.startswith("fc."))}
    other |= {} if lacking else {"fc.weight": torch.zeros(7, 8), "fc.bias": torch.zeros(7)}
    text = refused("E0811" if lacking else "E0813", other)
    options = re.findall(r"--fresh ([\w.*]+)", text)
    assert options == ["fc"]
    found = read(other, NET.ir.tensor_shapes(), fresh=options)
    module = NET.module(seed=3)
    load_weights(module, found, NET.ir)
    wanted = {n: t for n, t in state().items() if not n.startswith("fc.")} | {
        n: t for n, t in NET.module(seed=3).state_dict().items() if n.startswith("fc.")
    }
    assert same(module.state_dict(), wanted) and found.fresh == {"fc.weight", "fc.bias"}


def told(call: Callable[[], Any]) -> str:
    with pytest.raises(ArchError) as error:
        call()
    return "\n".join(hint for d in error.value.diagnostics for hint in d.hints)


@pytest.mark.parametrize("load", ["module", "optimized"])
def test_hints_work_in_python(load: str):
    """What a hint says of Python is an argument of the method that refused, and then the weights load."""
    net_load = getattr(NET, load)
    seven = state() | {"fc.weight": torch.zeros(7, 8), "fc.bias": torch.zeros(7)}
    lacking = {n: t for n, t in state().items() if not n.startswith("fc.")}
    for weights in (seven, lacking, state() | EXTRA, {**state(), "epoch": 3}):
        hint = told(lambda weights=weights: net_load(weights=weights))
        (name, listed) = re.findall(r"in Python `(\w+)=(\[.*?\])`", hint)[0]
        net_load(weights=weights, **{name: json.loads(listed)})
    found = NET.module(weights=seven, fresh="fc", seed=3).state_dict()
    started = NET.module(seed=3).state_dict()
    assert torch.equal(found["fc.weight"], started["fc.weight"])
    assert same({n: t for n, t in found.items() if "fc" not in n}, {n: t for n, t in seven.items() if "fc" not in n})


def test_a_checkpoint_of_other_classes_names_the_rewrite():
    """Where that rewrite gives the network all of the checkpoint's shapes, and nowhere else."""
    seven = state() | {"fc.weight": torch.ones(7, 8), "fc.bias": torch.ones(7)}
    (classes,) = re.findall(r"`change_classes` with `classes=(\d+)`", told(lambda: NET.module(weights=seven)))
    module = NET.rewrite("change_classes", classes=int(classes)).module(weights=seven)
    assert same(module.state_dict(), seven)
    for other in (
        seven | {"fc.bias": torch.ones(9)},
        seven | {"fc.weight": torch.ones(7, 9)},
        state() | {"c1.weight": torch.ones(9, 3, 3, 3)},
        state() | {"fc.weight": torch.tensor(1.0)},
    ):
        assert "change_classes" not in told(lambda other=other: NET.module(weights=other))


def test_a_head_starts_anew_under_other_names():
    other = {n.replace("c1", "stem").replace("bn1", "norm"): t for n, t in state().items() if "fc" not in n}
    other |= {"classifier.weight": torch.zeros(7, 8), "classifier.bias": torch.zeros(7)}
    names = NET.map_weights(other, {"classifier": None}, fresh=["fc"])
    assert same(names.apply(other), {n: t for n, t in state().items() if "fc" not in n})
    assert names.fresh == {"fc.weight", "fc.bias"}


def test_what_is_not_there_is_said():
    assert "has no kriterion" in refused("E0819", state() | EXTRA, leave_out=["kriterion"])
    assert "criterion" in refused("E0819", state() | EXTRA, leave_out=["kriterion"])
    assert "the spec has no fcc" in refused("E0819", state(), fresh=["fcc"])


@pytest.mark.parametrize("option", [{"fresh": ["fc"]}, {"leave_out": "fc"}, {"fresh": 3}])
@pytest.mark.parametrize("make", [NET.module, NET.optimized])
def test_what_is_said_of_weights_needs_weights(make: Any, option: dict[str, Any]):
    (name,) = option
    with pytest.raises(TypeError, match=name):
        make(**option)


def test_one_of_several_states_is_said(tmp_path: Path):
    other = {name: tensor + 1 for name, tensor in state().items()}
    torch.save({"epoch": 3, "model": state(), "ema": other, "optimizer": {"state": {}}}, tmp_path / "both.pth")
    with pytest.warns(RuntimeWarning, match="weights as `model`, which are taken, and others as `ema`"):
        module = NET.module(weights=tmp_path / "both.pth")
    assert same(module.state_dict(), state())
    (found,) = remarks(read(tmp_path / "both.pth", NET.ir.tensor_shapes()))
    assert found.code == "E0827" and found.severity == "warning"
    exec(found.hints[0].split("`")[1], {"torch": torch})
    assert same(torch.load(tmp_path / "both-ema.pth"), other)
    torch.save({"model": {"state_dict": state(), "state_dict_ema": other}}, tmp_path / "within.pth")
    (found,) = remarks(read(tmp_path / "within.pth", NET.ir.tensor_shapes()))
    exec(found.hints[0].split("`")[1], {"torch": torch})
    assert same(torch.load(tmp_path / "within-state_dict_ema.pth"), other)
    assert not remarks(read({"model": state(), "epoch": 3}, NET.ir.tensor_shapes()))
    renamed = {f"backbone.net.{name}": tensor for name, tensor in state().items()}
    torch.save({"model": renamed, "ema": other}, tmp_path / "named.pth")
    with pytest.warns(RuntimeWarning, match="weights as `model`, which are taken, and others as `ema`"):
        names = NET.map_weights(tmp_path / "named.pth")
    assert same(names.apply(tmp_path / "named.pth"), state())


def test_a_state_is_found_beside_single_tensors(tmp_path: Path):
    torch.save({"model": state(), "best_loss": torch.tensor(0.5), "args": {"lr": 0.1}}, tmp_path / "best.pth")
    assert same(NET.module(weights=tmp_path / "best.pth").state_dict(), state())
    assert "`fc.extra`" in refused("E0810", state() | {"fc.extra": {"scale": torch.ones(2)}})


def test_what_is_no_tensor_is_said_with_what_helps():
    text = refused("E0810", state() | {"fc.bias": "zeros"})
    assert "`fc.bias`" in text and '`fresh=["fc.bias"]`' in text
    NET.module(weights=state() | {"fc.bias": "zeros"}, fresh=["fc.bias"])
    text = refused("E0810", state() | {"epoch": 3})
    assert '`leave_out=["epoch"]`' in text
    NET.module(weights=state() | {"epoch": 3}, leave_out=["epoch"])
    assert "tensors without names: `0`, `1`" in refused("E0810", dict(enumerate(state().values())))


DEEP = "block unit(c) = (body: [conv1: conv(c, 3), bn1: bn, relu, conv2: conv(c, 3), bn2: bn]) + id -> relu\n"
LAYERS = "conv1: conv(8, 3) -> layer1: [unit(8) ** 11] -> layer2: [unit(8) ** 2] -> fc: conv(3, 1)"
CAFFE2 = {"weight": "w", "bias": "b", "running_mean": "rm", "running_var": "riv"}


def deep() -> archc.Architecture:
    return archc.loads(f"{DEEP}arch A {{ input x: [N, 4, 8, 8] output x -> {LAYERS} }}")


def flat(name: str) -> str:
    scope, _, last = name.rpartition(".")
    return f"{scope.replace('.', '_')}.{last}"


def caffe2(name: str) -> str:
    scope, _, last = name.rpartition(".")
    return f"{scope.replace('.', '_')}_{CAFFE2[last]}"


def old_densenet(name: str) -> str:
    return re.sub(r"(conv|bn)([12])", r"\1.\2", name) if "body" in name else name


@pytest.mark.parametrize("called", [flat, caffe2, old_densenet])
def test_names_that_differ_in_separators(called: Any):
    net = deep()
    wanted = {name: tensor for name, tensor in state(net).items() if not name.endswith("tracked")}
    other = {called(name): tensor for name, tensor in wanted.items()}
    assert len(other) == len(wanted)
    assert same(net.map_weights(other).apply(other), wanted)


@pytest.mark.parametrize("called", [flat, caffe2])
def test_flat_names_that_are_not_the_specs(called: Any):
    net = deep()
    wanted = {name: tensor for name, tensor in state(net).items() if not name.endswith("tracked")}

    def renamed(name: str) -> str:
        return called(name.replace("layer", "res").replace("body.conv", "branch.c").replace("body.bn", "branch.n"))

    other = {renamed(name): tensor for name, tensor in wanted.items()}
    assert same(net.map_weights(other).apply(other), wanted)


def test_numbers_stay_apart():
    """layer1.10 is not layer11.0, though they have the same letters."""
    net = archc.loads("arch A { input x: [N, 4, 8, 8] output x -> a1.10: conv(4, 3) -> relu -> a11.0: conv(4, 3) }")
    wanted = state(net)
    other = {name.replace(".", "_", 1): tensor for name, tensor in wanted.items()}
    assert same(net.map_weights(other).apply(other), wanted)


def test_long_lists_are_cut():
    many = {f"k{i}.weight": torch.zeros(1) for i in range(1000)}
    for source in (state() | many, state() | {"weights.k": 3} | dict.fromkeys(many, 3)):
        for read_it in (NET.map_weights, lambda s: load_weights(NET.module(), s, NET.ir)):
            with pytest.raises(ArchError) as error:
                read_it(source)
            assert len(str(error.value)) < 4000


@pytest.mark.parametrize("kind", ["meta", "overflow"])
def test_values_that_do_not_fit_are_refused(kind: str):
    values = {
        "meta": torch.empty(5, 8, device="meta"),
        "overflow": torch.full((5, 8), 1e300, dtype=torch.float64),
    }
    other = state() | {"fc.weight": values[kind]}
    module = NET.module(seed=2)
    before = {n: t.clone() for n, t in module.state_dict().items()}
    with pytest.raises(ArchError) as error:
        load_weights(module, other, NET.ir)
    assert [d.code for d in error.value.diagnostics] == ["E0813"]
    assert all(torch.equal(before[n], t) for n, t in module.state_dict().items())


def test_what_is_not_finite_is_said():
    other = state()
    other["fc.weight"][0, 0], other["fc.weight"][1, :2] = float("nan"), float("inf")
    (found,) = not_finite(other)
    assert (found.code, found.severity) == (
        "E0826",
        "warning",
    ) and "fc.weight [5, 8]: 1 NaN and 2 infinite" in found.message
    with pytest.warns(RuntimeWarning, match="1 NaN"):
        NET.optimized(other)
    mask = torch.zeros(3, 3).masked_fill(torch.ones(3, 3).triu(1).bool(), float("-inf"))
    assert not not_finite(state() | {"mask": mask})
    load_weights(module := NET.module(), other, NET.ir)
    assert module.state_dict()["fc.weight"].isnan().sum() == 1


def test_every_command_takes_a_map(archc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.arch").write_text(
        "arch A { input x: [N, 3, 8, 8] output x -> c1: conv(8, 3) -> bn1: bn -> gap -> fc: linear(5) }"
    )
    theirs = {f"net.{n.replace('c1', 'stem')}": t for n, t in state().items()} | EXTRA
    torch.save(theirs, tmp_path / "w.pth")
    say = ("--weights", "w.pth", "--map", "auto", "--leave-out", "criterion", "--leave-out", "n_averaged")
    commands = {
        "b.pth": ("equiv", "a.arch", "a.arch", "-o", "b.pth"),
        "r.pth": ("rewrite", "truncate", "a.arch", "--with", "at=bn1", "--weights-out", "r.pth"),
        "a.pt2": ("compile", "a.arch", "-o", "a.pt2"),
        "m.json": ("bench", "a.arch", "--runs", "1", "--engines", "eager", "--write-map", "m.json"),
    }
    for made, command in commands.items():
        outcome = archc(*command, *say)
        assert outcome.status == 0, outcome.err
        assert (tmp_path / made).exists()
    assert same(torch.load(tmp_path / "b.pth"), state())
    kept = torch.load(tmp_path / "r.pth")
    assert {name.partition(".")[0] for name in kept} == {"c1", "bn1"} and torch.equal(
        kept["c1.weight"], state()["c1.weight"]
    )
    assert same(NET.map_weights(theirs, tmp_path / "m.json").apply(theirs), state())
    outcome = archc("compile", "a.arch", "-o", "c.pt2", *say, "--fresh", "fc", "--leave-out", "net.fc")
    assert outcome.status == 0 and "new" in outcome.out and "fc.weight" in outcome.out, outcome.err
    assert archc("compile", "a.arch", "--fresh", "fc").status == 2


def test_a_checkpoint_that_was_read_is_one():
    found = Checkpoint(state())
    assert read(found, ()) is found
