"""`archc equiv`: whether two architectures are the same function."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dsl.diagnostics import refused
from ..figures import plural
from .comparing import architectures_of, both_called
from .options import needs, sizes_of
from .outputs import ready_for
from .progress import phase
from .terminal import aligned, say, say_json, style
from .weights import note_weights, taken

if TYPE_CHECKING:
    from ..compiler.compare.equivalence import Equivalence
    from ..compiler.compare.equivalence_weights import Made, Slab
    from .analysis_commands import Equiv

COLOURS = {"equal": "green", "different": "red", "undecided": "cyan"}
MOST_ROWS = 16
"""Tensors that the text shows; JSON has all."""
NO_TENSORS = (".arch", ".py", ".onnx", ".pt2", ".json", ".svg", ".png", ".pdf", ".html", ".dot")
NUMBER = re.compile(r"(\d+)")


def run_equiv(request: Equiv) -> int:
    for option, other in (("weights", "output"), ("output", "weights")):
        given, needed = (getattr(request, name) is not None for name in (option, other))
        needs(f"--{option}", f"--{other}", not given or needed)
    sizes = sizes_of(request.sizes)
    before, after = architectures_of(request)
    refuse_targets(request)
    phase("equiv: comparing")
    try:
        found = before.equivalent(after, **sizes)
    except ValueError as error:
        raise refused("E1050", str(error)) from None
    wrote = []
    if request.weights is not None and request.output is not None:
        from ..compiler.emit.counterexample import carried_over, distance_between, has_map
        from ..compiler.emit.weights import save_state

        has_map(found, after.ir)
        given = taken(request, before.ir)
        assert given is not None
        made = carried_over(found, after.ir, given.checkpoint)
        phase("equiv: running both")
        apart = distance_between(found, given.checkpoint, made)
        save_state(made, request.output)
        given.save_map()
        ran = "" if apart is None else f"; with them the two differ by {apart:.0e} of the largest number in float64"
        wrote.append(f"wrote {request.output}: weights of {after.name}{ran}")
    if request.counterexample is not None:
        if found.counterexample is None:
            raise refused("E1051", f"there is no counterexample: {_headline(found)}")
        found.counterexample.save(request.counterexample)
        wrote.append(f"wrote {request.counterexample}")
    if request.format == "json":
        say_json(equivalence_json(found, request.counterexample))
    else:
        show(found)
        for line in wrote:
            say(line)
    return int(request.check and not found)


def refuse_targets(request: Equiv) -> None:
    """Refuses files that cannot be written, and names that say they are no files of tensors. Raises ArchError."""
    note_weights(request)
    targets = [name for name in (request.output, request.counterexample) if name is not None]
    ready_for(*targets, request.write_map)
    for target in targets:
        if Path(target).suffix.lower() in NO_TENSORS:
            message = f"{target} would hold tensors, and is named otherwise"
            raise refused("E0805", message, "tensors are written to .safetensors, .pt or .pth files")


# --- as text ---------------------------------------------------------------------------------


def show(found: Equivalence) -> None:
    say(style(" -> ".join(both_called(found.before, found.after)), "bold"))
    say(style(_headline(found), COLOURS[found.verdict]))
    if found.parted is not None and found.verdict != "different":
        say(f"they part at {found.parted[0]} and {found.parted[1]}")
    if found.by_name is not None:
        what = "the same function" if found.by_name else "another function"
        say(f"a checkpoint of one loads into the other as it is, and gives {what} there")
    for note in found.notes:
        say(f"note: {note}")
    if found.weights is not None:
        show_map(found)
    example = found.counterexample
    if example is not None:
        side = {"before": "weights of A", "after": "weights of B", "both": "one checkpoint in both"}[example.side]
        say(f"counterexample: {side}; the difference is {example.size:.1e} of the largest number")


def _headline(found: Equivalence) -> str:
    if not found:
        return f"{found.verdict}: {found.reason}"
    where = ", ".join(f"{name} = {size}" for name, size in found.sizes.items())
    modes = "in evaluation and in training" if found.training else "in evaluation"
    return f"equal: the same function {modes}, up to a map of weights{f', with {where}' if where else ''}"


def show_map(found: Equivalence) -> None:
    """The tensors of B that are not those of A by the same name."""
    moved = [made for made in found.made if made.source != made.name]
    folded = "with batch norms folded into the layers before them, " if found.folded else ""
    if not moved:
        say(f"weights: {folded}all {plural(len(found.made), 'tensor')} as they are")
        return
    say(f"weights: {folded}{plural(len(found.made), 'tensor')}, {len(found.made) - len(moved):,} of them as they are")
    rows = [[made.name, described(made)] for made in moved[:MOST_ROWS]]
    for line in aligned([["B's", "made of A's"], *rows]):
        say(f"  {line}")
    if len(moved) > MOST_ROWS:
        say(f"  ... and {len(moved) - MOST_ROWS:,} more, which --format json lists")


def described(made: Made) -> str:
    """What a tensor is made of, in a line."""
    if made.source is not None:
        return made.source
    slabs = made.slabs
    names = " ".join(ranges([slab.name for slab in slabs]))
    if len(slabs) == 1:
        return f"{names}{_part(slabs[0])}, reshaped" if slabs[0].whole else f"{names}{_part(slabs[0])}"
    if len(made.bands) == len(slabs):
        how = "joined along axis 0"
    else:
        how = "joined along axis 1" if len(made.bands) == 1 else "put together"
    return f"{names}{'' if all(slab.whole for slab in slabs) else ', parts of them'}, {how}"


def _part(slab: Slab) -> str:
    words = []
    for name, (start, end), size in zip(("rows", "columns"), (slab.rows, slab.columns), slab.matrix, strict=True):
        if end - start < size:
            words.append(f"{name} {start}..{end - 1}" if end - start > 1 else f"{name[:-1]} {start}")
    return f", {', '.join(words)}" if words else ""


def ranges(names: Sequence[str]) -> list[str]:
    """Names that differ in one number that counts up, as one: `paths.0..31.conv1.weight`."""
    found: list[str] = []
    keyed = [(NUMBER.split(name), name) for name in dict.fromkeys(names)]
    for _, group in groupby(keyed, key=lambda pair: tuple(pair[0][::2])):
        parts = [pair[0] for pair in group]
        differing = [i for i in range(len(parts[0])) if len({part[i] for part in parts}) > 1]
        counts = [int(part[differing[0]]) for part in parts] if len(differing) == 1 else []
        if counts and counts == list(range(counts[0], counts[0] + len(counts))):
            whole = list(parts[0])
            whole[differing[0]] = f"{counts[0]}..{counts[-1]}"
            found.append("".join(whole))
        else:
            found.extend("".join(part) for part in parts)
    return found


# --- as JSON ---------------------------------------------------------------------------------


def equivalence_json(found: Equivalence, saved: str | None) -> dict[str, Any]:
    example = found.counterexample
    return {
        "before": found.before.name,
        "after": found.after.name,
        **{key: getattr(found, key) for key in ("sizes", "verdict", "reason", "training", "by_name", "folded")},
        "parted": list(found.parted) if found.parted is not None else None,
        "notes": list(found.notes),
        "weights": [made_json(made) for made in found.made],
        "counterexample": None
        if example is None
        else {
            "kind": example.kind,
            "weights_of": example.side,
            "explanation": example.explanation,
            "size": example.size,
            "file": saved,
        },
    }


def made_json(made: Made) -> dict[str, Any]:
    """A tensor of B, as a matrix of its first axis and all others: where each rectangle of A stands in it."""
    pieces, top = [], 0
    for band in made.bands:
        left = 0
        for slab, (rows, columns) in band:
            place = {"rows": [top, top + rows], "columns": [left, left + columns]}
            if slab is not None:
                source = {"name": slab.name, "rows": list(slab.rows), "columns": list(slab.columns)}
                pieces.append({**place, "from": source})
            left += columns
        top += band[0][1][0]
    return {"name": made.name, "shape": list(made.shape), "same_as": made.source, "pieces": pieces}
