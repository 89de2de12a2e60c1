"""Commands that make something of an architecture: compile, rewrite, draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from .completion import complete_rewrites, complete_scopes
from .options import (
    Colors,
    Device,
    Direction,
    Dtype,
    Emit,
    Engine,
    Host,
    Inputs,
    Layout,
    Name,
    OfSpec,
    Optimizer,
    Picture,
    Report,
    Settings,
    Sizes,
    Spec,
    argument,
    option,
    output_option,
)
from .shell import leave
from .weights import WithWeights


@dataclass(frozen=True)
class Compile(WithWeights, OfSpec):
    """Compile a spec to a file, after running that file.

    The file is written beside its target, loaded and compared with the module at two batch sizes and two image sizes
    before it is moved into place: Python bit for bit, in eval and in training. What was there before stays where
    anything fails. With --weights the tensors must fit key for key;
    pt2 and onnx contain them, a Python file loads the same file with `load_state_dict`. With --map the names may be
    others, if shapes and position leave one way to put the tensors; that is shown.

    Examples:

        archc compile resnet50
        archc compile my.arch -o net.onnx --weights net.safetensors
        archc compile resnet50 -o resnet50.pt2 --weights other.pth --map auto
        archc compile resnet --set depth=101 --emit pt2
        archc compile resnet50 --weights r50.pth --optimize --dtype bfloat16 -o fast.pt2
        archc compile resnet50 --weights r50.pth --optimize --engine inductor --batch 1 -o fast.pt2
        archc compile resnet152 --fit 8GB --batch 64
    """

    output: Annotated[
        str | None,
        output_option("The file to write, the folder for it, or - for stdout (py and texts); else NAME.py here."),
    ] = None
    emit: Annotated[
        Emit | None,
        option(
            "py: a Python file that needs torch only. pt2: torch.export, sizes symbolic. onnx: compared with "
            "onnxruntime. json: the graph. arch: a spec that imports nothing. graphml: for Gephi, yEd, igraph. "
            "Unless told, the ending of -o decides, else py."
        ),
    ] = None
    device: Annotated[Device, typer.Option(help="Where the module and the file are run and compared.")] = "auto"
    seed: Annotated[int, typer.Option(help="Seed of the initial weights.", min=0)] = 0
    optimize: Annotated[
        bool,
        typer.Option(
            "--optimize",
            help="Write the network for inference alone, as fast as this machine allows, as pt2. What was done to it "
            "is listed, and what was not and why.",
        ),
    ] = False
    engine: Annotated[
        Engine | None,
        option(
            "With --optimize, kernels: oneDNN's fused operators, written at once. inductor: compiled, in minutes, for "
            "processors like this one. Else kernels."
        ),
    ] = None
    dtype: Annotated[Dtype | None, option("With --optimize, the type of weights, maps and outputs; else float32.")] = (
        None
    )
    batch: Annotated[
        int | None,
        option(
            "With --optimize, a fixed number of images; else any. With --fit, those of a step; else 32.", "N", min=1
        ),
    ] = None
    fit: Annotated[
        str | None,
        option(
            "Write the network so that training fits into this memory, 8GB: modules that cost little are computed "
            "again in the backward pass.",
            "BYTES",
        ),
    ] = None
    optimizer: Annotated[Optimizer | None, option("With --fit, what holds states for each parameter; else adamw.")] = (
        None
    )
    sizes: Sizes = None


def show_rewrites(wanted: bool) -> None:
    if wanted:
        from .rewriting import run_list

        leave(run_list())
        raise typer.Exit


@dataclass(frozen=True)
class Rewrite(WithWeights):
    """Make another architecture of one: exactly as the rewrite says, or not at all.

    Without -o and --weights-out it is reported what changes. A checkpoint of the architecture before becomes one of
    the result: pt2 and onnx hold it, --weights-out writes it. --weights may also be one of the result.

    Examples:

        archc rewrite --list
        archc rewrite remove resnet50 --with modules=[layer3.2,layer3.4]
        archc rewrite remove_shortcuts resnet34 -o plain.py
        archc rewrite fold_batch_norm resnet50 --weights r50.pth -o folded.onnx --weights-out folded.pth
    """

    rewrite: Annotated[str, argument("REWRITE", "Which rewrite: --list shows them.", complete_rewrites)]
    spec: Spec
    name: Name = None
    options: Annotated[
        list[str] | None,
        option(
            "A setting of the rewrite: a path, a number, true, false, or a list like [layer1.0,layer1.1]. Repeatable.",
            "NAME=VALUE",
            "--with",
        ),
    ] = None
    output: Annotated[
        str | None,
        output_option(
            "The file to write, or the folder for it; its ending says what, as for compile. Without it a report."
        ),
    ] = None
    emit: Annotated[Emit | None, option("What to write. Unless told, the ending of -o decides.")] = None
    weights_out: Annotated[
        str | None,
        option("Where to write the weights of the result: .safetensors, else a torch checkpoint.", "FILE"),
    ] = None
    settings: Settings = None
    inputs: Inputs = None
    extern: Host = False
    device: Annotated[Device, typer.Option(help="Where the module and the file are run and compared.")] = "auto"
    seed: Annotated[int, typer.Option(help="Seed of weights that start anew.", min=0)] = 0
    format: Annotated[Report, typer.Option("--format", help="How to print the report.")] = "text"
    listed: Annotated[
        bool, typer.Option("--list", callback=show_rewrites, is_eager=True, help="Show the rewrites with settings.")
    ] = False


@dataclass(frozen=True)
class Draw(OfSpec):
    """Draw a spec: its layers as boxes, its scopes folded to a depth.

    Arrows carry shapes where they change, boxes their parameters and multiply-adds, which add up to the total. What
    the spec repeats is drawn once, with its number. Needs no torch. Graphviz, installed with archc, makes PNG files and
    lays out what branches and meets in no simple way. An HTML page holds everything: what is folded unfolds in the
    browser.

    Examples:

        archc draw resnet50
        archc draw resnet18 --depth 3 -o resnet18.png
        archc draw resnet50 --format html
        archc draw inception_v4 --only features.6 --theme dark
        archc draw resnet50 --direction right --width 25cm -o slide.pdf
        archc draw resnet50 --width 8.5cm -o column.tex
        archc draw my.arch -o - --format dot
    """

    output: Annotated[
        str | None, output_option("The file to write, the folder for it, or - for stdout; else NAME.svg here.")
    ] = None
    format: Annotated[
        Picture | None,
        option("html: a page on which scopes fold and unfold. Unless told, the ending of -o decides, else svg."),
    ] = None
    depth: Annotated[
        int | None,
        option("Levels of scopes to open: 1 shows each as one box. Else as many as make a good overview.", "N", min=1),
    ] = None
    expand: Annotated[
        list[str] | None,
        option("A scope to open: layer1.0, stage*.unit1. Repeatable.", "PATH", autocompletion=complete_scopes),
    ] = None
    collapse: Annotated[
        list[str] | None,
        option("A scope to fold, whatever else is said. Repeatable.", "PATH", autocompletion=complete_scopes),
    ] = None
    only: Annotated[
        list[str] | None, option("A scope to draw alone. Repeatable.", "PATH", autocompletion=complete_scopes)
    ] = None
    theme: Annotated[
        Colors | None,
        option("The page: light or dark. Unless told, html has the reader's choice, the others are light."),
    ] = None
    legend: Annotated[
        bool, typer.Option("--legend/--no-legend", help="What colours and signs mean, below the picture.")
    ] = True
    direction: Annotated[Direction, typer.Option(help="Where arrows run; u: a U-net down and up.")] = "down"
    layout: Annotated[Layout, typer.Option(help="Who says where boxes stand: archc, or Graphviz's dot.")] = "archc"
    width: Annotated[
        str | None,
        option("The width of the picture: 8.5cm, 85mm, 3.3in, 240pt. It shows as much as is legible.", "LENGTH"),
    ] = None
