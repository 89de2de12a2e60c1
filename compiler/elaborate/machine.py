"""The machine that an elaboration runs on: it evaluates and applies within its budgets, and resolves layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.diagnostics import Fault, fault
from ...dsl.limits import LIMITS, higher
from ...dsl.source import Span
from ..ir.op import Op
from ..ir.sizes import Size, postorder
from ..ir.types import TensorType
from ..ops.build import ArgumentError, build_op
from ..ops.given import with_weights
from .builder import Builder
from .environment import Environment
from .foreign import written_here
from .networks import Layer, Replacement, as_network
from .suggestions import along_axes
from .values import Label, Network, Pending, Result, Tensors, extent_of, key_of, plain

if TYPE_CHECKING:
    from .rewriting import Rewrites

_SCOPE_PASSES = 3
"""Applications that opening a scope counts as."""
_ARCH_STEPS = 2_000
"""Steps of an architecture, beside those of what it holds."""
_NODE_STEPS = 4
"""Steps of a node, and of an application."""
_INFERENCE_STEPS = 80
"""Steps of inferring the types of an op's outputs, beside those of their sizes."""
_ATOM_STEPS = 90
"""Steps of each atom of a size, beyond a few."""
_FEW_ATOMS = 50
_SETTINGS_STEPS = 40
"""Steps of checking the settings of a layer, beside those of the expressions that give them."""


