"""Checkpoints under other names: their tensors mapped to the spec's by structure, shown, applied and kept."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from ...dsl.diagnostics import ArchError, Diagnostic
from ...dsl.reads import note_read, opened, reason
from ..compare.checkpoint_names import COUNTER, TensorKind, natural, spelled, squeezed
from ..compare.matching import Match, match
from ..compare.places import places
from ..files import atomic_write, path_of
from ..ir.graph import Graph, is_under
from .carry import carried
from .checkpoint import Checkpoint, Source, listing, read
from .map_refusals import refusal, short
from .second_names import second_names

Given = Mapping[str, str | None] | str | os.PathLike[str] | None
"""Names whose place is known, the checkpoint's to the spec's, and names or patterns to None for what is left out; or a
JSON file of them."""


@dataclass(frozen=True, slots=True)
class NameMap:
    """Which tensor of a checkpoint is which of the spec.

    `pairs` are names, the checkpoint's to the spec's, in the order of the spec; several of the checkpoint's may be one
    of the spec's where the checkpoint shares a tensor. `remarks` lists the pairs that shapes and positions left open,
    and that names or symmetry decided. `left_out` are names of the checkpoint that were to be left out, `fresh` those
    of the spec's tensors that keep their initial values. As text the map is a table; two scopes that map as a whole
    are one line.
    """

    pairs: dict[str, str]
    remarks: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    fresh: frozenset[str] = frozenset()

    @property
    def identical(self) -> bool:
        """Whether the names are the spec's already."""
        return all(name == to for name, to in self.pairs.items())

    def apply(self, source: Source) -> dict[str, Tensor]:
        """The checkpoint's tensors under the spec's names. Raises ArchError (E0810, E0814, E0819)."""
        state = read(source, self.pairs, self.left_out).tensors
        strange = [name for name in state if name not in self.pairs and not name.endswith(COUNTER)]
        lacking = [name for name in self.pairs if name not in state and not name.endswith(COUNTER)]
        if strange or lacking:
            lines = [f"{name} is in the checkpoint alone" for name in strange]
            lines += [f"{name} is in the map alone" for name in lacking]
            raise ArchError([Diagnostic("E0819", f"the map is of another checkpoint:{listing(lines)}")])
        found: dict[str, Tensor] = {}
        for name, to in self.pairs.items():
            if name in state and to in found and not torch.equal(found[to], state[name]):
                message = f"the checkpoint gives {to} two values, one of them under the name {name}"
                raise ArchError([Diagnostic("E0814", message)])
            if name in state:
                found.setdefault(to, state[name])
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the map as JSON, which `map_weights` and `--map` read. Raises ArchError (E0805)."""
        whole = self.pairs | dict.fromkeys(self.left_out)
        atomic_write(path, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")

    def rows(self) -> list[tuple[str, str]]:
        """The pairs by module, folded where scopes map as a whole: `unit1.body -> 0`."""
        held = {name.rpartition(".")[0]: to.rpartition(".")[0] for name, to in self.pairs.items()}
        return _folded(held)

    def __str__(self) -> str:
        rows = self.rows()
        width = max((len(name) for name, _ in rows), default=0)
        lines = [f"{name or '(root)':{width}} -> {to or '(root)'}" for name, to in rows]
        return "\n".join([*lines, *(f"note: {remark}" for remark in self.remarks)])


def mapped(
    graph: Graph, source: Source, map: Given, leave_out: Collection[str] = (), fresh: Collection[str] = ()
) -> tuple[Checkpoint, NameMap]:
    """The checkpoint under the spec's names, and how they were found; see `map_weights`."""
    found, names = map_weights(graph, source, {**_read_given(map), **dict.fromkeys(leave_out)}, fresh)
    return replace(found, tensors=names.apply(found)), names


