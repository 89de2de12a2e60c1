"""The modules of scopes that cannot be called as one: namespaces, lists, and numbered layers of which some are missing.

What is around such a scope applies its layers one by one, so a hook on the scope would never run. Calling one and
hooking one says so, with the reason.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from typing import Any

from torch import fx, nn

from ...dsl.diagnostics import ArchError, Diagnostic
from ..ir.initialisers import Initialiser
from .initialise import fill


class Constants(nn.Module):
    """A scope whose tensors may be constants, which no checkpoint has: they start again where they got memory for what
    was on the meta device. `_constants` says how, by their names."""

    _constants: Mapping[str, Initialiser] = {}

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Any:
        starts = self._constants
        unmade = [name for name in starts if (tensor := self._buffers.get(name)) is not None and tensor.is_meta]
        super()._apply(fn, recurse)
        for name in unmade:
            made = self._buffers.get(name)
            if made is not None and not made.is_meta:
                fill(made, starts[name], None, 1, None)
        return self


class Dissolved(nn.Module):
    """A scope that cannot be called, for the `reason` that its repr shows. `_path` is its own."""

    _reason: str
    _path: str

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Raises ArchError (E0809)."""
        hint = "call what is around it, or the layers in it one by one"
        raise ArchError([Diagnostic("E0809", f"{self._described()} cannot be called: {self._reason}", hints=(hint,))])

    def extra_repr(self) -> str:
        return f"not called as one: {self._reason}"

    def _described(self) -> str:
        return f"`{self._path}`"

    def __delattr__(self, name: str) -> None:
        """Raises ArchError (E0825) for a module."""
        if isinstance(self._modules.get(name), nn.Module):
            message = f"`{name}` of {self._described()} cannot be deleted: what is around the scope calls it"
            raise ArchError([Diagnostic("E0825", message, hints=(_instead(name),))])
        super().__delattr__(name)


def _warned(name: str) -> Callable[..., Any]:
    register = getattr(nn.Module, name)

    @wraps(register)
    def warned(self: Dissolved, *args: Any, **kwargs: Any) -> Any:
        message = f"a hook on {self._described()} never runs, as the scope is not called as one: {self._reason}"
        warnings.warn(message, stacklevel=2)
        return register(self, *args, **kwargs)

    return warned


for _kind in ("forward", "forward_pre", "full_backward", "full_backward_pre"):
    setattr(Dissolved, f"register_{_kind}_hook", _warned(f"register_{_kind}_hook"))


class Container(Constants, Dissolved):
    """A namespace of layers and parameters."""

    def __init__(self, title: str = "", reason: str = "", path: str = ""):
        super().__init__()
        self._title = title
        self._path = path
        self._reason = reason

    def _get_name(self) -> str:
        return self._title or "Container"


class Row(nn.Sequential):
    """Modules that are called one after the other, of a class that has the name of their block."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _empty_row, (type(self).__name__,), self.__getstate__()


@cache
def row_class(name: str) -> type[Row]:
    """The one class of rows of a name."""
    return type(name, (Row,), {"__module__": Row.__module__})


def _empty_row(name: str) -> Row:
    return row_class(name)()


class Fixed(nn.Module):
    """Modules whose number cannot grow, as other code calls them by theirs. `_path` is that of the list."""

    def _refuse(self, *_: Any) -> Any:
        """Raises ArchError (E0825)."""
        name, last = self.__dict__.get("_path") or "modules", list(self._modules)[-1]
        message = f"nothing can be added to `{name}`: its modules are called by their numbers, and no others are called"
        place = _spelt(f"m.{name}.{last}")
        hint = f"a place can hold several modules: `{place} = torch.nn.Sequential({place}, more)`"
        raise ArchError([Diagnostic("E0825", message, hints=(hint,))])

    append = extend = insert = __iadd__ = _refuse


class Numbered(Fixed):
    """Modules that are called by numbers, of which some may be missing: `scope[2]` is the one called 2.

    A slice is a list of those whose places, not numbers, it names.
    """

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return nn.ModuleList(list(self._modules.values())[index])  # type: ignore[arg-type]
        return self._modules[self._name_of(index)]

    def __setitem__(self, index: int, module: nn.Module) -> None:
        setattr(self, self._name_of(index), module)

    def __delitem__(self, index: int) -> None:
        delattr(self, self._name_of(index))

    def pop(self, index: int) -> nn.Module:
        module = self[index]
        del self[index]
        return module

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


class NumberedContainer(Numbered, Container):
    """Numbered layers that are not called as one."""


class ModuleList(Fixed, Dissolved, nn.ModuleList):
    """Modules called 0 to n - 1 that are not called as one. A slice of them is a plain list."""

    def __init__(self, reason: str, path: str):
        super().__init__()
        self._path = path
        self._reason = reason

    def __getitem__(self, index: Any) -> Any:
        return nn.ModuleList([*self][index]) if isinstance(index, slice) else super().__getitem__(index)

    def __repr__(self) -> str:
        first, *rest = super().__repr__().split("\n")
        return "\n".join([first, f"  {self.extra_repr()}", *rest]) if rest else first


# --- what is missing -----------------------------------------------------------------------


def missing(module: nn.Module, graph: fx.Graph) -> list[fx.Node]:
    """The nodes of a graph that use a module or tensor which is not there."""
    return [
        node for node in graph.nodes if node.op in ("call_module", "get_attr") and not _has(module, str(node.target))
    ]


def check_whole(module: nn.Module, graph: fx.Graph, other: fx.Graph | None = None) -> None:
    """Raises ArchError (E0825) where a module has not all that its graph uses. `other` is that of the other mode."""
    found = missing(module, graph)
    if found:
        training_alone = other is not None and all(node.target != found[0].target for node in other.nodes)
        path = ".".join(filter(None, (module.__dict__.get("_path"), str(found[0].target))))
        message = f"the forward of `{type(module).__name__}` uses `{path}`, which was deleted"
        hint = _instead(path) if found[0].op == "call_module" else f"register a tensor called `{path}` again"
        if training_alone:
            hint = (
                f'`eval()` does without it; for training put a head of your own there: `set_submodule("{path}", head)`'
            )
        raise ArchError([Diagnostic("E0825", message, hints=(hint,))])


def _has(module: Any, path: str) -> bool:
    for name in path.split("."):
        module = getattr(module, name, None)
    return module is not None


def _spelt(path: str) -> str:
    """A module's path as Python: `m.layer1[0].conv`."""
    first, *names = path.split(".")
    return "".join([first, *(f"[{name}]" if name.isdigit() else f".{name}" for name in names)])


def _instead(path: str) -> str:
    return f'put another module there: `set_submodule("{path}", torch.nn.Identity())` passes on what it gets'
