"""What variables, parameters and classes of generated Python are called, and when there is one."""

from __future__ import annotations

import ast
import re

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from python_compare import assert_equal_modules

import archc
from archc.compiler.decompile.python.file import to_python

HEAD = "  input x: [N, 12, H, W] = [1, 12, 8, 8]\n"


def text_of(body: str, blocks: str = "") -> str:
    """The generated text of an architecture, which is held against its torch.fx module."""
    return assert_equal_modules(archc.loads(f"{blocks}arch net {{\n{HEAD}{body}}}").ir, [torch.randn(2, 12, 8, 8)])


def definitions(text: str) -> list[str]:
    return [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]


def test_a_variable_that_is_named_for_a_module_holds_what_that_gives() -> None:
    text = text_of(
        "  stem = x -> stem: conv(12, 3)\n  a = (x + stem) -> a: conv(12, 3)\n"
        "  output (stem + a) -> b: conv(12, 3) -> act: (gelu * sigmoid) -> score: conv(12, 3)\n"
    )
    assert "stem = self.stem(x)" in text
    assert re.findall(r"(\w+) = (?!self.stem|nn)", text).count("stem") == 0


def test_a_few_parts_of_a_tensor_are_unpacked() -> None:
    text = text_of(
        "  a, b = x -> split(2)\n  c, d, e = (a * (b -> sigmoid)) -> split([1, 2, 3])\n  output concat(e, c)\n"
    )
    assert "a, b = torch.chunk(x, 2, dim=1)" in text
    assert "c, _, e = torch.split(a * self.sigmoid(b), [1, 2, 3], dim=1)" in text


ATTENTION = """block attend(heads)(x, context = x) {
  q, k, v = x -> qkv: linear(48) -> split(3)
  weights = matmul(q, k -> transpose) / 4 -> softmax(-1)
  output matmul(weights, v) + context -> proj: linear(16)
}
arch net { input t: tokens [N, T, 16] = [2, 6, 16]  output t -> attn: attend(2) }
"""


def test_tensors_have_the_names_of_the_spec() -> None:
    text = assert_equal_modules(archc.loads(ATTENTION).ir, [torch.randn(2, 6, 16)])
    assert (
        """        q, k, v = torch.chunk(self.qkv(x), 3, dim=2)
        weights = self.softmax(torch.matmul(q, k.transpose(1, 2)) / 4)
        return self.proj(torch.matmul(weights, v) + x)
"""
        in text
    )


def test_a_name_of_the_spec_means_one_tensor_at_a_time() -> None:
    text = text_of(
        "  h = x -> a: conv(12, 3)\n  skip = h\n  h = h -> b: conv(12, 3)\n  sum = h -> c: conv(12, 3)\n"
        "  i = sum -> d: conv(12, 3)\n  output (i + skip) * i * sum\n"
    )
    body = text[text.index("def forward") :]
    assert [line.strip() for line in body.splitlines()[1:]] == [
        "skip = self.a(x)",
        "h = self.b(skip)",
        "h = self.c(h)",
        "d = self.d(h)",
        "return (d + skip) * d * h",
    ]


def test_several_results_of_a_module_have_its_name_with_numbers() -> None:
    text = text_of(
        "  a = x -> a: conv(12, 3)\n  f = ends: [m -> conv(2, 1) for m in [x, a]]\n  output f[0] * f[1] + f[0]\n"
    )
    assert "ends0, ends1 = self.ends(" in text


def test_many_parts_of_a_tensor_are_taken_by_number() -> None:
    text = text_of("  a, b, c, d = x -> split(4)\n  output concat(b, (a + d) -> conv(4, 3), c)\n")
    assert "torch.cat([x[1], self.conv(x[0] + x[3]), x[2]], 1)" in text


EXPERTS = """block moe(n) {
  gates = in -> gap -> flatten -> gate: linear(n) -> softmax -> split(n)
  output sum([(in -> "expert_{i}": [conv(12, 3), relu]) * (gates[i] -> reshape([1, 1, 1])) for i in 0..<n])
}
"""


def test_classes_that_would_differ_in_the_name_of_a_module_are_none() -> None:
    text = text_of("  output x -> few: moe(3) -> many: moe(6)\n", EXPERTS)
    assert definitions(text) == ["make_expert", "Moe", "Moe2", "Net"]
    assert 'self.add_module("1", nn.ModuleDict({"expert_1": make_expert()}))' in text
    assert 'self.add_module(str(i), nn.ModuleDict({f"expert_{i}": make_expert()}))' in text


def test_rows_that_would_differ_in_the_name_of_a_module_are_none() -> None:
    pyramid = """block pyramid(rates) =
  concat(*[in -> "rate{r}": [conv(4, 3, dilation = r), bn, relu] for r in rates]) -> project: conv(12, 1)
"""
    text = text_of("  output x -> pyramid([1, 2, 4])\n", pyramid)
    assert definitions(text) == ["make_rate", "Net"]
    assert 'self.add_module("2", nn.Sequential(OrderedDict([("rate4", make_rate(padding=4))])))' in text


def test_larger_classes_stay_classes_whatever_their_modules_are_called() -> None:
    block = 'block unit(i) = (id + ("conv{i}": conv(12, 3) -> "bn{i}": bn -> "act{i}": relu)) -> gelu\n'
    assert definitions(text_of("  output x -> a: unit(1) -> b: unit(2)\n", block)) == ["Unit", "Unit2", "Net"]


DENSE = """block dense(k) {
  h = in
  for i in 1..3 { h = h ++ (h -> layer{i}: [bn, relu, conv(k, 3)]) }
  output h
}
"""


