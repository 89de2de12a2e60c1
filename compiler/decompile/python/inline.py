"""Which lists of modules are classes, though they could be written where they are made: what comes again and again.
And which classes are none, though they could be: what differs from others in names alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from ...ir.graph import Scope
from .expr import Expr, ModuleRef, raw, shape, walk
from .layers import tidy
from .names import kind
from .optional import without_gifts
from .steps import Code

_FEW = 2
"""How many modules a class has that is no class where others differ in their names alone."""
_MOST_PARAMETERS = 6
_LEAST_SAVED = 4
_LINE = 13
"""About how many parts of an expression fit a line."""
_BROKEN = 4
"""About how many more lines a call has when one of its arguments makes it too long for one."""
_FORMS = {"sequential": "class of row", "ordered": "class of row", "list": "class of list"}


def repeated(codes: Iterable[Code]) -> dict[Scope, str]:
    """The scopes that are to be classes, each with the form that it then has."""
    return _Lists(codes).promoted()


def lonely(codes: Iterable[Code], promoted: Iterable[Scope]) -> list[Scope]:
    """Those that were made classes and yet are made in one place only."""
    lists = _Lists(codes)
    sites: dict[int, int] = defaultdict(int)
    for code in lists.texts:
        for _, expr in code.made:
            for item in walk(expr):
                if item.kind == "make":
                    sites[item.data[0]] += 1
    keys = {code.scope: key for key, group in lists.by_key.items() for code in group}
    return [scope for scope in promoted if sites[keys[scope]] < 2]


def named_apart(codes: Iterable[Code]) -> list[Code]:
    """The classes of one kind that hold few modules, and differ in the names of these alone."""
    groups: dict[Any, list[Code]] = defaultdict(list)
    for code in codes:
        few = len(code.members) <= _FEW and all(made.kind in ("call", "inline", "make") for _, made in code.members)
        if code.form in ("class", "class of row") and few and not (code.optional or code.starts):
            groups[kind(code.scope), code.form, _nameless(code)].append(code)
    return [code for group in groups.values() if len({code.key for code in group}) > 1 for code in group]


def _nameless(code: Code) -> Any:
    """The shape of a code, its modules by number."""
    numbers: dict[Any, int] = {}

    def mark(item: Expr) -> Any:
        if item.kind == "text":
            return numbers.setdefault((item.data, item.kids), len(numbers))
        if item.kind == "child" and item.kids[0] == raw("self"):
            return numbers.setdefault((item.data[1], item.kids[1:]), len(numbers))
        return "#" if item.kind == "const" else None

    steps = [(step.outs, step.kind, step.training, shape(step.expr, mark)) for step in code.steps]
    return tuple([shape(made, mark) for _, made in code.made]), tuple(steps)


class _Lists:
    """The lists of modules in the classes of a file, those together that differ in constants and optional parts."""

    def __init__(self, codes: Iterable[Code]):
        self.by_key: dict[int, list[Code]] = defaultdict(list)
        for code in codes:
            self.by_key[code.key].append(code)
        self.texts = [max(g, key=lambda c: bool(c.optional)) for g in self.by_key.values() if g[0].is_class]
        alike: dict[Any, list[Code]] = defaultdict(list)
        for group in self.by_key.values():
            if group[0].form in _FORMS:
                alike[without_gifts(group[0])].extend(group)
        self.groups = list(alike.values())
        self.number = {code.key: number for number, group in enumerate(self.groups) for code in group}
        self.arguments: dict[int, int] = {}

    def promoted(self) -> dict[Scope, str]:
        sites: dict[int, list[bool]] = defaultdict(list)
        for code in self.texts:
            for number, given in self._made_in(code, set()):
                sites[number].append(given)
        worth = {number for number, places in sites.items() if len(places) > 1 and self._saves(number, places)}
        outermost = {n for code in self.texts for n, _ in self._made_in(code, worth)} & worth
        return {code.scope: _FORMS[code.form] for number in outermost for code in self.groups[number]}

    def _made_in(self, code: Code, closed: set[int]) -> Iterator[tuple[int, bool]]:
        """The lists in the text of a class that are in none of `closed`, and whether each is an argument or has a name
        in a list."""
        stack = [(expr, False) for _, expr in reversed(code.made)]
        while stack:
            item, given = stack.pop()
            number = self.number.get(item.data[0], -1) if item.kind == "inline" else -1
            if number >= 0:
                yield number, given
            if number not in closed:
                deep = item.kind in ("given", "pair") or (item.kind == "list" and item.data == "()")
                stack.extend((kid, deep) for kid in reversed(item.kids))

    def _saves(self, number: int, places: list[bool]) -> bool:
        """Whether a class and its calls are shorter than the lists."""
        codes = self.groups[number]
        code = max(codes, key=lambda c: len(c.constants))
        if any(isinstance(value, ModuleRef) for value in code.constants):
            return False
        made = Expr("list", None, tuple(expr for _, expr in code.made))
        lines = self._lines(made) + 2 * (code.form == "ordered")
        inline = lines * len(places) + _BROKEN * sum(places)
        return _varying(codes) <= _MOST_PARAMETERS and inline - len(places) - lines - 3 >= _LEAST_SAVED

    def _lines(self, expr: Expr) -> int:
        if self._size(expr) <= _LINE:
            return 1
        return 2 + sum(self._lines(kid) for kid in expr.kids if kid.kind not in ("raw", "const", "num"))

    def _size(self, expr: Expr) -> int:
        match expr.kind:
            case "raw":
                return 0
            case "call":
                return 1 + sum(map(self._size, tidy(expr).kids))
            case "make":
                key, count = expr.data
                if key not in self.arguments:
                    self.arguments[key] = _varying(self.by_key[key])
                return 1 + self.arguments[key] + sum(map(self._size, expr.kids[count:]))
        return (expr.kind != "inline") + sum(map(self._size, expr.kids))


def _varying(codes: list[Code]) -> int:
    """How many constants differ between codes, those that always agree counted once."""
    most = max(len(code.constants) for code in codes)
    columns = set(zip(*(map(repr, c.constants) for c in codes if len(c.constants) == most), strict=True))
    return sum(len(set(column)) > 1 for column in columns)
