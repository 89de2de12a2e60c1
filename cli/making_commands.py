"""Commands that make something of an architecture: compile, draw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Colors, Device, Emit, Name, Picture, Settings, Spec, mapping_of, settings_of
from .shell import leave


def compile_(
    spec: Spec,
    name: Name = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="The file to write, the folder for it, or - for stdout (py, json); else NAME.py here.",
            show_default=False,
        ),
    ] = None,
    emit: Annotated[
        Emit | None,
        typer.Option(
            help="py: a Python file that needs torch only. pt2: torch.export, sizes symbolic. onnx: compared with "
            "onnxruntime. json: the graph. Unless told, the ending of -o decides, else py.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Weights to load, strictly: .safetensors, or a torch checkpoint.", show_default=False
        ),
    ] = None,
    map: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="auto|FILE",
            help="Where the names in --weights are not the spec's. auto: find each tensor's place by shapes and "
            "position. FILE: JSON of names that are known, theirs to the spec's; the rest is found.",
            show_default=False,
        ),
    ] = None,
    write_map: Annotated[
        Path | None,
        typer.Option("--write-map", metavar="FILE", help="Where to write the whole map, as JSON.", show_default=False),
    ] = None,
    settings: Settings = None,
    device: Annotated[Device, typer.Option(help="Where the module is run before it is written.")] = Device.auto,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights.", min=0)] = 0,
) -> None:
    """Compile a spec to a module, after running it once.

    Before anything is written the module has run forward on the device, and its shapes have met those that were
    inferred. What was there before stays where anything fails. With --weights the tensors must fit key for key;
    pt2 and onnx contain them, a Python file loads the same file with `load_state_dict`. With --map the names may be
    others, if shapes and position leave one way to put the tensors; that is shown.

    Examples:

        archc compile resnet50
        archc compile my.arch -o net.onnx --weights net.safetensors
        archc compile resnet50 -o resnet50.pt2 --weights other.pth --map auto
        archc compile resnet --set depth=101 --emit pt2
    """
    from .compiling import Request, run_compile

    mapping = mapping_of(weights, map, write_map)
    kind = emit.value if emit else None
    leave(run_compile(Request(spec, name, settings_of(settings), output, kind, mapping, device.value, seed)))


def draw(
    spec: Spec,
    name: Name = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="The file to write, the folder for it, or - for stdout; else NAME.svg here.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Picture | None,
        typer.Option("--format", help="Unless told, the ending of -o decides, else svg.", show_default=False),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Levels of scopes to open: 1 shows each as one box. Else as many as make a good overview.",
            show_default=False,
        ),
    ] = None,
    expand: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH", help="A scope to open, such as layer1.0 or stage*.unit1. Repeatable.", show_default=False
        ),
    ] = None,
    collapse: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A scope to fold, whatever else is said. Repeatable.", show_default=False),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A scope to draw alone. Repeatable.", show_default=False),
    ] = None,
    theme: Annotated[Colors, typer.Option(help="The page: light or dark.")] = Colors.light,
    legend: Annotated[
        bool, typer.Option("--legend/--no-legend", help="What colours and signs mean, below the picture.")
    ] = True,
    settings: Settings = None,
) -> None:
    """Draw a spec: its layers as boxes, its scopes folded to a depth.

    Arrows carry shapes where they change, boxes their parameters and multiply-adds, which add up to the total. What
    the spec repeats is drawn once, with its number. Needs no torch; only PNG and PDF need Graphviz.

    Examples:

        archc draw resnet50
        archc draw resnet18 --depth 3 -o resnet18.png
        archc draw inception_v4 --only features.6 --theme dark
        archc draw my.arch -o - --format dot
    """
    from .drawing import Request, run_draw

    kind = format.value if format else None
    paths = (tuple(expand or ()), tuple(collapse or ()), tuple(only or ()))
    leave(run_draw(Request(spec, name, settings_of(settings), output, kind, depth, *paths, theme.value, legend)))
