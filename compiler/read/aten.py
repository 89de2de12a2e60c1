"""Functions of torch's on tensors as layers of the language, by their names before decomposition (`aten::conv2d`)."""

from __future__ import annotations

from ..ir.op import Trait
from ..ops.registry import lookup_kind
from . import aten_arithmetic, aten_layers, aten_places, aten_recurrent, aten_shapes
from .reader import Call
from .table import Handler, Made, Table, follows_batch

SAME = "alias clone contiguous lift_fresh_copy"
"""Functions that hand on what they get."""
ALIKE = """
    relu relu6 sigmoid tanh silu hardswish hardsigmoid mish selu
    abs ceil cos erf exp expm1 floor log log1p reciprocal round rsqrt sign sin sqrt tan
"""
"""Functions without settings, which layers are called by."""
SETTINGS: dict[str, tuple[str, dict[str, str]]] = {
    "leaky_relu": ("leakyrelu", {"slope": "negative_slope"}),
    "celu": ("celu", {"alpha": "alpha"}),
    "dropout": ("dropout", {"p": "p"}),
    "feature_dropout": ("dropout2d", {"p": "p"}),
    "alpha_dropout": ("alphadropout", {"p": "p"}),
    "pixel_shuffle": ("pixel_shuffle", {"factor": "upscale_factor"}),
    "pixel_unshuffle": ("pixel_unshuffle", {"factor": "downscale_factor"}),
    "channel_shuffle": ("channel_shuffle", {"groups": "groups"}),
}
"""Functions of one tensor: the layer, and which argument each of its settings is."""


@follows_batch
def _same(call: Call) -> Made:
    return call.value()


def _renamed(kind: str, settings: dict[str, str]) -> Handler:
    def make(call: Call) -> Made:
        return call.make(kind, **{ours: call[theirs] for ours, theirs in settings.items()})

    cls = lookup_kind(kind)
    return follows_batch(make) if cls is not None and cls.traits & Trait.ELEMENTWISE else make


TABLE = Table(
    dict.fromkeys(SAME.split(), _same)
    | {kind: _renamed(kind, {}) for kind in ALIKE.split()}
    | {name: _renamed(*entry) for name, entry in SETTINGS.items()}
    | aten_layers.TABLE
    | aten_arithmetic.TABLE
    | aten_shapes.TABLE
    | aten_places.TABLE
    | aten_recurrent.TABLE
)


def handler(name: str) -> Handler | None:
    """What makes the nodes of a function's call; one that overwrites its input is as the one that does not."""
    return TABLE.get(name) or TABLE.get(name.rstrip("_"))
