"""How long an architecture takes for inference, in each engine, on this machine."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...dsl.garbage import uncollected
from ..ir.graph import Graph
from .arguments import checked_dtype, checked_word
from .checkpoint import Source
from .fx import to_graph_module
from .inference import ENGINES, optimized
from .trials import make_inputs
from .weights import load_weights

EAGER = "eager"


@dataclass(slots=True)
class Timing:
    """How long an engine took at some sizes of the inputs, in seconds a call.

    `ready` is the time until the first result, building and compiling included. `memory` is what a call takes at its
    peak beyond what was held before, in bytes; None where the system does not say.
    """

    engine: str
    sizes: Mapping[str, int]
    ready: float
    memory: int | None = None
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / 2 / self.median


def benchmark(
    graph: Graph,
    sizes: Sequence[Mapping[str, int]],
    engines: Sequence[str],
    *,
    weights: Source | None,
    dtype: torch.dtype | str,
    runs: int,
) -> list[list[Timing]]:
    """For each of the sizes, a timing of each engine. All have the same weights, and take turns, so that what else the
    machine does falls on all of them. Raises ArchError."""
    kind = checked_dtype(dtype) or torch.float32
    for engine in engines:
        checked_word("an engine", engine, (EAGER, *ENGINES))
    plain = to_graph_module(graph, seed=0).eval()
    if weights is not None:
        load_weights(plain, weights, graph)
    made: dict[str, Any] = {}
    building: dict[str, float] = {}
    for engine in engines:
        start = time.perf_counter()
        if engine == EAGER:
            made[engine] = to_graph_module(graph, dtype=kind, seed=0).eval()
            load_weights(made[engine], plain, graph)
        else:
            made[engine] = optimized(graph, plain, dtype=kind, engine=engine)
        building[engine] = time.perf_counter() - start
    return [_timed(graph, at, made, building, kind, runs) for at in sizes]


def _timed(
    graph: Graph,
    sizes: Mapping[str, int],
    modules: Mapping[str, Any],
    building: Mapping[str, float],
    dtype: torch.dtype,
    runs: int,
) -> list[Timing]:
    inputs = make_inputs(graph, sizes, torch.device("cpu"), dtype)
    calls = {engine: _call(module, inputs) for engine, module in modules.items()}
    gc.collect()
    with uncollected():  # calls of a module leave no garbage
        found = {engine: Timing(engine, sizes, building[engine] + _seconds(call)) for engine, call in calls.items()}
        for engine, call in calls.items():
            found[engine].memory = _peak(call)
        for _ in range(runs):
            for engine, call in calls.items():
                found[engine].seconds.append(_seconds(call))
    return list(found.values())


def _call(module: Any, inputs: list[Any]) -> Callable[[], None]:
    def call() -> None:
        with torch.no_grad():
            module(*inputs)

    return call


def _seconds(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _peak(call: Callable[[], None]) -> int | None:
    """The bytes that a call takes at its peak, beyond what is held before."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _status("VmRSS")
        call()
        return max(0, _status("VmHWM") - before)
    except OSError:
        return None


def _status(name: str) -> int:
    """A figure of this process, in bytes, as Linux tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def threads(number: int | None) -> Iterator[int]:
    """Computes with so many threads, or as many as torch has; gives the number."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield number or before
    finally:
        torch.set_num_threads(before)
