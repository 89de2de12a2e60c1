"""Checkpoints of an architecture, for what a rewrite made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..ir.graph import Graph, WeightMap
from ..ir.lowering import Program
from .lowerer import computed


def carried(
    state: dict[str, Tensor], graph: Graph | None, fresh: frozenset[str] = frozenset()
) -> tuple[dict[str, Tensor], frozenset[str]]:
    """A checkpoint's tensors as the graph has them, where they are those of an architecture it was rewritten from; and
    the names of those that it has none for, as a rewrite starts them anew, or what they are made of is `fresh`.

    Tensors that no rewrite changed, and those that have their new form already, are left as they are.
    """
    now = dict(graph.tensor_shapes()) if graph is not None and graph.weight_maps else {}
    for weights in graph.weight_maps if graph is not None else ():
        state, fresh = _step(state, fresh, weights, now)
    return state, fresh


def applied(state: Mapping[str, Tensor], weights: WeightMap) -> dict[str, Tensor]:
    """What a map makes of a checkpoint that has every tensor in the form before, names that both use included."""
    made = {n: _run(how.program, [state[source] for source, _ in how.sources]) for n, how in weights.made.items()}
    return {name: tensor for name, tensor in state.items() if name not in weights.gone} | made


def _step(
    state: dict[str, Tensor], fresh: frozenset[str], weights: WeightMap, now: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, Tensor], frozenset[str]]:
    made: dict[str, Tensor] = {}
    begun = {
        name
        for name, shape in weights.fresh.items()
        if name in state and _of_another_head(tuple(state[name].shape), {shape, now.get(name)})
    }
    gone = weights.gone | begun
    for name, how in weights.made.items():
        sources = [source for source, _ in how.sources]
        before = any(source in state and source in weights.gone for source in sources)
        if name in state and name not in sources and not before:
            continue  # it has its new form already
        here = [(source, shape) for source, shape in how.sources if source not in fresh]
        if not all(source in state and tuple(state[source].shape) == shape for source, shape in here):
            continue
        if len(here) == len(sources):
            made[name] = _run(how.program, [state[source] for source in sources])
        else:  # made of a tensor that starts anew, it does too
            begun.add(name)
            gone |= {name}
    kept = {name: tensor for name, tensor in state.items() if name not in gone}
    return kept | made, (fresh - weights.gone) | begun


def _of_another_head(shape: tuple[int, ...], known: set[tuple[int, ...] | None]) -> bool:
    """Whether a tensor that starts anew has none of the shapes that the result gives it, but for its channels."""
    return shape not in known and any(other is not None and shape[1:] == other[1:] for other in known)


def _run(program: Program, tensors: Sequence[Tensor]) -> Tensor:
    (made,) = computed(program, tensors)
    return made
