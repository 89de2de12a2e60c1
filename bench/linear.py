"""How time and memory grow with the network, for everything that archc does with one.

Networks of 2,000 layers and up, each twice the one before: residual units of one block, repeated. Each figure is the
processor time and the peak memory of one action in a process of its own, which starts with the network loaded.

    python bench/linear.py [--most 100000]
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from check import OPS_PER_UNIT, REPEATED, checked

import archc
from archc.compiler.decompile.python.file import to_python

FIRST = 2_000
MOST = 100_000
RUNS = 3
TARGET = 2.3
"""How much longer twice the layers may take."""

ACTIONS: dict[str, Callable[[archc.Architecture], object]] = {
    "check": lambda net: checked(text(len(net.ir.nodes))),
    "stats": lambda net: str(net.stats(H=32, W=32)),
    "paths": lambda net: net.paths().total,
    "receptive field": lambda net: net.receptive_field(H=32, W=32),
    "draw, folded": lambda net: net.draw(format="svg"),
    "page": lambda net: net.draw(format="html"),
    "diff": lambda net: net.diff(net),
    "equivalence": lambda net: net.equivalent(net),
    "rewrite": lambda net: net.rewrite("fold_batch_norm"),
    ".arch text": lambda net: net.source(),
    "Python text": lambda net: to_python(net.ir),
}


@dataclass(frozen=True, slots=True)
class Row:
    """An action at growing sizes: seconds of processor time, and bytes of memory beyond the network's own. None is what
    archc refuses at a size."""

    action: str
    layers: tuple[int, ...]
    seconds: tuple[float | None, ...]
    memory: tuple[int, ...]

    @property
    def growth(self) -> float:
        """The largest ratio of the times of one size and the next, for twice the layers."""
        found = zip(self.layers, self.seconds, self.layers[1:], self.seconds[1:], strict=False)
        return max((2 * t * n / (s * m) for n, s, m, t in found if s is not None and t is not None), default=0.0)

    def __str__(self) -> str:
        shown = "  ".join("refused" if s is None else f"{s:.3f} s" for s in self.seconds)
        return f"{self.action:16} {shown}  growth {self.growth:.2f}, {max(self.memory) / 2**20:,.0f} MiB"


def text(layers: int) -> str:
    return REPEATED.replace("UNITS", str(max(1, round(layers / OPS_PER_UNIT))))


def sizes(most: int = MOST) -> tuple[int, ...]:
    found = [FIRST]
    while 2 * found[-1] <= most:
        found.append(2 * found[-1])
    return tuple(found) if found[-1] == most else (*found, most)


def rows(layers: tuple[int, ...]) -> Iterator[Row]:
    """A row for each action. Every size is loaded once, and each action runs in a fork of the process that has it."""
    found: dict[str, list[tuple[float | None, int]]] = {name: [] for name in ACTIONS}
    for size in layers:
        net = archc.loads(text(size))
        gc.collect()
        gc.freeze()
        for name, action in ACTIONS.items():
            runs = [forked(action, net) for _ in range(RUNS)]
            found[name].append(min(runs, key=lambda run: run[0] or 0))
        gc.unfreeze()
        del net
    for name, figures in found.items():
        yield Row(name, layers, tuple(s for s, _ in figures), tuple(m for _, m in figures))


def forked(action: Callable[[archc.Architecture], object], net: archc.Architecture) -> tuple[float | None, int]:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(action, net, there))
    process.start()
    figures = here.recv()
    process.join()
    return figures


def _run(action: Callable[[archc.Architecture], object], net: archc.Architecture, to: Connection) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    try:
        action(net)
        seconds = time.process_time() - start
    except archc.ArchError:
        seconds = None
    to.send((seconds, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak)))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--most", type=int, default=MOST, help="layers of the largest network")
    for row in rows(sizes(options.parse_args().most)):
        print(row, flush=True)
