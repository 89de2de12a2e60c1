"""The sizes at which figures are computed."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir.graph import Graph
from ..ir.words import nearest


def checked_sizes(graph: Graph, given: Mapping[str, int]) -> dict[str, int]:
    """A value for every symbolic size: those given, else the usual ones of the inputs. Raises ValueError for a symbol
    that no input has, for a size below 1, and for sizes that the architecture does not take."""
    for name, value in given.items():
        if name not in graph.nominal:
            known = ", ".join(graph.nominal) or "none: all of its sizes are fixed"
            near = nearest(name, graph.nominal, 1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(f"{graph.name} has no size `{name}`{meant}; its open sizes are {known}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"the size {name} is a whole number from 1, and not {value!r}")
    sizes = {**graph.nominal, **given}
    wrong = graph.requirements.violations(sizes) if given else []
    if wrong:
        shown = ", ".join(f"{name} = {value}" for name, value in given.items())
        raise ValueError(f"{graph.name} does not take {shown}: {wrong[0]}")
    return sizes


def batch_sizes(graph: Graph, images: int) -> dict[str, int] | None:
    """The open sizes that count images, with so many; None where no input has a batch, or one whose batch is fixed."""
    names = {getattr(entry.type.dims[0], "name", None) for entry in graph.inputs if entry.type.has_batch}
    return None if None in names or not names else {str(name): images for name in names}
