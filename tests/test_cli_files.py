"""Whatever a path leads to, whatever its name, whatever becomes of the streams: a diagnostic, and no harm."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archc as package
from archc.compiler.files import atomic_write

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names, pipes and signals as POSIX has them")

Command = Callable[..., Any]
NET = "arch net { input x: [N, 3, 8, 8]   output x -> conv(4, 3) }\n"
LONG = "a" * 300
DEEP = "a/" * 3000 + "a"
ESCAPE = "\x1b[31mred\x07"
PATHS = {"a pipe": "pipe", "a device": "/dev/zero", "a loop of links": "loop", "a long name": LONG, "a deep one": DEEP}


@pytest.fixture(scope="module")
def weights() -> bytes:
    import torch

    content = io.BytesIO()
    torch.save(package.loads(NET).module(seed=0).state_dict(), content)
    return content.getvalue()


@pytest.fixture
def folder(weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.arch").write_text(NET)
    (tmp_path / "net.pth").write_bytes(weights)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize("what", PATHS)
@pytest.mark.parametrize(
    "argv",
    [
        ["check", "."],
        ["stats", "."],
        ["fmt", "."],
        ["fmt", "--check", "."],
        ["draw", "."],
        ["compile", ".", "--emit", "json", "-o", "-"],
        ["diff", "net.arch", "."],
        ["diff", ".", "net.arch"],
        ["equiv", "net.arch", "net.arch", "-o", "to.pth", "--weights", "."],
        ["compile", "net.arch", "--weights", ".", "-o", "net.py"],
        ["compile", "net.arch", "--weights", "net.pth", "--map", ".", "-o", "net.py"],
        ["compile", "net.arch", "--emit", "json", "-o", "."],
        ["draw", "net.arch", "--format", "svg", "-o", "."],
    ],
    ids=" ".join,
)
def test_paths_that_lead_to_no_file(archc: Command, folder: Path, what: str, argv: list[str]) -> None:
    outcome = archc(*(PATHS[what] if word == "." else word for word in argv))
    assert outcome.status == 1, outcome
    assert "E0999" not in outcome.err and "error[" in outcome.err


SPECS = ("check", "compile", "draw", "stats", "paths", "field", "bench", "plan", "plot", "list", "serve")
EMPTY = {
    "'SPEC': the path or name is empty": [
        *(f"{command} ''" for command in SPECS),
        "rewrite remove ''",
    ],
    "'A': the path or name is empty": ["diff '' net.arch", "equiv '' net.arch"],
    "'B': the path or name is empty": ["diff net.arch ''", "equiv net.arch ''"],
    "'PATH': the path is empty": ["init ''"],
    "'PATHS': the path is empty": ["fmt ''", "fmt net.arch ''", "fmt --check ''"],
    "'--output': the path is empty": [
        *(f"{command} net.arch -o ''" for command in ("compile", "rewrite remove", "draw", "plan", "plot")),
        *("diff net.arch net.arch --output=", "equiv net.arch net.arch --weights net.pth -o ''"),
    ],
    "'--weights': the path is empty": [
        *(f"{command} net.arch --weights ''" for command in ("compile", "rewrite remove", "bench", "equiv net.arch")),
        "compile net.arch --weights=",
    ],
    "'--map': the path is empty": ["compile net.arch --weights net.pth --map ''"],
    "'--write-map': the path is empty": ["compile net.arch --weights net.pth --map auto --write-map ''"],
    "'--weights-out': the path is empty": ["rewrite remove net.arch --weights net.pth --weights-out ''"],
    "'--counterexample': the path is empty": ["equiv net.arch net.arch --counterexample ''"],
    "'NAME': it is empty": ["check net.arch ''", "explain ''"],
    "'--set': it is empty": ["check net.arch --set ''"],
    "'--leave-out': it is empty": ["compile net.arch --weights net.pth --leave-out ''"],
}


@pytest.mark.parametrize(("command", "message"), [(word, message) for message in EMPTY for word in EMPTY[message]])
def test_an_empty_word_is_a_usage_error(archc: Command, folder: Path, command: str, message: str) -> None:
    before = set(os.listdir(folder))
    outcome = archc(*shlex.split(command))
    assert outcome.status == 2, outcome
    assert message in " ".join(outcome.err.replace("│", " ").split()), outcome.err
    assert set(os.listdir(folder)) == before


@pytest.mark.parametrize("path", ["pipe", "/dev/zero", "loop", LONG, LONG + ".arch", DEEP, ".", "net.arch/x"])
def test_imports_that_are_no_files(archc: Command, folder: Path, path: str) -> None:
    (folder / "user.arch").write_text(f'use u from "{path}"\n' + NET.replace("conv(4, 3)", "u(4)"))
    outcome = archc("check", "user.arch")
    assert outcome.status == 1
    assert "error[E0701]" in outcome.err or "error[E0702]" in outcome.err
    assert "user.arch:1:" in outcome.err


def test_a_listed_spec_that_cannot_be_read_is_an_error(archc: Command, folder: Path) -> None:
    (folder / "broken.arch").write_text("arch net { input")
    for name, code in (("nosuch.arch", "E0701"), ("pipe", "E0701"), ("broken.arch", "E01")):
        outcome = archc("list", name)
        assert outcome.status == 1 and f"error[{code}" in outcome.err, outcome


def test_no_name_commands_the_terminal(archc: Command, folder: Path) -> None:
    (folder / f"{ESCAPE}.arch").write_text(NET)
    for argv in (
        ["check", f"{ESCAPE}.arch"],
        ["check", "."],
        ["check", ESCAPE],
        ["stats", ESCAPE],
        ["list", f"{ESCAPE}.arch"],
        ["fmt", f"{ESCAPE}.arch"],
        ["draw", "net.arch", "-o", f"{ESCAPE}.svg"],
        ["draw", "net.arch", "--only", ESCAPE],
        ["field", "net.arch", "--at", ESCAPE],
        ["explain", ESCAPE],
        ["stats", "net.arch", "--size", ESCAPE],
        ["compile", "net.arch", "--set", f"{ESCAPE}=1"],
        ["rewrite", ESCAPE, "net.arch"],
        [ESCAPE],
        [f"--{ESCAPE}"],
    ):
        outcome = archc(*argv)
        assert not set(outcome.out + outcome.err) & set(ESCAPE[0] + ESCAPE[-1]), (argv, outcome)


# --- streams ---------------------------------------------------------------------------------

COMMANDS = ["list", "--help", "check net.arch", "compile net.arch --emit json -o -", "explain conv"]


def run(command: str, **streams: Any) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "archc", *command.split()]
    return subprocess.run(argv, timeout=60, check=False, **streams)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_device(folder: Path, command: str) -> None:
    with open("/dev/full", "wb") as full:
        done = run(command, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"error[E0805]: cannot write the standard output: No space left on device\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_that_nobody_reads(folder: Path, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run(command, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(("stream", "status"), [(0, 0), (1, 1), (2, 0)])
def test_closed_streams(folder: Path, stream: int, status: int) -> None:
    words = f'"{sys.executable}" -m archc compile net.arch --emit json -o net.json'
    done = subprocess.run(["sh", "-c", f"{words} {stream}>&-"], capture_output=True, timeout=60, check=False)
    assert done.returncode == status
    assert b"E0999" not in done.stderr
    assert b'"archc"' in (folder / "net.json").read_bytes() or b"nodes" in (folder / "net.json").read_bytes()


def test_errors_that_nobody_reads_have_their_status(folder: Path) -> None:
    with open("/dev/full", "wb") as full:
        assert run("check nosuch.arch", stdout=subprocess.PIPE, stderr=full).returncode == 1


# --- what is left behind ---------------------------------------------------------------------

SLOW = """
import sys, time
import archc.cli as cli
import archc as package
from archc.compiler.files import atomic_write

