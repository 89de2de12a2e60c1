"""What expressions evaluate to.

Numbers, booleans, strings, lists, initialisers and symbolic sizes are Python's own values or the intermediate
representation's. The rest is here: tensors, networks (recipes that make nodes when applied), and what can be called.
A flat tuple of tensors is a Python tuple; a list of the language is a Python list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...dsl import ast
from ...dsl.source import Span
from ..ir.graph import Node, Scope
from ..ir.initialisers import Initialiser
from ..ir.op import Op
from ..ir.sizes import Size
from ..ir.types import TensorType

if TYPE_CHECKING:
    from ..ops.stochastic import Columns
    from .environment import Environment
    from .rewriting import Rewrite


class Poison:
    """The value of what has already been reported: whatever meets it stays silent."""

    def __repr__(self) -> str:
        return "poison"


POISON = Poison()


@dataclass(slots=True, eq=False, repr=False)
class Tensor:
    """One output of a node."""

    node: int
    port: int
    type: TensorType


@dataclass(slots=True, eq=False, repr=False)
class Label:
    """An evaluated label: dotted segments, and where it is written."""

    segments: tuple[str, ...]
    span: Span


class Listed(list[Any]):
    """A list of the language, which knows how many values it holds, those of lists in it included.

    `bound` is the network that the list stands for where a body names it and it has parameters.
    """

    __slots__ = ("bound", "extent")

    def __init__(self, values: Iterable[Any]):
        super().__init__(values)
        self.extent = extent(self)
        self.bound: Bound | None = None


def extent(values: list[Any]) -> int:
    """How many values a list holds, those of lists in it included."""
    return len(values) + sum(v.extent if isinstance(v, Listed) else extent(v) for v in values if isinstance(v, list))


@dataclass(slots=True, eq=False, repr=False)
class Outside:
    """A parameter's value from outside of the language: plain, and texts may stand for networks."""

    value: Any


@dataclass(slots=True, eq=False, repr=False)
class Later:
    """A constant of a file, above the place where it is defined."""

    span: Span


# --- networks --------------------------------------------------------------------------------


class Network:
    """A recipe for a function from tensors to tensors."""

    __slots__ = ()


class Identity(Network):
    __slots__ = ()


IDENTITY = Identity()


@dataclass(slots=True, eq=False, repr=False)
class Layer(Network):
    """A call of a layer, not yet applied: the architecture's defaults join its arguments when it is."""

    cls: type[Op]
    positional: tuple[Any, ...]
    keywords: dict[str, Any]
    span: Span
    op: Op | None = None
    call: ast.Call | None = None

    @property
    def bare(self) -> bool:
        """Whether it has no arguments, so that an arch may have something else in its place."""
        return not self.positional and not self.keywords


@dataclass(slots=True, eq=False, repr=False)
class Replacement:
    """What an arch has in the place of a bare layer: `default relu = act`. `used` is whether it met one."""

    layer: str
    network: Network | Poison
    span: Span
    used: bool = False


@dataclass(slots=True, eq=False, repr=False)
class WithTensors(Network):
    """A layer with tensors among its arguments (`crop(5, like = x)`), which join what is piped in."""

    layer: Layer
    tensors: tuple[Tensor, ...]
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Instance(Network):
    """A call of a block, elaborated where it is applied. `key` stands for the arguments among the block's recipes."""

    block: Block
    arguments: dict[str, Any]
    span: Span
    key: Any = None


@dataclass(slots=True, eq=False, repr=False)
class Recipe:
    """What a body came to on inputs of some types, where that is a network which depends on nothing else, and the
    networks that the body names."""

    network: Network
    bound: list[Bound]


@dataclass(slots=True, eq=False, repr=False)
class Fixed(Network):
    """An op with nothing left to decide, such as the sum behind `f + g`."""

    op: Op
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Chain(Network):
    parts: list[Any]
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Sequence(Network):
    """A list as a network: a chain whose elements are numbered."""

    items: list[Any]
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Repeat(Network):
    """`f ** n`; with `labels` where a numbered label (`a{1..}: f ** n`) names the applications."""

    network: Any
    count: int
    span: Span
    labels: list[Label] | None = None


@dataclass(slots=True, eq=False, repr=False)
class Parallel(Network):
    """Several networks on the same input, outputs side by side."""

    parts: list[Any]
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Element(Network):
    """An element of a list that was spread into a call: still numbered by its place."""

    network: Any


@dataclass(slots=True, eq=False, repr=False)
class Each(Network):
    network: Any
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Labelled(Network):
    label: Label
    network: Any


@dataclass(slots=True, eq=False, repr=False)
class Frozen(Network):
    network: Any


@dataclass(slots=True, eq=False, repr=False)
class Recompute(Network):
    """Training computes `network` again for the backward pass, and keeps its inputs alone."""

    network: Any
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Fresh(Network):
    """Inside something shared: `network` anew at each application."""

    network: Any
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Shared(Network):
    """One set of parameters however often it is applied.

    `events` are the scopes opened and the nodes made by the first application, in order; later ones walk the same list.
    """

    name: str
    network: Any
    span: Span
    declared_in: Scope
    events: list[Scope | Node] = field(default_factory=list)
    home: Scope | Node | None = None
    applications: int = 0
    first_applied: Span | None = None


