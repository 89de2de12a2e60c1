"""What expressions evaluate to.

Numbers, booleans, strings, lists, initialisers and symbolic sizes are Python's own values or the intermediate
representation's. The others are a `Value`: tensors, which are here, networks, and what can be called. A flat tuple of
tensors is a Python tuple; a list of the language is a Python list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from ...dsl.source import Span
from ..ir.initialisers import Initialiser
from ..ir.sizes import Size
from ..ir.types import TensorType

if TYPE_CHECKING:
    from ..ir.graph import Scope
    from .machine import Machine
    from .sharing import Bound

_NEEDED = "networks are layers, blocks, lists of them, and what `->`, `+` and `**` make of them"


class Value:
    """A value of the language that Python has no type for."""

    __slots__ = ()

    needed: ClassVar[str] = _NEEDED
    """The hint where a network is needed, and this is none."""

    def __str__(self) -> str:
        return self.described

    @property
    def described(self) -> str:
        """The value in the words of a diagnostic."""
        return "a value"

    @property
    def spelled(self) -> Any:
        """The value as it is given from outside: its text in a spec, where it has one."""
        return self

    @property
    def plain(self) -> Any:
        """The value as layers take it."""
        return self

    @property
    def key(self) -> Any:
        """What is equal for values that mean the same."""
        return self

    @property
    def has_weights(self) -> bool:
        """Whether applying it surely makes parameters, beside those of its children."""
        return False

    @property
    def children(self) -> Sequence[Any]:
        """The values that it is made of, where it is a network."""
        return ()

    def network(self, span: Span) -> Network | None:
        """The network that it stands for at `span`, None where it stands for none."""
        return None


class Network(Value):
    """A recipe for a function from tensors to tensors."""

    __slots__ = ()

    composite: ClassVar[bool] = False
    """Whether what it applies belongs into a scope of its own under a label."""
    splices: ClassVar[bool] = False
    """Whether it is as many elements of a list as it has applications, and numbers them."""

    def apply(self, machine: Machine, inputs: Tensors, pending: Pending) -> Result:
        """The outputs, under the name that is pending. Raises a Fault where the inputs do not fit."""
        raise NotImplementedError

    def entitle(self, scope: Scope) -> None:
        """Notes in the scope of its own, where it has one, what is in there."""

    def network(self, span: Span) -> Network:
        return self

    @property
    def described(self) -> str:
        return "a network"

    @property
    def spelled(self) -> Any:
        span = getattr(self, "span", None)
        return self.described if span is None else span.text


class Poison:
    """The value of what has already been reported: whatever meets it stays silent."""

    def __repr__(self) -> str:
        return "poison"


POISON = Poison()


@dataclass(slots=True, eq=False, repr=False)
class Tensor(Value):
    """One output of a node."""

    node: int
    port: int
    type: TensorType

    @property
    def described(self) -> str:
        return f"a tensor {self.type}"


@dataclass(slots=True, eq=False, repr=False)
class Label:
    """An evaluated label: dotted segments, and where it is written."""

    segments: tuple[str, ...]
    span: Span


Pending = Label | int | None
"""The name that waits for the next thing applied: a label, an element's number, or none."""
Tensors = tuple[Tensor, ...]
Result = Tensors | Poison


class Listed(list[Any]):
    """A list of the language, which knows how many values it holds, those of lists in it included.

    `bound` is the network that the list stands for where a body names it; `networks` says whether there are any in it,
    where somebody has asked.
    """

    __slots__ = ("_key", "bound", "extent", "networks")

    def __init__(self, values: Iterable[Any]):
        super().__init__(values)
        self.extent = extent(self)
        self.bound: Bound | None = None
        self.networks: bool | None = None
        self._key: _ListKey | None = None

    @property
    def key(self) -> Any:
        """What is equal for lists of equal values, made once: a long list may be an argument of many calls."""
        if self._key is None:
            self._key = _ListKey(self)
        return self._key


