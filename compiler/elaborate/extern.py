"""`extern`: a layer whose code the host brings, and whose shape and parameters the spec declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import fault
from ...dsl.source import Span
from ...dsl.walk import walk
from ..ir.initialisers import Initialiser
from ..ir.op import Weight
from ..ir.sizes import Size
from ..ir.types import Axis, Role, TensorType
from ..ir.words import is_whole
from ..ops.core import EXTERN_SIZES, STATED, Extern
from ..ops.maps import describe as describe_type
from .callables import Defined, is_open
from .declared import agree, fits, input_type, numbers
from .environment import MISSING, Environment, Frame
from .explain import arriving
from .module_names import check_segment
from .networks import Bare, Layer
from .parameters import bind_parameters
from .suggestions import did_you_mean
from .values import POISON, Network, Pending, Tensor, Tensors, describe, plain

if TYPE_CHECKING:
    from .machine import Machine


class ExternKind(Defined, Bare):
    """An extern where it is declared."""

    __slots__ = ()

    word = "extern"

    @property
    def has_weights(self) -> bool:
        return True

    def network(self, span: Span) -> Network:
        return ExternCall(self, {}, span)


@dataclass(slots=True, eq=False, repr=False)
class ExternCall(Network):
    kind: ExternKind
    arguments: dict[str, Any]
    span: Span

    @property
    def has_weights(self) -> bool:
        return True

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Tensors:
        settings = settings_of(machine, self.kind, self.arguments, inputs, self.span)
        return machine.add(machine.resolve(Layer(Extern, (), settings, self.span)), inputs, self.span, pending)


def settings_of(
    machine: Machine, kind: ExternKind, arguments: dict[str, Any], inputs: Tensors, span: Span
) -> dict[str, Any]:
    """The settings of the layer that a call is: matches the declared input shapes, and works out the result and the
    parameters. Raises a Fault."""
    definition = kind.definition
    environment = Environment(kind.environment, frame=Frame(definition))
    bind_parameters(machine, definition, arguments, environment, span)
    if len(inputs) != len(definition.inputs):
        message = f"`{definition.name}` takes {arriving(len(definition.inputs), len(inputs))}"
        raise fault("E0301", message, span, EXTERN_SIZES)
    axes: dict[str, Axis] = {}
    takes = tuple(
        (declared.name, _match(machine, declared, tensor, environment, axes, span))
        for declared, tensor in zip(definition.inputs, inputs, strict=True)
    )
    dims = _sizes(machine, definition.result, environment)
    return {
        "name": definition.name,
        "arguments": {p.name: environment.names[p.name] for p in definition.parameters},
        "takes": takes,
        "results": (_result(definition, dims, axes, span),),
        "tensors": tuple([_weight(machine, member, environment) for member in definition.members]),
        "declaration": _declaration(definition, kind.environment),
        **dict(_figure(machine, figure, environment) for figure in definition.figures),
    }


def _declaration(definition: ast.ExternDef, around: Environment) -> str | None:
    """The text of a declaration, None where it has names that its file defines."""
    nodes = [node for node, _ in walk(definition)]
    called = {id(node.function) for node in nodes if isinstance(node, ast.Call)}
    own = {*(p.name for p in definition.parameters), *(x.name for x in definition.inputs)}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id not in own:
            value = around.lookup(node.id)
            if value is not MISSING and (id(node) in called or not is_open(value)):
                return None
    return definition.span.text


def _match(
    ctx: Machine,
    declared: ast.ExternInput,
    tensor: Tensor,
    environment: Environment,
    axes: dict[str, Axis],
    span: Span,
) -> tuple[Any, ...]:
    """The sizes that an input is declared with; a symbol that is open stands for the size that arrives. The axes that
    symbols stand for are added to `axes`."""
    items = declared.shape.items
    if len(items) != tensor.type.rank:
        message = f"`{declared.name}` has {len(items)} sizes, and a tensor {tensor.type} arrives"
        raise fault("E0401", message, span, EXTERN_SIZES)
    for item, axis in zip(items, tensor.type.axes, strict=True):
        if isinstance(item, ast.Name):
            axes.setdefault(item.id, axis)
            if is_open(environment.lookup(item.id)):
                environment.names[item.id] = axis.size
    if declared.dtype is not None and not fits(tensor.type, declared.dtype, span):
        message = f"`{declared.name}` is declared as {declared.dtype}, and {describe_type(tensor.type)} arrives"
        raise fault("E0401", message, span, EXTERN_SIZES)
    sizes = _sizes(ctx, declared.shape, environment, EXTERN_SIZES)
    environment.names[declared.name] = tensor
    return tuple(sizes)


def _result(definition: ast.ExternDef, dims: list[Any], axes: dict[str, Axis], span: Span) -> TensorType:
    """What an extern gives. An axis named by a symbol of an input is what it is there; what the others are follows from
    the word before the shape, or from their being as an input of such a shape has them."""
    if definition.result_dtype is not None:
        return input_type(dims, definition.result_dtype, span)
    items = definition.result.items
    known = [axes.get(item.id) if isinstance(item, ast.Name) else None for item in items]
    kept = [(axis or Axis(size))._replace(size=size) for size, axis in zip(dims, known, strict=True)]
    usual = input_type(dims, "float", span).axes if dims else ()
    if known.count(None) == 1 and all(axis.role is not Role.CHANNELS for axis in kept):
        usual = [axis._replace(role=Role.CHANNELS) for axis in kept]
    elif not agree(TensorType(tuple(kept)), TensorType(tuple(usual))):
        usual = kept
    return TensorType(tuple([u if k is None else a for a, k, u in zip(kept, known, usual, strict=True)]))


def _sizes(
    ctx: Machine,
    shape: ast.ListExpr,
    environment: Environment,
    hint: str = "`//` divides and rounds down: `[N, c // 2, H, W]`",
) -> list[Any]:
    for item in shape.items:
        if isinstance(item, ast.Splat | ast.Comprehension):
            message = "each size of a layer of the host is written by itself"
            raise fault("E0348", message, item.span, "name them: `[N, a, b, W]`")
    sizes = [ctx.evaluate(item, environment) for item in shape.items]
    for item, value in zip(shape.items, sizes, strict=True):
        if isinstance(value, bool) or not isinstance(value, (int, Size)):
            message = f"a size is a whole number or a symbol, and this is {describe(value)}"
            raise fault("E0348", message, item.span, hint)
    return sizes


def _figure(ctx: Machine, figure: ast.ExternFigure, environment: Environment) -> tuple[str, Any]:
    """A figure that an extern states of itself. Raises a Fault where there is no such figure, or it is no count."""
    if figure.name not in STATED:
        hints = did_you_mean(figure.name, STATED) or ("`macs` are its multiply-adds, `depth` its weight layers",)
        raise fault("E0604", f"a layer of the host states no `{figure.name}`", figure.span, *hints)
    value = plain(ctx.evaluate(figure.value, environment))
    if value is POISON:
        return figure.name, None
    if (is_whole(value) and value >= 0) or (isinstance(value, Size) and figure.name == "macs"):
        return figure.name, value
    message = f"`{figure.name}` is a whole number from 0, and this is {describe(value)}"
    hint = "`macs = N * c * C * H * W` may have the sizes in it, `depth = 1` is a number"
    raise fault("E0604", message, figure.value.span, hint)


def _weight(ctx: Machine, member: ast.ExternMember, environment: Environment) -> Weight:
    for segment in member.name.split("."):
        check_segment(segment, member.span)
    dtype = numbers(member.dtype or "float", member.span)
    if member.learned and dtype != "float":
        hint = f"`buffer {member.name}: {dtype} [...]` is not learned"
        raise fault("E0407", f"a param is learned, and {dtype} numbers have no gradient", member.span, hint)
    dims = _sizes(ctx, member.shape, environment)
    if not all(isinstance(d, int) for d in dims):
        hint = "only the batch and the axes of space may be symbols; a parameter is made when the module is built"
        raise fault("E0341", "the sizes of a parameter are fixed numbers", member.span, hint)
    return Weight(member.name, tuple(dims), Initialiser("zeros"), member.learned, dtype)
