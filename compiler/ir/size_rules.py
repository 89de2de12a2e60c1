"""How sizes are simplified as they are made: floor divisions, maxima and minima, and the bounds that decide both."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from typing import cast

from .sizes import Dim, Monomial, Size, single, size_of

_RELAXATIONS = 8


def floor_div(a: Dim, n: Dim) -> Dim:
    if isinstance(n, Size):
        return _bysize_of(a, n)
    if n == 0:
        raise ZeroDivisionError("a size is divided by 0")
    if n < 0:
        a, n = -a, -n
    if isinstance(a, int) or n == 1:
        return a // n if isinstance(a, int) else a
    return _by_number(a, n)


def _by_number(a: Dim, n: int) -> Dim:
    whole: Dim = 0
    while True:
        quotient, rest = _split(a, n)
        whole = quotient + whole
        if isinstance(rest, int):
            return whole
        common = gcd(n, *rest.terms.values())
        if common > 1:
            n //= common
            rest = size_of({m: factor // common for m, factor in rest.terms.items()}, rest.constant // common)
            assert isinstance(rest, Size)
        if all(factor < 0 for factor in rest.terms.values()):
            return whole - _by_number(n - 1 - rest, n)
        nested = _unnest(rest, n)
        if nested is None:
            break
        a, n = nested
    low, high = rest.interval
    if low is not None and high is not None and low // n == high // n:
        return whole + low // n
    return whole + single("//", (rest, n))


def _split(a: Dim, n: int) -> tuple[Dim, Dim]:
    """(q, r) with a = n * q + r, the coefficients of r nearer to 0 than n, its constant in [0, n)."""
    if isinstance(a, int):
        return a // n, a % n
    quotients: dict[Monomial, int] = {}
    rests: dict[Monomial, int] = {}
    for monomial, factor in a.terms.items():
        # The rest keeps its sign: (H - W) // 2 should not read (H + W) // 2 - W.
        quotient = factor // n if factor > 0 else -(-factor // n)
        if quotient:
            quotients[monomial] = quotient
        if factor != quotient * n:
            rests[monomial] = factor - quotient * n
    return size_of(quotients, a.constant // n), size_of(rests, a.constant % n)


def _unnest(rest: Size, n: int) -> tuple[Dim, int] | None:
    """(a, m) with rest // n == a // m and one level of floor division fewer, where there is one choice of it."""
    inner = [(m, m[0].division) for m, factor in rest.terms.items() if factor == 1 and len(m) == 1 and m[0].division]
    if len(inner) != 1 or inner[0][1] is None:
        return None
    numerator, divisor = inner[0][1]
    others = {monomial: factor for monomial, factor in rest.terms.items() if monomial is not inner[0][0]}
    return numerator + size_of(others, rest.constant) * divisor, n * divisor


def _bysize_of(a: Dim, n: Size) -> Dim:
    if n.interval[0] is None or n.interval[0] < 1:
        # Cancelling could hide a division by 0.
        return single("//", (a, n))
    quotient, rest = _cancel(a, n)
    if lower_bound(rest, 0) and lower_bound(n - 1 - rest, 0):
        return quotient
    return quotient + single("//", (rest, n))


def _cancel(a: Dim, n: Size) -> tuple[Dim, Dim]:
    """(q, r) with a = n * q + r, and as little in r as is easy to see."""
    if isinstance(a, int):
        return 0, a
    if len(n.terms) == 1 and n.constant == 0:
        ((divisor, number),) = n.terms.items()
        quotients: dict[Monomial, int] = {}
        constant = 0
        for monomial, factor in a.terms.items():
            left = _without(monomial, divisor)
            if left is None or factor % number:
                continue
            if left:
                quotients[left] = factor // number
            else:
                constant = factor // number
        quotient = size_of(quotients, constant)
        return quotient, a - n * quotient
    monomial, factor = next(iter(n.terms.items()))
    times = a.terms.get(monomial, 0) // factor
    rest = a - n * times
    if isinstance(rest, int) or rest.terms.keys().isdisjoint(n.terms):
        return times, rest
    return 0, a


def _without(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    """The monomial divided by another, None where it is no multiple."""
    left = list(monomial)
    for atom in divisor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def maximum(*dims: Dim) -> Dim:
    """The greatest of one or more sizes."""
    return extremum("max", dims)


def minimum(*dims: Dim) -> Dim:
    """The least of one or more sizes."""
    return extremum("min", dims)


def extremum(kind: str, dims: Iterable[Dim]) -> Dim:
    """The greatest ("max") or the least ("min") of some sizes."""
    sign = 1 if kind == "max" else -1
    kept: list[Dim] = []
    for dim in dict.fromkeys(_flat(kind, dims)):
        if any(lower_bound((other - dim) * sign, 0) for other in kept):
            continue
        kept = [other for other in kept if not lower_bound((dim - other) * sign, 0)]
        kept.append(dim)
    if not kept:
        raise ValueError(f"{kind} of no sizes")
    return kept[0] if len(kept) == 1 else single(kind, tuple(kept))


def _flat(kind: str, dims: Iterable[Dim]) -> Iterable[Dim]:
    for dim in dims:
        atom = dim.atom if isinstance(dim, Size) else None
        if atom is not None and atom.kind == kind:
            yield from atom.operands
        else:
            yield dim


def lower_bound(dim: Dim, least: int) -> bool:
    """Whether bounds alone show that the size is at least `least`."""
    scale = 1
    for _ in range(_RELAXATIONS):
        if isinstance(dim, int):
            return dim >= least * scale
        low = dim.interval[0]
        if low is not None and low >= least * scale:
            return True
        relaxed = _relax(dim)
        if relaxed is None:
            return False
        dim, factor = relaxed
        scale *= factor
    return False


def _relax(size: Size) -> tuple[Dim, int] | None:
    """(b, n) with size >= b / n and one level of floor division by a number fewer; None if there is none."""
    inner = [m for m in size.terms if len(m) == 1 and m[0].division]
    if not inner:
        return None
    monomial = max(inner, key=lambda m: (m[0].weight, m[0].serial))
    numerator, divisor = cast(tuple[Size, int], monomial[0].division)
    factor = size.terms[monomial]
    others = {m: f for m, f in size.terms.items() if m is not monomial}
    floor = numerator - (divisor - 1) if factor > 0 else numerator
    return size_of(others, size.constant) * divisor + floor * factor, divisor
