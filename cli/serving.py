"""`archc lsp`, the language server, and `archc serve`, a spec in a browser."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..catalog import locate, network_of
from ..dsl.diagnostics import refused
from .options import usage
from .progress import phase, waits
from .terminal import say

if TYPE_CHECKING:
    from .specs_commands import Lsp, Serve


def run_lsp(request: Lsp) -> int:
    if find_spec("pygls") is None:
        hint = "`pip install 'archc-lang[lsp]'` installs it, into the environment of this `archc`"
        raise refused("E1006", "the language server needs the package pygls", hint)
    from ..lsp.server import serve

    serve()
    return 0


def run_serve(request: Serve) -> int:
    asked = request.network()
    if network_of(asked.spec, asked.name) is not None:
        raise usage(f"'{request.spec}' is no spec; `archc compile {request.spec} -o net.arch` writes one of it", "SPEC")
    place = locate(asked.spec, asked.name)
    if os.path.isdir(place.path):
        raise refused("E1003", f"{place.path} is a folder, not a spec", "name one of its files")
    phase(f"serve: reading {place.path}")
    from ..compiler.program import Program
    from ..editor.document import Given
    from ..serve.live import Live
    from ..serve.server import Server

    name, program = place.name, Program.open(place.path)
    if name is None and asked.settings and program.arches():
        name = program.default_arch()
    live = Live(
        place.path, name, place.path != Path(asked.spec), Given(name, asked.settings) if asked.settings else None
    )
    try:
        with Server(live, request.port) as server:
            say(f"serving {place.path} at {server.address}")
            if live.shipped:
                say("  it ships with archc: what is edited cannot be saved")
            say("  Ctrl-C ends it")
            sys.stdout.flush()
            waits()
            if request.open:
                import webbrowser

                webbrowser.open(server.address)
            server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        say()
        if live.dirty and not live.shipped:
            say(f"{place.path} is as it was saved last; later edits are gone")
    finally:
        live.end()
    return 0
