"""Commands about specs as text: init, check, list, fmt, explain, lsp, serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import typer

from .completion import complete_explained, complete_specs
from .options import OfSpec, OfText, Report, argument

CheckFormat = Literal["text", "json", "github", "sarif"]


@dataclass(frozen=True)
class Init:
    """Write a first spec, a small residual network with a comment at each new thing, to be changed.

    Nothing is written over.

    Examples:

        archc init
        archc init my.arch
    """

    path: Annotated[str, argument("PATH", "The file to write, whose name is that of the architecture.")] = "net.arch"


@dataclass(frozen=True)
class Check(OfSpec):
    """Check a spec: shapes, names, claims, legal sizes. Needs no torch and no GPU.

    Every architecture of the file that needs no parameters is elaborated, its expectations are compared, and
    the sizes that it takes are worked out ("H and W at least 29"). Of a folder, every .arch file is checked. A second
    word that is a plain name is that of an architecture of the spec; else all words are specs or folders.

    Examples:

        archc check resnet50
        archc check my.arch
        archc check resnet --set depth=101
        archc check first.arch second.arch
        archc check specs/ --format json
        archc check specs/ --format github
    """

    more: Annotated[list[str] | None, argument("SPEC", "More specs and folders.", complete_specs)] = None
    format: Annotated[
        CheckFormat,
        typer.Option(
            "--format",
            help="How to print the result. github: commands that show each finding at its line of a pull request. "
            "sarif: a log that code scanning and editors read.",
        ),
    ] = "text"


@dataclass(frozen=True)
class List:
    """Show what files or the files of folders define, or what ships with archc.

    Of a file it shows every architecture, block and function with its parameters and its doc. Of what ships it
    shows the files, and the architectures that each defines.

    Examples:

        archc list
        archc list resnet
        archc list my.arch other.arch
    """

    specs: Annotated[
        list[str] | None,
        argument(
            "SPEC",
            ".arch files, folders or shipped names; without any, everything that ships with archc.",
            complete_specs,
        ),
    ] = None
    format: Annotated[Report, typer.Option("--format", help="How to print the list.")] = "text"


@dataclass(frozen=True)
class Format:
    """Lay specs out in the one canonical way. Comments stay.

    A file is rewritten whole or not at all, and one that does not parse is left as it is. Of a folder, every
    .arch file is laid out. With --check or --diff nothing is changed.

    Examples:

        archc fmt .
        archc fmt --check specs/
        archc fmt --diff my.arch
        archc fmt - < my.arch
    """

    paths: Annotated[list[str], argument("PATHS", "Files, folders, or - for stdin to stdout.")]
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if a file would change.")] = False
    diff: Annotated[
        bool, typer.Option("--diff", help="Change nothing; print what would change; exit 1 if something would.")
    ] = False


@dataclass(frozen=True)
class Explain:
    """Explain a diagnostic's code, or what a name, a word or an operator of the language does.

    Every error and warning has a code, as in `error[E0401]`. The explanation says what the rule is, and where it helps
    shows a spec that is wrong and the same one put right. Of a layer, a rewrite or an initialiser it says what it does,
    and what each of its settings means.

    Examples:

        archc explain E0401
        archc explain conv
        archc explain fold_batch_norm
        archc explain shared
        archc explain '->'
        archc explain
    """

    CONTEXT: ClassVar[dict[str, bool]] = {"ignore_unknown_options": True}  # `->` is no option

    name: Annotated[
        str | None,
        argument(
            "NAME",
            "A code as E0401, a layer, a rewrite, an initialiser, a function, a word or an operator; without it, all.",
            complete_explained,
        ),
    ] = None


@dataclass(frozen=True)
class Lsp:
    """Serve an editor: errors as you type, shapes, completion, hover, rename. Needs archc-lang[lsp].

    Editors start it themselves and speak the Language Server Protocol with it over standard input and output;
    `docs/editors.md` says how VS Code, Neovim and Helix are told to.

    Examples:

        archc lsp
    """


@dataclass(frozen=True)
class Serve(OfText):
    """Show a spec in a browser, to be edited: what is wrong with it, its picture, its figures, as you type.

    The page follows the file as any editor saves it, and files that it imports. Ctrl-S saves. Only programs of this
    machine reach it, and of these only who knows its address, which holds a secret. Nothing is loaded from elsewhere.

    Examples:

        archc serve my.arch
        archc serve resnet18 --open
        archc serve "resnet(depth = 50)"
    """

    port: Annotated[
        int, typer.Option("--port", metavar="NUMBER", min=0, max=65535, help="The port; 0 for one that is free.")
    ] = 0
    open: Annotated[bool, typer.Option("--open", help="Have the browser show it.")] = False
