"""The command line as a whole: its help, its usage errors, its exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from inspect import Parameter, signature
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperGroup

from ..dsl.limits import raised
from ..dsl.reads import recorded
from .options import Raised, limits_of, refuse_empty
from .progress import shown
from .terminal import coloured


class Shell(TyperGroup):
    """The commands. Usage errors say what is wrong and not which library noticed; what a command reads is recorded."""

    def make_context(self, *given: Any, **more: Any) -> Any:
        with _told():
            return super().make_context(*given, **more)

    def invoke(self, ctx: Any) -> Any:
        with _told(), recorded():
            return super().invoke(ctx)


@contextmanager
def _told() -> Iterator[None]:
    """Usage errors without the name of a library, without what a terminal would obey, and with options that are written
    alike: all are alike in the dashes."""
    try:
        yield
    except Exception as error:
        if offered := getattr(error, "possibilities", None):
            from ..compiler.ir.words import nearest

            written = str(getattr(error, "option_name", "")).lstrip("-")
            error.possibilities = [o for o in offered if nearest(written, [o.lstrip("-")])]  # type: ignore[attr-defined]
        message = getattr(error, "message", None)
        if isinstance(message, str):
            from ..dsl.render import escape

            error.message = escape(message.removeprefix("Value error, "))  # type: ignore[attr-defined]
        raise


def version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"archc {__version__}")
        raise typer.Exit


def shell(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A language and compiler for neural-network architectures.

    Start here:

        archc init my.arch          a first spec, to be changed
        archc list                  what ships with archc
        archc compile resnet50      a Python file that needs torch and nothing else
        archc check my.arch         shapes, names and claims of a spec of yours
        archc explain conv          what a layer, a rewrite or a code such as E0401 means

    Exit status: 0 fine, 1 the spec or a file is wrong, 2 the command line is wrong.
    """


Command = tuple[type, str]
"""The arguments of a command as a dataclass, of which each field is an argument or option and the doc string the help;
and the module beside this one whose `run_NAME` takes them and returns the exit status. `CONTEXT` of the class holds
settings of how its arguments are read."""


def program(commands: Mapping[str, Command]) -> typer.Typer:
    """The command line with these commands, in this order."""
    made = typer.Typer(
        name="archc",
        cls=Shell,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(shell)
    for name, (request, module) in commands.items():
        made.command(name, context_settings=getattr(request, "CONTEXT", None))(
            _callback(request, module, f"run_{name}")
        )
    return made


def _callback(request: type, module: str, run: str) -> Callable[..., None]:
    """The function that typer calls with the values of the fields."""

    def call(**values: Any) -> None:
        refuse_empty(values, types)
        command = run.removeprefix("run_")
        with raised(limits_of(values.pop("limit"))), shown(f"{command}: reading", coloured(sys.stderr)):
            leave(getattr(import_module(f".{module}", __package__), run)(request(**values)))

    hints, fields = get_type_hints(request, include_extras=True), signature(request)
    types = {**{name: hints[name] for name in fields.parameters}, "limit": Raised}
    call.__doc__ = request.__doc__
    call.__signature__ = fields.replace(  # type: ignore[attr-defined]
        parameters=[field.replace(annotation=types[name]) for name, field in fields.parameters.items()]
        + [Parameter("limit", Parameter.KEYWORD_ONLY, default=None, annotation=Raised)]
    )
    call.__annotations__ = types
    return call


def leave(status: int) -> None:
    if status:
        raise typer.Exit(status)
