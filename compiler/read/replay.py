"""A network from a file as a module: its steps run in order, each in the modules that the file says it is of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..emit.private import pytree
from .unsayable import Missing, Unsayable, missing

Stack = tuple[tuple[str, str], ...]
"""The modules in whose forward a step stands, outermost first: the path of each, and a name of the call."""


@dataclass(frozen=True, slots=True)
class Ref:
    """What another step makes, or a tensor of the network's, by name."""

    name: str


@dataclass(slots=True)
class Step:
    """A call. `arguments` may hold `Ref`s, in lists too; `makes` are the names of the results, where there are several
    those of a list."""

    function: Callable[..., Any]
    arguments: list[Any]
    settings: dict[str, Any]
    makes: list[str]
    stack: Stack = ()
    several: bool = False


class Scope(nn.Module):
    """A module of the network's: holds tensors and modules, and computes what is run in it."""

    def forward(self, compute: Callable[[], None]) -> None:
        compute()


class Network(nn.Module):
    """The network. Its parts, parameters and buffers have the names of the file, which may be any that a module's part
    can have: so it has no attributes of its own, and `forward` is a method of the replay."""

    def __init__(self, forward: Callable[..., Any]):
        super().__init__()
        self.forward = forward


class Replay:
    """What makes a network from a file, and runs it."""

    def __init__(self, inputs: Sequence[str], classes: Mapping[str, str]):
        self.module = Network(self.run)
        self.inputs = list(inputs)
        self.steps: list[Step] = []
        self.returns: Any = None
        self._classes = classes
        self._state: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def scope(self, path: str) -> nn.Module:
        """The module at a path, made where there is none."""
        found: nn.Module = self.module
        names = path.split(".") if path else []
        for end, name in enumerate(names, 1):
            if name not in found._modules:
                word = self._classes.get(".".join(names[:end]), "").rpartition(".")[2]
                found.add_module(name, type(word if word.isidentifier() else "Scope", (Scope,), {})())
            found = found._modules[name]  # type: ignore[assignment]
        return found

    def hold(self, ref: str, name: str, tensor: Tensor, learned: bool, kept: bool = True) -> None:
        """A tensor of the network's, which steps know as `ref`. A parameter stays the object that it is."""
        path, _, own = name.rpartition(".")
        if learned:
            made = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor, tensor.is_floating_point())
            self.scope(path).register_parameter(own, made)
        else:
            self.scope(path).register_buffer(own, tensor, persistent=kept)
        self._state[ref] = name

    def join(self) -> None:
        """Has modules with the same tensors under the same names be one module, as what is shared is, where they are of
        one class or the later is never called."""
        held: dict[str, list[tuple[str, int]]] = {}
        learned = self.module.named_parameters(remove_duplicate=False)
        for name, tensor in (*learned, *self.module.named_buffers(remove_duplicate=False)):
            parts = name.split(".")
            for end in range(1, len(parts)):
                held.setdefault(".".join(parts[:end]), []).append((".".join(parts[end:]), id(tensor)))
        first: dict[tuple[tuple[str, int], ...], str] = {}
        for path in sorted(held, key=lambda path: path.count(".")):
            home = first.setdefault(tuple(sorted(held[path])), path)
            if home != path and self._classes.get(path, self._classes.get(home)) == self._classes.get(home):
                above, _, last = path.rpartition(".")
                self.module.get_submodule(above)._modules[last] = self.module.get_submodule(home)

    def count(self, mean: Tensor) -> None:
        """Counts a batch that a norm with this running mean has seen."""
        for ref, name in self._state.items():
            if self._values[ref] is mean:
                home = self.module.get_submodule(name.rpartition(".")[0])
                if (counter := getattr(home, "num_batches_tracked", None)) is not None:
                    counter.add_(1)
                return

    def run(self, *inputs: Any) -> Any:
        """The outputs, as the file returns them."""
        self._values = dict(zip(self.inputs, inputs, strict=True))
        for ref, name in self._state.items():
            path, _, own = name.rpartition(".")
            self._values[ref] = getattr(self.module.get_submodule(path), own)
        self._run(self.steps, 0)
        made = pytree.tree_map_only(Ref, lambda ref: self._values[ref.name], self.returns)
        self._values = {}
        return made

    def _run(self, steps: Iterable[Step], depth: int) -> None:
        for call, inside in itertools.groupby(steps, lambda s: s.stack[depth] if depth < len(s.stack) else None):
            if call is None:
                for step in inside:
                    self._take(step)
            else:
                self.module.get_submodule(call[0])(partial(self._run, list(inside), depth + 1))

    def _take(self, step: Step) -> None:
        arguments, settings = pytree.tree_map_only(
            Ref, lambda ref: self._values[ref.name], (step.arguments, step.settings)
        )
        try:
            made = step.function(*arguments, **settings)
        except Unsayable as error:
            path = step.stack[-1][0] if step.stack else ""
            raise missing("the network", [Missing(str(error), path, "")]) from None
        self._values |= dict(zip(step.makes, made if step.several else [made], strict=False))


@dataclass(frozen=True, slots=True)
class Stored:
    """A network from a file; the type and the sizes of each input, of which those with a name are open; and what these
    usually are, as far as the file says it."""

    net: Replay
    inputs: list[tuple[torch.dtype, list[int | str]]]
    usual: dict[int | str, int]
