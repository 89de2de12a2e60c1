from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lark
import pytest

from archc.grammar import GRAMMAR, STORED, build, load

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.arch"))


def test_stored_tables_are_those_of_the_grammar() -> None:
    """Where this fails, `python -m archc.grammar` writes them anew."""
    stored, fresh = load(), build()
    assert stored.hash == fresh.hash
    assert (stored.states, stored.rules, stored.terminals) == (fresh.states, fresh.rules, fresh.terminals)
    if stored.lark == lark.__version__:
        assert STORED.read_text(encoding="utf-8") == fresh.to_json()


@pytest.fixture(scope="module")
def parser() -> lark.Lark:
    return lark.Lark(
        GRAMMAR.read_text(encoding="utf-8"), parser="lalr", lexer="contextual", start=["start", "interpolation"]
    )


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_lark_itself_agrees(parser: lark.Lark, path: Path) -> None:
    assert parser.parse(path.read_text(encoding="utf-8"), start="start").children


def test_parsing_imports_neither_lark_nor_torch() -> None:
    code = (
        "import sys; from archc.dsl.parse import parse; from archc.dsl.source import Source; parse(Source('x = 1'));"
        "assert not {'lark', 'torch', 'networkx', 'pydantic', 'rich'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
