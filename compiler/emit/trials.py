"""The sizes at which a module is run, and the tensors that go in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ..analyses.figures import formula
from ..ir.graph import Graph, concrete
from ..ir.sizes import evaluate

Sizes = dict[str, int]

_DTYPES = {"int": torch.int64, "bool": torch.bool}
_CHEAP = 20 * 10**9
_SHARES = (3, 6, 12)
_TRIES = 256
_ABOVE = 8


def trial_sizes(graph: Graph, count: int = 3) -> list[Sizes]:
    """The nominal sizes, then up to `count - 1` other legal ones, each symbol with another value than before.

    The others are small, a third of the nominal sizes or a little more: less where that is still more than 20 billion
    multiply-adds. Where a symbol can take no other value, it keeps the one that it has.
    """
    work = formula(graph)
    found: list[Sizes] = []
    for share in _SHARES:
        found = [dict(graph.nominal)]
        while len(found) < count and (other := _other_sizes(graph, found, lambda n, s=share: max(2, n // s))):
            found.append(other)
        if len(found) == 1 or evaluate(work, found[1]) <= _CHEAP:
            break
    return found


def larger_sizes(graph: Graph) -> Sizes | None:
    """Legal sizes just above the nominal ones, far above where such are assumed, every symbol at least 2; None where
    there are none.

    Symbols of one nominal value stay equal where they can. So a trace at these sizes holds at others too: if one size
    were odd and another even, torch could record a condition that only one of them meets.
    """
    step = _ABOVE if graph.assumed else 1
    return _other_sizes(graph, [dict(graph.nominal)], lambda nominal: max(2, step * nominal + 1), unlike=False)


def least_sizes(graph: Graph) -> list[Sizes]:
    """The smallest legal sizes, all together and then each symbol alone beside larger ones: most are 1."""
    found = [_other_sizes(graph, [], lambda _: 1, unlike=False) or dict(graph.nominal)]
    larger = larger_sizes(graph) or dict(graph.nominal)
    for names in graph.requirements.equal_symbols(graph.nominal):
        trials = ({**larger, **dict.fromkeys(names, value)} for value in range(1, larger[names[0]]))
        least = next((trial for trial in trials if not graph.requirements.violations(trial)), larger)
        found += [least] if least not in found else []
    return found


def _other_sizes(
    graph: Graph, known: Sequence[Sizes], start: Callable[[int], int], unlike: bool = True
) -> Sizes | None:
    """Legal sizes other than those known, each symbol from `start(nominal)` up; None where none are found.

    With `unlike` no two symbols have one value where they can have two.
    """
    sizes = dict(graph.nominal)
    for names in graph.requirements.equal_symbols(graph.nominal):
        taken = {value for other in (*known, sizes) for value in other.values()} if unlike else set()
        apart = {other[names[0]] for other in known}
        first = start(sizes[names[0]])
        for value in _new_first(range(first, first + _TRIES), taken, apart):
            trial = {**sizes, **dict.fromkeys(names, value)}
            if not graph.requirements.violations(trial):
                sizes = trial
                break
    if sizes not in known:
        return sizes
    return next((trial for trial in _together(graph, start) if trial not in known), None)


def _new_first(values: Iterable[int], taken: set[int], own: set[int]) -> list[int]:
    """The values that no symbol has had, then those that another symbol has had."""
    return sorted((value for value in values if value not in own), key=lambda value: value in taken)


def _together(graph: Graph, start: Callable[[int], int]) -> Iterator[Sizes]:
    """Legal sizes with all symbols changed together: in proportion, or by the same number."""
    for step in range(1, _TRIES):
        for trial in (
            {name: step * start(size) for name, size in graph.nominal.items()},
            {name: size + step for name, size in graph.nominal.items()},
        ):
            if not graph.requirements.violations(trial):
                yield trial


def make_inputs(graph: Graph, sizes: Mapping[str, int], device: torch.device | str, dtype: torch.dtype) -> list[Tensor]:
    """One tensor for each input of the arch at these sizes: floats are normal, the same on every call, others 0."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for entry in graph.inputs:
        shape = concrete(entry.type.dims, dict(sizes))
        if entry.type.dtype == "float":
            made.append(torch.randn(shape, generator=generator).to(device, dtype))
        else:
            made.append(torch.zeros(shape, dtype=_DTYPES[entry.type.dtype], device=device))
    return made


def shown(sizes: Mapping[str, int]) -> str:
    """The sizes, for messages."""
    return ", ".join(f"{name} = {size}" for name, size in sorted(sizes.items())) or "its fixed sizes"


def input_shapes(graph: Graph, sizes: Mapping[str, int]) -> str:
    """The shapes of the inputs at these sizes: `[1, 3, 224, 224]`, with names where there are several."""
    shapes = [(entry.name, str(list(concrete(entry.type.dims, dict(sizes))))) for entry in graph.inputs]
    return ", ".join(text if len(shapes) == 1 else f"{name} {text}" for name, text in shapes)
