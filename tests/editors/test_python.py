"""Pygments and notebooks."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from checkout import PYPROJECT
from hypothesis import given
from hypothesis import strategies as st
from pygments.token import Comment, Error, Keyword, Name, Number, Text

import archc
from archc.catalog import shipped_files

SPEC = "arch Net(width = 8) {\n  input x: [N, 3, H, W] = [1, 3, 32, 32]\n  output x -> conv(width, 3) -> relu\n}\n"


@pytest.fixture(scope="module")
def lexer() -> Any:
    module, name = PYPROJECT["project"]["entry-points"]["pygments.lexers"]["arch"].split(":")
    return getattr(import_module(module), name)()


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_every_shipped_spec_has_its_colours(path: Path, lexer: Any) -> None:
    text = path.read_text(encoding="utf-8")
    found = list(lexer.get_tokens_unprocessed(text))
    assert "".join(value for _, _, value in found) == text
    assert not [value for _, kind, value in found if kind in (Error, Text)]


def test_kinds(lexer: Any) -> None:
    found = {(value, kind) for kind, value in lexer.get_tokens("# c\n" + SPEC)}
    assert {("# c", Comment.Single), ("arch", Keyword.Declaration), ("Net", Name.Class), ("3", Number)} <= found
    assert {("width", Name.Attribute), ("conv", Name.Builtin), ("relu", Name.Builtin), ("x", Name.Variable)} <= found


@given(st.text(alphabet='"#{}()[]\n ab1:=->é\\\r', max_size=60))
def test_no_text_is_lost(text: str) -> None:
    lexer = import_module("archc.editor.pygments").ArchLexer()
    assert "".join(value for _, _, value in lexer.get_tokens_unprocessed(text)) == text


@pytest.fixture
def shell() -> Any:
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    found = InteractiveShell()
    found.run_line_magic("load_ext", "archc")
    return found


def test_a_cell_shows_its_picture_and_defines_a_name(shell: Any) -> None:
    shown = shell.run_cell_magic("arch", "net --set width=16", SPEC)
    assert shell.user_ns["net"] is shown and shown.parameters == {"width": 16} and "<svg" in shown._repr_html_()
    shell.run_cell_magic("arch", "", SPEC)
    assert isinstance(shell.user_ns["Net"], archc.Architecture)
    two = SPEC + "arch Wide = Net(width = 64)\n"
    assert shell.run_cell_magic("arch", "w --arch Wide", two).name == "Wide"


@pytest.mark.parametrize(
    ("line", "cell", "why"),
    [
        ("", SPEC.replace("relu", "relo"), "E0201"),
        ("", "arch {", "E0101"),
        ("--set depth=3", SPEC, "E0309"),
        ("--set width", SPEC, "width"),
        ("a b", SPEC, "unrecognized"),
        ("3x", SPEC, "cannot be a name"),
        ('"', SPEC, "quotation"),
        ("--arch Other", SPEC, "E0208"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(shell: Any, line: str, cell: str, why: str) -> None:
    from IPython.core.error import UsageError

    with pytest.raises(UsageError, match=why):
        shell.run_cell_magic("arch", line, cell)
    assert "net" not in shell.user_ns
