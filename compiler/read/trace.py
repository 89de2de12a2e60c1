"""What a module computes, as `torch.export` finds it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram, export
from torch.export.graph_signature import InputKind

from ...dsl.diagnostics import ArchError, refused
from ...dsl.quoting import quoted
from ..emit.private import pytree

REPLAYED = "archc/compiler/read/replay.py"
"""Whose lines are no lines of a user's."""


@dataclass(frozen=True, slots=True)
class State:
    """A parameter or a buffer of the module, by its name in the checkpoint."""

    name: str
    tensor: Tensor
    learned: bool
    kept: bool = True
    """Whether the checkpoint has it."""

    @property
    def path(self) -> str:
        """The path of the module that has it."""
        return self.name.rpartition(".")[0]

    @property
    def own_name(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(slots=True)
class Trace:
    """A module in one mode, in training or not. `outputs` are the nodes that make what it returns, each with the keys
    that lead to it."""

    training: bool
    nodes: list[fx.Node]
    state: dict[fx.Node, State]
    inputs: list[fx.Node]
    outputs: list[tuple[tuple[str, ...], fx.Node]]


def trace(module: nn.Module, inputs: Sequence[Tensor], training: bool) -> Trace:
    """The module in evaluation or in training, at these sizes: open ones cost torch many times as long, and what they
    would tell is inferred anyway.

    Raises ArchError (E1203) where torch cannot export it.
    """
    with mode(module, training), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _of_program(export(module, tuple(inputs), strict=False), module, training)
        except ArchError:
            raise
        except Exception as error:  # whatever the module or torch raises is the finding
            hint = (
                "what depends on the values of tensors, in `if` or `.item()`, has no graph; give the part that has one"
            )
            message = f"torch cannot export {type(module).__name__}: {_shortened(error)}"
            raise refused("E1203", message, hint) from None


@contextmanager
def mode(module: nn.Module, training: bool) -> Iterator[None]:
    """The module in a mode; all its parts are in those of before in the end."""
    before = {part: part.training for part in module.modules()}
    module.train(training)
    try:
        yield
    finally:
        for part, was in before.items():
            part.training = was


def _shortened(error: Exception) -> str:
    """The first sentence of torch's reason, and the line of the user's code that it names."""
    text = str(error).strip()
    places = re.findall(r'File "([^"]+)", line (\d+)', text)
    users = [f"{path}:{line}" for path, line in places if "/torch/" not in path]
    return f"{type(error).__name__}: {quoted(error)}{f' ({users[-1]})' if users else ''}"


def _of_program(program: ExportedProgram, module: nn.Module, training: bool) -> Trace:
    nodes = list(program.graph.nodes)
    holders = {node.name: node for node in nodes if node.op == "placeholder"}
    state, inputs = {}, []
    # What has several names goes by the first.
    names = {id(tensor): name for name, tensor in (*module.named_parameters(), *module.named_buffers())}
    for entry in program.graph_signature.input_specs:
        node = holders[entry.arg.name]
        if entry.kind is InputKind.USER_INPUT:
            inputs.append(node)
        elif entry.kind is InputKind.CONSTANT_TENSOR:
            held = program.constants[str(entry.target)]
            assert isinstance(held, Tensor)
            state[node] = State(str(entry.target), held, False, False)
        elif entry.kind is InputKind.PARAMETER:
            tensor = module.get_parameter(str(entry.target))
            state[node] = State(names[id(tensor)], tensor, True)
        elif entry.kind is InputKind.BUFFER:
            tensor = module.get_buffer(str(entry.target))
            state[node] = State(names[id(tensor)], tensor, False, entry.persistent is not False)
    made = next(node for node in nodes if node.op == "output").args[0]
    spec = program.call_spec.out_spec
    assert isinstance(made, tuple | list) and spec is not None
    mutated = len(made) - spec.num_leaves
    tree = pytree.tree_unflatten(list(made[mutated:]), spec)
    # A node is a leaf for pytree; what is no tensor comes as it is.
    found, _ = pytree.tree_flatten_with_path(tree)
    outputs = [(tuple(map(key_of, path)), node) for path, node in found if isinstance(node, fx.Node)]
    calls = [n for n in nodes if n.op not in ("placeholder", "output")]
    return Trace(training, calls, state, inputs, outputs)


def key_of(key: Any) -> str:
    for attribute in ("name", "key", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def line_of(node: fx.Node) -> str:
    """The file and line of the user's code that made a node."""
    places = re.findall(r'File "([^"]+)", line (\d+)', node.meta.get("stack_trace") or "")
    users = [f"{path}:{line}" for path, line in places if "/torch/nn/" not in path and not path.endswith(REPLAYED)]
    return users[-1] if users else ""


def doubled(x: Tensor) -> Tensor:
    """The input with a batch of at least 2: torch takes a size of 1 for a constant."""
    return torch.cat([x, x]) if x.dim() and x.shape[0] == 1 else x
