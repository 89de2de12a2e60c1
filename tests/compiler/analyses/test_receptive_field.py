"""Receptive fields, held against where gradients arrive."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import archc
from archc.compiler.analyses.receptive_field import AxisField, ReceptiveField, receptive_fields


@pytest.fixture(autouse=True)
def one_thread():
    """The gradients are many and small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Window(nn.Module):
    """The sum of a pool's window in place of its maximum, so that every place of it gets a gradient."""

    def __init__(self, pool: nn.MaxPool2d):
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        (k, d, s, p), shape = (self._two(v) for v in self._settings()), self.pool(x).shape
        ones = torch.ones(x.size(1), 1, *k, dtype=x.dtype)
        reach = [(n - 1) * st + dd * (kk - 1) + 1 for n, st, dd, kk in zip(shape[2:], s, d, k, strict=True)]
        rest = [max(r - n - pp, 0) for r, n, pp in zip(reach, x.shape[2:], p, strict=True)]
        padded = nn.functional.pad(x, (p[1], rest[1], p[0], rest[0]))
        result = nn.functional.conv2d(padded, ones, stride=s, dilation=d, groups=x.size(1))
        return result[:, :, : shape[2], : shape[3]]

    def _settings(self):
        return self.pool.kernel_size, self.pool.dilation, self.pool.stride, self.pool.padding

    @staticmethod
    def _two(value):
        return tuple(value) if isinstance(value, tuple) else (value, value)


def positive(architecture: archc.Architecture) -> nn.Module:
    """The network with positive weights and no rectifier that cuts anything off: nothing cancels."""
    module = architecture.module(dtype="float64", seed=0).eval()
    for parameter in module.parameters():
        torch.nn.init.uniform_(parameter, 0.5, 1.0)
    for name, child in list(module.named_modules()):
        if isinstance(child, nn.MaxPool2d):
            owner, _, last = name.rpartition(".")
            setattr(module.get_submodule(owner), last, Window(child))
    return module


def supports(architecture: archc.Architecture, shape: tuple[int, ...]) -> list[list[tuple[set[int], set[int]]]]:
    """For every place of the output, the rows and the columns of the image where its gradient is not 0."""
    module = positive(architecture)
    image = torch.rand(shape, dtype=torch.float64).add(0.5).requires_grad_()
    output = module(image)
    output = output.reshape(*output.shape[:2], *(output.shape[2:] or (1, 1)))
    places = []
    for i in range(output.size(2)):
        row = []
        for j in range(output.size(3)):
            (gradient,) = torch.autograd.grad(output[:, :, i, j].sum(), image, retain_graph=True, allow_unused=True)
            touched = torch.zeros(shape[2:]) if gradient is None else gradient.abs().sum((0, 1)) > 0
            row.append(
                (set(touched.any(1).nonzero().flatten().tolist()), set(touched.any(0).nonzero().flatten().tolist()))
            )
        places.append(row)
    return places


def bounds(field: AxisField, place: int) -> tuple[int, int] | None:
    return field.seen[place if len(field.seen) > 1 else 0]


def hold(field: ReceptiveField, places: list[list[tuple[set[int], set[int]]]]) -> None:
    """Every place's first and last row and column are those where its gradient begins and ends."""
    height, width = field.axes
    for i, row in enumerate(places):
        for j, (rows, columns) in enumerate(row):
            expected = [bounds(height, i), bounds(width, j)]
            if None in expected:
                expected = [None, None]
            assert [(min(s), max(s)) if s else None for s in (rows, columns)] == expected, (i, j)
    for axis, index in ((height, 0), (width, 1)):
        inner = [s for row in places for s in (p[index] for p in row) if s and max(s) - min(s) + 1 != len(s)]
        assert axis.holes or not inner


