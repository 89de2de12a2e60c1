"""Which tensors of a graph cannot be negative, whatever the weights and the inputs are."""

from __future__ import annotations

from ..ir.graph import Graph, Node, Value
from ..ops.arithmetic import Clamp, Power
from ..ops.core import Affine
from ..ops.crop import Pad
from ..ops.merge import Add
from ..ops.resample import Upsample

_NEVER = frozenset({"relu", "relu6", "sigmoid", "hardsigmoid", "softplus", "softmax"})
_KEEPS = frozenset(
    {"dropout", "dropout2d", "survive", "flatten", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "select"}
    | {"gap", "gmp", "avgpool", "maxpool", "adaptive_avgpool", "adaptive_maxpool", "subsample", "crop", "slice", "roll"}
    | {"split", "chunk", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "pad_channels", "rearrange"}
    | {"concat", "stack", "mean", "min", "multiply", "drop_mean"}
)
"""What gives no negative number where it gets none."""


def nonnegative(graph: Graph, value: Value) -> bool:
    """Whether a tensor is certain to be 0 or more, in evaluation and in training."""
    known: dict[int, bool] = {}
    for node in graph.nodes[: value[0] + 1]:
        known[node.index] = _certain(node, [known[index] for index, _ in node.op.arriving(node.inputs)])
    return known[value[0]]


def _certain(node: Node, arriving: list[bool]) -> bool:
    op = node.op
    if op.kind in _NEVER or (isinstance(op, Clamp) and op.low is not None and op.low >= 0):
        return True
    if isinstance(op, Power) and isinstance(op.n, int) and op.n % 2 == 0:
        return True
    if op.kind == "max":
        return any(arriving)
    keeps = op.kind in _KEEPS or (isinstance(op, Add) and all(sign > 0 for sign in op.signs))
    keeps = keeps or (isinstance(op, Affine) and op.scale >= 0 and op.divisor > 0 and op.shift >= 0)
    keeps = keeps or (isinstance(op, Upsample) and op.mode != "bicubic")
    keeps = keeps or (isinstance(op, Pad) and op.value >= 0)
    return keeps and bool(arriving) and all(arriving)
