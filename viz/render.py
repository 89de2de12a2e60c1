"""DOT to SVG and PNG, by Graphviz: the system's `dot`, else the one that the package graphviz-pure brings."""

from __future__ import annotations

import html
import re
import shutil
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from ..compiler.ir.counts import short
from ..dsl.diagnostics import ArchError, Diagnostic
from .diagram import Diagram
from .dot import to_dot
from .style import FAMILY
from .words import clipped, figures, sizes

FORMATS = ("svg", "png", "dot")
LARGEST = 600
"""Boxes of a drawing that is laid out."""
DPI = 192

COMMENT = re.compile(r"<!--.*?-->\s*|<!DOCTYPE.*?>\s*", re.DOTALL)
FONTS = re.compile(r'font-family="[^"]*"')
TITLE = re.compile(r"<title>(?:(n|cluster_g)(\d+)|[^<]*)</title>\n?")


def render(diagram: Diagram, format: str = "svg") -> bytes:
    """The drawing as the bytes of a file. Raises ArchError for an unknown format, and where there is no layout."""
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ArchError(
            [Diagnostic("E0830", f"a drawing cannot be `{clipped(format)}`", hints=(f"known are {known}",))]
        )
    if format == "dot":
        return to_dot(diagram).encode()
    if format == "png":
        return _laid_out(to_dot(diagram, DPI), "png")
    return _tidy(_laid_out(to_dot(diagram), "svg").decode(), diagram).encode()


def _laid_out(source: str, format: str) -> bytes:
    import graphviz
    from graphviz.backend import dot_command

    usual, dot_command.DOT_BINARY = dot_command.DOT_BINARY, _program()
    try:
        return graphviz.pipe("dot", format, source.encode(), quiet=True)
    except (OSError, graphviz.ExecutableNotFound, graphviz.CalledProcessError) as error:
        reason = str(getattr(error, "stderr", None) or error).strip().partition("\n")[0]
        raise _unusable(f"Graphviz failed: {clipped(reason, 200)}") from None
    finally:
        dot_command.DOT_BINARY = usual


def _program() -> Path:
    """The program that lays out. Raises ArchError where there is none."""
    for name in ("dot", "graphviz-pure"):
        found = shutil.which(name)
        if found:
            return Path(found)
    try:
        shipped = files("graphviz-pure") or []
    except PackageNotFoundError:
        shipped = []
    for entry in shipped:
        path = Path(str(entry.locate()))
        if entry.stem == "graphviz-pure" and entry.suffix in ("", ".exe") and path.is_file():
            return path
    raise _unusable("there is no Graphviz here")


def _unusable(message: str) -> ArchError:
    hint = "`pip install graphviz-pure` brings one; `--format dot` needs none"
    return ArchError([Diagnostic("E0833", message, hints=(hint,))])


def _tidy(svg: str, diagram: Diagram) -> str:
    """The SVG without what tells the generator's version, and with titles that say what the pointer is on."""
    words = {f"n{box.id}": _hover(box.path, box.shape, box.parameters, box.multiply_adds) for box in diagram.boxes}
    for group in diagram.groups:
        words[f"cluster_g{group.id}"] = _hover(group.path, (), group.parameters, group.multiply_adds)

    def title(match: re.Match[str]) -> str:
        text = words.get(f"{match[1]}{match[2]}", "") if match[1] else ""
        return f"<title>{html.escape(text)}</title>\n" if text else ""

    svg = TITLE.sub(title, COMMENT.sub("", svg))
    name = html.escape(f"{clipped(diagram.name)}: {short(diagram.parameters)} parameters")
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)
    return FONTS.sub(f'font-family="{FAMILY}"', svg)


def _hover(path: str, shape: tuple[int, ...], parameters: int, multiply_adds: int) -> str:
    parts = [clipped(path, 120), sizes(shape) if shape else "", figures(parameters, multiply_adds)]
    return "  ".join(part for part in parts if part)