LAYERS = [
    "conv(4, 3)",
    "conv(4, [3, 1], dilation = [2, 1])",
    "conv(4, 3, 2)",
    'conv(4, 3, 2, padding = "same")',
    'conv(4, 3, padding_mode = "reflect")',
    'conv(4, [1, 5], padding_mode = "circular")',
    "conv(4, 2, padding = [[0, 1], [1, 0]])",
    "conv(4, 3, groups = 2) -> channel_shuffle(2)",
    "conv(4, 1, 2)",
    "dwconv(3, 1, dilation = 2)",
    "upconv(4)",
    "upconv(4, 4, 2, padding = 1)",
    "upconv(4, 3, 2, padding = 1, output_padding = 1)",
    "upconv(4, 3, 3, dilation = 2)",
    "maxpool(2)",
    "maxpool(3, 2, padding = 1)",
    "maxpool(3, 2, ceil = true)",
    "maxpool(2, 1, dilation = 2)",
    "avgpool(3, 2, padding = 1)",
    "avgpool(2, 2, ceil = true)",
    "adaptive_avgpool(3)",
    "adaptive_avgpool([4, 2])",
    "upsample(2)",
    'upsample(2, mode = "bilinear")',
    'upsample(1.5, mode = "bilinear")',
    'upsample(mode = "bilinear", align_corners = true, size = [9, 7])',
    'upsample(mode = "nearest-exact", size = [7, 10])',
    'upsample(0.5, mode = "bilinear", antialias = true)',
    'upsample(mode = "bicubic", antialias = true, size = [3, 5])',
    'upsample(mode = "bilinear", antialias = true, align_corners = true, size = [9, 4])',
    "subsample(2)",
    "crop(1, size = 4)",
    "crop(size = 5)",
    'pad(1, mode = "replicate")',
    "pad([[0, 1], [1, 0]])",
    'slice("height", 1, -1)',
    "roll([1, -2])",
    "bn -> relu",
    "(conv(4, 3, dilation = 2) + id)",
    "(conv(2, [1, 3]) ++ conv(2, [3, 1])) -> conv(4, 1)",
    "(conv(2, 3) ++ conv(2, 5)) -> split(2) -> second() -> conv(4, 1)",
    "((upsample(2) -> conv(4, 3, 2)) + conv(4, 1))",
    "pixel_unshuffle(2) -> conv(16, 1) -> pixel_shuffle(2)",
    "(id * conv(4, 3))",
    "gn(2)",
    "exp -> sqrt -> reciprocal",
    "((conv(4, 3) / (conv(4, [1, 5]) + 1)) -> log1p)",
    'flip("height")',
    'flip(1) -> cumsum("width")',
    'cumsum("channels") -> glu',
    'repeat(2, "width") -> repeat_interleave(2, "height")',
    'repeat(2, "channels") -> conv(4, [1, 3])',
    'einsum("n c h w -> n c w h") -> conv(4, [3, 1]) -> einsum("n c w h -> n c h w")',
    'reduce("sum", "height", keep = true) -> (id, conv(4, 3)) -> divide',
    "permute([0, 1, 3, 2]) -> conv(4, [3, 1]) -> transpose(2, 3)",
]


def network(layers: list[str], height: int = 12, width: int = 10) -> str:
    body = " -> ".join(layers)
    return f"block second()(a, b) = b\narch A {{ input x: [1, 4, {height}, {width}]  output x -> {body} }}"


@pytest.mark.parametrize("layer", LAYERS)
def test_every_rule_says_where_gradients_arrive(layer: str) -> None:
    architecture = archc.loads(network([layer]))
    field = architecture.receptive_field()
    assert field.unknown is None
    hold(field, supports(architecture, (1, 4, 12, 10)))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(LAYERS), min_size=2, max_size=4))
def test_chains_see_what_gradients_reach(layers: list[str]) -> None:
    try:
        architecture = archc.loads(network(layers))
    except archc.ArchError:
        assume(False)
        return
    field = architecture.receptive_field()
    assume(field.shape[2] * field.shape[3] <= 100)
    if field.unknown is not None:
        assert "see" in field.unknown
        return
    hold(field, supports(architecture, (1, 4, 12, 10)))


