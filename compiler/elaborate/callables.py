"""Values that are called, and what comes of calls that is no network: draws, initialisers, archs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...dsl.source import Span
from ..ir.initialisers import Initialiser, make_initialiser
from ..ir.op import Op
from ..ops.registry import lookup
from .environment import MISSING, Environment
from .networks import Layer
from .values import Network, Tensor, Value

if TYPE_CHECKING:
    from ..ops.stochastic import Columns
    from .rewriting import Rewrite


@dataclass(slots=True, eq=False, repr=False)
class Named(Value):
    """What is called by its name."""

    name: str

    @property
    def described(self) -> str:
        return f"the function {self.name}"

    @property
    def spelled(self) -> str:
        return self.name


@dataclass(slots=True, eq=False, repr=False)
class Defined(Value):
    """What a definition makes where it stands. `word` says what that is."""

    definition: Any
    environment: Environment

    word: ClassVar[str]

    @property
    def described(self) -> str:
        return f"the {self.word} {self.definition.name}"

    @property
    def spelled(self) -> str:
        return self.definition.name

    @property
    def key(self) -> Any:
        return self.definition, self.environment


def is_open(value: Any) -> bool:
    """Whether a name with this value stands for any size where a shape is declared: it has none, or is defined."""
    return value is MISSING or isinstance(value, Defined)


class Function(Defined):
    __slots__ = ()

    word = "function"
    needed = "a function is called for its value: `f(1)`; what is applied to tensors is a `block`"


@dataclass(slots=True, eq=False, repr=False)
class DrawKind(Value):
    """What `draw` draws, by its bare name."""

    cls: type[Op]
    name: str

    needed = "a statement of its own draws the number: `draw column = choice(n)`"

    @property
    def described(self) -> str:
        return f"`{self.name}`, which only `draw` takes"


@dataclass(slots=True, eq=False, repr=False)
class Drawing(Value):
    """A call of it: `choice(3)`. Only a `draw` statement makes something of it."""

    layer: Layer

    needed = DrawKind.needed

    @property
    def described(self) -> str:
        return f"`{self.layer.cls.kind}`, which only `draw` takes"


@dataclass(slots=True, eq=False, repr=False)
class Drawn(Value):
    """The number that a `draw` statement names. It goes to a layer's parameter and is no tensor of the language."""

    name: str
    tensor: Tensor
    columns: Columns

    @property
    def described(self) -> str:
        return f"the drawn number {self.name}"

    @property
    def needed(self) -> str:  # type: ignore[override]
        return f"a drawn number says which column of a join survives: `drop_mean(p, survivor = {self.name})`"


@dataclass(slots=True, eq=False, repr=False)
class Builtin(Named):
    """A function of the language. `call` raises ValueError or TypeError with a message for the user."""

    call: Callable[..., Any]


FILLS = {"zeros": 0, "ones": 1}
"""The numbers of the initialisers that have but one; `constant` says it."""


def filling(initialiser: Initialiser, shape: list[Any] | None, span: Span) -> Network | None:
    """The layer that makes a tensor of one number, for the initialisers that have but one."""
    value = FILLS.get(initialiser.kind, initialiser.settings.get("value"))
    if initialiser.kind not in (*FILLS, "constant") or isinstance(value, tuple):
        return None
    keywords: dict[str, Any] = {"value": value} if value else {}
    cls = lookup("full")
    assert cls is not None
    return Layer(cls, () if shape is None else (shape,), keywords, span)


class InitialiserKind(Named):
    __slots__ = ()

    def network(self, span: Span) -> Network | None:
        return filling(self.plain, None, span) if self.name in FILLS else None

    @property
    def plain(self) -> Initialiser:
        return make_initialiser(self.name, [], {})


@dataclass(slots=True, eq=False, repr=False)
class Tensorial(Value):
    """An initialiser with a shape: what `param` and `buffer` take."""

    initialiser: Initialiser
    shape: list[Any]

    @property
    def described(self) -> str:
        return f"the initialiser {self.initialiser.kind} with a shape"

    def network(self, span: Span) -> Network | None:
        return filling(self.initialiser, self.shape, span)


class Combinator(Named):
    """`each`, `frozen`, `fresh`, `recompute`: from network to network."""

    __slots__ = ()


class Arch(Value):
    """An architecture as a value: one by its name, a call of one, or one rewritten."""

    __slots__ = ()

    needed = "an arch is a whole; what two of them have in common is a `block`, which both apply"

    @property
    def described(self) -> str:
        return "an arch"


class Architecture(Arch, Defined):
    __slots__ = ()


@dataclass(slots=True, eq=False, repr=False)
class ArchInstance(Arch):
    """An arch with arguments: the value of a variant's body."""

    architecture: Architecture
    arguments: dict[str, Any]
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Rewriter(Named):
    """A function from arch to arch."""


@dataclass(slots=True, eq=False, repr=False)
class Rewritten(Arch):
    """A call of one: an arch that is another one, rewritten."""

    rewrite: Rewrite
    base: Arch
    span: Span
