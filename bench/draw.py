"""How long drawings take, against Graphviz on the same boxes and against torchview.

python bench/draw.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import torchvision.models
from timing import Comparison, alternated, measured, shown

import archc
from archc.viz.build import diagram_of
from archc.viz.dot import to_dot
from archc.viz.draw import draw
from archc.viz.render import render
from archc.viz.view import View

NAME, LARGE = "resnet152", "polynet"
RUNS = 3
TARGET = 1.0
OTHERS = ("densenet121", "inception_v4", "fof")


def compare(name: str = LARGE, runs: int = RUNS) -> Comparison:
    """A network with every scope open, from its diagram to SVG, against Graphviz on the same boxes."""
    diagram = diagram_of(archc.load(name).ir, View(99))
    source, program = to_dot(diagram).encode(), _graphviz()
    first, second = alternated(lambda: render(diagram), lambda: _laid_out(program, source), runs)
    what = f"layout of {name}, {len(diagram.boxes)} boxes"
    return Comparison(what, "Graphviz, on the same boxes", tuple(first), tuple(second), TARGET)


def compare_torchview(name: str = NAME, runs: int = 3) -> Comparison | None:
    """Text to SVG, against torchview's graph of torchvision's module on the device meta; None where it is missing."""
    try:
        from torchview import draw_graph
    except ImportError:
        return None
    model = torchvision.models.get_model(name, weights=None)
    first, second = alternated(
        lambda: draw(archc.load(name).ir),
        lambda: draw_graph(model, input_size=(1, 3, 224, 224), device="meta", depth=2),
        runs,
    )
    return Comparison(
        f"text to SVG, {name}", "`torchview.draw_graph`, not laid out", tuple(first), tuple(second), TARGET
    )


def table() -> list[str]:
    """What single drawings take: the time, the boxes, the bytes of the SVG."""
    lines = []
    for name, depth in [*((name, None) for name in (NAME, *OTHERS)), *((name, 99) for name in (NAME, LARGE))]:
        graph = archc.load(name).ir
        view = View(depth)
        seconds = min(measured(partial(draw, graph, "svg", view)) for _ in range(3))
        drawing = draw(graph, "svg", view)
        boxes, size = len(drawing.diagram.boxes), len(drawing.content)
        what = f"{name}, whole" if depth else name
        lines.append(f"{what}: {shown(seconds)}, {boxes} boxes, {size:,} bytes")
    return lines


def _graphviz() -> str:
    program = shutil.which("dot") or shutil.which("graphviz-pure", path=str(Path(sys.executable).parent))
    if program is None:
        raise RuntimeError("there is no Graphviz here")
    return program


def _laid_out(program: str, source: bytes) -> bytes:
    return subprocess.run([program, "-Kdot", "-Tsvg"], input=source, capture_output=True, check=True).stdout


if __name__ == "__main__":
    print(compare())
    print(compare_torchview() or "torchview is not installed")
    print("\n".join(table()))
