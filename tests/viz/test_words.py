"""What layers and numbers are called."""

from __future__ import annotations

import re
from itertools import combinations
from math import dist
from pathlib import Path

import pytest

from archc.api import loads
from archc.compiler.ops import registry
from archc.viz import words
from archc.viz.measure import fitted, text_width
from archc.viz.style import DARK_INK, DARK_MUTED, FILLS, THEMES, Theme


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ("conv(8, 3)", "conv 3×3, 8"),
        ("conv(8, [1, 7], 2)", "conv 1×7, 8, stride 2"),
        ("conv(8, 3, groups = 4, dilation = 2)", "conv 3×3, 8, 4 groups, dilation 2"),
        ("dwconv(3)", "depthwise conv 3×3"),
        ("upconv(8)", "up-conv 2×2, 8"),
        ("upconv(8, 3, 1)", "up-conv 3×3, 8, stride 1"),
        ("upconv(8, 2, 2)", "up-conv 2×2, 8"),
        ("upconv(8, 4)", "up-conv 4×4, 8, stride 2"),
        ("dwconv(3, 2, dilation = 2, multiplier = 2)", "depthwise conv 3×3, stride 2, dilation 2, multiplier 2"),
        ("lppool(2, 3)", "lppool 3×3, norm 2"),
        ("maxpool(3, 1, dilation = 2)", "max pool 3×3, stride 1, dilation 2"),
        ("maxpool(3, 2)", "max pool 3×3, stride 2"),
        ("gn(4)", "group norm 4"),
        ("dropout(0.1)", "dropout 0.1"),
        ("dropout(0.5)", "dropout 0.5"),
        ("power(2)", "power 2"),
        ("power(3)", "power 3"),
        ("select(1, 0)", "select 1, 0"),
        ("select(1, 3)", "select 1, 3"),
        ("slice(1, 0, 4)", "slice 1, 0, 4"),
        ("slice(1, 2)", "slice 1, 2"),
        ("slice(1, 0, 8, 2)", "slice 1, 0, 8, 2"),
        ("slice(1, step = 2)", "slice 1, 0, step 2"),
        ("clamp(high = 6)", "clamp high 6"),
        ("clamp(0, 6)", "clamp 0, 6"),
        ("transpose", "transpose 1, 2"),
        ("flatten", "flatten"),
        ("flatten(2)", "flatten 2"),
        ("softmax", "softmax"),
        ("softmax(2)", "softmax 2"),
        ("upsample", "upsample 2"),
        ('upsample(4, mode = "bilinear")', "upsample 4, bilinear"),
        ('upsample(size = [32, 24], mode = "bilinear")', "upsample to 32×24, bilinear"),
        ('upsample(mode = "bilinear", like = x)', "upsample bilinear"),
        ('gelu(approximate = "tanh")', "GELU tanh"),
        ("elu", "ELU"),
        ("elu(0.5)", "ELU 0.5"),
        ("adaptive_avgpool(7)", "average pool to 7×7"),
        ("0.5 * id", "× 0.5"),
        ("1 - id", "1 − x"),
        ("conv(8, 3, [1, 1])", "conv 3×3, 8"),
        ("conv(8, 3, [2, 2])", "conv 3×3, 8, stride 2"),
        ("maxpool(2, [2, 2])", "max pool 2×2"),
        ("upconv(8, [2, 2])", "up-conv 2×2, 8"),
        ('reduce("mean", [2, 3])', "reduce mean, 2, 3"),
        ("permute([0, 2, 1, 3])", "permute 0, 2, 1, 3"),
        ("roll([1, -1])", "roll 1, -1"),
        ("pad(1)", "pad 1"),
        ("pad([1, 2])", "pad 1, 2"),
        ("pad([[1, 0], [0, 1]])", "pad [1, 0], [0, 1]"),
        ("reshape([8, 256])", "reshape 8×256"),
    ],
)
def test_a_layer_in_words(layer: str, text: str) -> None:
    net = loads(f"arch Net() {{ input x: [N, 8, 16, 16] = [1, 8, 16, 16] output x -> ({layer}) }}")
    assert words.describe(net.ir.nodes[1]) == text


