"""What layers and numbers are called."""

from __future__ import annotations

import pytest

from archc.api import loads
from archc.compiler.ops import registry
from archc.viz import words


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ("conv(8, 3)", "conv 3×3, 8"),
        ("conv(8, [1, 7], 2)", "conv 1×7, 8, stride 2"),
        ("conv(8, 3, groups = 4, dilation = 2)", "conv 3×3, 8, 4 groups, dilation 2"),
        ("dwconv(3)", "depthwise conv 3×3"),
        ("upconv(8)", "up-conv 2×2, 8"),
        ("maxpool(3, 2)", "max pool 3×3, stride 2"),
        ("gn(4)", "group norm 4"),
        ("dropout(0.1)", "dropout 0.1"),
        ("dropout(0.5)", "dropout"),
        ("adaptive_avgpool(7)", "average pool to 7×7"),
        ("0.5 * id", "× 0.5"),
        ("1 - id", "1 − x"),
    ],
)
def test_a_layer_in_words(layer: str, text: str) -> None:
    net = loads(f"arch Net() {{ input x: [N, 8, 16, 16] = [1, 8, 16, 16] output x -> ({layer}) }}")
    assert words.describe(net.ir.nodes[1].op) == text


def test_every_layer_has_a_colour() -> None:
    from archc.viz.style import FILLS

    kinds = {
        words.KINDS.get(name, words.ROOMS.get(room.partition(":")[0], "other"))
        for name, room in registry.LAYERS.items()
    }
    assert kinds <= set(FILLS)
    assert {"conv", "dense", "norm", "activation", "pool", "merge", "attention", "other"} <= kinds


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (9_408, "9.41 k"), (25_557_032, "25.6 M"), (4_089_184_256, "4.09 G")]
)
def test_short_numbers(count: int, text: str) -> None:
    assert words.short(count) == text


def test_clipped() -> None:
    assert words.clipped("a\nb\x00c") == "a b c"
    assert len(words.clipped("y" * 500)) == words.LONGEST


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_is_legible_on_every_colour() -> None:
    from archc.viz.style import FILLS, INK, MUTED

    for fill in FILLS.values():
        for ink, least in ((INK, 7), (MUTED, 3)):
            assert (luminance(fill) + 0.05) / (luminance(ink) + 0.05) > least
