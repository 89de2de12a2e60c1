"""The command line's surface: commands, options, help. What they do stands in the modules beside this one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .completion import complete_names, complete_specs


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


class Report(StrEnum):
    """How a command writes its result."""

    text = "text"
    json = "json"


class TableFormat(StrEnum):
    """How a table is written."""

    text = "text"
    json = "json"
    csv = "csv"
    md = "md"


class Emit(StrEnum):
    """What `compile` makes."""

    py = "py"
    pt2 = "pt2"
    onnx = "onnx"
    json = "json"


class Picture(StrEnum):
    """What `draw` makes."""

    svg = "svg"
    png = "png"
    dot = "dot"


class Device(StrEnum):
    """Where `compile` runs the module."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="A .arch file, or the name of an architecture that ships with archc.",
        autocompletion=complete_specs,
        show_default=False,
    ),
]
Name = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="Which of the file's architectures; needless where there is one main one.",
        autocompletion=complete_names,
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A parameter of the architecture: a number, true, false, a list like [3,4,6,3], or a string. Repeatable.",
        show_default=False,
    ),
]


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


def settings_of(texts: list[str] | None) -> dict[str, object]:
    """The `--set` options, or a usage error."""
    from .settings import SettingError, parse_settings

    try:
        return dict(parse_settings(texts or []))
    except SettingError as error:
        raise typer.BadParameter(str(error), param_hint="'--set'") from None


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
    settings: Settings = None,
    device: Annotated[Device, typer.Option(help="Where the module is run before it is written.")] = Device.auto,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights.", min=0)] = 0,
) -> None:
    """Compile a spec to a module, after running it once.

    Before anything is written the module has run forward on the device, and its shapes have met those that were
    inferred. What was there before stays where anything fails. With --weights the tensors must fit key for key;
    pt2 and onnx contain them, a Python file loads the same file with `load_state_dict`.

    Examples:

        archc compile resnet50
        archc compile my.arch -o net.onnx --weights net.safetensors
        archc compile resnet --set depth=101 --emit pt2
    """
    from .compiling import Request, run_compile

    leave(
        run_compile(
            Request(
                spec, name, settings_of(settings), output, emit.value if emit else None, weights, device.value, seed
            )
        )
    )


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
    settings: Settings = None,
) -> None:
    """Draw a spec: its layers as boxes, its scopes folded to a depth.

    Arrows carry shapes where they change, boxes their parameters and multiply-adds, which add up to the total.
    Equal units in a row are drawn once, with their number. Needs no torch.

    Examples:

        archc draw resnet50
        archc draw resnet18 --depth 3 -o resnet18.png
        archc draw my.arch -o - --format dot
    """
    from .drawing import Request, run_draw

    leave(run_draw(Request(spec, name, settings_of(settings), output, format.value if format else None, depth)))


@app.command()
def stats(
    spec: Spec,
    name: Name = None,
    settings: Settings = None,
    format: Annotated[TableFormat, typer.Option("--format", help="How to print the figures.")] = TableFormat.text,
) -> None:
    """Parameters, multiply-adds and depth, for each scope and in total.

    Counted at the sizes that the spec's inputs name. Needs no torch.

    Examples:

        archc stats resnet50
        archc stats my.arch --format csv > costs.csv
    """
    from .reporting import run_stats

    leave(run_stats(spec, name, settings_of(settings), format.value))


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
