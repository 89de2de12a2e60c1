"""Functions of torch's with weights, activations and pools as layers."""

from __future__ import annotations

from typing import Any

import torch

from ..ir.graph import Value
from ..ops.maps import compact
from ..ops.registry import lookup_kind
from .aten_arithmetic import stretched
from .reader import Call
from .start import start_of
from .table import Made, Table, along, axis_names, short, spread
from .trace import State
from .unsayable import Unsayable
from .values import Tensors

TABLE = Table()


def _weights(call: Call) -> State | None:
    """The weight of a call, where it and the bias are a module's own, and nothing but that function's."""
    weight, shift = call["weight"], call["bias"]
    if (
        not isinstance(weight, State)
        or not weight.kept
        or weight.own_name != "weight"
        or not weight.path
        or call.reader.is_tied(weight)
    ):
        return None
    own = shift is None or (isinstance(shift, State) and shift.name == f"{weight.path}.bias")
    return weight if own else None


def _weighted(call: Call, kind: str, x: Value, **settings: Any) -> Value:
    """A layer with a weight and perhaps a bias: its own, or tensors of the network."""
    weight = _weights(call)
    has_bias = {"bias"} & {*lookup_kind(kind).model_fields}  # type: ignore[union-attr]
    if weight is not None:
        own = {"bias": _bias(call)} if has_bias else {}
        return call.layer(kind, weight, x, **settings, **own, **_start(weight))
    given = {name: call.value(name) for name in ("weight", "bias") if call[name] is not None}
    own = {"bias": "bias" in given} if has_bias else {}
    return call.reader.apply(kind, (x,), settings | own, None, given=given)[0]


def _bias(call: Call) -> Any:
    """The setting `bias` of a layer: how it starts, where that is one number."""
    bias = call["bias"]
    if not isinstance(bias, State):
        return False
    found = start_of(bias.tensor, None)
    return True if found is None else found


def _start(weight: State) -> dict[str, Any]:
    found = start_of(weight.tensor, None)
    return {} if found is None else {"init": found}


