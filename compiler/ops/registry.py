"""The layers of the language by name, as strings: no layer's module is imported before the layer is used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module

from ..ir.op import Op

LAYERS: dict[str, str] = {
    # convolutions and dense layers
    "conv": "conv:Conv",
    "dwconv": "conv:DepthwiseConv",
    "upconv": "conv:UpConv",
    "linear": "linear:Linear",
    # norms
    "bn": "norm:BatchNorm",
    "gn": "norm:GroupNorm",
    "inorm": "norm:InstanceNorm",
    "ln": "norm:LayerNorm",
    "lrn": "norm:LocalResponseNorm",
    "rmsnorm": "norm:RMSNorm",
    # activations
    "celu": "activation:CELU",
    "elu": "activation:ELU",
    "gelu": "activation:GELU",
    "glu": "activation:GLU",
    "hardsigmoid": "activation:HardSigmoid",
    "hardswish": "activation:HardSwish",
    "leakyrelu": "activation:LeakyReLU",
    "logsoftmax": "activation:LogSoftmax",
    "mish": "activation:Mish",
    "prelu": "activation:PReLU",
    "relu": "activation:ReLU",
    "relu6": "activation:ReLU6",
    "selu": "activation:SELU",
    "sigmoid": "activation:Sigmoid",
    "silu": "activation:SiLU",
    "softmax": "activation:Softmax",
    "softplus": "activation:Softplus",
    "tanh": "activation:Tanh",
    # pools
    "adaptive_avgpool": "pool:AdaptiveAvgPool",
    "adaptive_maxpool": "pool:AdaptiveMaxPool",
    "avgpool": "pool:AvgPool",
    "gap": "pool:GlobalAvgPool",
    "gmp": "pool:GlobalMaxPool",
    "lppool": "pool:LPPool",
    "maxpool": "pool:MaxPool",
    # dropout
    "alphadropout": "dropout:AlphaDropout",
    "dropout": "dropout:Dropout",
    "dropout2d": "dropout:ChannelDropout",
    # parts left out in training
    "drop_mean": "stochastic:DropMean",
    "freeze_drop_path": "stochastic:FreezeDropPath",
    "survive": "stochastic:Survive",
    # merges
    "concat": "merge:Concat",
    "divide": "merge:Divide",
    "einsum": "einsum:Einsum",
    "matmul": "merge:Matmul",
    "max": "merge:Maximum",
    "mean": "merge:Mean",
    "min": "merge:Minimum",
    "multiply": "merge:Multiply",
    "stack": "merge:Stack",
    "sum": "merge:Add",
    # shapes
    "as_map": "read_as:AsMap",
    "as_tokens": "read_as:AsTokens",
    "flatten": "shape:Flatten",
    "permute": "shape:Permute",
    "rearrange": "rearrange:Rearrange",
    "reshape": "shape:Reshape",
    "select": "shape:Select",
    "squeeze": "shape:Squeeze",
    "transpose": "shape:Transpose",
    "unsqueeze": "shape:Unsqueeze",
    "expand": "repeat:Expand",
    "repeat": "repeat:Repeat",
    "repeat_interleave": "repeat:RepeatInterleave",
    # parts of a map
    "fold": "patches:Fold",
    "unfold": "patches:Unfold",
    "crop": "crop:Crop",
    "pad": "pad:Pad",
    "pad_channels": "pad:PadChannels",
    "roll": "crop:Roll",
    "slice": "crop:Slice",
    "subsample": "crop:Subsample",
    "channel_shuffle": "split:ChannelShuffle",
    "chunk": "split:Chunk",
    "pixel_shuffle": "split:PixelShuffle",
    "pixel_unshuffle": "split:PixelUnshuffle",
    "split": "split:Split",
    # resampling
    "affine_grid": "resample:AffineGrid",
    "grid_sample": "resample:GridSample",
    "upsample": "resample:Upsample",
    # reductions
    "reduce": "reduce:Reduce",
    # tokens
    "attention": "multihead:Attention",
    "embedding": "embedding:Embedding",
    "gru": "recurrent:GRU",
    "lstm": "recurrent:LSTM",
    "rnn": "recurrent:RNN",
    "sdpa": "attention:ScaledDotProductAttention",
    # arithmetic
    "clamp": "arithmetic:Clamp",
    "l2norm": "arithmetic:L2Norm",
    "power": "arithmetic:Power",
    "scale": "arithmetic:Scale",
    # functions of each element
    "abs": "elementwise:abs",
    "ceil": "elementwise:ceil",
    "cos": "elementwise:cos",
    "erf": "elementwise:erf",
    "exp": "elementwise:exp",
    "expm1": "elementwise:expm1",
    "floor": "elementwise:floor",
    "log": "elementwise:log",
    "log1p": "elementwise:log1p",
    "logical_not": "elementwise:logical_not",
    "reciprocal": "elementwise:reciprocal",
    "round": "elementwise:round",
    "rsqrt": "elementwise:rsqrt",
    "sign": "elementwise:sign",
    "sin": "elementwise:sin",
    "sqrt": "elementwise:sqrt",
    "tan": "elementwise:tan",
    # tensors of sizes and numbers
    "arange": "makers:Arange",
    "full": "makers:Full",
    "one_hot": "makers:OneHot",
    "to": "makers:To",
    "tril": "makers:Tril",
    "triu": "makers:Triu",
    # places
    "argmax": "indexing:ArgMax",
    "argmin": "indexing:ArgMin",
    "cumsum": "indexing:CumSum",
    "flip": "indexing:Flip",
    "gather": "indexing:Gather",
    "index_select": "indexing:IndexSelect",
    "sort": "indexing:Sort",
    "topk": "indexing:TopK",
    "unbind": "indexing:Unbind",
    # comparisons and masks
    "eq": "comparison:Equal",
    "ge": "comparison:GreaterEqual",
    "gt": "comparison:Greater",
    "le": "comparison:LessEqual",
    "logical_and": "comparison:And",
    "logical_or": "comparison:Or",
    "logical_xor": "comparison:Xor",
    "lt": "comparison:Less",
    "ne": "comparison:NotEqual",
    "where": "comparison:Where",
}
"""What a spec may call, by the name it calls it: `module:Class`, the module in this package."""

INTERNAL: dict[str, str] = {
    "affine": "core:Affine",
    "choice": "stochastic:Choice",
    "extern": "core:Extern",
    "input": "core:Input",
    "parameter": "core:Parameter",
}
"""What statements and operators of the language make; no name of a layer."""


def names() -> Iterator[str]:
    """The names of all layers."""
    return iter(LAYERS)


def lookup(name: str) -> type[Op] | None:
    """The layer of this name."""
    return _load(LAYERS[name]) if name in LAYERS else None


@cache
def quoted_words() -> frozenset[str]:
    """The words that settings of layers take in quotes: `"same"`, `"bilinear"`."""
    build = import_module(".build", __package__)
    texts = (build.type_words(info) for name in LAYERS for info in _load(LAYERS[name]).model_fields.values())
    return frozenset(word for text in texts for word in re.findall(r'"([\w-]+)"', text))


def lookup_kind(kind: str) -> type[Op] | None:
    """The op of this kind, a layer or not."""
    return lookup(kind) or (_load(INTERNAL[kind]) if kind in INTERNAL else None)


@cache
def _load(place: str) -> type[Op]:
    module, name = place.split(":")
    return getattr(import_module(f".{module}", __package__), name)
