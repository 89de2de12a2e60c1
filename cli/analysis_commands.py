"""Commands that say something of an architecture: stats, paths, field, bench, plan, plot, diff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from .completion import complete_specs
from .options import (
    SIDE,
    BenchFormat,
    Colors,
    Dtype,
    Figures,
    Host,
    Inputs,
    Loss,
    OfSpec,
    Optimizer,
    Report,
    Rows,
    Sizes,
    TableFormat,
    Unit,
    argument,
    option,
    output_option,
)
from .weights import WithWeights


@dataclass(frozen=True)
class Stats(OfSpec):
    """Parameters, multiply-adds, memory and depth, for each scope or kind of layer and in total.

    Counted at the sizes that the spec's inputs name, or at those given. `kept` are the bytes that training keeps for
    the backward pass. Needs no torch.

    Examples:

        archc stats resnet50
        archc stats my.arch --format csv > costs.csv
        archc stats resnet50 --by kind --memory --batch 32 --size H=448,W=448
    """

    by: Annotated[Rows, typer.Option(help="What the rows are: scopes, or kinds of layers.")] = "scope"
    memory: Annotated[bool, typer.Option("--memory", help="Show activations and memory too.")] = False
    formulas: Annotated[bool, typer.Option("--formulas", help="Show costs as formulas of the open sizes.")] = False
    sizes: Sizes = None
    batch: Annotated[int | None, option("How many images there are.", "N", min=1)] = None
    dtype: Annotated[Dtype, typer.Option(help="The type of numbers that memory is counted for.")] = "float32"
    format: Annotated[TableFormat, typer.Option("--format", help="How to print the figures.")] = "text"


@dataclass(frozen=True)
class Paths(OfSpec):
    """How many paths lead from input to output, by their lengths.

    A residual network is many paths: n modules with a shortcut each make 2^n. A module is what stands beside a
    shortcut in a sum; projections are shortcuts.

    Examples:

        archc paths resnet110_cifar --by module --range 19-35
        archc paths fractalnet
    """

    by: Annotated[Unit, typer.Option(help="What lengths count: weight layers, or residual modules.")] = "layer"
    range: Annotated[list[str] | None, option("Lengths whose share is shown. Repeatable.", "LOW-HIGH")] = None
    format: Annotated[Report, typer.Option("--format", help="How to print the result.")] = "text"


@dataclass(frozen=True)
class Field(OfSpec):
    """What each layer sees of the image: the size, stride and offset of its receptive field, exactly.

    `sees` is the extent of a place's field away from the borders (* with holes, `all` where every place sees the same,
    as behind a global pool), `stride` how much further on the next place's is, and `offset` where the first begins.

    Examples:

        archc field vgg16
        archc field vgg16 --at features.30 --size H=448,W=448
    """

    at: Annotated[str | None, option("One layer or scope, and what it sees at the image's borders.", "PATH")] = None
    sizes: Sizes = None
    format: Annotated[Report, typer.Option("--format", help="How to print the result.")] = "text"


@dataclass(frozen=True)
class Bench(WithWeights, OfSpec):
    """How long inference takes on this machine: each engine in turn, with the same weights.

    eager is the module as it is, kernels and inductor are what `net.optimized(engine = ...)` gives. A ratio is to the
    median of the first engine. `spread` is half the distance between the quartiles, `ready` the time until the first
    result, and `peak memory` what a call takes beyond what was held before. Without --weights the weights are new.

    Examples:

        archc bench resnet50
        archc bench my.arch --weights net.pth --batch 1,16 --dtype bfloat16
        archc bench densenet121 --engines eager,kernels,inductor --threads 1 --format md
    """

    batch: Annotated[str, typer.Option(metavar="N,..", help="How many images there are, one after another.")] = "1"
    dtype: Annotated[Dtype, typer.Option(help="The type of numbers.")] = "float32"
    engines: Annotated[str, typer.Option(metavar="NAME,..", help="eager, kernels, inductor.")] = "eager,kernels"
    threads: Annotated[int | None, option("How many threads compute; all cores unless told.", "N", min=1)] = None
    runs: Annotated[int, typer.Option(metavar="N", help="How often each engine runs.", min=1)] = 10
    sizes: Sizes = None
    format: Annotated[BenchFormat, typer.Option("--format", help="How to print the figures.")] = "text"


@dataclass(frozen=True)
class Plan(OfSpec):
    """How to train on many equal devices: what each way holds, sends and takes, the fastest that fits first.

    The ways are data parallel, fully sharded, pipelines (GPipe, 1F1B, interleaved), and pipelines whose stages are
    shared out in turn. Memory is that of the rank that holds most. `traffic` is what it sends in a step, and `bubble`
    the part of a step that a pipeline waits. Times are a model's: see docs/scale.md. Needs no torch.

    Examples:

        archc plan resnet152 --devices 8 --memory 80GB
        archc plan vit_b_16 --devices 8 --memory 4GB --batch 512 --dtype bfloat16 -o plan.json
        archc plan densenet201 --devices 4 --memory 16GB --link 10GB/s -o plan.svg
    """

    devices: Annotated[int, typer.Option(metavar="N", help="How many devices there are.", min=1)] = 8
    memory: Annotated[str, typer.Option(metavar="BYTES", help="The memory of each device.")] = "80GB"
    batch: Annotated[int | None, option("Images in a step, on all devices; else 32 for each.", "N", min=1)] = None
    dtype: Annotated[Dtype, typer.Option(help="The type of numbers of maps.")] = "float32"
    optimizer: Annotated[Optimizer, typer.Option(help="What holds states for each parameter.")] = "adamw"
    loss: Annotated[Loss, typer.Option(help="The loss, of which what it keeps is counted.")] = "other"
    link: Annotated[str, typer.Option(metavar="RATE", help="Bytes per second that a device sends.")] = "50GB/s"
    multiply_adds: Annotated[
        str, typer.Option("--multiply-adds", metavar="RATE", help="Multiply-adds per second of a device.")
    ] = "100T/s"
    bandwidth: Annotated[str, typer.Option(metavar="RATE", help="Bytes per second of a device's memory.")] = "2TB/s"
    all: Annotated[bool, typer.Option("--all", help="Show the ways that do not fit too.")] = False
    sizes: Sizes = None
    format: Annotated[Report, typer.Option("--format", help="How to print the result.")] = "text"
    output: Annotated[
        str | None, output_option("A file for the plan: .json, or a picture of what fits best: .svg, .png, .pdf.")
    ] = None


@dataclass(frozen=True)
class Plot(OfSpec):
    """Plot figures of an architecture: costs, memory, or lengths of paths.

    costs: parameters and multiply-adds of the boxes that draw shows. memory: what evaluation holds while each layer
    runs, and what training keeps up to it. paths: how many have which length. Needs matplotlib; the ending of -o
    chooses .svg, .png, .pdf.

    Examples:

        archc plot resnet50
        archc plot densenet121 --what memory --size N=32 -o memory.png
        archc plot resnet110_cifar --what paths --by module
    """

    output: Annotated[
        str | None,
        output_option("The file to write, the folder for it, or - for stdout, as SVG; else NAME-WHAT.svg here."),
    ] = None
    what: Annotated[Figures, typer.Option(help="What to plot.")] = "costs"
    by: Annotated[Unit, typer.Option(help="Of paths: what lengths count.")] = "layer"
    depth: Annotated[int | None, option("Of costs: levels of scopes, as in draw.", "N", min=1)] = None
    sizes: Sizes = None
    dtype: Annotated[Dtype, typer.Option(help="Of memory: the type of numbers.")] = "float32"
    theme: Annotated[Colors, typer.Option(help="The page: light or dark.")] = "light"


@dataclass(frozen=True)
class Diff:
    """Compare two architectures: what B has otherwise than A, and what that costs.

    They are aligned by structure, so names may differ. `+` was added, `-` removed, `~` changed or renamed; `=` does the
    same on other shapes. Equal parts are listed once. The figures add up to the difference of the totals.

    Examples:

        archc diff resnet50 resnet101
        archc diff old.arch new.arch:Net --check
        archc diff "resnet(depth = 34, shortcut = none)" "resnet(depth = 34)"
        archc diff resnet34 resnet50 -o difference.svg
        archc diff resnet50 torchvision.models:resnet50
    """

    before: Annotated[str, argument("A", SIDE, complete_specs)]
    after: Annotated[str, argument("B", "The other one, likewise.", complete_specs)]
    inputs: Inputs = None
    extern: Host = False
    output: Annotated[str | None, output_option("Draw the difference to a file, a folder, or - for stdout.")] = None
    format: Annotated[Report, typer.Option("--format", help="How to print the difference.")] = "text"
    check: Annotated[bool, typer.Option("--check", help="Exit 1 if there is a difference.")] = False


@dataclass(frozen=True)
class Equiv(WithWeights):
    """Whether two architectures are the same function, up to a map of weights.

    `equal` is proved, at all sizes of the inputs unless `--size` fixes some, and comes with the map. `different` is
    proved too: for some weights of one no weights of the other do the same. Else it is `undecided`. --weights is a
    checkpoint of A, of which one of B is made.

    Examples:

        archc equiv "resnext(form = a)" "resnext(form = c)"
        archc equiv mine.arch resnet50 --weights mine.pth -o resnet50.pth
        archc equiv "resnet(version = 1)" "resnet(version = 1.5)" --counterexample apart.safetensors
    """

    before: Annotated[str, argument("A", SIDE, complete_specs)]
    after: Annotated[str, argument("B", "The other one, likewise.", complete_specs)]
    inputs: Inputs = None
    extern: Host = False
    sizes: Annotated[
        list[str] | None,
        option("Compare at these sizes of the inputs alone: H=224,W=224. Repeatable.", "NAME=NUMBER", "--size"),
    ] = None
    output: Annotated[str | None, option("Where to write B's: .safetensors, .pt.", "FILE", "-o", "--output")] = None
    counterexample: Annotated[
        str | None,
        option("Where to write what tells them apart: inputs, weights, outputs.", "FILE"),
    ] = None
    format: Annotated[Report, typer.Option("--format", help="How to print the result.")] = "text"
    check: Annotated[bool, typer.Option("--check", help="Exit 1 unless they are proved equal.")] = False
