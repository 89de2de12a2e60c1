"""The forms of one architecture do the same: the torch.fx module, the generated Python, and the module of the spec that
is written back."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from python_compare import assert_equal_modules, assert_same_function, load_source
from random_graphs import graphs
from random_programs import elaborated, images, programs
from torch import nn

import archc
from archc.compiler.decompile.arch.spec import written
from archc.compiler.decompile.python.file import class_name, to_python
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.ir.graph import Graph
from archc.compiler.program import Program
from archc.dsl.diagnostics import ArchError

PARAMETERS_IN_A_LOOP = """
block computed() { param kernel = ones([4, 4, 1, 1])  param gain = ones([4, 1, 1, 1])
  output in -> conv: conv(4, 1, weight = kernel * gain) -> relu: relu -> conv_2: conv(4, 1, weight = kernel) }
arch Net {
  input x: [N, 4, 6, 6]
  output x + (x -> (id, relu) -> each((id, relu) -> each(conv(4, 3) -> computed) -> sum) -> sum)
}
"""


@given(text=programs())
@example(text=PARAMETERS_IN_A_LOOP)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_all_forms_of_a_program_do_the_same(text: str) -> None:
    graph = elaborated(text)
    again = Program.parse(written(graph)).elaborate("Net").graph
    assert again is not None
    source = load_source(to_python(graph), class_name(graph))()
    assert_same_function(to_graph_module(graph), [to_graph_module(again), source], images(graph))


@given(graph=graphs())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_all_forms_of_a_graph_do_the_same(graph: Graph) -> None:
    inputs = images(graph)
    assert_equal_modules(graph, inputs)
    try:
        again = Program.parse(written(graph)).elaborate("Net").graph
    except ArchError as refusal:
        assert "nothing is applied under it" in str(refusal)
        return
    assert again is not None
    assert_same_function(to_graph_module(graph), [to_graph_module(again)], inputs)


BLOCKS = """
block unit(c) = id + (conv: conv(c, 3) -> bn: bn -> drop: dropout(0.5))
block cell(c) = conv: conv(c, 3) -> bn: bn -> act: relu
block layer(k)(*fs) = recompute(concat -> norm1: bn -> relu -> conv1: conv(2 * k, 1)) -> norm2: bn -> conv2: conv(k, 3)
block gated() { param gain = ones([1, 4, 1, 1])  output in * gain -> conv(4, 3) -> survive(0.5, per = "image") }
block halves() { a, b = in -> recompute(conv(8, 3) -> bn -> split(2))  output a * b }
"""
AGAIN = {
    "a block": "x -> a: recompute(unit(4)) -> b: unit(4)",
    "blocks in a list": "x -> a: [recompute(unit(4)) ** 3]",
    "rows in a list": "x -> a: [recompute(cell(4)) ** 3, conv(4, 1)]",
    "a row": "x -> recompute(a: [conv(4, 3), bn, dropout(0.5)]) -> b: cell(4)",
    "layers at the top": "x -> conv(4, 1) -> recompute(conv(4, 3) -> bn -> relu) -> conv(4, 1)",
    "a layer": "x -> recompute(bn) -> conv(4, 3)",
    "what takes a list": "(x, x -> l1: layer(4)) -> l2: layer(4)",
    "a list that grows": "(x, x -> l1: layer(4), (x, x) -> l2: layer(4)) -> l3: layer(4)",
    "a parameter and draws": "x -> a: recompute(gated) -> [recompute(gated() -> bn) ** 2]",
    "several tensors": "x -> a: halves()",
    "what is applied again": "x -> recompute(shared_cell) -> recompute(shared_cell)",
}


@pytest.mark.parametrize("body", AGAIN.values(), ids=AGAIN)
def test_training_computes_the_same_parts_again(body: str) -> None:
    shared = "shared shared_cell = cell(4)\n" * ("shared_cell" in body)
    graph = archc.loads(f"{BLOCKS}\narch Net {{ input x: [N, 4, 6, 6] = [2, 4, 6, 6]\n{shared}output {body} }}").ir
    text = assert_equal_modules(graph, [torch.randn(3, 4, 6, 6)])
    assert "= recompute(" in text or "return recompute(" in text
    calls = [_calls(made) for made in (to_graph_module(graph), load_source(text, "Net")())]
    assert calls[0] == calls[1] and max(calls[0].values()) > _STEPS


_STEPS = 2


def _calls(module: nn.Module) -> Counter[str]:
    """How often each layer runs in some steps of training, their backward passes included."""
    found: Counter[str] = Counter()
    for path, layer in module.named_modules():
        if not list(layer.children()) and list(layer.parameters()):
            layer.register_forward_pre_hook(lambda *_, path=path: found.update([path]))
    for _ in range(_STEPS):
        module(torch.randn(3, 4, 6, 6, requires_grad=True)).square().sum().backward()
    return found
