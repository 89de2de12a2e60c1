"""What each statement of a body does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, Poisoned, fault
from ...dsl.source import Span
from ..ir.initialisers import Initialiser
from ..ir.words import is_whole
from ..ops.broadcast import lead
from ..ops.core import Parameter
from ..ops.stochastic import Columns
from .blocks import Block
from .callables import Architecture, Defined, Drawing, DrawKind, Drawn, Function, InitialiserKind, Tensorial
from .declared import numbers
from .environment import Environment, Frame, names_in
from .expressions import Expressions
from .extern import ExternKind
from .inputs import add_input
from .labels import evaluate_label, may_label
from .lists import assign, iterate, truth
from .machine import exhausted
from .networks import Layer, as_network, is_network
from .sharing import Shared, named
from .sums import warn_of_longer_list
from .values import POISON, Label, Tensor, as_tensors, describe, is_number, plain

if TYPE_CHECKING:
    from .rewriting import Rewrites


def _assign(ctx: Statements, node: ast.Assign, environment: Environment) -> None:
    if isinstance(node.value, ast.Fold):
        warn_of_longer_list(ctx, node, node.value, environment)
    value = ctx.attempt(node.value, environment)
    take_apart(ctx, node, value, environment)
    for name in ast.names_of(node.targets):
        ctx.name_tensor(environment.names[name], name)


def take_apart(ctx: Statements, node: ast.Assign, value: Any, environment: Environment) -> None:
    """Gives the targets of an assignment their values: POISON where the value is not made of as many."""
    if len(node.targets) == 1:
        value = named(ctx, value, ast.names_of(node.targets)[0], node.span)
    try:
        assign(ctx, node.targets, value, environment, node.span)
    except Fault as problem:
        if exhausted(problem):
            raise
        ctx.report(problem)
        assign(ctx, node.targets, POISON, environment, node.span)


def _shared(ctx: Statements, node: ast.Shared, environment: Environment) -> None:
    value = ctx.attempt(node.value, environment)
    if value is not POISON:
        ctx.events += 1
        value = Shared(as_network(value, node.value.span), node.name, node.span, ctx.scope)
        ctx.scope.declared[node.name] = value
    environment.names[node.name] = value


def _tensor(ctx: Statements, node: ast.TensorDef, environment: Environment) -> None:
    environment.names[node.name] = POISON
    word = node.word
    start, label = node.value, Label((node.name,), node.span)
    if isinstance(start, ast.Labelled) and start.label.first is None:
        start, label = start.value, evaluate_label(ctx, start.label, environment)
    value = ctx.attempt(start, environment)
    if value is POISON:
        return
    if isinstance(value, Initialiser) and value.shape:
        value = Tensorial(value, list(value.shape))
    if not isinstance(value, Tensorial):
        message = f"`{word}` takes an initialiser with a shape, and this is {describe(value)}"
        raise fault("E0340", message, node.value.span, f"`{word} {node.name} = normal([1, 1, d], std = 0.02)`")
    shape = [plain(d) for d in value.shape]
    if not all(is_whole(d) and d > 0 for d in shape):
        hint = "its size cannot follow the input's: give a number, or fix the size in the `input` statement"
        raise fault(
            "E0341", "the sizes of a tensor of its own are fixed, positive whole numbers", node.value.span, hint
        )
    settings: dict[str, Any] = {"name": node.name, "shape": tuple(shape), "init": value.initialiser}
    settings |= {"learned": word == "param", "persistent": word != "const"}
    if node.dtype is not None:
        settings["dtype"] = numbers(node.dtype, node.span)
    op = ctx.resolve(Layer(Parameter, (), settings, node.span))
    environment.names[node.name] = ctx.add(op, (), node.span, label)[0]


def _draw(ctx: Statements, node: ast.Draw, environment: Environment) -> None:
    """A random number is a node, so that it can be drawn anew at each forward and used in several places."""
    environment.names[node.name] = POISON
    value = ctx.attempt(node.value, environment)
    if value is POISON:
        return
    if isinstance(value, DrawKind):
        value = Drawing(Layer(value.cls, (), {}, node.value.span))
    if not isinstance(value, Drawing):
        message = f"`draw` takes `choice(n)`, a random whole number, and this is {describe(value)}"
        raise fault("E0351", message, node.value.span, _instead(value, node.name))
    op = ctx.resolve(value.layer)
    inputs = as_tensors(environment.input)
    if inputs is None:
        inputs = tuple([Tensor(i.node, 0, i.type) for i in ctx.graph.inputs])
    inputs = tuple([t for t in inputs if t.type.rank])
    if not inputs:
        if ctx.diagnostics.errors:
            return
        hint = "write `draw` after the `input` statement; in a block it may stand anywhere"
        raise fault("E0352", "nothing says here how large the batch is", node.span, hint)
    source = inputs[lead(tuple([t.type for t in inputs]))]
    (tensor,) = ctx.add(op, (source,), node.span, Label((node.name,), node.span))
    environment.names[node.name] = Drawn(node.name, tensor, Columns(op.n))  # type: ignore[attr-defined]


def _instead(value: Any, name: str) -> str:
    """What is meant where `draw` gets something else."""
    if is_network(value) and not isinstance(value, list):
        return "what is random in a layer is drawn where it is applied: `x -> dropout(0.5)`, `x -> survive(0.8)`"
    if isinstance(value, (InitialiserKind, Tensorial)):
        return f"a tensor that starts at random and is learned is `param {name} = normal([1, 1, d])`"
    if isinstance(value, (bool, str)) or is_number(value):
        return f"what is not random has a name without `draw`: `{name} = ...`"
    return f"`draw {name} = choice(3)` draws 0, 1 or 2 at each forward"


def _output(ctx: Statements, node: ast.Output, environment: Environment) -> None:
    frame = environment.frame
    assert frame is not None
    if frame.kind == "arch":
        _put_out(ctx, node, environment, frame)
        return
    frame.outputs.append(POISON)
    if node.name is not None or node.when_training:
        hint = "a block puts out several tensors as a tuple: `output (a, b)`"
        raise fault("E0342", "only an arch's outputs have names and conditions; a block has one", node.span, hint)
    frame.outputs[-1] = ctx.evaluate(node.value, environment)


def _put_out(ctx: Statements, node: ast.Output, environment: Environment, frame: Frame) -> None:
    """An output of an arch, kept with its statement."""
    frame.outputs.append((node, POISON))
    value = ctx.evaluate(node.value, environment)
    if value is POISON:
        return
    tensors = as_tensors(value)
    if tensors is None:
        hint = "start from an input: `output image -> ...`"
        raise fault("E0306", f"an arch puts out tensors, and this is {describe(value)}", node.span, hint)
    frame.outputs[-1] = node, tensors


def _for(ctx: Statements, node: ast.For, environment: Environment) -> None:
    for value in iterate(ctx, node.iterable, environment):
        ctx.spend(1, node.span)
        assign(ctx, node.targets, value, environment, node.span)
        ctx.execute(node.body, environment)


def _if(ctx: Statements, node: ast.IfStatement, environment: Environment) -> None:
    chosen = node.then if truth(ctx, node.condition, environment) else node.otherwise
    ctx.execute(chosen, environment)


def require(ctx: Statements, node: ast.Require, environment: Environment) -> None:
    """Checks a constraint. Raises a Fault with its reason where it does not hold."""
    if truth(ctx, node.condition, environment):
        return
    reason = ctx.evaluate(node.reason, environment) if node.reason is not None else None
    message = f"{reason}" if isinstance(reason, str) else f"required: {node.condition.span.text}"
    names = sorted({n for n in names_in(node.condition) if isinstance(environment.lookup(n), (int, float, str))})
    values = ", ".join(f"{n} = {environment.lookup(n)}" for n in names)
    hint = f"`{node.condition.span.text}` is false" + (f" with {values}" if values else "")
    raise fault("E0601", message, node.span, hint)


def _require(ctx: Statements, node: ast.Require, environment: Environment) -> None:
    before, ctx.refused = ctx.refused, True
    require(ctx, node, environment)
    ctx.refused = before


_ORDER_STEPS = 20
"""Steps of a label in an `order`, beside those of its expressions."""


def _order(ctx: Statements, node: ast.Order, environment: Environment) -> None:
    ctx.events += 1
    if ctx.unopened:
        ctx.open_virtuals()
    assert environment.frame is not None
    definition = environment.frame.definition
    for label in node.labels:
        ctx.spend(_ORDER_STEPS, label.span)
        name = ".".join(evaluate_label(ctx, label, environment).segments)
        ctx.scope.order[name] = None if definition is not None and may_label(definition, name) else label.span


DEFINED: dict[type, type[Defined]] = {
    ast.BlockDef: Block,
    ast.FunctionDef: Function,
    ast.ArchDef: Architecture,
    ast.ExternDef: ExternKind,
}


def define(ctx: Statements, node: ast.Declaration, environment: Environment) -> None:
    environment.names[node.name] = DEFINED[type(node)](node, environment)


def guarded(run: Callable[..., None]) -> Callable[..., None]:
    """The same statement, where a Fault is reported and the next statement goes on."""

    def execute(ctx: Statements, node: Any, environment: Environment) -> None:
        try:
            run(ctx, node, environment)
        except Fault as problem:
            if exhausted(problem):
                raise
            ctx.report(problem)

    return execute


EXECUTE: dict[type, Callable[..., None]] = {
    kind: guarded(run)
    for kind, run in {
        ast.Assign: _assign,
        ast.Shared: _shared,
        ast.TensorDef: _tensor,
        ast.Draw: _draw,
        ast.Input: add_input,
        ast.Output: _output,
        ast.For: _for,
        ast.IfStatement: _if,
        ast.Require: _require,
        # Claims wait until the whole graph stands; the defaults of an arch hold before its body begins.
        ast.Expect: lambda ctx, node, environment: ctx.claims.append((node, environment)),
        ast.Default: lambda ctx, node, environment: None,
        ast.Order: _order,
        ast.BlockDef: define,
        ast.FunctionDef: define,
    }.items()
}


class Statements(Expressions):
    """A machine that executes statements too. `claims` are those of the arch with a body."""

    def __init__(self, name: str, here: Span, rewrites: Rewrites):
        super().__init__(name, here, rewrites)
        self.claims: list[tuple[ast.Expect, Environment]] = []

    def execute(self, statements: tuple[ast.Statement, ...], environment: Environment) -> None:
        for statement in statements:
            if self.refused and not isinstance(statement, ast.Require):
                break
            self.here = statement.span
            EXECUTE[type(statement)](self, statement, environment)
        if self.refused:
            raise Poisoned
