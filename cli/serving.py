"""`archc lsp`: the language server."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..dsl.diagnostics import refused

if TYPE_CHECKING:
    from .specs_commands import Lsp


def run_lsp(request: Lsp) -> int:
    if find_spec("pygls") is None:
        hint = "`pip install 'archc-lang[lsp]'` installs it, into the environment of this `archc`"
        raise refused("E1006", "the language server needs the package pygls", hint)
    from ..lsp.server import serve

    serve()
    return 0
