"""The syntax tree: frozen, with spans, and flat where programs are long.

`a -> b -> c` is one `Chain` of three parts and `a + b - c` one `Fold`, so the tree is never deeper than
the source is nested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, dataclass_transform

from .source import Source, Span


@dataclass_transform(frozen_default=True, eq_default=False)
class Node:
    """Makes its subclasses dataclasses, frozen for type checkers alone: at run time it would cost more than parsing."""

    def __init_subclass__(cls) -> None:
        dataclass(eq=False, repr=False)(cls)


class Syntax(Node):
    span: Span


class Expr(Syntax):
    """What has a value."""


# --- expressions -----------------------------------------------------------------------------


class Number(Expr):
    value: int | float


class Boolean(Expr):
    value: bool


class Text(Expr):
    """A string. `parts` alternate plain text and `{interpolated}` expressions."""

    parts: tuple[str | Expr, ...]


class Name(Expr):
    id: str


class In(Expr):
    """`in`, the input of the block in which it is written."""


class Chain(Expr):
    """`parts[0] -> parts[1] -> ...`, at least two."""

    parts: tuple[Expr, ...]


class Fold(Expr):
    """A left fold of one precedence level: `+ - ++`, or `* / // %`."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


class Power(Expr):
    base: Expr
    exponent: Expr


class Negative(Expr):
    operand: Expr


class Not(Expr):
    operand: Expr


class Logic(Expr):
    """`and` or `or` of at least two operands."""

    operator: str
    operands: tuple[Expr, ...]


