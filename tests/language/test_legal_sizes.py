"""Sizes that a check calls legal run, and the module refuses those that it calls illegal, where torch tells."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import archc

PARTS = [
    *(
        "conv(4, 3)",
        'conv(4, 3, 2, "valid")',
        "conv(4, 3, dilation = 2, padding = 0)",
        "upconv(4)",
        "dwconv(5, padding = 1)",
    ),
    *("maxpool(2)", "maxpool(3, 2, padding = 1)", "maxpool(3, 2, ceil = true)", "avgpool(3)", "adaptive_avgpool(2)"),
    *(
        "bn",
        "inorm",
        "gn(2)",
        "lrn",
        "upsample(2)",
        'pad(1, mode = "reflect")',
        'pad([[0, 2], [2, 0]], mode = "circular")',
    ),
    *(
        'slice("height", 1, 4)',
        'slice("width", 2)',
        'slice("height", -3)',
        "crop(1, 2)",
        "crop(size = 3)",
        "subsample(3)",
    ),
    *(
        "roll(2)",
        'select("height", 1) -> unsqueeze(2)',
        "pixel_unshuffle(2) -> conv(4, 1)",
        "unfold(2) -> reshape([16, -1, 1]) -> conv(4, 1)",
    ),
    *("id + (conv(4, 3, 2) -> upsample(2))", "id + (maxpool(2) -> upconv(4))", "id ++ conv(4, 3) -> conv(4, 1)"),
    *('reduce("var", "width", true)', "looked_up", "cropped", "cropped_far", 'split(2, axis = "height") -> sum'),
]
SILENT = ('slice("width", 2)', "id + (conv", "reduce", "split")
"""Parts for which torch gives less, stretches or divides by zero without a word where a size is not legal."""
BLOCKS = """
block looked_up() = in + (in -> arange(in.width) -> embedding(4, 1) -> reshape([1, 1, -1]))
block cropped()(x) = x -> conv(4, 2, padding = "valid") -> crop(like = x -> conv(4, 3, padding = "valid"))
"""


def runs(module: torch.nn.Module, *shape: int) -> bool:
    """Whether the module takes an image of this shape, to the last of its gradients."""
    try:
        made = module(torch.randn(shape, requires_grad=True))
        if module.training:
            made.sum().backward()
    except (RuntimeError, ValueError, IndexError):
        return False
    return True


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=3))
def test_legal_sizes_hold(parts: list[str]) -> None:
    text = f"{BLOCKS}arch A {{ input x: [N, 4, H, W]   output x -> {' -> '.join(f'({part})' for part in parts)} }}"
    try:
        network = archc.loads(text)
    except archc.ArchError:
        return
    module = network.module(seed=0)
    for height, width in ((1, 1), (1, 6), (2, 2), (3, 4), (4, 3), (5, 5), (6, 9), (8, 8)):
        legal = not network.ir.requirements.violations({"N": 2, "H": height, "W": width})
        for batch, training in ((1, False), (2, False), (2, True)):
            if legal or not any(part.startswith(SILENT) for part in parts):
                assert runs(module.train(training), batch, 4, height, width) == legal, (height, width, batch, training)


def test_places_beyond_a_table_are_not_legal() -> None:
    body = "(t -> arange(t.length, start = 2) -> unsqueeze(0) -> embedding(10, 4))"
    body += " + index_select(table, t -> arange(t.length), 0)"
    text = f"arch A {{ input t: tokens [N, T, 4]   param table = zeros([7, 4])   output t + {body} }}"
    network = archc.loads(text)
    assert network.ir.requirements.describe() == ["T at most 7"]
    module = network.module(seed=0)
    assert module(torch.zeros(2, 7, 4)).shape == (2, 7, 4)
    found = archc.check(text=text.replace("T, 4", "8, 4"))
    assert [d.code for d in found] == ["E0410"]
