"""Which entries of one network's tensors are which of the other's: rectangles of one placed in the other."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TypeVar

from ..ir.graph import Carried, Graph, WeightMap, tensor_name
from ..ir.lowering import In, Name, Program, function, method
from .checkpoint_names import COUNTER, beside
from .equivalence_terms import Symbol, Terms, WeightBlock


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of a tensor of B that is one of A: `there`, in B, and `here`, in A."""

    here: WeightBlock
    there: WeightBlock


Range = tuple[int, int]
R = TypeVar("R", bound=tuple[int, ...])


class Conflict(Exception):
    """What is no counterpart, or would have two. The text says so of weights; it is empty for layers."""


class Placed:
    """Pieces by where they stand in one tensor: in order of their rows, and of their columns in each run of rows."""

    __slots__ = "_columns", "_highest", "_rows", "_widest", "pieces"

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._rows: list[Range] = []
        self._columns: dict[Range, list[tuple[int, int, int]]] = {}
        self._highest = self._widest = 0

    def put(self, block: WeightBlock, piece: Piece) -> None:
        rows = block.top, block.bottom
        if rows not in self._columns:
            self._columns[rows] = []
            insort(self._rows, rows)
        insort(self._columns[rows], (block.left, block.right, len(self.pieces)))
        self.pieces.append(piece)
        self._highest = max(self._highest, block.bottom - block.top)
        self._widest = max(self._widest, block.right - block.left)

    def on(self, block: WeightBlock) -> Iterator[tuple[int, Piece]]:
        """Those that have entries with a rectangle in common, and the order in which they were put there."""
        for rows in _within(self._rows, block.top - self._highest, block.bottom):
            if rows[1] > block.top:
                for _, right, number in _within(self._columns[rows], block.left - self._widest, block.right):
                    if right > block.left:
                        yield number, self.pieces[number]


NOTHING = Placed()


def _within(ranges: list[R], after: int, before: int) -> list[R]:
    """Those of sorted ranges that start between two places."""
    return ranges[bisect_left(ranges, (after + 1,)) : bisect_left(ranges, (before,))]


class Bijection:
    """Pairs of rectangles, so that no entry of either side has two counterparts."""

    def __init__(self, terms: Terms):
        self.terms = terms
        self.pieces: dict[WeightBlock, WeightBlock] = {}
        self._on: dict[int, Placed] = {}

    def add(self, here: WeightBlock, there: WeightBlock) -> None:
        """Says that two rectangles correspond. Raises Conflict."""
        if self.image(here) == there:
            return
        one, other = self.terms.symbols[here.symbol], self.terms.symbols[there.symbol]
        if here.size != there.size or one.about != other.about:
            raise Conflict(f"{one.name} of A is not of the size, or the kind, of {other.name} of B")
        piece, shift = Piece(here, there), _shift(here, there)
        for side, block in enumerate((here, there)):
            known = [(n, p) for n, p in self.placed(block.symbol).on(block) if _shift(p.here, p.there) != shift]
            if known:
                raise Conflict(self._twice(side, min(known)[1], piece))
        self.pieces[here] = there
        for block in (here, there):
            self._on.setdefault(block.symbol, Placed()).put(block, piece)

    def _twice(self, side: int, one: Piece, other: Piece) -> str:
        """Says that the same entries of one side would be two of the other."""
        symbols = self.terms.symbols
        names = [[symbols[block.symbol].name for block in (piece.here, piece.there)] for piece in (one, other)]
        second = names[1][1 - side] if names[1][1 - side] != names[0][1 - side] else "other entries of it"
        return f"{names[0][side]} of {'AB'[side]} would be both {names[0][1 - side]} and {second} of {'BA'[side]}"

    def image(self, block: WeightBlock) -> WeightBlock | None:
        """Where a rectangle of A is in B, if that is known."""
        if block in self.pieces:
            return self.pieces[block]
        for _, piece in self.placed(block.symbol).on(block):
            if _inside(block, piece.here):
                down, along = piece.there.top - piece.here.top, piece.there.left - piece.here.left
                rows, columns = (block.top + down, block.bottom + down), (block.left + along, block.right + along)
                return WeightBlock(piece.there.symbol, *rows, *columns)
        return None

    def placed(self, symbol: int) -> Placed:
        """What is known of a symbol."""
        return self._on.get(symbol, NOTHING)


