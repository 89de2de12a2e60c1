from __future__ import annotations

from pathlib import Path

import pytest

from archc.dsl import ast
from archc.dsl.parse import decode

from .support import parsed, shape, value

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.arch"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_programs_parse(path: Path) -> None:
    assert parsed(path.read_text(encoding="utf-8")).statements


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("a + b -> f", "(a + b) -> f"),
        ("layer1: unit(64) ** 3", "layer1: (unit(64) ** 3)"),
        ("-a ** 2", "-(a ** 2)"),
        ("a ** b ** c", "a ** (b ** c)"),
        ("a ++ b * c", "a ++ (b * c)"),
        ("a + 1 == b", "(a + 1) == b"),
        ("not a == b", "not (a == b)"),
        ("not a and b or c", "((not a) and b) or c"),
        ("0..s - 1", "0..(s - 1)"),
        ("if a then b else c -> d", "if a then b else (c -> d)"),
        ("body + down: f(c) -> relu", "(body + (down: f(c))) -> relu"),
    ],
)
def test_precedence(short: str, full: str) -> None:
    assert shape(value(short)) == shape(_ungrouped(value(full)))


def _ungrouped(node: ast.Expr) -> ast.Expr:
    from dataclasses import fields, replace

    def visit(item: object) -> object:
        if isinstance(item, ast.Group):
            return visit(item.value)
        if isinstance(item, ast.Syntax) and not isinstance(item, ast.LabelPath):
            return replace(item, **{f.name: visit(getattr(item, f.name)) for f in fields(item) if f.name != "span"})
        return tuple(map(visit, item)) if isinstance(item, tuple) else item

    result = visit(node)
    assert isinstance(result, ast.Expr)
    return result


def test_long_chains_are_flat() -> None:
    chain = value(" -> ".join(["relu"] * 20_000))
    assert isinstance(chain, ast.Chain) and len(chain.parts) == 20_000
    fold = value(" + ".join(["1"] * 20_000))
    assert isinstance(fold, ast.Fold) and len(fold.rest) == 19_999


def test_left_folds_keep_their_operators() -> None:
    fold = value("a + b - c ++ d")
    assert isinstance(fold, ast.Fold) and [op for op, _ in fold.rest] == ["+", "-", "++"]


@pytest.mark.parametrize(
    "word", ["block", "input", "output", "at", "when", "order", "param", "use", "expect", "training"]
)
def test_statement_words_are_names_elsewhere(word: str) -> None:
    assert isinstance(value(word), ast.Name)
    assert isinstance(value(f"f({word} = 3) -> {word}: f -> {word}.fc: g.{word}"), ast.Chain)
    file = parsed(f"block b({word}: int = 1) = f({word})")
    assert isinstance(file.statements[0], ast.BlockDef) and file.statements[0].parameters[0].name == word


def test_newlines_mean_nothing() -> None:
    text = (
        "arch A(n: int = 1) { input x: [N] = [1] y = f(x) a, *b = y "
        "for i in 1..n { y = y -> g } output y when training }"
    )
    assert shape(parsed(text)) == shape(parsed(text.replace(" ", "\n")))


def test_labels() -> None:
    label = value("a.b{i}_{s + 1}.{j}: f")
    assert isinstance(label, ast.Labelled)
    assert [len(segment) for segment in label.label.segments] == [1, 4, 1]
    piece = label.label.segments[1][3]
    assert isinstance(piece, ast.Fold) and piece.span.text == "s + 1"
    numbered = value("branch{0..}: fs")
    assert isinstance(numbered, ast.Labelled) and isinstance(numbered.label.first, ast.Number)
    assert numbered.label.segments == (("branch",),)
    quoted = value('"s{i}-x": f')
    assert isinstance(quoted, ast.Labelled) and quoted.label.quoted
    assert [p for p in quoted.label.segments[0] if isinstance(p, str)] == ["s", "-x"]


def test_strings_interpolate() -> None:
    text = value(r'"a{n + 1}b{{\"\n"')
    assert isinstance(text, ast.Text)
    assert text.parts[0] == "a" and isinstance(text.parts[1], ast.Fold) and text.parts[2] == 'b{"\n'


