"""What is accepted and may not be what was meant: it is warned of, with hints that mend it, and usual nets are not."""

from __future__ import annotations

import pytest
from language_files import mended

import archc
from archc.dsl.diagnostics import Diagnostic

SHAPES = {1: "[N, {c}, 200]", 2: "[N, {c}, H, W]", 3: "[N, {c}, 20, 40, 40]"}


def spec(body: str, shape: str = "[N, 3, 32, 32]") -> str:
    return f"arch A {{ input x: {shape}\n output x -> {body} }}"


def warned(text: str) -> Diagnostic:
    """The one warning; a window that is too large may be an error too."""
    (found,) = [d for d in archc.check(text=text) if d.severity == "warning"]
    return found


@pytest.mark.parametrize("channels, made, kernel", [(3, 16, 3), (1, 6, 5), (1, 10, 5), (64, 64, 3), (256, 64, 1)])
@pytest.mark.parametrize("rank", [2, 3])
def test_a_convolution_in_the_order_of_torch(channels: int, made: int, kernel: int, rank: int) -> None:
    shape = SHAPES[rank].format(c=channels)
    text = spec(f"conv({channels}, {made}, {kernel}, padding = {kernel // 2})", shape)
    found = warned(text)
    assert found.code == "E0357"
    right = spec(f"conv({made}, {kernel}, padding = {kernel // 2})", shape)
    assert mended(text, found, found.hints[0]) == right and archc.check(text=right) == []
    meant = mended(text, found, found.hints[1])
    assert [d.code for d in archc.check(text=meant)] == [d.code for d in archc.check(text=text) if d.code != "E0357"]


@pytest.mark.parametrize(
    "call, right",
    [
        ("conv(3, 32, 3)", "conv(32, 3)"),
        ("conv(3, 768, 16, 16)", "conv(768, 16, 16)"),
        ("conv(3, 4 * 24, 4, 4)", "conv(4 * 24, 4, 4)"),
        ("upconv(3, 32, 2, 2)", "upconv(32, 2, 2)"),
        ("upconv(3, 3, 4, 2)", "upconv(3, 4, 2)"),
        ("conv(64, 7) -> dwconv(64, 3, 1)", "conv(64, 7) -> dwconv(3, 1)"),
        ("conv(64, 7) -> conv(64, 3, 7)", "conv(64, 7) -> conv(3, 7)"),
        ("each(conv(3, 16, 3))", "each(conv(16, 3))"),
    ],
)
def test_other_calls_in_the_order_of_torch(call: str, right: str) -> None:
    text = spec(call)
    found = warned(text)
    assert mended(text, found, found.hints[0]) == spec(right) and archc.check(text=spec(right)) == []


def test_calls_that_apply_and_calls_in_blocks() -> None:
    text = "block unit(c, k) { output conv(in, c, 16, k) }\n" + spec("unit(3, 3)")
    found = warned(text)
    assert "output conv(in, 16, k)" in mended(text, found, found.hints[0])
    assert [label.text for label in found.chain] == ["in unit(3, 3)"]


USUAL = {
    1: [(3, 1), (8, 1), (40, 1), (10, 5), (80, 4), (400, 160), (16, 8), (25, 4), (3, 2), (2, 2), (15, 3), (1, 3)],
    2: [(k, s) for k in (1, 2, 3, 4, 5, 7, 9, 11) for s in (1, 2)]
    + [(k, k) for k in (3, 4, 8, 14, 16, 32)]
    + [(4, 2), (6, 2), (7, 4), (8, 4), (11, 4), (3, 3), (5, 3), (1, 4), (31, 1), (13, 2), (10, 1), (12, 2)],
    3: [(3, 1), (7, 2), (2, 2), (4, 2), (16, 16)],
}


@pytest.mark.parametrize("rank", USUAL)
@pytest.mark.parametrize("channels", [1, 3, 64, 512])
def test_usual_windows_are_not_warned_of(rank: int, channels: int) -> None:
    for kernel, stride in USUAL[rank]:
        text = spec(f"conv({channels}, {kernel}, {stride}, padding = {kernel})", SHAPES[rank].format(c=channels))
        assert archc.check(text=text) == [], (kernel, stride)
        if channels <= 11:
            text = spec(f"dwconv({kernel}, {stride}, {kernel})", SHAPES[rank].format(c=channels))
            assert archc.check(text=text) == [], (kernel, stride)


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8, 16, 32])
def test_usual_upsampling_is_not_warned_of(factor: int) -> None:
    for kernel in (factor, 2 * factor, 2 * factor - factor % 2, 3 if factor == 2 else factor + 2):
        assert archc.check(text=spec(f"upconv(21, {kernel}, {factor})", "[N, 21, 16, 16]")) == [], kernel


