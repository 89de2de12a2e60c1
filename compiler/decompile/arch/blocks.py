"""Which units are blocks of their own, what these are called, and what their parameters are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ....grammar import words
from ...ir.free_names import FreeNames
from ...ops.registry import lookup_kind
from ...ops.values import Mark
from .keys import Keys
from .rules import rising
from .terms import Term, walk, word_of
from .units import Unit, inner_units, instances
from .uses import TABLE, Block, Parameters, Said, Setting

WORTH = 3
"""A unit of so many parts is a block where it is written twice."""
_SETTINGS = {"repeat": "n", "grow": "n", "affine": "factor", "table": TABLE}
"""What the values of terms set that are no settings of layers."""
MEDIUM, LONG = 5, 12
"""One of so many parts that is a block in its source is one; `MEDIUM` ones where they have several instances."""


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
            Parameters(self, block, self.instances[key]).find()

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
        return len({self.keys.of(part) for part in parts}) == 1 and any(map(rising, columns))

    def _name(self, units: list[Unit]) -> str:
        given = Counter(unit.block for unit in units if unit.block is not None)
        labels = Counter(unit.scope.name for unit in units if unit.scope is not None)
        letters = sorted((name for name, _ in labels.most_common()), key=lambda name: len(name) == 1)
        offered = [*(name for name, _ in given.most_common()), *letters]
        plain = [re.sub(r"[^A-Za-z0-9_]", "_", re.sub(r"[\d_-]+$", "", word)) for word in offered]
        keywords = words().keywords
        name = next((word for word in plain if re.match(r"[A-Za-z_]", word) and word not in keywords), "unit")
        if units[0].extra and units[0].scope is None:
            name = f"{name.removesuffix('_part')}_part"
        return self.names.new(name)

    def settings_of(self, unit: Unit, label: str = "") -> Iterator[Setting]:
        """What each value in a unit sets."""
        stack = [(term, label) for term in reversed(unit.written)]
        while stack:
            item, label = stack.pop()
            if item.tag == "label" and not label:
                label = word_of(item)
            words = [_SETTINGS.get(item.tag, "")] * len(item.values)
            cls = lookup_kind(item.data[0]) if item.tag in ("layer", "merge", "function") else None
            fields = {} if cls is None else cls.model_fields
            if item.tag in ("layer", "merge"):
                words = [name if cls is None or name in fields else "parts" for name in item.data[1]]
            elif item.tag == "optional":
                words = [*item.data]
            elif item.tag == "function":
                words = [name for name in item.data[1] if name]
            counted = {name for name, info in fields.items() if Mark.COUNTED in info.metadata}
            counted |= {word for word in words if item.tag in _SETTINGS and word != TABLE}
            yield from (Setting(word, label, {}, word in counted) for word in words)
            if item.unit is not None:
                yield from self._settings_in(item.unit, label)
            stack.extend((part, label) for part in reversed(item.parts))

    def places(self, unit: Unit) -> Iterator[tuple[int, int | None]]:
        """The columns of values, and the elements of such, that the text of a unit has: of a block in it those that are
        its arguments."""
        start = 0
        for item in (item for term in unit.written for item in walk(term)):
            yield from ((column, None) for column in range(start, start + len(item.values)))
            start += len(item.values)
            if item.unit is not None:
                block = self.known.get(item.unit.key)
                given = ((p.column, p.element) for p in block.parameters) if block else self.places(item.unit)
                yield from ((start + column, element) for column, element in given if column is not None)
                start += len(self.keys.of_unit(item.unit))

    def _settings_in(self, unit: Unit, label: str) -> Iterator[Setting]:
        block = self.known.get(unit.key)
        names = {p.name for p in block.parameters} - {"channels", "width"} if block is not None else set[str]()
        texts: dict[int, Said] = {}
        for place, text in block.texts.items() if block is not None else ():
            column, element = place if isinstance(place, tuple) else (place, None)
            if text in names:
                texts.setdefault(column, {})[element] = text
        for column, setting in enumerate(self.settings_of(unit, label)):
            yield setting if block is None else setting._replace(said=texts.get(column, {}))