def extent(values: list[Any]) -> int:
    """How many values a list holds, those of lists in it included."""
    return len(values) + sum(map(extent_of, values))


def extent_of(value: Any) -> int:
    """How many values there are in a value that may be a list or a tuple of tensors."""
    if isinstance(value, Listed):
        return value.extent
    return extent(value) if isinstance(value, list) else len(value) if isinstance(value, tuple) else 0


@dataclass(slots=True, eq=False, repr=False)
class Outside:
    """A parameter's value from outside of the language: plain, and texts may stand for networks."""

    value: Any


@dataclass(slots=True, eq=False, repr=False)
class Later:
    """A constant of a file, above the place where it is defined."""

    span: Span


# --- questions about values ------------------------------------------------------------------

NUMBERS = (int, float, Fraction, Size)


def is_number(value: Any) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, bool)


def is_tensors(value: Any) -> bool:
    """A tensor, or a tuple of tensors."""
    return isinstance(value, (Tensor, tuple))


def as_tensors(value: Any) -> Tensors | None:
    """A tensor, a tuple of tensors or a list of tensors as a flat tuple; None for anything else."""
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, tuple):
        return value
    if isinstance(value, list) and value and all(isinstance(v, (Tensor, tuple)) for v in value):
        flat: list[Tensor] = []
        for item in value:
            flat.extend((item,) if isinstance(item, Tensor) else item)
        return tuple(flat)
    return None


def one(tensors: Any) -> Any:
    """A flat tuple of one tensor is that tensor."""
    return tensors[0] if isinstance(tensors, tuple) and len(tensors) == 1 else tensors


def plain(value: Any) -> Any:
    """A value as layers take it: exact ratios become integers or doubles."""
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else float(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value.plain if isinstance(value, Value) else value


def spelled(value: Any) -> Any:
    """A parameter's value as it may be given from outside: what is not plain as its text in the spec."""
    if isinstance(value, list):
        return [spelled(item) for item in value]
    return value.spelled if isinstance(value, Value) else value


def key_of(value: Any) -> Any:
    """What is equal, and has an equal hash, for values that mean the same.

    1, 1.0, 1/1 and true are four values, 0.0 and -0.0 are two. Arguments by name are in the order of the parameters, as
    `bind` gives them.
    """
    kind = type(value)
    if kind is int or kind is str:
        return value
    if kind is bool or kind is Fraction:
        return kind, value
    if kind is float:
        return kind, value.hex()
    if kind is Listed:
        return value.key
    if kind is list:
        return _ListKey(value)
    if kind is tuple:
        return (tuple, *[key_of(v) for v in value])
    if kind is dict:
        return tuple([(k, v if type(v) is int else key_of(v)) for k, v in value.items()])
    if kind is Initialiser:
        return kind, value.kind, key_of(value.arguments)
    if isinstance(value, Value):
        return kind, value.key
    try:
        hash(value)
    except TypeError:
        return _Same(value)
    return value


class _ListKey:
    """The key of a list, which computes its hash once."""

    __slots__ = ("hash", "keys")

    def __init__(self, values: list[Any]):
        self.keys = tuple(map(key_of, values))
        self.hash = hash((list, self.keys))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, _ListKey) and self.hash == other.hash and self.keys == other.keys

    def __hash__(self) -> int:
        return self.hash


@dataclass(slots=True, frozen=True, eq=False)
class _Same:
    """The key of what has no hash: equal to that of the same object alone, which it keeps alive."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def describe(value: Any) -> str:
    """The value in the words of a diagnostic: `the number 3`, `a network`."""
    match value:
        case None:
            return "none"
        case bool():
            return f"the boolean {'true' if value else 'false'}"
        case Size():
            return f"the size {value}"
        case int() | float() | Fraction():
            return f"the number {value}"
        case str():
            return f'the string "{value[:40]}"'
        case list():
            return f"a list of {len(value)}"
        case tuple():
            return f"{len(value)} tensors side by side"
    return getattr(value, "described", "a value")
