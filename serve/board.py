"""What is said to all windows: of each subject the latest, so that nobody is told what no longer holds."""

from __future__ import annotations

import threading
from typing import Any


class Board:
    """The latest word on each subject, with the number of its change."""

    def __init__(self) -> None:
        self._words: dict[str, tuple[int, dict[str, Any]]] = {}
        self._changed = threading.Condition()
        self._ended = False

    def say(self, subject: str, word: dict[str, Any]) -> None:
        """Replaces the word on a subject, and wakes who waits."""
        with self._changed:
            number, before = self._words.get(subject, (0, None))
            if word != before:
                self._words[subject] = number + 1, word
                self._changed.notify_all()

    def end(self) -> None:
        """Nothing more is said."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def news(self, seen: dict[str, int], seconds: float) -> list[tuple[str, dict[str, Any]]] | None:
        """The words that are newer than those which were `seen`, which is brought up to date; none where nothing is
        said for so many seconds, and None once nothing will be."""

        def fresh() -> list[tuple[str, dict[str, Any]]]:
            return [(subject, word) for subject, (n, word) in self._words.items() if seen.get(subject, 0) < n]

        with self._changed:
            self._changed.wait_for(lambda: self._ended or fresh(), seconds)
            found = fresh()
            seen.update({subject: number for subject, (number, _) in self._words.items()})
            return None if self._ended else found
