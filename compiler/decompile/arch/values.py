"""The values of a written architecture: how each is spelt, and which settings hold for all layers of a kind."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...ir.graph import Graph
from ...ir.initialisers import INITIALISERS, Initialiser
from ...ir.op import Op
from ...ir.sizes import Size
from ...ir.words import say
from ...ops import registry
from ...ops.values import Mark
from .terms import Named


def spelt(value: Any) -> str:
    """A value as the language writes it."""
    if isinstance(value, Named):
        return value.name
    if value is None or isinstance(value, bool):
        return say(value)
    if isinstance(value, str):
        text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        return '"' + text.replace("{", "{{").replace("}", "}}") + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(spelt, value)) + "]"
    if isinstance(value, Initialiser):
        return _call_of(value)
    return (_root(value) if isinstance(value, float) else None) or str(value)


def _root(value: float) -> str | None:
    """A number as `64 ** -0.5`, the scale of heads of 64 channels, where that is it to the last bit, and shorter."""
    count = round(value**-2) if 1e-4 < value < 1 else 0
    text = f"{count} ** -0.5"
    return text if count and len(text) < len(str(value)) and count**-0.5 == value else None


def _call_of(init: Initialiser, *first: str) -> str:
    defaults = {setting.name: setting.default for setting in INITIALISERS[init.kind].settings}
    given, skipped = list(first), False
    for name, value in init.arguments:
        if repr(value) == repr(defaults[name]):
            skipped = True
        elif not skipped and (isinstance(value, str) or init.kind == "constant"):
            given.append(spelt(value))
        else:
            given.append(f"{name} = {spelt(value)}")
    return f"{init.kind}({', '.join(given)})" if given else init.kind


def start_of(init: Initialiser, shape: str) -> str:
    """How `param`, `buffer` and `const` write the start of a tensor. A list, which no rule makes, says its own
    shape."""
    if init.shape:
        return f"{init.kind}({spelt(init.settings['value'])})"
    return _call_of(init, shape)


def is_free(value: Any, own: frozenset[str] = frozenset()) -> bool:
    """Whether the value is spelt with names of the architecture's body, so that a block has to be given it. `own` are
    names that the block itself declares."""
    if isinstance(value, list | tuple):
        return any(is_free(item, own) for item in value)
    return isinstance(value, Size) or (isinstance(value, Named) and value.name not in own)


class Defaults:
    """The settings that the architecture gives to all layers of a kind, `default conv(bias = true)`, and a layer's
    own."""

    def __init__(self, graph: Graph):
        self.given: dict[str, dict[str, Any]] = {}
        layers: dict[str, list[Op]] = {}
        for node in graph.owners():
            if node.op.kind in registry.LAYERS and node.op.is_module:
                layers.setdefault(node.op.kind, []).append(node.op.call)
        for kind, ops in layers.items():
            for name in type(ops[0]).model_fields:
                self._settle(kind, name, ops)

    def _settle(self, kind: str, name: str, ops: list[Op]) -> None:
        info = type(ops[0]).model_fields[name]
        shaping = Mark.OF_EACH in info.metadata or (name in ops[0].positional and name != "padding")
        unsaid = {*ops[0].set_by_operators, *ops[0].tensor_parameters}
        if shaping or info.is_required() or info.default is None or name in unsaid:
            return
        values = {repr(value): value for op in ops if (value := getattr(op, name)) is not None}
        ((most, count),) = Counter(repr(getattr(op, name)) for op in ops).most_common(1)
        if count > 1 and 2 * count > len(ops) and most in values and most != repr(info.get_default()):
            self.given.setdefault(kind, {})[name] = values[most]

    def of(self, kind: str, name: str) -> Any:
        """What a setting is where a call does not say it; ... where a call has to."""
        if name in self.given.get(kind, {}):
            return self.given[kind][name]
        cls = registry.lookup_kind(kind)
        info = cls.model_fields.get(name) if cls is not None else None
        return ... if info is None or info.is_required() else info.get_default(call_default_factory=True)

    def statements(self) -> list[str]:
        """The `default` statements."""
        return [
            f"default {kind}({', '.join(f'{name} = {spelt(value)}' for name, value in given.items())})"
            for kind, given in self.given.items()
        ]
