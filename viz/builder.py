"""The boxes, frames and arrows of a diagram in which some parts of a graph stand open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..compiler.analyses.figures import evaluated, node_multiply_adds, numbers_of
from ..compiler.ir.graph import Graph, Node, Value
from ..compiler.ir.region_tree import RegionTree
from ..compiler.ir.sizes import evaluate
from .diagram import Box, Diagram, Group, Row
from .drafts import Draft, Shapes, arrows, mark_shared, stacked
from .runs import Run, Runs, gathered
from .sketch import contents, has_branches, is_chain, sums_within, titles
from .tree import Cluster, tree
from .view import Opened, View
from .words import MAIN, clipped, describe, is_depthwise, is_strided, kind_of, label_of, merge_name

DEEPEST = 60
"""Levels of frames in frames; what is nested further stays folded."""

LARGEST_INNER, MOST_INNER = 40, 200
"""Boxes and arrows of the small picture in a folded box."""


Cost = tuple[int, int]
"""Parameters and multiply-adds."""


def added(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    found = list(costs)
    return sum(cost[0] for cost in found), sum(cost[1] for cost in found)


class Costs:
    """Parameters that a node owns and trains, and its multiply-adds at the nominal sizes: found once for nodes that are
    alike."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.needed = evaluated(graph)
        self.known: dict[int, Cost] = {}
        self.alike: dict[tuple[int, ...], Cost] = {}

    def of(self, node: Node) -> Cost:
        known = self.known.get(node.index)
        if known is None:
            owns, needed = node.owner == node.index, self.needed[node.index]
            key = (owns, node.frozen, needed, *self.graph.alike(node))
            known = self.alike.get(key)
            if known is None:
                learned = numbers_of(self.graph, node).parameters if owns else 0
                spent = evaluate(node_multiply_adds(self.graph, node), self.graph.nominal) if needed else 0
                known = self.alike[key] = learned, spent
            self.known[node.index] = known
        return known

    def total(self, nodes: Iterable[Node]) -> Cost:
        return added(map(self.of, nodes))


class Source:
    """A graph taken apart, for its diagrams in any view."""

    def __init__(self, graph: Graph):
        self.graph, self.regions = graph, RegionTree(graph)
        self.root, self.runs, self.costs = tree(self.regions), Runs(self.regions), Costs(graph)
        self.shapes = Shapes(graph)
        self.opened: dict[View, Opened] = {}
        self.diagrams: dict[tuple[View, int, int], Diagram] = {}
        self.pictures: dict[tuple[Any, ...], Diagram | None] = {}
        self.rows: dict[int, Row] = {}
        self.words: dict[tuple[int, ...], Row] = {}
        self.folded: dict[tuple[Any, ...], tuple[Draft, int]] = {}

    def diagram(self, view: View, depth: int, gather: int = 0) -> Diagram:
        """The diagram in a view with so many levels open, made once."""
        known = self.diagrams.get((view, depth, gather))
        if known is None:
            if view not in self.opened:
                self.opened[view] = Opened(self.root, view)
            known = DiagramBuilder(self, self.opened[view], depth, gather).diagram()
            self.diagrams[view, depth, gather] = known
        return known

    def row(self, node: Node) -> Row:
        """What a layer says in its box, without what depends on the boxes around it."""
        known = self.rows.get(node.index)
        if known is None:
            op, key = node.op, self.graph.alike(node)
            if key not in self.words:
                kind, text = kind_of(op), describe(node, self.graph.nominal)
                row = Row(kind, text, minor=kind not in MAIN, stochastic=op.drops_paths, strided=is_strided(op))
                self.words[key] = replace(row, depthwise=is_depthwise(self.graph, node))
            parameters, multiply_adds = self.costs.of(node)
            known = replace(self.words[key], parameters=parameters, multiply_adds=multiply_adds)
            known = replace(known, path=node.path if node.name else "", frozen=_all_frozen([node]))
            self.rows[node.index] = known
        return known


