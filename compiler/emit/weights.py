"""Weights: from checkpoints into a module, strictly, and back."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, Diagnostic, Label
from ...dsl.reads import note_read, opened, reason
from ..compare.checkpoint_names import COUNTER
from ..files import atomic_write
from ..ir.graph import Graph
from ..ir.words import nearest
from .carry import carried

Source = str | os.PathLike[str] | Mapping[str, Any] | nn.Module
"""Where weights come from: a file, a state dict, a module."""

_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights")
_PREFIXES = ("module.", "_orig_mod.", "model.")
_LISTED = 20
_NEAREST = 10
_SHOWN = 4
_FEW = 3
"""With fewer names than this, a module or checkpoint is compared name by name."""


def load_weights(module: nn.Module, source: Source, graph: Graph | None = None) -> None:
    """Copies weights into the module: of a safetensors or torch file, a state dict, or another module.

    Strict: names and shapes must agree. Tolerated are wrappers such as {'state_dict': ...}, the prefix `module.` on
    every name, missing `num_batches_tracked`, and a missing second name of something shared. Floating tensors are
    converted to the module's type. With `graph` the errors point into the spec, and a checkpoint of what it was
    rewritten from loads too: what the rewrite starts anew stays as it is. The module is untouched unless all fits.
    Raises ArchError (E0810 to E0815). No code in a file is run.
    """
    own: dict[str, Tensor] = module.state_dict(keep_vars=True)
    state, fresh = carried(read_state(source, own), graph)
    problems = _another(own, state)
    problems = problems or [*_names(own, state, fresh, graph), *_fits(own, state, graph), *_shared(own, state)]
    if problems:
        raise ArchError(problems)
    with torch.no_grad():
        for name, tensor in own.items():
            if name in state:
                tensor.copy_(state[name])


def save_weights(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Writes the state dict: as safetensors where the name ends so, else as a torch file. Raises ArchError (E0805)."""
    save_state({name: tensor.detach() for name, tensor in module.state_dict().items()}, path)


def save_state(state: Mapping[str, Tensor], path: str | os.PathLike[str], about: dict[str, str] | None = None) -> None:
    """Writes tensors by name, as `save_weights`; safetensors also hold what is said `about` them."""
    if Path(path).suffix == ".safetensors":
        from safetensors.torch import save

        # safetensors refuses tensors that share memory; a strict reader wants every name
        whole = {n: t.to("cpu").clone(memory_format=torch.contiguous_format) for n, t in state.items()}
        atomic_write(path, save(whole, about))
    else:
        atomic_write(path, lambda temporary: torch.save(dict(state), temporary))


def read_state(source: Source, own: Collection[str]) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, without what training scripts put around and before them, which is judged by
    the names that are wanted. Raises ArchError (E0810)."""
    if isinstance(source, nn.Module):
        source = source.state_dict()
    given = isinstance(source, Mapping)
    return _unprefixed(
        _unwrap(source if given else _read(Path(source)), "the checkpoint" if given else str(source)), own
    )


def precision(source: Source) -> torch.dtype | None:
    """The type of a checkpoint's floating tensors, None where they have none or several. Raises ArchError (E0810)."""
    found = {t.dtype for t in read_state(source, ()).values() if t.is_floating_point()}
    return found.pop() if len(found) == 1 else None


def loads_as_it_is(path: Path, module: nn.Module) -> bool:
    """Whether torch alone loads the file into such a module: plain tensors, under its names and in its shapes."""
    found = _read(path)
    own = {name: tensor.shape for name, tensor in module.state_dict().items()}
    return isinstance(found, Mapping) and {n: getattr(t, "shape", None) for n, t in found.items()} == own


# --- reading -------------------------------------------------------------------------------


def _read(path: Path) -> Any:
    try:
        with opened(path) as file:
            note_read(path)
            head = file.read(16)
            if path.suffix == ".safetensors" or (len(head) > 8 and head[8:9] == b"{"):
                from safetensors.torch import load_file

                return load_file(path, device="cpu")
            file.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _unreadable(path, *_unpickling(error)) from None
    except OSError as error:
        raise _unreadable(path, reason(error)) from None
    except Exception as error:  # a corrupt file may raise anything at all
        raise _unreadable(path, _corrupt(error)) from None


def _corrupt(error: Exception) -> str:
    """What a reader says of a file; not what it trips over inside, as in "pop from empty list"."""
    telling = type(error).__name__ == "SafetensorError"
    return f"it is truncated or no checkpoint ({_line(error)})" if telling else "it is truncated or no checkpoint"


def _unpickling(error: Exception) -> tuple[str, str]:
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    if found is None:
        return "it is truncated or no checkpoint", "weights are read from safetensors files and torch files of tensors"
    hint = "save the state dict alone: `torch.save(model.state_dict(), path)`"
    what = shorten(found[1].replace(".", ". "), 120, placeholder="…").replace(". ", ".")
    return f"it holds `{what}` beside tensors, and would run code when loaded", hint


