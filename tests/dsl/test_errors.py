from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import codes_in

from archc.dsl import ast
from archc.dsl.codes import explained
from archc.dsl.parse import parse
from archc.dsl.source import Source

from .support import codes, errors

FILES = sorted((Path(__file__).parent / "errors").glob("*.arch"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_error_and_no_other(path: Path) -> None:
    """An offending line ends in `#! code`; all are found at once, and nothing else is."""
    text = path.read_text(encoding="utf-8")
    expected = [
        (number, code)
        for number, line in enumerate(text.splitlines(), 1)
        for code in re.findall(r"E\d{4}", line.partition("#!")[2])
    ]
    found = sorted((d.span.line, d.code) for d in errors(text) if d.span)
    assert found == expected


def test_every_code_is_explained() -> None:
    for code in codes_in("archc.dsl"):
        page = explained(code)
        assert page.wrong and page.right, code


def test_what_is_sound_is_kept() -> None:
    file, found = parse(Source("block a() = relu\nblock b() = f(\nuse c, d as e from 3\nblock f() = bn\ng, h = $"))
    assert file is not None and len(found) == 3
    assert [s.name for s in file.statements if isinstance(s, ast.Declaration)] == ["a", "f"]
    assert set(file.broken) == {"b", "c", "e", "g", "h"}


def test_nothing_is_left_of_a_file_without_a_sound_statement() -> None:
    assert parse(Source("x = ("))[0] is None


def test_the_end_is_where_the_text_ends() -> None:
    (error,) = errors("x = f(1,\n  2")
    assert error.span is not None and error.span.start == len("x = f(1,\n  2")
    assert [label.span.text for label in error.labels] == ["("]


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("x = a: f + g", ["a: (f + g)", "(a: f) + g"]),
        ("x = conv -> bn + id", ["(conv -> bn) + id", "conv -> (bn + id)"]),
        ("x = conv(3, bias: true)", ["bias = true"]),
        ("arch A { require a = 2 }", ["=="]),
        ("x = a => b", ["->"]),
    ],
)
def test_hints_give_the_words(text: str, readings: list[str]) -> None:
    (error,) = errors(text)
    for reading in readings:
        assert any(f"`{reading}`" in hint for hint in error.hints)


def test_empty_files() -> None:
    assert codes("") == codes("\n# nothing\n") == ["E0119"]


@pytest.mark.parametrize("name", ["lark", "ANON", "__", "RPAR", "LSQB", "NAME", "THROUGH"])
def test_messages_speak_no_jargon(name: str) -> None:
    for path in FILES:
        for error in errors(path.read_text(encoding="utf-8")):
            assert name not in error.message + "".join(error.hints)
