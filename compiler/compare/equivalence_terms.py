"""Networks as expressions over slices of their weights, each expression once and by number.

An expression stands for some neighbouring channels of a tensor. Layers that treat every channel on its own pass cuts of
their channels on, and a convolution of joined maps is the sum of convolutions of the parts, so that one network
cut into many parts and another cut into few can be written alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from .equivalence_sums import Factor, Summand, Total, total

MOST = 400_000
"""Expressions, or terms of sums, beyond this number are not written."""


MOST_FLOWN = 10 * MOST
"""Terms of sums that are put into other sums, before those that meet there are counted as one."""


class TooLarge(Exception):
    """There are more expressions than are compared."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A tensor of one of the two networks (`side` 0 or 1), as a matrix: its first axis, and all others in one.

    `about` is what its counterpart must have too. `noise` is no tensor but what a layer draws in training.
    """

    side: int
    name: str
    shape: tuple[int, ...]
    rows: int
    columns: int
    about: tuple[Any, ...]
    noise: bool = False


class WeightBlock(NamedTuple):
    """A block of a weight: the rectangle of a symbol with rows and columns from a start to an end."""

    symbol: int
    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    def part(self, start: int, end: int, across: bool) -> WeightBlock:
        """Some of its rows, or with `across` some of its columns."""
        symbol, top, bottom, left, right = self
        if across:
            return WeightBlock(symbol, top, bottom, left + start, left + end)
        return WeightBlock(symbol, top + start, top + end, left, right)

    def share(self, start: int, end: int, channels: int) -> WeightBlock:
        """The rows of some channels, of so many that have equal shares of its rows."""
        each = (self.bottom - self.top) // channels
        return self.part(start * each, end * each, False)


class Weighted(NamedTuple):
    """A term of a sum: a linear map of the channels of `source`, with a weight for each pair of an input channel and
    an output channel. `geometry` says all else. Input channels take `each` rows or columns of the block: columns,
    unless the layer is `turned`, as transposed convolutions are."""

    geometry: tuple[Any, ...]
    turned: bool
    each: int
    block: WeightBlock
    source: int

    def narrowed(self, start: int, end: int) -> WeightBlock:
        """The weights of some output channels."""
        each = self.each_out
        return self.block.part(start * each, end * each, self.turned)

    @property
    def each_out(self) -> int:
        return self.each if self.turned else 1

    def taking(self, start: int, end: int, source: int) -> Weighted:
        """The weights of some input channels."""
        each = 1 if self.turned else self.each
        return self._replace(block=self.block.part(start * each, end * each, not self.turned), source=source)


class Form(NamedTuple):
    """What an expression is. Its counterpart has the same rule and label, and in the same order counterparts of its
    weights and of the tensors that it is made of, each given as its parts; and of its terms in any order.

    | rule | label | terms |
    | --- | --- | --- |
    | atom | width, what it is, the number of the output | |
    | slice of an atom | start, end | |
    | map of every channel | key, the number of the blocks that have rows for each channel, which come first | |
    | flat, places as channels | the number of places | |
    | sum | width | factors with expressions, Weighted, the WeightBlock of a bias, or None for the number 1 |
    | merge | kind | expressions; with True those of one channel, which all others meet |
    """

    rule: str
    label: tuple[Any, ...]
    blocks: tuple[WeightBlock, ...] = ()
    tensors: tuple[tuple[int, ...], ...] = ()
    terms: tuple[tuple[Any, Any], ...] = ()

    def weights(self) -> Iterator[WeightBlock]:
        """The weights that it has itself."""
        yield from self.blocks
        for _, term in self.terms:
            if isinstance(term, WeightBlock | Weighted):
                yield term if isinstance(term, WeightBlock) else term.block

    def inner(self) -> Iterator[int]:
        """The expressions that it is made of, those under weights left out."""
        yield from (part for parts in self.tensors for part in parts)
        yield from (term for _, term in self.terms if isinstance(term, int))


class Terms:
    """All expressions of both networks.

    `kinds[e]` is what e computes without saying with which weights or how many channels: equal for the parts of what
    is cut. `first[e]` orders what is made of parts of one atom.
    """

    def __init__(self) -> None:
        self.symbols: list[Symbol] = []
        self.forms: list[Form] = []
        self.width: list[int] = []
        self.kinds: list[int] = []
        self.first: list[int] = []
        self._numbers: dict[Any, int] = {}
        self._kinds: dict[Any, int] = {}
        self._cuts: dict[tuple[int, int, int], int] = {}
        self._summands: dict[Any, Summand] = {}
        self._sums: dict[int, Total] = {}
        self._summed = self._flown = 0

    def symbol(self, symbol: Symbol) -> int:
        self.symbols.append(symbol)
        return len(self.symbols) - 1

    def whole(self, symbol: int) -> WeightBlock:
        """All of a symbol."""
        return WeightBlock(symbol, 0, self.symbols[symbol].rows, 0, self.symbols[symbol].columns)

    # --- making expressions ----------------------------------------------------------------------

    def atom(
        self, width: int, what: Any, blocks: tuple[WeightBlock, ...], arguments: tuple[Any, ...], port: int
    ) -> int:
        """What no rule describes further: an input, or a layer of whole tensors, each given as its parts."""
        shown = tuple(tuple(self._run(argument)) for argument in arguments)
        kind = ("atom", what, tuple(block.size for block in blocks), shown, port)
        return self._number(Form("atom", (width, what, port), blocks, arguments), width, kind, 0)

    def map(self, key: Any, rows: tuple[WeightBlock, ...], wholes: tuple[WeightBlock, ...], source: int) -> int:
        """A layer that does the same to every channel, with some rows of its weights for each."""
        sizes = tuple(block.size for block in wholes)
        kind = ("map", key, tuple(block.right - block.left for block in rows), sizes, self.kinds[source])
        form = Form("map", (key, len(rows)), (*rows, *wholes), ((source,),))
        return self._number(form, self.width[source], kind, self.first[source])

    def sum(self, width: int, terms: Iterable[tuple[Fraction | int, Any]], first: int | None = None) -> int:
        """A sum of terms with factors: an expression, a Weighted, the WeightBlock of a bias, or None for the number 1.
        Of a cut `first` is given; else it is that of what the terms are made of."""
        whole = self._totalled(terms)
        if len(whole.kept) == 1 and whole.kept[0][0] == 1 and isinstance(whole.kept[0][1].term, int):
            return whole.kept[0][1].term
        key = ("sum", width, tuple(whole.kept))
        number = self._numbers.get(key)
        if number is None:
            form = Form("sum", (width,), terms=tuple(whole.shown))
            kind = ("sum", frozenset(whole.amounts.items()))
            number = self._number(form, width, kind, whole.first if first is None else first, key=key)
            self._sums[number] = whole
        return number

    def _totalled(self, terms: Iterable[tuple[Fraction | int, Any]]) -> Total:
        """The terms without sums among them, of which the longest is where it begins; whole numbers are of type int,
        whose hashes take less."""
        more: dict[Summand, Factor] = {}
        sums: list[tuple[Factor, Total]] = []
        for exact, term in terms:
            factor = exact.numerator if exact.denominator == 1 else exact
            inner = self._sums.get(term) if isinstance(term, int) else None
            if inner is not None:
                sums.append((factor, inner))
            else:
                own = self._summand(term)
                more[own] = more.get(own, 0) + factor
        self._flown += sum([len(inner.kept) for _, inner in sums])
        if self._flown > MOST_FLOWN:
            raise TooLarge
        whole = [n for n, (factor, _) in enumerate(sums) if factor == 1]
        base = sums.pop(max(whole, key=lambda n: len(sums[n][1].kept)))[1] if whole else None
        for factor, inner in sums:
            for s, times in inner.factors.items():
                more[s] = more.get(s, 0) + factor * times
        found = more
        if base is not None:
            found = dict(base.factors)
            for s, factor in more.items():
                found[s] = found.get(s, 0) + factor
        self._summed += len(found)
        if self._summed > MOST:
            raise TooLarge
        return total(found, base, more)

    def _summand(self, term: Any) -> Summand:
        known = self._summands.get(term)
        if known is None:
            source = term.source if isinstance(term, Weighted) else term if isinstance(term, int) else None
            start = None if source is None else self.first[source]
            amount = self.width[term.source] if isinstance(term, Weighted) else 1
            kind = self._kind(("term", *self.kind_of(term)))
            known = self._summands[term] = Summand(term, kind, amount, start, self._is_zero(term), _sortable(term))
        return known

    def summands(self, e: int) -> list[tuple[Any, Summand]]:
        """The terms of a sum or a merge, each with its factor or flag."""
        if e in self._sums:
            return self._sums[e].kept
        return [(alone, self._summand(operand)) for alone, operand in self.forms[e].terms]

    def zeros(self, width: int, shape: str) -> int:
        """Zeros; the shape is that of all but the channels."""
        return self.atom(width, ("zeros", shape), (), (), 0)

    def _is_zero(self, term: Any) -> bool:
        return isinstance(term, int) and self.forms[term].rule == "atom" and self.forms[term].label[1][0] == "zeros"

    def kind_of(self, term: Any) -> tuple[Any, ...]:
        """What a term of a sum computes, without saying with which weights."""
        if isinstance(term, Weighted):
            return 0, self._kind(("weighted", term.geometry, term.turned, term.each)), self.kinds[term.source]
        if isinstance(term, WeightBlock):
            return 1, 0, 0
        return (3, 0, 0) if term is None else (2, self.kinds[term], 0)

    def merge(self, kind: str, operands: Iterable[tuple[bool, int]]) -> int:
        """A product, maximum or minimum; an operand with True has one channel, which all others meet."""
        found = tuple(sorted(operands))
        if len(found) == 1:
            return found[0][1]
        width = next(self.width[e] for alone, e in found if not alone)
        shown = tuple(sorted((alone, self.kinds[e]) for alone, e in found))
        first = min(self.first[e] for alone, e in found if not alone)
        return self._number(Form("merge", (kind,), terms=found), width, ("merge", kind, shown), first)

    def flat(self, n: int, source: int) -> int:
        """The n places of each channel as channels."""
        if n == 1:
            return source
        form = Form("flat", (n,), tensors=((source,),))
        return self._number(form, n * self.width[source], ("flat", n, self.kinds[source]), n * self.first[source])

    # --- cutting ---------------------------------------------------------------------------------

    def cut(self, e: int, start: int, end: int) -> int:
        """The expression for some of its channels."""
        if (start, end) == (0, self.width[e]):
            return e
        for current in self._to_cut(e, start, end):
            self._cuts[current, start, end] = self._cut(current, start, end)
        return self._cuts[e, start, end]

    def _to_cut(self, e: int, start: int, end: int) -> list[int]:
        """It and the expressions whose same channels it is made of, those first that others need."""
        found, stack = set(), [e]
        while stack:
            current = stack.pop()
            if current not in found and (current, start, end) not in self._cuts:
                found.add(current)
                form = self.forms[current]
                if form.rule in ("map", "sum", "merge"):
                    alone = {term for one, term in form.terms if one is True}
                    stack.extend(inner for inner in form.inner() if inner not in alone)
        return sorted(found)

    def _cut(self, e: int, start: int, end: int) -> int:
        (rule, label, blocks, tensors, terms), cuts = self.forms[e], self._cuts
        if rule == "map":
            key, count = label
            rows = tuple(block.share(start, end, self.width[e]) for block in blocks[:count])
            return self.map(key, rows, blocks[count:], cuts[tensors[0][0], start, end])
        if rule == "sum":
            cut = [(factor, self._cut_term(term, start, end)) for factor, term in terms]
            return self.sum(end - start, cut, self.first[e] + start)
        if rule == "merge":
            return self.merge(label[0], [(alone, x if alone else cuts[x, start, end]) for alone, x in terms])
        if rule == "flat" and start % label[0] == 0 and end % label[0] == 0:
            return self.flat(label[0], self.cut(tensors[0][0], start // label[0], end // label[0]))
        if self._is_zero(e):
            return self.zeros(end - start, label[1][1])
        if rule == "slice":
            return self.cut(tensors[0][0], label[0] + start, label[0] + end)
        form = Form("slice", (start, end), tensors=((e,),))
        return self._number(form, end - start, None, self.first[e] + start, self.kinds[e])

    def _cut_term(self, term: Any, start: int, end: int) -> Any:
        if isinstance(term, Weighted):
            return term._replace(block=term.narrowed(start, end))
        if isinstance(term, WeightBlock):
            return term.part(start, end, False)
        return None if term is None else self._cuts[term, start, end]

    def take(self, parts: Iterable[int], start: int, end: int) -> tuple[int, ...]:
        """Some of the channels of a tensor that is given in parts."""
        spans = [(part, max(start, low), min(end, high), low) for part, low, high in self.spans(parts)]
        return tuple(self.cut(part, low - at, high - at) for part, low, high, at in spans if low < high)

    def spans(self, parts: Iterable[int]) -> Iterator[tuple[int, int, int]]:
        """The parts of a tensor, each with the first of its channels and the one behind the last."""
        at = 0
        for part in parts:
            yield part, at, at + self.width[part]
            at += self.width[part]

    def aligned(self, tensors: list[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
        """Tensors of equal width, cut at the same channels. One whose width is not known has a single part."""
        if all(len(parts) == 1 for parts in tensors):
            yield tuple(parts[0] for parts in tensors)
            return
        cuts = sorted({end for parts in tensors for _, _, end in self.spans(parts)})
        yield from zip(*(self._pieces(parts, cuts) for parts in tensors), strict=True)

    def _pieces(self, parts: tuple[int, ...], cuts: list[int]) -> Iterator[int]:
        """A tensor cut at some channels, among them the ends of its parts."""
        ends = iter(cuts)
        for part, start, high in self.spans(parts):
            low = start
            while start < high:
                end = next(ends)
                yield self.cut(part, start - low, end - low)
                start = end

    # --- numbers ---------------------------------------------------------------------------------

    def _run(self, parts: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        """The kinds of neighbouring channels, each with the number of channels."""
        kind, count = -1, 0
        for part in parts:
            if self.kinds[part] != kind and count:
                yield kind, count
                count = 0
            kind, count = self.kinds[part], count + self.width[part]
        yield kind, count

    def _kind(self, key: Any) -> int:
        return self._kinds.setdefault(key, len(self._kinds))

    def _number(self, form: Form, width: int, kind: Any, first: int, known: int | None = None, key: Any = None) -> int:
        """The number of a form, by which it is known, or by a `key` that is sooner compared."""
        key = form if key is None else key
        number = self._numbers.get(key)
        if number is not None:
            return number
        if len(self.forms) >= MOST:
            raise TooLarge
        self._numbers[key] = number = len(self.forms)
        self.forms.append(form)
        self.width.append(width)
        self.kinds.append(self._kind(kind) if known is None else known)
        self.first.append(first)
        return number


def _sortable(term: Any) -> tuple[int, Any]:
    if isinstance(term, int):
        return 0, term
    if term is None:
        return 1, 0
    return (2, term) if isinstance(term, WeightBlock) else (3, (term.block, term.source))
