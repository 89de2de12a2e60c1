"""The tree of modules: one for each scope and layer, registered in state_dict order, then initialised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, Diagnostic
from ..decompile.python.names import camel
from ..ir.errors import EmitError
from ..ir.graph import Graph, Node, Scope
from ..ir.initialisers import Initialiser
from ..ir.lowering import Lowering, ModuleCall, Program
from ..ir.op import Weight
from ..ir.regions import Regions
from ..ir.rows import members_of
from ..ops.core import Parameter
from .containers import container
from .initialise import fill
from .lowerer import as_graph
from .modules import ArchModule, Extern, bound, tied_names
from .names import check_graph, check_segment, identifier
from .targets import resolve, resolved

Externs = Mapping[str, Callable[..., Any]]

_DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}


@cache
def _bare(cls: type[nn.Module]) -> type[nn.Module]:
    """The class without its own start of the weights: the spec says how they start, and drawing twice takes time."""

    def nothing(self: nn.Module) -> None:
        pass

    return type(cls.__name__, (cls,), {"reset_parameters": nothing, "_reset_parameters": nothing})


def _check_free(node: Node, module: nn.Module, weight: Weight) -> None:
    """Raises ArchError (E0806) where the tensor's name would hide something of torch's own module."""
    if isinstance(module, Extern) and "." not in weight.name and hasattr(module, weight.name):
        message = f"a tensor of `{node.path}` cannot be named `{weight.name}`: torch's modules have that name already"
        raise ArchError([Diagnostic("E0806", message, node.span, hints=(f"write `{weight.name}_`",))])


def _register(module: nn.Module, name: str, item: nn.Module | Tensor, persistent: bool = True) -> None:
    if isinstance(item, nn.Module):
        module.register_module(name, item)
    elif isinstance(item, nn.Parameter):
        module.register_parameter(name, item)
    else:
        module.register_buffer(name, item, persistent)


def function_module(node: Node, graph: Graph, lowerings: Mapping[int, Lowering]) -> nn.Module:
    """The module that a function is in a row of modules."""
    call, lowering = node.op.module(graph.input_types(node), node.outputs), lowerings[node.index]
    if call is not None:
        return resolve(call.target)(*call.args, **call.kwargs)
    assert isinstance(lowering, Program)
    module = ArchModule(identifier(camel(node.op.kind)))
    _adopt(module, node, lowering)
    return module


def _adopt(module: ArchModule, node: Node, program: Program) -> None:
    code = as_graph(program, len(node.inputs), identifier(node.op.kind))
    check_graph(code, resolved())
    module._adopt(code)


@dataclass
class Tree:
    """Builds the modules of a graph.

    `regions` say which scopes can be called. `inplace` holds the owners whose rectifier may overwrite its input.
    `lowerings` gives each owner's lowering. With `meta` nothing is allocated or drawn; without `drawn` what a
    checkpoint has is allocated, and holds no numbers yet.
    """

    regions: Regions
    lowerings: Mapping[int, Lowering]
    inplace: frozenset[int]
    externs: Externs
    generator: torch.Generator | None
    meta: bool
    drawn: bool = True
    made: dict[int, nn.Module | Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.graph = self.regions.graph

    def build(self) -> dict[Scope, nn.Module]:
        """The modules of all scopes, the root's first; those of scopes that can be called still lack their code.

        Weights are made and drawn in application order, as a torch module's constructor would.
        """
        for node in self.graph.owners():
            if node.op.is_module and node.name:
                self._make(node)
        root = ArchModule(identifier(self.graph.name))
        made: dict[Scope, nn.Module] = {self.graph.root: root}
        stack = [self.graph.root]
        while stack:
            scope = stack.pop()
            module = made[scope]
            for name, child in members_of(scope, self.regions, self.lowerings).items():
                check_segment(name)
                if isinstance(child, Scope) and child not in made:
                    made[child] = self._layer(child) or container(child, self.regions, self.lowerings)
                    stack.append(child)
                elif isinstance(child, Node) and not child.name:
                    self.made[child.index] = function_module(child, self.graph, self.lowerings)
                item, start = (made[child], None) if isinstance(child, Scope) else self._owned(child)
                _register(module, name, item, persistent=start is None)
                if start is not None:
                    module._constants = {**module._constants, name: start}  # type: ignore[union-attr,dict-item]
        if tied := tied_names(root):
            root._tied = tied
        return made

    # --- one node --------------------------------------------------------------------------

    def _owned(self, node: Node) -> tuple[nn.Module | Tensor, Initialiser | None]:
        """The module or tensor of a node; for a tensor that no checkpoint has also how it starts."""
        op = node.op
        return self.made[node.owner], op.init if isinstance(op, Parameter) and not op.persistent else None

    def _make(self, node: Node) -> None:
        weights = list(node.op.weights(self.graph.input_types(node))) if node.op.has_weights else []
        if node.op.is_parameter:
            self.made[node.index] = self._tensor(node, weights[0], None)
            return
        lowering = self.lowerings[node.index]
        if isinstance(lowering, Program):
            module = ArchModule(identifier(camel(node.op.kind)))
        elif lowering.target.startswith("extern:"):
            module = self._extern(node, dict(lowering.kwargs), weights)
        else:
            module = self._torch_module(node, lowering, weights)
        self.made[node.index] = module
        self._fill(node, module, weights)
        if isinstance(lowering, Program) and isinstance(module, ArchModule):
            _adopt(module, node, lowering)

    def _layer(self, scope: Scope) -> nn.Module | None:
        """The module of a scope that is one layer, whose weights the scope holds; None for other scopes."""
        found = self.regions.layer(scope)
        if found is None:
            return None
        node, call = found
        own = self.graph.input_types(node)[: -len(node.op.given)]
        return self._torch_module(node, call, list(node.op.call.weights(own)))

    def _torch_module(self, node: Node, call: ModuleCall, weights: list[Weight]) -> nn.Module:
        kwargs = dict(call.kwargs)
        if node.index in self.inplace:
            kwargs["inplace"] = True
        cls = resolve(call.target)
        if not weights or call.target.startswith("runtime."):
            module = cls(*call.args, **kwargs)
        else:
            module = _bare(cls)(*call.args, **kwargs, device="meta")
            module.__class__ = cls
        shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()} if weights else {}
        if shapes != {weight.name: weight.shape for weight in weights}:
            raise EmitError(f"{node.path}: {node.op.kind} declares other weights than {cls.__name__} has")
        return module

    def _extern(self, node: Node, settings: dict[str, Any], weights: list[Weight]) -> nn.Module:
        name = node.op.called
        if name not in self.externs:
            hints = (
                f"pass its code: archc.load(...).module(externs={{'{name}': function}})",
                "the command line has no code for it: `-o net.arch` writes the text; `check` and `draw` need none",
            )
            raise ArchError([Diagnostic("E0801", f"the extern layer `{name}` has no code", node.span, hints=hints)])
        try:
            return bound(self.externs[name], settings, weights, self.meta)
        except ValueError as error:
            message = f"the code of the extern layer `{name}` does not fit `{node.path}`: {error}"
            raise ArchError([Diagnostic("E0808", message, node.span)]) from None

    # --- weights ---------------------------------------------------------------------------

    def _fill(self, node: Node, module: nn.Module, weights: list[Weight]) -> None:
        first: Tensor | None = None
        for weight in weights:
            _check_free(node, module, weight)
            tensor = self._tensor(node, weight, first)
            first = tensor if first is None and tensor.dim() > 1 else first
            holder, _, name = weight.name.rpartition(".")
            _register(module.get_submodule(holder), check_segment(name), tensor, weight.persistent)

    def _tensor(self, node: Node, weight: Weight, first: Tensor | None) -> Tensor:
        tensor = torch.empty(weight.shape, dtype=_DTYPES[weight.dtype], device="meta" if self.meta else "cpu")
        if not self.meta and (self.drawn or not weight.persistent):
            lowering = self.lowerings.get(node.index)
            groups = lowering.kwargs.get("groups", 1) if isinstance(lowering, ModuleCall) else 1
            fill(tensor, weight.init, first, groups if isinstance(groups, int) else 1, self.generator)
        return nn.Parameter(tensor, requires_grad=not node.frozen) if weight.learned else tensor
