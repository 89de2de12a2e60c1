"""A block is called with its tensors in the order in which it is declared, whatever order its body uses them in."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from python_compare import built
from torch import Tensor, nn

import archc

BLOCKS = {
    "by names": ("block part(c)(x, gate) = (gate -> g: conv(c, 1) -> sigmoid) * (x -> f: conv(c, 3))", "part(4)"),
    "by numbers": ("block part() = (in[1] -> conv(4, 1)) * 2 + in[0]", "part"),
    "as many as come": (
        "block part()(*xs) = sum(*[x -> c{i}: conv(4, 1) for i, x in enumerate(reversed(xs))])",
        "part",
    ),
    "some by names": (
        "block part()(last, *xs) { y = concat(*xs) -> conv(4, 1)   output y + (last -> conv(4, 1)) }",
        "part",
    ),
}


def spec(block: str, call: str, more: str = "") -> str:
    inputs = "input a: [N, 4, 8, 8]   input b: [N, 4, 8, 8]"
    return f"{block}\narch A {{ {inputs}   y = (b, a) -> part: {call}   output {more or 'y'} }}"


def taken(module: nn.Module, *inputs: Tensor) -> tuple[Tensor, ...]:
    """What arrives at the part."""
    found: list[tuple[Tensor, ...]] = []
    hook = module.get_submodule("part").register_forward_pre_hook(lambda _, given: found.append(given))
    module(*inputs)
    hook.remove()
    return found[0]


@pytest.mark.parametrize(("block", "call"), BLOCKS.values(), ids=BLOCKS)
def test_it_takes_them_as_declared(block: str, call: str) -> None:
    net = archc.loads(spec(block, call))
    again = archc.loads(net.source())
    rewritten = net.rewrite("recompute_modules", modules=["part"])
    x, y = torch.randn(2, 2, 4, 8, 8)
    modules = [net.module(), again.module(), archc.from_graph(net.graph).module(), built(net.ir), rewritten.module()]
    for module in modules:
        assert all(map(torch.equal, taken(module, x, y), (y, x)))
        assert torch.equal(module(x, y), module.get_submodule("part")(y, x))


def test_its_arguments_have_their_names() -> None:
    net = archc.loads(spec(*BLOCKS["by names"]))
    x, y = torch.randn(2, 2, 4, 8, 8)
    for module in (net.module(), built(net.ir)):
        part = module.get_submodule("part")
        assert torch.equal(module(x, y), part(x=y, gate=x))


def test_what_is_shared_takes_them_as_declared_at_each_application() -> None:
    block, _ = BLOCKS["by names"]
    body = "shared part = part(4)   y = (b, a) -> part   output (a, y) -> part"
    net = archc.loads(f"{block}\narch A {{ input a: [N, 4, 8, 8]   input b: [N, 4, 8, 8]   {body} }}")
    x, y = torch.randn(2, 2, 4, 8, 8)
    for module in (net.module(), archc.loads(net.source()).module(), built(net.ir)):
        part = module.get_submodule("part")
        assert torch.equal(module(x, y), part(x, part(y, x)))


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(4)), st.permutations(range(4)), st.integers(0, 3))
def test_any_order_of_use(used: list[int], given_: list[int], left: int) -> None:
    steps = "\n".join(f"y = y + (x{i} -> c{i}: conv(4, 1))" for i in used if i != left)
    block = f"block part()(x0, x1, x2, x3) {{ y = x{left}\n{steps}\noutput y }}"
    inputs = "   ".join(f"input i{i}: [N, 4, 4, 4]" for i in range(4))
    net = archc.loads(f"{block}\narch A {{ {inputs}\noutput ({', '.join(f'i{i}' for i in given_)}) -> part: part }}")
    xs = [*torch.randn(4, 2, 4, 4, 4)]
    for module in (net.module(), archc.loads(net.source()).module()):
        assert torch.equal(module(*xs), module.get_submodule("part")(*(xs[i] for i in given_)))