@pytest.mark.parametrize(
    ("sizes", "layer", "text"),
    [
        ("16", "conv(8, 3)", "conv 3, 8"),
        ("16", "conv(8, [3], [2], dilation = [2])", "conv 3, 8, stride 2, dilation 2"),
        ("16", "dwconv(3, 2)", "depthwise conv 3, stride 2"),
        ("16", "upconv(8)", "up-conv 2, 8"),
        ("16", "maxpool(2)", "max pool 2"),
        ("16", "adaptive_avgpool(4)", "average pool to 4"),
        ("16", 'upsample(size = 32, mode = "linear")', "upsample to 32, linear"),
        ("16", "pad([[1, 0]])", "pad [1, 0]"),
        ("8, 16, 16", "conv(8, 3)", "conv 3×3×3, 8"),
        ("8, 16, 16", "conv(8, [1, 3, 3], [1, 2, 2])", "conv 1×3×3, 8, stride 1×2×2"),
        ("8, 16, 16", "conv(8, 3, [1, 1, 1])", "conv 3×3×3, 8"),
        ("8, 16, 16", "upconv(8)", "up-conv 2×2×2, 8"),
        ("8, 16, 16", "avgpool(2)", "average pool 2×2×2"),
        ("8, 16, 16", "adaptive_maxpool(4)", "max pool to 4×4×4"),
    ],
)
def test_a_window_has_as_many_sizes_as_its_map_has_axes_of_space(sizes: str, layer: str, text: str) -> None:
    net = loads(f"arch Net {{ input x: [N, 8, {sizes}] output x -> {layer} }}")
    assert [text] == [row.text for box in net.draw().diagram.boxes for row in box.rows if row.kind != "io"]


def test_a_layer_with_a_given_weight_has_its_settings() -> None:
    net = loads("""
arch Net {
  input x: [N, 3, 16, 16]
  param k = normal([3, 1, 1, 3])
  param w = normal([8, 3])
  param v = normal([3, 4, 2, 2])
  output a = x -> dwconv([1, 3], [1, 2], weight = k) -> gap -> linear(8, weight = w)
  output b = x -> upconv(4, weight = v)
}
""")
    rows = [row for box in net.draw(depth=9).diagram.boxes for row in box.rows]
    assert {"depthwise conv 1×3, stride 1×2", "linear 8", "up-conv 2×2, 4"} <= {row.text for row in rows}
    assert [(row.strided, row.depthwise) for row in rows if row.text.startswith("depthwise")] == [(True, True)]


def test_sizes_in_a_picture_are_those_of_the_nominal_input() -> None:
    """A symbol in a box would be one that stands nowhere else: arrows tell numbers."""
    net = loads("arch Net() { input x: [N, 8, H, W] = [1, 8, 16, 24] output a = x -> reshape([8, H * W]) }")
    diagram = net.draw().diagram
    assert "reshape 8×384" in [row.text for box in diagram.boxes for row in box.rows]
    assert (8, 384) in [edge.shape for edge in diagram.edges]


def test_shapes_in_a_picture_are_without_the_batch_alone() -> None:
    """A parameter has no batch, and a batch that was moved is left out where it stands."""
    net = loads(
        "arch Net() { input x: [N, 3, 8] = [2, 3, 8]   param w = normal([5, 8])   param b = zeros([5])"
        " output x -> permute([1, 0, 2]) -> permute([1, 0, 2]) -> linear(5, axis = -1, weight = w, bias = b) }"
    )
    told = [edge.shape for edge in net.draw(depth=9).diagram.edges]
    assert {(5, 8), (5,), (3, 8), (3, 5)} == set(told) - {None}


