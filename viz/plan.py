"""The picture of a plan: what each rank of its best way holds, and how long each takes for a micro-batch."""

from __future__ import annotations

from typing import Any

from ..compiler.analyses.memory import size_text
from ..compiler.analyses.plan import Plan, Rank
from ..compiler.ir.graph import Graph
from .plot import BINARY, Canvas, Plot, scaled
from .style import FILLS, STROKES, THEMES
from .words import clipped

KINDS = {
    "weights": FILLS["conv"],
    "gradients": FILLS["norm"],
    "optimizer": FILLS["pool"],
    "activations": FILLS["activation"],
    "buffers": FILLS["other"],
}


def plan_plot(graph: Graph, plan: Plan) -> Plot:
    """The plot. Raises ArchError without matplotlib (E1004)."""
    canvas, best = Canvas(THEMES["light"]), plan.best
    panels = canvas.axes(7.5, 1.9 + 0.3 * max(len(best.ranks), 3), columns=2, sharey=True, width_ratios=[2, 1])
    _memory(panels[0], best.ranks, plan.machine.memory, canvas)
    _times(panels[1], best.ranks, canvas)
    starts = [0, *best.cuts][: len(best.ranks)]
    labels = [clipped(f"{number}  {graph.nodes[start].place}", 30) for number, start in enumerate(starts)]
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].invert_yaxis()
    machine, training = plan.machine, plan.training
    of_each = f"{machine.devices} devices of {size_text(machine.memory)}"
    note = f"{best.called}; {of_each}; {training.batch} images in a step; {training.dtype}, {training.optimizer}"
    note += f"; not counted, as not known: {', '.join(plan.unknown)}" if plan.unknown else ""
    return Plot(canvas.finished(graph.name, note))


def _memory(axes: Any, ranks: tuple[Rank, ...], limit: int, canvas: Canvas) -> None:
    most = max(rank.memory for rank in ranks)
    size, unit = scaled(most, BINARY)
    left = [0.0] * len(ranks)
    for kind, color in KINDS.items():
        widths = [getattr(rank, kind) / size for rank in ranks]
        if any(widths):
            axes.barh(
                range(len(ranks)),
                widths,
                left=left,
                color=color,
                edgecolor=canvas.theme.line,
                linewidth=0.5,
                label=kind,
            )
        left = [before + width for before, width in zip(left, widths, strict=True)]
    if limit < 1.6 * most:
        axes.axvline(limit / size, color=STROKES["removed"], linewidth=1.2, linestyle=(0, (4, 2)))
    axes.set_xlabel(f"memory, {unit}", color=canvas.theme.ink, fontsize=9)
    axes.legend(
        fontsize=7, frameon=False, labelcolor=canvas.theme.ink, ncols=3, loc="lower left", bbox_to_anchor=(0, 1)
    )


def _times(axes: Any, ranks: tuple[Rank, ...], canvas: Canvas) -> None:
    milliseconds = [rank.seconds * 1e3 for rank in ranks]
    axes.barh(range(len(ranks)), milliseconds, color=FILLS["conv"], edgecolor=canvas.theme.line, linewidth=0.5)
    axes.set_xlabel("a micro-batch, ms", color=canvas.theme.ink, fontsize=9)
