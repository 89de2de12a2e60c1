"""Functions that overwrite a tensor, or a part of one: what was overwritten is another tensor from there on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import fx

from .unsayable import Unsayable
from .values import function_name, is_value, shape_of

if TYPE_CHECKING:
    from .reader import Reader


PARTS = ("slice", "select")
"""Functions that give a part of a tensor, in the same memory."""


def overwrite(reader: Reader, at: fx.Node, target: Any, made: Any) -> None:
    """Notes what a call made in the place of a tensor, and of what that is a part of. Raises Unsayable."""
    reader.values[target] = made
    base: Any = target.args[0] if function_name(target) in PARTS else None
    if not isinstance(base, fx.Node) or not any(map(at.__lt__, base.users)):
        return
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