def map_weights(
    graph: Graph, source: Source, given: Given = None, fresh: Collection[str] = ()
) -> tuple[Checkpoint, NameMap]:
    """The checkpoint under its own names, and the map of its tensors to the spec's: by names where all agree, else by
    structure.

    `given` names tensors whose place is known, and those that are left out; the rest is found. `fresh` are names,
    scopes or patterns of the spec's tensors that keep their initial values. Raises ArchError: E0810 where the
    checkpoint cannot be read, E0816 where its tensors are not the spec's, E0817 where its names allow no order of
    computation, E0818 where more than one mapping is possible, E0819 where what is given does not fit.
    """
    pairs = _read_given(given)
    known = {name: to for name, to in pairs.items() if to is not None}
    found = read(source, [name for name, _ in _tensors(graph, ())], [p for p in pairs if p not in known], fresh)
    spec = dict(_tensors(graph, found.fresh))
    state, _ = carried(found.tensors, graph, found.fresh)
    tensors = {name: TensorKind(tuple(t.shape), t.is_floating_point()) for name, t in state.items()}
    second = second_names(state)
    pins = _checked({n if n in tensors else n.removeprefix(found.scope): to for n, to in known.items()}, tensors, spec)
    made, remarks = _mapped(graph, tensors, spec, second, pins, found.fresh)
    return found, NameMap(made, remarks, found.left_out, found.fresh)


def _tensors(graph: Graph, without: Collection[str]) -> Iterator[tuple[str, TensorKind]]:
    for place in places(graph, without).all:
        for name, kind in place.tensors.items():
            yield f"{place.path}.{name}" if place.path else name, kind


