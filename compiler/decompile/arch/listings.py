"""Lists of numbers as the comprehensions that make them, where a rule does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

FEWEST = 8
"""Lists of fewer numbers stand as they are."""
MOST = 50_000
"""Lists of more numbers too: a spec evaluates each of them once, and may take so many steps in all."""
MOST_PIECES = 4
"""So many runs of equal numbers are told apart by `if`."""
LETTERS = "ijklmnopqrstuvw"


class Digit(NamedTuple):
    """One loop: how many values it has, and what each next one adds."""

    size: int
    step: int


def listing(value: Any) -> str | None:
    """The comprehension that makes a nested list, None where none is known or it is no shorter."""
    shape, flat = _flat(value)
    if not shape or not FEWEST <= prod(shape) <= MOST or isinstance(flat[0], bool):
        return None
    if all(type(number) is int for number in flat):
        text = _counted(shape, flat) or _pieced(shape, flat) or _apart(shape, flat) or _grid(shape, flat)
        text = text or _bordered(value, shape)
    else:
        text = _grid(shape, flat) or _repeated(value, shape)
    return text if text is not None and len(text) < len(str(value)) else None


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


def _counted(shape: Sequence[int], flat: Sequence[int]) -> str | None:
    """Sums of multiples of loop variables: places, differences of places, and rows of such."""
    digits = _digits(flat)
    axes = None if digits is None else _by_axis(shape, digits)
    if axes is None or sum(map(len, axes)) > len(LETTERS):
        return None
    letters = iter(LETTERS)
    loops = [[(digit, next(letters)) for digit in axis] for axis in axes]
    terms = [_term(digit.step, letter) for axis in loops for digit, letter in axis if digit.step]
    if flat[0] or not terms:
        terms.append(str(flat[0]))
    text = " + ".join(terms).replace("+ -", "- ")
    for axis in reversed(loops):
        text = f"[{text} {' '.join(f'for {letter} in 0..<{digit.size}' for digit, letter in axis)}]"
    return text


def _term(step: int, letter: str) -> str:
    return {1: letter, -1: f"-{letter}"}.get(step, f"{step} * {letter}")


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


def _pieced(shape: Sequence[int], flat: Sequence[int]) -> str | None:
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
            terms.append("(" + "".join(f"if {letter} < {end} then {n} else " for end, n in first) + f"{last})")
    text = " + ".join([*terms, *([str(base)] if base or not terms else [])]).replace("+ -", "- ")
    for letter, size in reversed(list(zip(LETTERS, shape, strict=False))):
        text = f"[{text} for {letter} in 0..<{size}]"
    return text


def _apart(shape: Sequence[int], flat: Sequence[int]) -> str | None:
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
            one, other = f"for i in 0..<{rows} for j in 0..<{columns}", f"for k in 0..<{rows} for l in 0..<{columns}"
            terms = [_term(down, "abs(i - k)"), _term(across, "abs(j - l)"), *([str(flat[0])] if flat[0] else [])]
            return f"[[{' + '.join(terms)} {other}] {one}]".replace("+ -", "- ")
    return None


def _grid(shape: Sequence[int], flat: Sequence[Any]) -> str | None:
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
    text = f"[{', '.join(letters)}]"
    for letter, numbers in reversed(list(zip(letters, along, strict=True))):
        text = f"[{text} for {letter} in {_plain(numbers)}]"
    return "[" * len(ones) + text + "]" * len(ones)


def _bordered(value: Sequence[Any], shape: Sequence[int]) -> str | None:
    """A matrix that a rule makes, with one number above it and one on its left, as for a class token."""
    if len(shape) != 2 or min(shape) < 3:
        return None
    (corner, top, *above), *rows = value
    left = rows[0][0]
    if set(above) != {top} or any(row[0] != left for row in rows):
        return None
    inner = listing([row[1:] for row in rows])
    if inner is None or not inner.startswith("[["):
        return None
    end = inner.index("]") + 1
    row, loops = inner[1:end], inner[end:-1].strip()
    return f"[[{corner}, *[{top} for _ in 0..<{shape[1] - 1}]], *[[{left}, *{row}] {loops}]]"


def _repeated(value: Sequence[Any], shape: Sequence[int]) -> str | None:
    """One row over and over, as a kernel that all channels have."""
    first, *others = value
    if len(shape) < 2 or not others or any(row != first for row in others):
        return None
    return f"[{listing(first) or _plain(first)} for _ in 0..<{len(value)}]"


def _plain(value: Any) -> str:
    """A number, or a list as it stands."""
    return f"[{', '.join(map(_plain, value))}]" if isinstance(value, tuple | list) else str(value)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each run of equal numbers ends, and its number."""
    for place, number in enumerate(numbers, 1):
        if place == len(numbers) or numbers[place] != number:
            yield place, number
