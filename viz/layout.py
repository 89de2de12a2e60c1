"""A layout: boxes, frames, arrows and texts in their places."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..dsl.diagnostics import ArchError, refused
from .scene import Point, sampled


@dataclass(slots=True)
class Spot:
    """A rectangle in its place."""

    x: float = 0
    y: float = 0
    w: float = 0
    h: float = 0

    @property
    def middle(self) -> float:
        return self.x + self.w / 2

    @property
    def centre(self) -> float:
        return self.y + self.h / 2

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    def meets(self, other: Spot) -> bool:
        """Whether it lies on another, or a line without width runs through it."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom


@dataclass(slots=True)
class Layout:
    """Where everything is: boxes and frames, the corners of arrows and the texts along them, all in `w` and `h` points
    from the upper left corner. `signs` stand at the ends of arrows. Where arrows are `curved`, a route is a start and
    three points for each piece, of which the last is straight, as long as a head."""

    boxes: dict[int, Spot] = field(default_factory=dict)
    frames: dict[int, Spot] = field(default_factory=dict)
    routes: dict[int, list[Point]] = field(default_factory=dict)
    labels: dict[int, Spot] = field(default_factory=dict)
    signs: dict[int, tuple[str, Spot]] = field(default_factory=dict)
    w: float = 0
    h: float = 0
    curved: bool = False

    def way(self, edge: int) -> list[Point]:
        """The corners of an arrow, or points along its curve."""
        return sampled(self.routes[edge]) if self.curved else self.routes[edge]

    def turn(self) -> None:
        """Puts what is across down, and what is down across."""
        for spot in (*self.boxes.values(), *self.frames.values()):
            spot.x, spot.y, spot.w, spot.h = spot.y, spot.x, spot.h, spot.w
        for edge, way in self.routes.items():
            self.routes[edge] = [(y, x) for x, y in way]

    def move(self, x: float, y: float) -> None:
        """Moves everything to the right and down."""
        signs = (spot for _, spot in self.signs.values())
        for spot in (*self.boxes.values(), *self.frames.values(), *self.labels.values(), *signs):
            spot.x, spot.y = spot.x + x, spot.y + y
        for edge, way in self.routes.items():
            self.routes[edge] = [(a + x, b + y) for a, b in way]


FOR_OTHERS = "`--format dot`, without `--layout`, writes all of it for another tool, and lays nothing out"


def too_large(message: str) -> ArchError:
    """That a drawing is too large to lay out, with what to draw instead."""
    hints = "draw a part of it (`--only`), or less of it (`--depth`, `--collapse`)", FOR_OTHERS
    return refused("E0831", message, *hints)
