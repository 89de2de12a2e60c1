"""Graphs made by hand."""

from __future__ import annotations

from typing import Any

import torch

from archc.compiler.ir.graph import Graph, GraphInput, GraphOutput, Node, Scope, Value
from archc.compiler.ir.op import Op
from archc.compiler.ir.sizes import symbol
from archc.compiler.ir.types import TensorType
from archc.compiler.ops.build import build_op
from archc.compiler.ops.core import Input, Parameter
from archc.compiler.ops.merge import Add
from archc.compiler.ops.registry import lookup_kind

N, H, W = symbol("N"), symbol("H"), symbol("W")


def _layer(kind: str) -> type[Op]:
    found = lookup_kind(kind)
    assert found is not None
    return found


class Net:
    """Builds a graph: `net("layer1.conv1", "conv", x, channels=8, kernel=3)` applies a layer and returns its value."""

    def __init__(self, name: str = "Net"):
        self.graph = Graph(name)

    def input(
        self, name: str, dims: tuple[Any, ...] = (N, 3, H, W), nominal: tuple[int, ...] = (1, 3, 32, 32), **kw: Any
    ) -> Value:
        type_ = TensorType.of(dims, **kw)
        value = self._add(Input(name=name), (), (type_,), self.graph.root, "")
        self.graph.inputs.append(GraphInput(name, value[0], type_, nominal))
        for dim, size in zip(dims, nominal, strict=True):
            if not isinstance(dim, int) and dim.name:
                self.graph.nominal[dim.name] = size
        return value

    def __call__(
        self, path: str, op: str | Op, *inputs: Value, frozen: bool = False, owner: Value | None = None, **settings: Any
    ) -> Value:
        if isinstance(op, str):
            op = build_op(_layer(op), [], settings)
        types = tuple(self.graph.type_of(v) for v in inputs)
        outputs = op.infer(types, self.graph.requirements)
        *scopes, name = path.split(".") if path else [""]
        if owner is not None:
            first = self.graph.nodes[owner[0]]
            return self._add(op, inputs, outputs, first.scope, first.name, owner[0], frozen)
        scope = self.scope(".".join(scopes))
        value = self._add(op, inputs, outputs, scope, name, None, frozen)
        if name:
            scope.children[name] = self.graph.nodes[value[0]]
        return value

    def param(self, path: str, shape: tuple[int, ...], init: Any, learned: bool = True) -> Value:
        return self(path, Parameter(name=path.rpartition(".")[2], shape=shape, init=init, learned=learned))

    def output(self, *values: Value, name: str | None = None, when_training: bool = False) -> None:
        self.graph.outputs.append(GraphOutput(name, values, when_training))

    def scope(self, path: str) -> Scope:
        scope = self.graph.root
        for name in path.split(".") if path else ():
            child = scope.children.setdefault(name, Scope(name, scope))
            assert isinstance(child, Scope)
            scope = child
        return scope

    def _add(
        self, op: Op, inputs: Any, outputs: Any, scope: Scope, name: str, owner: int | None = None, frozen: bool = False
    ) -> Value:
        index = len(self.graph.nodes)
        self.graph.nodes.append(
            Node(index, op, inputs, outputs, scope, name, index if owner is None else owner, None, None, frozen)
        )
        return index, 0

    # --- pieces ----------------------------------------------------------------------------

    def conv_bn(self, conv: str, bn: str, x: Value, channels: int, kernel: int = 3, stride: int = 1) -> Value:
        return self(bn, "bn", self(conv, "conv", x, channels=channels, kernel=kernel, stride=stride))

    def bottleneck(self, path: str, x: Value, width: int, stride: int) -> Value:
        h = self(f"{path}.relu", "relu", self.conv_bn(f"{path}.conv1", f"{path}.bn1", x, width, 1))
        h = self(f"{path}.relu_2", "relu", self.conv_bn(f"{path}.conv2", f"{path}.bn2", h, width, 3, stride))
        h = self.conv_bn(f"{path}.conv3", f"{path}.bn3", h, 4 * width, 1)
        if stride > 1 or self.graph.type_of(x).channels != 4 * width:
            x = self.conv_bn(f"{path}.downsample.0", f"{path}.downsample.1", x, 4 * width, 1, stride)
        return self(f"{path}.relu_3", "relu", self(f"{path}.", Add(), h, x))


def resnet(blocks: tuple[int, ...] = (3, 8, 36, 3)) -> Graph:
    """torchvision's bottleneck residual nets; resnet152 by default."""
    net = Net("resnet")
    x = net.input("image", nominal=(1, 3, 224, 224))
    x = net("relu", "relu", net.conv_bn("conv1", "bn1", x, 64, 7, 2))
    x = net("maxpool", "maxpool", x, kernel=3, stride=2, padding=1)
    for stage, count in enumerate(blocks):
        for block in range(count):
            x = net.bottleneck(f"layer{stage + 1}.{block}", x, 64 * 2**stage, 2 if stage and not block else 1)
    net.output(net("fc", "linear", net("avgpool", "gap", x), units=1000))
    return net.graph


def small() -> Graph:
    """One stem and two blocks: all that a residual net has, at 32 pixels."""
    net = Net("Small")
    x = net.input("image")
    x = net("relu", "relu", net.conv_bn("conv1", "bn1", x, 8))
    x = net.bottleneck("layer1.0", x, 4, 1)
    x = net.bottleneck("layer1.1", x, 4, 2)
    net.output(net("fc", "linear", net("avgpool", "gap", x), units=10))
    return net.graph


def chain(length: int) -> Graph:
    """Convolutions in a row."""
    net = Net("Chain")
    x = net.input("image", (N, 2, H, W), (1, 2, 4, 4))
    for i in range(length):
        x = net(f"layers.{i}", "conv", x, channels=2, kernel=1)
    net.output(x)
    return net.graph


def images(batch: int = 2, size: int = 32) -> torch.Tensor:
    """The same random images on every call."""
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


def with_aux(single: bool = False) -> Graph:
    """A trunk, and an auxiliary head that only training needs."""
    net = Net("Aux")
    x = net.input("image")
    h = net.conv_bn("conv1", "bn1", x, 8)
    aux = net("aux.fc", "linear", net("aux.pool", "gap", net("aux.conv", "conv", h, channels=4, kernel=1)), units=5)
    y = net("fc", "linear", net("pool", "gap", h), units=5)
    if not single:
        net.output(y)
    net.output(aux, name="aux", when_training=True)
    return net.graph
