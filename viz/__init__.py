"""Graph to picture, in steps that each return a value.

1. `tree`: the graph as clusters, which are its regions and the calls of blocks; what is no module is taken away.
2. `runs`: equal clusters in a row, or side by side, are drawn once with their number; more is put together where
   nothing fits a page.
3. `build`: how much stands open; `builder` makes the boxes of it. `sketch` says what a folded box tells. Boxes begin as
   `drafts`, which have marks of shared weights and arrows.
4. `diagram`: boxes, frames and arrows without places. Tests look at this value.
5. `compose` takes the graph of boxes apart into `cells` below and beside one another. What cannot be taken apart
   (`layers`) stands in the rows that Graphviz's `dot` gives it (`ranks`), its parts as one cell each (`modules`).
   Arrows turn between cells, in `channels`; `routes` joins all this, and `labels` puts shapes and signs beside arrows.
6. `paint` makes a `scene` of shapes and texts for a `sheet`, which `svg`, `tikz` and `pdf` write; for PNG `xdot` does
   for Graphviz. `ushape` lays a U-net out as a U.
"""
