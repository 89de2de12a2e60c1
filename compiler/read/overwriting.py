"""Functions that overwrite a tensor, or a part of one: what was overwritten is another tensor from there on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import fx

from ..emit.private import schema_of
from .unsayable import Unsayable
from .values import function_name, is_value, shape_of

if TYPE_CHECKING:
    from .reader import Reader


def touched(node: fx.Node) -> Iterator[tuple[fx.Node, bool]]:
    """The tensors that a call of torch's hands on in the same memory, and whether it overwrites them."""
    schema = schema_of(node.target)
    for argument, given in zip(schema.arguments, node.args, strict=False) if schema is not None else ():
        if argument.alias_info is not None and isinstance(given, fx.Node):
            yield given, argument.alias_info.is_write


def overwrites(node: fx.Node) -> bool:
    """Whether a call overwrites a tensor."""
    return any(is_write for _, is_write in touched(node))


def whole_of(node: fx.Node) -> fx.Node | None:
    """The tensor that another is a part of, or is in another shape, in the same memory."""
    call = node if schema_of(node.target) is not None else next(iter(node.all_input_nodes), node)
    return next((source for source, is_write in touched(call) if not is_write and _are_one(source, node)), None)


def _are_one(one: fx.Node, other: fx.Node) -> bool:
    """Whether two tensors are in the same memory; functions such as `reshape` copy what has to be copied."""
    return one.meta["val"].untyped_storage() is other.meta["val"].untyped_storage()


def is_seen(target: fx.Node, at: fx.Node) -> bool:
    """Whether a call behind this one uses a tensor, or what that is a part of."""
    base = whole_of(target)
    return any(map(at.__lt__, target.users)) or (base is not None and is_seen(base, at))


def overwrite(reader: Reader, at: fx.Node, target: Any, made: Any) -> None:
    """Notes what a call made in the place of a tensor, and of what that is a part of. Raises Unsayable."""
    reader.values[target] = made
    base = whole_of(target)
    if base is None or not is_seen(base, at):
        return
    if function_name(target) not in ("slice", "select"):
        name = function_name(target) or function_name(target.args[0])
        raise Unsayable(f"what `{name}` gives of a tensor, overwritten before others use the tensor again")
    whole: Any = reader.values.get(base)
    if not is_value(whole) or not is_value(made):
        raise Unsayable("a part that is overwritten, of a tensor whose batch is no first axis")
    x, shape = reader.graph.type_of(whole), shape_of(base)
    axis = target.args[1] % x.rank
    first, last, step = _places(target, shape[axis])
    if step != 1:
        raise Unsayable("places that are overwritten with others between them")
    if function_name(target) == "select":
        (made,) = reader.apply("unsqueeze", (made,), {"axis": axis}, None)
    settings: dict[str, Any] = {"axis": "channels" if axis == x.channel_axis else axis}
    before = reader.apply("slice", (whole,), settings | {"stop": first}, None) if first else ()
    after = reader.apply("slice", (whole,), settings | {"start": last}, None) if last < shape[axis] else ()
    parts = [*before, made, *after]
    overwrite(reader, at, base, reader.apply("concat", parts, {"axis": axis}, None)[0] if len(parts) > 1 else made)


def _places(part: fx.Node, size: int) -> tuple[int, int, int]:
    """Where a part of a tensor begins and ends along an axis, and how far its places are apart."""
    if function_name(part) == "select":
        index = int(part.args[2]) % size  # type: ignore[arg-type]
        return index, index + 1, 1
    return slice(*part.args[2:]).indices(size)
