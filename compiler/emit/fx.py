"""Graph to `torch.fx.GraphModule`."""

from __future__ import annotations

from itertools import groupby
from typing import Any, cast

import torch
from torch import fx, nn

from ...dsl.diagnostics import ArchError, Diagnostic
from ..analyses.inplace import lowerings_of, overwritable
from ..elaborate.naming import CODE_WORDS
from ..ir.graph import Graph, GraphInput, GraphOutput, Node, Value
from ..ops.lowering import Lowering, ModuleCall, Program
from .arguments import checked_dtype, checked_externs, checked_seed
from .lowerer import Lowerer, same
from .memory import allocating, check_memory
from .modules import ArchModule, without_outputs
from .names import check_graph, identifier, is_identifier
from .recompute import recomputed
from .targets import resolved
from .tree import Externs, Tree


def to_graph_module(
    graph: Graph,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    seed: int | None = None,
    externs: Externs | None = None,
) -> ArchModule:
    """The torch module that a graph means, in training mode and freshly initialised.

    Modules nest by label, so `state_dict()` has the spec's names in definition order. Weights start on the CPU in
    float32 and then move, so a seed gives the same weights on every device; `dtype` casts floating tensors. Without a
    seed they come from torch's global generator, with one the global state is untouched. `device="meta"` allocates
    nothing.
    `externs` binds the code of extern layers by name: `code(*inputs, **weights, **arguments)`.

    Raises ArchError (E0801, E0802, E0804, E0807, E0808) where the host or the device cannot take the spec.
    """
    seed, kind, code_of = checked_seed(seed), checked_dtype(dtype), checked_externs(externs)
    place = check_device(device)
    if place is None or place.type != "meta":
        check_memory(graph)
    with allocating(graph, "for them" if place is None else f"for them on the device {place}"):
        return _built(graph, place, kind, None if seed is None else torch.Generator().manual_seed(seed), code_of)


def _built(
    graph: Graph,
    place: torch.device | None,
    dtype: torch.dtype | None,
    generator: torch.Generator | None,
    externs: Externs,
) -> ArchModule:
    lowerings = lowerings_of(graph)
    meta = place is not None and place.type == "meta"
    root = Tree(graph, lowerings, overwritable(graph, lowerings), externs, generator, meta).build()
    code = Code(graph, lowerings, root).build()
    check_graph(code, resolved())
    training = frozenset([output.name or "out" for output in graph.outputs if output.when_training])
    in_eval = without_outputs(code, training) if training else None
    module = ArchModule.assemble(root, code, identifier(graph.name), in_eval)
    if (place is not None and not meta) or dtype is not None:
        module.to(device=None if meta else place, dtype=dtype)
    return module


RECOMPUTED = "__recomputed"
"""The root's child under which parts that are computed again are called. No label starts with two underscores."""


def check_device(device: torch.device | str | None) -> torch.device | None:
    """The device as torch's. Raises ArchError (E0804) if torch cannot use it."""
    if device is None:
        return None
    try:
        place = torch.device(device)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        hint = '`cpu` is always there: `--device cpu` on the command line, `device="cpu"` in Python'
        message = f"torch cannot use the device {device}: {reason}"
        raise ArchError([Diagnostic("E0804", message, hints=(hint,))]) from None
    return place


