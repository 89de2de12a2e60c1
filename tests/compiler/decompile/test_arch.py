"""Specs written back from graphs: elaborated again they are the same graph, and a person would be glad to get them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from arch_again import HEAD, again, body, elaborated, replayed
from typer.testing import CliRunner

import archc
from archc.catalog import shipped_files
from archc.cli.app import app
from archc.compiler.decompile.arch.same import first_discrepancy
from archc.compiler.decompile.arch.spec import written
from archc.compiler.ir.graph import Graph, GraphOutput, Scope
from archc.compiler.ops.activation import ELU
from archc.compiler.passes.replay import Replay
from archc.compiler.program import Program

NODES = 1500
"""Shipped architectures with more applications are left to the slow tests."""


# --- what ships ----------------------------------------------------------------------------


def graphs(path: Path) -> list[Graph]:
    return [c.elaborated.graph for c in Program.open(path).check() if c.elaborated.graph is not None]


@pytest.mark.parametrize("name", [
    "resnet50", "vgg16", "inception_v4", "densenet_cifar", "fractalnet", "polynet_small", "recurrent_resnet_cifar",
    "sharesnet50", "stn_mnist", "fcn8s", "inception_v3", "stochastic_depth", "ror3_56_cifar", "nin_cifar", "sbn_fdp",
])  # fmt: skip
def test_a_shipped_architecture_is_the_same_again(name: str) -> None:
    again(archc.load(name).ir)


@pytest.mark.slow
@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_all_that_ships_is_the_same_again(path: Path) -> None:
    for graph in graphs(path):
        if len(graph.nodes) <= NODES:
            again(graph)


@pytest.mark.parametrize(
    ("name", "lines"),
    [("resnet50", 20), ("resnet152", 20), ("vgg16", 15), ("inception_v4", 35), ("densenet121", 20), ("fractalnet", 35),
     ("polynet", 75)],
)  # fmt: skip
def test_what_is_written_is_short(name: str, lines: int) -> None:
    assert written(archc.load(name).ir).count("\n") <= lines


def test_a_residual_network_reads_as_one_would_write_it() -> None:
    text = body(written(archc.load("resnet50").ir))
    assert "block bottleneck(c, stride = 1, downsample = id)" in text and "+ downsample: downsample -> relu" in text
    assert "= [bottleneck(c, stride, [conv(4 * c, 1, stride), bn]), bottleneck(c) ** n]" in text
    assert "conv2: conv(c, 3, stride) -> bn2: bn -> relu -> conv3: conv(4 * c, 1) -> bn3: bn" in text
    assert 'default conv(init = kaiming_normal("fan_out"))' in text
    assert "-> layer1: stage(64, 2, 1) -> layer2: stage(128, 3) -> layer3: stage(256, 5) -> layer4:" in text
    assert "image -> conv1: conv(64, 7, 2) -> bn1: bn -> relu -> maxpool(3, 2, padding = 1)" in text


def test_operators_are_written_where_there_are_some() -> None:
    text = "m = x >= 0.5   output where(m and x < 2, x, -1) + power(2, x) + (x -> power(3)) + where(m, 0, -100)"
    net = archc.loads(f"arch A {{ input x: [N, 3, 8, 8]   {text} }}")
    assert body(written(net.ir)).split() == f"arch A {{ input x: [N, 3, 8, 8] {text} }}".split()


def test_a_dense_block_grows() -> None:
    text = body(written(archc.load("densenet121").ir))
    assert "denselayer{1..}: (id, concat -> norm1: bn -> relu1: relu -> conv1: conv(128, 1)" in text
    assert "denseblock1: denseblock(6)" in text and "denseblock4: denseblock(16)" in text


# --- parts of the language -----------------------------------------------------------------

BODIES = [
    "output x -> conv(8, 3) -> conv(8, 3) -> conv: conv(8, 3)",
    "output x -> first: conv(8, 3) -> body: (conv(8, 3) -> norm: bn)",
    "output x -> features: ([conv(8, 3), relu] -> [conv(8, 3), head: relu, bn])",
    "output x -> a.b.c: conv(8, 3) -> a.d: bn -> a.b.e: conv(8, 3)",
    'output x -> "branch-a": conv(8, 3) -> {"b-c"}.d: bn -> "1": relu -> {2}.x: conv(3, 1)',
    "order b, a\n output x -> a: conv(8, 3) -> b: conv(8, 3)",
    "a, b = x -> conv(8, 3) -> split(2)\n output a * (b -> sigmoid)",
    "a, b = x -> split([1, 2])\n output (b, a)",
    "output (x -> conv(8, 1)) - (x -> conv(8, 3)) - (x -> c: conv(8, 5))",
    "output 1 - 0.5 * (x -> conv(3, 3)) / 8",
    "output (x / 1.0) + (x + 0.0) + (x - 0.0) + (0.0 - x) + 1.0 * x + -1.0 * x + 0 * x + x / 1 + (x -> relu) / -1.0",
    "y = -x\n output (y + 1) * 2 + 3.0 * y - 1",
    "output mean(*[x]) + max(conv(3, 3) ** 2 -> relu)(x) + (x -> ((conv(3, 1) -> bn) ** 2 -> sum(*[relu]) -> relu))",
    "y = x -> conv(8, 3)\n output (y -> gap -> gate: conv(8, 1) -> sigmoid) * y",
    "output x -> concat(*[conv(8, 1), conv(8, 3), bn])",
    "output x -> (conv(8, 1), conv(8, 3)) -> each(bn) -> max",
    "output mean(x -> conv(8, 1), x -> conv(8, 3)) -> gap -> flatten -> linear(10, bias = normal(std = 0.5))",
    "shared f = conv(3, 3)\n output x -> a: f -> b: f -> f",
    'shared f = conv(3, 3)\n output x -> "0": ["0": f, "1": f]',
    'shared f = conv(3, 3) -> bn\n output x -> u: ("0": f -> relu -> "1": f) -> "1": f',
    "shared cell = conv: conv(3, 3) -> relu\n output x -> cell ** 4",
    "shared cell = id + (conv: conv(3, 3) -> norm: fresh(bn) -> relu)\n output x -> cell ** 3",
    "shared cell = a: conv(3, 3) -> r: relu\n y = x -> one: cell -> bn\n output y -> two.of: cell",
    "param scale = ones([1, 3, 1, 1])\n buffer shift = constant([1, 3, 1, 1], 0.25)\n output x * scale * shift",
    "output x -> frozen(up: upconv(3, 4, 2, padding = 1, init = bilinear)) -> head: conv(8, 3)",
    "output x -> stem: conv(8, 3) -> recompute(bn -> relu -> inner: (conv(8, 3) -> bn)) -> out: conv(3, 1)",
    "y = x -> recompute(conv(8, 3) -> bn)\n output y + (y -> recompute(conv(8, 3) -> bn))",
    "y = x -> conv(4, 3)\n draw a = choice(2)\n output (y, y -> relu) -> drop_mean(0.1, survivor = a) -> noisy",
    "output x -> (conv(4, 3) -> freeze_drop_path) ** 2",
    "draw c = choice(2, share = 0.5)\n output (x -> conv(8, 1), x -> conv(8, 3)) -> drop_mean(0.1, survivor = c)",
    "output x -> unit{1..}: (conv(3, 3) -> bn) ** 3 -> tail: bn",
    "output x -> [(conv(3, 3) -> bn) ** 2, relu, relu, (conv(3, 3) -> bn) ** 2]",
    "y = x -> conv(8, 3, 2)\n output y -> upsample(like = x) -> crop(2, like = y)",
    "output logits = x -> gap -> fc: linear(10)\n output aux = x -> conv(3, 3) when training",
    "unused = x -> relu\n output x -> conv(8, [1, 3], padding = [[0, 1], [2, 0]], init = trunc_normal(std = 0.1))",
    'output x -> rearrange("n c (h p) w -> n (c p) h w", p = 4)',
    "output x -> reshape([3, 1024]) -> transpose(1, 2) -> ln -> attention(3)",
    "t = x -> flatten(2) -> transpose\n param m = normal([3, 1, 1])\n"
    " output t -> a: attention(3, mask = m, causal = true) -> b: attention(3, mask = m)",
    "t = x -> flatten(2) -> transpose -> linear(16)\n k = t -> linear(8)\n param m = normal([4, 1, 1])\n"
    " output (t, k, k) -> sdpa(4, kv_heads = 2, mask = m, causal = true)",
    "output x -> gated -> gated",
    "output x",
    "output (x, x)",
    "output x -> [relu, [conv(8, 3), conv(8, 3)]]",
    "output x -> [relu, [u{1..}: conv(8, 3) ** 2], [[conv(8, 3) ** 2, bn] ** 2]]",
    "output x -> [conv(8, 3), relu: relu, bn]",
    "output x -> max(*[conv(3, 3), relu, conv(3, 1)], conv(3, 3)) -> power(2) -> power(3)",
    "output x -> [rep(3), rep(3)]",
    "output x -> first: scaled -> conv(8, 3) -> second: scaled",
    "output x -> p: rep(3) -> bn -> p.more: conv(8, 3) -> q: scaled -> q.r: conv(8, 3) -> p.again: bn",
    "output x -> conv(8, 3) -> frozen(scaled)",
    "shared g = fresh(bn)\n output x -> a: g -> b: g",
    "shared g = conv(3, 3) ** 2\n output x -> g",
    "shared h = conv(3, 3)\n output x -> u: (h -> [relu, conv(3, 1)] -> h -> [relu, conv(3, 1)])",
    "shared g = conv(3, 3) -> post: fresh(id + (conv(3, 3) -> bn)) -> relu\n output x -> a: g -> relu -> g -> b: g",
    "shared f = conv(3, 3) -> fresh(bn -> relu)\n shared g = f -> conv(3, 1) -> f\n output x -> g -> g",
    "shared g = conv(3, 3) -> fresh(bn)\n output x -> g -> frozen(g) -> g",
    "shared g = twice(bn)\n output x -> g -> relu -> other: g",
    "shared f = conv(3, 3)\n shared g = f\n output x -> f -> a: g -> b: g",
    "shared f = power(2)\n shared h = [relu]\n output x -> f -> a: f -> h -> c: h",
    "shared g = relu -> conv(3, 3)\n output x -> recompute(g) -> g -> a.b.c: g",
    "shared g = [fresh(bn), conv(3, 1)]\n output x -> frozen(g) -> g -> frozen(g)",
    "shared g = frozen(fresh(bn)) -> conv(3, 1) -> fresh(bn)\n output x -> a: frozen(g) -> b: g",
    "shared g = recompute(conv(3, 1) -> gated) -> relu\n output x -> recompute(g) -> g -> recompute(relu -> g)",
    "shared g = 2 * (gated ** 1)\n y = x -> (id + g)\n output y + (u: (x -> (id + other: g)))",
    "shared g = gated\n output (x -> u: [g, bn, g]) -> v{0..}: g ** 3",
    "shared g = gated\n y = u: (x -> (id + again: g))\n output y -> (id + again: g)",
    "shared g = (power(2) + conv(3, 3)) ** 1\n y = u: (x -> scaled_by(g))\n output y -> p.v: (p.w: g -> p.g: g) -> g",
    "shared g = gated\n y = x -> relu -> g\n z = p.u: (x -> one: g)\n output y -> p.two: g -> p.g: g",
    "shared g = conv(3, 3) ** 1\n output x -> twice(g)",
    "y = u: (x -> twice(twice(conv(3, 1) -> bn)))\n output y",
    "order g, u\n shared g = conv(3, 3) -> bn\n output x -> u.0: (a: g -> relu) -> u.1: (a: g -> relu)",
    "order u, g\n shared g = conv(3, 3) -> bn\n output x -> u.0: (a: g -> relu) -> u.1: (a: g -> relu)",
    "order g, h\n shared g = conv(3, 1) -> bn\n shared h = conv(3, 1)\n output x -> u: (a: h -> b: g) -> c: g",
    "order u, g\n shared g = [conv(3, 3), relu]\n output x -> u: (conv: bn -> layer: g)",
    "order g\n shared g = recompute(gated) -> conv(3, 3)\n output x -> u: (a: recompute(g) -> b: g)",
    "shared f = gated\n shared g = gated\n a = x -> f\n b = x -> f\n c = a -> f\n d = b -> p.b: f\n e = c -> g\n"
    " h = (p.c: (d -> a: g)) + x\n output a + b + c + d + e + h + (e -> f)",
    "output x -> named -> conv(8, 3)",
    "output where(x >= 0.5 and not (0.2 < x) or x < (x -> relu), x, -1) + where(x == 0, 0, -100)",
    "output power(2, x) + power(x, x -> relu) + (x -> power(3))",
    "output x -> cut: masked(0.1) -> conv(3, 3) -> masked(0.2) -> recompute(masked(0.3) -> bn)",
    "output x -> (masked(0.5) -> conv(3, 3)) ** 3",
    "output x -> f: [conv(8, 3), (l2norm -> exp) ** 3, abs, conv(8, 3), exp ** 2] -> g: [exp, 0.5 * id, bn, -id]",
    "shared f = conv(3, 3)\n output x -> u: [bn, f, conv(3, 3)] -> v: ([bn, bn] -> f) -> w: [bn, f, relu, f]",
    "output x -> f: [relu, exp, id, id, id, id, exp, bn] -> g: (exp ** 3 -> [id, id, id, id, bn, bn] -> [bn])",
    "output x -> f: [[conv(8, 3), relu], exp + 0.5 * id, {1}.a: bn] -> g: [[bn, bn], exp -> abs, {1}.c: bn, {2}.d: bn]",
    "output x -> f: [bn, a.0: bn, bn, {6}.c: bn, exp] -> g: (bn -> relu -> [id, bn] -> tanh -> exp -> [exp, bn])",
    "draw d = choice(2)\n y = -x\n output (y, x -> wide) -> drop_mean(0.1, survivor = d)",
]


@pytest.mark.parametrize("statements", BODIES)
def test_a_body_is_the_same_again(statements: str) -> None:
    blocks = "block gated() { param scale = ones([1])\n output in * scale }\n"
    blocks += "block rep(c) { order id2, b\n output (in -> a: conv(c, 1)) + (in -> b: conv(c, 3)) + (in -> id2: bn) }\n"
    blocks += "block scaled() { param s = ones([1, in.channels, 1, 1])\n output s * in -> relu }\n"
    blocks += "block twice(f) { shared g = f\n output in -> g -> relu -> again: g }\n"
    blocks += "block scaled_by(f) { param s = ones([1, 3, 1, 1])\n output (in * s -> f) + (in -> inner: conv(3, 1)) }\n"
    blocks += "block masked(low) = where((in -> conv(3, 1)) > low, in -> bn, 0)\n"
    blocks += "block named() { param conv = ones([1, 3, 1, 1])\n output in * conv }\n"
    blocks += "block wide() { draw c = choice(2)\n output (in, in -> relu) -> drop_mean(0.1, survivor = c) }\n"
    blocks += "block noisy() { draw c = choice(2)\n output (in, in -> bn) -> drop_mean(0.1, survivor = c) }\n"
    again(elaborated(f"{blocks}{HEAD}  {statements}\n}}"))


def test_inputs_and_sizes() -> None:
    text = again(
        elaborated('''
        arch Masked {
          """Two inputs of one size.

          And a word.
          """
          input image: [N, 3, 8 * h, 8 * w] = [1, 3, 64, 64]
          input mask: [N, 1, 8 * h, 8 * w]
          input word: int [N, 16]
          input t: tokens [N, 16, 64]
          output map = image * mask -> conv(32, 3) -> maxpool(2) ** 3
          output text = word -> embed: embedding(100, 32)
          output t -> ln
        }''')
    )
    assert "input t: tokens [N, 16, 64]" in text and "input word: int [N, 16]" in text
    again(elaborated("arch A { input x: [N, 3, H, W]\n output x -> conv(8, 3, 2) -> conv(8, 7, padding = 0) }"))


def test_what_is_nested_deep_becomes_statements() -> None:
    steps = "\n".join(f"y = y + (x -> f{i}: conv(3, 3))" for i in range(300))
    again(elaborated(f"{HEAD}  y = x\n{steps}\n output y\n}}"))
    units = "\n".join(f"y = y + (y -> f{i}: conv(3, 3))" for i in range(300))
    text = body(again(elaborated(f"{HEAD}  y = x\n{units}\n output y\n}}")))
    assert "-> (id + f7: conv(3, 3)) -> (id + f8: conv(3, 3)) ->" in text and text.count(" = ") == 0


DEFORM = """extern deform(c, k = 3)(x: [N, C, H, W], t: tokens [N, T, 4]) -> [N, c, H // 2, W] {
  param {0}.weight: [c, C, k, k]
  buffer bn.num_batches_tracked: int []
  macs = N * c * C * H * W * k * k
  depth = 1
}
"""


def test_what_a_host_brings_is_declared() -> None:
    inputs = "  input t: tokens [N, T, 4]\n"
    net = elaborated(DEFORM + HEAD + inputs + "  output (x, t) -> mid.conv1: deform(16) -> relu\n}")
    text = again(net)
    assert text.startswith(DEFORM) and "(x, t) -> mid.conv1: deform(16, 3) -> relu" in text
    assert [*net.tensor_shapes()] == ["mid.conv1.0.weight", "mid.conv1.bn.num_batches_tracked"]


@pytest.mark.parametrize(
    ("before", "extern"),
    [
        ("k = 3\n", "extern deform()(x: [N, C, H, W]) -> [N, k, H, W]"),
        ("fn f(c) = 2 * c\n", "extern deform()(x: [N, C, H, W]) -> [N, C, H, W] { param weight: [f(C)] }"),
    ],
)
def test_an_extern_that_needs_names_of_its_file_is_refused(before: str, extern: str) -> None:
    graph = elaborated(f"{before}{extern}\n{HEAD}  output x -> mid.conv1: deform\n}}")
    with pytest.raises(archc.ArchError, match=r"`mid\.conv1` is a layer of the host") as error:
        written(graph)
    assert [d.code for d in error.value.diagnostics] == ["E0851"]
    assert error.value.diagnostics[0].span is not None


def test_what_has_no_exact_form_is_refused() -> None:
    graph = elaborated(HEAD + "  output x -> a: relu -> b: conv(3, 3)\n}")
    graph.root.children["b"].name = "forward"  # type: ignore[union-attr]
    graph.root.children = {"a": graph.root.children["a"], "forward": graph.root.children["b"]}
    with pytest.raises(archc.ArchError, match="no exact form") as error:
        written(graph)
    assert [d.code for d in error.value.diagnostics] == ["E0850"]


def test_second_names_of_nothing_are_refused() -> None:
    graph = elaborated(HEAD + "  output x -> a: conv(3, 3) -> b: relu\n}")
    graph.root.children["c"] = graph.root.children["d"] = graph.root.children["a"]
    with pytest.raises(archc.ArchError, match="`c` is a second name of something shared, and nothing is applied under"):
        written(graph)


# --- blocks and their parameters -----------------------------------------------------------


def test_parameters_have_the_names_of_the_source() -> None:
    source = """
    block unit(width, drop = 0) = conv1: conv(width, 3) -> bn1: bn -> relu -> conv2: conv(2 * width, 1)
      -> bn2: bn -> dropout(drop)
    """
    units = " -> ".join(f"u{name}: unit({c}, {p})" for name, c, p in (("a", 8, 0.1), ("b", 16, 0.2), ("c", 32, 0.2)))
    text = body(again(elaborated(f"{source}{HEAD} output x -> {units} }}")))
    assert "block unit(width, drop = 0.2)" in text and "conv2: conv(2 * width, 1)" in text
    assert "ua: unit(8, 0.1) -> ub: unit(16) -> uc: unit(32)" in text


def test_blocks_hold_what_differs_in_values_only() -> None:
    graph = elaborated(
        HEAD
        + "  output x -> one: (conv(8, 3) -> bn -> relu) -> two: (conv(16, 3, 2) -> bn -> relu)"
        + " -> three: (conv(16, 3) -> bn -> tanh)\n}"
    )
    text = body(again(graph))
    assert "block one(channels, stride) = conv(channels, 3, stride) -> bn -> relu" in text
    assert "one: one(8, 1) -> two: one(16, 2) -> three: (conv(16, 3) -> bn -> tanh)" in text


WINDOW = """
block window{n} {{
  param scale = constant([1, {c}], 0.1)
  const mask = constant([[if i < {m} then 0 else if i < {k} then 3 else 6 for j in 0..<{s}] for i in 0..<{s}])
  y = in -> mlp: [linear({e}), gelu, linear({c})]
  output (scale * y -> reshape([{s}, {w}, 5, {c}])) + (mask -> reshape([{s}, {w}, 5, 1]))
}}
"""


def test_elements_of_lists_and_numbers_of_tables_are_parameters() -> None:
    """A width and the number of windows say the layers, lists and tables of a block, as one would write them."""
    sizes = [(16, 2), (32, 3), (48, 4), (80, 7)]
    blocks, inputs, outputs = "", "", ""
    for n, (c, w) in enumerate(sizes):
        blocks += WINDOW.format(n=n, c=c, e=4 * c, w=w, s=5 * w, m=5 * w - 5, k=5 * w - 2)
        inputs += f"  input x{n}: tokens [N, {25 * w * w}, {c}]\n"
        outputs += f"  output y{n} = x{n} -> u{n}: window{n}\n"
    text = body(again(elaborated(f"{blocks}arch Net {{\n{inputs}{outputs}}}")))
    assert text.count("block ") == 1 and "(units, size)" in text and "u3: window(80, 7)" in text
    assert "constant([1, units], 0.1)" in text and "linear(4 * units), gelu, linear(units)" in text
    assert "reshape([5 * size, size, 5, units])" in text
    assert "(if i < 5 * size - 5 then 0 else if i < 5 * size - 2 then 3 else 6) for j in 0..<5 * size]" in text


def test_a_kernel_that_turns_stays_a_list() -> None:
    graph = elaborated(
        HEAD + "  output x -> a: (conv(8, [1, 7]) -> bn -> relu) -> b: (conv(8, [7, 1]) -> bn -> relu)"
        " -> c: (conv(8, [3, 3]) -> bn -> relu)\n}"
    )
    text = body(again(graph))
    assert "block a(kernel) = conv(8, kernel)" in text and "a: a([1, 7]) -> b: a([7, 1])" in text


def test_parts_whose_names_have_a_dash_are_powers() -> None:
    """As torchvision's RegNet calls them."""
    source = HEAD + '  output x -> "b-1": (conv(3, 3) -> bn -> relu) -> {"b-"}{2..}: (conv(3, 3) -> bn) ** 4\n}'
    assert '{"b-"}{2..}: (conv(3, 3) -> bn) ** 4' in body(again(elaborated(source)))


