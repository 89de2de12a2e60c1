"""From a graph to its diagram: which scopes stand open, what the boxes hold, where the arrows go."""

from __future__ import annotations

from math import prod

from ..compiler.analyses.figures import multiply_adds, node_multiply_adds, parameters, weights_of
from ..compiler.ir.graph import Graph, Node, Value, concrete
from ..compiler.ir.sizes import evaluate
from .diagram import Box, Diagram, Edge, Group, Row, Shape
from .drafts import Draft, stacked
from .runs import Run, Runs
from .sketch import contents, titles
from .tree import Part, tree
from .words import MAIN, clipped, describe, kind_of, label_of, merge_name, signs_of

FEWEST, MOST = 8, 20
"""Unless a depth is given, further levels are opened while there are fewer boxes than the first, and never to more
than the second."""

JOINS = frozenset({"concat", "stack"})
"""Merges whose inputs may have different shapes."""


def diagram_of(graph: Graph, depth: int | None = None) -> Diagram:
    """The diagram of a graph with `depth` levels of scopes open; without one, with as many as make a good overview."""
    root, runs = tree(graph), Runs(graph)
    if depth is not None:
        return _Builder(graph, root, runs, depth).diagram()
    diagram = _Builder(graph, root, runs, 1).diagram()
    while len(diagram.boxes) < FEWEST and diagram.depth < diagram.deepest:
        deeper = _Builder(graph, root, runs, diagram.depth + 1).diagram()
        if len(deeper.boxes) > MOST:
            break
        diagram = deeper
    return diagram


