"""Commands that say something of an architecture: stats, paths, field, diff."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import (
    SIDE,
    Dtype,
    Name,
    Part,
    Report,
    Settings,
    Sizes,
    Spec,
    TableFormat,
    Unit,
    range_of,
    settings_of,
    side,
    sizes_of,
)
from .shell import leave


def stats(
    spec: Spec,
    name: Name = None,
    settings: Settings = None,
    by: Annotated[Part, typer.Option(help="What the rows are: scopes, or kinds of layers.")] = Part.scope,
    memory: Annotated[bool, typer.Option("--memory", help="Show activations and memory too.")] = False,
    formulas: Annotated[bool, typer.Option("--formulas", help="Show costs as formulas of the open sizes.")] = False,
    sizes: Sizes = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many images there are.", show_default=False)
    ] = None,
    dtype: Annotated[Dtype, typer.Option(help="The type of numbers that memory is counted for.")] = Dtype.float32,
    format: Annotated[TableFormat, typer.Option("--format", help="How to print the figures.")] = TableFormat.text,
) -> None:
    """Parameters, multiply-adds, memory and depth, for each scope or kind of layer and in total.

    Counted at the sizes that the spec's inputs name, or at those given. `kept` are the bytes that training keeps for
    the backward pass. Needs no torch.

    Examples:

        archc stats resnet50
        archc stats my.arch --format csv > costs.csv
        archc stats resnet50 --by kind --memory --batch 32 --size H=448,W=448
    """
    from .costs import Request, run_stats

    at = sizes_of(sizes)
    leave(
        run_stats(
            Request(spec, name, settings_of(settings), format.value, by.value, memory, formulas, at, batch, dtype.value)
        )
    )


def paths(
    spec: Spec,
    name: Name = None,
    settings: Settings = None,
    by: Annotated[Unit, typer.Option(help="What lengths count: weight layers, or residual modules.")] = Unit.layer,
    range: Annotated[
        list[str] | None,
        typer.Option(
            "--range", metavar="LOW-HIGH", help="Lengths whose share is shown. Repeatable.", show_default=False
        ),
    ] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw the distribution; needs matplotlib.", show_default=False)
    ] = None,
    format: Annotated[Report, typer.Option("--format", help="How to print the result.")] = Report.text,
) -> None:
    """How many paths lead from input to output, exactly, by their lengths.

    A residual network is many paths: n modules with a shortcut each make 2^n. A module is what stands beside a
    shortcut in a sum; projections are shortcuts.

    Examples:

        archc paths resnet110_cifar --by module --range 19-35
        archc paths fractalnet
        archc paths my.arch --plot lengths.svg
    """
    from .analysing import PathsRequest, run_paths

    ranges = [range_of(text) for text in range or []]
    leave(run_paths(PathsRequest(spec, name, settings_of(settings), by.value, ranges, plot, format.value)))


def field(
    spec: Spec,
    name: Name = None,
    settings: Settings = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="PATH",
            help="One layer or scope, and what it sees at the image's borders.",
            show_default=False,
        ),
    ] = None,
    sizes: Sizes = None,
    format: Annotated[Report, typer.Option("--format", help="How to print the result.")] = Report.text,
) -> None:
    """What each layer sees of the image: the size, stride and offset of its receptive field, exactly.

    `sees` is the extent of a place's field away from the borders (* with holes, `all` where every place sees the same,
    as behind a global pool), `stride` how much further on the next place's is, and `offset` where the first begins.

    Examples:

        archc field vgg16
        archc field vgg16 --at features.30 --size H=448,W=448
    """
    from .analysing import FieldRequest, run_field

    leave(run_field(FieldRequest(spec, name, settings_of(settings), at, sizes_of(sizes), format.value)))


def diff(
    before: Annotated[str, side("A", SIDE)],
    after: Annotated[str, side("B", "The other one, likewise.")],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="Draw the difference to a file, a folder, or - for stdout.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Report, typer.Option("--format", help="How to print the difference.")] = Report.text,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 if there is a difference.")] = False,
) -> None:
    """Compare two architectures: what B has otherwise than A, and what that costs.

    They are aligned by structure, so names may differ. `+` was added, `-` removed, `~` changed or renamed; `=` does the
    same on other shapes. Equal parts are listed once. The figures add up to the difference of the totals.

    Examples:

        archc diff resnet50 resnet101
        archc diff old.arch new.arch:Net --check
        archc diff "resnet(depth = 34, shortcut = none)" "resnet(depth = 34)"
        archc diff resnet34 resnet50 -o difference.svg
    """
    from .comparing import parse_side, run_diff
    from .settings import SettingError

    sides = []
    for text, hint in ((before, "'A'"), (after, "'B'")):
        try:
            sides.append(parse_side(text))
        except SettingError as error:
            raise typer.BadParameter(str(error), param_hint=hint) from None
    leave(run_diff(sides, format.value, output, check))
