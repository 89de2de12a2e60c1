"""The command line's surface: commands, options, help. What they do stands in the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .completion import complete_specs
from .options import (
    SIDE,
    Colors,
    Device,
    Dtype,
    Emit,
    Name,
    Part,
    Picture,
    Report,
    Settings,
    Sizes,
    Spec,
    TableFormat,
    Unit,
    mapping_of,
    range_of,
    settings_of,
    side,
    sizes_of,
)


class Shell(TyperGroup):
    """The commands, whose usage errors say what is wrong and not which library noticed."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            message = getattr(error, "message", None)
            if isinstance(message, str):
                error.message = message.removeprefix("Value error, ")  # type: ignore[attr-defined]
            raise


app = typer.Typer(
    name="archc",
    cls=Shell,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"archc {__version__}")
        raise typer.Exit


@app.callback()
def shell(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A language and compiler for neural-network architectures.

    Start here:

        archc list                  what ships with archc
        archc compile resnet50      a Python file that needs torch and nothing else
        archc check my.arch         shapes, names and claims of a spec of yours
        archc explain E0401         what a diagnostic means

    Exit status: 0 fine, 1 the spec is wrong, 2 the command line is wrong.
    """


def leave(status: int) -> None:
    if status:
        raise typer.Exit(status)


@app.command()
def check(
    spec: Spec,
    name: Name = None,
    settings: Settings = None,
    format: Annotated[Report, typer.Option("--format", help="How to print the result.")] = Report.text,
) -> None:
    """Check a spec: shapes, names, claims, legal sizes. Needs no torch and no GPU.

    Every architecture of the file that needs no parameters is elaborated, its expectations are compared, and
    the sizes that it takes are worked out ("H and W at least 29"). Of a folder, every .arch file is checked.

    Examples:

        archc check resnet50
        archc check my.arch
        archc check resnet --set depth=101
        archc check specs/ --format json
    """
    from .checking import run_check

    if name is not None and (name.endswith(".arch") or "/" in name):
        message = (
            f"'{name}' is a file, and NAME is an architecture of {spec}: check one file at a time, or their folder"
        )
        raise typer.BadParameter(message, param_hint="'NAME'")
    leave(run_check(spec, name, settings_of(settings), format.value))


@app.command("compile")
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command("list")
def list_(
    spec: Annotated[
        str | None,
        typer.Argument(
            metavar="SPEC",
            help="A .arch file or a shipped name; without it, everything that ships with archc.",
            autocompletion=complete_specs,
            show_default=False,
        ),
    ] = None,
    format: Annotated[Report, typer.Option("--format", help="How to print the list.")] = Report.text,
) -> None:
    """Show what a file defines, or what ships with archc.

    Of a file it shows every architecture, block and function with its parameters and its doc. Of what ships it
    shows the files, and the architectures that each defines.

    Examples:

        archc list
        archc list resnet
        archc list my.arch
    """
    from .reporting import run_list

    leave(run_list(spec, format.value))


@app.command()
def fmt(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATHS", help="Files, folders, or - for stdin to stdout.", show_default=False)
    ],
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if a file would change.")] = False,
) -> None:
    """Lay specs out in the one canonical way. Comments stay.

    A file is rewritten whole or not at all, and one that does not parse is left as it is. Of a folder, every
    .arch file is laid out.

    Examples:

        archc fmt .
        archc fmt --check specs/
        archc fmt - < my.arch
    """
    from .formatting import run_fmt

    leave(run_fmt(paths, check))


@app.command()
def explain(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="A code such as E0401; without it, all of them.", show_default=False),
    ] = None,
) -> None:
    """Explain a diagnostic's code.

    Every error and warning has one, as in `error[E0401]`. The explanation says what the rule is, and where it helps
    shows a spec that is wrong and the same one put right.

    Examples:

        archc explain E0401
        archc explain
    """
    from .reporting import run_explain

    leave(run_explain(code))
