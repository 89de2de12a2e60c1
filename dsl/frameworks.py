"""What other frameworks call the layers and functions of the language, and their settings."""

from __future__ import annotations

from collections.abc import Container

_NAMES = {
    **dict.fromkeys(("conv", "conv1d", "conv2d", "conv3d"), "`conv(channels, kernel)`"),
    **dict.fromkeys(("convtranspose", "convtranspose2d", "conv2dtranspose"), "`upconv(channels, kernel)`"),
    **dict.fromkeys(("linear", "dense", "fc"), "`linear(features)`"),
    **dict.fromkeys(("batchnorm", "batchnorm1d", "batchnorm2d", "batchnorm3d", "batchnormalization"), "`bn`"),
    **dict.fromkeys(("bnorm", "syncbatchnorm"), "`bn`"),
    **dict.fromkeys(("layernorm", "layernormalization"), "`ln`"),
    "groupnorm": "`gn(groups)`",
    "instancenorm2d": "`inorm`",
    **{
        name: f"`{name}`"
        for name in ("relu", "relu6", "leakyrelu", "gelu", "silu", "elu", "selu", "mish", "sigmoid", "tanh", "softmax")
    },
    **{name: f"`{name}`" for name in ("hardswish", "rmsnorm", "flatten", "matmul", "pad")},
    "identity": "`id`",
    **dict.fromkeys(("maxpool2d", "maxpooling2d"), "`maxpool(kernel, stride)`"),
    **dict.fromkeys(("avgpool2d", "averagepooling2d"), "`avgpool(kernel, stride)`"),
    "adaptiveavgpool2d": "`adaptive_avgpool(size)`, or `gap` for size 1",
    "globalaveragepooling2d": "`gap`",
    "dropout": "`dropout(p)`",
    "droppath": '`survive(1 - p, per = "image")`, which takes the probability to survive',
    "stochasticdepth": "`survive(1 - p)`, which takes the probability to survive",
    "embedding": "`embedding(count, width)`",
    "multiheadattention": "`attention(heads)`",
    "sequential": "a list, `[f, g]`, or a chain, `f -> g`",
    "modulelist": "a list, `[f, g]`",
    **dict.fromkeys(("cat", "concatenate"), "`f ++ g` or `concat`"),
    "add": "`f + g` or `sum`",
    **dict.fromkeys(("upsample", "interpolate"), "`upsample`"),
    "pixelshuffle": "`pixel_shuffle`",
    "range": "`0..<n`, or `1..n` with both ends",
    **dict.fromkeys(("view", "reshape"), "`reshape`"),
}

_SETTINGS = {
    **dict.fromkeys(("out_channels", "filters", "embedding_dim", "output_dim"), ("channels",)),
    **dict.fromkeys(("out_features", "units"), ("units",)),
    **dict.fromkeys(("kernel_size", "pool_size"), ("kernel",)),
    "strides": ("stride",),
    "dilation_rate": ("dilation",),
    "use_bias": ("bias",),
    **dict.fromkeys(("kernel_initializer", "embeddings_initializer", "gamma_initializer"), ("init",)),
    "beta_initializer": ("bias_init",),
    "epsilon": ("eps",),
    "elementwise_affine": ("affine",),
    "track_running_stats": ("track",),
    "num_groups": ("groups",),
    "num_heads": ("heads",),
    "is_causal": ("causal",),
    **dict.fromkeys(("num_embeddings", "input_dim"), ("count",)),
    **dict.fromkeys(("dim", "dims"), ("axis", "axes", "order")),
    **dict.fromkeys(("dim0", "start_dim", "start_axis", "min"), ("first", "start", "low")),
    **dict.fromkeys(("dim1", "end_dim", "stop_axis", "max"), ("second", "end", "high")),
    "scale_factor": ("scale",),
    **dict.fromkeys(("upscale_factor", "downscale_factor"), ("factor",)),
    "interpolation": ("mode",),
    **dict.fromkeys(("output_size", "target_shape"), ("size", "sizes")),
    "shape": ("sizes",),
    **dict.fromkeys(("chunks", "split_size_or_sections", "num_or_size_splits"), ("parts",)),
    "norm_type": ("norm",),
    "ceil_mode": ("ceil",),
    "count_include_pad": ("count_pad",),
    **dict.fromkeys(("negative_slope", "alpha"), ("slope",)),
    "exponent": ("n",),
}
"""What may be meant by a setting's name, in the order in which it is tried."""

_TAKEN_FROM_INPUT = frozenset(
    [
        *("in_channels", "in_features", "num_features", "num_channels", "normalized_shape", "embed_dim"),
        *("num_parameters", "input_size"),
    ]
)
_DECIDED = frozenset(["inplace"])


def called_here(name: str) -> str | None:
    """How the language writes what another framework calls by this name: `Conv2d`, `drop_path`; None for others."""
    return _NAMES.get(name.lower().replace("_", ""))


def setting_here(name: str, known: Container[str]) -> str | None:
    """What a layer with the settings `known` calls the one of this name; None where no other framework has it so."""
    return next((here for here in _SETTINGS.get(name, ()) if here in known), None)


def why_left_out(name: str) -> str | None:
    """Why the language has no such setting, where other frameworks do: a clause for a hint; None for others."""
    if name in _TAKEN_FROM_INPUT:
        return "archc knows the channels of the tensor that arrives"
    return "archc decides what overwrites its input" if name in _DECIDED else None
