"""How long it takes from a keystroke until what is wrong is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from archc.editor.document import Document, analysed
from archc.editor.threads import DEBOUNCE, deep_thread
from archc.editor.workspace import Workspace

from .written import SHIPPED

with suppress(ImportError):  # Windows has none
    import resource

ZOO = {path.stem: path for path in SHIPPED if path.parent.name == "zoo"}
LARGE = ("maxvit", "polynet")
PROMISED = 0.15
"""Seconds. A busy machine has ten times as many for the largest specs; `pytest -m slow` holds all to the promise."""


def first_found(workspace: Workspace, path: Path) -> Document:
    """The first step of an analysis: with the architecture that is being written, in the middle of the file."""
    return next(analysed(workspace, path, len(workspace.texts[path]) // 2))


def written(workspace: Workspace, path: Path, times: int) -> None:
    """A key pressed in the middle of a file; each time another text."""
    text = path.read_text(encoding="utf-8")
    middle = text.index("\n", len(text) // 2)
    workspace.open(path, text[:middle] + " " * times + text[middle:])


@pytest.mark.parametrize(
    ("name", "patience"), [*((n, 10) for n in LARGE), *(pytest.param(n, 1, marks=pytest.mark.slow) for n in ZOO)]
)
def test_a_keystroke_in_a_spec_of_the_zoo(name: str, patience: int) -> None:
    """In processor time, which other programs disturb least; before it is analysed a text rests for a moment."""
    path, workspace, spent = ZOO[name], Workspace(), list[float]()

    def press(times: int) -> None:
        written(workspace, path, times)
        start = time.process_time()
        first_found(workspace, path)
        spent.append(time.process_time() - start)

    thread = deep_thread("test")
    for times in range(4):
        thread.submit(press, times).result()
    thread.shutdown()
    assert min(spent[1:]) + DEBOUNCE < PROMISED * patience


def deeper(calls: int, run: Callable[[], object]) -> object:
    return deeper(calls - 1, run) if calls else run()


@pytest.mark.skipif("resource" not in globals(), reason="the system does not count what a process takes of it")
def test_an_elaboration_takes_memory_for_its_calls_once() -> None:
    """However many calls are open already: Python takes and gives back memory at certain depths, perhaps in a loop."""
    path, workspace, taken = ZOO["maxvit"], Workspace(), list[int]()

    def press() -> None:
        start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        first_found(workspace, path)
        taken.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)

    def run() -> None:
        for calls in (0, 0, 0, *range(0, 90, 6)):
            written(workspace, path, len(taken))
            deeper(calls, press)

    thread = deep_thread("test")
    thread.submit(run).result()
    thread.shutdown()
    assert max(taken[3:]) < 1000, taken
