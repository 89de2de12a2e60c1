"""What a module asserts of the sizes that it gets, where torch takes any."""

from __future__ import annotations

from collections.abc import Iterator

from ..ir.formulas import Formula
from ..ir.graph import Graph
from ..ir.lowering import In, Step, function, method
from ..ir.sizes import Size
from .run_time import formula_step, run_time_size

ASSERT = "torch._assert"
_RELATIONS = {"==": "operator.eq", ">=": "operator.ge", "<=": "operator.le"}


def size_checks(graph: Graph) -> list[Step]:
    """Assertions about the inputs of the graph, `In(0)` being the first: they are what the spec says, and the sizes are
    legal. What no input tells is left out."""
    made = [(_condition(graph, formula), formula) for formula in graph.requirements.unenforced.own.formulas()]
    needed = [function(ASSERT, step, _message(graph, formula)) for step, formula in made if step is not None]
    return [*_forms(graph), *needed]


def _forms(graph: Graph) -> Iterator[Step]:
    """That multiples are multiples, and that what one symbol stands for is one size, batches left out."""
    known: dict[str, Step] = {}
    for place, entry in enumerate(graph.inputs):
        for axis, dim in enumerate(entry.type.dims):
            if not isinstance(dim, Size) or (axis == 0 and entry.type.has_batch):
                continue
            size, message = method("size", In(place), axis), f"axis {axis} of {entry.name} {entry.type} is {dim}"
            parts = _multiple(dim)
            if parts is not None and parts[0] not in known:
                name, factor, constant = parts
                known[name] = size if not constant else function("operator.sub", size, constant)
                if factor > 1:
                    known[name] = function("operator.floordiv", known[name], factor)
                    rest = function("operator.mod", size, factor)
                    yield function(ASSERT, function("operator.eq", rest, constant % factor), message)
            elif (wanted := formula_step(dim, known)) is not None:
                yield function(ASSERT, function("operator.eq", size, wanted), message)


def _multiple(dim: Size) -> tuple[str, int, int] | None:
    """The symbol, factor and constant of `factor * symbol + constant`; None for another form."""
    (name, *more) = sorted(dim.symbols())
    if more or len(dim.terms) != 1:
        return None
    ((atoms, factor),) = dim.terms.items()
    return (name, factor, dim.constant) if len(atoms) == 1 and atoms[0].kind == "symbol" and factor > 0 else None


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
    return f"{' and '.join(shown)} needs {formula}"
