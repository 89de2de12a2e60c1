"""Weights and inputs that show a function to be none of those that an architecture can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..compare.equivalence import Equivalence
from ..compare.equivalence_classes import Exclusion
from .check import make_inputs, named
from .counterexample import TELLING, Cases, Counterexample, modules_of, run_all, side_of

STEPS = 16
"""Into how many equal parts a line is divided, to find where a function bends most."""
ZOOMS = 9
FINE = 8
"""How much smaller the second of two changes is. A second difference becomes so much smaller at a kink, and the square
of it where the function is analytic."""
CLOSE = 0.2
"""By how much of its value a share may be off."""
ROWS = 1.25
"""How many times as many outputs, and weights, are looked at as must be independent."""
REACHES = (1.0, 16.0, 256.0)
SMALL = 0.2
"""By what scales and shifts are multiplied at first, so that numbers stay small and gates are not saturated."""
LENGTHS = (0.5, 2.0**-4, 2.0**-7)


def excluded(found: Equivalence, exclusion: Exclusion) -> Counterexample | None:
    """Weights with which one architecture is what the other one never is."""
    shown = {"curves": _curved, "bends": _bent, "spans": _spanning, "moves": _moving}[exclusion.kind]
    graph = (found.after, found.before)[exclusion.never]
    sizes = exclusion.sizes[1 - exclusion.never]
    for module in modules_of(graph, as_start=exclusion.kind == "bends"):
        for cases, outputs, size in shown(_Runner(module, graph, sizes), exclusion):
            side, name = side_of(found, exclusion.never)
            text = _explained(exclusion, graph)
            return Counterexample(exclusion.kind, side, name, text, size, dict(module.state_dict()), cases, outputs)
    return None


class _Runner:
    """A module at some sizes, along a line through its inputs."""

    def __init__(self, module: nn.Module, graph: Any, sizes: dict[str, int]):
        self.module, self.graph = module, graph
        start = tuple(make_inputs(graph, sizes, "cpu", torch.float64))
        generator = torch.Generator().manual_seed(1)
        self.start = start
        self.along = tuple(torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in start)

    def at(self, *places: float) -> list[tuple[Tensor, ...]]:
        return [tuple(x + place * u for x, u in zip(self.start, self.along, strict=True)) for place in places]

    def drawn(self, count: int) -> Cases:
        """Several inputs."""
        generator = torch.Generator().manual_seed(2)
        shapes = [x.shape for x in self.start]
        draw = (tuple(torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes) for _ in range(count))
        return {f"x{i}": inputs for i, inputs in enumerate(draw)}

    def run(self, cases: list[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return run_all(self.module, self.graph, cases)

    def line(self, *places: float) -> Tensor:
        """The outputs at places of the line, each as a vector."""
        return torch.stack([torch.cat([y.flatten() for y in output]) for output in self.run(self.at(*places))])

    def probe(self, middle: float, change: float) -> tuple[Cases, Cases]:
        """The line around a place: with a change u, and with one that is smaller."""
        names = ("x - u", "x - u / 8", "x", "x + u / 8", "x + u")
        places = [middle + change * share for share in (-1, -1 / FINE, 0, 1 / FINE, 1)]
        cases: Cases = dict(zip(names, self.at(*places), strict=True))
        return cases, dict(zip(names, self.run([*cases.values()]), strict=True))


def _shrinks(outputs: Cases) -> tuple[float, float]:
    """The second difference for the smaller change, as a share of the largest number; and of that for the larger."""
    near, far, x, after, beyond = (torch.cat([y.flatten() for y in output]) for output in _ordered(outputs))
    small, large = near - 2 * x + after, far - 2 * x + beyond
    place = large.abs().argmax()
    largest = max(value.abs().max().item() for value in (near, far, x, after, beyond)) or 1.0
    return abs(small[place].item()) / largest, (small[place] / large[place]).item() if large[place] else 0.0


def _ordered(outputs: Cases) -> Iterator[tuple[Tensor, ...]]:
    for name in ("x - u / 8", "x - u", "x", "x + u / 8", "x + u"):
        yield outputs[name]


Shown = Iterator[tuple[Cases, Cases, float]]


def _curved(runner: _Runner, exclusion: Exclusion) -> Shown:
    """Where second differences shrink with the square of the change, as those of no piecewise linear function do.

    Kinks that lie close would look the same. So weights and inputs are positive, where `relu` and its kin have none.
    """
    runner.start = tuple(torch.ones_like(x) for x in runner.start)
    runner.along = tuple(torch.ones_like(x) for x in runner.start)
    for scale in (SMALL, 1 / SMALL):
        with torch.no_grad():
            for name, tensor in (*runner.module.named_parameters(), *runner.module.named_buffers()):
                if tensor.is_floating_point():
                    tensor.abs_().mul_(1.0 if tensor.dim() > 1 or "running" in name else scale)
        for length in LENGTHS:
            cases, outputs = runner.probe(0.0, length)
            size, share = _shrinks(outputs)
            again = _shrinks(runner.probe(0.0, length / FINE)[1])
            if again[0] > TELLING and all(abs(x * FINE**2 - 1) < CLOSE for x in (share, again[1])):
                yield cases, outputs, size


def _bent(runner: _Runner, exclusion: Exclusion) -> Shown:
    """Where a second difference shrinks as the change does, as no analytic function's does."""
    for reach in REACHES:
        middle = 0.0
        for _ in range(ZOOMS):
            step = 2 * reach / STEPS
            values = runner.line(*(middle - reach + step * i for i in range(STEPS + 1)))
            bends = values.diff(4, dim=0).abs().amax(1)  # at a kink much larger than anywhere else
            middle, reach = middle - reach + step * (int(bends.argmax()) + 2), 2 * step
        cases, outputs = runner.probe(middle, 4 * FINE * reach)
        size, share = _shrinks(outputs)
        if size > TELLING and abs(share * FINE - 1) < CLOSE:
            yield cases, outputs, size


