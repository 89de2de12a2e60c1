"""`archc.from_torch`: the oracle is the module that is read, run beside the module of what was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import archc


def agrees(source: nn.Module, net: archc.Architecture, *shapes: tuple[int, ...]) -> None:
    """The architecture's module has the source's checkpoint, and gives its outputs bit for bit."""
    made = net.module()
    assert list(made.state_dict()) == list(source.state_dict())
    made.load_state_dict(source.state_dict())
    for shape in shapes:
        x = torch.randn(shape)
        for mode in (False, True):
            results = []
            for module in (source, made):
                module.train(mode)
                torch.manual_seed(1)
                results.append(module(x.clone()))
            assert torch.equal(*results), (shape, mode)


class Calls(nn.Module):
    """A module whose forward is a function of the tests."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **parts: nn.Module):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(self, x)


class LayerNorm2d(nn.LayerNorm):
    """A norm along the channels of a map, as ConvNeXt has it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((4, 1, 1), 0.1))
        self.register_buffer("shift", torch.zeros(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma + self.shift


class Reordered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor([2, 0, 3]))
        self.gamma = nn.Parameter(torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.order] * self.gamma.reshape(1, -1, 1, 1)


def _shuffle(self: Any, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def _in_place(self: Any, x: Tensor) -> Tensor:
    y = self.conv(x)
    F.relu(y, inplace=True)
    y += x
    return y * 2 + y


def _heads(self: Any, x: Tensor) -> Tensor:
    """Attention as timm writes it: the batch becomes the second axis."""
    t = self.f(x.flatten(2).transpose(1, 2))
    n, length, _ = t.shape
    q, k, v = t.reshape(n, length, 3, 2, 2).permute(2, 0, 3, 1, 4).unbind(0)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, length, 4)


def _grouped(self: Any, x: Tensor) -> Tensor:
    """Four heads of queries to two of keys, with dropout of the weights."""
    t = self.f(x.flatten(2).transpose(1, 2)).unflatten(2, (8, 4)).transpose(1, 2)
    q, k, v = t.split((4, 2, 2), dim=1)
    p = 0.2 if self.training else 0.0
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=p, enable_gqa=True)
    return y.transpose(1, 2).flatten(2)


def _batch_second(self: Any, x: Tensor) -> Tensor:
    t = x.flatten(2).permute(2, 0, 1)
    t = torch.cat([self.f(t) * 2, 1 - t], dim=-1).softmax(0)
    return (t[:3].unsqueeze(1).mean(-1) - 1).relu().squeeze(1).transpose(0, 1)


class Standardised(nn.Conv2d):
    """Weights that are computed from those that are learned."""

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        w = (w - w.mean([1, 2, 3], True)) / (w.std([1, 2, 3], keepdim=True) + 1e-5)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class OwnNames(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernels, self.shift = nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(5))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.kernels, self.shift)


class Tied(nn.Module):
    """A matrix that is applied as it is, and transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Linear(4, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.f(x), self.f.weight.t())


