"""Identity layers put in, so that a deeper network computes what the shallower one does (Net2DeeperNet; Chen et al.
2016, arXiv 1511.05641)."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from ..ir.graph import Carried, Graph, Node, Value
from ..ir.initialisers import Initialiser, constant
from ..ir.lowering import Name, Program, function, method
from ..ir.op import Op
from ..ir.words import BadValue, whole
from ..ops.activation import ReLU
from ..ops.build import build_op
from ..ops.conv import Conv
from ..ops.linear import Linear
from ..ops.norm import BatchNorm
from ..ops.values import Bool, Words
from .applications import Application, Applications, Paths
from .base import Rewrite, mapped, refusal
from .replay import Replay

_DOUBLE = Name("torch.float64")


def _odd(value: Any) -> int:
    number = whole(value, 1)
    if number % 2 == 0:
        raise BadValue(f"must be odd, so that it has a centre, not {number}")
    return number


Odd = Annotated[int, PlainValidator(_odd), Words("odd whole number")]


class InsertIdentity(Rewrite):
    """The architecture with layers behind some modules that change nothing, and can be trained from there.

    Behind a map stands a convolution whose kernel is 1 at the centre, from each channel to itself, and 0 elsewhere;
    behind a vector or tokens a dense layer with the identity as its matrix. The batch norm behind it has the scale
    sqrt(1 + eps), which its running variance of 1 undoes: in evaluation it is the identity up to the last bit. In
    training it normalises; without `batch_norm` nothing changes in training either. A relu is refused unless the tensor
    cannot be negative.

    The layers stand in a scope `identity` beside the module, in one that is numbered under the next number. Both a new
    network and a checkpoint of before get them as the identity. Behind something shared they are shared.
    """

    kind: ClassVar[str] = "insert_identity"

    after: Paths = Field(description="paths of the modules behind which identity layers are put")
    kernel: Odd = Field(3, description="size of the window on maps")
    batch_norm: Bool = Field(True, description="whether a batch norm follows")
    relu: Bool = Field(False, description="whether a relu follows")

    def apply(self, graph: Graph) -> Graph:
        replay, behind, applications = Replay(graph), set[Value](), Applications(graph)
        for path in self.after:
            for part in applications.of(path):
                index, port = self._result(graph, part)
                behind.add((graph.nodes[index].owner, port))
        added: dict[Value, list[Value]] = {}
        for node in graph.nodes:
            replay.again(node)
            for port in range(len(node.outputs)):
                if (node.owner, port) in behind:
                    if self.relu and not _nonnegative(graph, (node.index, port)):
                        raise self._signed(node)
                    self._insert(replay, node, port, added)
        result = replay.finish()
        carried: dict[str, Carried] = {}
        for index, _ in (value for values in added.values() for value in values):
            carried |= _carried(result, result.nodes[index])
        return mapped(graph, result, carried)

    def _result(self, graph: Graph, part: Application) -> Value:
        """The one tensor that a module gives. Raises a Fault where there is none behind which a layer can stand."""
        value, node = part.result(graph, "E0460"), graph.nodes[max(part.nodes)]
        type_ = graph.type_of(value)
        hint = "behind maps, vectors and tokens of numbers, in a fixed number of channels, there are identity layers"
        what = f"`{part.path}` gives {type_}"
        if type_.dtype != "float" or type_.rank < 2 or not isinstance(type_.channels, int):
            raise refusal("E0460", what, node, hint)
        if not type_.is_channels_last and (type_.channel_axis != 1 or not 3 <= type_.rank <= 5):
            raise refusal("E0460", f"{what}, which no convolution or dense layer takes", node, hint)
        if self.batch_norm and type_.channel_axis != 1:
            what += ", whose channels stand last, and a batch norm wants them first"
            raise refusal("E0441", what, node, "leave the batch norm out: `batch_norm = false`")
        return value

    def _signed(self, node: Node) -> Exception:
        what = f"a relu behind `{node.op.called}` may change something: what it gets is not certain to be 0 or more"
        return refusal("E0460", what, node, "put it behind a relu, or leave the relu out: `relu = false`")

    def _insert(self, replay: Replay, node: Node, port: int, added: dict[Value, list[Value]]) -> None:
        """Puts the layers behind a tensor. Behind something applied again they share with those added before."""
        value, made = replay.values[node.index, port], []
        before = added.get((node.owner, port), [])
        scope = replay.nodes[before[0][0]].scope if before else replay.beside(node, "identity")
        for number, op in enumerate(self._ops(replay, value)):
            value = replay.add(op, (value,), node, scope, op.kind, before[number] if before else None)
            replay.nodes[value[0]].recompute = node.recompute
            made.append(value)
        added.setdefault((node.owner, port), made)
        replay.values[node.index, port] = value

    def _ops(self, replay: Replay, value: Value) -> list[Op]:
        type_ = replay.graph.type_of(value)
        dense = type_.is_channels_last
        weighted = build_op(
            Linear if dense else Conv,
            [type_.channels] if dense else [type_.channels, self.kernel],
            {"bias": False, "init": Initialiser("eye" if dense else "dirac")},
        )
        norm = build_op(BatchNorm, [], {})
        neutral = norm.model_copy(update={"init": constant(math.sqrt(1 + norm.eps))})
        return [weighted, *([neutral] if self.batch_norm else []), *([build_op(ReLU, [], {})] if self.relu else [])]


def _nonnegative(graph: Graph, value: Value) -> bool:
    """Whether a tensor is certain to be 0 or more, in evaluation and in training, whatever weights and inputs are."""
    known: list[bool] = []
    for node in graph.nodes[: value[0] + 1]:
        known.append(node.op.is_nonnegative([known[index] for index, _ in node.op.arriving(node.inputs)]))
    return known[-1]


def _carried(graph: Graph, node: Node) -> dict[str, Carried]:
    """The tensors of an identity layer for a checkpoint that lacks them."""
    shapes = graph.weight_shapes(node)
    values: dict[str, Any] = {}
    if isinstance(node.op, BatchNorm):
        scale = node.op.init.settings["value"]
        numbers = {"weight": scale, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
        values = {name: function("torch.full", shapes[name], n, dtype=_DOUBLE) for name, n in numbers.items()}
    elif isinstance(node.op, (Conv, Linear)):
        channels, _, *kernel = shapes["weight"]
        matrix = function("torch.eye", channels, dtype=_DOUBLE)
        centre = method("reshape", matrix, channels, channels, *[1] * len(kernel))
        around = [size // 2 for size in kernel for _ in range(2)]
        values = {"weight": function("torch.nn.functional.pad", centre, around) if kernel else matrix}
    return {f"{node.path}.{name}": Carried((), Program((value,))) for name, value in values.items()}