def _line(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return shorten(first, 160, placeholder=" …").rstrip(".")


def _unreadable(path: Path | str, reason: str, *hints: str) -> ArchError:
    return ArchError([Diagnostic("E0810", f"cannot read weights from {path}: {reason}", hints=hints)])


def _unwrap(found: Any, name: str) -> dict[str, Tensor]:
    """The state dict itself, out of what training scripts save around it."""
    for _ in range(3):
        if not isinstance(found, Mapping):
            break
        inner = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if inner is None or any(isinstance(value, Tensor) for value in found.values()):
            break
        found = inner
    if not isinstance(found, Mapping):
        raise _unreadable(name, f"it holds a {type(found).__name__}, and no tensors by name")
    foreign = [key for key, value in found.items() if not isinstance(value, Tensor) or not isinstance(key, str)]
    if foreign:
        shown = ", ".join(f"`{str(key)[:60]}`" for key in foreign[:5])
        raise _unreadable(name, f"it holds things that are no tensors: {shown}")
    return dict(found)


def _unprefixed(state: dict[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """The state without what DataParallel, DDP and torch.compile put before every name."""
    changed = True
    while changed and state:
        changed = False
        for prefix in _PREFIXES:
            if all(key.startswith(prefix) for key in state) and not any(key.startswith(prefix) for key in own):
                state = {key.removeprefix(prefix): value for key, value in state.items()}
                changed = True
    return state


# --- comparing -----------------------------------------------------------------------------


def _groups(own: Mapping[str, Tensor]) -> dict[int, list[str]]:
    """The names of each tensor."""
    groups: dict[int, list[str]] = {}
    for name, tensor in own.items():
        groups.setdefault(id(tensor), []).append(name)
    return groups


def _another(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[Diagnostic]:
    """What to say of a checkpoint most of whose names are not the module's, nor the module's most its; else nothing."""
    common = sum(name in own for name in state)
    if min(len(own), len(state)) < _FEW or 2 * common >= len(state) or 2 * common >= len(own):
        return []
    counts = f"{common} of its {len(state)} tensors are in the module, which has {len(own)}"
    sides = (("it has", state, own), ("the module has", own, state))
    lines = [f"{whose} {_first([key for key in keys if key not in others])}" for whose, keys, others in sides]
    message = f"this is a checkpoint of another network: {counts}{listing(lines)}"
    hint = "`--map auto` (`map_weights` in Python) maps one that has other names; else load one saved from this network"
    return [Diagnostic("E0815", message, hints=(hint,))]


def _first(names: list[str]) -> str:
    shown = ", ".join(name if len(name) <= 100 else f"{name[:100]}…" for name in names[:_SHOWN])
    return f"{shown}, …" if len(names) > _SHOWN else shown


def _names(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], fresh: Collection[str], graph: Graph | None
) -> list[Diagnostic]:
    groups = _groups(own)
    missing = [
        name
        for name, tensor in own.items()
        if name not in state
        and name not in fresh
        and name.rpartition(".")[2] != COUNTER
        and not any(other in state for other in groups[id(tensor)])
    ]
    unexpected = [name for name in state if name not in own]
    problems = []
    if missing:
        lines = [f"{name} {list(own[name].shape)}" for name in missing]
        message = f"the checkpoint lacks {_count(missing, 'tensor')} of the module:{listing(lines)}"
        problems.append(Diagnostic("E0811", message, labels=_labels(missing, graph)))
    if unexpected:
        free = missing or list(own)
        lines = []
        for place, name in enumerate(unexpected[:_LISTED]):
            near = nearest(name, free, 1) if place < _NEAREST else []
            lines.append(f"{name} {list(state[name].shape)}" + (f", did you mean {near[0]}?" if near else ""))
        lines += unexpected[_LISTED:]
        message = f"the checkpoint has {_count(unexpected, 'tensor')} that the module lacks:{listing(lines)}"
        problems.append(Diagnostic("E0812", message, hints=("labels in the spec decide the names",)))
    return problems


def _fits(own: Mapping[str, Tensor], state: Mapping[str, Tensor], graph: Graph | None) -> list[Diagnostic]:
    names, lines = [], []
    for name, tensor in own.items():
        given = state.get(name)
        if given is None:
            continue
        if given.shape != tensor.shape:
            lines.append(f"{name} is {list(tensor.shape)} in the module and {list(given.shape)} in the checkpoint")
        elif not _convertible(given, tensor):
            lines.append(f"{name} is {tensor.dtype} in the module and {given.dtype} ({given.layout}) in the checkpoint")
        else:
            continue
        names.append(name)
    if not names:
        return []
    verb = "does" if len(names) == 1 else "do"
    message = f"{_count(names, 'tensor')} of the checkpoint {verb} not fit:{listing(lines)}"
    return [Diagnostic("E0813", message, labels=_labels(names, graph))]


def _convertible(given: Tensor, tensor: Tensor) -> bool:
    same_kind = given.is_floating_point() == tensor.is_floating_point() and not given.is_complex()
    return same_kind and given.layout == torch.strided


def _shared(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[Diagnostic]:
    lines = []
    for names in _groups(own).values():
        present = [name for name in names if name in state]
        for other in present[1:]:
            first = state[present[0]]
            if first.shape == state[other].shape and not torch.equal(first, state[other]):
                lines.append(f"{present[0]} and {other}")
    if not lines:
        return []
    message = f"the checkpoint gives different values to names of one shared tensor:{listing(lines)}"
    return [Diagnostic("E0814", message)]


def _count(names: list[str], what: str) -> str:
    return f"{len(names)} {what}{'s' if len(names) != 1 else ''}"


def listing(lines: list[str]) -> str:
    """The lines below a message; of very many, the first."""
    shown = "".join(f"\n  {line}" for line in lines[:_LISTED])
    return f"{shown}\n  … and {len(lines) - _LISTED} more" if len(lines) > _LISTED else shown


def _labels(names: list[str], graph: Graph | None) -> tuple[Label, ...]:
    """Where in the spec the first few of these tensors are made."""
    if graph is None:
        return ()
    nodes = {node.path: node for node in graph.owners() if node.name}
    labels = []
    for name in names:
        node = nodes.get(name) or nodes.get(name.rpartition(".")[0])
        if node is not None and node.span is not None and all(label.span is not node.span for label in labels):
            labels.append(Label(node.span, f"`{node.path}` is made here"))
        if len(labels) == 3:
            break
    return tuple(labels)
