"""`%%arch` in notebooks: a cell of `.arch` that shows its picture and defines a name.

%load_ext archc

%%arch net --set width=16
arch Net(width = 8) { input x: [N, 3, H, W] = [1, 3, 32, 32]  output x -> conv(width, 3) -> relu }
"""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any, NoReturn

from .api import loads
from .cli.settings import SettingError, parse_settings
from .dsl.diagnostics import ArchError

if TYPE_CHECKING:
    from .architecture import Architecture


class _Arguments(argparse.ArgumentParser):
    """The arguments of the magic, which refuse as one and end no process."""

    def error(self, message: str) -> NoReturn:
        raise _usage_error(f"{message}\n{self.format_usage()}")


def _arguments() -> _Arguments:
    found = _Arguments("%%arch", description=__doc__, add_help=False, allow_abbrev=False)
    found.add_argument("name", nargs="?", help="what the architecture is called in Python; without it, as in the cell")
    found.add_argument("--arch", metavar="NAME", help="which architecture, where the cell defines several")
    found.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a parameter's value")
    return found


def arch(line: str, cell: str, namespace: dict[str, Any]) -> Architecture:
    """The architecture of a cell, which also gets its name in a namespace. Raises UsageError, which a notebook
    shows without a traceback, with what is wrong."""
    try:
        given = _arguments().parse_args(shlex.split(line))
        made = loads(cell, given.arch, **dict(parse_settings(given.set)))
    except (ArchError, SettingError, ValueError) as error:
        raise _usage_error(str(error)) from None
    name = given.name or made.name
    if not name.isidentifier():
        raise _usage_error(f"`{name}` cannot be a name of Python")
    namespace[name] = made
    return made


def _usage_error(message: str) -> Exception:
    from IPython.core.error import UsageError

    return UsageError(message)


def load_ipython_extension(shell: Any) -> None:
    """Registers the magic; `%load_ext archc` calls it."""

    def magic(line: str, cell: str) -> Architecture:
        return arch(line, cell, shell.user_ns)

    magic.__doc__ = __doc__
    shell.register_magic_function(magic, magic_kind="cell", magic_name="arch")
