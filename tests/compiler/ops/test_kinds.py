"""Nothing outside the layers' room lists layers: what they have in common is a trait."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import PACKAGE, sources

from archc.compiler.ops.registry import INTERNAL, LAYERS

KINDS = {*LAYERS, *INTERNAL}
OTHER_KINDS = {
    "compiler/ir/sizes.py": {"max", "min"},
    "compiler/passes/starts.py": {"relu", "tanh", "selu"},
    "dsl/frameworks.py": KINDS,
    **{str(path.relative_to(PACKAGE)): KINDS for path in sources("archc") if path.parent.name == "read"},
}
"""Other things with the same names: sizes that are greatest or least, torch's gains, words of other frameworks. What
torch's functions become is a table of layers."""


OUTSIDE = [path for path in sources("archc") if not path.is_relative_to(PACKAGE / "compiler" / "ops")]


def strings(node: ast.AST | None) -> list[str]:
    """The texts of a display, such as a set, a tuple or a dict with them as keys; of a single text itself."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Set(elts=items) | ast.List(elts=items) | ast.Tuple(elts=items) | ast.Dict(keys=items):
            return [text for item in items for text in strings(item)] if all(map(strings, items)) else []
        case ast.MatchOr(patterns=items):
            return [text for item in items for text in strings(item)]
        case ast.MatchValue(value=value):
            return strings(value)
    return []


def lists_of_kinds(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """The lines with several kinds in a row, and with a layer's kind held against some."""
    for node in ast.walk(tree):
        match node:
            case ast.Set() | ast.List() | ast.Tuple() | ast.Dict() | ast.MatchOr():
                found, enough = strings(node), 2
            case ast.Compare(left=ast.Attribute(attr="kind", value=ast.Name(id="op") | ast.Attribute(attr="op"))):
                found, enough = strings(node.comparators[0]), 1
            case ast.Match(subject=ast.Attribute(attr="kind", value=ast.Name(id="op") | ast.Attribute(attr="op"))):
                found, enough = [text for case in node.cases for text in strings(case.pattern)], 1
            case _:
                continue
        if len(set(found)) >= enough and set(found) <= KINDS:
            yield node.lineno, set(found)


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_list_of_layers_stands_outside_their_room(path: Path):
    name = str(path.relative_to(PACKAGE))
    found = [(line, kinds) for line, kinds in lists_of_kinds(ast.parse(path.read_text()))]
    assert [(line, kinds) for line, kinds in found if not kinds <= OTHER_KINDS.get(name, set())] == []


@pytest.mark.parametrize(
    "text",
    [
        'SUMS = frozenset({"sum", "mean"})',
        'RULES = {"relu": f, "conv": g}',
        'x = y in ("sum", "mean")',
        'if node.op.kind == "bn": pass',
        'if op.kind not in ("input", "parameter"): pass',
        'match op.kind:\n case "conv" | "linear": pass',
    ],
)
def test_such_lists_are_found(text: str):
    assert list(lists_of_kinds(ast.parse(text)))
