"""The Python source: what it computes, how it reads, and that no name or text breaks out of it."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from python_builder import GraphBuilder
from python_compare import assert_equal_modules, built, load_source

import archc
from archc.compiler.decompile.python.file import class_name, to_python
from archc.compiler.decompile.python.show import literal
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.ir.errors import EmitError
from archc.compiler.ir.graph import Graph, Scope, Value
from archc.compiler.ir.initialisers import make_initialiser
from archc.compiler.ir.op import Op
from archc.compiler.ops.activation import ReLU
from archc.compiler.ops.conv import Conv, UpConv
from archc.compiler.ops.core import Affine, Parameter
from archc.compiler.ops.dropout import Dropout
from archc.compiler.ops.linear import Linear
from archc.compiler.ops.merge import Add, Concat, Multiply
from archc.compiler.ops.norm import BatchNorm, LayerNorm
from archc.compiler.ops.pool import GlobalAvgPool, MaxPool

KAIMING = make_initialiser("kaiming_normal", [], {"mode": "fan_out", "nonlinearity": "relu"})


def conv(channels: int, kernel: int = 3, stride: int = 1, **more: object) -> Conv:
    return Conv(channels=channels, kernel=kernel, stride=stride, **{"init": KAIMING, **more})


def chain(build: GraphBuilder, x: Value, **layers: Op) -> Value:
    for name, op in layers.items():
        x = build.add(op, x, name=name)
    return x


def bottleneck(build: GraphBuilder, x: Value, width: int, stride: int) -> Value:
    out = chain(build, x, conv1=conv(width, 1), bn1=BatchNorm(), relu=ReLU())
    out = chain(build, out, conv2=conv(width, 3, stride), bn2=BatchNorm(), relu_2=ReLU())
    out = chain(build, out, conv3=conv(4 * width, 1), bn3=BatchNorm())
    if stride != 1 or build.graph.type_of(x).channels != 4 * width:
        with build.inside("downsample"):
            x = build.add(BatchNorm(), build.add(conv(4 * width, 1, stride), x, name="0"), name="1")
    return build.add(ReLU(), build.add(Add(), out, x), name="relu_3")


def resnet(name: str, blocks: list[int], widths: tuple[int, ...] = (64, 128, 256, 512)) -> Graph:
    build = GraphBuilder(name)
    x = build.input(1, 3, 64, 64, name="image")
    x = chain(
        build, x, conv1=conv(64, 7, 2), bn1=BatchNorm(), relu=ReLU(), maxpool=MaxPool(kernel=3, stride=2, padding=1)
    )
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True), 1):
        with build.inside(f"layer{stage}"):
            for number in range(count):
                with build.inside(str(number), "bottleneck"):
                    x = bottleneck(build, x, width, 2 if stage > 1 and number == 0 else 1)
    build.output(chain(build, x, gap=GlobalAvgPool(), fc=Linear(units=1000)))
    return build.graph


@pytest.mark.parametrize(("name", "blocks"), [("resnet50", [3, 4, 6, 3]), ("resnet152", [3, 8, 36, 3])])
def test_resnet_is_torchvisions(name: str, blocks: list[int]) -> None:
    graph = resnet(name, blocks)
    text = to_python(graph)
    assert len(text.splitlines()) < 120
    made = load_source(text, class_name(graph))().eval()
    expected = getattr(torchvision.models, name)().eval()
    assert [(k, v.shape) for k, v in made.state_dict().items()] == [
        (k, v.shape) for k, v in expected.state_dict().items()
    ]
    made.load_state_dict(expected.state_dict(), strict=True)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(made(x), expected(x))


def test_resnet_reads_as_written_by_hand() -> None:
    text = to_python(resnet("resnet50", [3, 4, 6, 3]))
    assert (
        "def __init__(self, in_channels: int, width: int, stride: int = 1, downsample: nn.Module | None = None):"
        in text
    )
    assert "self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)" in text
    assert "*[Bottleneck(4 * width, width) for _ in range(1, num_layers)]," in text
    assert "self.layer3 = make_layer(512, 256, num_layers=6, stride=2)" in text
    assert "identity = x if self.downsample is None else self.downsample(x)" in text
    assert 'nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")' in text


def test_the_text_is_always_the_same() -> None:
    assert to_python(resnet("r", [2, 2, 2, 2])) == to_python(resnet("r", [2, 2, 2, 2]))


def test_formatters_and_linters_are_content(tmp_path: Path) -> None:
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if ruff is None:
        pytest.skip("ruff is not installed")
    path = tmp_path / "generated.py"
    path.write_text(to_python(resnet("resnet50", [3, 4, 6, 3])))
    for command in (["check", "--select", "E,F,W,I,B,UP"], ["format", "--check"]):
        subprocess.run(
            [ruff, *command, "--isolated", "--line-length", "120", str(path)], check=True, capture_output=True
        )


def test_a_scope_that_data_leaves_and_enters_again() -> None:
    build = GraphBuilder("interleaved")
    x = build.input(1, 4, 8, 8)
    with build.inside("features"), build.inside("s1-x"):
        x = build.add(conv(4), x, name="class_")
    with build.inside("other"):
        y = build.add(conv(4), x, name="a")
    with build.inside("features"), build.inside("s1-x"):
        x = build.add(conv(4), build.add(Add(), x, y), name="7")
    build.output(x)
    assert_equal_modules(build.graph)


def test_what_is_shared_has_both_names() -> None:
    build = GraphBuilder("shared")
    x = build.input(1, 4, 8, 8)
    with build.inside("unit1"):
        first = build.add(conv(4), x, name="conv")
        x = build.add(BatchNorm(), first, name="bn")
    with build.inside("unit2"):
        build.scope.children["conv"] = build.graph.nodes[first[0]]
        x = build.add(build.graph.nodes[first[0]].op, x, owner=first[0])
        x = build.add(BatchNorm(), x, name="bn")
    build.output(x)
    text = assert_equal_modules(build.graph)
    assert "self.unit1.conv" in text
    module = built(build.graph)
    assert module.unit1.conv is module.unit2.conv


def test_a_second_name_before_the_first() -> None:
    build = GraphBuilder("early")
    x = build.input(1, 4, 8, 8)
    with build.inside("a"):
        x = build.add(BatchNorm(), x, name="bn")
    y = build.add(conv(4), x, name="conv")
    build.graph.root.children["a"].children["conv"] = build.graph.nodes[y[0]]  # type: ignore[union-attr]
    build.output(y)
    assert_equal_modules(build.graph)


@pytest.mark.parametrize("turns", [2, 7])
def test_a_shared_cell_with_norms_of_each_step(turns: int) -> None:
    build = GraphBuilder("tied")
    x = build.input(1, 4, 8, 8)
    owners: list[int] = []
    for turn in range(turns):
        with build.inside("cell") as cell:
            cell.shared = True
            with build.inside("norm"):
                y = build.add(BatchNorm(), x, name=str(turn))
            if turn == 0:
                y = build.add(conv(4), y, name="conv")
                x = build.add(Add(), x, y)
                owners = [y[0], x[0]]
            else:
                y = build.add(build.graph.nodes[owners[0]].op, y, owner=owners[0])
                x = build.add(build.graph.nodes[owners[1]].op, x, y, owner=owners[1])
    build.output(x)
    text = assert_equal_modules(build.graph)
    assert "self.norm[step](x)" in text
    assert ("for i in range(7):" in text) == (turns == 7)


def test_what_training_alone_computes_has_variables_of_its_own() -> None:
    net = archc.loads("""
    block head(n) = gap -> flatten -> fc: linear(n)
    arch Net {
      input x: [N, 3, 32, 32]
      one = x -> layer1: (conv(16, 3) -> bn)
      two = one -> layer2: (conv(32, 3, 2) -> bn)
      output logits = two -> layer3: (conv(32, 3) -> bn) -> head: head(10)
      output aux = two -> aux: head(10) when training
      output tap = one -> tap: conv(4, 1) -> relu when training
    }""")
    (forward,) = [
        f
        for f in ast.walk(ast.parse(to_python(net.ir)))
        if isinstance(f, ast.FunctionDef) and "dict" in ast.unparse(f.returns or ast.Constant(None))
    ]
    (test,) = [statement for statement in forward.body if isinstance(statement, ast.If)]
    stored = {
        ast.unparse(target)
        for statement in test.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
    }
    others = {
        ast.unparse(target)
        for statement in forward.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
    }
    assert stored == {"aux", "tap"} and stored.isdisjoint(others)


def test_a_call_on_tensors_under_a_label_is_made_by_the_class_of_its_block() -> None:
    net = archc.loads("""
    block dense_layer(k)(features) { output concat(features) -> bn -> conv(4 * k, 1) -> bn -> conv(k, 3) }
    arch Net {
      input x: [N, 3, 32, 32]
      a = x -> stem: conv(16, 3)
      b = layer1: dense_layer(8)(a)
      output layer2: dense_layer(8)(b)
    }""")
    text = to_python(net.ir)
    assert "self.layer1 = DenseLayer(16)" in text and "self.layer2 = DenseLayer(8)" in text


def test_a_row_of_layers_whose_channels_change_half_way() -> None:
    net = archc.loads("""
    block columns(C, f) = if C == 1 then f else (f, columns(C - 1, f) -> mean -> columns(C - 1, f))
    arch Net { input x: [N, 3, 8, 8]  output x -> columns(4, conv(8, 3) -> bn -> relu) -> each(maxpool(2)) -> mean }
    """)
    assert_equal_modules(net.ir)


@pytest.mark.parametrize(
    ("numbered", "text"),
    [
        (["c{}"], "nn.ModuleDict({f"),
        (["c{}", "b{}"], "**dict("),
        (["c{}"], "**{f"),
    ],
    ids=["one loop alone", "two layers a turn", "one loop among others"],
)
def test_a_dict_of_numbered_modules(numbered: list[str], text: str) -> None:
    alone = text.endswith("({f")
    body = "" if alone else "d.head: conv(4, 1)"
    for turn in range(1, 6):
        layers = " -> ".join(f"d.{name.format(turn)}: conv(4, 1)" for name in numbered)
        body += f"{' -> ' if body else ''}{layers} -> m{turn}: {'relu' if turn == 1 else 'bn'}"
    body += " -> d.c6: conv(4, 1)" if alone else " -> d.tail: conv(4, 1)"
    net = archc.loads(f"arch Net {{ input x: [N, 4, 8, 8]  output x -> {body} }}")
    assert text in assert_equal_modules(net.ir)


def test_a_long_sum_has_a_line_for_each_term() -> None:
    names = [f"a_branch_with_a_long_name_{number}" for number in range(6)]
    branches = ", ".join(f"{name}: conv(4, {2 * place + 1})" for place, name in enumerate(names))
    net = archc.loads(f"arch Net {{ input x: [N, 4, 16, 16]  output x -> sum({branches}) -> relu }}")
    text = assert_equal_modules(net.ir)
    assert max(map(len, text.split("\n"))) <= 120


def test_outputs_for_training_only() -> None:
    build = GraphBuilder("aux")
    x = build.add(conv(4), build.input(1, 3, 8, 8), name="conv")
    aux = chain(build, x, dropout=Dropout(), aux=conv(2))
    build.output(build.add(Dropout(), x, name="dropout_2"))
    build.output(aux, x, name="aux", when_training=True)
    text = assert_equal_modules(build.graph)
    assert "if self.training:" in text and built(build.graph).eval()(torch.randn(1, 3, 8, 8))["aux"] is None


def test_parameters_buffers_and_frozen_parts() -> None:
    build = GraphBuilder("own")
    x = build.input(1, 4, 8, 8)
    init = make_initialiser("normal", [], {"std": 0.02})
    scale = build.add(Parameter(name="scale", shape=(1, 4, 1, 1), init=init), name="scale", frozen=True)
    fixed = make_initialiser("constant", [[[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]]], {})
    with build.inside("inner"):
        shift = build.add(Parameter(name="shift", shape=(1, 4, 1, 1), init=fixed, learned=False), name="shift")
        x = build.add(Multiply(), build.add(Multiply(), x, scale), shift)
    x = build.add(
        UpConv(channels=4, kernel=4, stride=2, init=make_initialiser("bilinear", [], {})), x, name="up", frozen=True
    )
    build.output(build.add(LayerNorm(), x, name="norm"))
    assert_equal_modules(build.graph)
    module = built(build.graph)
    assert 0.001 < module.scale.std() < 0.1
    assert module.inner.shift.flatten().tolist() == [1, 2, 3, 4]
    assert module.up.weight[1, 1, 1, 1] == 0.5625 and module.up.weight[0, 1].abs().sum() == 0


def test_every_initialiser_starts_as_in_the_torch_fx_module() -> None:
    build = GraphBuilder("starts")
    x = build.input(1, 4, 8, 8)
    calls = [("bilinear", {}), ("dirac", {}), ("eye", {}), ("ones", {}), ("constant", {"value": 0.5})]
    for kind, settings in calls[:2]:
        init = make_initialiser(kind, [], settings)
        layer = (
            UpConv(channels=4, kernel=4, stride=2, groups=2, init=init)
            if kind == "bilinear"
            else conv(4, groups=2, init=init)
        )
        x = build.add(layer, x, name=kind)
    for kind in ("lecun_normal", "orthogonal", "trunc_normal", "uniform", "xavier_uniform", "fan_in_uniform"):
        x = build.add(conv(4, init=make_initialiser(kind, [], {}), bias=True), x, name=kind)
    x = build.add(GlobalAvgPool(), x, name="gap")
    for kind, settings in calls[2:]:
        init = make_initialiser(kind, [], settings)
        x = build.add(Linear(units=4, init=init, bias=make_initialiser("ones", [], {})), x, name=kind)
    build.output(x)
    assert_equal_modules(build.graph)
    ours, theirs = built(build.graph).state_dict(), to_graph_module(build.graph).state_dict()
    for kind, _ in calls:
        assert torch.equal(ours[f"{kind}.weight"], theirs[f"{kind}.weight"]), kind
    for name, value in ours.items():
        assert abs(value.std() - theirs[name].std()) < 0.4, name


def test_one_start_among_others() -> None:
    build = GraphBuilder("starts")
    x = chain(
        build,
        build.input(1, 4, 8, 8),
        a=conv(4),
        b=conv(4, bias=True),
        c=conv(4, init=make_initialiser("zeros", [], {})),
    )
    build.output(x)
    assert "nn.init.zeros_(self.c.weight)" in assert_equal_modules(build.graph)
    assert built(build.graph).c.weight.abs().sum() == 0


def test_constants_that_differ_become_parameters() -> None:
    build = GraphBuilder("scaled")
    x = build.input(1, 4, 8, 8)
    for number in range(3):
        with build.inside(f"unit{number}", "unit"):
            y = build.add(conv(4), x, name="conv")
            x = build.add(Add(), x, build.add(Affine(scale=0.1 * (number + 1) ** 2), y))
    build.output(x)
    text = assert_equal_modules(build.graph)
    assert "self.scale = scale" in text and text.count("class ") == 2


def repeated(count: int, unit: bool) -> Graph:
    build = GraphBuilder("deep")
    x = build.add(conv(4), build.input(1, 3, 8, 8), name="stem")
    for number in range(count):
        if unit:
            with build.inside(str(number), "unit"):
                x = build.add(Add(), x, build.add(conv(4), x, name="conv"))
        else:
            x = chain(build, x, **{f"conv_{number}": conv(4, 1), f"relu_{number}": ReLU()})
    build.output(x)
    return build.graph


@pytest.mark.parametrize("unit", [True, False])
def test_two_thousand_layers_are_a_loop(unit: bool) -> None:
    graph = repeated(2000, unit)
    text = to_python(graph)
    assert len(text.splitlines()) < 50
    ast.parse(text)
    assert list(load_source(text, class_name(graph))().state_dict())[-1] == (
        "1999.conv.weight" if unit else "conv_1999.weight"
    )


def test_many_branches_and_deep_nesting_compile() -> None:
    build = GraphBuilder("wide")
    x = build.input(1, 2, 4, 4)
    with build.inside("paths"):
        branches = [build.add(conv(2, 1), x, name=str(i)) for i in range(600)]
        x = build.add(Add(), *branches)
    joined = build.add(Concat(), *[x] * 300)
    for depth in range(90):
        build.scope = build.scope.children.setdefault(f"d{depth}", Scope(f"d{depth}", build.scope))  # type: ignore[assignment]
        joined = build.add(conv(2, 1), joined, name="conv")
    build.output(joined)
    text = assert_equal_modules(build.graph, [torch.randn(1, 2, 4, 4)])
    assert "out = out + self.paths[i](x)" in text or "out = out + self[i](x)" in text


DOCS = ['"""\nimport os', "\\", 'ends with "', "\\N{BULLET} \\x00", "a\rb\u2028c\x00", "'''\"\"\"'''", '\\"""']


