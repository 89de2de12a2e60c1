"""What a module asserts of the sizes that it gets, where torch takes any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..ir.formulas import Formula
from ..ir.graph import Graph
from ..ir.lowering import In, Step, function, method
from ..ir.sizes import Size
from .run_time import formula_steps, open_axes, run_time_size, symbol_sizes, telling

ASSERT = "torch._assert"
_RELATIONS = {"==": "operator.eq", ">=": "operator.ge", "<=": "operator.le"}


def size_checks(graph: Graph) -> list[Step]:
    """Assertions that the sizes of the inputs are legal, `In(0)` being the first of these: those that are declared by
    one symbol are in its relation, and what torch does not see to holds. What no input tells is left out."""
    made = [(_condition(graph, formula), formula) for formula in graph.requirements.unenforced.own.formulas()]
    required = [function(ASSERT, step, _message(graph, formula)) for step, formula in made if step is not None]
    return [*_declared(graph), *required]


def _declared(graph: Graph) -> Iterator[Step]:
    """Assertions that open sizes are as they are declared, `8 * h` or the `H` of another axis."""
    axes = open_axes(tuple([entry.type for entry in graph.inputs]))
    known, tells = symbol_sizes(axes), {place[:2] for place in telling(axes).values()}
    for i, axis, d in axes:
        entry, size = graph.inputs[i], method("size", In(i), axis)
        for condition in _multiple(size, d) if (i, axis) in tells else _same(size, formula_steps(d, known)):
            yield function(ASSERT, condition, f"{entry.name} {entry.type} needs {d} on axis {axis}")


def _multiple(size: Step, declared: Size) -> Iterator[Step]:
    """That a size is a multiple of something from 1 on, with a number added."""
    (factor,) = declared.terms.values()
    if factor > 1:
        yield function("operator.eq", function("operator.mod", size, factor), declared.constant % factor)
    if declared.constant > 0:
        yield function("operator.ge", size, factor + declared.constant)


def _same(size: Step, told: Any) -> Iterator[Step]:
    if told is not None:
        yield function("operator.eq", size, told)


def _condition(graph: Graph, formula: Formula) -> Step | None:
    inputs = tuple([entry.type for entry in graph.inputs])
    left, right = run_time_size(formula.left, inputs), run_time_size(formula.right, inputs)
    if left is None or right is None:
        return None
    if formula.modulus:
        left = function("operator.mod", left, formula.modulus)
    return function(_RELATIONS[formula.relation], left, right)


def _message(graph: Graph, formula: Formula) -> str:
    """What fails, in the words of the spec: `x [N, 3, H, W] needs H >= 2`."""
    needed = formula.symbols()
    shown = [f"{entry.name} {entry.type}" for entry in graph.inputs if needed & entry.type.symbols]
    return f"{' and '.join(shown)} need{'s' * (len(shown) == 1)} {formula}"
