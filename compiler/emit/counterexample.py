"""Weights and inputs that tell two architectures apart."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, Diagnostic
from ..compare.equivalence import Equivalence, renaming
from ..compare.equivalence_classes import MOST_UNCOUNTED, counted, exclusions
from ..compare.equivalence_fields import Separation, separations
from ..ir.graph import Graph
from ..ir.sizes import Size
from .carry import applied
from .check import make_inputs, named, wanted
from .checkpoint import Source, precision
from .fx import to_graph_module
from .weights import load_weights, save_state

TELLING = 1e-10
"""Of the largest number, what a difference must be to be none of rounding."""
AMPLITUDES = (1e2, 1e6)
NUDGE, STEADY = 2.0**-13, 0.05
"""By how much an amplitude is changed, and by how much an effect then may, as shares."""
MIXED, GAIN = -0.5, 4.0
"""The share of odd channels in even ones, and the other way round, where these come from other ends of kernels; and by
what such kernels are multiplied."""
MINOR = 0.1
"""What the other places of kernels count beside the ends."""
IMAGE = 4
"""Up to so many channels are those of an image, of which every channel takes all."""
TRIES = 4
"""Separations that are tried out."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """What shows that two architectures are not the same.

    `kind` is

    - "by name": with the same `weights` in both, `inputs["x"]` gives `outputs["before"]` and `outputs["after"]`.
    - "sees": `inputs["x"]` and `inputs["x + u"]` differ in one row alone, and `outputs` of the architecture that has
      the `weights` differ at a place where those of the other, with any weights, are the same.
    - "joins": `inputs` are "x", "x + u", "x + v" and "x + u + v", which change one row, another, and both. With any
      weights of the other architecture f(x + u + v) - f(x + u) - f(x + v) + f(x) is zero, and here it is not.
    - "curves": `inputs` are "x - u", "x - u / 8", "x", "x + u / 8" and "x + u". The second difference becomes 64 times
      smaller with u, which it does for no function that is piecewise linear, as the other architecture is.
    - "bends": likewise, and it becomes 8 times smaller, which it does for no function that is analytic there.
    - "moves": the outputs for `inputs` "x0", "x1", ... have a Jacobian by the weights of a rank that is higher than the
      number of weights that the other architecture has. `size` is that of the singular value that shows it.
    - "spans": the outputs for `inputs` "x0", "x1", ... are linearly independent, and so many of the other's never are.

    `architecture` is the name of the one that has the weights, and `side` which it is, "before", "after" or "both".
    Inputs and outputs are tuples of tensors, of type float64; the module is in evaluation. `size` is the difference,
    as a share of the largest number.
    """

    kind: str
    side: str
    architecture: str
    explanation: str
    size: float
    weights: dict[str, Tensor]
    inputs: dict[str, tuple[Tensor, ...]]
    outputs: dict[str, tuple[Tensor, ...]]

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name: `weights/...`, `inputs/x/0`, `outputs/x/0`."""
        found = {f"weights/{name}": tensor for name, tensor in self.weights.items()}
        for word, cases in (("inputs", self.inputs), ("outputs", self.outputs)):
            for case, values in cases.items():
                found.update({f"{word}/{case}/{i}": value for i, value in enumerate(values)})
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes `tensors()`: as safetensors where the name ends so, else as a torch file. Raises ArchError (E0805)."""
        save_state(self.tensors(), path, {"kind": self.kind, "side": self.side, "explanation": self.explanation})


def refuted(found: Equivalence) -> Equivalence:
    """The same, with what running the two shows: that they differ with the same checkpoint, or for any weights. What is
    small is run before anything is counted."""
    if found.verdict == "undecided" and not found.sizes:
        example = next(_examples(found), None)
        if example is not None:
            by_name = False if found.namesakes else None
            reason = example.explanation
            return replace(found, verdict="different", reason=reason, by_name=by_name, counterexample=example)
        found = counted(found) if found.layers <= MOST_UNCOUNTED else found
    if found.namesakes and found.by_name is None:
        example = _by_name(found)
        if example is not None:
            found = replace(found, by_name=False, counterexample=example)
    return found


def _examples(found: Equivalence) -> Iterator[Counterexample]:
    """What shows that no weights make one of the other: first what is cheap to run."""
    from .counterexample_classes import excluded

    excluding = list(exclusions(found.before, found.after))
    classes = [exclusion for exclusion in excluding if not exclusion.bound]
    tried = chain(
        (partial(excluded, found, exclusion) for exclusion in classes),
        (partial(_separated, found, one) for one in islice(separations(found.before, found.after), TRIES)),
        (partial(excluded, found, exclusion) for exclusion in excluding if exclusion.bound),
    )
    yield from (example for one in tried if (example := one()) is not None)


def has_map(found: Equivalence, after: Graph) -> None:
    """Raises ArchError (E0860) where no map of weights leads to this architecture."""
    if found.weights is None or found.after is not after:
        message = f"no map of weights leads from {found.before.name} to {after.name}: {found.reason}"
        if found.weights is not None:
            message = f"this map of weights leads to {found.after.name}, another architecture than this {after.name}"
        raise ArchError([Diagnostic("E0860", message, hints=("`archc equiv A B` says what is proved of two",))])


def carried_over(found: Equivalence, after: Graph, source: Source) -> dict[str, Tensor]:
    """A checkpoint of B made of one of A. Raises ArchError (E0860, and what loading into A raises)."""
    has_map(found, after)
    assert found.weights is not None
    module = to_graph_module(found.before, device="cpu", dtype=precision(source), seed=0, externs=None)
    load_weights(module, source, found.before)
    return applied(module.state_dict(), found.weights)


def distance_between(found: Equivalence, source: Source, made: Mapping[str, Tensor]) -> float | None:
    """By how much of the largest number the two differ, A with a checkpoint and B with what was made of it: run in
    evaluation and float64 at the usual sizes. None where a layer's code is the host's."""
    modules = [_module(graph) for graph in (found.before, found.after)]
    if modules[0] is None or modules[1] is None:
        return None
    load_weights(modules[0], source, found.before)
    load_weights(modules[1], made, found.after)
    x = tuple(make_inputs(found.before, {**found.before.nominal, **found.sizes}, "cpu", torch.float64))
    one, other = _run(modules[0], found.before, x), _run(modules[1], found.after, x)
    largest = max(a.abs().max().item() for a in one) or 1.0
    return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True)) / largest


# --- the same checkpoint in both -------------------------------------------------------------------------


def _by_name(found: Equivalence) -> Counterexample | None:
    """A checkpoint and an input for which the two differ."""
    graphs, names = (found.before, found.after), renaming(found.before, found.after)
    one = {**found.before.nominal, **found.sizes}
    other = {name: one.get(names[name], size) for name, size in found.after.nominal.items()}
    if found.before.requirements.violations(one) or found.after.requirements.violations(other):
        return None
    modules = [_module(graph) for graph in graphs]
    if modules[0] is None or modules[1] is None:
        return None
    _random(modules[0], torch.Generator().manual_seed(0))
    state = {name: tensor.clone() for name, tensor in modules[0].state_dict().items()}
    modules[1].load_state_dict(state)
    x = tuple(make_inputs(found.before, one, "cpu", torch.float64))
    outputs = [_run(module, graph, x) for module, graph in zip(modules, graphs, strict=True)]  # type: ignore[arg-type]
    if any(a.shape != b.shape for a, b in zip(*outputs, strict=True)):
        return None
    size = max(_share(a - b, (a, b)) for a, b in zip(*outputs, strict=True))
    if not size > TELLING:
        return None
    text = "with the same weights and the same input their outputs differ"
    cases = {"before": outputs[0], "after": outputs[1]}
    return Counterexample("by name", "both", found.before.name, text, size, state, {"x": x}, cases)


def _module(graph: Graph) -> nn.Module | None:
    """The module in evaluation, in float64; None where a layer's code is the host's."""
    try:
        return to_graph_module(graph, device="cpu", dtype=torch.float64, seed=0, externs=None).eval()
    except ArchError:
        return None


def _random(module: nn.Module, generator: torch.Generator) -> None:
    """Draws all that starts as zeros or ones too, running statistics included."""
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point() and tensor.dim() < 2:
                tensor.add_(torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) / 2)


def _run(module: nn.Module, graph: Graph, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The outputs in order."""
    with torch.no_grad():
        return tuple(named(graph, module(*inputs), training=False).values())


