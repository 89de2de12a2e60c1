"""Names in generated code: made safe here, and checked again in the finished graph.

`torch.fx` pastes names into Python source, so an unchecked one would be run.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Collection
from typing import Any

from torch import fx

from ..ir.errors import EmitError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
_OTHER = re.compile(r"[^A-Za-z0-9_]+")


def is_identifier(text: str) -> bool:
    """Whether the text is an ASCII identifier that is no word of Python."""
    return bool(_IDENTIFIER.match(text)) and not keyword.iskeyword(text)


def identifier(text: str) -> str:
    """A safe identifier that reads like `text`: `layer1.0.conv1` becomes `layer1_0_conv1`.

    It is no word of Python, and not `self`, by which generated code calls the module.
    """
    name = _OTHER.sub("_", text) or "_"
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name == "self" else name


def check_segment(name: str) -> str:
    """The name, if it can stand in a module path. Raises EmitError."""
    if not _SEGMENT.match(name) or keyword.iskeyword(name):
        raise EmitError(f"{name!r} cannot be part of a module path")
    return name


def check_graph(graph: fx.Graph, functions: Collection[Callable[..., Any]]) -> None:
    """Raises EmitError unless every name and target in the graph is one that may be pasted into code."""
    allowed = set(functions)
    for node in graph.nodes:
        if not is_identifier(node.name) or node.name == "self":
            raise EmitError(f"{node.name!r} cannot name a value in code")
        target = node.target
        if node.op == "call_function":
            fine = target in allowed
        elif node.op in ("call_module", "get_attr"):
            fine = isinstance(target, str) and all(map(check_segment, target.split(".")))
        else:
            fine = isinstance(target, str) and is_identifier(target) and not target.startswith("__")
        if not fine:
            raise EmitError(f"{target!r} cannot be the target of a {node.op}")