SLIDING = [
    layer
    for layer in LAYERS
    if not any(word in layer for word in ("size", "adaptive", "same", "gn", "roll", "circular", "permute"))
    and not any(word in layer for word in ("flip", "cumsum", 'repeat(2, "w', "reduce", "einsum"))
]
"""Those that do the same in the middle of every map."""


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(SLIDING), min_size=1, max_size=3))
def test_the_pattern_is_what_places_in_the_middle_see(layers: list[str]) -> None:
    """The size, the stride and the offset, held against the rows that places of a large image see."""
    try:
        field = archc.loads(network(layers, 216, 216)).receptive_field()
    except archc.ArchError:
        assume(False)
        return
    assume(field.unknown is None)
    for axis in field.axes:
        period = axis.stride.denominator * 36  # a multiple of every period of three of these layers
        middle = [(i, b) for i, b in enumerate(axis.seen) if b and b[0] >= 72 and b[1] < 144]
        seen = dict(middle)
        if len(middle) >= 36:
            assert max(b[1] - b[0] + 1 for _, b in middle) == axis.size
        for i, (low, high) in middle:
            if i % period == 0:
                assert low == axis.offset + i * axis.stride
            if i + axis.stride.denominator * 18 in seen:
                moved = axis.stride.numerator * 18
                assert seen[i + axis.stride.denominator * 18] == (low + moved, high + moved)


@pytest.mark.parametrize(("name", "size"), [("vgg16", 404), ("vgg19", 460)])
def test_the_fully_convolutional_head_of_vgg(name: str, size: int) -> None:
    field = archc.load(name).rewrite("convolutionalize").receptive_field(H=448, W=512)
    assert field.shape == (1, 1000, 8, 10)
    assert field.size == (size, size) and field.stride == (32, 32)
    assert not any(axis.holes or axis.whole for axis in field.axes)


def test_a_sampled_map_sees_all_that_may_be_sampled() -> None:
    text = """
    arch A {
      input x: [1, 2, 9, 7]
      grid = x -> gap -> linear(6) -> reshape([2, 3]) -> affine_grid(size = [4, 3])
      output (x -> conv(3, 3), grid) -> grid_sample
    }
    """
    architecture = archc.loads(text)
    field = architecture.receptive_field()
    assert field.unknown is None and all(axis.whole for axis in field.axes)
    # Positive weights sample beyond the map but for one place of the grid.
    found = [place for row in supports(architecture, (1, 2, 9, 7)) for place in row]
    assert (set(range(9)), set(range(7))) in found
    assert archc.load("stn_mnist").receptive_field().unknown is None


def test_channels_that_see_different_things_are_not_split() -> None:
    parts = "x -> (conv(2, 1) ++ conv(2, 3)) -> gap -> reshape([2, 2])"
    assert archc.loads(f"arch A {{ input x: [1, 2, 9, 7]  output {parts} }}").receptive_field().unknown is None
    parts = "x -> slice(2, 4, 5) -> (conv(2, [1, 1]) ++ conv(2, [1, 3])) -> reshape([2, 2, 7])"
    found = archc.loads(f"arch A {{ input x: [1, 2, 9, 7]  output {parts} }}").receptive_field().unknown
    assert found is not None and "do not see the same" in found


def test_resnet50_and_where_its_strides_are() -> None:
    def field(version: float) -> ReceptiveField:
        return archc.load("resnet", depth=50, version=version).receptive_field("layer4")

    assert field(1.5).size == (427, 427) and field(1).size == (483, 483)
    assert field(1.5).stride == field(1).stride == (32, 32)


def test_resnet50_against_gradients() -> None:
    """Thin, along one row of the map."""
    text = """
    use bottleneck, stages from "zoo/resnet.arch"
    arch R { input x: [1, 3, 480, 32]  output x -> conv(2, 7, 2) -> maxpool(3, 2, padding = 1)
      -> stages(bottleneck, 2, [3, 4, 6, 3], ["B"]) }
    """
    architecture = archc.loads(text)
    field = architecture.receptive_field()
    module, image = positive(architecture), torch.rand(1, 3, 480, 32, dtype=torch.float64).requires_grad_()
    output = module(image)
    for i in range(output.size(2)):
        (gradient,) = torch.autograd.grad(output[0, :, i].sum(), image, retain_graph=True)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
        assert (rows[0], rows[-1]) == field.axes[0].seen[i]
    assert field.size[0] in (427, 483)


