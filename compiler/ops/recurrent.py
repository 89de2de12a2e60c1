"""Recurrent layers over tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from ..ir.index_map import WHOLE, Link, Links
from ..ir.initialisers import Initialiser, make_initialiser
from ..ir.lowering import In, Lowering, ModuleCall, Returned, Step, function, method
from ..ir.memory import Held
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.sizes import Dim
from ..ir.types import Axis, Role, TensorType
from .attention import check_tokens, seen_before
from .maps import fixed_size
from .values import Bool, Count, Probability


class _Recurrent(Op):
    """Base of recurrent layers. Tokens [N, T, C] give [N, T, channels], or twice the channels in both directions.

    With `states` the states after the last token follow, each [N, layers, channels], in both directions
    [N, 2 * layers, channels]. Such states may also be given beside the tokens, to start from; without them it starts
    from zeros.
    """

    family: ClassVar[str] = "dense"
    traits: ClassVar[Trait] = Trait.WEIGHTED
    positional: ClassVar[tuple[str, ...]] = ("channels",)
    arity: ClassVar[int | None] = None
    has_weights: ClassVar[bool] = True
    training_settings: ClassVar[tuple[str, ...]] = ("dropout",)
    target: ClassVar[str]
    gates: ClassVar[int]
    """How many linear maps of its input and of its state a cell has."""

    channels: Count = Field(description="channels of the state")
    layers: Count = Field(1, description="cells one behind the other")
    both: Bool = Field(False, description="whether a second cell in each layer reads from the last token to the first")
    bias: Bool = Field(True, description="whether biases are learned, two for each gate as in cuDNN")
    dropout: Probability = Field(0.0, description="probability that an output of a layer but the last is dropped")
    states: Bool = Field(False, description="whether the states after the last token are put out too")

    def _state_channels(self) -> tuple[int, ...]:
        """The channels of each state."""
        return (self.channels,)

    @property
    def _directions(self) -> int:
        return 2 if self.both else 1

    def is_random(self) -> bool:
        return self.dropout > 0 and self.layers > 1

    def weight_layers(self) -> int:
        return self.layers

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        x, *given = inputs
        check_tokens(self.kind, (x,), facts)
        fixed_size(self.kind, x, 2)
        sizes = self._state_channels()
        states = [
            TensorType((x.axes[0], Axis(self._directions * self.layers), Axis(size, Role.CHANNELS))) for size in sizes
        ]
        if given and len(given) != len(states):
            takes = " and ".join(map(str, states))
            raise LayerError("E0301", f"{self.kind} takes tokens alone, or with the states {takes}")
        for wanted, state in zip(states, given, strict=False):
            if not (state.rank == 3 and all(map(facts.equal, state.dims, wanted.dims))):
                raise LayerError("E0405", f"a state of {self.kind} is {wanted} here, and {state} arrives")
        channels = Axis(self._directions * sizes[0], Role.CHANNELS)
        made = TensorType((x.axes[0], x.axes[1]._replace(role=Role.SPACE), channels))
        return (made, *states) if self.states else (made,)

    def _cells(self, inputs: tuple[TensorType, ...]) -> Iterator[tuple[str, int]]:
        """The end of the names of each cell's weights, and how many channels come into it."""
        for layer in range(self.layers):
            comes = self._directions * self._state_channels()[0] if layer else fixed_size(self.kind, inputs[0], 2)
            for reverse in ("", "_reverse")[: self._directions]:
                yield f"l{layer}{reverse}", comes

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        rows, out = self.gates * self.channels, self._state_channels()[0]
        for name, comes in self._cells(inputs):
            yield Weight(f"weight_ih_{name}", (rows, comes), self._start)
            yield Weight(f"weight_hh_{name}", (rows, out), self._start)
            if self.bias:
                yield Weight(f"bias_ih_{name}", (rows,), self._start)
                yield Weight(f"bias_hh_{name}", (rows,), self._start)
            if out != self.channels:
                yield Weight(f"weight_hr_{name}", (out, self.channels), self._start)

    @property
    def _start(self) -> Initialiser:
        bound = self.channels**-0.5
        return make_initialiser("uniform", [-bound, bound], {})

    def multiply_adds(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Those of the linear maps, for each token."""
        out = self._state_channels()[0]
        projected = out * self.channels if out != self.channels else 0
        each = sum(self.gates * self.channels * (comes + out) + projected for _, comes in self._cells(inputs))
        return inputs[0].dims[0] * inputs[0].dims[1] * each

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        x, *states = inputs
        earlier = port == 0 and not self.both
        first = Link({1: seen_before(1, x, x) if earlier else WHOLE}, 1)
        return (first, *(Link({1: WHOLE}, 1) for _ in states))

    def _cell_keeps(self, tokens: Dim) -> Dim:
        """How many numbers the backward pass of a cell reads of one example, without the state that it starts from; in
        what torch makes of the layer on a CPU, an operation for each step."""
        raise NotImplementedError

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        x, *started = inputs
        examples, tokens = x.dims[:2]
        width = self._directions * self._state_channels()[0]
        between = tokens * (width * (self.layers - 1) * (1 + self.is_random()))
        cells = self._directions * self.layers
        own_states = 0 if started else sum(self._state_channels()) * cells
        own = self._cell_keeps(tokens) * cells + own_states + between
        moved = ((0, self._directions), *((place, 1) for place in range(1, len(inputs))))
        least, most = self._scratch(0), self._scratch(fixed_size(self.kind, x, 2))
        scratch = (tokens * least + own_states) * examples
        moving = tokens * examples * (most - least)
        return Held(own=own * examples, scratch=scratch, exchanged=True, moved=moved, moving=moving)

    def _scratch(self, copied: int) -> int:
        """The most numbers for each token that evaluation holds at a time beside the input and the output, where it
        copies so many of the input: the linear maps of all tokens, each step's state, and these as one tensor."""
        out, maps = self._state_channels()[0], self.gates * self.channels
        width, most = self._directions * out, 0
        for layer in range(self.layers):
            more = max(copied, maps * self.bias) if copied and not layer else 0
            held = maps + max(more, 2 * out)
            if self.both:
                held = 2 * out + maps + max(maps + more, 4 * out)
            most = max(most, held + (width if layer else 0))
        return max(0, most - width)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        kwargs: dict[str, Any] = {"batch_first": True, **self._settings()}
        if self.layers > 1:
            kwargs["num_layers"] = self.layers
        kwargs |= {name: True for name, on in (("bidirectional", self.both),) if on}
        if not self.bias:
            kwargs["bias"] = False
        if self.is_random():
            kwargs["dropout"] = self.dropout
        started = tuple([method("contiguous", _swapped(In(place))) for place in range(1, len(inputs))])
        parts = (In(0), started) if len(started) > 1 else (In(0), *started)
        first = function("operator.getitem", Returned(), 0)
        results = (first, *map(_swapped, self._last())) if self.states else (first,)
        return ModuleCall(
            f"torch.nn.{self.target}",
            (fixed_size(self.kind, inputs[0], 2), self.channels),
            kwargs,
            inputs=parts if started else None,
            results=results,
        )

    def _settings(self) -> dict[str, Any]:
        """Further settings of torch's module."""
        return {}

    def _last(self) -> tuple[Step, ...]:
        """The states in what torch's module returns."""
        return (function("operator.getitem", Returned(), 1),)


def _swapped(state: Any) -> Step:
    """torch has the batch of a state second."""
    return method("transpose", state, 0, 1)


class RNN(_Recurrent):
    """A recurrent layer of Elman's kind: h_t = tanh(W x_t + b + U h_(t-1) + c), with torch's names.

    Tokens [N, T, C] give [N, T, channels], or with `both` [N, T, 2 * channels]. With `states` the last states follow,
    [N, layers, channels], with `both` [N, 2 * layers, channels]: `y, h = x -> rnn(64, states = true)`. A state beside
    the tokens is what it starts from: `(x, h) -> rnn(64)`.
    """

    kind: ClassVar[str] = "rnn"
    target: ClassVar[str] = "RNN"
    gates: ClassVar[int] = 1

    activation: Literal["tanh", "relu"] = Field("tanh", description="the function of each step")

    def _cell_keeps(self, tokens: Dim) -> Dim:
        return tokens * self.channels

    def _settings(self) -> dict[str, Any]:
        return {} if self.activation == "tanh" else {"nonlinearity": self.activation}


class GRU(_Recurrent):
    """Gated recurrent units (Cho et al. 2014, arXiv 1406.1078) in cuDNN's form, with torch's names.

    Tokens [N, T, C] give [N, T, channels], or with `both` [N, T, 2 * channels]. With `states` the last states follow,
    [N, layers, channels], with `both` [N, 2 * layers, channels]: `y, h = x -> gru(64, states = true)`. A state beside
    the tokens is what it starts from: `(x, h) -> gru(64)`.
    """

    kind: ClassVar[str] = "gru"
    target: ClassVar[str] = "GRU"
    gates: ClassVar[int] = 3

    def _cell_keeps(self, tokens: Dim) -> Dim:
        return (tokens * 7 - 1) * self.channels


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), with torch's names.

    Tokens [N, T, C] give [N, T, channels], or with `both` [N, T, 2 * channels]. With `states` the last states and the
    last cells follow, [N, layers, channels], with `both` [N, 2 * layers, channels]:
    `y, h, c = x -> lstm(64, states = true)`. Both beside the tokens are what it starts from: `(x, h, c) -> lstm(64)`.
    """

    kind: ClassVar[str] = "lstm"
    target: ClassVar[str] = "LSTM"
    gates: ClassVar[int] = 4

    projection: Count | None = Field(
        None, description="channels to which the states are projected (arXiv 1402.1128); none leaves them"
    )

    def _state_channels(self) -> tuple[int, ...]:
        return (self.projection or self.channels, self.channels)

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        if self.projection is not None and self.projection >= self.channels:
            message = f"lstm projects {self.channels} channels to fewer, and {self.projection} are not"
            raise LayerError("E0412", message)
        return super().infer(inputs, facts)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        """Of an LSTM without a projection nothing is known: oneDNN runs it, which keeps a workspace of its own form."""
        return None if self.projection is None else super().saved_for_backward(inputs, outputs)

    def _cell_keeps(self, tokens: Dim) -> Dim:
        out, cell = self._state_channels()
        return tokens * (7 * cell + out) - (cell + out)

    def _settings(self) -> dict[str, Any]:
        return {} if self.projection is None else {"proj_size": self.projection}

    def _last(self) -> tuple[Step, ...]:
        both = function("operator.getitem", Returned(), 1)
        return tuple([function("operator.getitem", both, place) for place in (0, 1)])
