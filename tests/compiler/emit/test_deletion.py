"""Deletions: rows get shorter, and what else calls a part that is missing says which, and what to do."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from module_steps import callable_paths, close, equal, inputs_of, run, step
from test_module_behaviour import SPECS
from torch import nn

import archc
from archc.compiler.decompile.python.file import to_python

ROWS = """
block unit(c) = id + (conv1: conv(c, 3) -> bn1: bn -> relu) -> relu
block stage(c) = entry: conv(c, 3) -> residual: unit(c) -> last: unit(c)
arch Rows {
  input x: [N, 3, H, W] = [1, 3, 16, 16]
  output x -> stage1: stage(8) -> stage2: [unit(8), unit(8), relu] -> stage3: RECOMPUTED -> gap -> fc: linear(3)
}"""
PLAIN = ROWS.replace("RECOMPUTED", "[unit(8), unit(8), unit(8)]")
AGAIN = ROWS.replace("RECOMPUTED", "[recompute(unit(8)) ** 2, unit(8)]")


def codes(caught: Any) -> list[str]:
    return [d.code for d in caught.value.diagnostics]


def shorten(module: Any) -> None:
    del module.stage1.residual
    del module.stage2[1]
    module.stage2.append(nn.Tanh())
    del module.stage3[0]
    module.stage3.insert(0, module.stage3.pop(-1))


@pytest.mark.parametrize("text", [PLAIN, AGAIN])
def test_rows_are_shortened_as_those_of_the_python_file(text: str):
    net = archc.loads(text)
    module, space = net.module(seed=0), dict[str, Any]()
    exec(to_python(net.ir), space)
    written = space["Rows"]()
    written.load_state_dict(module.state_dict())
    shorten(module)
    shorten(written)
    assert list(module.state_dict()) == list(written.state_dict())
    inputs = inputs_of(net)
    assert equal(step(copy.deepcopy(module), inputs), step(copy.deepcopy(written), inputs))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(other.stage1) is type(module.stage1) and repr(other) == repr(module)
        assert equal(run(other.eval(), inputs), run(written.eval(), inputs))


def test_rows_of_blocks_are_called_after_their_block():
    module = archc.loads(PLAIN).module(seed=0)
    assert isinstance(module.stage1, nn.Sequential) and type(module.stage1).__name__ == "Stage"
    assert type(module.stage1[:2]) is type(module.stage1) and len(module.stage1[:2]) == 2


def set_to_none(holder: Any, name: str) -> None:
    setattr(holder, name, None)


DELETIONS = [
    *(pytest.param(name, delattr, id=f"del-{name}") for name in SPECS),
    *(
        pytest.param(
            name, set_to_none, id=f"None-{name}", marks=[pytest.mark.slow] * (name not in ("plain", "recomputed"))
        )
        for name in SPECS
    ),
]


@pytest.mark.parametrize(("name", "delete"), DELETIONS)
def test_what_is_missing_is_named_until_it_is_there_again(name: str, delete: Callable[[Any, str], None]):
    net = archc.loads(SPECS[name])
    module, inputs = net.module(seed=0).eval(), inputs_of(net)
    expected = run(module, inputs)
    for path in ["", *callable_paths(net)]:
        holder = module.get_submodule(path)
        for child, held in list(holder.named_children()):
            if isinstance(holder, nn.Sequential) or path.startswith("aux") or child == "aux":
                continue
            delete(holder, child)
            for whole in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
                gone = f"{path}.{child}" if path else child
                with pytest.raises(archc.ArchError, match=f"uses `{re.escape(gone)}.*which was deleted") as caught:
                    run(whole, inputs)
                assert codes(caught) == ["E0825"]
            holder.add_module(child, held)
            assert equal(run(module, inputs), expected)
    torch._dynamo.reset()
    assert close(run(torch.compile(module, backend="eager", fullgraph=True), inputs), expected)
    module.recompile()
    assert equal(run(module, inputs), expected)


def test_the_hint_works():
    net = archc.loads(PLAIN)
    module = net.module(seed=0).eval()
    del module.fc
    with pytest.raises(archc.ArchError, match=r'`set_submodule\("fc", torch\.nn\.Identity\(\)\)` passes on'):
        module(*inputs_of(net))
    module.set_submodule("fc", torch.nn.Identity())
    assert module(*inputs_of(net)).shape == (2, 8)


def test_the_hint_names_the_part_of_a_block_by_its_path():
    net = archc.load("resnet18")
    module = net.module(seed=0).eval()
    del module.layer1[0].conv2
    with pytest.raises(archc.ArchError, match=r'`set_submodule\("layer1\.0\.conv2", torch\.nn\.Identity\(\)\)`'):
        module(*inputs_of(net))
    module.set_submodule("layer1.0.conv2", torch.nn.Identity())
    assert module(*inputs_of(net)).shape == (2, 1000)


def test_a_parameter_that_is_missing_is_named():
    net = archc.loads(SPECS["own parameters"])
    module = net.module(seed=0).eval()
    del module.a.s
    with pytest.raises(archc.ArchError, match=r"uses `a\.s`, which was deleted") as caught:
        run(module, inputs_of(net))
    assert caught.value.diagnostics[0].hints == ("register a tensor called `a.s` again",)


def test_heads_of_training_may_be_left_out_in_evaluation():
    net = archc.loads(SPECS["only when training"])
    module = net.module(seed=0).eval()
    expected = run(module, inputs_of(net))
    del module.aux
    assert equal(run(module, inputs_of(net)), expected)
    assert equal(run(torch.fx.symbolic_trace(module), inputs_of(net)), expected)
    with pytest.raises(archc.ArchError, match="uses `aux`, which was deleted"):
        run(module.train(), inputs_of(net))


def test_nothing_is_deleted_where_what_is_around_calls_by_numbers():
    net = archc.load("tied_resnet_cifar")
    module = net.module(device="meta")
    cell = module.get_submodule("unit1.cell")
    before = repr(module)
    for change in (
        lambda: delattr(cell, "conv1"),
        lambda: cell.norm2.__delitem__(0),
        lambda: cell.norm2.pop(0),
        lambda: cell.norm2.insert(0, nn.Identity()),
    ):
        with pytest.raises(archc.ArchError, match=r"`unit1\.cell") as caught:
            change()
        assert codes(caught) == ["E0825"] and repr(module) == before
    module.add_module("unused", nn.Identity())
    assert module.delete_submodule("unused") and not module.delete_submodule("unused") and repr(module) == before
    assert module.delete_submodule("unit1.cell.conv1") and "conv1" not in dict(cell.named_children())


TWO_MODES = """arch Net {
  input x: [N, 3, 8, 8]
  h = x -> conv: conv(4, 3) -> relu -> gap
  output out = h -> fc: linear(2)
  output aux = h -> head: linear(2) when training
}"""


def test_a_head_that_training_alone_uses_can_be_left_out_of_evaluation_and_the_error_says_so() -> None:
    module = archc.loads(TWO_MODES).module()
    del module.head
    x = torch.randn(2, 3, 8, 8)
    with pytest.raises(archc.ArchError) as caught:
        module(x)
    (found,) = caught.value.diagnostics
    assert found.code == "E0825" and "`eval()`" in found.hints[0] and "Identity" not in found.hints[0]
    assert module.eval()(x)["aux"] is None
    module.train().set_submodule("head", nn.Sequential(nn.Flatten(), nn.Linear(4, 5)))
    assert module(x)["aux"].shape == (2, 5)


@pytest.mark.parametrize("training", [True, False])
def test_an_edit_in_one_mode_alone_warns_until_the_other_is_edited(
    training: bool, recwarn: pytest.WarningsRecorder
) -> None:
    module, x = archc.loads(TWO_MODES).module(), torch.randn(2, 3, 8, 8)
    module.recompile()
    copy.deepcopy(module).recompile()
    assert not recwarn
    before = {mode: module.train(mode)(x)["out"] for mode in (True, False)}

    def leave_relu_out() -> None:
        (node,) = [node for node in module.graph.nodes if node.target == "relu"]
        node.replace_all_uses_with(node.args[0])
        module.graph.erase_node(node)
        module.recompile()

    module.train(training)
    with pytest.warns(UserWarning, match="call `eval" if training else "call `train"):
        leave_relu_out()
    assert not torch.equal(module(x)["out"], before[training])
    module.train(not training)
    assert torch.equal(module(x)["out"], before[not training])
    leave_relu_out()
    assert not recwarn and torch.equal(module.train()(x)["out"], module.eval()(x)["out"])
    pickle.loads(pickle.dumps(module)).recompile()
    assert not recwarn
