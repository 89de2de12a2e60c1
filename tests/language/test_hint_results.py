"""Hints, applied as they are written, give a network that computes what was meant."""

from __future__ import annotations

import re

import pytest
import torch
from language_files import mended
from torch.nn import functional

import archc
from archc.dsl.diagnostics import Diagnostic


def refused(text: str, code: str) -> Diagnostic:
    """The one error of a spec."""
    (found,) = [d for d in archc.check(text=text) if d.severity == "error"]
    assert found.code == code, found
    return found


def quoted(hint: str) -> list[str]:
    return re.findall("`([^`]+)`", hint)


def made(text: str, *inputs: torch.Tensor) -> torch.Tensor:
    """What the network of a spec that checks computes."""
    assert [d for d in archc.check(text=text) if d.severity == "error"] == []
    result: torch.Tensor = archc.loads(text).module().eval()(*inputs)
    return result


# --- sums of unequal channels


LAST = "arch A { input x: [N, %d, h, w]  input y: [N, %d, h, w]\n a = x -> %s  b = y -> %s\n output %s }"


@pytest.mark.parametrize("form", ["id", "permute([0, 2, 3, 1])", "flatten(2) -> transpose", "gap -> flatten"])
@pytest.mark.parametrize(("one", "other"), [(1, 12), (12, 1)])
def test_one_channel_is_stretched_to_many(form: str, one: int, other: int) -> None:
    def spec(merge: str) -> str:
        return LAST % (one, other, form, form, merge)

    found = refused(spec("a + b"), "E0405")
    assert quoted(found.hints[1])[1] == "expand(like = x)"
    merge = "(a -> expand(like = b)) + b" if one == 1 else "a + (b -> expand(like = a))"
    x, y = torch.randn(2, one, 3, 5), torch.randn(2, other, 3, 5)
    assert torch.equal(made(spec(merge), x, y), made(spec("a"), x, y) + made(spec("b"), x, y))


@pytest.mark.parametrize("form", ["id", "permute([0, 2, 3, 1])", "flatten(2) -> transpose", "gap -> flatten"])
def test_the_layer_that_makes_channels_equal_fits_where_they_stand(form: str) -> None:
    found = refused(LAST % (3, 8, form, form, "a + b"), "E0405")
    call, behind = re.match(r"`(.*?)` behind the branch that has (\d+) channels", found.hints[0]).groups()  # type: ignore[union-attr]
    x, y = torch.randn(2, 3, 4, 6), torch.randn(2, 8, 4, 6)
    merge = {"3": f"(a -> {call}) + b", "8": f"a + (b -> {call})"}[behind]
    assert made(LAST % (3, 8, form, form, merge), x, y).shape == made(LAST % (3, 3, form, form, "a"), x, x).shape


def test_a_map_of_size_one_is_stretched_where_the_hint_says() -> None:
    text = "arch A { input x: [N, 4, H, W]\n g = x -> gap\n output %s }"
    found = refused(text % "g + x", "E0405")
    assert any("`expand(like = x)`" in hint for hint in found.hints)
    x = torch.randn(2, 4, 5, 3)
    total = made(text % "(g -> expand(like = x)) + x", x)
    assert torch.allclose(total, x.mean((2, 3), keepdim=True) + x, atol=1e-6)


def test_neither_of_two_tensors_that_differ_both_ways_is_stretched() -> None:
    text = "arch A { input x: [N, 4, 1, 5]  input y: [N, 4, 5, 1]\n output x + y }"
    assert not any("expand" in hint for hint in refused(text, "E0405").hints)


# --- sizes that a tensor lacks


@pytest.mark.parametrize(
    ("fold", "unfold", "sizes"),
    [
        ("n c h w -> n c (h w)", "n c (h w) -> n h w c", "w = x.width"),
        ("n (g c) h w -> n g (h w c)", "n g (h w c) -> n (g c) h w", "h = x.height, w = x.width"),
        ("n c h w -> n (w h) c", "n (w h) c -> n c h w", "h = x.height"),
        ("n c h w -> n (h w) c", "n (h w) c -> n c h w", "h = x.height"),
    ],
)
def test_folded_axes_are_unfolded_by_the_sizes_of_another_tensor(fold: str, unfold: str, sizes: str) -> None:
    text = f'arch A {{ input x: [N, 4, H, W]\n t = x -> rearrange("{fold}", %s)\n output t -> %s }}'
    text = text.replace(", %s", ", g = 2" if "(g c)" in fold else "")
    found = refused(text % f'rearrange("{unfold}", {sizes})', "E0406")
    call, *_ = quoted(found.hints[0])
    for name, size in (("h", "x.height"), ("w", "x.width")):
        call = re.sub(rf"(?<=[\[ ]){name}(?=[,\]])", size, call)
    call = call.replace("[c,", "[4,")
    x = torch.randn(2, 4, 5, 3)
    expected = x.permute(0, 2, 3, 1) if unfold.endswith("n h w c") else x
    expected = x.permute(0, 1, 3, 2) if "(w h)" in fold and "transpose" in call else expected
    assert torch.equal(made(text % call, x), expected)


