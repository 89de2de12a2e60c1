"""What the forward of a scope does, as expressions of numbered values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...ir.graph import Node, Scope, Value
from ...ir.instantiations import instantiation
from ...ir.lowering import In, ModuleCall, Program, Step
from ...ir.regions import Region, indices_of
from ..tensor_names import TensorNames
from .expr import Expr, call, const, listed, raw, subscript, var
from .layers import Functions
from .parts import Part

if TYPE_CHECKING:
    from .code import Writer

_MOST_UNPACKED = 3


@dataclass(frozen=True, slots=True)
class StepCode:
    """One statement to be: `outs` are numbers of values in the body."""

    outs: tuple[int, ...]
    expr: Expr
    kind: str = "function"
    """`module`, `weight layer`, `unit`, `function`, `tensor`, which may be said anywhere, `list`, or `append`."""
    hint: str = ""
    training: bool = False
    optional: bool = False
    early: bool = False
    """A part of a long sum, which may be computed as soon as what it adds is there."""
    again: int = 0
    """The number of the part that training computes again to which it belongs, 0 for none."""
    names: tuple[tuple[str, ...], ...] = ()
    """What the spec calls each of the values; empty where it names none."""


@dataclass(slots=True, eq=False)
class Code:
    """The code of a scope. `members` are what its constructor makes, by name."""

    scope: Scope
    form: str
    members: list[tuple[str, Expr]] = field(default_factory=list)
    made: list[tuple[str, Expr]] = field(default_factory=list)
    """The members as statements or items of a list, with loops, each with a name that says what it is about."""
    steps: list[StepCode] = field(default_factory=list)
    starts: list[Expr] = field(default_factory=list)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    called: tuple[tuple[str, ...], ...] = ()
    """What the spec calls each of the inputs."""
    callable: bool = True
    counts: bool = False
    takes_list: bool = False
    """Whether its one input is a list of tensors."""
    optional: str | None = None
    """The parameter for a part that other instances lack: the caller passes what is `given`, if anything is."""
    given: Expr | None = None
    recursive: bool = False
    """Whether that part is a block of the same kind, which all instances are given."""
    key: int = -1
    constants: list[Any] = field(default_factory=list)

    @property
    def is_class(self) -> bool:
        """Whether it has a definition of its own: a class, or a function that makes a row."""
        return self.form.startswith("class")

    @property
    def has_forward(self) -> bool:
        """Whether the class says what its forward does: a row of modules is called one after the other as it is."""
        return self.callable and self.form in ("class", "class of list")

    @property
    def base(self) -> str:
        return "Modules" if self.form == "class of list" else "nn.Module"

    @property
    def numbered(self) -> bool:
        """Whether it is made of a list of modules."""
        return self.form in ("class of list", "class of row") and all(
            name == str(i) for i, (name, _) in enumerate(self.members)
        )


class Steps:
    """Writes the steps of one body."""

    def __init__(self, writer: Writer, code: Code, body: Region, left_out: str | None, bypass: bool):
        self.writer = writer
        self.plan = writer.plan
        self.code = code
        self.body = body
        self.left_out = left_out
        self.bypass = bypass
        self.numbers: dict[Value, int] = {}
        self.count = 0
        self.training = False
        """Whether only training needs what is written. The root asks: every other scope is called for one purpose."""
        self.again = 0

    def fresh(self) -> int:
        self.count += 1
        return self.count - 1

    def write(self) -> None:
        root = self.code.scope.parent is None
        arriving = self.writer.input_values if root else self.body.inputs
        for value in arriving:
            self.numbers[value] = self.fresh()
        self.code.inputs = tuple(range(self.count))
        around = (region.scope for region in self.body.outwards())
        names = TensorNames(self.plan.graph, around, next(iter(self.body.indices), None), self.body.outputs)
        self.code.called = tuple([names.of_input(value) for value in arriving])
        parts: dict[object | None, int] = {None: 0}
        for item, part in zip(self.body.steps, self.plan.again(self.body), strict=True):
            self.again = parts.setdefault(part, len(parts))
            first = len(self.code.steps)
            self.training = root and self.plan.training_only.issuperset(indices_of(item))
            if isinstance(item, Region):
                self._region(item)
            else:
                self._part(self.plan.parts[item.index])
            self._name(item, first, names)
        self.training, self.again = False, 0
        outputs = self.plan.outputs if root else self.body.outputs
        self.code.outputs = tuple(self._number(value) for value in outputs)
        self.code.counts = self.code.scope in self.plan.told

    def _name(self, item: Node | Region, first: int, names: TensorNames) -> None:
        """Says what the spec calls the tensors that an item makes, whose steps begin with the first."""
        made = item.outputs if isinstance(item, Region) else [(item.index, port) for port in range(len(item.outputs))]
        inner = None
        if isinstance(item, Region) and item.scope.block is not None:
            inner = instantiation(self.plan.graph, item.scope, next(iter(item.indices), None))
        found = {self.numbers[value]: names.of_step(value, inner) for value in made}
        for place, step in enumerate(self.code.steps[first:], first):
            self.code.steps[place] = replace(step, names=tuple([found.get(number, ()) for number in step.outs]))

    def _number(self, value: Value) -> int:
        """The number of a tensor: one of the module is said where it is first needed."""
        if value not in self.numbers:
            part = self.plan.parts[value[0]]
            self._emit(self._access(self.plan.parts[part.owner]), [value], "tensor")
        return self.numbers[value]

    def _region(self, region: Region) -> None:
        args = [self._number(value) for value in region.inputs]
        counted = None
        if region.scope in self.plan.told:
            counted = raw("step") if self.plan.passes_on(self.body, region) else const(self.plan.number(region), "step")
        layer = self.plan.layer(region.scope)
        if layer is not None and not layer[1].is_plain:
            part = self.plan.parts[region.indices[0]]
            how = part.op.lower_whole(self.plan.graph.input_types(part), part.outputs)
            assert isinstance(how, ModuleCall)
            self._module(part, how, region.scope, args, region.outputs, "unit")
            return
        code = self.writer.codes.get(region.scope)
        given = [listed(tuple(map(var, args)))] if code is not None and code.takes_list else list(map(var, args))
        self._call(region.scope, given, region.outputs, "unit", counted)

    def _access(self, target: Scope | Part) -> Expr:
        """How the module is said: what is in a list of each application's own, by the application's number."""
        own = self.plan.own_module(self.body, target)
        if own is None or own.holder is None:
            return self.writer.route(self.code.scope, target)
        numbered = subscript(self.writer.route(self.code.scope, own.holder), raw("step"))
        way = self.writer.own_way(own, target, numbered)
        assert way is not None
        return way

    def _call(
        self,
        target: Scope | Part,
        args: list[Expr],
        outs: list[Value],
        kind: str,
        counted: Expr | None = None,
    ) -> None:
        scope = self.code.scope
        skipped = self.left_out is not None and scope.children[self.left_out] is target
        if skipped and self.bypass:
            self.numbers[outs[0]] = args[0].data
            return
        expr = call(self._access(target), *args, **({"step": counted} if counted else {}))
        if skipped:
            test = Expr("raw", f"self.{self.left_out} is None")
            expr = Expr("choice", None, (test, args[0], expr))
        if self.code.recursive and scope.children[self.code.optional or ""] is target:
            kind = "unit"  # whatever it is that the caller gives
        self._emit(expr, outs, kind, hint=target.name, optional=skipped)

    def _emit(self, expr: Expr, outs: list[Value], kind: str, **marks: Any) -> None:
        """One more step, which makes these tensors."""
        if expr.kind == "var":
            self.numbers[outs[0]] = expr.data
            return
        numbers = tuple(self.fresh() for _ in outs)
        for value, number in zip(outs, numbers, strict=True):
            self.numbers.setdefault(value, number)  # of what is given back it is known
        self._add(numbers, expr, kind, **marks)

    def _add(self, outs: tuple[int, ...], expr: Expr, kind: str = "function", **marks: Any) -> None:
        self.code.steps.append(StepCode(outs, expr, kind, training=self.training, again=self.again, **marks))

    def _part(self, part: Part) -> None:
        owner = self.plan.parts[part.owner]
        outs: list[Value] = [(part.index, port) for port in range(len(part.outputs))]
        inputs = [self._number(value) for value in part.inputs]
        if isinstance(part.how, Program):
            self._program(part, part.how.results, inputs, outs)
        elif isinstance(part.how, ModuleCall):
            kind = "weight layer" if part.op.is_weight_layer() else "module"
            if part.called_plainly:
                self._call(owner, list(map(var, inputs)), outs, kind)
            else:
                self._module(part, part.how, owner, inputs, outs, kind)

    def _program(self, part: Part, results: tuple[Any, ...], inputs: list[int], outs: list[Value]) -> None:
        """The functions of an op. Of a tuple that it makes a few items are unpacked, and many taken by their number."""
        whole = _whole(results)
        if whole is None:
            for out, result in zip(outs, self._functions(part, inputs, results), strict=True):
                early = _sums(result) and self.code.steps != [] and self.code.steps[-1].early
                self._emit(result, [out], "function", early=early)
            return
        (made,) = self._functions(part, inputs, (whole,))
        if len(outs) <= _MOST_UNPACKED:
            self._emit(made, outs, "function")
            return
        number = self.fresh()
        self._add((number,), made)
        for place, out in enumerate(outs):
            self._emit(subscript(var(number), const(place, "index")), [out], "tensor")

    def _functions(self, part: Part, inputs: list[int], results: Any, returned: Expr | None = None) -> list[Expr]:
        functions = Functions([var(n) for n in inputs], self.fresh, returned, part.bound)
        made = functions.results(results)
        for number, expr in functions.lets:
            early = not self.training and _sums(expr)
            self._add((number,), expr, early=early)
        return made

    def _module(
        self, part: Part, how: ModuleCall, owner: Scope | Part, inputs: list[int], outs: list[Value], kind: str
    ) -> None:
        positional = how.inputs if how.inputs is not None else tuple(In(i) for i in range(len(inputs)))
        made = self._functions(part, inputs, (*positional, *how.call_kwargs.values()))
        args, keywords = made[: len(positional)], made[len(positional) :]
        expr = call(self._access(owner), *args, **dict(zip(how.call_kwargs, keywords, strict=True)))
        if how.results is None:
            self._emit(expr, outs, kind, hint=part.name)
        elif len(how.results) == 1:
            (made,) = self._functions(part, inputs, how.results, expr)
            self._emit(made, outs, kind, hint=part.name)
        else:
            number = self.fresh()
            self._add((number,), expr)
            for made, out in zip(self._functions(part, inputs, how.results, var(number)), outs, strict=True):
                self._emit(made, [out], "tensor")


def _whole(results: tuple[Any, ...]) -> Step | None:
    """The step that makes a tuple, where the results are its items one after the other."""
    items = enumerate(results if len(results) > 1 else ())
    found = [r.args[0] for n, r in items if isinstance(r, Step) and r.target == "operator.getitem" and r.args[1] == n]
    return found[0] if found and found == [found[0]] * len(results) else None


def _sums(expr: Expr) -> bool:
    return expr.kind == "binary" and all(kid.kind == "var" for kid in expr.kids)
