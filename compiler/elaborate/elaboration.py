"""The elaboration of one architecture: budgets, defaults, and the instantiation of blocks."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, Poisoned, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.limits import LIMITS
from ...dsl.source import Span
from ..ir.graph import Origin
from ..ir.initialisers import make_initialiser
from ..ir.op import Op
from ..ops.build import ArgumentError, build_op
from .builder import Builder, Pending
from .environment import MISSING, Environment
from .parameters import check_type, outline, read, same
from .values import (
    POISON,
    Bound,
    ExternCall,
    InitialiserKind,
    Instance,
    Layer,
    Listed,
    Network,
    Outside,
    Poison,
    Recipe,
    Replacement,
    Shared,
    Tensor,
)

if TYPE_CHECKING:
    from .rewriting import Rewrites

INSTANTIATION_STEPS = 64
"""What the instantiation of a block counts in the budget of evaluation, beside the steps of its body."""
REPETITION_STEPS = 16
"""The same for one whose body has been evaluated before."""

_OUTPUT = "end the body with `output e`, where `e` is what the block makes of `in`"


class Elaboration(Builder):
    """Everything that one elaboration carries. `tables` are the evaluator's, by class of syntax."""

    def __init__(
        self,
        name: str,
        here: Span,
        expressions: dict[type, Callable[..., Any]],
        statements: dict[type, Callable[..., Any]],
        rewrites: Rewrites,
    ):
        super().__init__(name, here)
        self.steps = 0
        self.passed_on = 0
        self.depth = 0
        self.defaults: dict[str, dict[str, Any]] = {}
        self.default_spans: dict[tuple[str, str], Span] = {}
        self.asked = Environment()
        self.replacements: dict[str, Replacement] = {}
        self.settled = False
        self.refused = False
        self.labels: dict[ast.LabelPath, Any] = {}
        self.rewrites = rewrites
        self._expressions = expressions
        self._statements = statements
        self._ops: dict[Any, Op] = {}
        self.calls: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        self._active: dict[tuple[Any, ...], list[tuple[dict[str, Any], Span]]] = {}

    # --- evaluation --------------------------------------------------------------------------

    def evaluate(self, node: ast.Expr, environment: Environment) -> Any:
        """The value of an expression. Raises a Fault."""
        self.steps += 1
        if self.steps > LIMITS.evaluation_steps:
            raise too_long(node.span)
        return self._expressions[type(node)](self, node, environment)

    def spend(self, steps: int, span: Span) -> None:
        """Counts steps that are no expressions, such as the elements of a list. Raises a Fault beyond the limit."""
        self.steps += steps
        if self.steps > LIMITS.evaluation_steps:
            raise too_long(span)

    def pass_on(self, span: Span) -> None:
        """Counts one application, of what may make no node at all. Raises a Fault beyond the limit."""
        self.passed_on += 1
        if self.passed_on > LIMITS.evaluation_steps:
            raise too_long(span)

    def attempt(self, node: ast.Expr, environment: Environment) -> Any:
        """The same, where a Fault is reported and leaves POISON, so that what follows is still looked at."""
        try:
            return self.evaluate(node, environment)
        except Fault as problem:
            if exhausted(problem):
                raise
            self.report(problem)
            return POISON

    def execute(self, statements: tuple[ast.Statement, ...], environment: Environment) -> None:
        """Runs a body. Constraints that stand together are all looked at; where one does not hold, the body ends, since
        the rest may be wrong because of it."""
        for statement in statements:
            if self.refused and not isinstance(statement, ast.Require):
                break
            self.here = statement.span
            self._statements[type(statement)](self, statement, environment)
        if self.refused:
            raise Poisoned

    # --- layers ------------------------------------------------------------------------------

    def resolve(self, layer: Layer) -> Op:
        """The op of a layer's call, the architecture's defaults beneath its arguments. One object for equal calls."""
        if layer.op is not None:
            return layer.op
        key = (layer.cls, freeze(layer.positional), freeze(layer.keywords))
        op = self._ops.get(key)
        if op is None:
            keywords = self._with_defaults(layer)
            try:
                op = build_op(
                    layer.cls, [plain(v) for v in layer.positional], {k: plain(v) for k, v in keywords.items()}
                )
            except ArgumentError as error:
                raise fault("E0303", str(error), self._blamed(layer, error.parameter), *error.hints) from None
            if self.settled:
                self._ops[key] = op
        if self.settled:
            layer.op = op
        return op

    def _blamed(self, layer: Layer, parameter: str | None) -> Span:
        """Where a wrong setting stands: in the call, or in a `default` of the architecture."""
        given = parameter in layer.keywords or parameter in layer.cls.positional[: len(layer.positional)]
        if not given:
            return self.default_spans.get((layer.cls.kind, parameter or ""), layer.span)
        arguments = layer.call.arguments if layer.call is not None else ()
        plain = not any(a.name is None and isinstance(a.value, (ast.Splat, ast.Comprehension)) for a in arguments)
        for place, argument in enumerate(arguments):
            by_place = plain and argument.name is None and layer.cls.positional[place : place + 1] == (parameter,)
            if argument.name == parameter or by_place:
                return argument.span
        return layer.span

    def _with_defaults(self, layer: Layer) -> dict[str, Any]:
        defaults = self.defaults.get(layer.cls.kind)
        if not defaults:
            return layer.keywords
        given = set(layer.cls.positional[: len(layer.positional)])
        return {k: v for k, v in defaults.items() if k not in given} | layer.keywords

    # --- blocks ------------------------------------------------------------------------------

    def instantiate(self, instance: Instance, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | Poison:
        """Elaborates a block's body on tensors."""
        caller = self.origin
        self.origin = Origin(instance.block.definition.name, instance.arguments, instance.span, caller)
        try:
            key = self._key(instance), *[id(t.type) for t in inputs]
            recipe = instance.block.recipes.get(key)
            if recipe is not None:
                return self._again(instance, recipe, inputs)
            calls = self._enter(instance, inputs)
            try:
                return self._body(instance, key, self._environment(instance, inputs), inputs)
            finally:
                calls.pop()
                self.depth -= 1
                self.refused = False
        except Fault as problem:
            if problem.origin is None:
                problem.origin = self.origin
            raise
        finally:
            self.origin = caller

    def _key(self, instance: Instance) -> Any:
        """What stands for a call's arguments: equal for equal ones where the block's surroundings are a file's."""
        if instance.key is None:
            fixed = instance.block.environment.parent is None
            instance.key = freeze(instance.arguments) if fixed else instance
        return instance.key

    def _again(self, instance: Instance, recipe: Recipe, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | Poison:
        for bound in recipe.bound:
            bound.applied_at = None
        self.deepen(instance.span)
        self.spend(REPETITION_STEPS, instance.span)
        try:
            return self.apply(recipe.network, inputs, instance.span)
        finally:
            self.depth -= 1

    def _environment(self, instance: Instance, inputs: tuple[Tensor, ...]) -> Environment:
        """The names of a block's body: its input, its parameters."""
        definition = instance.block.definition
        environment = Environment(instance.block.environment)
        environment.names["in"] = inputs[0] if len(inputs) == 1 else inputs
        if definition.inputs is not None:
            self._bind_inputs(definition, inputs, environment, instance.span)
        self.bind_parameters(definition, instance.arguments, environment, instance.span)
        return environment

    def _enter(self, instance: Instance, inputs: tuple[Tensor, ...]) -> list[Any]:
        definition = instance.block.definition
        types = tuple([t.type for t in inputs])
        key = (definition, id(instance.block.environment), types, outline(instance.arguments))
        calls = self._active.setdefault(key, [])
        for arguments, first in calls:
            if same(arguments, instance.arguments):
                chain = (Note(first, "its first instantiation starts here"),) if first != instance.span else ()
                raise fault(
                    "E0304",
                    f"`{self.origin}` is instantiated inside itself with equal arguments and input: it would never end",
                    instance.span,
                    "a recursive block needs an argument that changes, and an `if` that stops it",
                    labels=chain,
                )
        self.deepen(instance.span)
        self.spend(INSTANTIATION_STEPS, instance.span)
        calls.append((instance.arguments, instance.span))
        return calls

    def deepen(self, span: Span | None) -> None:
        """One instantiation deeper; the caller undoes it."""
        if self.depth >= LIMITS.instantiation_depth:
            raise fault(
                "E0911",
                f"instantiations are nested more than {LIMITS.instantiation_depth} deep",
                span,
                "does the recursion have an end? `if` with a condition on an argument stops it",
            )
        self.depth += 1

    def _body(
        self, instance: Instance, key: Any, environment: Environment, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...] | Poison:
        definition = instance.block.definition
        events = self.events
        if isinstance(definition.body, ast.Expr):
            value = self.evaluate(definition.body, environment)
        else:
            environment.names["\0outputs"] = outputs = []
            environment.names["\0arch"] = False  # the block may be defined in an arch, whose names it sees
            self.execute(definition.body, environment)
            value = self._only_output(definition, outputs)
        pure = isinstance(value, Network) and self.events == events
        try:
            result = self.flow(value, inputs, definition.body)
        except Fault as problem:
            if isinstance(definition.body, ast.Expr) or exhausted(problem):
                raise
            self.report(problem)
            return POISON
        if pure:
            passed = {p.name for p in definition.parameters}
            own = [bound_network(v) for n, v in environment.names.items() if n not in passed]
            bound = [b for b in own if b is not None]
            instance.block.recipes[key] = Recipe(value, bound)
        if not isinstance(definition.body, ast.Expr):
            self.check_bound(environment, definition.span)
        return result

    def flow(self, value: Any, inputs: tuple[Tensor, ...], body: ast.Expr | tuple[ast.Statement, ...]) -> Any:
        """The tensors that a body puts out: a network there means `in -> network`."""
        if value is POISON:
            return POISON
        tensors = as_tensors(value)
        if tensors is not None:
            return tensors
        return self.apply(value, inputs, body.span if isinstance(body, ast.Expr) else self.here)

    def _only_output(self, definition: ast.BlockDef, outputs: list[Any]) -> Any:
        if not outputs:
            raise fault("E0305", f"the block `{definition.name}` has no `output`", definition.name_span, _OUTPUT)
        if len(outputs) > 1:
            hint = "several tensors are put out as a tuple: `output (a, b)`; one of several is chosen by `if`"
            raise fault(
                "E0305", f"the block `{definition.name}` has more than one `output`", definition.name_span, hint
            )
        return outputs[0]

    def check_bound(self, environment: Environment, body: Span) -> None:
        """Reports networks with parameters that a body names and never applies.

        An error in the body may be why one is not applied, so then nothing is said.
        """
        from .contents import has_weights

        if any(body.holds(span) for d in self.diagnostics.errors for span in d.places()):
            return
        for name, value in environment.names.items():
            if isinstance(value, Shared):
                unused = value.applications == 0
            else:
                unused = isinstance(value, Bound) and value.applied_at is None and not value.passed_on
            own = unused and name == value.name and body.holds(value.span)
            if own and has_weights(value.network, self.replacements):
                self.report(
                    fault(
                        "E0506",
                        f"`{name}` has parameters, and is never applied",
                        value.span,
                        f"apply it to a tensor, as in `x -> {name}`, or remove it",
                    )
                )

    def _bind_inputs(
        self, definition: ast.BlockDef, inputs: tuple[Tensor, ...], environment: Environment, span: Span
    ) -> None:
        parameters = definition.inputs or ()
        rest = next((p for p in parameters if p.rest), None)
        plain_count = len(parameters) - (rest is not None)
        if len(inputs) < plain_count or (len(inputs) > plain_count and rest is None):
            wanted = f"{plain_count} or more" if rest else str(plain_count)
            raise fault(
                "E0301",
                f"the block `{definition.name}` takes {tensors(wanted, len(inputs))}",
                span,
                f"put them side by side: `(x, y) -> {definition.name}(...)`",
                labels=(Note(definition.name_span, "declared here"),),
            )
        for parameter, tensor in zip(parameters, inputs, strict=False):
            environment.names[parameter.name] = tensor
        if rest:
            environment.names[rest.name] = tuple(inputs[plain_count:])

    def bind_parameters(
        self, definition: ast.Declaration, arguments: dict[str, Any], environment: Environment, span: Span | None
    ) -> None:
        """Gives every parameter its argument or its default. Raises a Fault where it has neither, or the wrong type."""
        for parameter in definition.parameters:
            value = arguments.get(parameter.name, MISSING)
            if value is MISSING:
                if parameter.default is None:
                    raise fault(
                        "E0307",
                        f"`{definition.name}` needs its parameter `{parameter.name}`",
                        span or parameter.span,
                        f"`{definition.name}({parameter.name} = ...)` gives it a value; so may its declaration",
                        labels=(Note(parameter.span, "it has no default"),) if span else (),
                    )
                value = self.evaluate(parameter.default, environment)
            elif type(value) is Outside:
                value = read(self, definition, parameter, value)
            if value is not POISON and parameter.type is not None:
                value = check_type(self, definition, parameter, value, span)
            environment.names[parameter.name] = value

    # --- filled in by the modules above -----------------------------------------------------

    def apply(self, value: Any, inputs: tuple[Tensor, ...], span: Span, pending: Pending = None) -> Any:
        from .apply import apply

        return apply(self, value, inputs, span, pending)

    def apply_extern(self, network: ExternCall, inputs: tuple[Tensor, ...], pending: Pending) -> tuple[Tensor, ...]:
        from .extern import apply_extern

        return apply_extern(self, network, inputs, pending)


def exhausted(problem: Fault) -> bool:
    """Whether a budget is spent, so that nothing more can be looked at."""
    return problem.diagnostic.code in ("E0910", "E0911", "E0912", "E0913")


def too_long(span: Span) -> Fault:
    """The Fault of an evaluation that goes beyond its budget."""
    return fault(
        "E0910",
        f"evaluation takes more than {LIMITS.evaluation_steps:,} steps",
        span,
        "a recursion or a loop may go on much longer than was meant: what calls itself twice doubles at every level",
    )


def tensors(wanted: str | int, arrived: int) -> str:
    """`2 tensors, and 1 arrives`."""
    return f"{wanted} tensor{'s' * (str(wanted) != '1')}, and {arrived} arrive{'s' * (arrived == 1)}"


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
    if kind is Listed:
        kind = list
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


def bound_network(value: Any) -> Bound | None:
    """The network with an account of its applications behind a name's value: itself, or a list's."""
    if isinstance(value, Listed):
        return value.bound
    return value if isinstance(value, Bound) else None
