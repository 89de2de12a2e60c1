"""What an op declares.

One class per layer. From it come the checks of a call's arguments, the shapes, the costs, the torch lowering, hover
text and the reference page: the class's doc string and its fields' descriptions are what users read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from fractions import Fraction
from typing import Any, ClassVar, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict

from .index_map import MIXED, SAME, Links
from .initialisers import Initialiser
from .lowering import Epilogue, Lowering, ModuleCall
from .memory import Held
from .sizes import Dim, Size
from .types import TensorType, with_sizes


class OfInput(str):
    """A hint that is about an input of the arch: it is of no use where the tensor is what another layer makes."""

    __slots__ = ()


class LayerError(Exception):
    """A layer cannot take these inputs. The elaborator turns it into a located diagnostic.

    `code` is one of the shape codes (E04xx); `hints` say the ways out.
    """

    def __init__(self, code: str, message: str, *hints: str):
        self.code = code
        self.hints = hints
        super().__init__(message)


class Facts(Protocol):
    """What may be asked of symbolic sizes while a shape is inferred.

    Each answers True where the claim holds, or cannot be decided: then it becomes a stated requirement of the arch.
    False means that it never holds, and the op raises a LayerError.
    """

    def equal(self, a: Dim, b: Dim) -> bool: ...
    def at_least(self, a: Dim, n: Dim) -> bool: ...
    def divisible(self, a: Dim, n: int) -> bool: ...
    def several(self, sizes: Sequence[Dim]) -> bool:
        """Whether one of the sizes is 2 or more: there is more than one number."""
        ...

    @property
    def unenforced(self) -> "Facts":
        """The same questions where torch takes sizes of which the claim fails, and gives something odd without a word:
        the module that is compiled refuses them itself."""
        ...

    @property
    def in_training(self) -> "Facts":
        """The same questions about training alone."""
        ...

    def never(self) -> None:
        """Require what no size fulfils."""
        ...

    def certainly_equal(self, a: Dim, b: Dim) -> bool:
        """True only where equality is proved; nothing is recorded."""
        ...


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor that a layer owns: `name` within the layer's module, its shape, how it starts.

    `learned` is False for a buffer, `persistent` for one that no checkpoint has. `dtype` is `"float"`, `"int"` or
    `"bool"`.
    """

    name: str
    shape: tuple[int, ...]
    init: Initialiser
    learned: bool = True
    dtype: Literal["float", "int", "bool"] = "float"
    persistent: bool = True


# Annotations are objects, not strings, here and where layers are declared: pydantic would compile each string anew for
# every class that inherits it, which doubles the time to import the layers.
class Declared(BaseModel):
    """What a spec calls with settings: a layer, a rewrite. Fields are the parameters of a call in `.arch`; they are
    immutable.

    `kind` is its name, and `positional` names the parameters that may be given by position, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    kind: ClassVar[str]
    positional: ClassVar[tuple[str, ...]] = ()
    set_by_operators: ClassVar[tuple[str, ...]] = ()
    """Fields that the language's operators set (the signs behind `f - g`), which the reference does not show."""
    extra_keywords: ClassVar[str | None] = None
    """The dict field that takes keywords that are no field, where a call may have such (`rearrange(..., p = 4)`)."""
    keeps_batch: ClassVar[bool] = False
    """Whether the sizes that it takes are those behind the batch."""
    without_settings: ClassVar[str] = ""
    """What is likelier meant where a call gives nothing that is needed, as a hint."""


class Trait(Flag):
    """What is true of a layer whatever its settings are. Where they decide, the method of `Op` for it does."""

    ELEMENTWISE = auto()
    PER_CHANNEL = auto()
    PER_PLACE = auto()
    AFFINE = auto()
    PIECEWISE_LINEAR = auto()
    ANALYTIC = auto()
    NONNEGATIVE = auto()
    KEEPS_NONNEGATIVE = auto()
    """The output has no negative number where the inputs have none, in training too."""
    ALLOCATES = auto()
    RANDOM = auto()
    WEIGHTED = auto()
    """It counts towards depth, as convolutions and linear maps do."""