@TABLE.of("conv1d", "conv2d", "conv3d")
def _conv(call: Call) -> Made:
    out, each, *kernel = call.size("weight")
    rank, groups = len(kernel), call["groups"]
    stride, dilation = spread(call["stride"], rank), spread(call["dilation"], rank)
    padding: Any = call["padding"]
    if isinstance(padding, str):
        extents = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        if padding == "same" and any(e % 2 for e in extents):
            raise Unsayable('`padding="same"` with an even window, which puts more behind the map')
        padding = [0 if padding == "valid" else e // 2 for e in extents]
    padding = spread(padding, rank)
    if not call.type("input").has_batch and {*kernel, *stride} == {1} and groups == 1 and not any(padding):
        return _at_each_place(call)
    half = all(p == d * (k - 1) // 2 for k, d, p in zip(kernel, dilation, padding, strict=True))
    settings: dict[str, Any] = {
        "kernel": compact(tuple(kernel)),
        "stride": compact(stride),
        "padding": "half" if half else compact(padding),
        "dilation": compact(dilation),
    }
    depthwise = groups > 1 and each == 1
    if depthwise:
        return _weighted(call, "dwconv", call.value("input"), multiplier=out // groups, **settings)
    return _weighted(call, "conv", call.value("input"), channels=out, groups=groups, **settings)


def _at_each_place(call: Call) -> Made:
    """A convolution of one place, of a tensor without a batch, which no convolution takes: a linear layer."""
    rank = len(call.shape)
    given = {"weight": call.make("flatten", call.value("weight"), start=1)}
    given |= {} if call["bias"] is None else {"bias": call.value("bias")}
    x = call.make("permute", call.value("input"), order=(0, *range(2, rank), 1))
    settings = {"units": call.size("weight")[0], "bias": "bias" in given, "axis": -1}
    (y,) = call.reader.apply("linear", (x,), settings, None, given=given)
    return call.make("permute", y, order=(0, rank - 1, *range(1, rank - 1)))


@TABLE.of("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _upconv(call: Call) -> Made:
    shape, groups = call.size("weight"), call["groups"]
    rank = len(shape) - 2
    axes = {name: compact(spread(call[name], rank)) for name in ("stride", "padding", "output_padding", "dilation")}
    settings = {"channels": shape[1] * groups, "kernel": compact(shape[2:]), "groups": groups, **axes}
    return _weighted(call, "upconv", call.value("input"), **settings)


@TABLE.following("linear")
def _linear(call: Call) -> Made:
    settings = {"units": call.size("weight")[0], **along(call.type("input"), call.axis(-1))}
    return _weighted(call, "linear", call.value("input"), **settings)


def _own(call: Call) -> State | None:
    """The weight of a norm, None where it has none. Raises Unsayable where it is no module's own."""
    weight = _weights(call)
    if weight is None and call["weight"] is not None:
        raise Unsayable(f"`{call.name}` with a weight that is computed, or has a name of its own")
    return weight


def _affine(call: Call) -> dict[str, Any]:
    """The settings of a norm's scale and shift."""
    weight, bias = call["weight"], call["bias"]
    if weight is None:
        return {"affine": False}
    found = {"init": start_of(weight.tensor, 1.0), "bias_init": bias and start_of(bias.tensor, 0.0)}
    return {"affine": True} | {name: start for name, start in found.items() if start is not None}


@TABLE.of("batch_norm", "instance_norm")
def _running_norm(call: Call) -> Made:
    kind = "bn" if call.name == "batch_norm" else "inorm"
    if kind == "bn" and not call.type("input").has_batch and call["running_mean"] is None:
        return _norm_of_weights(call)
    tensors = [call[name] for name in ("weight", "bias", "running_mean", "running_var")]
    home = next((state for state in tensors if isinstance(state, State)), None)
    tracked = isinstance(tensors[2], State)
    if tracked and call.reader.trace.training and not call["training" if kind == "bn" else "use_input_stats"]:
        raise Unsayable(f"`{call.name}` that stays as in evaluation while training")
    for name in ("running_mean", "running_var"):
        if isinstance(call[name], State) and call[name].own_name != name:
            raise Unsayable(f"`{call.name}` with the statistics `{call[name].name}`, which a norm calls `{name}`,")
    if home is None:
        place = call.reader.holder(call.node)
        home = State(f"{place}.weight", call.node.meta["val"], False)
    _own(call)
    settings = {"eps": call["eps"], "momentum": call["momentum"], "track": tracked, **_affine(call)}
    return call.layer(kind, home, call.value("input"), **settings)


def _norm_of_weights(call: Call) -> Made:
    """The norm that standardises the rows of a weight, `[1, rows, numbers]`, in steps."""
    rank = len(call.shape)
    x = _standardised(call, tuple(axis for axis in range(rank) if axis != 1))
    for name, kind in (("weight", "multiply"), ("bias", "sum")):
        if call[name] is not None:
            factor = call.value(name)
            for _ in range(rank - 2):
                factor = call.make("unsqueeze", factor, axis=call.reader.graph.type_of(factor).rank)
            x = call.make(kind, x, factor)
    return x


@TABLE.of("group_norm")
def _group_norm(call: Call) -> Made:
    home = _own(call)
    settings = {"groups": call["num_groups"], "eps": call["eps"], **_affine(call)}
    return call.layer("gn", home, call.value("input"), **settings)


@TABLE.following("layer_norm", "rms_norm")
def _layer_norm(call: Call) -> Made:
    x = call.type("input")
    if len(call["normalized_shape"]) != 1:
        return _norm_of_several(call)
    settings: dict[str, Any] = {"eps": _eps(call), **along(x, call.axis(-1))}
    if call["weight"] is not None and _weights(call) is None:
        kind = "rmsnorm" if call.name == "rms_norm" else "ln"
        y = call.make("multiply", call.make(kind, call.value("input"), affine=False, **settings), call.value("weight"))
        return y if call["bias"] is None else call.make("sum", y, call.value("bias"))
    home = _own(call)
    if call.name == "rms_norm":
        settings |= _affine(call)
        return call.layer("rmsnorm", home, call.value("input"), **settings)
    settings |= {**_affine(call), **({"bias": False} if home is not None and call["bias"] is None else {})}
    return call.layer("ln", home, call.value("input"), **settings)


def _eps(call: Call) -> float:
    """What is added to the mean square: for `rms_norm`, where nobody says it, the rounding of the type."""
    return call["eps"] if call["eps"] is not None else torch.finfo(torch.float32).eps


def _norm_of_several(call: Call) -> Made:
    """A norm over the last axes in steps."""
    axes = sorted(call.axis(-back) for back in range(1, len(call["normalized_shape"]) + 1))
    x = _standardised(call, axis_names(call.type("input"), axes), call.name == "layer_norm")
    if call["weight"] is not None:
        x = call.make("multiply", x, call.value("weight"))
    return x if call["bias"] is None else call.make("sum", x, call.value("bias"))


def _standardised(call: Call, axes: Any, is_centred: bool = True) -> Value:
    """The input divided by the root of its mean square along axes, the mean taken off before if it `is_centred`."""
    x, settings = call.value("input"), {"statistic": "mean", "axis": axes, "keep": True}
    if is_centred:
        x = call.make("sum", *stretched(call.reader, x, call.make("reduce", x, **settings)), signs=(1, -1))
    squares = call.make("reduce", call.make("power", x, n=2), **settings)
    return call.make("multiply", x, call.make("rsqrt", call.make("affine", squares, shift=_eps(call))))


@TABLE.of("prelu")
def _prelu(call: Call) -> Made:
    weight = _own(call)
    assert weight is not None
    slope = weight.tensor.flatten()
    first = float(slope[0]) if bool((slope == slope[0]).all()) else 0.25
    return call.layer("prelu", weight, call.value(), init=short(first), shared=slope.numel() == 1)


@TABLE.of("embedding")
def _embedding(call: Call) -> Made:
    if call["scale_grad_by_freq"] or call["sparse"] or call["padding_idx"] >= 0:
        raise Unsayable("an embedding with a padding index, or with gradients of its own kind")
    count, channels = call.size("weight")
    return _weighted(call, "embedding", call.value("indices"), count=count, channels=channels)


@TABLE.following("gelu")
def _gelu(call: Call) -> Made:
    return call.make("gelu", **({} if call["approximate"] == "none" else {"approximate": call["approximate"]}))


@TABLE.following("elu")
def _elu(call: Call) -> Made:
    if (call["scale"], call["input_scale"]) != (1, 1):
        raise Unsayable("`elu` with a scale")
    return call.make("elu", alpha=call["alpha"])


@TABLE.following("softplus")
def _softplus(call: Call) -> Made:
    if call["threshold"] != 20:
        raise Unsayable(
            f"`softplus` with the threshold {call['threshold']}: that of a spec is 20, as torch's usually is"
        )
    return call.make("softplus", beta=call["beta"])


@TABLE.following("hardtanh", "clamp", "clamp_min", "clamp_max")
def _clamp(call: Call) -> Made:
    hard = call.name == "hardtanh"
    low, high = (call["min_val"], call["max_val"]) if hard else (call["min"], call["max"])
    if hard and (low, high) == (0, 6):
        return call.make("relu6")
    return call.make("clamp", low=low, high=high)


@TABLE.following("softmax", "log_softmax")
def _softmax(call: Call) -> Made:
    kind = "softmax" if call.name == "softmax" else "logsoftmax"
    return call.make(kind, **along(call.type(), call.axis(call["dim"])))


@TABLE.of("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d")
def _pool(call: Call) -> Made:
    rank = int(call.name.partition("d")[0][-1])
    kernel = spread(call["kernel_size"], rank)
    stride = spread(call["stride"], rank) if call["stride"] else kernel
    settings: dict[str, Any] = {"kernel": compact(kernel), "padding": compact(spread(call["padding"], rank))}
    settings |= {} if stride == kernel else {"stride": compact(stride)}
    settings |= {"ceil": True} if call["ceil_mode"] else {}
    if call.name.startswith("max"):
        return call.make("maxpool", dilation=compact(spread(call["dilation"], rank)), **settings)
    if call["divisor_override"] is not None:
        raise Unsayable("`avg_pool` with a divisor")
    # Without padding it is the same whether that counts.
    counted = call["count_include_pad"] or not any(spread(call["padding"], rank))
    return call.make("avgpool", count_pad=bool(counted), **settings)


@TABLE.of("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices")
def _pool_with_places(call: Call) -> Made:
    return Tensors((_pool(call),))


@TABLE.of("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def _adaptive(call: Call) -> Made:
    return _adaptive_pool(call, "gap", "adaptive_avgpool")


@TABLE.of("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_max(call: Call) -> Made:
    return Tensors((_adaptive_pool(call, "gmp", "adaptive_maxpool"),))


def _adaptive_pool(call: Call, whole: str, kind: str) -> Value:
    rank = int(call.name[-2])
    size = spread(call["output_size"], rank)
    return call.make(whole) if set(size) == {1} else call.make(kind, size=compact(size))
