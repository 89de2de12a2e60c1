"""What arguments and options take: their values, and how their texts are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer
from typer.models import ArgumentInfo

from ..dsl.limits import FIXED, Limits
from .completion import complete_names, complete_settings, complete_specs

if TYPE_CHECKING:
    from .settings import Named, Setting


def option(text: str, metavar: str | None = None, *names: str, **more: Any) -> Any:
    """An option whose default the help does not show."""
    return typer.Option(*names, metavar=metavar, help=text, show_default=False, **more)


def argument(metavar: str, text: str, complete: Callable[..., list[str]] | None = None) -> Any:
    """An argument, with what the shell completes it to."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=complete, show_default=False)


def output_option(text: str) -> Any:
    return option(text, "PATH", "-o", "--output")


Report = Literal["text", "json"]
"""How a command writes its result."""
TableFormat = Literal["text", "json", "csv", "md", "latex"]
BenchFormat = Literal["text", "json", "md"]
Engine = Literal["kernels", "inductor"]
"""What computes a network that is made ready for inference."""
Emit = Literal["py", "pt2", "onnx", "json", "arch", "graphml"]
"""What `compile` makes."""
Picture = Literal["svg", "html", "png", "pdf", "tex", "dot"]
"""What `draw` makes."""
Direction = Literal["down", "right", "u"]
"""Where arrows of a picture run."""
Layout = Literal["archc", "dot"]
"""Who lays a picture out."""
Colors = Literal["light", "dark"]
Device = Literal["auto", "cpu", "cuda"]
Rows = Literal["scope", "kind"]
"""What the rows of `stats` are."""
Unit = Literal["layer", "module"]
"""What the lengths of `paths` count."""
Figures = Literal["costs", "memory", "paths"]
"""What `plot` shows."""
Dtype = Literal["float64", "float32", "float16", "bfloat16"]
"""The types of numbers that memory is counted for."""

Optimizer = Literal["sgd", "momentum", "adam", "adamw"]
Loss = Literal["other", "cross_entropy"]

Spec = Annotated[
    str,
    argument(
        "SPEC",
        "A .arch file, the name of an architecture that ships with archc, or Python that makes a module, which is then "
        "run: package.module:callable, file.py:callable. Parameters may follow: 'resnet(depth = 101)'.",
        complete_specs,
    ),
]
Name = Annotated[
    str | None,
    argument("NAME", "Which of the file's architectures; needless where there is one main one.", complete_names),
]
Settings = Annotated[
    list[str] | None,
    option(
        "A parameter of the architecture: a number, true, false, a list like [3,4,6,3], or a string. Repeatable.",
        "NAME=VALUE",
        "--set",
        autocompletion=complete_settings,
    ),
]

Inputs = Annotated[
    list[str] | None,
    option(
        "The shape of an input of a PyTorch module, 1,3,224,224 or int:1,128, where it does not say it. Repeatable.",
        "SHAPE",
        "--input",
    ),
]
Host = Annotated[
    bool,
    typer.Option(
        "--extern", help="Make layers of the host of those submodules of a PyTorch module that the language cannot say."
    ),
]


@dataclass(frozen=True)
class OfText:
    """A request for an architecture of a spec that is read as text alone."""

    spec: Spec
    name: Name = None
    settings: Settings = None

    def network(self) -> Named:
        """What SPEC, NAME and --set ask for together, or a usage error."""
        asked, more = named(self.spec, "SPEC"), settings_of(self.settings)
        if asked.name is not None and self.name is not None:
            raise usage(f"'{self.spec}' names an architecture already", "NAME")
        for name in asked.settings.keys() & more:
            raise usage(f"'{name}' is set twice: '{self.spec}' sets it already", "--set")
        return replace(asked, name=asked.name or self.name, settings=asked.settings | more)


@dataclass(frozen=True)
class OfSpec(OfText):
    """A request for an architecture, of a spec or of a PyTorch module."""

    inputs: Inputs = None
    extern: Host = False


