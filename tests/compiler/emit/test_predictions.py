"""What a plan says each rank sends and holds, against what gloo sends and the allocator gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("measured.py")

TIED = """
block unit(c) = id + (a: conv(c, 3) -> bn -> relu -> b: conv(c, 3) -> bn) -> relu
arch Tied {
  input text: int [N, T] = [1, 32]
  param table = normal([2000, 64], std = 0.02)
  x = text -> embedding(2000, 64, weight = table)
  output x -> h: [fc: linear(64) -> gelu] ** 6 -> ln -> head: linear(2000, bias = false, weight = table)
}"""


def ways(ranks: int, asked: dict[str, Any], batch: int) -> list[dict[str, Any]]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    process = subprocess.run(
        [*launcher, str(SCRIPT), json.dumps(asked), str(batch)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize(("asked", "batch"), [({"spec": "resnet_cifar", "depth": 56}, 64), ({"text": TIED}, 64)])
def test_every_way_sends_and_holds_what_its_plan_says(ranks: int, asked: dict[str, Any], batch: int) -> None:
    found = ways(ranks, asked, batch)
    assert len(found) == {2: 5, 4: 11}[ranks]
    for way in found:
        check_traffic(way)
        for number, measured in enumerate(way["measured"]):
            check_memory(way, way["ranks"][number % len(way["ranks"])], measured)


def check_traffic(way: dict[str, Any]) -> None:
    """gloo scatters sums by summing everything everywhere, and so sends twice what a plan counts for that."""
    most = max(range(len(way["measured"])), key=lambda rank: way["measured"][rank]["traffic"])
    whole = way["measured"][most]["weights"] * way["replicas"]
    more = whole * (way["replicas"] - 1) / way["replicas"] if way["sharded"] else 0
    assert way["traffic"] + more == pytest.approx(way["measured"][most]["traffic"], rel=0.06), way["way"]


def check_memory(way: dict[str, Any], rank: dict[str, int], measured: dict[str, int]) -> None:
    """Where parameters are sharded, what is gathered of them at a moment cannot be told from activations."""
    assert rank["optimizer"] == pytest.approx(measured["optimizer"], rel=0.001), way["way"]
    assert rank["buffers"] == measured["buffers"], way["way"]
    if way["sharded"]:
        assert rank["memory"] == pytest.approx(measured["memory"], rel=0.05), way["way"]
    else:
        assert (rank["weights"], rank["gradients"]) == (measured["weights"], measured["gradients"]), way["way"]
        assert rank["activations"] == pytest.approx(measured["activations"], rel=0.05), way["way"]
