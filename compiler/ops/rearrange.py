"""Axes split, reordered and merged, in einops' notation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate
from math import prod
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator, model_validator

from ..ir.lowering import In, Lowering, Program, function, method
from ..ir.memory import NOTHING, Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.sizes import Dim
from ..ir.types import Axis, Role, TensorType
from ..ir.words import BadValue, is_symbolic, met, say, whole
from .axes import as_vector, joined, product, settled, split
from .run_time import required_size
from .values import Words

Group = tuple[str, ...]
"""The names that make up one axis; none for a `1`."""

_TOKEN = re.compile(r"\s*(->|[()]|1(?![\w])|[A-Za-z_]\w*|\S)")


def _pattern(value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue(f'must be a pattern such as "n c h w -> n (h w) c", not {met(value)}')
    left, right = parse(value)
    missing = _names(left) ^ _names(right)
    if missing:
        listed = ", ".join(f"`{name}`" for name in sorted(missing))
        raise BadValue(f"must have the same names on both sides, and {listed} is on one only: {say(value)}")
    if not left or not right:
        raise BadValue(f"must name axes on both sides: {say(value)}", _FORM)
    return value


def parse(pattern: str) -> tuple[list[Group], list[Group]]:
    """The axes on the left and on the right of the arrow. Raises BadValue."""
    sides: list[list[Group]] = [[]]
    open_group: list[str] | None = None
    for token in _TOKEN.findall(pattern):
        if token == "->" and open_group is None and len(sides) == 1:
            sides.append([])
        elif token == "(" and open_group is None:
            open_group = []
        elif token == ")" and open_group is not None:
            sides[-1].append(tuple(open_group))
            open_group = None
        elif token == "->" and open_group is not None:
            break
        elif token == "1" or token.isidentifier():
            names = () if token == "1" else (token,)
            if open_group is None:
                sides[-1].append(names)
            else:
                open_group += names
        else:
            raise BadValue(f"cannot be read at {say(token)}: {say(pattern)}", _FORM)
    if open_group is not None:
        raise BadValue(f"opens a parenthesis that it does not close: {say(pattern)}", _FORM)
    if len(sides) != 2:
        raise BadValue(f"needs an arrow `->`: {say(pattern)}", _FORM)
    for side in sides:
        names = [name for group in side for name in group]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise BadValue(f"names `{twice}` twice on one side: {say(pattern)}")
    return sides[0], sides[1]


_FORM = 'it lists the axes before and after, such as "n c (h p) w -> n (c p) h w"; parentheses join axes, 1 is a size'


def _names(groups: Iterable[Group]) -> set[str]:
    return {name for group in groups for name in group}


def _given(value: Any) -> dict[str, Dim]:
    return {name: size if is_symbolic(size) else whole(size, 1) for name, size in value.items()}


class Rearrange(Op):
    """Axes split, reordered and merged, in the notation of einops (Rogozhnikov 2022).

    `rearrange("n c (h p) (w q) -> n (h w) (p q c)", p = 4, q = 4)` cuts a map into patches of 4x4. Parentheses on the
    left split an axis, on the right merge axes, the last name running fastest; `1` is an axis of size 1. Of the names
    in one pair of parentheses on the left all but one need a size, given by keyword. The batch stays first; a
    parameter has none, and any of its axes may be first. Axes are what they were before, and have the names of the
    pattern; where the channels are split, as into heads, a layer that works along one of the parts is told which, by
    its number or its name.
    """

    kind: ClassVar[str] = "rearrange"
    traits: ClassVar[Trait] = Trait.AFFINE | Trait.KEEPS_NONNEGATIVE
    saved: ClassVar[Held | None] = NOTHING
    positional: ClassVar[tuple[str, ...]] = ("pattern",)
    is_module: ClassVar[bool] = False
    extra_keywords: ClassVar[str | None] = "sizes"

    pattern: Annotated[str, PlainValidator(_pattern), Words("pattern")] = Field(
        description="the axes before and after `->`"
    )
    sizes: Annotated[dict[str, Dim], PlainValidator(_given), Words("sizes")] = Field(
        default_factory=dict, description="sizes of the pattern's names, each a keyword: `p = 4`"
    )

    @model_validator(mode="after")
    def _known(self) -> Rearrange:
        names = _names(parse(self.pattern)[0])
        for name in self.sizes:
            if name not in names:
                raise BadValue(f"is no name of the pattern {say(self.pattern)}", parameter=name)
        return self

    def _named_sizes(self, x: TensorType, facts: Facts) -> dict[str, Dim]:
        """A size for every name."""
        left, _ = parse(self.pattern)
        if len(left) != x.rank:
            raise LayerError(
                "E0401", f"the pattern {say(self.pattern)} has {len(left)} axes on the left, and {x} has {x.rank}"
            )
        if x.has_batch:
            self._keeps_batch()
        sizes: dict[str, Dim] = dict(self.sizes)
        for group, d in zip(left, x.dims, strict=True):
            text = f"({' '.join(group)})" if len(group) > 1 else " ".join(group) or "1"
            unknown = [name for name in group if name not in sizes]
            known = product([sizes[name] for name in group if name in sizes])
            if len(unknown) > 1:
                message = f"the pattern {say(self.pattern)} splits {text}, and {' and '.join(unknown)} have no size"
                raise LayerError("E0409", message, f"give all but one by keyword: `{unknown[-1]} = 4`")
            if not unknown:
                if not facts.unenforced.equal(d, known):
                    raise LayerError("E0409", f"in {say(self.pattern)}, {text} is {known}, and that axis of {x} is {d}")
            elif isinstance(known, int) and not facts.divisible(d, known):
                raise LayerError(
                    "E0409", f"in {say(self.pattern)}, {text} splits an axis of {d}, which does not divide by {known}"
                )
            elif not isinstance(known, int) and not facts.equal(d % known, 0):
                raise LayerError(
                    "E0409", f"in {say(self.pattern)}, {text} splits an axis of {d}, which is no multiple of {known}"
                )
            if unknown:
                sizes[unknown[0]] = d // known
        return sizes

    def _keeps_batch(self) -> None:
        left, right = parse(self.pattern)
        if not left[0]:
            raise LayerError("E0409", f"the pattern must name the batch first: {say(self.pattern)}")
        if not set(left[0]) & set(right[0]):
            message = f"the pattern must keep the batch in the first axis of the result: {say(self.pattern)}"
            raise LayerError("E0409", message, f"that is `{' '.join(left[0])}`")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        sizes = self._named_sizes(x, facts)
        left, right = parse(self.pattern)
        self._splits(x)
        pieces: dict[str, Axis] = {}
        for group, axis in zip(left, x.axes, strict=True):
            pieces |= zip(group, split(axis, [(sizes[name], name) for name in group]), strict=True) if group else ()
        if x.has_batch:
            first = [name for name in left[0] if name in right[0]]
            pieces |= {name: pieces[name]._replace(role=Role.BATCH) for name in first}
        axes: list[Axis] = []
        for group in right:
            parts = [pieces[name] for name in group]
            kept = any(axis.role is Role.PART for name, axis in pieces.items() if name not in group)
            axes.append(joined(parts, kept) if parts else Axis(1))
        return (TensorType(as_vector(settled(x, axes)), x.dtype),)

    def _splits(self, x: TensorType) -> dict[int, tuple[Any, ...]]:
        """For each axis that is split, the sizes at run time; -1 stands for one that torch finds."""
        splits: dict[int, tuple[Any, ...]] = {}
        for axis, group in enumerate(parse(self.pattern)[0]):
            if len(group) < 2:
                continue
            open_names = [name for name in group if not isinstance(self.sizes.get(name), int)]
            sizes: list[Any] = []
            for name in group:
                if [name] == open_names:
                    d = x.dims[axis]
                    known = prod(size for other in group if isinstance(size := self.sizes.get(other), int))
                    sizes.append(d // known if isinstance(d, int) else -1)
                elif name in self.sizes:
                    what = f"rearrange({say(self.pattern)})"
                    sizes.append(required_size(self.sizes[name], (x,), what, *self._ways(x)))
                else:
                    sizes.append(-1)
            splits[axis] = tuple(sizes)
        return splits

    def _ways(self, x: TensorType) -> tuple[str, ...]:
        """Hints for a size that cannot be read off the input: another tensor tells it, unless an axis of open size is
        folded into the batch."""
        left, right = parse(self.pattern)
        names, fixed = [name for group in left for name in group], "or fix the size in the `input`"
        if len(left[0]) > 1:
            hint = "a size that is folded into the batch cannot be read off it: keep the axis beside the batch, as in "
            return (f'{hint}`rearrange("n c h w -> n w h c")`, where `matmul` works along the last two axes', fixed)
        if len(left) == 3 and len(left[1]) == 2 and right == [left[0], left[2], *((name,) for name in left[1])]:
            return ("`transpose -> reshape([c, x.height, x.width], like = x)` reads sizes off a tensor x", fixed)
        dims = {group[0]: d for group, d in zip(left, x.dims, strict=True) if len(group) == 1}
        sizes: list[str] = []
        for name in names[1:] if x.has_batch else names:
            d = self.sizes.get(name, dims.get(name))
            free = name not in self.sizes and "-1" not in sizes
            sizes.append(str(d) if isinstance(d, int) else "-1" if free else name)
        order = f"{' '.join(names)} ->{self.pattern.partition('->')[2]}"
        call = f"reshape([{', '.join(sizes)}], like = x) -> rearrange({say(order)})"
        told = " and ".join(f"`{size}`" for size in sizes if size.isidentifier())
        return (f"`{call}` reads sizes off a tensor x, with a size such as `x.width` for {told}", fixed)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        left, right = parse(self.pattern)
        splits = self._splits(inputs[0])
        value: Any = In(0)
        # From the last axis on, so that the numbers of the axes before stay right.
        for axis in reversed(range(len(left))):
            if axis in splits:
                value = method("unflatten", value, axis, splits[axis])
            elif not left[axis]:
                value = method("squeeze", value, axis)
        source = [name for group in left for name in group]
        target = [name for group in right for name in group]
        if source != target:
            value = method("permute", value, *(source.index(name) for name in target))
        starts = list(accumulate((len(group) for group in right), initial=0))
        for start, group in reversed(list(zip(starts, right, strict=False))):
            if len(group) > 1:
                value = function("torch.flatten", value, start, start + len(group) - 1)
            elif not group:
                value = method("unsqueeze", value, start)
        return Program((value,))
