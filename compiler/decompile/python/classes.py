"""Scopes with like code become one class: what differs between them becomes parameters of its constructor."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import gcd
from typing import Any

from ...ir.free_names import FreeNames
from ..parameters import differ, identities, ratio, usual
from .code import Writer
from .expr import Expr, ModuleRef, binary, const, identifier, is_identifier, raw
from .names import RESERVED, ClassNames
from .steps import Code

_CHANNELS_IN = ("in_channels", "in_features", "channels", "features", "num_features", "normalized_shape")
_CHANNELS_OUT = ("out_channels", "out_features", "channels", "features")
_CHANNELS = frozenset({*_CHANNELS_IN, *_CHANNELS_OUT, "num_channels", "embed_dim", "width", "growth"})
_LARGEST_FACTOR = 6
"""Constants that are greater multiples of a number which is none of them are parameters of their own."""
_USUAL = {"stride": 1, "dilation": 1, "groups": 1, "padding": 0, "bias": True, "inplace": False}


@dataclass(slots=True)
class Parameter:
    """One parameter of a constructor. It is the constant at `slot`, by `divisor`; `default` is in a tuple."""

    name: str
    slot: int
    role: str
    default: tuple[Any, ...] = ()
    stored: bool = False
    divisor: int = 1

    @property
    def by_position(self) -> bool:
        return not self.default and (self.role in _CHANNELS or self.role == "module")


@dataclass(slots=True)
class Slot:
    """One constant of a class: its value in each instance, what it is for, and where."""

    values: tuple[Any, ...]
    role: str
    member: str
    in_step: bool
    said: bool
    """Whether the text of the class has a place for it: of what is given to a class that is made, parameters alone."""
    shown: Expr | None = None


@dataclass(slots=True, eq=False)
class Class:
    """A class of the file. `code` is that of one instance, the one that says most."""

    name: str
    code: Code
    instances: list[Code]
    parameters: list[Parameter] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)

    def role_of(self, number: int) -> str:
        """What the class does with a constant, as its caller sees it."""
        slot = self.slots[number]
        for parameter in self.parameters:
            if slot.shown is not None and slot.shown == raw(parameter.name):
                return parameter.name if parameter.role != "module" else slot.role
        return slot.role

    def stated(self, values: tuple[Any, ...]) -> str:
        """The parameter of the spec's block that has these values in the instances; empty where there is none."""
        told = [code.scope.arguments for code in self.instances]
        return next((name for name in told[0] if [each.get(name) for each in told] == list(values)), "")


