"""Checkpoints: tensors by name, out of what training scripts put around them, and without what is not wanted."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, Diagnostic
from ..files import path_of
from ..ir.graph import is_under
from ..ir.words import few, meant, nearest
from .checkpoint_file import read_file, unreadable

_STATES = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights")
_WRAPPERS = ("module", "_orig_mod", "model")
_LEVELS = 3
"""Of mappings in mappings, in which weights are looked for."""
LISTED = 20
FEW = 3
"""Names, or scopes of names, that a message goes through one by one."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors by name. `left_out` are names of the file that were to be left out, `fresh` those of the network's own
    tensors that keep their initial values, and `scope` is what stood before every name, with its dot. `keys` lead to
    the tensors in the file, and `beside` are keys that in place of the last lead to others. `path` is that of the file,
    where there is one."""

    tensors: dict[str, Tensor]
    left_out: tuple[str, ...] = ()
    fresh: frozenset[str] = frozenset()
    scope: str = ""
    keys: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    path: str = ""


Source = str | os.PathLike[str] | Mapping[str, Any] | nn.Module | Checkpoint
"""Where weights come from: a file, a state dict, a module."""


def read(
    source: Source, own: Collection[str], leave_out: Collection[str] = (), fresh: Collection[str] = ()
) -> Checkpoint:
    """The checkpoint, as far as it is told by the names that are wanted, `own`.

    `leave_out` are names of its tensors, of scopes, or patterns with `*`; `fresh` likewise of the network's own, whose
    namesakes are left out too. Raises ArchError: E0810, and E0819 for what is not there.
    """
    if isinstance(source, Checkpoint):
        return source
    given = source.state_dict() if isinstance(source, nn.Module) else source
    path = "" if isinstance(given, Mapping) else os.fspath(given)
    name = path or "the checkpoint"
    found, keys, beside = _state(given if isinstance(given, Mapping) else read_file(path_of(given)))
    if not isinstance(found, Mapping):
        raise unreadable(name, f"it holds a {type(found).__name__}, and no tensors by name")
    anew = frozenset(_covered(own, fresh, "the spec"))
    held = {str(key): key for key in found}
    if unsayable := [key for key in held if not key.isascii() and any("\ud800" <= c <= "\udfff" for c in key)]:
        raise unreadable(name, f"it has names that are no Unicode text: {_few(unsayable)}", "rename these tensors")
    left_out: list[str] = []
    scope = ""
    while True:  # what is left out may hide that all else has a scope before it
        out = _covered(held, leave_out, None) + [key for key in held if key in anew]
        left_out += [held.pop(key) for key in dict.fromkeys(out)]
        wrapper = _wrapper(held, own)
        if not wrapper:
            break
        held = {key.removeprefix(wrapper): whole for key, whole in held.items()}
        scope += wrapper
    _covered([*held, *map(str, left_out), *(str(key).removeprefix(scope) for key in left_out)], leave_out, name)
    foreign = [key for key, whole in held.items() if not isinstance(found[whole], Tensor)]
    if any(type(found[held[key]]).__module__ == "numpy" for key in foreign):
        hint = "torch makes tensors of them: `weights=torch.utils.data.default_convert(state)`"
        raise unreadable(name, f"it holds arrays of numpy, and not tensors: {_few(foreign)}", hint)
    if foreign:
        raise unreadable(
            name,
            f"it holds things that are no tensors: {_few(foreign)}",
            *_instead(path, found, keys, held, foreign, own),
        )
    numbers = [key for key, whole in held.items() if type(whole) is not str]
    if numbers:
        hint = "if they stand in the order of the spec: `weights=dict(zip(net.module().state_dict(), state.values()))`"
        raise unreadable(name, f"it has tensors without names: {_few(numbers)}", hint)
    tensors = {key: found[whole] for key, whole in held.items()}
    return Checkpoint(tensors, tuple(map(str, left_out)), anew, scope, keys, beside, path)


def _instead(
    path: str,
    found: Mapping[Any, Any],
    keys: tuple[str, ...],
    held: Mapping[str, Any],
    foreign: Sequence[str],
    own: Collection[str],
) -> tuple[str, ...]:
    """What to do about things that are no tensors: to give one of several sets of weights, or to do without."""
    sets = [way for key in foreign for way in _sets(found[held[key]], (held[key],))]
    if sets:
        named = _few([str(*way) if len(way) == 1 else _item(*way) for way in sets])
        return (f"weights are in {named}: each has its own file after `{_apart(path, *keys, *sets[0])}`",)
    lacking = [key for key in foreign if key not in own]
    then = "leaves out what is no weight"
    ways = option("leave_out", lacking, held, then)
    start = _start(lacking)
    if start and not ways and not any(key.startswith(start) for key in held.keys() - {*lacking}):
        ways = (f"`--leave-out '{start}*'`, in Python `leave_out=[\"{start}*\"]`, {then}",)
    elif lacking and not ways:
        alone = "{k: t for k, t in state.items() if isinstance(t, torch.Tensor)}"
        ways = (f"`torch.save({alone}, other)` {then}, with `state = {_loaded(path, *keys)}`",)
    return ways + option("fresh", [key for key in foreign if key in own], own, "keeps what they start with")


def _sets(found: Any, keys: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to sets of weights, a few levels down."""
    if isinstance(found, Mapping):
        if _holds(found):
            yield keys
        elif len(keys) < _LEVELS:
            for key, value in found.items():
                yield from _sets(value, (*keys, key))


