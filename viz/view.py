"""What of an architecture a drawing shows, and which of its parts stand open."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    it. Raises ArchError (E0832) for a depth below 1.
    """

    depth: int | None = None
    expand: tuple[str, ...] = ()
    collapse: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.depth is not None and self.depth < 1:
            raise ArchError([Diagnostic("E0832", f"a drawing has a depth of at least 1, not {self.depth}")])


OVERVIEW = View()


class Opened:
    """Which parts a view opens and folds by name."""

    def __init__(self, root: Cluster, view: View):
        around: dict[int, Cluster] = {}
        named: dict[str, list[Cluster]] = {}
        for part in root.within():
            around.update((id(child), part) for child in part.parts())
            for path in part.paths:
                named.setdefault(path, []).append(part)
        self.open: set[int] = set()
        self.folded = {id(part) for path in view.collapse for part in _named(path, named)}
        for path in view.expand:
            for part in _named(path, named):
                self.open |= {id(part), *_above(part, around)}
        only = [part for path in view.only for part in _named(path, named)[: None if "*" in path else 1]]
        chosen = {id(part): part for part in only}
        self.only = [part for part in chosen.values() if not any(above in chosen for above in _above(part, around))]

    def mirror(self, parts: list[Cluster]) -> None:
        """Does to the first of equal parts, which is drawn for all, what is to be done to the others."""
        for part in parts[1:]:
            pairs = [(parts[0], part)]
            for first, other in pairs:
                for chosen in (self.open, self.folded):
                    if id(other) in chosen:
                        chosen.add(id(first))
                pairs.extend(zip(first.parts(), other.parts(), strict=False))


def _above(part: Cluster, around: dict[int, Cluster]) -> Iterator[int]:
    """The identities of the parts around a part."""
    above = around.get(id(part))
    while above is not None:
        yield id(above)
        above = around.get(id(above))


def _named(pattern: str, named: dict[str, list[Cluster]]) -> list[Cluster]:
    """The parts of a path. Raises ArchError where there is none, with the nearest paths."""
    form = re.compile(r"[^.]+".join(re.escape(piece) for piece in pattern.split("*")))
    found = [part for path, parts in named.items() if form.fullmatch(path) for part in parts]
    if found:
        return found
    near = nearest(pattern, named, likeness=0.5)
    shown = ", ".join(f"`{path}`" for path in near or list(named)[:3])
    more = " and others" if not near and len(named) > 3 else ""
    hint = "it has no scopes: each of its layers is drawn"
    if shown:
        hint = f"{'near it' if near else 'there'} {'is' if shown.count('`') == 2 else 'are'} {shown}{more}"
    message = f"there is no scope `{clipped(pattern, 80)}` with layers of its own to draw"
    raise ArchError([Diagnostic("E0834", message, hints=(hint,))])
