"""Functions of torch's that people call in a `forward` are read: constants, what is written out or overwritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archc


class Calls(nn.Module):
    """A module whose forward is a function of the tests."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **parts: Any):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, x: Tensor) -> Any:
        return self._forward(self, x)


class Normalised(nn.Module):
    """Buffers that no checkpoint has."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("middle", torch.tensor([0.3, 0.4, 0.1, 0.2]).view(4, 1, 1), persistent=False)
        self.register_buffer("places", torch.tensor([3, 0, 2, 1]), persistent=False)
        self.register_buffer("kept", torch.tensor([True, False, True, True]).view(4, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.middle)[:, self.places] * self.kept


def _seam(self: Any, x: Tensor) -> Tensor:
    """A mask that is filled in steps, as that of shifted windows."""
    mask = x.new_zeros(12, 12)
    for row, rows in enumerate((slice(0, 6), slice(6, 9), slice(9, 12))):
        mask[rows, :8] = 2 * row
        mask[rows, 8:] = 2 * row + 1
    return x * mask


def _overwritten(self: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 1:3] = x[:, :2].relu()
    y[:, :, 0] = 0.5
    y[:, 3].mul_(2)
    y[:, :, :, 11].zero_()
    return y


def _nested(self: Any, x: Tensor) -> Tensor:
    """A part of a part, and masks of which `&` overwrites none."""
    y = x.relu()
    y[:, :2][:, 1:].mul_(3)
    mask = y > 0
    return y * (mask & (y < 1)) + mask.float()


def _copied(self: Any, x: Tensor) -> Tensor:
    """What is overwritten is a copy, as the axes are no neighbours."""
    y = x.relu()
    rows = y.transpose(1, 2).flatten(2)
    rows.mul_(2)
    return y + rows.reshape(-1, 12, 4, 12).transpose(1, 2)


def _seen_through(self: Any, x: Tensor) -> Tensor:
    y = x.relu()
    y.flatten(2).mul_(2)
    return y


def _half(self: Any, x: Tensor) -> Tensor:
    y = x.relu()
    y.chunk(2, 1)[0].mul_(2)
    return y


def _folded(self: Any, x: Tensor) -> Tensor:
    """Functions that the language lacks, of constants."""
    row = torch.arange(1.0, 13.0)
    flags = torch.tensor([2, 3]).prod() * torch.arange(3).any()
    missing = torch.nan_to_num(torch.where(row > 6, float("nan"), row))
    return x * row.cumprod(0) * 1e-6 + torch.atan2(row, missing + 1) * flags + x * row.half() * (row > 3).any()


def _sampled(self: Any, x: Tensor) -> Tensor:
    theta = self.f(x.mean((2, 3))).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)


def _heads_in_windows(self: Any, x: Tensor) -> Tensor:
    t = x.flatten(2).transpose(1, 2).reshape(-1, 9, 2, 16, 2).transpose(2, 3)
    return F.scaled_dot_product_attention(t[:, :, :8], t[:, :, 8:], t[:, :, 8:])


def _one_by_one(self: Any, x: Tensor) -> Tensor:
    """The channels of a gate as a sequence, as ECA-Net has it (arXiv 1910.03151)."""
    y = self.f(torch.cat([x, x], 1).mean((2, 3)).unsqueeze(1).transpose(1, 2).transpose(1, 2))
    return x * y.flatten(1)[:, :4, None, None].sigmoid()


class Weighted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(4, 5)), nn.Parameter(torch.randn(5))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) @ self.w + self.b


class Added(Weighted):
    """The same in one call."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.b, x.mean((2, 3)), self.w)


