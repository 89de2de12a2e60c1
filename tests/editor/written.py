"""Documents of texts in which a mark says where the cursor stands."""

from __future__ import annotations

import os
from pathlib import Path

from archc.catalog import shipped_files
from archc.editor.document import Document, analysed, opened
from archc.editor.workspace import Workspace

MARK = "‸"
SHIPPED = [Path(os.path.realpath(path)) for path in shipped_files()]
HERE = Path("/nowhere/here.arch")


def marked(text: str) -> tuple[str, int]:
    """A text without its mark, and where that stood."""
    assert text.count(MARK) == 1, text
    return text.replace(MARK, ""), text.index(MARK)


def read(text: str, workspace: Workspace | None = None, path: Path = HERE) -> Document:
    """A text with its syntax and names alone."""
    workspace = workspace or Workspace()
    workspace.open(path, text)
    found = opened(workspace, path)
    assert found is not None
    return found


def understood(text: str, workspace: Workspace | None = None, path: Path = HERE) -> Document:
    """A text of which everything has been checked."""
    workspace = workspace or Workspace()
    workspace.open(path, text)
    *_, last = analysed(workspace, path)
    assert last.finished
    return last


def offset(document: Document, words: str) -> int:
    """Where words first stand in a document."""
    return document.source.text.index(words)
