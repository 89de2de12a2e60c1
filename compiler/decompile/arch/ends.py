"""What comes into the units of an architecture, and what goes out of them, each in its order."""

from __future__ import annotations

from collections import defaultdict

from ...ir.graph import Graph, Value
from ...ir.instantiations import as_given, joined, put_out
from .cells import Cell
from .units import Unit, enclosing, entering


class Ends:
    """Fills in the inputs and outputs of a unit and of those in it. `consumers` are the nodes that take each tensor."""

    def __init__(self, graph: Graph, root: Unit):
        self.graph = graph
        self.put_out = {value for output in graph.outputs for value in output.values}
        self.consumers: dict[Value, list[int]] = defaultdict(list)
        for node in graph.nodes:
            for value in node.inputs:
                self.consumers[value].append(node.index)
        self.through: dict[int, set[Value]] = defaultdict(set)
        """What a unit has to give those around it, which put it out; of a cell, as its first application has it."""
        self.outputs: dict[int, list[Value]] = {}
        self.slots: dict[int, dict[Value, int]] = {}
        self._enter(root)
        self._leave(root)

    def _enter(self, unit: Unit) -> None:
        """Says what comes in, and what the block puts out."""
        if unit.cell is not None:
            self._like_the_first(unit, unit.cell)
        else:
            unit.inputs = entering(self.graph, unit)
            unit.outputs = put_out(self.graph, unit.scope, range(unit.start, unit.end), unit.inputs)
        for value in unit.outputs:
            for inner in enclosing(unit, value[0], value[0] + 1) if value[0] >= unit.start else ():
                shift = inner.cell.runs[0][0] - inner.start if inner.cell is not None else 0
                self.through[id(inner.cell or inner)].add((value[0] + shift, value[1]))
        for child in unit.children:
            self._enter(child)

    def _like_the_first(self, unit: Unit, cell: Cell) -> None:
        """The inputs of an application of a cell, and what it puts out, as its first one has them."""
        first = cell.runs[0][0]
        found: dict[Value, Value] = {}
        for offset in range(unit.end - unit.start):
            pair = self.graph.nodes[first + offset].inputs, self.graph.nodes[unit.start + offset].inputs
            found.update({a: b for a, b in zip(*pair, strict=True) if a[0] < first and a not in found})
        taken = ((a, value) for a, value in found.items() if not self.graph.nodes[a[0]].op.is_drawn)
        unit.inputs = as_given(self.graph, cell.scope, first, taken)
        declared = put_out(self.graph, cell.scope, range(*cell.runs[0]), found)
        unit.outputs = [found.get(value, _shifted(value, unit.start - first)) for value in declared]

    def _leave(self, unit: Unit) -> None:
        """Says what else goes out."""
        if unit.cell is not None:
            shift = unit.start - unit.cell.runs[0][0]
            unit.outputs = joined(unit.outputs, [_shifted(value, shift) for value in self._put_out_by(unit.cell)])
        else:
            through, made = self.through.get(id(unit), ()), self.graph.made_by(range(unit.start, unit.end))
            leaving = [value for value in made if value in through or self._leaves(value, unit.end)]
            unit.outputs = joined(unit.outputs, self._as_taken(unit, leaving)) or [(unit.end - 1, 0)]
        for child in unit.children:
            self._leave(child)

    def _leaves(self, value: Value, end: int) -> bool:
        """Whether a tensor is taken from some node on, or put out."""
        users = self.consumers.get(value)
        return (users is not None and users[-1] >= end) or value in self.put_out

    def _put_out_by(self, cell: Cell) -> list[Value]:
        """What some application of a cell puts out, as the first one has it."""
        if id(cell) not in self.outputs:
            used = {*self.through.get(id(cell), ())}
            for start, end in cell.runs:
                made = self.graph.made_by(range(start, end))
                used.update(_shifted(v, cell.runs[0][0] - start) for v in made if self._leaves(v, end))
            self.outputs[id(cell)] = sorted(used)
        return self.outputs[id(cell)]

    def _as_taken(self, unit: Unit, leaving: list[Value]) -> list[Value]:
        """What goes out in the order in which the first node that takes all of it does."""
        users = (user for v in leaving for user in self.consumers.get(v, ()) if user >= unit.end)
        first = min(users, default=None) if len(leaving) > 1 else None
        if first is None:
            return leaving
        if first not in self.slots:
            self.slots[first] = {value: -slot for slot, value in enumerate(reversed(self.graph.nodes[first].inputs))}
        slots = self.slots[first]
        return sorted(leaving, key=slots.__getitem__) if all(v in slots for v in leaving) else leaving


def _shifted(value: Value, shift: int) -> Value:
    return value[0] + shift, value[1]
