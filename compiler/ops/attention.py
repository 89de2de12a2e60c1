"""Embeddings and attention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from pydantic import Field

from ..ir.index_map import MIXED, WHOLE, Along, Fixed, Link, Links, Listed, same_but
from ..ir.initialisers import TORCH_WEIGHT, ZEROS, Initialiser
from ..ir.lowering import In, Lowering, ModuleCall, Program, function, method
from ..ir.memory import INPUT, Held, elements
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.sizes import Dim
from ..ir.types import Axis, Role, TensorType
from .axes import fixed, is_one, product, together
from .maps import check_start, describe, fixed_size, need_float, tokens_hint
from .values import Bool, Count, Init, Probability, Real

_NORMAL = Initialiser("normal", (("std", 1.0), ("mean", 0.0)))
_XAVIER = Initialiser("xavier_uniform", (("gain", 1.0),))


class Embedding(Op):
    """A learned vector for each whole number: tokens [N, T] of type int give [N, T, channels]."""

    kind: ClassVar[str] = "embedding"
    family: ClassVar[str] = "dense"
    saved: ClassVar[Held | None] = INPUT
    positional: ClassVar[tuple[str, ...]] = ("count", "channels")
    has_weights: ClassVar[bool] = True

    count: Count = Field(description="how many numbers there are, from 0")
    channels: Count = Field(description="length of the vectors")
    init: Init = Field(_NORMAL, description="how the vectors start")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype != "int":
            hint = "declare them so: `input tokens: int [N, T]`"
            raise LayerError(
                "E0411", f"embedding looks up whole numbers, and gets {x}, which is of type {x.dtype}", hint
            )
        check_start(self.kind, "init", self.init, (self.count, self.channels))
        axes = [axis._replace(role=Role.SPACE) if axis.role is Role.CHANNELS else axis for axis in x.axes]
        return (TensorType((*axes, Axis(self.channels, Role.CHANNELS))),)

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        yield Weight("weight", (self.count, self.channels), self.init)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("torch.nn.Embedding", (self.count, self.channels))


def _check_tokens(kind: str, inputs: tuple[TensorType, ...], facts: Facts, ranks: tuple[int, ...] = (3,)) -> None:
    for x in inputs:
        need_float(kind, x)
        if x.rank not in ranks or (x.rank == 3 and x.channel_axis not in (2, None)):
            forms = " or ".join("[N, T, C]" if rank == 3 else "[N, heads, T, D]" for rank in ranks)
            hints = tokens_hint(x) or ("a map becomes tokens by `flatten(2) -> transpose`",)
            message = f"{kind} takes tokens {forms}, whose channels are last, and gets {describe(x)}"
            raise LayerError("E0401", message, *hints)
        if x.rank != inputs[0].rank:
            raise LayerError(
                "E0401", f"{kind} takes queries, keys and values of one form, and gets {inputs[0]} and {x}"
            )
    if _before_tokens(inputs, facts) is None:
        shown = " and ".join(dict.fromkeys(map(str, inputs)))
        raise LayerError("E0405", f"{kind}: {shown} differ before the tokens")
    if len(inputs) == 3 and not facts.equal(inputs[1].dims[-2], inputs[2].dims[-2]):
        raise LayerError("E0405", f"{kind} needs as many keys as values, and gets {inputs[1]} and {inputs[2]}")


def _before_tokens(inputs: tuple[TensorType, ...], facts: Facts) -> tuple[Axis, ...] | None:
    """The batch and the heads, as far as there are any; None where the inputs differ in them. What has no batch, as a
    parameter, is the same for the whole batch."""
    axes = inputs[0].axes[:-2]
    stretch = not inputs[0].has_batch
    for x in inputs[1:]:
        both = zip(axes, x.axes[:-2], strict=True)
        found = [together(a, b, facts, stretch or not x.has_batch) for a, b in both]
        axes = tuple(axis for axis in found if axis is not None)
        if len(axes) != len(found):
            return None
        stretch = stretch and not x.has_batch
    return axes


def _attended(q: TensorType, v: TensorType, before: tuple[Axis, ...] | None) -> TensorType:
    """The tokens of the queries, with the values' channels."""
    tokens, channels = q.axes[-2], v.axes[-1]
    if q.rank == 3:
        tokens, channels = tokens._replace(role=Role.SPACE), channels._replace(role=Role.CHANNELS)
    return TensorType((*(before or ()), tokens, channels))


def _check_heads(kind: str, channels: Dim, heads: int, facts: Facts) -> None:
    if not facts.divisible(channels, heads):
        message = f"{kind} gives each of {heads} heads an equal part of the channels, and {channels} do not divide so"
        raise LayerError("E0412", message)


