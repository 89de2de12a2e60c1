"""Hints, applied as they are written, give a spec that checks."""

from __future__ import annotations

import re

import pytest

import archc

BLOCK = "block unit(c) {{ body = conv(c, 3, {stride}) -> bn\n output {merge} }}\n"
ARCH = "arch A {{ input x: [N, {channels}, 32, 32]  output x -> unit({made}) }}"


@pytest.mark.parametrize("channels, made, stride", [(3, 8, 1), (3, 8, 2), (16, 4, 4), (8, 3, 1)])
def test_the_convolution_that_makes_a_sum_fit_does(channels: int, made: int, stride: int) -> None:
    def spec(merge: str) -> str:
        return (BLOCK + ARCH).format(stride=stride, merge=merge, channels=channels, made=made)

    found = next(d for d in archc.check(text=spec("body + id")) if d.code == "E0405")
    call, behind = re.match(r"`(conv\(.*?\))` behind the branch that has (\d+) channels", found.hints[0]).groups()  # type: ignore[union-attr]
    merge = f"body + {call}" if int(behind) == channels else f"(body -> {call}) + id"
    assert not [d for d in archc.check(text=spec(merge)) if d.severity == "error"]
