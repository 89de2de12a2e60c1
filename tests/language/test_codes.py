"""Every code of the elaborator is explained, and the examples of the explanations are what they say."""

from __future__ import annotations

import re
import textwrap

import pytest
from checkout import PACKAGE, codes_in
from language_files import every_diagnostic

from archc.compiler.elaborate.codes import CODES
from archc.compiler.program import Program
from archc.dsl import codes as dsl_codes

EXAMPLES = re.compile(r"\n\nWrong:\n\n(.*?)\n\nRight:\n\n(.*)\n\Z", re.DOTALL)
EXPLAINED = sorted(code for code in CODES if EXAMPLES.search(CODES[code].explanation))


def used() -> set[str]:
    program = (PACKAGE / "compiler" / "program.py").read_text(encoding="utf-8")
    return codes_in("archc.compiler.elaborate") | set(re.findall(r"\"(E0\d{3})\"", program))


def test_every_code_is_explained_once() -> None:
    from archc.compiler.ops.codes import CODES as shapes

    assert used() - CODES.keys() <= shapes.keys()
    assert CODES.keys() <= used()
    assert not CODES.keys() & dsl_codes.CODES.keys()


def found(example: str) -> list[str]:
    text = textwrap.dedent(example)
    if "arch " not in text and not text.startswith("use "):
        text = "arch A {\ninput x: [N, 3, 8, 8]\n" + text + "\n}"
    return sorted({d.code for d in every_diagnostic(Program.parse(text))})


@pytest.mark.parametrize("code", EXPLAINED)
def test_examples(code: str) -> None:
    match = EXAMPLES.search(CODES[code].explanation)
    assert match is not None
    assert found(match[1]) == [code]
    assert found(match[2]) == []
