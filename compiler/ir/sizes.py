"""Integer sizes, known or symbolic.

A symbolic size is a polynomial with integer coefficients over atoms: symbols, floor divisions, `max` and `min`.
Building one simplifies it, and equal forms are one object, so comparing and hashing cost nothing. Every symbol stands
for an integer of at least 1. Nothing here recurses into an expression, except to print it, to a fixed depth.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import count
from math import gcd
from typing import Any, TypeAlias, cast
from weakref import WeakValueDictionary

from .bounds import Interval, atom_interval, atom_step, interval

__all__ = [
    "Dim",
    "Size",
    "ceil_div",
    "evaluate",
    "maximum",
    "minimum",
    "substitute",
    "symbol",
    "symbols",
    "total",
]

_RELAXATIONS = 8

_lock = threading.Lock()
_serials = count()


class Atom:
    """A symbol, or a floor division, maximum or minimum of sizes; `operands` are in the order of the operation.

    `low` and `high` bound its values (None: unbounded). `rising` says that it never falls as a symbol grows. `step` is
    (rise, period) where it has one symbol s and always `atom(s + period) == atom(s) + rise`. `weight` counts the atoms
    in its text. `serial` orders the factors of a product.
    """

    __slots__ = (
        "__weakref__",
        "high",
        "kind",
        "low",
        "name",
        "operands",
        "rising",
        "serial",
        "step",
        "symbols",
        "weight",
    )

    def __init__(self, kind: str, operands: tuple[Dim, ...], name: str) -> None:
        self.kind = kind
        self.operands = operands
        self.name = name
        self.serial = next(_serials)
        inner = [d for d in operands if isinstance(d, Size)]
        self.symbols = _union([d.symbols() for d in inner]) if inner else frozenset([name])
        self.weight = min(1 + sum(atom.weight for d in inner for atom in d.atoms()), 1 << 40)
        self.low, self.high = atom_interval(kind, operands)
        by_number = kind != "//" or isinstance(operands[1], int)
        self.rising = by_number and all(d.rising for d in inner)
        self.step = atom_step(kind, operands)

    @property
    def division(self) -> tuple[Size, int] | None:
        """(a, n) of a floor division a // n by a number n, else None."""
        if self.kind != "//":
            return None
        above, below = self.operands
        return (above, below) if isinstance(above, Size) and isinstance(below, int) else None

    def __reduce__(self) -> tuple[Any, ...]:
        return _atom, (self.kind, self.operands, self.name)


Monomial = tuple[Atom, ...]
"""A product of atoms, ordered by `serial`; a power repeats its atom."""

_atoms: WeakValueDictionary[Hashable, Atom] = WeakValueDictionary()
_sizes: WeakValueDictionary[Hashable, Size] = WeakValueDictionary()


