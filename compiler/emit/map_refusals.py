"""Why the tensors of a checkpoint are not mapped to those of a spec, and what helps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from ...dsl.diagnostics import Diagnostic
from ..compare.checkpoint_names import COUNTER, Signature, TensorKind, is_counter, modules, signature
from ..compare.matching import Match, Unclear
from .checkpoint import listing, option, outermost

_PASS = "pass it: `--map FILE`, in Python `map_weights(weights, FILE)`"
_HINT = f"name what is known in a JSON file, tensor by tensor, and {_PASS}; the rest is found"
_ALL = f"name all tensors in a JSON file, and {_PASS}"


def refusal(
    found: Match, renamed: Mapping[str, str], tensors: Mapping[str, TensorKind], spec: Mapping[str, TensorKind]
) -> Diagnostic:
    """Why there is no mapping of the tensors, which were matched as they are `renamed`."""
    if found.left or found.wanted:
        return _unequal(found, renamed, tensors, spec)
    if found.stuck:
        message = (
            "the checkpoint's names allow no order of computation: its tensors have the spec's shapes, but where the "
            f"spec goes on with one of these, no scope of the checkpoint can:{listing(found.stuck)}"
        )
        return Diagnostic("E0817", message, hints=(_ALL,))
    if found.too_many:
        return Diagnostic("E0818", "the checkpoint's names allow too many mappings to go through", hints=(_HINT,))
    lines = [f"{', '.join(short(entry.modules))} <-> {', '.join(short(entry.places))}" for entry in found.unclear]
    message = f"more than one mapping is possible; these may change places:{listing(lines)}"
    return Diagnostic("E0818", message, hints=(_example(found.unclear[0], renamed), _HINT))


def _example(entry: Unclear, renamed: Mapping[str, str]) -> str:
    name, new = next(pair for pair in renamed.items() if pair[1].rpartition(".")[0] == entry.modules[0])
    pair = {name: f"{entry.places[0]}.{new.rpartition('.')[2]}"}
    return f"say which is which: {json.dumps(pair, ensure_ascii=False)}, if that is so"


def short(names: tuple[str, ...] | list[str], limit: int = 4) -> list[str]:
    return [*names[:limit], f"… ({len(names)})"] if len(names) > limit else list(names)


# --- modules of one side alone -------------------------------------------------------------


def _unequal(
    found: Match, renamed: Mapping[str, str], tensors: Mapping[str, TensorKind], spec: Mapping[str, TensorKind]
) -> Diagnostic:
    """What one side has more of, by kind of module, and how many each has."""
    held = modules({new: tensors[name] for name, new in renamed.items()})
    theirs = {path: signature(inside) for path, inside in held.items()}
    own = {path: signature(inside) for path, inside in modules(spec).items()}
    left, wanted = {path: theirs[path] for path in found.left}, {path: own[path] for path in found.wanted}
    lines = []
    for kind in dict.fromkeys([*left.values(), *wanted.values()]):
        counts = []
        for side, where in ((theirs, "in the checkpoint"), (own, "in the spec")):
            paths = [path or "the root" for path, inside in side.items() if inside == kind]
            shown = ", ".join([*paths[:2], *["…"][: len(paths) - 2 > 0]])
            counts.append(f"{len(paths)} {where}" + (f" ({shown})" if paths else ""))
        lines.append(f"{', '.join(short(_described(kind), 6))}: {', '.join(counts)}")
    said, hints = _cause(left, wanted, {new: name for name, new in renamed.items()}, spec)
    return Diagnostic("E0816", f"{said}:{listing(lines)}", hints=hints)


def _described(kind: Signature) -> list[str]:
    described = {name: f"{name} {list(of.shape)}{'' if of.floating else ' of whole numbers'}" for name, of in kind}
    return [described[name] for name in sorted(described)]


def _cause(
    left: Mapping[str, Signature], wanted: Mapping[str, Signature], whole: Mapping[str, str], spec: Collection[str]
) -> tuple[str, tuple[str, ...]]:
    """Why modules of the checkpoint are `left` and such of the spec `wanted`, and what helps. `whole` are the names of
    the checkpoint's tensors by those that they were read under."""
    theirs, own = _tensors(left), _tensors(wanted)
    if not whole:
        return "the checkpoint holds no tensors", (_OTHER,)
    if theirs.items() <= own.items():
        lacking = [name for name in own if name not in theirs]
        return "the checkpoint lacks tensors of the spec", option("fresh", lacking, spec, "keeps what they start with")
    if own.items() <= theirs.items():
        scopes = outermost([whole[name] for name in theirs if name not in own], whole.values())
        options, given = " ".join(f"--leave-out {scope}" for scope in scopes), dict.fromkeys(scopes)
        hint = f"`{options}`, in Python `map_weights(weights, {given})`, leaves them out, if that is meant"
        return "the checkpoint has tensors that the spec lacks", (hint,) * bool(scopes)
    if _kinds(left) == _kinds(wanted):
        pairs = [(whole[name], other) for name in theirs for other in own if theirs[name] == own[other]]
        alone = [(a, b) for a, b in pairs if a != b and sum(a == c or b == d for c, d in pairs) == 1]
        example = f", as {json.dumps(dict(alone[:1]), ensure_ascii=False)}" if alone else ""
        said = "modules of the checkpoint have the spec's shapes, but their tensors have other names"
        return said, (f"name these in a JSON file, tensor by tensor{example}, and {_PASS}",)
    for same, said, hint in _CAUSES:
        if Counter(map(same, theirs.values())) == Counter(map(same, own.values())):
            return said, (hint,)
    common = Counter(theirs.values()) & Counter(own.values())
    if sum(map(len, left.values())) >= len(whole) and 2 * common.total() < min(len(theirs), len(own)):
        return "no module of the checkpoint is the spec's, and most shapes differ: it is of another network", (_OTHER,)
    return "the modules of the checkpoint are not those of the spec", (_SHAPES,)


def _tensors(held: Mapping[str, Signature]) -> dict[str, TensorKind]:
    """The tensors of modules by their names, without counters."""
    named = {f"{path}.{name}" if path else name: kind for path, inside in held.items() for name, kind in inside}
    return {name: kind for name, kind in sorted(named.items()) if not is_counter(name)}


def _kinds(held: Mapping[str, Signature]) -> Counter[frozenset[tuple[TensorKind, int]]]:
    """What modules hold, whatever it is called."""
    inside = ([kind for name, kind in tensors if name != COUNTER] for tensors in held.values())
    return Counter(frozenset(Counter(kinds).items()) for kinds in inside)


_CAUSES: tuple[tuple[Callable[[TensorKind], object], str, str], ...] = (
    (
        lambda kind: kind,
        "the checkpoint has tensors of the spec's shapes, but their names make other modules of them",
        f"what stands before the last dot of a name is the module: {_ALL}",
    ),
    (
        lambda kind: kind.shape,
        "tensors of one side are whole numbers, and those of the other are not",
        "convert them to the spec's type",
    ),
    (
        lambda kind: tuple(sorted(kind.shape)),
        "tensors of the checkpoint have their axes in another order than the spec's, as those of TensorFlow and JAX do",
        "put the axes in the spec's order with `permute`, and save the checkpoint anew",
    ),
)
"""What a tensor may have in common with its counterpart, what is then wrong, and a hint."""
_SHAPES = "the parameters of the arch (widths, classes, depth) decide the shapes"
_OTHER = f"load a checkpoint of this network; {_SHAPES}"
