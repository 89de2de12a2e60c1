"""Weights: from checkpoints into a module, strictly, and back."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, Diagnostic, Fault, Label
from ..compare.checkpoint_names import Signature, TensorKind, beside, is_counter, scopes_above
from ..files import atomic_write
from ..ir.graph import Graph
from ..ir.words import few, nearest
from ..passes.classes import ChangeClasses
from .carry import carried
from .checkpoint import FEW, Source, listing, option, read
from .checkpoint_file import read_file

_NEAREST = 10
_SHOWN = 4


def load_weights(module: nn.Module, source: Source, graph: Graph | None = None) -> None:
    """Copies weights into the module: of a safetensors or torch file, a state dict, or another module.

    Strict: names and shapes must agree. Tolerated are wrappers such as {'state_dict': ...}, the prefix `module.` on
    every name, missing `num_batches_tracked`, and a missing second name of something shared. Floating tensors are
    converted to the module's type. With `graph` the errors point into the spec, and a checkpoint of what it was
    rewritten from loads too: what the rewrite starts anew stays as it is, as does what a Checkpoint calls fresh. The
    module is untouched unless all fits, and no number becomes infinite.
    Raises ArchError (E0810 to E0815). No code in a file is run.
    """
    own: dict[str, Tensor] = module.state_dict(keep_vars=True)
    found = read(source, own)
    state, fresh = carried(found.tensors, graph, found.fresh)
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


def loads_as_it_is(path: Path, module: nn.Module) -> bool:
    """Whether torch alone loads the file into such a module: plain tensors, under its names and in its shapes."""
    found = read_file(path)
    own = {name: tensor.shape for name, tensor in module.state_dict().items()}
    return isinstance(found, Mapping) and {n: getattr(t, "shape", None) for n, t in found.items()} == own


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
    known = common + sum(len(scope.names) for scope in _renamed(own, state))
    if min(len(own), len(state)) < FEW or 2 * known >= len(state) or 2 * known >= len(own):
        return []
    counts = f"{common} of its {len(state)} tensors are in the module, which has {len(own)}"
    sides = (("it has", state, own), ("the module has", own, state))
    lines = [f"{whose} {few([_cut(k) for k in keys if k not in others], _SHOWN)}" for whose, keys, others in sides]
    message = f"this is a checkpoint of another network: {counts}{listing(lines)}"
    hint = "`--map auto`, `map_weights` in Python, maps one that has other names; else load one saved from this network"
    return [Diagnostic("E0815", message, hints=(hint,))]


@dataclass(frozen=True, slots=True)
class _Renamed:
    """A scope of the checkpoint, and the one of the module that has the same tensors under another name."""

    theirs: str
    ours: str
    names: tuple[str, ...]


def _renamed(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[_Renamed]:
    """The scopes with other names. As many of one kind as the module has are taken in their order."""
    ours, theirs = _kinds(own, state), _kinds(state, own)
    return [
        _Renamed(scope, other, tuple([f"{scope}.{last}" for last in sorted(last for last, _ in kind)]))
        for kind, scopes in theirs.items()
        if len(kind) > 1 and len(scopes) == len(ours.get(kind, ()))
        for scope, other in zip(scopes, ours[kind], strict=True)
    ]


def _kinds(tensors: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> dict[Signature, list[str]]:
    """The outermost scopes that the others have not, by what they hold."""
    known = {scope for name in others for scope in scopes_above(name)}
    held: dict[str, list[tuple[str, TensorKind]]] = {}
    for name, tensor in tensors.items():
        scope = next((scope for scope in scopes_above(name) if scope not in known), "")
        if scope and not is_counter(name):
            held.setdefault(scope, []).append((name.removeprefix(f"{scope}."), TensorKind(tuple(tensor.shape))))
    kinds: dict[Signature, list[str]] = {}
    for scope, found in held.items():
        kinds.setdefault(frozenset(found), []).append(scope)
    return kinds


def _cut(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:100]}..."


def _names(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], fresh: Collection[str], graph: Graph | None
) -> list[Diagnostic]:
    groups = _groups(own)
    missing = [
        name
        for name, tensor in own.items()
        if name not in state
        and name not in fresh
        and not is_counter(name)
        and not any(other in state for other in groups[id(tensor)])
    ]
    unexpected = [name for name in state if name not in own and not (is_counter(name) and beside(name) in state)]
    renamed = _renamed({name: own[name] for name in missing}, {name: state[name] for name in unexpected})
    problems = []
    if missing:
        inside = {f"{scope.ours}{name.removeprefix(scope.theirs)}" for scope in renamed for name in scope.names}
        lines = [f"{scope.ours}.*: {_count(scope.names, 'tensor')}" for scope in renamed]
        lines += [f"{name} {list(own[name].shape)}" for name in missing if name not in inside]
        message = f"the checkpoint lacks {_count(missing, 'tensor')} of the module:{listing(lines)}"
        message = message if state else f"the checkpoint is empty, and the module has {_count(missing, 'tensor')}"
        hints = () if unexpected else option("fresh", missing, own, "keeps what they start with")
        problems.append(Diagnostic("E0811", message, labels=_labels(missing, graph), hints=hints))
    if unexpected:
        lines = [f"{one.theirs}.*: {_count(one.names, 'tensor')} like {one.ours}.* of the module" for one in renamed]
        inside = {name for scope in renamed for name in scope.names}
        free = missing or list(own)
        for place, name in enumerate(name for name in unexpected if name not in inside):
            alike = [other for other in free if own[other].shape == state[name].shape] if place < _NEAREST else []
            near = nearest(name, alike, 1)
            lines.append(f"{name} {list(state[name].shape)}" + (f", did you mean {near[0]}?" if near else ""))
        message = f"the checkpoint has {_count(unexpected, 'tensor')} that the module lacks:{listing(lines)}"
        kept = () if missing else option("leave_out", unexpected, [*own, *state], "loads all others")
        hints = kept or ("labels in the spec decide the names; `--map auto`, `map_weights` in Python, takes others",)
        problems.append(Diagnostic("E0812", message, hints=hints))
    return problems


def _fits(own: Mapping[str, Tensor], state: Mapping[str, Tensor], graph: Graph | None) -> list[Diagnostic]:
    names, lines, shapes = [], [], True
    for name, tensor in own.items():
        given = state.get(name)
        if given is None:
            continue
        if given.shape != tensor.shape:
            lines.append(f"{name} is {list(tensor.shape)} in the module and {list(given.shape)} in the checkpoint")
        elif not _convertible(given, tensor) and not _is_count(name, given):
            lines.append(f"{name} is {tensor.dtype} in the module and {given.dtype} ({given.layout}) in the checkpoint")
            shapes = False
        elif given.is_meta and not tensor.is_meta:
            lines.append(f"{name} is a meta tensor in the checkpoint, which has a shape and no numbers")
            shapes = False
        elif _overflows(given, tensor.dtype):
            lines.append(f"{name} has numbers in the checkpoint that are infinite as the module's {tensor.dtype}")
            shapes = False
        else:
            continue
        names.append(name)
    if not names:
        return []
    verb = "does" if len(names) == 1 else "do"
    message = f"{_count(names, 'tensor')} of the checkpoint {verb} not fit:{listing(lines)}"
    hints = ()
    if shapes:
        classes = _classes(graph, {name: tuple(state[name].shape) for name in names})
        hints = (*_turned(names, own, state), *option("fresh", names, own, "keeps what they start with"), *classes)
    return [Diagnostic("E0813", message, labels=_labels(names, graph), hints=hints)]


def _turned(names: Sequence[str], own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """A hint where most have the axes of TensorFlow and JAX: inputs before outputs, and these last."""
    orders = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1), 5: (4, 3, 0, 1, 2)}
    turned = [
        name for name in names if (order := orders.get(own[name].dim())) and _is_turned(own[name], state[name], order)
    ]
    if 2 * len(turned) <= len(names):
        return ()
    order = ", ".join(map(str, orders[own[turned[0]].dim()]))
    first = f'`state["{turned[0]}"].permute({order})`'
    return (f"weights with the axes of TensorFlow and JAX are turned, as by {first}: turn all, square ones too",)


def _is_turned(tensor: Tensor, given: Tensor, order: Sequence[int]) -> bool:
    """Whether a tensor has the shape of another one whose axes are put into an order."""
    return given.dim() == len(order) and given.permute(tuple(order)).shape == tensor.shape


def _classes(graph: Graph | None, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """A hint to `change_classes`, where it gives these tensors of the module the shapes that the checkpoint has."""
    if graph is None or not (classes := next(iter(shapes.values()))[:1]):
        return ()
    try:
        changed = dict(ChangeClasses.model_validate({"classes": classes[0]}).apply(graph).tensor_shapes())
    except (Fault, ValidationError):
        return ()
    own = dict(graph.tensor_shapes())
    if {name: shape for name, shape in changed.items() if shape != own[name]} != shapes:
        return ()
    said = [name for name, value in graph.parameters.items() if "class" in name and value == own[next(iter(shapes))][0]]
    if said:
        told = f"{said[0]}={classes[0]}"
        return (f"`--set {told}`, in Python `load(..., {told})`, has the checkpoint's classes",)
    return (f"the rewrite `change_classes` with `classes={classes[0]}` gives it the checkpoint's classes",)


def _overflows(given: Tensor, dtype: torch.dtype) -> bool:
    """Whether finite numbers become infinite in another type."""
    both = given.is_floating_point() and dtype.is_floating_point
    if not both or torch.finfo(given.dtype).max <= torch.finfo(dtype).max or given.is_meta:
        return False
    return bool((given.isfinite() & given.to(dtype).isinf()).any())


def _is_count(name: str, given: Tensor) -> bool:
    """Whether a tensor counts batches in real numbers, as in a checkpoint all of which was made half precision."""
    return is_counter(name) and given.is_floating_point() and bool((given == given.round()).all())


def _convertible(given: Tensor, tensor: Tensor) -> bool:
    same_kind = given.is_floating_point() == tensor.is_floating_point() and not given.is_complex()
    return same_kind and given.layout == torch.strided and not given.is_quantized


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


def _count(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}{'s' if len(names) != 1 else ''}"


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
