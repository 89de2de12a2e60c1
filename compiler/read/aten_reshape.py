"""Functions of torch's that give the same numbers another shape: axes split, merged, or made anew."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import prod
from operator import mul
from typing import NamedTuple

from ..ir.graph import Value
from ..ir.sizes import Dim
from ..ir.types import TensorType
from ..ops.axes import product
from ..ops.indexing import IndexSelect
from ..ops.shape import Flatten
from .reader import Call, Reader
from .rearranging import part_names, pattern_of, rejoined
from .table import Made, Table
from .unsayable import Unsayable
from .values import shape_of

TABLE = Table()
Shape = tuple[int, ...]


class Group(NamedTuple):
    """Neighbours that hold the same numbers before and after: the axes before, and those after."""

    old: list[int]
    new: list[int]


def groups(have: Shape, shape: Shape) -> list[Group]:
    """The axes of two shapes of as many numbers, in groups as small as may be."""
    found: list[Group] = []
    i = j = 0
    while i < len(have) and j < len(shape):
        group = Group([i], [j])
        i, j = i + 1, j + 1
        while (a := prod(have[k] for k in group.old)) != (b := prod(shape[k] for k in group.new)):
            if a < b:
                group.old.append(i)
                i += 1
            else:
                group.new.append(j)
                j += 1
        found.append(group)
    if found:  # what is left has size 1
        found[-1].old.extend(range(i, len(have)))
        found[-1].new.extend(range(j, len(shape)))
    return found


@TABLE.following("flatten", "view", "reshape", "_unsafe_view", "unflatten", "view_as", "reshape_as")
def _reshape(call: Call) -> Made:
    """Numbers in another shape: axes merged in a row, or any."""
    have, shape = shape_of(call.node.args[0]), call.shape  # type: ignore[arg-type]
    if have == shape:
        return call.value()
    if not shape or not have:
        raise Unsayable("a shape without axes")
    if (made := rejoined(call)) is not None:
        return made
    if not call.type().has_batch:
        return _own(call, have, shape)
    parts = groups(have, shape)
    home = next(group for group in parts if call.batch in group.old)
    if len(home.old) > 1 or len(home.new) > 1:
        return _regrouped(call, parts, home, have, shape)
    old, new = call.batch, home.new[0]
    call.batch = new
    return _places(call, (have[old], *have[:old], *have[old + 1 :]), (shape[new], *shape[:new], *shape[new + 1 :]))


def _places(call: Call, have: Shape, shape: Shape) -> Value:
    """The same batch, first in both shapes."""
    x, merged = call.type(), len(have) - len(shape)
    for start in range(1, len(shape)):
        if merged > 0 and have[:start] == shape[:start] and have[start + merged + 1 :] == shape[start + 1 :]:
            ends = {} if start + merged == x.rank - 1 else {"end": start + merged}
            return call.make("flatten", **({} if start == 1 else {"start": start}), **ends)
    return call.make("reshape", sizes=_sizes(call.reader, x, shape))


def _regrouped(call: Call, parts: list[Group], home: Group, have: Shape, shape: Shape) -> Value:
    """Axes that the batch, in the group `home`, takes in or gives back, as those of windows."""
    old, new = call.batch, home.new[0]
    alone = all(entry.type.dims[:1] == (1,) for entry in call.reader.graph.inputs)
    if home.old[0] != old or (shape[new] == 1 and not alone):
        raise Unsayable("the batch split or joined behind another axis")
    call.batch = new
    return _rearranged(call, call.value(), parts, have, shape, (old, new))


def _rearranged(
    call: Call, value: Value, parts: list[Group], have: Shape, shape: Shape, batch: tuple[int, int] = (0, 0)
) -> Value:
    """Axes that are split and joined. The `batch`, told by its places before and after, comes first in the spec."""
    letters = part_names()
    left: list[list[str]] = []
    right: list[list[str]] = []
    sizes: dict[str, int] = {}
    for group in parts:
        old, new = [have[axis] for axis in group.old], [shape[axis] for axis in group.new]
        pieces = _pieces(old, new)
        names = [next(letters) for _ in pieces]
        names[0] = "n" if group.old[0] == batch[0] else names[0]
        for dims, side in ((old, left), (new, right)):
            waiting = list(zip(names, pieces, strict=True))
            for place, size in enumerate(dims):
                held = _held(waiting, size, place == len(dims) - 1)
                side.append(held)
                if side is left:
                    sizes |= {name: pieces[names.index(name)] for name in held[1:]}
    return call.make("rearrange", value, pattern=pattern_of(left, right, batch), **sizes)


def _pieces(old: Sequence[int], new: Sequence[int]) -> list[int]:
    """The sizes of which those of two shapes are products, in their order."""
    if len(old) == 1 or len(new) == 1:
        return list(old if len(new) == 1 else new)
    if old[0] == 1 != new[0]:  # a batch of one, or what takes it in
        return [1, *_pieces(old[1:], new)]
    if 1 in (*old, *new):
        raise Unsayable("axes of size 1 among those that are split and joined anew")
    ends = sorted({*accumulate(old, mul), *accumulate(new, mul)})
    found = [ends[0], *(after // before for before, after in pairwise(ends))]
    if list(accumulate(found, mul)) != ends:
        raise Unsayable("axes split and joined anew at places that do not divide each other")
    return found


def _held(waiting: list[tuple[str, int]], size: int, is_last: bool) -> list[str]:
    """The next pieces that are an axis of this size; the last one takes all that are left."""
    held, product_ = [], 1
    while waiting and (is_last or not held or product_ < size):
        name, piece = waiting.pop(0)
        held.append(name)
        product_ *= piece
    return held


def _long(sizes: Shape, axes: list[int]) -> list[int]:
    """The sizes of axes that are not 1."""
    return [sizes[axis] for axis in axes if sizes[axis] != 1]


def _own(call: Call, have: Shape, shape: Shape) -> Value:
    """A tensor without a batch: axes of size 1 that come or go, or axes that become one."""
    parts, value = groups(have, shape), call.value()
    looked_up = call.reader.nodes[value[0]]
    if isinstance(looked_up.op, IndexSelect) and parts[0].old == [0] and len(parts[0].new) > 1:
        # Looked up by places in one row, as torch has them for speed: by places in rows it is the same.
        table, row = looked_up.inputs
        before = call.reader.nodes[row[0]]
        source = before.inputs[0] if isinstance(before.op, Flatten) else row
        if call.reader.graph.type_of(source).dims == tuple(shape[axis] for axis in parts[0].new):
            return call.make("index_select", table, source, axis=0)
    for axis in reversed([axis for axis, size in enumerate(have) if size == 1]):
        value = call.make("squeeze", value, axis=axis)
    old, new = _long(have, [*range(len(have))]), _long(shape, [*range(len(shape))])
    if old != new:
        value = _regrouped_long(call, value, tuple(old), tuple(new))
    for axis in [axis for axis, size in enumerate(shape) if size == 1]:
        value = call.make("unsqueeze", value, axis=axis)
    return value


def _regrouped_long(call: Call, value: Value, have: Shape, shape: Shape) -> Value:
    """Axes, none of size 1, that are joined or split."""
    parts = groups(have, shape)
    joined = [group for group in parts if len(group.old) > 1]
    if len(joined) == 1 and all(len(group.new) == 1 for group in parts):
        return call.make("flatten", value, start=joined[0].old[0], end=joined[0].old[-1])
    return _rearranged(call, value, parts, have, shape)


def _sizes(reader: Reader, x: TensorType, shape: tuple[int, ...]) -> tuple[Dim, ...]:
    """The sizes that a tensor is given, the batch left out: those that it has, in their order, and numbers; -1 for one
    that an open size is a part of."""
    found: list[Dim] = []
    left = [(reader.traced(size), size) for size in x.dims[1:]]
    strange: list[int] = []
    for place, number in enumerate(shape[1:]):
        at = next((i for i, (value, _) in enumerate(left) if value == number), None)
        if at is None:
            strange.append(place)
        found.append(number if at is None else left[at][1])
        left = left if at is None else left[at + 1 :]
    if product(found) != product(x.dims[1:]) and len(strange) == 1:
        found[strange[0]] = -1
    return tuple(found)
