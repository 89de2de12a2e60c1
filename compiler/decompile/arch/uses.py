"""The parameters of a block: which values differ between its instances, and how each is said by a parameter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ...ir.free_names import FreeNames
from ..parameters import differ, identities, multiple_and_shift, ratio, square, usual
from .rules import LEAST, Rate, rising
from .terms import THERE, Named, walk
from .units import Unit, declared, inner_units
from .values import is_free

if TYPE_CHECKING:
    from .blocks import Blocks

TABLE = "size"
"""What the numbers in the rule of a list set."""
_SIZES = ("", "shape", "sizes")
Said = dict[int | None, str]
"""What a block calls a value, or an element of one."""
Texts = dict[int | tuple[int, int], str]
"""How a column of values is written, or a place in the lists of a column."""


class Setting(NamedTuple):
    """What a value in a unit sets: the name of that, the label in the unit under which it stands, what a block in the
    unit calls it, or its elements, where that says more, and whether it counts (`Mark.COUNTED`)."""

    name: str
    label: str
    said: Said
    is_counted: bool


@dataclass(slots=True, eq=False)
class Parameter:
    """A parameter of a block: the first column of values that it stands for, None for a part that the caller gives; the
    place in the lists of that column, None for all of a value; its default, if it has one; and the rule by which it
    rises from each instance to the next."""

    name: str
    column: int | None
    default: tuple[Any, ...] = ()
    element: int | None = None
    rate: Rate | None = None


def place_of(parameter: Parameter, start: int) -> int | tuple[int, int]:
    """Where what a parameter is given stands among values that begin at a column."""
    return _place(start + (parameter.column or 0), parameter.element)


def _place(column: int, element: int | None) -> int | tuple[int, int]:
    return column if element is None else (column, element)


@dataclass(slots=True)
class Block:
    """A block of the text. `texts` says for each column of values that differs between instances how it is written, or
    for each place in the lists of a column that does."""

    name: str
    unit: Unit
    parameters: list[Parameter]
    texts: Texts


@dataclass(slots=True)
class Use:
    """A column of values that a parameter stands for: `factor` times that by `divisor`, and `shift`; or a `power`; or
    whether it `equals` a number."""

    parameter: Parameter
    factor: int = 1
    divisor: int = 1
    shift: int = 0
    power: int = 1
    equals: int | None = None

    @property
    def text(self) -> str:
        if self.equals is not None:
            return f"{self.parameter.name} == {self.equals}"
        if self.power != 1:
            return f"{self.parameter.name} ** {self.power}"
        text = self.parameter.name if self.factor == 1 else f"{self.factor} * {self.parameter.name}"
        text = text if self.divisor == 1 else f"{text} // {self.divisor}"
        return f"{text} {'+' if self.shift > 0 else '-'} {abs(self.shift)}" if self.shift else text


class Parameters:
    """Finds the parameters of a block in the values of its instances."""

    def __init__(self, blocks: Blocks, block: Block, units: list[Unit]):
        self.block = block
        self.units = units
        self.rows = [blocks.keys.of_unit(unit) for unit in units]
        self.own = declared(block.unit)
        self.names = FreeNames(blocks.names.taken - blocks.words | self.own | _counters(block.unit))
        self.settings = [*blocks.settings_of(block.unit)]
        self.places = [*blocks.places(block.unit)]
        self.uses: dict[int | tuple[int, int], Use] = {}
        self.same: dict[Any, Parameter] = {}
        self.multiples: dict[tuple[int, ...], list[tuple[Parameter, int]]] = {}
        self.scales: dict[tuple[int, ...], list[tuple[int, int, int | None]]] = {}
        """For each ratio the columns and elements that have it, after how often they do."""

    def find(self) -> None:
        places = {place: self._values(*place) for place in self.places}
        places = {at: values for at, values in places.items() if is_free(values[0], self.own) or differ(values)}
        tables = {at: places.pop(at) for at in [*places] if self.settings[at[0]].name == TABLE}
        for (column, element), values in sorted(places.items(), key=lambda item: _are_lists(item[1])):
            split = self._by_element(column, values) if element is None else {}
            self.uses |= split or {_place(column, element): self._use(column, values, element)}
        for members in self.scales.values():
            self._by_least(members)
        self._by_square()
        for place, values in tables.items():
            self.uses[_place(*place)] = self._shifted(values) or self._use(place[0], values, place[1])
        self._by_choice()
        self.block.parameters.sort(key=lambda parameter: parameter.column or 0)
        self._name()
        for parameter in self.block.parameters:
            parameter.rate = rising(self._of(parameter))
        if self.block.unit.hole:
            default = () if all(unit.given for unit in self.units) else (Named("id"),)
            self.block.parameters.append(Parameter(self.names.new(self.block.unit.hole), None, default))
        self.block.texts |= {place: use.text for place, use in self.uses.items()}
        self.block.parameters.sort(key=lambda parameter: bool(parameter.default))

    def _values(self, column: int, element: int | None) -> list[Any]:
        return [row[column] if element is None else row[column][element] for row in self.rows]

    def _by_element(self, column: int, values: list[Any]) -> dict[int | tuple[int, int], Use]:
        """The uses of a column of lists where elements of these say it: where at most one parameter comes of them that
        there is not yet."""
        if not _are_lists(values):
            return {}
        rows = {element: [*row] for element, row in enumerate(zip(*values, strict=True)) if differ(row)}
        rest = [row for row in rows.values() if self._known(column, row) is None]
        unknown = {self._ratio(column, row)[1] or identities(row) for row in rest}
        if len(unknown) > 1:
            return {}
        return {(column, element): self._use(column, row, element) for element, row in rows.items()}

    def _known(self, column: int, values: list[Any]) -> Use | None:
        """The use of a parameter that there is, for values that are equal to its own or multiples."""
        parameter = self.same.get(self._key(column, values))
        if parameter is not None:
            return Use(parameter)
        scale, ratios = self._ratio(column, values)
        for parameter, other in self.multiples.get(ratios, ()):
            if scale % other == 0:
                return Use(parameter, scale // other)
            if other % scale == 0:
                return Use(parameter, divisor=other // scale)
        return None

    def _shifted(self, values: list[Any]) -> Use | None:
        """The use of a parameter for values that are multiples of it and a number, as a table of windows has them."""
        for parameter in self.block.parameters if len({*identities(values)}) >= LEAST else ():
            line = multiple_and_shift(self._of(parameter), values)
            if line is not None:
                return Use(parameter, factor=line[0], shift=line[1])
        return None

    def _key(self, column: int, values: list[Any]) -> Any:
        return self._argument(values) or self.settings[column].name, identities(values)

    def _ratio(self, column: int, values: list[Any]) -> tuple[int, tuple[int, ...]]:
        """The values as a multiple of others, none where equal ratios of two columns may be by chance."""
        setting = self.settings[column]
        by_rule = setting.name == "channels" or (not setting.is_counted and len({*identities(values)}) >= LEAST)
        return (ratio(values) if by_rule else None) or (1, ())

    def _by_least(self, members: list[tuple[int, int, int | None]]) -> None:
        """Has one parameter stand for all columns of a ratio that counts no channels: the least setting among them,
        where the others are multiples of that, `units` and `4 * units`, or elements of lists that divide it."""
        whole = [member for member in members if member[2] is None]
        least, column, element = min(whole or members, key=lambda member: member[0])
        uses = [self.uses[_place(at, part)] for _, at, part in members]
        before = [p for p in self.block.parameters if any(use.parameter is p for use in uses)]
        settings = {self.settings[column].name for _, column, _ in members}
        if "channels" in settings or any(p.name for p in before):
            return
        if any(scale % least and least % scale for scale, *_ in members):
            return
        values = self._values(column, element)
        parameter = Parameter("", column, usual(values), element)
        self.block.parameters = [p for p in self.block.parameters if p not in before] + [parameter]
        self.same = {key: p for key, p in self.same.items() if p not in before}
        for scale, at, part in members:
            self.uses[_place(at, part)] = Use(parameter, max(1, scale // least), max(1, least // scale))
        self.multiples[self._ratio(column, values)[1]] = [(parameter, least)]

    def _by_square(self) -> None:
        """Has one parameter stand for another that is its square, as the windows of a map are those of a side."""
        for squared in [p for p in self.block.parameters if not p.name]:
            uses = {place: use for place, use in self.uses.items() if use.parameter is squared}
            values = self._of(squared)
            side = next((p for p in self.block.parameters if square(self._of(p), values)), None)
            if side is None or len({*values}) < LEAST or any(use != Use(squared) for use in uses.values()):
                continue
            self.uses |= {place: Use(side, power=2) for place in uses}
            self.block.parameters.remove(squared)

    def _by_choice(self) -> None:
        """Has one of two numbers say whether a part is there, as the stride of a block says that of its projection."""
        flags = [p for p in self.block.parameters if self.settings[p.column or 0].name.startswith(THERE)]
        for flag in flags:
            there = self._of(flag)
            for parameter in (p for p in self.block.parameters if p is not flag):
                values = self._of(parameter)
                pairs = {*zip(there, values, strict=True)} if all(type(value) is int for value in values) else ()
                if len(pairs) == len({*values}) == 2:
                    use = Use(parameter, equals=dict(pairs)[True])
                    self.uses |= {place: use for place, old in self.uses.items() if old.parameter is flag}
                    self.block.parameters.remove(flag)
                    break

    def _of(self, parameter: Parameter) -> list[Any]:
        return self._values(parameter.column or 0, parameter.element)

    def _use(self, column: int, values: list[Any], element: int | None = None) -> Use:
        scale, ratios = self._ratio(column, values)
        if ratios:
            self.scales.setdefault(ratios, []).append((scale, column, element))
        known = self._known(column, values)
        if known is not None:
            return known
        default = () if is_free(values) else usual(values)
        default = (False,) if self.settings[column].name.startswith(THERE) else default
        parameter = Parameter(self._argument(values) or "", column, default, element)
        self.same[self._key(column, values)] = parameter
        self.block.parameters.append(parameter)
        if ratios:
            self.multiples.setdefault(ratios, []).append((parameter, scale))
        return Use(parameter)

    def _name(self) -> None:
        """Names the parameters: by those of the source, or by settings. Of several numbers of channels the last is that
        of the block, and the rest are widths in it."""
        widths = [p for p in self.block.parameters if self.settings[p.column or 0].name == "channels"]
        last = max((column for column, setting in enumerate(self.settings) if setting.name == "channels"), default=-1)
        outgoing = self.uses[last].parameter if last in self.uses else None
        for parameter in self.block.parameters:
            column = parameter.column or 0
            setting, label, calls, _ = self.settings[column]
            value, said = self.rows[0][column], calls.get(parameter.element, "")
            if parameter.element is not None and setting in _SIZES:
                setting = "size"
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


def _counters(unit: Unit) -> set[str]:
    """The names of loops in the tables of a unit, which its parameters cannot have."""
    tables = (item.data[1] for term in unit.written for item in walk(term) if item.tag == "table")
    inner = (_counters(u) for term in unit.written for u in inner_units(term))
    return {*re.findall(r"\bfor (\w+) in ", " ".join(word for words in tables for word in words))}.union(*inner)


def _are_lists(values: list[Any]) -> bool:
    """Whether the values are lists of one length, of which each element may differ."""
    lists = all(isinstance(value, list | tuple) and not is_free(value) for value in values)
    return lists and len({len(value) for value in values}) == 1