class Code:
    """Builds the fx graph: the applications, in order."""

    def __init__(self, graph: Graph, lowerings: dict[int, Lowering], root: nn.Module):
        self.graph = graph
        self.lowerings = lowerings
        self.root = root
        self.code = fx.Graph()
        self.values: dict[Value, fx.Node] = {}
        self.paths: dict[int, str] = {}
        self.references: dict[str, fx.Node] = {}
        self.used = {value for node in graph.nodes for value in node.inputs}
        self.used.update(value for output in graph.outputs for value in output.values)
        self.leaving = _leaving(graph)

    def build(self) -> fx.Graph:
        for entry in self.graph.inputs:
            self.values[entry.node, 0] = self.code.placeholder(_argument(self.graph, entry))
        for recompute, nodes in groupby(self.graph.nodes, lambda node: node.recompute):
            if recompute is not None:
                self._recompute(list(nodes))
                continue
            for node in nodes:
                if node.op.kind != "input":
                    self._add(node)
        self._outputs()
        return self.code

    def _recompute(self, nodes: list[Node]) -> None:
        """The nodes of a part that is computed again, as one call of a module that shares its layers with the root."""
        part = _Part(self)
        for node in nodes:
            part.take(node)
        results = [value for value in part.made if value in self.leaving]
        part.code.output(part.values[results[0]] if len(results) == 1 else tuple([part.values[v] for v in results]))
        check_graph(part.code, resolved())
        if RECOMPUTED not in self.root._modules:
            self.root.register_module(RECOMPUTED, nn.ModuleList())
        parts = cast(nn.ModuleList, self.root.get_submodule(RECOMPUTED))
        name, path = identifier(f"recomputed_{len(parts)}"), f"{RECOMPUTED}.{len(parts)}"
        parts.append(recomputed(self.root, part.code))
        call = self.code.create_node("call_module", path, tuple(part.arguments), name=name)
        if len(results) == 1:
            self.values[results[0]] = call
            return
        lowerer = Lowerer(self.code, [], self._reference, name)
        self.values |= {value: lowerer.item(call, place) for place, value in enumerate(results)}

    def _path(self, node: Node) -> str:
        """The dotted path of the module or tensor that the node applies."""
        owner = self.graph.nodes[node.owner]
        path = self.paths.get(owner.index)
        if path is None:
            path = self.paths[owner.index] = owner.path
        return path

    def _add(self, node: Node) -> None:
        if node.op.kind == "parameter":
            self.values[node.index, 0] = self._reference(self._path(node))
            return
        inputs = [self.values[value] for value in node.inputs]
        lowering = self.lowerings[node.index]
        if isinstance(lowering, ModuleCall):
            self._call(node, lowering, inputs)
        elif not (node.op.is_module and node.name):
            self._inline(node, lowering, inputs, identifier(node.op.kind))
        elif node.owner == node.index or same(lowering, _program(self.lowerings[node.owner])):
            name = identifier(self._path(node))
            result = self.code.create_node("call_module", self._path(node), tuple(inputs), name=name)
            self._results(node, result, Lowerer(self.code, inputs, self._reference, name), len(node.outputs) > 1)
        else:
            self._inline(node, lowering, inputs, identifier(self._path(node)))

    def _call(self, node: Node, call: ModuleCall, inputs: list[fx.Node]) -> None:
        path = self._path(node)
        name = identifier(path)
        lowerer = Lowerer(self.code, inputs, self._reference, name)
        args = tuple(inputs) if call.inputs is None else tuple([lowerer.value(item) for item in call.inputs])
        kwargs = {key: lowerer.value(item) for key, item in call.call_kwargs.items()}
        result = self.code.create_node("call_module", path, args, kwargs, name=name)
        if call.take is not None:
            self.values[node.index, 0] = lowerer.item(result, call.take)
        else:
            self._results(node, result, lowerer, len(node.outputs) > 1)

    def _results(self, node: Node, result: fx.Node, lowerer: Lowerer, several: bool) -> None:
        if not several:
            self.values[node.index, 0] = result
            return
        for port in range(len(node.outputs)):
            if (node.index, port) in self.used:
                self.values[node.index, port] = lowerer.item(result, port)

    def _inline(self, node: Node, program: Program, inputs: list[fx.Node], name: str) -> None:
        def weight(key: str) -> fx.Node:
            return self._reference(f"{self._path(node)}.{key}")

        results = Lowerer(self.code, inputs, weight, name).results(program)
        for port, result in enumerate(results):
            self.values[node.index, port] = result

    def _reference(self, path: str) -> fx.Node:
        """The one node that refers to a tensor of the module."""
        known = self.references.get(path)
        if known is None:
            known = self.code.create_node("get_attr", path, name=identifier(path))
            self.references[path] = known
        return known

    def _outputs(self) -> None:
        outputs = self.graph.outputs
        if len(outputs) == 1:
            self.code.output(self._output(outputs[0]))
        else:
            self.code.output({output.name or "out": self._output(output) for output in outputs})

    def _output(self, output: GraphOutput) -> Any:
        values = tuple([self.values[value] for value in output.values])
        return values[0] if len(values) == 1 else values


class _Part(Code):
    """The code of a part that is computed again. What it needs from outside are its arguments."""

    def __init__(self, whole: Code):
        super().__init__(whole.graph, whole.lowerings, whole.root)
        self.whole = whole
        self.arguments: list[fx.Node] = []
        self.made: list[Value] = []

    def take(self, node: Node) -> None:
        for value in node.inputs:
            if value not in self.values:
                self.values[value] = self._argument(self.whole.values[value])
        self._add(node)
        self.made += [(node.index, port) for port in range(len(node.outputs)) if (node.index, port) in self.values]

    def _argument(self, value: fx.Node) -> fx.Node:
        self.arguments.append(value)
        return self.code.placeholder(f"x{len(self.arguments)}")

    def _reference(self, path: str) -> fx.Node:
        known = self.references.get(path)
        if known is None:
            known = self.references[path] = self._argument(self.whole._reference(path))
        return known


def _leaving(graph: Graph) -> frozenset[Value]:
    """The tensors that are used outside the part (of those that are computed again) in which they are made."""
    outputs = [value for output in graph.outputs for value in output.values]
    crossing = [v for n in graph.nodes for v in n.inputs if graph.nodes[v[0]].recompute is not n.recompute]
    return frozenset((*outputs, *crossing))


def _program(lowering: Lowering) -> Program:
    return lowering if isinstance(lowering, Program) else Program(())


def _argument(graph: Graph, entry: GraphInput) -> str:
    """The input's name, if `forward` can have an argument of that name. Raises ArchError (E0802)."""
    if is_identifier(entry.name) and entry.name not in CODE_WORDS and not entry.name.startswith("__"):
        return entry.name
    span = graph.nodes[entry.node].span
    hint = "rename it: an input's name is an argument of the module's forward"
    raise ArchError([Diagnostic("E0802", f"an input cannot be named `{entry.name[:60]}`", span, hints=(hint,))])
