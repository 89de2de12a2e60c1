"""What a module asserts of the sizes that it gets, where torch takes any."""

from __future__ import annotations

from ..ir.formulas import Formula
from ..ir.graph import Graph
from ..ir.lowering import Step, function
from .run_time import run_time_size

ASSERT = "torch._assert"
_RELATIONS = {"==": "operator.eq", ">=": "operator.ge", "<=": "operator.le"}


def size_checks(graph: Graph) -> list[Step]:
    """Assertions that the sizes of the inputs are legal, `In(0)` being the first of these. What no input tells is left
    out."""
    made = [(_condition(graph, formula), formula) for formula in graph.requirements.unenforced.own.formulas()]
    return [function(ASSERT, step, _message(graph, formula)) for step, formula in made if step is not None]


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
