"""Which layers of a graph, in evaluation, one kernel computes together.

A kernel is a convolution or a dense layer, with what follows it: a function of each element, the sum with a tensor that
is there already, or both. Where that tensor is needed no more the kernel writes over it. A batch norm and the rectifier
behind it, whose outputs are taken by convolutions without padding alone, or by average pools in front of such, become a
bound below or above each channel: relu(s x + t) is s max(x, -t / s) + t for a scale s above 0, s min(x, -t / s) + t
below, and what is around the bound is taken into the weights of the convolutions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from ..ir.graph import Graph, Node, Value
from ..ir.lowering import Epilogue, Lowering, ModuleCall
from ..ops.activation import ReLU
from ..ops.norm import BatchNorm
from .figures import evaluated
from .joins import Join, joins
from .memory import Storages

CONV, DENSE = "torch.nn.Conv2d", "torch.nn.Linear"
_LAST = {CONV: ("relu",), DENSE: ()}
"""What a kernel that adds can compute behind the sum."""


@dataclass(slots=True)
class Kernel:
    """What one kernel computes: the layer `node`, a function behind it, and the sum with `other`, at whose end that
    function then stands. `other` is written over where it `overwrites`. The result is that of the node `end`."""

    node: Node
    end: int
    epilogue: Epilogue | None = None
    other: Value | None = None
    overwrites: bool = False


@dataclass(slots=True)
class Bounded:
    """A norm and the rectifier behind it as one bound. The convolutions that take it have the scale and the shift."""

    norm: Node
    end: int


@dataclass(slots=True)
class Fusion:
    """The kernels and the bounds of a graph, by the node whose result each computes.

    `pooled` are average pools of bounded maps. `joins` are the concats that share memory.
    `inside` are the nodes that are computed on the way there. `same` has what a layer that does nothing in evaluation
    passes on. `plain` says why a convolution or a dense layer has no kernel, by path.
    """

    kernels: dict[int, Kernel] = field(default_factory=dict)
    bounds: dict[int, Bounded] = field(default_factory=dict)
    pooled: set[int] = field(default_factory=set)
    inside: set[int] = field(default_factory=set)
    same: dict[Value, Value] = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)
    joins: list[Join] = field(default_factory=list)


def fusion(graph: Graph, lowerings: dict[int, Lowering]) -> Fusion:
    """What evaluation computes together."""
    return _Planner(graph, lowerings).plan()


class _Planner:
    def __init__(self, graph: Graph, lowerings: dict[int, Lowering]):
        self.graph = graph
        self.lowerings = lowerings
        self.found = Fusion()
        self.of: dict[int, Kernel] = {}
        """The kernel that computes a node, by the node."""
        self.storages = Storages(graph, frozenset(), training=False)
        self.nodes: list[Node] = []
        self.inputs: dict[int, tuple[Value, ...]] = {}
        self.users: dict[Value, list[Node]] = defaultdict(list)
        self._read()

    def _read(self) -> None:
        """Looks up who takes what in evaluation, through what passes its input on."""
        same = self.found.same
        for node, needed in zip(self.graph.nodes, evaluated(self.graph), strict=True):
            taken = tuple([same.get(value, value) for value in node.inputs])
            held = self.storages.held[node.index]
            if held is not None and held.idle and len(taken) == 1:
                same[node.index, 0] = taken[0]
            elif needed:
                self.nodes.append(node)
                self.inputs[node.index] = taken
                for value in taken:
                    self.users[value].append(node)
        outputs = [output for output in self.graph.outputs if not output.when_training]
        self.put_out = {same.get(value, value) for output in outputs for value in output.values}

    def plan(self) -> Fusion:
        for node in self.nodes:
            if kernel_of(self.lowerings.get(node.index)) is not None:
                self.of[node.index] = Kernel(node, node.index)
            elif node.op.is_weight_layer():
                self.found.plain[node.path] = self._why(node)
        for step in (self._add, self._last):
            for node in self.nodes:
                step(node)
        self.found.kernels = {kernel.end: kernel for kernel in self.of.values()}
        for node in self.nodes:
            self._bound(node)
        self._overwrite()
        self.found.joins = joins(self.graph, self.nodes, self.inputs, self._takers)
        return self.found

    def _why(self, node: Node) -> str:
        lowering = self.lowerings[node.index]
        if isinstance(lowering, ModuleCall) and "padding_mode" in lowering.kwargs:
            return f"its padding is {lowering.kwargs['padding_mode']}, and a kernel pads with zeros"
        return f"no kernel computes `{node.op.called}` of {self.graph.type_of(node.inputs[0])}"

    def _only_user(self, value: Value) -> Node | None:
        users = self.users[value]
        return users[0] if len(users) == 1 and value not in self.put_out else None

    def _takes(self, kernel: Kernel, node: Node) -> None:
        """The kernel computes the node too, which alone takes its result."""
        self.found.inside.add(kernel.end)
        kernel.end = node.index
        self.of[node.index] = kernel

    def _add(self, node: Node) -> None:
        """A sum of two goes into the kernel of the later one that nothing else takes."""
        values = self.inputs[node.index]
        if not (node.op.is_additive and len(values) == 2 and node.op.factors(2) == (1, 1)):
            return
        if any(self.graph.type_of(value).dims != node.outputs[0].dims for value in values):
            return
        for value in sorted(values, reverse=True):
            kernel = self.of.get(value[0])
            if kernel is not None and kernel.other is None and self._only_user(value) is node:
                kernel.other = values[0] if value == values[1] else values[1]
                self._takes(kernel, node)
                return

    def _last(self, node: Node) -> None:
        """A function of each element goes into the kernel of what it takes."""
        last, values = node.op.epilogue(), self.inputs[node.index]
        kernel = self.of.get(values[0][0]) if last is not None else None
        if last is None or kernel is None or kernel.epilogue or self._only_user(values[0]) is not node:
            return
        target = kernel_of(self.lowerings[kernel.node.index])
        if target is not None and (kernel.other is None or last.name in _LAST[target]):
            kernel.epilogue = last
            self._takes(kernel, node)

    def _bound(self, node: Node) -> None:
        """A rectifier behind a norm, where all that takes it can have the norm's scale and shift."""
        if not isinstance(node.op, ReLU):
            return
        value, (before,) = (node.index, 0), self.inputs[node.index]
        norm = self.graph.nodes[before[0]]
        if not (isinstance(norm.op, BatchNorm) and norm.op.track) or self._only_user(before) is not node:
            return
        pools = self._pools(value)
        takers = [self._takers(value), *[self._takers((pool.index, 0)) for pool in pools]]
        convolutions = [user for users in takers for user in users if user not in pools]
        if all(takers) and all(map(self._unpadded, convolutions)):
            self.found.bounds[node.index] = Bounded(norm, node.index)
            self.found.inside.add(norm.index)
            self.found.pooled.update(pool.index for pool in pools)

    def _takers(self, value: Value) -> list[Node]:
        """Who takes a tensor; nobody, where it is put out."""
        return [] if value in self.put_out else self.users[value]

    def _pools(self, value: Value) -> list[Node]:
        """The average pools that take a map, to which scale and shift of each channel are the same before and after."""
        users = self._takers(value)
        return [user for user in users if user.op.is_affine() and user.op.keeps_constants() and len(user.inputs) == 1]

    def _unpadded(self, node: Node) -> bool:
        lowering = self.lowerings[node.index]
        if not isinstance(lowering, ModuleCall) or kernel_of(lowering) != CONV or lowering.inputs is not None:
            return False
        padding = lowering.kwargs.get("padding", 0)
        return not any(padding if isinstance(padding, tuple) else (padding,))

    # --- what is written over ---------------------------------------------------------------

    def _overwrite(self) -> None:
        """Finds the sums whose other operand stands in memory that nothing reads afterwards."""
        memory, last = self.storages.of, self._last_reads()
        kept = {memory[value] for value in self.put_out}
        for end, kernel in self.found.kernels.items():
            if kernel.other is None or kernel.other in self.storages.strided:
                continue
            own = memory[kernel.other]
            maker = self.graph.nodes[own[0]]
            made = self.storages.held[maker.index] is not None  # inputs and parameters hold nothing
            apart = all(memory[value] != own for value in self.inputs[kernel.node.index])
            kernel.overwrites = made and apart and own not in kept and last[own] == end

    def _last_reads(self) -> dict[Value, int]:
        """By memory, the node at whose place it is last read: what a kernel takes it reads where it ends."""
        last: dict[Value, int] = defaultdict(int)
        for node in self.nodes:
            kernel = self.of.get(node.index)
            place = node.index if kernel is None else kernel.end
            place = next((user.index for user in self._bounded_by(node)), place)
            for value in self.inputs[node.index]:
                own = self.storages.of[value]
                last[own] = max(last[own], place)
        return last

    def _bounded_by(self, node: Node) -> list[Node]:
        """The rectifier with which a norm becomes a bound."""
        users = self.users[node.index, 0] if node.outputs else []
        return [user for user in users if user.index in self.found.bounds]


def kernel_of(lowering: Lowering | None) -> str | None:
    """The torch module that a kernel stands for, where there is one."""
    if not isinstance(lowering, ModuleCall):
        return None
    fits = lowering.target in _LAST and "padding_mode" not in lowering.kwargs and not lowering.call_kwargs
    return lowering.target if fits else None