AXIAL = """arch A {
  input x: [N, 4, H, W]
  t = x -> rearrange("n c h w -> %s")
  output %s
}"""


def test_attention_along_one_axis_of_a_map_of_open_size() -> None:
    folded = AXIAL % ("(n w) h c", '(t, t, t) -> sdpa -> rearrange("(n w) h c -> n c h w", w = x.width)')
    found = refused(folded, "E0406")
    assert not any("reshape" in hint for hint in found.hints)
    kept = quoted(found.hints[0])
    assert kept[1] == "matmul"
    merge = '(matmul((matmul(t, t -> transpose(-1, -2)) / 2) -> softmax(-1), t)) -> rearrange("n w h c -> n c h w")'
    text = (AXIAL % ("", merge)).replace('rearrange("n c h w -> ")', kept[0])
    x = torch.randn(2, 4, 5, 3)
    t = x.permute(0, 3, 2, 1).reshape(6, 5, 4)
    expected = functional.scaled_dot_product_attention(t, t, t).reshape(2, 3, 5, 4).permute(0, 3, 2, 1)
    assert torch.allclose(made(text, x), expected, atol=1e-6)


# --- channels, and vectors of open length


def test_tokens_that_were_turned_are_no_input() -> None:
    text = "arch A { input x: tokens [N, 9, 4]\n output x -> transpose -> %slinear(7%s) }"
    found = refused(text % ("", ""), "E0402")
    assert not any("input" in hint and "tokens" in hint for hint in found.hints)
    x = torch.randn(2, 9, 4)
    for hint, call in (("`as_tokens`", ("as_tokens -> ", "")), ("`linear(7, axis = -1)`", ("", ", axis = -1"))):
        assert any(hint in other for other in found.hints)
        module = archc.loads(text % call).module().eval()
        (weight, bias) = module.parameters()
        assert torch.allclose(module(x), x.transpose(1, 2) @ weight.T + bias, atol=1e-6)


def test_an_input_of_tokens_is_declared_as_the_hint_says() -> None:
    text = "arch A { input t: [N, 9, 4]\n output t -> %s }"
    for call, code in (("linear(7)", "E0402"), ("attention(2)", "E0401")):
        found = refused(text % call, code)
        declared = quoted(found.hints[0])[0]
        shape = made((text % call).replace("input t: [N, 9, 4]", declared), torch.randn(2, 9, 4)).shape
        assert shape == (2, 9, 7 if call == "linear(7)" else 4)


def test_tokens_of_open_length_are_no_vector() -> None:
    text = "arch A { input x: tokens [N, T, 64]\n output x -> %s -> linear(3) }"
    found = refused(text % "flatten", "E0406")
    usual = quoted(found.hints[0])[1]
    assert made((text % "flatten").replace("input x: tokens [N, T, 64]", usual), torch.randn(2, 16, 64)).shape == (2, 3)
    pooled = quoted(found.hints[1])[2]
    module, x = archc.loads(text % pooled).module().eval(), torch.randn(2, 5, 64)
    (weight, bias) = module.parameters()
    assert torch.allclose(module(x), x.mean(1) @ weight.T + bias, atol=1e-5)


# --- tensors and networks


@pytest.mark.parametrize(
    ("named", "merge", "expected"),
    [
        ("param g = constant(0.5, [3, 1, 1])", "x -> (id * g)", lambda x: 0.5 * x),
        ("param g = constant(0.5, [3, 1, 1])", "x -> (g * id) -> relu", lambda x: (0.5 * x).relu()),
        ("param g = constant(0.5, [3, 1, 1])", "x -> (relu + g)", lambda x: x.relu() + 0.5),
        ("g = x -> relu", "x -> (id * g)", lambda x: x * x.relu()),
        ("g = x -> relu", "x -> ( g - sigmoid ) -> tanh", lambda x: (x.relu() - x.sigmoid()).tanh()),
        ("g = x -> relu", "g * id", lambda x: x.relu() * x.relu()),
    ],
)
def test_a_network_beside_a_tensor_is_applied_to_what_arrives(named: str, merge: str, expected: object) -> None:
    text = f"arch A {{ input x: [N, 3, 4, 4]\n {named}\n output {merge} }}"
    if named.startswith("param"):
        text = text.replace("constant(0.5, [3, 1, 1])", "constant([3, 1, 1], 0.5)")
    found = refused(text, "E0327")
    x = torch.randn(2, 3, 4, 4)
    assert torch.allclose(made(mended(text, found, found.hints[0]), x), expected(x))  # type: ignore[operator]


