"""What the tests of the shell share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# A commit is tested with the same examples every time; `pytest --hypothesis-profile=explore` draws new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("repeatable")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests that run side by side have a core each; torch reads this where it is first imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives each process tests that stand together, so that what a module makes once is made in one process."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_finish() -> None:
    """What is imported stays, and Python need not look through it for garbage over and over."""
    gc.collect()
    gc.freeze()


SMALL = '''"""A small network."""
block unit(c) = conv(c, 3) -> bn -> relu

arch small(width: int = 8, depth: int = 2, classes: int = 10) {
  input image: [N, 3, H, W] = [1, 3, 32, 32]
  output image -> body: [unit(width) ** depth] -> maxpool(2) -> gap -> fc: linear(classes)
  expect shape == [N, classes]
}
arch wide = small(width = 16)
'''


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def large_modules_go(request: pytest.FixtureRequest) -> Iterator[None]:
    """Modules of torch.fx are cycles of few objects and much memory, so that Python would collect them too late."""
    yield
    if request.node.get_closest_marker("slow") and resident() > 2**31:
        gc.collect()


def resident() -> float:
    """The bytes of memory that this process has; infinitely many where the system does not say."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if pages.exists() else float("inf")


@pytest.fixture(scope="module", autouse=True)
def what_stays_is_looked_at_once() -> Iterator[None]:
    """What a module of tests leaves, as what it imported, is no garbage; later collections need not look through it."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec, in a folder of its own that is the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.arch"
    path.write_text(SMALL)
    return path


@pytest.fixture
def archc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs the command in this process."""
    from archc.cli import main

    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("ARCHC_DEBUG", raising=False)

    def run(*argv: object) -> Outcome:
        status = main([str(a) for a in argv])
        sys.stdout.flush()
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run
