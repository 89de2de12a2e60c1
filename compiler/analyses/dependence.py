"""What every tensor of a graph depends on, place by place along each axis of each input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from ...dsl.diagnostics import refused
from ...dsl.limits import LIMITS, higher
from ..ir.graph import Graph, Node, concrete
from ..ir.index_map import Fixed, Link, Listed, Slot, Taps, place_axes
from ..ir.types import TensorType
from .extents import Pattern, Spend, Table, through

Key = tuple[int, int]
"""An axis of an input: the input's number, and the axis."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What places see along one axis of an input.

    They differ along the tensor's axis `axis`, and `table` has an entry for each place along it; where `axis` is None
    all places see the same. `pattern` is the same away from the borders, None where there is none: where the whole map
    counts, or what is seen depends on its size.
    """

    axis: int | None
    table: Table
    pattern: Pattern | None


Spot = dict[Key, Seen]


@dataclass(frozen=True, slots=True)
class ChannelRun:
    """Neighbouring channels that see the same; with `apart` they do not, and `spot` has what they see together."""

    count: int
    spot: Spot
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Dependence:
    """What a tensor depends on, for its channels in order."""

    parts: tuple[ChannelRun, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why it is not known."""

    reason: str


_BITS_A_STEP = 512
"""Of a table, as many as take the time or the memory of one step."""
_COPIES = 4
"""Of a set of bits as many are there at once while it is joined with others."""
_PART_STEPS = 20
"""Steps of going through neighbouring channels that see the same, as often as a layer takes or a field tells them."""


class _Unclear(Exception):
    """A layer whose result no rule describes."""


class _Join:
    """Unions, each computed once. `spend` counts the bits that they are made of."""

    def __init__(self, spend: Spend) -> None:
        self.spend = spend
        self.known: dict[tuple[int, int], tuple[Seen, Seen, Seen]] = {}

    def spots(self, spots: list[Spot]) -> Spot:
        result = spots[0]
        for spot in spots[1:]:
            result = self.two(result, spot)
        return result

    def two(self, a: Spot, b: Spot) -> Spot:
        if a is b or not b:
            return a
        if not a:
            return b
        result = {key: self.seen(a[key], b[key]) if key in a and key in b else (a.get(key) or b[key]) for key in a | b}
        _check_exact(a, b, result)
        return a if all(key in a and result[key] is a[key] for key in result) else result

    def seen(self, a: Seen, b: Seen) -> Seen:
        if a is b:
            return a
        key = (id(a), id(b))
        if key not in self.known:
            self.known[key] = (a, b, self._union(a, b))
        return self.known[key][2]

    def _union(self, a: Seen, b: Seen) -> Seen:
        if a.axis is not None and b.axis is not None and a.axis != b.axis:
            raise _Unclear("what a place sees along one axis differs along two of its own")
        length = max(len(a.table), len(b.table))
        left, right = (s.table * (length if len(s.table) == 1 else 1) for s in (a, b))
        table = tuple(x | y for x, y in zip(left, right, strict=True))
        pattern = a.pattern.union(b.pattern, self.spend) if a.pattern and b.pattern else None
        axis = b.axis if a.axis is None else a.axis
        if table == a.table and pattern == a.pattern and axis == a.axis:
            return a
        return Seen(axis, table, pattern)


def _check_exact(a: Spot, b: Spot, result: Spot) -> None:
    """Fields are products of what is seen along each axis. Where one factor is empty so is the field, and what it has
    along other axes adds nothing to a union: that must not matter."""
    for one, other in ((a, b), (b, a)):
        empty = [key for key, seen in one.items() if 0 in seen.table]
        if empty and any(result[k] is not other.get(k) and result[k] != other.get(k) for k in one if k != empty[0]):
            raise _Unclear("places of one branch see nothing of the input, as in padding, and those of another do")


