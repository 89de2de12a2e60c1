"""Submodules that the language cannot say as layers of the host: which these are, and what of the graph each is."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from ...dsl.diagnostics import Fault
from ...grammar.parser import words
from ..elaborate.extern import settings_of
from ..elaborate.language import known_names
from ..elaborate.values import Tensor as Arriving
from ..emit.check import placement, running
from ..emit.private import schema_of, without_numbers
from ..ir.free_names import FreeNames
from ..ir.graph import Value, is_under
from ..ir.types import TensorType
from ..program import Program
from .alike import alike, equal
from .declare import Ran, declaration
from .overwriting import touched
from .start import dtype_of
from .unsayable import Missing, Unsayable
from .values import function_name, shape_of
from .whole import block_name

if TYPE_CHECKING:
    from .reader import Reader

Call = tuple[str, str]
"""A call of a module: its first path, and a name of the call."""


class Host:
    """A submodule that is to be a layer of the host. While it is exported, copies of the tensors that it takes and of
    what it returns mark its border in the graph; `problem` says what it takes or returns that no such layer does."""

    def __init__(self, path: str, module: nn.Module):
        self.path = path
        self.module = module
        self.names: list[str] | None = None
        self.problem = ""

    def enter(self, _: nn.Module, arguments: Any, settings: Any) -> tuple[Any, Any]:
        signature = inspect.signature(self.module.forward)
        given = signature.bind(*arguments, **settings)
        given.apply_defaults()
        names: list[str] = []
        skipped = False
        for name, value in given.arguments.items():
            parameter = signature.parameters[name]
            if _is_tensor(value) and not skipped and parameter.kind != parameter.KEYWORD_ONLY:
                given.arguments[name] = torch.ops.aten.alias(value)
                names.append(name)
            elif parameter.kind == parameter.VAR_KEYWORD and not value:
                continue
            elif parameter.kind == parameter.VAR_POSITIONAL and not (skipped and value) and all(map(_is_tensor, value)):
                given.arguments[name] = tuple([torch.ops.aten.alias(x) for x in value])
                names += [f"{name}{place}" for place in range(len(value))]
            elif _is_tensor(value):
                self.problem = f"it is given the tensor `{name}` by name, and takes tensors by their places alone"
            elif not equal(value, parameter.default):
                self.problem = f"it is given `{name}`, which is no tensor"
            skipped |= not _is_tensor(value)
        if self.names not in (None, names):
            self.problem = "its calls give it other arguments"
        self.names = names
        return given.args, given.kwargs

    def leave(self, _: nn.Module, arguments: Any, made: Any) -> Any:
        if isinstance(made, Tensor) and not made.is_complex():
            return torch.ops.aten.alias(made)
        if isinstance(made, Tensor):
            self.problem = "it returns complex numbers"
            return None
        self.problem = f"it returns a value of type {type(made).__name__}, and such a layer one tensor"
        return None

    def inputs(self) -> list[str]:
        """What the declaration calls the tensors that it takes."""
        free = FreeNames(words().reserved)
        return [free.new("x" if name == "input" else name) for name in self.names or ()]

    def run(self, dtypes: Sequence[torch.dtype], counted: bool, shapes: list[tuple[int, ...]]) -> Ran | None:
        """What it makes of tensors of these shapes, in evaluation and without numbers."""
        device, _ = placement(self.module)
        try:
            with without_numbers(), torch.no_grad(), running(self.module, device):
                given = [torch.zeros(s, dtype=d, device=device) for s, d in zip(shapes, dtypes, strict=True)]
                with FlopCounterMode(display=False) as counter:
                    made = self.module(*given)
        except Exception:  # whatever a module raises at sizes that it does not take
            return None
        macs = counter.get_total_flops() // 2
        return Ran(tuple(made.shape), dtype_of(made), macs if counted else None) if isinstance(made, Tensor) else None


class Hosts:
    """The submodules that are layers of the host, by path. `code` has the module of each declaration, by name."""

    def __init__(self, module: nn.Module):
        self.known: dict[str, Host] = {}
        self.code: dict[str, nn.Module] = {}
        self.missing: list[Missing] = []
        self._modules = dict(module.named_modules())
        self._refused: set[str] = set()
        self._declared: dict[Any, str] = {}
        self._named: dict[tuple[int, str], str] = {}
        self._free = FreeNames()

    def forget(self) -> None:
        """Takes no submodule any more: with inputs that are declared otherwise the language may say others."""
        self.known, self.missing, self._refused = {}, [], set()

    def begin(self, taken: Iterable[str]) -> None:
        """Begins anew with other inputs, whose names no declaration may have."""
        self.code.clear()
        self._named.clear()
        self._free = FreeNames([*known_names(), *words().reserved, *taken])

    def widen(self, missing: Sequence[Missing]) -> bool:
        """Takes the innermost modules that hold these calls; where one is taken already, which then cannot be a layer
        of the host, the one around it. False where there is none."""
        self.missing += [item for item in missing if item not in self.missing]
        wanted = {*self.known}
        for item in missing:
            path = item.module
            if taken := next((p for p in self.known if is_under(path, p)), None):
                self._refused.add(path := taken)
            while path and (path in self._refused or not _is_called(self._modules.get(path))):
                path = path.rpartition(".")[0]
            if not path:
                return False
            wanted.add(path)
        wanted -= self._refused
        outer = [p for p in wanted if not any(p != other and is_under(p, other) for other in wanted)]
        self.known = {p: self.known.get(p) or Host(p, self._modules[p]) for p in sorted(outer)}
        return True

    @contextmanager
    def marked(self) -> Iterator[None]:
        """Inside, the modules mark their borders."""
        handles: list[Any] = []
        for host in self.known.values():
            handles.append(host.module.register_forward_pre_hook(host.enter, with_kwargs=True))
            handles.append(host.module.register_forward_hook(host.leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def read(self, reader: Reader, call: Call, nodes: list[fx.Node]) -> tuple[fx.Node, Value]:
        """The node of a call, for all that is computed in it: the node of torch's that makes its result, and the
        tensor. Raises Unsayable, and Poisoned."""
        host = self.known[call[0]]
        try:
            return self._read(reader, host, call, nodes)
        except Unsayable as error:
            kind = type(host.module).__name__
            raise Unsayable(f"`{kind}` cannot be a layer of the host: {error}") from None

    def _read(self, reader: Reader, host: Host, call: Call, nodes: list[fx.Node]) -> tuple[fx.Node, Value]:
        if host.problem:
            raise Unsayable(host.problem)
        marks = [n for n in nodes if function_name(n) == "alias" and reader.stack_of(n)[-1] == call]
        entering, result = marks[: len(host.names or ())], marks[-1]
        if not entering:
            raise Unsayable("it takes no tensor")
        _check_border(reader, host, nodes, entering, result)
        inputs = tuple([reader.made(node.all_input_nodes[0]) for node in entering])
        types = tuple([reader.graph.type_of(value) for value in inputs])
        settings = self._settings(reader, host, nodes, entering, types)
        return result, reader.apply("extern", inputs, settings, None, host.path)[0]

    def _settings(
        self, reader: Reader, host: Host, nodes: list[fx.Node], entering: list[fx.Node], types: tuple[TensorType, ...]
    ) -> dict[str, Any]:
        first = next((module for module in self.code.values() if alike(module, host.module)), host.module)
        dtypes = [node.meta["val"].dtype for node in entering]
        shown = tuple([tuple(node.meta["val"].shape) for node in entering])
        key = id(first), types, shown, tuple(host.inputs())
        if key not in self._declared:
            counted = all(map(_is_counted, nodes))

            def run(shapes: list[tuple[int, ...]]) -> Ran | None:
                return host.run(dtypes, counted, shapes)

            depth = _depth(nodes, reader.trace.state) if counted else None
            self._declared[key] = declaration(host.module, host.inputs(), types, reader.traced, run, depth)
        text = self._declared[key]
        name = self._named.get((id(first), text))
        if name is None:
            word = block_name(host.module)
            name = self._named[id(first), text] = self._free.new(word if words().is_name(word) else "host")
            self.code[name] = first
        return _elaborated(name, f"extern {name}(){text}", types)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _is_called(module: nn.Module | None) -> bool:
    """Whether a module computes something, and is no list of others."""
    return module is not None and type(module).forward is not nn.Module.forward


def _check_border(reader: Reader, host: Host, nodes: list[fx.Node], entering: list[fx.Node], result: fx.Node) -> None:
    """Raises Unsayable where something crosses the border of a call beside what it takes and returns."""
    inside, returned = {*nodes, *reader.trace.state}, {node for _, node in reader.trace.outputs}
    taken = {*entering}
    for node in nodes:
        _check_overwriting(node, taken)
        if node is not result and (node in returned or any(u.op != "output" and u not in inside for u in node.users)):
            raise Unsayable("others use a tensor in it that it does not return")
        if draws(node):
            raise Unsayable(f"`{function_name(node)}` draws random numbers")
        for source in node.all_input_nodes if node not in entering else ():
            state = reader.trace.state.get(source)
            if source not in inside and state is None:
                raise Unsayable("it uses a tensor that is none of its arguments")
            if state is not None and state.kept:
                users = [user for user in source.users if user.op != "output"]
                homes = [any(path == host.path for path, _ in reader.stack_of(user)) for user in users]
                if not is_under(state.name, host.path) or not all(homes):
                    raise Unsayable(f"it shares `{state.name}` with other modules")


def _check_overwriting(node: fx.Node, taken: set[fx.Node]) -> None:
    """Raises Unsayable where a call overwrites one of these tensors, to which what shares memory with them is added."""
    if schema_of(node.target) is None and not taken.isdisjoint(node.all_input_nodes):
        taken.add(node)
    for given, is_write in touched(node):
        if given in taken and is_write:
            raise Unsayable("it overwrites what it takes")
        if given in taken:
            taken.add(node)


def draws(node: fx.Node) -> bool:
    """Whether a call of torch's draws random numbers."""
    schema = schema_of(node.target)
    if schema is None:
        return False
    given = dict(zip([argument.name for argument in schema.arguments], node.args, strict=False)) | node.kwargs
    chance = next((given[name] for name in ("p", "dropout_p") if name in given), None)
    if chance is not None and (not chance or given.get("train") is False):
        return False
    tags = getattr(node.target, "tags", ())
    return torch.Tag.nondeterministic_seeded in tags or bool(given.get("dropout_p"))


