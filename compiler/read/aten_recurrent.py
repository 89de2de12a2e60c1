"""Recurrent layers, from functions of torch's."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from .reader import Call
from .table import Made, Table
from .trace import State
from .unsayable import Unsayable
from .values import Moved, Tensors

TABLE = Table()
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("lstm", {}),
    "gru": ("gru", {}),
    "rnn_tanh": ("rnn", {}),
    "rnn_relu": ("rnn", {"activation": "relu"}),
}


@TABLE.of(*KINDS)
def _recurrent(call: Call) -> Made:
    """Tokens, and the last states where they are used, whose batch torch has second."""
    kind, settings = KINDS[call.name]
    weights = call["params"]
    if not call["batch_first"]:
        raise Unsayable(f"`{call.name}` with the batch second: `batch_first=True` has it first")
    if not all(isinstance(weight, State) and weight.kept for weight in weights):
        raise Unsayable(f"`{call.name}` with weights that are computed")
    home, rows = weights[0], weights[0].tensor.shape[0]
    channels = rows // {"lstm": 4, "gru": 3}.get(kind, 1)
    projected = [weight.tensor.shape[0] for weight in weights if weight.own_name.startswith("weight_hr")]
    states = call["hx"] if isinstance(call["hx"], list) else [call["hx"]]
    used = [user.args[1] for each in _calls(call.node) for user in each.users if user.users]
    settings |= {"channels": channels, "layers": call["num_layers"], "both": call["bidirectional"]}
    settings |= {"bias": call["has_biases"], "dropout": call["dropout"], "states": any(used)}
    settings |= {"projection": projected[0]} if projected else {}
    given = () if all(map(_is_zero, states)) else tuple(map(_batch_first, states))
    y, *last = call.reader.apply(kind, (call.value("input"), *given), settings, home)
    return Tensors((y, *(Moved(state, 1) for state in last)))


def _calls(node: fx.Node) -> list[fx.Node]:
    """The calls with the same weights, whose layers are one."""
    first = node.args[2][0]  # type: ignore[index]
    return [user for user in first.users if user.target is node.target]  # type: ignore[union-attr]


def _is_zero(state: Any) -> bool:
    return isinstance(state, State) and not state.kept and not bool(torch.count_nonzero(state.tensor))


def _batch_first(state: Any) -> Any:
    if not isinstance(state, Moved) or state.batch != 1:
        raise Unsayable("a first state without a batch, or with one that is not its second axis")
    return state.value
