"""How the cost of a check grows with the network, and what it is beside networkx building the same graph.

Two networks: one repeats one block (`basic(64) ** n`), in the other a loop makes a block of its own at each step.

    python bench/check.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx
from timing import Comparison, alternated, shown

from archc.compiler.ir.graph import Graph
from archc.compiler.program import Program

REPEATED = """\
block basic(c) {
  body = conv1: conv(c, 3) -> bn1: bn -> relu -> conv2: conv(c, 3) -> bn2: bn
  output body + id -> relu
}
arch net(n: int = UNITS) {
  input image: [N, 64, H, W] = [1, 64, 32, 32]
  output image -> units: [basic(64) ** n]
}
"""
LOOP = """\
block basic(c, k) {
  body = conv1: conv(c, k) -> bn1: bn -> relu -> conv2: conv(c, 3) -> bn2: bn
  output body + id -> relu
}
arch net(n: int = UNITS) {
  input image: [N, 64, H, W] = [1, 64, 32, 32]
  x = image
  for i in 1..n { x = x -> unit{i}: basic(64, 2 * (i % 3) + 1) }
  output x
}
"""
NETWORKS = {"one block repeated": REPEATED, "a block made anew by a loop": LOOP}

OPS = (1_000, 100_000)
OPS_PER_UNIT = 7
RUNS = (30, 5)
EVENNESS = 0.25
TARGET = 5.0


@dataclass(frozen=True, slots=True)
class Growth:
    """A network checked at a small and at a large size, each beside networkx. Seconds for each op."""

    what: str
    ops: tuple[int, int]
    per_op: tuple[float, float]
    beside_networkx: tuple[Comparison, Comparison]

    @property
    def ratio(self) -> float:
        """The cost of an op of the large network, in those of the small one."""
        return self.per_op[1] / self.per_op[0]

    def __str__(self) -> str:
        small, large = (f"{shown(cost)} at {ops:,} ops" for cost, ops in zip(self.per_op, self.ops, strict=True))
        first = f"{self.what}: an op costs {small}, {large}: {self.ratio:.2f} (target: 1 ± {EVENNESS:g})"
        return "\n".join([first, *(str(comparison) for comparison in self.beside_networkx)])


def grow(what: str, text: str, ops: tuple[int, int] = OPS, runs: tuple[int, int] = RUNS) -> Growth:
    sizes, costs, comparisons = [], [], []
    for wanted, repetitions in zip(ops, runs, strict=True):
        spec = text.replace("UNITS", str(max(1, round(wanted / OPS_PER_UNIT))))
        graph = checked(spec)
        parts = described(graph)
        size = len(graph.nodes)
        del graph
        ours, theirs = alternated(lambda spec=spec: checked(spec), lambda parts=parts: built(*parts), repetitions)
        sizes.append(size)
        costs.append(min(ours) / size)
        title = f"check of {size:,} ops, {what}"
        comparisons.append(Comparison(title, "networkx building the graph", tuple(ours), tuple(theirs), TARGET))
    return Growth(what, (sizes[0], sizes[1]), (costs[0], costs[1]), (comparisons[0], comparisons[1]))


def checked(text: str) -> Graph:
    """What `archc check` does with a file that defines one architecture, but for the reading and the printing."""
    architectures, diagnostics = Program.parse(text).check_all()
    graph = architectures[0].elaborated.graph
    if diagnostics or graph is None:
        raise RuntimeError("; ".join(d.message for d in diagnostics))
    return graph


Nodes = list[tuple[int, dict[str, Any]]]
Edges = list[tuple[int, int, dict[str, int]]]


def described(graph: Graph) -> tuple[Nodes, Edges]:
    """Nodes with their op, path and types, and edges with port and slot, in order."""
    nodes = [(n.index, {"op": n.op.kind, "path": n.path, "types": n.outputs}) for n in graph.nodes]
    edges = [
        (source, node.index, {"port": port, "slot": slot})
        for node in graph.nodes
        for slot, (source, port) in enumerate(node.inputs)
    ]
    return nodes, edges


def built(nodes: Nodes, edges: Edges) -> networkx.MultiDiGraph:
    """The same graph, made by networkx from attributes that are known already."""
    graph = networkx.MultiDiGraph()
    for index, attributes in nodes:
        graph.add_node(index, **attributes)
    for source, target, attributes in edges:
        graph.add_edge(source, target, **attributes)
    return graph


if __name__ == "__main__":
    for title, spec in NETWORKS.items():
        print(grow(title, spec))
