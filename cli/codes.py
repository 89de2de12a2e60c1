"""The command line's own diagnostics (E10xx), and the table of all codes."""

from __future__ import annotations

from ..dsl.codes import Code

HOMES = (
    "..dsl.codes",
    "..compiler.elaborate.codes",
    "..compiler.ops.codes",
    "..compiler.passes.codes",
    "..compiler.emit.codes",
    "..viz.codes",
)

SHELL: dict[str, Code] = {
    "E0999": Code(
        "internal error",
        "archc met something that it was not made for. The fault is its own, whatever the spec says: please report it "
        "with the spec and the message. With ARCHC_DEBUG=1 in the environment the traceback is shown.",
    ),
    "E1001": Code(
        "no such spec",
        "A plain word names an architecture that ships with archc, or a shipped file; `archc list` shows them. A spec "
        "of your own is named by its path, as in `archc check ./my.arch`.",
    ),
    "E1002": Code(
        "a folder without specs",
        "`archc check FOLDER` checks every file under the folder whose name ends in `.arch`; there was none.",
    ),
    "E1003": Code(
        "a folder where one spec is wanted",
        "A folder stands for all of its specs, so it can be checked and laid out. A name, `--set`, `compile` and "
        "`stats` are about one architecture of one file.",
    ),
    "E1004": Code(
        "a plot without matplotlib",
        "`archc plot` draws with matplotlib, which archc does not need for anything else and does not "
        'install: `pip install "archc[plot]"` does.',
    ),
    "E1005": Code(
        "a plot of unknown form",
        "The ending of the output file says what to write: `.svg`, `.png`, `.pdf`, or what else matplotlib writes.",
    ),
    "E1040": Code(
        "an option that this plot does not take",
        "Each plot has options of its own: a plot of costs takes `--depth`, of memory `--size` and `--dtype`, of paths "
        "`--by`.",
    ),
    "E1060": Code(
        "one file for two things",
        "A command that writes several files, such as a module and its weights, needs a name for each.",
    ),
    "E1050": Code(
        "sizes at which two architectures cannot be compared",
        "`archc equiv A B --size H=224` compares at these sizes of the inputs. A size is named by A's symbols, or by "
        "B's where A has none there, and both architectures must take it.",
    ),
    "E1051": Code(
        "no counterexample",
        "`archc equiv A B --counterexample FILE` writes inputs and weights that tell the two apart. There are none "
        "where they are proved equal, where inputs or outputs differ in number or shape, and where nothing is "
        "decided.",
    ),
}


def all_codes() -> dict[str, Code]:
    """Every code that archc knows, with its explanation."""
    from importlib import import_module

    found: dict[str, Code] = {}
    for home in HOMES:
        found.update(import_module(home, __package__).CODES)
    return {**found, **SHELL}
