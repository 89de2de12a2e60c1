"""Whatever a text holds, the terminal obeys none of it, and files are valid."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import archc as package

Command = Callable[..., Any]
TEXTS = {
    "control": "\x1b[31mred\x07\x00\x08\x9b1m\r\x7f",
    "direction": "a\u202eb\u2066c\u200f\u2028d\u2029",
    "half": "a\ud800b",
    "undecoded": "a\udcffb",
    "pages": "</script><script>alert(1)</script>&amp;\"'`${x}`-->]]>",
    "latex": "\\input{/etc/passwd}%$#_^{}~& \\end{document}",
    "dot": 'a"b\\nc\\\\"];x->y;/*<b>*/',
    "tables": "|a|**b**|[l](u)\nc\td; e=f",
    "place": "../../a/b",
    "option": "--help",
    "many": "x" * 5000,
    "marks": "e" + "\u0301" * 300 + "\U0010ffff\ufffe",
}
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
NET = """
block unit(c, mode) = if mode == "x" then conv(c, 1) else conv(c, 3)
arch net(mode: str = "a") { input x: [N, 3, 8, 8]  output x -> a: [unit(4, mode) ** 2] -> gap -> fc: linear(5) }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.arch").write_text(NET)
    return tmp_path


def clean(archc: Command, *argv: str) -> Any:
    outcome = archc(*argv)
    assert outcome.status in (0, 1, 2) and "E0999" not in outcome.err, (argv, outcome)
    assert not (found := OBEYED.search(outcome.out + outcome.err)), (argv, found, outcome)
    return outcome


def valid(path: Path) -> None:
    """A file that its readers take."""
    content = path.read_bytes()
    if path.suffix in (".svg", ".graphml"):
        ET.fromstring(content)
    if path.suffix == ".json":
        json.loads(content)
    if path.suffix not in (".png", ".pdf"):
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", content.decode()), path


@pytest.mark.parametrize("what", TEXTS)
def test_texts_of_parameters(archc: Command, folder: Path, what: str) -> None:
    given = ["net.arch", "--set", f"mode={TEXTS[what]}"]
    for target in ("a.svg", "a.html", "a.tex", "a.dot", "a.pdf"):
        assert clean(archc, "draw", *given, "-o", target).status == 0
    for target in ("a.json", "a.graphml", "a.arch"):
        if clean(archc, "compile", *given, "--device", "cpu", "-o", target).status == 0:
            printed = archc("compile", *given, "--device", "cpu", "--emit", target.partition(".")[2], "-o", "-").out
            assert printed == Path(target).read_bytes().decode()  # a pipe gets what a file does
    clean(archc, "plot", *given, "-o", "plot.svg")
    for form in ("text", "json", "csv", "md", "latex"):
        clean(archc, "stats", *given, "--format", form)
    for form in ("text", "json", "github", "sarif"):
        clean(archc, "check", *given, "--format", form)
    clean(archc, "diff", f"net.arch(mode = '{TEXTS[what]}')", "net.arch")
    for path in folder.iterdir():
        valid(path)
    assert "<script>alert" not in (folder / "a.html").read_text()


@pytest.mark.parametrize("what", TEXTS)
def test_texts_of_specs(archc: Command, folder: Path, what: str) -> None:
    text = TEXTS[what]
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    told = f'"""{text} of the file."""\nblock b(c, mode = "{quoted}") = relu\n"""{text}"""\n# {text}\n{NET}'
    (folder / "told.arch").write_bytes(told.encode("utf-8", "surrogatepass"))
    for command in ("list", "check", "stats", "fmt", "draw"):
        clean(archc, command, "told.arch")
    for path in folder.glob("*.svg"):
        valid(path)


@pytest.mark.parametrize("what", TEXTS)
def test_texts_as_words(archc: Command, folder: Path, what: str) -> None:
    text = TEXTS[what]
    for argv in (
        *([command, text] for command in ("explain", "list", "check", "fmt", "stats")),
        *(["check", "net.arch", text], ["check", "net.arch", f"{text}.arch"], ["list", "net.arch", text]),
        *(["stats", "net.arch", "--size", text], ["draw", "net.arch", "--only", text]),
        *(["field", "net.arch", "--at", text], ["rewrite", text, "net.arch"], ["diff", "net.arch", text]),
        *(["rewrite", "remove", "net.arch", "--with", f"modules={text}"], ["draw", "net.arch", "--width", text]),
        *(["compile", "net.arch", "--weights", text, "-o", "a.json"], ["plan", "net.arch", "--memory", text]),
        *(["draw", "net.arch", "-o", f"{text}.svg"], ["plot", "net.arch", "-o", f"{text}.svg"], [text], [f"-{text}"]),
    ):
        clean(archc, *argv)


@pytest.mark.parametrize("what", TEXTS)
def test_texts_as_names_of_tensors(archc: Command, folder: Path, what: str) -> None:
    text, state = TEXTS[what], package.load("net.arch").module(seed=0).state_dict()
    for found in ({text + name: tensor for name, tensor in state.items()}, state | {text: torch.ones(3)}):
        torch.save(found, folder / "a.pth")
        argv = ["compile", "net.arch", "--device", "cpu", "--weights", "a.pth", "-o", "a.json"]
        for more in ([], ["--map", "auto", "--write-map", "map.json"], ["--leave-out", text]):
            outcome = clean(archc, *argv, *more)
            assert what not in ("half", "undecoded") or "are no Unicode text" in outcome.err
        for path in folder.glob("*.json"):
            valid(path)


def test_folders_whose_names_are_no_text(archc: Command, folder: Path) -> None:
    """What libraries of C++ read and write too."""
    inside = os.fsdecode(b"dir\xff")
    try:
        os.mkdir(inside)
    except OSError:
        pytest.skip("this file system has names of UTF-8 alone")
    os.rename("net.arch", f"{inside}/net.arch")
    module = package.load(f"{inside}/net.arch").module(seed=0)
    for ending in ("pth", "safetensors"):
        from archc.compiler.emit.weights import save_weights

        save_weights(module, f"{inside}/a.{ending}")
        argv = ["compile", f"{inside}/net.arch", "--weights", f"{inside}/a.{ending}", "--device", "cpu"]
        for target in ("a.json",) if ending == "pth" else ("a.pt2", "a.onnx", "a.py"):
            outcome = clean(archc, *argv, "-o", f"{inside}/{target}")
            assert outcome.status == 0, outcome
    for network in ("a.pt2", "a.onnx"):
        assert clean(archc, "stats", f"{inside}/{network}").status == 0
    (Path(inside) / "wrong.arch").write_text("arch A { nonsense }")
    log = json.loads(clean(archc, "check", f"{inside}/wrong.arch", "--format", "sarif").out)
    (found, *_) = log["runs"][0]["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "dir%FF/wrong.arch"
    fast = clean(archc, "compile", f"{inside}/net.arch", "--optimize", "--device", "cpu", "-o", f"{inside}/fast.pt2")
    assert fast.status == 0, fast


def test_the_standard_input_is_no_spec(archc) -> None:
    refused = archc("check", "-")
    assert refused.status == 1 and "E0701" in refused.err and "standard input" in refused.err
