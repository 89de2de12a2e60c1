"""`extern`: a layer whose code the host brings, and whose shape and parameters the spec declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import fault
from ..ir.initialisers import Initialiser
from ..ir.op import Weight
from ..ir.sizes import Size
from ..ir.types import TensorType
from ..ops.core import EXTERN_SIZES, Extern
from .builder import Pending
from .elaboration import tensors
from .environment import MISSING, Environment
from .naming import check_segment
from .values import Architecture, Block, ExternCall, ExternKind, Function, Layer, Tensor, describe

if TYPE_CHECKING:
    from .elaboration import Elaboration


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
            EXTERN_SIZES,
        )
    takes = tuple(
        (declared.name, _match(ctx, declared, tensor, environment, network))
        for declared, tensor in zip(definition.inputs, inputs, strict=True)
    )
    dims = _dims(ctx, definition.result, environment)
    for member in definition.members:
        check_segment(member.name, member.span)
    weights = [
        Weight(member.name, _fixed(_dims(ctx, member.shape, environment), member), Initialiser("zeros"), member.learned)
        for member in definition.members
    ]
    settings = {
        "name": definition.name,
        "arguments": {p.name: environment.names[p.name] for p in definition.parameters},
        "takes": takes,
        "results": (TensorType(tuple(dims)),),
        "tensors": tuple(weights),
    }
    return ctx.add(ctx.resolve(Layer(Extern, (), settings, network.span)), inputs, network.span, pending)


def _match(
    ctx: Elaboration, declared: ast.ExternInput, tensor: Tensor, environment: Environment, network: ExternCall
) -> tuple[Any, ...]:
    """The sizes that an input is declared with; a symbol that is open stands for the size that arrives."""
    items = declared.shape.items
    if len(items) != tensor.type.rank:
        raise fault(
            "E0401",
            f"`{declared.name}` has {len(items)} sizes, and a tensor {tensor.type} arrives",
            network.span,
            EXTERN_SIZES,
        )
    sizes: list[Any] = []
    for item, dim in zip(items, tensor.type.dims, strict=True):
        if isinstance(item, ast.Name) and _is_open(environment.lookup(item.id)):
            environment.names[item.id] = dim
            sizes.append(dim)
            continue
        wanted = ctx.evaluate(item, environment)
        if isinstance(wanted, bool) or not isinstance(wanted, (int, Size)):
            raise fault(
                "E0348",
                f"a size is a whole number or a symbol, and this is {describe(wanted)}",
                item.span,
                EXTERN_SIZES,
            )
        sizes.append(wanted)
    environment.names[declared.name] = tensor
    return tuple(sizes)


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
