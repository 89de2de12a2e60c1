"""What a proof takes grows as the networks do, or the proof says that they are too large."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from language_files import METERED
from patience import IN_TIME, steps

import archc

NET = "arch A {{ input x: [N, 3, 64, 64]  output x -> {} }}"


@pytest.mark.parametrize("part", ["conv(3, 1)", "conv(3, 1) -> relu"])
def test_joined_branches_take_as_much_each(part: str) -> None:
    def taken(count: int) -> int:
        net = archc.loads(NET.format(f"concat({f'{part}, ' * count}id)"))
        return steps(lambda: net.equivalent(net))

    taken(10)
    assert taken(400) < 2.5 * taken(200)


def test_sums_of_all_that_came_before_are_bounded() -> None:
    """Each sum is written as the terms of all sums in front of it."""
    few, many = (archc.loads(NET.format(" -> ".join(["sum(id, relu)"] * count))) for count in (50, 1000))
    assert few.equivalent(few).verdict == "equal"
    found = many.equivalent(many)
    assert found.verdict == "undecided" and "too large" in found.reason


RUN = (
    METERED
    + """
import archc
one, other = (archc.loads(text) for text in json.load(sys.stdin))
unit, start = loop(), time.process_time()
found = one.equivalent(other)
spent = time.process_time() - start
json.dump([found.verdict, found.reason, found.notes, spent, (unit + loop()) / 2], sys.stdout)
"""
)


@IN_TIME
@pytest.mark.parametrize("layers", ["id, relu", "relu, id", "id, tanh"])
def test_the_longest_texts_take_two_seconds(layers: str, patience: int) -> None:
    """And 512 MB: what is larger than what is run is not run. Where the machine is busy, what a plain loop takes longer
    counts less."""
    texts = json.dumps([NET.format(" -> ".join([f"sum({each})"] * 4000)) for each in ("id, relu", layers)])
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, input=texts, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    verdict, reason, notes, spent, unit = json.loads(done.stdout)
    assert verdict == "undecided" and "too large" in reason and "10,000" in notes[-1]
    assert spent < 2 * patience * max(1, unit / 0.016), f"{spent:.2f} s, a loop {unit:.3f} s"


def test_sums_put_into_sums_again_and_again_are_bounded() -> None:
    """However few terms they come to at last."""
    convs = "sum([conv(3, 1) for i in 1..1000])"
    few, many = (archc.loads(NET.format(f"{convs} -> sum({'id, ' * n}relu)")) for n in (3, 9000))
    assert few.equivalent(few).verdict == "equal"
    found = many.equivalent(many)
    assert found.verdict == "undecided" and "too large" in found.reason
