"""What a module computes, as `torch.export` finds it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram, export
from torch.export.graph_signature import InputKind

from ...dsl.diagnostics import ArchError
from ..emit.export import quiet
from ..emit.private import SizesRead, open_lengths, pytree
from .again import bordered, take_borders
from .inlining import open_regions
from .untraceable import not_exported, own_gradients, refuse_decided, refuse_untraceable


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
    arguments: dict[str, list[tuple[str, fx.Node]]]
    """The tensors that each call of a module is given, where these are several: their names, in the order of its
    forward's signature."""
    results: dict[str, list[fx.Node]]
    """The tensors that each call of a module returns, where these are several, in their order."""
    reads_sizes: bool
    """Whether the module's own Python reads a size."""
    computed: dict[str, fx.Node] = field(default_factory=dict)
    """What makes the state that no module has: a call of what is state too."""


def trace(
    module: nn.Module,
    inputs: Sequence[Tensor],
    said: Sequence[Tensor],
    training: bool,
    hosts: Collection[str] = (),
    is_layer: Callable[[nn.Module], Any] = lambda _: False,
) -> Trace:
    """The module in evaluation or in training, at these sizes: open ones cost torch many times as long, and what they
    would tell is inferred anyway. `said` are the inputs that an error names. Parts at the paths `hosts` say themselves
    what they are given. A part that is one layer has calls of its own in training even if it does nothing.

    Raises ArchError (E1203) where torch cannot export it.
    """
    refuse_untraceable(module)
    with mode(module, training), quiet():
        try:
            idle = [part for part in module.modules() if training and is_layer(part)]
            with (
                bordered(module, training),
                _marked(module, hosts) as marks,
                own_gradients(module, hosts),
                _seen(idle),
                SizesRead() as sizes,
                open_lengths(),  # some versions of torch give the states of recurrent layers an axis too many
                redirect_stderr(StringIO()),  # torch prints the graph up to where it fails
            ):
                program = export(module, tuple(inputs), strict=False)
            refuse_decided(module, program)
            return _of_program(program, module, training, marks, sizes.is_read)
        except ArchError:
            raise
        except Exception as error:  # whatever the module or torch raises is the finding
            raise not_exported(module, error, said) from None


@dataclass(slots=True)
class _Marks:
    """The aliases that a call of a part takes and returns: the names of what it gets, and how many tensors it makes."""

    path: str = ""
    names: list[str] = field(default_factory=list)
    made: int = 0


@contextmanager
def _marked(module: nn.Module, hosts: Collection[str]) -> Iterator[dict[str, list[_Marks]]]:
    """Has calls of a module's parts take, and return, aliases of their tensors where these are several, so that the
    graph says which these are. Gives the marks of each call of a part that has some."""
    marks: dict[str, list[_Marks]] = {}
    running: list[_Marks] = []

    def begin(path: str, part: nn.Module, args: Any, kwargs: Any) -> Any:
        running.append(_Marks(path))
        try:
            bound = inspect.signature(part.forward).bind(*args, **kwargs)
        except (TypeError, ValueError):
            return None
        leaves = pytree.tree_leaves_with_path(bound.arguments)
        tensors = {id(leaf): leaf for _, leaf in leaves if isinstance(leaf, Tensor)}
        if len(tensors) < 2:
            return None
        aliases = {key: torch.ops.aten.alias.default(tensor) for key, tensor in tensors.items()}
        first = {id(leaf): key_of(where[0]) for where, leaf in reversed(leaves)}
        running[-1].names = [first[key] for key in tensors]
        return pytree.tree_map_only(Tensor, lambda tensor: aliases[id(tensor)], (args, kwargs))

    def end(path: str, part: nn.Module, args: Any, made: Any) -> Any:
        mark, count = running.pop(), sum(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(made))
        mark.made = count if count > 1 else 0
        if mark.names or mark.made:
            marks.setdefault(path, []).append(mark)
        return pytree.tree_map_only(Tensor, torch.ops.aten.alias.default, made) if mark.made else None

    parts = [item for item in module.named_modules() if item[0] not in ("", *hosts) and _has_own_forward(item[1])]
    hooks = [part.register_forward_pre_hook(partial(begin, path), with_kwargs=True) for path, part in parts]
    hooks += [part.register_forward_hook(partial(end, path)) for path, part in parts]
    try:
        yield marks
    except Exception as error:
        error.add_note(f"in `{running[-1].path}`" if running else "")
        raise
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _seen(parts: Sequence[nn.Module]) -> Iterator[None]:
    """Has parts return an alias where they hand on what they get, as stochastic depth that always survives: torch would
    have nothing of them in its graph."""

    def end(part: nn.Module, given: Any, made: Any) -> Any:
        return torch.ops.aten.alias.default(made) if any(made is value for value in given) else None

    hooks = [part.register_forward_hook(end) for part in parts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def first_paths(module: nn.Module) -> dict[str, str]:
    """For each path of a part the first one that leads to it."""
    known = {part: path for path, part in module.named_modules()}
    return {path: known[part] for path, part in module.named_modules(remove_duplicate=False)}


def _has_own_forward(part: nn.Module) -> bool:
    return not type(part).__module__.startswith("torch.") and not isinstance(part, torch.jit.ScriptModule)


def _ends(
    program: ExportedProgram, module: nn.Module, marks: dict[str, list[_Marks]]
) -> tuple[dict[str, list[tuple[str, fx.Node]]], dict[str, list[fx.Node]]]:
    """What calls are given, and what they return, by the aliases in the graph, which are taken out of it."""
    found: dict[str, list[fx.Node]] = {}
    paths: dict[str, str] = {}
    first = first_paths(module)
    for node in list(program.graph.nodes):
        stack = [*(node.meta.get("nn_module_stack") or {}).items()]
        call, (at, _) = stack[-1] if stack else ("", ("", ""))
        if node.target is torch.ops.aten.alias.default and (path := first.get(at, at)) in marks:
            (source,) = node.args
            found.setdefault(call, []).append(source)
            paths[call] = path
            node.replace_all_uses_with(source)
            program.graph.erase_node(node)
    rows = {path: iter(marks[path]) for path in paths.values()}
    given: dict[str, list[tuple[str, fx.Node]]] = {}
    made: dict[str, list[fx.Node]] = {}
    for call, path in paths.items():
        mark, nodes = next(rows[path], _Marks()), found[call]
        given[call] = [*zip(mark.names, nodes, strict=False)]
        made[call] = nodes[len(mark.names) :] if len(nodes) == len(mark.names) + mark.made else []
    return given, made


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


def _of_program(
    program: ExportedProgram, module: nn.Module, training: bool, marks: dict[str, list[_Marks]], reads_sizes: bool
) -> Trace:
    take_borders(program.graph)
    arguments, results = _ends(program, module, marks)
    open_regions(program.graph_module)
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
    return Trace(training, calls, state, inputs, outputs, arguments, results, reads_sizes)


def key_of(key: Any) -> str:
    for attribute in ("name", "key", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def doubled(x: Tensor) -> Tensor:
    """The input with a batch of at least 2: torch takes a size of 1 for a constant."""
    return torch.cat([x, x]) if x.dim() and x.shape[0] == 1 else x
