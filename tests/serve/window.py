"""A window of a spec that is served, without a browser: requests, and what is said to it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from archc.editor.document import Given
from archc.serve.live import Live
from archc.serve.server import Server

LONG = 120.0
"""Seconds after which nothing more is waited for."""


class Window:
    """What is said is found by its subject, in order."""

    def __init__(self, address: str):
        host, _, path = address.removeprefix("http://").partition("/")
        self.host, self.path, self.by = host, f"/{path}", "a window"
        self.said: Queue[tuple[str, dict[str, Any]]] = Queue()
        self.latest: dict[str, dict[str, Any]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(
        self, method: str, path: str, body: str | bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """The status and the content of an answer; a path that begins with `/` is one without the token."""
        connection = HTTPConnection(self.host, timeout=LONG)
        connection.request(method, path if path.startswith("/") else self.path + path, body, headers or {})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def post(self, what: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        status, content = self.ask("POST", what, json.dumps(fields), {"Content-Type": "application/json"})
        return status, json.loads(content)

    def edit(self, text: str, cursor: int = 0) -> dict[str, Any]:
        """Edits the latest text, and gives what the whole check of it finds."""
        base = self.latest["text"]["version"]
        status, answer = self.post("edit", text=text, base=base, by=self.by, cursor=cursor)
        assert status == 200, answer
        return self.wait("checked", lambda word: word["version"] >= answer["version"] and word["finished"])

    def wait(
        self, subject: str, fits: Callable[[dict[str, Any]], bool] = lambda word: True, seconds: float = LONG
    ) -> dict[str, Any]:
        """The next word on a subject that fits, or the latest."""
        if subject in self.latest and fits(self.latest[subject]):
            return self.latest[subject]
        end = time.monotonic() + seconds
        while True:
            try:
                name, word = self.said.get(timeout=max(0, end - time.monotonic()))
            except Empty:
                raise AssertionError(f"nothing such is said of {subject}: {self.latest.get(subject)}") from None
            self.latest[name] = word
            if name == subject and fits(word):
                return word

    def _listen(self) -> None:
        connection = HTTPConnection(self.host, timeout=LONG)
        connection.request("GET", f"{self.path}events")
        answer = connection.getresponse()
        subject = ""
        for line in answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                subject = value
            elif name == "data":
                self.said.put((subject, json.loads(value)))


@contextmanager
def served(
    path: Path, name: str | None = None, shipped: bool = False, given: Given | None = None
) -> Iterator[tuple[Live, Window]]:
    """A spec that is served, and a window of it that has heard of everything."""
    live = Live(path, name, shipped, given)
    with Server(live) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        try:
            window = Window(server.address)
            window.wait("checked", lambda word: word["finished"])
            yield live, window
        finally:
            live.end()
            server.shutdown()
