"""What a page shows: the diagram with everything open, and for each of its frames the box that it folds into."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..compiler.ir.graph import Graph, Node
from .build import overview, source_of
from .builder import DEEPEST, Cost, DiagramBuilder, Source, added, whole_run
from .diagram import Box, Diagram
from .drafts import SOME, Draft, has_others, noted, shared_weights
from .runs import Run
from .tree import Cluster
from .view import Opened, View


@dataclass(frozen=True, slots=True)
class FoldedFrame:
    """A frame of the open diagram, folded: its box, the equal parts that it stands for, and whether it is open at
    first."""

    box: Box
    run: Run
    nodes: list[Node]
    open: bool


@dataclass(frozen=True, slots=True)
class PageTree:
    """`diagram` has everything of `source` open. `drafts` are its boxes in the making, which know their nodes; `folds`
    has one for each of its groups; `homes` says for each node that is drawn in which box."""

    source: Source
    diagram: Diagram
    drafts: list[Draft]
    folds: list[FoldedFrame]
    homes: dict[int, int]


def page_tree(graph: Graph | Source, view: View) -> PageTree:
    """The parts of a graph, of which a view says what is open at first. Raises ArchError for unknown paths."""
    source, depth = source_of(graph), view.depth
    if depth is None:
        depth = overview(lambda levels: source.diagram(view, levels)).depth
    return OpenBuilder(source, Opened(source.root, view), depth).tree()


class OpenBuilder(DiagramBuilder):
    """Builds the diagram with everything open. A frame that holds nothing but a run is one frame with what is repeated,
    so it is open at first only where both are to be."""

    def __init__(self, source: Source, opened: Opened, depth: int):
        super().__init__(source, opened, depth)
        self.wanted: dict[int, bool] = {}
        self.found: list[tuple[Run, Draft]] = []

    def tree(self) -> PageTree:
        diagram = self.diagram()
        homes = {index: self.places[draft] for index, draft in self.where.items()}
        totals = self._totals(diagram)
        folds = [
            FoldedFrame(self._box(number, draft, totals[number]), run, draft.nodes, self._is_wanted(run))
            for number, (run, draft) in enumerate(self.found)
        ]
        return PageTree(self.source, diagram, self.boxes, _marked(self.graph, folds, diagram, homes), homes)

    def _is_open(self, part: Cluster, level: int) -> bool:
        self.wanted[id(part)] = super()._is_open(part, level)
        return level < DEEPEST

    def _open(self, run: Run, group: int | None, times: int, level: int) -> None:
        self.found.append((run, self._folded(run, group, times)))
        super()._open(run, group, times, level)

    def _is_wanted(self, run: Run) -> bool:
        whole = whole_run(self.runs.among(run.first.members)) if len(run.parts) == 1 else None
        return all(self.wanted.get(id(part), True) for part in (run.first, *([whole.first] if whole else [])))

    def _totals(self, diagram: Diagram) -> list[Cost]:
        """The figures of all that a group holds, each of its boxes as often as it counts."""
        costs: list[list[Cost]] = [[] for _ in diagram.groups]
        for box in diagram.boxes:
            for group in diagram.around(box.group):
                costs[group].append((box.total_parameters, box.total_multiply_adds))
        return list(map(added, costs))


def _marked(graph: Graph, folds: list[FoldedFrame], diagram: Diagram, homes: dict[int, int]) -> list[FoldedFrame]:
    """Folded boxes with the mark of the first weights that they share with others, or a note where they share them
    within."""
    marks: dict[int, tuple[int, str]] = {}
    within: set[int] = set()
    apart: list[set[int]] = [set() for _ in folds]
    for owner, boxes in shared_weights(graph, homes):
        first = boxes[0]
        number = next((row.shared for row in diagram.boxes[first].rows if row.shared), 0)
        around = [diagram.around(diagram.boxes[box].group) for box in boxes]
        common = set(around[0]).intersection(*around[1:])
        within |= common
        for groups in around:
            for group in groups:
                if number and group not in common:
                    apart[group].add(owner)
                    sharing = f"shared with {graph.nodes[owner].path}" if group not in around[0] else ""
                    marks.setdefault(group, (number, sharing))
    found = []
    for group, fold in enumerate(folds):
        box = fold.box
        if group in within:
            box = replace(box, note=noted(box.note))
        if group in marks:
            number, sharing = marks[group]
            partly = has_others(fold.nodes, apart[group])
            note = noted(box.note, SOME) if partly else box.note
            box = replace(box, note=note, rows=(replace(box.rows[0], shared=number, sharing=sharing, partly=partly),))
        found.append(replace(fold, box=box))
    return found
