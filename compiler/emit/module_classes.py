"""The classes of compiled modules: one for each text of a forward, by which a compiler knows what it has compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary


class ByName(type):
    """The class of the classes of modules. Each forward has a class of its own, and all modules of a name are instances
    of each of these, as they would be of the one class that a person writes."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return cls.__subclasscheck__(type(instance))

    def __subclasscheck__(cls, other: type) -> bool:
        return super().__subclasscheck__(other) or ("_functions" in cls.__dict__ and _has_name(other, cls.__name__))

    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__name__}'>"


class Functions(dict[str, Callable[..., Any]]):
    """The functions of one text, by name."""


IMPLEMENTATION = "GraphModuleImpl"
"""What fx calls the classes between a GraphModule's own class and its instances."""
_CLASSES: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()


def class_of(base: Any, name: str, functions: Functions) -> Any:
    """The one class of the modules of a name whose methods are these."""
    key = base, name, id(functions)
    if key not in _CLASSES:
        _CLASSES[key] = subclass(base, name, {**functions, "_functions": functions})
    return _CLASSES[key]


def subclass(base: Any, name: str, members: Mapping[str, Any] | None = None) -> Any:
    return type(name, (base,), {**(members or {}), "__module__": base.__module__, "__qualname__": IMPLEMENTATION})


def unwritten(cls: Any) -> Any:
    """The class before it got the functions of its text."""
    while "_functions" in cls.__dict__:
        cls = cls.__base__
    return cls


def _has_name(cls: type, name: str) -> bool:
    """Whether a class, or what it derives from, is that of modules of this name."""
    return any("_functions" in each.__dict__ and each.__name__ == name for each in cls.__mro__)
