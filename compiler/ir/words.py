"""A spec's values in words: how messages show them, and the checks of plain ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, TypeGuard

from ...dsl.diagnostics import Hint

MAX_INT = 2**63 - 1


class BadValue(ValueError):
    """A setting's value does not do. `parameter` names the setting where the check looked at several."""

    def __init__(self, message: str, *hints: str, parameter: str | None = None):
        self.parameter = parameter
        self.hints = hints
        super().__init__(message)


def bounded(value: Fraction) -> int | float | Fraction:
    """A ratio as the language keeps it: a whole one is an integer, and one of more digits than integers a double."""
    if value.denominator == 1:
        return value.numerator
    return float(value) if max(abs(value.numerator), value.denominator) > MAX_INT else value


def alternatives(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def few(names: Sequence[str], most: int = 5) -> str:
    """`a, b, c`; of more than `most` the first, and `...`."""
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])


def say(value: Any) -> str:
    """A value as it would be written in a spec."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Fraction):
        return str(float(value)) if value.denominator & (value.denominator - 1) == 0 else str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(say, value)) + "]"
    return str(value) if is_symbolic(value) or hasattr(value, "described") else "..."


def met(value: Any) -> str:
    """What a value is, for the end of a message. Values of other kinds may say it in an attribute `described`."""
    if value is None or isinstance(value, int | float | Fraction):
        return say(value)
    if isinstance(value, str):
        return f"the string {say(value)}"
    if isinstance(value, list | tuple):
        text = say(value)
        return f"the list {text}" if len(text) <= 60 else f"a list of {len(value)}"
    if is_symbolic(value):
        return f"the symbolic size {value}"
    return getattr(value, "described", "a network, a block or a tensor")


def is_symbolic(value: Any) -> bool:
    return hasattr(value, "evaluate")


def python_number(value: Any) -> Any:
    """The same, a single number of numpy's or torch's as Python's."""
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        return value.item()
    return str(value) if isinstance(value, str) else value


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether a value is a known whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole(value: Any, least: int | None = None) -> int:
    """A whole number, at least `least`."""
    if isinstance(value, Fraction) and value.denominator == 1:
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    wanted = {None: "a whole number", 0: "a whole number from 0", 1: "a positive whole number"}.get(
        least, f"a whole number from {least}"
    )
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue(f"must be {wanted}, not {met(value)}", *_whole_hints(value))
    if least is not None and value < least:
        raise BadValue(f"must be {wanted}, not {value}")
    if value > MAX_INT:
        raise BadValue(f"must be {wanted} below 2 ** 63")
    return value


def _whole_hints(value: Any) -> tuple[str, ...]:
    if isinstance(value, float | Fraction):
        return ("`/` divides exactly; write `//` to divide and round down, or `round(...)`, `floor(...)`, `ceil(...)`",)
    if is_symbolic(value):
        return ("it is the same at all sizes of the input: give a number, or fix this size in the `input` statement",)
    return ()


def number(value: Any, low: float | None = None, high: float | None = None, *, above: float | None = None) -> float:
    """A real number, from `low` to `high`, or greater than `above`."""
    bounds = [
        f"from {low:g} to {high:g}"
        if low is not None and high is not None
        else f"from {low:g}"
        if low is not None
        else "",
        f"greater than {above:g}" if above is not None else "",
    ]
    wanted = " ".join(["a number", *filter(None, bounds)])
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise BadValue(f"must be {wanted}, not {met(value)}")
    result = float(value)
    outside = (low is not None and result < low) or (high is not None and result > high)
    if outside or (above is not None and result <= above) or not math.isfinite(result):
        raise BadValue(f"must be {wanted}, not {say(value)}")
    return result


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadValue(f"must be true or false, not {met(value)}", *truth_meant(value))
    return value


def truth_meant(value: Any) -> tuple[str, ...]:
    """A hint for a 0 or 1 in the place of a truth value."""
    if not isinstance(value, int) or value not in (0, 1):
        return ()
    return (Hint(f"write `{say(bool(value))}`", say(bool(value)), old=str(value)),)


def choice(*choices: str) -> Callable[[Any], str]:
    """A string out of a few."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise BadValue(f"must be {alternatives(map(say, choices))}, not {met(value)}")
        return value

    return check


def nearest(name: str, known: Iterable[str], count: int = 3, likeness: float = 0.6) -> list[str]:
    """The known names most like `name`, the most alike first: at most `count`. `likeness` is from 0 to 1."""
    # Loaded where something is wrong alone: it takes a check's time otherwise.
    from difflib import get_close_matches

    names = list(dict.fromkeys(known))
    return get_close_matches(name, names, count, likeness) if names else []


def meant(names: Iterable[str], written: str = "") -> tuple[str, ...]:
    """A hint that offers names in the place of what is `written`, or none where there are none."""
    offered = list(names)
    if not offered:
        return ()
    text = f"did you mean {alternatives(f'`{name}`' for name in offered)}?"
    return (Hint(text, *offered, old=written) if written else text,)


def did_you_mean(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """A hint with the known names most like `name`, if any are."""
    return meant(nearest(name, known), name)


class Compared:
    """Looks for slips in names until so many have been compared that it takes time; the first errors have hints."""

    def __init__(self) -> None:
        self._names = 0

    def few(self, known: list[str]) -> list[str]:
        """The known names, none of them where enough have been compared."""
        few = known if self._names < _MOST_COMPARED else []
        self._names += len(few)
        return few

    def did_you_mean(self, name: str, known: list[str]) -> tuple[str, ...]:
        """As the function of this name, which may say nothing."""
        return did_you_mean(name, self.few(known))


_MOST_COMPARED = 20_000
