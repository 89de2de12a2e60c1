"""The module classes of the result."""

from __future__ import annotations

import linecache
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import wraps
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, fx, nn
from torch.fx.graph import PythonCode
from torch.fx.node import map_arg

from ..ir.op import Weight
from .codec import decode, encode
from .module_classes import IMPLEMENTATION, ByName, Functions, class_of, subclass, unwritten
from .recompute import outlined, recomputed
from .scopes import Constants, Numbered, check_whole, missing


class Extern(nn.Module):
    """A layer whose code the host bound: `code(*inputs, **weights, **settings)`, with this module's own weights, which
    may be in modules within it: `**{"qkv.weight": weight}`."""

    def __init__(self, code: Callable[..., Any], settings: dict[str, Any]):
        super().__init__()
        self._code = code
        self._settings = settings

    def forward(self, *inputs: Tensor) -> Any:
        weights = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return self._code(*inputs, **weights, **self._settings)

    def extra_repr(self) -> str:
        return f"code={getattr(self._code, '__qualname__', type(self._code).__name__)}"


def bound(code: Callable[..., Any], settings: dict[str, Any], weights: Sequence[Weight], meta: bool) -> nn.Module:
    """The module of a layer of the host, its weights yet to be given: one that computes with a function, or a copy of
    a module that the host bound. Raises ValueError, in words, for a module that cannot be the layer."""
    if not isinstance(code, nn.Module):
        made = Extern(code, settings)
        for weight in weights:
            part: nn.Module = made
            for name in weight.name.split(".")[:-1]:
                if name not in part._modules:
                    part.add_module(name, nn.Module())
                part = part.get_submodule(name)
        return made
    if settings:
        raise ValueError(f"a module gets no arguments, and the call gives `{next(iter(settings))}`: bind a function")
    wanted = {weight.name: weight.shape for weight in weights}
    found = {name: tuple(tensor.shape) for name, tensor in code.state_dict().items()}
    for name in (*wanted, *found):
        if wanted.get(name) != found.get(name):
            has, says = (f"`{name}` {list(w[name])}" if name in w else f"no `{name}`" for w in (found, wanted))
            raise ValueError(f"the {type(code).__name__} has {has}, and the spec declares {says}")
    memo: dict[int, Any] = {}
    for tensor in code.state_dict(keep_vars=True).values():
        empty = tensor.detach().to("meta")
        memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
    try:
        made = deepcopy(code, memo)
    except Exception as error:  # whatever its parts raise
        raise ValueError(f"the {type(code).__name__} cannot be copied: {error}") from None
    return made.to("meta") if meta else made