# --- rewritten graphs ----------------------------------------------------------------------


def test_removed_modules_leave_a_gap() -> None:
    graph = archc.load("resnet50").ir
    gone = {n.index for n in graph.nodes if n.path.startswith("layer1.1.") or n.scope.path == "layer1.1"}
    assert "layer1: [bottleneck(64, downsample = [conv(256, 1), bn]), id, bottleneck(64)]" in body(
        again(replayed(graph, gone))
    )
    vgg = archc.load("vgg11").ir
    gone = {n.index for n in vgg.nodes if n.path in ("features.1", "features.4", "features.5")}
    text = body(again(replayed(vgg, gone)))
    assert "features: [conv(64, 3), id, maxpool(2), conv(128, 3), id, id, conv(256, 3), relu" in text


def test_a_changed_layer_parts_a_run() -> None:
    graph = elaborated(HEAD + "  output x -> body: (conv(3, 3) -> bn -> relu) ** 5\n}")
    third = next(n.index for n in graph.nodes if n.path == "body.2.relu")
    text = body(again(replayed(graph, ops={third: ELU()})))
    assert "block unit() = conv(3, 3) -> bn -> relu" in text
    assert "body: [unit ** 2, conv(3, 3) -> bn -> relu: elu, unit ** 2]" in text


