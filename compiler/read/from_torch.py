"""A live module as a graph."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, Fault, refused
from ...grammar.parser import words
from ..elaborate.language import known_names
from ..elaborate.unused import unused
from ..emit.names import identifier
from ..emit.private import SizesRead, pytree
from ..emit.trials import trial_sizes
from ..ir.graph import Graph, Value
from .aten import handler
from .constants import fold
from .decisions import refuse_decisions
from .declare import letters
from .empties import leave_out
from .hosts import Hosts, draws
from .idle import refuse_idle
from .leaves import leaf
from .modes import counterparts
from .reader import Reader
from .rearranging import settle_sizes
from .replay import Network
from .rows import apply_to_whole
from .shared import join_tensors, share_calls
from .simpler import write_out
from .trace import Trace, doubled, key_of, trace
from .unsayable import Missing, missing
from .untraceable import line_of
from .values import function_name
from .verify import output_names, returned, verify
from .whole import Names, name_modules, note_calls, pruned, set_outputs, settle

Sizes = Sequence[int | str]


@dataclass(frozen=True, slots=True)
class Source:
    """A module, and what its inputs are like. `sizes` names the sizes of each input that stay open, where that is said
    and not found out."""

    module: nn.Module
    inputs: Sequence[Tensor]
    name: str
    doc: str | None = None
    sizes: Sequence[Sizes] | None = None

    def __post_init__(self) -> None:
        """Makes the name of a class, a function or a file one that an architecture can have."""
        name = identifier(self.name)
        taken = name in known_names() or not words().is_name(name)
        object.__setattr__(self, "name", f"{name}_" if taken else name)


def read(source: Source, hosts: Hosts | None = None) -> tuple[Graph, float]:
    """The graph of a module, and how far the two are apart in what they compute: 0 where they are equal bit for bit.

    The shapes of the inputs become the usual sizes. Where it is not said which stay open, all but the channels do, or
    else the batch alone, as the module and the language let them. With `hosts` submodules that the language cannot say
    become layers of the host, whose code these then have. Raises ArchError (E12xx).
    """
    reading = Reading(source, hosts)
    problem: ArchError | None = None
    pinned: tuple[Graph, float] | None = None
    for declared in _declarations(source):
        try:
            found = reading.read(declared)
        except ArchError as error:
            problem = error
        else:
            if not _is_pinned(found[0]):
                return found
            pinned = pinned or found
    if pinned is not None:
        return pinned
    assert problem is not None
    raise problem


def _is_pinned(graph: Graph) -> bool:
    """Whether a size that is declared as open has one value alone."""
    trials = trial_sizes(graph)
    return any(len({sizes[name] for sizes in trials}) == 1 for name in trials[0]) if len(trials) > 1 else False


Declared = list[tuple[str, str, Sizes]]
"""The name, the word and the sizes of each input."""


def _declarations(source: Source) -> Iterator[Declared]:
    """The ways to declare the inputs, the most open first."""
    names, kinds = _input_names(source.module, len(source.inputs)), list(map(_words, source.inputs))
    seen: list[Declared] = []
    for choice in itertools.product(*kinds):
        for openness in ("all", "batch") if source.sizes is None else ("said",):
            sizes = [_sizes(source, i, word, openness) for i, word in enumerate(choice)]
            declared = list(zip(names, choice, sizes, strict=True))
            if declared not in seen:
                seen.append(declared)
    # As open as may be, whatever the words are.
    yield from sorted(seen, key=lambda d: -sum(isinstance(s, str) for _, _, sizes in d for s in sizes))


def _words(x: Tensor) -> tuple[str, ...]:
    if x.dtype == torch.bool:
        return ("bool",)
    return ("int",) if not x.is_floating_point() else ("float", "tokens") if x.dim() == 3 else ("float",)


def _sizes(source: Source, number: int, word: str, openness: str) -> Sizes:
    if source.sizes is not None:
        return source.sizes[number]
    shape = list(source.inputs[number].shape)
    called = enumerate(letters(len(shape), word))
    names = [letter if not axis or not number else f"{letter}{number + 1}" for axis, letter in called]
    kept = {*range(len(names))} if openness == "all" else {0}
    if word in ("float", "tokens"):
        kept -= {1 if word == "float" else len(shape) - 1}
    return [name if axis in kept else size for axis, (name, size) in enumerate(zip(names, shape, strict=True))]


class Reading:
    """One module, exported once in each mode that is needed."""

    def __init__(self, source: Source, hosts: Hosts | None):
        self.source = source
        self.hosts = hosts
        fixed = [bool(sizes) and isinstance(sizes[0], int) for sizes in source.sizes or [()] * len(source.inputs)]
        self.inputs = [x if kept else doubled(x) for x, kept in zip(source.inputs, fixed, strict=True)]
        self.traces: dict[bool, Trace] = {}
        reads_sizes = self._trace(True).reads_sizes
        with SizesRead() as sizes:
            self.evaluation = _paths(returned(source.module, self.inputs))
        # What a file computes is decided by no Python.
        self.decides = (reads_sizes or sizes.is_read) and not isinstance(source.module, Network)

    def read(self, declared: Declared) -> tuple[Graph, float]:
        """The graph with these inputs. Raises ArchError."""
        if self.hosts is not None and self.hosts.missing:
            self.hosts.forget()
            self.traces.clear()
        while True:
            if self.hosts is not None:
                sizes = [size for _, _, shape in declared for size in shape if isinstance(size, str)]
                self.hosts.begin([self.source.name, *(name for name, _, _ in declared), *sizes])
            try:
                return self._read(declared)
            except _Widened:
                self.traces.clear()
            except Fault as problem:
                raise ArchError([problem.diagnostic]) from None

    def _trace(self, training: bool) -> Trace:
        if training not in self.traces:
            with nullcontext() if self.hosts is None else self.hosts.marked():
                hosts = () if self.hosts is None else self.hosts.known
                found = trace(self.source.module, self.inputs, self.source.inputs, training, hosts, leaf)
            fold(found, marked=bool(hosts))
            leave_out(found)
            apply_to_whole(found)
            if not hosts:
                write_out(found, handler)
                fold(found, marked=False)
            self.traces[training] = found
        return self.traces[training]

    def _read(self, declared: Declared) -> tuple[Graph, float]:
        reader = self._made(declared, True)
        made = {path: reader.made(node) for path, node in self._trace(True).outputs}
        settle_sizes(reader)
        paths, same = list(made), dict(zip(self.evaluation, self.evaluation, strict=True))
        if self.evaluation != paths:
            same = self._same(reader, made, declared)
        new = pruned(reader, list(made.values()))
        made = {path: new[value] for path, value in made.items()}
        graph, shared = reader.graph, share_calls(reader)
        if replaced := join_tensors(reader, shared):
            made = {path: replaced.get(value, value) for path, value in made.items()}
            left = pruned(reader, list(made.values()))
            made = {path: left[value] for path, value in made.items()}
            new = {old: left[at] for old, value in new.items() if (at := replaced.get(value, value)) in left}
        reader.infer_anew()
        reader.part_recomputed()
        graph.doc = self.source.doc
        set_outputs(graph, list(made.items()), set(same.values()))
        name_modules(reader, shared)
        note_calls(reader, new)
        settle(graph, [x.shape for x in self.source.inputs])
        if lost := [problem.diagnostic for _, problem in unused(graph, graph.needed())]:
            raise ArchError(lost)
        if self.decides:
            hosts = () if self.hosts is None else self.hosts.known
            refuse_decisions(graph, self.source.module, self.inputs, self.source.inputs, hosts)
        refuse_idle(graph, self.source.module, self._trace(True), self.inputs)
        names = output_names(graph, list(made.items()))
        names |= {path: names[ours] for path, ours in same.items()}
        code = {} if self.hosts is None else self.hosts.code
        try:
            return graph, verify(graph, self.source.module, {True: paths, False: self.evaluation}, names, code)
        except ArchError as error:
            hints = [*self._drawn_in_evaluation()]
            raise (
                ArchError([replace(found, hints=tuple(hints)) for found in error.diagnostics]) if hints else error
            ) from None

    def _drawn_in_evaluation(self) -> Iterator[str]:
        """A hint where the module draws random numbers in evaluation too."""
        for node in self._trace(False).nodes:
            if draws(node):
                at = line_of(node)
                yield (
                    f"`{function_name(node)}` draws random numbers in evaluation too{at and f' ({at})'}: "
                    "`training=self.training` has it do so in training alone"
                )
                return

    def _made(self, declared: Declared, training: bool) -> Reader:
        """What is read of the module in one mode. Raises ArchError (E1203, E1204), and a Fault."""
        reader = Reader(self.source.name, self.source.module, self._trace(training), self.hosts)
        reader.add_inputs(declared)
        reader.read(handler, leaf)
        if reader.missing:
            self._refuse(reader.missing)
        return reader

    def _refuse(self, calls: Sequence[Missing]) -> NoReturn:
        """Raises ArchError (E1204), or _Widened where more modules are layers of the host now."""
        is_file = isinstance(self.source.module, Network)
        name = "the network" if is_file else type(self.source.module).__name__
        if self.hosts is not None:
            if self.hosts.widen(calls):
                raise _Widened
            own = [call for call in self.hosts.missing if not call.module]
            hint = "what stands in the module itself can be no layer of the host: move it into a submodule"
            raise missing(name, self.hosts.missing, *([hint] if own else []))
        named = {call.what for call in calls}
        if any(draws(node) and f"`{function_name(node)}`" in named for t in self.traces.values() for node in t.nodes):
            hint = "random numbers are those of dropout, `survive` and initialisers, and of no layer of the host"
            raise missing(name, calls, hint)
        inner = [call.module for call in calls if call.module]
        if inner and len(inner) == len(calls) and not is_file:
            hint = f"`--extern`, `extern=True` in Python, makes layers of the host of `{inner[0]}` and its like"
            raise missing(name, calls, hint)
        own = "moved into a submodule, it is a layer of the host with `--extern`, in Python `extern=True`"
        raise missing(name, calls, *([] if is_file else [own]))

    def _same(self, reader: Reader, made: dict[Names, Value], declared: Declared) -> dict[Names, Names]:
        """For what evaluation returns, what training returns of it. Raises ArchError (E1206) where that is nothing."""
        other = self._made(declared, False)
        found = counterparts(reader, other)
        paths = {value: path for path, value in made.items()}
        same: dict[Names, Names] = {}
        for path, node in self._trace(False).outputs:
            ours = found.get(other.made(node))
            if ours is None:
                message = "evaluation returns a tensor that training does not make, and no spec can say that"
                raise refused("E1206", message, "read the part that both modes compute")
            same[path] = paths.setdefault(ours, path)
            made.setdefault(same[path], ours)
        return same


class _Widened(Exception):
    """Stops a reading: more modules are layers of the host than it began with."""


def _paths(result: Any) -> list[Names]:
    found, _ = pytree.tree_flatten_with_path(result)
    return [tuple(map(key_of, path)) for path, leaf_ in found if isinstance(leaf_, Tensor)]


def _input_names(module: nn.Module, count: int) -> list[str]:
    """The names of the arguments of `forward`."""
    try:
        if isinstance(module, Network):
            given = [re.sub(r"\W|^(?=\d)", "_", name) for name in module.forward.__self__.inputs]
        else:
            parameters = inspect.signature(module.forward).parameters.values()
            given = [p.name for p in parameters if p.kind != p.VAR_KEYWORD]
    except (TypeError, ValueError):
        given = []
    names = ["x" if name == "input" else name for name in given]
    names = [*names, *(f"x{i}" for i in range(len(names), count))][:count]
    return [f"{name}_" if name in words().reserved else name for name in names]
