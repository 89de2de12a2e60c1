"""The texts of an editor: those of open files as they are there, all others as they are on the disk."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ..catalog import spec_files
from ..compiler.elaborate.arch import ArchElaboration
from ..compiler.elaborate.imports import SHIPPED, Loader, Parsed, on_disk, project_folder, real
from ..compiler.program import Program
from ..dsl import ast
from ..dsl.parse import Reading, decode, read
from ..dsl.source import Source
from .names import Binding, Resolved
from .pruned import pruned

_KEPT = 256
"""Texts whose syntax is kept."""
MOST_FILES = 500
"""Files of a project that are looked through for uses of a name."""


class Workspace:
    """The open texts, by resolved path. What has been parsed is kept: a keystroke in one file parses that alone."""

    def __init__(self) -> None:
        self.texts: dict[Path, str] = {}
        self._read: OrderedDict[tuple[Path | None, str, str], Reading] = OrderedDict()
        self._resolved: OrderedDict[ast.File, Resolved] = OrderedDict()

    def open(self, path: Path, text: str) -> None:
        """Takes the text that a file has in the editor, when it is opened and whenever it is changed."""
        self.texts[path] = text

    def close(self, path: Path) -> None:
        """From here on the file is as it is on the disk."""
        self.texts.pop(path, None)

    def source(self, path: Path) -> Source | None:
        """The text of a file, None where it has none."""
        if path in self.texts:
            return Source(self.texts[path], str(path), path)
        with suppress(OSError):
            source, problems = decode(on_disk(path), str(path), path)
            return None if problems else source
        return None

    def reading(self, source: Source) -> Reading:
        """What a text is read as; the same for the same text."""
        key = source.path, source.name, source.text
        found = self._read.get(key)
        if found is None:
            found = self._read[key] = read(source)
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return found

    def resolved(self, reading: Reading) -> Resolved | None:
        """What the names of a text mean, None where it cannot be read at all."""
        if reading.whole is None:
            return None
        found = self._resolved.get(reading.whole)
        if found is None:
            found = self._resolved[reading.whole] = Resolved(reading.whole)
            while len(self._resolved) > _KEPT:
                self._resolved.popitem(last=False)
        return found

    def names(self, path: Path) -> Resolved | None:
        """The same of a file, whose last word in messages is its name."""
        source = self.source(path)
        return None if source is None else self.resolved(self.reading(source))

    def program(self, path: Path, machine: Callable[..., ArchElaboration], tolerant: bool = False) -> Program:
        """The spec in a file, with what it imports, as they are in the editor. One that is `tolerant` has what can be
        read of declarations with errors in them."""

        def parsed(source: Source) -> Parsed:
            reading = self.reading(source)
            return (pruned(reading), []) if tolerant else reading[:2]

        loader = Loader(contents=self._contents, exists=self._exists, parser=parsed)
        program = Program.open(path, loader)
        program.machine = machine
        return program

    def _contents(self, path: Path) -> bytes:
        return self.texts[path].encode("utf-8", "surrogatepass") if path in self.texts else on_disk(path)

    def _exists(self, path: Path) -> bool:
        return path in self.texts or os.path.lexists(path)

    # --- across files ----------------------------------------------------------------------------

    def imported(self, importer: Path, written: str) -> Path | None:
        """The file that a path in a `use` names."""
        for folder in (importer.parent, SHIPPED):
            path = real(folder / written)
            if path in self.texts or path.is_file():
                return path
        return None

    def origin(self, binding: Binding) -> Binding:
        """What an imported name is in the file that defines it; itself where that is not known."""
        seen: set[Binding] = set()
        while binding.kind == "import" and binding not in seen:
            seen.add(binding)
            use, path = binding.node, binding.span.source.path
            found = self.imported(path, use.path) if isinstance(use, ast.Use) and path is not None else None
            names = self.names(found) if found is not None else None
            there = names.file.own.get(binding.there) if names is not None else None
            if there is None:
                break
            binding = there
        return binding

    def project(self, path: Path) -> Iterator[Path]:
        """The files of the project that a file belongs to, those that are open first."""
        folder = project_folder(path)
        files = {p: None for p in self.texts if p.is_relative_to(folder)}
        if not path.is_relative_to(SHIPPED):
            for number, found in enumerate(spec_files(folder)):
                if number >= MOST_FILES:
                    break
                files.setdefault(Path(os.path.realpath(found)))
        else:
            files.update(dict.fromkeys(spec_files(SHIPPED)))
        files.setdefault(path)
        yield from files