def test_taps_and_additions_at_the_top() -> None:
    graph = archc.load("vgg11").ir
    replay = Replay(graph)
    for node in graph.nodes:
        replay.again(node)
    last = replay.values[graph.outputs[0].values[0]]
    added = replay.add(ELU(), (last,), graph.nodes[-1])
    tap = next(n.index for n in replay.nodes if n.path == "features.7")
    text = again(replay.finish([GraphOutput("logits", (added,)), GraphOutput("map", ((tap, 0), last))]))
    assert "output logits =" in text and "output map = (" in text


def test_another_order_of_application() -> None:
    graph = elaborated(HEAD + "  output x -> body: [conv(3, 3), bn, conv(3, 5)]\n}")
    scope = graph.root.children["body"]
    assert isinstance(scope, Scope)
    scope.children = {name: scope.children[name] for name in ("2", "0", "1")}
    assert 'order "2"' in again(graph)


def tied(graph: Graph, first: str, second: str) -> Graph:
    """One layer in the place of another, under both names."""
    layers = {n.path: n for n in graph.nodes}
    a, b = layers[first], layers[second]
    b.scope.children[b.name] = a
    b.owner, b.scope, b.name = a.index, a.scope, a.name
    return graph


def test_tied_layers_have_both_names() -> None:
    graph = elaborated(HEAD + "  output x -> a: (conv(3, 3) -> bn) -> b: (relu -> conv(3, 3)) -> c: [bn, relu]\n}")
    text = body(again(tied(tied(graph, "a.conv", "b.conv"), "a.bn", "c.0")))
    assert text.count("conv(3, 3)") == text.count("= bn") == 1 and "b: (relu -> conv: shared_conv)" in text