class Walk:
    """Goes through a graph once, at some sizes, and counts the steps that it takes."""

    def __init__(self, graph: Graph, sizes: dict[str, int]):
        self.graph = graph
        self.sizes = sizes
        self.join = _Join(self._spend_bits)
        self.types: dict[int, tuple[TensorType, TensorType]] = {}
        self.passed: dict[Any, tuple[Seen, Seen]] = {}
        self.found: list[list[Dependence | Unknown]] = []
        self.extents: dict[Key, int] = {}
        self.steps = 0

    def run(self) -> list[list[Dependence | Unknown]]:
        """For each node, what each of its outputs depends on."""
        numbers = {given.node: i for i, given in enumerate(self.graph.inputs)}
        for node in self.graph.nodes:
            if node.index in numbers:
                self.found.append([self._input(node, numbers[node.index])])
            elif self._of_nothing(node):
                self.found.append([Dependence((ChannelRun(_channels(self._type(t)), {}),)) for t in node.outputs])
            else:
                self.found.append(self._outputs(node))
        return self.found

    def over_channels(self, found: Dependence) -> Spot:
        """What all channels of a tensor see together."""
        self._spend(_PART_STEPS * len(found.parts))
        return self.join.spots([part.spot for part in found.parts])

    def _of_nothing(self, node: Node) -> bool:
        """Whether what a node makes depends on no input: it is made of parameters, sizes and numbers."""
        sources = node.op.arriving(tuple(self.found[i][port] for i, port in node.inputs))
        return all(isinstance(s, Dependence) and not any(part.spot for part in s.parts) for s in sources)

    def _type(self, type_: TensorType) -> TensorType:
        known = self.types.get(id(type_))
        if known is None:
            known = self.types[id(type_)] = (type_, type_.with_dims(concrete(type_.dims, self.sizes)))
        return known[1]

    def _input(self, node: Node, number: int) -> Dependence:
        type_ = self._type(node.outputs[0])
        spot: Spot = {}
        for axis in place_axes(type_):
            self.extents[number, axis] = _int(type_.dims[axis])
            self._spend_table(self.extents[number, axis], (number, axis))
            places = tuple(1 << i for i in range(self.extents[number, axis]))
            spot[number, axis] = Seen(axis, places, Pattern(1, 1, ((0, 1),)))
        return Dependence((ChannelRun(_channels(type_), spot),))

    def _spend_table(self, places: int, key: Key) -> None:
        """Counts the bits of a table before it is made."""
        self._spend(places * (self.extents[key] // _BITS_A_STEP))

    def _spend_bits(self, bits: int) -> None:
        self._spend(_COPIES * bits // _BITS_A_STEP)

    def _spend(self, steps: int) -> None:
        """Counts steps. Raises ArchError beyond the limit."""
        self.steps += steps
        if self.steps > LIMITS.field_steps:
            at = ", ".join(f"{name} = {size:,}" for name, size in self.sizes.items())
            message = f"the receptive fields of `{self.graph.name}`{f' at {at}' if at else ''} take more than"
            hint = "the size of a receptive field is the same for smaller inputs, as long as they are larger than it"
            raise refused("E0910", f"{message} {LIMITS.field_steps:,} steps", hint, *higher("field_steps"))

    def _outputs(self, node: Node) -> list[Dependence | Unknown]:
        sources = node.op.arriving(tuple(self.found[i][port] for i, port in node.inputs))
        for source in sources:
            if isinstance(source, Unknown):
                return [source] * len(node.outputs)
        inputs = tuple(self._type(self.graph.type_of(value)) for value in node.inputs)
        outputs = tuple(map(self._type, node.outputs))
        results: list[Dependence | Unknown] = []
        op = node.op.at(self.sizes)
        for port in range(len(outputs)):
            try:
                links = op.index_map(inputs, outputs, port)
                if links is None:
                    raise _Unclear("it has no rule for what its places see")
                arriving = [
                    self._through(source, link, x, outputs[port])
                    for source, link, x in zip(sources, links, node.op.arriving(inputs), strict=True)
                ]
                results.append(self._merged(arriving, _channels(outputs[port])))
            except _Unclear as problem:
                results.append(Unknown(f"{_called(node)}: {problem}"))
        return results

    def _merged(self, parts: list[Dependence], count: int) -> Dependence:
        """All inputs together, channel by channel; what has one channel is stretched. Pairs are joined first, as what
        many inputs in a row give has as many parts."""
        while len(parts) > 1:
            pairs = zip_longest(parts[::2], parts[1::2])
            parts = [a if b is None or b is a else self._pair(a, b, count) for a, b in pairs]
        return parts[0]

    def _pair(self, a: Dependence, b: Dependence, count: int) -> Dependence:
        merged: list[ChannelRun] = []
        self._spend(_PART_STEPS * (len(a.parts) + len(b.parts)))
        for width, one, other in _aligned(_stretched(a, count), _stretched(b, count)):
            part = ChannelRun(width, self.join.two(one.spot, other.spot), one.apart or other.apart)
            _append(merged, part)
        return Dependence(tuple(merged))

    # --- through one layer -------------------------------------------------------------------

    def _through(self, source: Dependence, link: Link, x: TensorType, y: TensorType) -> Dependence:
        self._spend(_PART_STEPS * len(source.parts))
        first, *others = source.parts
        if link.alike and (any(part.apart for part in source.parts) or any(p.spot != first.spot for p in others)):
            raise _Unclear("it takes different channels to different places, and they do not see the same")
        stays = link.axes is None and x.dims == y.dims
        spots = [
            p.spot if stays else {key: self._seen(seen, key, link, x, y) for key, seen in p.spot.items()}
            for p in source.parts
        ]
        parts = [ChannelRun(p.count, s, p.apart or link.apart) for p, s in zip(source.parts, spots, strict=True)]
        return Dependence(tuple(self._rechannelled(parts, link, _channels(x), _channels(y))))

    def _seen(self, seen: Seen, of: Key, link: Link, x: TensorType, y: TensorType) -> Seen:
        axis = seen.axis
        if axis is None:
            return seen
        if link.axes is None:
            return seen if x.dims[axis] == y.dims[axis] else self._fixed(seen, Fixed((0,)))
        rule = link.axes[axis]
        if isinstance(rule, Fixed):
            return self._fixed(seen, rule)
        size = _int(y.dims[rule.to])
        key = (seen.table, seen.pattern, rule, size)
        known = self.passed.get(key)
        if known is None:
            self._spend(_looks(rule.rule, size))
            self._spend_table(size, of)
            pattern = None
            if seen.pattern is not None and isinstance(rule.rule, Taps):
                pattern = seen.pattern.through(rule.rule, self._spend_bits)
            known = self.passed[key] = (seen, Seen(rule.to, through(seen.table, rule.rule, size), pattern))
        return known[1]

    def _fixed(self, seen: Seen, rule: Fixed) -> Seen:
        """What is seen at some places of an axis, or at all, is seen everywhere."""
        bits = 0
        for place in range(len(seen.table)) if rule.places is None else rule.places:
            bits |= seen.table[place]
        return Seen(None, (bits,), None)

    def _rechannelled(self, parts: list[ChannelRun], link: Link, have: int, want: int) -> list[ChannelRun]:
        rule = link.channels
        if rule == 1:
            return [ChannelRun(want, self.join.spots([part.spot for part in parts]))]
        if isinstance(rule, Slot):
            gaps = (ChannelRun(rule.start, {}), *parts, ChannelRun(want - rule.start - have, {}))
            return [part for part in gaps if part.count]
        if len(parts) == 1 and not (parts[0].apart and rule is not None):
            if isinstance(rule, tuple) and -1 in rule:
                return _runs([parts[0] if c >= 0 else ChannelRun(1, {}) for c in rule])
            return [replace(parts[0], count=want)]
        if any(part.apart for part in parts) and (rule is not None or want != have):
            raise _Unclear("it takes some channels of a tensor whose channels stand for different places")
        each = [part for part in parts for _ in range(part.count)]
        if isinstance(rule, tuple):
            return _runs([each[c] if c >= 0 else ChannelRun(1, {}) for c in rule])
        if rule is None:
            return _runs([part for part in each for _ in range(want // have)]) if want != have else parts
        groups = []
        for group in range(rule):
            inside = each[group * (have // rule) : (group + 1) * (have // rule)]
            spots = list({id(part): part.spot for part in inside}.values())
            _append(groups, ChannelRun(want // rule, self.join.spots(spots)))
        return groups


def _looks(rule: Taps | Listed, size: int) -> int:
    """How many places of its input the places of an output of this size take."""
    if isinstance(rule, Listed):
        return sum(map(len, rule.places))
    return size * sum(map(len, rule.offsets)) // rule.period


def _called(node: Node) -> str:
    return f"`{node.op.called}`{f' at {node.span}' if node.span else ''}"


def _int(size: Any) -> int:
    assert isinstance(size, int)
    return size


def _channels(type_: TensorType) -> int:
    return 1 if type_.channels is None else _int(type_.channels)


def _stretched(value: Dependence, count: int) -> tuple[ChannelRun, ...]:
    have = sum(part.count for part in value.parts)
    return value.parts if have == count else (replace(value.parts[0], count=count),)


def _aligned(a: tuple[ChannelRun, ...], b: tuple[ChannelRun, ...]) -> list[tuple[int, ChannelRun, ChannelRun]]:
    """Both cut into pieces of equal width."""
    pieces = []
    left, right = list(reversed(a)), list(reversed(b))
    while left:
        one, other = left.pop(), right.pop()
        width = min(one.count, other.count)
        pieces.append((width, one, other))
        for part, rest in ((one, left), (other, right)):
            if part.count > width:
                rest.append(replace(part, count=part.count - width))
    return pieces


def _append(parts: list[ChannelRun], part: ChannelRun) -> None:
    """Puts a part behind others, to the last of them where both see the same."""
    if parts and parts[-1].spot == part.spot and parts[-1].apart == part.apart:
        parts[-1] = replace(parts[-1], count=parts[-1].count + part.count)
    else:
        parts.append(part)


def _runs(channels: list[ChannelRun]) -> list[ChannelRun]:
    """One part for each channel, made few."""
    parts: list[ChannelRun] = []
    for channel in channels:
        _append(parts, replace(channel, count=1))
    return parts
