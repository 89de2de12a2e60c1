"""The open files of an editor, and the analyses of them that run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from pygls import uris

from ..editor.document import Document, analysed, opened
from ..editor.threads import DEBOUNCE, deep_thread, first_difference
from ..editor.workspace import Workspace

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds for which a question waits for the analysis of the text that it is about."""


@dataclass(slots=True, eq=False)
class Open:
    """An open file. `generation` counts its texts; `document` is that of the latest analysis, and `ready` is set when
    it is of the latest text. `cursor` is where the text was last changed."""

    uri: str
    path: Path
    version: int | None = None
    generation: int = 0
    cursor: int = 0
    document: Document | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: asyncio.TimerHandle | None = None


class Files:
    """The open files by the address that the client gives them. `tell` is called in the event loop at each step of an
    analysis."""

    def __init__(self, tell: Callable[[Open, Document], None]):
        self.workspace = Workspace()
        self.tell = tell
        self.open: dict[str, Open] = {}
        self._analyses, self._answers = deep_thread("analysis"), deep_thread("answers")

    def close_all(self) -> None:
        """Ends the threads; what is running gives up."""
        for file in self.open.values():
            file.generation += 1
        self._analyses.shutdown(wait=False, cancel_futures=True)
        self._answers.shutdown(wait=False, cancel_futures=True)

    # --- texts -----------------------------------------------------------------------------------

    def change(self, uri: str, text: str, version: int | None) -> None:
        """Takes the text of a file and has it analysed, as well as the files that import it."""
        path = path_of(uri)
        file = self.open.setdefault(uri, Open(uri, path))
        file.cursor = first_difference(self.workspace.texts.get(path, ""), text)
        file.version = version
        self.workspace.open(path, text)
        self._schedule(file)
        self._schedule_importers(path)

    def close(self, uri: str) -> None:
        """Forgets the text of a file."""
        file = self.open.pop(uri, None)
        if file is not None:
            file.generation += 1
            self.workspace.close(file.path)
            self._schedule_importers(file.path)

    def uri(self, path: Path) -> str:
        """The address of a file: that by which the client opened it."""
        known = next((file.uri for file in self.open.values() if file.path == path), None)
        return known or uris.from_fs_path(str(path)) or path.as_uri()

    # --- analyses --------------------------------------------------------------------------------

    def _schedule(self, file: Open, after: float = DEBOUNCE) -> None:
        file.generation += 1
        file.ready.clear()
        if file.waiting is not None:
            file.waiting.cancel()
        loop = asyncio.get_running_loop()
        file.waiting = loop.call_later(after, self._start, loop, file, file.generation)

    def _schedule_importers(self, path: Path) -> None:
        for file in self.open.values():
            if file.path != path and file.document is not None and path in file.document.files:
                self._schedule(file, after=2 * DEBOUNCE)

    def _start(self, loop: asyncio.AbstractEventLoop, file: Open, generation: int) -> None:
        with suppress(RuntimeError):  # the server is being shut down
            self._analyses.submit(self._analyse, loop, file, generation)

    def _analyse(self, loop: asyncio.AbstractEventLoop, file: Open, generation: int) -> None:
        def stale() -> bool:
            return file.generation != generation

        if not stale():
            for document in analysed(self.workspace, file.path, file.cursor, stale):
                if stale():
                    return
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._step, file, generation, document)

    def _step(self, file: Open, generation: int, document: Document) -> None:
        if file.generation == generation:
            file.document = document
            file.ready.set()
            self.tell(file, document)

    # --- answers ---------------------------------------------------------------------------------

    async def read(self, uri: str, answer: Callable[[Document], T]) -> T | None:
        """The answer to a question about a file's syntax and names, None where there is no such file."""

        def run() -> T | None:
            file = self.open.get(uri)
            document = opened(self.workspace, file.path if file is not None else path_of(uri))
            if document is not None and file is not None and file.document is not None:
                document.runs = file.document.runs if file.document.source.text == document.source.text else {}
            return answer(document) if document is not None else None

        return await self.apart(run)

    async def understood(self, uri: str, answer: Callable[[Document], T]) -> T | None:
        """The answer to a question about a file's architectures, once its latest text is analysed."""
        file = self.open.get(uri)
        if file is None:
            return None
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(file.ready.wait(), PATIENCE)
        document = file.document
        return await self.apart(lambda: answer(document)) if document is not None else None

    async def apart(self, run: Callable[[], T]) -> T:
        """The value of a function that runs beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._answers, run)


def path_of(uri: str) -> Path:
    """The file of an address; of a text that is no file yet, one that is not there."""
    found = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return Path(os.path.realpath(found)) if found else Path(os.path.realpath(quote(uri, safe="") + ".arch"))
