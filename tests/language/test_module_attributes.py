"""The names that a label may not have are those that torch's modules have."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import nn
from torch.fx import GraphModule

import archc
from archc.compiler.elaborate.module_names import MODULE_ATTRIBUTES, OWN_ATTRIBUTES, PRIVATE_ATTRIBUTES


def test_labels_hide_nothing_of_torch() -> None:
    module = GraphModule(nn.Module(), __import__("torch").fx.Graph())
    public = {name for name in (*dir(nn.Module), *dir(GraphModule), *dir(module)) if not name.startswith("_")}
    # What other libraries give to every module is not torch's, as what transformers does.
    known = {name: getattr(GraphModule, name, None) for name in public}
    given = {name for name, value in known.items() if getattr(value, "__module__", "").startswith("transformers")}
    assert given <= {"smart_apply"}
    assert public - given <= MODULE_ATTRIBUTES


LISTS = (nn.Sequential(), nn.ModuleList(), nn.ModuleDict())


def private(names: Iterable[str]) -> set[str]:
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def test_labels_hide_nothing_that_is_private() -> None:
    theirs = private(
        (*dir(GraphModule(nn.Module(), torch.fx.Graph())), *(name for part in LISTS for name in dir(part)))
    )
    assert theirs <= PRIVATE_ATTRIBUTES
    ours: set[str] = set()
    for body in BODIES.values():
        for part in archc.loads(program(body, "first")).module().modules():
            ours |= private(dir(part)) - {*dir(nn.Conv2d(1, 1, 1)), *dir(nn.BatchNorm2d(1))}
    assert ours - theirs == OWN_ATTRIBUTES
    for name in ("_modules", "_path", "__init__", "__part"):
        assert [d.code for d in archc.check(text=program(BODIES["row"], name))][:1] in (["E0501"], ["E0503"])


BODIES = {
    "row": "output x -> part: ({name}: conv(4, 3) -> last: bn)",
    "block": "output x -> part: unit",
    "another part at each application": "shared part = {name}: conv(4, 3) -> norm: fresh(bn)  output x -> part ** 2",
}


def own_attributes() -> set[str]:
    """The public names that modules of compiled networks have and torch's Module has not."""
    found: set[str] = {"reason", "path", "title"}
    for body in BODIES.values():
        for part in archc.loads(program(body, "first")).module().modules():
            found.update(name for name in dir(part) if not name.startswith("_") and name not in part._modules)
    return found - MODULE_ATTRIBUTES - {*dir(nn.Conv2d(1, 1, 1)), *dir(nn.BatchNorm2d(1))}


def program(body: str, name: str) -> str:
    block = f"block unit() {{ y = in -> {name}: conv(4, 3)  output y + in }}"
    return f"{block}\narch A {{ input x: [N, 4, 8, 8]  {body.format(name=name)} }}"


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_every_other_label_is_free(body: str) -> None:
    """Whatever class the module of a scope has, a label in it hides nothing of that and is hidden by nothing."""
    for name in sorted({*own_attributes(), "append", "extend", "insert", "pop", "_stem"}):
        module = archc.loads(program(body, name)).module().eval()
        assert module(torch.ones(2, 4, 8, 8)).shape == (2, 4, 8, 8)
        assert getattr(module.part, name).weight.shape == (4, 4, 3, 3)