def test_a_dense_layer_as_a_convolution_is_not_warned_of() -> None:
    assert archc.check(text=spec("conv(64, 14, 1, padding = 0)", "[N, 64, 14, 14]")) == []


@pytest.mark.parametrize("shape", ["[3, 32, 32]", "[1, 28, 28]", "[4, 84, 84]", "[3, 32, 48]"])
@pytest.mark.parametrize("body", ["conv(16, 3)", "maxpool(2)", "relu -> bn -> conv(16, 3)", "relu -> flatten"])
def test_an_image_without_a_batch(shape: str, body: str) -> None:
    text = spec(body, shape)
    found = warned(text)
    assert found.code == "E0358"
    fixed = mended(text, found, found.hints[0])
    assert fixed == spec(body, shape.replace("[", "[N, ")) and archc.check(text=fixed) == []


@pytest.mark.parametrize(
    ("shape", "right"),
    [("[N, 32, 32, 3]", "[N, 3, 32, 32]"), ("[2, 28, 28, 1]", "[2, 1, 28, 28]"), ("[64, 64, 3]", "[N, 3, 64, 64]")],
)
def test_an_image_with_its_channels_last(shape: str, right: str) -> None:
    text = spec("conv(16, 3) -> relu", shape)
    found = warned(text)
    assert found.code == "E0358"
    fixed = mended(text, found, found.hints[0])
    assert fixed == spec("conv(16, 3) -> relu", right) and archc.check(text=fixed) == []


def test_the_name_of_the_batch_is_free() -> None:
    text = "N = 4\narch A(B = 2) { input x: [3, 32, 32]\n output x -> conv(B, 3) }"
    found = warned(text)
    fixed = mended(text, found, found.hints[0])
    assert "x: [batch, 3, 32, 32]" in fixed and archc.check(text=fixed) == []


def test_it_is_said_beside_the_error_that_comes_of_it() -> None:
    codes = [d.code for d in archc.check(text=spec("bn -> conv(16, [3, 3])", "[3, 32, 32]"))]
    assert codes == ["E0407", "E0358"]


@pytest.mark.parametrize(
    "shape, body",
    [
        ("[3, 16, 100]", "linear(4)"),
        ("tokens [3, 32, 32]", "attention(4)"),
        ("[1, 80, 3000]", "conv(80, 3)"),
        ("[8, 32, 32]", "conv(16, 3)"),
        ("[N, 32, 32]", "conv(16, 3)"),
        ("[1, 3, 32, 32]", "conv(16, 3)"),
        ("[N, 32, 32, 32]", "conv(16, 3)"),
        ("[N, 32, 16, 3]", "conv(16, 3)"),
        ("[N, 32, 32, 3]", "ln(axis = -1)"),
        ("[1, 16, 16]", "relu"),
    ],
)
def test_other_inputs_are_not_warned_of(shape: str, body: str) -> None:
    assert "E0358" not in [d.code for d in archc.check(text=spec(body, shape))]


def test_an_architecture_keeps_its_warnings() -> None:
    architecture = archc.loads(spec("conv(3, 16, 3)"))
    assert [d.code for d in architecture.warnings] == ["E0357"]
    assert archc.loads(spec("conv(16, 3)")).warnings == ()


@pytest.mark.parametrize(
    "body",
    [
        "fs = [conv(3, 3), bn]\n gs = [conv(3, 1), bn]\n output x -> fs + gs -> relu",
        "fs = [conv(3, 3), bn]\n gs = [*fs, relu]\n output x -> gs",
        "fs = [conv(3, 3), bn]\n y = x -> (fs + id)\n output y",
        "n = [1, 2]\n output x -> [conv(3, k) for k in n]",
    ],
)
def test_sums_and_lists_that_are_meant(body: str) -> None:
    text = spec("relu").replace("output x -> relu", body).replace("x -> fs + gs -> relu", "x -> (fs + gs) -> relu")
    assert archc.check(text=text) == []


