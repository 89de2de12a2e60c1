"""Options that are more than a word: their values, and how their texts are read."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Part(StrEnum):
    """What the rows of `stats` are."""

    scope = "scope"
    kind = "kind"


class Unit(StrEnum):
    """What the lengths of `paths` count."""

    layer = "layer"
    module = "module"


class Dtype(StrEnum):
    """The types of numbers that `stats` counts memory for."""

    float64 = "float64"
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


Sizes = Annotated[
    list[str] | None,
    typer.Option(
        "--size",
        metavar="NAME=NUMBER",
        help="Open sizes of the inputs, instead of the usual ones: H=448,W=448. Repeatable.",
        show_default=False,
    ),
]


def sizes_of(texts: list[str] | None) -> dict[str, int]:
    """The `--size` options, or a usage error."""
    sizes: dict[str, int] = {}
    for text in ",".join(texts).split(",") if texts else ():
        name, _, value = text.partition("=")
        if not name.strip() or not value.strip().isdecimal() or name.strip() in sizes:
            raise typer.BadParameter(f"'{text}' is not of the form H=448, each size once", param_hint="'--size'")
        sizes[name.strip()] = int(value)
    return sizes


def range_of(text: str) -> tuple[int, int]:
    """A `--range`, or a usage error."""
    low, _, high = text.partition("-")
    if not (low.strip().isdecimal() and high.strip().isdecimal() and int(low) <= int(high)):
        raise typer.BadParameter(f"'{text}' is not of the form 19-35", param_hint="'--range'")
    return int(low), int(high)
