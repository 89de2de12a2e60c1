"""The codes of errors about drawings."""

from __future__ import annotations

from ..dsl.codes import Code

CODES: dict[str, Code] = {
    "E0830": Code(
        "no such kind of drawing",
        "A drawing is SVG, PNG, or the DOT source that Graphviz lays out. The ending of the output file says which, or "
        "`--format`.",
    ),
    "E0831": Code(
        "a drawing too large to lay out",
        "A drawing has at most 600 boxes: beyond that a layout takes minutes, and nobody can read it. Fewer levels of "
        "scopes open (`--depth`) mean fewer boxes.",
    ),
    "E0832": Code(
        "a depth below 1",
        "Depth 1 shows the architecture's own layers and each scope as one box; every further level opens the scopes "
        "that the one before shows closed.",
    ),
    "E0833": Code(
        "Graphviz cannot be run",
        "Drawings are laid out by Graphviz: its `dot` where that is installed, else the program that the package "
        "graphviz-pure brings. `pip install graphviz-pure` mends an installation without it; DOT needs neither.",
    ),
}