def test_channels_that_grow_in_a_loop_are_a_number_that_comes_in_and_one_that_is_added() -> None:
    text = text_of("  output x -> a: dense(4) -> narrow: conv(10, 1) -> b: dense(4)\n", DENSE)
    assert "def __init__(self, in_channels: int):" in text and "nn.BatchNorm2d(in_channels + 4 * i)" in text
    assert "self.a = Dense(12)" in text and "self.b = Dense(10)" in text
    text = text_of("  output x -> a: dense(4) -> narrow: conv(10, 1) -> b: dense(6)\n", DENSE)
    assert "nn.Conv2d(in_channels + growth * i, growth, kernel_size=3, padding=1, bias=False)" in text
    assert "self.a = Dense(12, 4)" in text and "self.b = Dense(10, 6)" in text


def test_a_number_without_a_keyword_has_the_name_of_the_spec_where_that_says_something() -> None:
    for name, shown in [("prior", "prior"), ("p", "value"), ("nn", "value"), ("float", "value")]:
        head = f"block head(c, {name}) = id + [conv(c, 1), gelu, relu, conv(12, 1, bias = constant({name})), gelu]\n"
        text = text_of("  output x -> a: head(4, 1) -> b: head(5, 2) -> c: head(6, 2.5)\n", head)
        assert f"nn.init.constant_(self[3].bias, {shown})" in text
        assert f"self.c = Head(6, {shown}=2.5)" in text


SQUEEZED = """block se(r = 4) = id * (gap -> fc1: conv(in.channels // r, 1) -> fc2: conv(in.channels, 1) -> sigmoid)
block unit(c) = id + (conv1: conv(c, 3) -> bn1: bn -> se: se())
block bottleneck(c) = id + (conv1: conv(c, 1) -> conv2: conv(c, 3) -> conv3: conv(4 * c, 1))
"""


def test_a_parameter_is_the_number_that_comes_in_and_not_a_part_of_it() -> None:
    text = text_of("  output x -> a: unit(12) -> b: conv(32, 1) -> c: unit(32)\n", SQUEEZED)
    assert "self.fc1 = nn.Conv2d(width, width // 4, kernel_size=1, bias=False)" in text
    assert "self.conv1 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)" in text
    assert "self.se = Se(channels)" in text
    assert "self.a = Unit(12)" in text and "self.c = Unit(32)" in text


def test_a_parameter_is_the_part_that_more_places_have() -> None:
    text = text_of("  output x -> a: bottleneck(3) -> b: conv(32, 1) -> c: bottleneck(8)\n", SQUEEZED)
    assert "self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)" in text
    assert "self.a = Bottleneck(3)" in text and "self.c = Bottleneck(8)" in text


def test_multiples_of_a_width_are_one_parameter() -> None:
    block = "block unit(w) = [conv(2 * w, 1), bn, conv(3 * w, 3), bn, conv(5 * w, 1)]\n"
    text = text_of("  output x -> a: unit(4) -> b: unit(8) -> c: unit(12)\n", block)
    assert "def make_unit(in_channels: int, width: int) -> nn.Sequential:" in text
    assert "nn.Conv2d(2 * width, 3 * width, kernel_size=3, padding=1, bias=False)" in text
    assert "self.c = make_unit(40, 12)" in text


def test_numbers_that_have_no_simple_ratio_stay_apart() -> None:
    block = "block unit(a, b) = [conv(a, 1), conv(b, 1), conv(12, 1)]\n"
    text = text_of("  output x -> a: unit(7, 5) -> b: unit(14, 10) -> c: unit(21, 15)\n", block)
    assert "self.b = make_unit(14, 10)" in text


@settings(max_examples=10, deadline=None)
@given(
    factors=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    more=st.lists(st.integers(1, 3), min_size=1, max_size=3),
)
def test_parameters_have_the_values_that_were_drawn(factors: list[int], widths: list[int], more: list[int]) -> None:
    """Units of any widths, in rows whose widths are multiples again."""
    unit = "block unit(w) = [" + ", ".join([f"conv({factor} * w, 1)" for factor in factors]) + "]\n"
    row = f"block row(w) = [*[unit(w * v) for v in {widths}], id + conv({factors[-1]} * w * {widths[-1]}, 1)]\n"
    rows = "".join([f" -> r{place}: row({n})" for place, n in enumerate(more)])
    text_of(f"  output x{rows}\n", unit + row)


HEADS = """block att(heads, c = in.shape[2])(x) {
  param gain = ones([heads, 1, 1])
  param table = zeros([2 * c, c])
  split = x -> gate: linear(heads) -> proj: linear(c) -> rearrange("n t (h d) -> n h t d", h = heads)
  output matmul((split * gain) -> rearrange("n h t d -> n t (h d)"), table -> transpose(0, 1))
}
arch net {
  input t: tokens [N, T, 32] = [2, 6, 32]
  output t -> a: att(2) -> b: att(4) -> c: att(8)
}
"""


def test_a_setting_of_a_block_is_no_fraction_of_channels() -> None:
    text = assert_equal_modules(archc.loads(HEADS).ir, [torch.randn(2, 6, 32)])
    assert "self.gain = nn.Parameter(torch.ones(heads, 1, 1))" in text and "//" not in text
    assert re.findall(r"self\.[abc] = Att\((\d+), heads=(\d+)", text) == [("32", "2"), ("64", "4"), ("128", "8")]


def test_what_is_a_multiple_of_channels_is_said_so_wherever_it_stands() -> None:
    text = assert_equal_modules(archc.loads(HEADS).ir, [torch.randn(2, 6, 32)])
    assert "self.table = nn.Parameter(torch.zeros(2 * features, features))" in text


def test_a_function_for_rows_of_several_names_is_called_by_its_layers() -> None:
    found = definitions(to_python(archc.load("regnet_x_400mf").ir))
    assert "make_conv_bn" in found and "make_c" not in found
