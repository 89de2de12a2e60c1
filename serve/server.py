"""The page's server: loopback only, and for whoever knows the address with its token.

A request must name this server as its host, come from its own page or from no page at all, and begin its path with the
token. No part of it is ever the name of a file: what is served is in a table, and what is saved is the spec.
"""

from __future__ import annotations

import hmac
import html
import json
import secrets
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from ..compiler.elaborate.language import known_names
from ..dsl.diagnostics import ArchError, refused
from ..dsl.limits import LIMITS
from ..dsl.reads import reason
from ..editor.completion import complete, documentation
from ..editor.document import Document
from ..editor.fixing import laid_out
from ..editor.hover import hover
from ..editor.reference import page as explanation
from ..viz.page import live_page, theme_colors
from .live import Live, Stale
from .told import Units, between, colouring, refusal

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
"""By which a browser of this machine may call the server."""
SCRIPT, STYLE, PAGE = (f"text/{kind}; charset=utf-8" for kind in ("javascript", "css", "html"))
SCRIPTS = ("page.js", "editor.js", "parts.js", "words.js", "arch.js", "codemirror.js")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load and run; the nonce is for the styles that the editor makes."""
BREATH = 15.0
"""Seconds after which a window that hears of nothing is told that the server is there."""
PATIENCE = 30.0
"""Seconds for which a connection may be silent."""


class Refused(Exception):
    """A request that is not answered, with its status."""

    def __init__(self, status: HTTPStatus, why: str):
        self.status, self.why = status, why
        super().__init__(why)


class Server(ThreadingHTTPServer):
    """The server of one spec, at a port, or any that is free for 0. Raises ArchError (E1007) where it cannot be had."""

    daemon_threads = True

    def __init__(self, live: Live, port: int = 0):
        self.live, self.token, self.nonce = live, secrets.token_urlsafe(24), secrets.token_urlsafe(12)
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            hint = "leave `--port` out for one that is free"
            raise refused("E1007", f"cannot serve at port {port}: {reason(error).lower()}", hint) from None

    @property
    def address(self) -> str:
        """Where the page is: to be given to nobody."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A window that has gone is no error, and nobody is told of one in a request."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "archc", ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed for a request."""

    # --- who may ask -----------------------------------------------------------------------------

    def _answered(self, answer: Callable[[str], None]) -> None:
        try:
            answer(self._admitted())
        except Refused as error:
            self.close_connection = True  # what else the request holds is not read
            self._send(error.status, "text/plain; charset=utf-8", f"{error.why}\n".encode())
        except ConnectionError:
            self.close_connection = True

    def _admitted(self) -> str:
        """The path behind the token. Raises `Refused`."""
        own = {f"{name}:{self.server.server_port}" for name in NAMES}
        if self.headers.get("Host") not in own:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this server is not of that name")
        origin = self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site", "none")
        if (origin is not None and origin.removeprefix("http://") not in own) or site not in ("none", "same-origin"):
            raise Refused(HTTPStatus.FORBIDDEN, "the request comes from another page")
        token, _, path = self.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "the address lacks its token: it is the one that `archc serve` prints")
        return path

    def _send(self, status: HTTPStatus, kind: str, content: bytes, frame: str = "") -> None:
        self.send_response(status)
        self._say_headers(kind, frame)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def _say_headers(self, kind: str, policy: str) -> None:
        headers = {
            "Content-Type": kind,
            "Cache-Control": "no-store",
            "Content-Security-Policy": policy or POLICY.format(nonce=self.server.nonce),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        for name, value in headers.items():
            self.send_header(name, value)

    # --- what is read ----------------------------------------------------------------------------

    def _get(self, path: str) -> None:
        if path == "events":
            self._events()
        elif path == "picture":
            self._send(HTTPStatus.OK, PAGE, live_page().encode(), "frame-ancestors 'self'")
        elif path == "":
            self._send(HTTPStatus.OK, PAGE, _page(self.server.nonce, self.server.live))
        elif path == "page.css":
            self._send(HTTPStatus.OK, STYLE, f"{theme_colors()}\n{_file(path)}".encode())
        elif path in SCRIPTS:
            self._send(HTTPStatus.OK, SCRIPT, _file(path).encode())
        else:
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing")

    def _events(self) -> None:
        """All that is said from here on, as it is said."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self._say_headers("text/event-stream; charset=utf-8", "")
        self.end_headers()
        seen: dict[str, int] = {}
        while (words := self.server.live.board.news(seen, BREATH)) is not None:
            told = [f"event: {subject}\ndata: {json.dumps(word)}\n\n" for subject, word in words]
            self.wfile.write("".join(told or [": still here\n\n"]).encode())
            self.wfile.flush()

    # --- what is done ----------------------------------------------------------------------------

    def _post(self, path: str) -> None:
        if path not in FIELDS:
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing")
        given = self._given(FIELDS[path])
        live = self.server.live
        try:
            status, answer = HTTPStatus.OK, DOES[path](live, **given)
        except Stale:
            status, answer = HTTPStatus.CONFLICT, {"version": live.version}
        except ArchError as error:
            status, answer = HTTPStatus.UNPROCESSABLE_ENTITY, refusal(error)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"[:300]
            status, answer = HTTPStatus.INTERNAL_SERVER_ERROR, {"fault": fault}
        self._send(status, "application/json", json.dumps(answer).encode())

    def _given(self, fields: dict[str, type]) -> dict[str, Any]:
        """What a request says, by its fields. Raises `Refused`."""
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a request is JSON")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a request says its length")
        if int(length) > 8 * LIMITS.source_bytes:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a spec is not that large")
        try:
            given = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(HTTPStatus.BAD_REQUEST, "this is no JSON") from None
        if not isinstance(given, dict) or {name: type(value) for name, value in given.items()} != fields:
            raise Refused(HTTPStatus.BAD_REQUEST, f"a request has the fields {', '.join(fields) or 'that it has not'}")
        return given


