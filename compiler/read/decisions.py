"""What the Python of a module decides by the sizes of tensors: a graph holds one outcome of each `if`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, refused
from ...dsl.quoting import quoted
from ..emit.check import placement, running
from ..emit.export import quiet
from ..emit.private import deciding_sizes
from ..ir.graph import Graph, is_under
from ..ir.requirements import Requirements
from ..ir.sizes import Dim, substitute, symbols
from .untraceable import place_of

_SIGNS = {
    "StrictGreaterThan": ">",
    "GreaterThan": ">=",
    "StrictLessThan": "<",
    "LessThan": "<=",
    "Equality": "==",
    "Unequality": "!=",
}
_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
_DIVISIONS = {"FloorDiv": operator.floordiv, "CleanDiv": operator.floordiv, "Mod": operator.mod}
_DIVISIONS |= {"PythonMod": operator.mod}

_NUMBER = "use the size itself, as `x.shape[0]`: what Python does with the number of `int` or `len` cannot be followed"


def refuse_decisions(
    graph: Graph, module: nn.Module, inputs: Sequence[Tensor], shown: Sequence[Tensor], hosts: Collection[str]
) -> None:
    """Runs the module in both modes without numbers, with symbols for the sizes that the graph leaves open. What
    torch's own code decides is left out: its layers are read as layers, which have conditions of their own. So are
    parts at the paths `hosts`, which keep their code. `shown` are the inputs as they were given.

    Raises ArchError (E1210) where a decision does not come out the same at all legal sizes, or is too long to tell.
    """
    fixed = {name: graph.nominal[name] for name in graph.requirements.fixed()}
    sizes = [[substitute(dim, fixed) for dim in entry.type.dims] for entry in graph.inputs]
    open_axes = {
        (entry, axis) for entry, row in enumerate(sizes) for axis, dim in enumerate(row) if not isinstance(dim, int)
    }
    dims: dict[Any, Dim] = {}
    known: set[tuple[Any, Any]] = set()
    refusals: list[ArchError] = []

    def decide(asked: Any, came: Any, frame: FrameType) -> None:
        if (asked, came) in known:
            return
        known.add((asked, came))
        part, at = place_of(module, frame)
        if any(is_under(part, host) for host in hosts) or _always(asked, came, dims, graph.requirements):
            return
        names = {name for symbol in asked.free_symbols for name in symbols(dims[symbol])}
        message = (
            f"the module decides by `{_text(asked, came, dims)}`, which does not hold for every "
            f"{' and '.join(sorted(names))} that the architecture takes ({at})"
        )
        hints = [_hint(shown)] if isinstance(came, bool) else [_NUMBER, _hint(shown)]
        refusals.append(refused("E1210", message, *hints))
        raise refusals[0]

    device, _ = placement(module)
    for training in (False, True) if open_axes else ():
        mode, given, axes = deciding_sizes(inputs, open_axes, decide)
        dims |= {symbol: sizes[entry][axis] for symbol, (entry, axis) in axes.items()}
        try:
            with quiet(), mode, torch.no_grad(), running(module, device, training):
                module(*given)
        except Exception as error:  # whatever the module or torch raises is the finding
            if not refusals:
                name = type(module).__name__
                message = f"what {name} decides by sizes cannot be found: {type(error).__name__}: {quoted(error)}"
                refusals.append(refused("E1210", message, _hint(shown)))
        if refusals:
            raise refusals[0] from None


def _hint(inputs: Sequence[Tensor]) -> str:
    shapes = str([list(x.shape) for x in inputs])
    how = f"`sizes={shapes}` in `archc.from_torch` reads the module at these sizes alone, or at others that you say"
    return f"{how}; `.source()` of it is a spec for the command line"


def _always(asked: Any, came: Any, dims: Mapping[Any, Dim], known: Requirements) -> bool:
    """Whether a decision comes out so at all sizes that the requirements allow."""
    if not isinstance(came, bool):
        size = _dim(asked, dims)
        return size is not None and size == came
    return _holds(asked, came, dims, known)


def _holds(asked: Any, came: bool, dims: Mapping[Any, Dim], known: Requirements) -> bool:
    kind = type(asked).__name__
    if kind in ("BooleanTrue", "BooleanFalse"):
        return (kind == "BooleanTrue") == came
    if kind == "Not":
        return _holds(asked.args[0], not came, dims, known)
    if kind in ("And", "Or"):
        every = all if (kind == "And") == came else any
        return every(_holds(part, came, dims, known) for part in asked.args)
    if kind not in _SIGNS:
        return False
    left, right = (_dim(side, dims) for side in asked.args)
    if left is None or right is None:
        return False
    sign = _SIGNS[kind] if came else _OPPOSITE[_SIGNS[kind]]
    follows = {
        ">": [lambda r: r.at_least(left, right + 1)],
        ">=": [lambda r: r.at_least(left, right)],
        "<": [lambda r: r.at_least(right, left + 1)],
        "<=": [lambda r: r.at_least(right, left)],
        "==": [lambda r: r.equal(left, right)],
        "!=": [lambda r: r.at_least(left, right + 1), lambda r: r.at_least(right, left + 1)],
    }
    return any(_follows(known, claim) for claim in follows[sign])


def _follows(known: Requirements, claim: Callable[[Requirements], bool]) -> bool:
    """Whether a claim holds wherever the requirements do: it adds nothing to them."""
    more = deepcopy(known)
    return claim(more) and more.describe() == known.describe()


def _dim(asked: Any, dims: Mapping[Any, Dim]) -> Dim | None:
    """A size of torch's as one of the language's, None where this has no such."""
    kind = type(asked).__name__
    if asked in dims:
        return dims[asked]
    if asked.is_Integer:
        return int(asked)
    parts: list[Any] = [_dim(part, dims) for part in asked.args]
    if not parts or any(part is None for part in parts):
        return None
    first, *others = parts
    if kind in ("Add", "Mul"):
        for other in others:
            first = operator.add(first, other) if kind == "Add" else operator.mul(first, other)
        return first
    if kind == "Pow" and isinstance(others[0], int) and others[0] > 0:
        return operator.pow(first, others[0])
    if kind in _DIVISIONS and isinstance(others[0], int) and others[0] > 0:
        return _DIVISIONS[kind](first, others[0])
    return None


def _text(asked: Any, came: Any, dims: Mapping[Any, Dim]) -> str:
    """The condition, as it came out, in the names of the architecture."""
    kind = type(asked).__name__
    if kind in _SIGNS:
        left, right = (_side(side, dims) for side in asked.args)
        return f"{left} {_SIGNS[kind] if came else _OPPOSITE[_SIGNS[kind]]} {right}"
    whole = _side(asked, dims)
    return f"{whole} == {came}" if not isinstance(came, bool) else whole if came else f"not ({whole})"


def _side(asked: Any, dims: Mapping[Any, Dim]) -> str:
    if type(asked).__name__ in ("Mod", "PythonMod"):
        left, right = (_side(side, dims) for side in asked.args)
        return f"{left} % {right}" if left.isidentifier() else f"({left}) % {right}"
    size = _dim(asked, dims)
    if size is not None:
        return str(size)
    text = str(asked)
    for symbol in sorted(asked.free_symbols, key=lambda s: -len(str(s))):
        text = text.replace(str(symbol), str(dims[symbol]))
    return text
