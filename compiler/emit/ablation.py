"""Trained modules with parts left out or in another order (Veit et al. 2016, arXiv 1605.06431, section 4)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

from ..analyses.inplace import lowerings_of, overwritable
from ..analyses.residual import kendall_tau, residual_modules
from ..ir.graph import Graph, Node
from ..ops.lowering import ModuleCall
from .fx import Code
from .lesions import checked_paths, left_out, problem, reordered
from .modules import ArchModule, without_outputs
from .names import check_graph
from .targets import resolved


@dataclass(frozen=True)
class Reordering:
    """A module whose residual modules were put in another order.

    `order` has the paths of all of them as they are computed now, and `tau` is the rank correlation of that with the
    order in which they were trained: 1 for the same order, -1 for the reverse.
    """

    module: fx.GraphModule
    order: tuple[str, ...]
    tau: float


def lesion(graph: Graph, module: nn.Module, paths: object) -> ArchModule:
    """The module without these parts of it; see `archc.ablation.lesion`."""
    check_fits(graph, module)
    return _on_weights_of(module, left_out(graph, checked_paths(paths)))


def reorder(graph: Graph, module: nn.Module, order: object) -> Reordering:
    """The module with residual modules in this order; see `archc.ablation.reorder`."""
    check_fits(graph, module)
    changed, now = reordered(graph, checked_paths(order))
    paths = [part.path for part in residual_modules(graph)]
    return Reordering(_on_weights_of(module, changed), tuple([paths[number] for number in now]), kendall_tau(now))


def check_fits(graph: Graph, module: nn.Module) -> None:
    """Raises ArchError (E0870) unless the module is one that was built from the graph."""
    hint = "build it by `net.module()`, and load weights by `module.load_state_dict(...)`"
    if not isinstance(module, ArchModule):
        raise problem("E0870", f"a {type(module).__name__} is no module that archc built", None, hint)
    try:
        built = module._graph.python_code("self").src
        fits = Inlined(graph, module).build().python_code("self").src == built
        computed_again = any(node.recompute is not None for node in graph.nodes)
    except AttributeError as error:
        raise problem("E0870", f"this is no module of {graph.name}: {error}", None, hint) from None
    if not fits and not computed_again:
        more = "what had parts left out or reordered is another network: start from the whole one"
        raise problem("E0870", f"this module does not compute what {graph.name} says", None, hint, more)


class Inlined(Code):
    """The code of a graph on the layers of a module that exists, without parts that training computes again."""

    def __init__(self, graph: Graph, module: nn.Module):
        super().__init__(graph, lowerings_of(graph), module)

    def build(self) -> fx.Graph:
        for entry in self.graph.inputs:
            self.values[entry.node, 0] = self.code.placeholder(entry.name)
        for node in self.graph.nodes:
            if node.op.kind != "input":
                self._add(node)
        self._outputs()
        return self.code

    def works_in_place(self, node: Node) -> bool:
        """Whether the module that the node applies overwrites what it gets."""
        if not (node.op.is_module and node.name) or node.op.kind == "parameter":
            return False
        return bool(getattr(self.root.get_submodule(self._path(node)), "inplace", False))


class _Ablated(Inlined):
    """A layer that works in place gets a copy, where what it would overwrite now has other users."""

    def __init__(self, graph: Graph, module: nn.Module):
        super().__init__(graph, module)
        self.safe = overwritable(graph, self.lowerings)

    def _call(self, node: Node, call: ModuleCall, inputs: list[fx.Node]) -> None:
        if node.owner not in self.safe and self.works_in_place(node):
            inputs = [self.code.call_method("clone", (value,)) for value in inputs]
        super()._call(node, call, inputs)


def _on_weights_of(module: nn.Module, graph: Graph) -> ArchModule:
    """A module that computes the graph with the parameters of another one. It has the same parameters and its own
    buffers, so running it in training mode leaves the other's running statistics alone."""
    memo: dict[int, Any] = {id(parameter): parameter for parameter in module.parameters()}
    root = deepcopy(module, memo)
    code = _Ablated(graph, root).build()
    check_graph(code, resolved())
    training = frozenset([output.name or "out" for output in graph.outputs if output.when_training])
    in_eval = without_outputs(code, training) if training else None
    return ArchModule.assemble(root, code, type(module).__name__, in_eval)