@pytest.mark.parametrize("body", ["(id + conv(3, 3)) -> survive(0.5)", "id + (conv(3, 3) -> survive(0.5)) -> relu"])
def test_stochastic_depth_as_it_is_meant(body: str) -> None:
    assert archc.check(text=f"block u() = {body}\n" + spec("u")) == []


@pytest.mark.parametrize(
    ("body", "alone"),
    [
        ("id + f -> survive(0.5)", "id + (f -> survive(0.5))"),
        ("f + id -> survive(0.5)", "(f -> survive(0.5)) + id"),
        ("in + (in -> f) -> survive(0.5)", "in + ((in -> f) -> survive(0.5))"),
        ("(in -> f) + in -> d: survive(0.5)", "((in -> f) -> d: survive(0.5)) + in"),
        ("f - id -> survive(0.5)", "(f -> survive(0.5)) - id"),
    ],
)
def test_the_branch_and_not_the_shortcut_is_left_out(body: str, alone: str) -> None:
    found = warned(f"block u() {{ f = conv(3, 3)\n output {body} }}\n" + spec("u"))
    assert found.code == "E0362" and found.hints[0] == f"write `{alone}` to leave out the branch alone"


def test_an_input_that_nothing_needs() -> None:
    text = "arch A { input x: [N, 3, 32, 32]\n input y: [N, 3, 32, 32]\n output x%s }"
    found = warned(text % "")
    assert found.code == "E0514" and found.span is not None and found.span.text == "input y: [N, 3, 32, 32]"
    assert archc.check(text=text % " + y") == []
    assert archc.check(text=text % " -> upsample(like = y)") == []


def test_a_list_that_is_never_applied() -> None:
    text = spec("conv(8, 3)").replace("output", "fs = [conv(3, 3), relu]\n gs = [relu]\n output")
    (found,) = archc.check(text=text)
    assert found.code == "E0506" and "`fs`" in found.message
    for use in ("fs", "fs[0]", "[*fs]", "[f for f in fs]", "[relu, if false then fs]"):
        assert archc.check(text=text.replace("x -> conv(8, 3)", f"x -> {use}")) == [], use


def test_a_shared_network_is_not_fresh() -> None:
    (found,) = archc.check(
        text=spec("h -> h").replace("output", "shared g = conv(3, 3)\n shared h = fresh(g)\n output")
    )
    assert found.code == "E0513" and [label.span.text for label in found.labels] == ["shared g = conv(3, 3)"]


def test_a_parameter_that_nothing_uses() -> None:
    block = "block unit(c, kernel = 3, _again = 1) = conv(c, 3) -> relu"
    text = f"{block}\narch A(width = 8, depth = 2) {{ input x: [N, 3, 8, 8]   output x -> unit(width) }}"
    found = archc.check(text=text)
    assert [(d.code, d.severity, d.span.text if d.span else "") for d in found] == [
        ("E0515", "warning", "kernel = 3"),
        ("E0515", "warning", "depth = 2"),
    ]
    assert not archc.check(text=text.replace("conv(c, 3)", "conv(c, kernel)").replace(", depth = 2", ""))


def test_a_parameter_is_used_in_sizes_claims_defaults_and_blocks_within() -> None:
    body = """
      input x: [N, channels, 8, 8]
      block unit() = conv(width, 3)
      default relu = act
      output x -> unit -> relu
      expect channels > 0
    """
    assert not archc.check(
        text=f"arch A(channels = 3, width = 8, act = gelu, wide = width) {{ {body} require wide > 1 }}"
    )


@pytest.mark.parametrize(
    "body", ["y = p: x\n output y -> relu", "output p: x -> conv(4, 3)", "output sum([p: x, q: x])"]
)
def test_a_label_before_a_tensor_names_nothing(body: str) -> None:
    found = archc.check(text=f"arch A {{ input x: [N, 3, 8, 8]\n {body} }}")
    assert {d.code for d in found} == {"E0364"} and "`x -> p: f`" in found[0].hints[0]


@pytest.mark.parametrize(
    "body",
    [
        "output x -> p: conv(4, 3)",
        "y = p: (x -> conv(4, 3))\n output y",
        "s = 1\n y = p: (if s > 1 then x -> conv(3, 1) else x)\n output y",
        "param w = p: normal([3, 1, 1])\n output x * w",
    ],
)
def test_labels_that_name_layers_or_may(body: str) -> None:
    assert archc.check(text=f"arch A {{ input x: [N, 3, 8, 8]\n {body} }}") == []
