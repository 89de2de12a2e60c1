"""Axes that torch splits, puts in another order and joins again, in two or three calls: one `rearrange`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import permutations, product
from math import prod
from string import ascii_lowercase
from typing import Any, NamedTuple

from torch import fx

from ..ir.graph import Value
from ..ir.sizes import Dim
from ..ops.build import build_op
from ..ops.rearrange import Rearrange
from .reader import Call, Reader
from .unsayable import Unsayable
from .values import Moved, function_name, shape_of

Shape = tuple[int, ...]
Groups = tuple[tuple[int, ...], ...]
"""For each axis of one shape the axes of another that it holds, in their order."""
SAME = ("alias", "clone", "contiguous")
SHAPES = ("view", "reshape", "_unsafe_view", "unflatten")
ORDERS = ("permute", "transpose", "movedim", "moveaxis")


class Parts(NamedTuple):
    """How axes are made of parts: those before hold them as `left` says, `order` is that in which they come next, and
    `right` says how the axes behind hold them."""

    left: Groups
    order: tuple[int, ...]
    right: Groups


class Called(NamedTuple):
    """A call: the names of the parts, and their sizes."""

    names: list[str]
    dims: list[Dim]


def order_of(name: str, arguments: Callable[[str], Any], rank: int) -> list[int]:
    """The order in which a function puts the axes of a tensor."""
    if name == "permute":
        return [axis % rank for axis in arguments("dims")]
    if name in ("movedim", "moveaxis"):
        sources, targets = (
            [axis % rank for axis in (value if isinstance(value, list | tuple) else [value])]
            for value in (arguments("source"), arguments("destination"))
        )
        order = [axis for axis in range(rank) if axis not in sources]
        for target, source in sorted(zip(targets, sources, strict=True)):
            order.insert(target, source)
        return order
    first, second = {"t": (0, 1), "mT": (-2, -1)}.get(name, (arguments("dim0"), arguments("dim1")))
    order = list(range(rank))
    order[first % rank], order[second % rank] = second % rank, first % rank
    return order


def reordered(call: Call, order: Sequence[int]) -> Value | None:
    """What a call makes that puts axes in another order right behind one that splits some."""
    split = _source(call.node, SHAPES)
    if split is None:
        return None
    return _rearranged(call, split, tuple(order), tuple([shape_of(split)[axis] for axis in order]))


def rejoined(call: Call) -> Value | None:
    """What a call makes that joins axes right behind one that puts parts of axes in another order."""
    swap = _source(call.node, ORDERS)
    split = None if swap is None else _source(swap, SHAPES)
    if swap is None or split is None:
        return None
    order = order_of(function_name(swap) or "", call.reader.bound(swap).get, len(shape_of(swap)))
    return _rearranged(call, split, tuple(order), call.shape)


def deepened(call: Call, axis: int) -> Value | None:
    """What a call makes that joins, along an axis, all places of others that are so many apart: `x[:, ::2]`,
    `x[:, 1::2]`."""
    found = [_strided(node) for node in call.node.args[0]]  # type: ignore[union-attr]
    base, first = found[0]
    steps = {at: step for at, (_, step) in first.items()}
    alike = all(source is base and {a: step for a, (_, step) in way.items()} == steps for source, way in found)
    value = call.reader.values.get(base)
    if not steps or not alike or axis in steps or call.batch in (axis, *steps) or value is None:
        return None
    for order in permutations(steps):
        wanted = [*product(*(range(steps[at]) for at in order))]
        if [tuple([way[at][0] for at in order]) for _, way in found] == wanted:
            break
    else:
        return None
    letters = part_names()
    names = ["n" if at == call.batch else next(letters) for at in range(len(shape_of(base)))]
    inner = {at: next(letters) for at in sorted(steps)}
    left = [[name, *([inner[at]] if at in steps else [])] for at, name in enumerate(names)]
    right = [[*(inner[at] for at in order), name] if at == axis else [name] for at, name in enumerate(names)]
    sizes = {letter: steps[at] for at, letter in inner.items()}
    with suppress(Unsayable):
        pattern = pattern_of(left, right, (call.batch, call.batch))
        return call.make("rearrange", value.value if isinstance(value, Moved) else value, pattern=pattern, **sizes)
    return None


def _strided(node: fx.Node) -> tuple[fx.Node, dict[int, tuple[int, int]]]:
    """The tensor of which another has places that are so many apart, and along each axis the first and how many."""
    found: dict[int, tuple[int, int]] = {}
    while function_name(node) == "slice":
        given: Any = (*node.args, *(0, None, None, 1)[len(node.args) - 1 :])
        source, axis, start, end, step = given
        size = shape_of(source)[axis]
        if (end is not None and end < size) or axis % len(shape_of(source)) in found:
            break
        if step > 1 and start is not None and 0 <= start < step:
            found[axis % len(shape_of(source))] = start, step
        elif step > 1 or start:
            break
        node = source
    return node, found


def _source(node: fx.Node, names: Sequence[str]) -> fx.Node | None:
    """The call that makes what another takes first, where it is one of some functions and nothing else takes that."""
    source: Any = node.args[0]
    while len(source.users) == 1 and function_name(source) in SAME:
        source = source.args[0]
    return source if len(source.users) == 1 and function_name(source) in names else None


def _rearranged(call: Call, split: fx.Node, order: tuple[int, ...], shape: Shape) -> Value | None:
    before: Any = split.args[0]
    parts = _parts(call.reader, shape_of(before), shape_of(split), order, shape)
    if parts is None:
        return None
    source = call.reader.values.get(before)
    batch, value = (source.batch, source.value) if isinstance(source, Moved) else (0, call.reader.made(before))
    x, first = call.reader.graph.type_of(value), parts.left[batch][0]
    place = next(place for place, group in enumerate(parts.right) if first in group) if x.has_batch else 0
    if x.has_batch and parts.right[place][0] != first:
        return None
    if batch == place == 0 and _is_shuffle(parts) and x.channel_axis == 1:
        return call.make("channel_shuffle", value, groups=shape_of(split)[1])
    letters = part_names()
    names = ["n" if part == first else next(letters) for part in range(len(order))]
    left, right = ([[names[part] for part in group] for group in side] for side in (parts.left, parts.right))
    called = Called(names, _dims(call.reader, split))
    with suppress(Unsayable):
        pattern = pattern_of(left, right, (batch, place))
        made = call.make("rearrange", value, pattern=pattern, **_sizes(parts, called, [called]))
        call.reader.ways.setdefault(parts, {})[made[0]] = called
        call.batch = place
        return made
    return None


def _is_shuffle(parts: Parts) -> bool:
    """Whether the second axis alone is split in two, and joined the other way round."""
    rest = tuple([(part,) for part in range(3, len(parts.order))])
    return parts.left == ((0,), (1, 2), *rest) and parts.right == ((0,), (2, 1), *rest)


def part_names() -> Iterator[str]:
    """Names of parts of axes in a pattern; the batch is `n`."""
    return iter(ascii_lowercase.replace("n", ""))


def pattern_of(left: Sequence[Sequence[str]], right: Sequence[Sequence[str]], batch: tuple[int, int]) -> str:
    """The pattern of a `rearrange` by the names of the parts that each axis holds before and after. The batch, told by
    its places there, comes first."""
    sides = []
    for side, at in zip((left, right), batch, strict=True):
        axes = [names[0] if len(names) == 1 else f"({' '.join(names)})" for names in side]
        sides.append(" ".join((axes[at], *axes[:at], *axes[at + 1 :])))
    return " -> ".join(sides)


def _parts(reader: Reader, have: Shape, parts: Shape, order: tuple[int, ...], shape: Shape) -> Parts | None:
    """How the axes of two shapes are made of parts, None where they are not, or none is split. Where parts of size 1
    leave several ways, it is one that was found before without them."""
    if 1 in parts:
        known = (way for way in reader.ways if way.order == order)
        return next((way for way in known if _fits(way.left, have, parts) and _fits(way.right, shape, parts)), None)
    left, right = _held(have, parts), _held(shape, [parts[axis] for axis in order])
    if left is None or right is None or len(left) == len(parts):
        return None
    return Parts(left, order, tuple([tuple([order[place] for place in group]) for group in right]))


def _fits(groups: Groups, shape: Shape, parts: Shape) -> bool:
    return [prod(parts[part] for part in group) for group in groups] == [*shape]


def _held(shape: Shape, parts: Sequence[int]) -> Groups | None:
    """The parts, none of size 1, that each axis holds; None where one holds another part in part."""
    found: list[tuple[int, ...]] = []
    at = 0
    for size in shape:
        end = at + 1
        while end < len(parts) and prod(parts[at:end]) < size:
            end += 1
        if prod(parts[at:end]) != size or at == len(parts):
            return None
        found.append(tuple(range(at, end)))
        at = end
    return tuple(found) if at == len(parts) else None


def _dims(reader: Reader, split: fx.Node) -> list[Dim]:
    """The sizes of the parts, as torch has them in a row."""
    made = reader.values.get(split)
    at, value = (made.batch, made.value) if isinstance(made, Moved) else (0, reader.made(split))
    dims = [*reader.graph.type_of(value).dims]
    dims.insert(at, dims.pop(0))
    return dims


def _sizes(parts: Parts, call: Called, alike: Sequence[Called]) -> dict[str, Dim]:
    """The sizes that a call says: for each axis those of its parts but one, which is open, or differs most between
    calls that are alike."""
    found: dict[str, Dim] = {}
    for group in (group for group in parts.left if len(group) > 1):
        unsaid = next((part for part in group if not isinstance(call.dims[part], int)), None)
        if unsaid is None:
            unsaid = max(group, key=lambda part: len({other.dims[part] for other in alike}))
        found |= {call.names[part]: call.dims[part] for part in group if part != unsaid}
    return found


def settle_sizes(reader: Reader) -> None:
    """Has calls that are alike but for sizes say the same ones, those in which they are equal: how many windows or
    heads there are follows from what arrives."""
    for parts, calls in reader.ways.items():
        for index, call in calls.items():
            settings = {"pattern": reader.nodes[index].op.pattern, **_sizes(parts, call, [*calls.values()])}  # type: ignore[attr-defined]
            reader.nodes[index].op = build_op(Rearrange, [], settings)
