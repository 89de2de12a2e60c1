"""PDFs as Graphviz writes them, cut to the size of a picture: their pages have a size of whole points."""

from __future__ import annotations

import re

from .svg import number

INDENT = 0.5
"""How far to the right of its corner and below it Graphviz begins."""


def cut(content: bytes, width: float, height: float) -> bytes:
    """The PDF with a page of some size, in points. One with a compressed table of contents, which newer versions of
    cairo may write, stays up to a point larger than its picture."""
    box = re.search(rb"/MediaBox *\[ *0 0 ([\d.]+) ([\d.]+) *\]", content)
    table = re.search(rb"\nxref\r?\n.*?trailer.*?startxref\r?\n(\d+)", content, re.DOTALL)
    if box is None or table is None or box.end() > table.start():
        return content
    top = float(box[2]) - INDENT
    corners = (INDENT, top - height, INDENT + width, top)
    new = f"/MediaBox [ {' '.join(map(number, corners))} ]".encode()
    longer = len(new) - len(box[0])

    def moved(entry: re.Match[bytes]) -> bytes:
        offset = int(entry[1])
        return b"%010d%s" % (offset + (longer if offset > box.start() else 0), entry[2])

    head, tail = content[: table.start()], content[table.start() : table.start(1)]
    tail = re.sub(rb"(\d{10})( \d{5} n)", moved, tail)
    start = str(int(table[1]) + longer).encode()
    return head[: box.start()] + new + head[box.end() :] + tail + start + content[table.end(1) :]
