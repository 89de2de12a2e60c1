"""Functions of each element, as one table."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, NamedTuple

from ..ir.lowering import In, Lowering, Program, function
from ..ir.memory import INPUT, NOTHING, OUTPUT, Held
from ..ir.op import Facts, LayerError, Op, Trait
from ..ir.sizes import Size
from ..ir.types import TensorType
from ..ir.words import met
from .maps import OF_MASKS, OF_NUMBERS, describe, need_float


class Function(Op):
    """A function of each element. Output: the input's shape."""

    family = "function"
    traits = Trait.ELEMENTWISE
    is_module = False
    dtypes: ClassVar[tuple[str, ...]] = ("float",)
    gives_real: ClassVar[bool] = False
    """Whether whole numbers become real ones."""
    target: ClassVar[str]

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype not in self.dtypes:
            if "float" in self.dtypes and "int" not in self.dtypes:
                need_float(self.kind, x)
            hints = OF_NUMBERS if self.dtypes == ("bool",) else OF_MASKS
            wanted = {"bool": "truth values"}.get(self.dtypes[0], "numbers")
            raise LayerError("E0407", f"{self.kind} takes {wanted}, and gets {describe(x)}", *hints)
        return (x.with_dtype("float"),) if self.gives_real else inputs

    def allocates(self, inputs: tuple[TensorType, ...]) -> bool:
        return inputs[0].dtype == "float" and self.saved is not None and not self.saved.output

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return Program((function(self.target, In(0)),))


def _where(legal: Callable[[Any], bool], wanted: str, number: Callable[[Any], float]) -> Callable[[Any], float]:
    """A function of the numbers that are legal."""

    def checked(value: Any) -> float:
        if not legal(value):
            raise ValueError(f"takes {wanted}, and this is {met(value)}")
        return number(value)

    return checked


def _whole(rounded: Callable[[Any], int]) -> Callable[[Any], Any]:
    """A function that makes a number whole; sizes are whole."""
    return lambda value: value if isinstance(value, Size) else rounded(value)


def _round(value: Any, digits: int = 0) -> Any:
    if isinstance(value, Size) or (isinstance(value, int) and digits >= 0):
        return value
    return round(float(value), digits) if digits else round(value)


def _sign(value: Any) -> int:
    return (value > 0) - (value < 0)


_POSITIVE = "positive numbers"


class _Row(NamedTuple):
    """A function: what it is, what its gradient is made of, and the same function of a plain number."""

    doc: str
    saved: Held
    of_number: Callable[..., Any] | None
    traits: Trait = Trait(0)
    dtypes: tuple[str, ...] = ("float",)
    gives_real: bool = False


_KEEPS, _NEVER, _BOTH = Trait.KEEPS_NONNEGATIVE, Trait.NONNEGATIVE, ("float", "int")
_LINEAR, _SMOOTH = Trait.PIECEWISE_LINEAR, Trait.ANALYTIC
_ROWS = {
    "abs": _Row("The size of each element, without its sign.", INPUT, abs, _NEVER | _LINEAR, _BOTH),
    "ceil": _Row("Each element rounded up to a whole number.", NOTHING, _whole(math.ceil), _KEEPS),
    "cos": _Row("The cosine of each element, an angle in radians.", INPUT, math.cos, _SMOOTH),
    "erf": _Row(
        "The error function, 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x.",
        INPUT,
        math.erf,
        _KEEPS | _SMOOTH,
    ),
    "exp": _Row("e to the power of each element.", OUTPUT, math.exp, _NEVER | _SMOOTH),
    "expm1": _Row("exp(x) - 1, exact for small elements too.", OUTPUT, math.expm1, _KEEPS | _SMOOTH),
    "floor": _Row("Each element rounded down to a whole number.", NOTHING, _whole(math.floor), _KEEPS),
    "log": _Row("The natural logarithm of each element.", INPUT, _where(lambda v: v > 0, _POSITIVE, math.log)),
    "log1p": _Row(
        "log(1 + x), exact for small elements too.",
        INPUT,
        _where(lambda v: v > -1, "numbers above -1", math.log1p),
        _KEEPS,
    ),
    "logical_not": _Row("True where a truth value is false: `not mask`.", NOTHING, None, _NEVER, ("bool",)),
    "reciprocal": _Row(
        "1 / x for each element, a real number: `1 / x`.",
        OUTPUT,
        _where(lambda v: v != 0, "numbers other than 0", lambda v: 1 / v),
        _KEEPS,
        _BOTH,
        gives_real=True,
    ),
    "round": _Row(
        "Each element rounded to the nearest whole number, halves to the even one. `round(x, 2)` of a number keeps two "
        "digits.",
        NOTHING,
        _round,
        _KEEPS,
    ),
    "rsqrt": _Row(
        "1 / sqrt(x) for each element.", OUTPUT, _where(lambda v: v > 0, _POSITIVE, lambda v: 1 / math.sqrt(v)), _NEVER
    ),
    "sign": _Row("-1, 0 or 1, as each element is below, at or above 0.", NOTHING, _sign, _KEEPS, _BOTH),
    "sin": _Row("The sine of each element, an angle in radians.", INPUT, math.sin, _SMOOTH),
    "sqrt": _Row(
        "The root of each element.", OUTPUT, _where(lambda v: v >= 0, "no negative number", math.sqrt), _NEVER
    ),
    "tan": _Row("The tangent of each element, an angle in radians.", OUTPUT, math.tan),
}


def _of_numbers(of_number: Callable[..., Any] | None) -> Any:
    return None if of_number is None else staticmethod(lambda numbers: of_number(*numbers))


@cache
def _declared(kind: str) -> type[Function]:
    row = _ROWS[kind]
    facts: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": f"{row.doc} Output: the input's shape.",
        "kind": kind,
        "target": f"torch.{kind}",
        "saved": row.saved,
        "traits": Trait.ELEMENTWISE | row.traits,
        "dtypes": row.dtypes,
        "gives_real": row.gives_real,
        "of_numbers": _of_numbers(row.of_number),
    }
    return type(kind, (Function,), facts)


def __getattr__(name: str) -> Any:
    """The function of this name: each is declared when the registry asks for it."""
    if name in _ROWS:
        return _declared(name)
    raise AttributeError(name)