class Machine(Builder, ABC):
    """Everything that one elaboration carries. What evaluates expressions and executes statements is built upon it."""

    def __init__(self, name: str, here: Span, rewrites: Rewrites):
        super().__init__(name, here)
        self.steps = 0
        self.most_steps = LIMITS.evaluation_steps
        self.depth = 0
        self.defaults: dict[str, dict[str, Any]] = {}
        self.default_spans: dict[tuple[str, str], Span] = {}
        self.asked = Environment()
        self.replacements: dict[str, Replacement] = {}
        self.settled = False
        self.refused = False
        self.labels: dict[ast.LabelPath, Label] = {}
        self.rewrites = rewrites
        self.active: dict[Any, Span] = {}
        self.tables: dict[Any, list[Any]] = {}
        self._ops: dict[Any, Op] = {}
        self._given: dict[tuple[Op, tuple[str, ...], bool], Op] = {}
        self._formulas: dict[int, tuple[Size, int]] = {}

    # --- evaluation --------------------------------------------------------------------------

    @abstractmethod
    def evaluate(self, node: ast.Expr, environment: Environment) -> Any:
        """The value of an expression. Raises a Fault."""

    @abstractmethod
    def execute(self, statements: tuple[ast.Statement, ...], environment: Environment) -> None:
        """Runs a body. Constraints that stand together are all looked at; where one does not hold, the body ends, since
        the rest may be wrong because of it."""

    def spend(self, steps: int, span: Span) -> None:
        """Counts steps that are no expressions, such as the elements of a list. Raises a Fault beyond the limit."""
        self.steps += steps
        if self.steps > self.most_steps:
            raise too_long(span)

    @property
    def spent(self) -> int:
        """What counts against the limit of steps."""
        return max(self.steps, self.passed_on)

    @property
    def work(self) -> int:
        """What the whole took, in steps."""
        return _ARCH_STEPS + self.steps + _NODE_STEPS * (self.passed_on + len(self.nodes))

    def ask(self, op: Op, types: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """The types of an op's outputs that were not inferred before, which is counted."""
        outputs = super().ask(op, types)
        steps = _INFERENCE_STEPS
        for type_ in (*types, *outputs):
            steps += type_.rank + sum([self._size_steps(size) for size in type_.dims if isinstance(size, Size)])
        self.spend(steps, self.here)
        return outputs

    def _size_steps(self, size: Size) -> int:
        """Steps of looking at a size, where it is a long formula; each formula is gone through once."""
        known = self._formulas.get(id(size))
        if known is None:
            steps = _ATOM_STEPS * max(0, len(postorder(size)) - _FEW_ATOMS)
            known = self._formulas[id(size)] = size, steps
        return known[1]

    def look_over(self, values: Any, span: Span) -> None:
        """Counts what looks at each value of a list, of the lists in it, or of a tuple, where there may be many."""
        self.spend(extent_of(values) // 2, span)

    def pass_on(self, span: Span, tensors: int = 1) -> None:
        """Counts one application, of what may make no node at all. Raises a Fault beyond the limit."""
        self.passed_on += 1 + tensors // 16
        if self.passed_on > self.most_steps:
            raise too_long(span)

    @abstractmethod
    def attempt(self, node: ast.Expr, environment: Environment) -> Any:
        """The value of an expression. A Fault is reported and leaves POISON, so that what follows is looked at too."""

    def deepen(self, span: Span | None) -> None:
        """One instantiation deeper; the caller undoes it."""
        if self.depth >= LIMITS.instantiation_depth:
            hint = "does the recursion have an end? `if` with a condition on an argument stops it"
            raise fault("E0911", f"instantiations are nested more than {LIMITS.instantiation_depth} deep", span, hint)
        self.depth += 1

    # --- application -------------------------------------------------------------------------

    def apply(self, value: Any, inputs: Tensors, span: Span, pending: Pending = None) -> Result:
        """Applies what stands for a network to tensors, under the name that is pending. Raises a Fault."""
        network = value if isinstance(value, Network) else as_network(value, span)
        if pending is not None and network.composite:
            return self.apply_inside(network, inputs, pending)
        return network.apply(self, inputs, pending)

    def apply_inside(self, network: Network, inputs: Tensors, pending: Label | int) -> Result:
        """The same in a scope of its own, which has the pending name."""
        self.passed_on += _SCOPE_PASSES
        if self.unopened:
            self.open_virtuals()
        outer, first = self.scope, len(self.nodes)
        scope = self.open(pending)
        network.entitle(scope)
        try:
            return network.apply(self, inputs, None)
        finally:
            self.close(scope, outer, first)

    # --- layers ------------------------------------------------------------------------------

    def resolve(self, layer: Layer) -> Op:
        """The op of a layer's call, the architecture's defaults beneath its arguments. One object for equal calls."""
        if layer.op is not None:
            return layer.op
        for value in (*layer.positional, *layer.keywords.values()):
            if isinstance(value, list):
                self.look_over(value, layer.span)
        key = layer.cls, key_of(layer.positional), key_of(layer.keywords)
        op = self._ops.get(key)
        if op is None:
            self.spend(_SETTINGS_STEPS, layer.span)
            keywords = self._with_defaults(layer)
            try:
                op = build_op(
                    layer.cls, [plain(v) for v in layer.positional], {k: plain(v) for k, v in keywords.items()}
                )
            except ArgumentError as error:
                here = written_here(layer) or along_axes(layer.span)
                hints = (*here, *error.hints[-1:]) if here else error.hints
                raise fault("E0303", str(error), self._blamed(layer, error.parameter), *hints) from None
            if self.settled:
                self._ops[key] = op
        if self.settled:
            layer.op = op
        return op

    def with_weights(self, op: Op, names: tuple[str, ...], named: bool) -> Op:
        """The layer as one that gets these weights, a module if it is `named`. One object for equal calls."""
        key = op, names, named
        if key not in self._given:
            self._given[key] = with_weights(op, names, named)
        return self._given[key]

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


def exhausted(problem: Fault) -> bool:
    """Whether a budget is spent, so that nothing more can be looked at."""
    return problem.diagnostic.code in ("E0910", "E0911", "E0912", "E0913")


def too_long(span: Span) -> Fault:
    """The Fault of an evaluation that goes beyond its budget."""
    hint = "a recursion or a loop may go on much longer than was meant: what calls itself twice doubles at every level"
    message = f"evaluation takes more than {LIMITS.evaluation_steps:,} steps"
    return fault("E0910", message, span, hint, *higher("evaluation_steps"))