def test_fields_hold_for_every_size_of_the_image() -> None:
    net = archc.loads("arch A { input x: [N, 3, H, W]  output x -> conv(4, 3, 2) -> (conv(4, 3) + id) -> maxpool(2) }")
    first, second = net.receptive_field(H=64, W=65), net.receptive_field(H=33, W=128)
    assert first.size == second.size == (9, 9) and first.stride == second.stride == (4, 4)
    assert [a.offset for a in first.axes] == [a.offset for a in second.axes] == [-3, -3]
    assert len(second.axes[1].seen) == 32


def test_holes() -> None:
    def holes(layers: str) -> list[bool]:
        return [a.holes for a in archc.loads(network([layers])).receptive_field().axes]

    assert holes("conv(4, [3, 3], dilation = [2, 1])") == [True, False]
    assert holes("conv(4, 3, dilation = 2) -> conv(4, 2, padding = 0)") == [False, False]
    assert holes("(conv(4, [5, 1], dilation = [4, 1], padding = [8, 0]) + id)") == [True, False]
    assert holes("conv(4, 1, 2) -> conv(4, 3)") == [True, True]


def test_whole_images_and_what_rounding_down_leaves_out() -> None:
    pooled = archc.loads("arch A { input x: [N, 3, 31, 32]  output x -> maxpool(2) -> conv(4, 3) -> gap -> linear(5) }")
    height, width = pooled.receptive_field().axes
    assert height.whole and width.whole and height.size is None
    assert height.seen == ((0, 29),) and width.seen == ((0, 31),)


def test_each_channel_counts_for_itself() -> None:
    """Half of a concatenation sees what that branch sees, and a grouped convolution keeps the groups apart."""
    text = (
        "block second()(a, b) = b\narch A {{ input x: [1, 4, 32, 32]  output x -> (conv(4, 7) ++ conv(4, 3)) -> {} }}"
    )

    def size(end: str) -> tuple[int | None, ...]:
        return archc.loads(text.format(end)).receptive_field().size

    assert size("id") == (7, 7)
    assert size('slice("channels", 4)') == size("split(2) -> second()") == (3, 3)
    assert size('conv(8, 1, groups = 2) -> slice("channels", 4)') == (3, 3)
    assert size('channel_shuffle(2) -> slice("channels", 0, 1)') == (7, 7)
    assert size('channel_shuffle(2) -> slice("channels", 1, 2)') == (3, 3)
    assert size('conv(8, 1) -> slice("channels", 4)') == (7, 7)


def test_channels_of_zeros_see_nothing() -> None:
    text = "arch A {{ input x: [1, 2, 16, 16]  output x -> conv(1, 3) -> pad_channels(4, before = 2) -> {} }}"
    seen = [archc.loads(text.format(f'slice("channels", {n}, {n + 1})')).receptive_field() for n in range(4)]
    assert [field.size for field in seen] == [(), (), (3, 3), ()]
    assert archc.loads(text.format("id").replace("conv(1, 3)", "conv(2, 3)")).receptive_field().size == (3, 3)
    one = archc.loads("arch A { input x: [1, 2, 16, 16]  output x -> conv(1, 5) -> pad_channels(3) -> conv(1, 3) }")
    assert one.receptive_field().size == (7, 7)


def test_tokens_see_along_their_own_axis() -> None:
    text = "arch A {{ input t: tokens [N, 12, 8]  output t -> {} }}"

    def seen(body: str) -> tuple[object, ...]:
        return archc.loads(text.format(body)).receptive_field().axes[0].seen

    assert seen("linear(4) -> ln") == tuple((i, i) for i in range(12))
    assert seen("attention(2)") == ((0, 11),)
    assert seen("(id, id, id) -> sdpa(2, causal = true)") == tuple((0, i) for i in range(12))


def test_patches_become_tokens() -> None:
    net = archc.loads(
        "arch A { input x: [N, 3, 32, 48]  output x -> conv(8, 16, 16, padding = 0) -> flatten(2) -> transpose }"
    )
    height, width = net.receptive_field().axes
    assert height.seen == ((0, 15),) * 3 + ((16, 31),) * 3
    assert width.seen == ((0, 15), (16, 31), (32, 47)) * 2


