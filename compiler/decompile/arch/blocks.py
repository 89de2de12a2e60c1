"""Which units are blocks of their own, what these are called, and what their parameters are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...ir.free_names import FreeNames
from ..parameters import differ, identities, ratio, usual
from .keys import Keys
from .rules import linear
from .terms import Named, Term, walk, word_of
from .units import DECLARES, Unit
from .values import is_free

WORTH = 3
"""A unit of so many parts is a block where it is written twice."""
MEDIUM, LONG = 5, 12
"""One of so many parts that is a block in its source is one; `MEDIUM` ones where they have several instances."""


@dataclass(slots=True, eq=False)
class Parameter:
    """A parameter of a block: the first column of values that it stands for, None for a part that the caller gives, and
    its default, if it has one."""

    name: str
    column: int | None
    default: tuple[Any, ...] = ()


@dataclass(slots=True)
class Block:
    """A block of the text. `texts` says for each column of values that differs between instances how it is written."""

    name: str
    unit: Unit
    parameters: list[Parameter]
    texts: dict[int, str]


class Blocks:
    """Every block of an architecture, by the key of the units that it stands for, the inner ones first."""

    def __init__(self, root: Unit, keys: Keys, taken: set[str], words: set[str]):
        self.keys = keys
        self.words = words - taken
        """What bodies call what they share, draw and learn: parameters may have these names, blocks not."""
        self.names = FreeNames(taken | words)
        self.known: dict[int, Block] = {}
        self.instances = instances(root)
        self.weights: dict[int, int] = {}
        written: Counter[int] = Counter()
        for units in self.instances.values():
            written.update(inner.key for term in units[0].written for inner in inner_units(term))
        for key, units in self.instances.items():
            self.weights[key] = sum(self._weight(term) for term in units[0].written)
            if units[0] is not root and self._is_block(units[0], written[key]):
                self.known[key] = Block(self._name(units), units[0], [], {})
        for key, block in self.known.items():
            _Parameters(self, block, self.instances[key]).find()

    def _weight(self, term: Term) -> int:
        """How many parts one reads in a term."""
        weight = 0
        for item in walk(term):
            if item.tag in ("layer", "merge", "shared", "affine", "function"):
                weight += 1
            elif item.unit is not None:
                weight += 1 if item.unit.key in self.known else self.weights[item.unit.key]
        return weight

    def _is_block(self, unit: Unit, written: int) -> bool:
        weight = self.weights[unit.key]
        given = unit.scope is not None and unit.block is not None
        if unit.hole or not unit.network or (given and len(unit.outputs) > 1):
            return True
        if given and (weight >= LONG or (weight >= MEDIUM and len(self.instances[unit.key]) > 1)):
            return True
        if not given and self._is_ruled(unit):
            return False
        return written > 1 and (weight >= WORTH or (weight == WORTH - 1 and written > WORTH))

    def _is_ruled(self, unit: Unit) -> bool:
        """Whether a unit lists calls of one block, an argument of which rises by a rule: that reads on its own."""
        parts = unit.result.parts if unit.result.tag == "list" and not unit.statements else []
        if not parts or any(part.unit is None or part.parts or part.unit.key not in self.known for part in parts):
            return False
        columns = zip(*map(self.keys.values, parts), strict=False)
        return len({self.keys.of(part) for part in parts}) == 1 and any(linear(column, "i") for column in columns)

    def _name(self, units: list[Unit]) -> str:
        given = Counter(unit.block for unit in units if unit.block is not None)
        labels = Counter(unit.scope.name for unit in units if unit.scope is not None)
        letters = sorted((name for name, _ in labels.most_common()), key=lambda name: len(name) == 1)
        words = [*(name for name, _ in given.most_common()), *letters]
        plain = [re.sub(r"[^A-Za-z0-9_]", "_", re.sub(r"[\d_-]+$", "", word)) for word in words]
        name = next((word for word in plain if re.match(r"[A-Za-z_]", word)), "unit")
        return self.names.new(name)

    def settings_of(self, unit: Unit, label: str = "") -> Iterator[tuple[str, str, str]]:
        """For each value in a unit the setting that it is, the label in the unit under which it stands, and what a
        block in the unit calls it where that says more."""
        stack = [(term, label) for term in reversed(unit.written)]
        while stack:
            item, label = stack.pop()
            if item.tag == "label" and not label:
                label = word_of(item)
            words = [{"repeat": "n", "grow": "n", "affine": "factor"}.get(item.tag, "")] * len(item.values)
            if item.tag in ("layer", "merge"):
                words = [*item.data[1]]
            elif item.tag == "function":
                words = [name for name in item.data[1] if name]
            yield from ((word, label, "") for word in words)
            if item.unit is not None:
                yield from self._settings_in(item.unit, label)
            stack.extend((part, label) for part in reversed(item.parts))

    def _settings_in(self, unit: Unit, label: str) -> Iterator[tuple[str, str, str]]:
        block = self.known.get(unit.key)
        names = {p.name for p in block.parameters} - {"channels", "width"} if block is not None else set[str]()
        for column, (setting, place, said) in enumerate(self.settings_of(unit, label)):
            text = block.texts.get(column, "") if block is not None else said
            yield setting, place, text if text in names or block is None else ""


def instances(root: Unit) -> dict[int, list[Unit]]:
    """The units of a text by their keys, the inner ones first."""
    found: dict[int, list[Unit]] = {}
    seen: set[int] = set()

    def collect(unit: Unit) -> None:
        if id(unit) not in seen:
            seen.add(id(unit))
            for term in unit.written:
                for inner in inner_units(term):
                    collect(inner)
            found.setdefault(unit.key, []).append(unit)

    collect(root)
    return found


def inner_units(term: Term) -> list[Unit]:
    """The units in a term."""
    return [item.unit for item in walk(term) if item.unit is not None]


def declared(unit: Unit) -> frozenset[str]:
    """The names that the text of a unit declares for what it shares, draws and learns."""
    words = [s.opening.split() for s in unit.statements if s.opening.startswith(DECLARES)]
    inner = [declared(u) for term in unit.written for u in inner_units(term)]
    return frozenset(word[1].rstrip(":") for word in words).union(*inner)


@dataclass(slots=True)
class _Use:
    """A column of values that a parameter stands for: `factor` times that by `divisor`."""

    parameter: Parameter
    factor: int = 1
    divisor: int = 1

    @property
    def text(self) -> str:
        name = self.parameter.name
        return (
            f"{name} // {self.divisor}" if self.divisor > 1 else f"{self.factor} * {name}" if self.factor > 1 else name
        )


class _Parameters:
    """Finds the parameters of a block in the values of its instances."""

    def __init__(self, blocks: Blocks, block: Block, units: list[Unit]):
        self.block = block
        self.units = units
        self.rows = [blocks.keys.of_unit(unit) for unit in units]
        self.own = declared(block.unit)
        self.names = FreeNames(blocks.names.taken - blocks.words | self.own)
        self.settings = [*blocks.settings_of(block.unit)]
        self.uses: dict[int, _Use] = {}
        self.same: dict[Any, Parameter] = {}
        self.multiples: dict[tuple[int, ...], list[tuple[Parameter, int]]] = {}

    def find(self) -> None:
        for column, (setting, *_) in enumerate(self.settings):
            values = [row[column] for row in self.rows]
            if is_free(values[0], self.own) or differ(values):
                self.uses[column] = self._use(column, setting, values)
        self._name()
        if self.block.unit.hole:
            default = () if all(unit.given for unit in self.units) else (Named("id"),)
            self.block.parameters.append(Parameter(self.names.new(self.block.unit.hole), None, default))
        self.block.texts |= {column: use.text for column, use in self.uses.items()}
        self.block.parameters.sort(key=lambda parameter: bool(parameter.default))

    def _use(self, column: int, setting: str, values: list[Any]) -> _Use:
        argument = self._argument(values)
        key = argument or setting, identities(values)
        if key in self.same:
            return _Use(self.same[key])
        scale, ratios = (ratio(values) if setting == "channels" else None) or (1, None)
        related = self.multiples.setdefault(ratios, []) if ratios else []
        for parameter, other in related:
            if scale % other == 0:
                return _Use(parameter, scale // other)
            if other % scale == 0:
                return _Use(parameter, divisor=other // scale)
        default = () if is_free(values) else usual(values)
        parameter = self.same[key] = Parameter(argument or "", column, default)
        self.block.parameters.append(parameter)
        related.append((parameter, scale))
        return _Use(parameter)

    def _name(self) -> None:
        """Names the parameters: by those of the source, or by settings. Of several numbers of channels the last is that
        of the block, and the rest are widths in it."""
        widths = [p for p in self.block.parameters if self.settings[p.column or 0][0] == "channels"]
        last = max((column for column, (setting, *_) in enumerate(self.settings) if setting == "channels"), default=-1)
        outgoing = self.uses[last].parameter if last in self.uses else None
        for parameter in self.block.parameters:
            column = parameter.column or 0
            setting, label, said = self.settings[column]
            value = self.rows[0][column]
            word = parameter.name or (value.name if isinstance(value, Named) else said or setting or "shape")
            under = f"{label}_{word}"
            if not (parameter.name or said) and parameter in widths and len(widths) > 1 and parameter is not outgoing:
                word = "width"
            fits = self.names.is_taken(word) and label and not (parameter.name or said or self.names.is_taken(under))
            parameter.name = self.names.new(under if fits else word)

    def _argument(self, values: list[Any]) -> str | None:
        """The parameter of the source's block that has these values."""
        scopes = [unit.scope for unit in self.units]
        first = scopes[0]
        if first is None or first.block is None or any(s is None or s.block != first.block for s in scopes):
            return None
        for name in first.arguments:
            if identities(scope.arguments.get(name) for scope in scopes if scope is not None) == identities(values):
                return name
        return None
