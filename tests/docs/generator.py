"""The generator of the reference pages, which is no part of the package."""

from __future__ import annotations

import importlib.util

from .support import DOCS

_spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
assert _spec is not None and _spec.loader is not None
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)
