"""`extern`: a layer whose code the host brings, and whose shape and parameters the spec declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import fault
from ..ir.sizes import Size
from ..ir.types import TensorType
from ..ops.base import Weight
from ..ops.core import Extern
from ..ops.initialisers import Initialiser
from .builder import Pending
from .elaboration import tensors
from .environment import MISSING, Environment
from .values import Architecture, Block, ExternCall, ExternKind, Function, Layer, Tensor, describe

if TYPE_CHECKING:
    from .elaboration import Elaboration


_DECLARED = (
    "the second parentheses of `extern` declare what it takes: symbols stand for any size, numbers for themselves"
)


def apply_extern(
    ctx: Elaboration, network: ExternCall, inputs: tuple[Tensor, ...], pending: Pending
) -> tuple[Tensor, ...]:
    """Makes the node of an extern: matches its declared input shapes, and works out its result and its parameters."""
    definition = network.kind.definition
    environment = Environment(network.kind.environment)
    ctx.bind_parameters(definition, network.arguments, environment, network.span)
    if len(inputs) != len(definition.inputs):
        raise fault(
            "E0301",
            f"`{definition.name}` takes {tensors(len(definition.inputs), len(inputs))}",
            network.span,
            _DECLARED,
        )
    for declared, tensor in zip(definition.inputs, inputs, strict=True):
        _match(ctx, declared, tensor, environment, network)
    dims = _dims(ctx, definition.result, environment)
    weights = [
        Weight(member.name, _fixed(_dims(ctx, member.shape, environment), member), Initialiser("zeros"), member.learned)
        for member in definition.members
    ]
    settings = {
        "name": definition.name,
        "arguments": {p.name: environment.names[p.name] for p in definition.parameters},
        "results": (TensorType(tuple(dims)),),
        "tensors": tuple(weights),
    }
    return ctx.add(ctx.resolve(Layer(Extern, (), settings, network.span)), inputs, network.span, pending)


def _match(
    ctx: Elaboration, declared: ast.ExternInput, tensor: Tensor, environment: Environment, network: ExternCall
) -> None:
    items = declared.shape.items
    if len(items) != tensor.type.rank:
        raise fault(
            "E0401",
            f"`{declared.name}` has {len(items)} sizes, and a tensor {tensor.type} arrives",
            network.span,
            _DECLARED,
        )
    for item, dim in zip(items, tensor.type.dims, strict=True):
        if isinstance(item, ast.Name) and _is_open(environment.lookup(item.id)):
            environment.names[item.id] = dim
            continue
        wanted = ctx.evaluate(item, environment)
        if isinstance(wanted, bool) or not isinstance(wanted, (int, Size)):
            raise fault(
                "E0348", f"a size is a whole number or a symbol, and this is {describe(wanted)}", item.span, _DECLARED
            )
        if not ctx.facts.equal(dim, wanted):
            raise fault(
                "E0405",
                f"`{declared.name}` needs {wanted} where the tensor {tensor.type} has {dim}",
                network.span,
                _DECLARED,
            )
    environment.names[declared.name] = tensor


def _is_open(value: Any) -> bool:
    """Whether a name in a declared shape stands for any size: nothing else, or no number, has it."""
    return value is MISSING or isinstance(value, (Architecture, Block, ExternKind, Function))


def _dims(ctx: Elaboration, shape: ast.ListExpr, environment: Environment) -> list[Any]:
    dims = []
    for item in shape.items:
        value = ctx.evaluate(item, environment)
        if isinstance(value, bool) or not isinstance(value, (int, Size)):
            hint = "`//` divides and rounds down: `[N, c // 2, H, W]`"
            raise fault(
                "E0348", f"a size is a whole number or a symbol, and this is {describe(value)}", item.span, hint
            )
        dims.append(value)
    return dims


def _fixed(dims: list[Any], member: ast.ExternMember) -> tuple[int, ...]:
    if not all(isinstance(d, int) for d in dims):
        hint = "only the batch and the axes of space may be symbols; a parameter is made when the module is built"
        raise fault("E0341", "the sizes of a parameter are fixed numbers", member.span, hint)
    return tuple(dims)