class ArchModule(Constants, fx.GraphModule, metaclass=ByName):
    """A GraphModule that keeps what `fx.GraphModule` drops: registration order, containers, attributes, and second
    names of what is shared survive deepcopy and pickling, and unpickling runs no generated code. Modules whose code is
    the same share the compiled function, so that what compiles by code object compiles each block once.

    Where some outputs are for training alone it has two graphs and two forwards: in eval those outputs are None and
    nothing that only they need is computed. `graph` is then the one of the mode that the module is in.
    """

    _tied: Sequence[Sequence[str]] = ()
    """The names of each tensor that has several: it stays one on whatever device it goes to."""

    def __init__(self, name: str, path: str = ""):
        """An empty module; `graph` gives it a forward. `path` is where it stands in the module that is built."""
        super().__init__({}, fx.Graph(), name)
        vars(self).update(_eval_graph=None, _written=None, _edited=set())
        self._path = path

    def _adopt(self, graph: fx.Graph, eval_graph: fx.Graph | None = None) -> None:
        """Makes these graphs its code; without one for eval the first serves both modes."""
        vars(self).update(_graph=graph, _eval_graph=eval_graph, _written=None, _edited=set())
        self.recompile()

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Any:
        tied = [names for names in self._tied if len({id(_tensor(self, name)) for name in names}) == 1]
        super()._apply(fn, recurse)
        for first, *others in tied:
            tensor = _tensor(self, first)
            for path, _, own in [name.rpartition(".") for name in others if tensor is not None]:
                setattr(self.get_submodule(path), own, tensor)
        return self

    @property
    def graph(self) -> fx.Graph:
        """The graph that the module runs in its mode."""
        other = vars(self).get("_eval_graph")
        return self._graph if other is None or self.training else other

    @graph.setter
    def graph(self, graph: fx.Graph) -> None:
        other = vars(self).get("_eval_graph")
        vars(self)["_graph" if other is None or self.training else "_eval_graph"] = graph
        if graph.nodes:
            self.recompile()

    def recompile(self) -> PythonCode:
        """Generates `forward` anew, after an edit of `graph`. Warns where one of two graphs alone has been edited."""
        self._graph.owning_module = self
        if "_functions" in type(self).__dict__:
            self.__class__ = subclass(unwritten(type(self)), type(self).__name__)
        python = super().recompile()
        evaluation: fx.Graph | None = vars(self).get("_eval_graph")
        source = _Source()
        if evaluation is None:
            source.add(self._graph, "forward", python)
        else:
            evaluation.owning_module = self
            other = evaluation.python_code("self")
            source.dispatch(self._graph, python)
            source.add(self._graph, "_forward_training", python)
            source.add(evaluation, "_forward_eval", other)
            self._warn_of_half({"training": python.src, "evaluation": other.src})
        self._code = source.text
        self._run(_compiled(source))
        self._watch()
        return python

    def _warn_of_half(self, written: dict[str, str]) -> None:
        """Warns where what a module does in one mode was edited since it was made, and in the other not."""
        before = vars(self)["_written"] or written
        edited = [mode for mode in written if written[mode] != before[mode]]
        vars(self)["_written"] = written
        vars(self)["_edited"].update(edited)
        if edited and len(vars(self)["_edited"]) == 1:
            (mode,) = edited
            other = "eval" if mode == "training" else "train"
            message = f"`{type(self).__name__}` has a graph for each mode, and that of {mode} alone was edited"
            warnings.warn(f"{message}: call `{other}()`, edit `graph` there too, and recompile", stacklevel=3)

    def _run(self, functions: Functions) -> None:
        """Makes the functions the module's methods. Modules of the same code have the same class, by which a compiler
        knows what it has compiled before. A class that a wrapper derived gets the methods itself."""
        cls: Any = type(self)
        # Hooks and modes are nn.Module's own business; a wrapper around each call would deepen the stack.
        del cls.__call__
        if cls.__qualname__.rpartition(".")[2] == IMPLEMENTATION:
            self.__class__ = class_of(cls.__base__, cls.__name__, functions)
            return
        for name, function in functions.items():
            setattr(cls, name, function)

    def delete_all_unused_submodules(self) -> None:
        """Deletes the modules that the graph does not use; what either mode uses stays."""
        training, evaluation = vars(self)["_graph"], vars(self).get("_eval_graph")
        both = deepcopy(training)
        if evaluation is not None:
            both.graph_copy(evaluation, {})
        vars(self).update(_graph=both, _eval_graph=None)
        try:
            super().delete_all_unused_submodules()
        finally:
            vars(self).update(_graph=training, _eval_graph=evaluation)

    def delete_submodule(self, target: str) -> bool:
        """Deletes a module by its path, as `fx.GraphModule.delete_submodule` does; False where there is none."""
        path, _, name = target.rpartition(".")
        try:
            held = self.get_submodule(path)._modules
        except AttributeError:
            return False
        return held.pop(name, None) is not None

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._watch()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if value is None and name in self._modules:
            self._watch()

    def _watch(self) -> None:
        """Where the code calls what is not there, `forward` says so from now on."""
        cls, evaluation = type(self), vars(self).get("_eval_graph")
        functions = cls.__dict__.get("_functions")
        if functions is None or "_watched" in cls.__dict__:
            return
        if missing(self, self._graph) or (evaluation is not None and missing(self, evaluation)):
            self.__class__ = subclass(cls, cls.__name__, _watched(functions))

    def to_folder(self, folder: str | Path, module_name: str = "FxModule") -> None:
        """Writes the module as a Python package, as `fx.GraphModule.to_folder` does."""
        super().to_folder(folder, module_name)
        path = Path(folder) / "module.py"
        if recomputed.__name__ in self._code:
            line = f"from {recomputed.__module__} import {recomputed.__name__} as {_global_name(self._code)}\n"
            path.write_text(path.read_text().replace("\nimport torch\n", f"\nimport torch\n{line}", 1))

    def _deepcopy_init(self) -> Callable[..., None]:
        def restore(copy: ArchModule, body: nn.Module, graph: fx.Graph) -> None:
            ArchModule.__init__(copy, type(self).__name__)
            vars(copy).update(vars(body))
            copy._adopt(graph, vars(body)["_eval_graph"])

        return restore

    def __deepcopy__(self, memo: dict[int, Any]) -> fx.GraphModule:
        with _room_for(self):
            return super().__deepcopy__(memo)

    def __copy__(self) -> fx.GraphModule:
        evaluation = vars(self)["_eval_graph"]
        made = type(self)(type(self).__name__)
        vars(made).update(vars(self))
        made._adopt(deepcopy(self._graph), deepcopy(evaluation))
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        state = {key: value for key, value in self.__getstate__().items() if key not in _OF_FX}
        evaluation = vars(self)["_eval_graph"]
        other = None if evaluation is None else encode(evaluation)
        return _rebuild, (type(self).__name__, state, encode(self._graph), other, isinstance(self, Numbered))


def _tensor(module: nn.Module, name: str) -> Tensor | None:
    """The parameter or buffer of a name, None where there is none."""
    path, _, own = name.rpartition(".")
    try:
        holder = module.get_submodule(path)
    except AttributeError:
        return None
    return holder._parameters.get(own, holder._buffers.get(own))


