"""Functions of torch's that archc has no counterpart of, as torch itself writes them out in simpler ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from ..emit.private import in_simpler_calls, operator_name
from .constants import looked_at
from .inlining import inlined
from .overwriting import is_seen, overwrites, whole_of
from .trace import Trace
from .values import function_name

DEPTH = 6
"""How often what a function is written out in is written out again."""
STOPS = ("detach", "detach_")
"""Functions that hand on what they get, and no gradient back: the language has none."""
Known = Callable[[str], Any]


def write_out(trace: Trace, known: Known) -> None:
    """Replaces the calls of functions that are not `known` by calls of known ones, as far as torch writes them so."""
    later = dict.fromkeys(trace.nodes)
    replaced: dict[fx.Node, fx.Node] = {}
    nodes: list[fx.Node] = []
    for node in trace.nodes:
        del later[node]
        if node in replaced:
            continue
        written = _written(node, known, DEPTH) if _is_unknown(node, known) else None
        if written is None:
            nodes.append(node)
            continue
        new, results = inlined(node, written, node.all_input_nodes)
        if overwrites(node):
            node.args[0].replace_all_uses_with(results[node], later.__contains__)  # type: ignore[union-attr]
        elif not node.users:
            node.args, node.kwargs = (), {}  # it uses nothing any more
        replaced |= results
        nodes += new
    trace.nodes[:] = nodes
    trace.outputs[:] = [(path, replaced.get(old, old)) for path, old in trace.outputs]


def _is_unknown(node: fx.Node, known: Known) -> bool:
    name = function_name(node)
    return name is not None and known(name) is None


def _written(node: fx.Node, known: Known, depth: int) -> fx.Graph | None:
    """The graph of known calls that a call comes to, None where there is none."""
    op: Any = node.target
    sources = node.all_input_nodes
    values = [value for source in sources if isinstance(value := source.meta.get("val"), Tensor)]
    stays = torch.Tag.nondeterministic_seeded in op.tags or operator_name(op) in STOPS
    whole = whole_of(node.args[0]) if overwrites(node) else None  # type: ignore[arg-type]
    if whole is not None and is_seen(whole, node):
        return None  # the whole changes too
    if not depth or stays or len(values) < len(sources):
        return None

    def call(function: Callable[..., Any], *tensors: Tensor) -> Any:
        given = dict(zip(sources, tensors, strict=True))
        return function(*fx.map_arg(node.args, given.get), **fx.map_arg(dict(node.kwargs), given.get))

    try:
        made = in_simpler_calls(_pure(op), call, values)
    except Exception:  # torch's own, in whatever way it fails: the call stays
        return None
    if made is None or any(inner.op == "get_attr" for inner in made.graph.nodes):
        return None
    _flatten_tuples(made.graph)
    for inner in list(made.graph.nodes):
        if inner.op == "call_function" and _is_unknown(inner, known) and looked_at(inner):
            written = None if inner.target is op else _written(inner, known, depth - 1)
            if written is None:
                return None
            _, results = inlined(inner, written, inner.all_input_nodes)
            for old in dict.fromkeys([*results, inner]):
                made.graph.erase_node(old)
    return made.graph


def _flatten_tuples(graph: fx.Graph) -> None:
    """Takes out what only puts tensors side by side."""
    for node in list(graph.nodes):
        if node.op == "call_function" and isinstance(node.target, type):
            parts = node.args[0] if isinstance(node.args[0], tuple | list) else node.args
            for user in list(node.users):
                if user.op == "output":
                    user.args = (tuple(parts),)
                else:
                    user.replace_all_uses_with(parts[user.args[1]])
                    graph.erase_node(user)
            graph.erase_node(node)


def _pure(op: Any) -> Any:
    """The function that does the same and overwrites nothing."""
    name = (operator_name(op) or "").removesuffix("_")
    return getattr(getattr(torch.ops.aten, name), op._overloadname) if op._schema.is_mutable else op
