"""A spec that is being looked at and edited: its text, its file, and the analysis of the latest text."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ..compiler.elaborate.imports import on_disk, real
from ..compiler.files import atomic_write
from ..compiler.program import Program
from ..dsl import ast
from ..dsl.diagnostics import ArchError, refused
from ..dsl.limits import LIMITS
from ..dsl.parse import decode
from ..editor.document import Document, Given, Run, analysed, opened
from ..editor.pictures import boxes_at, run_at
from ..editor.threads import DEBOUNCE, deep_thread
from ..editor.workspace import Workspace
from ..viz.page import unfolded
from ..viz.page_data import page_data
from ..viz.page_tree import PageTree
from ..viz.sheet import SHEET
from .board import Board
from .told import Units, diagnostics, figures

T = TypeVar("T")

POLL = 0.05
"""Seconds between two looks at the files. A file that has changed is read when it is at rest for one of them."""
Signature = tuple[int, int, int] | None
"""By which a change of a file is seen: time, size and number; None where there is none."""


class Stale(Exception):
    """What was asked is about a text that is not the latest."""


class Live:
    """The spec in a file, of which the architecture `name` is drawn; without a name, or where there is none of it, the
    one that is edited. Parameters may be `given` for one. Where `shipped` it cannot be saved.

    Lines end in `\\n` here, and in the file as they do there. `version` counts the texts. Raises ArchError where there
    is no text to begin with.
    """

    def __init__(self, path: Path, name: str | None = None, shipped: bool = False, given: Given | None = None):
        self.path, self.name, self.shipped, self.given = real(path), name, shipped, given
        self.workspace, self.board = Workspace(), Board()
        if self.workspace.source(self.path) is None:
            raise ArchError(Program.open(path).diagnostics)
        self.text, self.version, self.cursor = "", 0, 0
        self.saved: bytes | None = None
        self.beside: bytes | None = None
        self.outside = ""
        self.by = ""
        self.document: Document | None = None
        self._drawn: tuple[Run, PageTree] | None = None
        self._generation = 0
        self._changed = threading.Condition(threading.RLock())
        self._ended = threading.Event()
        self._analyses, self._answers = deep_thread("analysis"), deep_thread("answers")
        self._take(self._contents(), "file")
        self._analyses.submit(self._analyse)
        threading.Thread(target=self._follow, name="files", daemon=True).start()

    def end(self) -> None:
        """Ends the threads; what is running gives up."""
        self._ended.set()
        self._renew()
        self.board.end()
        for pool in (self._analyses, self._answers):
            pool.shutdown(wait=False, cancel_futures=True)

    # --- the text --------------------------------------------------------------------------------

    @property
    def dirty(self) -> bool:
        """Whether the text is another one than that in the file, as far as that is known."""
        return self.saved is None or self._read(self.saved) != self.text

    def edit(self, text: str, base: int, by: str, cursor: int) -> int:
        """Takes a text that a window, `by`, made of the text number `base`, and gives its number. Raises `Stale`."""
        with self._changed:
            self._expect(base)
            self._replace(text.replace("\r\n", "\n"), by, cursor)
            return self.version

    def choose(self, name: str) -> None:
        """Draws another architecture from here on."""
        with self._changed:
            self.name = name
            self._renew()

    def save(self, version: int) -> None:
        """Writes the text into the file. Raises `Stale`, and ArchError: E1008 where the file has changed since it was
        read, E0805 where it cannot be written."""
        with self._changed:
            self._expect(version)
            if self.shipped:
                hint = "save the text as a file of your own, and serve that"
                raise refused("E0805", f"cannot write {self.path.name}: it ships with archc", hint)
            content = self._encoded()

            def write(temporary: Path) -> None:
                temporary.write_bytes(content)
                found = self._contents()
                if found not in (None, self.saved, content):
                    self._outside(found)
                    hint = "load what stands there, or keep this text and save again"
                    raise refused("E1008", f"{self.path.name} has changed since it was read", hint)

            atomic_write(self.path, write)
            self.saved, self.outside, self.beside = content, "", None
            self._say_file()

    def keep(self) -> None:
        """Knows of what stands in the file, and keeps this text: it can be saved over that."""
        with self._changed:
            if self.outside:
                self.saved, self.outside, self.beside = self.beside, "", None
                self._say_file()

    def load(self) -> None:
        """Takes what stands in the file, and forgets this text. Raises ArchError where there is none."""
        with self._changed:
            found = self._contents()
            if found is None or self._read(found) is None:
                raise ArchError(Program.open(self.path).diagnostics)
            self._take(found, "file")

    def _take(self, content: bytes | None, by: str) -> None:
        text = self._read(content or b"")
        self.saved, self.outside, self.beside = content, "", None
        self._replace(text or "", by, self.cursor)

    def _replace(self, text: str, by: str, cursor: int) -> None:
        self.text, self.by, self.cursor = text, by, cursor
        self.version += 1
        self.workspace.open(self.path, text)
        self.board.say("text", {"version": self.version, "text": text, "by": by})
        self._say_file()
        self._renew()

    def _expect(self, version: int) -> None:
        if version != self.version:
            raise Stale

    def _read(self, content: bytes) -> str | None:
        """The text of a file's bytes, None where they are none."""
        source, _ = decode(content, self.path.name, self.path)
        return None if source is None else source.text.replace("\r\n", "\n")

    def _encoded(self) -> bytes:
        """The text as the file has it: with a byte order mark and `\\r\\n` where it had these."""
        before, text = self.saved or b"", self.text
        if b"\r\n" in before and before.count(b"\n") == before.count(b"\r\n"):
            text = text.replace("\n", "\r\n")
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            raise refused("E0805", f"cannot write {self.path.name}: half a character stands in the text") from None
        if len(encoded) > LIMITS.source_bytes:
            raise refused("E0805", f"cannot write {self.path.name}: it would be too large for a spec")
        return (b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b"") + encoded

    def _say_file(self) -> None:
        word = {"name": self.path.name, "dirty": self.dirty, "outside": self.outside, "shipped": self.shipped}
        self.board.say("file", word)

    # --- the file, and those that it imports -----------------------------------------------------

    def _contents(self) -> bytes | None:
        """What stands in the file; None where nothing can be read."""
        try:
            return on_disk(self.path)
        except OSError:
            return None

    def _follow(self) -> None:
        settled = last = self._signatures()
        while not self._ended.wait(POLL):
            now = self._signatures()
            if now == last and now != settled:
                settled = now
                with self._changed:
                    self._look()
                    self._renew()
            last = now

    def _signatures(self) -> dict[Path, Signature]:
        document = self.document
        files = {self.path} if document is None else {self.path, *document.files, *_missing(document)}
        return {path: _signature(path) for path in files}

    def _look(self) -> None:
        """Takes what another program has written into the file, or says that it has."""
        found = self._contents()
        if found == self.saved:
            self.outside, self.beside = "", None
            self._say_file()
        elif found is not None and (text := self._read(found)) is not None and (text == self.text or not self.dirty):
            if text == self.text:
                self.saved, self.outside, self.beside = found, "", None
                self._say_file()
            else:
                self._take(found, "file")
        else:
            self._outside(found)

    def _outside(self, found: bytes | None) -> None:
        readable = found is not None and self._read(found) is not None
        self.outside = "changed" if readable else "unreadable" if found is not None else "gone"
        self.beside = found
        self._say_file()

    # --- analyses --------------------------------------------------------------------------------

    def _renew(self) -> None:
        """Has the text analysed, and what is running given up."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    def _analyse(self) -> None:
        generation = 0
        while (generation := self._rested(generation)) >= 0:
            self._check_all(generation)

    def _rested(self, done: int) -> int:
        """Waits for a text that is newer than what is `done`, and until it rests; -1 at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended.is_set() or self._generation != done)
            while not self._ended.is_set() and self._generation != done:
                done = last = self._generation
                self._changed.wait_for(lambda last=last: self._ended.is_set() or self._generation != last, DEBOUNCE)
            return -1 if self._ended.is_set() else done

    def _check_all(self, generation: int) -> None:
        version = self.version
        try:
            self._check(version, lambda: self._generation != generation)
        except Exception as error:
            self.board.say("fault", {"version": version, "text": f"{type(error).__name__}: {error}"[:300]})

    def _check(self, version: int, stale: Callable[[], bool]) -> None:
        first = True
        for document in analysed(self.workspace, self.path, self._place(), stale, self.given):
            if stale():
                return
            known = [arch.name for arch in document.arches()]
            run = run_at(document, self.name if self.name in known else None, self.cursor)
            self.document = document
            self.board.say("checked", self._checked(version, document, run))
            if first:
                self._draw(version, run, stale)
            first = False

    def _place(self) -> int:
        """A character of the architecture that is checked and drawn first."""
        document = opened(self.workspace, self.path)
        arches = document.arches() if document is not None else []
        return next((arch.span.start for arch in arches if arch.name == self.name), self.cursor)

    def _checked(self, version: int, document: Document, run: Run | None) -> dict[str, Any]:
        given = document.given
        arches = [
            {"name": a.name, "needs": [] if a.has_defaults or a.name == given else list(a.required)}
            for a in document.arches()
        ]
        return {
            "version": version,
            "finished": document.finished,
            "drawable": run is not None and run.result is not None,
            "name": run.name if run is not None else self.name,
            "arches": arches,
            "diagnostics": diagnostics(document, Units(document.source.text)),
        }

    def _draw(self, version: int, run: Run | None, stale: Callable[[], bool]) -> None:
        if run is None or run.result is None:
            return
        try:
            tree = unfolded(run.result)
            data = None if stale() else page_data(tree, SHEET)
        except ArchError as error:
            tree, data = None, {"problem": error.diagnostics[0].message}
        if data is not None and not stale():
            self._drawn = (run, tree) if tree is not None else None
            self.board.say("picture", data)
            self.board.say("figures", figures(run.result))

    # --- questions -------------------------------------------------------------------------------

    def ask(self, version: int, answer: Callable[[Document], T]) -> T:
        """The answer to a question about the text of a number. Raises `Stale`, also where the server ends."""

        def run() -> T:
            self._expect(version)
            document = opened(self.workspace, self.path)
            known = self.document
            if document is None:
                raise Stale
            if known is not None and known.source.text == document.source.text:
                document = known
            return answer(document)

        try:
            return self._answers.submit(run).result()
        except (RuntimeError, CancelledError):
            if self._ended.is_set():
                raise Stale from None
            raise

    def boxes(self, document: Document, offset: int) -> list[str]:
        """The elements of the picture that show what stands at a character of its text."""
        if self._drawn is None or document.runs.get(self._drawn[0].name) is not self._drawn[0]:
            return []
        run, tree = self._drawn
        return boxes_at(document, run, tree.diagram, offset)


def _missing(document: Document) -> list[Path]:
    """The files that the text wants to import, and which may come to be."""
    wanted = [real(document.path.parent / use.path) for use in document.statements if isinstance(use, ast.Use)]
    return [path for path in wanted if path not in document.files]


def _signature(path: Path) -> Signature:
    with suppress(OSError, ValueError):
        status = os.stat(path)
        return status.st_mtime_ns, status.st_size, status.st_ino
    return None
