"""The module of each scope: one that can be called, a row of modules, a list of them, or a namespace."""

from __future__ import annotations

from collections.abc import Mapping
from string import digits

from torch import nn

from ..decompile.python.names import camel
from ..ir.graph import Node, Scope
from ..ir.lowering import Lowering
from ..ir.regions import Regions
from ..ir.rows import is_row
from .modules import ArchModule, NumberedArchModule
from .names import identifier
from .scopes import Container, ModuleList, NumberedContainer, row_class


def container(scope: Scope, regions: Regions, lowerings: Mapping[int, Lowering]) -> nn.Module:
    """An empty module for a scope.

    A scope that can be called is an `nn.Sequential` if it only calls its children one after the other; if a block made
    it, its class is a subclass with the block's name. Else it is an `ArchModule`, which gets its graph later. A scope
    that cannot be called is an `nn.ModuleList` if its children are called 0 to n - 1, and else a `Container`.
    """
    reason = regions.reason(scope)
    title = identifier(camel(scope.block or scope.name.rstrip(digits)) or "Scope")
    numbers = _holds_modules(scope) and all(name.isdigit() for name in scope.children)
    if reason is None:
        if is_row(scope, regions, lowerings):
            return nn.Sequential() if numbers or scope.block is None else row_class(title)()
        return (NumberedArchModule if numbers else ArchModule)(title, scope.path)
    if _counted(scope):
        return ModuleList(reason=reason, path=scope.path)
    return (NumberedContainer if numbers else Container)(title, reason, scope.path)


def _holds_modules(scope: Scope) -> bool:
    tensors = any(isinstance(child, Node) and child.op.is_parameter for child in scope.children.values())
    return bool(scope.children) and not tensors


def _counted(scope: Scope) -> bool:
    return _holds_modules(scope) and list(scope.children) == [str(i) for i in range(len(scope.children))]
