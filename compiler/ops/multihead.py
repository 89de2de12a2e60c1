"""Multi-head attention."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import Field

from ..ir.index_map import MIXED, WHOLE, Along, Fixed, Link, Links
from ..ir.initialisers import TORCH_WEIGHT, ZEROS, Initialiser
from ..ir.lowering import In, Lowering, ModuleCall, Returned, function, method
from ..ir.memory import Held, elements
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.sizes import Dim
from ..ir.types import Axis, TensorType
from .attention import attended, before_tokens, check_heads, check_mask, check_tokens, later_keys, seen_before
from .axes import product
from .maps import fixed_size
from .values import Beside, Bool, Count, Probability

_XAVIER = Initialiser("xavier_uniform", (("gain", 1.0),))
_XAVIER_NORMAL = Initialiser("xavier_normal", (("gain", 1.0),))


class Attention(Op):
    """Multi-head attention with its projections, as `torch.nn.MultiheadAttention` with the batch first (arXiv
    1706.03762).

    On tokens [N, T, C] it is self-attention; on a tuple (q, kv) or (q, k, v) queries attend to keys. Output: the shape
    of q. An input [N, 16, 64] is a map of 16 channels unless it is declared as tokens: `input t: tokens [N, 16, 64]`.

    A mask has truth values, which say which keys a query attends to (torch's module wants the opposite), or numbers,
    which are added to the products before the softmax. It is [N, T, S], the same for all heads, or [N, heads, T, S];
    axes of size 1 are stretched, and a parameter may lack axes in front.
    """

    kind: ClassVar[str] = "attention"
    family: ClassVar[str] = "attention"
    traits: ClassVar[Trait] = Trait.WEIGHTED | Trait.ANALYTIC
    positional: ClassVar[tuple[str, ...]] = ("heads",)
    arity: ClassVar[int | None] = None
    torch_order: ClassVar[tuple[str, ...]] = ("in", "heads", "dropout", "bias")
    training_settings: ClassVar[tuple[str, ...]] = ("dropout",)
    tensor_parameters: ClassVar[tuple[str, ...]] = ("mask",)
    value_parameters: ClassVar[tuple[str, ...]] = ("mask",)
    has_weights: ClassVar[bool] = True

    heads: Count = Field(description="heads, which divide the channels")
    bias: Bool = Field(True, description="whether the projections learn biases, which start at 0")
    dropout: Probability = Field(0.0, description="probability that an attention weight is dropped in training")
    causal: Bool = Field(False, description="whether a token attends only to itself and those before it")
    mask: Beside = Field(False, description="which keys a query attends to, or what is added to the products")
    bias_kv: Bool = Field(
        False, description="whether a key and a value are learned that every query attends to beside the others"
    )
    zero_kv: Bool = Field(False, description="whether every query attends to a key and a value of zeros too")

    def _tensors(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Of the inputs, or of something for each, those of the queries, keys and values."""
        return inputs[:-1] if self.mask else inputs

    def _qkv(self, inputs: tuple[TensorType, ...]) -> tuple[int, int, int]:
        """Which input are the queries, the keys and the values."""
        return {1: (0, 0, 0), 2: (0, 1, 1)}.get(len(self._tensors(inputs)), (0, 1, 2))

    def _widths(self, inputs: tuple[TensorType, ...]) -> tuple[int, int, int]:
        q, k, v = (fixed_size("attention", inputs[i], inputs[i].rank - 1) for i in self._qkv(inputs))
        return q, k, v

    def is_random(self) -> bool:
        return self.dropout > 0

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        given = self._tensors(inputs)
        if not 1 <= len(given) <= 3:
            raise LayerError("E0401", f"attention takes one tensor, (q, kv) or (q, k, v), and gets {len(given)}")
        check_tokens("attention", tuple(inputs[i] for i in self._qkv(inputs)), facts)
        check_heads("attention", self._widths(inputs)[0], self.heads, facts)
        made = attended(given[0], given[0], before_tokens(given, facts))
        if self.mask:
            keys = inputs[self._qkv(inputs)[1]].axes[1]
            check_mask("attention", inputs[-1], (made.axes[0], Axis(self.heads), made.axes[1], keys), facts)
        return (made,)

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
        if self.bias_kv:
            yield Weight("bias_k", (1, 1, q), _XAVIER_NORMAL)
            yield Weight("bias_v", (1, 1, q), _XAVIER_NORMAL)
        yield Weight("out_proj.weight", (q, q), TORCH_WEIGHT)
        if self.bias:
            yield Weight("out_proj.bias", (q,), ZEROS)

    def _key_count(self, inputs: tuple[TensorType, ...]) -> Dim:
        """How many keys a query attends to, those included that no input has."""
        return inputs[self._qkv(inputs)[1]].dims[1] + int(self.bias_kv) + int(self.zero_kv)

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """The four projections, and 2 * T * S * C for the products of queries and keys, and of weights and values."""
        q, k, v = self._widths(inputs)
        n, tokens, _ = outputs[0].dims
        projected = inputs[self._qkv(inputs)[1]].dims[1]
        return n * (tokens * (2 * q * q) + projected * (q * (k + v)) + tokens * self._key_count(inputs) * (2 * q))

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        if self.mask:
            return None
        q, k = (inputs[i] for i in self._qkv(inputs)[:2])
        seen: Along | Fixed = seen_before(1, q, k) if self.causal else WHOLE
        others = Link({1: seen}, 1)
        return (others,) if len(inputs) == 1 else (MIXED, *(others,) * (len(inputs) - 1))

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        q, keys = inputs[0], inputs[self._qkv(inputs)[1]]
        projected = elements(q) * 2 + elements(keys, 2) * self._widths(inputs)[0] * 2
        masked = 0
        if self.mask or self.causal:
            whole = self.mask and (inputs[-1].has_batch or inputs[-1].rank > 2)
            masked = product((*(elements(q, 1) * self.heads,) * whole, q.dims[1], self._key_count(inputs)))
        return Held(
            tuple(range(len(self._tensors(inputs)))),
            own=projected + elements(q, 2) * self.heads + masked,
            scratch=projected,
        )

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        q, k, v = self._widths(inputs)
        kwargs: dict[str, Any] = {"batch_first": True}
        if self.dropout:
            kwargs["dropout"] = self.dropout
        if not self.bias:
            kwargs["bias"] = False
        if not q == k == v:
            kwargs |= {"kdim": k, "vdim": v}
        kwargs |= {name: True for name, on in (("add_bias_kv", self.bias_kv), ("add_zero_attn", self.zero_kv)) if on}
        given = self._tensors(inputs)
        batch = next((i for i, x in enumerate(given) if x.has_batch), 0)
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
            call_kwargs={"need_weights": False, **self._masks(inputs, batch)},
            results=(function("operator.getitem", Returned(), 0),),
        )

    def _masks(self, inputs: tuple[TensorType, ...], batch: int) -> dict[str, Any]:
        """What torch's module is told of masks: where a key is *not* attended to, or what is added."""
        tokens, keys = (method("size", In(i), 1) for i in self._qkv(inputs)[:2])
        later = later_keys(In(0), tokens, keys) if self.causal else None
        if not self.mask:
            hint = {} if self.bias_kv or self.zero_kv else {"is_causal": True}
            return {} if later is None else {"attn_mask": later, **hint}
        mask, given = inputs[-1], In(len(inputs) - 1)
        hidden = function("torch.logical_not", given) if mask.dtype == "bool" else given
        if mask.has_batch and mask.rank == 3:
            hidden = method("unsqueeze", hidden, 1)
        if later is not None and mask.dtype == "bool":
            hidden = function("torch.logical_or", hidden, later)
        elif later is not None:
            hidden = function("torch.where", later, -math.inf, hidden)
        if not mask.has_batch and mask.rank <= 2:
            return {"attn_mask": method("expand", hidden, tokens, keys)}
        whole = method("expand", hidden, method("size", In(batch), 0), self.heads, tokens, keys)
        return {"attn_mask": function("torch.flatten", whole, 0, 1)}
