"""Counts the lines of the classes that archc writes in Python, and of those that a peer's network is made of.

Run as a script it writes the table of `docs/specs.md`.
Counted are lines of code: no blank lines, comments, doc strings or imports. Of a peer, the classes of the network's
modules and the functions that make parts of it; of a generated file, all its classes and functions.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from lines import PAGE, code_lines, releases, replaced
from oracles import LIBRARIES, Row, families
from torch import nn

import archc
from archc.compiler.decompile.python.file import to_python

MOST = 1.3
"""How many times the peer's lines a generated file may have."""
COMPARED: dict[str, tuple[tuple[str, str], ...]] = {
    "alexnet": (("alexnet", "torchvision"),),
    "convnext": (("convnext_tiny", "torchvision"),),
    "deeplabv3": (("deeplabv3_resnet50", "torchvision"), ("deeplabv3_mobilenet_v3_large", "torchvision")),
    "densenet": (("densenet121", "torchvision"), ("densenet201", "torchvision"), ("densenet_cifar", "pytorchcv")),
    "efficientnet": (("efficientnet_b0", "torchvision"), ("efficientnet_v2_s", "torchvision")),
    "fcn_resnet": (("fcn_resnet50", "torchvision"),),
    "fractalnet": (("fractalnet", "pytorchcv"),),
    "googlenet": (("googlenet", "torchvision"),),
    "inception_resnet": (("inception_resnet_v1", "pytorchcv"), ("inception_resnet_v2", "timm")),
    "inception_v3": (("inception_v3", "torchvision"),),
    "inception_v4": (("inception_v4", "timm"), ("inception_v4", "pytorchcv")),
    "lraspp": (("lraspp_mobilenet_v3_large", "torchvision"),),
    "maxvit": (("maxvit_t", "torchvision"),),
    "mnasnet": (("mnasnet1_0", "torchvision"),),
    "mobilenet_v2": (("mobilenet_v2", "torchvision"),),
    "mobilenet_v3": (("mobilenet_v3_large", "torchvision"), ("mobilenet_v3_small", "torchvision")),
    "multi_resnet": (("multi_resnet_cifar", "pytorchcv"),),
    "nin": (("nin_cifar", "pytorchcv"),),
    "polynet": (("polynet", "pytorchcv"),),
    "preresnet": (("preresnet18", "pytorchcv"), ("preresnet50", "pytorchcv"), ("resnetv2_50", "timm")),
    "preresnet_cifar": (("preresnet20_cifar", "pytorchcv"), ("preresnet164bn_cifar", "pytorchcv")),
    "regnet": (("regnet_x_400mf", "torchvision"), ("regnet_y_3_2gf", "torchvision")),
    "resnet": (("resnet18", "torchvision"), ("resnet50", "torchvision"), ("resnet152", "torchvision")),
    "resnet_cifar": (("resnet20_cifar", "pytorchcv"),),
    "resnext": (("resnext50_32x4d", "torchvision"), ("resnext50_32x4d", "pytorchcv")),
    "ror": (("ror3_56_cifar", "pytorchcv"),),
    "sharesnet": (("sharesnet18", "pytorchcv"), ("sharesnet50", "pytorchcv")),
    "shufflenet_v2": (("shufflenet_v2_x1_0", "torchvision"),),
    "squeezenet": (("squeezenet1_0", "torchvision"),),
    "stochastic_depth": (("stochastic_depth", "torchvision"),),
    "swin": (("swin_t", "torchvision"), ("swin_v2_t", "torchvision")),
    "vgg": (("vgg11", "torchvision"), ("vgg16", "torchvision"), ("vgg19_bn", "torchvision")),
    "vit": (("vit_b_16", "torchvision"),),
    "wide_resnet": (("wide_resnet50_2", "torchvision"),),
    "wide_resnet_cifar": (("wide_resnet_cifar", "pytorchcv"),),
}
"""The networks of each family that are compared, with a library that has them in the same modules."""
ALONE = {
    "ablations": "full_preactivation_cifar",
    "clip": "clip_vit_b_32",
    "ddpm": "ddpm_cifar",
    "densenet": "densenet264",
    "fcn": "fcn8s",
    "fractal_of_fractals": "fof",
    "gpt2": "gpt2",
    "llama": "llama3_8b",
    "polynet_small": "polynet_small",
    "stn": "stn_svhn_single",
    "tied": "tied_resnet_cifar",
    "unet": "unet",
    "yolov8": "yolov8n",
}
"""Networks that no peer has in modules of the same kind."""

