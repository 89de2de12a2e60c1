"""Measuring two things against each other on a machine that may be busy."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of something of archc's and of a peer, measured in alternation.

    `target` is what the ratio of the fastest runs should not exceed. The fastest run is the one that the rest of the
    machine disturbed least.
    """

    what: str
    peer: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    target: float

    @property
    def ratio(self) -> float:
        return min(self.ours) / min(self.theirs)

    @property
    def median_ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.what} against {self.peer}: {self.ratio:.2f} (target: at most {self.target:g})",
                f"  {spread(self.ours)} against {spread(self.theirs)}; of the medians {self.median_ratio:.2f}",
            ]
        )


def spread(seconds: tuple[float, ...]) -> str:
    return f"{shown(min(seconds))} (median {shown(statistics.median(seconds))}, {len(seconds)} runs)"


def shown(seconds: float) -> str:
    """A duration with three digits and its unit."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def alternated(first: Callable[[], object], second: Callable[[], object], runs: int) -> tuple[list[float], list[float]]:
    """The durations of each, after one run of each that does not count."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(runs + 1):
        for durations, action in zip(seconds, (first, second), strict=True):
            duration = measured(action)
            if turn:
                durations.append(duration)
    return seconds


def measured(action: Callable[[], object]) -> float:
    """Seconds that the action takes, without the collection of garbage, which depends on what else is alive."""
    with no_collection():
        start = time.perf_counter()
        result = action()
        duration = time.perf_counter() - start
    del result
    return duration


@contextmanager
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
