"""`archc plan`: what it prints and writes."""

from __future__ import annotations

import json
from pathlib import Path

from archc import load


def test_a_table_and_the_ranks_of_the_best_way(archc) -> None:
    result = archc("plan", "resnet18", "--devices", "4", "--memory", "1GB", "--batch", "256")
    lines = result.out.splitlines()
    assert lines[0].startswith("resnet18  4 devices of 953.7 MiB, 256 images in a step")
    assert lines[1].split()[:2] == ["way", "micro-batches"]
    assert "would not fit into 953.7 MiB: --all shows them" in result.out
    every = archc("plan", "resnet18", "--devices", "4", "--memory", "1GB", "--batch", "256", "--all").out
    assert "memory" in every and len(every.splitlines()) > len(lines)


def test_a_file_for_scripts(archc, tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    archc("plan", "resnet18", "--devices", "2", "--memory", "8GB", "-o", target)
    written = json.loads(target.read_text())
    piped = json.loads(archc("plan", "resnet18", "--devices", "2", "--memory", "8GB", "--format", "json").out)
    assert written == piped
    way = next(way for way in written["ways"] if way["schedule"] == "1f1b")
    assert len(load("resnet18").stages(at=way["cuts"])) == 2
    assert way["memory"] == max(rank["memory"] for rank in way["ranks"])


def test_a_picture(archc, tmp_path: Path) -> None:
    target = tmp_path / "plan.svg"
    archc("plan", "resnet18", "--devices", "2", "--memory", "400MB", "--batch", "64", "-o", target)
    text = target.read_text()
    assert "<svg" in text and text.count("<path") > 10


def test_wrong_requests(archc) -> None:
    small = archc("plan", "resnet18", "--memory", "50MB")
    assert small.status == 1 and "E1302" in small.err and "--memory" in small.err
    assert archc("plan", "resnet18", "--devices", "0").status == 2
    assert "E1305" in archc("plan", "resnet18", "--memory", "lots").err
    ending = archc("plan", "resnet18", "-o", "plan.txt")
    assert "E1005" in ending.err and ".json" in ending.err


def test_memory_that_is_not_known_is_named(archc, tmp_path: Path) -> None:
    spec = tmp_path / "net.arch"
    spec.write_text("arch A { input x: tokens [N, T, 8] = [1, 4, 8]  output x -> lstm(9) -> gru(7) }")
    assert archc("plan", spec).out.splitlines()[-1] == "the memory of these is not known and left out: lstm"
    assert json.loads(archc("plan", spec, "--format", "json").out)["unknown_memory"] == ["lstm"]