MAPS: dict[str, tuple[nn.Module, str]] = {
    "conv": (nn.Conv2d(4, 6, 3, 2, 1, bias=False), "conv(6, 3, 2)"),
    "conv_uneven": (nn.Conv2d(4, 6, (3, 1), padding=(1, 0), dilation=2, groups=2), "groups = 2"),
    "same": (nn.Conv2d(4, 4, 5, padding="same"), "conv(4, 5, bias = true)"),
    "depthwise": (nn.Conv2d(4, 8, 3, padding=1, groups=4), "dwconv(3, bias = true, multiplier = 2)"),
    "upconv": (nn.ConvTranspose2d(4, 2, 3, 2, 1, 1), "upconv"),
    "bn": (nn.BatchNorm2d(4, 1e-3, 0.2), "bn(eps = 0.001, momentum = 0.2)"),
    "bn_alone": (nn.BatchNorm2d(4, affine=False), "affine = false"),
    "gn": (nn.GroupNorm(2, 4), "gn(2)"),
    "inorm": (nn.InstanceNorm2d(4, affine=True), "inorm"),
    "lrn": (nn.LocalResponseNorm(3), "lrn(3)"),
    "prelu": (nn.PReLU(4), "prelu"),
    "layer_norm_2d": (LayerNorm2d(4), "ln"),
    "maxpool": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), "maxpool(3, 2, ceil = true, padding = 1)"),
    "avgpool": (nn.AvgPool2d(2), "avgpool(2)"),
    "avgpool_uncounted": (nn.AvgPool2d(3, 1, 1, count_include_pad=False), "count_pad = false"),
    "adaptive": (nn.AdaptiveAvgPool2d((2, 3)), "adaptive_avgpool([2, 3])"),
    "gmp": (nn.AdaptiveMaxPool2d(1), "gmp"),
    "leaky": (nn.LeakyReLU(0.2, inplace=True), "leakyrelu(0.2)"),
    "gelu": (nn.GELU("tanh"), 'gelu(approximate = "tanh")'),
    "relu6": (nn.ReLU6(), "relu6"),
    "hardswish": (nn.Hardswish(), "hardswish"),
    "dropout": (nn.Dropout(0.3), "dropout(0.3)"),
    "dropout2d": (nn.Dropout2d(0.3), "dropout2d(0.3)"),
    "upsample": (nn.Upsample(scale_factor=2, mode="bilinear"), 'upsample(mode = "bilinear")'),
    "pixel_shuffle": (nn.PixelShuffle(2), "pixel_shuffle(2)"),
    "pad": (nn.ZeroPad2d((1, 2, 0, 3)), "pad([[0, 3], [1, 2]])"),
    "scaled": (Scaled(), "param gamma = constant([4, 1, 1], 0.1)"),
    "shuffle": (Calls(_shuffle), "channel_shuffle(2)"),
    "in_place": (Calls(_in_place, conv=nn.Conv2d(4, 4, 1)), "relu"),
    "gate": (Calls(lambda self, x: x * self.f(x).sigmoid(), f=nn.Conv2d(4, 1, 1)), "sigmoid"),
    "split": (Calls(lambda self, x: torch.cat(x.chunk(2, 1)[::-1], 1)), "split(2)"),
    "slice": (Calls(lambda self, x: x[:, 1:3, :-1]), "slice"),
    "mean": (Calls(lambda self, x: x.mean([2, 3])), 'reduce("mean", [2, 3])'),
    "sum_of_three": (
        Calls(lambda self, x: x + self.f(x) + x.relu(), f=nn.Conv2d(4, 4, 1)),
        "(id + (f: conv(4, 1, bias = true)) + relu)",
    ),
    "affine": (Calls(lambda self, x: 1 - x / 3), "1 - "),
    "quotient": (Calls(lambda self, x: x.sin() / (x.abs() + 1).sqrt()), "sqrt"),
    "heads": (Calls(_heads, f=nn.Linear(4, 12)), "unbind(1)"),
    "grouped": (Calls(_grouped, f=nn.Linear(4, 32)), "sdpa(causal = true, dropout = 0.2)"),
    "batch_second": (Calls(_batch_second, f=nn.Linear(4, 4)), "softmax(1)"),
    "mask": (Calls(lambda self, x: torch.where((x > 0) & (x < 1), x, 0)), "where"),
    "masked_fill": (Calls(lambda self, x: x.masked_fill(x >= 0.5, -1)), "where(x >= 0.5, -1, x)"),
    "roll": (Calls(lambda self, x: x.roll((-3, 1), (2, 3))), "roll([-3, 1]"),
    "narrow": (Calls(lambda self, x: x.narrow(2, -3, 3)), "slice(2, -3)"),
    "cumsum": (Calls(lambda self, x: x.cumsum(2).flip(3)), "cumsum(2)"),
    "topk": (Calls(lambda self, x: x.topk(2, 1)[0]), "topk(2)"),
    "einsum": (Calls(lambda self, x: torch.einsum("nchw,nchv->nhwv", x, x)), '"n c h w, n c h v -> n h w v"'),
    "repeat": (Calls(lambda self, x: x.repeat(1, 2, 1, 3).repeat_interleave(2, 2)), "repeat_interleave"),
    "glu": (Calls(lambda self, x: F.glu(x, 1)), "glu"),
    "patches": (Calls(lambda self, x: F.unfold(x, 3, padding=1)), "unfold(3, padding = 1)"),
    "places": (Reordered(), "buffer order: int = constant([2, 0, 3])"),
    "tokens": (
        Calls(lambda self, x: self.f(x.flatten(2).transpose(1, 2)), f=nn.Linear(4, 5)),
        "flatten(2) -> transpose",
    ),
    "standardised": (Standardised(4, 6, 3), "weight = "),
    "own_names": (
        Calls(lambda self, x: self.f(x.transpose(1, 3)), f=OwnNames()),
        "weight = kernels",
    ),
    "tied": (Calls(lambda self, x: self.f(x.transpose(1, 3)), f=Tied()), "linear(4, bias = false, weight ="),
    "attention": (
        Calls(
            lambda self, x: self.f(t := x.flatten(2).transpose(1, 2), t, t, need_weights=False)[0],
            f=nn.MultiheadAttention(4, 2, batch_first=True),
        ),
        "attention(2)",
    ),
}


@pytest.mark.parametrize("name", MAPS)
def test_it_is_the_module(name: str) -> None:
    module, text = MAPS[name]
    source = nn.Sequential(module)
    with torch.no_grad():
        for tensor in (*source.parameters(), *(b for b in source.buffers() if b.is_floating_point())):
            tensor.add_(torch.rand_like(tensor), alpha=0.0 if text.startswith("param") else 0.5)
    net = archc.from_torch(source, (1, 4, 12, 12), name="Net")
    agrees(source, net, (2, 4, 12, 12), (3, 4, 9, 14))
    agrees(source, archc.loads(net.source()), (2, 4, 12, 12))
    assert text in net.source().replace("\n", " ")


