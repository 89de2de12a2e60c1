"""Layers that are applied to the rows of a tensor, `x.view(-1, c)`, as layers of the tensor."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import fx

from .aten import ALIKE, SAME
from .rearranging import SHAPES
from .trace import Trace
from .values import function_name, shape_of

Shape = tuple[int, ...]
RESHAPE = torch.ops.aten.reshape.default
ALONG_ROWS = frozenset(("linear", "dropout", "leaky_relu", "elu", "celu", "gelu", *ALIKE.split(), *SAME.split()))
"""Functions that treat each row alike, whatever stands before the last axis."""


def apply_to_whole(trace: Trace) -> None:
    """Has calls that join axes to rows, and those that take these apart again, leave these axes as they are, where
    nothing but layers of rows is between. Where the batch is not the first of them no spec has what they join."""
    gone: set[fx.Node] = set()
    returned = {made for _, made in trace.outputs}
    for node in [node for node in trace.nodes if function_name(node) in SHAPES]:
        found = None if node in gone else _between(node, returned)
        if found is None:
            continue
        lead, layers, back = found
        source: Any = node.args[0]
        for each in (node, *layers):
            value = each.meta["val"]
            each.meta["val"] = value.reshape(*lead, value.shape[-1])
        node.target, node.args, node.kwargs = RESHAPE, (source, list(shape_of(node))), {}
        back.replace_all_uses_with(layers[-1])
        if back in returned:
            trace.outputs[:] = [(path, layers[-1] if made is back else made) for path, made in trace.outputs]
            returned.add(layers[-1])
        back.graph.erase_node(back)
        gone.add(back)
    trace.nodes[:] = [node for node in trace.nodes if node not in gone]


def _between(node: fx.Node, returned: set[fx.Node]) -> tuple[Shape, list[fx.Node], fx.Node] | None:
    """For a call that joins axes to rows: these axes, the layers behind it, and the call that takes the axes apart."""
    have, shape = shape_of(node.args[0]), shape_of(node)  # type: ignore[arg-type]
    ends = [end for end in range(2, len(have)) if (prod(have[:end]), prod(have[end:])) == shape]
    layers: list[fx.Node] = []
    while ends:
        at = layers[-1] if layers else node
        user = next(iter(at.users), None)
        if user is None or len(at.users) > 1 or at in returned or user.args[0] is not at:
            return None
        if function_name(user) in SHAPES:
            lead = next((have[:end] for end in ends if shape_of(user) == (*have[:end], shape_of(at)[-1])), None)
            return (lead, layers, user) if layers and lead is not None else None
        if function_name(user) not in ALONG_ROWS:
            return None
        layers.append(user)
    return None
