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
TESTS = Path(__file__).parents[2]

TIED = """
block unit(c) = id + (a: conv(c, 3) -> bn -> relu -> b: conv(c, 3) -> bn) -> relu
arch Tied {
  input text: int [N, T] = [1, 32]
  param table = normal([2000, 64], std = 0.02)
  x = text -> embedding(2000, 64, weight = table)
  output x -> h: [fc: linear(64) -> gelu] ** 6 -> ln -> head: linear(2000, bias = false, weight = table)
}"""

SKIPS = """
arch Skips {
  input x: [N, 3, 32, 32] = [1, 3, 32, 32]
  a = x -> conv(8, 3) -> bn -> relu
  b = a -> maxpool(2) -> conv(16, 3) -> bn
  c = b -> conv(16, 3) -> gelu -> conv(16, 3) -> relu
  d = (b, c) -> concat -> conv(16, 3) -> sigmoid -> upsample(2)
  output (a, d) -> concat -> conv(8, 3) -> relu -> conv(4, 3) -> bn
}"""
"""A U: what crosses cuts is read by a backward pass or by none, and is passed on through stages that do not use it."""


def ways(ranks: int, asked: dict[str, Any], batch: int) -> list[dict[str, Any]]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    process = subprocess.run(
        [*launcher, str(SCRIPT), json.dumps(asked), str(batch)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]


RESNET = {"spec": "resnet_cifar", "depth": 56}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "batch", "ranks", "count"),
    [
        (RESNET, 64, 2, 5),
        (RESNET, 64, 4, 11),
        ({"text": TIED}, 64, 2, 5),
        ({"text": TIED}, 64, 4, 11),
        ({"text": TIED.replace("64", "66").replace("2000", "2001")}, 3, 3, 5),  # as many micro-batches as stages
        ({"text": TIED, "loss": "cross_entropy"}, 64, 2, 5),
        ({"text": SKIPS}, 16, 2, 5),
        ({"text": SKIPS}, 8, 2, 5),  # micro-batches of one image
        ({"text": SKIPS}, 32, 4, 10),
    ],
)
def test_every_way_sends_and_holds_what_its_plan_says(
    asked: dict[str, Any], batch: int, ranks: int, count: int
) -> None:
    found = ways(ranks, asked, batch)
    assert len(found) == count
    for way in found:
        if way["traffic"] > 100_000:  # what each collective has of its own is not seen beside that
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
    """Where parameters are sharded, what is gathered of them cannot be told from activations; and gradients are whole
    only until they are shared out, which is after a forward in a schedule that goes back before the last one."""
    assert rank["optimizer"] == pytest.approx(measured["optimizer"], rel=0.001), way["way"]
    assert rank["buffers"] == measured["buffers"], way["way"]
    if way["sharded"]:
        assert rank["memory"] - rank["gradients"] == pytest.approx(measured["beside"], rel=0.03), way["way"]
        if "1f1b" in way["way"] or "interleaved" in way["way"]:
            assert rank["gradients"] == measured["gradients"] + measured["unreduced"], way["way"]
    else:
        assert (rank["weights"], rank["gradients"]) == (measured["weights"], measured["gradients"]), way["way"]
        assert rank["activations"] == pytest.approx(measured["activations"], rel=0.005), way["way"]
