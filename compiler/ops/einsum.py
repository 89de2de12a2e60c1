"""Sums of products over named axes."""

from __future__ import annotations

import string
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from ..ir.index_map import SAME_PLACE, WHOLE, Along, Fixed, Link, Links, place_axes
from ..ir.lowering import In, Lowering, Program, function
from ..ir.memory import Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.sizes import Dim
from ..ir.types import Axis, Role, TensorType
from ..ir.words import BadValue, met, say
from .axes import as_vector, product, together
from .broadcast import common_dtype
from .maps import OF_MASKS, REAL
from .values import Words

Names = tuple[str, ...]
_FORM = 'axes are named, with a space between: "b i d, b j d -> b i j"'


def _pattern(value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue(f"must be a pattern, not {met(value)}", _FORM)
    terms, result = parse(value)
    known = {name for term in terms for name in term}
    wrong = next((name for name in (*known, *result) if not name.isidentifier()), None)
    if wrong is not None:
        raise BadValue(f"cannot be read at {say(wrong)}: {say(value)}", _FORM)
    twice = next((name for name in result if result.count(name) > 1), None)
    if twice is not None:
        raise BadValue(f"names `{twice}` twice behind the arrow: {say(value)}", _FORM)
    new = next((name for name in result if name not in known), None)
    if new is not None:
        raise BadValue(f"names `{new}` behind the arrow alone: {say(value)}", _FORM)
    if len(known) > len(string.ascii_letters):
        raise BadValue(f"has at most {len(string.ascii_letters)} names, and this has {len(known)}", _FORM)
    return value


def parse(pattern: str) -> tuple[list[Names], Names]:
    """The names of the axes of each tensor, and of the result. Raises BadValue."""
    before, arrow, after = pattern.partition("->")
    if not arrow or "," in after:
        raise BadValue(f"needs one arrow `->`, and one tensor behind it: {say(pattern)}", _FORM)
    return [tuple(term.split()) for term in before.split(",")], tuple(after.split())


class Einsum(Op):
    """Sums of products over named axes: `einsum("b i d, b j d -> b i j", x, y)`, as `torch.einsum`, whose letters are
    names here, with spaces between. Output: the axes behind the arrow.

    What a name stands for has one size everywhere; the names that are not behind the arrow are summed over. The batch
    stays first; of two batches, as in "m d, n d -> m n", one does. Axes are what they were before, and have the names
    of the pattern; where channels are summed over, the axis of a `param` takes their place.
    """

    kind: ClassVar[str] = "einsum"
    family: ClassVar[str] = "attention"
    traits: ClassVar[Trait] = Trait.KEEPS_NONNEGATIVE | Trait.ANALYTIC
    positional: ClassVar[tuple[str, ...]] = ("pattern",)
    arity: ClassVar[int | None] = None
    is_module: ClassVar[bool] = False

    pattern: Annotated[str, PlainValidator(_pattern), Words("pattern")] = Field(
        description="the axes of each tensor, and behind `->` those of the result"
    )

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        terms, result = parse(self.pattern)
        if len(terms) != len(inputs):
            message = f"einsum({say(self.pattern)}) names {len(terms)} tensors, and gets {len(inputs)}"
            raise LayerError("E0301", message, _FORM)
        axes: dict[str, Axis] = {}
        roles: dict[str, set[Role]] = {}
        for term, x in zip(terms, inputs, strict=True):
            if len(term) != x.rank:
                message = (
                    f"einsum({say(self.pattern)}): `{' '.join(term)}` names {len(term)} axes, and {x} has {x.rank}"
                )
                raise LayerError("E0401", message, _FORM)
            for name, axis in zip(term, x.axes, strict=True):
                one = together(axes[name], axis, facts.unenforced, stretch=False) if name in axes else axis
                if one is None:
                    message = f"in {say(self.pattern)}, `{name}` is {axes[name].size} and {axis.size}"
                    raise LayerError("E0409", message, "one name has one size: another axis needs another name")
                axes[name] = one
                roles.setdefault(name, set()).add(axis.role)
        self._check_batch(inputs, terms, result)
        found = [Axis(axes[name].size, _role(roles[name]), name) for name in result]
        found[1:] = [a._replace(role=Role.UNKNOWN) if a.role is Role.BATCH else a for a in found[1:]]
        dtype = common_dtype(inputs)
        if dtype == "bool":
            raise LayerError("E0407", "einsum adds numbers, and these are truth values", *OF_MASKS)
        if other := next((x for x in inputs if x.dtype != dtype), None):
            number = next(x for x in inputs if x.dtype == dtype)
            message = f"einsum multiplies numbers of one type, and {other} is of another than {number}"
            raise LayerError("E0407", message, REAL if dtype == "float" else OF_MASKS[0])
        return (TensorType(as_vector(self._with_channels(inputs, terms, result, found)), dtype),)

    def _check_batch(self, inputs: tuple[TensorType, ...], terms: list[Names], result: Names) -> None:
        firsts = dict.fromkeys(term[0] for term, x in zip(terms, inputs, strict=True) if x.has_batch)
        if firsts and not (result and result[0] in firsts and {*firsts} <= {*result}):
            message = f"einsum({say(self.pattern)}): the batch, {' and '.join(f'`{n}`' for n in firsts)}, stays first"
            raise LayerError("E0420", message, "name the first axis of every input alike, and first behind the arrow")

    def _with_channels(
        self, inputs: tuple[TensorType, ...], terms: list[Names], result: Names, found: list[Axis]
    ) -> list[Axis]:
        """Where channels are summed over and none are left, the one axis that only a parameter has holds them now."""
        if any(axis.role in (Role.CHANNELS, Role.PART) for axis in found):
            return found
        pairs = [
            (name, axis) for term, x in zip(terms, inputs, strict=True) for name, axis in zip(term, x.axes, strict=True)
        ]
        summed = any(axis.role is Role.CHANNELS and name not in result for name, axis in pairs)
        new = [i for i, axis in enumerate(found) if axis.role is Role.UNKNOWN]
        if summed and len(new) == 1:
            found[new[0]] = found[new[0]]._replace(role=Role.CHANNELS)
        return found

    def is_affine(self) -> bool:
        return len(parse(self.pattern)[0]) == 1

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Those of one product after the other, from the left; a product in which nothing is summed counts 0."""
        terms, result = parse(self.pattern)
        sizes = {n: d for term, x in zip(terms, inputs, strict=True) for n, d in zip(term, x.dims, strict=True)}
        later = [{*result}.union(*terms[i + 1 :]) for i in range(len(terms))]
        total: Dim = 0
        left = {*terms[0]}
        for term, kept in zip(terms[1:], later[1:], strict=True):
            alone = (left ^ {*term}) - kept
            used = (left | {*term}) - alone
            if used - kept:
                total = product([sizes[name] for name in sorted(used)]) + total
            left = used & kept
        return total

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held(tuple(range(len(inputs))) if len(inputs) > 1 else ()) if len(inputs) < 3 else None

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        terms, result = parse(self.pattern)
        links = [self._link(x, term, result, outputs[0]) for x, term in zip(inputs, terms, strict=True)]
        return tuple([link for link in links if link is not None]) if None not in links else None

    def _link(self, x: TensorType, term: Names, result: Names, y: TensorType) -> Link | None:
        if len({*term}) < len(term):
            return None
        places: dict[int, Along | Fixed] = {}
        for axis in place_axes(x):
            to = result.index(term[axis]) if term[axis] in result else None
            places[axis] = WHOLE if to is None or to == y.channel_axis else Along(to, SAME_PLACE)
        if x.channel_axis is None:
            return Link(places)
        name = term[x.channel_axis]
        if name in result and result.index(name) != y.channel_axis:
            return None
        return Link(places, None if name in result else 1)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function("torch.einsum", letters(self.pattern), *map(In, range(len(inputs)))),))


def _role(roles: set[Role]) -> Role:
    """What an axis is that is several at once: it is certain where all that are certain agree."""
    certain = roles - {Role.UNKNOWN}
    return certain.pop() if len(certain) == 1 else Role.UNKNOWN


def letters(pattern: str) -> str:
    """The pattern as torch takes it: a letter for each name, its first where that is free."""
    terms, result = parse(pattern)
    known: dict[str, str] = {}
    for name in sorted({n for term in terms for n in term}, key=lambda n: (len(n) > 1, n)):
        free = [letter for letter in (*name, *string.ascii_letters) if letter not in known.values()]
        known[name] = next(letter for letter in free if letter in string.ascii_letters)
    sides = [",".join("".join(known[n] for n in term) for term in side) for side in (terms, [result])]
    return "->".join(sides)
