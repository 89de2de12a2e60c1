"""The fx graphs of regions: what is applied in each, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import fx

from ...dsl.diagnostics import ArchError, Diagnostic
from ..decompile.tensor_names import TensorNames
from ..elaborate.module_names import CODE_WORDS
from ..ir.errors import EmitError
from ..ir.graph import Graph, GraphInput, Node, Value
from ..ir.lowering import Lowering, ModuleCall, Program
from ..ir.regions import Region, Regions
from ..ir.rows import members_of, parts_of
from ..ops.size_checks import size_checks
from .codec import RECOMPUTED
from .lowerer import Lowerer, same
from .names import identifier, is_identifier

_OWN = ModuleCall("")
"""How the module of a program is called: with the layer's inputs as they are."""


class Code:
    """Builds the fx graph of nodes, in which modules are called by their paths."""

    def __init__(self, graph: Graph, lowerings: dict[int, Lowering]):
        self.graph = graph
        self.lowerings = lowerings
        self.code = fx.Graph()
        self.values: dict[Value, fx.Node] = {}
        self.references: dict[str, fx.Node] = {}
        self.items: list[fx.Node] = []
        """What is taken out of what calls return."""

    def path(self, node: Node) -> str:
        """The dotted path of the module or tensor that the node applies."""
        return self.graph.nodes[node.owner].path

    def value(self, value: Value) -> fx.Node:
        """What stands for a tensor: a parameter is referred to where it is first needed."""
        node = self.graph.nodes[value[0]]
        if value not in self.values and node.op.is_parameter:
            self.values[value] = self.reference(self.path(node))
        return self.values[value]

    def add(self, node: Node) -> None:
        """Adds an application."""
        inputs = [self.value(value) for value in node.inputs]
        lowering, owner = self.lowerings[node.index], self.lowerings[node.owner]
        if isinstance(lowering, ModuleCall):
            self._call(node, lowering, inputs, self.path(node))
        elif not (node.op.is_module and node.name):
            self._inline(node, lowering, inputs, identifier(node.op.kind))
        elif owner is lowering or (isinstance(owner, Program) and same(lowering, owner, len(inputs))):
            self._call(node, _OWN, inputs, self.path(node))
        else:
            self._inline(node, lowering, inputs, identifier(self.path(node)))

    def _call(self, node: Node, call: ModuleCall, inputs: list[fx.Node], path: str) -> None:
        lowerer = Lowerer(self.code, inputs, self.reference, identifier(path))
        args = tuple(inputs) if call.inputs is None else tuple([lowerer.value(item) for item in call.inputs])
        kwargs = {key: lowerer.value(item) for key, item in call.call_kwargs.items()}
        result = self.code.create_node("call_module", path, args, kwargs, name=lowerer.name)
        if call.results is not None:
            lowerer.returned = result
            self.values |= {(node.index, port): lowerer.value(item) for port, item in enumerate(call.results)}
            return
        made = [(node.index, port) for port in range(len(node.outputs))]
        self._take(made, result, lowerer)

    def _take(self, made: list[Value], result: fx.Node, lowerer: Lowerer) -> None:
        """Takes tensors out of what a call returns: the one, or each of several, but for what is given back."""
        for place, value in enumerate(made):
            if value not in self.values:
                self.values[value] = result if len(made) == 1 else lowerer.item(result, place)
                self.items += [self.values[value]] if len(made) > 1 else []

    def _inline(self, node: Node, program: Program, inputs: list[fx.Node], name: str) -> None:
        def weight(key: str) -> fx.Node:
            return self.reference(f"{self.path(node)}.{key}")

        for port, result in enumerate(Lowerer(self.code, inputs, weight, name).results(program)):
            self.values[node.index, port] = result

    def take_in(self) -> None:
        """Adds the inputs of the graph, and what their sizes must be as far as torch does not see to it."""
        for entry in self.graph.inputs:
            self.values[entry.node, 0] = self.code.placeholder(_argument(self.graph, entry))
        checks = size_checks(self.graph)
        lowerer = Lowerer(self.code, [self.values[e.node, 0] for e in self.graph.inputs], self.reference, "legal")
        for check in checks:
            lowerer.value(check)

    def put_out(self, training: bool = True) -> None:
        """Adds the outputs of the graph; without `training` those for it alone are None."""
        made = {
            output.name or "out": None if output.when_training and not training else self.one_or_several(output.values)
            for output in self.graph.outputs
        }
        self.code.output(made if len(made) > 1 else next(iter(made.values())))

    def one_or_several(self, values: Sequence[Value]) -> Any:
        """One tensor as it is, several as a tuple."""
        nodes = tuple([self.value(value) for value in values])
        return nodes[0] if len(nodes) == 1 else nodes

    def reference(self, path: str) -> fx.Node:
        """The one node that refers to a tensor of the module."""
        if path not in self.references:
            self.references[path] = self.code.create_node("get_attr", path, name=identifier(path))
        return self.references[path]


