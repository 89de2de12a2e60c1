"""The text of a class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

from ...ir.free_names import FreeNames
from ...ir.graph import Graph
from .again import Method, with_parts
from .classes import Class, Classes
from .expr import Expr, ModuleRef, binary, call, const, integer, is_identifier, raw, registered, rewrite, walk
from .flow import Flow
from .init import Starts
from .layers import assertions, tidy
from .layout import lay, signature
from .loops import as_loop, turns, unrolled, with_loops
from .names import referred_to, snake
from .show import literal, loop_head, show
from .steps import StepCode

SELF = raw("self")
_LEAST_TURNS = 3
_BY_NUMBER = "forward calls these modules by their numbers"
_LEAST_STATEMENTS = 6


class ClassWriter:
    """Writes one class."""

    def __init__(self, group: Class, classes: Classes, graph: Graph, starts: Starts):
        self.group = group
        self.code = group.code
        self.classes = classes
        self.graph = graph
        self.starts = starts
        self.is_root = group.code.scope.parent is None
        self.slots = iter(group.slots)

    def lines(self) -> list[str]:
        made = [self._own(expr) for _, expr in self.code.made]
        if self.code.form == "class of row":
            return self._row(made, [self._own(expr) for expr in self.code.starts])
        steps = [replace(s, expr=self._finished(s.expr) if s.optional else self._own(s.expr)) for s in self.code.steps]
        starts = [self._own(expr) for expr in self.code.starts]
        whole = self._whole(made)
        body = [*self._constructor(made, starts)]
        if self.code.has_forward:
            body += ["", *self._forward(steps, whole)] if body else self._forward(steps, whole)
        return [f"class {self.group.name}({self.code.base}):", *(body or ["    pass"])]

    # --- constants -------------------------------------------------------------------------

    def _own(self, expr: Expr) -> Expr:
        """The expression as it is printed, each constant that differs between instances replaced by its parameter."""

        def change(leaf: Expr) -> Expr | None:
            if leaf.kind != "const":
                return None
            slot = next(self.slots)
            return slot.shown or const(leaf.data[0], slot.role)

        return self._finished(rewrite(expr, change))

    def _finished(self, expr: Expr) -> Expr:
        """The expression with classes called by name, defaults left out, runs as loops."""
        if not expr.kids and expr.kind != "make":
            return expr
        kids = [self._finished(kid) for kid in expr.kids]
        if expr.kind == "make":
            return self._instance(expr, kids)
        if expr.kind == "inline":
            return kids[0]
        made = Expr(expr.kind, expr.data, tuple(kids))
        return _with_items(tidy(made) if made.kind == "call" else made)

    def _instance(self, expr: Expr, kids: list[Expr]) -> Expr:
        key, count = expr.data
        group = self.classes.by_key[key]
        args: list[Expr] = []
        kwargs: dict[str, Expr] = {}
        for parameter in group.parameters:
            if parameter.role == "part":
                if len(kids) > count and kids[count].kids:
                    kwargs[parameter.name] = kids[count].kids[0]
                continue
            value = _divided(kids[parameter.slot], parameter.divisor)
            if parameter.by_position:
                args.append(value)
            elif not (
                parameter.default and value.kind == "const" and literal(value.data[0]) == literal(parameter.default[0])
            ):
                kwargs[parameter.name] = value
        return call(raw(group.name), *args, **kwargs)

    # --- the constructor -------------------------------------------------------------------

    def _parameters(self) -> list[str]:
        return [f"{p.name}: {self._annotation(p)}{_default(p.default)}" for p in self.group.parameters]

    def _row(self, made: list[Expr], starts: list[Expr]) -> list[str]:
        """A function that makes a `nn.Sequential`: slices of a subclass would call its constructor."""
        lines = signature(f"def {self.group.name}", self._parameters(), " -> nn.Sequential:", 0)
        row = raw(FreeNames({p.name for p in self.group.parameters}).new("layers"))
        items = _expanded(made) if self.code.numbered else []
        whole = call(raw("nn.Sequential"), *items)
        if self.code.numbered and not starts:
            return [*lines, *lay("return ", whole, "", 4)]
        lines += lay(f"{row.data} = ", whole, "", 4)
        for statements in ([] if self.code.numbered else made, starts):
            lines += _statements(statements, 4, row)
        return [*lines, f"    return {row.data}"]

    def _constructor(self, made: list[Expr], starts: list[Expr]) -> Iterator[str]:
        parameters = ["self", *self._parameters()]
        stored = [p.name for p in self.group.parameters if p.stored]
        loop = self._loop() if self.is_root else []
        if not (made or starts or stored or loop or len(parameters) > 1):
            return
        yield from signature("def __init__", parameters, ":", 4)
        if self.code.numbered:
            yield from lay("", call(raw("super().__init__"), Expr("list", "[]", tuple(_expanded(made)))), "", 8)
            made = []
        else:
            yield "        super().__init__()"
        for name in stored:
            yield f"        self.{name} = {name}"
        for statements in (made, starts):
            yield from _statements(statements, 8)
        yield from loop

    def _annotation(self, parameter: Any) -> str:
        if parameter.role == "part":
            return "nn.Module | None" if parameter.default else "nn.Module"
        values = [*self.group.slots[parameter.slot].values, *parameter.default]
        return " | ".join(dict.fromkeys(sorted(map(_type_name, values), key=lambda t: t == "None")))

    def _loop(self) -> list[str]:
        """Initialisers that all modules of a type share."""
        lines: list[str] = []
        word = "if"
        for types, statements in self.starts.loop():
            lines.append(f"            {word} isinstance(m, {types}):")
            for missing, statement in statements:
                pad = 16
                if missing:
                    lines.append(f"                if m.{missing} is not None:")
                    pad = 20
                lines += lay("", _shown(statement), "", pad)
            word = "elif"
        return ["        for m in self.modules():", *lines] if lines else []

    # --- the forward -----------------------------------------------------------------------

    def _whole(self, made: list[Expr]) -> list[str]:
        """A test that a list has as many modules as the forward calls by number, which knows of no others."""
        parts = [item for step in self.code.steps for item in walk(step.expr)]
        if self.code.form != "class of list" or not any(p.kind == "child" and p.kids[0] == SELF for p in parts):
            return []
        counts = [turns(item) if item.kind == "repeat" else 1 for item in made]
        # A forward that calls another number of modules in each instance has a loop over all of them.
        return [f'        assert len(self) == {sum(c or 0 for c in counts)}, "{_BY_NUMBER}"'] if all(counts) else []

    def _forward(self, steps: list[StepCode], whole: list[str]) -> list[str]:
        """The forward and its parts. The arguments of the arch have the names of its inputs, but for what the forward
        calls otherwise."""
        arguments = self._arguments()
        lines = self._with_arguments(arguments, steps, whole)
        wanted = [entry.name for entry in self.graph.inputs] if self.is_root else arguments
        if wanted == arguments or not all(map(is_identifier, wanted)):
            return lines
        used = referred_to(lines, "forward")
        wanted = [safe if name in used else name for safe, name in zip(arguments, wanted, strict=True)]
        return self._with_arguments(wanted, steps, whole) if len({*wanted}) == len(wanted) else lines

    def _with_arguments(self, arguments: list[str], steps: list[StepCode], whole: list[str]) -> list[str]:
        called = dict(zip(self.code.inputs, () if self.code.takes_list else self.code.called, strict=False))
        called |= {n: of for step in steps for n, of in zip(step.outs, step.names, strict=False)}
        steps, methods = with_parts(self.code, steps)
        flow = Flow(steps, self.code.inputs, self.code.outputs, called)
        ends = [output.name for output in self.graph.outputs for _ in output.values] if self.is_root else []
        results = {
            number: name
            for number, name in zip(self.code.outputs, ends, strict=False)
            if name and ends.count(name) == 1
        }
        arguments = flow.name(arguments, self.is_root or self.code.takes_list, results)
        result, kind = self._result(flow.outputs, self._chosen(flow))
        checks = assertions(self.graph, arguments) if self.is_root else []
        checked = [*(line for check in checks for line in lay("", check, "", 8)), *whole]
        lines = [*self._head("forward", self.code.inputs, arguments, self.code.counts, kind), *checked]
        lines += self._body(flow, result, bool(checked))
        for method in methods:
            lines += ["", *self._method(method, called)]
        return lines

    def _method(self, method: Method, called: dict[int, tuple[str, ...]]) -> list[str]:
        """A part of the forward that training computes again."""
        flow = Flow(method.steps, method.inputs, method.outputs, called)
        names = FreeNames()
        arguments = [
            names.new("features" if self._is_list(number) else name, "")
            for number, name in zip(method.inputs, _arguments(len(method.inputs)), strict=True)
        ]
        arguments = flow.name(arguments, self.code.takes_list, {})
        result, kind = _together([_shown(expr) for expr in flow.outputs])
        head = self._head(method.name, method.inputs, arguments, method.counts, kind)
        return [*head, *self._body(flow, result)]

    def _is_list(self, number: int) -> bool:
        return self.code.takes_list and number in self.code.inputs

    def _head(self, name: str, inputs: tuple[int, ...], arguments: list[str], counts: bool, kind: str) -> list[str]:
        given = ["list[Tensor]" if self._is_list(number) else "Tensor" for number in inputs]
        parameters = [f"{argument}: {type_}" for argument, type_ in zip(arguments, given, strict=True)]
        return signature(f"def {name}", ["self", *parameters, *(["step: int"] * counts)], f" -> {kind}:", 4)

    def _body(self, flow: Flow, result: Expr | None, begun: bool = False) -> list[str]:
        body: list[str] = []
        for training, statements in groupby(flow.statements, key=lambda s: s.training):
            body += ["        if self.training:"] * training
            bound = [
                Expr("bind", ", ".join(s.targets), (_shown(s.expr),)) if s.targets else _shown(s.expr)
                for s in statements
            ]
            for statement in with_loops(_spelt(bound), _LEAST_STATEMENTS):
                body += _statement(statement, 12 if training else 8)
        if result is not None:
            body += lay("return ", result, "", 8)
        return body if body or begun else ["        pass"]

    def _arguments(self) -> list[str]:
        if self.is_root:
            names: list[str] = []
            for entry in self.graph.inputs:
                name = snake(entry.name, "x")
                while name in names:
                    name += "_"
                names.append(name)
            return names
        return ["features"] if self.code.takes_list else _arguments(len(self.code.inputs))

    def _chosen(self, flow: Flow) -> list[Expr]:
        """The outputs for training that are said in one line, `aux = self.aux(x) if self.training else None`."""
        found: list[Expr] = []
        for training, group in groupby(flow.statements, key=lambda s: s.training):
            statement, *more = group
            names = [raw(name) for name in statement.targets]
            if training and not more and len(names) == 1 and names[0] in flow.outputs:
                statement.expr = Expr("choice", None, (raw("self.training"), statement.expr, raw("None")))
                statement.training = False
                found += names
        return found

    def _result(self, outputs: list[Expr], chosen: list[Expr]) -> tuple[Expr | None, str]:
        shown = [_shown(expr) for expr in outputs]
        if not self.is_root:
            return _together(shown)
        values, rest = [], shown
        for output in self.graph.outputs:
            own, rest = rest[: len(output.values)], rest[len(output.values) :]
            value = own[0] if len(own) == 1 else Expr("list", "()", tuple(own))
            if output.when_training and value not in chosen:
                value = Expr("choice", None, (raw("self.training"), value, raw("None")))
            values.append(value)
        if len(self.graph.outputs) == 1:
            (output,) = self.graph.outputs
            kind = "tuple[Tensor, ...]" if len(output.values) != 1 else "Tensor"
            return values[0], f"{kind} | None" if output.when_training else kind
        names = [output.name or "out" for output in self.graph.outputs]
        pairs = tuple(Expr("pair", None, (raw(literal(n)), v)) for n, v in zip(names, values, strict=True))
        kinds = ["Tensor"] + ["tuple[Tensor, ...]"] * any(len(o.values) != 1 for o in self.graph.outputs)
        kinds += ["None"] * any(o.when_training for o in self.graph.outputs)
        return Expr("list", "{}", pairs), f"dict[str, {' | '.join(kinds)}]"


def _arguments(count: int) -> list[str]:
    return [*"xyz"][:count] if count <= 3 else [f"x{i}" for i in range(1, count + 1)]


def _together(shown: list[Expr]) -> tuple[Expr | None, str]:
    """What a function returns that gives these tensors, and its type."""
    if len(shown) <= 1:
        return (shown[0], "Tensor") if shown else (None, "None")
    kind = f"tuple[{', '.join(['Tensor'] * len(shown))}]" if len(shown) <= 6 else "tuple[Tensor, ...]"
    return Expr("tuple", None, tuple(shown)), kind


def _divided(expr: Expr, divisor: int) -> Expr:
    """A multiple of a number, by that."""

    def is_multiple(kid: Expr) -> bool:
        value = integer(kid)
        return value is not None and value % divisor == 0

    if divisor == 1:
        return expr
    if is_multiple(expr):
        return const(expr.data[0] // divisor, expr.data[1])
    if expr.kind == "affine" and all(map(is_multiple, expr.kids)):
        return Expr("affine", expr.data, tuple([_divided(kid, divisor) for kid in expr.kids]))
    if expr.kind == "binary" and expr.data == "*" and is_multiple(expr.kids[0]):
        factor = _divided(expr.kids[0], divisor)
        return expr.kids[1] if integer(factor) == 1 else binary("*", factor, expr.kids[1])
    return binary("//", expr, const(divisor))


def _shown(expr: Expr) -> Expr:
    """The expression with long runs in its lists as loops."""
    return _looped(Expr(expr.kind, expr.data, tuple(map(_shown, expr.kids)))) if expr.kids else expr


def _with_items(expr: Expr) -> Expr:
    """A list, or the items of a `nn.Sequential`, with what it repeats written out or as loops."""
    if expr.kind == "list":
        return Expr("list", expr.data, tuple(_expanded(list(expr.kids))))
    if expr.kind == "call" and expr.kids[0] == raw("nn.Sequential"):
        items = _expanded(list(expr.kids[1:]))
        return Expr("call", (None,) * len(items), (expr.kids[0], *items))
    return expr


def _expanded(items: list[Expr]) -> list[Expr]:
    """The items of a list; what is repeated often, or a number of times that is a parameter, is a loop."""
    return _unrolled(items, lambda item, count: count >= _LEAST_TURNS)


def _spelt(statements: list[Expr]) -> list[Expr]:
    """Statements; what is repeated is a loop where that is shorter by some lines, and written out elsewhere."""

    def is_shorter(statement: Expr, count: int) -> bool:
        lines = sum(len(_statement(kid, 12)) for kid in statement.kids[1:])
        return (count - 1) * lines > _LEAST_STATEMENTS - 2

    return _unrolled(statements, is_shorter)


def _unrolled(items: list[Expr], is_loop: Callable[[Expr, int], bool]) -> list[Expr]:
    """The items; what is repeated so many times is a loop or written out."""
    result: list[Expr] = []
    for item in items:
        if item.kind != "repeat":
            result.append(item)
        else:
            count = turns(item)
            result += [as_loop(item)] if count is None or is_loop(item, count) else unrolled(item)
    return result


def _looped(expr: Expr) -> Expr:
    """A list with its long runs as loops."""
    if expr.kind != "list" or expr.data != "[]" or any(item.kind not in ("call", "list") for item in expr.kids):
        return expr
    return Expr("list", "[]", tuple(with_loops(list(expr.kids), _LEAST_STATEMENTS)))


def _default(default: tuple[Any, ...]) -> str:
    return f" = {literal(default[0])}" if default else ""


def _type_name(value: Any) -> str:
    match value:
        case ModuleRef():
            return value.type_name
        case None:
            return "None"
        case tuple():
            inner = {_type_name(v) for v in value}
            return f"tuple[{inner.pop()}, ...]" if len(inner) == 1 else "tuple"
    return type(value).__name__


def _statements(statements: list[Expr], indent: int, owner: Expr = SELF) -> list[str]:
    """The lines of statements about `self`, which is called `owner`."""
    spelt = [rewrite(s, lambda item: owner if item == SELF else None) for s in _spelt(statements)]
    return [line for s in with_loops(spelt, _LEAST_STATEMENTS) for line in _statement(s, indent, owner)]


def _statement(statement: Expr, indent: int, owner: Expr = SELF) -> list[str]:
    match statement.kind:
        case "loop":
            body = [line for kid in statement.kids for line in _statement(kid, indent + 4, owner)]
            return [f"{' ' * indent}{loop_head(statement)}:", *body]
        case "each":
            return [f"{' ' * indent}for layer in {statement.data}:", *_statement(statement.kids[0], indent + 4)]
        case "bind":
            return lay(f"{statement.data} = ", statement.kids[0], "", indent)
        case "assign":
            member, made = statement.kids
            base, *numbers = member.kids
            name = Expr("text", member.data[1], tuple(numbers))
            shown = show(member)
            if base != owner and (member.data[0] or shown.startswith("getattr(")):
                return lay("", call(raw("setattr"), base, name, made), "", indent)
            if any(kid.kind == "affine" for kid in numbers):
                return lay("", registered(owner, name, made), "", indent)
            return lay(f"{shown} = ", made, "", indent)
    return lay("", statement, "", indent)
