"""What a command that takes long is doing: a line of a terminal's stderr, from its third second until it prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.live import Live
    from rich.spinner import Spinner

PATIENCE = 2.0
"""Seconds before anything is shown."""


class Progress:
    """The phase of the running command, and its line on the terminal where that is due."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.text = ""
        self.timer: Timer | None = None
        self.line: Live | None = None

    def begin(self, text: str) -> None:
        """Waits, and then shows the line until it is hidden."""
        with self.lock:
            self.text = text
            self.timer = Timer(PATIENCE, self._show)
            self.timer.daemon = True
            self.timer.start()

    def phase(self, text: str) -> None:
        """Says what is done from now on."""
        with self.lock:
            self.text = text
            if self.line is not None:
                self.line.update(self._spinner())

    def hide(self) -> None:
        """Takes the line away."""
        with self.lock:
            if self.timer is not None:
                self.timer.cancel()
            if self.line is not None:
                self.line.stop()
            self.timer = self.line = None

    def _show(self) -> None:
        from rich.console import Console
        from rich.live import Live

        with self.lock:
            if self.timer is not None and self.line is None:
                console = Console(file=sys.stderr, force_terminal=True)
                # What is printed meanwhile goes where it is printed to: rich would send all of it to stderr.
                self.line = Live(
                    self._spinner(), console=console, transient=True, redirect_stdout=False, redirect_stderr=False
                )
                self.line.start()

    def _spinner(self) -> Spinner:
        from rich.spinner import Spinner
        from rich.text import Text

        from ..dsl.render import escape

        return Spinner("dots", Text(escape(self.text)))


_progress = Progress()


@contextmanager
def shown(text: str, terminal: bool) -> Iterator[None]:
    """Inside, a `terminal` shows what is done once it takes long: first `text`, then what `phase` says."""
    if terminal:
        _progress.begin(text)
    try:
        yield
    finally:
        _progress.hide()


def phase(text: str) -> None:
    """Says what the command does from now on."""
    _progress.phase(text)


def hide() -> None:
    """Takes the line away, before something else is printed; the next phase that takes long shows it again."""
    waiting = _progress.timer is not None
    _progress.hide()
    if waiting:
        _progress.begin(_progress.text)


def waits() -> None:
    """Says that the command has nothing to do from now on but to wait."""
    _progress.hide()
