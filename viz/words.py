"""What layers, numbers and shapes are called in a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..compiler.ir.counts import short
from ..compiler.ir.graph import Graph, Node
from ..compiler.ir.op import Op
from ..compiler.ir.sizes import Size, evaluate
from ..compiler.ops.conv import Conv, Convolution, UpConv
from ..compiler.ops.core import Affine, Extern, Input, Parameter
from ..compiler.ops.linear import Linear
from ..compiler.ops.merge import Add
from ..compiler.ops.pool import AdaptivePool, Pool
from ..compiler.ops.resample import Upsample
from .style import FILLS

LONGEST = 44
"""Characters of a text from a spec that a box shows."""

GLYPHS: dict[str, str] = {"sum": "+", "difference": "−", "signed sum": "±", "multiply": "×"}
"""What stands for a merge, by its name, in a circle; other merges are bars across what they join."""

EXTENTS = frozenset({"kernel", "stride", "size", "sizes", "scale"})
"""Settings whose numbers stand for one extent together, `8×384`; those of other lists are told one by one."""

DEPTHWISE = "dw"
"""What a depthwise convolution is called where room is scarce."""

MAIN = frozenset({"conv", "dense", "attention", "pool", "merge", "io"})


def kind_of(op: Op) -> str:
    """The family that gives a layer its colour."""
    return op.family if op.family in FILLS or op.family in MAIN else "other"


def title_of(op: Op) -> str:
    """What a layer is called."""
    return op.title or op.kind.replace("_", " ")


def merge_name(op: Op) -> str:
    """What a merge is called: its kind, but a sum that subtracts is a "difference" or a "signed sum"."""
    signs = signs_of(op)
    if -1 not in signs:
        return op.kind
    return "difference" if signs == (1, -1) else "signed sum"


def signs_of(op: Op) -> tuple[int, ...]:
    """The signs with which a sum takes its inputs; empty where it adds all of them."""
    return op.signs if isinstance(op, Add) else ()


def label_of(name: str, op: Op) -> str:
    """The name that a spec gives a layer, empty where it tells no more than the layer's kind: `conv1`, `ln_2`."""
    plain = name.rstrip("0123456789").rstrip("_")
    return clipped(name, 18) if plain not in ("", op.kind) else ""


def describe(node: Node, nominal: Mapping[str, int] | None = None) -> str:
    """A layer in a few words: `conv 7×7, 64, stride 2`. Sizes are those for the `nominal` ones of the inputs, as
    along arrows; without these they have symbols."""
    op = node.op.call
    match op:
        case Convolution() | UpConv() | Pool():
            return f"{title_of(op)} {window(op, _space(node))}"
        case AdaptivePool():
            return f"{title_of(op)} {extent(op.size, _space(node))}"
        case Upsample() if op.like or op.size is not None:
            to = [] if op.size is None else [f"to {extent(_at(op.size, nominal), _space(node))}"]
            return f"{title_of(op)} {', '.join([*to, op.mode])}"
        case Affine():
            return _affine(op)
        case Extern() | Parameter() | Input():
            return clipped(op.name)
    return clipped(" ".join([title_of(op), ", ".join(_settings(op, nominal))]).strip())


def _space(node: Node) -> int:
    """The axes of space of a map that a window slides over: the result has those of the input."""
    return node.outputs[0].rank - 2


def window(op: Op, space: int) -> str:
    """A convolution or pooling without its name: `3×3, 64, stride 2`. The stride is told where it is not the usual one:
    1, of pooling and up-convolution the kernel. `space`: axes of space."""
    kernel, channels = getattr(op, "kernel", None), getattr(op, "channels", None)
    told = [extent(kernel, space), *([] if channels is None else [str(channels)])]
    for name, usual in (("stride", 1 if isinstance(op, Convolution) else kernel), ("groups", 1), ("dilation", 1)):
        value = getattr(op, name, None)
        size = "" if value is None else extent(_even(value))
        if size and size != extent(_even(usual)):
            told.append(f"{size} groups" if name == "groups" else f"{name} {size}")
    told += [f"{name} {_plain(getattr(op, name, None))}" for name in ("multiplier", "norm") if _changed(op, name)]
    return ", ".join(told)


def is_depthwise(graph: Graph, node: Node) -> bool:
    """Whether a layer is a convolution of each of several channels by itself."""
    op = node.op.call
    if not isinstance(op, Convolution):
        return False
    channels = graph.type_of(node.inputs[0]).dims[1]
    return isinstance(channels, int) and op.widths(channels)[1] == channels > 1


