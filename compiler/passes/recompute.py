"""Modules that training computes again for the backward pass, instead of keeping their tensors (Chen et al. 2016, arXiv
1604.06174)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ..ir.graph import Graph
from .applications import Application, Applications, Paths
from .base import Rewrite, mapped, nothing_to_do, refusal
from .replay import Replay


class RecomputeModules(Rewrite):
    """The architecture with modules of which training keeps the inputs alone: the backward pass computes them again,
    for less memory and more time, as `recompute(f)` says in a spec. Outputs and gradients stay the same bit for bit,
    random draws included. What is computed again already within a module becomes a part of it.
    """

    kind: ClassVar[str] = "recompute_modules"

    modules: Paths = Field(description="paths of the modules that are computed again")

    def apply(self, graph: Graph) -> Graph:
        replay, found = Replay(graph), Applications(graph)
        for node in graph.nodes:
            replay.again(node)
        after, changed = replay.finish(), False
        for path in self.modules:
            for part in found.of(path):
                again = object()
                for index in self._run(graph, found, part):
                    changed |= after.nodes[index].recompute is None
                    after.nodes[index].recompute = again
        if not changed:
            raise nothing_to_do("these modules are computed again already")
        return mapped(graph, after)

    def _run(self, graph: Graph, found: Applications, part: Application) -> range:
        """The nodes of an application, which follow one another. Raises a Fault (E0463) where they do not, or where
        only some of a part that is computed again are among them."""
        run, own = range(part.first, max(part.nodes) + 1), found.with_draws(part.nodes)
        between = [index for index in run if index not in own]
        if between:
            what = f"`{part.path}` is not computed in one go: {graph.nodes[between[0]].called} comes between"
            raise refusal("E0463", what, graph.nodes[between[0]], "name a module within it")
        parts = {id(graph.nodes[index].recompute) for index in run if graph.nodes[index].recompute is not None}
        outside = [n for n in graph.nodes if id(n.recompute) in parts and n.index not in run]
        if outside:
            what = f"`{part.path}` has a share in a part that is computed again, and {outside[0].called} another"
            raise refusal("E0463", what, outside[0], "name a module that has all of that part")
        return run