# --- what a window can have done -------------------------------------------------------------------


def _edit(live: Live, text: str, base: int, by: str, cursor: int) -> dict[str, Any]:
    return {"version": live.edit(text, base, by, Units(text).character(cursor))}


def _hover(live: Live, version: int, at: int) -> dict[str, Any]:
    def answer(document: Document) -> dict[str, Any]:
        units = Units(document.source.text)
        found = hover(document, units.character(at))
        return {} if found is None else {"text": found.text, **between(found.span, units)}

    return live.ask(version, answer)


def _complete(live: Live, version: int, at: int) -> dict[str, Any]:
    def answer(document: Document) -> dict[str, Any]:
        units = Units(document.source.text)
        found = complete(document, units.character(at))
        return {
            "items": [
                {
                    "label": one.label,
                    "kind": one.kind,
                    "detail": one.detail,
                    "from": units.of(one.start),
                    "to": units.of(one.end),
                    "text": one.text,
                    "snippet": one.snippet,
                    "rank": one.rank,
                }
                for one in found
            ]
        }

    return live.ask(version, answer)


def _document(live: Live, version: int, at: int, label: str) -> dict[str, Any]:
    def answer(document: Document) -> dict[str, Any]:
        return {"text": documentation(document, label, Units(document.source.text).character(at))}

    return live.ask(version, answer)


def _layout(live: Live, version: int) -> dict[str, Any]:
    def answer(document: Document) -> dict[str, Any]:
        units = Units(document.source.text)
        return {"edits": [{"text": edit.text, **between(edit.span, units)} for edit in laid_out(document)]}

    return live.ask(version, answer)


def _boxes(live: Live, version: int, at: int) -> dict[str, Any]:
    def answer(document: Document) -> dict[str, Any]:
        return {"keys": live.boxes(document, Units(document.source.text).character(at))}

    return live.ask(version, answer)


def _done(does: Callable[..., None]) -> Callable[..., dict[str, Any]]:
    def call(*given: Any, **more: Any) -> dict[str, Any]:
        does(*given, **more)
        return {}

    return call


ABOUT = {"version": int, "at": int}
"""A place in a text."""
FIELDS: dict[str, dict[str, type]] = {
    "edit": {"text": str, "base": int, "by": str, "cursor": int},
    "save": {"version": int},
    "choose": {"name": str},
    "keep": {},
    "load": {},
    "hover": ABOUT,
    "complete": ABOUT,
    "document": {**ABOUT, "label": str},
    "layout": {"version": int},
    "boxes": ABOUT,
    "explain": {"name": str},
}
"""What a window can ask for, and what it says with it."""
DOES: dict[str, Callable[..., dict[str, Any]]] = {
    "edit": _edit,
    "save": _done(Live.save),
    "choose": _done(Live.choose),
    "keep": _done(Live.keep),
    "load": _done(Live.load),
    "hover": _hover,
    "complete": _complete,
    "document": _document,
    "layout": _layout,
    "boxes": _boxes,
    "explain": lambda live, name: {"text": explanation(name) or ""},
}


# --- what is served --------------------------------------------------------------------------------


@cache
def _file(name: str) -> str:
    return (files("archc.serve") / name).read_text(encoding="utf-8")


def _page(nonce: str, live: Live) -> bytes:
    """The page, with what does not change. A text of the spec gets into the title alone."""
    start = {"nonce": nonce, "colouring": colouring(known_names())}
    before, _, text = _file("page.html").partition("{title}")
    between_, _, after = text.partition("{start}")
    written = json.dumps(start).replace("<", "\\u003c")
    return "".join([before, html.escape(live.path.name), between_, written, after]).encode()
