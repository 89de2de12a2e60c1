"""What a proof takes grows as the networks do, or the proof says that they are too large."""

from __future__ import annotations

import pytest
from patience import steps

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
