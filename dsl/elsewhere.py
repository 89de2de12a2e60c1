"""Another language's words that parse, and mean nothing here: `True`, `nn.Conv2d(3, 8, 3)`, `self.conv`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from . import ast
from .build_statements import Broken
from .diagnostics import Diagnostic
from .frameworks import called_here
from .walk import walk

_CONSTANTS = {"True": "true", "False": "false"}
_MODULES = {"nn", "F", "torch", "self", "super", "tf", "keras", "layers", "np", "math", "jnp"}


class Definitions:
    """Every name that anything in a file defines, in whatever place."""

    def __init__(self, statements: tuple[ast.Statement, ...]):
        self._statements = statements

    @cached_property
    def names(self) -> frozenset[str]:
        found: set[str] = set()
        for statement in self._statements:
            for node, _ in walk(statement):
                found.update(_defined(node))
        return frozenset(found)


def _defined(node: ast.Syntax) -> Iterator[str]:
    if isinstance(node, Broken):
        yield from re.findall(r"[A-Za-z_]\w*", node.span.text)
    elif isinstance(node, ast.Statement):
        yield from node.defines
    elif isinstance(node, ast.ForClause):
        yield from node.targets
    elif isinstance(node, ast.Parameter | ast.ExternInput):
        yield node.name


def elsewhere(node: ast.Syntax, definitions: Definitions) -> Iterator[Diagnostic]:
    if isinstance(node, ast.Name):
        yield from _constant(node)
    elif isinstance(node, ast.Attribute):
        yield from _attribute(node, definitions)


def _constant(node: ast.Name) -> Iterator[Diagnostic]:
    if node.id in _CONSTANTS:
        hint = f"write `{_CONSTANTS[node.id]}`"
        yield Diagnostic("E0120", f"`{node.id}` is written in small letters here", node.span, hints=(hint,))
    elif node.id == "None":
        hint = "for a part that does nothing write `id`; for an optional one, `[if c then f]`"
        yield Diagnostic("E0120", "there is no `None` in `.arch`", node.span, hints=(hint,))


def _attribute(node: ast.Attribute, definitions: Definitions) -> Iterator[Diagnostic]:
    """`nn.Conv2d`, `torch.nn.Conv2d`, `self.conv`. A module alone is left to be an unknown name."""
    root: ast.Expr = node
    while isinstance(root, ast.Attribute):
        root = root.value
    if node.name in _MODULES or not isinstance(root, ast.Name) or root.id not in _MODULES - definitions.names:
        return
    path = node.span.text
    if root.id == "self":
        hint = "name a part where it is applied, `x -> conv1: conv(64, 3)`, or before: `conv1 = conv(64, 3)`"
    elif layer := called_here(node.name):
        hint = f"write {layer}"
        hint += "; the number of channels that comes in is known" if "(channels" in layer or layer == "`bn`" else ""
    else:
        hint = "layers stand alone, without a module before them: `conv(64, 3) -> bn -> relu`"
    yield Diagnostic("E0120", f"there is no `{path}` in `.arch`", node.span, hints=(hint,))
