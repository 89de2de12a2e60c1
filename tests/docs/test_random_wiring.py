"""Randomly wired networks, as the page on Python builds them: their figures are those of torch and of networkx."""

from __future__ import annotations

from collections import Counter
from typing import Any

import networkx
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

import archc
from archc.compiler.decompile.arch.same import first_discrepancy
from archc.compiler.ir.graph import concrete

from .support import blocks

SIZES = {"N": 2, "H": 18, "W": 25}


def page() -> dict[str, Any]:
    """The names that the page's definition of the network makes."""
    names: dict[str, Any] = {}
    (text,) = [b.text for b in blocks("python.md") if b.language == "python" and "def wired(" in b.text]
    exec(compile(text, "python.md", "exec"), names)
    return names


WIRED = page()["wired"]


@st.composite
def wirings(draw: st.DrawFn) -> networkx.Graph:
    """A random graph of Erdos and Renyi, of Barabasi and Albert, or of Watts and Strogatz."""
    nodes, seed = draw(st.integers(4, 9)), draw(st.integers(0, 2**20))
    chance = draw(st.sampled_from([0.0, 0.2, 0.5, 0.75, 1.0]))
    match draw(st.sampled_from(["ER", "BA", "WS"])):
        case "ER":
            return networkx.gnp_random_graph(nodes, chance, seed=seed)
        case "BA":
            return networkx.barabasi_albert_graph(nodes, draw(st.integers(1, 3)), seed=seed)
        case _:
            return networkx.connected_watts_strogatz_graph(nodes, 2 if chance == 1 else 4, chance, seed=seed)


@settings(max_examples=12)
@given(wirings(), st.integers(1, 6))
def test_a_random_wiring_agrees_with_torch_and_networkx(wires: networkx.Graph, channels: int) -> None:
    view = WIRED(wires, channels)
    net = archc.from_graph(view)
    check_shapes_and_costs(net)
    check_paths(net, view)
    assert first_discrepancy(net.ir, archc.from_graph(net.graph).ir) is None
    assert first_discrepancy(net.ir, archc.loads(net.source()).ir) is None


def check_shapes_and_costs(net: archc.Architecture) -> None:
    """Every module makes the shape that is inferred; parameters and operations are as many as torch counts."""
    module = net.module(seed=0)
    seen: dict[str, tuple[int, ...]] = {}
    wanted: dict[str, tuple[int, ...]] = {}
    for path, node in net.ir.module_paths():
        if not node.op.is_parameter:
            wanted[path] = concrete(node.outputs[0].dims, SIZES)
            module.get_submodule(path).register_forward_hook(
                lambda _, inputs, output, path=path: seen.update({path: tuple(output.shape)})
            )
    with FlopCounterMode(display=False) as counted:
        result = module(torch.rand(SIZES["N"], 3, SIZES["H"], SIZES["W"]))
    assert seen == wanted
    assert result.shape == (SIZES["N"], 10)
    stats = net.stats(**SIZES)
    assert counted.get_total_flops() == 2 * stats.multiply_adds
    assert sum(p.numel() for p in module.parameters()) == stats.parameters
    assert sum(b.numel() for b in module.buffers()) == stats.buffers
    result.sum().backward()
    assert all(p.grad is not None for p in module.parameters())


def check_paths(net: archc.Architecture, view: networkx.DiGraph) -> None:
    """The paths from the image to the classes, each of which networkx lists."""
    layers = {node for node, op in view.nodes(data="op") if op in ("conv", "dwconv", "linear")}
    counts = Counter(len(layers.intersection(path)) for path in networkx.all_simple_paths(view, "image", "fc"))
    assert dict(net.paths().counts) == dict(sorted(counts.items()))
    assert net.stats().depth == max(counts)
