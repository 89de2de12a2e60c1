"""The `archc` command: argv, files and the terminal. Every other module returns values.

Exit status: 0 fine, 1 the spec (or a file it was given) is wrong, 2 the command line is wrong, 70 archc is
wrong, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

FINE, WRONG_SPEC, WRONG_USAGE, INTERNAL, INTERRUPTED = 0, 1, 2, 70, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status. Prints no traceback unless ARCHC_DEBUG is set."""
    try:
        status = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read the output has gone (`archc list | head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG_SPEC
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("ARCHC_DEBUG"):
            raise
        print(internal_error(error), file=sys.stderr)
        return INTERNAL


def run(argv: Sequence[str]) -> int:
    # pydantic asks every installed distribution for plugins, which takes longer than checking a spec.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from ..dsl.diagnostics import ArchError
    from .app import app_for

    try:
        app_for(argv)(list(argv), prog_name="archc")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else FINE
    except ArchError as error:
        from .terminal import report

        report(error.diagnostics)
        return WRONG_SPEC
    return FINE


def internal_error(error: BaseException) -> str:
    what = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    return (
        f"internal error E0999: {what[:300]}\n"
        "  This is a fault of archc, not of the spec. Please report it, with the spec and this line;\n"
        "  ARCHC_DEBUG=1 shows where it happened."
    )
