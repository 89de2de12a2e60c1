"""What of an architecture a drawing shows, and which of its parts stand open."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..compiler.ir.words import nearest
from ..dsl.diagnostics import ArchError, Diagnostic
from .tree import Cluster
from .words import clipped


@dataclass(frozen=True, slots=True)
class View:
    """`depth` levels of scopes stand open, from 1; without a depth as many as make a good overview. The rest are paths
    of scopes, in which a `*` stands for what is between two dots: `expand` opens these and what is around them,
    `collapse` folds these, and of `only` nothing else is drawn. What is folded stays so, whatever is to be opened in
    it.
    """

    depth: int | None = None
    expand: tuple[str, ...] = ()
    collapse: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


def checked(view: View) -> None:
    """Raises ArchError for a depth that there is not."""
    if view.depth is not None and view.depth < 1:
        raise ArchError([Diagnostic("E0832", f"a drawing has a depth of at least 1, not {view.depth}")])


class Opened:
    """Which parts a view opens and folds by name."""

    def __init__(self, root: Cluster, view: View):
        around: dict[int, Cluster] = {}
        named: dict[str, list[Cluster]] = {}
        order = [root]
        for part in order:
            for child in part.parts():
                around[id(child)] = part
                order.append(child)
            for path in part.paths:
                named.setdefault(path, []).append(part)
        self.open: set[int] = set()
        self.folded = {id(part) for path in view.collapse for part in _named(path, named)}
        for path in view.expand:
            for part in _named(path, named):
                above: Cluster | None = part
                while above is not None:
                    self.open.add(id(above))
                    above = around.get(id(above))
        chosen = [part for path in view.only for part in _named(path, named)[: None if "*" in path else 1]]
        self.only = _outermost(list({id(part): part for part in chosen}.values()), around)

    def mirror(self, parts: list[Cluster]) -> None:
        """Does to the first of equal parts, which is drawn for all, what is to be done to the others."""
        for part in parts[1:]:
            pairs = [(parts[0], part)]
            for first, other in pairs:
                for chosen in (self.open, self.folded):
                    if id(other) in chosen:
                        chosen.add(id(first))
                pairs.extend(zip(first.parts(), other.parts(), strict=False))


def _outermost(parts: list[Cluster], around: dict[int, Cluster]) -> list[Cluster]:
    chosen = {id(part) for part in parts}

    def is_inside(part: Cluster) -> bool:
        above = around.get(id(part))
        while above is not None and id(above) not in chosen:
            above = around.get(id(above))
        return above is not None

    return [part for part in parts if not is_inside(part)]


def _named(pattern: str, named: dict[str, list[Cluster]]) -> list[Cluster]:
    """The parts of a path. Raises ArchError where there is none, with the nearest paths."""
    form = re.compile(r"[^.]+".join(re.escape(piece) for piece in pattern.split("*")))
    found = [part for path, parts in named.items() if form.fullmatch(path) for part in parts]
    if found:
        return found
    near = nearest(pattern, named, likeness=0.5)
    shown = ", ".join(f"`{path}`" for path in near or list(named)[:3])
    more = " and others" if not near and len(named) > 3 else ""
    hint = "it has no scopes: it is one chain of layers"
    if shown:
        hint = f"{'near it' if near else 'there'} are {shown}{more}"
    message = f"there is no scope `{clipped(pattern, 80)}` with layers of its own to draw"
    raise ArchError([Diagnostic("E0834", message, hints=(hint,))])