class Compare(Expr):
    """`first op second op third ...`; operators are `== != < <= > >=` and `in`-less. Chains mean `and`."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


class Range(Expr):
    """`start..stop` (both ends), `start..<stop`."""

    start: Expr
    stop: Expr
    inclusive: bool


class Splat(Expr):
    """`*value`, inside a list, a tuple or the arguments of a call."""

    value: Expr


class Argument(Syntax):
    """An argument of a call: positional where `name` is None. A `Splat` value spreads a list."""

    name: str | None
    value: Expr


class Call(Expr):
    function: Expr
    arguments: tuple[Argument, ...]


class Slice(Syntax):
    """The bounds of `xs[a..]`, `xs[..b]`, `xs[..<b]` and `xs[a..b]`, of which one may be absent."""

    start: Expr | None
    stop: Expr | None
    inclusive: bool


class Index(Expr):
    value: Expr
    index: Expr | Slice


class Attribute(Expr):
    value: Expr
    name: str


Target = str | tuple["Target", ...]
"""A name that takes a value, `*rest` with its star, or targets that take a value apart: `i, (a, b)`."""
Targets = tuple[Target, ...]


class ForClause(Syntax):
    targets: Targets
    iterable: Expr


class IfClause(Syntax):
    condition: Expr


class Comprehension(Expr):
    """`element for x in xs if c ...`: the only item of a list, or the only argument of a call."""

    element: Expr
    clauses: tuple[ForClause | IfClause, ...]


class ListExpr(Expr):
    """`[a, *b, if c then d]`. An `If` without an else vanishes where its condition is false. An item may be a Splat;
    a comprehension `[e for x in xs]` is a ListExpr whose only item is a Comprehension."""

    items: tuple[Expr, ...]


class TupleExpr(Expr):
    """`(a, b)`. A single parenthesised expression is `Group`."""

    items: tuple[Expr, ...]


class Group(Expr):
    """`(e)`: kept, so that the formatter and the can-be-misread checks see the parentheses."""

    value: Expr


class LabelPath(Syntax):
    """`features.stage{i}`: per dotted segment, the plain and the interpolated pieces; `quoted` if written as a string.
    `first` is the start of a numbered range (`a{1..}`), which numbers a list or power from there."""

    segments: tuple[tuple[str | Expr, ...], ...]
    first: Expr | None = None
    quoted: bool = False


class Labelled(Expr):
    label: LabelPath
    value: Expr


class If(Expr):
    """`if c then a else b`; `otherwise` is None only as an item of a list."""

    condition: Expr
    then: Expr
    otherwise: Expr | None


class Case(Syntax):
    """`18 => e`, `1 | 2 => e`, `_ => e` (no patterns)."""

    patterns: tuple[Expr, ...]
    value: Expr


class Match(Expr):
    subject: Expr
    cases: tuple[Case, ...]


def names_of(targets: Targets) -> tuple[str, ...]:
    """The names that the targets of an assignment or a loop give to values."""
    nested = (names_of(target) if isinstance(target, tuple) else (target.lstrip("*"),) for target in targets)
    return tuple(name for names in nested for name in names)


# --- statements ------------------------------------------------------------------------------


class Statement(Syntax):
    """What a body consists of."""

    @property
    def defines(self) -> tuple[str, ...]:
        """The names that it gives to something, in the body or the file where it stands."""
        return ()


class Named(Statement):
    """A statement that gives a name to something."""

    name: str

    @property
    def defines(self) -> tuple[str, ...]:
        return (self.name,)


class Assign(Statement):
    """`x = e`, or `a, (b, c), *rest = e`."""

    targets: Targets
    value: Expr

    @property
    def defines(self) -> tuple[str, ...]:
        return names_of(self.targets)


class Shared(Named):
    value: Expr


class TensorDef(Named):
    """`param p = e`, `buffer b = e` or `const c = e`, by its `word`; `dtype` is a word such as `int` in
    `buffer b: int = e`, else None."""

    value: Expr
    word: Literal["param", "buffer", "const"]
    dtype: str | None


class Draw(Named):
    value: Expr


class Input(Named):
    """`input x: [N, 3, H, W] = [1, 3, 224, 224]`; `dtype` is a word after the shape's colon such as `int`, else None:
    `input tokens: int [N, T] = [1, 77]`."""

    shape: ListExpr
    nominal: ListExpr | None
    dtype: str | None = None


class Output(Statement):
    """`output e`, `output name = e`, `output name = e when training`."""

    name: str | None
    value: Expr
    when_training: bool = False


class For(Statement):
    targets: Targets
    iterable: Expr
    body: tuple[Statement, ...]

    @property
    def defines(self) -> tuple[str, ...]:
        return names_of(self.targets)


class IfStatement(Statement):
    """`else if` is an IfStatement alone in `otherwise`."""

    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


class Require(Statement):
    condition: Expr
    reason: Expr | None


class Expect(Statement):
    """`expect claim at [sizes] when condition`; `claim` is `left op right`. `at` may stand before or after the
    operator: `expect shape at [1, 3, 448, 448] == [1, 1000, 8, 8]`."""

    left: Expr
    operator: str
    right: Expr
    at: Expr | None
    when: Expr | None


class Default(Statement):
    """`default bn(eps = 0.001)`, or with a `replacement` and no arguments `default relu = act`."""

    layer: str
    arguments: tuple[Argument, ...]
    replacement: Expr | None = None


class Order(Statement):
    """`order a, b`: children with these labels are registered in this order."""

    labels: tuple[LabelPath, ...]


# --- declarations ----------------------------------------------------------------------------


class TypeExpr(Syntax):
    """`int`, `float`, `bool`, `str`, `list`, `block`, `network`, or literals: `18 | 34 | "x"`; alternatives may mix."""

    alternatives: tuple[str | Expr, ...]


class Parameter(Syntax):
    name: str
    type: TypeExpr | None = None
    default: Expr | None = None
    rest: bool = False


class Declaration(Named):
    """What a file (and, for `block` and `fn`, a body) may define. `kind` is the word that it begins with, and `doc` the
    doc string's text."""

    kind = ""
    name_span: Span
    parameters: tuple[Parameter, ...]
    doc: str | None

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters without a default."""
        return tuple(p.name for p in self.parameters if p.default is None)

    @property
    def has_defaults(self) -> bool:
        return not self.required


class BlockDef(Declaration):
    """`block b(p)(x, *rest) = e` or `{ ... }`. `inputs` is None without second parentheses."""

    kind = "block"
    inputs: tuple[Parameter, ...] | None
    body: Expr | tuple[Statement, ...]


class FunctionDef(Declaration):
    kind = "fn"
    body: Expr


class ArchDef(Declaration):
    """`arch A(p) { ... }`, or a variant `arch a(p) = e`; `claims` are the requires and expects that follow it."""

    kind = "arch"
    body: Expr | tuple[Statement, ...]
    claims: tuple[Statement, ...] = ()


class ExternInput(Syntax):
    """`x: [N, C, H, W]`, `t: tokens [N, T, C]`; `dtype` is the word before the shape."""

    name: str
    shape: ListExpr
    dtype: str | None


class ExternMember(Syntax):
    """`param weight: [c, C, 3, 3]` or `buffer bn.num_batches_tracked: int []`; `dtype` is the word before the shape."""

    learned: bool
    name: str
    shape: ListExpr
    dtype: str | None


class ExternFigure(Syntax):
    """`macs = N * c * H * W`, or `depth = 2`."""

    name: str
    value: Expr


class ExternDef(Declaration):
    kind = "extern"
    inputs: tuple[ExternInput, ...]
    result: ListExpr
    result_dtype: str | None
    members: tuple[ExternMember, ...]
    figures: tuple[ExternFigure, ...]


class Use(Statement):
    """`use a, b as c from "file.arch"`: pairs of the name there and the name here."""

    names: tuple[tuple[str, str], ...]
    path: str
    path_span: Span

    @property
    def defines(self) -> tuple[str, ...]:
        return tuple(here for _, here in self.names)


class File(Syntax):
    """A parsed file: `Use`, `Declaration` and `Assign` statements in order.

    Statements with syntax errors are left out; `broken` holds the names that they would have defined."""

    source: Source
    doc: str | None
    statements: tuple[Statement, ...]
    broken: tuple[str, ...] = ()
