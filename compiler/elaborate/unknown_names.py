"""Unknown names, and parameters that nothing uses, found in every definition of a file whether or not anything uses
that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...dsl import ast
from ...dsl.diagnostics import Diagnostic, Fault, fault, warning
from ...dsl.walk import children, walk
from .declared import check_word
from .environment import MISSING, every_statement, names_in
from .imports import LoadedFile
from .language import global_value, known_names
from .suggestions import Compared

_OF_NO_NAMES = (ast.Input, ast.Expect, ast.Order)
"""What speaks of symbols, figures and labels."""


class Resolver:
    """Walks a file's syntax with the names that are visible at each place."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self.in_block = False
        self.compared = Compared()

    def file(self, loaded: LoadedFile) -> list[Diagnostic]:
        top = frozenset(loaded.visible())
        for statement in loaded.syntax.statements:
            if isinstance(statement, ast.Assign):
                self.expression(statement.value, top)
            elif isinstance(statement, ast.Declaration):
                self.declaration(statement, top)
        return self.found

    def declaration(self, node: ast.Declaration, names: frozenset[str]) -> None:
        outer, self.in_block = self.in_block, isinstance(node, ast.BlockDef)
        self._declaration(node, names)
        self.in_block = outer

    def _declaration(self, node: ast.Declaration, names: frozenset[str]) -> None:
        inner = names | {p.name for p in node.parameters}
        for parameter in node.parameters:
            if parameter.default is not None:
                self.expression(parameter.default, inner)
        if isinstance(node, ast.ExternDef):
            return
        if isinstance(node, ast.BlockDef) and node.inputs:
            self.inputs(node.inputs, names)
            inner |= {p.name for p in node.inputs}
        body: Any = node.body  # type: ignore[attr-defined]
        inner |= self.body(body, inner) if isinstance(body, tuple) else frozenset()
        if isinstance(body, ast.Expr):
            self.expression(body, inner)
        for claim in getattr(node, "claims", ()):
            self.statement(claim, inner)

    def inputs(self, inputs: Sequence[ast.Parameter], names: frozenset[str]) -> None:
        """Walks the inputs of a block. The default of one may name those before it."""
        for given in inputs:
            if given.default is not None:
                self.expression(given.default, names)
            names |= {given.name}
            if given.type is not None:
                self.type(given.type)

    def type(self, declared: ast.TypeExpr) -> None:
        """Reports words that no input is declared by."""
        for word in declared.alternatives:
            try:
                if isinstance(word, str) and word != "none":
                    check_word(word, declared.span)
            except Fault as problem:
                self.found.append(problem.diagnostic)

    def body(self, statements: tuple[ast.Statement, ...], names: frozenset[str]) -> frozenset[str]:
        """Walks a body; the names that it defines."""
        names |= _defined(statements)
        for statement in statements:
            self.statement(statement, names)
        return names

    def statement(self, statement: ast.Statement, names: frozenset[str]) -> None:
        if isinstance(statement, ast.Declaration):
            self.declaration(statement, names)
        elif not isinstance(statement, _OF_NO_NAMES):
            for child in children(statement):
                if isinstance(child, ast.Statement):
                    self.statement(child, names)
                else:
                    self.expression(child, names)

    def expression(self, node: ast.Syntax, names: frozenset[str]) -> None:
        """Reports every unknown name in an expression. Does not recurse: expressions can be long and deep."""
        stack: list[tuple[ast.Syntax, frozenset[str]]] = [(node, names)]
        while stack:
            item, visible = stack.pop()
            if isinstance(item, ast.Name):
                self._check(item, visible)
            elif isinstance(item, ast.Comprehension):
                for clause in item.clauses:
                    if isinstance(clause, ast.ForClause):
                        stack.append((clause.iterable, visible))
                        visible = visible | {*ast.names_of(clause.targets)}
                    else:
                        stack.append((clause.condition, visible))
                stack.append((item.element, visible))
            else:
                stack.extend((child, visible) for child in reversed(children(item)))

    def _check(self, node: ast.Name, names: frozenset[str]) -> None:
        if node.id not in names and global_value(node.id) is MISSING:
            hints = self.compared.did_you_mean(node.id, [*names, *known_names()], self.in_block, layers=True)
            self.found.append(fault("E0201", f"nothing here is called `{node.id}`", node.span, *hints).diagnostic)


def _defined(statements: tuple[ast.Statement, ...]) -> set[str]:
    """Every name that some statement of a body binds, nested ones included."""
    names: set[str] = set()
    for statement in every_statement(statements):
        names.update(statement.defines)
        if isinstance(statement, ast.Input):
            names.update(names_in(statement.shape))
    return names


def unknown_names(loaded: LoadedFile) -> list[Diagnostic]:
    """A diagnostic for every name of a file that nothing defines."""
    return Resolver().file(loaded)


def unused_parameters(loaded: LoadedFile) -> list[Diagnostic]:
    """A warning for every parameter of a block or an arch whose name does not occur in it."""
    found: list[Diagnostic] = []
    for node, _ in walk(loaded.syntax):
        if isinstance(node, ast.ArchDef | ast.BlockDef):
            used = {item.id for item, _ in walk(node) if isinstance(item, ast.Name)}
            for parameter in node.parameters:
                if parameter.name not in used and not parameter.name.startswith("_"):
                    message = f"nothing in `{node.name}` uses its parameter `{parameter.name}`"
                    found.append(warning("E0515", message, parameter.span, "use it, or remove it").diagnostic)
    return found
