"""The text of a class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

from ...ir.graph import Graph
from .classes import Class, Classes
from .expr import Expr, ModuleRef, binary, call, const, integer, raw, rewrite
from .flow import Flow
from .init import Starts
from .layers import tidy
from .layout import lay, signature
from .loops import as_loop, turns, unrolled, with_loops
from .names import snake
from .show import literal, loop_head, show
from .steps import StepCode

_LEAST_TURNS = 3
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
        steps = [replace(s, expr=self._finished(s.expr) if s.optional else self._own(s.expr)) for s in self.code.steps]
        starts = [self._own(expr) for expr in self.code.starts]
        body = [*self._constructor(made, starts)]
        if self.code.has_forward:
            body += ["", *self._forward(steps)] if body else self._forward(steps)
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
            if parameter.role == "optional":
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

    def _constructor(self, made: list[Expr], starts: list[Expr]) -> Iterator[str]:
        parameters = ["self", *(f"{p.name}: {self._annotation(p)}{_default(p.default)}" for p in self.group.parameters)]
        stored = [p.name for p in self.group.parameters if p.stored]
        loop = self._loop() if self.is_root else []
        if not (made or starts or stored or loop or len(parameters) > 1):
            return
        yield from signature("def __init__", parameters, ":", 4)
        if self.code.numbered:
            items = _expanded(made)
            items = [Expr("list", "[]", tuple(items))] if self.code.form == "class of list" else items
            yield from lay("", call(raw("super().__init__"), *items), "", 8)
            made = []
        else:
            yield "        super().__init__()"
        for name in stored:
            yield f"        self.{name} = {name}"
        for statements in (made, starts):
            for statement in with_loops(_spelt(statements), _LEAST_STATEMENTS):
                yield from _statement(statement, 8)
        yield from loop

    def _annotation(self, parameter: Any) -> str:
        if parameter.role == "optional":
            return "nn.Module | None"
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

    def _forward(self, steps: list[StepCode]) -> list[str]:
        flow = Flow(steps, self.code.inputs, self.code.outputs)
        arguments = self._arguments()
        given = "list[Tensor]" if self.code.takes_list else "Tensor"
        ends = [output.name for output in self.graph.outputs for _ in output.values] if self.is_root else []
        results = {
            number: name
            for number, name in zip(self.code.outputs, ends, strict=False)
            if name and ends.count(name) == 1
        }
        flow.name(arguments, self.is_root or self.code.takes_list, {"self", "step", "layer"}, results)
        result, kind = self._result(flow.outputs)
        lines = signature(
            "def forward",
            ["self", *(f"{a}: {given}" for a in arguments), *(["step: int"] * self.code.counts)],
            f" -> {kind}:",
            4,
        )
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
        return [*lines, *(body or ["        pass"])]

    def _arguments(self) -> list[str]:
        if self.is_root:
            names: list[str] = []
            for entry in self.graph.inputs:
                name = snake(entry.name, "x")
                while name in names:
                    name += "_"
                names.append(name)
            return names
        if self.code.takes_list:
            return ["features"]
        count = len(self.code.inputs)
        return [*"xyz"][:count] if count <= 3 else [f"x{i}" for i in range(1, count + 1)]

    def _result(self, outputs: list[Expr]) -> tuple[Expr | None, str]:
        shown = [_shown(expr) for expr in outputs]
        if not self.is_root:
            if len(shown) == 1:
                return shown[0], "Tensor"
            kind = f"tuple[{', '.join(['Tensor'] * len(shown))}]" if shown else "None"
            return (Expr("tuple", None, tuple(shown)) if shown else None), kind if len(
                shown
            ) <= 6 else "tuple[Tensor, ...]"
        values, rest = [], shown
        for output in self.graph.outputs:
            own, rest = rest[: len(output.values)], rest[len(output.values) :]
            value = own[0] if len(own) == 1 else Expr("list", "()", tuple(own))
            values.append(
                Expr("choice", None, (raw("self.training"), value, raw("None"))) if output.when_training else value
            )
        if len(self.graph.outputs) == 1:
            (output,) = self.graph.outputs
            several = len(output.values) != 1
            kind = "tuple[Tensor, ...]" if several else "Tensor"
            return values[0], f"{kind} | None" if output.when_training else kind
        names = [output.name or "out" for output in self.graph.outputs]
        pairs = tuple(Expr("pair", None, (raw(literal(n)), v)) for n, v in zip(names, values, strict=True))
        kinds = ["Tensor"] + ["tuple[Tensor, ...]"] * any(len(o.values) != 1 for o in self.graph.outputs)
        kinds += ["None"] * any(o.when_training for o in self.graph.outputs)
        return Expr("list", "{}", pairs), f"dict[str, {' | '.join(kinds)}]"


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


def _statement(statement: Expr, indent: int) -> list[str]:
    match statement.kind:
        case "loop":
            body = [line for kid in statement.kids for line in _statement(kid, indent + 4)]
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
            if base != raw("self") and (member.data[0] or shown.startswith("getattr(")):
                return lay("", call(raw("setattr"), base, name, made), "", indent)
            if any(kid.kind == "affine" for kid in numbers):
                return lay("", call(raw("self.add_module"), name, made), "", indent)
            return lay(f"{shown} = ", made, "", indent)
    return lay("", statement, "", indent)