def _mapped(
    graph: Graph,
    tensors: Mapping[str, TensorKind],
    spec: Mapping[str, TensorKind],
    second: Mapping[str, str],
    pins: Mapping[str, str],
    fresh: Collection[str],
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The pairs and remarks of a map."""
    if not pins:
        for called, remarks in _called(tensors, spec):
            if same := _identity({called[n]: k for n, k in tensors.items()}, spec, called, second):
                return same, remarks
    own = {name: kind for name, kind in tensors.items() if name not in second}
    told = {name: to for name, to in pins.items() if name in own}
    if all(name in told or name.endswith(COUNTER) for name in own) and _covers(told, spec):
        return told | {name: told[first] for name, first in second.items() if first in told}, ()
    renamed, found = _matched(graph, spec, {name: _renamed(name, pins) for name in own}, tensors, pins, fresh)
    pairs = {}
    for name, new in renamed.items():
        path, _, last = new.rpartition(".")
        to = found.modules[path]
        pairs[name] = f"{to}.{last}" if to else last
    order = {name: number for number, name in enumerate(spec)}
    pairs |= {name: pairs[other] for name, other in second.items()}
    pairs = {name: to for name, to in pairs.items() if to in order}
    return dict(sorted(pairs.items(), key=lambda pair: (order[pair[1]], natural(pair[0])))), _remarks(found)


def _matched(
    graph: Graph,
    spec: Mapping[str, TensorKind],
    plain: dict[str, str],
    tensors: Mapping[str, TensorKind],
    pins: Mapping[str, str],
    fresh: Collection[str],
) -> tuple[dict[str, str], Match]:
    """The match of the names as they are, and as other frameworks mean them: first of those that have no dots within
    scopes. Raises ArchError."""
    flat = not any("." in name.rpartition(".")[0] for name in plain.values())
    other = {name: new if name in pins else spelled(new, flat) for name, new in plain.items()}
    ways = [plain, other] if other != plain and len(set(other.values())) == len(other) else [plain]
    first = None
    for renamed in reversed(ways) if flat else ways:
        known = {renamed[name].rpartition(".")[0]: to.rpartition(".")[0] for name, to in pins.items() if name in plain}
        found = match({new: tensors[name] for name, new in renamed.items()}, graph, known, fresh)
        if found.proved:
            return renamed, found
        first = first or (found, renamed)
        if found.unclear:
            break
    assert first is not None
    raise ArchError([refusal(*first, tensors, spec)])


def _called(tensors: Iterable[str], spec: Iterable[str]) -> Iterator[tuple[dict[str, str], tuple[str, ...]]]:
    """Names of the spec by those of the checkpoint, the same and the same but for what separates their parts."""
    yield {name: name for name in tensors}, ()
    keys = {squeezed(name): name for name in spec}
    called = {name: keys.get(squeezed(name), name) for name in tensors}
    if len(set(called.values())) == len(called):
        yield called, ("all tensors: by names that differ in separators alone",)


def _identity(
    tensors: Mapping[str, TensorKind],
    spec: Mapping[str, TensorKind],
    called: Mapping[str, str],
    seconds: Mapping[str, str],
) -> dict[str, str]:
    """The pairs where the names, as they are called, are the spec's, else nothing. Counters may lack, and second names
    be there."""
    if any(tensors.get(name, kind if name.endswith(COUNTER) else None) != kind for name, kind in spec.items()):
        return {}
    whole = {new: name for name, new in called.items()}
    second = {called[name]: called[other] for name, other in seconds.items()}
    first = {second.get(name, name): name for name in spec}
    if any(second.get(name, name) not in first for name in tensors if name not in spec):
        return {}
    extra = {whole[name]: first[second.get(name, name)] for name in tensors if name not in spec}
    return {whole[name]: name for name in spec if name in tensors} | extra


# --- what is given -------------------------------------------------------------------------


def _read_given(given: Given) -> dict[str, str | None]:
    """The pairs, out of their file if they are in one. Raises ArchError (E0819)."""
    names, where = TypeAdapter(dict[str, str | None]), "the map"
    try:
        if given is None or isinstance(given, Mapping):
            return names.validate_python(dict(given or {}), strict=True)
        where = os.fspath(given)
        with opened(path_of(given)) as stream:
            note_read(given)
            return names.validate_json(stream.read())
    except OSError as error:
        raise ArchError([Diagnostic("E0819", f"cannot read {where}: {reason(error)}")]) from None
    except ValidationError:
        hint = 'write {"name in the checkpoint": "name in the spec"}, and null for what is left out'
        raise ArchError([Diagnostic("E0819", f"{where} is no JSON object of names to names", hints=(hint,))]) from None


def _checked(
    pairs: dict[str, str], tensors: Mapping[str, TensorKind], spec: Mapping[str, TensorKind]
) -> dict[str, str]:
    """The pairs, if they fit. Raises ArchError (E0819)."""
    lines = []
    for name, to in pairs.items():
        if name not in tensors:
            lines.append(f"the checkpoint has no {name}")
        elif to not in spec:
            lines.append(f"the spec has no {to}")
        elif tensors[name] != spec[to]:
            lines.append(f"{name} {list(tensors[name].shape)} does not fit {to} {list(spec[to].shape)}")
    if lines:
        raise ArchError([Diagnostic("E0819", f"the map does not fit:{listing(lines)}")])
    return pairs


def _covers(pairs: Mapping[str, str], spec: Mapping[str, TensorKind]) -> bool:
    """Whether the pairs say all: every tensor of the spec has one, but for counters."""
    places = set(pairs.values())
    return len(places) == len(pairs) and all(name in places or name.endswith(COUNTER) for name in spec)


def _renamed(name: str, pins: Mapping[str, str]) -> str:
    """The name with its last part as the spec calls it, where that is given."""
    if name not in pins:
        return name
    path, dot, _ = name.rpartition(".")
    return path + dot + pins[name].rpartition(".")[2]


def _remarks(found: Match) -> tuple[str, ...]:
    said = (
        (found.named, "told apart by their names, which are the spec's"),
        (found.alike, "told apart as in other scopes of the same name"),
        (found.equal, "the same function either way: equal branches of a sum, taken in the order of their names"),
    )
    return tuple(f"{', '.join(short(entry.modules))}: {text}" for entries, text in said for entry in entries)


# --- showing -------------------------------------------------------------------------------


def _folded(held: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs of modules as few pairs of scopes: two scopes fold if all within them map under the same names."""
    rows = dict(held)
    changed = True
    while changed:
        changed = False
        groups: dict[tuple[str, str], list[str]] = {}
        for name, to in rows.items():
            scope, _, last = name.rpartition(".")
            place, _, end = to.rpartition(".")
            if last == end and last:
                groups.setdefault((scope, place), []).append(name)
        inside = _children(rows.keys()), _children(rows.values())
        for (scope, place), names in groups.items():
            if scope and place and inside[0][scope] == len(names) == inside[1][place] and scope not in rows:
                for name in names:
                    del rows[name]
                rows[scope] = place
                changed = True
    order = {to: number for number, to in enumerate(dict.fromkeys(held.values()))}
    first = {row: min((order[to] for name, to in held.items() if is_under(name, row)), default=0) for row in rows}
    return sorted(rows.items(), key=lambda pair: first[pair[0]])


def _children(paths: Iterable[str]) -> dict[str, int]:
    """How many of the paths stand below each scope."""
    count: dict[str, int] = {}
    for path in paths:
        scope = path
        while scope:
            scope = scope.rpartition(".")[0]
            count[scope] = count.get(scope, 0) + 1
    return count