def _spanning(runner: _Runner, exclusion: Exclusion) -> Shown:
    """More outputs that are linearly independent than there can be."""
    cases = runner.drawn(exclusion.bound + 1)
    outputs = runner.run([*cases.values()])
    size = _least_share(torch.stack([output[0].flatten() for output in outputs]), len(cases))
    if size > TELLING:
        yield cases, dict(zip(cases, outputs, strict=True)), size


def _moving(runner: _Runner, exclusion: Exclusion) -> Shown:
    """Outputs that weights move in more directions than the other architecture has weights."""
    each = sum(y.numel() for y in runner.run([runner.start])[0])
    cases = runner.drawn(int(exclusion.bound * ROWS // each) + 1)
    weights: list[Tensor] = []
    for weight in sorted(runner.module.parameters(), key=Tensor.numel):
        if sum(map(Tensor.numel, weights)) <= ROWS * exclusion.bound:
            weights.append(weight)
    found = [named(runner.graph, runner.module(*inputs), training=False).values() for inputs in cases.values()]
    rows = [_gradient(y, weights) for outputs in found for output in outputs for y in output.flatten()]
    size = _least_share(torch.stack(rows), exclusion.bound + 1)
    if size > TELLING:
        yield cases, dict(zip(cases, runner.run([*cases.values()]), strict=True)), size


def _gradient(value: Tensor, weights: list[Tensor]) -> Tensor:
    found = torch.autograd.grad(value, weights, retain_graph=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in found])


def _least_share(matrix: Tensor, rank: int) -> float:
    """The singular value that shows a rank, as a share of the largest."""
    singular = torch.linalg.svdvals(matrix)
    return (singular[rank - 1] / singular[0]).item() if len(singular) >= rank and singular[0] else 0.0


def _explained(exclusion: Exclusion, graph: Any) -> str:
    has, lacks = "BA"[exclusion.never], "AB"[exclusion.never]
    if exclusion.kind == "curves":
        return f"{has} is curved for some weights, and {lacks} is piecewise linear for all"
    if exclusion.kind == "bends":
        return f"{has} has kinks for some weights, and {lacks} is analytic for all"
    count = exclusion.bound
    if exclusion.kind == "spans":
        most = f"and at most {count} of {lacks} ever are"
        return f"{count + 1} outputs of {has} are linearly independent for some weights, {most}"
    most = f"and those of {lacks} in at most {count}"
    return f"weights of {has} move its outputs in {count + 1} independent directions, {most}"
