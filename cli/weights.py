"""The options of commands that take weights, and what they mean: a checkpoint under the names of a spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from ..dsl.diagnostics import ArchError
from ..dsl.reads import note_read
from .options import needs, option
from .terminal import report

if TYPE_CHECKING:
    from ..compiler.emit.checkpoint import Checkpoint
    from ..compiler.emit.mapping import NameMap
    from ..compiler.ir.graph import Graph

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class WithWeights:
    """What is said of a checkpoint."""

    weights: Annotated[
        str | None, option("Weights to load, strictly: .safetensors, or a torch checkpoint.", "FILE")
    ] = None
    map: Annotated[
        str | None,
        option(
            "Where the names in --weights are not the spec's. auto: find each tensor's place by shapes and "
            "position. FILE: JSON of names that are known, theirs to the spec's, null for none; the rest is found.",
            "auto|FILE",
        ),
    ] = None
    write_map: Annotated[str | None, option("Where to write the whole map, as JSON.", "FILE")] = None
    leave_out: Annotated[
        list[str] | None,
        option("A tensor, a scope or a pattern like *.total_ops of the checkpoint to leave out. Repeatable.", "NAME"),
    ] = None
    fresh: Annotated[
        list[str] | None,
        option("A tensor or scope of the spec that starts anew, as a head of other classes. Repeatable.", "NAME"),
    ] = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A checkpoint under the spec's names; `names` says how they were found, where a map was asked for."""

    checkpoint: Checkpoint
    names: NameMap | None
    write_map: str | None

    def rows(self, graph: Graph) -> list[tuple[str, str]]:
        """What to say of tensors that are not loaded."""
        from ..compiler.emit.carry import carried

        _, fresh = carried(self.checkpoint.tensors, graph, self.checkpoint.fresh)
        said = (("left out", sorted(self.checkpoint.left_out)), ("new", sorted(fresh)))
        return [(word, f"{', '.join(names[:6])}{', …' if len(names) > 6 else ''}") for word, names in said if names]

    def map_rows(self) -> list[tuple[str, str]]:
        """The map, where the names differ."""
        shown = self.names is not None and not self.names.identical
        return [("map", line) for line in str(self.names).splitlines()] if shown else []

    def save_map(self) -> None:
        if self.names is not None and self.write_map is not None:
            self.names.save(self.write_map)


def note_weights(request: WithWeights) -> None:
    """Says which files will be read, before any is, so that none is written over; a usage error for options that are of
    no use without others."""
    for name in ("map", "leave_out", "fresh"):
        needs(f"--{name.replace('_', '-')}", "--weights", not getattr(request, name) or request.weights is not None)
    needs("--write-map", "--map", request.write_map is None or request.map is not None)
    if request.weights is not None:
        note_read(request.weights)
        if request.map not in (None, AUTO):
            note_read(request.map)


def taken(request: WithWeights, graph: Graph, before: Graph | None = None) -> Taken | None:
    """The checkpoint under the names of the graph, or of that `before` a rewrite; None where none is given. What is
    loaded all the same, as NaN, is reported. Raises ArchError."""
    if request.weights is None:
        return None
    from ..compiler.emit.checkpoint import read, remarks
    from ..compiler.emit.mapping import mapped

    out, fresh, names = request.leave_out or (), request.fresh or (), None
    if request.map is None:
        own = dict(before.tensor_shapes() if before is not None else ()) | dict(graph.tensor_shapes())
        found = read(request.weights, own, out, fresh)
    else:
        given = None if request.map == AUTO else request.map
        try:
            found, names = mapped(before or graph, request.weights, given, out, fresh)
        except ArchError:
            if before is None:
                raise
            found, names = mapped(graph, request.weights, given, out, fresh)
    report(remarks(found))
    return Taken(found, names, request.write_map)
