"""What `archc.parallel` promises of several ranks, in two processes on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("ranks.py")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What the ranks print, and what went wrong: they do all one after the other, as to start them takes the most
    time."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = subprocess.run(
        [*launcher, str(SCRIPT), str(tmp_path_factory.mktemp("ranks"))],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    return process.stdout, process.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [
        "tied_parameters_are_sharded",
        "tied_parameters_are_sharded_in_stages",
        "units_are_computed_again",
        "wrong_requests_end_on_every_rank",
    ],
)
def test_two_ranks(what: str, said: tuple[str, str]) -> None:
    assert said[0].splitlines().count(what) == 2, said[1][-3000:]