class ScaledDotProductAttention(Op):
    """softmax(q k^T * scale) v of a tuple (q, k, v), without parameters (arXiv 1706.03762).

    Queries [N, T, C], keys [N, S, C] and values [N, S, E] give [N, T, E]; the channels are split among `heads`. Tensors
    [N, heads, T, D] that are split already are taken as they are.

    A fourth tensor is a mask: truth values say which keys a query attends to, and numbers are added to the products
    before the softmax. It is [N, T, S], the same for all heads, or [N, heads, T, S]; axes of size 1 are stretched, and
    a parameter may lack axes in front.
    """

    kind: ClassVar[str] = "sdpa"
    family: ClassVar[str] = "attention"
    title: ClassVar[str] = "dot-product attention"
    positional: ClassVar[tuple[str, ...]] = ("heads",)
    arity: ClassVar[int | None] = None
    is_module: ClassVar[bool] = False

    heads: Count = Field(1, description="parts into which the channels are split; of no meaning for [N, heads, T, D]")
    causal: Bool = Field(False, description="whether a token attends only to itself and those before it")
    scale: Real | None = Field(None, description="what the products are multiplied by; none is 1 / sqrt(d)")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        if len(inputs) not in (3, 4):
            message = f"sdpa takes (q, k, v), or (q, k, v, mask), and gets {len(inputs)}"
            raise LayerError("E0401", f"{message} tensor{'s' if len(inputs) > 1 else ''}")
        q, k, v, *masks = inputs
        _check_tokens("sdpa", (q, k, v), facts, (3, 4))
        if not facts.equal(q.dims[-1], k.dims[-1]):
            raise LayerError("E0405", f"sdpa needs queries and keys of equal length, and gets {q} and {k}")
        if q.rank == 3:
            _check_heads("sdpa", q.dims[-1], self.heads, facts)
            _check_heads("sdpa", v.dims[-1], self.heads, facts)
        made = _attended(q, v, _before_tokens((q, k, v), facts))
        for mask in masks:
            self._check_mask(mask, made, k, facts)
        return (made,)

    def _check_mask(self, mask: TensorType, made: TensorType, k: TensorType, facts: Facts) -> None:
        if self.causal:
            raise LayerError("E0401", "sdpa takes a mask or `causal`, and gets both", "the mask can say it all")
        if mask.dtype == "int":
            raise LayerError("E0407", f"the mask of sdpa holds truth values or real numbers, and is {mask}")
        heads = Axis(self.heads) if made.rank == 3 else made.axes[1]
        wanted = (made.axes[0], heads, made.axes[-2], k.axes[-2])
        given = mask.axes
        if mask.has_batch and mask.rank == 3:
            given = (given[0], Axis(1), *given[1:])
        elif not mask.has_batch:
            given = (*[Axis(1)] * (4 - mask.rank), *given)
        if len(given) != 4 or not all(
            is_one(a.size) or facts.equal(a.size, b.size) for a, b in zip(given, wanted, strict=True)
        ):
            shape = f"[{', '.join(str(axis.size) for axis in wanted)}]"
            hint = "axes of size 1 are stretched; a mask [N, T, S] is the same for all heads"
            raise LayerError("E0405", f"the mask of sdpa must go with {shape}, and is {mask}", hint)

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """q k^T and the weighted sum of v: T * S * (C + E) for each member of the batch, whatever `causal` spares."""
        q, k, v = inputs[0], inputs[1], inputs[2]
        return product((*outputs[0].dims[:-1], k.dims[-2], q.dims[-1] + v.dims[-1]))

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        return given[2]

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        if inputs[3:]:
            return None
        q, k, v = inputs[0], inputs[1], inputs[2]
        tokens = q.rank - 2
        n = fixed(q.dims[tokens], "the tokens")
        seen: Along | Fixed = WHOLE
        if self.causal:
            seen = Along(
                tokens, Listed(tuple(range(min(t + 1, fixed(k.dims[tokens], "the tokens"))) for t in range(n)))
            )
        heads = self.heads if q.rank == 3 else 1
        return (Link(channels=heads), Link({**same_but(k), tokens: seen}, heads), Link({**same_but(v), tokens: seen}))

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        q = inputs[0]
        copied = elements(outputs[0]) if q.rank == 3 and self.heads > 1 else 0
        rows = elements(q, q.rank - 1) * (self.heads if q.rank == 3 else 1)
        return Held(tuple(range(len(inputs))), not copied, own=rows + copied, scratch=copied)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        split = inputs[0].rank == 3 and self.heads > 1
        parts: list[Any] = [In(0), In(1), In(2)]
        if split:
            parts = [method("transpose", method("unflatten", p, -1, (self.heads, -1)), 1, 2) for p in parts]
        kwargs: dict[str, Any] = {"is_causal": True} if self.causal else {}
        if self.scale is not None:
            kwargs["scale"] = self.scale
        for mask in inputs[3:]:
            heads = split or inputs[0].rank == 4
            if heads and mask.has_batch and mask.rank == 3:
                kwargs["attn_mask"] = method("unsqueeze", In(3), 1)
            else:
                kwargs["attn_mask"] = method("squeeze", In(3), 1) if mask.rank == 4 and not heads else In(3)
        result = function("torch.nn.functional.scaled_dot_product_attention", *parts, **kwargs)
        return Program((function("torch.flatten", method("transpose", result, 1, 2), 2) if split else result,))


