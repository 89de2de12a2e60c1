"""Modules that have no graph are refused in words, with the part and the line of code where that is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc


class Straight(torch.autograd.Function):
    """A sign whose gradient is that of the identity."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients[0]


class Estimates(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Straight.apply(x)


class Decides(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Measures(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x.max().item()


class Chooses(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[x > 0]


class Around(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), part)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(Around(nn.ReLU()), {nn.Linear}, dtype=torch.qint8)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Around(Estimates()), ["`Straight` has a gradient of its own", "`inner.1`", "test_untraceable.py:"]),
        (Around(Decides()), ["decides by the values of tensors", "`inner.1`", "test_untraceable.py:"]),
        (Around(Measures()), ["`item` of the values of a tensor", "`inner.1`", "test_untraceable.py:"]),
        (Around(Chooses()), ["of the values of a tensor", "`inner.1`", "test_untraceable.py:"]),
        (quantised(), ["`inner.0` is quantised"]),
        (torch.jit.script(Around(nn.ReLU())), ["TorchScript"]),
    ],
    ids=["gradient", "if", "item", "mask", "quantised", "script"],
)
def test_a_module_without_a_graph_is_refused_in_words(module: nn.Module, words: list[str]) -> None:
    with pytest.raises(archc.ArchError) as error:
        archc.from_torch(module, (2, 4))
    (found,) = error.value.diagnostics
    assert found.code == "E1203" and all(word in found.message for word in words), found.message


class Shaped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, -1)


class ByMode(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if self.training else x


def test_shapes_that_differ_are_both_said() -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(Shaped(), (2, 4))
    (found,) = caught.value.diagnostics
    assert found.code == "E1205" and "[2, 6] of the module, and [3, 4] of what was read at N = 3" in found.message
    assert not any("training" in hint for hint in found.hints)


def test_modes_that_are_two_networks_are_told_as_such() -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(ByMode(), (2, 4))
    (found,) = caught.value.diagnostics
    assert found.code == "E1205" and "in evaluation" in found.message and "`self.training`" in found.hints[0]


@pytest.mark.parametrize(
    ("shapes", "given"),
    [
        (["int:1,12"], "int [1, 12]"),
        ([(3, 32, 32)], "float [3, 32, 32]"),
        ([(1, 3, 32, 32), (1, 3)], "float [1, 3, 32, 32] and float [1, 3]"),
    ],
)
def test_inputs_that_do_not_fit_are_named(shapes: list[Any], given: str) -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), *shapes)
    (found,) = caught.value.diagnostics
    assert found.code == "E1203" and given in found.hints[0] and "`--input`" in found.hints[0]


def test_half_precision_is_told_what_to_give() -> None:
    source = nn.Conv2d(3, 4, 3).half()
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(source, (2, 3, 8, 8))
    (found,) = caught.value.diagnostics
    assert found.code == "E1203" and any("float16" in hint and "`module.float()`" in hint for hint in found.hints)
    assert "conv(4, 3" in archc.from_torch(source.float(), (2, 3, 8, 8)).source()


def test_torch_prints_nothing_beside_a_refusal(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(archc.ArchError):
        archc.from_torch(Decides(), (2, 4))
    assert capfd.readouterr() == ("", "")


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x) if self.training else x


class Always(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.5)


@pytest.mark.parametrize(
    ("module", "extern", "words"),
    [
        (Noisy(), False, "random numbers are those of dropout"),
        (Around(Noisy()), False, "random numbers are those of dropout"),
        (nn.Sequential(nn.Linear(4, 4), Always()), False, "`training=self.training` has it do so in training alone"),
    ],
)
def test_random_numbers_are_told_without_an_option_that_does_not_help(
    module: nn.Module, extern: bool, words: str
) -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(module, (2, 4), extern=extern)
    (found,) = caught.value.diagnostics
    assert words in found.hints[0] and "--extern" not in str(found.hints)