def test_a_parameter_is_nothing_that_a_network_is_applied_to() -> None:
    text = "arch A { input x: [N, 3, 4, 4]\n param g = ones([3, 1, 1])\n f = id * g\n output x -> f }"
    (hint,) = refused(text, "E0327").hints
    assert "(g -> id)" not in hint and "`x + (x -> f)`" in hint


@pytest.mark.parametrize("hint", [0, 1])
def test_a_power_that_is_spread(hint: int) -> None:
    text = "arch A { input x: [N, 3, 8, 8]\n output x -> [*[conv(3, 3), relu] ** 2, conv(8, 1)] }"
    found = refused(text, "E0321")
    names = list(archc.loads(mended(text, found, found.hints[hint])).module().state_dict())
    assert names == [["0.weight", "2.weight", "4.weight"], ["0.0.weight", "1.0.weight", "2.weight"]][hint]


def test_a_network_is_applied_before_its_tensors_are_looped_over() -> None:
    text = """block two(c) = (conv(c, 1), relu)
    arch A { input x: [N, 3, 8, 8]
      ps = two(3)
      qs = []
      for p in ps { qs = [*qs, p -> abs] }
      output concat(*qs) }"""
    found = refused(text.replace("output concat(*qs)", "output x"), "E0322")
    mended_text = text.replace("for p in ps", f"for p in {quoted(found.hints[0])[0]}")
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(made(mended_text, x)[:, 3:], x.relu())
    text = "block two() = (relu, id)\narch A { input x: [N, 3]\n f = two()\n a, b = f\n output a - b }"
    found = refused(text, "E0323")
    x = torch.randn(2, 3)
    assert torch.equal(made(text.replace("b = f", f"b = {quoted(found.hints[0])[0]}"), x), x.relu() - x)


@pytest.mark.parametrize(
    ("statement", "count"),
    [("output *xs", 2), ("output *xs, x", 3), ("ys = *xs\n output ys", 2), ("output *[y for y in xs]", 2)],
)
def test_a_list_is_spread_within_a_tuple(statement: str, count: int) -> None:
    text = f"arch A {{ input x: [N, 3]\n xs = [x -> relu, x -> abs]\n {statement}\n }}"
    found = refused(text, "E0101")
    x = torch.randn(2, 3)
    results = archc.loads(mended(text, found, found.hints[0])).module()(x)
    expected = [x.relu(), x.abs(), x][:count]
    assert len(results) == count and all(map(torch.equal, results, expected))


# --- words, and names


@pytest.mark.parametrize(
    ("call", "right"),
    [
        ('conv(8, 3, "same")', 'conv(8, 3, padding = "same")'),
        ('conv(8, 3, "same", groups = 2)', 'conv(8, 3, padding = "same", groups = 2)'),
        ('conv(8, 3, "same", 2)', 'conv(8, 3, 2, padding = "same")'),
        ('upsample(2, "bilinear")', 'upsample(2, mode = "bilinear")'),
    ],
)
def test_a_word_by_position_is_named(call: str, right: str) -> None:
    text = f"arch A {{ input x: [N, 4, 8, 8]\n output x -> {call} }}"
    (hint, *_) = refused(text, "E0303").hints
    assert quoted(hint) == [right] and archc.check(text=text.replace(call, right)) == []


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["output x -> unit(4)", "block unit(c) = conv(c, 3)"], "unit"),
        (["output x -> conv(f(2), 3)", "fn f(n) = 2 * n"], "f"),
        (["z = y -> relu", "y = x -> conv(4, 3)", "output z"], "y"),
    ],
)
def test_what_a_body_defines_further_down_is_moved_up(lines: list[str], wrong: str) -> None:
    def spec(lines: list[str]) -> str:
        return "arch A {{ input x: [N, 3, 8, 8]\n {} }}".format("\n ".join(lines))

    found = refused(spec(lines), "E0209")
    assert f"{wrong}` up" in found.hints[0] and "did you mean" not in found.hints[0]
    assert archc.check(text=spec([lines[1], lines[0], *lines[2:]])) == []


