"""The elaboration of one architecture: budgets, defaults, and the instantiation of blocks."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.limits import LIMITS
from ...dsl.source import Span
from ..ir.graph import Origin
from ..ops.base import Op
from ..ops.build import ArgumentError, build_op
from ..ops.initialisers import make_initialiser
from .builder import Builder, Pending
from .environment import MISSING, Environment
from .parameters import bind, check_type, same
from .values import POISON, ExternCall, InitialiserKind, Instance, Layer, Poison, Tensor, describe


class Elaboration(Builder):
    """Everything that one elaboration carries. `tables` are the evaluator's, by class of syntax."""

    def __init__(self, name: str, expressions: dict[type, Callable[..., Any]], statements: dict[type, Callable[..., Any]]):
        super().__init__(name)
        self.here: Span | None = None
        self.steps = 0
        self.depth = 0
        self.defaults: dict[str, dict[str, Any]] = {}
        self.labels: dict[ast.LabelPath, Any] = {}
        self.named: dict[str, Any] = {}
        self._expressions = expressions
        self._statements = statements
        self._ops: dict[Any, Op] = {}
        self._active: dict[ast.Declaration, list[tuple[dict[str, Any], tuple[Any, ...], Span]]] = {}

    # --- evaluation --------------------------------------------------------------------------

    def evaluate(self, node: ast.Expr, environment: Environment) -> Any:
        """The value of an expression. Raises a Fault."""
        self.steps += 1
        if self.steps > LIMITS.evaluation_steps:
            raise fault(
                "E0903",
                f"evaluation takes more than {LIMITS.evaluation_steps:,} steps",
                node.span,
                "a recursion or a loop may go on much longer than was meant",
            )
        return self._expressions[type(node)](self, node, environment)

    def attempt(self, node: ast.Expr, environment: Environment) -> Any:
        """The same, where a Fault is reported and leaves POISON, so that what follows is still looked at."""
        try:
            return self.evaluate(node, environment)
        except Fault as problem:
            self.report(problem)
            return POISON

    def execute(self, statements: tuple[ast.Statement, ...], environment: Environment) -> None:
        for statement in statements:
            self.here = statement.span
            self._statements[type(statement)](self, statement, environment)

    # --- layers ------------------------------------------------------------------------------

    def resolve(self, layer: Layer) -> Op:
        """The op of a layer's call, with the architecture's defaults beneath its arguments. One object for equal calls."""
        key = (layer.cls, freeze(layer.positional), freeze(layer.keywords))
        op = self._ops.get(key)
        if op is None:
            keywords = self._with_defaults(layer)
            try:
                op = build_op(layer.cls, [plain(v) for v in layer.positional], {k: plain(v) for k, v in keywords.items()})
            except ArgumentError as error:
                raise fault("E0303", str(error), layer.span, *error.hints) from None
            self._ops[key] = op
        return op

    def _with_defaults(self, layer: Layer) -> dict[str, Any]:
        defaults = self.defaults.get(layer.cls.kind)
        if not defaults:
            return layer.keywords
        given = set(layer.cls.positional[: len(layer.positional)])
        return {k: v for k, v in defaults.items() if k not in given} | layer.keywords

    # --- blocks ------------------------------------------------------------------------------

    def instantiate(self, instance: Instance, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | Poison:
        """Elaborates a block's body on tensors."""
        definition = instance.block.definition
        environment = Environment(instance.block.environment)
        environment.names["in"] = inputs[0] if len(inputs) == 1 else inputs
        if definition.inputs is not None:
            self._bind_inputs(definition, inputs, environment, instance.span)
        caller = self.origin
        self.origin = Origin(definition.name, instance.arguments, instance.span, caller)
        try:
            calls = self._enter(instance, inputs)
            try:
                self.bind_parameters(definition, instance.arguments, environment, instance.span)
                return self._body(definition, environment, inputs)
            finally:
                calls.pop()
                self.depth -= 1
        except Fault as problem:
            if problem.origin is None:
                problem.origin = self.origin
            raise
        finally:
            self.origin = caller

    def _enter(self, instance: Instance, inputs: tuple[Tensor, ...]) -> list[Any]:
        definition = instance.block.definition
        types = tuple([t.type for t in inputs])
        calls = self._active.setdefault(definition, [])
        for arguments, earlier, _ in calls:
            if types == earlier and same(arguments, instance.arguments):
                chain = tuple(Note(span, "and here") for _, _, span in calls[-3:])
                raise fault(
                    "E0304",
                    f"`{self.origin}` is instantiated inside itself with the same arguments and input: it would never end",
                    instance.span,
                    "a recursive block needs an argument that changes, and an `if` that stops it",
                    labels=chain,
                )
        self.deepen(instance.span)
        calls.append((instance.arguments, types, instance.span))
        return calls

    def deepen(self, span: Span | None) -> None:
        """One instantiation deeper; the caller undoes it."""
        if self.depth >= LIMITS.instantiation_depth:
            raise fault(
                "E0904",
                f"instantiations are nested more than {LIMITS.instantiation_depth} deep",
                span,
                "does the recursion have an end? `if` with a condition on an argument stops it",
            )
        self.depth += 1

    def _body(
        self, definition: ast.BlockDef, environment: Environment, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...] | Poison:
        if isinstance(definition.body, ast.Expr):
            return self.put_out(definition.body, environment, inputs)
        environment.names["\0outputs"] = outputs = []
        self.execute(definition.body, environment)
        self.check_bound(environment)
        if not outputs:
            raise fault("E0305", f"the block `{definition.name}` has no `output`", definition.name_span)
        if len(outputs) > 1:
            raise fault("E0305", f"the block `{definition.name}` has more than one `output`", definition.name_span)
        return outputs[0]

    def put_out(
        self, node: ast.Expr, environment: Environment, inputs: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, ...] | Poison:
        """The tensors that an output expression stands for: a network there means `in -> network`."""
        value = self.evaluate(node, environment)
        if value is POISON:
            return POISON
        tensors = as_tensors(value)
        if tensors is not None:
            return tensors
        if inputs is None:
            raise fault(
                "E0306",
                f"an arch puts out tensors, and this is {describe(value)}",
                node.span,
                "start from an input: `output image -> ...`",
            )
        return self.apply(value, inputs, node.span)

    def check_bound(self, environment: Environment) -> None:
        """Reports networks with parameters that a body names and never applies."""
        from .apply import has_weights
        from .values import Bound

        for name, value in environment.names.items():
            if isinstance(value, Bound) and value.applied_at is None and not value.passed_on and has_weights(value.network):
                self.report(
                    fault(
                        "E0506",
                        f"`{name}` has parameters, and is never applied",
                        value.span,
                        "apply it to a tensor (`in -> " + name + "`), or remove it",
                    )
                )

    def _bind_inputs(
        self, definition: ast.BlockDef, inputs: tuple[Tensor, ...], environment: Environment, span: Span
    ) -> None:
        parameters = definition.inputs or ()
        rest = bool(parameters) and parameters[-1].rest
        plain_count = len(parameters) - rest
        if len(inputs) < plain_count or (len(inputs) > plain_count and not rest):
            wanted = f"{plain_count} or more" if rest else str(plain_count)
            raise fault(
                "E0301",
                f"the block `{definition.name}` takes {wanted} tensors, and {len(inputs)} arrive",
                span,
                labels=(Note(definition.name_span, "declared here"),),
            )
        for parameter, tensor in zip(parameters, inputs, strict=False):
            environment.names[parameter.name] = tensor
        if rest:
            environment.names[parameters[-1].name] = tuple(inputs[plain_count:])

    def bind_parameters(
        self, definition: ast.Declaration, arguments: dict[str, Any], environment: Environment, span: Span | None
    ) -> None:
        """Gives every parameter its argument or its default. Raises a Fault for one that has neither, or the wrong type."""
        for parameter in definition.parameters:
            value = arguments.get(parameter.name, MISSING)
            if value is MISSING:
                if parameter.default is None:
                    raise fault(
                        "E0307",
                        f"`{definition.name}` needs its parameter `{parameter.name}`",
                        span,
                        labels=(Note(parameter.span, "it has no default"),),
                    )
                value = self.evaluate(parameter.default, environment)
            if value is not POISON and parameter.type is not None:
                value = check_type(self, definition, parameter, value, span)
            environment.names[parameter.name] = value

    def bind(self, definition: ast.Declaration, positional: list[Any], keywords: dict[str, Any], span: Span) -> dict[str, Any]:
        return bind(definition, positional, keywords, span)

    # --- filled in by the modules above -----------------------------------------------------

    def apply(self, value: Any, inputs: tuple[Tensor, ...], span: Span, pending: Pending = None) -> Any:
        from .apply import apply

        return apply(self, value, inputs, span, pending)

    def apply_extern(self, network: ExternCall, inputs: tuple[Tensor, ...], pending: Pending) -> tuple[Tensor, ...]:
        from .extern import apply_extern

        return apply_extern(self, network, inputs, pending)


def as_tensors(value: Any) -> tuple[Tensor, ...] | None:
    """A tensor, a tuple of tensors or a list of tensors as a flat tuple; None for anything else."""
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, tuple):
        return value
    if isinstance(value, list) and value and all(isinstance(v, (Tensor, tuple)) for v in value):
        flat: list[Tensor] = []
        for item in value:
            flat.extend((item,) if isinstance(item, Tensor) else item)
        return tuple(flat)
    return None


def plain(value: Any) -> Any:
    """A value as layers take it: exact ratios become integers or doubles."""
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else float(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, InitialiserKind):
        return make_initialiser(value.name, [], {})
    return value


def freeze(value: Any) -> Any:
    """A hashable stand-in for arguments; 1, 1.0 and true stay apart."""
    kind = type(value)
    if kind is int or kind is str:
        return value
    if kind is list or kind is tuple:
        return (kind, *[freeze(v) for v in value])
    if kind is dict:
        return tuple([(k, freeze(v)) for k, v in value.items()])
    if kind is bool or kind is float:
        return kind, value
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value
