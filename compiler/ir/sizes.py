"""Integer sizes, known or symbolic.

A symbolic size is a polynomial with integer coefficients over atoms: symbols, floor divisions, `max` and `min`.
Building one simplifies it by `size_rules`, and equal forms are one object, so comparing and hashing cost nothing. Every
symbol stands for an integer of at least 1. Nothing recurses into an expression, except to print it, to a fixed depth.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import count
from typing import Any, TypeAlias, cast
from weakref import WeakValueDictionary

from .bounds import Interval, atom_interval, atom_step, interval

_lock = threading.Lock()
_serials = count()


class Atom:
    """A symbol, or a floor division, maximum or minimum of sizes; `operands` are in the order of the operation.

    `low` and `high` bound its values (None: unbounded). `rising` says that it never falls as a symbol grows. `step` is
    (rise, period) where it has one symbol s and always `atom(s + period) == atom(s) + rise`. `weight` counts the atoms
    in its text. `serial` orders the factors of a product.
    """

    __slots__ = (
        *("__weakref__", "high", "kind", "low", "name", "operands", "rising", "serial", "step", "symbols", "weight"),
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
        return [atom for monomial in self.terms for atom in monomial]

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
        return size_of({monomial: factor}, 0)

    def without_constant(self) -> Size:
        """The size less its constant."""
        return cast(Size, size_of(self.terms, 0))

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
            return size_of(self.terms, self.constant + other) if other else self
        if not isinstance(other, Size):
            return NotImplemented
        terms = dict(self.terms)
        _accumulate(terms, other.terms, 1)
        return size_of(terms, self.constant + other.constant)

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
            return size_of({monomial: factor * other for monomial, factor in self.terms.items()}, self.constant * other)
        if not isinstance(other, Size):
            return NotImplemented
        terms: dict[Monomial, int] = {}
        for monomial, factor in (*other.terms.items(), ((), other.constant)):
            if factor:
                _accumulate(terms, {_product(own, monomial): f for own, f in self.terms.items()}, factor)
        _accumulate(terms, other.terms, self.constant)
        return size_of(terms, self.constant * other.constant)

    __rmul__ = __mul__

    def __pow__(self, power: int) -> Dim:
        if not isinstance(power, int) or power < 0:
            return NotImplemented
        result: Dim = 1
        for _ in range(power):
            result = self * result
        return result

    def __floordiv__(self, other: Dim) -> Dim:
        return _divided(self, other) if isinstance(other, (int, Size)) else NotImplemented

    def __rfloordiv__(self, other: int) -> Dim:
        return _divided(other, self) if isinstance(other, int) else NotImplemented

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
    return cast(Size, single("symbol", (), name))


def ceil_div(a: Dim, n: Dim) -> Dim:
    """a / n rounded up, for a positive n."""
    return (a + n - 1) // n


def total(dims: Iterable[Dim]) -> Dim:
    """The sum, in time linear in the number of terms (a chain of `+` copies the partial sums)."""
    dims = [*dims]
    if len(dims) == 1:
        return dims[0]
    terms: dict[Monomial, int] = {}
    constant = 0
    for dim in dims:
        if isinstance(dim, int):
            constant += dim
        else:
            constant += dim.constant
            _accumulate(terms, dim.terms, 1)
    return size_of(terms, constant)


def evaluate(dim: Dim, sizes: Mapping[str, int]) -> int:
    """The value at these sizes of the symbols. Raises ValueError for a symbol that has none."""
    return dim if isinstance(dim, int) else dim.evaluate(sizes)


def substitute(dim: Dim, sizes: Mapping[str, Dim]) -> Dim:
    """The size with each named symbol replaced."""
    return dim if isinstance(dim, int) else dim.substitute(sizes)


def symbols(dim: Dim) -> frozenset[str]:
    """The names of the symbols a size depends on."""
    return frozenset() if isinstance(dim, int) else dim.symbols()


def _union(sets: list[frozenset[str]]) -> frozenset[str]:
    first = sets[0]
    return first if all(other is first for other in sets) else frozenset().union(*sets)


def size_of(terms: dict[Monomial, int], constant: int) -> Dim:
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


def single(kind: str, operands: tuple[Dim, ...], name: str = "") -> Dim:
    """The size that is one atom."""
    return size_of({(_atom(kind, operands, name),): 1}, 0)


def _unpickle(terms: tuple[tuple[Monomial, int], ...], constant: int) -> Dim:
    return size_of({_product(monomial, ()): factor for monomial, factor in terms}, constant)


def _divided(a: Dim, n: Dim) -> Dim:
    # The rules are built on sizes.
    from .size_rules import floor_div

    return floor_div(a, n)


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


def postorder(root: Size) -> list[Atom]:
    """The atoms anywhere in a size, once each, inner ones first."""
    done: dict[Atom, None] = {}
    opened: set[Atom] = set()
    stack = list(root.atoms())
    while stack:
        atom = stack[-1]
        if atom in opened:
            done[stack.pop()] = None
            continue
        opened.add(atom)
        stack += [a for d in atom.operands if isinstance(d, Size) for m in d.terms for a in m if a not in done]
    return list(done)


def _rebuild(root: Size, leaf: Callable[[str], Dim]) -> Dim:
    """The value where each symbol has the value of `leaf`."""
    from .size_rules import extremum

    values: dict[Atom, Dim] = {}
    for atom in postorder(root):
        if atom.kind == "symbol":
            values[atom] = leaf(atom.name)
            continue
        operands = [d if isinstance(d, int) else _polynomial(d, values) for d in atom.operands]
        if atom.kind == "//":
            values[atom] = operands[0] // operands[1]
        else:
            values[atom] = extremum(atom.kind, operands)
    return _polynomial(root, values)


def _polynomial(size: Size, values: Mapping[Atom, Dim]) -> Dim:
    products: list[Dim] = [size.constant]
    for monomial, factor in size.terms.items():
        product: Dim = factor
        for atom in monomial:
            product = values[atom] * product
        products.append(product)
    return total(products)
