"""Hints, applied as they are written, give a spec that checks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from language_files import mended

import archc
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.source import Span

BLOCK = "block unit(c) {{ body = conv(c, 3, {stride}) -> bn\n output {merge} }}\n"
ARCH = "arch A {{ input x: [N, {channels}, 32, 32]  output x -> unit({made}) }}"


@pytest.mark.parametrize("channels, made, stride", [(3, 8, 1), (3, 8, 2), (16, 4, 4), (8, 3, 1)])
def test_the_convolution_that_makes_a_sum_fit_does(channels: int, made: int, stride: int) -> None:
    def spec(merge: str) -> str:
        return (BLOCK + ARCH).format(stride=stride, merge=merge, channels=channels, made=made)

    found = next(d for d in archc.check(text=spec("body + id")) if d.code == "E0405")
    call, behind = re.match(r"`(conv\(.*?\))` behind the branch that has (\d+) channels", found.hints[0]).groups()  # type: ignore[union-attr]
    merge = f"body + {call}" if int(behind) == channels else f"(body -> {call}) + id"
    assert not [d for d in archc.check(text=spec(merge)) if d.severity == "error"]


@pytest.mark.parametrize(
    "call, right",
    [
        ("linear(3, 10)", "linear(10)"),
        ("linear(3, 10, false)", "linear(10, bias = false)"),
        ("linear(in_features = 3, out_features = 10)", "linear(units = 10)"),
        ("linear(3, out_features = 10)", "linear(units = 10)"),
        ("bn(3)", "bn"),
        ("bn(3, 1e-3, momentum = 0.2)", "bn(eps = 1e-3, momentum = 0.2)"),
        ("bn(num_features = 3, track_running_stats = false)", "bn(track = false)"),
        ("ln(3)", "ln"),
        ("avgpool", "gap"),
        ("permute(0, 2, 3, 1)", "permute([0, 2, 3, 1])"),
        ("ln(normalized_shape = 3, elementwise_affine = false)", "ln(affine = false)"),
        ("rmsnorm(3, 1e-5)", "rmsnorm(eps = 1e-5)"),
        ("gn(1, 3)", "gn(1)"),
        ("gn(num_groups = 1, num_channels = 3)", "gn(groups = 1)"),
        ("conv(3, 64, 7, 2, 3)", "conv(64, 7, 2, 3)"),
        ("conv(3, 16, 3, stride = 2)", "conv(16, 3, stride = 2)"),
        ("conv(3, 2 * 8, kernel_size = 3, padding = 1)", "conv(2 * 8, kernel = 3, padding = 1)"),
        ("conv(in_channels = 3, out_channels = 16, kernel_size = 3)", "conv(channels = 16, kernel = 3)"),
        ("conv(filters = 16, kernel_size = 3, use_bias = true)", "conv(channels = 16, kernel = 3, bias = true)"),
        ("conv(16, 3, strides = 2, activation = relu)", "conv(16, 3, stride = 2) -> relu"),
        ('conv(filters = 16, kernel_size = 3, activation = "tanh")', "conv(channels = 16, kernel = 3) -> tanh"),
        ("upconv(3, 16, 2, 2, 0, 1)", "upconv(16, 2, 2, 0, output_padding = 1)"),
        ("conv(16, (3, 5))", "conv(16, [3, 5])"),
        ("conv(16, 3, padding = (1, 2))", "conv(16, 3, padding = [1, 2])"),
        ("maxpool(kernel_size = 2, stride = 2, ceil_mode = true)", "maxpool(kernel = 2, stride = 2, ceil = true)"),
        ("avgpool(2, count_include_pad = false)", "avgpool(2, count_pad = false)"),
        ("maxpool(3, 2, 1)", "maxpool(3, 2, padding = 1)"),
        ("avgpool(3, 2, 1, true, false)", "avgpool(3, 2, padding = 1, ceil = true, count_pad = false)"),
        ("adaptive_avgpool(output_size = 1)", "adaptive_avgpool(size = 1)"),
        ("upsample(scale_factor = 2)", "upsample(scale = 2)"),
        ("pixel_unshuffle(downscale_factor = 2)", "pixel_unshuffle(factor = 2)"),
        ("flatten(start_dim = 2, end_dim = -1)", "flatten(start = 2, end = -1)"),
        ("transpose(dim0 = 2, dim1 = 3)", "transpose(first = 2, second = 3)"),
        ("permute(dims = [0, 2, 3, 1])", "permute(order = [0, 2, 3, 1])"),
        ("roll([1, 1], dims = [2, 3])", "roll([1, 1], axes = [2, 3])"),
        ("softmax(dim = 1)", "softmax(axis = 1)"),
        ("concat(x, x, dim = 1)", "concat(x, x, axis = 1)"),
        ("conv(x, 3, 16, kernel_size = 3)", "conv(x, 16, kernel = 3)"),
        ("select(dim = 2, index = 0)", "select(axis = 2, index = 0)"),
        ("unsqueeze(dim = 1)", "unsqueeze(axis = 1)"),
        ("clamp(min = 0, max = 6)", "clamp(low = 0, high = 6)"),
        ("leakyrelu(negative_slope = 0.1)", "leakyrelu(slope = 0.1)"),
        ("relu(inplace = true)", "relu"),
        ("chunk(chunks = 1, dim = 2)", "chunk(parts = 1, axis = 2)"),
    ],
)
def test_a_call_of_another_framework_is_answered_with_the_call(call: str, right: str) -> None:
    def spec(call: str) -> str:
        way = "gap -> " if call.startswith("linear") else ""
        return f"arch A {{ input x: [N, 3, 8, 8]\n output {'' if '(x,' in call else f'x -> {way}'}{call} }}"

    text = spec(call)
    (found,) = archc.check(text=text)
    assert found.span is not None
    if text[found.span.start : found.span.end] not in ("(3, 5)", "(1, 2)"):
        # It points at the argument at fault, and the hint has the whole call.
        start = text.index(call)
        found = replace(found, span=Span(found.span.source, start, start + len(call)))
    assert mended(text, found, found.hints[0]) == spec(right)
    assert archc.check(text=spec(right)) == []


def test_multihead_attention() -> None:
    text = "arch A { input x: tokens [N, 16, 64]\n output x -> attention(64, 8) }"
    (found,) = archc.check(text=text)
    assert archc.check(text=mended(text, found, found.hints[0])) == []


@pytest.mark.parametrize("name, right", [("epsilon", "eps"), ("track_running_stats", "track")])
def test_a_setting_of_a_default(name: str, right: str) -> None:
    text = f"arch A {{ input x: [N, 3, 8, 8]\n default bn({name} = true)\n output x -> bn }}"
    assert archc.check(text=text)[0].hints == (f"here `{name}` is `{right}`",)


def test_a_window_too_large_speaks_of_what_shrank_the_map() -> None:
    def found(body: str) -> Diagnostic:
        (one,) = archc.check(text=f"arch A {{ input x: [N, 3, 8, 8]\n output x -> {body} }}")
        assert one.code == "E0404"
        return one

    first = found("conv(4, 3) -> maxpool(9)")
    assert not first.labels and "before" not in " ".join(first.hints)
    later = found("conv(4, 3, 2) -> relu -> maxpool(2) ** 2 -> maxpool(3)")
    assert "before" in later.hints[0]
    assert [label.text.count("makes the map") for label in later.labels] == [1, 2]


INPUT = "arch A { input x: [N, 4, 32, 32]\n "


@pytest.mark.parametrize(
    ("code", "body", "hint"),
    [
        ("E0120", "layers = []\n layers.append(conv(8, 3))\n output x -> layers", 0),
        ("E0120", "layers = []\n for i in 1..3 { layers.append(conv(4, 3) -> relu) }\n output x -> layers", 0),
        ("E0120", "layers = [conv(8, 3)]\n layers.extend([bn, relu])\n output x -> layers", 0),
        ("E0101", "conv1 = conv(8, 3)\n conv1(x)", 1),
        ("E0101", "conv1 = conv(8, 3)\n conv1(x)\n output x", 0),
        ("E0101", "x -> conv1: conv(8, 3)\n output x", 0),
        ("E0101", "output x -> conv1 = conv(8, 3) -> relu", 0),
        ("E0101", "output x -> [conv1 = conv(8, 3), relu]", 0),
        ("E0101", "c = true\n output x -> conv(16 if c else 8, 3)", 0),
        ("E0101", "c = true\n k = 16 if c else 2 * 8\n output x -> conv(k, 3)", 0),
        ("E0204", "output x.flatten(1) -> linear(10)", 0),
        ("E0204", "y = x.relu()\n output y", 0),
        ("E0204", "output x.mean([2, 3]) -> linear(10)", 0),
        ("E0303", "output x -> conv(8, 3, 1, 1, 1, 2)", 0),
        ("E0303", "output x -> split(2, 1) -> concat", 0),
        ("E0303", "output x -> permute(0, 2, 1, 3)", 0),
        ("E0303", "output x -> reshape(8, 512)", 0),
        ("E0303", "output x -> pad(1, 1)", 0),
        ("E0303", "output x -> flatten([1, 2])", 0),
        ("E0303", "output x -> transpose([2, 3])", 0),
        ("E0303", "output x -> slice([1, 2])", 0),
        ("E0303", "output x -> crop([4, 4])", 0),
        ("E0303", "output x -> crop(4)", 0),
        ("E0201", "output x -> conv(8, 3, padding = same)", 0),
        ("E0201", "output x -> pad(1, mode = reflect)", 0),
        ("E0101", "output x -> [relu, conv(c, 3) for c in [8, 4]]", 0),
        ("E0101", "output sum(relu, conv(c, 3) for c in [4, 4])(x)", 0),
        ("E0120", "cs = [8, 4]\n output x -> [conv(c, 3) for c in cs[0:1]]", 0),
        ("E0120", "cs = [8, 4]\n a = 1\n output x -> [conv(c, 3) for c in cs[a:]]", 0),
        ("E0120", "cs = [8, 4]\n a = 0\n b = 1\n output x -> [conv(c, 3) for c in cs[a:b]]", 0),
        ("E0363", "output sum([x -> a: conv(4, 3), x -> relu])", 0),
        ("E0513", "shared g = conv(4, 3)\n output x -> g -> fresh(g)", 0),
        ("E0302", "output x -> mean(1)", 0),
        ("E0302", "output x -> max(-1)", 0),
        ("E0303", "output x -> mean(dim = [2, 3], keepdim = true)", 0),
        ("E0101", "y = x -> relu\n output a = x, b = y", 0),
        ("E0101", "output x, y = x -> relu", 0),
        ("E0101", "y = x -> relu, output y", 0),
        ("E0327", "output x + conv(4, 3)", 0),
        ("E0120", "output x[:, 0]", 0),
        ("E0120", "output x[:, :, 1:5, :]", 0),
        ("E0303", "output x -> gap -> linear(10, bias = none)", 0),
        ("E0303", "output x -> reshape(4, -1)", 0),
        ("E0303", "output x -> reshape(N, -1)", 0),
        ("E0303", "output x -> reshape(-1, 8, 512)", 0),
        ("E0339", "param g = ones(4, 1, 1)\n output x * g", 0),
        ("E0339", "param g = constant(0.5, [4, 1, 1])\n output x * g", 0),
        ("E0339", "param g = normal(0.5, [4, 1, 1])\n output x * g", 0),
        ("E0408", "output x -> reshape([N, 4, -1])", 0),
        ("E0303", "output max(x, 0.5)", 0),
        ("E0303", "output min(1, x)", 0),
        ("E0303", "output concat(x, x, 1)", 0),
        ("E0303", "output x -> upsample(2, bilinear)", 0),
        ("E0303", 'output x -> conv(8, 3, 1, 1, "reflect")', 0),
        ("E0331", "output x ** 2", 0),
        ("E0331", "output (x -> abs) ** 0.5 + x ", 0),
        ("E0325", "output 2 ** x", 0),
        ("E0325", "output x % 2", 0),
        ("E0325", "output 7 // x", 0),
        ("E0120", "output x >> relu", 0),
        ("E0120", "output x -> conv(8, 3, padding = 'same')", 0),
        ("E0101", "x -> relu -> output", 0),
        ("E0401", "output x -> linear(10, axis = 1)", 0),
        ("E0408", "output x -> reshape([2 * N, -1])", 0),
        ("E0327", "y = x -> relu\n output x + y - (conv(4, 3) -> bn) + conv(4, 1)", 0),
        ("E0327", "output (f: conv(4, 3)) * x -> survive(0.5)", 0),
        ("E0361", "fs = []\n fs = fs + [conv(4, 3), relu]\n output x -> fs", 0),
        ("E0361", "fs = [conv(4, 3)]\n gs = fs + [relu]\n output x -> gs", 1),
        ("E0362", "f = conv(4, 3)\n output x -> (id + f -> survive(0.5))", 0),
        ("E0362", "f = conv(4, 3)\n output x -> (f + id -> survive(0.5) -> relu)", 0),
        ("E0362", "f = x -> conv(4, 3)\n output f + x -> survive(0.5)", 0),
        ("E0362", "f = conv(4, 3)\n output x -> (id + f -> survive(0.5))", 1),
    ],
)
def test_a_slip_is_answered_with_what_checks(code: str, body: str, hint: int) -> None:
    text = f"{INPUT}{body} }}"
    found = next(d for d in archc.check(text=text) if d.code == code)
    assert archc.check(text=mended(text, found, found.hints[hint])) == []


@pytest.mark.parametrize(
    "tensor",
    [
        "param y = zeros([4, 1, 1])",
        "y = x -> conv(4, 3)",
        "y = conv(4, 3)(x)",
        "y = conv(x, 4, 3)",
        "y, z = [x -> conv(4, 3), x -> conv(4, 1)]",
    ],
)
def test_a_tensor_beside_an_arrow_leaves_one_reading(tensor: str) -> None:
    text = f"{INPUT}{tensor}\n output x -> conv(4, 3) -> bn + y }}"
    (found,) = archc.check(text=text)
    (hint,) = found.hints
    fixed = text.replace("x -> conv(4, 3) -> bn + y", hint.split("`")[1])
    assert [d.code for d in archc.check(text=fixed)] == [] or "z" in tensor


def test_a_vector_of_open_length() -> None:
    text = "arch A { input x: [N, 3, H, W]\n output x -> conv(8, 3) -> flatten -> linear(10) }"
    (found,) = archc.check(text=text)
    assert found.code == "E0406"
    stated, pooled = (re.search("`([^`]+)`", hint)[1] for hint in found.hints)  # type: ignore[index]
    assert archc.check(text=text.replace("input x: [N, 3, H, W]", stated)) == []
    assert archc.check(text=text.replace("flatten", pooled)) == []


@pytest.mark.parametrize(("setting", "right"), [("bias = 0", "false"), ("bias = 1", "true")])
def test_a_number_for_a_truth_value(setting: str, right: str) -> None:
    (found,) = archc.check(text=f"{INPUT}output x -> conv(8, 3, {setting}) }}")
    assert found.hints[0] == f"write `{right}`"
    (found,) = archc.check(text=f"{INPUT}output x -> avgpool(2, count_pad = {setting[-1]}) }}")
    assert found.hints == (f"write `{right}`",)


def test_the_identity_behind_tokens_has_no_batch_norm() -> None:
    text = (
        'arch T { input x: tokens [N, 7, 16]\n output x -> f: linear(16) }\narch U = insert_identity(T, after = "f"%s)'
    )
    (found,) = archc.check(text=text % "")
    assert found.code == "E0441" and "`batch_norm = false`" in found.hints[0]
    assert archc.check(text=text % ", batch_norm = false") == []


@pytest.mark.parametrize("hint", [1, 2])
def test_unequal_maps_side_by_side(hint: int) -> None:
    body = "y = x -> conv(4, 3)\n z = x -> conv(4, 3, 2)\n output {} ++ {} }}"
    (found,) = archc.check(text=INPUT + body.format("y", "z"))
    call = re.search("`([^`]+)`", found.hints[hint])[1]  # type: ignore[index]
    mended = ("(y -> crop(like = z))", "z") if "crop" in call else ("y", "(z -> upsample(like = y))")
    assert call.startswith(("crop(like", "upsample(like"))
    assert archc.check(text=INPUT + body.format(*mended)) == []


@pytest.mark.parametrize("merge", ["y ++ z", "y + z", "concat(y, z, axis = 2)"])
def test_maps_that_are_equal_at_one_place_alone_are_refused(merge: str) -> None:
    text = f"arch A {{ input x: [N, 4, H, W]\n y = x -> conv(4, 3)\n z = x -> conv(4, 3, 2)\n output {merge} }}"
    assert [d.code for d in archc.check(text=text)] == ["E0405"]


def test_a_power_says_which_application_failed() -> None:
    (found,) = archc.check(text=f"{INPUT}output x -> maxpool(2) ** 7 }}")
    assert found.code == "E0404" and "application 6 of 7" in [label.text for label in found.labels]


def test_a_claim_says_of_which_variant_it_is() -> None:
    text = "arch A(c = 4) { input x: [N, 3, 8, 8]\n output x -> conv(c, 1)\n expect params == 12 }\narch B = A(c = 5)"
    (found,) = archc.check(text=text)
    assert found.message.endswith("and it is 15 in `B`")


@pytest.mark.parametrize("claim", ["macs == 12", "depth == 4"])
def test_layers_of_the_host_state_what_a_claim_needs(claim: str) -> None:
    def spec(stated: str) -> str:
        externs = [f"extern {name}()(x: [N, C]) -> [N, C] {{ {stated} }}\n" for name in ("warp", "rest")]
        return f"{''.join(externs)}arch A {{ input x: [N, 3]  output x -> linear(4) -> warp -> rest\n expect {claim} }}"

    (found,) = archc.check(text=spec(""))
    assert found.code == "E0604" and "`extern warp` and `extern rest`" in found.hints[0]
    first, zero = re.findall(r"`(\w+ = [^`]*)`", found.hints[0])
    assert archc.check(text=spec(zero).replace("== 4", "== 1")) == []
    found = archc.check(text=spec(first).replace("N * C * H * W", "N * C"))
    assert [d.code for d in found] in ([], ["E0603"])


def test_what_is_wrong_with_one_choice_says_which() -> None:
    text = "arch A(d: 3 | 1 | 2 = 1) { input x: [N, 3, 8, 8]\n output x -> conv(d, 3)\n expect params < 70 }"
    (found,) = archc.check(text=text)
    assert [(label.text, label.span.text) for label in found.labels] == [("with `d = 3`", "d: 3 | 1 | 2 = 1")]
    (found,) = archc.check(text=text.replace("70", "20"))
    assert not found.labels and "it is 27" in found.message


def test_a_sum_of_both_is_not_also_said_to_be_left_out() -> None:
    codes = [d.code for d in archc.check(text=f"{INPUT}output x + conv(4, 3) -> survive(0.5) }}")]
    assert codes == ["E0327"]


def test_heads_that_divide_the_channels_are_named() -> None:
    def spec(heads: str) -> str:
        return f"arch A {{ input x: tokens [N, 16, 24]\n output x -> attention({heads}) }}"

    (found,) = archc.check(text=spec("5"))
    assert found.hints == ("4 or 6 heads divide 24 channels",)
    assert archc.check(text=spec("4")) == archc.check(text=spec("6")) == []


def test_a_spec_given_as_text_names_what_takes_it() -> None:
    with pytest.raises(archc.ArchError, match=r"`archc\.loads` takes it"):
        archc.load("arch A { input x: [N, 3, 8, 8]  output x -> relu }")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("output x, y", "outputs without names are a tuple: `output (a, b)`"),
        ('output "side" = x', "an output's name is a plain word"),
        ("output x[:, 0, :2]", "`(x -> slice(axis, start, stop))`"),
        ("output x[0]", "`x -> select(1, 0)` takes one place along axis 1"),
        ("if training { output x }", "`output aux = y when training`"),
        ("output x -> max(id, 0)", "`x -> clamp(0)`"),
        ("output x -> residual(conv(4, 3))", "`id + f`"),
        ("output x -> conv(8, 3).relu()", "`conv(8, 3) -> relu`"),
        ("a, b = x -> relu\n output a + b", "`x -> split(2)` makes 2 tensors"),
        ("for i, c in [8, 16] { }\n output x", "`for i, x in enumerate(xs)`"),
        ("output x -> (id > 0)", "`x > 0`"),
        ("shared fs = [relu, bn]\n output x -> fs[0]", "`shared f = ...`, `shared g = ...`, `[f, g]`"),
        ("output x -> nn.LSTM(8)", "write `lstm`"),
    ],
)
def test_a_hint_that_leaves_a_choice(text: str, hint: str) -> None:
    found = archc.check(text=f"{INPUT}y = x -> relu\n {text} }}")[0]
    assert hint in found.hints[0]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("output (x -> gap) + y", "`expand(like = x)` stretches it"),
        ("output two(x, y)", "`block two()(a, b)`"),
    ],
)
def test_a_second_hint_that_leaves_a_choice(text: str, hint: str) -> None:
    found = archc.check(text=f"block two(a, b) = a + b\n{INPUT}y = x -> relu\n {text} }}")[0]
    assert hint in found.hints[1]


def test_tensors_among_the_parameters_of_a_block() -> None:
    text = f"block f(x, c) {{ output x -> conv(c, 3) }}\n{INPUT}output f(x, 4) }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0307" and "`block f(c)(x)`" in found.hints[0]
    mended = text.replace("block f(x, c)", "block f(c)(x)").replace("f(x, 4)", "x -> f(4)")
    assert archc.check(text=mended) == []


def test_tensors_before_the_parameters_of_a_block() -> None:
    text = f"block f(c, k = 3)(y) = y -> conv(c, k)\n{INPUT}output f(x) }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0335"
    for call in re.findall("`([^`]+)`", found.hints[0])[1:]:
        fixed = text.replace("f(x)", call.replace("c", "8"), 1)
        assert archc.check(text=fixed) == [], fixed


def test_more_tensors_than_a_block_takes() -> None:
    text = f"block f(c)(y) = y -> conv(c, 3)\n{INPUT}output (x, x -> relu) -> f(8) }}"
    (found,) = archc.check(text=text)
    assert found.code == "E0301" and "`each(f(...))`" in found.hints[0]
    assert archc.check(text=text.replace("-> f(8)", "-> each(f(8))")) == []


def test_tokens_back_to_a_map_of_open_sizes() -> None:
    text = "arch A { input x: [N, 4, H, W]\n t = x -> flatten(2) -> transpose\n output t -> CALL }"
    (found,) = archc.check(text=text.replace("CALL", 'rearrange("n (h w) c -> n c h w", h = x.height)'))
    call = "transpose -> reshape([c, x.height, x.width], like = x)"
    assert found.code == "E0406" and f"`{call}`" in found.hints[0]
    assert archc.check(text=text.replace("CALL", call.replace("c,", "4,"))) == []


def test_a_claim_shows_values_as_they_are_written() -> None:
    (found,) = archc.check(text='arch A { input x: [N, 4]  output x  expect ["a", true, none] == ["a", false, 0.5] }')
    assert found.message.endswith('and it is ["a", true, none]')
    assert "there is true instead of false, none instead of 0.5" in found.hints


def test_a_size_that_python_leaves_open() -> None:
    (found,) = archc.check(text="arch A { input x: [None, 4, 8, 8]  output x -> relu }")
    assert found.hints == ("a size that is left open has a name: `input x: [N, 3, H, W]`",)


def test_tokens_of_ones_own_are_shaped_as_the_hint_says() -> None:
    text = "arch A { input t: tokens [N, T, 16]   param z = normal([6, 16])   output (z, t) -> attention(4) }"
    (error,) = archc.check(text=text)
    shape = re.search(r"`(\[1, .*?\])`", error.hints[0])
    assert shape is not None and archc.check(text=text.replace("[6, 16]", shape[1])) == []


def test_whole_numbers_become_real_ones_as_the_hint_says() -> None:
    text = "arch A { input t: tokens [N, T, 3]   p = t -> arange(t.length) -> clamp(0, 4)   output t }"
    (error,) = [d for d in archc.check(text=text) if d.severity == "error"]
    assert any("`to(like = x)`" in hint for hint in error.hints)
    assert not [d for d in archc.check(text=text.replace("clamp", "to(like = t) -> clamp")) if d.severity == "error"]
