"""Sizes that a lowering needs at run time, read off the inputs."""

from __future__ import annotations

from typing import Any

from ..ir.lowering import In, function, method
from ..ir.op import LayerError
from ..ir.sizes import Atom, Dim, Size
from ..ir.types import TensorType

_FACTORS = range(2, 65)
"""The ratios of a size to an input's that are tried before its formula is: pooling and patches divide by these."""
_DEPTH = 24


def run_time_size(size: Dim, inputs: tuple[TensorType, ...]) -> Any:
    """The size as an argument of a step: a number, or steps that read it off an input; None where no input tells."""
    if isinstance(size, int):
        return size
    axes = [(i, axis, d) for i, x in enumerate(inputs) for axis, d in enumerate(x.dims) if isinstance(d, Size)]
    for i, axis, d in axes:
        if d == size:
            return method("size", In(i), axis)
    for i, axis, d in axes:
        for k in _FACTORS:
            if d // k == size:
                return function("operator.floordiv", method("size", In(i), axis), k)
            if d * k == size:
                return function("operator.mul", method("size", In(i), axis), k)
    return _formula(size, _symbols(axes), _DEPTH)


def required_size(size: Dim, inputs: tuple[TensorType, ...], what: str, *hints: str) -> Any:
    """Like `run_time_size`, but a size that no input tells is an error."""
    found = run_time_size(size, inputs)
    if found is None:
        shown = " and ".join(map(str, inputs))
        raise LayerError("E0406", f"{what}: the size {size} cannot be read off {shown} when the module runs", *hints)
    return found


def _symbols(axes: list[tuple[int, int, Size]]) -> dict[str, Any]:
    """The symbols that an input's size is a multiple of, perhaps with something added."""
    found: dict[str, Any] = {}
    for i, axis, d in axes:
        if len(d.terms) != 1:
            continue
        ((atoms, factor),) = d.terms.items()
        if len(atoms) != 1 or atoms[0].kind != "symbol" or factor < 1 or atoms[0].name in found:
            continue
        value = method("size", In(i), axis)
        if d.constant:
            value = function("operator.sub", value, d.constant)
        found[atoms[0].name] = value if factor == 1 else function("operator.floordiv", value, factor)
    return found


def _formula(size: Dim, symbols: dict[str, Any], depth: int) -> Any:
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
    above, below = (_formula(d, symbols, depth) for d in atom.operands)
    return None if above is None or below is None else function("operator.floordiv", above, below)