Sizes = Annotated[
    list[str] | None,
    option("Open sizes of the inputs, instead of the usual ones: H=448,W=448. Repeatable.", "NAME=NUMBER", "--size"),
]


Raised = Annotated[
    list[str] | None,
    option(
        "Raise a limit that a message names, nodes=500000: time and memory grow with it. Repeatable.",
        "NAME=NUMBER",
        "--limit",
    ),
]


def limits_of(texts: list[str] | None) -> dict[str, int]:
    """The `--limit` options, or a usage error."""
    limits: dict[str, int] = {}
    for text in texts or ():
        name, _, value = (part.strip() for part in text.partition("="))
        known = [field.name for field in fields(Limits) if field.name not in FIXED]
        if name not in known:
            raise usage(f"'{name}' is no limit that can be raised; these are: {', '.join(known)}", "--limit")
        if not value.isdecimal() or not 0 < int(value) < 2**40:
            raise usage(f"'{text}' is not of the form {name}=500000", "--limit")
        limits[name] = int(value)
    return limits


def usage(message: str, parameter: str) -> typer.BadParameter:
    """A usage error that blames an option or an argument."""
    return typer.BadParameter(message, param_hint=f"'{parameter}'")


def settings_of(texts: list[str] | None, option: str = "--set") -> dict[str, Setting]:
    """The `--set` options, or those of another name, or a usage error."""
    from .settings import SettingError, parse_settings

    try:
        return parse_settings(texts or [])
    except SettingError as error:
        raise usage(str(error), option) from None


def refuse_empty(values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """A usage error for an empty word, as a variable of a shell script leaves it that is not set. `types` are those of
    the fields, with their options and arguments."""
    for name, value in values.items():
        if value == "" or (isinstance(value, list) and "" in value):
            info = get_args(types[name])[1]
            metavar = info.metavar or ""
            called = metavar if isinstance(info, ArgumentInfo) else f"--{name.replace('_', '-')}"
            words = map(str, (info.default, *(info.param_decls or ())))  # typer takes the first name for a default
            called = next((word for word in words if word.startswith("--")), called)
            what = "the path" if "PATH" in metavar or "FILE" in metavar else "it"
            raise usage(f"{'the path or name' if metavar in ('SPEC', 'A', 'B') else what} is empty", called)


def needs(option: str, needed: str, unless: bool) -> None:
    """A usage error for an option that needs another one."""
    if not unless:
        raise usage(f"it needs {needed}", option)


SIDE = (
    "A .arch file, with :NAME where it has several, a shipped name, a .pt2 or ONNX file, or Python that makes a "
    "module, which is then run. (name = value, ...) may follow."
)


def named(text: str, argument: str) -> Named:
    """What a word asks for, or a usage error that blames the argument."""
    from .settings import SettingError, parse_named

    try:
        return parse_named(text)
    except SettingError as error:
        raise usage(str(error), argument) from None


def sides_of(before: str, after: str) -> tuple[Named, Named]:
    """What the arguments A and B ask for, or a usage error."""
    return named(before, "A"), named(after, "B")


def sizes_of(texts: list[str] | None) -> dict[str, int]:
    """The `--size` options, or a usage error."""
    sizes: dict[str, int] = {}
    for text in ",".join(texts).split(",") if texts else ():
        name, _, value = text.partition("=")
        if not name.strip() or not value.strip().isdecimal() or name.strip() in sizes:
            raise usage(f"'{text}' is not of the form H=448, each size once", "--size")
        sizes[name.strip()] = int(value)
    return sizes


def range_of(text: str) -> tuple[int, int]:
    """A `--range`, or a usage error."""
    low, _, high = text.partition("-")
    if not (low.strip().isdecimal() and high.strip().isdecimal() and int(low) <= int(high)):
        raise usage(f"'{text}' is not of the form 19-35", "--range")
    return int(low), int(high)