class Op(Declared):
    """Base of all ops.

    `arity` is the number of input tensors, None for any number from one. `is_module` says whether the op is a module of
    the result (has a name, can be hooked), as against a function.

    Analyses, comparisons and rewrites know a layer by its traits. A trait is about evaluation unless it says otherwise,
    and about any weights. One that is false promises nothing: the layer is then left alone, or refused.
    """

    family: ClassVar[str] = "other"
    """The kind of layer in a word: a drawing colours by it, and a comparison takes it for a likely replacement."""
    title: ClassVar[str] = ""
    """The usual name of the layer, where `kind` is an abbreviation of it."""
    is_input: ClassVar[bool] = False
    is_parameter: ClassVar[bool] = False
    """Whether it is a tensor of the architecture's own, as `param` and `buffer` make them."""
    is_merge: ClassVar[bool] = False
    """Whether it merges any number of tensors element by element, and is a merge still with one of them left out."""
    is_additive: ClassVar[bool] = False
    """Whether it is a merge that adds its inputs, or averages them."""
    is_commutative: ClassVar[bool] = False
    """Whether its inputs may change places, in training too, but for what `signs` tells apart."""
    joins_shapes: ClassVar[bool] = False
    """Whether it is a merge that puts tensors side by side, so that the output has another shape than they."""
    merges_networks: ClassVar[bool] = False
    """Whether it may be called with networks, which it applies to one input and merges: `sum(f, g)`."""
    of_numbers: ClassVar[Callable[[list[Any]], Any] | None] = None
    """What a call with plain numbers and sizes comes to, as `max(2, 3)` is 3; None where it takes none. Raises
    ValueError for numbers that it cannot merge."""
    with_number: ClassVar[str] = ""
    """How a spec says it of a tensor and a number, where it is a merge of tensors alone."""
    operands: ClassVar[tuple[str, ...]] = ()
    """Of a function of several tensors, any of which may be a number: the settings that hold the numbers, by the places
    of a call, as in `power(2, x)`; empty for a place that takes a tensor alone."""
    drops_paths: ClassVar[bool] = False
    """Whether training leaves whole inputs out at random, or draws what decides that."""
    traits: ClassVar[Trait] = Trait(0)

    arity: ClassVar[int | None] = 1
    is_module: ClassVar[bool] = True
    names_itself: ClassVar[bool] = True
    """Whether it is a module without a label too; others are functions then."""
    has_weights: ClassVar[bool] = False
    needs_fixed_vector: ClassVar[bool] = False
    """Whether the op makes weights for the length of a vector `[N, C]`. A length that depends on the image's size is
    then taken at the usual sizes, and that it is so becomes a stated requirement."""
    tensor_parameters: ClassVar[tuple[str, ...]] = ()
    """Keyword parameters that take a tensor (`crop(5, like = x)`). Each is a bool field, true where a tensor was given;
    the tensors follow the piped ones among the inputs, in this order."""
    value_parameters: ClassVar[tuple[str, ...]] = ()
    """Those of `tensor_parameters` whose values arrive in the output: a mask, but not a `like`, which has a size."""
    weight_parameters: ClassVar[tuple[str, ...]] = ()
    """The layer's own weights in whose place a call may give a tensor, `linear(10, weight = w)`: the layer is then
    `given.Given`, of which this is one part, and the tensors follow those of `tensor_parameters` among the inputs."""
    drawn_parameters: ClassVar[tuple[str, ...]] = ()
    """Keyword parameters that take a number made by `draw`. The tensors that hold them follow those of
    `tensor_parameters` among the inputs."""
    slides: ClassVar[bool] = False
    """Whether it moves a window over the axes of space."""
    joins_axes: ClassVar[bool] = False
    """Whether it makes one axis of several, as a vector of a map."""
    torch_order: ClassVar[tuple[str, ...]] = ()
    """What torch's layer takes by position, by our names, where that is otherwise than `positional`: "in" is the number
    of channels that arrive, which ours knows."""
    torch_settings: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Arguments of torch's module by keyword, and the fields that hold them, where both have the same default."""
    width_setting: ClassVar[str] = ""
    """The setting that says how many channels it makes, whatever it takes; empty where there is none."""
    start_settings: ClassVar[tuple[str, ...]] = ()
    """Settings beside initialisers that say how its weights start, or what they are called: layers that differ in these
    alone compute the same with equal weights."""
    training_settings: ClassVar[tuple[str, ...]] = ()
    """Settings that do nothing in evaluation, where it is the same whatever they are."""
    saved: ClassVar[Held | None] = None
    """What `saved_for_backward` is where neither the settings nor the types decide."""
    carries_data: ClassVar[bool] = True
    """Whether the output has anything of the inputs' values: else no path leads through the op."""
    is_drawn: ClassVar[bool] = False
    """Whether it is a number that a `draw` statement names."""

    @classmethod
    def looks_like_torch(cls, given: Sequence[Any], x: TensorType) -> bool:
        """Whether arguments by position that the layer takes are likelier in `torch_order`, where `x` arrives."""
        return False

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        """The output types. Raises LayerError where the inputs do not fit."""
        raise NotImplementedError

    def arriving(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Of the inputs, or of a tuple with something for each, those whose values arrive in the output: `like` takes
        a size alone, and a drawn number chooses."""
        if not self.carries_data:
            return ()
        if not (self.tensor_parameters or self.drawn_parameters):
            return inputs
        given = (*self.beside, *(name for name in self.drawn_parameters if getattr(self, name) is not None))
        piped = len(inputs) - len(given)
        beside = zip(given, inputs[piped:], strict=True)
        return (*inputs[:piped], *(value for name, value in beside if name in self.value_parameters))

    @property
    def call(self) -> "Op":
        """The layer that a call makes of the settings alone, where tensors beside them make another of it."""
        return self

    @property
    def beside(self) -> tuple[str, ...]:
        """The parameters for which a tensor is given, in the order of the tensors."""
        return tuple([name for name in self.tensor_parameters if getattr(self, name)])

    @property
    def given(self) -> tuple[str, ...]:
        """The weights that are tensors of the network, the last of its inputs."""
        return ()

    def main_weights(self) -> tuple[str, ...]:
        """Those of `weight_parameters` that it has: a bias only where it learns one."""
        return tuple([name for name in self.weight_parameters if name != "bias" or getattr(self, name) is not False])

    def functional(self, inputs: tuple[TensorType, ...], weights: dict[str, Any]) -> Any:
        """What the layer is as a function of weights, by name, that are no weights of a module."""
        raise NotImplementedError

    def is_elementwise(self) -> bool:
        """Whether each number of the output is a function of the inputs' numbers at its place, everywhere the same."""
        return Trait.ELEMENTWISE in self.traits

    def is_per_channel(self, inputs: tuple[TensorType, ...]) -> bool:
        """Whether each channel of an output is a function of the inputs' same channel, the same for all channels but
        for weights, of which each channel then has its own row. Inputs and outputs have as many channels, along the
        same axis."""
        return Trait.PER_CHANNEL in self.traits or self.is_elementwise()

    def is_per_place(self, inputs: tuple[TensorType, ...]) -> bool:
        """Whether the channels at each place of an output are a function of the inputs' channels at the same place,
        everywhere the same. Inputs and outputs have the same places."""
        return Trait.PER_PLACE in self.traits or self.is_elementwise()

    def is_affine(self) -> bool:
        """Whether the output is an affine function of all inputs together: f(a x + b y) = a f(x) + b f(y) where
        a + b = 1."""
        return Trait.AFFINE in self.traits

    def is_piecewise_linear(self) -> bool:
        """Whether the output is a function of all inputs together that is affine on each of finitely many pieces."""
        return Trait.PIECEWISE_LINEAR in self.traits or self.is_affine()

    def is_analytic(self) -> bool:
        """Whether the output is a function of all inputs together that is a power series around each point: without a
        kink or a jump."""
        return Trait.ANALYTIC in self.traits or self.is_affine()

    def keeps_constants(self) -> bool:
        """Whether it is an average that keeps a channel which is one number everywhere."""
        return False

    def is_nonnegative(self, given: Sequence[bool]) -> bool:
        """Whether the output certainly has no negative number, in training too; `given` says it of each input whose
        values arrive."""
        kept = Trait.KEEPS_NONNEGATIVE in self.traits and bool(given) and all(given)
        return kept or Trait.NONNEGATIVE in self.traits

    def allocates(self, inputs: tuple[TensorType, ...]) -> bool:
        """Whether the output is memory of its own that the backward pass does not read, in training and in evaluation:
        what takes it may overwrite it."""
        return Trait.ALLOCATES in self.traits and (self.arity is not None or len(inputs) > 1)

    def factors(self, count: int) -> tuple[Fraction, ...] | None:
        """Where it is additive: the factors of so many inputs in evaluation, whose sum it is."""
        return None

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        """Parameters, then buffers, in torch's registration order."""
        return ()

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Multiply-adds of convolutions, linear maps and attention products; other work counts 0."""
        return 0

    def is_weight_layer(self) -> bool:
        """Whether the op counts towards depth: convolutions and linear maps."""
        return Trait.WEIGHTED in self.traits

    def weight_layers(self) -> int:
        """How many weight layers it is, as depth counts them."""
        return int(self.is_weight_layer())

    def is_random(self) -> bool:
        """Whether training draws random numbers in it. The order of such layers is part of what a network computes."""
        return Trait.RANDOM in self.traits

    def at(self, sizes: Mapping[str, int]) -> Self:
        """The op with its settings at these sizes of the symbols."""
        return self.with_sizes(lambda size: size.evaluate(sizes))

    def with_sizes(self, made: Callable[[Size], Dim]) -> Self:
        """The op with other sizes in its settings: what `made` makes of each."""
        update = {name: new for name, value in self if (new := with_sizes(value, made)) is not value}
        return self.model_copy(update=update) if update else self

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        """How output number `port` depends on the inputs whose values arrive, in evaluation; None: no rule describes
        it. The types have numbers for sizes. It follows from the traits unless there is more to say."""
        per_place = self.is_per_place(inputs)
        link = SAME if per_place and self.is_per_channel(inputs) else MIXED
        return (link,) * len(self.arriving(inputs)) if per_place else None

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        """What an application keeps for its backward pass, and what it needs beside its output while it computes; None:
        nothing is known of it. It is `saved` unless the settings or the types decide."""
        return self.saved

    def told(self) -> dict[str, Any]:
        """The `torch_settings` that are not the default."""
        fields = type(self).model_fields
        values = {torch: (getattr(self, name), fields[name].default) for torch, name in self.torch_settings}
        return {torch: value for torch, (value, default) in values.items() if value != default}

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        raise NotImplementedError

    def lower_whole(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        """How it becomes torch as a layer that has the weights which it is given."""
        return self.lower(inputs, outputs)

    def module(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> ModuleCall | None:
        """The module of torch that does what a function does, which is one where it stands in a row of modules; None
        where torch has none."""
        return None

    def carried(self, inputs: tuple[TensorType, ...]) -> "tuple[Op, TensorType, Op] | None":
        """What a layer of one input does before its torch module, as a layer of its own: that, the tensor that it
        gives, and the rest of the layer. None where there is no such thing, or only run time knows it."""
        return None

    def epilogue(self) -> Epilogue | None:
        """How a kernel computes it as its last step; None where none does."""
        return None

    @property
    def unstated(self) -> tuple[str, ...]:
        """Those of `macs` and `depth` that are not known of it, so that totals lack them."""
        return ()

    @property
    def called(self) -> str:
        """What a spec calls the layer."""
        return self.kind

    @property
    def key(self) -> tuple[Any, ...]:
        """Ops with equal keys compute the same function of inputs and weights."""
        return (self.kind, *((name, repr(value)) for name, value in self))

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other
