"""`extern=True`: submodules that the language cannot say are layers of the host, whose code is the submodule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import DeformConv2d
from typer.testing import CliRunner

import archc
from archc.cli.app import app


class Calls(nn.Module):
    """A module whose forward is a function of the tests."""

    def __init__(self, forward: Callable[..., Any], **parts: nn.Module):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self._forward = forward

    def forward(self, x: Tensor, *others: Tensor, scale: Any = None) -> Any:
        return self._forward(self, x, *others) if scale is None else self._forward(self, x, *others) * scale


class Deform(nn.Module):
    def __init__(self, channels: int, stride: int = 1):
        super().__init__()
        self.offset = nn.Conv2d(channels, 18, 3, stride, padding=1)
        self.conv = DeformConv2d(channels, channels, 3, stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x, self.offset(x))


class Spectral(nn.Module):
    """Half the size, by a convolution, and what its spectrum becomes; a running mean of it is kept."""

    def __init__(self, channels: int, power: int = 1):
        super().__init__()
        self.power = power
        self.gain = nn.Parameter(torch.rand(channels, 1, 1))
        self.proj = nn.Sequential(nn.Conv2d(channels, 2 * channels, 3, 2, padding=1), nn.BatchNorm2d(2 * channels))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.fft.irfft2(torch.fft.rfft2(self.proj(x)), s=((x.shape[2] + 1) // 2, (x.shape[3] + 1) // 2))
        return y * torch.linalg.vector_norm(torch.cumsum(self.gain, 0)) ** self.power


class Largest(nn.Module):
    """The largest channels so far, of a module that returns several tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Calls(lambda self, x: torch.cummax(x, 1))

    def forward(self, x: Tensor) -> Tensor:
        values, _ = self.top(x)
        return values


class Head(nn.Module):
    """Two externs around what the language says."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.a = Spectral(4)
        self.norm = nn.BatchNorm2d(8)
        self.b = Spectral(8)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.b(F.relu(self.norm(self.a(self.stem(x))))).mean((2, 3)))


def agrees(source: nn.Module, made: nn.Module, *shapes: tuple[int, ...]) -> None:
    """A module has the source's checkpoint, and gives its outputs and statistics bit for bit."""
    assert list(made.state_dict()) == list(source.state_dict())
    made.load_state_dict(source.state_dict())
    for shape in shapes:
        x = torch.randn(shape)
        for mode in (False, True):
            assert torch.equal(source.train(mode)(x), made.train(mode)(x)), (shape, mode)
    for name, buffer in source.named_buffers():
        assert torch.equal(buffer, made.get_buffer(name)), name


def externs(net: archc.Architecture) -> list[str]:
    """The declarations of a spec, one line each."""
    declared = [part for part in net.source().split("\n\n") if part.startswith("extern ")]
    return [" ".join(part.split()) for part in declared]


def test_a_layer_of_a_library_is_one_of_the_host() -> None:
    class Net(nn.Sequential):
        pass

    source = Net(nn.Conv2d(3, 8, 3, 2, padding=1), Deform(8), nn.BatchNorm2d(8), nn.ReLU(), Deform(8), Deform(8, 2))
    net = archc.from_torch(source, (1, 3, 32, 32), extern=True)
    same, half = (
        f"extern deform_conv2d{number}()(x: [N, 8, H, W], offset: [N, 18, {h}, {w}]) -> [N, 8, {h}, {w}] "
        "{ param weight: [8, 8, 3, 3] param bias: [8] }"
        for number, h, w in (("", "H", "W"), ("_2", "H2", "W2"))
    )
    assert externs(net) == [same, half]
    assert net.source().count("conv: deform_conv2d") == 3 and "conv: deform_conv2d_2" in net.source()
    agrees(source, net.module(), (2, 3, 32, 32), (1, 3, 21, 37))


def test_costs_and_running_statistics_are_those_of_the_submodule() -> None:
    source = Head()
    net = archc.from_torch(source, (1, 3, 32, 32), extern=True)
    assert externs(net)[0] == (
        "extern spectral()(x: [N, 4, H, W]) -> [N, 8, (H + 1) // 2, (W + 1) // 2] { param gain: [4, 1, 1] "
        "param proj.0.weight: [8, 4, 3, 3] param proj.0.bias: [8] "
        "param proj.1.weight: [8] param proj.1.bias: [8] buffer proj.1.running_mean: [8] "
        "buffer proj.1.running_var: [8] buffer proj.1.num_batches_tracked: int [] "
        "macs = 288 * N * ((H + 1) // 2) * ((W + 1) // 2) depth = 1 }"
    )
    assert [text.split("(")[0] for text in externs(net)] == ["extern spectral", "extern spectral_2"]
    by_hand = 3 * 4 * 9 * 32 * 32 + 4 * 8 * 9 * 16 * 16 + 8 * 16 * 9 * 8 * 8 + 16 * 5
    assert (net.stats().multiply_adds, net.stats().depth) == (by_hand, 4)
    assert net.stats().parameters == sum(p.numel() for p in source.parameters())
    agrees(source, net.module(), (2, 3, 32, 32), (3, 3, 21, 37))


