"""What a drawing shows, as values: boxes, the groups around them, and the arrows between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .words import GLYPHS, figures

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One layer of a box. `kind` chooses its colour; a `minor` row (norm, activation, ...) is drawn thin. `label` is
    what the spec calls it, where that tells more than the text. Layers that use the same weights have the same number
    `shared`, from 1, and `sharing` says with which; of a folded part `partly`, if it has other weights too.
    `stochastic`: training leaves it out at random. `frozen`: its weights do not train. `recomputed` says whether
    training computes it again for the backward pass, and in which parts. A layer may be `strided`, and a convolution
    `depthwise`."""

    kind: str
    text: str
    path: str = ""
    parameters: int = 0
    multiply_adds: int = 0
    minor: bool = False
    label: str = ""
    shared: int = 0
    sharing: str = ""
    partly: bool = False
    stochastic: bool = False
    frozen: bool = False
    recomputed: str = ""
    strided: bool = False
    depthwise: bool = False

    @property
    def figures(self) -> str:
        """Parameters and multiply-adds in words; empty where there are none."""
        return figures(self.parameters, self.multiply_adds)

    @property
    def notes(self) -> str:
        """What is to be known of its weights and of training."""
        return ", ".join(filter(None, [self.sharing, "frozen" if self.frozen else "", self.recomputed]))


@dataclass(frozen=True, slots=True)
class Chip:
    """A layer in the sketch of what a folded box holds."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """One box: a stack of layers, something folded, a merge, an input or an output.

    `role` is "layer", "fold", "rest", "merge", "input" or "output"; a "rest" stands for those of many equal branches
    that are not drawn. `count` says how many equal parts a folded box holds. Figures are those of one instance: where
    the box stands in a group that is drawn once for several equal ones, `times` says for how many it counts, and the
    totals are of all of them, what they share counted once. `shape` is that of its first output without the batch.
    `joins`: it is a merge that puts tensors side by side. `inner` is a small picture of what a folded box holds, where
    its branches are what tells it apart.
    """

    id: int
    role: str
    rows: tuple[Row, ...]
    group: int | None = None
    times: int = 1
    title: str = ""
    note: str = ""
    sketch: tuple[Chip, ...] = ()
    shape: Shape = ()
    count: int = 1
    total_parameters: int = 0
    total_multiply_adds: int = 0
    inner: Diagram | None = field(default=None, repr=False)
    joins: bool = False

    @property
    def face(self) -> str:
        """How it is drawn: "circle", "bar", "pill", "card" or "stack"."""
        if self.role == "merge":
            return "circle" if self.title in GLYPHS else "bar"
        return {"input": "pill", "output": "pill", "fold": "card", "rest": "card"}.get(self.role, "stack")

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        return sum(row.multiply_adds for row in self.rows)

    @property
    def figures(self) -> str:
        """Parameters and multiply-adds in words; empty where there are none."""
        return figures(self.parameters, self.multiply_adds)

    @property
    def path(self) -> str:
        return next((row.path for row in self.rows if row.path), "")


@dataclass(frozen=True, slots=True)
class Group:
    """A frame around the boxes of an opened scope; `count` equal ones in a row are drawn as one. `recomputed` as that
    of a row."""

    id: int
    title: str
    note: str
    path: str
    parent: int | None
    count: int
    parameters: int
    multiply_adds: int
    recomputed: str = ""

    @property
    def figures(self) -> str:
        """Parameters and multiply-adds in words; empty where there are none."""
        return figures(self.parameters, self.multiply_adds)

    @property
    def told(self) -> str:
        """What stands below its title."""
        return ", ".join(filter(None, [self.figures, self.recomputed]))


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow. `role` is "flow", "skip" (a shortcut past other boxes), "training" or "drawn" (a random number, no
    data); `shape` is None where it is the same as before. `sign` is "−" where a sum takes the tensor away, and a number
    where it matters which input of its target it is. `status` is
    "added" or "removed" in the diagram of a difference."""

    source: int
    target: int
    shape: Shape | None
    role: str = "flow"
    sign: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Diagram:
    """A drawing. `depth` is how many levels of scopes stand open, `deepest` how many could. `nested` says that
    residuals of residuals are folded, so that only the outer ones show their arcs.
    """

    name: str
    parameters: int
    multiply_adds: int
    depth: int
    deepest: int
    boxes: tuple[Box, ...] = field(repr=False)
    groups: tuple[Group, ...] = field(repr=False)
    edges: tuple[Edge, ...] = field(repr=False)
    nested: bool = False

    def inside(self, group: int | None) -> Iterator[Box]:
        """The boxes that stand directly in a group, or in none."""
        return (box for box in self.boxes if box.group == group)

    def around(self, group: int | None) -> list[int]:
        """A group and those around it, innermost first; none for none."""
        found: list[int] = []
        while group is not None:
            found.append(group)
            group = self.groups[group].parent
        return found

    def children(self, group: int | None) -> Iterator[Group]:
        return (other for other in self.groups if other.parent == group)
