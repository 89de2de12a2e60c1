"""Figures of an architecture as plots, drawn by matplotlib: costs by box, memory by layer, lengths of paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.analyses.usual import checked_sizes
from ..compiler.files import atomic_write
from ..compiler.ir.counts import rounded, short
from ..compiler.ir.graph import Graph
from ..dsl.diagnostics import ArchError, Diagnostic
from .curves import BoxCost, Course, box_costs, course
from .style import FILLS, STROKES, THEMES, Theme
from .words import clipped

if TYPE_CHECKING:
    from ..compiler.analyses.paths import Paths

WHAT = ("costs", "memory", "paths")
OPTIONS = {"costs": ("depth",), "memory": ("dtype", "sizes"), "paths": ("by",)}
"""Which of the options each takes."""
BINARY = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes"))
DECIMAL = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"), (1, ""))
LONGEST = 30
"""Characters of a label."""


@dataclass(frozen=True, slots=True)
class PlotRequest:
    """What is to be plotted: "costs", "memory" or "paths", and the options of each."""

    what: str = "costs"
    by: str = "layer"
    depth: int | None = None
    dtype: str = "float32"
    sizes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot that a notebook displays. `figure` is matplotlib's."""

    figure: Any

    def content(self, format: str) -> bytes:
        """The bytes of a file; the same ones each time. Raises ArchError (E1005) for a format that there is not."""
        from matplotlib import rc_context

        known = sorted(self.figure.canvas.get_supported_filetypes())
        if format not in known:
            hint = f"known are {', '.join(f'.{name}' for name in known)}"
            raise ArchError([Diagnostic("E1005", f"no plot is a `.{clipped(format)}` file", hints=(hint,))])
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "ps": {"CreationDate": None}}
        content = BytesIO()
        with rc_context({"svg.hashsalt": "archc"}):
            self.figure.savefig(content, format=format, dpi=192, metadata=dates.get(format))
        return content.getvalue()

    def save(self, path: str | PathLike[str]) -> None:
        """Writes a file, whose ending says of which kind. Raises ArchError (E0805, E1005)."""
        atomic_write(path, self.content(Path(path).suffix.removeprefix(".").lower() or "svg"))

    def _repr_svg_(self) -> str:
        text = self.content("svg").decode()
        return text[text.index("<svg") :]


def plotted(graph: Graph, request: PlotRequest, theme: str = "light") -> Plot:
    """The plot. Raises ArchError without matplotlib (E1004) and for an option that the plot does not take (E1040);
    ValueError for words and sizes that there are not."""
    if request.what not in WHAT or theme not in THEMES:
        word, known = (request.what, WHAT) if request.what not in WHAT else (theme, tuple(THEMES))
        raise ValueError(f"known are {', '.join(known)}, and not {word!r}")
    _refuse_others(request)
    draw = {"costs": _costs, "memory": _memory, "paths": _paths}[request.what]
    figure = draw(graph, request, Canvas(THEMES[theme]))
    return Plot(figure)


def _refuse_others(request: PlotRequest) -> None:
    usual = PlotRequest()
    for name in ("by", "depth", "dtype", "sizes"):
        if name not in OPTIONS[request.what] and getattr(request, name) != getattr(usual, name):
            takes = " and ".join(f"`{option}`" for option in OPTIONS[request.what])
            owner = next(what for what, options in OPTIONS.items() if name in options)
            hint = f"a plot of {request.what} takes {takes}; `{name}` is for a plot of {owner}"
            raise ArchError([Diagnostic("E1040", f"a plot of {request.what} has no `{name}`", hints=(hint,))])


