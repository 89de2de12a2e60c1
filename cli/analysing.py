"""`archc paths` and `archc field`: the paths of an architecture, and what its layers see."""

from __future__ import annotations

import sys
from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..compiler.ir.counts import rounded
from ..figures import shape
from .costs import checked_sizes_of
from .looking import looked_at
from .options import range_of, sizes_of, usage
from .terminal import say, say_json, style, table

if TYPE_CHECKING:
    from ..compiler.analyses.paths import Paths
    from ..compiler.analyses.receptive_field import AxisField, ReceptiveField
    from .analysis_commands import Field as FieldRequest
    from .analysis_commands import Paths as PathsRequest

MOST_ROWS = 24
"""Lengths beyond this number are shown in ranges."""
BAR = 30


def run_paths(request: PathsRequest) -> int:
    ranges = [range_of(text) for text in request.range or []]
    found = looked_at(request).paths(request.by)
    if request.format == "json":
        limit = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(0)  # the total is exact, however long
        try:
            say_json(paths_json(found, ranges))
        finally:
            sys.set_int_max_str_digits(limit)
    else:
        show_paths(found, ranges)
    return 0


def paths_json(found: Paths, ranges: list[tuple[int, int]]) -> dict[str, Any]:
    some = bool(found.counts)
    return {
        "name": found.name,
        "by": found.by,
        "modules": found.modules,
        "total": found.total,
        "exact": found.exact,
        "shortest": found.shortest if some else None,
        "longest": found.longest if some else None,
        "mean": found.mean if some else None,
        "deviation": found.deviation if some else None,
        "interval95": list(found.shortest_interval()) if some else None,
        "ranges": [
            {"from": low, "to": high, "paths": found.within(low, high), "share": found.share(low, high)}
            for low, high in ranges
        ],
        "counts": [{"length": length, "paths": count} for length, count in found.counts.items()],
    }


def show_paths(found: Paths, ranges: list[tuple[int, int]]) -> None:
    from ..compiler.analyses.paths import LEAST_SHARE

    say(style(found.name, "bold"))
    say(f"{rounded(found.total)} {'path' if found.total == 1 else 'paths'} from input to output, {unit_text(found)}")
    if not found.counts:
        return
    low, high = found.shortest_interval()
    say(
        f"length {found.shortest} to {found.longest}, mean {found.mean:,.2f}, standard deviation "
        f"{found.deviation:,.2f}; {percent(found.share(low, high))} have {low} to {high}, the shortest range with 95 %"
    )
    for low, high in ranges:
        say(f"{percent(found.share(low, high))} have {low} to {high}: {rounded(found.within(low, high))}")
    say()
    bins = binned(found)
    most = max(found.share(low, high) for low, high in bins)
    rows = [
        [
            str(low) if low == high else f"{low}-{high}",
            rounded(found.within(low, high)),
            percent(found.share(low, high)),
            "#" * round(BAR * found.share(low, high) / most),
        ]
        for low, high in bins
    ]
    table(["length", "paths", "share", ""], rows, frozenset({0, 1, 2}))
    if not found.exact:
        say(f"counts are rounded; lengths that less than 1e-{LEAST_SHARE} of all paths have are left out")


def unit_text(found: Paths) -> str:
    """What lengths count."""
    if found.by == "layer":
        return "by the convolutions and dense layers on them"
    if found.modules:
        return f"by the residual modules they go through, of which there are {found.modules:,}"
    return (
        "by residual modules, of which there are none: no sum joins a branch with a shortcut "
        "(`--by layer` counts convolutions and dense layers)"
    )


def binned(found: Paths) -> list[tuple[int, int]]:
    """The lengths one by one, or in ranges of equal width where they are many."""
    first, last = min(found.counts), max(found.counts)
    width = -(-(last - first + 1) // MOST_ROWS)
    if width == 1:
        return [(length, length) for length in found.counts]
    starts = range(first - first % width, last + 1, width)
    return [(start, start + width - 1) for start in starts if found.within(start, start + width - 1)]


def percent(share: float) -> str:
    value = 100 * share
    return f"{value:.2f} %" if value >= 0.01 or not share else f"{value:.1e} %"


def run_field(request: FieldRequest) -> int:
    from ..compiler.analyses.receptive_field import receptive_field, receptive_fields

    given = sizes_of(request.sizes)
    architecture = looked_at(request)
    sizes = checked_sizes_of(architecture, given)
    if request.at is not None:
        try:
            fields = [receptive_field(architecture.ir, request.at, sizes)]
        except ValueError as error:
            raise usage(str(error), "--at") from None
    else:
        every = receptive_fields(architecture.ir, sizes)
        fields = [field for node, field in zip(architecture.ir.nodes, every, strict=True) if node.name and field.axes]
        fields += [field for field in every if field.unknown][:1]
    if request.format == "json":
        say_json({"name": architecture.name, "fields": [field_json(field) for field in fields]})
    else:
        show_fields(architecture.name, fields, request.at is not None)
    return 0


def field_json(field: ReceptiveField) -> dict[str, Any]:
    axes = [{**asdict(a), "stride": None if a.stride is None else number(a.stride)} for a in field.axes]
    return {"path": field.path, "kind": field.kind, "shape": list(field.shape), "unknown": field.unknown, "axes": axes}


def number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def show_fields(name: str, fields: list[ReceptiveField], borders: bool) -> None:
    say(style(name, "bold"))
    inputs = len({axis.input for field in fields for axis in field.axes})
    rows = []
    for field in fields:
        for given in dict.fromkeys(axis.input for axis in field.axes):
            axes = [axis for axis in field.axes if axis.input == given]
            path = f"{field.path} of {given}" if inputs > 1 else field.path
            rows.append([path, field.kind, *map(each, zip(*map(axis_cells, axes), strict=True)), shape(field.shape)])
    if rows:
        table(["layer", "kind", "sees", "stride", "offset", "output"], rows, frozenset({2, 3, 4}))
    if any("varies" in row[2] for row in rows):
        say("varies: what places see follows no step that is the same for images of all sizes; --at shows this one's")
    for field in fields:
        if field.unknown:
            say(f"from {field.path or field.kind} on it is not known what places see: {field.unknown}")
        if borders:
            show_borders(field)


def each(cells: tuple[str, ...]) -> str:
    """One text where it holds for all axes."""
    return cells[0] if len(set(cells)) == 1 else " x ".join(cells)


def axis_cells(axis: AxisField) -> tuple[str, str, str]:
    if axis.whole:
        return "all", "", ""
    if axis.size is None or axis.stride is None:
        return "varies", "", ""
    return f"{axis.size}{'*' if axis.holes else ''}", str(axis.stride), str(axis.offset)


def show_borders(field: ReceptiveField) -> None:
    """What the first and last places of a layer see of the image at hand."""
    for axis in field.axes:
        if len(axis.seen) == 1:
            say(f"{axis.input} {axis.axis}: every place sees {seen_text(axis.seen[0])}")
        else:
            ends = [*enumerate(axis.seen[:3]), *enumerate(axis.seen[-2:], len(axis.seen) - 2)]
            listed = "; ".join(f"{place}: {seen_text(seen)}" for place, seen in dict(ends).items())
            say(f"{axis.input} {axis.axis} by place: {listed}")
        if axis.holes:
            say(f"{axis.input} {axis.axis}: with holes (*), as some place does not see all between its ends")


def seen_text(seen: tuple[int, int] | None) -> str:
    return "nothing" if seen is None else f"{seen[0]} to {seen[1]}"
