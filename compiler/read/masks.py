"""What an attention of torch's, written out in functions, masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import fx

from ..ir.graph import Value
from .trace import State
from .values import function_name

if TYPE_CHECKING:
    from .reader import Reader

PASSING = ("to", "alias", "clone", "contiguous")


class Masking(NamedTuple):
    """The tensor that is added to the products of queries and keys, or says which keys are attended to; the calls among
    others that make it; and whether a token attends only to those before it."""

    mask: fx.Node | None
    calls: tuple[fx.Node, ...]
    causal: bool


def masking(nodes: Sequence[fx.Node]) -> Masking:
    """The masking of an attention that is written out in these calls."""
    mask, causal = next(_found(nodes), (None, False))
    inside, wanted = {*nodes}, [] if mask is None else [mask]
    found: set[fx.Node] = set()
    while wanted:
        node = wanted.pop()
        if node in inside and node not in found:
            found.add(node)
            wanted += node.all_input_nodes
            wanted += [user for user in node.users if function_name(user) == "masked_fill_"]
    return Masking(mask, tuple([node for node in nodes if node in found]), causal)


def _found(nodes: Sequence[fx.Node]) -> Iterator[tuple[fx.Node | None, bool]]:
    """The masks of attentions, and whether they are causal."""
    for node in nodes:
        if function_name(node) == "scaled_dot_product_attention":
            mask = _argument(node, 3, "attn_mask")
            yield mask if isinstance(mask, fx.Node) else None, bool(_argument(node, 5, "is_causal"))
        elif function_name(node) == "softmax" and function_name(total := _behind(node.args[0])) == "add":
            parts = [part for part in total.args[:2] if isinstance(part, fx.Node)]
            products = [part for part in parts if function_name(_behind(part)) == "bmm"]
            if len(parts) == 2 and len(products) == 1:
                yield next(part for part in parts if part is not products[0]), False


def _behind(node: Any) -> fx.Node:
    """What a tensor is, whatever hands it on."""
    while function_name(node) in PASSING:
        node = node.args[0]
    return node


def _argument(node: fx.Node, place: int, name: str) -> Any:
    return node.args[place] if place < len(node.args) else node.kwargs.get(name)


def read_mask(reader: Reader, masked: Masking, path: str) -> tuple[Value | None, bool]:
    """The mask of the attention at a path as a tensor of the graph, and whether a token attends only to those before
    it: no mask says that. A mask that no checkpoint has is one of truth values where it takes keys away."""
    state = None if masked.mask is None else reader.trace.state.get(masked.mask)
    if masked.mask is None or state is None or state.kept:
        return None if masked.mask is None else reader.made(masked.mask), masked.causal
    given = state.tensor
    above, _, last = path.rpartition(".")
    name = f"{above}." * bool(above) + (f"mask_{last}" if last.isdigit() else f"{last}_mask")
    if given.is_floating_point() and not bool(((given == 0) | (given == -torch.inf)).all()):
        return reader.tensor(State(name, given, False, False)), masked.causal
    seen = given if given.dtype == torch.bool else given == 0
    while seen.dim() > 2 and seen.shape[0] == 1:
        seen = seen[0]
    if seen.dim() == 2 and seen.shape[0] == seen.shape[1] and torch.equal(seen, torch.ones_like(seen).tril()):
        return None, True
    return reader.tensor(State(name, seen, False, False)), masked.causal