class Attention(Op):
    """Multi-head attention with its projections, as `torch.nn.MultiheadAttention` with the batch first (arXiv
    1706.03762).

    On tokens [N, T, C] it is self-attention; on a tuple (q, kv) or (q, k, v) queries attend to keys. Output: the shape
    of q. An input [N, 16, 64] is a map of 16 channels unless it is declared as tokens: `input t: tokens [N, 16, 64]`.
    """

    kind: ClassVar[str] = "attention"
    family: ClassVar[str] = "attention"
    traits: ClassVar[Trait] = Trait.WEIGHTED
    positional: ClassVar[tuple[str, ...]] = ("heads",)
    arity: ClassVar[int | None] = None
    torch_order: ClassVar[tuple[str, ...]] = ("in", "heads", "dropout", "bias")
    training_settings: ClassVar[tuple[str, ...]] = ("dropout",)
    has_weights: ClassVar[bool] = True

    heads: Count = Field(description="heads, which divide the channels")
    bias: Bool = Field(True, description="whether the projections learn biases, which start at 0")
    dropout: Probability = Field(0.0, description="probability that an attention weight is dropped in training")

    def _qkv(self, inputs: tuple[TensorType, ...]) -> tuple[int, int, int]:
        """Which input are the queries, the keys and the values."""
        return {1: (0, 0, 0), 2: (0, 1, 1)}.get(len(inputs), (0, 1, 2))

    def _widths(self, inputs: tuple[TensorType, ...]) -> tuple[int, int, int]:
        q, k, v = (fixed_size("attention", inputs[i], inputs[i].rank - 1) for i in self._qkv(inputs))
        return q, k, v

    def is_random(self) -> bool:
        return self.dropout > 0

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        if not 1 <= len(inputs) <= 3:
            raise LayerError("E0401", f"attention takes one tensor, (q, kv) or (q, k, v), and gets {len(inputs)}")
        _check_tokens("attention", tuple(inputs[i] for i in self._qkv(inputs)), facts)
        _check_heads("attention", self._widths(inputs)[0], self.heads, facts)
        return (_attended(inputs[0], inputs[0], _before_tokens(inputs, facts)),)

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        q, k, v = self._widths(inputs)
        if q == k == v:
            yield Weight("in_proj_weight", (3 * q, q), _XAVIER)
        else:
            yield Weight("q_proj_weight", (q, q), _XAVIER)
            yield Weight("k_proj_weight", (q, k), _XAVIER)
            yield Weight("v_proj_weight", (q, v), _XAVIER)
        if self.bias:
            yield Weight("in_proj_bias", (3 * q,), ZEROS)
        yield Weight("out_proj.weight", (q, q), TORCH_WEIGHT)
        if self.bias:
            yield Weight("out_proj.bias", (q,), ZEROS)

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """The four projections, and 2 * T * S * C for the products of queries and keys, and of weights and values."""
        q, k, v = self._widths(inputs)
        n, tokens, _ = outputs[0].dims
        keys = inputs[self._qkv(inputs)[1]].dims[1]
        return n * (tokens * (2 * q * q) + keys * (q * (k + v)) + tokens * keys * (2 * q))

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        others = Link({1: WHOLE}, 1)
        return (others,) if len(inputs) == 1 else (MIXED, *(others,) * (len(inputs) - 1))

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        q, keys = inputs[0], inputs[self._qkv(inputs)[1]]
        projected = elements(q) * 2 + elements(keys, 2) * self._widths(inputs)[0] * 2
        return Held(tuple(range(len(inputs))), own=projected + elements(q, 2) * self.heads, scratch=projected)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        q, k, v = self._widths(inputs)
        kwargs: dict[str, Any] = {"batch_first": True}
        if self.dropout:
            kwargs["dropout"] = self.dropout
        if not self.bias:
            kwargs["bias"] = False
        if not q == k == v:
            kwargs |= {"kdim": k, "vdim": v}
        batch = next((i for i, x in enumerate(inputs) if x.has_batch), 0)
        parts = tuple(
            In(i)
            if inputs[i].has_batch == inputs[batch].has_batch
            else method("expand", In(i), method("size", In(batch), 0), -1, -1)
            for i in self._qkv(inputs)
        )
        return ModuleCall(
            "torch.nn.MultiheadAttention",
            (q, self.heads),
            kwargs,
            inputs=parts,
            call_kwargs={"need_weights": False},
            take=0,
        )
