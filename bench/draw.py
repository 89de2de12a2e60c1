"""How long drawings take and how large they are, beside torchview and Keras's `plot_model`; and the layout beside
Graphviz's on the same boxes.

python bench/draw.py

The peers are measured where they are installed: `pip install torchview keras pydot`. They build a graph of a module
that is there already, and Graphviz lays it out; archc starts with the text of the spec.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from timing import Comparison, alternated, measured, shown

import archc
from archc.viz.build import diagram_of
from archc.viz.dot import to_dot
from archc.viz.draw import draw
from archc.viz.render import render
from archc.viz.view import View

NAME, LARGE = "resnet152", "polynet"
OTHERS = ("densenet121", "inception_v4", "fof")
RUNS = 3
TARGET = 1.0
SECONDS = 1.0
"""The target of the overview of ResNet-152."""
PEERS = {"torchview": ("torchview",), "Keras": ("keras", "pydot")}
"""What has to be installed for each peer."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawing: seconds in the fastest run, boxes, bytes of the SVG. `missing` says why there is none."""

    tool: str
    what: str
    seconds: float = 0
    boxes: int = 0
    size: int = 0
    missing: str = ""

    def __str__(self) -> str:
        told = self.missing or f"{shown(self.seconds)}, {self.boxes} boxes, {self.size:,} bytes"
        return f"{self.tool}, {self.what}: {told}"


def compare(name: str = LARGE, runs: int = RUNS) -> Comparison:
    """A network with every scope open, from its diagram to SVG, against Graphviz on the same boxes."""
    diagram = diagram_of(archc.load(name).ir, View(99))
    source = to_dot(diagram).encode()
    first, second = alternated(lambda: render(diagram), lambda: _laid_out(source), runs)
    what = f"layout of {name}, {len(diagram.boxes)} boxes"
    return Comparison(what, "Graphviz, on the same boxes", tuple(first), tuple(second), TARGET)


def table(name: str = NAME, others: tuple[str, ...] = OTHERS, large: str = LARGE, runs: int = RUNS) -> Iterator[Drawn]:
    """The drawings of archc and of its peers. `name` is that of a network that Keras and torchvision have too; of
    `others` overviews are drawn, and of `large` everything."""
    for spec, depth in ((name, None), (name, 99), *((other, None) for other in others), (large, 99)):
        what = f"{spec}, all open" if depth else f"{spec}, overview"
        seconds = min(measured(partial(_ours, spec, depth)) for _ in range(runs))
        drawing = _ours(spec, depth)
        yield Drawn("archc", what, seconds, len(drawing.diagram.boxes), len(drawing.content))
    for tool, packages in PEERS.items():
        lacking = [package for package in packages if not installed(package)]
        if lacking:
            yield Drawn(tool, name, missing=f"not measured: {' and '.join(lacking)} not installed")
        else:
            yield from {"torchview": _torchview, "Keras": _keras}[tool](name, runs)


def installed(package: str) -> str | None:
    """Its version."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _ours(name: str, depth: int | None) -> Any:
    return draw(archc.load(name).ir, "svg", View(depth))


def _torchview(name: str, runs: int) -> Iterator[Drawn]:
    import torchvision.models
    from torchview import draw_graph

    model = torchvision.models.get_model(name, weights=None)
    for depth, what in ((2, "depth 2"), (99, "all open")):
        made = partial(_torchview_source, draw_graph, model, depth)
        yield _peer(f"torchview {installed('torchview')}", f"{name}, {what}", made, runs)


def _torchview_source(draw_graph: Callable[..., Any], model: object, depth: int) -> tuple[str, int]:
    graph = draw_graph(model, input_size=(1, 3, 224, 224), device="meta", depth=depth)
    source = graph.visual_graph.source
    return source, len(re.findall(r"^\s*\d+ \[", source, re.MULTILINE))


def _keras(name: str, runs: int) -> Iterator[Drawn]:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    model = getattr(keras.applications, name.replace("resnet", "ResNet"))(weights=None)
    made = partial(_keras_source, keras.utils.model_to_dot, model)
    yield _peer(f"Keras {installed('keras')}, `plot_model`", f"{name}, all open", made, runs)


def _keras_source(model_to_dot: Callable[..., Any], model: Any) -> tuple[str, int]:
    return model_to_dot(model, show_shapes=True).to_string(), len(model.layers)


def _peer(tool: str, what: str, made: Callable[[], tuple[str, int]], runs: int) -> Drawn:
    """A peer's drawing: its graph made and laid out."""
    seconds = min(measured(lambda: _laid_out(made()[0].encode())) for _ in range(runs))
    source, boxes = made()
    return Drawn(tool, what, seconds, boxes, len(_laid_out(source.encode())))


def graphviz() -> str:
    """The program that lays graphs out."""
    program = shutil.which("dot") or shutil.which("graphviz-pure", path=str(Path(sys.executable).parent))
    if program is None:
        from importlib.metadata import files

        shipped = [entry for entry in files("graphviz-pure") or [] if Path(str(entry)).stem == "graphviz-pure"]
        program = str(shipped[0].locate()) if shipped else None
    if program is None:
        raise RuntimeError("there is no Graphviz here")
    return program


def _laid_out(source: bytes) -> bytes:
    command = [graphviz(), "-Kdot", "-Tsvg"]
    return subprocess.run(command, input=source, capture_output=True, check=True).stdout


if __name__ == "__main__":
    print(compare())
    for drawn in table():
        print(drawn, flush=True)
