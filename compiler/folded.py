"""Whether two architectures are the same function in evaluation where it takes arithmetic on weights: with batch norms
folded into the layers before them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..dsl.garbage import uncollected
from .compare.checkpoint_names import COUNTER
from .compare.equivalence import Equivalence
from .compare.equivalence import equivalence as compared
from .ir.graph import Carried, Graph, Node, WeightMap, tensor_name
from .ir.lowering import In, Name, Program, Step, function
from .ops.norm import BatchNorm
from .passes.fold import FoldBatchNorm


def equivalence(before: Graph, after: Graph, sizes: dict[str, int] | None = None) -> Equivalence:
    """Compares them as they are, then with batch norms folded. Raises ValueError as the comparison does."""
    with uncollected():
        return _equivalence(before, after, sizes)


def _equivalence(before: Graph, after: Graph, sizes: dict[str, int] | None) -> Equivalence:
    found = compared(before, after, sizes)
    if found.verdict != "undecided":
        return found
    one, other = map(_folded, (before, after))
    if one is before and other is after:
        return found
    again = compared(one, other, sizes, training=False)
    if not again:
        return found
    assert again.weights is not None
    steps = [*one.weight_maps[len(before.weight_maps) :], again.weights]
    if other is not after:
        steps.append(_unfolded(other.weight_maps[-1], after))
    reason = "with batch norms folded into the layers before them they are the same expressions of their weights"
    weights = _chained(before, after, steps)
    return replace(again, before=before, after=after, reason=reason, weights=weights, by_name=None, folded=True)


def _folded(graph: Graph) -> Graph:
    """The graph with norms folded, which can be as many functions as before: each layer gets its own bias, as a norm
    that is applied more than once would not give."""
    norms = [node.owner for node in graph.nodes if isinstance(node.op, BatchNorm)]
    if not norms or len(set(norms)) < len(norms):
        return graph
    return FoldBatchNorm.wherever_exact(graph)[0]


def _unfolded(fold: WeightMap, graph: Graph) -> WeightMap:
    """How a checkpoint of the folded graph becomes one of the graph: with norms that add the bias alone."""
    norms = {node.path: node for node in graph.nodes if isinstance(node.op, BatchNorm)}
    made: dict[str, Carried] = {}
    for name, how in fold.made.items():
        if name.rpartition(".")[2] != "bias":
            continue
        sources = dict(how.sources)
        path = next(source for source in sources if source.endswith("running_var")).rpartition(".")[0]
        made |= _idle(norms[path], name, sources)
        if name in sources:
            made[name] = _filled(name, sources[name], 0.0)
    return WeightMap(made, frozenset(fold.made.keys() - graph.tensor_shapes().keys()))


def _idle(norm: Node, bias: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, Carried]:
    """The tensors of a norm that adds a bias."""
    op = norm.op
    assert isinstance(op, BatchNorm)
    shape = shapes[tensor_name(norm.path, "running_var")]
    given, zeros = Carried(((bias, shape),), Program((In(0),))), _filled(bias, shape, 0.0)
    negative = Carried(((bias, shape),), Program((function("operator.neg", In(0)),)))
    found = {
        "running_var": _filled(bias, shape, 1 - op.eps),
        "running_mean": zeros if op.affine else negative,
        COUNTER: Carried((), Program((function("torch.zeros", [], dtype=Name("torch.int64")),))),
    }
    if op.affine:
        found |= {"weight": _filled(bias, shape, 1.0), "bias": given}
    return {tensor_name(norm.path, name): how for name, how in found.items()}


def _filled(bias: str, shape: tuple[int, ...], value: float) -> Carried:
    """One number everywhere, as exact as the bias."""
    return Carried(((bias, shape),), Program((function("torch.full_like", In(0), value),)))


# --- maps, one after the other ---------------------------------------------------------------------------


def _chained(before: Graph, after: Graph, steps: list[WeightMap]) -> WeightMap:
    """Several maps of weights as one."""
    have = before.tensor_shapes()
    state = {name: Carried(((name, shape),), Program((In(0),))) for name, shape in have.items()}
    for step in steps:
        made = {name: _of(how, state) for name, how in step.made.items()}
        state = {name: how for name, how in state.items() if name not in step.gone} | made
    wanted = after.tensor_shapes()
    made = {name: state[name] for name, shape in wanted.items() if not _same(name, shape, state[name])}
    return WeightMap(made, frozenset(have.keys() - wanted.keys()))


def _same(name: str, shape: tuple[int, ...], how: Carried) -> bool:
    return how.sources == ((name, shape),) and how.program.results == (In(0),)


def _of(how: Carried, state: dict[str, Carried]) -> Carried:
    """How a tensor is made of those that its sources are made of."""
    sources: dict[tuple[str, tuple[int, ...]], int] = {}
    inputs = []
    for name, _ in how.sources:
        places = [In(sources.setdefault(source, len(sources))) for source in state[name].sources]
        inputs.append(_put(state[name].program.results[0], places, {}))
    return Carried(tuple(sources), Program((_put(how.program.results[0], inputs, {}),)))


def _put(part: Any, inputs: list[Any], known: dict[int, Step]) -> Any:
    """An argument with its inputs put in; what is computed once stays one step."""
    if isinstance(part, In):
        return inputs[part.index]
    if isinstance(part, (list, tuple)):
        return type(part)(_put(item, inputs, known) for item in part)
    if isinstance(part, Step):
        if id(part) not in known:
            kwargs = {name: _put(value, inputs, known) for name, value in part.kwargs.items()}
            known[id(part)] = replace(part, args=_put(part.args, inputs, known), kwargs=kwargs)
        return known[id(part)]
    return part
