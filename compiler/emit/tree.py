"""The tree of modules: one for each scope and layer, registered in state_dict order, then initialised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, fx, nn

from ...dsl.diagnostics import ArchError, Diagnostic
from ..ir.errors import EmitError
from ..ir.graph import Node, Scope
from ..ir.lowering import Lowering, ModuleCall, Program
from ..ir.op import Weight
from ..ir.regions import Regions
from .containers import container
from .initialise import fill
from .lowerer import Lowerer
from .modules import ArchModule, Extern
from .names import check_segment, identifier
from .targets import resolve

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
    if isinstance(module, Extern) and hasattr(module, weight.name):
        message = f"a tensor of `{node.path}` cannot be named `{weight.name}`: torch's modules have that name already"
        raise ArchError([Diagnostic("E0806", message, node.span, hints=(f"write `{weight.name}_`",))])


@dataclass
class Tree:
    """Builds the modules of a graph.

    `regions` say which scopes can be called. `inplace` holds the owners whose rectifier may overwrite its input.
    `lowerings` gives each owner's lowering. With `meta` nothing is allocated or drawn.
    """

    regions: Regions
    lowerings: Mapping[int, Lowering]
    inplace: frozenset[int]
    externs: Externs
    generator: torch.Generator | None
    meta: bool
    modules: dict[int, nn.Module] = field(default_factory=dict)
    tensors: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.graph = self.regions.graph

    def build(self) -> dict[Scope, nn.Module]:
        """The modules of all scopes, the root's first; those of scopes that can be called still lack their code.

        Weights are made and drawn in application order, as a torch module's constructor would.
        """
        for node in self.graph.owners():
            if node.op.is_module and node.name:
                self._make(node)
        return self._register()

    # --- registration ----------------------------------------------------------------------

    def _register(self) -> dict[Scope, nn.Module]:
        made: dict[Scope, nn.Module] = {self.graph.root: ArchModule(identifier(self.graph.name))}
        stack = [self.graph.root]
        while stack:
            scope = stack.pop()
            module = made[scope]
            for name, child in scope.children.items():
                check_segment(name)
                if isinstance(child, Node):
                    self._register_node(module, name, child)
                    continue
                if child not in made:
                    made[child] = container(child, self.regions, self.lowerings)
                    stack.append(child)
                module.register_module(name, made[child])
        return made

    def _register_node(self, container: nn.Module, name: str, node: Node) -> None:
        tensor = self.tensors.get(node.owner)
        if tensor is None:
            container.register_module(name, self.modules[node.owner])
        elif isinstance(tensor, nn.Parameter):
            container.register_parameter(name, tensor)
        else:
            container.register_buffer(name, tensor)

    # --- one node --------------------------------------------------------------------------

    def _make(self, node: Node) -> None:
        weights = list(node.op.weights(self.graph.input_types(node))) if node.op.has_weights else []
        if node.op.is_parameter:
            self.tensors[node.index] = self._tensor(node, weights[0], None)
            return
        lowering = self.lowerings[node.index]
        if isinstance(lowering, Program):
            module = self._program(node, lowering, weights)
        elif lowering.target.startswith("extern:"):
            module = Extern(self._extern(node, lowering.target.removeprefix("extern:")), dict(lowering.kwargs))
        else:
            module = self._torch_module(node, lowering, bool(weights))
        self.modules[node.index] = module
        expected = {**dict(module.named_parameters()), **dict(module.named_buffers())} if weights else {}
        own = isinstance(lowering, ModuleCall) and not isinstance(module, Extern)
        if own and {n: tuple(t.shape) for n, t in expected.items()} != {w.name: w.shape for w in weights}:
            raise EmitError(f"{node.path}: {node.op.kind} declares other weights than {type(module).__name__} has")
        self._fill(node, module, weights)

    def _torch_module(self, node: Node, call: ModuleCall, has_weights: bool) -> nn.Module:
        kwargs = dict(call.kwargs)
        if node.index in self.inplace:
            kwargs["inplace"] = True
        cls = resolve(call.target)
        if not has_weights or call.target.startswith("runtime."):
            return cls(*call.args, **kwargs)
        module = _bare(cls)(*call.args, **kwargs, device="meta")
        module.__class__ = cls
        return module

    def _extern(self, node: Node, name: str) -> Callable[..., Any]:
        if name not in self.externs:
            hint = f"pass its code: archc.load(...).module(externs={{'{name}': function}})"
            raise ArchError([Diagnostic("E0801", f"the extern layer `{name}` has no code", node.span, hints=(hint,))])
        return self.externs[name]

    def _program(self, node: Node, program: Program, weights: list[Weight]) -> nn.Module:
        """A leaf with a forward of its own, so that it can be hooked and holds its weights."""
        graph = fx.Graph()
        inputs = [graph.placeholder(f"x{i}" if len(node.inputs) > 1 else "x") for i in range(len(node.inputs))]
        lowerer = Lowerer(graph, inputs, lambda name: graph.get_attr(check_segment(name)), identifier(node.op.kind))
        results = lowerer.results(program)
        graph.output(results[0] if len(results) == 1 else tuple(results))
        holder = nn.Module()
        for weight in weights:
            check_segment(weight.name)
            tensor = torch.empty(weight.shape, dtype=_DTYPES[weight.dtype], device="meta")
            self._attach(holder, weight, tensor)
        return ArchModule._assemble(holder, graph, identifier(node.op.kind))

    # --- weights ---------------------------------------------------------------------------

    def _fill(self, node: Node, module: nn.Module, weights: list[Weight]) -> None:
        first: Tensor | None = None
        for weight in weights:
            _check_free(node, module, weight)
            tensor = self._tensor(node, weight, first)
            first = tensor if first is None and tensor.dim() > 1 else first
            holder, _, name = weight.name.rpartition(".")
            self._attach(module.get_submodule(holder), replace(weight, name=name), tensor)

    def _attach(self, module: nn.Module, weight: Weight, tensor: Tensor) -> None:
        if weight.learned:
            parameter = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor)
            module.register_parameter(weight.name, parameter)
        else:
            module.register_buffer(weight.name, tensor)

    def _tensor(self, node: Node, weight: Weight, first: Tensor | None) -> Tensor:
        tensor = torch.empty(weight.shape, dtype=_DTYPES[weight.dtype], device="meta" if self.meta else "cpu")
        if not self.meta:
            lowering = self.lowerings.get(node.index)
            groups = lowering.kwargs.get("groups", 1) if isinstance(lowering, ModuleCall) else 1
            fill(tensor, weight.init, first, groups if isinstance(groups, int) else 1, self.generator)
        return nn.Parameter(tensor, requires_grad=not node.frozen) if weight.learned else tensor
