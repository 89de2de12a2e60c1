"""What a claim that does not hold is told."""

from __future__ import annotations

from typing import Any

import pytest

import archc
from archc.dsl.diagnostics import Diagnostic

CLAIM = """arch Net(n: int = 6, wide: bool = false, kind: str = "a") {
  input x: [N, 3, 8, 8]
  output x -> [conv(if wide then 2 * n else n, 1), if kind == "a" then bn]
  expect params == 30%s
}"""


def told(text: str, settings: dict[str, Any]) -> list[Diagnostic]:
    try:
        archc.loads(text, **settings)
    except archc.ArchError as error:
        return list(error.diagnostics)
    return []


@pytest.mark.parametrize("settings", [{"n": 3}, {"wide": True}, {"kind": "b"}, {"n": 3, "kind": "b"}])
def test_a_claim_about_the_defaults_is_made_one(settings: dict[str, Any]) -> None:
    """What the hint writes in the place of the claim is right with these parameters and without them."""
    (found,) = told(CLAIM % "", settings)
    (written,) = [hint.split("`")[1] for hint in found.hints if "defaults alone" in hint]
    assert found.code == "E0603" and all(name in written.partition(" when ")[2] for name in settings)
    text = (CLAIM % "").replace("expect params == 30", written)
    assert told(text, settings) == [] == told(text, {})


def test_a_claim_that_fails_for_the_defaults_names_no_when() -> None:
    for text, settings in (((CLAIM % "").replace("30", "31"), {}), (CLAIM % " when n < 6", {"n": 3})):
        (found,) = told(text, settings)
        assert found.code == "E0603" and not any("defaults alone" in hint for hint in found.hints)
