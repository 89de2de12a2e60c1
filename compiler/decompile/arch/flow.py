"""From the nodes of a unit to its text: one expression where data allows it, else statements."""

from __future__ import annotations

import re
from collections import deque
from typing import Any, cast

from ...ir.free_names import FreeNames
from ...ir.graph import Graph, GraphOutput, Node, Origin, Value
from ...ir.instantiations import instantiation
from ...ops.core import Affine
from ...ops.stochastic import Columns
from ..tensor_names import TensorNames
from .calls import operator_places, settings
from .cells import Cell
from .ends import Ends
from .extras import part_extras
from .fold import folded
from .keys import Keys
from .labels import name_parts, numbered
from .listings import table_of
from .places import Places, path_in, word_at
from .refusal import unapplied, unfaithful
from .terms import Named, Term, Variable, affine, as_network, chain, gathered, labelled, side_by_side
from .units import Statement, Unit, share, units_of
from .variables import telling


class Flow:
    """Writes the units of a graph, the inner ones first."""

    def __init__(self, graph: Graph, places: Places, taken: set[str], parted: bool = False):
        self.graph = graph
        self.places = places
        self.taken = taken
        self.shared: dict[int, str] = {}
        self.root = units_of(graph, places)
        self.has_extras = parted and part_extras(graph, self.root)
        share(self.root, graph, places)
        names = FreeNames(taken)
        self._name_shared(self.root, names)
        self.declared = {*self.shared.values(), *(cell.name for cell in places.cells)}
        """The names of what is shared, and of tensors that have other names in the checkpoint."""
        self.free = FreeNames(taken | self.declared)
        self.keys = Keys()
        self.inputs = [(entry.node, 0) for entry in graph.inputs]
        self.consumers = Ends(graph, self.root).consumers

    def _name_shared(self, unit: Unit, names: FreeNames) -> None:
        """Names what a unit and those in it share: by the cell's scope, or by the layer's name."""
        words, found = [], []
        for what in unit.shares:
            kept = self.places.kept_name(what)
            word = kept[1] if kept is not None else what.scope.name if isinstance(what, Cell) else what.name
            if not re.fullmatch(r"[A-Za-z_]\w*", word):
                word = "cell" if isinstance(what, Cell) else f"shared_{what.op.kind}"
            words.append(word if word not in self.taken else f"shared_{word}")
            found.append(names.new(words[-1]))
            if kept is not None and found[-1] != kept[1]:
                raise unapplied(path_in(*kept))
            if isinstance(what, Cell):
                what.name = found[-1]
            else:
                self.shared[what.index] = found[-1]
        for child in unit.children:
            self._name_shared(child, names)
        names.release(found, words)

    def write(self, unit: Unit) -> None:
        """Fills in the statements and result of a unit and of those in it. Of what is shared the first application is
        written, and stands for the others."""
        for child in unit.children:
            if child.cell is None or child.scope is not None:
                self.write(child)
        _Body(self, unit).write()
        name_parts(unit, self.places, self.keys)

    def label(self, node: Node, unit: Unit) -> str | None:
        """The path of the name that a node gives what it applies, from the unit's scope; None where it gives none."""
        if node.index in self.places.layers:
            return relative(self.places.layers[node.index].path, unit)
        if not node.op.is_module:
            return None
        second = self.places.second.get((id(self.graph.nodes[node.owner]), node.index))
        if second is not None:
            scope, name = second
        elif node.owner == node.index:
            scope, name = node.scope, node.name
        else:
            return None
        return relative(path_in(scope, name), unit)

    def layer(self, node: Node, tensors: list[Term] | None = None) -> Term:
        """The call of a node's layer. `tensors` are those among its arguments."""
        beside = self.beside(node)
        names, values = settings(node.op, beside)
        values = [Named(self.graph.nodes[node.inputs[-1][0]].name) if isinstance(v, Columns) else v for v in values]
        call = Term("layer", (node.op.called, names, beside), values, tensors or [])
        return Term("wrap", ("frozen",), parts=[call]) if self.places.freezes(node) and node.op.has_weights else call

    def beside(self, node: Node) -> tuple[str, ...]:
        """The parameters for which a call gives tensors: not those that it implies."""
        names = node.op.beside
        if node.index not in self.places.layers:
            return names
        given = dict(zip(names, node.inputs[-len(names) :], strict=True))
        return tuple([name for name in names if given[name][0] not in self.places.implied])


def relative(path: str, unit: Unit) -> str:
    """A path from the unit's scope."""
    outer = unit.home.path
    return path[len(outer) + 1 :] if outer else path


