"""Sizes that a lowering needs at run time, read off the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.lowering import In, function, method
from ..ir.op import LayerError
from ..ir.sizes import Atom, Dim, Size
from ..ir.types import TensorType

FACTORS = range(2, 65)
"""The ratios of a size to an input's that are tried before its formula is: pooling and patches divide by these."""
DEPTH = 24
"""How deep formulas are looked into."""


Axes = Sequence[tuple[int, int, Size]]
"""Axes of open sizes: of which input, which one, and its size."""


def open_axes(inputs: tuple[TensorType, ...]) -> Axes:
    return [(i, axis, d) for i, x in enumerate(inputs) for axis, d in enumerate(x.dims) if isinstance(d, Size)]


def run_time_size(size: Dim, inputs: tuple[TensorType, ...]) -> Any:
    """The size as an argument of a step: a number, or steps that read it off an input; None where no input tells."""
    if isinstance(size, int):
        return size
    axes = open_axes(inputs)
    for i, axis, d in axes:
        if d == size:
            return method("size", In(i), axis)
    for i, axis, d in axes:
        for k in FACTORS:
            if d // k == size:
                return function("operator.floordiv", method("size", In(i), axis), k)
            if d * k == size:
                return function("operator.mul", method("size", In(i), axis), k)
    return formula_steps(size, symbol_sizes(axes))


def required_size(size: Dim, inputs: tuple[TensorType, ...], what: str, *hints: str) -> Any:
    """Like `run_time_size`, but a size that no input tells is an error."""
    found = run_time_size(size, inputs)
    if found is None:
        shown = " and ".join(map(str, inputs))
        raise LayerError("E0406", f"{what}: the size {size} cannot be read off {shown} when the module runs", *hints)
    return found


def telling(axes: Axes) -> dict[str, tuple[int, int, Size]]:
    """For each symbol the first axis whose size is a multiple of it, perhaps with something added, which tells it."""
    found: dict[str, tuple[int, int, Size]] = {}
    for i, axis, d in axes:
        name = multiple_of(d)
        if name is not None:
            found.setdefault(name, (i, axis, d))
    return found


def multiple_of(size: Size) -> str | None:
    """The symbol of which a size is a multiple, perhaps with a number added."""
    ((atoms, factor), *more) = size.terms.items()
    return atoms[0].name if not more and factor > 0 and len(atoms) == 1 and atoms[0].kind == "symbol" else None


def symbol_sizes(axes: Axes) -> dict[str, Any]:
    """Steps for each symbol that an axis tells."""
    found: dict[str, Any] = {}
    for name, (i, axis, d) in telling(axes).items():
        (factor,) = d.terms.values()
        value = method("size", In(i), axis)
        if d.constant:
            value = function("operator.sub", value, d.constant)
        found[name] = value if factor == 1 else function("operator.floordiv", value, factor)
    return found


def formula_steps(size: Dim, symbols: dict[str, Any], depth: int = DEPTH) -> Any:
    """Steps that compute the size from its symbols, None where one is unknown."""
    if isinstance(size, int):
        return size
    total: Any = None
    for atoms, factor in size.terms.items():
        term: Any = None
        for atom in atoms:
            value = _atom(atom, symbols, depth - 1) if depth else None
            if value is None:
                return None
            term = value if term is None else function("operator.mul", term, value)
        term = term if factor == 1 else function("operator.mul", term, factor)
        total = term if total is None else function("operator.add", total, term)
    if size.constant < 0:
        return function("operator.sub", total, -size.constant)
    return function("operator.add", total, size.constant) if size.constant else total


def _atom(atom: Atom, symbols: dict[str, Any], depth: int) -> Any:
    if atom.kind == "symbol":
        return symbols.get(atom.name)
    if atom.kind != "//":
        return None
    above, below = (formula_steps(d, symbols, depth) for d in atom.operands)
    return None if above is None or below is None else function("operator.floordiv", above, below)
