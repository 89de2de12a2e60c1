"""The terms of an architecture as text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...elaborate.arithmetic import MERGES
from ...ops.registry import lookup_kind
from ..parameters import differ
from .blocks import Blocks
from .keys import Keys
from .rules import alternating, rising
from .terms import SIGNS, Term
from .units import Unit
from .uses import Block, Parameter, Texts, place_of
from .values import Defaults, spelt, start_of
from .variables import PLAIN, counters, local_names

CHAIN, OR, AND, COMPARISON, MERGE, PRODUCT, UNARY, POWER, ATOM = range(9)
"""What binds tighter than what, loosest first: a text is put in parentheses where it binds less than its place asks."""
OPERATORS = {op.kind: sign for sign, op in MERGES.items() if sign != "-"}
"""What merges are written with."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text, how tight its outermost operator binds, whether it ends with something labelled, so that an
    operator behind it would seem to belong under the label, and whether it is a power, which as the element of a list
    would be several."""

    text: str
    level: int
    open: bool = False
    power: bool = False

    def at(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"


def label_text(path: str, numbered: int | None = None) -> str:
    """A label, with its colon."""
    segments = path.split(".")
    rest = "" if numbered is None else f"{{{numbered}..}}"
    if len(segments) == 1 and not rest and not PLAIN.match(path):
        return f'"{path}":'
    words = [f'{{"{s}"}}' if "-" in s else s for s in segments]
    if words[0][:1].isdigit():
        words[0] = f"{{{words[0]}}}" if words[0].isdigit() and str(int(words[0])) == words[0] else f'{{"{words[0]}"}}'
    return ".".join(words) + rest + ":"


class Values:
    """The values of a text one after the other, as the walk over its terms meets them."""

    def __init__(self, values: list[Any], texts: Texts, at: int = 0):
        self.values = values
        self.texts = texts
        self.at = at

    def take(self) -> Text | Any:
        """The next value: a Text where a parameter stands for it."""
        self.at += 1
        return self.peek(self.at - 1)

    def peek(self, column: int, element: int | None = None) -> Text | Any:
        """The value of a column, or an element of it."""
        text, value = self.texts.get(column), self.values[column]
        if element is not None:
            text = self.texts.get((column, element)) if text is None else f"{text}[{element}]"
            value = value[element]
        elif text is None and isinstance(value, list | tuple):
            elements = [self.peek(column, place) for place in range(len(value))]
            if any(isinstance(item, Text) for item in elements):
                return Text(f"[{', '.join(map(written, elements))}]", ATOM)
        return value if text is None else Text(text, _level(text))

    def of(self, parameter: Parameter, start: int) -> Text | Any:
        """What a parameter is given by a call whose values begin at a column."""
        return self.peek(start + (parameter.column or 0), parameter.element)


def _level(text: str) -> int:
    """How tight what a parameter is written with binds."""
    return ATOM if PLAIN.match(text) else MERGE if " + " in text or " - " in text else PRODUCT


def written(value: Text | Any) -> str:
    return value.text if isinstance(value, Text) else spelt(value)


class Printer:
    """Writes terms. `names` are those of the variables of the body at hand, `outer` those that the architecture alone
    has."""

    def __init__(self, blocks: Blocks, keys: Keys, defaults: Defaults, outer: set[str]):
        self.blocks = blocks
        self.keys = keys
        self.defaults = defaults
        self.outer = outer
        self.names: dict[tuple[Any, ...], str] = {}
        self.hole = ""

    def term(self, term: Term, values: Values) -> Text:
        return getattr(self, f"_{term.tag}")(term, values)

    # --- variables and layers --------------------------------------------------------------

    def _in(self, term: Term, values: Values) -> Text:
        return Text("id", ATOM)

    def _var(self, term: Term, values: Values) -> Text:
        return Text(self.names[term.data], ATOM)

    def _shared(self, term: Term, values: Values) -> Text:
        return Text(written(values.take()), ATOM)

    def _start(self, term: Term, values: Values) -> Text:
        return Text(start_of(term.data[0], written(values.take())), ATOM)

    def _table(self, term: Term, values: Values) -> Text:
        """A list of numbers by its rule, in which parameters may stand."""
        kind, words = term.data
        text = words[0]
        for before, after in pairwise(words):
            number = values.take()
            factor = before.endswith("* ") or after.startswith(" *")
            level = ATOM if factor else PRODUCT if before.endswith(("- ", "-")) else MERGE
            text += (number.at(level) if isinstance(number, Text) else spelt(number)) + after
        return Text(f"{kind}({text})", ATOM)

    def _layer(self, term: Term, values: Values) -> Text:
        kind, names, tensors = term.data
        return Text(self._call(kind, [], self._given(kind, names, values), self._tensors(term, tensors, values)), ATOM)

    def _tensors(self, term: Term, names: tuple[str, ...], values: Values) -> list[str]:
        return [f"{name} = {self.term(p, values).text}" for name, p in zip(names, term.parts, strict=True)]

    def _given(self, kind: str, names: tuple[str, ...], values: Values) -> list[str]:
        """The settings of a call that it has to give: the main ones by position."""
        cls = lookup_kind(kind)
        positional = cls.positional if cls is not None else names
        found: dict[str, str] = {}
        for name in names:
            value = values.take()
            if isinstance(value, Text) or repr(value) != repr(self.defaults.of(kind, name)):
                found[name] = written(value)
        given: list[str] = []
        for name in positional:
            if name not in found:
                break
            given.append(found.pop(name))
        return [*given, *(f"{name} = {text}" for name, text in found.items())]

    def _call(self, name: str, *arguments: list[str]) -> str:
        given = [argument for group in arguments for argument in group]
        return f"{name}({', '.join(given)})" if given else name

    # --- operators -------------------------------------------------------------------------

    def _chain(self, term: Term, values: Values) -> Text:
        parts = [self.term(term.parts[0], values).at(OR)]
        for part in term.parts[1:]:
            text = self.term(part, values).at(UNARY)
            cls = lookup_kind(text) if part.tag == "layer" else None
            # `x -> sum` and `sum(x)` of one tensor are refused
            parts.append(f"{text}(id)" if cls is not None and cls.is_merge and cls.merges_networks else text)
        return Text(" -> ".join(parts), CHAIN)

    def _label(self, term: Term, values: Values) -> Text:
        return Text(f"{label_text(term.data[0])} {self.term(term.parts[0], values).at(UNARY)}", UNARY, True)

    def _tuple(self, term: Term, values: Values) -> Text:
        return Text(f"({', '.join(self.term(p, values).text for p in term.parts)})", ATOM)

    def _affine(self, term: Term, values: Values) -> Text:
        (form,), number = term.data, written(values.take())
        inner = self.term(term.parts[0], values)
        if form == "*":
            return Text(f"{number} * {_closed(inner, UNARY)}", PRODUCT)
        if form == "/":
            return Text(f"{_closed(inner, UNARY)} / {number}", PRODUCT)
        if form == "-x":
            return Text(f"-{inner.at(POWER)}", UNARY)
        if form == "1-":
            return Text(f"{number} - {_closed(inner, UNARY)}", MERGE)
        return Text(f"{_closed(inner, PRODUCT)} {form} {number}", MERGE)

    def _function(self, term: Term, values: Values) -> Text:
        kind, places = term.data
        numbers = [written(values.take()) for name in places if name]
        tensors = [self.term(part, values) for part in term.parts]
        sign = SIGNS.get(kind)
        level = {"or": OR, "and": AND}.get(sign or "", COMPARISON)
        shown = [_closed(text, level + 1) if sign else text.text for text in tensors]
        operands = [numbers.pop(0) if name else shown.pop(0) for name in places]
        return Text(f" {sign} ".join(operands), level) if sign else Text(self._call(kind, operands), ATOM)

    def _merge(self, term: Term, values: Values) -> Text:
        kind, names, signs = term.data
        given = self._given(kind, names, values)
        parts = [self.term(part, values) for part in term.parts]
        tuples = [part.tag == "spread" for part in term.parts]
        sign = OPERATORS.get(kind, "")
        product = sign in ("*", "/")
        short = sign == "+" or product or (len(parts) == 2 and not any(p.tag == "label" for p in term.parts))
        if sign and short and not given and not any(tuples) and (not signs or signs[0] > 0):
            level = UNARY if product else PRODUCT
            texts = [_closed(part, level) for part in parts[:-1]] + [parts[-1].at(level)]
            marks = [f" {sign} " if one > 0 else " - " for one in (signs or (1,) * len(parts))]
            text = texts[0] + "".join(mark + t for mark, t in zip(marks[1:], texts[1:], strict=True))
            ends = parts[-1].open and parts[-1].level >= level
            return Text(text, PRODUCT if product else MERGE, ends)
        if len(parts) == 1 and not tuples[0]:
            return Text(f"{parts[0].at(OR)} -> {kind}({', '.join(['id', *given])})", CHAIN)
        return Text(self._call(kind, [part.text for part in parts], given), ATOM)

    def _wrap(self, term: Term, values: Values) -> Text:
        return Text(f"{term.data[0]}({self.term(term.parts[0], values).text})", ATOM)

    # --- lists and repetitions -------------------------------------------------------------

    def _list(self, term: Term, values: Values) -> Text:
        ruled = self._ruled(term.parts, values)
        return Text(f"[{ruled or ', '.join(self._element(part, values) for part in term.parts)}]", ATOM)

    def _ruled(self, parts: list[Term], values: Values) -> str | None:
        """Calls of one block in a row, an argument of which rises by a rule, as `unit(0.1 * i / 8) for i in 1..5`."""
        block = self.blocks.known.get(parts[0].unit.key) if parts and parts[0].unit is not None else None
        if block is None or parts[0].parts or any(self.keys.of(part) != self.keys.of(parts[0]) for part in parts):
            return None
        start, width = values.at, len(self.keys.values(parts[0]))
        name = next(name for name in counters() if name not in {*self.names.values(), *self.taken})
        rows = {
            parameter: row
            for parameter in block.parameters
            if parameter.column is not None
            and differ(row := [values.of(parameter, start + place * width) for place in range(len(parts))])
        }
        rates = {parameter: rate for parameter, row in rows.items() if (rate := parameter.rate or rising(row))}
        firsts = {rate.first(rows[parameter]) for parameter, rate in rates.items()}
        first = firsts.pop() if len(firsts) == 1 else None
        if first is None:
            return None
        rules: Texts = {}
        for parameter, row in rows.items():
            rate = rates.get(parameter)
            rule = alternating(row, name, first) if rate is None else rate.text(name)
            if rule is None:
                return None
            rules[place_of(parameter, start)] = rule
        values.at = start + width * len(parts)
        element = self._element(parts[0], Values(values.values, values.texts | rules, start))
        return f"{element} for {name} in {first}..{first + len(parts) - 1}"

    def _element(self, term: Term, values: Values) -> str:
        """An element of a list. A power that is one element, with numbers of its own, is a list in the list."""
        text = self.term(term, values)
        return f"[{text.text}]" if text.power and term.tag != "repeat" else text.text

    def _spread(self, term: Term, values: Values) -> Text:
        return Text(f"*{self._list(term, values).text}", ATOM)

    def _repeat(self, term: Term, values: Values) -> Text:
        count = values.take()
        exponent = count.at(ATOM) if isinstance(count, Text) else spelt(count)
        text = f"{self.term(term.parts[0], values).at(ATOM)} ** {exponent}"
        return self._under(term, Text(text, POWER, power=True))

    def _under(self, term: Term, text: Text) -> Text:
        """The text under a label that numbers it."""
        path, first = term.data[:2]
        return text if path is None else Text(f"{label_text(path, first)} {text.at(UNARY)}", UNARY, True, text.power)

    def _grow(self, term: Term, values: Values) -> Text:
        count = values.take()
        exponent = count.at(ATOM) if isinstance(count, Text) else spelt(count)
        return self._under(term, Text(f"(id, {self.term(term.parts[0], values).text}) ** {exponent}", POWER))

    # --- units -----------------------------------------------------------------------------

    def _unit(self, term: Term, values: Values) -> Text:
        unit = term.unit
        assert unit is not None
        start = values.at
        values.at += len(self.keys.of_unit(unit))
        block = self.blocks.known.get(unit.key)
        if block is not None:
            given = "".join(self.term(part, values).text for part in term.parts)
            return Text(self._call(block.name, self._arguments(block, values, start, given)), ATOM)
        end, values.at = values.at, start
        text = self.term(unit.result, values)
        assert values.at == end
        return text

    def _hole(self, term: Term, values: Values) -> Text:
        return Text(self.hole, ATOM)

    def _optional(self, term: Term, values: Values) -> Text:
        flag = values.take()
        network = self.term(term.parts[0], values)
        if isinstance(flag, Text):
            return Text(f"(if {flag.text} then {network.text} else id)", ATOM)
        return network if flag else Text("id", ATOM)

    def _arguments(self, block: Block, values: Values, start: int, part: str) -> list[str]:
        given: list[str] = []
        skipped = False
        for parameter in block.parameters:
            value = Text(part, ATOM) if parameter.column is None else values.of(parameter, start)
            if value == Text("", ATOM):
                skipped = True
                continue
            if parameter.default and not isinstance(value, Text) and repr(value) == repr(parameter.default[0]):
                skipped = True
                continue
            given.append(f"{parameter.name} = {written(value)}" if skipped else written(value))
        return given

    def define(self, block: Block) -> str:
        """The definition of a block."""
        unit = block.unit
        values = Values(self.keys.of_unit(unit), block.texts)
        heads = [p.name + (f" = {spelt(p.default[0])}" if p.default else "") for p in block.parameters]
        head = f"block {block.name}({', '.join(heads)})"
        self.hole = next((p.name for p in block.parameters if p.column is None), "")
        if unit.network and not unit.order:
            return f"{head} = {self.term(unit.result, values).text}"
        self.names, inputs = local_names(unit, self.taken - self.outer | {p.name for p in block.parameters})
        head += f"({', '.join(inputs)})" if inputs else ""
        if not unit.statements and not unit.order:
            return f"{head} = {self.term(unit.result, values).text}"
        lines = [f"order {', '.join(label_text(name)[:-1] for name in unit.order)}"] if unit.order else []
        lines += self.statements(unit, values)
        lines.append(f"output {self.term(unit.result, values).text}")
        return head + " {\n" + "\n".join(lines) + "\n}"

    @property
    def taken(self) -> set[str]:
        return self.blocks.names.taken

    def statements(self, unit: Unit, values: Values) -> list[str]:
        """The statements of a body, in order."""
        lines: list[str] = []
        for statement in unit.statements:
            text = "" if statement.term.tag == "input" else self.term(statement.term, values).text
            names = ", ".join(self.names["local", target] for target in statement.targets)
            opening, _, tail = statement.opening.partition("\0")
            if statement.term.tag == "input":
                lines.append(statement.opening)
            else:
                lines.append(f"{opening or f'{names} ='} {text}{tail}")
        return lines


def _closed(text: Text, level: int) -> str:
    """A text to the left of an operator, with parentheses where a label would seem to name the whole."""
    return f"({text.text})" if text.open else text.at(level)