# --- types of numbers


MASK = torch.tensor([[True, True, False], [True, False, False]])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('m -> reduce("sum", 1)', 'm -> CALL -> reduce("sum", 1)', MASK.sum(1)),
        ('m -> reduce("max", 1)', 'm -> CALL -> reduce("max", 1)', MASK.long().amax(1)),
        ("1 - m", "1 - (m -> CALL)", 1 - MASK.long()),
        ("2 * m", "2 * (m -> CALL)", 2 * MASK),
        ("m -> abs", "m -> CALL -> abs", MASK.long()),
        ("m -> sign", "m -> CALL -> sign", MASK.long()),
        ('einsum("n t -> n", m)', 'm -> CALL -> einsum("n t -> n")', MASK.sum(1)),
        ("1 / m", "1 / (m -> CALL)", 1 / MASK.long()),
    ],
)
def test_truth_values_become_whole_numbers(before: str, after: str, expected: torch.Tensor) -> None:
    text = "arch A { input m: bool [N, T]\n output %s }"
    found = refused(text % before, "E0407")
    whole, real = (quoted(hint)[0] for hint in found.hints)
    assert torch.equal(made(text % after.replace("CALL", whole), MASK), expected)
    text = text.replace("\n", "\n input x: [N]\n")
    given = text % after.replace("CALL", real)
    assert torch.equal(made(given, MASK, torch.randn(2)), expected.float())


def test_truth_values_become_real_numbers() -> None:
    text = 'arch A { input m: bool [N, T]  input x: [N]\n output m -> %sreduce("mean", 1) }'
    (hint,) = refused(text % "", "E0407").hints
    expected = MASK.float().mean(1)
    assert torch.equal(made(text % f"{quoted(hint)[0]} -> ", MASK, torch.randn(2)), expected)


def test_numbers_become_truth_values() -> None:
    text = "arch A { input m: int [N, T]  input x: int [N, T]\n output %s }"
    numbers, x = torch.tensor([[0, 2, -1], [0, 0, 5]]), torch.tensor([[7, 8, 9], [4, 5, 6]])
    for before, after in (("where(m, x, 0)", "where(m -> CALL, x, 0)"), ("not m", "not (m -> CALL)")):
        found = refused(text % before, "E0407")
        call = quoted(found.hints[1])[0]
        expected = torch.where(numbers != 0, x, 0) if "where" in before else numbers == 0
        assert torch.equal(made(text % after.replace("CALL", call), numbers, x), expected)


@pytest.mark.parametrize(
    ("kind", "code", "after"), [("int [N, T, T]", "E0407", "m -> CALL"), ("bool [N, T]", "E0405", "m -> CALL")]
)
def test_a_mask_of_attention(kind: str, code: str, after: str) -> None:
    text = f"arch A {{ input x: [N, 2, T, 4]  input m: {kind}\n output sdpa(x, x, x, mask = %s) }}"
    found = refused(text % "m", code)
    x = torch.randn(2, 2, 3, 4)
    m = torch.randint(0, 3, (2, 3, 3)) + torch.eye(3, dtype=torch.int64) if code == "E0407" else MASK
    mask = (m != 0)[:, None] if code == "E0407" else m[:, None, None]
    result = made(text % after.replace("CALL", quoted(found.hints[0])[0]), x, m)
    assert torch.allclose(result, functional.scaled_dot_product_attention(x, x, x, attn_mask=mask), atol=1e-6)


@pytest.mark.parametrize("numerator", [1, 3, 0.5])
def test_a_number_is_divided_by_whole_numbers_as_in_torch(numerator: float) -> None:
    x = torch.tensor([[3, 7, -9], [1, 2, 10]])
    quotient = made(f"arch A {{ input x: int [N, 3]\n output {numerator} / x }}", x)
    assert quotient.dtype == torch.float32 and torch.equal(quotient, numerator / x)


def test_memory_is_bytes_and_no_rate() -> None:
    net = archc.loads("arch A { input x: [N, 3]\n output x -> linear(4) }")
    for memory, multiply_adds, right in (("50GB/s", "1T", "80GB"), ("1GB", "50GB/s", "100T")):
        with pytest.raises(archc.ArchError, match="E1305") as caught:
            net.plan(1, memory, batch=2, multiply_adds=multiply_adds)
        words = quoted(caught.value.diagnostics[0].hints[0])
        assert words[0] == right
        for word in words:
            given = (word, "1T") if right == "80GB" else ("1GB", word)
            assert net.plan(1, given[0], batch=2, multiply_adds=given[1]).best