def tied_names(module: nn.Module) -> list[list[str]]:
    """The names of each parameter and buffer that has several."""
    names: dict[int, list[str]] = {}
    for kind in (module.named_parameters, module.named_buffers):
        for name, tensor in kind(remove_duplicate=False):
            names.setdefault(id(tensor), []).append(name)
    return [each for each in names.values() if len(each) > 1]


class NumberedArchModule(Numbered, ArchModule):
    """A scope that can be called, and whose modules are called by numbers."""


_OWN = {"_eval_graph", "_written", "_edited"}
_OF_FX = {*fx.GraphModule({}, fx.Graph()).__dict__, *_OWN} - {*nn.Module().__dict__, "meta"}
"""What `fx.GraphModule` keeps in a module, but for what users keep there."""


_CACHE: WeakValueDictionary[tuple[Any, ...], Functions] = WeakValueDictionary()


def _watched(functions: Functions) -> dict[str, Any]:
    """A forward that first looks whether all is there that it calls. By the one that it wraps torch.fx knows its
    arguments."""

    @wraps(functions["forward"])
    def forward(self: ArchModule, *inputs: Any, **named: Any) -> Any:
        if not torch.compiler.is_compiling():
            check_whole(self, self.graph, self.__dict__["_eval_graph"] if self.training else None)
        return functions["forward"](self, *inputs, **named)

    return {"forward": forward, "_functions": functions, "_watched": True}


class _Source:
    """The text of a module's methods, and the names that it refers to."""

    def __init__(self) -> None:
        self.text = ""
        self.names: list[str] = []
        self.globals: dict[str, Any] = {}

    def add(self, graph: fx.Graph, name: str, python: PythonCode | None = None) -> None:
        """Adds the method that a graph is, with those of its parts that training computes again."""
        outer, parts = outlined(graph, f"_recomputed_{name.removeprefix('_')}_")
        self._method(python if python is not None and outer is graph else outer.python_code("self"), name)
        for inner, part in parts.items():
            self._method(part.python_code("self"), inner)

    def dispatch(self, graph: fx.Graph, python: PythonCode) -> None:
        """Adds the method that runs the one of the mode."""
        signature = next(line for line in python.src.splitlines() if line.startswith("def forward("))
        arguments = ", ".join(f"{node.target}={node.target}" for node in graph.nodes if node.op == "placeholder")
        self.text += (
            f"\n\n\n{signature}\n    run = self._forward_training if self.training else self._forward_eval\n"
            f"    return run({arguments})\n"
        )
        self.names.append("forward")

    def _method(self, python: PythonCode, name: str) -> None:
        self.text += python.src.replace("def forward(", f"def {name}(", 1)
        self.names.append(name)
        self.globals.update(python.globals)


def _compiled(source: _Source) -> Functions:
    key = (source.text, *sorted((name, id(value)) for name, value in source.globals.items()))
    functions = _CACHE.get(key)
    if functions is None:
        file = f"<archc {hash(source.text) & 0xFFFFFFFF:08x}>"
        linecache.cache[file] = (len(source.text), None, source.text.splitlines(keepends=True), file)
        space = dict(source.globals)
        exec(compile(source.text, file, "exec"), space)  # names and targets are checked
        functions = _CACHE[key] = Functions({name: space[name] for name in source.names})
    return functions


def _global_name(code: str) -> str:
    """What generated code calls `recomputed`."""
    return next(word for word in code.replace("(", " ").split() if word.endswith(f"_{recomputed.__name__}"))


@contextmanager
def _room_for(module: nn.Module):
    """Raises the recursion limit for copying modules that nest deeply: `copy` takes some ten frames a level."""
    depth = max((name.count(".") for name, _ in module.named_modules()), default=0)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 16 * depth + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def flattened(module: ArchModule) -> tuple[ArchModule, str]:
    """The module as eval runs it, sharing its parts, with a flat tuple of tensors as its result.

    Its own tensors are in a module of the name returned, so that a tensor's path holds a dot, as no name that an
    exporter gives does.
    """
    graph = deepcopy(module.__dict__["_eval_graph"] or module._graph)
    *_, output = graph.nodes
    tensors: list[fx.Node] = []
    map_arg(output.args[0], tensors.append)
    output.args = (tuple(tensors),)
    holder, own = nn.Module(), "own"
    while own in module._modules:
        own += "_"
    for key in ("_parameters", "_buffers", "_non_persistent_buffers_set"):
        holder.__dict__[key] = module.__dict__[key]
    for node in graph.nodes:
        if node.op == "get_attr" and "." not in str(node.target):
            node.target = f"{own}.{node.target}"
    flat = ArchModule(type(module).__name__)
    flat._modules = {**module._modules, own: holder}
    flat._adopt(graph)
    return flat, own


def _rebuild(
    name: str, state: dict[str, Any], rows: list[Any], eval_rows: list[Any] | None, numbered: bool = False
) -> ArchModule:
    module = (NumberedArchModule if numbered else ArchModule)(name)
    vars(module).update(state)
    module._adopt(decode(rows), None if eval_rows is None else decode(eval_rows))
    return module