def test_rewrites_of_shipped_ones() -> None:
    for name, rewrite, options in (
        ("resnet18", "remove_shortcuts", {}),
        ("resnet34", "swap", {"a": "layer3.1", "b": "layer3.4"}),
        ("resnet34", "tie", {"modules": ["layer3.1", "layer3.2"]}),
        ("resnet18", "tie", {"modules": ["layer1.0", "layer1.1"]}),
        ("resnet34", "tie", {"modules": ["layer3.4.conv2", "layer3.1.conv2"]}),
        ("resnet18", "taps", {"at": ["layer1", "layer2"]}),
        ("vgg11", "insert_identity", {"after": ["features.1"]}),
    ):
        again(archc.load(name).rewrite(rewrite, **options).ir)


# --- what is compared ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ("output x -> a: conv(8, 3) -> b: tanh", "another layer"),
        ("output x -> a: conv(8, 3, init = zeros) -> b: relu", "other settings"),
        ("output x -> c: conv(8, 3) -> b: relu", "is called `c`"),
        ("output x -> frozen(a: conv(8, 3)) -> b: relu", "frozen"),
        ("output x -> recompute(a: conv(8, 3)) -> b: relu", "recomputed"),
        ("order b\n output x -> a: conv(8, 3) -> b: relu", "another order"),
        ("output y = x -> a: conv(8, 3) -> b: relu", "outputs"),
        ("output x -> a: conv(8, 3) -> b: relu -> relu", "applications"),
    ],
)
def test_graphs_that_differ_are_not_the_same(other: str, what: str) -> None:
    ours = elaborated(HEAD + "  output x -> a: conv(8, 3) -> b: relu\n}")
    theirs = elaborated(f"{HEAD}  {other}\n}}") if "tanh" not in what else ours
    assert first_discrepancy(ours, ours) is None
    found = first_discrepancy(ours, theirs)
    assert found is not None and what in found.what


