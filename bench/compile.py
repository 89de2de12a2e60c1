"""How long resnet152 takes from its spec's text to an initialised GraphModule, against torchvision's constructor.

python bench/compile.py
"""

from __future__ import annotations

import torch
import torchvision.models
from timing import Comparison, alternated
from torch import nn

from archc.catalog import ZOO
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.program import Program

NAME = "resnet152"
RUNS = 7
TARGET = 1.2


def compare(name: str = NAME, runs: int = RUNS) -> Comparison:
    text = (ZOO / "resnet.arch").read_text()
    first, second = alternated(lambda: compiled(text, name), lambda: constructed(name), runs)
    return Comparison(
        f"text to GraphModule, {name}", f"`torchvision.models.{name}()`", tuple(first), tuple(second), TARGET
    )


def compiled(text: str, name: str) -> nn.Module:
    graph = Program.parse(text).elaborate(name).graph
    if graph is None:
        raise RuntimeError(f"the spec does not define {name}")
    return to_graph_module(graph)


def constructed(name: str) -> nn.Module:
    return torchvision.models.get_model(name, weights=None)


if __name__ == "__main__":
    torch.manual_seed(0)
    print(compare())
