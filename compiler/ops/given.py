"""Layers whose weights are tensors of the network: another layer's, a parameter of one's own, or computed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from math import prod
from typing import Any, ClassVar

from pydantic import Field, InstanceOf

from ..ir.index_map import WHOLE, Link, Links, place_axes
from ..ir.initialisers import Initialiser, make_initialiser
from ..ir.lowering import In, Lowering, Program, WeightRef
from ..ir.memory import Held
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.sizes import Dim
from ..ir.types import TensorType


class Given(Op):
    """A layer applied with tensors for its weights, which follow the layer's own inputs: `linear(10, weight = w)`.

    What the layer learns beside them stays its own. Each layer has a class with its kind, by `with_weights`. It
    promises no more than the shapes: the result is a product of tensors, no longer linear in all of them.
    """

    layer: InstanceOf[Op] = Field(description="the layer, as it would be with weights of its own")
    names: tuple[str, ...] = Field(description="the weights that are given, in order")

    arity: ClassVar[int | None] = None

    @property
    def given(self) -> tuple[str, ...]:
        return self.names

    @property
    def call(self) -> Op:
        return self.layer

    @property
    def beside(self) -> tuple[str, ...]:
        return (*self.layer.beside, *self.names)

    @property
    def key(self) -> tuple[Any, ...]:
        kind, *settings = self.layer.key
        return ("given", ("layer", kind), ("weights", repr(self.names)), *settings)

    def _own(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs that the layer has with weights of its own."""
        return inputs[: len(inputs) - len(self.names)]

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        own = self._own(inputs)
        if self.layer.arity is not None and len(own) != self.layer.arity:
            message = f"{self.kind} takes one tensor beside its weights, and gets {len(own)}"
            raise LayerError("E0301", message)
        outputs = self.layer.infer(own, facts)
        wanted = {weight.name: weight.shape for weight in self.layer.weights(own)}
        for name, x in zip(self.names, inputs[len(own) :], strict=True):
            shape = wanted[name]
            if x.dtype != "float":
                raise LayerError("E0407", f"the {name} of {self.kind} holds real numbers, and is {x}")
            if x.dims != shape:
                message = f"the {name} of {self.kind} must have the shape {list(shape)} here, and is {x}"
                hint = f"`param {name} = normal({list(shape)}, std = 0.02)` is such a tensor"
                raise LayerError("E0405", message, hint)
        return outputs

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        whole = list(self.layer.weights(self._own(inputs)))
        fan = prod(whole[0].shape[1:]) if whole else 1
        for weight in whole:
            if weight.name not in self.names:
                yield Weight(weight.name, weight.shape, _alone(weight.init, fan), weight.learned, weight.dtype)

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return self.layer.multiply_adds(self._own(inputs), outputs)

    def is_weight_layer(self) -> bool:
        return self.layer.is_weight_layer()

    def is_random(self) -> bool:
        return self.layer.is_random()

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        own = self._own(inputs)
        links = self.layer.index_map(own, outputs, port)
        if links is None:
            return None
        return (*links, *(Link(dict.fromkeys(place_axes(x), WHOLE), 1) for x in inputs[len(own) :]))

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        own = self._own(inputs)
        held = self.layer.saved_for_backward(own, outputs)
        weight = tuple(len(own) + place for place, name in enumerate(self.names) if name == "weight")
        return None if held is None else held._replace(inputs=(*held.inputs, *weight))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        own = self._own(inputs)
        tensors: dict[str, Any] = {weight.name: WeightRef(weight.name) for weight in self.weights(inputs)}
        tensors |= {name: In(len(own) + place) for place, name in enumerate(self.names)}
        return Program((self.layer.functional(own, tensors),))

    def lower_whole(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return self.layer.lower(self._own(inputs), outputs)


def _alone(init: Initialiser, fan: int) -> Initialiser:
    """How a bias starts whose layer has no weight that it could look at."""
    if init.kind != "fan_in_uniform":
        return init
    bound = max(fan, 1) ** -0.5
    return make_initialiser("uniform", [-bound, bound], {})


@cache
def _class_of(cls: type[Op], owns: bool, named: bool) -> type[Given]:
    facts = {
        "kind": cls.kind,
        "family": cls.family,
        "title": cls.title,
        "traits": cls.traits & Trait.WEIGHTED,
        "is_module": owns or named,
        "names_itself": owns,
        "has_weights": owns,
        "slides": cls.slides,
        "needs_fixed_vector": cls.needs_fixed_vector,
        "__module__": __name__,
        "__doc__": cls.__doc__,
    }
    return type(f"Given{cls.__name__}", (Given,), facts)


def with_weights(layer: Op, names: tuple[str, ...], named: bool = False) -> Given:
    """The layer, applied with tensors for the weights of these names: a module where it owns others beside them, or
    has a name."""
    owns = bool(set(layer.main_weights()) - set(names))
    return _class_of(type(layer), owns, named)(layer=layer, names=names)