def content(path):
    path.write_text("half")
    print("ready", flush=True)
    time.sleep(60)

cli.run = lambda argv: atomic_write("out.bin", content)
sys.exit(cli.main([]))
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)]
)
def test_a_stopped_command_leaves_no_file(folder: Path, number: signal.Signals, status: int) -> None:
    before = set(os.listdir(folder))
    with subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        assert len(os.listdir(folder)) == len(before) + 1
        atomic_write("other.bin", b"whole")  # another process leaves alone what one that runs is writing
        assert len(os.listdir(folder)) == len(before) + 2
        process.send_signal(number)
        assert process.wait(timeout=30) == status
        assert process.stderr is not None and process.stderr.read() == b""
    atomic_write("other.bin", b"whole")  # clears what a killed one could not
    assert set(os.listdir(folder)) == before | {"other.bin"}


STALLED = """
import sys, time
from pathlib import Path
import {library}
import archc.cli as cli

def stall(*given, function={library}.{function}, **named):
    function(*given, **named)
    Path("stalled").touch()
    time.sleep(60)

{library}.{function} = stall
sys.exit(cli.main({argv}))
"""
COMPILE = ["compile", "net.arch", "--device", "cpu", "-o"]
STAGES = {
    "writing pt2": ("torch.export", "save", [*COMPILE, "out.pt2"]),
    "running onnx": ("onnxruntime", "InferenceSession", [*COMPILE, "out.onnx"]),
    "writing weights": ("torch", "save", ["equiv", "net.arch", "net.arch", "--weights", "net.pth", "-o", "out.pth"]),
    "reading pt2": ("torch", "frombuffer", ["stats", "net.pt2"]),
    "reading onnx": ("onnxruntime", "InferenceSession", ["stats", "net.onnx"]),
}
QUICK = {("writing pt2", "SIGTERM"), ("running onnx", "SIGINT"), ("writing weights", "SIGHUP")}
STOPS = [(stage, name) for stage in STAGES for name in ("SIGINT", "SIGTERM", "SIGHUP")]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a network."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "net.arch").write_text(NET)
    for kind in ("pt2", "onnx"):
        done = run(f"compile net.arch --device cpu -o net.{kind}", cwd=folder, stdout=subprocess.DEVNULL)
        assert done.returncode == 0
    return folder


@pytest.mark.parametrize(
    ("stage", "name"), [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in STOPS]
)
def test_a_stopped_command_leaves_networks_as_they_were(
    request: pytest.FixtureRequest, folder: Path, stage: str, name: str
) -> None:
    """In the middle of what libraries do with the file."""
    if "reading" in stage:
        shutil.copytree(request.getfixturevalue("networks"), folder, dirs_exist_ok=True)
    for kind in ("pt2", "onnx", "pth"):
        (folder / f"out.{kind}").write_text("old")

    def content() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    before = content()
    library, function, argv = STAGES[stage]
    program = STALLED.format(library=library, function=function, argv=argv)
    number = getattr(signal, name)
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, cwd=folder) as process:
        while process.poll() is None and not (folder / "stalled").exists():
            time.sleep(0.02)
        assert len(content()) == len(before) + (1 if "reading" in stage else 2)
        process.send_signal(number)
        assert process.wait(timeout=30) == 128 + number
        assert process.stderr is not None and process.stderr.read() == b""
    (folder / "stalled").unlink()
    assert content() == before


def test_ignored_signals_stay_ignored(folder: Path) -> None:
    argv = ["sh", "-c", f'trap "" HUP; exec "{sys.executable}" -c "$0"', SLOW]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        process.terminate()
