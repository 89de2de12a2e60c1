"""A new layer is one class and one line of the registry: analyses, comparisons, rewrites and writers know it by its
traits."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import pytest
import torch
from pydantic import Field

import archc
from archc.compiler.decompile.python.file import to_python
from archc.compiler.ir.index_map import SAME, Links
from archc.compiler.ir.initialisers import TORCH_BIAS
from archc.compiler.ir.lowering import In, Lowering, Program, WeightRef, function, method
from archc.compiler.ir.memory import INPUT, Held
from archc.compiler.ir.op import Facts, Op, Trait, Weight
from archc.compiler.ir.types import TensorType
from archc.compiler.ops.values import Init

from .random_nets import agree, double, image


class Threshold(Op):
    """max(x, t), with a threshold t learned for each channel."""

    kind: ClassVar[str] = "threshold"
    family: ClassVar[str] = "activation"
    title: ClassVar[str] = "learned threshold"
    traits: ClassVar[Trait] = Trait.PER_CHANNEL | Trait.PER_PLACE | Trait.KEEPS_NONNEGATIVE
    has_weights: ClassVar[bool] = True

    init: Init = Field(TORCH_BIAS, description="how the thresholds start")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        return inputs

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        yield Weight("least", (inputs[0].channels,), self.init)  # type: ignore[arg-type]

    def index_map(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], port: int) -> Links | None:
        return (SAME,)

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return INPUT

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        shape = [-1, *[1] * (inputs[0].rank - 1 - inputs[0].channel_axis)]
        return Program((function("torch.maximum", In(0), method("reshape", WeightRef("least"), *shape)),))


NET = """
arch Net(classes: int = 5) {
  input x: [N, 3, H, W] = [1, 3, 8, 8]
  a = x -> c1: conv(4, 3) -> t1: threshold -> relu
  output a -> maxpool(2) -> flatten -> fc1: linear(6) -> t2: threshold -> fc2: linear(classes)
}"""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from archc.compiler.elaborate import language
    from archc.compiler.ops import registry

    monkeypatch.setitem(sys.modules, "archc.compiler.ops.of_a_test", sys.modules[__name__])
    monkeypatch.setitem(registry.LAYERS, "threshold", "of_a_test:Threshold")
    yield
    language._known.pop("threshold", None)


def net(**settings: Any) -> archc.Architecture:
    return archc.loads(NET.replace("[N, 3, H, W]", "[N, 3, 8, 8]"), **settings)


def test_it_computes() -> None:
    module: Any = double(net())
    x = image(2, 3, 8, 8)
    least = module.t1.least[:, None, None]
    assert torch.equal(module.t1(x[:, [0, 1, 2, 0]]), torch.maximum(x[:, [0, 1, 2, 0]], least))
    assert module(x).shape == (2, 5)


def test_it_is_analysed() -> None:
    stats = net().stats()
    assert next(row for row in stats.rows if row.path == "t1").parameters == 4
    assert stats.training_bytes > stats.inference_bytes and "threshold" not in stats.unknown
    assert net().receptive_field("t1").axes
    assert "learned threshold" in net().draw(depth=9).content.decode()


def test_it_is_compared() -> None:
    text = "arch A { input x: [N, 3, 8, 8]  output x -> (%s) }"
    joined, apart = "conv(4, 3) -> threshold", "conv(2, 3) -> threshold"
    found = archc.loads(text % joined).equivalent(archc.loads(text % f"({apart}) ++ ({apart})"))
    assert found.verdict == "equal"
    assert archc.loads(text % joined).diff(archc.loads(text % "conv(4, 3) -> relu")).entries[0].status == "changed"


@pytest.mark.parametrize("settings", [{"modules": "c1", "width": 7}, {"modules": "fc1", "width": 9}])
def test_copies_of_channels_pass_it(settings: dict[str, Any]) -> None:
    plain = double(net())
    wide = double(net().rewrite("widen", **settings), plain.state_dict())
    assert agree(wide, plain, image(2, 3, 8, 8))


def test_dense_layers_around_it_become_convolutions() -> None:
    plain = double(net())
    module = double(net().rewrite("convolutionalize"), plain.state_dict())
    assert torch.allclose(module(image(2, 3, 8, 8)).flatten(1), plain(image(2, 3, 8, 8)))


def test_a_relu_behind_it_changes_nothing() -> None:
    text = "arch A { input x: [N, 3, 8, 8]  output x -> relu -> t: threshold }"
    assert archc.loads(text).rewrite("insert_identity", after="t", relu=True)


def test_it_is_written() -> None:
    plain = double(net())
    assert not archc.loads(net().source()).diff(net())
    space: dict[str, Any] = {}
    exec(to_python(net().ir), space)
    module = space["Net"]().double().eval()
    module.load_state_dict(plain.state_dict())
    assert torch.equal(module(image(2, 3, 8, 8)), plain(image(2, 3, 8, 8)))