def _shift(here: WeightBlock, there: WeightBlock) -> tuple[int, int, int, int]:
    return here.symbol, there.symbol, there.top - here.top, there.left - here.left


def _inside(a: WeightBlock, b: WeightBlock) -> bool:
    return b.top <= a.top and a.bottom <= b.bottom and b.left <= a.left and a.right <= b.right


# --- the map of weights -------------------------------------------------------------------------------


Size2 = tuple[int, int]
Cell = tuple[WeightBlock | None, Size2]
Band = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Slab:
    """Rows and columns, from a start to an end, of a tensor of A, taken as the matrix of its first axis and all
    others."""

    name: str
    shape: tuple[int, ...]
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def matrix(self) -> tuple[int, int]:
        """The size of the whole tensor."""
        return _matrix(self.shape)

    @property
    def whole(self) -> bool:
        return (self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]) == self.matrix


@dataclass(frozen=True, slots=True)
class Made:
    """A tensor of B, as a matrix: bands of rows, one below the other, each of slabs side by side, with their sizes.
    None is where no entry of A stands, as nothing is computed from what is there."""

    name: str
    shape: tuple[int, ...]
    bands: tuple[tuple[tuple[Slab | None, Size2], ...], ...]

    @property
    def slabs(self) -> list[Slab]:
        """All of them."""
        return [slab for band in self.bands for slab, _ in band if slab is not None]

    @property
    def source(self) -> str | None:
        """The tensor of A that it is as it is."""
        slabs = self.slabs
        alone = len(self.bands) == len(self.bands[0]) == len(slabs) == 1
        return slabs[0].name if alone and slabs[0].whole and slabs[0].shape == self.shape else None


def _matrix(shape: tuple[int, ...]) -> Size2:
    rows, *rest = shape or (1,)
    return rows, prod(rest)


def made(symbol: int, bijection: Bijection) -> Made:
    """What a symbol of B is made of."""
    symbols, placed = bijection.terms.symbols, bijection.placed(symbol)
    own = symbols[symbol]
    if len(placed.pieces) == 1 and placed.pieces[0].there == bijection.terms.whole(symbol):
        here = placed.pieces[0].here
        return Made(own.name, own.shape, (((_slab(symbols, here), here.size),),))
    rows = sorted({0, own.rows, *(edge for p in placed.pieces for edge in (p.there.top, p.there.bottom))})
    whole = bijection.terms.whole(symbol)
    bands = _runs((tuple(_band(placed, whole._replace(top=a, bottom=b))) for a, b in pairwise(rows)), _under)
    return Made(own.name, own.shape, tuple(tuple((_slab(symbols, b), size) for b, size in band) for band in bands))


def _slab(symbols: list[Symbol], block: WeightBlock | None) -> Slab | None:
    if block is None:
        return None
    own = symbols[block.symbol]
    return Slab(own.name, own.shape, (block.top, block.bottom), (block.left, block.right))


def _band(placed: Placed, band: WeightBlock) -> Iterator[Cell]:
    """Some rows, from left to right; neighbours in A are one."""
    edges = (edge for _, piece in placed.on(band) for edge in (piece.there.left, piece.there.right))
    cells: list[Cell] = []
    for left, right in pairwise(sorted({band.left, band.right, *edges})):
        cell = band._replace(left=left, right=right)
        _, piece = next(placed.on(cell), (0, None))
        block = None
        if piece is not None:
            down, along = piece.here.top - piece.there.top, piece.here.left - piece.there.left
            rows, columns = (cell.top + down, cell.bottom + down), (left + along, right + along)
            block = WeightBlock(piece.here.symbol, *rows, *columns)
        cells.append((block, cell.size))
    return _runs(cells, _beside)


T = TypeVar("T")