def test_what_was_read_is_a_spec_whose_code_is_given() -> None:
    source = Head()
    net = archc.from_torch(source, (1, 3, 32, 32), extern=True)
    again = archc.loads(net.source())
    assert again.source() == net.source()
    assert not again.diff(net)
    with pytest.raises(archc.ArchError, match="the extern layer `spectral` has no code"):
        again.module()
    agrees(source, again.module(externs={"spectral": source.a, "spectral_2": source.b}), (2, 3, 32, 32))
    other = net.module(externs={"spectral": lambda x, **weights: F.avg_pool2d(x, 2).repeat(1, 2, 1, 1)})
    assert other(torch.zeros(2, 3, 32, 32)).shape == (2, 5)
    assert len(net.module(weights=source).state_dict()) == len(source.state_dict())


def test_one_that_returns_several_tensors_becomes_one_with_what_is_around_it() -> None:
    class Net(nn.Sequential):
        pass

    source = Net(nn.Conv2d(3, 4, 3), Largest(), nn.Conv2d(4, 2, 1))
    net = archc.from_torch(source, (1, 3, 16, 16), extern=True)
    assert externs(net) == ["extern largest()(x: [N, 4, H, W]) -> [N, 4, H, W] { macs = 0 depth = 0 }"]
    agrees(source, net.module(), (2, 3, 16, 16), (1, 3, 9, 12))


def test_settings_tell_externs_apart_and_weights_do_not() -> None:
    class Net(nn.Sequential):
        pass

    source = Net(Spectral(4), nn.Conv2d(8, 4, 1), Spectral(4), nn.Conv2d(8, 4, 1), Spectral(4, power=2))
    net = archc.from_torch(source, (1, 4, 32, 32), extern=True)
    names = [node.op.called for node in net.ir.nodes if node.op.kind == "extern"]
    assert names == ["spectral", "spectral", "spectral_2"]
    agrees(source, net.module(), (2, 4, 32, 32))


def test_products_with_weights_are_layers_and_costs_that_torch_does_not_count_are_unsaid() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(6, 4))
            self.table = nn.Parameter(torch.randn(6))

        def forward(self, x: Tensor) -> Tensor:
            return torch.special.bessel_j0(x) @ self.weight.t()

    class Vector(Mixed):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * (self.weight.t() @ self.table).sum()

    class Net(nn.Sequential):
        pass

    one, other = (archc.from_torch(Net(nn.Linear(3, 4), part()), (1, 3), extern=True) for part in (Mixed, Vector))
    assert externs(one)[0].endswith("param table: [6] macs = 24 * N depth = 1 }")
    assert externs(other)[0].endswith("param table: [6] }")


@pytest.mark.slow
def test_swin_is_read_with_its_attention_as_layers_of_the_host() -> None:
    from torch.utils.flop_counter import FlopCounterMode
    from torchvision.models import swin_t
    from torchvision.models.swin_transformer import ShiftedWindowAttention

    class Waving(ShiftedWindowAttention):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + torch.special.bessel_j0(x)

    source = swin_t().eval()
    for part in source.modules():
        if isinstance(part, ShiftedWindowAttention):
            part.__class__ = Waving
    net = archc.from_torch(source, (1, 3, 224, 224), extern=True)
    x = torch.rand(1, 3, 224, 224)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        expected = source(x)
    stats = net.stats()
    assert stats.multiply_adds == counter.get_total_flops() // 2
    assert stats.parameters == sum(p.numel() for p in source.parameters())
    assert [op.split("(")[0] for op in externs(net)] == [
        "extern waving" + (f"_{number}" if number > 1 else "") for number in range(1, 9)
    ]
    with torch.no_grad():
        assert torch.equal(net.module(weights=source).eval()(x), expected)


def _wave(self: Any, x: Tensor, *others: Tensor) -> Tensor:
    return torch.special.bessel_j0(x)


