from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import lark
import pytest

from archc.dsl.parse import parse
from archc.dsl.source import Source
from archc.grammar import GRAMMAR, STORED, build, load, parser, words

from .support import errors, parsed, shape

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.arch"))


@cache
def built_of(grammar: str) -> lark.Lark:
    return build()


def built() -> lark.Lark:
    """The parser of the grammar as it stands, built once here: that takes longer than all the programs."""
    return built_of(parser.GRAMMAR.read_text(encoding="utf-8"))


@pytest.fixture
def anew() -> Iterator[Callable[[], lark.Lark]]:
    """`load`, as a new process calls it."""

    def forget() -> None:
        load.cache_clear()
        words.cache_clear()

    def fresh() -> lark.Lark:
        forget()
        return load()

    yield fresh
    forget()


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[lark.Lark]:
    """The parsers that are built while a test runs."""
    made: list[lark.Lark] = []
    monkeypatch.setattr(parser, "build", lambda: made.append(built()) or made[-1])
    return made


@pytest.mark.skipif(
    STORED.read_bytes().split(b" ", 1)[0].decode() != lark.__version__, reason="stored by another release of lark"
)
def test_stored_parser_is_that_of_the_grammar(anew, builds) -> None:
    """Where this fails, `python -m archc.grammar` stores the parser of the grammar as it stands."""
    anew()
    assert not builds


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_stored_and_built_parser_agree(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert load().parse(text, start="start") == built().parse(text, start="start")


def _other_grammar(stored: Path, grammar: Path) -> None:
    grammar.write_text(grammar.read_text(encoding="utf-8") + "\n// changed\n", encoding="utf-8")


def _other_lark(stored: Path, grammar: Path) -> None:
    stored.write_bytes(b"0.0.0 " + stored.read_bytes().split(b" ", 1)[1])


def _cut_short(stored: Path, grammar: Path) -> None:
    stored.write_bytes(stored.read_bytes()[:-1])


def _harmful(stored: Path, grammar: Path) -> None:
    stored.write_bytes(stored.read_bytes().partition(b"\n")[0] + b"\ncos\nabort\n(tR.")


def _missing(stored: Path, grammar: Path) -> None:
    stored.unlink()


@pytest.mark.parametrize("change", [_other_grammar, _other_lark, _cut_short, _harmful, _missing])
def test_a_parser_of_something_else_is_never_loaded(
    change: Callable[[Path, Path], None], anew, builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar, stored = tmp_path / GRAMMAR.name, tmp_path / STORED.name
    grammar.write_bytes(GRAMMAR.read_bytes())
    monkeypatch.setattr(parser, "GRAMMAR", grammar)
    monkeypatch.setattr(parser, "STORED", stored)
    parser.store()
    builds.clear()
    anew()
    assert not builds
    change(stored, grammar)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    anew()
    assert len(builds) == 1
    assert shape(parsed("x = f(1)")) == shape(parsed("x = f( 1 )"))
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}  # an install may be read-only


def test_threads_parse_at_once() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PROGRAMS] + ["x = f(1 1)\ny = = 2\n"]
    alone = [parse(Source(text)) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: parse(Source(text)), texts * 4))
    for (file, found), (file_alone, found_alone) in zip(together, alone * 4, strict=True):
        assert shape(file) == shape(file_alone)
        assert [(d.code, d.message, str(d.span)) for d in found] == [
            (d.code, d.message, str(d.span)) for d in found_alone
        ]


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("x = [f forx in xs]", "forx"),
        ("block b(p == 1) = f", "=="),
        ("x = a => b", "=>"),
        ("x = a *** b", "***"),
        ("arch a = f() expect params == 3 at224", "at224"),
    ],
)
def test_a_token_is_never_read_as_two(text: str, token: str) -> None:
    span = errors(text)[0].span
    assert span is not None and span.source.text.startswith(token, span.start)


def test_parsing_imports_nothing_heavy_but_lark() -> None:
    code = (
        "import sys; from archc.dsl.parse import parse; from archc.dsl.source import Source; parse(Source('x = 1'));"
        "assert not {'torch', 'networkx', 'pydantic', 'rich', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
