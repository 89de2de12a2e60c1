"""`archc bench`: what it prints of its measurements. What they come to is the machine's."""

from __future__ import annotations

import json
from pathlib import Path


def test_every_engine_is_measured_at_every_batch(archc, small: Path) -> None:
    result = archc("bench", small, "small", "--batch", "1,3", "--runs", "2", "--threads", "1", "--format", "json")
    found = json.loads(result.out)
    assert found["threads"] == 1 and found["dtype"] == "float32"
    timings = found["timings"]
    assert [(t["sizes"]["N"], t["engine"]) for t in timings] == [
        (1, "eager"), (1, "kernels"), (3, "eager"), (3, "kernels"),
    ]  # fmt: skip
    for timing in timings:
        assert len(timing["seconds"]) == 2 and min(timing["seconds"]) > 0
        assert min(timing["seconds"]) <= timing["median"] <= max(timing["seconds"]) < timing["ready"] * 1000
    assert timings[0]["ratio"] == timings[2]["ratio"] == 1.0


def test_tables(archc, small: Path) -> None:
    text = archc("bench", small, "small", "--runs", "2", "--engines", "kernels").out
    assert "kernels" in text and "eager" not in text and "1.00" in text
    lines = archc("bench", small, "small", "--runs", "2", "--format", "md").out.splitlines()
    assert lines[2].startswith("| batch | engine | median |") and len(lines) == 6


def test_wrong_requests(archc, small: Path) -> None:
    assert archc("bench", small, "small", "--batch", "1,x").status == 2
    assert archc("bench", small, "small", "--engines", "eager,eager").status == 2
    unknown = archc("bench", small, "small", "--engines", "eager,magic")
    assert unknown.status == 1 and "E0808" in unknown.err and "magic" in unknown.err