class Classes:
    """All classes of the file, each after those that it uses."""

    def __init__(self, writer: Writer, root_name: str, names: ClassNames):
        self.writer = writer
        self.by_key: dict[int, Class] = {}
        groups: dict[int, list[Code]] = {}
        for scope in writer.scopes:
            code = writer.codes[scope]
            if code.is_class:
                groups.setdefault(code.key, []).append(code)
        root = writer.plan.root.scope
        for key, codes in groups.items():
            chosen = next((c for c in codes if c.optional), codes[0])
            if chosen.scope is root:
                name = root_name
            elif chosen.form == "class of row":
                name = names.of_row([chosen.scope, *(code.scope for code in codes)])
            else:
                name = names.of(chosen.scope)
            self.by_key[key] = Class(name, chosen, codes)
        for key, group in self.by_key.items():
            self._analyse(group, [writer.codes[c.scope].constants for c in groups[key]])

    # --- what differs ----------------------------------------------------------------------

    def _analyse(self, group: Class, constants: list[list[Any]]) -> None:
        group.slots = self._slots(group, constants)
        taken = {name for name, _ in group.code.members} | {"self", group.code.optional or "self"}
        taken |= {other.name for other in self.by_key.values()}
        merged: dict[Any, list[int]] = {}
        for number, slot in enumerate(group.slots):
            if not differ(slot.values) and not isinstance(slot.values[0], ModuleRef):
                continue
            access = self._reached(group, slot)
            if access is not None:
                slot.shown = access
            else:
                merged.setdefault(identities(slot.values), []).append(number)
        self._name(group, list(merged.values()), taken)
        if group.code.optional:
            name = identifier(group.code.optional)
            group.parameters.append(Parameter(name, -1, "part", () if group.code.recursive else (None,)))
        group.parameters.sort(key=lambda p: (bool(p.default), not p.by_position))

    def _slots(self, group: Class, constants: list[list[Any]]) -> list[Slot]:
        slots: list[Slot] = []
        columns = list(zip(*constants, strict=True))
        members = [(name, expr, False) for name, expr in group.code.made if not _given(group.code, expr)]
        members += [(step.hint, step.expr, True) for step in group.code.steps if not step.optional]
        members += [("", expr, False) for expr in group.code.starts]
        for member, expr, in_step in members:
            for role, said in self._roles(expr):
                slots.append(Slot(columns[len(slots)], role, member, in_step, said))
        return slots

    def _roles(self, expr: Expr) -> Iterable[tuple[str, bool]]:
        """What each constant of an expression is for, in order, and whether it is said there."""
        stack: list[tuple[Expr, str | None, bool]] = [(expr, None, True)]
        while stack:
            item, role, said = stack.pop()
            if item.kind == "const":
                yield role or item.data[1], said
            elif item.kind == "affine" and item.kids[0].kind == "const":
                offset, step = item.kids
                role = role or offset.data[1]
                stack += [(step, "growth" if role in _CHANNELS else f"{role}_step", said), (offset, role, said)]
            elif item.kind == "make":
                key, count = item.data
                group = self.by_key[key]
                given = {parameter.slot for parameter in group.parameters}
                inner = [(kid, group.role_of(i) if i < count else None, i in given) for i, kid in enumerate(item.kids)]
                stack.extend(reversed(inner))
            else:
                stack.extend((kid, None, said) for kid in reversed(item.kids))

    def _reached(self, group: Class, slot: Slot) -> Expr | None:
        """How this class says a module that is made in it, where all instances say it alike."""
        if not isinstance(slot.values[0], ModuleRef):
            return None
        ways = {
            self.writer.own_way(code.scope, ref.target) for code, ref in zip(group.instances, slot.values, strict=True)
        }
        return ways.pop() if len(ways) == 1 else None

    # --- names of parameters ---------------------------------------------------------------

    def _name(self, group: Class, sets: list[list[int]], taken: set[str]) -> None:
        slots = group.slots
        channel = [i for i, s in enumerate(slots) if s.role in _CHANNELS and s.said and not s.in_step]
        first = next((i for i in channel if slots[i].role in _CHANNELS_IN), -1)
        last = next((i for i in reversed(channel) if slots[i].role in _CHANNELS_OUT), -1)
        chosen: list[Parameter] = []
        for rows, role in self._rows(group, sets, first):
            scale, numbers = self._chosen(group, rows, first)
            divisor = min(factor for factor, _ in rows)
            others = {i for factor, other in rows if factor != scale for i in other if slots[i].said}
            plain = scale == 1 or (divisor == 1 and (not others or others & {first, last}))
            ends = (first, last) if plain else (-1, -1)
            alone = not any(slots[i].in_step for _, numbers in rows for i in numbers)
            own = slots[numbers[0]].member if alone else ""
            stated = group.stated(slots[numbers[0]].values)
            role = role or _role(slots, numbers)
            name = _parameter_name(slots, numbers, role, *ends, stated, taken - {own} | {p.name for p in chosen})
            taken.add(name)
            parameter = Parameter(name, numbers[0], role, divisor=divisor)
            parameter.default = _default(slots[numbers[0]], parameter)
            chosen.append(parameter)
            for factor, numbers in rows:
                for i in numbers:
                    parameter.stored |= slots[i].in_step
                    shown = raw(f"self.{name}" if slots[i].in_step else name)
                    slots[i].shown = _scaled(shown, factor, 1 if divisor > 1 else scale)
        group.parameters = chosen

    def _rows(
        self, group: Class, sets: list[list[int]], first: int
    ) -> Iterator[tuple[list[tuple[int, list[int]]], str]]:
        """The rows of multiples, each with the role of its parameter, if that is not that of its constants. What would
        be a fraction of channels, though the calls of the spec's block state it and it is more than a number of
        channels, as heads are, is a value of its own."""
        slots = group.slots

        def is_setting(numbers: list[int]) -> bool:
            return not {slots[i].role for i in numbers} <= _CHANNELS and bool(group.stated(slots[numbers[0]].values))

        for rows in _multiples(slots, sets):
            scale, _ = self._chosen(group, rows, first)
            settings = [numbers for factor, numbers in rows if factor < scale and is_setting(numbers)]
            if settings:
                rest = [numbers for _, numbers in rows if numbers not in settings]
                yield from ((rows, "") for rows in _multiples(slots, rest))
                yield from (([(1, numbers)], "value") for numbers in settings)
            else:
                yield rows, ""

    def _chosen(self, group: Class, rows: list[tuple[int, list[int]]], first: int) -> tuple[int, list[int]]:
        """The number of a row of multiples that is the parameter: that which the block takes in, or which the calls of
        the spec's block state, where no more places have parts of it than have it; else the smallest that is said."""

        def said(row: tuple[int, list[int]]) -> int:
            return sum(group.slots[i].said for i in row[1])

        smallest = min(rows)
        if smallest[0] > 1:
            return smallest
        whole = [row for row in sorted(rows) if all(row[0] % n == 0 or n % row[0] == 0 for n, _ in rows)]
        stated = [row for row in whole if group.stated(group.slots[row[1][0]].values)]
        for row in (*(row for row in whole if first in row[1]), *stated):
            if sum(said(part) for part in rows if part < row) <= said(row):
                return row
        return next((row for row in whole if said(row)), smallest)