def test_numbers() -> None:
    items = value("[25_557_032, 0.5, 1e-5, 1..2, 0..<2]")
    assert isinstance(items, ast.ListExpr)
    first, second, third, fourth, fifth = items.items
    assert isinstance(first, ast.Number) and first.value == 25_557_032
    assert isinstance(second, ast.Number) and second.value == 0.5
    assert isinstance(third, ast.Number) and third.value == 1e-5
    assert isinstance(fourth, ast.Range) and fourth.inclusive
    assert isinstance(fifth, ast.Range) and not fifth.inclusive


def test_claims_belong_to_the_variant_before_them() -> None:
    text = 'arch a = F()   expect params == 1   require x, "why"\narch b = F()\nblock c() = relu'
    a, b, c = parsed(text).statements
    assert isinstance(a, ast.ArchDef) and len(a.claims) == 2
    assert isinstance(b, ast.ArchDef) and not b.claims
    assert isinstance(c, ast.BlockDef)


def test_expect_says_where_and_when() -> None:
    texts = ["expect shape at [1, n] == [2] when d == 50", "expect shape == [2] at [1, n] when d == 50"]
    found = []
    for text in texts:
        variant = parsed(f"arch a = F() {text}").statements[0]
        assert isinstance(variant, ast.ArchDef)
        found.append(shape(variant.claims))
    assert found[0] == found[1]


def test_doc_strings() -> None:
    file = parsed('"""The file."""\n"""A."""\nblock a() = relu\nblock b() { """B,\n  twice.""" output in }\nx = 1')
    assert file.doc == "The file."
    assert [s.doc for s in file.statements if isinstance(s, ast.Declaration)] == ["A.", "B,\n  twice."]


def test_statements() -> None:
    text = """
    use a, b as c from "x.arch"
    extern deform(c)(x: [N, C, H, W]) -> [N, c, H, W] { param weight: [c, C, 3, 3] buffer b: [c] }
    block g(p, *q)(x, *rest) {
      shared f = h param w = zeros([1]) buffer m = e draw r = choice(3) order a.b, c{i} output f }
    fn f(v: int | "x" | -1 = -1) = match v { 1 | 2 => a, _ => b, }
    arch A(unit: block = basic) {
      input tokens: int [N, T] = [1, 77]
      default bn(eps = 0.001)
      require a, "why"
      if a { x = 1 } else if b { x = 2 } else { x = 3 }
      output aux = tokens -> f when training
      output f(*xs, k = 1)[0].shape
    }
    """
    use, extern, block, fn, arch = parsed(text).statements
    assert isinstance(use, ast.Use) and use.names == (("a", "a"), ("b", "c")) and use.path == "x.arch"
    assert isinstance(extern, ast.ExternDef) and [m.learned for m in extern.members] == [True, False]
    assert isinstance(block, ast.BlockDef) and block.inputs is not None and block.inputs[1].rest
    assert isinstance(fn, ast.FunctionDef) and isinstance(fn.body, ast.Match) and len(fn.body.cases) == 2
    assert isinstance(arch, ast.ArchDef) and isinstance(arch.body, tuple)
    assert isinstance(arch.body[0], ast.Input) and arch.body[0].dtype == "int"
    choice = arch.body[3]
    assert isinstance(choice, ast.IfStatement) and isinstance(choice.otherwise[0], ast.IfStatement)


def test_spans_cover_their_text() -> None:
    file = parsed("block a() = f(x) -> g\n\nx = [1, 2]")
    assert [s.span.text for s in file.statements] == ["block a() = f(x) -> g", "x = [1, 2]"]


def test_bytes() -> None:
    source, found = decode("\ufeffx = 1\r\ny = 2".encode(), "a.arch")
    assert source is not None and not found
    assert len(parsed(source.text).statements) == 2
    source, found = decode(b"x = \xff", "a.arch")
    assert source is None and [d.code for d in found] == ["E0905"]
