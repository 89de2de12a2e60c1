"""torch.distributed takes a compiled module as it takes a hand-written one, in two processes on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("distributed.py")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the two processes print, which go all ways one after the other: to start them takes the most time."""
    rendezvous = tmp_path_factory.mktemp("distributed") / "rendezvous"
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), str(rendezvous)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        return [process.communicate(timeout=480)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()


@pytest.mark.parametrize("way", ["data_parallel", "fully_sharded", "pipelined"])
def test_two_processes(way: str, said: list[str]):
    assert all(way in text.splitlines() for text in said), said[0][-3000:] + said[1][-3000:]