def test_every_layer_has_a_colour() -> None:
    layers = [registry.lookup(name) for name in registry.names()]
    kinds = {words.kind_of(layer) for layer in layers if layer is not None}  # type: ignore[arg-type]
    assert kinds <= {*FILLS, "merge", "io"}
    assert {"conv", "dense", "norm", "activation", "pool", "merge", "attention", "resample", "other"} <= kinds


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (9_408, "9.41 k"), (25_557_032, "25.6 M"), (4_089_184_256, "4.09 G")]
)
def test_short_numbers(count: int, text: str) -> None:
    assert words.short(count) == text


def test_clipped() -> None:
    assert words.clipped("a\nb\x00c") == "a b c"
    assert len(words.clipped("y" * 500)) == words.LONGEST


def linear(colour: str) -> list[float]:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def luminance(channels: list[float]) -> float:
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast(one: str, other: str) -> float:
    lights = sorted(luminance(linear(colour)) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_is_legible_on_every_colour(theme: Theme) -> None:
    for fill in FILLS.values():
        assert contrast(fill, DARK_INK) > 7 and contrast(fill, DARK_MUTED) > 4.5
    for ground in (theme.page, theme.card, theme.bar, *theme.frames):
        assert contrast(ground, theme.ink) > 7 and contrast(ground, theme.muted) > 4.5


# Machado, Oliveira & Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency", at
# severity 1, in linear sRGB.
PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
TRITANOPIA = ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900))
NORMAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def lab(channels: list[float]) -> tuple[float, float, float]:
    """CIE L*a*b* of linear sRGB under D65."""
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    parts = [sum(a * b for a, b in zip(row, channels, strict=True)) / w for row, w in zip(rows, white, strict=True)]
    x, y, z = (p ** (1 / 3) if p > 0.008856 else 7.787 * p + 16 / 116 for p in parts)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("eyes", [NORMAL, PROTANOPIA, DEUTERANOPIA], ids=["normal", "protanopia", "deuteranopia"])
def test_kinds_are_told_apart_by_the_colour_blind(eyes: tuple[tuple[float, ...], ...]) -> None:
    seen = {}
    for kind in ("conv", "dense", "norm", "activation", "pool", "attention", "resample", "other"):
        channels = linear(FILLS[kind])
        seen[kind] = lab([max(0.0, sum(a * b for a, b in zip(row, channels, strict=True))) for row in eyes])
    least = min(dist(seen[one], seen[other]) for one, other in combinations(seen, 2))
    assert least > 8


@pytest.mark.parametrize("bold", [False, True])
def test_widths_are_in_the_metrics_of_helvetica(bold: bool) -> None:
    """The metrics that Adobe gave away, as matplotlib ships them, are the oracle."""
    data = pytest.importorskip("matplotlib").get_data_path()
    metrics = Path(data, "fonts", "pdfcorefonts", f"Helvetica{'-Bold' if bold else ''}.afm").read_text("latin-1")
    codes = {int(code): int(width) for code, width in re.findall(r"^C (\d+) ; WX (\d+)", metrics, re.MULTILINE)}
    names = {name: int(width) for width, name in re.findall(r"WX (\d+) ; N (\w+)", metrics)}
    known = {chr(code): width for code, width in codes.items() if 32 <= code < 127 and chr(code) not in "'`"}
    known |= {"'": names["quotesingle"], "`": names["grave"], "×": names["multiply"], "−": names["minus"]}
    known |= {"±": names["plusminus"], "÷": names["divide"], "·": names["periodcentered"]}
    known |= {"–": names["endash"], "…": names["ellipsis"], "\u00a0": names["space"]}
    assert {character: text_width(character, 1000, bold) for character in known} == known


def test_widths_are_those_of_helvetica() -> None:
    assert text_width("conv 3×3, 64", 10) == pytest.approx(57.54)
    assert text_width("iiii", 10) < text_width("mmmm", 10)
    assert fitted("abcdef", 1000, 10) == "abcdef"
    cut = fitted("W" * 10_000, 100, 10)
    assert cut.endswith("…") and text_width(cut, 10) <= 100
