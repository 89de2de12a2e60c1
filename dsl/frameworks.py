"""What other frameworks call the layers and functions of the language."""

from __future__ import annotations

_NAMES = {
    **dict.fromkeys(("conv", "conv1d", "conv2d", "conv3d"), "`conv(channels, kernel)`"),
    **dict.fromkeys(("convtranspose", "convtranspose2d", "conv2dtranspose"), "`upconv(channels, kernel)`"),
    **dict.fromkeys(("linear", "dense", "fc"), "`linear(features)`"),
    **dict.fromkeys(("batchnorm", "batchnorm1d", "batchnorm2d", "batchnorm3d", "batchnormalization"), "`bn`"),
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


def called_here(name: str) -> str | None:
    """How the language writes what another framework calls by this name: `Conv2d`, `drop_path`; None for others."""
    return _NAMES.get(name.lower().replace("_", ""))