def _item(*keys: Any) -> str:
    """The Python of an item of an item."""
    return "".join(f'["{key[:60]}"]' if isinstance(key, str) else f"[{key!r}]" for key in keys)


def _loaded(path: str, *keys: Any) -> str:
    """The Python of what stands behind keys of a file."""
    return f"torch.load({repr(path) if path else 'path'}){_item(*keys)}"


def _apart(path: str, *keys: Any) -> str:
    """The Python that writes what stands behind keys of a file into another one."""
    root, ending = os.path.splitext(path)
    other = repr(f"{root}-{re.sub(r'[^A-Za-z0-9_]', '_', str(keys[-1]))[:60]}{ending}") if path else "other"
    return f"torch.save({_loaded(path, *keys)}, {other})"


def _start(names: Sequence[str]) -> str:
    """What all names begin with."""
    first, last = min(names, default=""), max(names, default="")
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((place for place, (a, b) in pairs if a != b), len(first))]


def _few(keys: Sequence[str]) -> str:
    return few([f"`{key[:60]}`" for key in keys], 5)


def precision(source: Source) -> torch.dtype | None:
    """The type of a checkpoint's floating tensors, None where they have none or several. Raises ArchError (E0810)."""
    found = {t.dtype for t in read(source, ()).tensors.values() if t.is_floating_point()}
    return found.pop() if len(found) == 1 else None


def remarks(checkpoint: Checkpoint) -> list[Diagnostic]:
    """Warnings about what is loaded all the same: one of several sets of weights, numbers that are not finite."""
    return [*several(checkpoint), *not_finite(checkpoint)]


def several(checkpoint: Checkpoint) -> list[Diagnostic]:
    """A warning where weights are one of several sets in their file."""
    if not checkpoint.beside:
        return []
    *around, taken = checkpoint.keys
    message = f"the checkpoint has weights as `{taken}`, which are taken, and others as {_few(checkpoint.beside)}"
    hint = f"the others have a file of their own after `{_apart(checkpoint.path, *around, checkpoint.beside[0])}`"
    return [Diagnostic("E0827", message, severity="warning", hints=(hint,))]


def not_finite(source: Source) -> list[Diagnostic]:
    """A warning where weights are NaN, or infinite and no mask, which has zeros besides. Raises ArchError (E0810)."""
    found = read(source, ()).tensors
    plain = {n: t for n, t in found.items() if t.is_floating_point() and t.layout == torch.strided and not t.is_meta}
    lines = []
    for name, tensor in plain.items():
        kind = torch.float32 if tensor.dtype.itemsize < 4 else tensor.dtype
        if tensor.sum(dtype=kind).isfinite():  # of finite numbers alone; that of very large ones may be infinite
            continue
        tensor = tensor.to(kind)
        finite = torch.isfinite(tensor)
        mask = not tensor.isnan().any() and not tensor[finite].any()
        if not mask and not finite.all():
            counts = {"NaN": int(tensor.isnan().sum()), "infinite": int(tensor.isinf().sum())}
            told = " and ".join(f"{count:,} {word}" for word, count in counts.items() if count)
            lines.append(f"{name} {list(tensor.shape)}: {told}")
    if not lines:
        return []
    message = f"weights of the checkpoint are no finite numbers:{listing(lines)}"
    hint = "a training that diverged leaves such, and they spread to all outputs; take an earlier checkpoint"
    return [Diagnostic("E0826", message, severity="warning", hints=(hint,))]