class Size:
    """A size that depends on symbols. Immutable; made by `symbol` and arithmetic, never directly.

    Equality is identity. Order is undecidable in general, so `<` and its like raise TypeError: `proofs` has what can be
    proved.
    """

    __slots__ = ("__weakref__", "_interval", "_rising", "_symbols", "constant", "terms")

    terms: dict[Monomial, int]
    """The coefficients, none of them 0. Never changed."""
    constant: int

    def __init__(self, terms: dict[Monomial, int], constant: int) -> None:
        self.terms = terms
        self.constant = constant
        self._symbols: frozenset[str] | None = None
        self._interval: Interval | None = None
        self._rising: bool | None = None

    def symbols(self) -> frozenset[str]:
        """The names of the symbols it depends on."""
        if self._symbols is None:
            self._symbols = _union([atom.symbols for atom in self.atoms()])
        return self._symbols

    def atoms(self) -> Iterable[Atom]:
        """The atoms of the polynomial itself, repeated where terms share them."""
        return (atom for monomial in self.terms for atom in monomial)

    @property
    def interval(self) -> Interval:
        """Bounds of the values, from bounds of each term; None where there is none."""
        if self._interval is None:
            self._interval = interval(self)
        return self._interval

    @property
    def rising(self) -> bool:
        """Whether the value is known never to fall as a symbol grows."""
        if self._rising is None:
            self._rising = all(factor > 0 for factor in self.terms.values()) and all(
                atom.rising and (len(monomial) == 1 or (atom.low is not None and atom.low >= 0))
                for monomial in self.terms
                for atom in monomial
            )
        return self._rising

    @staticmethod
    def product(monomial: Monomial, factor: int) -> Dim:
        """A term as a size."""
        return _size({monomial: factor}, 0)

    def without_constant(self) -> Size:
        """The size less its constant."""
        return cast(Size, _size(self.terms, 0))

    @property
    def atom(self) -> Atom | None:
        """The atom where the size is just one, else None."""
        if self.constant or len(self.terms) > 1:
            return None
        ((monomial, factor),) = self.terms.items()
        return monomial[0] if factor == 1 and len(monomial) == 1 else None

    @property
    def name(self) -> str | None:
        """The name of a symbol, None of anything else."""
        atom = self.atom
        return atom.name if atom is not None and atom.kind == "symbol" else None

    @property
    def division(self) -> tuple[Size, int] | None:
        """(a, n) where the size is just a // n with a number n."""
        return self.atom and self.atom.division

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """The value at these sizes of the symbols. Raises ValueError for a symbol that has none."""

        def value(name: str) -> Dim:
            if name not in sizes:
                raise ValueError(f"no value is given for the size {name}")
            return sizes[name]

        return cast(int, _rebuild(self, value))

    def substitute(self, sizes: Mapping[str, Dim]) -> Dim:
        """The size with each named symbol replaced; the other symbols stay."""
        if self.symbols().isdisjoint(sizes):
            return self
        return _rebuild(self, lambda name: sizes[name] if name in sizes else symbol(name))

    def __add__(self, other: Dim) -> Dim:
        if isinstance(other, int):
            return _size(self.terms, self.constant + other) if other else self
        if not isinstance(other, Size):
            return NotImplemented
        terms = dict(self.terms)
        _accumulate(terms, other.terms, 1)
        return _size(terms, self.constant + other.constant)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        return self + -other if isinstance(other, (int, Size)) else NotImplemented

    def __rsub__(self, other: int) -> Dim:
        return -self + other

    def __mul__(self, other: Dim) -> Dim:
        if isinstance(other, int):
            if other in (0, 1):
                return self if other else 0
            return _size({monomial: factor * other for monomial, factor in self.terms.items()}, self.constant * other)
        if not isinstance(other, Size):
            return NotImplemented
        terms: dict[Monomial, int] = {}
        for monomial, factor in (*other.terms.items(), ((), other.constant)):
            if factor:
                _accumulate(terms, {_product(own, monomial): f for own, f in self.terms.items()}, factor)
        _accumulate(terms, other.terms, self.constant)
        return _size(terms, self.constant * other.constant)

    __rmul__ = __mul__

    def __pow__(self, power: int) -> Dim:
        if not isinstance(power, int) or power < 0:
            return NotImplemented
        result: Dim = 1
        for _ in range(power):
            result = self * result
        return result

    def __floordiv__(self, other: Dim) -> Dim:
        return _floor_div(self, other) if isinstance(other, (int, Size)) else NotImplemented

    def __rfloordiv__(self, other: int) -> Dim:
        return _floor_div(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return self - other * (self // other)

    def __rmod__(self, other: int) -> Dim:
        return other - self * (other // self)

    def __str__(self) -> str:
        # Printing is built on this module, and a check that finds nothing prints no size.
        from .size_text import text

        return text(self)

    def __repr__(self) -> str:
        return str(self)

    def __copy__(self) -> Size:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Size:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (tuple(self.terms.items()), self.constant)


Dim: TypeAlias = int | Size
"""A tensor size, or a count made of sizes. What is constant is always a plain int."""


def symbol(name: str) -> Size:
    """The size that a name stands for."""
    return cast(Size, _of_atom(_atom("symbol", (), name)))


def maximum(*dims: Dim) -> Dim:
    """The greatest of one or more sizes."""
    return _extremum("max", dims)


def minimum(*dims: Dim) -> Dim:
    """The least of one or more sizes."""
    return _extremum("min", dims)


def ceil_div(a: Dim, n: Dim) -> Dim:
    """a / n rounded up, for a positive n."""
    return (a + n - 1) // n


def total(dims: Iterable[Dim]) -> Dim:
    """The sum, in time linear in the number of terms (a chain of `+` copies the partial sums)."""
    terms: dict[Monomial, int] = {}
    constant = 0
    for dim in dims:
        if isinstance(dim, int):
            constant += dim
        else:
            constant += dim.constant
            _accumulate(terms, dim.terms, 1)
    return _size(terms, constant)


def evaluate(dim: Dim, sizes: Mapping[str, int]) -> int:
    """The value at these sizes of the symbols. Raises ValueError for a symbol that has none."""
    return dim if isinstance(dim, int) else dim.evaluate(sizes)


def substitute(dim: Dim, sizes: Mapping[str, Dim]) -> Dim:
    """The size with each named symbol replaced."""
    return dim if isinstance(dim, int) else dim.substitute(sizes)


def symbols(dim: Dim) -> frozenset[str]:
    """The names of the symbols a size depends on."""
    return frozenset() if isinstance(dim, int) else dim.symbols()


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


def _union(sets: list[frozenset[str]]) -> frozenset[str]:
    first = sets[0]
    return first if all(other is first for other in sets) else frozenset().union(*sets)


def _size(terms: dict[Monomial, int], constant: int) -> Dim:
    """The one Size of these terms, which must not be changed afterwards."""
    if not terms:
        return constant
    key = (frozenset(terms.items()), constant)
    size = _sizes.get(key)
    if size is None:
        with _lock:
            size = _sizes.setdefault(key, Size(terms, constant))
    return size


def _atom(kind: str, operands: tuple[Dim, ...], name: str = "") -> Atom:
    key = (kind, frozenset(operands) if kind in ("max", "min") else operands, name)
    atom = _atoms.get(key)
    if atom is None:
        fresh = Atom(kind, operands, name)
        with _lock:
            atom = _atoms.setdefault(key, fresh)
    return atom


def _of_atom(atom: Atom) -> Dim:
    return _size({(atom,): 1}, 0)


def _unpickle(terms: tuple[tuple[Monomial, int], ...], constant: int) -> Dim:
    return _size({_product(monomial, ()): factor for monomial, factor in terms}, constant)


def _product(a: Monomial, b: Monomial) -> Monomial:
    return tuple(sorted(a + b, key=lambda atom: atom.serial))


def _accumulate(terms: dict[Monomial, int], more: Mapping[Monomial, int], factor: int) -> None:
    """Add `factor` times `more` to `terms`."""
    for monomial, coefficient in more.items():
        sum_ = terms.get(monomial, 0) + coefficient * factor
        if sum_:
            terms[monomial] = sum_
        else:
            terms.pop(monomial, None)


def _floor_div(a: Dim, n: Dim) -> Dim:
    if isinstance(n, Size):
        return _floor_div_by_size(a, n)
    if n == 0:
        raise ZeroDivisionError("a size is divided by 0")
    if n < 0:
        a, n = -a, -n
    if isinstance(a, int) or n == 1:
        return a // n if isinstance(a, int) else a
    return _floor_div_by_number(a, n)


def _floor_div_by_number(a: Dim, n: int) -> Dim:
    whole: Dim = 0
    while True:
        quotient, rest = _split(a, n)
        whole = quotient + whole
        if isinstance(rest, int):
            return whole
        common = gcd(n, *rest.terms.values())
        if common > 1:
            n //= common
            rest = _size({m: factor // common for m, factor in rest.terms.items()}, rest.constant // common)
            assert isinstance(rest, Size)
        if all(factor < 0 for factor in rest.terms.values()):
            return whole - _floor_div_by_number(n - 1 - rest, n)
        nested = _unnest(rest, n)
        if nested is None:
            break
        a, n = nested
    low, high = rest.interval
    if low is not None and high is not None and low // n == high // n:
        return whole + low // n
    return whole + _of_atom(_atom("//", (rest, n)))


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
    return _size(quotients, a.constant // n), _size(rests, a.constant % n)


def _unnest(rest: Size, n: int) -> tuple[Dim, int] | None:
    """(a, m) with rest // n == a // m and one level of floor division fewer, where there is one choice of it."""
    inner = [(m, m[0].division) for m, factor in rest.terms.items() if factor == 1 and len(m) == 1 and m[0].division]
    if len(inner) != 1 or inner[0][1] is None:
        return None
    numerator, divisor = inner[0][1]
    others = {monomial: factor for monomial, factor in rest.terms.items() if monomial is not inner[0][0]}
    return numerator + _size(others, rest.constant) * divisor, n * divisor


def _floor_div_by_size(a: Dim, n: Size) -> Dim:
    if n.interval[0] is None or n.interval[0] < 1:
        # Cancelling could hide a division by 0.
        return _of_atom(_atom("//", (a, n)))
    quotient, rest = _cancel(a, n)
    if lower_bound(rest, 0) and lower_bound(n - 1 - rest, 0):
        return quotient
    return quotient + _of_atom(_atom("//", (rest, n)))


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
        quotient = _size(quotients, constant)
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


def _extremum(kind: str, dims: Iterable[Dim]) -> Dim:
    sign = 1 if kind == "max" else -1
    kept: list[Dim] = []
    for dim in dict.fromkeys(_flat(kind, dims)):
        if any(lower_bound((other - dim) * sign, 0) for other in kept):
            continue
        kept = [other for other in kept if not lower_bound((dim - other) * sign, 0)]
        kept.append(dim)
    if not kept:
        raise ValueError(f"{kind} of no sizes")
    return kept[0] if len(kept) == 1 else _of_atom(_atom(kind, tuple(kept)))


def _flat(kind: str, dims: Iterable[Dim]) -> Iterable[Dim]:
    for dim in dims:
        atom = dim.atom if isinstance(dim, Size) else None
        if atom is not None and atom.kind == kind:
            yield from atom.operands
        else:
            yield dim


def postorder(root: Size) -> list[Atom]:
    """The atoms anywhere in a size, once each, inner ones first."""
    done: dict[Atom, None] = {}
    stack = list(root.atoms())
    while stack:
        atom = stack[-1]
        if atom in done:
            stack.pop()
            continue
        waiting = [a for d in atom.operands if isinstance(d, Size) for a in d.atoms() if a not in done]
        if waiting:
            stack += waiting
        else:
            done[stack.pop()] = None
    return list(done)


def _rebuild(root: Size, leaf: Callable[[str], Dim]) -> Dim:
    """The value where each symbol has the value of `leaf`."""
    values: dict[Atom, Dim] = {}
    for atom in postorder(root):
        if atom.kind == "symbol":
            values[atom] = leaf(atom.name)
            continue
        operands = [d if isinstance(d, int) else _polynomial(d, values) for d in atom.operands]
        if atom.kind == "//":
            values[atom] = operands[0] // operands[1]
        else:
            values[atom] = _extremum(atom.kind, operands)
    return _polynomial(root, values)


def _polynomial(size: Size, values: Mapping[Atom, Dim]) -> Dim:
    products: list[Dim] = [size.constant]
    for monomial, factor in size.terms.items():
        product: Dim = factor
        for atom in monomial:
            product = values[atom] * product
        products.append(product)
    return total(products)


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
    return _size(others, size.constant) * divisor + floor * factor, divisor
