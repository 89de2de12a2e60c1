"""How an op becomes torch, as data: torch is not imported to say it.

Two emitters read this, one that builds `torch.fx` graphs and one that writes Python source. Targets are dotted names
(`torch.nn.Conv2d`, `torch.nn.functional.pad`, `torch.cat`, `operator.add`); nothing from a spec ever becomes one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class In:
    """The op's input number `index`, as an argument of a step or a call."""

    index: int


@dataclass(frozen=True, slots=True)
class Ins:
    """All inputs of the op, spread as a list."""


@dataclass(frozen=True, slots=True)
class WeightRef:
    """A weight that the op declares in `weights()`, for ops that are no torch module."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One call. `kind` is `"function"` (target a dotted name), `"method"` (target a method of the first argument).

    Arguments are numbers, strings, booleans, None, lists, tuples, dicts and Python `slice`s of those (indexing is
    `operator.getitem` with them), `In`, `Ins`, `WeightRef`, `Name` and earlier steps, which stand for their results. A
    step that several arguments or results refer to is one object, computed once.
    """

    kind: str
    target: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Name:
    """A torch constant such as `torch.float32`, by dotted name."""

    target: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What a module returns, as an argument of a step."""


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """The op is a torch module: `target(*args, **kwargs)`, called with the op's inputs.

    `inputs` are the call's positional arguments (all inputs in order unless told): each an `In`, or a `Step` that
    prepares one (pads a map unevenly, flattens a 1x1 map) and is no part of the module, or a tuple of those.
    `call_kwargs` are further ones. `results` are the op's outputs, made of what the module returns, `Returned`, where
    they are not simply that.
    """

    target: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...] | None = None
    call_kwargs: dict[str, Any] = field(default_factory=dict)
    results: tuple[Step, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the module gets the layer's one input as it is, and gives its output as it is."""
        return self.inputs in (None, (In(0),)) and not self.call_kwargs and self.results is None


@dataclass(frozen=True, slots=True)
class Program:
    """The op is a few calls in a row. `results` has one step (or `In`) for each output of the op: where these are items
    of one tuple they are all of its items."""

    results: tuple[Any, ...]


Lowering = ModuleCall | Program


class Epilogue(NamedTuple):
    """A function of each element as the last step of a kernel that computes a layer: its name among oneDNN's, with what
    parameters, and which way of computing it."""

    name: str
    scalars: tuple[float, ...] = ()
    algorithm: str = ""


def function(target: str, *args: Any, **kwargs: Any) -> Step:
    return Step("function", target, args, kwargs)


def method(target: str, *args: Any, **kwargs: Any) -> Step:
    return Step("method", target, args, kwargs)