@pytest.mark.parametrize("doc", DOCS)
def test_docs_do_not_break_out(doc: str) -> None:
    build = GraphBuilder("doc", doc)
    build.output(build.add(ReLU(), build.input(1, 2, 4, 4), name="relu"))
    tree = ast.parse(to_python(build.graph))
    kinds = [type(statement).__name__ for statement in tree.body]
    assert kinds == ["Expr", "ImportFrom", "ClassDef"]


@pytest.mark.parametrize(
    "name", ["a b", "x=print(1)", "a.b", "__hidden", "_modules", "forward", "", "é", "a\n", "train", '"', "state_dict"]
)
def test_names_that_are_none_are_refused(name: str) -> None:
    build = GraphBuilder("names")
    with build.inside(name):
        x = build.add(ReLU(), build.input(1, 2, 4, 4), name="relu")
    build.output(x)
    with pytest.raises(EmitError):
        to_python(build.graph)


@pytest.mark.parametrize(
    "name", ["torch", "nn", "class", "F", "list", "1st net", "x-y", "", "Tensor", "é", "ReLU", "unit"]
)
def test_any_arch_and_input_name_gives_a_class(name: str) -> None:
    build = GraphBuilder(name)
    x = build.input(1, 2, 4, 4, name=name or "x")
    with build.inside("nn", "torch"):
        x = build.add(Add(), x, build.add(ReLU(), x, name="F"))
    with build.inside("unit", name or "Unit"):
        x = build.add(Add(), x, build.add(Dropout(), x, name="torch"))
    build.output(x)
    module = built(build.graph).eval()
    assert module(torch.ones(1, 2, 4, 4)).sum() == 4 * 32


