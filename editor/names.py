"""What each name of a text means: what gives it, and everywhere that it stands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..compiler.analyses.claimed import Figures
from ..compiler.elaborate.environment import names_in
from ..dsl import ast
from ..dsl.source import Span
from ..dsl.walk import children, walk
from .words import Words

_FIGURES = frozenset(Figures.names)
_VARIANTS = 20
"""Variants of variants that are followed."""
_DEFINED = ("arch", "block", "fn", "extern", "import")
"""What a size that is declared may have the name of, which then means the size."""
_KINDS = {ast.Input: "input", ast.Shared: "network", ast.TensorDef: "tensor", ast.Draw: "number"}


@dataclass(slots=True, eq=False)
class Binding:
    """A name that a text gives to something. `kind` is "arch", "block", "fn", "extern", "parameter", "input", "tensor",
    "network", "number", "value", "size" or "import"; `node` is what gives it, `span` where it stands there, and
    `places` are all places where it stands, that one among them; `givers` are all that give it a value. `there` is what
    an imported one is called in the file that it is of. `parameters` are those of a declaration."""

    name: str
    kind: str
    node: ast.Syntax
    span: Span
    scope: Names
    there: str = ""
    places: list[Span] = field(default_factory=list)
    givers: list[ast.Syntax] = field(default_factory=list)
    parameters: dict[str, Binding] = field(default_factory=dict)

    @property
    def owner(self) -> Binding | None:
        """The declaration that it is a parameter of."""
        around = self.scope.outer.own.values() if self.scope.outer is not None else ()
        return next((binding for binding in around if binding.parameters.get(self.name) is self), None)

    def giver(self, offset: int) -> ast.Syntax:
        """What gives the name its value at a character: the last such before it, else the first."""
        before = [node for node in self.givers if node.span.end <= offset]
        return before[-1] if before else self.node


class Names:
    """The names of a part of a text: a file, a declaration, a comprehension. `inner` are those of the parts in it."""

    def __init__(self, node: ast.Syntax, outer: Names | None = None):
        self.node, self.outer = node, outer
        self.own: dict[str, Binding] = {}
        self.inner: list[Names] = []
        if outer is not None:
            outer.inner.append(self)

    def lookup(self, name: str) -> Binding | None:
        """What a name means here."""
        scope: Names | None = self
        while scope is not None:
            if name in scope.own:
                return scope.own[name]
            scope = scope.outer
        return None

    def at(self, offset: int) -> Names:
        """The innermost part that holds a character."""
        for part in self.inner:
            if part.node.span.start <= offset <= part.node.span.end:
                return part.at(offset)
        return self

    def visible(self) -> dict[str, Binding]:
        """Every name that has a meaning here, the innermost first."""
        found: dict[str, Binding] = {}
        scope: Names | None = self
        while scope is not None:
            found = {**found, **{k: v for k, v in scope.own.items() if k not in found}}
            scope = scope.outer
        return found

    def all(self) -> Iterator[Binding]:
        """Every name that is given, here and in the parts inside."""
        pending = [self]
        for part in pending:
            pending += part.inner
            yield from part.own.values()


class Resolved:
    """The names of a file. `uses` are the places of names in order, each with what it means; `keywords` are arguments
    that name a parameter of something imported: where, the name of the callee here, and that of the parameter."""

    def __init__(self, file: ast.File):
        self.words = Words(file.source)
        self.file = Names(file)
        self.uses: list[tuple[Span, Binding]] = []
        self.keywords: list[tuple[Span, Binding, str]] = []
        self._calls: list[tuple[ast.Call, Names]] = []
        self._body(file.statements, self.file)
        for call, names in self._calls:
            self._arguments(call, names)
        self.uses.sort(key=lambda use: use[0].start)

    def at(self, offset: int) -> tuple[Span, Binding] | None:
        """The name that holds a character or ends before it."""
        place = bisect_right(self.uses, offset, key=lambda use: use[0].start)
        for span, binding in reversed(self.uses[max(place - 2, 0) : place]):
            if span.start <= offset <= span.end:
                return span, binding
        return None

    def keyword_at(self, offset: int) -> tuple[Span, Binding, str] | None:
        """The same for the name of an argument of something imported."""
        return next((k for k in self.keywords if k[0].start <= offset <= k[0].end), None)

    # --- what gives names ------------------------------------------------------------------------

    def _give(self, names: Names, name: str, kind: str, node: ast.Syntax, span: Span, there: str = "") -> Binding:
        binding = names.own.get(name)
        if binding is None:
            binding = names.own[name] = Binding(name, kind, node, span, names, there)
        binding.givers.append(node)
        self._use(span, binding)
        return binding

    def _use(self, span: Span, binding: Binding) -> None:
        if span.end > span.start:
            binding.places.append(span)
            self.uses.append((span, binding))

    def _body(self, statements: tuple[ast.Statement, ...], names: Names) -> None:
        for statement in statements:
            self._define(statement, names)
        for statement in statements:
            self._statement(statement, names)

    def _define(self, node: ast.Statement, names: Names) -> None:
        span, words = node.span, self.words
        match node:
            case ast.Declaration():
                binding = self._give(names, node.name, node.kind, node, node.name_span)
                inner = Names(node, names)
                inputs = (node.inputs or ()) if isinstance(node, ast.BlockDef) else ()
                for parameter in (*node.parameters, *inputs):
                    place = words.first(parameter.name, parameter.span.start, parameter.span.end)
                    given = self._give(inner, parameter.name, "parameter", parameter, place)
                    if parameter not in inputs:
                        binding.parameters[parameter.name] = given
            case ast.Use():
                self._imports(node, names)
            case ast.Assign():
                self._targets(node, ast.names_of(node.targets), span.start, node.value.span.start, names)
            case ast.For():
                self._targets(node, ast.names_of(node.targets), span.start + 3, node.iterable.span.start, names)
                for inner_statement in node.body:
                    self._define(inner_statement, names)
            case ast.IfStatement():
                for inner_statement in (*node.then, *node.otherwise):
                    self._define(inner_statement, names)
            case ast.Input() | ast.Shared() | ast.TensorDef() | ast.Draw():
                first = words.between(span.start, span.end)
                place = words.first(node.name, first[0].end if first else span.start, span.end)
                self._give(names, node.name, _KINDS[type(node)], node, place)

    def _imports(self, node: ast.Use, names: Names) -> None:
        found = self.words.between(node.span.start + 3, node.path_span.start)
        for there, here in node.names:
            place = next((i for i, span in enumerate(found) if span.text == there), None)
            if place is None:
                continue
            renamed = found[place + 1 : place + 2] and found[place + 1].text == "as" and len(found) > place + 2
            span = found[place + 2] if renamed else found[place]
            found = found[place + (3 if renamed else 1) :]
            self._give(names, here, "import", node, span, there)

    def _targets(self, node: ast.Syntax, targets: tuple[str, ...], start: int, end: int, names: Names) -> None:
        found = self.words.between(start, end)
        for name in targets:
            span = next((s for s in found if s.text == name), Span(node.span.source, start, start))
            self._give(names, name, "value", node, span)

    # --- what uses them --------------------------------------------------------------------------

    def _statement(self, node: ast.Statement, names: Names) -> None:
        match node:
            case ast.Declaration():
                self._declaration(node, next(n for n in names.inner if n.node is node))
            case ast.Input():
                for dim in node.shape.items:
                    self._sizes(dim, names)
                if node.nominal is not None:
                    self._expression(node.nominal, names)
            case ast.Expect():
                self._claim(node, names)
            case ast.For() | ast.IfStatement():
                for child in children(node):
                    (self._statement if isinstance(child, ast.Statement) else self._expression)(child, names)  # type: ignore[arg-type]
            case ast.Default():
                for child in children(node):
                    self._expression(child, names)
            case ast.Order():
                self._order(node, names)
            case ast.Use():
                pass
            case _:
                for child in children(node):
                    self._expression(child, names)

    def _declaration(self, node: ast.Declaration, names: Names) -> None:
        if isinstance(node, ast.ExternDef):
            for item in (*node.inputs, *node.members, node):
                shape = item.result if isinstance(item, ast.ExternDef) else item.shape  # type: ignore[union-attr]
                for dim in shape.items:
                    self._sizes(dim, names)
            for figure in node.figures:
                self._expression(figure.value, names)
            body: object = ()
        else:
            body = node.body  # type: ignore[attr-defined]
        if isinstance(body, tuple):
            for statement in body:
                self._define(statement, names)
        inputs = (node.inputs or ()) if isinstance(node, ast.BlockDef) else ()
        for parameter in (*node.parameters, *inputs):
            if parameter.default is not None:
                self._expression(parameter.default, names)
        if isinstance(body, tuple):
            for statement in body:
                self._statement(statement, names)
        elif isinstance(body, ast.Expr):
            self._expression(body, names)
        for claim in node.claims if isinstance(node, ast.ArchDef) else ():
            self._statement(claim, names)

    def _order(self, node: ast.Order, names: Names) -> None:
        """The names of what is shared in an order, where no label is such a name."""
        labels = {inner.label.span.text for inner, _ in walk(names.node) if isinstance(inner, ast.Labelled)}
        for label in node.labels:
            binding = names.own.get(label.span.text)
            if binding is not None and binding.kind == "network" and label.span.text not in labels:
                self._use(label.span, binding)

    def _sizes(self, dim: ast.Expr, names: Names) -> None:
        """The names of a declared size: those without a value are sizes that stay open."""
        for node, _ in walk(dim):
            if isinstance(node, ast.Name):
                known = names.lookup(node.id)
                if known is None or (known.kind in _DEFINED and known.scope is not names):
                    self._give(names, node.id, "size", node, node.span)
                else:
                    self._use(node.span, known)

    def _claim(self, node: ast.Expect, names: Names) -> None:
        figures = _FIGURES | {n for n in names_in(node.left) if n in _FIGURES}
        for side, hidden in ((node.left, figures), (node.right, figures - names.visible().keys())):
            self._expression(side, names, hidden)
        for other in (node.at, node.when):
            if other is not None:
                self._expression(other, names)

    def _expression(self, root: ast.Syntax, names: Names, figures: frozenset[str] | set[str] = frozenset()) -> None:
        """Notes every name in an expression. `figures` are names that are none there, as are the parts that one is
        asked of."""
        stack: list[tuple[ast.Syntax, Names]] = [(root, names)]
        while stack:
            node, visible = stack.pop()
            if isinstance(node, ast.Name):
                binding = visible.lookup(node.id) if node.id not in figures else None
                if binding is not None:
                    self._use(node.span, binding)
            elif isinstance(node, ast.Comprehension):
                stack += self._comprehension(node, visible)
            elif isinstance(node, ast.Call):
                if isinstance(node.function, ast.Name) and node.function.id in figures:
                    stack += [(a.value, visible) for a in node.arguments if not isinstance(a.value, ast.Name)]
                    continue
                self._calls.append((node, visible))
                stack += [(child, visible) for child in children(node)]
            else:
                stack += [(child, visible) for child in children(node)]

    def _comprehension(self, node: ast.Comprehension, names: Names) -> Iterator[tuple[ast.Syntax, Names]]:
        inner = names
        for clause in node.clauses:
            if isinstance(clause, ast.ForClause):
                yield clause.iterable, inner
                inner = Names(node, inner)
                targets, start = ast.names_of(clause.targets), clause.span.start + 3
                self._targets(clause, targets, start, clause.iterable.span.start, inner)
            else:
                yield clause.condition, inner
        yield node.element, inner

    def _arguments(self, call: ast.Call, names: Names) -> None:
        """The names of arguments, which are those of the callee's parameters."""
        callee = names.lookup(call.function.id) if isinstance(call.function, ast.Name) else None
        named = [a for a in call.arguments if a.name is not None]
        if callee is None or not named:
            return
        for argument in named:
            assert argument.name is not None
            span = self.words.first(argument.name, argument.span.start, argument.value.span.start)
            target = parameter_of(callee, argument.name)
            if isinstance(target, Binding):
                self._use(span, target)
            elif target is not None and span.end > span.start:
                self.keywords.append((span, *target))


def parameter_of(callee: Binding, name: str) -> Binding | tuple[Binding, str] | None:
    """The parameter of a declaration, or of the arch that it is a variant of; where that is imported, the import."""
    for _ in range(_VARIANTS):
        if callee.kind == "import":
            return callee, name
        if name in callee.parameters:
            return callee.parameters[name]
        body = callee.node.body if isinstance(callee.node, ast.ArchDef) else None
        function = body.function if isinstance(body, ast.Call) else body
        following = callee.scope.lookup(function.id) if isinstance(function, ast.Name) else None
        if following is None:
            return None
        callee = following
    return None
