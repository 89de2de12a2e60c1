"""What names mean: definitions, references, other names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archc
from archc.compiler.elaborate.arch import ArchElaboration
from archc.compiler.elaborate.unknown_names import Resolver
from archc.dsl import ast
from archc.editor.document import opened
from archc.editor.names import Resolved
from archc.editor.navigation import Refused, applied, definition, highlights, references, rename
from archc.editor.workspace import Workspace

from .written import SHIPPED, marked, read

PARTS = "block unit(c, stride = 1) = conv(c, 3, stride) -> bn\nblock two(c) = unit(c, stride = 2)\n"
USER = (
    'use unit as u, two from "parts.arch"\n'
    "arch A(width = 8) {\n  input x: [N, 3, 8, 8]\n"
    "  y = x -> u(width, stride = 2)\n  y = y -> two(width)\n  output y\n}\n"
)


class Spies(Resolver):
    """The check for unknown names, which keeps the names that it looks up."""

    def __init__(self) -> None:
        super().__init__()
        self.known: set[tuple[int, bool]] = set()

    def _check(self, node: ast.Name, names: frozenset[str]) -> None:
        self.known.add((node.span.start, node.id in names))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_names_of_shipped_specs_are_those_that_the_check_finds(path: Path) -> None:
    workspace = Workspace()
    document = opened(workspace, path)
    assert document is not None and document.names is not None and document.reading.file is not None
    spies = Spies()
    loaded = workspace.program(path, ArchElaboration).loaded
    assert loaded is not None
    spies.file(loaded)
    resolved = {span.start for span, _ in document.names.uses}
    assert spies.known and {at for at, named in spies.known if named} <= resolved
    assert not {at for at, named in spies.known if not named} & resolved


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    (tmp_path / "archc.toml").touch()
    (tmp_path / "parts.arch").write_text(PARTS)
    (tmp_path / "user.arch").write_text(USER)
    return Workspace()


def spot(workspace: Workspace, path: Path, text: str):  # type: ignore[no-untyped-def]
    """A document and a place in it."""
    found, at = marked(text)
    return read(found, workspace, path), at


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (USER.replace("u(width", "‸u(width"), ("parts.arch", "block unit")),
        (USER.replace("stride = 2", "st‸ride = 2"), ("parts.arch", "block unit")),
        (USER.replace("two(width", "two‸(width"), ("parts.arch", "block two")),
        (USER.replace("output y", "output y‸"), ("user.arch", "  y = y -> two")),
        (USER.replace("y -> two", "‸y -> two"), ("user.arch", "  y = x")),
        (USER.replace("u(width", "u(wid‸th"), ("user.arch", "arch A(width")),
        (USER.replace('"parts', '"par‸ts'), ("parts.arch", "block unit")),
    ],
)
def test_definitions(project: Workspace, tmp_path: Path, text: str, line: tuple[str, str]) -> None:
    span = definition(*spot(project, tmp_path / "user.arch", text))
    assert span is not None and span.source.path is not None
    assert (span.source.path.name, span.source.line(span.line)[: len(line[1])]) == line


def test_references_go_across_files(project: Workspace, tmp_path: Path) -> None:
    document, at = spot(project, tmp_path / "parts.arch", PARTS.replace("unit(c, stride = 1)", "‸unit(c, stride = 1)"))
    found = [(span.source.path.name, span.line, span.text) for span in references(document, at) if span.source.path]
    there = [("user.arch", 1, "unit"), ("user.arch", 1, "u"), ("user.arch", 4, "u")]
    assert found == [("parts.arch", 1, "unit"), ("parts.arch", 2, "unit"), *there]
    document, at = spot(project, tmp_path / "user.arch", USER.replace("stride", "‸stride"))
    assert [(s.source.path.name, s.line) for s in references(document, at) if s.source.path] == [
        ("parts.arch", 1), ("parts.arch", 1), ("parts.arch", 2), ("user.arch", 4),
    ]  # fmt: skip
    assert {span.source.path for span in highlights(document, offset_of(document, "width"))} == {tmp_path / "user.arch"}


def offset_of(document, text: str) -> int:  # type: ignore[no-untyped-def]
    return document.source.text.index(text)


def test_an_open_text_counts_and_not_the_file(project: Workspace, tmp_path: Path) -> None:
    project.open(tmp_path / "parts.arch", "\n\n" + PARTS)
    span = definition(*spot(project, tmp_path / "user.arch", USER.replace("two(width", "two‸(width")))
    assert span is not None and span.line == 4
    project.close(tmp_path / "parts.arch")
    span = definition(*spot(project, tmp_path / "user.arch", USER.replace("two(width", "two‸(width")))
    assert span is not None and span.line == 2


def test_rename_across_files(project: Workspace, tmp_path: Path) -> None:
    document, at = spot(project, tmp_path / "parts.arch", PARTS.replace("unit(c, stride = 1)", "‸unit(c, stride = 1)"))
    edits = rename(document, at, "layer")
    texts = {path: applied(text, [e for e in edits if e.span.source.path == tmp_path / path]) for path, text in
             {"parts.arch": PARTS, "user.arch": USER}.items()}  # fmt: skip
    assert texts["parts.arch"] == PARTS.replace("unit", "layer")
    assert texts["user.arch"] == USER.replace("unit as u", "layer as u")
    for path, text in texts.items():
        (tmp_path / path).write_text(text)
    assert archc.check(tmp_path / "user.arch") == []


def test_rename_of_what_an_order_names(tmp_path: Path) -> None:
    text = "arch A {\n  input x: [N, 4, 8, 8]\n  order stem, body\n  shared ‸stem = conv(4, 3)\n"
    text += "  output x -> body: (first: stem -> conv(4, 1))\n}\n"
    document, at = spot(Workspace(), tmp_path / "order.arch", text)
    renamed = applied(document.source.text, rename(document, at, "trunk"))
    assert renamed == text.replace("‸", "").replace("stem", "trunk") and archc.check(text=renamed) == []


@pytest.mark.parametrize(
    ("text", "new", "why"),
    [
        (PARTS.replace("unit(c, s", "‸unit(c, s", 1), "two", "taken"),
        (PARTS.replace("unit(c, s", "‸unit(c, s", 1), "conv", "name of the language"),
        (PARTS.replace("unit(c, s", "‸unit(c, s", 1), "c", "taken"),
        (PARTS.replace("unit(c, s", "‸unit(c, s", 1), "match", "cannot be a name"),
        (PARTS.replace("unit(c, s", "‸unit(c, s", 1), "a b", "cannot be a name"),
        (PARTS.replace("unit(c, s", "unit(‸c, s", 1), "stride", "taken"),
        (PARTS.replace("conv", "‸conv"), "other", "word of the language"),
        ("block b(c) = ‸wx: conv(c, 1) -> bn", "other", "is a label, which names tensors"),
        ("block b(c) {\n  order a, ‸b\n  output in -> b: bn -> a: bn\n}", "other", "is a label, which names tensors"),
        ("block b(c) = [stage.‸unit{1}: bn]", "other", "is a label, which names tensors"),
        ("# ‸comment\n" + PARTS, "other", "only names"),
        ('use ‸residual from "std/residual.arch"\nblock b(c) = residual(id, c)\n', "mine", "ships with archc"),
    ],
)
def test_what_cannot_be_renamed(tmp_path: Path, text: str, new: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        rename(*spot(Workspace(), tmp_path / "parts.arch", text), new)


ZOO = Workspace()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_renamed_spec_means_the_same(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(SHIPPED))
    document = opened(ZOO, path)
    assert document is not None and document.names is not None
    span, binding = data.draw(st.sampled_from(document.names.uses))
    others = sorted({b.name for _, b in document.names.uses})
    new = data.draw(st.sampled_from(["quite_new", "x", "c", "conv", *others]))
    try:
        edits = [e for e in rename(document, span.start, new) if e.span.source.path == path]
    except Refused:
        assert new != "quite_new" or binding.kind == "import"
        return
    renamed = read(applied(document.source.text, edits), Workspace(), path)
    assert renamed.names is not None and not [d for d in renamed.reading.diagnostics if d.severity == "error"]
    before, after = document.names.uses, renamed.names.uses
    assert groups(document.names) == groups(renamed.names), (path.name, span.text, new)
    assert len(before) == len(after)


def groups(names: Resolved) -> list[int]:
    """For each use, the number of what it means, in the order of the text."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(id(binding), len(numbers)) for _, binding in names.uses]
