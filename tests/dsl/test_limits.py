from __future__ import annotations

import time

import pytest
from patience import IN_TIME

from archc.dsl.limits import LIMITS
from archc.dsl.parse import decode

from .support import codes

N = LIMITS.nesting
NESTINGS = {
    "parentheses": lambda n: "x = " + "(" * n + "1" + ")" * n,
    "lists": lambda n: "x = " + "[" * n + "]" * n,
    "calls": lambda n: "x = " + "f(" * n + "1" + ")" * n,
    "indices": lambda n: "x = " + "f[" * n + "1" + "]" * n,
    "signs": lambda n: "x = " + "- " * (n + 1) + "1",
    "not": lambda n: "x = " + "not " * (n + 1) + "a",
    "powers": lambda n: "x = " + "a ** " * (n + 1) + "a",
    "labels": lambda n: "x = " + "a: " * (n + 1) + "f",
    "choices": lambda n: "x = " + "if a then b else " * (n + 1) + "c",
    "applications": lambda n: "x = f" + "(1)" * n,
    "attributes": lambda n: "x = f" + ".a" * (n + 1),
}


@pytest.mark.parametrize("nesting", NESTINGS.values(), ids=NESTINGS)
def test_nesting(nesting) -> None:
    assert codes(nesting(N)) == []
    assert codes(nesting(N + 1)) == ["E0902"]


@IN_TIME
@pytest.mark.parametrize("text", ["(" * 10**6, "{[(" * 80_000, "x = " + "- " * 120_000 + "1", "arch A {\n" * 20_000])
def test_bombs_end_soon(text: str, patience: int) -> None:
    start = time.process_time()
    assert codes(text)[0] in ("E0901", "E0902")
    assert time.process_time() - start < 4 * patience


def test_bytes() -> None:
    text = "x = 1 #"
    full = text + "é" * ((LIMITS.source_bytes - len(text)) // 2)
    full += "x" * (LIMITS.source_bytes - len(full.encode()))
    assert codes(full) == []
    assert codes(full + "x") == ["E0901"]
    assert decode((full + "x").encode(), "a")[1][0].code == "E0901"


def test_integers() -> None:
    assert codes(f"x = {2**63 - 1}") == []
    assert codes(f"x = {2**63}") == ["E0903"]
    assert codes("x = " + "9" * 100_000) == ["E0903"]


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\u202e", "\ud800"])
def test_control_characters(character: str) -> None:
    assert codes(f"x = 1 # {character}") == ["E0904"]


@pytest.mark.slow
def test_time_is_linear() -> None:
    block = "block b{}(c, stride = 1) = conv1: conv(c, 3, stride) -> bn1: bn -> relu -> conv2: conv(c, 3) -> bn2: bn\n"

    def seconds(n: int) -> float:
        text = "".join(block.replace("{}", str(i)) for i in range(n))
        start = time.process_time()
        assert codes(text) == []
        return time.process_time() - start

    seconds(10)
    assert seconds(2000) < 25 * seconds(200) + 0.5