def is_strided(op: Op) -> bool:
    """Whether a layer takes but some places of a map, by its stride."""
    op = op.call
    if not isinstance(op, (Convolution, Pool)):
        return False
    stride = op.kernel if op.stride is None else op.stride
    return max(stride) > 1 if isinstance(stride, (list, tuple)) else stride > 1


def short_words(node: Node, depthwise: bool = False) -> str:
    """A layer where room is scarce: `3×3, 64`, with a stride `3×3, 64 /2`; depthwise `dw 3×3`."""
    op = node.op.call
    if isinstance(op, Conv) or depthwise:
        stride, dilation = (_even(getattr(op, name, 1)) for name in ("stride", "dilation"))
        told = f" /{extent(stride)}" if stride != 1 else ""
        told += f", dilation {extent(dilation)}" if dilation != 1 else ""
        size = extent(getattr(op, "kernel", None), _space(node))
        return f"{DEPTHWISE} {size}{told}" if depthwise else f"{size}, {getattr(op, 'channels', '')}{told}"
    if isinstance(op, Linear):
        return str(op.units)
    return describe(node).partition(",")[0]


def extent(value: Any, space: int = 1) -> str:
    """The sizes of a window: `3×3` of 3 in two axes of space, `1×7` of [1, 7]."""
    return "×".join(str(v) for v in (value if isinstance(value, (list, tuple)) else [value] * space))


def _even(value: Any) -> Any:
    """One number for a list of equal ones."""
    return value[0] if isinstance(value, (list, tuple)) and len(set(value)) == 1 else value


def _settings(op: Op, nominal: Mapping[str, int] | None) -> Iterator[str]:
    """What a call gives by position, but for what is as usual at its end, then modes and whole numbers that are not as
    usual."""
    given = [(name, _plain(_at(getattr(op, name, None), nominal), name in EXTENTS)) for name in op.positional]
    while given and (not given[-1][1] or _says_nothing(op, given[-1][0])):
        given.pop()
    for place, (name, text) in enumerate(given):
        if text:
            yield text if place == 0 or given[place - 1][1] else f"{name} {text}"
    for name in type(op).model_fields:
        value = getattr(op, name, None)
        if name in (*op.positional, *op.set_by_operators, *op.drawn_parameters) or not _changed(op, name):
            continue
        if isinstance(value, str):
            yield value
        elif isinstance(value, int) and not isinstance(value, bool):
            yield f"{name} {value}"


def _says_nothing(op: Op, name: str) -> bool:
    """Whether a setting is as usual, and the usual is to do nothing: a step of 1, an end of -1, a mode."""
    return not _changed(op, name) and (isinstance(getattr(op, name, None), str) or getattr(op, name, None) in (1, -1))


def _affine(op: Affine) -> str:
    scale, divisor, shift = op.scale, op.divisor, op.shift
    if scale == -1 and divisor == 1 and shift:
        return f"{_number(shift)} − x"
    text = "" if scale == 1 else "−" if scale == -1 and divisor != 1 else f"× {_number(scale)}"
    text += "" if divisor == 1 else f" ÷ {_number(divisor)}"
    text += "" if not shift else f" {'+' if shift > 0 else '−'} {_number(abs(shift))}"
    return text.strip() or "× 1"


def _changed(op: Op, name: str) -> bool:
    return name in type(op).model_fields and getattr(op, name, None) != type(op).model_fields[name].default


def _at(value: Any, nominal: Mapping[str, int] | None) -> Any:
    """A value whose sizes are numbers."""
    if isinstance(value, (list, tuple)):
        return [_at(item, nominal) for item in value]
    return evaluate(value, nominal) if isinstance(value, Size) and nominal is not None else value


def _plain(value: Any, is_extent: bool = False) -> str:
    """A setting: `8×384` of the sizes of one tensor or window, `3, 4` of axes, `[1, 0], [0, 1]` of pairs."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, (list, tuple)):
        items = (f"[{_plain(item)}]" if isinstance(item, (list, tuple)) else _plain(item) for item in value)
        return ("×" if is_extent else ", ").join(items)
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


def printable(text: str) -> str:
    """A text without control characters and lone surrogates."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\u00a0" else " " for c in text)


def clipped(text: str, longest: int = LONGEST) -> str:
    """A text from a spec on one line, without control characters, not longer than a box allows."""
    plain = " ".join(printable(text[: 4 * longest]).split())
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"
