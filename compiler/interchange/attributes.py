"""Names of the attributes, and the diagnostics of those that do not do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import replace
from typing import Any

from ...dsl.diagnostics import Fault, fault
from ..ir.words import did_you_mean, python_number

Key = Hashable
"""What networkx calls a node."""

NODE = frozenset(["op", "path", "scope", "types", "frozen", "recompute", "shared_with", "origin", "span"])
"""What any node may have beside its settings."""
EDGE = ("port", "slot")
GRAPH = ("name", "doc", "parameters", "notes", "outputs", "modules", "assumed", "weight_maps")
OUTPUT = ("name", "values", "when_training")
MARKS = ("block", "arguments", "series", "shared", "same_as")
"""What `modules` may say of a path."""


def called(key: Key) -> str:
    """A node, in a message."""
    text = repr(key)
    return f"node {text if len(text) <= 60 else text[:57] + '...'}"


def at(key: Key, problem: Fault) -> Fault:
    """The same Fault, with the node named first."""
    return Fault(replace(problem.diagnostic, message=f"{called(key)}: {problem.diagnostic.message}", span=None))


def plain(value: Any) -> Any:
    """A value as layers take it: numbers of numpy as Python's."""
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
    return python_number(value)


def check_known(what: str, given: Collection[Any], known: Collection[str]) -> None:
    """Raises a Fault (E1103) for an attribute that has no meaning here."""
    for name in given:
        if name not in known:
            hints = did_you_mean(str(name), known) or (f"it may have {', '.join(known)}",)
            raise fault("E1103", f"{what} has no attribute `{str(name)[:60]}`", None, *hints)


def taken(attributes: Mapping[str, Any], name: str, default: Any, kind: type | tuple[type, ...], words: str) -> Any:
    """An attribute, which is of this kind. Raises a Fault (E1103)."""
    value = plain(attributes.get(name, default))
    if value is default or (isinstance(value, kind) and (kind is not int or not isinstance(value, bool))):
        return value
    raise wrong(name, words, value)


def wrong(name: str, words: str, value: Any) -> Fault:
    return fault("E1103", f"`{name}` is {words}, and not {_shown(value)}", None)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else f"a value of type {type(value).__name__}"


def attempted(problems: list[Fault], key: Key, run: Callable[[], Any]) -> Any:
    """What `run` gives; a Fault is kept, with its node, and gives None."""
    try:
        return run()
    except Fault as problem:
        problems.append(at(key, problem))
        return None
