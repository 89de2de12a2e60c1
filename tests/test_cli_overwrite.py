"""What a command reads it never writes over, however it is named; and no file is written twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archc as package

Command = Callable[..., Any]

LIB = "block deep(c) = conv(c, 3) -> bn\n"
MIDDLE = 'use deep from "lib/deep.arch"\nblock unit(c) = deep(c) -> relu\n'
MAIN = 'use unit from "middle.arch"\narch net {\n  input x: [N, 3, 8, 8]\n  output x -> a: unit(4) -> b: unit(4)\n}\n'

COMMANDS = {
    "compile": ["compile", "net.arch", "--emit", "py", "-o"],
    "compile to arch": ["compile", "net.arch", "--emit", "arch", "-o"],
    "compile to json": ["compile", "net.arch", "--emit", "json", "-o"],
    "compile to onnx": ["compile", "net.arch", "--emit", "onnx", "-o"],
    "compile to pt2": ["compile", "net.arch", "--emit", "pt2", "-o"],
    "compile with weights": ["compile", "net.arch", "--weights", "net.pth", "--emit", "py", "-o"],
    "write a map": ["compile", "net.arch", "--weights", "net.pth", "--map", "pins.json", "--write-map"],
    "rewrite": ["rewrite", "fold_batch_norm", "net.arch", "--emit", "py", "-o"],
    "rewrite weights": ["rewrite", "fold_batch_norm", "net.arch", "--weights", "net.pth", "--weights-out"],
    "draw": ["draw", "net.arch", "--format", "svg", "-o"],
    "draw a page": ["draw", "net.arch", "--format", "html", "-o"],
    "plot": ["plot", "net.arch", "-o"],
    "diff": ["diff", "net.arch", "resnet18", "-o"],
    "equiv": ["equiv", "net.arch", "net.arch", "--weights", "net.pth", "-o"],
    "counterexample": ["equiv", "net.arch", "resnet18", "--counterexample"],
}
ENDINGS = {"equiv": ".pth", "counterexample": ".pth", "plot": ".svg", "diff": ".svg"}
"""What outputs have to end in, by the command; the others take any ending that promises nothing else."""
TAKE_ANY = ("compile to arch", "write a map", "rewrite weights", "draw", "draw a page")
"""These take the files' own names."""
READ = {
    "specs": ("net.arch", "middle.arch", "lib/deep.arch"),
    "net.pth": ("net.pth",),
    "pins.json": ("pins.json",),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    import torch

    folder = tmp_path_factory.mktemp("weights")
    write_specs(folder)
    torch.save(package.load(folder / "net.arch").module(seed=0).state_dict(), folder / "net.pth")
    return (folder / "net.pth").read_bytes()


def write_specs(folder: Path) -> None:
    (folder / "lib").mkdir()
    for name, text in (("lib/deep.arch", LIB), ("middle.arch", MIDDLE), ("net.arch", MAIN)):
        (folder / name).write_text(text)


@pytest.fixture
def folder(tmp_path: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_specs(tmp_path)
    (tmp_path / "net.pth").write_bytes(weights)
    (tmp_path / "pins.json").write_text("{}\n")
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_file_that_is_read_is_written(archc: Command, folder: Path, command: str) -> None:
    argv = COMMANDS[command]
    ending = ENDINGS.get(command, "")
    for group, files in READ.items():
        if group != "specs" and group not in argv:
            continue
        for number, file in enumerate(files):
            soft, hard = folder / f"soft-{group}{number}{ending}", folder / f"hard-{group}{number}{ending}"
            soft.symlink_to(folder / file)
            os.link(folder / file, hard)
            names = [soft, hard, f"lib/../{soft.name}"] + [file, folder / file, f"lib/../{file}"] * (
                command in TAKE_ANY
            )
            before = content(folder)
            for name in names:
                outcome = archc(*argv, name)
                assert outcome.status == 1 and "E0805" in outcome.err, (name, outcome)
                assert "this command reads it" in outcome.err, (name, outcome)
                assert content(folder) == before, name


@pytest.mark.parametrize("command", COMMANDS)
def test_other_files_are_written(archc: Command, folder: Path, command: str) -> None:
    target = folder / f"out{ENDINGS.get(command, '')}"
    target.write_text("old")
    outcome = archc(*COMMANDS[command], target)
    assert target.read_bytes() != b"old" or command == "counterexample", outcome


@pytest.mark.parametrize("command", COMMANDS)
def test_through_a_link_its_target_is_written(archc: Command, folder: Path, command: str) -> None:
    (folder / "deep").mkdir()
    target, link = folder / "deep" / "real", folder / f"link{ENDINGS.get(command, '')}"
    target.write_text("old")
    link.symlink_to("deep/real")
    outcome = archc(*COMMANDS[command], link)
    assert link.is_symlink() and os.listdir(target.parent) == ["real"], outcome
    assert (target.read_bytes() == b"old") == (command == "counterexample"), outcome


def test_formatting_keeps_a_link(archc: Command, folder: Path) -> None:
    (folder / "link.arch").symlink_to("lib/deep.arch")
    (folder / "lib" / "deep.arch").write_text(LIB.replace("conv(c, 3)", "conv( c,3 )"))
    assert archc("fmt", "link.arch").status == 0
    assert (folder / "link.arch").is_symlink() and (folder / "lib" / "deep.arch").read_text() == LIB


def test_formatting_writes_what_it_reads(archc: Command, folder: Path) -> None:
    (folder / "lib" / "deep.arch").write_text(LIB.replace("conv(c, 3)", "conv( c,3 )"))
    assert archc("fmt", "lib/deep.arch", "net.arch").status == 0
    assert (folder / "lib" / "deep.arch").read_text() == LIB


def test_commands_after_one_another_are_free(archc: Command, folder: Path) -> None:
    assert archc("compile", "middle.arch").status == 1
    assert archc("compile", "resnet18", "-o", "middle.arch").status == 0


@pytest.mark.parametrize(
    "argv",
    [
        ["compile", "net.arch", "--weights", "net.pth", "--map", "auto", "--write-map", "a.json", "-o", "./a.json"],
        [
            "rewrite",
            "fold_batch_norm",
            "net.arch",
            "--weights",
            "net.pth",
            "-o",
            "a.py",
            "--weights-out",
            "lib/../a.py",
        ],
        ["equiv", "net.arch", "net.arch", "--weights", "net.pth", "-o", "a.pth", "--counterexample", "./a.pth"],
    ],
)
def test_one_file_for_two_things(archc: Command, folder: Path, argv: list[str]) -> None:
    before = content(folder)
    outcome = archc(*argv)
    assert outcome.status == 1 and "E1060" in outcome.err
    assert content(folder) == before


def test_python_may_write_where_it_read(folder: Path) -> None:
    net = package.load("net.arch")
    (folder / "net.arch").write_text(net.source())
    assert package.load("net.arch").stats().parameters == net.stats().parameters
