"""Every code of the elaborator is explained, and the examples of the explanations are what they say."""

from __future__ import annotations

import re

import pytest
from checkout import PACKAGE, codes_in
from language_files import every_diagnostic

from archc.compiler.program import Program
from archc.dsl.codes import explained


def used() -> set[str]:
    program = (PACKAGE / "compiler" / "program.py").read_text(encoding="utf-8")
    return codes_in("archc.compiler.elaborate") | set(re.findall(r"\"(E0\d{3})\"", program))


EXPLAINED = sorted(code for code in used() - codes_in("archc.compiler.ops") if explained(code).wrong is not None)


def found(text: str) -> list[str]:
    if "arch " not in text and not text.startswith("use "):
        text = "arch A {\ninput x: [N, 3, 8, 8]\n" + text + "\n}"
    return sorted({d.code for d in every_diagnostic(Program.parse(text))})


@pytest.mark.parametrize("code", EXPLAINED)
def test_examples(code: str) -> None:
    page = explained(code)
    assert page.wrong is not None and page.right is not None
    assert found(page.wrong) == [code]
    assert found(page.right) == []