def _scaled(shown: Expr, factor: int, scale: int) -> Expr:
    """A multiple of a number of which the scale is a multiple, as one, or as a part, of the scale."""
    if factor % scale:
        return binary("//", shown, const(scale // factor))
    return shown if factor == scale else binary("*", const(factor // scale), shown)


def _given(code: Code, made: Expr) -> bool:
    """Whether the member is the part that the caller passes."""
    return code.optional is not None and made.kind == "assign" and made.kids[1] == raw(code.optional)


def _role(slots: list[Slot], numbers: list[int]) -> str:
    if isinstance(slots[numbers[0]].values[0], ModuleRef):
        return "module"
    roles = [slots[i].role for i in numbers]
    return next((r for r in roles if r in _CHANNELS), roles[0])


def _multiples(slots: list[Slot], sets: list[list[int]]) -> list[list[tuple[int, list[int]]]]:
    """The sets of constants, those together that are multiples of one number in all instances, with the factors.

    They are numbers of channels, and others that are multiples of three such or more.
    """
    ratios = [ratio(slots[numbers[0]].values) for numbers in sets]
    channels: dict[Any, list[int]] = defaultdict(list)
    for numbers, found in zip(sets, ratios, strict=True):
        if found and _role(slots, numbers) in _CHANNELS:
            channels[found[1]].append(found[0])
    alike: dict[Any, list[tuple[int, list[int]]]] = defaultdict(list)
    for numbers, found in zip(sets, ratios, strict=True):
        if found and _role(slots, numbers) not in _CHANNELS:
            known = len({*found[1]}) > 2 and any(found[0] % scale == 0 for scale in channels[found[1]])
            found = found if known else None
        alike[found[1] if found else id(numbers)].append((found[0] if found else 1, numbers))
    return [rows for key, group in alike.items() for rows in _of_one_number(group, key)]


def _of_one_number(group: list[tuple[int, list[int]]], ratios: Any) -> list[list[tuple[int, list[int]]]]:
    """The sets of one ratio by the set that they are multiples of, or by a number that all are small multiples of."""
    scales = [scale for scale, _ in group]
    rows: dict[int, list[tuple[int, list[int]]]] = {}
    for scale, numbers in group:
        base = min(other for other in scales if scale % other == 0)
        rows.setdefault(base, []).append((scale // base, numbers))
    common = gcd(*scales)
    if len(rows) > 1 and max(scales) <= _LARGEST_FACTOR * common and len(set(ratios)) > 2:
        return [[(scale // common, numbers) for scale, numbers in group]]
    return list(rows.values())


def _parameter_name(
    slots: list[Slot], numbers: list[int], role: str, first: int, last: int, stated: str, taken: set[str]
) -> str:
    slot = slots[numbers[0]]
    if role == "module":
        wanted = slot.role
    elif role in _CHANNELS:
        noun = "features" if role.endswith("features") and role != "num_features" else "channels"
        if first not in numbers and any(slots[i].role == "growth" for i in numbers):
            wanted = "growth"
        elif first in numbers and last in numbers:
            wanted = noun
        elif first in numbers:
            wanted = f"in_{noun}"
        elif last in numbers:
            wanted = f"out_{noun}"
        else:
            wanted = "width"
    else:
        wanted = stated if role == "value" and len(stated) > 1 and stated not in RESERVED else role
    wanted = re.sub(r"\W", "_", wanted)
    wanted = wanted if is_identifier(wanted) else f"module_{wanted}" if role == "module" else "value"
    member = re.sub(r"\W", "_", slot.member)
    plain = wanted
    if wanted in taken and is_identifier(f"{member}_{wanted}"):
        wanted = f"{member}_{'channels' if wanted == 'width' else wanted}"
    return identifier(wanted if wanted not in taken else FreeNames(taken).new(plain))


def _default(slot: Slot, parameter: Parameter) -> tuple[Any, ...]:
    if parameter.by_position or parameter.role == "module":
        return ()
    plain = _USUAL.get(parameter.role)
    known = plain is not None and not {*identities([plain])}.isdisjoint(identities(slot.values))
    return (plain,) if known else usual(slot.values)
