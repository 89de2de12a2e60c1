"""Blocks, and their instantiation: a block's body elaborated on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.source import Span
from ..ir.graph import Origin, Scope
from ..ops.maps import describe as describe_type
from .callables import Defined
from .declared import fits
from .environment import Environment, Frame
from .explain import arriving
from .machine import exhausted
from .networks import Bare
from .parameters import bind_parameters
from .sharing import Account, report_unapplied
from .values import POISON, Network, Pending, Result, Tensor, Tensors, as_tensors, describe, key_of, one

if TYPE_CHECKING:
    from .machine import Machine

INSTANTIATION_STEPS = 64
"""What the instantiation of a block counts in the budget of evaluation, beside the steps of its body."""
REPETITION_STEPS = 16
"""The same for one whose body has been evaluated before."""


@dataclass(slots=True, eq=False, repr=False)
class Recipe:
    """What a body came to on inputs of some types, where that is a network which depends on nothing else, and the
    accounts of the networks that the body names."""

    network: Network
    accounts: list[Account]


@dataclass(slots=True, eq=False, repr=False)
class Block(Defined, Bare):
    """A block where it is defined.

    `recipes` are kept by arguments and input types, so that a block which is applied a hundred times is evaluated once.
    One inside another body may see names that change, and keeps them by call.
    """

    recipes: dict[Any, Recipe] = field(default_factory=dict)

    word = "block"

    @property
    def has_weights(self) -> bool:
        return True

    def network(self, span: Span) -> Network:
        return Instance(self, {}, span)


@dataclass(slots=True, eq=False, repr=False)
class Instance(Network):
    """A call of a block, elaborated where it is applied."""

    block: Block
    arguments: dict[str, Any]
    span: Span
    recipe_key: Any = None

    composite = True

    @property
    def has_weights(self) -> bool:
        return True

    @property
    def described(self) -> str:
        return self.block.described

    def entitle(self, scope: Scope) -> None:
        scope.block, scope.arguments = self.block.definition.name, self.arguments

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        """Elaborates the block's body on tensors."""
        caller = machine.origin
        machine.origin = Origin(self.block.definition.name, self.arguments, self.span, caller)
        machine.enter(inputs)
        try:
            result = self._result(machine, inputs)
            if isinstance(result, tuple):
                machine.leave(result)
            return result
        except Fault as problem:
            if problem.origin is None:
                problem.origin = machine.origin
            raise
        finally:
            machine.origin = caller

    def _result(self, machine: Machine, inputs: Tensors) -> Result:
        machine.spend(len(inputs) // 4, self.span)
        key = self._key(), *[id(t.type) for t in inputs]
        recipe = self.block.recipes.get(key)
        if recipe is not None:
            return self._again(machine, recipe, inputs)
        call = self._enter(machine, inputs)
        try:
            return self._elaborate(machine, key, inputs)
        finally:
            del machine.active[call]
            machine.depth -= 1
            machine.refused = False

    def _key(self) -> Any:
        """What stands for the arguments: equal for equal ones where the block's surroundings are a file's."""
        if self.recipe_key is None:
            self.recipe_key = key_of(self.arguments) if self.block.environment.parent is None else self
        return self.recipe_key

    def _again(self, machine: Machine, recipe: Recipe, inputs: Tensors) -> Result:
        for account in recipe.accounts:
            account.applied_at = None
        machine.deepen(self.span)
        machine.spend(REPETITION_STEPS, self.span)
        try:
            return machine.apply(recipe.network, inputs, self.span)
        finally:
            machine.depth -= 1

    def _enter(self, machine: Machine, inputs: Tensors) -> Any:
        """Opens the call; the key of it among those that are open. Raises a Fault where it is open already."""
        block, types = self.block, tuple([t.type for t in inputs])
        call = block.definition, block.environment, types, key_of(self.arguments)
        first = machine.active.get(call)
        if first is not None:
            raise fault(
                "E0304",
                f"`{machine.origin}` is instantiated inside itself with equal arguments and input: it would never end",
                self.span,
                "a recursive block needs an argument that changes, and an `if` that stops it",
                labels=(Note(first, "its first instantiation starts here"),) if first != self.span else (),
            )
        machine.deepen(self.span)
        machine.spend(INSTANTIATION_STEPS, self.span)
        machine.active[call] = self.span
        return call

    def _elaborate(self, machine: Machine, key: Any, inputs: Tensors) -> Result:
        definition, body = self.block.definition, self.block.definition.body
        known = len(machine.accounts)
        environment = Environment(self.block.environment, frame=Frame(definition, one(inputs)))
        if definition.inputs is not None:
            self._bind_inputs(machine, definition.inputs, inputs, environment)
        bind_parameters(machine, definition, self.arguments, environment, self.span)
        events = machine.events
        if isinstance(body, ast.Expr):
            value = machine.evaluate(body, environment)
        else:
            machine.execute(body, environment)
            value = self._only_output(environment)
        pure, own = isinstance(value, Network) and machine.events == events, machine.accounts[known:]
        try:
            result = self._flow(machine, value, inputs)
        except Fault as problem:
            if isinstance(body, ast.Expr) or exhausted(problem):
                raise
            machine.report(problem)
            return POISON
        if pure:
            self.block.recipes[key] = Recipe(value, own)
        if not isinstance(body, ast.Expr):
            report_unapplied(machine, environment, definition)
        return result

    def _flow(self, machine: Machine, value: Any, inputs: Tensors) -> Result:
        """The tensors that the body puts out: a network there means `in -> network`."""
        if value is POISON:
            return POISON
        tensors = as_tensors(value)
        if tensors is not None:
            return tensors
        body = self.block.definition.body
        return machine.apply(value, inputs, body.span if isinstance(body, ast.Expr) else machine.here)

    def _only_output(self, environment: Environment) -> Any:
        definition, outputs = self.block.definition, environment.frame.outputs if environment.frame else []
        if not outputs:
            hint = "end the body with `output e`, where `e` is what the block makes of `in`"
            raise fault("E0305", f"the block `{definition.name}` has no `output`", definition.name_span, hint)
        if len(outputs) > 1:
            hint = "several tensors are put out as a tuple: `output (a, b)`; one of several is chosen by `if`"
            message = f"the block `{definition.name}` has more than one `output`"
            raise fault("E0305", message, definition.name_span, hint)
        return outputs[0]

    def _bind_inputs(
        self, machine: Machine, parameters: Sequence[ast.Parameter], inputs: Tensors, environment: Environment
    ) -> None:
        """Gives every input of the block a name its tensor, or its default where fewer tensors arrive."""
        definition = self.block.definition
        named = [p for p in parameters if not p.rest]
        least, most = sum(p.default is None for p in named), len(named)
        if len(inputs) < least or (len(inputs) > most and len(named) == len(parameters)):
            upto = f"{least} to {most}" if most > least else str(least)
            wanted = upto if len(named) == len(parameters) else f"{least} or more"
            message = f"the block `{definition.name}` takes {arriving(wanted, len(inputs))}"
            hint = f"put them side by side: `(x, y) -> {definition.name}(...)`"
            if len(inputs) > most:
                hint = f"`each({definition.name}(...))` applies it to every one; `sum` or `concat` makes one of them"
            raise fault("E0301", message, self.span, hint, labels=(Note(definition.name_span, "declared here"),))
        for place, parameter in enumerate(named):
            arrives, default = place < len(inputs), None
            if not arrives or isinstance(parameter.default, ast.Number | ast.Boolean | ast.Text):
                default = self._default(machine, parameter, environment)
            value = inputs[place] if arrives else default
            if isinstance(value, Tensor) and parameter.type is not None:
                self._check_input(parameter, parameter.type, value)
            environment.names[parameter.name] = value
            machine.name_tensor(value, parameter.name)
        if rest := next((p for p in parameters if p.rest), None):
            environment.names[rest.name] = tuple(inputs[most:])

    def _default(self, machine: Machine, parameter: ast.Parameter, environment: Environment) -> Any:
        assert parameter.default is not None
        value = machine.evaluate(parameter.default, environment)
        if value is None or value is POISON or isinstance(value, Tensor):
            return value
        message = f"the default of the input `{parameter.name}` must be a tensor or none, and is {describe(value)}"
        hint = "an input before it, as in `(x, context = x)`, or `none`; numbers are parameters: `block b(n = 3)(x)`"
        raise fault("E0311", message, parameter.default.span, hint)

    def _check_input(self, parameter: ast.Parameter, declared: ast.TypeExpr, tensor: Tensor) -> None:
        words = [word for word in declared.alternatives if word != "none"]
        found = [isinstance(w, str) and fits(tensor.type, w, declared.span) for w in words]
        if not any(found):
            message = f"the input `{parameter.name}` of `{self.block.definition.name}` is {declared.span.text}, and"
            arrives = f"{message} {describe_type(tensor.type)} arrives"
            hint = "an input is `float`, `int`, `bool` or `tokens`, which has its channels last"
            raise fault("E0311", arrives, self.span, hint, labels=(Note(parameter.span, "declared here"),))
