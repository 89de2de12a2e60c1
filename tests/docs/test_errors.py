"""The error index: every code that the compiler gives is explained, and the examples do what they are said to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import codes_in

from archc.compiler.program import Program
from archc.dsl.codes import EXPLANATIONS, all_codes, explained
from archc.dsl.parse import parse
from archc.dsl.source import Source

from .support import elaborate, program_of

CODES = {code: explained(code) for code in all_codes()}

INTERNAL = "E0999"
ASKED = ("E0206", "E0207", "E0208")
# Examples that describe a text rather than being one.
DESCRIBED = {"E0901", "E0902", "E0904", "E0905"}

INPUT = "input {0}: [N, 3, 32, 32]\n"
OTHERS = ("int [N, 16]", "[N, T, 64]", "[N, 64]")
# What the examples of the syntax and the layers take for given.
GIVEN = """block f(c = 3) = conv(c, 3)
block g() = relu
"""


def readings(text: str) -> list[str]:
    """The specs that a fragment may be part of: it is a file, declarations, statements, or an expression."""
    if re.search(r"^(arch|use)\b", text, re.MULTILINE):
        return [text]
    name = "image" if re.search(r"\bimage\b", text) else "x"
    given = "" if re.search(r"\binput\b", text) else INPUT.format(name)
    head = f"{GIVEN}wide = true\n" if re.search(r"\b(f|g|wide)\b", text) and not re.search(r"^f = ", text, re.M) else ""
    inputs = re.match(r"(input[^\n]*\])\s+(?=\w+ ->)(.*)", text, re.DOTALL)
    found = [
        text,
        program_of(text),
        f"{head}arch A {{\n{given}{text}\n}}",
        f"{head}arch A {{\n{given}{text}\noutput {name}\n}}",
    ]
    for line in [f"result = {text}", *(f"result = {part}" for part in text.splitlines())]:
        found.append(f"{head}arch A {{\n{given}{line}\noutput {name} -> result\n}}")
        found.append(f"{head}arch A {{\n{given}{line}\noutput result\n}}")
    if inputs:
        found.append(f"arch A {{\n{inputs[1]}\noutput {inputs[2]}\n}}")
    applied = re.match(r"block (\w+)", text)
    if applied:
        found.append(f"{text}\narch A {{\n{INPUT.format('x')}output x -> {applied[1]}\n}}")
    found += [f"arch A {{\ninput data: {shape}\noutput data -> {text}\n}}" for shape in OTHERS]
    return [*found, *(spec.replace("32, 32]", "8, 8]") for spec in found if spec.startswith("arch A"))]


EXAMPLES = [code for code, page in CODES.items() if page.wrong is not None and code not in DESCRIBED]


@pytest.mark.parametrize("code", EXAMPLES)
def test_wrong(code: str) -> None:
    wrong = CODES[code].wrong
    assert wrong is not None
    run = parse_codes if code < "E02" else asked_codes if code in ASKED else elaborate_codes
    outcomes = [run(text) for text in readings(wrong)]
    assert {code} in outcomes, outcomes


@pytest.mark.parametrize("code", EXAMPLES)
def test_right(code: str) -> None:
    right = CODES[code].right
    assert right is not None
    run = parse_codes if code < "E02" else elaborate_codes
    for text in [right] if code not in ("E0108", "E0109", "E0110", "E0111") else right.splitlines():
        outcomes = [run(reading) for reading in readings(text)]
        assert set() in outcomes, outcomes


def parse_codes(text: str) -> set[str]:
    return {d.code for d in parse(Source(text, "example.arch"))[1]}


def elaborate_codes(text: str) -> set[str]:
    return elaborate(text).codes


def asked_codes(text: str) -> set[str]:
    """The codes of asking a spec for its one architecture, which a check does not."""
    return {d.code for d in Program.parse(text).elaborate().diagnostics}


def test_every_code_is_explained() -> None:
    used = codes_in("archc")
    assert used, "no code found"
    assert used <= CODES.keys(), sorted(used - CODES.keys())


def test_every_explained_code_is_used() -> None:
    assert CODES.keys() - codes_in("archc") <= {INTERNAL}


def test_explanations_have_a_form() -> None:
    for code, page in CODES.items():
        assert page.paragraphs[-1].endswith("."), code
        assert "Wrong:" not in page.paragraphs, code
        assert (EXPLANATIONS / f"{code}.md").read_text(encoding="utf-8").startswith(f"# {code}: {page.title}\n"), code


def test_every_code_is_reached() -> None:
    """By its own example, which the tests above run, or by a program in a test that names it."""
    tests = Path(__file__).parents[1]
    held = "".join(p.read_text(encoding="utf-8") for p in tests.rglob("*") if p.suffix in (".py", ".arch"))
    assert [code for code in CODES if code not in EXAMPLES and code not in held] == []
