"""What other frameworks call the layers and functions of the language, and their settings."""

from __future__ import annotations

import re
from collections.abc import Container

_CALLED = {
    "`conv(channels, kernel)`": "conv convolution",
    "`conv(channels, 1)`": "conv1x1 pointwiseconv",
    "`conv(channels, 3)`": "conv3x3",
    "`dwconv(kernel)`": "depthwiseconv depthwise",
    "`dwconv(kernel) -> conv(channels, 1)`": "separableconv",
    "`upconv(channels, kernel)`": "convtranspose convtransposed deconv deconvolution transposedconv",
    "`linear(units)`": "linear dense fc fullyconnected",
    "`bn`": "batchnorm batchnormalization bnorm syncbatchnorm",
    "`ln`": "layernorm layernormalization",
    "`gn(groups)`": "groupnorm groupnormalization",
    "`inorm`": "instancenorm instancenormalization",
    "`lrn`": "localresponsenorm localresponsenormalization",
    "`leakyrelu`": "leakyrelu lrelu",
    "`silu`": "silu swish",
    "`hardswish`": "hardswish hardsilu",
    "`clamp(low, high)`": "clip hardtanh",
    "`id`": "identity noop passthrough",
    "`maxpool(kernel, stride)`": "maxpool maxpooling",
    "`avgpool(kernel, stride)`": "avgpool averagepool averagepooling",
    "`adaptive_avgpool(size)`, or `gap` for size 1": "adaptiveavgpool",
    "`adaptive_maxpool(size)`, or `gmp` for size 1": "adaptivemaxpool",
    "`gap`": "globalavgpool globalaveragepool globalaveragepooling globalpool globalpooling",
    "`gmp`": "globalmaxpool globalmaxpooling",
    "`dropout(p)`": "dropout",
    "`dropout2d(p)`": "spatialdropout",
    '`survive(1 - p, per = "image")`, which takes the probability to survive': "droppath",
    "`survive(1 - p)`, which takes the probability to survive": "stochasticdepth",
    "`embedding(count, channels)`": "embedding",
    "`attention(heads)`": "multiheadattention mha selfattention",
    "a list, `[f, g]`, or a chain, `f -> g`": "sequential",
    "a list, `[f, g]`": "modulelist",
    "`f ++ g` or `concat`": "cat concatenate",
    "`f + g` or `sum`": "add",
    "`f - g`": "sub subtract",
    "`-x`": "neg negative",
    "`f * g` or `multiply`": "mul",
    "`f / g` or `divide`": "div truediv",
    "`where`, of a mask, a number and a tensor": "maskedfill",
    "`index_select(axis)`": "take indexselect",
    "`to(like)`": "typeas astype cast",
    "`repeat(count, axis)`": "tile",
    "`expand(like)`": "expandas broadcastto",
    "`unfold(kernel)`": "im2col",
    "`fold(kernel, like)`": "col2im",
    "`x -> zeros`": "zeroslike newzeros",
    "`x -> ones`": "oneslike newones",
    "`mean`": "average",
    "`max`": "maximum",
    "`min`": "minimum",
    "`upsample`": "upsample upsampling interpolate resize",
    "`pixel_shuffle(factor)`": "pixelshuffle depthtospace",
    "`pixel_unshuffle(factor)`": "pixelunshuffle spacetodepth",
    "`pad`": "pad zeropad zeropadding constantpad",
    "`l2norm`": "normalize",
    "`id + f`": "residual shortcut",
    "`0..<n`, or `1..n` with both ends": "range",
    "`reshape`": "view reshape",
}
"""How the language writes it, and the names that others have for it, in small letters and without `_` and `2d`."""
_SAME = """
    relu relu6 gelu elu celu selu mish sigmoid tanh softmax logsoftmax hardsigmoid softplus prelu glu
    rmsnorm flatten matmul lstm gru rnn
"""
_NAMES = {
    **{name: here for here, names in _CALLED.items() for name in names.split()},
    **{name: f"`{name}`" for name in _SAME.split()},
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
    "hidden_size": ("channels",),
    "num_layers": ("layers",),
    "bidirectional": ("both",),
    "proj_size": ("projection",),
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
_ACTIVATION = frozenset(["activation", "activation_fn", "activation_layer", "act", "act_layer", "nonlinearity"])
_DECIDED = frozenset(["inplace"])


def called_here(name: str) -> str | None:
    """How the language writes what another framework calls by this name: `Conv2d`, `drop_path`; None for others."""
    plain = name.lower().replace("_", "")
    return _NAMES.get(plain) or _NAMES.get(re.sub(r"[123]d(?=transpose|$)", "", plain))


def setting_here(name: str, known: Container[str]) -> str | None:
    """What a layer with the settings `known` calls the one of this name; None where no other framework has it so."""
    return next((here for here in _SETTINGS.get(name, ()) if here in known), None)


def is_activation(name: str) -> bool:
    """Whether other frameworks give a layer its activation by a setting of this name."""
    return name in _ACTIVATION


def why_left_out(name: str) -> str | None:
    """Why the language has no such setting, where other frameworks do: a clause for a hint; None for others."""
    if name in _TAKEN_FROM_INPUT:
        return "archc knows the channels of the tensor that arrives"
    return "archc decides what overwrites its input" if name in _DECIDED else None
