"""Names and what they stand for, scope within scope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ...dsl import ast
from ...dsl.source import Span
from ...dsl.walk import walk

MISSING = object()


@dataclass(slots=True, eq=False)
class Frame:
    """The body of the definition around a place, that of an `fn` without one. `input` is what `in` means there, None
    where it means nothing. `outputs` collects what `output` puts out."""

    definition: ast.Declaration | None = None
    input: Any = None
    outputs: list[Any] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What is defined: "arch", "block", "fn" or "extern"."""
        return "fn" if self.definition is None else self.definition.kind


def names_in(node: ast.Syntax) -> list[str]:
    """Every name in an expression."""
    return [part.id for part, _ in walk(node) if isinstance(part, ast.Name)]


def every_statement(statements: Iterable[ast.Statement]) -> Iterator[ast.Statement]:
    """The statements of a body, with those of its loops and branches behind them."""
    stack = list(statements)
    while stack:
        statement = stack.pop()
        yield statement
        match statement:
            case ast.For():
                stack.extend(statement.body)
            case ast.IfStatement():
                stack.extend((*statement.then, *statement.otherwise))


@lru_cache(maxsize=64)
def _definitions(definition: ast.Declaration) -> dict[str, ast.Statement]:
    """The last statement of a body that gives a name to something, by name."""
    body = getattr(definition, "body", None)
    found: dict[str, ast.Statement] = {}
    for statement in every_statement(body) if isinstance(body, tuple) else ():
        for name in statement.defines:
            if name not in found or found[name].span.start < statement.span.start:
                found[name] = statement
    return found


class Environment:
    """A namespace inside another. It has the frame of the one around it, where it opens none of its own."""

    __slots__ = ("depth", "frame", "names", "parent")

    def __init__(
        self, parent: Environment | None = None, names: dict[str, Any] | None = None, frame: Frame | None = None
    ):
        self.parent = parent
        self.depth = 0 if parent is None else parent.depth + 1
        self.names = {} if names is None else names
        self.frame = frame if frame is not None or parent is None else parent.frame

    def lookup(self, name: str) -> Any:
        """The value of a name, MISSING where nothing has it."""
        scope: Environment | None = self
        while scope is not None:
            value = scope.names.get(name, MISSING)
            if value is not MISSING:
                return value
            scope = scope.parent
        return MISSING

    def further_down(self, name: str, span: Span) -> ast.Statement | None:
        """The last statement of a body around a place that gives a name to something, where it is behind the place."""
        scope: Environment | None = self
        seen: Frame | None = None
        while scope is not None:
            if scope.frame is not None and scope.frame is not seen and scope.frame.definition is not None:
                seen = scope.frame
                last = _definitions(scope.frame.definition).get(name)
                if last is not None and last.span.source is span.source and last.span.start >= span.end:
                    return last
            scope = scope.parent
        return None

    @property
    def input(self) -> Any:
        """What `in` means here, None where it means nothing."""
        return None if self.frame is None else self.frame.input

    def __iter__(self) -> Iterator[str]:
        """Every visible name, innermost first."""
        scope: Environment | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent
