"""What a command takes of a small text is bounded: an answer, or a diagnostic that names the limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from language_files import METERED
from patience import IN_TIME

import archc

NET = "arch A {{ input x: [N, {0}]\n {1}\n output {2} }}\n"
DEEP = "".join(f"a{i}: (bn -> " for i in range(150)) + "relu" + ")" * 150
POOLS = "".join("(maxpool(3, 2) -> " for _ in range(100)) + "relu" + ")" * 100
CROSSING = "a0 = x -> relu\n" + "".join(f"a{i} = a{i - 1} -> relu\n" for i in range(1, 300)) + "b0 = a0 + a299\n"
CROSSING += "".join(f"b{i} = b{i - 1} + a{i * 377 % 300}\n" for i in range(1, 300))
NESTED = "block b0 = relu\n" + "".join(f"block b{i + 1} = b{i} -> relu\n" for i in range(180))
INPUTS = "\n".join(f"input i{i}: [N, C{i}, 8, 8]" for i in range(800))
TEXTS = {
    "strides without end": NET.format("3, H, W", "", "x -> conv(3, 3, 2) ** 60"),
    "pools in pools": NET.format("3, H, W", "", f"x -> {POOLS}"),
    "scopes in scopes": NET.format("3, 8, 8", "", f"x -> {DEEP} ** 300"),
    "fewer scopes in scopes": NET.format("3, 8, 8", "", f"x -> {DEEP} ** 40"),
    "a long path, often": NET.format("3, 8, 8", "", f"x -> {'q' * 50_000}: ([bn, relu] ** 20000)"),
    "long labels": NET.format("3, 8, 8", "", f'x -> [*["{"q" * 50_000}{{i}}": bn for i in 1..5000]]'),
    "many axes": NET.format(", ".join(f"D{i}" for i in range(500)), "", "x -> relu ** 1000"),
    "many branches": NET.format("3, 8, 8", "y = x -> relu", "sum([conv(3, 1) for i in 1..2000])(y)"),
    "many inputs": f"arch A {{ {INPUTS}\n output concat({', '.join(f'i{i}' for i in range(800))}) }}",
    "crossing skips": NET.format("3, 8, 8", CROSSING, "b299"),
    "branches side by side": NET.format("3, 64, 64", "", f"concat({'conv(3, 1), ' * 5000}id)(x)"),
    "branches that turn": NET.format("3, 64, 64", "", f"sum({'relu, ' * 10_000}id)(x)"),
    "sums in a row": NET.format("3, 64, 64", "", f"x{' -> sum(id, relu)' * 3500}"),
    "blocks in blocks": NESTED + NET.format("3, 64, 64", "", "x -> b180"),
    "many parts": NET.format("4000, 8, 8", "", "x -> split(4000) -> concat"),
    "parts that turn": NET.format("250, 8, 8", "", "x -> split(250) -> concat"),
}
LIMIT, LARGE = "E0910", "E0831"
COMMANDS = [
    ("field", "strides without end", LIMIT),
    ("draw -o a.html", "strides without end", None),
    ("field", "pools in pools", LIMIT),
    ("stats", "scopes in scopes", LIMIT),
    ("stats", "fewer scopes in scopes", None),
    ("field", "fewer scopes in scopes", None),
    ("stats --format json", "a long path, often", LIMIT),
    ("field", "long labels", LIMIT),
    ("stats", "many axes", None),
    ("field", "many axes", None),
    ("draw -o a.svg", "many branches", None),
    ("stats", "many branches", None),
    ("field", "many inputs", None),
    ("draw -o a.svg", "crossing skips", LARGE),
    ("draw -o a.dot", "crossing skips", None),
    ("draw -o a.html", "branches side by side", None),
    ("draw -o a.svg", "branches that turn", LARGE),
    ("draw -o a.html", "sums in a row", None),
    ("draw -o a.html", "blocks in blocks", None),
    ("draw -o a.svg", "many parts", LARGE),
    ("draw -o a.dot", "many parts", None),
    ("draw -o a.svg", "parts that turn", None),
    ("draw -o a.html", "many axes", None),
]
RUN = (
    METERED
    + """
import io
from contextlib import redirect_stderr, redirect_stdout
from archc.cli import main

def spent():
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in found)

texts, commands = json.load(sys.stdin)
main(["draw", "resnet18", "-o", "b.html"])
main(["field", "resnet18"])
found = []
for command, name, _ in commands:
    with open("a.arch", "w") as file:
        file.write(texts[name])
    word, *more = command.split()
    unit, start, told = loop(), spent(), io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(told):
        status = main([word, "a.arch", *more])
    found.append([status, told.getvalue()[:300], spent() - start, (unit + loop()) / 2])
with open("found.json", "w") as file:
    json.dump(found, file)
"""
)


@IN_TIME
def test_every_command_ends_in_two_seconds(patience: int, tmp_path: Path) -> None:
    """And in 512 MB. Where the machine is busy, what a plain loop takes longer counts less."""
    given = json.dumps([TEXTS, COMMANDS])
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "found.json").read_text())
    for (word, name, code), (status, told, spent, unit) in zip(COMMANDS, found, strict=True):
        assert (status, f"error[{code}]" in told) == (int(code is not None), code is not None), (word, name, told)
        assert spent < 2.5 * patience * max(1, unit / 0.08), f"{word} of {name}: {spent:.2f} s, a loop {unit:.2f} s"


@pytest.mark.parametrize("count", [200, 201])
def test_a_chain_of_variants_at_the_limit(count: int) -> None:
    chain = "".join(f"arch A{i} = A{i - 1}\n" for i in range(1, count))
    found = archc.check(text=NET.format("3", "", "x").replace("A", "A0") + chain)
    assert [one.code for one in found] == ["E0911"] * (count - 200)


@pytest.mark.parametrize("text", ["arch A = A", "arch A = B\narch B = A", "arch A(n = 1) = A(n = n + 1)"])
def test_a_variant_of_itself(text: str) -> None:
    assert {one.code for one in archc.check(text=text)} == {"E0304"}