class _Builder:
    """Builds one diagram. `where` says in which draft a node is."""

    def __init__(self, graph: Graph, root: Part, runs: Runs, depth: int):
        self.graph, self.root, self.runs, self.depth = graph, root, runs, depth
        self.drafts: list[Draft] = []
        self.groups: list[Group] = []
        self.where: dict[int, int] = {}
        self.deepest = 1

    def diagram(self) -> Diagram:
        self._place(self.root.members, None, 1, 1)
        self._outputs()
        for number, draft in enumerate(self.drafts):
            taken = [(self.where[v[0]], v) for node in draft.nodes for v in node.inputs]
            draft.takes += dict.fromkeys((source, v) for source, v in taken if source != number)
        drafts = stacked(self.drafts)
        total = multiply_adds(self.graph)
        return Diagram(
            self.graph.name,
            parameters(self.graph),
            evaluate(total, self.graph.nominal),
            min(self.depth, self.deepest),
            self.deepest,
            tuple(self._box(number, draft) for number, draft in enumerate(drafts)),
            tuple(self.groups),
            tuple(self._edges(drafts)),
        )

    # --- boxes -------------------------------------------------------------------------------

    def _place(self, members: list[Part | Node], group: int | None, times: int, level: int) -> None:
        """Places the members of an open part; those that are to be folded at this level become one box each."""
        for item in self.runs.among(members):
            if isinstance(item, Node):
                self._layer(item, group, times)
            elif len(item.parts) == 1 and item.first.is_atom:
                name = item.first.name
                for node in item.first.nodes():
                    self._layer(node, group, times, label_of(name, node.op))
            elif level < self.depth:
                self._open(item, group, times, level)
            else:
                self._fold(item, group, times)
                self.deepest = max(self.deepest, level + self._levels(item.first))

    def _levels(self, part: Part) -> int:
        """How many levels can be opened in a folded part, itself included."""
        inner = [self._levels(child) for child in part.parts() if not child.is_atom]
        return 1 + max(inner, default=0)

    def _open(self, run: Run, group: int | None, times: int, level: int) -> None:
        """A group with the content of the first part; the others' nodes are where the first's counterparts are."""
        title, note = titles(run)
        inside = self.runs.among(run.first.members)
        whole = _whole_run(inside) if level + 1 < self.depth else None
        if whole is not None and len(run.parts) == 1:
            note = titles(whole)[0]
        else:
            whole = run
        costs = [self._costs(node) for part in run.parts for node in part.nodes()]
        number, count = len(self.groups), len(whole.parts)
        figures = sum(c[0] for c in costs), sum(c[1] for c in costs)
        self.groups.append(Group(number, title, note, run.first.path, group, count, *figures))
        self.deepest = max(self.deepest, level + 1)
        self._place(whole.first.members, number, times * count, level + 1 + (whole is not run))
        first = [node.index for node in whole.first.nodes()]
        for part in whole.parts[1:]:
            for index, node in zip(first, part.nodes(), strict=True):
                self.where[node.index] = self.where[index]

    def _fold(self, run: Run, group: int | None, times: int) -> None:
        title, note = titles(run)
        inner, sketch = contents(self.graph, run)
        nodes = [node for part in run.parts for node in part.nodes()]
        costs = [self._costs(node) for node in nodes]
        row = Row("fold", title, run.first.path, sum(c[0] for c in costs), sum(c[1] for c in costs))
        self._add(Draft("fold", [row], nodes, group, times, title, inner or note, sketch))

    def _layer(self, node: Node, group: int | None, times: int, label: str = "") -> None:
        """`label`: what the spec calls the chain whose layer it is."""
        kind = kind_of(node.op)
        text = describe(node.op)
        if node.owner != node.index and node.op.has_weights:
            text += " (shared)"
        role = {"io": "input", "merge": "merge"}.get(kind, "layer")
        path = node.path if node.name else ""
        minor = kind not in MAIN
        label = "" if minor or kind == "io" else label_of(node.name, node.op) or label
        row = Row(kind, text, path, *self._costs(node), minor=minor, label=label)
        self._add(Draft(role, [row], [node], group, times, title=merge_name(node.op)))

    def _outputs(self) -> None:
        for output in self.graph.outputs:
            name = clipped(output.name or "output")
            for number, value in enumerate(output.values, 1):
                text = name if len(output.values) == 1 else f"{name} {number}"
                takes = [(self.where[value[0]], value)]
                self.drafts.append(
                    Draft("output", [Row("io", text)], [], None, 1, takes=takes, training=output.when_training)
                )

    def _add(self, draft: Draft) -> None:
        for node in draft.nodes:
            self.where[node.index] = len(self.drafts)
        self.drafts.append(draft)

    def _costs(self, node: Node) -> tuple[int, int]:
        """Parameters that the node owns and trains, and multiply-adds at the nominal sizes."""
        learned = 0
        if node.op.has_weights and node.owner == node.index and not node.frozen:
            learned = sum(prod(shape) for _, shape, trains in weights_of(self.graph, node) if trains)
        return learned, evaluate(node_multiply_adds(self.graph, node), self.graph.nominal)

    def _box(self, number: int, d: Draft) -> Box:
        shape = self._shape((d.nodes[-1].index, 0)) if d.nodes else self._shape(d.takes[0][1])
        return Box(number, d.role, tuple(d.rows), d.group, d.times, d.title, d.note, d.sketch, shape)

    # --- arrows ------------------------------------------------------------------------------

    def _shape(self, value: Value) -> Shape:
        return concrete(self.graph.type_of(value).dims, self.graph.nominal)[1:]

    def _edges(self, drafts: list[Draft]) -> list[Edge]:
        """The arrows. A shape is told where it is not the one that was told before, once for each value; what goes into
        a sum is told behind it."""
        before = _reach(drafts)
        known: list[Shape | None] = [None] * len(drafts)
        told: set[Value] = set()
        edges: list[Edge] = []
        for number, draft in enumerate(drafts):
            sources = {source for source, _ in draft.takes}
            for source, value in draft.takes:
                past = any(before[other] >> source & 1 for other in sources if other != source)
                role = "training" if draft.training else "skip" if past else "flow"
                shape = self._shape(value)
                silent = past or value in told or (draft.role == "merge" and draft.title not in JOINS)
                tell = draft.role == "output" or (shape != known[source] and not silent)
                if tell:
                    told.add(value)
                if known[number] is None or known[source] == shape:
                    known[number] = shape if tell or value in told else known[source]
                edges.append(Edge(source, number, shape if tell else None, role, _sign(draft, value)))
        return edges


def _sign(draft: Draft, value: Value) -> str:
    """The sign at the end of an arrow into a sum that takes the value away; `±` where it adds it too."""
    if draft.role != "merge":
        return ""
    merge = draft.nodes[0]
    found = {sign for taken, sign in zip(merge.inputs, signs_of(merge.op), strict=False) if taken == value}
    return "" if -1 not in found else "±" if 1 in found else "−"


def _whole_run(items: list[Run | Node]) -> Run | None:
    """The run that is all there is in a part."""
    if len(items) == 1 and isinstance(items[0], Run) and len(items[0].parts) > 1:
        return items[0]
    return None


def _reach(drafts: list[Draft]) -> list[int]:
    """For each draft the set of those that it depends on, as bits."""
    before = [0] * len(drafts)
    for number, draft in enumerate(drafts):
        for source, _ in draft.takes:
            before[number] |= before[source] | 1 << source
    return before
