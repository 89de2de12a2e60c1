"""Attention of queries to keys, and what its layers have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from ..ir.index_map import WHOLE, Along, Fixed, Link, Links, Listed, same_but
from ..ir.lowering import In, Lowering, ModuleCall, Name, Program, Returned, Step, function, method
from ..ir.memory import Held, elements
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.sizes import Dim
from ..ir.types import Axis, Role, TensorType
from ..ir.words import alternatives
from .axes import fixed, is_one, product, together
from .maps import describe, need_float, tokens_hint
from .values import Beside, Bool, Count, Probability, Real


def check_tokens(kind: str, inputs: tuple[TensorType, ...], facts: Facts, ranks: tuple[int, ...] = (3,)) -> None:
    for x in inputs:
        need_float(kind, x)
        if x.rank not in ranks or (x.rank == 3 and x.channel_axis not in (2, None)):
            forms = " or ".join("[N, T, C]" if rank == 3 else "[N, heads, T, D]" for rank in ranks)
            one = f"tokens that are the same for every image have the shape `[1, {', '.join(map(str, x.dims))}]`"
            hints = (one,) if x.rank == 2 and not x.has_batch else tokens_hint(x)
            hints = hints or ("a map becomes tokens by `flatten(2) -> transpose`",)
            message = f"{kind} takes tokens {forms}, whose channels are last, and gets {describe(x)}"
            raise LayerError("E0401", message, *hints)
        if x.rank != inputs[0].rank:
            raise LayerError(
                "E0401", f"{kind} takes queries, keys and values of one form, and gets {inputs[0]} and {x}"
            )
    if before_tokens(inputs, facts) is None:
        shown = " and ".join(dict.fromkeys(map(str, inputs)))
        raise LayerError("E0405", f"{kind}: {shown} differ before the tokens")
    if len(inputs) == 3 and not facts.equal(inputs[1].dims[-2], inputs[2].dims[-2]):
        raise LayerError("E0405", f"{kind} needs as many keys as values, and gets {inputs[1]} and {inputs[2]}")


def before_tokens(inputs: tuple[TensorType, ...], facts: Facts) -> tuple[Axis, ...] | None:
    """The batch and the heads, as far as there are any; None where the inputs differ in them. What has no batch, as a
    parameter, is the same for the whole batch."""
    axes = inputs[0].axes[:-2]
    stretch = not inputs[0].has_batch
    for x in inputs[1:]:
        both = zip(axes, x.axes[:-2], strict=True)
        found = [together(a, b, facts.unenforced, stretch or not x.has_batch) for a, b in both]
        axes = tuple(axis for axis in found if axis is not None)
        if len(axes) != len(found):
            return None
        stretch = stretch and not x.has_batch
    return axes


def attended(q: TensorType, v: TensorType, before: tuple[Axis, ...] | None) -> TensorType:
    """The tokens of the queries, with the values' channels."""
    tokens, channels = q.axes[-2], v.axes[-1]
    if q.rank == 3:
        tokens, channels = tokens._replace(role=Role.SPACE), channels._replace(role=Role.CHANNELS)
    return TensorType((*(before or ()), tokens, channels))


_MOST_HEADS = 4096


def check_heads(kind: str, channels: Dim, heads: int, facts: Facts) -> None:
    if not facts.divisible(channels, heads):
        message = f"{kind} gives each of {heads} heads an equal part of the channels, and {channels} do not divide so"
        raise LayerError("E0412", message, *_near(heads, channels))


def _near(heads: int, channels: Dim) -> tuple[str, ...]:
    """A hint with the nearest numbers of heads that divide the channels."""
    if not isinstance(channels, int):
        return ()
    counts = [n for n in range(1, min(channels, _MOST_HEADS) + 1) if channels % n == 0]
    found = [*[n for n in counts if n < heads][-1:], *[n for n in counts if n > heads][:1]]
    return (f"{alternatives(map(str, found))} heads divide {channels} channels",)


def check_mask(kind: str, mask: TensorType, wanted: tuple[Axis, ...], facts: Facts) -> None:
    """Whether a mask broadcasts to the products [N, heads, T, S]; one with a batch may lack the heads."""
    if mask.dtype == "int":
        hint = '`to("bool")` makes truth values of it, true where a number is not 0, which is what is attended to'
        raise LayerError("E0407", f"the mask of {kind} holds truth values or real numbers, and is {mask}", hint)
    given = mask.axes
    if mask.has_batch and mask.rank == 3:
        given = (given[0], Axis(1), *given[1:])
    elif not mask.has_batch:
        given = (*[Axis(1)] * (4 - mask.rank), *given)
    if len(given) != 4 or not all(
        is_one(a.size) or facts.unenforced.equal(a.size, b.size) for a, b in zip(given, wanted, strict=True)
    ):
        shape = f"[{', '.join(str(axis.size) for axis in wanted)}]"
        hints = ("axes of size 1 are stretched; a mask [N, T, S] is the same for all heads",)
        if mask.has_batch and mask.rank == 2:
            hints = ("`unsqueeze(1)` makes a mask [N, S] of the keys one for all queries: [N, 1, S]", *hints)
        raise LayerError("E0405", f"the mask of {kind} must go with {shape}, and is {mask}", *hints)


