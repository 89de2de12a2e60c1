"""Something shared that takes one tensor in two places at some applications, and different ones at others."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from arch_again import again
from hypothesis import given, settings
from hypothesis import strategies as st
from python_compare import assert_equal_modules, assert_same_function

import archc

BLOCKS = {
    "layers": "block f(y, z) { a = in -> p: conv(4, 3)  output a * (y -> q: conv(4, 3)) + z }",
    "a block in it": "block g(y) = (in -> p: conv(4, 3)) * (y -> q: conv(4, 3))\n"
    "block f(y, z) { a = (in, y) -> g1: g  output (a, z) -> g2: g }",
    "one shared in it": "block g(y) = (in -> p: conv(4, 3)) * (y -> q: conv(4, 3))\n"
    "block f(y, z) { shared h = g()  a = (in, y) -> h  output (a, z) -> h }",
    "norms of its own": "block f(y, z) { a = in -> p: conv(4, 3)  output a * (y -> fresh(post: bn)) + z }",
    "a parameter": "block f(y, z) { param w = ones([4, 1, 1])  output (in * w -> p: conv(4, 3)) + y - z }",
}
ARGUMENTS = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=3)


def network(block: str, applied: list[tuple[int, ...]]) -> archc.Architecture:
    """The block applied to some of the tensors that are there by then, which are numbered from the inputs on."""
    lines, tensors = ["shared s = f()"], ["x", "y"]
    for number, arguments in enumerate(applied):
        lines.append(f"t{number} = ({', '.join(tensors[min(a, len(tensors) - 1)] for a in arguments)}) -> s")
        tensors.append(f"t{number}")
    lines.append(f"output {' + '.join(tensors)}")
    block = block.replace("block g(y)", "block g()(in, y)").replace("block f(y, z)", "block f()(in, y, z)")
    head = "input x: [N, 4, H, W] = [2, 4, 6, 6]\n  input y: [N, 4, H, W] = [2, 4, 6, 6]"
    return archc.loads(block.replace("in", "v") + f"\narch Net {{\n  {head}\n  " + "\n  ".join(lines) + "\n}\n")


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
@settings(max_examples=4, deadline=None)
@given(applied=ARGUMENTS)
def test_all_forms_do_the_same(block: str, applied: list[tuple[int, ...]]) -> None:
    graph = network(block, applied).ir
    images = [torch.randn(2, 4, 6, 6) for _ in graph.inputs]
    assert_equal_modules(graph, images)
    try:
        module = archc.loads(again(graph)).module()
    except archc.ArchError as refusal:
        assert "param" in block and "tensor of its own in something shared" in str(refusal)
        return
    assert_same_function(network(block, applied).module(), [module], images)


@pytest.mark.parametrize("block", ["layers", "a block in it", "a parameter"])
def test_it_is_called_once_for_each_application(block: str) -> None:
    net = network(BLOCKS[block], [(0, 0, 0), (2, 0, 1), (3, 3, 3)])
    module, calls = net.module(), Counter[str]()
    module.s.register_forward_hook(lambda *_: calls.update("s"))
    module(*[torch.randn(2, 4, 6, 6)] * 2)
    assert calls == {"s": 3}
    assert sum(node.target == "s" for node in module.graph.nodes) == 3


def test_where_no_application_takes_different_tensors_in_all_places_it_says_so() -> None:
    module = network(BLOCKS["layers"], [(0, 0, 1), (0, 1, 1)]).module()
    with pytest.raises(Exception, match="takes one tensor in two places"):
        module.s(*[torch.randn(2, 4, 6, 6)] * 3)


def test_a_tensor_of_its_own_is_stated_once() -> None:
    text = again(network(BLOCKS["a parameter"], [(0, 1, 1), (2, 1, 1)]).ir)
    assert text.count("param w") == 1 and "shared s = f" in text
