"""The codes of errors about drawings."""

from __future__ import annotations

from ..dsl.codes import Code

CODES: dict[str, Code] = {
    "E0830": Code(
        "no such kind of drawing",
        "A drawing is SVG, PNG, PDF, an interactive page (HTML), or DOT source for other tools. The ending of the "
        "output file says which, or `--format`. A theme is light or dark.",
    ),
    "E0831": Code(
        "a drawing too large to lay out",
        "A drawing has at most 2,000 boxes: nobody can read more. Fewer levels of scopes open (`--depth`) mean fewer "
        "boxes, and `--only` draws a part.",
    ),
    "E0832": Code(
        "a depth below 1",
        "Depth 1 shows the architecture's own layers and each scope as one box; every further level opens the scopes "
        "that the one before shows closed.",
    ),
    "E0833": Code(
        "Graphviz cannot be run",
        "PNG is painted by the package graphviz-pure, which is installed with archc, else by the `dot` of an installed "
        "Graphviz; PDF by `dot` alone, as graphviz-pure writes none. `pip install graphviz-pure` mends an installation "
        "without it; SVG and DOT need neither.",
    ),
    "E0834": Code(
        "no such scope to draw",
        "`--expand`, `--collapse` and `--only` take the path of a scope, as `archc stats` shows them; a `*` stands for "
        "what is between two dots, as in `layer*.0`. A scope whose parts no data connects, because it only gives names "
        "their beginning, is no part of a drawing.",
    ),
    "E0835": Code(
        "a page too large to unfold",
        "An interactive page holds all that can be unfolded in it, at most 10,000 boxes. `--only` makes a page of a "
        "part; a picture draws what is open alone.",
    ),
    "E0836": Code(
        "a picture of another kind than its file",
        "A picture is of one kind: SVG, unless `--format`, `format=` or the ending of its file says otherwise. Where "
        "the ending promises another kind than is asked for, nothing is written.",
    ),
}
