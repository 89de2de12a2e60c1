"""What has a name is applied once, or it is said how it is meant: as `shared` or as a `block`."""

from __future__ import annotations

import re
from collections import OrderedDict

import pytest
from torch import nn

import archc

INPUT = "arch A { input x: [N, 4, 8, 8]\n "


@pytest.mark.parametrize(("element", "name"), [("fs[0]", "f"), ("f", "g")])
@pytest.mark.parametrize(("way", "kernels"), [(0, 1), (1, 2)])
def test_what_is_applied_twice_is_shared_or_a_block(element: str, name: str, way: int, kernels: int) -> None:
    start = "fs = [conv(4, 3), relu]\n" if element == "fs[0]" else "f, r = [conv(4, 3), relu]\n"
    text = f"{INPUT}{start} output x -> {element} -> {element} }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0505"
    written = re.search("`([^`]+)`", found.hints[way])[1]  # type: ignore[index]
    assert written == (f"shared {name} = {element}", f"block {name} = ...")[way]
    if way == 0:
        text = text.replace(" output", f" {written}\n output").replace(f"-> {element}", f"-> {name}")
    else:
        declared = written.replace("...", "conv(4, 3)")
        text = text.replace("[conv(4, 3)", f"[{name}").replace(start[:2], f"{declared}\n{start[:2]}", 1)
    text = text.replace(" }", f"\n expect params == {kernels} * 4 * 4 * 9 }}")
    assert archc.check(text=text) == []


@pytest.mark.parametrize(
    ("network", "names"),
    [
        ("conv(4, 3)", {"f.weight", "again.weight"}),
        ("conv(4, 3) ** 1", {"f.0.weight", "again.0.weight"}),
        ("conv(4, 3) -> prelu", {"f.conv.weight", "f.prelu.weight", "again.conv.weight", "again.prelu.weight"}),
        ("norm: fresh(prelu)", {f"{name}.norm.{place}.weight" for name in ("f", "again") for place in (0, 1)}),
    ],
)
@pytest.mark.parametrize("given", ["f", "frozen(f)", "recompute(f)"])
def test_another_name_of_what_is_shared_is_no_module_around_it(network: str, names: set[str], given: str) -> None:
    twice = "block twice(f) { shared g = f\n output in -> g -> relu -> again: g }\n"
    text = f"{twice}{INPUT} shared f = {network}\n output x -> twice({given}) }}"
    assert set(archc.loads(text).module().state_dict()) == names
    first = f"{INPUT} shared f = {network}\n shared g = {given}\n output x -> f: g -> relu -> again: g }}"
    assert set(archc.loads(first).module().state_dict()) == names


class Given(nn.Module):
    def __init__(self, first: nn.Module):
        super().__init__()
        self.first, self.conv = first, nn.Conv2d(4, 4, 1, bias=False)


@pytest.mark.parametrize("order", ["stem, body", "body, stem"])
@pytest.mark.parametrize("network", ["conv(4, 3)", "conv: conv(4, 3) -> prelu: prelu(shared = true)"])
def test_what_an_order_names_is_registered_as_in_torch(order: str, network: str) -> None:
    stem: nn.Module = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    if "prelu" in network:
        stem = nn.Sequential(OrderedDict(conv=stem, prelu=nn.PReLU()))
    torch_module = nn.ModuleDict({"stem": stem, "body": Given(stem)})
    if order == "body, stem":
        torch_module = nn.ModuleDict({"body": torch_module["body"], "stem": stem})
    text = f"{INPUT} order {order}\n shared stem = {network}\n output x -> body: (first: stem -> conv: conv(4, 1)) }}"
    found = archc.loads(text).module()
    assert list(found.state_dict()) == list(torch_module.state_dict())
    assert [name for name, _ in found.named_parameters()] == [name for name, _ in torch_module.named_parameters()]


def test_an_order_names_what_is_declared_here() -> None:
    text = f"{INPUT} order stm, body\n shared stem = conv(4, 3)\n output x -> body: (first: stem -> conv(4, 1)) }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0510" and "stem" in found.hints[0]
