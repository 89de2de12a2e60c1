"""GraphML, read by networkx as any other program would."""

from __future__ import annotations

from pathlib import Path

import networkx
import pytest

import archc as package


@pytest.mark.parametrize("name", ["resnet18", "gpt2", "sharesnet34", "fractalnet", "yolov8n"])
def test_another_program_reads_the_figures(archc, tmp_path: Path, name: str) -> None:
    target = tmp_path / "net.graphml"
    result = archc("compile", name, "-o", target)
    assert result.status == 0, result.err
    read = networkx.read_graphml(target)
    net = package.load(name)
    stats = net.stats()
    assert sum(read.nodes[n]["parameters"] for n in read) == stats.parameters + stats.frozen
    assert sum(read.nodes[n]["multiply_adds"] for n in read) == stats.multiply_adds
    assert networkx.is_directed_acyclic_graph(read)
    assert sorted((int(a), int(b)) for a, b in read.edges()) == sorted(net.graph.edges())
    assert {read.nodes[n]["op"] for n in read} == {node.op.kind for node in net.ir.nodes}
