"""What layers, numbers and shapes are called in a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..compiler.ir.counts import short
from ..compiler.ir.op import Op
from ..compiler.ops import registry

LONGEST = 44
"""Characters of a text from a spec that a box shows."""


KINDS: dict[str, str] = {
    **dict.fromkeys(("conv", "dwconv", "upconv"), "conv"),
    "linear": "dense",
    "embedding": "dense",
    **dict.fromkeys(("bn", "gn", "inorm", "ln", "lrn", "rmsnorm", "l2norm"), "norm"),
    **dict.fromkeys(("attention", "sdpa", "matmul"), "attention"),
    **dict.fromkeys(
        ("sum", "multiply", "concat", "mean", "max", "min", "stack", "drop_mean", "freeze_drop_path"), "merge"
    ),
    **dict.fromkeys(("upsample", "grid_sample", "affine_grid"), "resample"),
    **dict.fromkeys(("input", "parameter", "choice"), "io"),
}
ROOMS = {"activation": "activation", "pool": "pool"}
"""The modules of `compiler.ops` whose layers are all of one kind."""

GLYPHS: dict[str, str] = {"sum": "+", "difference": "−", "signed sum": "±", "multiply": "×"}
"""What stands for a merge, by its name."""

MAIN = frozenset({"conv", "dense", "attention", "pool", "merge", "io"})

STOCHASTIC = frozenset({"survive", "drop_mean", "freeze_drop_path", "choice"})
"""What training leaves out at random, or decides that."""

NAMES: dict[str, str] = {
    "bn": "batch norm",
    "gn": "group norm",
    "inorm": "instance norm",
    "ln": "layer norm",
    "lrn": "local response norm",
    "rmsnorm": "RMS norm",
    "l2norm": "L2 norm",
    "gap": "global average pool",
    "gmp": "global max pool",
    "avgpool": "average pool",
    "maxpool": "max pool",
    "adaptive_avgpool": "average pool to",
    "adaptive_maxpool": "max pool to",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leakyrelu": "leaky ReLU",
    "prelu": "PReLU",
    "elu": "ELU",
    "celu": "CELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "dwconv": "depthwise conv",
    "upconv": "up-conv",
    "sdpa": "dot-product attention",
    "drop_mean": "drop-mean",
    "freeze_drop_path": "freeze-drop-path",
    "choice": "choice of",
}


def kind_of(op: Op) -> str:
    """The family that gives a layer its colour."""
    known = KINDS.get(op.kind)
    return known or ROOMS.get(registry.LAYERS.get(op.kind, "").partition(":")[0], "other")


def merge_name(op: Op) -> str:
    """What a merge is called: its kind, but a sum that subtracts is a "difference" or a "signed sum"."""
    signs = signs_of(op)
    if -1 not in signs:
        return op.kind
    return "difference" if signs == (1, -1) else "signed sum"


def signs_of(op: Op) -> tuple[int, ...]:
    """The signs with which a sum takes its inputs; empty where it adds all of them."""
    return tuple(_get(op, "signs") or ()) if op.kind == "sum" else ()


def label_of(name: str, op: Op) -> str:
    """The name that a spec gives a layer, empty where it tells no more than the layer's kind: `conv1`, `ln_2`."""
    plain = name.rstrip("0123456789").rstrip("_")
    return clipped(name, 18) if plain not in ("", op.kind) else ""


def describe(op: Op) -> str:
    """A layer in a few words: `conv 7×7, 64, stride 2`."""
    name = NAMES.get(op.kind, op.kind.replace("_", " "))
    match op.kind:
        case "conv" | "dwconv" | "upconv":
            return f"{name} {window(op)}"
        case "maxpool" | "avgpool" | "lppool":
            return f"{name} {extent(_get(op, 'kernel'))}{_stride(op)}"
        case "adaptive_avgpool" | "adaptive_maxpool":
            return f"{name} {extent(_get(op, 'size'))}"
        case "affine":
            return _affine(op)
        case "extern" | "parameter" | "input":
            return clipped(str(_get(op, "name")))
    values = [_plain(_get(op, field)) for field in op.positional if _changed(op, field)]
    return clipped(" ".join([name, ", ".join(filter(None, values))]).strip())


def window(op: Op) -> str:
    """A convolution without its name: `3×3, 64, stride 2`."""
    parts = [extent(_get(op, "kernel"))]
    if _get(op, "channels") is not None:
        parts.append(str(_get(op, "channels")))
    text = ", ".join(parts) + _stride(op)
    groups, dilation = _get(op, "groups"), _get(op, "dilation")
    if groups not in (None, 1):
        text += f", {groups} groups"
    if dilation not in (None, 1):
        text += f", dilation {extent(dilation, single=True)}"
    return text


def short_words(op: Op) -> str:
    """A layer where room is scarce: `3×3, 64`."""
    if op.kind == "conv":
        return f"{extent(_get(op, 'kernel'))}, {_get(op, 'channels')}"
    if op.kind == "linear":
        return str(_get(op, "units"))
    return describe(op).partition(",")[0]


def extent(value: Any, single: bool = False) -> str:
    """The sizes of a window: `3×3` of 3, `1×7` of [1, 7]."""
    if isinstance(value, (list, tuple)):
        return "×".join(str(v) for v in value)
    return str(value) if single else f"{value}×{value}"


def _stride(op: Op) -> str:
    stride = _get(op, "stride")
    if stride is None or (stride == 1 and op.kind.endswith("conv")) or (op.kind == "upconv" and stride == 2):
        return ""
    return f", stride {extent(stride, single=True)}"


def _affine(op: Op) -> str:
    scale, divisor, shift = (_get(op, name) for name in ("scale", "divisor", "shift"))
    if scale == -1 and divisor == 1 and shift:
        return f"{_number(shift)} − x"
    text = "" if scale == 1 else "−" if scale == -1 and divisor != 1 else f"× {_number(scale)}"
    text += "" if divisor == 1 else f" ÷ {_number(divisor)}"
    text += "" if not shift else f" {'+' if shift > 0 else '−'} {_number(abs(shift))}"
    return text.strip() or "× 1"


def _get(op: Op, name: str) -> Any:
    return getattr(op, name, None)


def _changed(op: Op, name: str) -> bool:
    return name in type(op).model_fields and _get(op, name) != type(op).model_fields[name].default


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, (list, tuple)):
        return "×".join(map(_plain, value))
    return str(value)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def figures(parameters: int, multiply_adds: int) -> str:
    """`9.41 k · 118 M`; `128` where nothing is multiplied and added; empty where there is neither."""
    if not multiply_adds:
        return short(parameters) if parameters else ""
    return f"{short(parameters) if parameters else '–'} · {short(multiply_adds) if multiply_adds else '–'}"


def sizes(shape: Sequence[int]) -> str:
    """A shape without the batch: `64×56×56`."""
    return "×".join(map(str, shape)) or "scalar"


def clipped(text: str, longest: int = LONGEST) -> str:
    """A text from a spec on one line, without control characters, not longer than a box allows."""
    plain = "".join(c if c.isprintable() else " " for c in text[: 4 * longest])
    plain = " ".join(plain.split())
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"