class Canvas:
    """A figure in a theme."""

    def __init__(self, theme: Theme):
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError:
            hint = 'install it: `pip install "archc-lang[plot]"`, or `pip install matplotlib`'
            other = "`archc stats` and `archc paths` print the figures and need nothing"
            raise ArchError(
                [Diagnostic("E1004", "plots are drawn by matplotlib, which is not installed", hints=(hint, other))]
            ) from None
        self.theme = theme
        self.figure = Figure(facecolor=theme.page, layout="constrained")
        FigureCanvasAgg(self.figure)

    def axes(self, width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> list[Any]:
        """Empty panels, without frames but for the axes."""
        self.figure.set_size_inches(width, height)
        found = self.figure.subplots(rows, columns, squeeze=False, **options).flatten()
        for axes in found:
            axes.set_facecolor(self.theme.page)
            axes.tick_params(colors=self.theme.ink, labelsize=8, length=3)
            for side, spine in axes.spines.items():
                spine.set_visible(side in ("left", "bottom"))
                spine.set_color(self.theme.line)
        return list(found)

    def finished(self, title: str, note: str) -> Any:
        """The figure under a title and a note, its layout settled."""
        self.figure.suptitle(f"{clipped(title, 60)}\n", color=self.theme.ink, fontsize=11, fontweight="bold")
        self.figure.text(0.5, 0.985, f"\n\n{note}", color=self.theme.muted, fontsize=8, ha="center", va="top")
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")  # it would move a little with each file that is written
        return self.figure


def scaled(most: float, units: tuple[tuple[int, str], ...]) -> tuple[int, str]:
    """The unit in which the largest value is at least 1."""
    return next((unit for unit in units if most >= unit[0]), units[-1])


def _written(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


# --- costs ---------------------------------------------------------------------------------------


def _costs(graph: Graph, request: PlotRequest, canvas: Canvas) -> Any:
    rows = box_costs(graph, request.depth)
    panels = canvas.axes(7.5, 1.4 + 0.27 * max(len(rows), 3), columns=2, sharey=True)
    for axes, name, color, value in (
        (panels[0], "parameters", FILLS["conv"], lambda row: row.parameters),
        (panels[1], "multiply-adds", FILLS["activation"], lambda row: row.multiply_adds),
    ):
        _bars(axes, rows, name, color, value, canvas.theme)
    panels[0].set_yticks(range(len(rows)), [clipped(row.label, LONGEST) for row in rows])
    panels[0].invert_yaxis()
    return canvas.finished(graph.title, "from the input, at the top, to the output; bars with their share of the whole")


def _bars(axes: Any, rows: list[BoxCost], name: str, color: str, value: Callable[[BoxCost], int], theme: Theme) -> None:
    values = [value(row) for row in rows]
    whole = sum(values)
    size, unit = scaled(max(values, default=0), DECIMAL)
    axes.barh(range(len(rows)), [v / size for v in values], color=color, edgecolor=theme.line, linewidth=0.5)
    for place, v in enumerate(values):
        if v:
            share = f"{100 * v / whole:.0f}" if v / whole >= 0.005 else "<1"
            text = f" {short(v)} · {share} %"
            axes.text(v / size, place, text, va="center", fontsize=7, color=theme.ink)
    axes.margins(x=0.35)
    axes.set_xlabel(f"{name}{f', {unit}' if unit else ''}", color=theme.ink, fontsize=9)


# --- memory --------------------------------------------------------------------------------------


def _memory(graph: Graph, request: PlotRequest, canvas: Canvas) -> Any:
    found = course(graph, checked_sizes(graph, request.sizes), request.dtype)
    panels = canvas.axes(7.5, 4.6, rows=2, sharex=True)
    for axes, values, name, color in (
        (panels[0], found.held, "in evaluation, held\nwhile a layer runs", FILLS["conv"]),
        (panels[1], found.kept, "in training, kept\nup to a layer", FILLS["activation"]),
    ):
        _area(axes, values, name, color, canvas.theme)
    panels[1].set_xlabel("layers in the order in which they run", color=canvas.theme.ink, fontsize=9)
    _sections(panels, found, canvas.theme)
    shapes = ", ".join(f"{name} = {value}" for name, value in found.sizes.items())
    unknown = f"; not counted, as not known: {', '.join(found.unknown)}" if found.unknown else ""
    return canvas.finished(graph.title, f"memory of tensors, without weights; {request.dtype}; {shapes}{unknown}")


def _area(axes: Any, values: list[int], name: str, color: str, theme: Theme) -> None:
    most = max(values, default=1)
    size, unit = scaled(most, BINARY)
    places, heights = range(1, len(values) + 1), [value / size for value in values]
    axes.fill_between(places, heights, step="mid", color=color, linewidth=0)
    axes.step(places, heights, where="mid", color=theme.line, linewidth=0.8)
    axes.set_ylim(0, 1.12 * most / size)
    axes.set_xlim(0.5, len(values) + 0.5)
    axes.set_ylabel(f"{name}, {unit}", color=theme.ink, fontsize=8)
    x, side = (0.01, "left") if values and values[-1] == most else (0.99, "right")
    text = f"at most {_written(most / size)} {unit}"
    axes.text(x, 0.97, text, transform=axes.transAxes, ha=side, va="top", fontsize=8, color=theme.ink)


def _sections(panels: list[Any], found: Course, theme: Theme) -> None:
    """Lines where scopes begin, and the names of those that are wide enough."""
    whole = len(found.held)
    for number, (start, name) in enumerate(found.sections):
        end = found.sections[number + 1][0] if number + 1 < len(found.sections) else whole
        for axes in panels:
            if start:
                axes.axvline(start + 0.5, color=theme.line, linewidth=0.5, linestyle=(0, (2, 3)))
        text = clipped(name, 16)
        if end - start >= 0.012 * whole * (len(text) + 1):
            middle = (start + end) / 2 + 0.5
            panels[0].annotate(
                text,
                (middle, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=7,
                color=theme.muted,
            )


# --- paths ---------------------------------------------------------------------------------------


def _paths(graph: Graph, request: PlotRequest, canvas: Canvas) -> Any:
    from ..compiler.analyses.paths import paths

    found = paths(graph, request.by)
    (axes,) = canvas.axes(7.5, 3.8)
    lengths = list(found.counts)
    low, high = found.shortest_interval() if lengths else (0, 0)
    shares = [100 * found.share(length, length) for length in lengths]
    colors = [FILLS["conv"] if low <= length <= high else FILLS["other"] for length in lengths]
    span = max(lengths, default=0) - min(lengths, default=0)
    gap = min((right - left for left, right in pairwise(lengths)), default=1)
    width, edge = (0.9 if span <= 80 else gap), (0.3 if span <= 300 else 0)
    axes.bar(lengths, shares, width=width, color=colors, edgecolor=canvas.theme.line, linewidth=edge)
    unit = "residual modules on a path" if request.by == "module" else "convolutions and dense layers on a path"
    axes.set_xlabel(unit, color=canvas.theme.ink, fontsize=9)
    axes.set_ylabel("% of all paths", color=canvas.theme.ink, fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    note = _distribution(found, low, high) if lengths else "no path leads from an input to an output"
    if lengths:
        axes.axvline(found.mean, color=STROKES["removed"], linewidth=1.2, linestyle=(0, (4, 2)))
    return canvas.finished(graph.title, note)


def _distribution(found: Paths, low: int, high: int) -> str:
    share = 100 * found.share(low, high)
    return (
        f"{rounded(found.total, 15)} {'path' if found.total == 1 else 'paths'}; the mean {found.mean:,.2f} is dashed; "
        f"{share:.1f} % have {low} to {high}, in blue, the shortest range with 95 %"
    )