class RegionCode(Code):
    """The code of a region: calls of the regions in it, and what it applies itself. Paths start at its scope."""

    def __init__(self, regions: Regions, lowerings: dict[int, Lowering], region: Region):
        super().__init__(regions.graph, lowerings)
        self.regions = regions
        self.region = region
        members = members_of(region.scope, regions, lowerings)
        self.functions = {
            item.index: name for name, item in members.items() if isinstance(item, Node) and not item.name
        }
        """Functions that are modules, as they stand in a row."""

    def add(self, node: Node) -> None:
        if node.index in self.functions:
            self._call(node, _OWN, [self.value(value) for value in node.inputs], self.functions[node.index])
        else:
            super().add(node)

    def path(self, node: Node) -> str:
        if node.index in self.functions:
            return self.functions[node.index]
        path = self.regions.names.path(self.region.scope, node)
        if path is None:
            raise EmitError(f"{node.path} is applied in {self.region.scope.path}, which has no name for it")
        return path

    def build(self) -> fx.Graph:
        """The whole graph of the region."""
        self._inputs()
        parts: dict[object, int] = {}
        for step, part in zip(self.region.steps, parts_of(self.region, self.regions, self.lowerings), strict=True):
            before = next(iter(reversed(self.code.nodes)), None)
            if isinstance(step, Region):
                self._region(step)
            else:
                self.add(step)
            if part is not None:
                number = parts.setdefault(part, len(parts))
                for node in added_after(self.code, before):
                    if node.op not in ("placeholder", "get_attr"):
                        node.meta[RECOMPUTED] = number
        self._outputs()
        for item in self.items:
            if not item.users:
                self.code.erase_node(item)
        return self.code

    def _inputs(self) -> None:
        if self.region is self.regions.root:
            self.take_in()
            return
        for value, name in zip(self.region.inputs, self._arguments(), strict=True):
            self.values[value] = self.code.placeholder(name)

    def _arguments(self) -> list[str]:
        """What the block that fills the region calls its inputs where there are several; letters where it has no names
        for all of them."""
        region, count = self.region, len(self.region.inputs)
        if count > 1:
            spoken = TensorNames(self.graph, (r.scope for r in region.outwards()), region.indices[0], region.outputs)
            names = [name for value in region.inputs for name in spoken.of_input(value)[:1] if _may_be_argument(name)]
            if len({*names}) == count:
                return names
        return ["x", "y", "z"][:count] if count <= 3 else [f"x{place}" for place in range(count)]

    def _outputs(self) -> None:
        if self.region is not self.regions.root:
            self.code.output(self.one_or_several(self.region.outputs))
        else:
            self.put_out()

    def _region(self, region: Region) -> None:
        path = self.regions.names.path(self.region.scope, region.scope)
        if path is None:
            raise EmitError(f"{region.scope.path} is called in {self.region.scope.path}, which has no name for it")
        if self.regions.layer(region.scope) is not None:
            node = self.graph.nodes[region.indices[0]]
            call = node.op.lower_whole(self.graph.input_types(node), node.outputs)
            assert isinstance(call, ModuleCall)
            self._call(node, call, [self.value(value) for value in node.inputs[: -len(node.op.given)]], path)
            return
        lowerer = Lowerer(self.code, [], self.reference, identifier(path))
        arguments = tuple([self.value(value) for value in region.inputs])
        result = self.code.create_node("call_module", path, arguments, name=lowerer.name)
        self._take(region.outputs, result, lowerer)


def added_after(code: fx.Graph, node: fx.Node | None) -> list[fx.Node]:
    """The nodes behind one, or all."""
    if node is None:
        return list(code.nodes)
    added = []
    while (node := node.next).op != "root":
        added.append(node)
    return added


def _may_be_argument(name: str) -> bool:
    return is_identifier(name) and name not in CODE_WORDS and not name.startswith("__")


def _argument(graph: Graph, entry: GraphInput) -> str:
    """The input's name, if `forward` can have an argument of that name. Raises ArchError (E0802)."""
    if _may_be_argument(entry.name):
        return entry.name
    span = graph.nodes[entry.node].span
    hint = "rename it: an input's name is an argument of the module's forward"
    raise ArchError([Diagnostic("E0802", f"an input cannot be named `{entry.name[:60]}`", span, hints=(hint,))])