class Query(nn.Module):
    """A parameter that is repeated for the batch, and along axes that it has and lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.Parameter(torch.randn(1, 4, 1, 1)), nn.Parameter(torch.randn(12))

    def forward(self, x: Tensor) -> Tensor:
        return self.q.repeat(x.shape[0], 1, 12, 12) * x + self.k.repeat(4, 12, 1).cumsum(1)


class Standardised(nn.Conv2d):
    """Weights standardised by a batch norm over them, as NFNets have it (arXiv 2102.06171)."""

    def forward(self, x: Tensor) -> Tensor:
        rows = self.weight.reshape(1, self.out_channels, -1)
        weight = F.batch_norm(rows, None, None, training=True, momentum=0.0, eps=1e-6).reshape_as(self.weight)
        return F.conv2d(x, weight, self.bias)


def _joined_heads(self: Any, x: Tensor) -> Tensor:
    x = x.flatten(2)[:, :, :12]
    batch, tokens, _ = x.shape
    kinds = self.f(x).view(batch, tokens, 3, 2, -1).permute(2, 0, 3, 1, 4)
    q, k, v = kinds.reshape(3, batch * 2, tokens, -1).unbind(0)
    return ((q @ k.mT).softmax(-1) @ v).view(batch, 2, tokens, -1).transpose(1, 2).reshape(batch, tokens, -1)


def _in_the_middle(self: Any, x: Tensor) -> Tensor:
    batch = x.shape[0]
    moved = x.flatten(2).view(batch, 4, 2, 72).permute(2, 1, 0, 3).reshape(8, batch * 2, 36).relu()
    return moved.reshape(2, 4, batch, 72).permute(2, 1, 0, 3).reshape(batch, 4, 144)


class Resampled(nn.Module):
    """Adds learned positions, brought to the size of the map."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(1, 4, 7, 7))

    def forward(self, x: Tensor) -> Tensor:
        x = x.relu()
        return x + F.interpolate(self.table, size=x.shape[-2:], mode="bicubic", antialias=True)


def _rows(self: Any, x: Tensor) -> Tensor:
    """Layers of rows in which the batch stands behind another axis, and heads are joined too."""
    t = x.flatten(2).permute(2, 0, 1)
    length, batch, channels = t.shape
    y = self.f(t.reshape(length * batch, channels)).relu().view(length, batch, -1)
    heads = y.view(length, batch, 2, -1).transpose(2, 3)
    return self.g(heads.reshape(length * batch, -1)).reshape(length, batch, 3).transpose(0, 1)


