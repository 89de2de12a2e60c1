"""Why no weights can make one network of another: places of the input that one of them never sees, or never sees
together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..analyses.dependence import Dependence, Key, Seen, Unknown, Walk
from ..ir.graph import Graph, Value
from ..ir.reached import reached
from .equivalence import renaming, wanted
from .places import bits

MOST_ROWS = 2048
"""Images longer than this are not looked at."""
MARGIN = 64
"""By how much an image is longer than what must not fit in it."""


@dataclass(frozen=True, slots=True)
class Separation:
    """Something that all functions of `never` lack, and that functions of the other architecture may have.

    With one row: the output at place `place` along its axis `along` does not depend on that row of the input. With two
    rows: no layer but affine ones sees places of both, so that f(x + u + v) - f(x + u) - f(x + v) + f(x) is zero
    wherever u changes the first row alone and v the second. Rows are those along `axis` of input number `input`, at the
    sizes `sizes[side]`.
    """

    never: int
    sizes: tuple[dict[str, int], dict[str, int]]
    input: int
    axis: int
    rows: tuple[int, ...]
    output: int = 0
    along: int = 0
    place: int = 0


def separations(before: Graph, after: Graph) -> Iterator[Separation]:
    """What may tell two architectures apart, whose inputs and outputs are alike. The one that `never` has it is
    certain; whether the other one does is for weights to show."""
    numbers = {i for i, entry in enumerate(before.inputs) if entry.type.dtype == "float"}
    yield from (found for found in _separations(Sides(before, after)) if found.input in numbers)


def _separations(sides: Sides) -> Iterator[Separation]:
    usual = sides.sizes({})
    fields = sides.fields(usual) if usual is not None else None
    if usual is None or fields is None:
        return
    yield from _seen(fields, usual)
    yield from _joined(fields, usual)
    limits = [field.limits() for field in fields]
    for key in limits[0].keys() & limits[1].keys():
        one, other = limits[0][key], limits[1][key]
        name = sides.symbol(key)
        if one == other or name is None:
            continue
        least = min(size for size in (one, other) if size is not None)
        larger = sides.longer(name, least + 1, least + MARGIN)
        again = sides.fields(larger) if larger is not None else None
        if larger is not None and again is not None:
            yield from _seen(again, larger)
            yield from _joined(again, larger)


class Sides:
    """Both architectures, at equal sizes."""

    def __init__(self, before: Graph, after: Graph):
        self.graphs = before, after
        self.names = renaming(before, after)

    def sizes(self, given: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]] | None:
        """Those of A and of B, the ones that are not given as A usually has them; None where one does not take them."""
        before, after = self.graphs
        one = {**before.nominal, **given}
        other = {name: one.get(self.names[name], size) for name, size in after.nominal.items()}
        if before.requirements.violations(one) or after.requirements.violations(other):
            return None
        return one, other

    def symbol(self, key: Key) -> str | None:
        """What A calls the size of an input along an axis, where it is open."""
        dim = self.graphs[0].inputs[key[0]].type.dims[key[1]]
        return None if isinstance(dim, int) else dim.name

    def spatial(self) -> list[str]:
        """What A calls the open sizes of the axes of space."""
        found = [self.symbol((i, a)) for i, e in enumerate(self.graphs[0].inputs) for a in range(2, e.type.rank)]
        return [name for name in dict.fromkeys(found) if name is not None]

    def longer(self, name: str, least: int, wished: int) -> tuple[dict[str, int], dict[str, int]] | None:
        """Sizes with this one about as wished and the other axes of space small."""
        for across in (1, 32, 64, 128, 224):
            small = {other: across for other in self.spatial() if other != name}
            for size in (*range(wished, wished + MARGIN), *range(wished, least - 1, -1)):
                if size <= MOST_ROWS and (found := self.sizes({**small, name: size})) is not None:
                    return found
        return self.sizes({name: wished})

    def fields(self, sizes: tuple[dict[str, int], dict[str, int]]) -> tuple[_Fields, _Fields] | None:
        """None where a layer has no rule for what it sees."""
        found = [_Fields(graph, own) for graph, own in zip(self.graphs, sizes, strict=True)]
        return None if any(field.unknown for field in found) else (found[0], found[1])


class _Fields:
    """What the outputs of an architecture see, and what its layers that are not affine see, nearest the outputs."""

    def __init__(self, graph: Graph, sizes: dict[str, int]):
        self.graph = graph
        self.found = Walk(graph, sizes).run()
        self.outputs = [self.found[node][port] for out in wanted(graph, False) for node, port in out.values]
        self.bent = [self.found[node][port] for node, port in self._frontier()]
        self.unknown = any(isinstance(found, Unknown) for found in (*self.outputs, *self.bent))

    def _frontier(self) -> set[tuple[int, int]]:
        """The tensors that layers other than affine ones make, and of which the outputs are affine functions."""
        nodes = self.graph.nodes

        def through(value: Value) -> tuple[Value, ...]:
            node = nodes[value[0]]
            return node.op.arriving(node.inputs) if node.op.is_affine() else ()

        ends = [value for out in wanted(self.graph, False) for value in out.values]
        made = [(value, nodes[value[0]].op) for value in reached(ends, through)]
        return {value for value, op in made if not (op.is_affine() or op.is_input or op.is_parameter)}

    def limits(self) -> dict[Key, int | None]:
        """The extent of what layers that are not affine see at most along each axis; None where it is the whole map."""
        found: dict[Key, int | None] = {}
        for key, seen in _spots(self.bent):
            size = seen.pattern.size if seen.pattern is not None else None
            known = found.get(key, 0)
            found[key] = None if size is None or known is None else max(size, known)
        return found

    def together(self) -> dict[Key, list[int]]:
        """For each row along each axis of an input, the rows that some layer which is not affine sees along with it."""
        found: dict[Key, list[int]] = {}
        for key, seen in _spots(self.bent):
            rows = found.setdefault(key, [])
            for mask in set(seen.table):
                rows.extend([0] * (mask.bit_length() - len(rows)))
                for row in bits(mask):
                    rows[row] |= mask
        return found

    def rows(self, output: int) -> dict[Key, tuple[int | None, list[int]]]:
        """Along which axis of an output places differ in the rows that they see, and what they see."""
        found: dict[Key, tuple[int | None, list[int]]] = {}
        for key, seen in _spots(self.outputs[output : output + 1]):
            axis, rows = found.get(key, (seen.axis, [0]))
            length = max(len(rows), len(seen.table))
            spread = [list(x) * (length if len(x) == 1 else 1) for x in (rows, seen.table)]
            joint = axis if axis is not None else seen.axis
            found[key] = joint, [x | y for x, y in zip(*spread, strict=True)]
        return found


def _spots(found: list[Dependence | Unknown]) -> Iterator[tuple[Key, Seen]]:
    """What the channels of tensors see along each axis of each input."""
    for dependence in found:
        assert isinstance(dependence, Dependence)
        for part in dependence.parts:
            yield from part.spot.items()


def _seen(fields: tuple[_Fields, _Fields], sizes: Any) -> Iterator[Separation]:
    """Rows that a place of an output of one sees and the same place of the other's does not."""
    for output in range(len(fields[0].outputs)):
        rows = [field.rows(output) for field in fields]
        for never in (1, 0):
            for key, (axis, table) in rows[1 - never].items():
                other_axis, other = rows[never].get(key, (axis, [0]))
                if None not in (axis, other_axis) and axis != other_axis:
                    continue
                length = max(len(table), len(other))
                table, other = ([*x] * (length if len(x) == 1 else 1) for x in (table, other))
                places = [p for p in range(length) if table[p] & ~other[p]]
                if places:
                    place = min(places, key=lambda p: abs(2 * p - length))
                    row = max(bits(table[place] & ~other[place]), key=lambda r, m=table[place]: -abs(_off(r, m)))
                    along = axis if axis is not None else other_axis
                    yield Separation(never, sizes, *key, (row,), output, along or 0, place)


def _off(row: int, mask: int) -> int:
    """How far a row is from the middle of a set."""
    return 2 * row - (mask.bit_length() - 1 + (mask & -mask).bit_length() - 1)


def _joined(fields: tuple[_Fields, _Fields], sizes: Any) -> Iterator[Separation]:
    """Two rows that a layer of one sees together, and no layer of the other that is not affine: those nearest."""
    together = [field.together() for field in fields]
    for never in (1, 0):
        for key, rows in together[1 - never].items():
            other = together[never].get(key, [])
            best: tuple[int, int, int, int] | None = None
            for row, mask in enumerate(rows):
                apart = mask & ~(other[row] if row < len(other) else 0) & ~((1 << (row + 1)) - 1)
                if apart:
                    second = (apart & -apart).bit_length() - 1
                    found = second - row, abs(row + second - len(rows)), row, second
                    best = found if best is None else min(best, found)
            if best is not None:
                yield Separation(never, sizes, *key, best[2:])
