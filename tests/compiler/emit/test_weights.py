"""Weights from files: strict, explained key by key, and never run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from graphs import Net, small
from torch import nn

import archc
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.emit.weights import load_weights, save_weights
from archc.compiler.ir.initialisers import ONES
from archc.dsl.diagnostics import ArchError


def module(seed: int = 0) -> nn.Module:
    return to_graph_module(small(), seed=seed)


def refusal(target: nn.Module, source: Any) -> ArchError:
    """The error, after checking that the module is as it was."""
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(ArchError) as error:
        load_weights(target, source, small())
    assert all(torch.equal(before[name], tensor) for name, tensor in target.state_dict().items())
    return error.value


def equal(a: nn.Module, b: nn.Module) -> bool:
    other = b.state_dict()
    return all(torch.equal(tensor, other[name]) for name, tensor in a.state_dict().items())


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth"])
def test_round_trip(tmp_path: Path, name: str):
    save_weights(module(1), tmp_path / name)
    target = module(2)
    load_weights(target, tmp_path / name)
    assert equal(target, module(1))
    assert [p.name for p in tmp_path.iterdir()] == [name]


def _prefixed(state: dict[str, Any]) -> dict[str, Any]:
    return {f"module.{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": s, "optimizer": {"lr": 0.1}},
        lambda s: {"state_dict": {"model": s}},
        _prefixed,
        lambda s: {"state_dict": _prefixed(_prefixed(s))},
        lambda s: {f"_orig_mod.{name}": tensor for name, tensor in s.items()},
        lambda s: {name: tensor for name, tensor in s.items() if "num_batches" not in name},
        lambda s: {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in s.items()},
    ],
)
def test_what_training_scripts_save(tmp_path: Path, wrap: Callable[[dict[str, Any]], dict[str, Any]]):
    torch.save(wrap(module(1).state_dict()), tmp_path / "w.pt")
    target = module(2)
    load_weights(target, tmp_path / "w.pt")
    assert equal(target, module(1))


def test_a_mismatch_is_explained_key_by_key():
    state = module(1).state_dict()
    state["layer1.0.convl.weight"] = state.pop("layer1.0.conv1.weight")
    state["fc.weight"] = torch.zeros(1000, 16)
    error = refusal(module(2), state)
    found = {d.code: d.message for d in error.diagnostics}
    assert set(found) == {"E0811", "E0812", "E0813"}
    assert "layer1.0.conv1.weight [4, 8, 1, 1]" in found["E0811"]
    assert "layer1.0.convl.weight [4, 8, 1, 1], did you mean layer1.0.conv1.weight?" in found["E0812"]
    assert "fc.weight is [10, 16] in the module and [1000, 16] in the checkpoint" in found["E0813"]


def test_long_lists_are_cut():
    state = module().state_dict() | {f"k{i}": torch.zeros(1) for i in range(1000)}
    message = refusal(module(), state).diagnostics[0].message
    assert "1000 tensors" in message and "… and 980 more" in message and len(message) < 2000


def test_a_checkpoint_of_another_network_is_one_finding():
    state = {f"features.{i}.weight": torch.zeros(1) for i in range(1000)}
    (found,) = refusal(module(), state).diagnostics
    assert found.code == "E0815" and "0 of its 1000 tensors" in found.message
    assert "features.0.weight" in found.message and "conv1.weight" in found.message
    assert "did you mean" not in found.message and len(found.message) < 500


def test_a_prefix_that_hides_some_names_is_still_told_key_by_key():
    state = module(1).state_dict()
    state = {("x" + name if name.startswith("layer1.0") else name): tensor for name, tensor in state.items()}
    assert {d.code for d in refusal(module(2), state).diagnostics} == {"E0811", "E0812"}


@pytest.mark.parametrize("content", [b"\x80\x02.", bytes(1024), b"PK\x03\x04" + bytes(64)])
def test_a_readers_own_troubles_are_not_told(tmp_path: Path, content: bytes):
    (tmp_path / "w.pt").write_bytes(content)
    (found,) = refusal(module(), tmp_path / "w.pt").diagnostics
    assert found.message.endswith("w.pt: it is truncated or no checkpoint")


def test_what_would_run_code_is_named_whole(tmp_path: Path):
    torch.save(nn.Linear(2, 2), tmp_path / "w.pt")
    (found,) = refusal(module(), tmp_path / "w.pt").diagnostics
    assert "holds `torch.nn.modules.linear.Linear` beside tensors" in found.message


def test_other_types_do_not_fit():
    state = module(1).state_dict()
    state["fc.bias"] = torch.zeros(10, dtype=torch.int64)
    assert refusal(module(2), state).diagnostics[0].code == "E0813"


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("bombed",)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "w"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80",
        b"hello",
        b"PK\x03\x04" + bytes(64),
        bytes(1024),
        b"\xff" * 9 + b"{",
        b"\x10" + bytes(7) + b'{"a":1}',
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    error = refusal(module(), tmp_path / name)
    assert [d.code for d in error.diagnostics] == ["E0810"] and "\n" not in error.diagnostics[0].message


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, name: str, part: float):
    save_weights(module(1), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
    assert refusal(module(), tmp_path / name).diagnostics[0].code == "E0810"


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"fc.weight": Bomb()}, "torch.pt")
    Path("pickle.pt").write_bytes(pickle.dumps(Bomb()))
    torch.save(module(), "module.pt")
    for name in ("torch.pt", "pickle.pt", "module.pt"):
        assert refusal(module(), Path(name)).diagnostics[0].code == "E0810"
    assert "would run code" in str(refusal(module(), Path("torch.pt")))
    assert not Path("bombed").exists()


@pytest.mark.parametrize("content", [[1, 2], {"fc.weight": 3}, torch.zeros(2), {1: torch.zeros(2)}])
def test_files_of_other_things_are_refused(tmp_path: Path, content: Any):
    torch.save(content, tmp_path / "w.pt")
    assert refusal(module(), tmp_path / "w.pt").diagnostics[0].code == "E0810"


def test_missing_files_and_folders(tmp_path: Path):
    for path in (tmp_path, tmp_path / "none.pt", tmp_path / "none.safetensors"):
        assert refusal(module(), path).diagnostics[0].code == "E0810"


def shared() -> nn.Module:
    net = Net()
    x = net.input("image")
    first = net("conv", "conv", x, channels=3, kernel=1)
    net.output(net("", net.graph.nodes[first[0]].op, first, owner=first))
    net.graph.root.children["alias"] = net.graph.nodes[first[0]]
    net.param("scale", (1, 3, 1, 1), ONES)
    return to_graph_module(net.graph)


def test_shared_names(tmp_path: Path):
    source, target = shared(), shared()
    save_weights(source, tmp_path / "w.safetensors")
    load_weights(target, tmp_path / "w.safetensors")
    assert equal(source, target)
    state = shared().state_dict()
    del state["conv.weight"]
    load_weights(target, state)
    assert torch.equal(target.conv.weight, state["alias.weight"])
    state["conv.weight"] = state["alias.weight"] + 1
    with pytest.raises(ArchError) as error:
        load_weights(target, state)
    assert [d.code for d in error.value.diagnostics] == ["E0814"]


WHOLE = archc.loads("arch A { input x: [N, 3, 8, 8]  output x -> stem: conv(4, 3) -> gap -> fc: linear(5) }")


def told(state: Any) -> tuple[str, tuple[Any, ...]]:
    with pytest.raises(ArchError) as error:
        WHOLE.module(weights=state)
    return error.value.diagnostics[0].message, error.value.diagnostics[0].hints


def test_all_that_is_no_weight_is_named_at_once() -> None:
    state = WHOLE.module().state_dict()
    message, hints = told({**state, "lr": 0.1, "losses": [1.0, 2.0]})
    assert "`lr`, `losses`" in message and '`leave_out=["lr", "losses"]`' in hints[0]
    WHOLE.module(weights={**state, "lr": 0.1, "losses": [1.0, 2.0]}, leave_out=["lr", "losses"])


def test_much_that_is_no_weight_is_a_pattern() -> None:
    state = {**WHOLE.module().state_dict(), **{f"meta{number}": number for number in range(40)}}
    assert '`leave_out=["meta*"]`' in told(state)[1][0]
    WHOLE.module(weights=state, leave_out=["meta*"])


def test_sets_of_weights_under_unknown_names_are_not_left_out() -> None:
    state = WHOLE.module().state_dict()
    _, hints = told({"student": state, "teacher": state})
    assert len(hints) == 1 and '["student"]' in hints[0] and "leave" not in hints[0]


@pytest.mark.parametrize("keys", [("model",), ("run", "last")])
def test_the_way_to_sets_of_weights_within_others_is_named(keys: tuple[str, ...], tmp_path: Path) -> None:
    """The hint is run as it stands."""
    state, path = WHOLE.module().state_dict(), tmp_path / "net.pt"
    found: Any = {"student": state, "teacher": state}
    for key in reversed(keys):
        found = {key: found}
    torch.save(found, path)
    with pytest.raises(archc.ArchError) as error:
        WHOLE.module(weights=path)
    (hint,) = error.value.diagnostics[0].hints
    exec(hint.split("`")[-2], {"torch": torch})
    WHOLE.module(weights=tmp_path / "net-student.pt")


def test_many_things_that_are_no_tensors_are_left_out_by_their_type() -> None:
    state = {**WHOLE.module().state_dict(), "epoch": 3, "lr": 0.1, "args": {}, "when": "x", "best": None, "z": 1}
    message, hints = told(state)
    assert message.endswith("`epoch`, `lr`, `args`, `when`, `best`, ...")
    WHOLE.module(weights=eval(hints[0].split("`")[1].removeprefix("torch.save(").removesuffix(", other)")))


def test_counters_of_a_checkpoint_in_half_precision_are_counts() -> None:
    net = archc.loads("arch A { input x: [N, 3, 8, 8]  output x -> conv(4, 3) -> bn }")
    state = net.module(seed=0).state_dict()
    counter = next(name for name in state if name.endswith("num_batches_tracked"))
    state[counter] += 7
    loaded = net.module(weights={name: tensor.half() for name, tensor in state.items()}).state_dict()
    assert loaded[counter] == 7 and loaded[counter].dtype == torch.int64


def test_a_scope_of_another_name_is_one_line() -> None:
    net = archc.load("resnet18", classes=10)
    state = {name.replace("layer", "stage"): tensor for name, tensor in net.module().state_dict().items()}
    with pytest.raises(archc.ArchError) as error:
        net.module(weights=state)
    lacks, extra = error.value.diagnostics
    assert (lacks.code, extra.code) == ("E0811", "E0812")
    assert "lacks 95 tensors" in lacks.message and "\n  layer1.*: 20 tensors\n" in lacks.message
    assert "has 95 tensors" in extra.message
    assert "\n  stage4.*: 25 tensors like layer4.* of the module" in extra.message
    assert extra.message.count("\n") == 4


def test_classes_that_a_parameter_says_are_offered_as_that_parameter() -> None:
    net = archc.loads("arch Net(classes: int = 10) {\n input x: [N, 3]\n output x -> head: linear(classes)\n}\n")
    state = archc.loads(net.source().replace("10", "4")).module().state_dict()
    with pytest.raises(archc.ArchError) as error:
        net.module(weights=state)
    assert any("`--set classes=4`" in hint for hint in error.value.diagnostics[0].hints)


def test_an_empty_checkpoint_is_said_to_be_empty() -> None:
    assert told({})[0] == "the checkpoint is empty, and the module has 3 tensors"


def test_axes_in_another_order_are_told_with_what_turns_them() -> None:
    state = WHOLE.module().state_dict()
    turned = {**state, "fc.weight": state["fc.weight"].T, "stem.weight": state["stem.weight"].permute(2, 3, 1, 0)}
    _, hints = told({**state, "fc.weight": turned["fc.weight"]})
    assert '`state["fc.weight"].permute(1, 0)`' in hints[0]
    _, hints = told(turned)
    assert '`state["stem.weight"].permute(3, 2, 0, 1)`' in hints[0]
    assert torch.equal(turned["stem.weight"].permute(3, 2, 0, 1), state["stem.weight"])
    _, hints = told({**turned, "fc.bias": state["fc.bias"][:1]})
    assert "permute" in hints[0]  # beside one of another shape
