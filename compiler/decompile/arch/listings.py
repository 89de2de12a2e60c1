"""Lists of numbers as the comprehensions that make them, where a rule does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from .values import spelt

FEWEST = 8
"""Lists of fewer numbers stand as they are."""
MOST = 50_000
"""Lists of more numbers too: a spec evaluates each of them once, and may take so many steps in all."""
MOST_GIVEN = 5_000
"""Lists of more numbers are the same in all instances of a block, which are evaluated once."""
MOST_PIECES = 4
"""So many runs of equal numbers are told apart by `if`."""
LETTERS = "ijklmnopqrstuvw"


class Digit(NamedTuple):
    """One loop: how many values it has, and what each next one adds."""

    size: int
    step: int


class Table(NamedTuple):
    """The comprehension that makes a list: the words of its text, and the whole numbers between them."""

    words: tuple[str, ...]
    numbers: list[int]


class Rule(NamedTuple):
    """What makes a list: the text of an item, and the loops over items, none where the text is that of all items. Whole
    numbers in it stand between marks."""

    item: str
    loops: str = ""

    @property
    def text(self) -> str:
        return f"[{self.item} {self.loops}]" if self.loops else f"[{self.item}]"


_MARK = "\0"


def _n(number: int) -> str:
    """A whole number of a rule."""
    return f"{'-' * (number < 0)}{_MARK}{abs(number)}{_MARK}"


def _loop(letter: str, size: int) -> str:
    return f"for {letter} in 0..<{_n(size)}"


def _sum(terms: Sequence[str]) -> str:
    return " + ".join(terms).replace("+ -", "- ")


def table_of(value: Any) -> Table | None:
    """The comprehension that makes a nested list, None where none is known or it is no shorter."""
    rule = _rule(value)
    if rule is None:
        return None
    pieces = rule.text.split(_MARK)
    if prod(_flat(value)[0]) > MOST_GIVEN:
        return Table(("".join(pieces),), [])
    return Table(tuple(pieces[::2]), [int(number) for number in pieces[1::2]])


def _rule(value: Any) -> Rule | None:
    shape, flat = _flat(value)
    if not shape or not FEWEST <= prod(shape) <= MOST or isinstance(flat[0], bool):
        return None
    if all(type(number) is int for number in flat):
        rule = _counted(shape, flat) or _pieced(shape, flat) or _apart(shape, flat) or _grid(shape, flat)
        rule = rule or _bordered(value, shape)
    else:
        rule = _grid(shape, flat) or _repeated(value, shape)
    return rule if rule is not None and len(rule.text.replace(_MARK, "")) < len(str(value)) else None


def _flat(value: Any) -> tuple[list[int], list[Any]]:
    """The sizes and the numbers of a list, none where its rows differ in length."""
    shape: list[int] = []
    level: list[Any] = [value]
    while level and isinstance(level[0], tuple | list):
        sizes = {len(item) for item in level}
        if len(sizes) != 1:
            return [], []
        shape.append(sizes.pop())
        level = [item for row in level for item in row]
    return shape, level


def _counted(shape: Sequence[int], flat: Sequence[int]) -> Rule | None:
    """Sums of multiples of loop variables: places, differences of places, and rows of such."""
    digits = _digits(flat)
    axes = None if digits is None else _by_axis(shape, digits)
    if axes is None or sum(map(len, axes)) > len(LETTERS):
        return None
    letters = iter(LETTERS)
    loops = [[(digit, next(letters)) for digit in axis] for axis in axes]
    terms = [_term(digit.step, letter) for axis in loops for digit, letter in axis if digit.step]
    if flat[0] or not terms:
        terms.append(_n(flat[0]))
    return _nested(_sum(terms), [" ".join(_loop(letter, digit.size) for digit, letter in axis) for axis in loops])


def _nested(number: str, loops: Sequence[str]) -> Rule:
    """The list of lists that loops make, one or several for each axis, the outermost first."""
    text = number
    for inner in reversed(loops[1:]):
        text = Rule(text, inner).text
    return Rule(text, loops[0])


def _term(step: int, letter: str) -> str:
    return {1: letter, -1: f"-{letter}"}.get(step, f"{_n(step)} * {letter}")


def _digits(flat: Sequence[int]) -> list[Digit] | None:
    """The loops that count through the numbers, the innermost first; None where counting does not make them."""
    found: list[Digit] = []
    rest = list(flat)
    while len(rest) > 1:
        step = rest[1] - rest[0]
        run = next((n for n in range(2, len(rest)) if rest[n] - rest[n - 1] != step), len(rest))
        size = next(n for n in range(run, 0, -1) if len(rest) % n == 0)
        starts = rest[::size]
        counted = [start + n * step for start in starts for n in range(size)]
        if size < 2 or rest != counted:
            return None
        found.append(Digit(size, step))
        rest = starts
    return found


def _by_axis(shape: Sequence[int], digits: Sequence[Digit]) -> list[list[Digit]] | None:
    """The loops of each axis, outermost first; one that goes on over several axes is one for each."""
    waiting = list(reversed(digits))
    axes: list[list[Digit]] = []
    for size in reversed(shape):
        axis, left = [], size
        while left > 1:
            digit = waiting.pop() if waiting else Digit(1, 0)
            if left % digit.size == 0 and digit.size > 1:
                axis.append(digit)
                left //= digit.size
            elif digit.size % left == 0 and digit.size > 1:
                axis.append(Digit(left, digit.step))
                waiting.append(Digit(digit.size // left, digit.step * left))
                left = 1
            else:
                return None
        axes.append(axis[::-1] or [Digit(1, 0)])
    return axes[::-1]


def _pieced(shape: Sequence[int], flat: Sequence[int]) -> Rule | None:
    """A sum over the axes of what depends on the place along each: runs of equal numbers."""
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    base = flat[0]
    along = [[flat[n * stride] - base for n in range(size)] for size, stride in zip(shape, strides, strict=True)]
    if len(shape) > len(LETTERS) or any(
        number != base + sum(parts) for number, parts in zip(flat, product(*along), strict=True)
    ):
        return None
    terms: list[str] = []
    for letter, parts in zip(LETTERS, along, strict=False):
        runs = list(_runs(parts))
        if len(runs) > MOST_PIECES:
            return None
        if len(runs) > 1:
            *first, (_, last) = runs
            pieces = "".join(f"if {letter} < {_n(end)} then {_n(number)} else " for end, number in first)
            terms.append(f"({pieces}{_n(last)})")
    total = _sum([*terms, *([_n(base)] if base or not terms else [])])
    return _nested(total, [_loop(letter, size) for letter, size in zip(LETTERS, shape, strict=False)])


def _apart(shape: Sequence[int], flat: Sequence[int]) -> Rule | None:
    """For two places of a grid each, multiples of how far they are apart down and across, whichever comes first."""
    if len(shape) != 2 or shape[0] != shape[1]:
        return None
    for columns in (n for n in range(1, shape[1] + 1) if shape[1] % n == 0):
        across = flat[1] - flat[0] if columns > 1 else 0
        down = flat[columns] - flat[0] if columns < shape[1] else 0
        places = [divmod(place, columns) for place in range(shape[1])]
        made = (flat[0] + down * abs(i - k) + across * abs(j - m) for i, j in places for k, m in places)
        if all(a == b for a, b in zip(flat, made, strict=True)):
            rows = shape[1] // columns
            one, other = (f"{_loop(row, rows)} {_loop(column, columns)}" for row, column in ("ij", "kl"))
            terms = [_term(down, "abs(i - k)"), _term(across, "abs(j - l)"), *([_n(flat[0])] if flat[0] else [])]
            return _nested(_sum(terms), [one, other])
    return None


def _grid(shape: Sequence[int], flat: Sequence[Any]) -> Rule | None:
    """The places of a grid: for each its number along every axis of the grid."""
    axes = shape[-1]
    ones, sizes = shape[: -axes - 1], shape[-axes - 1 : -1]
    if axes < 2 or len(sizes) != axes or set(ones) - {1}:
        return None
    strides = [prod(shape[len(ones) + axis + 1 :]) for axis in range(axes)]
    along = [[flat[n * stride + axis] for n in range(sizes[axis])] for axis, stride in enumerate(strides)]
    if any(a != b for a, b in zip(flat, (number for place in product(*along) for number in place), strict=True)):
        return None
    letters = LETTERS[:axes]
    loops = [f"for {letter} in {spelt(numbers)}" for letter, numbers in zip(letters, along, strict=True)]
    rule = _nested(f"[{', '.join(letters)}]", loops)
    for _ in ones:
        rule = Rule(rule.text)
    return rule


def _bordered(value: Sequence[Any], shape: Sequence[int]) -> Rule | None:
    """A matrix that a rule makes, with one number above it and one on its left, as for a class token."""
    if len(shape) != 2 or min(shape) < 3:
        return None
    (corner, top, *above), *rows = value
    left = rows[0][0]
    if set(above) != {top} or any(row[0] != left for row in rows):
        return None
    inner = _rule([row[1:] for row in rows])
    if inner is None or not inner.loops:
        return None
    above = f"[{_n(corner)}, *[{_n(top)} {_loop('_', shape[1] - 1)}]]"
    return Rule(f"{above}, *{Rule(f'[{_n(left)}, *{inner.item}]', inner.loops).text}")


def _repeated(value: Sequence[Any], shape: Sequence[int]) -> Rule | None:
    """One row over and over, as a kernel that all channels have."""
    first, *others = value
    if len(shape) < 2 or not others or any(row != first for row in others):
        return None
    rule = _rule(first)
    return Rule(spelt(first) if rule is None else rule.text, _loop("_", len(value)))


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each run of equal numbers ends, and its number."""
    for place, number in enumerate(numbers, 1):
        if place == len(numbers) or numbers[place] != number:
            yield place, number