def run_all(module: nn.Module, graph: Graph, cases: list[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
    """The outputs for each of several inputs: in one batch, where the architecture leaves its size open."""
    batches = [entry.type.dims[0] for entry in graph.inputs]
    values = [value for _, value in wanted(graph, training=False)]
    first = batches[0]
    name = first.name if isinstance(first, Size) else None
    free = name is not None and name not in graph.requirements.symbols() and cases[0][0].shape[0] == 1
    if not free or any(d != first for d in (*batches, *(graph.type_of(v).dims[0] for v in values))):
        return [_run(module, graph, case) for case in cases]
    joined = _run(module, graph, tuple(torch.cat(same) for same in zip(*cases, strict=True)))
    return [tuple(output[i : i + 1] for output in joined) for i in range(len(cases))]


def _share(difference: Tensor, values: tuple[Tensor, ...]) -> float:
    """A difference as a share of the largest number; 0 where something is not finite."""
    largest = max(value.abs().max().item() for value in values)
    share = difference.abs().max().item() / largest if largest else 0.0
    return share if share <= 4 else 0.0


# --- any weights -------------------------------------------------------------------------------------------


def _separated(found: Equivalence, separation: Separation) -> Counterexample | None:
    """Weights of one architecture with which it does what the other one never does."""
    for module in modules_of((found.after, found.before)[separation.never], separation.axis):
        for amplitude in AMPLITUDES:
            example = _tried(found, separation, module, amplitude)
            if example is not None:
                return example
    return None


def modules_of(graph: Graph, axis: int | None = None, as_start: bool = False) -> Iterator[nn.Module]:
    """Modules that pass signals far: from the ends of their kernels along an axis; with weights that take means, and
    thresholds; then as they start, or these first."""
    ways = (True, True), (False, True), (False, False)
    for ends, means in reversed(ways) if as_start else ways:
        module = _module(graph) if axis is not None or not ends else None
        if module is None:
            continue
        generator = torch.Generator().manual_seed(0)
        if means:
            _take_means(module, generator)
        else:
            _random(module, generator)
        if ends and axis is not None:
            _take_ends(module, axis)
        yield module


def _take_ends(module: nn.Module, axis: int) -> None:
    """Makes even channels those of the first places of kernels, odd ones those of the last, and either less a share of
    the other. Across the axis kernels take their middle. They count more than what goes past them."""
    with torch.no_grad():
        for weight in module.parameters():
            extents = weight.shape[2:]
            if weight.dim() <= axis:
                continue
            shown = torch.full_like(weight, MINOR * GAIN * extents.numel())
            middle: list[Any] = [slice(None), slice(None), *(extent // 2 for extent in extents)]
            for first, place in ((0, 0), (1, -1)):
                middle[0], middle[axis] = slice(first, None, 2), place
                shown[tuple(middle)] = GAIN * extents.numel()
            weight.mul_(shown)
            if weight.shape[1] > IMAGE:
                weight[0::2, 1::2] *= MIXED
                weight[1::2, 0::2] *= MIXED


def _take_means(module: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            last = name.rpartition(".")[2]
            if not tensor.is_floating_point():
                continue
            if tensor.dim() > 1:
                tensor.uniform_(0.5, 1.5, generator=generator).div_(tensor[0].numel())
            elif last in ("bias", "beta"):
                tensor.copy_(-torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype))
            elif last == "running_mean":
                tensor.zero_()
            elif last in ("running_var", "gamma") or "weight" in last:
                tensor.fill_(1.0)


def _tried(found: Equivalence, separation: Separation, module: nn.Module, amplitude: float) -> Counterexample | None:
    """What a change of the rows by so much shows. An effect changes little where the amplitude does; errors of rounding
    are others then."""
    side = 1 - separation.never
    graph = (found.before, found.after)[side]
    cases, outputs = _probed(module, graph, separation, amplitude)
    effects = _effects(outputs, separation)
    size = max(_share(effect, tuple(case[i] for case in outputs.values())) for i, effect in effects.items())
    if not size > TELLING:
        return None
    again = _effects(_probed(module, graph, separation, amplitude * (1 + NUDGE))[1], separation)
    if any((again[i] - effect).abs().max() > STEADY * effect.abs().max() for i, effect in effects.items()):
        return None
    kind = "joins" if len(separation.rows) > 1 else "sees"
    word, name = side_of(found, separation.never)
    text = _explained(separation, graph, "AB"[side], "AB"[separation.never])
    return Counterexample(kind, word, name, text, size, dict(module.state_dict()), cases, outputs)


def side_of(found: Equivalence, never: int) -> tuple[str, str]:
    """The side that is not `never`, and its architecture's name."""
    side = 1 - never
    return ("before", "after")[side], (found.before.name, found.after.name)[side]


Cases = dict[str, tuple[Tensor, ...]]


def _probed(module: nn.Module, graph: Graph, separation: Separation, amplitude: float) -> tuple[Cases, Cases]:
    """The inputs with one row changed, the other, and both; and the outputs."""
    sizes = separation.sizes[1 - separation.never]
    start = tuple(torch.zeros_like(x) for x in make_inputs(graph, sizes, "cpu", torch.float64))
    cases = {"x": start, "x + u": _changed(start, separation, separation.rows[:1], amplitude)}
    if len(separation.rows) > 1:
        cases["x + v"] = _changed(start, separation, separation.rows[1:], amplitude)
        cases["x + u + v"] = _changed(start, separation, separation.rows, amplitude)
    return cases, dict(zip(cases, run_all(module, graph, list(cases.values())), strict=True))


def _changed(start: tuple[Tensor, ...], separation: Separation, rows: tuple[int, ...], amplitude: float) -> Any:
    """The inputs with some rows set."""
    found = list(start)
    changed = found[separation.input].clone()
    for row in rows:
        changed.select(separation.axis, row).fill_(amplitude)
    found[separation.input] = changed
    return tuple(found)


def _effects(outputs: Cases, separation: Separation) -> dict[int, Tensor]:
    """By the number of the output: what two changes do together beyond what each does alone, or what the one change
    does at the place in question."""
    if len(separation.rows) > 1:
        each = zip(*(outputs[case] for case in ("x", "x + u", "x + v", "x + u + v")), strict=True)
        return {i: both - u - v + x for i, (x, u, v, both) in enumerate(each)}
    x, u = (outputs[case][separation.output] for case in ("x", "x + u"))
    if separation.along:
        x, u = (value.select(separation.along, separation.place) for value in (x, u))
    return {separation.output: u - x}


def _explained(separation: Separation, graph: Graph, has: str, lacks: str) -> str:
    given = graph.inputs[separation.input]
    sizes = separation.sizes["AB".index(has)].items()
    shown = ", ".join(f"{name} = {size}" for name, size in sizes if name != "N")
    where = f"with {shown}, " if shown else ""
    at = f" of {given.name}" if len(graph.inputs) > 1 else ""
    axis = ("batch", "channel", "row", "column", "slice")[separation.axis]
    if len(separation.rows) == 1:
        place = f"place {separation.place} of its output" if separation.along else "its output"
        return f"{where}{place} depends on {axis} {separation.rows[0]}{at} in {has}, and never in {lacks}"
    pair = f"{axis}s {separation.rows[0]} and {separation.rows[1]}{at}"
    return f"{where}{has} can respond to {pair} together, and {lacks} never does: it responds to each alone"