def test_no_two_classes_differ_in_case_only() -> None:
    build = GraphBuilder("UNet")
    x = build.input(1, 3, 8, 8)
    for name, block, channels in (
        ("a", "unet", (4,)),
        ("b", "Unet", (4, 8)),
        ("c", "part", (5, 6, 7)),
        ("d", "PART", (6, 7, 8, 9)),
    ):
        with build.inside(name, block=block):
            skip = x
            for number, width in enumerate(channels):
                x = build.add(conv(width), x, name=f"conv{number}")
            x = build.add(Concat(), x, skip)
    build.output(x)
    text = to_python(build.graph)
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert set(names) == {"UNet", "UnetBlock", "UnetBlock2", "Part", "PART2"}
    assert len({name.lower() for name in names}) == len(names)
    assert built(build.graph) is not None


def test_one_error_for_all_emitters_and_no_torch() -> None:
    code = (
        "import sys; from archc.compiler.decompile.python import file; assert 'torch' not in sys.modules\n"
        "from archc.compiler.emit import names; assert names.EmitError is file.EmitError"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_constants_are_literals() -> None:
    for value in [
        "it's",
        'a "b"',
        "both ' and \"",
        "\\",
        "\n\u2028",
        1e-5,
        -3,
        True,
        None,
        (1, (2, 3)),
        (1,),
        float("inf"),
    ]:
        assert eval(literal(value)) == value
    with pytest.raises(EmitError):
        literal(object())
