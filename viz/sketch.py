"""What a folded box says of its content: a title, a note, and the layers along its longest path."""

from __future__ import annotations

from itertools import groupby
from string import digits

from ..compiler.ir.graph import Graph, Node
from ..compiler.ir.types import TensorType
from ..compiler.ops.merge import Add
from .diagram import Chip, Diagram
from .runs import Run
from .tree import Cluster
from .words import GLYPHS, clipped, is_depthwise, kind_of, merge_name, short_words, title_of

MOST = 5
"""Chips that a sketch has room for."""

SHOWN = frozenset({"conv", "dense", "attention", "pool", "resample"})


def titles(run: Run) -> tuple[str, str]:
    """The title of a run, and a note beside it."""
    part, count = run.first, len(run.parts)
    if not part.name and not part.block:
        inner = [unit for unit in part.parts() if not unit.is_atom]
        part = inner[0] if len(inner) == 1 else part
    name = _numbered(part.path) if part.name.isdigit() else part.name
    if run.rest:
        return f"… {count} more", clipped(part.block or "", 28)
    if count > 1:
        unit = "unit" if part.name.isdigit() else name.rstrip(digits) or name or "unit"
        last = run.parts[-1].name
        note = f"{clipped(name, 18)} … {clipped(last, 18)}" if run.unlike and name and not last.isdigit() else ""
        return f"{count} × {clipped(part.block or unit, 28)}", note or ("sizes differ" if run.unlike else "")
    title = name or part.call or part.path or "part"
    return clipped(title, 28), clipped(part.block, 28) if part.block and name not in ("", part.block) else ""


def _numbered(path: str) -> str:
    """A number and what it counts in: `features.3` of `model.features.3`."""
    *outer, last = path.split(".")
    names = [last]
    while outer and names[0].isdigit():
        names.insert(0, outer.pop())
    return ".".join(names)


def contents(run: Run, graph: Graph) -> tuple[str, tuple[Chip, ...]]:
    """What a folded run holds: `6 × bottleneck` where it is a row of units, and the sketch."""
    part = run.first
    units = part.parts()
    dense = _dense(units)
    if dense:
        return dense, _limited([chip for chip in _path(units[-1], graph) if chip.kind in SHOWN])
    if len(units) > 1 and all(unit.name.isdigit() and unit.block is None for unit in units):
        return f"{len(units)} units", _limited(_path(units[-1], graph))
    blocks = {unit.block for unit in units}
    if len(units) < 2:
        return _repeated(part), _limited(_path(part, graph))
    if len(blocks) == 1 and None not in blocks and len(units) == len(part.members):
        note = f"{len(units)} × {clipped(units[0].block or '', 24)}"
        alike = len({_result(unit) for unit in units}) == 1
        return note, _limited(_path(units[-1], graph)) if alike else ()
    if any(len(node.inputs) > 1 for node in part.members if isinstance(node, Node)):
        return _repeated(part), _limited(_path(part, graph))
    chips = _path(part, graph)
    mains = sum(kind_of(node.op) in SHOWN for node in part.nodes())
    all_there = sum(chip.kind in SHOWN for chip in chips) == mains and len(chips) <= MOST
    if all_there:
        return _repeated(part), tuple(chips)
    nameless = any(not _name(unit) and any(kind_of(node.op) in SHOWN for node in unit.nodes()) for unit in units)
    return _repeated(part), _limited(chips if nameless else _names(units))


def _dense(units: list[Cluster]) -> str:
    """`6 × denselayer, growth 32` where each unit takes what the one before took, and what that made."""
    if len(units) < 3:
        return ""
    takes: list[set[tuple[int, int]]] = []
    for unit in units:
        own = {node.index for node in unit.nodes()}
        takes.append({value for node in unit.nodes() for value in node.inputs if value[0] not in own})
    made = [unit.nodes()[-1] for unit in units]
    if any(after != before | {(last.index, 0)} for before, after, last in zip(takes, takes[1:], made, strict=False)):
        return ""
    grown = {str(last.outputs[0].dims[1]) for last in made}
    name = units[0].block or units[0].name.rstrip(digits) or "layer"
    growth = f", growth {grown.pop()}" if len(grown) == 1 else ""
    return f"{len(units)} × {clipped(name, 20)}{growth}"


