"""Which nodes use one set of parameters, and where that has its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...dsl.diagnostics import Fault, fault
from ..ir.graph import Node
from ..ops.inference import Inference
from .attributes import Key, at, called
from .module_tree import Place


def share(
    inference: Inference, made: Mapping[Key, Node], attributes: Mapping[Key, Mapping[str, Any]]
) -> dict[Key, Key]:
    """For each node, the one that has the name of what it applies. Of those that share, the first one owns.

    Raises a Fault (E1107) where they are not the same layer on the same shapes.
    """
    homes = {key: _home(key, made, attributes) for key in made}
    owners: dict[Key, Node] = {}
    for key, node in made.items():
        owner = owners.setdefault(homes[key], node)
        if not inference.may_share(node, owner):
            what = (
                "it shares its parameters, and is another layer, or gets other channels, than where it is first applied"
            )
            raise at(key, _misfit(what, "give both the same settings and inputs, or leave `shared_with` out"))
        node.owner = owner.index
    return homes


def _home(key: Key, made: Mapping[Key, Node], attributes: Mapping[Key, Mapping[str, Any]]) -> Key:
    seen = [key]
    while (target := attributes[seen[-1]].get("shared_with")) is not None:
        try:
            there = target in made
        except TypeError:
            there = False
        if not there:
            what = f"`shared_with` is {called(target)}, which the graph does not have"
            raise at(seen[-1], _misfit(what, "it names the node that has the parameters"))
        if target in seen:
            raise at(key, _misfit("`shared_with` leads back to it", "one of the nodes that share has no `shared_with`"))
        seen.append(target)
    return seen[-1]


def check_places(homes: Mapping[Key, Key], places: Mapping[Key, Place]) -> None:
    """Raises a Fault (E1107) where a node has another name than what it shares."""
    for key, home in homes.items():
        if places[key] not in (places[home], Place(None, "")):
            hint = 'leave `path` and `scope` out; a second name is `g.graph["modules"][path] = {"same_as": ...}`'
            raise at(key, _misfit(f"it has another name than {called(home)}, whose parameters it shares", hint))


def _misfit(message: str, hint: str) -> Fault:
    return fault("E1107", message, None, hint)