class Residual(nn.Module):
    def __init__(self, channels: int, kernel: int, p: float, norm_first: bool):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(p)
        self.norm_first = norm_first

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn(x)) if self.norm_first else x
        y = self.drop(self.conv(y))
        return x + (y if self.norm_first else self.act(self.bn(y)))


PARTS = st.one_of(
    st.builds(Residual, st.just(4), st.sampled_from([1, 3]), st.sampled_from([0.0, 0.5]), st.booleans()),
    st.builds(lambda k: nn.Conv2d(4, 4, k), st.integers(1, 2)),
    st.builds(lambda parts: nn.Sequential(*parts), st.lists(st.sampled_from([nn.Tanh(), nn.GELU()]), max_size=2)),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=4))
def test_random_modules(parts: list[nn.Module]) -> None:
    source = nn.Sequential(*parts, nn.Conv2d(4, 2, 1))
    agrees(source, archc.from_torch(source, (1, 4, 12, 12)), (2, 4, 13, 12))


class Heads(nn.Module):
    """What evaluation does not return comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.aux, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Any:
        x = self.body(x).mean((2, 3))
        if self.training:
            return {"aux": self.aux(x), "logits": self.head(F.dropout(x, 0.5))}
        return self.head(x)


def test_what_only_training_returns_is_an_output_when_training() -> None:
    net = archc.from_torch(Heads(), (1, 3, 8, 8))
    assert "output aux = " in net.source() and "when training" in net.source()
    made = net.module().eval()
    assert made(torch.randn(2, 3, 8, 8))["aux"] is None
    assert {*made.train()(torch.randn(2, 3, 8, 8))} == {"logits", "aux"}


class Fixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != 8:
            raise ValueError("of another size")
        return x.relu()


def test_sizes_that_a_module_fixes_are_fixed() -> None:
    net = archc.from_torch(Fixed(), (1, 3, 8, 8))
    assert list(map(str, net.ir.inputs[0].type.dims)) == ["N", "3", "8", "8"]
    said = archc.from_torch(nn.Sequential(nn.Conv2d(3, 4, 1)), (1, 3, 8, 8), sizes=[["B", 3, "S", 8]])
    assert list(map(str, said.ir.inputs[0].type.dims)) == ["B", "3", "S", "8"]


def test_tokens_and_whole_numbers() -> None:
    words = nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Linear(4, 3))
    net = archc.from_torch(words, "int:1,6")
    assert "input x: int [N, T]" in net.source()
    tokens = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8))
    agrees(tokens, archc.from_torch(tokens, (1, 6, 4)), (2, 5, 4))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.f(torch.relu(self.f(x)))


def test_what_is_applied_twice_is_shared() -> None:
    net = archc.from_torch(Twice(), (1, 4))
    agrees(Twice(), net, (3, 4))
    assert "shared" in net.source()


def test_a_module_with_two_names_has_both() -> None:
    part = nn.Conv2d(4, 4, 1)
    source = nn.Sequential(part, nn.ReLU(), part)
    agrees(source, archc.from_torch(source, (1, 4, 8, 8)), (2, 4, 8, 8))


def test_rounding_is_told() -> None:
    """With the weights that it hands out, torch's attention is computed in other steps."""
    source = Calls(lambda self, x: self.f(x, x, x)[0], f=nn.MultiheadAttention(16, 2, batch_first=True))
    (warned,) = archc.from_torch(source, (1, 6, 16)).warnings
    assert warned.code == "E1207"


class Unsayable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x) + torch.fft.fft(x).real


class Decides(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Softens(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if self.training else (x, x.softmax(1))


class Counts(nn.Module):
    """What it computes changes from call to call."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * (1 + self.calls)


@pytest.mark.parametrize(
    ("module", "code", "words"),
    [
        (Unsayable(), "E1204", ["special_bessel_j0", "fft_fft", "test_from_torch.py:"]),
        (Decides(), "E1203", ["Decides"]),
        (Softens(), "E1206", ["evaluation"]),
        (Counts(), "E1205", ["`out` differs by"]),
        (Calls(lambda self, x: x.t() * 2), "E1204", ["an output whose batch is axis 1"]),
        (Calls(lambda self, x: x[:, :2] + x[:, :2].t()), "E1204", ["whose batches are different axes"]),
    ],
)
def test_refusals(module: nn.Module, code: str, words: list[str]) -> None:
    with pytest.raises(archc.ArchError) as error:
        archc.from_torch(module, (2, 4))
    (found,) = error.value.diagnostics
    assert found.code == code and all(word in found.message for word in words), found.message


def test_inputs_that_nobody_says_are_asked_for() -> None:
    with pytest.raises(archc.ArchError, match="E1202"):
        archc.from_torch(nn.Sequential(nn.Linear(4, 2)))
    with pytest.raises(archc.ArchError, match="E1202"):
        archc.from_torch(nn.Sequential(nn.Linear(4, 2)), "four")
    with pytest.raises(archc.ArchError, match="E1201"):
        archc.from_torch("resnet18")  # type: ignore[arg-type]