_UNCOUNTED = {"mv", "addmv", "dot", "vdot", "inner", "addbmm", "bilinear", "cdist"}
"""Products that torch does not count."""
_RECURRENT = ("lstm", "gru", "rnn_")
_PRODUCTS = {"matmul", "mm", "bmm", "addmm", "baddbmm", "einsum"}


def _is_counted(node: fx.Node) -> bool:
    """Whether torch counts the multiply-adds of a call, if it has any."""
    schema = schema_of(node.target)
    if schema is None:
        return True
    name = function_name(node) or ""
    vector = name == "matmul" and any(len(shape_of(source)) < 2 for source in node.all_input_nodes)
    counts = name not in _UNCOUNTED and not name.startswith(_RECURRENT) and not vector
    return counts and schema.name.startswith("aten::")


def _depth(nodes: list[fx.Node], state: Collection[fx.Node]) -> int:
    """How many convolutions and linear maps are on the longest path: products with what is made of weights alone are
    linear maps."""
    longest: dict[fx.Node, int] = {}
    fixed = {*state}
    for node in nodes:
        name, sources = function_name(node) or "", node.all_input_nodes
        if sources and fixed.issuperset(sources):
            fixed.add(node)
        product = name in _PRODUCTS and not fixed.isdisjoint(sources)
        weighted = name == "linear" or name.startswith("conv") or product
        longest[node] = max((longest.get(source, 0) for source in sources), default=0) + weighted
    return max(longest.values())


def _elaborated(name: str, text: str, types: tuple[TensorType, ...]) -> dict[str, Any]:
    """What the declaration of an extern says of a layer that takes tensors of these types. Raises Unsayable."""
    program = Program.parse(text)
    wrong = [problem for problem in program.diagnostics if problem.severity == "error"]
    if wrong or program.loaded is None:
        raise Unsayable(wrong[0].message)
    (definition,) = program.definitions()
    machine = program.machine(name, definition.span, program.passes)
    kind = machine.file_environment(program.loaded).names[name]
    tensors = tuple([Arriving(place, 0, type_) for place, type_ in enumerate(types)])
    try:
        return settings_of(machine, kind, {}, tensors, definition.span)
    except Fault as problem:
        raise Unsayable(problem.diagnostic.message) from None
