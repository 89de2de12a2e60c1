"""Reading a spec and what it imports. No other file is opened.

Imports are relative to the importing file and stay, after resolving links, inside the project's folder or among the
specs that ship with archc. The project's folder is the nearest one upwards that holds a `pyproject.toml`, an
`archc.toml` or a `.git`; else the folder of the spec itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...dsl import ast
from ...dsl.diagnostics import Diagnostic
from ...dsl.diagnostics import Label as Note
from ...dsl.limits import LIMITS, higher
from ...dsl.parse import decode, parse
from ...dsl.reads import note_read, opened, reason
from ...dsl.source import Source, Span
from ..ir.words import meant, nearest
from .suggestions import did_you_mean

SHIPPED = Path(__file__).resolve().parents[2] / "specs"
MARKERS = ("pyproject.toml", "archc.toml", ".git")


@dataclass(slots=True, eq=False)
class LoadedFile:
    """A parsed file, and the files that its `use` statements name."""

    syntax: ast.File
    imports: dict[ast.Use, LoadedFile] = field(default_factory=dict)

    def visible(self) -> set[str]:
        """What it defines and what it imports, or would but for a syntax error."""
        return {*self.syntax.broken, *(name for statement in self.syntax.statements for name in statement.defines)}


Parsed = tuple[ast.File | None, list[Diagnostic]]


def on_disk(path: Path) -> bytes:
    """The bytes of a file, one more than a spec may have at most. Raises OSError."""
    with opened(path) as stream:
        note_read(path)
        return stream.read(LIMITS.source_bytes + 1)


@dataclass(slots=True)
class Loader:
    """Reads files once each. `diagnostics` collects what is wrong with any of them. `contents` gives the bytes of a
    file that `exists`, as many as tell whether it is too large, and `parser` its syntax."""

    contents: Callable[[Path], bytes] = on_disk
    exists: Callable[[Path], bool] = os.path.lexists
    parser: Callable[[Source], Parsed] = parse
    diagnostics: list[Diagnostic] = field(default_factory=list)
    files: dict[Path, LoadedFile | None] = field(default_factory=dict)
    loading: list[tuple[Path, Span]] = field(default_factory=list)
    project: Path | None = None

    def open(self, path: Path) -> LoadedFile | None:
        """The spec to check, with its imports; None where it cannot be read or holds nothing."""
        resolved = real(path)
        self.project = project_folder(resolved)
        return self._load(resolved, str(path), None)

    def take(self, source: Source) -> LoadedFile | None:
        """The same for text that is no file; its imports are the shipped specs."""
        return self._parsed(source, source.path)

    def _load(self, path: Path, name: str, at: Span | None) -> LoadedFile | None:
        if path in self.files:
            return self.files[path]
        try:
            data = self.contents(path)
        except OSError as error:
            message = f"`{name}` cannot be read: {reason(error).lower()}"
            is_text = "{" in name and at is None
            hint = "this is a spec's text: `archc.loads` takes it" if is_text else "a spec is a readable text file"
            hint = "specs are files, and none is read from the standard input" if name == "-" else hint
            near = _beside(path, path.name) if isinstance(error, FileNotFoundError) and not is_text else []
            self._report("E0701", message, at, *meant(str(Path(name).with_name(n)) for n in near) or (hint,))
            return None
        source, problems = decode(data, name, path)
        self.diagnostics.extend(problems)
        self.files[path] = None
        if source is not None:
            self.loading.append((path, at or Span(source, 0, 0)))
            self.files[path] = self._parsed(source, path)
            self.loading.pop()
        return self.files[path]

    def _parsed(self, source: Source, path: Path | None) -> LoadedFile | None:
        syntax, problems = self.parser(source)
        self.diagnostics.extend(problems)
        if syntax is None:
            return None
        loaded = LoadedFile(syntax)
        for statement in syntax.statements:
            if isinstance(statement, ast.Use):
                self._use(loaded, statement, path)
        return loaded

    def _use(self, loaded: LoadedFile, use: ast.Use, importer: Path | None) -> None:
        path = self._find(use, importer)
        if path is None:
            return
        cycle = [at for at, _ in self.loading]
        if path in cycle:
            notes = tuple(Note(span, "which is imported here") for _, span in self.loading[cycle.index(path) + 1 :])
            way = f", by way of {len(notes)} other file{'s' * (len(notes) != 1)}" if notes else ""
            hint = "put what both need into a third file"
            self._report("E0703", f'"{use.path}" imports itself{way}', use.path_span, hint, labels=notes)
            return
        if len(self.files) >= LIMITS.imported_files:
            message = f"a spec imports at most {LIMITS.imported_files} files"
            hint = "several declarations can stand in one file"
            self._report("E0915", message, use.path_span, hint, *higher("imported_files"))
            return
        imported = self._load(path, _shown(path, importer, use.path), use.path_span)
        if imported is None:
            return
        loaded.imports[use] = imported
        known = imported.visible()
        for name, _ in use.names:
            if name not in known:
                hints = did_you_mean(name, known) or (f"it defines {', '.join(sorted(known)[:8])}",)
                self._report("E0704", f'"{use.path}" defines no `{name}`', use.span, *hints)

    def _find(self, use: ast.Use, importer: Path | None) -> Path | None:
        """The file that a `use` names, or None with a diagnostic."""
        places = [importer.parent] if importer is not None else []
        candidates = [real(place / use.path) for place in (*places, SHIPPED)]
        allowed = [c for c in candidates if self._inside(c)]
        for candidate in allowed:
            if self.exists(candidate):
                return candidate
        outside = candidates[:1] if not allowed or (places and not self._inside(candidates[0])) else []
        if outside:
            hint = "a spec imports files of its own project and the specs that ship with archc"
            self._report("E0702", f'"{use.path}" lies outside the project\'s folder', use.path_span, hint)
        else:
            near = _beside(importer, use.path) if importer else []
            hint = "a path is relative to the file that imports, or to the specs that ship with archc"
            whole = f"{use.path}.arch"
            found = any(self.exists(real(place / whole)) for place in (*places, SHIPPED))
            hints = meant([whole] if found else near, use.path) or (hint,)
            self._report("E0701", f'there is no file "{use.path}"', use.path_span, *hints)
        return None

    def _report(self, code: str, message: str, at: Span | None, *hints: str, labels: tuple[Note, ...] = ()) -> None:
        self.diagnostics.append(Diagnostic(code, message, at, labels=labels, hints=hints))

    def _inside(self, path: Path) -> bool:
        roots = [SHIPPED] if self.project is None else [SHIPPED, self.project]
        return any(path.is_relative_to(root) for root in roots)


def real(path: Path) -> Path:
    """Where a path leads by its links; one that no file can have leads nowhere else."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return path


def _beside(path: Path, written: str) -> list[str]:
    """The other specs in the folder of a file whose names are most like what is written. Endings are not compared: they
    make any two of them alike."""
    try:
        stems = sorted(p.stem for p in path.parent.glob("*.arch") if p != path)
    except (OSError, ValueError):
        return []
    return [f"{stem}.arch" for stem in nearest(written.removesuffix(".arch"), stems)]


def _shown(path: Path, importer: Path | None, written: str) -> str:
    """What diagnostics call an imported file: as written, or its place among the shipped specs."""
    if path.is_relative_to(SHIPPED) and not (importer and importer.is_relative_to(SHIPPED)):
        return str(path.relative_to(SHIPPED))
    return written


def project_folder(spec: Path) -> Path:
    """The folder that a spec's imports may not leave."""
    for folder in spec.parents:
        if any(os.path.exists(folder / marker) for marker in MARKERS):
            return folder
    return spec.parent
