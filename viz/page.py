"""The interactive page of an architecture: one HTML file that needs nothing else.

The page is laid out in the browser whenever something folds. What folding does not change is made here: the diagram
with everything open and the box for each of its frames, the content of each frame taken apart into cells, the details
of each layer, all as one JSON value. In which rows boxes stand that need it, Graphviz has said. The scripts of the
layout repeat `drafts`, `channels`, `cells`, `layers`, `routes` and `labels`, and ask for no document: tests run them
without a browser and compare where boxes and arrows are.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from importlib.resources import files
from typing import Any

from ..compiler.ir.graph import Graph
from ..dsl.diagnostics import ArchError, Diagnostic
from .builder import Source
from .page_data import page_data
from .page_tree import PageTree, page_tree
from .sheet import Sheet
from .style import FILLS, THEMES
from .view import OVERVIEW, View

LARGEST = 10_000
"""Boxes of a page with everything unfolded."""
LOGIC = (
    "page_routes.js",
    "page_channels.js",
    "page_cells.js",
    "page_layers.js",
    "page_labels.js",
    "page_layout.js",
    "page_geometry.js",
    "page_state.js",
    "page_names.js",
    "page_words.js",
)
"""What a page computes. None of these asks for a document, so they also run where there is none."""
SCRIPTS = (*LOGIC, "page_view.js", "page_card.js", "page_search.js", "page_pointer.js", "page.js")
"""In this order, in one scope; then what starts the page."""
ALONE, LIVE = "page_start.js", "page_live.js"
"""What starts a page that holds its architecture, and one that is given one after the other."""


def page(
    graph: Graph | Source,
    view: View = OVERVIEW,
    theme: str | None = None,
    legend: bool = True,
    direction: str = "down",
) -> str:
    """An architecture as a page: any scope unfolds and folds in place, any name is found.

    The view says what is drawn, and what of it is unfolded at first. The theme is "light" or "dark", or that of the
    reader's system. The page loads nothing and sends nothing. Raises ArchError for unknown paths and themes, and for
    an architecture that is too large.
    """
    sheet = Sheet(theme, legend, direction)
    sheet.check()
    data = page_data(unfolded(graph, view), sheet)
    return _filled(data["name"], data, theme, ALONE)


def unfolded(graph: Graph | Source, view: View = OVERVIEW) -> PageTree:
    """What a page shows of an architecture. Raises ArchError as `page` does."""
    tree = page_tree(graph, view)
    count = len(tree.diagram.boxes)
    if count > LARGEST:
        message = f"a page of {count:,} boxes is too large to unfold; {LARGEST:,} are the most"
        hint = "draw a part of it (`--only PATH`), or a picture, which draws what is open alone"
        raise ArchError([Diagnostic("E0835", message, hints=(hint,))])
    return tree


@cache
def live_page() -> str:
    """A page inside another one, of the same origin, which gives it what it shows: the data of one architecture after
    the other."""
    return _filled("archc", None, None, LIVE)


def _filled(title: str, data: dict[str, Any] | None, theme: str | None, start: str) -> str:
    """The text of the page. A text of the spec gets into the title and into the data, and nowhere else."""
    style, script = _style(), _script(start)
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_digest(script)}",
            f"style-src {_digest(style)}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    parts = {
        "theme": f' data-theme="{theme}"' if theme else "",
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "data": written.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"),
        "script": script,
    }
    # Each part is put in once, and what it holds is not looked at again.
    text = _file("page.html")
    found: list[str] = []
    for name, part in parts.items():
        before, _, text = text.partition("{" + name + "}")
        found += [before, part]
    return "".join([*found, text])


@cache
def _file(name: str) -> str:
    return (files("archc.viz") / name).read_text(encoding="utf-8")


@cache
def _script(start: str) -> str:
    body = "\n".join(_file(name) for name in (*SCRIPTS, start))
    return f"(() => {{\n'use strict';\n{body}}})();\n"


@cache
def _style() -> str:
    swatches = "\n".join(f".swatch.{kind} {{ background: {fill}; }}" for kind, fill in FILLS.items())
    return "\n".join([theme_colors(), swatches, _file("page.css")])


def theme_colors() -> str:
    """The colours of the themes as variables of a style sheet: that of the reader's system, else `data-theme`."""
    light, dark = (_variables(theme) for theme in ("light", "dark"))
    return "\n".join(
        [
            f":root {{ color-scheme: light; {light} }}",
            f"@media (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {dark} }} }}",
            f":root[data-theme=light] {{ color-scheme: light; {light} }}",
            f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}",
        ]
    )


def _variables(name: str) -> str:
    """The colours of a theme, by the names that the data has for them."""
    theme = THEMES[name]
    colors = {key: getattr(theme, key) for key in ("page", "ink", "muted", "line", "card", "bar")}
    colors |= {f"frame{number}": color for number, color in enumerate(theme.frames)}
    return " ".join(f"--{key}: {color};" for key, color in colors.items())


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
