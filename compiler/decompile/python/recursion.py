"""Blocks that hold a smaller one of their kind, as the levels of a recursive U-Net: the caller passes that one.

So levels of any depth are one class. If each made the one inside anew, every level would be a class of its own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ...ir.graph import Scope
from .expr import ModuleRef, is_identifier
from .steps import Code

if TYPE_CHECKING:
    from .code import Writer

_DEEPEST = 12
"""How many calls stand in each other at most."""


def recursions(writer: Writer) -> dict[Scope, str]:
    """The scopes that get a part from their caller, with its name in them: those that hold a block of their kind and
    are alike but for that, and the innermost, where they hold something else by this name."""
    if writer.late:
        return {}
    blocks: dict[str, list[Code]] = defaultdict(list)
    for code in writer.codes.values():
        if code.form == "class" and code.has_forward and not code.optional and code.scope.block is not None:
            blocks[code.scope.block].append(code)
    found: dict[Scope, str] = {}
    for codes in blocks.values():
        groups: dict[tuple[str, int], list[Code]] = defaultdict(list)
        names = {name for code in codes for name in _smaller(code.scope)}
        for code in codes if len(names) == 1 else ():
            (name,) = names
            if _can_be_given(writer, code, name):
                groups[name, writer.code(code.scope, recursive=name).key].append(code)
        for (name, _), group in groups.items():
            if len({code.key for code in group}) > 1 and _depth(group, name) <= _DEEPEST:
                found.update((code.scope, name) for code in group)
    return found


def _smaller(scope: Scope) -> list[str]:
    """The names of what a scope holds that is of its own kind."""
    return [name for name, item in scope.children.items() if isinstance(item, Scope) and item.block == scope.block]


def _can_be_given(writer: Writer, code: Code, name: str) -> bool:
    """Whether what a class holds by a name can as well be made by the caller: it uses nothing from elsewhere."""
    item = code.scope.children.get(name)
    if item is None or not is_identifier(name) or len(writer.plan.names.holders_of(item)) != 1:
        return False
    if isinstance(item, Scope) and any(isinstance(value, ModuleRef) for value in writer.codes[item].constants):
        return False
    return item.holder is code.scope and code.scope.parent is not None and not writer.starts_of(code.scope, name)


def _depth(group: list[Code], name: str) -> int:
    """How many of a group hold each other. What is inside comes first."""
    depths: dict[object, int] = {}
    for code in group:
        depths[code.scope] = 1 + depths.get(code.scope.children[name], 0)
    return max(depths.values())