class _Body:
    """The text of one unit."""

    def __init__(self, flow: Flow, unit: Unit):
        self.flow = flow
        self.unit = unit
        self.nodes = flow.graph.nodes
        self.names: dict[Value, Variable] = {value: ("in", i) for i, value in enumerate(unit.inputs)}
        self.count = 0
        self.left = deque(flow.graph.outputs if unit is flow.root else ())
        """The architecture's outputs that are not made yet."""
        self.made: list[GraphOutput] = []
        """Those that are made, and not stated."""
        self.own: dict[str, str] = {}
        """The names of tensors that have other ones in the checkpoint, and the words that these are made of."""
        self.spoken = TensorNames(flow.graph, unit.home.outwards(), unit.start, unit.outputs)
        unit.called.update((("in", i), self.spoken.of_input(value)) for i, value in enumerate(unit.inputs))

    def write(self) -> None:
        children = {child.start: child for child in self.unit.children}
        index = self.unit.start
        while index < self.unit.end:
            child = children.get(index)
            if child is not None:
                run = self._growing(child, children)
                if len(run) > 1:
                    self._grow(run)
                else:
                    self._call(child)
                index = run[-1].end
            else:
                self._node(self.nodes[index])
                index += 1
            self._put_out(1)
        self.flow.free.release(self.own.keys(), self.own.values())
        self._finish()

    def _operands(self, values: tuple[Value, ...] | list[Value]) -> list[Term]:
        return [Term("var", self.names[value]) for value in values]

    def _any(self) -> Term:
        """A tensor for what takes none: all that is applied is applied to something."""
        root = self.unit is self.flow.root
        return Term("var", self.names[self.flow.graph.inputs[0].node, 0] if root else ("in", 0))

    def _bind(self, outputs: list[Value], term: Term, opening: str = "", inner: Origin | None = None) -> None:
        """One more statement. It is put into a later one where that is what the flow of data allows."""
        targets = []
        for value in outputs:
            self.names[value] = variable = "local", self.count
            self.unit.called[variable] = self.spoken.of_step(value, inner)
            targets.append(self.count)
            self.count += 1
        self.unit.statements.append(Statement(targets, term, opening))

    def _call(self, child: Unit) -> None:
        network = Term("unit", unit=child)
        path = self._path(child)
        if child.cell is not None:
            network = Term("shared", values=[Named(child.cell.name)])
            second = self.flow.places.second.get((id(child.cell.scope), child.start))
            if second is not None:
                path = relative(path_in(*second), self.unit)
            elif path == child.cell.name and child.cell in self.unit.shares:
                path = ""
        frozen = child.cell is not None and child.start in child.cell.frozen
        for word in (*child.wraps, *(["frozen"] if frozen else [])):
            network = Term("wrap", (word,), parts=[network])
        if child.scope is not None and id(child.scope.parent) in self.flow.places.fresh:
            path, network = path.rpartition(".")[0], Term("wrap", ("fresh",), parts=[network])
        if path:
            network = labelled(path, network)
        operands = self._operands(child.inputs) or [self._any()]
        block = child.scope if child.scope is not None and child.scope.block is not None else None
        inner = instantiation(self.flow.graph, block, child.start) if block is not None else None
        given_back = {value: self.names[value] for value in child.outputs if value in self.names}
        self._bind(child.outputs, chain(side_by_side(operands), network), inner=inner)
        self.names |= given_back

    def _growing(self, child: Unit, children: dict[int, Unit]) -> list[Unit]:
        """The units from here on of which each takes what the first one takes and the outputs of those before it."""
        run, word = [child], numbered(self._path(child))
        taken = list(child.inputs)
        while word is not None and len(run[-1].outputs) == 1:
            taken += run[-1].outputs
            then = children.get(run[-1].end)
            if then is None or then.inputs != taken or len(then.outputs) != 1 or then.wraps:
                break
            if numbered(self._path(then)) != (word[0], word[1] + len(run)) or not self.flow.keys.alike(child, then):
                break
            run.append(then)
        return run

    def _grow(self, run: list[Unit]) -> None:
        first = run[0]
        grow = Term("grow", numbered(self._path(first)) or (), [len(run)], [Term("unit", unit=first)])
        outputs = [*first.inputs, *(unit.outputs[0] for unit in run)]
        self._bind(outputs, chain(side_by_side(self._operands(first.inputs)), grow))

    def _path(self, unit: Unit) -> str:
        return relative(unit.scope.path, self.unit) if unit.scope is not None else ""

    def _node(self, node: Node) -> None:
        outputs = self.flow.graph.made_by([node.index])
        op: Any = node.op
        drawn = op.is_drawn
        if node.index in self.flow.places.implied:
            return
        if op.is_input:
            self._bind(outputs, Term("input", (node.index,)), "input")
        elif drawn and node.owner == node.index and node.scope is not self.unit.home:
            what = "a number that is drawn in a scope that other parts stand between"
            raise unfaithful(f"{node.called} is {what}, and only a body states it", node.span)
        elif op.is_parameter:
            table = table_of(op.init.settings["value"]) if op.init.shape else None
            start = (
                Term("start", (op.init,), [op.shape]) if table is None else Term("table", (op.init.kind, table.words))
            )
            start.values += table.numbers if table is not None else []
            name, path = self._declared(node)
            dtype = "" if op.dtype == "float" else f": {op.dtype}"
            self._bind(outputs, labelled(path, start) if path else start, f"{op.statement} {name}{dtype} =")
        elif drawn:
            self._bind(outputs, self.flow.layer(node), f"draw {node.name} =")
        else:
            self._bind(outputs, self._applied(node))

    def _declared(self, node: Node) -> tuple[str, str]:
        """The variable of a tensor of one's own, and its label where it stands in another scope than the text."""
        home = self.unit.home
        if node.owner != node.index and node.index not in self.flow.places.again:
            where = "a tensor of its own in something shared, whose applications are not alike"
            raise unfaithful(f"{node.called} is {where}", self.flow.graph.nodes[node.owner].span)
        if node.scope is home and re.fullmatch(r"[A-Za-z_]\w*", node.name):
            return node.name, ""
        inner = node.scope
        while inner is not None and inner is not home:
            inner = inner.parent
        if inner is None:
            where = "a tensor of its own in a scope that other parts stand between"
            raise unfaithful(f"{node.called} is {where}, and only a body states it", node.span)
        path = relative(node.path, self.unit)
        word = op.name if (op := cast("Any", node.op)).name != node.name else word_at(path)
        self.own[name := self.flow.free.new(word)] = word
        self.flow.declared.add(name)
        return name, path

    def _given(self, node: Node, first: int, extra: int) -> list[Term]:
        """The tensors among the arguments of a call, with the second names that they get there."""
        terms = []
        for slot in range(first, first + extra):
            if node.inputs[slot][0] in self.flow.places.implied:
                continue
            (term,) = self._operands(node.inputs[slot : slot + 1])
            place = self.flow.places.renamed.get((node.index, slot))
            path = relative(path_in(*place), self.unit) if place is not None else ""
            terms.append(labelled(path, term) if path else term)
        return terms

    def _applied(self, node: Node) -> Term:
        op = node.op
        extra = len(op.beside)
        drawn = sum(getattr(op, name) is not None for name in op.drawn_parameters)
        count = len(node.inputs) - extra - drawn
        operands = self._operands(node.inputs[:count])
        if isinstance(op, Affine):
            form, number = affine(op)
            return Term("affine", (form,), [number], operands)
        places = operator_places(op, count)
        if places:
            numbers = [getattr(op, name) for name in places if name]
            return Term("function", (op.kind, places), numbers, operands)
        layer = self.flow.layer(node, self._given(node, count, extra))
        if op.merges_networks and len(operands) > 1:
            return Term("merge", (*layer.data[:2], getattr(op, "signs", ())), layer.values, operands)
        if node.owner in self.flow.shared and op.is_module:
            layer = Term("shared", values=[Named(self.flow.shared[node.owner])])
        label = self.flow.label(node, self.unit)
        if label is not None and id(node.scope) in self.flow.places.fresh and node.owner == node.index:
            label, layer = label.rpartition(".")[0], Term("wrap", ("fresh",), parts=[layer])
        if node in self.unit.shares and label == self.flow.shared[node.index]:
            label = None
        return chain(side_by_side(operands), layer if label is None else labelled(label, layer, not op.names_itself))

    # --- the end ---------------------------------------------------------------------------

    def _put_out(self, keep: int) -> None:
        """States those of an architecture's outputs that are made, up to one that nothing else takes, but for the last
        ones."""
        while len(self.left) > keep and self.names.keys() >= {*self.left[0].values, *self.flow.inputs}:
            self.made.append(self.left.popleft())
            if keep and any(value in self.flow.consumers for value in self.made[-1].values):
                continue
            for output in self.made:
                opening = f"output {output.name} =" if output.name else "output"
                tail = " when training" if output.when_training else ""
                self._bind([], side_by_side(self._operands(output.values)), opening + "\0" + tail)
            self.made.clear()

    def _finish(self) -> None:
        unit = self.unit
        root = unit is self.flow.root
        if root:
            self._put_out(0)
        else:
            self._bind([], side_by_side(self._operands(unit.outputs)), "output")
        unit.statements = folded(unit.statements, telling(unit))
        unit.count_anew()
        self._declare()
        if root:
            return
        unit.result = unit.statements.pop().term
        self._as_network()

    def _declare(self) -> None:
        """States what the unit shares, before all else."""
        first = next((i for i, s in enumerate(self.unit.statements) if s.opening != "input"), 0)
        found = []
        for what in self.unit.shares:
            if isinstance(what, Cell):
                term = Term("unit", unit=self._application(self.unit, what))
                found.append(Statement([], term, f"shared {what.name} ="))
            else:
                if what.op.given:
                    raise unfaithful(f"{what.called} is shared, and gets a tensor as its weight", what.span)
                found.append(Statement([], self.flow.layer(what), f"shared {self.flow.shared[what.index]} ="))
        self.unit.statements[first:first] = found

    def _application(self, unit: Unit, cell: Cell) -> Unit:
        """The first application of a cell."""
        if unit.cell is cell:
            return unit
        start = cell.runs[0][0]
        return self._application(next(c for c in unit.children if c.start <= start < c.end), cell)

    def _as_network(self) -> None:
        unit = self.unit
        if unit.statements:
            return
        whole = [("in", i) for i in range(len(unit.inputs))]
        if len(whole) == 1:
            network = as_network(unit.result, whole[0])
        else:
            network = as_network(gathered(unit.result, whole), ("in",))
        if network is not None:
            unit.network, unit.result = True, network
