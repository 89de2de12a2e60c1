"""Finds branches that start from one tensor and do the same, layer by layer, with weights of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..ir.graph import Graph, Node
from ..ops.axes import axis_index
from ..ops.conv import Conv, DepthwiseConv
from ..ops.linear import Linear
from ..ops.merge import Add, Concat
from ..ops.norm import BatchNorm
from .starts import is_drawn
from .uses import Uses

End = Literal["apart", "joined", "summed"]


@dataclass(slots=True)
class Branches:
    """Branches that become one: `stages` has the layers of all of them that become one layer, from the first on.

    What the last stage gives is split again where `end` is "apart"; else `meeting`, a concat or a sum, takes it whole,
    and of a sum the last stage makes the sum of the branches.
    """

    stages: list[list[Node]]
    end: End = "apart"
    meeting: Node | None = None

    @property
    def repeated(self) -> bool:
        """Whether the branches start channel by channel, so that each needs a copy of the tensor they start from."""
        return isinstance(self.stages[0][0].op, BatchNorm)


def branches(uses: Uses, among: set[int] | None) -> list[Branches]:
    """All sets of branches of a graph, of which `among` limits the first layers by their indices."""
    found = []
    for value, users in list(uses.users.items()):
        starts = [node for node in users if _starts(node, uses) and (among is None or node.index in among)]
        if len(starts) > 1 and uses.graph.type_of(value).rank > 1:
            found += _alike(starts, uses)
    return found


def _alike(starts: list[Node], uses: Uses) -> Iterator[Branches]:
    """Sorts layers that take one tensor: first those whose branches are alike throughout, then what is left."""
    left: list[Node] = []
    for same in _sorted(starts, lambda node: (_first(node), _way(node, uses))):
        made = _grown(same, uses) if len(same) > 1 else None
        # Branches that start with a norm are worth a copy of their input for each where a convolution follows.
        if made is not None and (not made.repeated or any(isinstance(stage[0].op, Conv) for stage in made.stages)):
            yield made
        else:
            left += same
    for same in _sorted(left, _first):
        if len(same) > 1 and not isinstance(same[0].op, BatchNorm):
            yield _grown(same, uses)


def _sorted(nodes: list[Node], key: Callable[[Node], Any]) -> list[list[Node]]:
    groups: dict[Any, list[Node]] = defaultdict(list)
    for node in nodes:
        groups[key(node)].append(node)
    return list(groups.values())


# --- one layer -----------------------------------------------------------------------------


def _starts(node: Node, uses: Uses) -> bool:
    """Whether it is a layer of one input that may be the first of a branch."""
    first = isinstance(node.op, (Linear, BatchNorm)) or (isinstance(node.op, Conv) and node.op.groups == 1)
    return first and _joins(node, uses) and uses.users[node.inputs[0]].count(node) == 1


def _joins(node: Node, uses: Uses) -> bool:
    """Whether it is applied once, and its tensors can be parts of larger ones."""
    inits = [w.init for w in node.op.weights(uses.graph.input_types(node))]
    return len(uses.applied[node.owner]) == 1 and all(map(is_drawn, inits))


def _first(node: Node) -> Any:
    """What first layers must have in common: all but the number of their channels."""
    return _key(node, without=node.op.width_setting)


def _key(node: Node, without: str = "") -> Any:
    settings = tuple([(name, repr(value)) for name, value in node.op if name != without])
    return node.op.kind, settings, node.frozen, id(node.recompute)


def _continues(node: Node | None, uses: Uses) -> bool:
    """Whether a layer behind first layers has a form for the channels of all branches."""
    if node is None or len(node.inputs) != 1 or not _joins(node, uses):
        return False
    op = node.op
    if isinstance(op, (Conv, DepthwiseConv, BatchNorm)):
        return True
    # A weight that all channels share, or a draw, would become one for all branches.
    shared = op.drops_paths or (op.has_weights and op.is_elementwise())
    return op.is_per_channel(uses.graph.input_types(node)) and len(node.outputs) == 1 and not shared


# --- whole branches ------------------------------------------------------------------------


def _way(node: Node, uses: Uses) -> Any:
    """What a branch does behind its first layer, up to where it ends."""
    steps: list[Any] = []
    user = uses.only_user((node.index, 0))
    while user is not None and _continues(user, uses):
        steps.append(_key(user))
        user = uses.only_user((user.index, 0))
    return (*steps, node.index if user is None else ("meets", user.index))


def _grown(starts: list[Node], uses: Uses) -> Branches:
    """The branches from first layers on, as far as they can be one."""
    made = Branches([starts])
    while True:
        users = [uses.only_user((node.index, 0)) for node in made.stages[-1]]
        if len({user.index if user else None for user in users}) == 1:
            return _met(made, users[0], uses)
        following = [user for user in users if user is not None and _continues(user, uses)]
        if len(following) < len(users) or not _go_together(following, uses):
            return made
        made.stages.append(following)


def _go_together(nodes: list[Node], uses: Uses) -> bool:
    """Whether layers, each behind the one before of its branch, can be one layer on all channels."""
    if len(set(map(_key, nodes))) > 1:
        return False
    if not isinstance(nodes[0].op, Conv):
        return True
    # A grouped convolution has groups of one size; where the branches are summed right behind it, it needs no groups.
    widths = {uses.graph.type_of(node.inputs[0]).channels for node in nodes}
    return len(widths) == 1 or _summed(nodes, uses) is not None


def _summed(nodes: list[Node], uses: Uses) -> Node | None:
    """The sum that takes convolutions without groups, all of them and with the sign +."""
    user = uses.only_user((nodes[0].index, 0))
    if user is None or not isinstance(user.op, Add) or not all(isinstance(n.op, (Conv, Linear)) for n in nodes):
        return None
    if any(getattr(node.op, "groups", 1) > 1 for node in nodes):
        return None
    signs = user.op.signs or (1,) * len(user.inputs)
    added = {value for value, sign in zip(user.inputs, signs, strict=True) if sign > 0}
    alone = all(uses.only_user((node.index, 0)) is user and (node.index, 0) in added for node in nodes)
    return user if alone else None


def _met(made: Branches, user: Node | None, uses: Uses) -> Branches:
    """The branches with where they meet, where that takes them whole."""
    last = made.stages[-1]
    if user is None:
        return made
    if _summed(last, uses) is not None:
        made.end, made.meeting = "summed", user
    elif isinstance(user.op, Concat) and _joined(made, user, uses.graph):
        made.end, made.meeting = "joined", user
    return made


def _joined(made: Branches, concat: Node, graph: Graph) -> bool:
    """Whether a concat has the branches side by side along the channels; they are then in its order."""
    assert isinstance(concat.op, Concat)
    type_ = graph.type_of(concat.inputs[0])
    places = {value[0]: place for place, value in enumerate(concat.inputs)}
    order = sorted(range(len(made.stages[-1])), key=lambda i: places[made.stages[-1][i].index])
    at = [places[made.stages[-1][i].index] for i in order]
    if axis_index(type_, concat.op.axis, "concat") != type_.channel_axis or at != list(range(at[0], at[0] + len(at))):
        return False
    made.stages = [[stage[i] for i in order] for stage in made.stages]
    return True