Line = tuple[str, int]


def row_of(family: str, spec: str, library: str) -> Row:
    return next(r for r in families()[family] if (r.spec, r.library) == (spec, library) and not r.text)


def generated_lines(text: str) -> int:
    """The lines of the classes and functions of a file."""
    inside = {
        line
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return len(code_lines(text) & inside)


@cache
def written(name: str, *given: tuple[str, Any]) -> str:
    """The Python file of a network."""
    return to_python(archc.load(name, **dict(given)).ir)


def ours(row: Row) -> int:
    return generated_lines(written(row.spec, *row.set.items()))


def alone(name: str) -> int:
    return generated_lines(written(name))


def table() -> str:
    head = ["| spec | network | lines of Python | peer | its lines | ratio |", "| --- | --- | --- | --- | --- | --- |"]
    rows = [compared(family, spec, library) for family, pairs in COMPARED.items() for spec, library in pairs]
    rows += [f"| `{family}` | `{name}` | {alone(name)} | none | | |" for family, name in ALONE.items()]
    return "\n".join([*head, *sorted(rows), "", f"Counted in {releases()}."])


def compared(family: str, spec: str, library: str) -> str:
    row = row_of(family, spec, library)
    mine, other = ours(row), theirs(row)
    return f"| `{family}` | `{row.variant}` | {mine} | {library} `{row.oracle}` | {other} | {mine / other:.2f} |"


def theirs(row: Row) -> int:
    """The lines of the classes of a peer's modules, and of the functions of the library that these call or that make
    parts of the network."""
    calls: dict[CodeType, set[CodeType]] = {}
    returned: list[tuple[CodeType, Any]] = []

    def note(frame: FrameType, event: str, value: Any) -> None:
        if event == "call" and frame.f_back is not None:
            calls.setdefault(frame.f_back.f_code, set()).add(frame.f_code)
        elif event == "return" and isinstance(value, nn.Module):
            returned.append((frame.f_code, value))

    row.theirs()  # what runs in the first construction of a process alone is no part of the network
    sys.setprofile(note)
    try:
        net = row.theirs()
    finally:
        sys.setprofile(None)
    parts = set(net.modules()) - {net}
    types = {cls for module in net.modules() for cls in type(module).__mro__ if of_library(inspect.getmodule(cls))}
    lines = set().union(*map(span, types))
    waiting = [code for code in calls if (code.co_filename, code.co_firstlineno) in lines]
    waiting += [code for code, value in returned if value in parts and in_library(code)]
    seen: set[CodeType] = set()
    while waiting:
        code = waiting.pop()
        if code not in seen and "<" not in code.co_name:
            seen.add(code)
            lines |= span(code)
            waiting += [called for called in calls.get(code, ()) if in_library(called)]
    return len(lines)


def of_library(module: Any) -> bool:
    return module is not None and module.__name__.partition(".")[0] in LIBRARIES


def in_library(code: CodeType) -> bool:
    return not set(LIBRARIES).isdisjoint(Path(code.co_filename).parts)


def span(item: Any) -> set[Line]:
    file = inspect.getsourcefile(item) or ""
    source, start = inspect.getsourcelines(item)
    return {(file, line) for line in range(start, start + len(source))} & lines_of_file(file)


@cache
def lines_of_file(file: str) -> frozenset[Line]:
    return frozenset((file, line) for line in code_lines(Path(file).read_text(encoding="utf-8")))


if __name__ == "__main__":
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), "python", table()), encoding="utf-8")
