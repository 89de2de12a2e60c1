"""Specs written back from random architectures, and from large ones."""

from __future__ import annotations

import time

import pytest
from arch_again import again, elaborated, replayed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patience import steps
from random_programs import elaborated as drawn
from random_programs import programs

from archc.compiler.decompile.arch.spec import written
from archc.compiler.ir.graph import Graph


@given(text=programs())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_random_architecture_is_the_same_again(text: str) -> None:
    again(drawn(text))


@given(text=programs(), data=st.data())
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_random_architecture_with_layers_left_out(text: str, data: st.DataObject) -> None:
    graph = drawn(text)
    kept = [n.index for n in graph.nodes if len(n.inputs) == 1 and n.outputs == (graph.type_of(n.inputs[0]),)]
    gone = data.draw(st.sets(st.sampled_from(kept), max_size=4)) if kept else set()
    # What is shared has as many names as applications.
    shared = {n.owner for n in graph.nodes if n.owner != n.index}
    shared |= {n.owner for n in graph.nodes if any(scope.shared for scope in n.scope.outwards())}
    again(replayed(graph, {i for i in gone if graph.nodes[i].owner not in shared}))


# --- large architectures -------------------------------------------------------------------

UNIT = "block unit(c, k = 3) = conv1: conv(c, k) -> bn1: bn -> relu\n"
LARGE = {
    "unequal units": "output x -> [unit(4, 1 + 2 * (i % 3)) for i in 1..{n} // 3]",
    "a power": "output x -> unit(4) ** ({n} // 3)",
    "lists in lists": "output x -> [[*[conv(4, 3), relu] for i in 1..5] for j in 1..{n} // 10]",
    "dense blocks": "output x -> [dense for j in 1..{n} // 26]",
    "branches": "output x -> sum(b{{i}}: (conv(4, 3) -> relu) for i in 1..{n} // 2)",
    "distinct layers": "output x -> [conv(4, 3, init = normal(std = 0.1 * i)) for i in 1..{n}]",
    "residual units": "h = x for i in 1..{n} // 4 {{ h = h + (h -> layer{{i}}: unit(4)) }} output h",
    "names of layers": "h = x for i in 1..{n} // 2 {{ h = h -> conv(4, 3) -> relu }} output h",
    "arithmetic": "h = x g = x for i in 1..{n} // 4 {{ h = h * (g -> conv(4, 3)) g = g - h * 2 }} output (h, g)",
    "one shared cell": "shared f = conv(4, 3) -> bn h = x for i in 1..{n} // 3 {{ h = (h -> f) + 1 }} output h",
    "many shared cells": "output x -> [cell for i in 1..{n} // 4]",
    "scopes that interleave": "h = x for i in 1..{n} // 2 {{ h = h -> a.b{{i}}: conv(4, 3) -> c.d{{i}}: bn }} output h",
    "parts recomputed": "output x -> [recompute(conv(4, 3) -> bn) for i in 1..{n} // 2]",
    "tensors of their own": "output x -> [gain for i in 1..{n} // 2]",
}  # fmt: skip
CELLS = """block cell() { shared f = c: conv(4, 3) -> bn
  output in -> f -> f }
block dense() = [l{1..}: (id, concat -> bn -> conv(2, 3)) ** 8, concat, conv(4, 1)]
block gain() { param s = ones([1, 4, 1, 1])  output s * in }
"""


def large(form: str, ops: int) -> Graph:
    body = LARGE[form].format(n=ops)
    return elaborated(f"{UNIT}{CELLS}arch Net {{ input x: [N, 4, 8, 8] {body} }}")


@pytest.mark.parametrize("form", LARGE)
def test_four_times_the_layers_take_four_times_the_steps(form: str) -> None:
    small, more = large(form, 80), large(form, 320)
    times = len(more.nodes) / len(small.nodes)
    assert steps(lambda: written(more)) < 1.15 * times * steps(lambda: written(small))


# How many layers each may have where its text is as long as a spec may be.
MOST = {"branches": 26_000, "distinct layers": 5_000, "residual units": 34_000, "names of layers": 22_000,
        "arithmetic": 16_000, "one shared cell": 15_000, "scopes that interleave": 12_000,
        "tensors of their own": 20_000}  # fmt: skip


def seconds(graph: Graph) -> float:
    """The processor time of writing."""
    start = time.process_time()
    written(graph)
    return time.process_time() - start


@pytest.mark.slow
@pytest.mark.parametrize("form", LARGE)
def test_writing_takes_linear_time(form: str) -> None:
    """Other work on the machine lengthens a time, so the least of several counts where the first is too long."""
    most = MOST.get(form, 50_000)
    half, whole = large(form, most // 2), large(form, most)
    small, twice = seconds(half), seconds(whole)
    for _ in range(2):
        if twice < 2.6 * small:
            break
        small, twice = min(small, seconds(half)), min(twice, seconds(whole))
    assert twice < 2.6 * small
