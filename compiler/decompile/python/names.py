"""Names of classes and variables in generated text."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterable, Sequence

from ...ir.free_names import FreeNames
from ...ir.graph import Node, Scope
from .expr import identifier

_WORD = re.compile(r"[A-Za-z0-9]+")
RUNTIME = frozenset({"Choice", "DotProductAttention", "DropMean", "FreezeDropPath", "Survive"})
"""The classes of `stochastic.py`, whose text goes into the file where they are used."""
_MOST_LAYERS = 4
"""Of so many layers the name of a row is made."""
RESERVED = frozenset(
    {"torch", "nn", "F", "Tensor", "OrderedDict", "self", "m", "i", "step", "layer", "recompute", "FirstRun", "Modules"}
    | RUNTIME
    | {*dir(builtins), *keyword.kwlist}
)


def camel(text: str) -> str:
    """The text as a class name, empty where nothing of it can be one."""
    name = "".join(word[0].upper() + word[1:] for word in _WORD.findall(text))
    return name.lstrip("0123456789")[:60]


def snake(text: str, default: str) -> str:
    """The text as a variable's name; `default` where nothing of it can be one."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)[:60].strip("_")
    if not name or name[0].isdigit():
        name = default
    return identifier(f"{name}_" if name in RESERVED else name) if name else ""


def referred_to(methods: Sequence[str], name: str) -> set[str]:
    """What a method of these lines refers to beside its arguments and variables: globals, and what loops count by."""
    (cls,) = ast.parse("\n".join(["class Methods:", *methods])).body
    (method,) = [item for item in ast.walk(cls) if isinstance(item, ast.FunctionDef) and item.name == name]
    parts = [part for statement in method.body for part in ast.walk(statement)]
    loops = [part.target for part in parts if isinstance(part, ast.For | ast.comprehension)]
    counted = {part.id for target in loops for part in ast.walk(target) if isinstance(part, ast.Name)}
    names = [part for part in parts if isinstance(part, ast.Name)]
    stored = {part.id for part in names if isinstance(part.ctx, ast.Store)}
    return counted | ({part.id for part in names} - stored - {argument.arg for argument in method.args.args})


def kind(scope: Scope) -> str:
    """What a scope is, as the name of a class: by its block, else by its name or that of what holds it."""
    wanted = camel(scope.block or "")
    at: Scope | None = scope
    while not wanted and at is not None:
        wanted = camel(re.sub(r"[0-9]+\Z", "", at.name))
        at = at.parent
    return wanted or "Part"


class ClassNames(FreeNames):
    """Names of classes. No two differ in case only, and the class of the arch has `root`."""

    def __init__(self, root: str, helpers: Iterable[str]):
        super().__init__({*RESERVED, *helpers, identifier(root)})
        self.root = root.lower()
        self._given = {self.root}

    def is_taken(self, name: str) -> bool:
        return super().is_taken(name) or name.lower() in self._given

    def of(self, scope: Scope) -> str:
        """A name for the class of a scope; a block called like the arch is a `NameBlock`."""
        wanted = kind(scope)
        name = self.new(
            f"{wanted}Block" if wanted.lower() == self.root else wanted, "_" if wanted[-1].isdigit() else ""
        )
        self._given.add(name.lower())
        return identifier(name)

    def of_row(self, scopes: Sequence[Scope]) -> str:
        """A name for the function that makes rows of modules: by a block, by what all of them are called, or else by
        their layers, a `dwconv` beside a `conv` being one."""
        called = {kind(scope) for scope in scopes} if not any(scope.block for scope in scopes) else ()
        rows = [[child.op.kind if isinstance(child, Node) else "" for child in s.children.values()] for s in scopes]
        if len(called) > 1 and all(map(all, rows)) and len({*map(len, rows)}) == 1 and len(rows[0]) <= _MOST_LAYERS:
            layers = [min(kinds, key=len) for kinds in zip(*rows, strict=True)]
            return identifier(self.new(f"make_{'_'.join(layers)}", "_"))
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind(scopes[0])).lower()
        return identifier(self.new(f"make_{words}", "_"))


def root_name(name: str) -> str:
    """The name of the class of an arch."""
    wanted = camel(name) or "Network"
    found = FreeNames(RESERVED).new(wanted, "_" if wanted[-1].isdigit() else "")
    return identifier(f"Net{found}" if found[0].isdigit() else found)