@dataclass(slots=True, eq=False, repr=False)
class Bound(Network):
    """A network named by `x = e` in a body: applied once, if it has parameters."""

    name: str
    network: Any
    span: Span
    applied_at: Span | None = None
    has_weights: bool = False
    passed_on: bool = False


# --- what can be called ----------------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class Block:
    """A block where it is defined.

    `recipes` are kept by arguments and input types, so that a block which is applied a hundred times is evaluated once.
    One inside another body may see names that change, and keeps them by call.
    """

    definition: ast.BlockDef
    environment: Environment
    recipes: dict[Any, Recipe] = field(default_factory=dict)


@dataclass(slots=True, eq=False, repr=False)
class Function:
    definition: ast.FunctionDef
    environment: Environment


@dataclass(slots=True, eq=False, repr=False)
class LayerKind:
    """A layer by its bare name."""

    cls: type[Op]
    name: str


@dataclass(slots=True, eq=False, repr=False)
class DrawKind:
    """What `draw` draws, by its bare name."""

    cls: type[Op]
    name: str


@dataclass(slots=True, eq=False, repr=False)
class Drawing:
    """A call of it: `choice(3)`. Only a `draw` statement makes something of it."""

    layer: Layer

    @property
    def described(self) -> str:
        return f"`{self.layer.cls.kind}`, which only `draw` takes"


@dataclass(slots=True, eq=False, repr=False)
class Drawn:
    """The number that a `draw` statement names. It goes to a layer's parameter and is no tensor of the language."""

    name: str
    tensor: Tensor
    columns: Columns

    @property
    def described(self) -> str:
        return f"the drawn number {self.name}"


@dataclass(slots=True, eq=False, repr=False)
class Builtin:
    """A function of the language. `call` raises ValueError or TypeError with a message for the user."""

    name: str
    call: Callable[..., Any]


@dataclass(slots=True, eq=False, repr=False)
class InitialiserKind:
    name: str


@dataclass(slots=True, eq=False, repr=False)
class Tensorial:
    """An initialiser with a shape: what `param` and `buffer` take."""

    initialiser: Initialiser
    shape: list[Any]


@dataclass(slots=True, eq=False, repr=False)
class Combinator:
    """`each`, `frozen`, `fresh`: from network to network."""

    name: str


@dataclass(slots=True, eq=False, repr=False)
class Architecture:
    definition: ast.ArchDef
    environment: Environment


@dataclass(slots=True, eq=False, repr=False)
class ArchInstance:
    """An arch with arguments: the value of a variant's body."""

    architecture: Architecture
    arguments: dict[str, Any]
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Rewriter:
    """A function from arch to arch: `rewrite` is the name that the passes know it by."""

    name: str
    rewrite: str


@dataclass(slots=True, eq=False, repr=False)
class Rewritten:
    """A call of one: an arch that is another one, rewritten."""

    rewrite: Rewrite
    base: Architecture | ArchInstance | Rewritten
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class ExternKind:
    definition: ast.ExternDef
    environment: Environment


@dataclass(slots=True, eq=False, repr=False)
class ExternCall(Network):
    kind: ExternKind
    arguments: dict[str, Any]
    span: Span


NUMBERS = (int, float, Fraction, Size)


def is_number(value: Any) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, bool)


def is_tensors(value: Any) -> bool:
    """A tensor, or a tuple of tensors."""
    return isinstance(value, (Tensor, tuple))


def describe(value: Any) -> str:
    """The value in the words of a diagnostic: `the number 3`, `a network`."""
    if isinstance(value, bool):
        return f"the boolean {'true' if value else 'false'}"
    if isinstance(value, Size):
        return f"the size {value}"
    if isinstance(value, (int, float, Fraction)):
        return f"the number {value}"
    if isinstance(value, str):
        return f'the string "{value[:40]}"'
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, Tensor):
        return f"a tensor {value.type}"
    if isinstance(value, tuple):
        return f"{len(value)} tensors side by side"
    if isinstance(value, Tensorial):
        return f"the initialiser {value.initialiser.kind} with a shape"
    if isinstance(value, Initialiser):
        return f"the initialiser {value.kind}"
    return _describe_callable(value)


def _describe_callable(value: Any) -> str:
    match value:
        case Bound() | Shared():
            return f"the network {value.name}"
        case Layer():
            return f"the layer {value.cls.kind}"
        case LayerKind():
            return f"the layer {value.name}"
        case Instance():
            return f"the block {value.block.definition.name}"
        case Network():
            return "a network"
        case Block():
            return f"the block {value.definition.name}"
        case Function():
            return f"the function {value.definition.name}"
        case DrawKind():
            return f"`{value.name}`, which only `draw` takes"
        case Drawing() | Drawn():
            return value.described
        case Builtin() | Combinator() | InitialiserKind() | Rewriter():
            return f"the function {value.name}"
        case Architecture() | ArchInstance() | Rewritten():
            return "an arch"
    return "a value"
