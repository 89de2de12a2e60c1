"""Functions of torch's with weights, activations and pools as layers."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Value
from ..ops.maps import compact
from .reader import Call, Tensors, Unsayable
from .start import start_of
from .table import Made, Table, along, short, spread
from .trace import State

TABLE = Table()


def _weights(call: Call, name: str = "weight", bias: str = "bias") -> State:
    """The weight of a call. Raises Unsayable where it is none of a module's own, or its bias another's."""
    weight, shift = call[name], call[bias]
    if not isinstance(weight, State) or weight.own_name != "weight":
        raise Unsayable(f"`{call.name}` with a weight that is computed, or has a name of its own")
    if shift is not None and (not isinstance(shift, State) or shift.name != f"{weight.path}.bias".lstrip(".")):
        raise Unsayable(f"`{call.name}` with a bias that is no module's own beside its weight")
    return weight


def _bias(call: Call) -> Any:
    """The setting `bias` of a layer: how it starts, where that is one number."""
    bias = call["bias"]
    if not isinstance(bias, State):
        return False
    found = start_of(bias.tensor, None)
    return True if found is None else found


def _start(weight: State, setting: str = "init") -> dict[str, Any]:
    found = start_of(weight.tensor, None)
    return {} if found is None else {setting: found}


@TABLE.of("conv1d", "conv2d", "conv3d")
def _conv(call: Call) -> Made:
    weight = _weights(call)
    out, each, *kernel = weight.tensor.shape
    rank, groups = len(kernel), call["groups"]
    stride, dilation = spread(call["stride"], rank), spread(call["dilation"], rank)
    padding: Any = call["padding"]
    if isinstance(padding, str):
        extents = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        if padding == "same" and any(e % 2 for e in extents):
            raise Unsayable('`padding="same"` with an even window, which puts more behind the map')
        padding = [0 if padding == "valid" else e // 2 for e in extents]
    padding = spread(padding, rank)
    half = all(p == d * (k - 1) // 2 for k, d, p in zip(kernel, dilation, padding, strict=True))
    settings: dict[str, Any] = {
        "kernel": compact(tuple(kernel)),
        "stride": compact(stride),
        "padding": "half" if half else compact(padding),
        "dilation": compact(dilation),
        "bias": _bias(call),
        **_start(weight),
    }
    depthwise = groups > 1 and each == 1
    if depthwise:
        return call.layer("dwconv", weight, call.value("input"), multiplier=out // groups, **settings)
    return call.layer("conv", weight, call.value("input"), channels=out, groups=groups, **settings)


@TABLE.of("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _upconv(call: Call) -> Made:
    weight = _weights(call)
    rank, groups = weight.tensor.dim() - 2, call["groups"]
    axes = {name: compact(spread(call[name], rank)) for name in ("stride", "padding", "output_padding", "dilation")}
    channels = weight.tensor.shape[1] * groups
    kernel = compact(tuple(weight.tensor.shape[2:]))
    settings = {"kernel": kernel, "groups": groups, "bias": _bias(call), **axes, **_start(weight)}
    return call.layer("upconv", weight, call.value("input"), channels=channels, **settings)


@TABLE.following("linear")
def _linear(call: Call) -> Made:
    weight = _weights(call)
    settings = {"units": weight.tensor.shape[0], "bias": _bias(call), **_start(weight)}
    settings |= along(call.type("input"), call.axis(-1))
    return call.layer("linear", weight, call.value("input"), **settings)


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
    tensors = [call[name] for name in ("weight", "bias", "running_mean", "running_var")]
    home = next((state for state in tensors if isinstance(state, State)), None)
    tracked = isinstance(tensors[2], State)
    if tracked and call.reader.trace.training and not call["training" if kind == "bn" else "use_input_stats"]:
        raise Unsayable(f"`{call.name}` that stays as in evaluation while training")
    if home is None:
        place = call.reader.holder(call.node)
        home = State(f"{place}.weight", call.node.meta["val"], False)
    if call["weight"] is not None:
        _weights(call)
    settings = {"eps": call["eps"], "momentum": call["momentum"], "track": tracked, **_affine(call)}
    return call.layer(kind, home, call.value("input"), **settings)


@TABLE.of("group_norm")
def _group_norm(call: Call) -> Made:
    home = _weights(call) if call["weight"] is not None else None
    settings = {"groups": call["num_groups"], "eps": call["eps"], **_affine(call)}
    return call.layer("gn", home, call.value("input"), **settings)


@TABLE.following("layer_norm", "rms_norm")
def _layer_norm(call: Call) -> Made:
    x = call.type("input")
    if len(call["normalized_shape"]) != 1:
        raise Unsayable(f"`{call.name}` over several axes")
    home = _weights(call) if call["weight"] is not None else None
    settings: dict[str, Any] = {"eps": call["eps"], **along(x, call.axis(-1))}
    if call.name == "rms_norm":
        settings |= _affine(call)
        return call.layer("rmsnorm", home, call.value("input"), **settings)
    settings |= {**_affine(call), **({"bias": False} if home is not None and call["bias"] is None else {})}
    return call.layer("ln", home, call.value("input"), **settings)


@TABLE.of("prelu")
def _prelu(call: Call) -> Made:
    weight = _weights(call)
    slope = weight.tensor.flatten()
    first = float(slope[0]) if bool((slope == slope[0]).all()) else 0.25
    return call.layer("prelu", weight, call.value(), init=short(first), shared=slope.numel() == 1)


@TABLE.of("embedding")
def _embedding(call: Call) -> Made:
    weight = _weights(call)
    if call["scale_grad_by_freq"] or call["sparse"] or call["padding_idx"] >= 0:
        raise Unsayable("an embedding with a padding index, or with gradients of its own kind")
    count, channels = weight.tensor.shape
    return call.layer("embedding", weight, call.value("indices"), count=count, channels=channels)


@TABLE.following("gelu")
def _gelu(call: Call) -> Made:
    return call.make("gelu", **({} if call["approximate"] == "none" else {"approximate": call["approximate"]}))


@TABLE.following("elu")
def _elu(call: Call) -> Made:
    if (call["scale"], call["input_scale"]) != (1, 1):
        raise Unsayable("`elu` with a scale")
    return call.make("elu", alpha=call["alpha"])


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
    rank = int(call.name[-2])
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
