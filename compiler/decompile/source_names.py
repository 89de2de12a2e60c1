"""Names of classes and variables in generated text."""

from __future__ import annotations

import builtins
import keyword
import re

from ..ir.graph import Scope
from .source_expr import identifier

_WORD = re.compile(r"[A-Za-z0-9]+")
RUNTIME = frozenset({"Choice", "DropMean", "FreezeDropPath", "Survive"})
"""The classes of `stochastic.py`, whose text goes into the file where they are used."""
RESERVED = frozenset(
    {
        "torch",
        "nn",
        "F",
        "Tensor",
        "OrderedDict",
        "self",
        "m",
        "i",
        "step",
        "layer",
        *RUNTIME,
        *dir(builtins),
        *keyword.kwlist,
    }
)


def camel(text: str) -> str:
    """The text as a class name, empty where nothing of it can be one."""
    name = "".join(word[0].upper() + word[1:] for word in _WORD.findall(text))
    return name.lstrip("0123456789")[:60]


def snake(text: str, default: str) -> str:
    """The text as a variable's name."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)[:60].strip("_")
    if not name or name[0].isdigit():
        name = default
    return identifier(f"{name}_" if name in RESERVED else name)


def kind(scope: Scope) -> str:
    """What a scope is, as the name of a class: by its block, else by its name or that of what holds it."""
    wanted = camel(scope.block or "")
    at: Scope | None = scope
    while not wanted and at is not None:
        wanted = camel(re.sub(r"[0-9]+\Z", "", at.name))
        at = at.parent
    return wanted or "Part"


class Names:
    """Hands out names of classes, each once, and no two that differ in case only."""

    def __init__(self, reserved: frozenset[str] = frozenset()):
        self._taken = {*RESERVED, *reserved}
        self._given: set[str] = set()
        self._root = ""

    def take(self, name: str) -> None:
        """Keeps a name for the class of the arch; a block of that name becomes a `NameBlock`."""
        self._root = name.lower()
        self._taken.add(identifier(name))
        self._given.add(name.lower())

    def class_name(self, scope: Scope) -> str:
        wanted = kind(scope)
        return self.unused(f"{wanted}Block" if wanted.lower() == self._root else wanted)

    def unused(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken or name.lower() in self._given:
            name = f"{wanted}_{number}" if wanted[-1].isdigit() else f"{wanted}{number}"
            number += 1
        self._taken.add(name)
        self._given.add(name.lower())
        return identifier(name)