def listing(lines: list[str]) -> str:
    """The lines below a message; of very many, the first."""
    shown = "".join(f"\n  {line}" for line in lines[:LISTED])
    return f"{shown}\n  … and {len(lines) - LISTED} more" if len(lines) > LISTED else shown


def outermost(names: Collection[str], others: Collection[str]) -> list[str]:
    """The names by the outermost scopes that hold nothing else, if these are few; else nothing."""
    own, scopes = set(names), {}
    for name in names:
        parts = name.split(".")
        heads = (".".join(parts[:end]) for end in range(1, len(parts)))
        alone = (h for h in heads if all(other in own for other in others if other.startswith(f"{h}.")))
        scopes[next(alone, name)] = True
        if len(scopes) > FEW:
            return []
    return list(scopes)


def option(keyword: str, names: Collection[str], others: Collection[str], then: str) -> tuple[str, ...]:
    """A hint to an option, as Python calls it, that takes these names, if few scopes hold them."""
    scopes = outermost(names, others)
    words = " ".join(f"--{keyword.replace('_', '-')} {scope}" for scope in scopes)
    listed = ", ".join(f'"{scope}"' for scope in scopes)
    return (f"`{words}`, in Python `{keyword}=[{listed}]`, {then}, if that is meant",) if scopes else ()


def _state(found: Any) -> tuple[Any, tuple[str, ...], tuple[str, ...]]:
    """The state dict itself: what training scripts save around it has it under a usual name, or as all its tensors.
    With it the keys that lead there, and those that in place of the last lead to others."""
    keys, beside = [], ()
    for _ in range(_LEVELS):
        if not isinstance(found, Mapping):
            break
        single = any(isinstance(value, Tensor) for value in found.values())  # of a state, or a loss beside one
        states = [key for key, value in found.items() if isinstance(value, Mapping) and _holds(value)]
        inner = [key for key in _STATES if key in states or (not single and isinstance(found.get(key), Mapping))]
        if not inner and (single or len(states) != 1):
            break
        state = (inner or states)[0]
        beside = tuple(key for key in states if key != state)
        keys.append(state)
        found = found[state]
    return found, tuple(keys), beside


def _holds(found: Mapping[Any, Any]) -> bool:
    return bool(found) and all(isinstance(value, Tensor) for value in found.values())


def _wrapper(names: Collection[str], own: Collection[str]) -> str:
    """The scope that stands before every name and before none that is wanted, as DataParallel, torch.compile and
    training scripts put it there; nothing for one that is unknown and whose contents are not those wanted."""
    parts, scope = next(iter(names), "").split("."), ""
    for label in parts[:-1]:
        scope += f"{label}."
        if not all(name.startswith(scope) for name in names) or any(name.startswith(scope) for name in own):
            break
        if scope[:-1] in _WRAPPERS or any(name.removeprefix(scope) in own for name in names):
            return scope
    return ""


def _covered(names: Iterable[str], patterns: Collection[str], where: str | None) -> list[str]:
    """The names that patterns cover. With `where` each must cover some. Raises ArchError (E0819)."""
    known, found, lines, near = list(names), [], [], []
    for pattern in patterns:
        covered = [name for name in known if is_under(name, pattern) or fnmatchcase(name, pattern)]
        found += covered
        if not covered and where is not None:
            lines.append(f"{where} has no {pattern}")
            near += nearest(pattern, [*known, *(name.rpartition(".")[0] for name in known)], 1)
    if lines:
        raise ArchError([Diagnostic("E0819", f"these are not there:{listing(lines)}", hints=meant(near))])
    return list(dict.fromkeys(found))