class DiagramBuilder:
    """Builds one diagram. `where` says in which draft a node is; in the end `boxes` are the drafts with layers that
    follow one another put into one, and `places` says for each draft in which of them it is. `gather` is the step to
    which boxes are put together, and `again` has the groups whose boxes need not say that they are recomputed."""

    def __init__(self, source: Source, opened: Opened, depth: int, gather: int = 0):
        self.source, self.opened, self.depth, self.gather = source, opened, depth, gather
        self.graph, self.runs, self.costs = source.graph, source.runs, source.costs
        self.nested = False
        self.again: set[int | None] = set()
        self.only = opened.only
        self.drafts: list[Draft] = []
        self.groups: list[Group] = []
        self.where: dict[int, int] = {}
        self.entries: dict[Value, int] = {}
        self.deepest = 1
        self.boxes: list[Draft] = []
        self.places: list[int] = []

    def diagram(self) -> Diagram:
        name = self.graph.title
        if self.only:
            self._place_only()
            name += f": {', '.join(part.path for part in self.only)}"
        else:
            self._place(self.source.root.members, None, 1, 1)
        self._outputs()
        return self._finished(name)

    def inner(self, run: Run) -> Diagram:
        """What a folded part holds, all of it open."""
        self._place(run.first.members, None, 1, 1)
        leaving = self._leaving([run.first])
        for value in leaving if len(leaving) > 1 else ():
            self._output("", value, False)
        return self._finished("")

    def _place_only(self) -> None:
        """The chosen parts, and a box for each tensor that comes into them from elsewhere."""
        inside = {node.index for part in self.only for node in part.nodes()}
        for value in self.source.regions.entering(inside):
            node = self.graph.nodes[value[0]]
            if not node.op.is_drawn:
                before = node.path if node.name else node.scope.path or "before"
                text = clipped(describe(node) if kind_of(node.op) == "io" else f"from {before}")
                self.entries[value] = len(self.drafts)
                self.drafts.append(Draft("input", [Row("io", text)], [], None, 1, first=self.source.shapes.of(value)))
        for part in self.only:
            if id(part) in self.opened.folded:
                self._add(self._folded(Run([part]), None, 1))
            elif len(self.only) == 1:
                self._place(part.members, None, 1, 1)
            else:
                self._open(Run([part]), None, 1, 1)

    def _finished(self, name: str) -> Diagram:
        for number, draft in enumerate(self.drafts):
            taken = [(self._home(v), v) for node in draft.nodes if not node.op.is_drawn for v in node.inputs]
            draft.takes += _once(self.drafts, [(s, v) for s, v in taken if s is not None and s != number])
        mark_shared(self.graph, self.drafts, self.where)
        drafts, places = self.boxes, self.places = stacked(self.drafts, self.gather >= 2)
        owned: list[list[Node]] = [[] for _ in drafts]
        for index, number in self.where.items():
            owned[places[number]].append(self.graph.nodes[index])
        totals = list(map(self.costs.total, owned))
        return Diagram(
            name,
            *added(totals),
            min(self.depth, self.deepest, DEEPEST),
            self.deepest,
            tuple(self._box(number, draft, totals[number]) for number, draft in enumerate(drafts)),
            tuple(self.groups),
            tuple(arrows(self.source.shapes, drafts)),
            self.nested,
        )

    def _home(self, value: Value) -> int | None:
        """The draft that a value comes from; none where it is not in the picture."""
        return self.where.get(value[0], self.entries.get(value))

    # --- boxes -------------------------------------------------------------------------------

    def _place(self, members: list[Cluster | Node], group: int | None, times: int, level: int) -> None:
        """Places the members of an open part; those that are to be folded at this level become one box each."""
        items = gathered(self.runs, self.runs.among(members), lambda part: not self._is_open(part, level), self.gather)
        for item in items:
            if isinstance(item, Node):
                self._layer(item, group, times)
                continue
            if item.beside:
                self._layers(item, group, times)
                continue
            if len(item.parts) > 1:
                self.opened.mirror(item.parts)
            if item.rest:
                self._add(self._folded(item, group, times))
            elif len(item.parts) == 1 and item.first.is_atom:
                for node in item.first.nodes():
                    self._layer(node, group, times, label_of(item.first.name, node.op))
            elif self._is_open(item.first, level):
                self._open(item, group, times, level)
            else:
                self._add(self._folded(item, group, times))
                self.deepest = max(self.deepest, level + self._levels(item.first))

    def _is_open(self, part: Cluster, level: int) -> bool:
        """A part made of members that repeat together is open where one of them is to be."""
        if id(part) in self.opened.folded:
            return False
        own = [part, *part.parts()] if not part.paths and not part.block else [part]
        if level >= DEEPEST:
            return False
        return level < self.depth or any(id(p) in self.opened.open for p in own)

    def _levels(self, part: Cluster) -> int:
        """How many levels can be opened in a folded part, itself included."""
        deepest, level = 0, [part]
        while level:
            deepest += 1
            level = [child for parent in level for child in parent.parts() if not child.is_atom]
        return deepest

    def _open(self, run: Run, group: int | None, times: int, level: int) -> None:
        """A group with the content of the first part; the others' nodes are where the first's counterparts are."""
        title, note = titles(run)
        inside = self.runs.among(run.first.members)
        whole = whole_run(inside)
        if whole is not None:
            self.opened.mirror(whole.parts)
        if whole is not None and len(run.parts) == 1 and self._is_open(whole.first, level + 1):
            note = titles(whole)[0]
        else:
            whole = run
        figures = self.costs.total(run.nodes())
        number, count = len(self.groups), len(whole.parts)
        again, one = self._recomputed(whole.parts, group)
        self.again |= {number} if one or group in self.again else set()
        self.groups.append(Group(number, title, note, run.first.path, group, count, *figures, again if one else ""))
        self.deepest = max(self.deepest, level + 1 + (whole is not run))
        self._place(whole.first.members, number, times * count, level + 1 + (whole is not run))
        first = [node.index for node in whole.first.nodes()]
        for part in whole.parts[1:]:
            for index, node in zip(first, part.nodes(), strict=True):
                self.where[node.index] = self.where[index]

    def _folded(self, run: Run, group: int | None, times: int) -> Draft:
        key = (run.rest, run.unlike, *((id(part.members[0]), len(part.members)) for part in run.parts))
        if key not in self.source.folded:
            self.source.folded[key] = self._told(run)
        draft, sums = self.source.folded[key]
        self.nested |= sums > 1
        row = replace(draft.rows[0], recomputed=self._recomputed(run.parts, group)[0])
        note = ", ".join(filter(None, [draft.note, row.notes]))
        return replace(draft, rows=[row], nodes=[*draft.nodes], takes=[], group=group, times=times, note=note)

    def _told(self, run: Run) -> tuple[Draft, int]:
        """The box of a folded run as far as it is the same in each diagram; and how deep sums stand in the run."""
        title, note = titles(run)
        inner, sketch = ("", ()) if run.rest else contents(run, self.graph)
        nodes = run.nodes()
        row = Row("fold", title, run.first.path, *self.costs.total(nodes))
        row = replace(row, stochastic=any(node.op.drops_paths for node in nodes), frozen=_all_frozen(nodes))
        draft = Draft("rest" if run.rest else "fold", [row], nodes, None, 1, title, inner or note, sketch)
        draft.count, draft.inner = len(run.parts), None if run.rest else self._inner(run)
        return draft, sums_within(run.first)

    def _recomputed(self, parts: Sequence[Cluster | Node], group: int | None) -> tuple[str, bool]:
        """What is said of equal parts that training computes again, empty where their group says it; and whether it is
        true of all that is in them."""
        each = [{node.recompute for node in ([part] if isinstance(part, Node) else part.nodes())} for part in parts]
        found = set().union(*each)
        if found == {None} or group in self.again:
            return "", False
        if None in found:
            return "recomputed in part", False
        if all(len(one) == 1 for one in each):
            return "recomputed together" if len(found) < len(parts) else "recomputed", True
        return f"recomputed in {len(found)} parts", False

    def _inner(self, run: Run) -> Diagram | None:
        """The small picture of a part whose branches tell more than a row of its layers would; that of parts which are
        alike is drawn once."""
        known, key = self.source.pictures, self.runs.alike(run.first)
        if key not in known:
            known[key] = self._pictured(run)
        return known[key]

    def _pictured(self, run: Run) -> Diagram | None:
        nodes = run.first.nodes()
        if sum(len(node.inputs) > 1 for node in nodes) > LARGEST_INNER or is_chain(nodes):
            return None
        view = Opened(Cluster("", None, ""), View())
        diagram = DiagramBuilder(self.source, view, 99).inner(run)
        small = len(diagram.boxes) <= LARGEST_INNER and len(diagram.edges) <= MOST_INNER
        return diagram if small and has_branches(diagram) else None

    def _layer(self, node: Node, group: int | None, times: int, label: str = "") -> None:
        """`label`: what the spec calls the chain whose layer it is."""
        row = self.source.row(node)
        role = {"io": "input", "merge": "merge"}.get(row.kind, "layer")
        label = "" if row.minor or row.kind == "io" else label_of(node.name, node.op) or label
        again = self._recomputed([node], group)[0] if node.recompute is not None else ""
        if label or again:
            row = replace(row, label=label, recomputed=again)
        self._add(Draft(role, [row], [node], group, times, title=merge_name(node.op)))

    def _layers(self, run: Run, group: int | None, times: int) -> None:
        """One box for equal layers side by side."""
        nodes = run.nodes()
        self._layer(nodes[0], group, times)
        draft = self.drafts[-1]
        row = draft.rows[0]
        label = f"{row.label} … {label_of(nodes[-1].name, nodes[-1].op)}" if row.label else ""
        text = f"{len(nodes)} × {row.text}"
        parameters, multiply_adds = self.costs.total(nodes)
        draft.rows[0] = replace(row, text=text, label=label, parameters=parameters, multiply_adds=multiply_adds)
        draft.count, draft.nodes = len(nodes), nodes
        self.where.update({node.index: len(self.drafts) - 1 for node in nodes})

    def _outputs(self) -> None:
        found: set[Value] = set()
        for output in self.graph.outputs:
            name = clipped(output.name or "output")
            for number, value in enumerate(output.values, 1):
                if value[0] in self.where:
                    text = name if len(output.values) == 1 else f"{name} {number}"
                    self._output(text, value, output.when_training)
                    found.add(value)
        for value in self._leaving(self.only):
            if value not in found:
                self._output("output", value, False)

    def _leaving(self, parts: list[Cluster]) -> list[Value]:
        """What the rest of the network takes from some parts, in the order in which it does."""
        inside = {node.index for part in parts for node in part.nodes()}
        users = {user for node in inside for user in self.source.regions.users_of(self.graph.nodes[node])} - inside
        taken = [v for user in sorted(users) for v in self.graph.nodes[user].inputs if v[0] in inside]
        return list(dict.fromkeys(taken))

    def _output(self, text: str, value: Value, training: bool) -> None:
        takes = [(self.where[value[0]], value)]
        self.drafts.append(Draft("output", [Row("io", text)], [], None, 1, takes=takes, training=training))

    def _add(self, draft: Draft) -> None:
        for node in draft.nodes:
            self.where[node.index] = len(self.drafts)
        self.drafts.append(draft)

    def _box(self, number: int, d: Draft, totals: Cost) -> Box:
        shape = d.first or self.source.shapes.of((d.nodes[-1].index, 0) if d.nodes else d.takes[0][1])
        told = d.title, d.note, d.sketch, shape, d.count
        return Box(number, d.role, tuple(d.rows), d.group, d.times, *told, *totals, d.inner, d.joins)


def _once(drafts: list[Draft], takes: list[tuple[int, Value]]) -> list[tuple[int, Value]]:
    """Every value once, and one of all that comes from branches that are not drawn."""
    rest: set[int] = set()
    found: dict[tuple[int, Value], None] = {}
    for source, value in takes:
        if source not in rest:
            found[source, value] = None
        if drafts[source].role == "rest":
            rest.add(source)
    return list(found)


def _all_frozen(nodes: list[Node]) -> bool:
    weighted = [node.frozen for node in nodes if node.op.has_weights]
    return bool(weighted) and all(weighted)


def whole_run(items: list[Run | Node]) -> Run | None:
    """The run that is all there is in a part."""
    if len(items) == 1 and isinstance(items[0], Run) and len(items[0].parts) > 1:
        return items[0]
    return None