# --- the doors -----------------------------------------------------------------------------


def test_the_door_in_python() -> None:
    net = archc.load("resnet18")
    text = net.source()
    assert text == written(net.ir) and first_discrepancy(archc.loads(text).ir, net.ir) is None


def test_the_door_on_the_command_line_needs_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from archc.cli.app import app\n"
        "try: app(['compile', 'densenet121', '-o', 'out.arch'])\n"
        "except SystemExit as end: sys.exit(end.code or 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the same architecture" in run.stdout
    assert (tmp_path / "out.arch").read_text() == written(archc.load("densenet121").ir)


def test_weights_are_checked_beside_a_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.arch").write_text(HEAD + "  output x -> fc: conv(2, 1)\n}")
    torch.save(archc.load("net.arch").module(seed=1).state_dict(), "net.pth")
    result = CliRunner().invoke(app, ["compile", "net.arch", "--weights", "net.pth", "-o", "out.arch"])
    assert result.exit_code == 0 and "out.arch does not hold them" in result.output, result.output
    result = CliRunner().invoke(app, ["compile", "net.arch", "-o", "net.arch"])
    assert result.exit_code == 1 and "this command reads it" in str(result.exception)
    result = CliRunner().invoke(app, ["compile", "net.arch", "-o", "-", "--emit", "arch"])
    assert result.output == again(archc.load("net.arch").ir)


RATES = """block part(p) = id + (conv: conv(4, 3) -> bn -> drop: survive(p))
arch Net { input x: [N, 4, 8, 8]
  output x -> a: [part(1 - 0.2 * i / 11) for i in 1..5] -> b: [part(1 - 0.2 * i / 11) for i in 6..11] }"""


def test_rates_that_rise_are_written_as_the_rule() -> None:
    net = archc.loads(RATES)
    text = written(net.ir)
    assert "[part(1 - 0.2 * i / 11) for i in 1..5]" in text and "for i in 6..11]" in text
    odd = archc.loads(RATES.replace("i in 6..11", "i in [6, 7, 8.5, 9, 10]"))
    assert "for i in 6" not in written(odd.ir)
