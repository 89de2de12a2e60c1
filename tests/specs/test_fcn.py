"""Fully convolutional networks: the authors' Caffe nets in plain torch, sizes, fixed upsampling."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from twins import FORMS, loaded, ours, randomised, unfilled

import archc

TRUNK = [f"conv{s}_{i}" for s, n in enumerate([2, 2, 3, 3, 3], 1) for i in range(1, n + 1)]
WIDTHS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
LAST = {32: ("upscore", 19), 16: ("upscore16", 27), 8: ("upscore8", 31)}
NAMES = {"fcn32s": (32, False), "fcn16s": (16, False), "fcn8s": (8, False), "fcn8s_atonce": (8, True)}


class Caffe(nn.Module):
    """The authors' nets: layer by layer as `net.py` has them."""

    def __init__(self, stride: int, at_once: bool, classes: int = 21):
        super().__init__()
        self.stride, self.at_once = stride, at_once
        for i, (name, o) in enumerate(zip(TRUNK, WIDTHS, strict=True)):
            self.add_module(name, nn.Conv2d(3 if i == 0 else WIDTHS[i - 1], o, 3, padding=100 if i == 0 else 1))
        self.fc6, self.fc7 = nn.Conv2d(512, 4096, 7), nn.Conv2d(4096, 4096, 1)
        self.score_fr = nn.Conv2d(4096, classes, 1)
        if stride < 32:
            self.upscore2, self.score_pool4 = self.up(classes, 2), nn.Conv2d(512, classes, 1)
        if stride < 16:
            self.upscore_pool4, self.score_pool3 = self.up(classes, 2), nn.Conv2d(256, classes, 1)
        self.add_module(LAST[stride][0], self.up(classes, stride))

    @staticmethod
    def up(classes: int, stride: int) -> nn.Module:
        return nn.ConvTranspose2d(classes, classes, 2 * stride, stride, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        x, pools = image, {}
        for i, name in enumerate(TRUNK):
            x = functional.relu(self.get_submodule(name)(x))
            if i + 1 == len(TRUNK) or TRUNK[i + 1][4] != name[4]:
                pools[name[4]] = x = functional.max_pool2d(x, 2, 2, ceil_mode=True)
        score = self.score_fr(functional.relu(self.fc7(functional.relu(self.fc6(x)))))
        if self.stride < 32:
            score = self.upscore2(score)
            score = score + crop(self.score_pool4(pools["4"] * (0.01 if self.at_once else 1)), score, 5)
        if self.stride < 16:
            score = self.upscore_pool4(score)
            score = score + crop(self.score_pool3(pools["3"] * (0.0001 if self.at_once else 1)), score, 9)
        name, offset = LAST[self.stride]
        return crop(self.get_submodule(name)(score), image, offset)


def crop(x: Tensor, like: Tensor, offset: int) -> Tensor:
    height, width = like.shape[2:]
    assert x.shape[2] >= offset + height and x.shape[3] >= offset + width
    return x[:, :, offset : offset + height, offset : offset + width]


def is_caffes(name: str, form: str, sizes: list[tuple[int, int]]) -> None:
    with unfilled():
        theirs = Caffe(*NAMES[name])
    state = randomised(theirs)
    theirs = loaded(theirs, state).eval()
    network = loaded(ours(archc.load(name), form), state).eval()
    for size in sizes:
        image = torch.randn(1, 3, *size)
        with torch.no_grad():
            wanted = theirs(image)
            assert float(wanted.std()) > 0
            assert torch.equal(network(image), wanted), size


def test_fcn8s_is_the_authors() -> None:
    is_caffes("fcn8s", "fx", [(9, 23)])


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_every_variant_is_the_authors(name: str, form: str) -> None:
    is_caffes(name, form, [(1, 1), (40, 71), (97, 64)])


# --- sizes ---------------------------------------------------------------------------------


def sides(net: archc.Architecture, size: int) -> dict[str, int]:
    """The height of what each layer makes of a square image."""
    sizes = {"N": 1, "H": size, "W": size}
    assert not net.ir.requirements.violations(sizes)
    found = {node.path: node.outputs[0].dims[2] for node in net.ir.nodes if node.path}
    return {path: side if isinstance(side, int) else side.evaluate(sizes) for path, side in found.items()}


@pytest.mark.parametrize(
    ("size", "score", "upsampled"), [(224, 8, {32: 288, 16: 304, 8: 312}), (500, 16, {32: 544, 16: 560, 8: 568})]
)
def test_sides_of_the_papers_sizes(size: int, score: int, upsampled: dict[int, int]) -> None:
    for stride, wanted in upsampled.items():
        found = sides(archc.load("FCN", stride=stride), size)
        assert (found["score_fr"], found[LAST[stride][0]]) == (score, wanted)


@pytest.mark.parametrize("stride", LAST)
def test_sides_and_room_for_the_crops(stride: int) -> None:
    """conv1_1 adds 198, five pools round up, fc6 takes 6 off; each upsampling by s makes s * (n + 1) of n."""
    net = archc.load("FCN", stride=stride)
    for size in (*range(1, 70), 224, 256, 321, 500, 512, 1000):
        found = sides(net, size)
        pools = [size + 198]
        for _ in range(5):
            pools.append(-(-pools[-1] // 2))
        score = pools[5] - 6
        assert found["score_fr"] == score
        if stride < 32:
            score = 2 * (score + 1)
            assert found["upscore2"] == score and pools[4] >= score + 5
        if stride < 16:
            score = 2 * (score + 1)
            assert found["upscore_pool4"] == score and pools[3] >= score + 9
        name, offset = LAST[stride]
        assert found[name] == stride * (score + 1) >= size + offset
        (value,) = net.ir.outputs[0].values
        assert [str(d) for d in net.ir.type_of(value).dims] == ["N", "21", "H", "W"]


# --- fixed upsampling ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def upsamplings() -> dict[str, nn.Module]:
    """Every upsampling of the family by its name, with its initial values."""
    found: dict[str, nn.Module] = {}
    with unfilled():
        for name in ("fcn32s", "fcn16s", "fcn8s"):
            found |= {path: m for path, m in archc.load(name).module().named_modules() if path.startswith("upscore")}
    return found


def filter_of(size: int) -> Tensor:
    """Caffe's bilinear filler."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    ramp = 1 - (torch.arange(size) - centre).abs() / factor
    return ramp[:, None] * ramp[None, :]


@pytest.mark.parametrize(
    ("name", "size", "numbers"),
    [("upscore", 64, 1_806_336), ("upscore16", 32, 451_584), ("upscore8", 16, 112_896), ("upscore2", 4, 7_056)],
)
def test_filters_are_bilinear_and_fixed(upsamplings: dict[str, nn.Module], name: str, size: int, numbers: int) -> None:
    (weight,) = upsamplings[name].parameters()
    assert not weight.requires_grad and weight.numel() == numbers
    expected = torch.eye(21)[:, :, None, None] * filter_of(size)
    assert torch.equal(weight, expected)


@pytest.mark.parametrize("name", ["upscore", "upscore16", "upscore8", "upscore2", "upscore_pool4"])
def test_they_interpolate_within_the_map(upsamplings: dict[str, nn.Module], name: str) -> None:
    """Half a stride from the edge on, where `interpolate` repeats the edge and a convolution adds zeros."""
    (stride, _) = upsamplings[name].stride  # type: ignore[misc]
    x = torch.randn(2, 21, 5, 6)
    half = stride // 2
    ours = upsamplings[name](x)[:, :, half:-half, half:-half]
    wanted = functional.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    assert ours.shape == wanted.shape
    inner = (..., slice(half, -half), slice(half, -half))
    torch.testing.assert_close(ours[inner], wanted[inner], rtol=0, atol=1e-5)
    assert not torch.allclose(ours, wanted, atol=1e-3)


def test_scores_start_at_zero() -> None:
    with unfilled():
        state = archc.load("fcn8s").module().state_dict()
    scores = {name: tensor for name, tensor in state.items() if name.startswith("score_")}
    assert len(scores) == 6
    assert not any(tensor.any() for tensor in scores.values())


@pytest.mark.parametrize("stride", [4, 64, "8s"])
def test_strides_that_are_refused(stride: object) -> None:
    with pytest.raises(archc.ArchError, match="must be 32, 16 or 8"):
        archc.load("FCN", stride=stride)