def test_what_has_no_rule_is_unknown_and_says_where() -> None:
    text = """
    extern own()(x: [N, C, H, W]) -> [N, C, H, W]
    arch A { input x: [N, 3, 8, 8]  output x -> before: conv(4, 3) -> mine: own -> after: conv(4, 3) -> gap }
    """
    net = archc.loads(text)
    assert net.receptive_field("before").size == (3, 3)
    for place in ("mine", "after", None):
        field = net.receptive_field(place)
        assert field.unknown and "`own`" in field.unknown and ":3:" in field.unknown and field.axes == ()


def test_what_is_no_product_is_unknown() -> None:
    """In its padding the first branch sees nothing, also not the five columns that it sees elsewhere."""
    net = archc.loads(network(["((conv(4, [1, 5], padding = [1, 3])) + conv(4, 3, padding = 2))"]))
    assert "see nothing" in (net.receptive_field().unknown or "")
    net = archc.loads(network(['(conv(4, 3, padding_mode = "reflect") + transpose(2, 3))'], 8, 8))
    assert "along two of its own" in (net.receptive_field().unknown or "")


@pytest.mark.parametrize("between", ["", "relu -> ", "maxpool(2) -> "])
def test_some_of_the_channels_that_stand_for_different_places_are_unknown(between: str) -> None:
    part = f'pixel_unshuffle(2) -> {between}slice("channels", 0, 1)'
    assert "stand for different places" in (archc.loads(network([part])).receptive_field().unknown or "")
    whole = archc.loads(network([f"pixel_unshuffle(2) -> {between}conv(1, 1)"])).receptive_field()
    assert whole.unknown is None and whole.size == ((4, 4) if "pool" in between else (2, 2))


def test_several_inputs_have_a_field_each() -> None:
    net = archc.loads("""arch A { input a: [N, 2, 16, 16]  input b: [N, 2, 8, 8]
      output (a -> conv(4, 3, 2)) + (b -> conv(4, 5)) }""")
    fields = {(axis.input, axis.axis): axis for axis in net.receptive_field().axes}
    assert {key: field.size for key, field in fields.items()} == {
        ("a", "height"): 3,
        ("a", "width"): 3,
        ("b", "height"): 5,
        ("b", "width"): 5,
    }
    assert fields["a", "height"].stride == 2 and fields["b", "height"].stride == 1


def test_a_place_that_is_not_there() -> None:
    net = archc.loads("arch A { input x: [N, 3, 8, 8]  output x -> body: (conv1: conv(4, 3) -> relu) }")
    with pytest.raises(ValueError, match=r"did you mean .*body\.conv1"):
        net.receptive_field("body.conv2")
    assert net.receptive_field("body").kind == "relu" and net.receptive_field(1).path == "body.conv1"


def test_all_layers_at_once() -> None:
    net = archc.load("vgg16")
    every = {f.path: f for f in receptive_fields(net.ir)}
    assert [every[f"features.{i}"].size[0] for i in (0, 2, 4, 9, 16, 23, 30)] == [3, 5, 6, 16, 44, 100, 212]
    assert every["classifier.6"].axes[0].whole


def test_what_is_made_of_sizes_and_numbers_sees_nothing() -> None:
    net = archc.loads("""arch A {
      input x: [N, 4, 12, 10]
      param table = normal([5])
      buffer places: int = constant([[0, 4], [4, 1], [3, 3], [2, 0]])
      row = x -> arange(x.width, start = 0.5)
      factors = (row -> unsqueeze(0)) * (x -> ones([x.height, 1]) -> tril) + (row -> flip(0) -> unsqueeze(0))
      bias = index_select(table, places, 0) -> reduce("sum", 1) -> unsqueeze(-1) -> unsqueeze(-1)
      output (x -> conv(4, 3)) * factors + bias
    }""")
    assert net.receptive_field().size == (3, 3)


def test_behind_a_gate_made_of_all_places_every_place_sees_all() -> None:
    gate = "(id * (gap -> conv(4, 1) -> sigmoid))"
    body = f"x -> conv(4, 3) -> {gate} -> conv(4, 3)"
    field = archc.loads(f"arch A {{ input x: [N, 3, H, W] = [1, 3, 16, 16]  output {body} }}")
    assert all(axis.whole for axis in field.receptive_field().axes)