class Named(nn.Module):
    def forward(self, x: Tensor, mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        return torch.special.bessel_j0(x) if bias is None else torch.special.bessel_j0(x) + bias


def _overwritten(self: Any, x: Tensor) -> Tensor:
    return torch.special.bessel_j0(x.view(-1).add_(1)).view_as(x)


def _shared() -> nn.Module:
    return Calls(lambda self, x: self.a(self.b(x) * self.a.gain), a=Spectral(8), b=nn.Conv2d(3, 8, 1))


def _tied() -> nn.Module:
    part = Calls(lambda self, x: torch.special.bessel_j0(self.b(self.a(x))), a=nn.Conv2d(3, 3, 1), b=nn.Conv2d(3, 3, 1))
    part.get_submodule("b").register_parameter("weight", part.get_parameter("a.weight"))
    return nn.Sequential(part)


def _aside() -> nn.Module:
    seen: list[Tensor] = []

    def see(self: Any, x: Tensor) -> Tensor:
        seen[:] = [torch.special.bessel_j0(x)]
        return seen[0] * 2

    return Calls(lambda self, x: self.a(x) + seen.pop(), a=Calls(see))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Calls(_wave), ["`special_bessel_j0`", "what stands in the module itself can be no layer of the host"]),
        (
            Calls(lambda self, x: self.top(x)[0], top=Calls(lambda self, x: torch.cummax(x, 1))),
            ["`cummax` in `top`", "returns a value of type cummax"],
        ),
        (Calls(lambda self, x: self.a(x, bias=x), a=Named()), ["the tensor `bias` by name"]),
        (Calls(lambda self, x: self.a(x, scale=2.0), a=Calls(_wave)), ["`scale`, which is no tensor"]),
        (
            Calls(
                lambda self, x: self.a(x),
                a=Calls(lambda self, x: F.dropout(torch.special.bessel_j0(x), 0.5, self.training)),
            ),
            ["`dropout` draws random numbers"],
        ),
        (
            nn.Sequential(
                nn.Conv2d(3, 3, 1), Calls(lambda self, x: torch.special.bessel_j0(x.view(-1).add_(1)).view_as(x))
            ),
            ["it overwrites what it takes"],
        ),
        (nn.Sequential(Calls(lambda self, x: torch.fft.fft(x))), ["returns complex numbers"]),
        (_tied(), ["`a.weight` and `b.weight` are one tensor"]),
        (_shared(), ["it shares `a.gain` with other modules"]),
        (_aside(), ["others use a tensor in it that it does not return"]),
        (
            Calls(lambda self, x: self.a(x), a=Calls(lambda self, x: torch.special.bessel_j0(x).flatten(0, 1))),
            ["the first size of its result is `3 * N`"],
        ),
    ],
)
def test_what_can_be_no_layer_of_the_host_is_refused_in_words(source: nn.Module, expected: list[str]) -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(source, (1, 3, 8, 8), extern=True)
    assert [d.code for d in caught.value.diagnostics] == ["E1204"]
    assert all(text in str(caught.value) for text in expected), caught.value


def test_the_refusal_names_the_option_where_it_works() -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(Head(), (1, 3, 8, 8))
    (found,) = caught.value.diagnostics
    assert "`--extern`, `extern=True` in Python" in found.hints[0] and "`a`" in found.hints[0]
    with pytest.raises(archc.ArchError) as caught:
        archc.from_torch(Calls(_wave), (1, 3, 8, 8))
    assert "moved into a submodule" in caught.value.diagnostics[0].hints[0]
    assert archc.from_torch(nn.Sequential(Calls(_wave)), (1, 3, 8, 8), extern=True).ir.outputs


@pytest.mark.parametrize("where", ["resnet18", "net.pt2"])
def test_only_python_has_the_code(where: str) -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.load(where, extern=True)
    assert caught.value.diagnostics[0].code == "E1202"


NET = """
import torch
from torch import nn


class Waves(nn.Module):
    def forward(self, x):
        return torch.special.bessel_j0(x)


class Net(nn.Sequential):
    def __init__(self, width=4):
        super().__init__(nn.Conv2d(3, width, 3), Waves(), nn.ReLU())
"""


@pytest.mark.parametrize("command", [["check"], ["stats"], ["paths"], ["draw", "-o", "net.svg"], ["field"]])
def test_commands_take_it(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    name, *more = command
    words = [name, "net.py:Net", "--set", "width=8", "--input", "1,3,16,16", *more]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 1 and "`special_bessel_j0` in `1`" in str(refused.exception)
    assert CliRunner().invoke(app, [*words, "--extern"]).exit_code == 0


def test_a_spec_is_written_and_python_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    words = ["compile", "net.py:Net", "--input", "1,3,16,16", "--extern", "-o"]
    made = CliRunner().invoke(app, [*words, "net.arch"])
    assert made.exit_code == 0, made.output
    assert archc.load("net.arch").source().startswith("extern waves()(x: [N, 4, H, W]) -> [N, 4, H, W]")
    other = CliRunner().invoke(app, [*words, "made.py"])
    assert other.exit_code == 1 and "E0801" in str(other.exception) and not Path("made.py").exists()


def test_a_result_without_axes_is_no_layer_of_the_host() -> None:
    mean = Calls(lambda self, x: x.mean())
    source = Calls(lambda self, x: self.a(x) + self.b(self.a(x)), a=nn.Linear(8, 8), b=mean)
    with pytest.raises(archc.ArchError, match="its result has no axes"):
        archc.from_torch(source, (2, 8), extern=True)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.wave = nn.LSTM(8, 4, batch_first=True), Calls(lambda self, x: torch.special.bessel_j0(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.wave(self.lstm(x)[0])


def test_layers_of_the_host_are_those_of_the_inputs_as_they_are_declared() -> None:
    """The input may be a map, of which there is no LSTM, or tokens."""
    source = Recurrent()
    net = archc.from_torch(source, (2, 5, 8), extern=True)
    assert [node.op.kind for node in net.ir.nodes][1:] == ["lstm", "extern"]