FUNCTIONS: dict[str, tuple[nn.Module, str]] = {
    "constants": (Normalised(), "const places: int = constant([3, 0, 2, 1])"),
    "row": (Calls(lambda self, x: x * torch.arange(12)), "arange("),
    "rows": (Calls(lambda self, x: x + torch.zeros(4, 1, 1) + torch.full_like(x, 0.5)), "full([4, 1, 1], 0.0)"),
    "same for all": (
        Calls(lambda self, x: x + torch.tensor([0.5, 1.0, 2.5, 3.0])[None, :, None, None].repeat(x.shape[0], 1, 1, 12)),
        "const",
    ),
    "numbers": (Calls(lambda self, x: x * torch.tensor([1.5, 2.0, 0.5, 3.0])[:, None, None]), "const"),
    "one number": (Calls(lambda self, x: x * torch.tensor([1.5, 2.5]).mean()), "2.0 * x"),
    "short numbers": (Calls(lambda self, x: x * torch.tensor(0.1) + torch.full_like(x, 0.3)), "full(value = 0.3)"),
    "grid": (Calls(lambda self, x: x + torch.meshgrid(torch.arange(12.0), torch.ones(12), indexing="ij")[0]), "const"),
    "identity": (Calls(lambda self, x: x @ torch.eye(12)), "const"),
    "softplus": (Calls(lambda self, x: F.softplus(x) + F.softplus(x, 2)), "softplus(2.0)"),
    "rounding of the type": (Calls(lambda self, x: self.f(x), f=nn.RMSNorm(12)), "1.1920928955078125e-07"),
    "no channels last": (Calls(lambda self, x: F.rms_norm(x, (12, 12))), "rsqrt"),
    "short whole numbers": (
        Calls(lambda self, x: x[:, self.f], f=nn.Buffer(torch.tensor([3, 1, 0, 2], dtype=torch.int32))),
        "index_select",
    ),
    "triangle": (
        Calls(lambda self, x: x.masked_fill(torch.ones(12, 12).triu(1).bool(), float("-inf")).softmax(-1)),
        "triu(1), -inf, in)",
    ),
    "lower triangle": (Calls(lambda self, x: torch.where(torch.ones(12, 12).tril().bool(), x, 0)), "tril"),
    "seam": (Calls(_seam), "if i < 6 then 0 else if i < 9 then 2 else 4"),
    "overwritten": (Calls(_overwritten), "concat"),
    "part of a part": (Calls(_nested), "3 * ("),
    "copied": (Calls(_copied), "transpose -> flatten(2)"),
    "place of a constant": (
        Calls(
            lambda self, x: x + self.f(torch.arange(144.0).reshape(1, 1, 12, 12).sin()),
            f=nn.Conv2d(1, 4, 1, bias=False),
        ),
        "axis = -1, weight =",
    ),
    "places of each example": (
        Calls(
            lambda self, x: x * self.f(torch.ones(x.shape[0], 12, 12).cumsum(1).cos()[:, None]), f=nn.Conv2d(1, 4, 1)
        ),
        "-> cos",
    ),
    "folded": (Calls(_folded), "constant([1, 2, 6, 24"),
    "products": (Calls(lambda self, x: x.prod(1, keepdim=True) + x.cumprod(1)), "unbind(1)"),
    "one of": (Calls(lambda self, x: x * (x > 1).any(1, keepdim=True) * x.transpose(0, 1).any(0)[:, None]), '"max"'),
    "each of": (Calls(lambda self, x: x * (x > -1).all(3, keepdim=True)), 'reduce("min"'),
    "no numbers": (Calls(lambda self, x: torch.nan_to_num(x.log(), 1.0, neginf=-2.0) + (1 / x.relu()).isinf()), "inf"),
    "to real": (Calls(lambda self, x: (x > 0.5).float() * x), "x > 0.5 -> to(like = x)"),
    "largest": (Calls(lambda self, x: x - x.max(1, keepdim=True)[0] + x.min(2, keepdim=True).values), '"max"'),
    "where it is": (Calls(lambda self, x: x.gather(1, x.max(1, keepdim=True)[1])), "argmax"),
    "factor": (Calls(lambda self, x: torch.add(x, x.relu(), alpha=2) - torch.sub(x, 1, alpha=3)), "2 * relu"),
    "between": (Calls(lambda self, x: torch.lerp(x.relu(), x, 0.3)), "0.3 *"),
    "product added": (Calls(lambda self, x: torch.addcmul(x, x.relu(), x.exp(), value=0.5)), "0.5 *"),
    "powers": (Calls(lambda self, x: (x.abs() + 1) ** x.sigmoid() + 2**x), "power(2, in)"),
    "logarithm": (Calls(lambda self, x: (x.abs() + 1).log2()), "log"),
    "rounded": (Calls(lambda self, x: x // 0.5 + torch.remainder(x, 2)), "floor"),
    "stacked first": (Calls(lambda self, x: torch.stack([x, x.relu()]).mean(0)), "stack"),
    "written out": (Calls(lambda self, x: F.logsigmoid(x) + F.softshrink(x).square() + x.swapaxes(2, 3)), "power(2)"),
    "split and joined": (
        Calls(lambda self, x: x.reshape(-1, 2, 6, 2).transpose(1, 2).reshape(-1, 3, 2, 6, 2, 2).sum((1, 5))),
        "rearrange",
    ),
    "windows": (Calls(lambda self, x: x.unfold(2, 4, 2).mean(-1)), "stack"),
    "tiled": (Calls(lambda self, x: x.tile(1, 2, 1, 1)), "repeat(2"),
    "nothing joined": (
        Calls(lambda self, x: torch.cat([x[:, :, :, 12:] * 2, x.relu(), x[:, :, :, 5:2]], 3)),
        '-> "0": relu',
    ),
    "nothing, and two": (
        Calls(lambda self, x: torch.cat([x.relu(), x[:, :0].exp(), x], 1)),
        "relu ++ id",
    ),
    "repeated axis": (
        Calls(lambda self, x: x.reshape(-1, 4, 1, 12, 12).expand(-1, -1, 7, -1, -1).cumsum(2)),
        "repeat(7, 2)",
    ),
    "each example several times": (
        Calls(lambda self, x: x.repeat_interleave(3, 0).reshape(-1, 3, 4, 12, 12).cumsum(1)),
        "repeat(3, 1)",
    ),
    "similar": (Calls(lambda self, x: F.cosine_similarity(x, x.relu() + 1, dim=1)), "reduce"),
    "variance and mean": (Calls(lambda self, x: sum(torch.var_mean(x, 1, keepdim=True))), "reduce"),
    "norm of maps": (nn.LayerNorm([4, 12, 12]), "rsqrt"),
    "layers of rows": (Calls(_rows, f=nn.Linear(4, 8), g=nn.Linear(8, 3)), "n a (b c) -> n a (c b)"),
    "matrix": (Weighted(), "linear(5, bias = false, weight ="),
    "added matrix": (Added(), "linear(5, bias = false, weight ="),
    "sampled": (Calls(_sampled, f=nn.Linear(4, 6)), "affine_grid"),
    "bicubic": (nn.Upsample(scale_factor=2, mode="bicubic"), 'upsample(mode = "bicubic")'),
    "sum of rows and columns": (
        Calls(lambda self, x: x.mean(2)[:, :, None, :] + x.amax(3)[:, :, :, None]),
        "repeat(12",
    ),
    "heads joined with the batch behind the kinds": (Calls(_joined_heads, f=nn.Linear(12, 36)), "(n c) b a d"),
    "the batch in the middle": (Calls(_in_the_middle), "(n d) (a b) e"),
    "smoothed": (
        Calls(lambda self, x: F.interpolate(x, size=(5, 6), mode="bicubic", antialias=True)),
        'upsample(mode = "bicubic", size = [5, 6], antialias = true)',
    ),
    "a table to the size of a map": (Resampled(), 'as_map -> upsample(mode = "bicubic", antialias = true, like'),
    "nearest exact": (nn.Upsample(scale_factor=2, mode="nearest-exact"), "nearest-exact"),
    "cut": (Calls(lambda self, x: F.pad(x, (-1, 2, 0, 1))), "slice"),
    "infinite edge": (Calls(lambda self, x: F.max_pool2d(F.pad(x, (1, 0), value=float("-inf")), 2)), "-inf"),
    "pad of tokens": (Calls(lambda self, x: F.pad(x.flatten(2).mT, (0, 1), value=1.0)), "full(value = 1.0)"),
    "places of a pool": (Calls(lambda self, x: F.max_pool2d(x, 2, return_indices=True)[0]), "maxpool"),
    "heads in windows": (Calls(_heads_in_windows), "softmax"),
    "read as a map": (Calls(_one_by_one, f=nn.Conv1d(1, 1, 3, padding=1)), "as_map"),
    "query": (Query(), "repeat(4, 0)"),
    "standardised": (Standardised(4, 6, 3), "weight ="),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_the_module(name: str) -> None:
    """In both modes, as the module and as the text that is read again."""
    part, text = FUNCTIONS[name]
    source = nn.Sequential(part)
    net = archc.from_torch(source, (1, 4, 12, 12), name="Net")
    assert text in net.source().replace("\n", " "), net.source()
    x = torch.randn(3, 4, 12, 12)
    for made in (net.module(), archc.loads(net.source()).module()):
        assert list(made.state_dict()) == list(source.state_dict())
        made.load_state_dict(source.state_dict())
        for mode in (False, True):
            expected, found = source.train(mode)(x.clone()), made.train(mode)(x.clone())
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def _last(self: Any, x: Tensor) -> Tensor:
    return self.f(x)[1][0][-1]


def _twice(self: Any, x: Tensor) -> Tensor:
    return self.f(x, self.f(x)[1])[0]


RECURRENT: dict[str, tuple[nn.Module, str]] = {
    "lstm": (nn.LSTM(5, 8, batch_first=True), "lstm(8)"),
    "last state": (
        nn.LSTM(5, 8, 2, batch_first=True, dropout=0.1),
        "lstm(8, layers = 2, dropout = 0.1, states = true)",
    ),
    "gru": (nn.GRU(5, 4, batch_first=True, bidirectional=True, bias=False), "gru(4, both = true, bias = false)"),
    "rnn": (nn.RNN(5, 8, batch_first=True, nonlinearity="relu"), 'rnn(8, activation = "relu")'),
    "projected": (nn.LSTM(5, 8, batch_first=True, proj_size=3), "projection = 3"),
    "from a state": (nn.GRU(5, 8, batch_first=True), "shared"),
}
WAYS = {"last state": _last, "from a state": _twice}


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_are_read(name: str) -> None:
    layer, text = RECURRENT[name]
    source = Calls(WAYS.get(name, lambda self, x: self.f(x)[0]), f=layer).eval()
    net = archc.from_torch(source, (2, 7, 5), name="Net")
    assert text in net.source(), net.source()
    made = net.module().eval()
    made.load_state_dict(source.state_dict())
    x = torch.randn(3, 6, 5)
    assert torch.equal(made(x), source(x))


def test_items_of_what_makes_a_large_constant_are_computed_as_the_module_does() -> None:
    """Numbers that have no short text: they come of a function that makes several tensors."""

    def turned(self: Any, x: Tensor) -> Tensor:
        table = (torch.arange(x.shape[1])[:, None] * torch.arange(1, 65) * 0.01).sin()
        low, high = table.repeat(1, 40).chunk(2, -1)
        return x * low - high

    source = Calls(turned).eval()
    net = archc.from_torch(source, (2, 80, 1280), sizes=[["N", 80, 1280]], name="Net")
    assert "split(2" in net.source() and len(net.source()) < 2000
    x = torch.randn(3, 80, 1280)
    assert torch.equal(net.module()(x), source(x))


class Positions(nn.Module):
    """Learned positions and a mask for the most tokens, of which as many as arrive are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.f, self.positions = nn.Embedding(10, 5), nn.Parameter(torch.randn(16, 5))
        self.register_buffer("mask", torch.ones(1, 16, 16).tril().bool(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.f(x) + self.positions[: x.shape[1]]
        return (y @ y.mT).masked_fill(~self.mask[:, : x.shape[1], : x.shape[1]], float("-inf")).softmax(-1) @ y


def test_parts_of_positions_and_masks_stay_as_long_as_what_arrives() -> None:
    source = Positions().eval()
    net = archc.from_torch(source, torch.randint(0, 10, (2, 7)), name="Net")
    assert "positions -> slice(0, stop = T, like = f)" in net.source(), net.source()
    made = archc.loads(net.source()).module().eval()
    made.load_state_dict(source.state_dict())
    for count in (3, 16):
        x = torch.randint(0, 10, (2, count))
        torch.testing.assert_close(made(x), source(x))
    with pytest.raises(Exception, match="T <= 16"):
        made(torch.zeros(2, 17, dtype=torch.int64))


def test_sizes_stay_open_beside_constants() -> None:
    """A causal mask and positions of as many tokens as arrive."""

    def causal(self: Any, x: Tensor) -> Tensor:
        count = x.shape[1]
        mask = torch.ones(count, count, dtype=torch.bool).tril()
        scores = (x @ x.mT).masked_fill(~mask, float("-inf")).softmax(-1)
        return scores @ x + self.f(torch.arange(count))

    source = Calls(causal, f=nn.Embedding(16, 5)).eval()
    net = archc.from_torch(source, (2, 7, 5), name="Net")
    assert list(map(str, net.ir.inputs[0].type.dims)) == ["N", "T", "5"]
    made = net.module().eval()
    made.load_state_dict(source.state_dict())
    x = torch.randn(3, 11, 5)
    torch.testing.assert_close(made(x), source(x))


@pytest.mark.parametrize("end", [4, 5, 2**62])
def test_a_slice_of_all_is_no_layer(end: int) -> None:
    for function in (lambda self, x: x[:, 0:end].relu(), lambda self, x: x.narrow(1, 0, min(end, 4)).relu()):
        net = archc.from_torch(Calls(function), (2, 4, 8, 8))
        assert [node.op.kind for node in net.ir.nodes] == ["input", "relu"]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda self, x: x - x.mean(), "`mean` of all numbers"),
        (lambda self, x: x.clone().index_fill_(1, torch.tensor([0]), 1.0), "`index_fill_`"),
        (lambda self, x: x + (x.round() - x).detach(), "`detach`"),
        (lambda self, x: torch.fft.fft(x).real, "`fft_fft`"),
        (lambda self, x: torch.atan2(x, x + 1), "`atan2`"),
        (lambda self, x: x.flatten(1).cumprod(1), "`cumprod` along an open size, or more than 32 places"),
        (lambda self, x: x * x.prod(), "`prod` of all numbers"),
        (lambda self, x: x * (x > 0).any(), "`any` of all numbers"),
        (lambda self, x: torch.addmm(x.mean((2, 3)), x.amax((2, 3)), torch.eye(4), alpha=2), "`addmm` with factors"),
        (lambda self, x: F.softplus(x, threshold=5), "`softplus` with the threshold 5"),
        (lambda self, x: x * x.half(), "numbers of type torch.float32 made into torch.float16"),
        (_seen_through, "what `flatten` gives"),
        (_half, "what `chunk` gives"),
        (lambda self, x: x.repeat(2, 1, 1, 1)[:1], "is the batch"),
        (lambda self, x: x.repeat(3, 1, 1, 1, 1).sum(0), "`repeat` that makes axes before the batch"),
    ],
)
def test_what_cannot_be_said_is_named_as_it_was_called(function: Any, words: str) -> None:
    with pytest.raises(archc.ArchError) as error:
        archc.from_torch(Calls(function), (2, 4, 8, 8))
    (found,) = error.value.diagnostics
    assert found.code == "E1204" and words in found.message, found.message


def _later(length: int) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool).triu(1)


def _banded(length: int) -> Tensor:
    return _later(length) | ~torch.ones(length, length, dtype=torch.bool).triu(-1)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda f, x: f(x, x, x, attn_mask=_later(x.shape[1]), need_weights=False)[0], "attention(2, causal = true)"),
        (lambda f, x: f(x, x, x, attn_mask=_later(x.shape[1]))[0], "attention(2, causal = true)"),
        (
            lambda f, x: f(
                x, x, x, attn_mask=nn.Transformer.generate_square_subsequent_mask(x.shape[1]), is_causal=True
            )[0],
            "attention(2, causal = true)",
        ),
        (lambda f, x: f(x, x, x, attn_mask=_banded(x.shape[1]), need_weights=False)[0], "mask ="),
        (lambda f, x: f(x, x, x, attn_mask=_banded(x.shape[1]).float() * 0.5)[0], "mask ="),
        (lambda f, x: f(x, x, x, key_padding_mask=x.mean(2) > 0.3, need_weights=False)[0], "mask ="),
    ],
    ids=["later", "with weights", "causal", "band", "added", "padding"],
)
def test_masks_of_multi_head_attention_are_read(call: Any, text: str) -> None:
    source = Calls(lambda self, x: call(self.f, x), f=nn.MultiheadAttention(8, 2, batch_first=True)).eval()
    net = archc.from_torch(source, (2, 5, 8), name="Net")
    assert text in net.source(), net.source()
    made = net.module().eval()
    made.load_state_dict(source.state_dict())
    x = torch.randn(3, 5, 8)
    torch.testing.assert_close(made(x), source(x))


@pytest.mark.parametrize("memory", [False, True])
def test_layers_of_transformers_are_read_with_masks(memory: bool) -> None:
    layer = (nn.TransformerDecoderLayer if memory else nn.TransformerEncoderLayer)(8, 2, 16, batch_first=True)

    def forward(self: Any, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.f(x, x, tgt_mask=mask) if memory else self.f(x, src_mask=mask)

    source = Calls(forward, f=layer).eval()
    net = archc.from_torch(source, (2, 5, 8), name="Net")
    assert net.source().count("causal = true") == 1 and "N, T" in net.source()


def test_a_buffer_of_infinite_numbers_is_refused_in_words() -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    layer.register_buffer("seen", nn.Transformer.generate_square_subsequent_mask(5))
    with pytest.raises(archc.ArchError, match="buffer of infinite numbers"):
        archc.from_torch(Calls(lambda self, x: self.f(x, x, x, attn_mask=self.f.seen)[0], f=layer), (2, 5, 8))


class Decoder(nn.Module):
    """Brings a map to the size of a skip, which is the one that it has where the sizes are even."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(4, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        skip = x.relu()
        return torch.cat([F.interpolate(self.up(self.down(skip)), size=skip.shape[2:]), skip], 1)


@pytest.mark.parametrize("size", [32, 35])
def test_a_map_is_brought_to_the_size_of_another(size: int) -> None:
    source = Decoder().eval()
    net = archc.from_torch(source, (2, 4, size, size), name="Net")
    made = net.module().eval()
    made.load_state_dict(source.state_dict())
    for height in (32, 35, 37):
        x = torch.randn(2, 4, height, 33)
        assert torch.equal(made(x), source(x))
