"""What can be proved of sizes, given that every symbol is at least 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import gcd, lcm
from operator import floordiv, mul

from .bounds import MAX_PERIOD, step
from .size_rules import lower_bound
from .sizes import Atom, Dim, Size, postorder


def prove_equal(a: Dim, b: Dim) -> bool | None:
    """Whether a == b: True for all sizes of at least 1, False for none of them, None where neither is established."""
    gap = a - b
    if isinstance(gap, int):
        return gap == 0
    if gap.constant % gcd(*gap.terms.values()):
        return False
    if lower_bound(gap, 1) or lower_bound(-gap, 1):
        return False
    table = tabulate(gap)
    if table is None:
        return True if lower_bound(gap, 0) and lower_bound(-gap, 0) else None
    if table.rise == 0:
        return _verdict(value == 0 for value in table.values)
    return None if any(v % table.rise == 0 and -v // table.rise >= 0 for v in table.values) else False


def prove_at_least(a: Dim, n: Dim) -> bool | None:
    """Whether a >= n: True for all sizes of at least 1, False for none of them, None where neither is established."""
    gap = a - n
    if isinstance(gap, int):
        return gap >= 0
    if lower_bound(gap, 0):
        return True
    if lower_bound(-gap, 1):
        return False
    table = tabulate(gap)
    if table is None:
        return None
    known = _verdict(value >= 0 for value in table.values)
    grows_to = table.rise > 0
    return known if known is None or table.rise == 0 or known == grows_to else None


class Table:
    """The values of a size of one symbol s: `values[i]` at s = i + 1, and `rise` more at every `period` further."""

    __slots__ = ("period", "rise", "symbol", "values")

    def __init__(self, symbol: str, rise: int, values: list[int]) -> None:
        self.symbol = symbol
        self.rise = rise
        self.period = len(values)
        self.values = values


def tabulate(size: Size, period: int = 1) -> Table | None:
    """All values of a size, over a multiple of `period`.

    None unless it has one symbol, is made of sums and floor divisions by numbers, and repeats within MAX_PERIOD.
    """
    each = step(size)
    if each is None or (length := lcm(each[1], period)) > MAX_PERIOD:
        return None
    (name,) = size.symbols()
    return Table(name, each[0] * (length // each[1]), column(size, range(1, length + 1)))


def column(size: Dim, values: Sequence[int]) -> list[int]:
    """What a size of one symbol is at each of these values of it: many times faster than one by one."""
    if isinstance(size, int):
        return [size] * len(values)
    columns: dict[Atom, Sequence[int]] = {}
    for atom in postorder(size):
        if atom.kind == "symbol":
            columns[atom] = values
            continue
        operands = [_column(d, columns, len(values)) for d in atom.operands]
        if atom.kind == "//":
            columns[atom] = list(map(floordiv, *operands))
        else:
            columns[atom] = list(map(max if atom.kind == "max" else min, *operands))
    return _column(size, columns, len(values))


def _verdict(holds: Iterable[bool]) -> bool | None:
    seen = set(holds)
    return None if len(seen) > 1 else seen.pop()


def _column(size: Dim, columns: Mapping[Atom, Sequence[int]], length: int) -> list[int]:
    if isinstance(size, int):
        return [size] * length
    result = [size.constant] * length
    for monomial, factor in size.terms.items():
        product = columns[monomial[0]]
        for atom in monomial[1:]:
            product = list(map(mul, product, columns[atom]))
        result = [a + factor * b for a, b in zip(result, product, strict=True)]
    return result