def _runs(items: Iterable[T], join: Callable[[T, T], T | None]) -> Iterator[T]:
    """The items, neighbours as one where they can be joined."""
    last: T | None = None
    for item in items:
        joined = join(last, item) if last is not None else None
        if joined is None and last is not None:
            yield last
        last = item if joined is None else joined
    if last is not None:
        yield last


def _beside(one: Cell, other: Cell) -> Cell | None:
    """Two cells of a band as one, where they are neighbours in A too, or both are of nothing."""
    (a, size), (b, more) = one, other
    wide = size[0], size[1] + more[1]
    if a is None or b is None:
        return (None, wide) if a is b else None
    fits = (a.symbol, a.top, a.bottom, a.right) == (b.symbol, b.top, b.bottom, b.left)
    return (a._replace(right=b.right), wide) if fits else None


def _under(one: Band, other: Band) -> Band | None:
    """Two bands as one, where all of their cells are neighbours in A too, one below the other."""
    cells = [_below(*pair) for pair in zip(one, other, strict=False)]
    fit = tuple(cell for cell in cells if cell is not None)
    return fit if len(fit) == len(one) == len(other) else None


def _below(one: Cell, other: Cell) -> Cell | None:
    (a, size), (b, more) = one, other
    high = size[0] + more[0], size[1]
    if a is None or b is None:
        return (None, high) if a is b and size[1] == more[1] else None
    fits = (a.symbol, a.left, a.right, a.bottom) == (b.symbol, b.left, b.right, b.top)
    return (a._replace(bottom=b.bottom), high) if fits else None


def weight_map(before: Graph, after: Graph, bijection: Bijection) -> tuple[WeightMap, tuple[Made, ...]]:
    """How a checkpoint of A becomes one of B, and what the tensors of B are made of."""
    symbols = bijection.terms.symbols
    known = {own.name: made(i, bijection) for i, own in enumerate(symbols) if own.side == 1 and not own.noise}
    have = before.tensor_shapes()
    carried: dict[str, Carried] = {}
    kept: set[str] = set()
    for path, node, weight in after.tensors():
        name, owner = tensor_name(path, weight.name), tensor_name(after.nodes[node.owner].path, weight.name)
        found = known.get(owner)
        source = _counter(owner, known) if weight.name == COUNTER else found.source if found else None
        if source == name and have.get(name) == weight.shape:
            kept.add(name)
        elif source is not None and have.get(source) == weight.shape:
            carried[name] = Carried(((source, weight.shape),), Program((In(0),)))
        elif found is not None and found.slabs:
            carried[name] = _program(found)
        else:
            carried[name] = _zeros(weight.shape, weight.dtype)
    return WeightMap(carried, frozenset(have.keys() - carried.keys() - kept)), tuple(known.values())


def _counter(name: str, known: dict[str, Made]) -> str | None:
    """The counter of the norm in A whose running mean comes first in that of this one in B."""
    mean = known.get(beside(name))
    slab = next(iter(mean.slabs), None) if mean is not None else None
    return f"{slab.name.removesuffix('running_mean')}{COUNTER}" if slab is not None else None


def _zeros(shape: tuple[int, ...], dtype: str) -> Carried:
    kwargs = {} if dtype == "float" else {"dtype": Name("torch.int64")}
    return Carried((), Program((function("torch.zeros", list(shape), **kwargs),)))


def _program(found: Made) -> Carried:
    """Slices of matrices, joined along the columns and then along the rows."""
    sources = list(dict.fromkeys((slab.name, slab.shape) for slab in found.slabs))
    matrices = {name: method("reshape", In(i), *_matrix(shape)) for i, (name, shape) in enumerate(sources)}
    bands = []
    for band in found.bands:
        row = []
        for slab, size in band:
            if slab is None:
                row.append(function("torch.zeros", list(size)))
            else:
                row.append(function("operator.getitem", matrices[slab.name], (slice(*slab.rows), slice(*slab.columns))))
        bands.append(row[0] if len(row) == 1 else function("torch.cat", row, 1))
    joined = bands[0] if len(bands) == 1 else function("torch.cat", bands, 0)
    return Carried(tuple(sources), Program((method("reshape", joined, *found.shape),)))
