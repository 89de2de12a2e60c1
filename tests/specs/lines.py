"""Counts the lines of the shipped specs, and of torchvision's source for the same families.

Run as a script it prints the table of `docs/specs.md`.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

from archc.catalog import ZOO

FAMILIES = ("vgg", "resnet")


@dataclass(frozen=True, slots=True)
class SpecLines:
    """Lines that are not blank. `claims` are the `expect`s, beside or below what they are about."""

    whole: int
    code: int


@dataclass(frozen=True, slots=True)
class PythonLines:
    """Lines that are not blank: of the whole file; without comments and docstrings; of these, without the tables of
    weights, `__all__` and imports; and of these, without the builders of the variants, so the network's classes alone.
    """

    whole: int
    code: int
    network: int
    classes: int


def spec_lines(family: str) -> SpecLines:
    text = (ZOO / f"{family}.arch").read_text(encoding="utf-8")
    code = re.sub(r'"""[\s\S]*?"""|#.*|\bexpect\b.*', "", text)
    return SpecLines(filled(text.split("\n")), filled(code.split("\n")))


def filled(lines: list[str]) -> int:
    return sum(1 for line in lines if line.strip())


def library_lines(family: str) -> PythonLines:
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("torchvision is not installed")
    text = (Path(package.origin).parent / "models" / f"{family}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    code = code_lines(text) - {line for node in ast.walk(tree) for line in docstring(node)}
    tables = {line for node in tree.body if is_table(node) for line in extent(node)}
    builders = {line for node in tree.body if is_builder(node) for line in extent(node)}
    network = code - tables
    return PythonLines(filled(text.split("\n")), len(code), len(network), len(network - builders))


def code_lines(text: str) -> set[int]:
    """The lines on which anything but a comment stands."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {line for t in tokens if t.type not in layout for line in range(t.start[0], t.end[0] + 1)}


def docstring(node: ast.AST) -> range:
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
        return extent(node.body[0])
    return range(0)


def is_table(node: ast.stmt) -> bool:
    """Imports, `__all__`, and what describes published weights."""
    if isinstance(node, ast.ClassDef):
        return node.name.endswith("_Weights")
    if isinstance(node, ast.Assign):
        return any(isinstance(t, ast.Name) and t.id in ("__all__", "_COMMON_META") for t in node.targets)
    return isinstance(node, (ast.Import, ast.ImportFrom))


def is_builder(node: ast.stmt) -> bool:
    """A function that users call for a variant, or what these share."""
    return isinstance(node, ast.FunctionDef) and (bool(node.decorator_list) or node.name in ("_vgg", "_resnet"))


def extent(node: ast.stmt) -> range:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(d.lineno for d in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)


def rows() -> list[str]:
    """The table's lines, one for each family."""
    found = []
    for family in FAMILIES:
        spec, library = spec_lines(family), library_lines(family)
        counts = (spec.code, spec.whole, library.whole, library.code, library.network, library.classes)
        found.append(f"| `{family}.arch` | {' | '.join(map(str, counts))} |")
    return found


if __name__ == "__main__":
    print("\n".join(rows()))