def _repeated(part: Cluster) -> str:
    """`3 × block` where most of a part is units one after another further inside; empty where none is."""
    total, level = _size(part), [part]
    while level:
        for holder in level:
            units = [unit for unit in holder.parts() if not unit.is_atom]
            rows = [(block, list(row)) for block, row in groupby(units, key=lambda unit: unit.block) if block]
            block, row = max(rows, key=lambda found: len(found[1]), default=("", []))
            if len(row) > 1 and 2 * sum(map(_size, row)) > total:
                return f"{_count(part, block)} × {clipped(block, 24)}"
        level = [unit for holder in level for unit in holder.parts()]
    return ""


def _count(part: Cluster, block: str) -> int:
    """How many instances of a block a part holds, those within one another counted once."""
    return sum(1 if inner.block == block else _count(inner, block) for inner in part.parts())


def _size(part: Cluster) -> int:
    return len(part.nodes())


def _result(part: Cluster) -> TensorType:
    last = part.nodes()[-1]
    return last.outputs[0]


def _name(unit: Cluster) -> str:
    """What a unit is called, empty where it has a number alone."""
    return unit.block or unit.name.rstrip(digits)


def _names(units: list[Cluster]) -> list[Chip]:
    """The blocks in a row of unlike units."""
    counted: list[tuple[str, int]] = []
    for unit in units:
        title = _name(unit)
        if not title:
            continue
        if counted and counted[-1][0] == title:
            counted[-1] = title, counted[-1][1] + 1
        else:
            counted.append((title, 1))
    return [Chip("merge", f"{count} × {clipped(t, 14)}" if count > 1 else clipped(t, 14)) for t, count in counted]


def _limited(chips: list[Chip]) -> tuple[Chip, ...]:
    return tuple(chips) if len(chips) <= MOST else (*chips[: MOST - 2], Chip("", "…"), chips[-1])


def _path(part: Cluster, graph: Graph) -> list[Chip]:
    """The main layers on the path with the most of them; it starts behind a join of many branches."""
    nodes = {node.index: node for node in part.nodes()}
    deep: dict[int, int] = {}
    for index, node in nodes.items():
        before = max((deep[s] for s, _ in node.inputs if s in nodes), default=0)
        deep[index] = before + (kind_of(node.op) in SHOWN)
    chips: list[Chip] = []
    at: int | None = max(nodes)
    while at is not None:
        node = nodes[at]
        inside = [source for source, _ in node.inputs if source in nodes]
        if kind_of(node.op) in SHOWN:
            chips.append(Chip(kind_of(node.op), clipped(short_words(node, is_depthwise(graph, node)), 28)))
        elif kind_of(node.op) == "merge" and len(node.inputs) > 1:
            chips += _merge(node)
            if len(node.inputs) > 2 or merge_name(node.op) not in GLYPHS:
                break
        at = max(inside, key=lambda source: deep[source], default=None)
    return chips[::-1]


def _merge(node: Node) -> list[Chip]:
    """The chips of a merge, last first."""
    name, count = merge_name(node.op), len(node.op.arriving(node.inputs))
    if count == 2 and name in GLYPHS:
        return [Chip("merge", GLYPHS[name])]
    return [Chip("merge", title_of(node.op)), Chip("", f"{count} branches")]


def is_chain(nodes: list[Node]) -> bool:
    """Whether each of some nodes takes what the one before gives, and nothing else of them."""
    inside = {node.index for node in nodes}
    flows = {(source, node.index) for node in nodes for source, _ in node.inputs if source in inside}
    return len(flows) == len({source for source, _ in flows}) == len({to for _, to in flows}) == len(nodes) - 1


def has_branches(diagram: Diagram) -> bool:
    """Whether layers stand side by side somewhere, a projection beside a residual branch apart."""
    leads: dict[int, set[int]] = {}
    for edge in diagram.edges:
        if edge.role == "flow" and diagram.boxes[edge.source].role in ("layer", "rest"):
            leads.setdefault(edge.target, set()).add(edge.source)
    taken = {edge.target for edge in diagram.edges if edge.role == "skip"}
    if any(diagram.boxes[box].role == "layer" for box in taken):
        return True
    return any(len(found) > (2 if diagram.boxes[box].face == "circle" else 1) for box, found in leads.items())


def sums_within(part: Cluster) -> int:
    """How deep residual sums stand within a part: 2 where what a sum adds to has sums itself."""
    inside = max(map(sums_within, part.parts()), default=0)
    own = any(isinstance(m, Node) and isinstance(m.op, Add) and len(m.inputs) > 1 for m in part.members)
    return inside + own
