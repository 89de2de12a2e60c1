"""The `archc` command: argv, files and the terminal. Every other module returns values.

Exit status: 0 fine, 1 the spec (or a file it was given) is wrong, 2 the command line is wrong, 70 archc is
wrong, 130 interrupted, 128 + n ended by the signal n.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from .process import Stopped, drop_output, ended_by_signals, open_streams

FINE, WRONG_SPEC, WRONG_USAGE, INTERNAL, INTERRUPTED = 0, 1, 2, 70, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status. Prints no traceback unless ARCHC_DEBUG is set."""
    open_streams()
    try:
        with ended_by_signals():
            status = run(sys.argv[1:] if argv is None else argv)
            sys.stdout.flush()
            return status
    except BrokenPipeError:
        # Whoever read the output has gone (`archc list | head`): nobody is left to tell.
        drop_output()
        return WRONG_SPEC
    except KeyboardInterrupt:
        return INTERRUPTED
    except Stopped as stopped:
        return 128 + stopped.number
    except Exception as error:
        if os.environ.get("ARCHC_DEBUG"):
            raise
        return unhandled(error)


def unhandled(error: Exception) -> int:
    """Says what no command handles; gives the exit status."""
    status = WRONG_SPEC
    if isinstance(error, OSError) and error.filename is None:
        # Files are opened by name, where their errors are handled: what is left is a stream.
        drop_output()
        what = f"error[E0805]: cannot write the standard output: {error.strerror or error}"
    elif isinstance(error, MemoryError):
        what = "error[E0807]: there is not enough memory"
    else:
        status, what = INTERNAL, internal_error(error)
    with suppress(OSError):
        from ..dsl.render import escape

        print(escape(what), file=sys.stderr)
    return status


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
