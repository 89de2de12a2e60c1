"""What a network has in it, told before it is applied."""

from __future__ import annotations

from typing import Any

from .values import (
    Block,
    Chain,
    Each,
    Element,
    ExternCall,
    ExternKind,
    Fixed,
    Fresh,
    Frozen,
    Instance,
    Labelled,
    Layer,
    LayerKind,
    Parallel,
    Recompute,
    Repeat,
    Replacement,
    Sequence,
    Shared,
    WithTensors,
)


def replaced(replacements: dict[str, Replacement], value: Any) -> Replacement | None:
    """What stands in the place of a value, if that is a layer without arguments and the arch replaces it."""
    bare = isinstance(value, LayerKind) or (isinstance(value, Layer) and value.bare)
    return replacements.get(value.cls.kind) if bare else None


def has_weights(value: Any, replacements: dict[str, Replacement]) -> bool:
    """Whether applying the value would surely make parameters, where the arch replaces these layers."""
    stack, seen = [value], set()
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        match item:
            case WithTensors():
                stack.append(item.layer)
            case Layer() | LayerKind():
                replacement = replaced(replacements, item)
                if item.cls.has_weights if replacement is None else has_weights(replacement.network, {}):
                    return True
            case Instance() | ExternCall() | Block() | ExternKind():
                return True
            case Fixed():
                if item.op.has_weights:
                    return True
            case Chain() | Parallel():
                stack.extend(item.parts)
            case Sequence():
                stack.extend(item.items)
            case list():
                stack.extend(item)
            case Repeat() | Each() | Labelled() | Frozen() | Fresh() | Recompute() | Shared() | Element():
                stack.append(item.network)
    return False
