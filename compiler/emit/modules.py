"""The module classes of the result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.fx.graph import PythonCode
from torch.fx.node import map_arg

from .names import check_graph
from .targets import resolve, resolved, target_name

_STATE = ("_modules", "_parameters", "_buffers", "_non_persistent_buffers_set")
_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Container(nn.Module):
    """A namespace of parameters: a scope of the spec. It has no forward, the root's code calls what it holds."""

    def __init__(self, title: str = ""):
        super().__init__()
        self._title = title

    def _get_name(self) -> str:
        return self._title or "Container"


class Numbered(Container):
    """A scope of which some numbers are modules, since other steps of its list are not: `scope[2]` is the one called 2.

    It has no forward, which would leave those other steps out.
    """

    def __getitem__(self, index: int) -> nn.Module:
        return self._modules[self._name_of(index)]  # type: ignore[return-value]

    def __setitem__(self, index: int, module: nn.Module) -> None:
        setattr(self, self._name_of(index), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return self.children()

    def _name_of(self, index: int) -> str:
        names = list(self._modules)
        if index < 0 and len(names) >= -index:
            return names[index]
        if str(index) not in self._modules:
            raise IndexError(f"no module is called {index} here: there are {', '.join(names)}")
        return str(index)


class Extern(nn.Module):
    """A layer whose code the host bound: `code(*inputs, **weights, **settings)`, with this module's own weights."""

    def __init__(self, code: Callable[..., Any], settings: dict[str, Any]):
        super().__init__()
        self._code = code
        self._settings = settings

    def forward(self, *inputs: Tensor) -> Any:
        weights = {**dict(self.named_parameters(recurse=False)), **dict(self.named_buffers(recurse=False))}
        return self._code(*inputs, **weights, **self._settings)

    def extra_repr(self) -> str:
        return f"code={getattr(self._code, '__qualname__', type(self._code).__name__)}"


class ArchModule(fx.GraphModule):
    """A GraphModule that keeps what `fx.GraphModule` drops: registration order, containers, and second names of what is
    shared survive deepcopy and pickling, and unpickling runs no generated code.

    Where some outputs are for training alone it has two graphs and two forwards: in eval those outputs are None and
    nothing that only they need is computed. `graph` is then the one of the mode that the module is in.
    """

    @classmethod
    def assemble(cls, root: nn.Module, graph: fx.Graph, name: str, eval_graph: fx.Graph | None = None) -> ArchModule:
        """The module with the children and tensors of `root` itself, not of copies, and the graphs as its code."""
        module = cls({}, fx.Graph(), name)
        module._adopt(root.__dict__, graph, eval_graph)
        return module

    def _adopt(self, state: dict[str, Any], graph: fx.Graph, eval_graph: fx.Graph | None) -> None:
        for key in _STATE:
            self.__dict__[key] = state[key]
        self.__dict__["_eval_graph"] = None
        self.graph = graph
        if eval_graph is not None:
            self.__dict__["_eval_graph"] = eval_graph
            self.recompile()
        self.training = state["training"]

    @property
    def graph(self) -> fx.Graph:
        """The graph that the module runs in its mode."""
        other = self.__dict__.get("_eval_graph")
        return self._graph if other is None or self.training else other

    @graph.setter
    def graph(self, graph: fx.Graph) -> None:
        other = self.__dict__.get("_eval_graph")
        self.__dict__["_graph" if other is None or self.training else "_eval_graph"] = graph
        graph.owning_module = self
        self.recompile()

    def recompile(self) -> PythonCode:
        """Generates `forward` anew, after an edit of `graph`."""
        python = super().recompile()
        eval_graph: fx.Graph | None = self.__dict__.get("_eval_graph")
        if eval_graph is None:
            return python
        shell = fx.GraphModule({}, fx.Graph())
        shell.graph = eval_graph
        eval_graph.owning_module = self
        arguments = ", ".join(f"{n.target}={n.target}" for n in self._graph.nodes if n.op == "placeholder")
        signature = next(line for line in self._code.splitlines() if line.startswith("def forward("))
        dispatch = (
            f"{signature}\n    run = self._forward_training if self.training else self._forward_eval\n"
            f"    return run({arguments})\n"
        )
        space: dict[str, Any] = dict(python.globals)
        exec(compile(dispatch, "<archc dispatch>", "exec"), space)  # the arguments are checked identifiers
        cls: Any = type(self)
        cls._forward_training = cls.forward
        cls._forward_eval = type(shell).forward
        cls.forward = space["forward"]
        halves = (self._code.replace("def forward(", "def _forward_training(", 1),)
        halves += (shell.code.replace("def forward(", "def _forward_eval(", 1),)
        self._code = "\n\n".join((dispatch, *halves))
        return python

    def _deepcopy_init(self) -> Callable[..., None]:
        def restore(copied: ArchModule, body: nn.Module, graph: fx.Graph) -> None:
            fx.GraphModule.__init__(copied, {}, fx.Graph(), type(self).__name__)
            copied._adopt(body.__dict__, graph, body.__dict__["_eval_graph"])
            for key in _HOOKS:
                copied.__dict__[key] = body.__dict__[key]

        return restore

    def __deepcopy__(self, memo: dict[int, Any]) -> fx.GraphModule:
        with _room_for(self):
            return super().__deepcopy__(memo)

    def __copy__(self) -> fx.GraphModule:
        eval_graph = self.__dict__["_eval_graph"]
        other = None if eval_graph is None else _copied(eval_graph)
        return ArchModule.assemble(self, _copied(self._graph), type(self).__name__, other)

    def __reduce__(self) -> tuple[Any, ...]:
        state = {key: self.__dict__[key] for key in (*_STATE, "training", "meta")}
        eval_graph = self.__dict__["_eval_graph"]
        other = None if eval_graph is None else _encode(eval_graph)
        return _rebuild, (type(self).__name__, state, _encode(self._graph), other)


@contextmanager
def _room_for(module: nn.Module):
    """Raises the recursion limit for copying modules that nest deeply: `copy` takes some eight frames a level."""
    depth = max((name.count(".") for name, _ in module.named_modules()), default=0)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 12 * depth + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _copied(graph: fx.Graph) -> fx.Graph:
    result = fx.Graph()
    value = result.graph_copy(graph, {}, return_output_node=False)
    result.output(cast(Any, value))
    return result


def flattened(module: ArchModule) -> ArchModule:
    """The module as eval runs it, sharing its parts, with a flat tuple of tensors as its result."""
    graph = _copied(module.__dict__["_eval_graph"] or module._graph)
    output = next(node for node in reversed(graph.nodes) if node.op == "output")
    tensors: list[fx.Node] = []
    map_arg(output.args[0], tensors.append)
    output.args = (tuple(tensors),)
    return ArchModule.assemble(module, graph, type(module).__name__)


def without_outputs(graph: fx.Graph, names: frozenset[str]) -> fx.Graph:
    """A copy of the graph in which these of its outputs are None (all of them, where they have no names), and nothing
    that only they need is left."""
    full = next(node for node in reversed(graph.nodes) if node.op == "output").args[0]
    kept: Any = {k: None if k in names else v for k, v in full.items()} if isinstance(full, dict) else None
    always, ever = _reached(kept), _reached(full)
    result, values = fx.Graph(), {}
    for node in graph.nodes:
        unused = node not in ever and all(source in values for source in node.all_input_nodes)
        if node.op != "output" and (node.op == "placeholder" or node in always or unused):
            values[node] = result.node_copy(node, lambda n: values[n])
    result.output(map_arg(kept, lambda n: values[n]))
    return result


def _reached(value: Any) -> set[fx.Node]:
    """The nodes that a value is computed from."""
    waiting: list[fx.Node] = []
    map_arg(value, waiting.append)
    seen = set(waiting)
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return seen


class _Ref(int):
    """The number of a node, in an encoded graph."""


def _encode(graph: fx.Graph) -> list[tuple[Any, ...]]:
    """The graph as plain data: functions by the names that lowerings gave them."""
    numbers: dict[fx.Node, int] = {}
    rows = []
    for node in graph.nodes:
        args, kwargs = map_arg((node.args, node.kwargs), lambda n: _Ref(numbers[n]))
        target = target_name(node.target) if node.op == "call_function" else node.target
        rows.append((node.op, node.name, target, _plain(args), _plain(kwargs)))
        numbers[node] = len(numbers)
    return rows


def _plain(value: Any) -> Any:
    """fx's immutable containers as ordinary ones."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and type(value) is not torch.Size and not isinstance(value, slice):
        return tuple(map(_plain, value))
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _decode(rows: list[tuple[Any, ...]]) -> fx.Graph:
    graph = fx.Graph()
    nodes: list[fx.Node] = []

    def value(item: Any) -> Any:
        if isinstance(item, _Ref):
            return nodes[item]
        if isinstance(item, dict):
            return {key: value(v) for key, v in item.items()}
        return type(item)(map(value, item)) if isinstance(item, list | tuple) else item

    for op, name, target, args, kwargs in rows:
        target = resolve(target) if op == "call_function" else target
        nodes.append(graph.create_node(op, target, value(args), value(kwargs), name=name))
    check_graph(graph, resolved())
    return graph


def _rebuild(name: str, state: dict[str, Any], rows: list[Any], eval_rows: list[Any] | None) -> ArchModule:
    module = ArchModule({}, fx.Graph(), name)
    module._adopt(state, _decode(rows), None if eval_rows is None else _decode(eval_rows))
    module.meta.update(state["meta"])
    return module


resolve("operator.getitem")
