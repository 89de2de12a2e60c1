"""`archc rewrite`: an architecture made of another one, reported or written."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from ..architecture import Architecture
from . import compiling
from .comparing import difference_json, show
from .explaining import indented, say_parameters
from .looking import asked_for
from .making_commands import Compile
from .options import OfSpec, needs, settings_of, usage
from .outputs import STDOUT
from .reporting import summary
from .terminal import say, say_json, style
from .weights import WithWeights

if TYPE_CHECKING:
    from .making_commands import Rewrite as RewriteRequest


NOTES = {"kendall_tau": "Kendall's tau of the order"}
"""How the notes of rewrites are called in a report."""


def run_rewrite(request: RewriteRequest) -> int:
    output, weights, kept = request.output, request.weights, request.weights_out
    needs("--weights-out", "--weights", kept is None or weights is not None)
    needs("--weights", "-o or --weights-out", weights is None or output is not None or kept is not None)
    _refuse_unknown(request)
    options = settings_of(request.options, "--with")
    target = "." if output is None and request.emit is not None else output
    given = {field.name: getattr(request, field.name) for field in fields(WithWeights)}
    of_spec = {field.name: getattr(request, field.name) for field in fields(OfSpec)}
    asked = Compile(**of_spec, output=target, emit=request.emit, **given)
    before = asked_for(asked)
    after = before.rewrite(request.rewrite, **options)
    if target is None and kept is None:
        report(before, after, request.format)
        return 0
    emit = compiling.emit_of(asked)
    if target == STDOUT and weights is not None:
        raise usage("'-' is for text alone: with weights, name a file", "--output")
    compiling.written(replace(asked, device=request.device, seed=request.seed), emit, after.ir, kept, before.ir)
    if target != STDOUT:
        say_notes(after)
    return 0


def _refuse_unknown(request: RewriteRequest) -> None:
    """Usage errors for words in another order, and for settings of the rewrite that are given to the architecture."""
    from ..compiler.ir.rewrites import REWRITES
    from ..compiler.passes.registry import lookup

    if request.rewrite not in REWRITES and request.spec in REWRITES:
        raise usage(f"the rewrite comes first: `archc rewrite {request.spec} {request.rewrite}`", "REWRITE")
    if request.rewrite not in REWRITES:
        return
    needed = {name for name, field in lookup(request.rewrite).model_fields.items() if field.is_required()}
    needed -= settings_of(request.options, "--with").keys()
    for text in request.settings or ():
        if text.partition("=")[0].strip() in needed:
            raise usage(f"{request.rewrite} needs it as its own setting: `--with {text}`", "--set")


def report(before: Architecture, after: Architecture, format: str) -> None:
    """Prints what the rewrite changed."""
    difference = before.diff(after)
    if format == "json":
        say_json({**difference_json(difference), "notes": after.notes})
        return
    show(difference)
    say_notes(after)


def say_notes(after: Architecture) -> None:
    for name, value in after.notes.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        shown = f"{value:.4g}" if isinstance(value, float) else text
        say(f"{NOTES.get(name, name)}: {shown}")


# --- the rewrites --------------------------------------------------------------------------


def run_list() -> int:
    """Prints every rewrite with its settings."""
    from ..compiler.ir.rewrites import REWRITES
    from ..compiler.ops.reference import reference
    from ..compiler.passes.registry import lookup

    for name in REWRITES:
        entry = reference(lookup(name))
        say(style(entry.signature, "bold"))
        say(indented(f"{summary(entry.doc)}.", 2))
        say_parameters(entry, 4)
    return 0