def later_keys(q: Any, tokens: Any, keys: Any) -> Step:
    """The truth values [T, S] that say which keys come after a query."""
    ones = method("new_ones", q, (tokens, keys), dtype=Name("torch.bool"))
    return method("triu", ones, 1)


def seen_before(tokens: int, q: TensorType, k: TensorType) -> Along:
    """How a token depends on those up to it."""
    n, keys = fixed(q.dims[tokens], "the tokens"), fixed(k.dims[tokens], "the tokens")
    return Along(tokens, Listed(tuple(range(min(t + 1, keys)) for t in range(n))))


class ScaledDotProductAttention(Op):
    """softmax(q k^T * scale) v of a tuple (q, k, v), without parameters (arXiv 1706.03762).

    Queries [N, T, C], keys [N, S, C] and values [N, S, E] give [N, T, E]; the channels are split among `heads`. Tensors
    [N, heads, T, D] that are split already are taken as they are. Keys and values may have fewer heads, each for
    several heads of the queries (grouped-query attention, arXiv 2305.13245): `kv_heads`, where the channels are split
    here, else as many as arrive.

    A mask, the fourth tensor or `mask`, has truth values, which say which keys a query attends to, or numbers, which
    are added to the products before the softmax. It is [N, T, S], the same for all heads, or [N, heads, T, S]; axes of
    size 1 are stretched, and a parameter may lack axes in front.
    """

    kind: ClassVar[str] = "sdpa"
    traits: ClassVar[Trait] = Trait.ANALYTIC
    family: ClassVar[str] = "attention"
    title: ClassVar[str] = "dot-product attention"
    positional: ClassVar[tuple[str, ...]] = ("heads",)
    arity: ClassVar[int | None] = None
    training_settings: ClassVar[tuple[str, ...]] = ("dropout",)
    tensor_parameters: ClassVar[tuple[str, ...]] = ("mask",)
    value_parameters: ClassVar[tuple[str, ...]] = ("mask",)

    heads: Count = Field(1, description="parts into which the channels are split; of no meaning for [N, heads, T, D]")
    kv_heads: Count | None = Field(
        None, description="heads of the keys and values [N, S, C], a divisor of `heads`; none is as many"
    )
    causal: Bool = Field(False, description="whether a token attends only to itself and those before it")
    scale: Real | None = Field(None, description="what the products are multiplied by; none is 1 / sqrt(d)")
    mask: Beside = Field(False, description="which keys a query attends to, or what is added to the products")
    dropout: Probability = Field(0.0, description="probability that an attention weight is dropped in training")

    @property
    def is_module(self) -> bool:
        """Only what differs in training is a module."""
        return self.is_random()

    def is_random(self) -> bool:
        return self.dropout > 0

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        if len(inputs) not in (3, 4):
            message = f"sdpa takes (q, k, v), or (q, k, v, mask), and gets {len(inputs)}"
            raise LayerError("E0401", f"{message} tensor{'s' if len(inputs) > 1 else ''}")
        q, k, v, *masks = inputs
        heads, kv_heads = self._heads(q, k)
        grouped = heads != kv_heads
        if grouped:
            _check_groups(heads, kv_heads)
        same = tuple(_with_heads(x, q.axes[1]) for x in (k, v)) if grouped and q.rank == 4 else (k, v)
        if grouped and q.rank == 4 and (v.rank != 4 or not facts.equal(k.dims[1], v.dims[1])):
            raise LayerError("E0405", f"sdpa needs keys and values with as many heads, and gets {k} and {v}")
        check_tokens("sdpa", (q, *same), facts, (3, 4))
        if q.rank == 3:
            check_heads("sdpa", q.dims[-1], self.heads, facts)
            check_heads("sdpa", v.dims[-1], kv_heads, facts)
        repeated = heads // kv_heads if grouped and q.rank == 3 else 1
        if not facts.equal(q.dims[-1], k.dims[-1] * repeated):
            per = " in each head" if grouped else ""
            raise LayerError("E0405", f"sdpa needs queries and keys of equal length{per}, and gets {q} and {k}")
        made = attended(q, v, before_tokens((q, *same), facts))
        made = made.with_dims((*made.dims[:-1], made.dims[-1] * repeated)) if repeated > 1 else made
        for mask in masks:
            across = Axis(self.heads) if made.rank == 3 else made.axes[1]
            check_mask("sdpa", mask, (made.axes[0], across, made.axes[-2], k.axes[-2]), facts)
        return (made,)

    def _heads(self, q: TensorType, k: TensorType) -> tuple[int, int]:
        """The heads of the queries, and of the keys and values."""
        if q.rank == 3:
            return self.heads, self.kv_heads or self.heads
        sizes = (q.dims[1], k.dims[1]) if q.rank == k.rank == 4 else (1, 1)
        return (sizes[0], sizes[1]) if isinstance(sizes[0], int) and isinstance(sizes[1], int) else (1, 1)

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """q k^T and the weighted sum of v: T * S * (C + E) for each member of the batch, whatever `causal` spares."""
        q, k = inputs[0], inputs[1]
        return product((*outputs[0].dims[:-1], k.dims[-2], q.dims[-1] + outputs[0].dims[-1]))

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return given[2]

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        if inputs[3:] or (inputs[0].rank == 4 and inputs[0].dims[1] != inputs[1].dims[1]):
            return None
        q, k, v = inputs[0], inputs[1], inputs[2]
        tokens = q.rank - 2
        seen: Along | Fixed = seen_before(tokens, q, k) if self.causal else WHOLE
        heads, kv_heads = self._heads(q, k) if q.rank == 3 else (1, 1)
        return (
            Link(channels=heads),
            Link({**same_but(k), tokens: seen}, kv_heads),
            Link({**same_but(v), tokens: seen}, kv_heads),
        )

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        q = inputs[0]
        copied = elements(outputs[0]) if q.rank == 3 and self.heads > 1 else 0
        rows = elements(q, q.rank - 1) * (self.heads if q.rank == 3 else 1)
        heads, kv_heads = self._heads(q, inputs[1])
        repeated = (elements(inputs[1]) + elements(inputs[2])) * (heads // kv_heads) if heads != kv_heads else 0
        return Held(tuple(range(len(inputs))), not copied, own=rows + copied + repeated, scratch=copied + repeated)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        heads, kv_heads = self._heads(inputs[0], inputs[1])
        split = inputs[0].rank == 3 and self.heads > 1
        parts: list[Any] = [In(0), In(1), In(2)]
        if split:
            counts = (heads, kv_heads, kv_heads)
            parts = [
                method("transpose", method("unflatten", p, -1, (n, -1)), 1, 2)
                for p, n in zip(parts, counts, strict=True)
            ]
        kwargs: dict[str, Any] = {"is_causal": True} if self.causal and not inputs[3:] else {}
        if self.scale is not None:
            kwargs["scale"] = self.scale
        if heads != kv_heads:
            kwargs["enable_gqa"] = True
        for mask in inputs[3:]:
            kwargs["attn_mask"] = self._mask(mask, split or inputs[0].rank == 4, inputs)
        if self.is_random():
            parts += [kwargs.pop("attn_mask")] if inputs[3:] else []
            whole = (_joined(Returned()),) if split else None
            return ModuleCall("runtime.DotProductAttention", (self.dropout,), kwargs, tuple(parts), results=whole)
        result = function("torch.nn.functional.scaled_dot_product_attention", *parts, **kwargs)
        return Program((_joined(result) if split else result,))

    def _mask(self, mask: TensorType, heads: bool, inputs: tuple[TensorType, ...]) -> Any:
        """The mask as torch takes it, with the keys that `causal` takes away."""
        given: Any = In(3)
        if heads and mask.has_batch and mask.rank == 3:
            given = method("unsqueeze", given, 1)
        elif mask.rank == 4 and not heads:
            given = method("squeeze", given, 1)
        if not self.causal:
            return given
        later = later_keys(In(0), *(method("size", In(i), x.rank - 2) for i, x in enumerate(inputs[:2])))
        if mask.dtype == "bool":
            return function("torch.logical_and", given, function("torch.logical_not", later))
        return function("torch.where", later, -math.inf, given)


def _joined(heads: Any) -> Step:
    """[N, heads, T, D] as [N, T, C]."""
    return function("torch.flatten", method("transpose", heads, 1, 2), 2)


def _check_groups(heads: int, kv_heads: int) -> None:
    if heads % kv_heads:
        message = f"each head of the keys serves as many heads of the queries, and {kv_heads} do not divide {heads}"
        raise LayerError("E0412", message)


def _with_heads(x: TensorType, heads: Axis) -> TensorType:
    return TensorType((x.axes[0], heads, *x.axes[2:]), x.dtype) if x.rank == 4 else x
