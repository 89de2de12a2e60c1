"""Exported files compute what the module does, at every legal size."""

from __future__ import annotations

import re
from importlib import util
from pathlib import Path
from typing import Any

import pytest
import torch
from graphs import H, N, Net, W, small, with_aux
from quick import slow_but

import archc
from archc.compiler.emit.export import to_onnx, to_pt2
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.emit.private import operators_kept
from archc.compiler.emit.trials import larger_sizes, trial_sizes
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.sizes import symbol
from archc.compiler.ir.types import TensorType
from archc.compiler.ops.core import Extern
from archc.dsl.diagnostics import ArchError


def halving() -> Graph:
    """A net whose sizes must be multiples of 4, so that its input is 4 * h by 4 * w."""
    net = Net()
    x = net.input("image", (N, 3, 4 * symbol("h"), 4 * symbol("w")), (1, 3, 8, 8))
    net.graph.nominal |= {"h": 2, "w": 2}
    for i in range(2):
        x = net(f"conv{i}", "conv", x, channels=4, kernel=3, stride=2)
    net.output(net("bn", "bn", x))
    return net.graph


def divisible() -> Graph:
    """Sizes that a requirement relates: H must be even."""
    net = Net()
    x = net.input("image", nominal=(1, 3, 8, 8))
    assert net.graph.requirements.divisible(H, 2)
    net.output(net("relu", "relu", x))
    return net.graph


def tuple_out() -> Graph:
    net = Net()
    x = net.input("image", nominal=(1, 3, 8, 8))
    net.output(net("a", "conv", x, channels=2, kernel=1), net("b", "gap", x))
    net.output(x, name="same")
    return net.graph


def flat(result: Any) -> list[torch.Tensor]:
    if isinstance(result, dict):
        return [tensor for name in sorted(result) for tensor in flat(result[name])]
    return [result] if isinstance(result, torch.Tensor) else [t for item in result or () for t in flat(item)]


@pytest.mark.parametrize(
    ("graph", "shapes"),
    [
        (small, [(1, 3, 32, 32), (3, 3, 17, 40), (1, 3, 1, 1)]),
        (halving, [(1, 3, 4, 4), (2, 3, 12, 20)]),
        (divisible, [(1, 3, 2, 5), (2, 3, 8, 8)]),
        (tuple_out, [(1, 3, 8, 8), (2, 3, 1, 4)]),
        (with_aux, [(2, 3, 9, 9)]),
    ],
)
def test_pt2_keeps_symbolic_sizes(tmp_path: Path, graph, shapes):
    module = to_graph_module(graph(), seed=0)
    to_pt2(module, graph(), tmp_path / "net.pt2")
    assert module.training
    loaded = torch.export.load(tmp_path / "net.pt2").module()
    module.eval()
    for shape in shapes:
        x = torch.randn(shape)
        for ours, theirs in zip(flat(module(x)), flat(loaded(x)), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("graph", [small, halving, tuple_out, with_aux])
def test_onnx_agrees_with_onnxruntime(tmp_path: Path, graph):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    target = tmp_path / "net.onnx"
    assert to_onnx(to_graph_module(graph(), seed=0), graph(), target).difference < 1e-4
    model = onnx.load(target)
    assert [i.name for i in model.graph.input] == ["image"]
    assert [o.name for o in model.graph.output] == (["out_0", "out_1", "same"] if graph is tuple_out else ["out"])
    assert {d.dim_param != "" for d in model.graph.input[0].type.tensor_type.shape.dim} == {True, False}
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_torch_makes_its_table_of_operators_once():
    """It asks for the table through an instance."""
    registry: Any = pytest.importorskip("torch.onnx._internal.exporter._registration").ONNXRegistry
    pytest.importorskip("onnxscript")
    before = registry.from_torchlib
    tables = []
    for _ in range(2):
        with operators_kept():
            tables.append(registry().from_torchlib())
    assert tables[0] is tables[1] and tables[0].functions
    assert registry.from_torchlib == before


def test_weights_keep_their_names_whatever_an_exporter_calls_them(tmp_path: Path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    names = ["p_p_weight", "p_weight", "weight", "b_weight", "mul", "mul_1", "own", "out", "p_own_weight"]
    text = f"""arch A {{ input x: [N, 3, 8, 8]
      {" ".join(f"param {name} = normal([1, 3, 1, 1], std = 1)" for name in names)}
      output x * {" * ".join(names)} -> conv2d: conv(3, 3) -> conv2d_1: conv(3, 1) -> own_: conv(2, 1)
    }}"""
    net = archc.loads(text)
    module = net.module(seed=0)
    to_pt2(module, net.ir, tmp_path / "net.pt2")
    to_onnx(module, net.ir, tmp_path / "net.onnx")
    assert list(torch.export.load(tmp_path / "net.pt2").state_dict) == list(module.state_dict())
    stored = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(tmp_path / "net.onnx").graph.initializer
    }
    assert stored.keys() == module.state_dict().keys()
    assert all((stored[name] == tensor.numpy()).all() for name, tensor in module.state_dict().items())


def test_axes_of_onnx_have_the_names_of_the_spec(tmp_path: Path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    def dims(value: Any) -> list[str | int]:
        return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]

    text = """arch A {
      input small: [s1, 8, H, s0] = [1, 8, 8, 8]
      input large: [s1, 3, 2 * H, 2 * s0] = [1, 3, 16, 16]
      input area: [s1, 3, H * s0, 5] = [1, 3, 64, 5]
      output sum = (large -> conv(8, 3, 2), small) -> sum -> conv(4, 3, 2)
      output mean = area -> gap
    }"""
    net = archc.loads(text)
    to_onnx(net.module(seed=0), net.ir, tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    assert [dims(value) for value in graph.input] == [
        ["s1", 8, "H", "s0"],
        ["s1", 3, "2 * H", "2 * s0"],
        ["s1", 3, "H * s0", 5],
    ]
    assert [dims(value) for value in graph.output] == [["s1", 4, "(H + 1) // 2", "(s0 + 1) // 2"], ["s1", 3, 1, 1]]
    inside = {size for value in graph.value_info for size in dims(value) if isinstance(size, str)}
    words = {word for size in inside for word in re.findall(r"[A-Za-z]\w*", size)}
    assert {"s1", "H", "s0"} <= words <= {"s1", "H", "s0", "Min", "Max"}


def test_attention_is_right_in_onnx(tmp_path: Path) -> None:
    """torch's exporter takes tensors of four axes alone. What is written runs in onnxruntime at several sizes."""
    net = archc.loads("""arch A {
      input q: [N, T, 8] = [2, 5, 8]
      heads = q -> rearrange("n t (h c) -> n h t c", h = 2)
      output causal = (q, q, q) -> sdpa(2, causal = true)
      output plain = (q, q, q) -> sdpa
      output masked = (q, q, q) -> sdpa(mask = matmul(q, q -> transpose(1, 2)))
      output split = (heads, heads, heads) -> sdpa(causal = true)
    }""")
    assert to_onnx(net.module(), net.ir, tmp_path / "a.onnx").trials


@pytest.mark.parametrize("body", ['split(2, axis = "height") -> sum', 'chunk(3, axis = "width") -> max'])
def test_parts_of_open_sizes_are_right_in_onnx(tmp_path: Path, body: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    net = archc.loads(f"arch A {{ input x: [N, 3, H, W] = [1, 3, 8, 9]   output x -> {body} }}")
    module = net.module().eval()
    to_onnx(module, net.ir, tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    for shape in ((2, 3, 4, 12), (1, 3, 2, 3)):
        x = torch.randn(shape)
        torch.testing.assert_close(torch.as_tensor(session.run(None, {"x": x.numpy()})[0]), module(x))


POOLS = [(1, 3), (2, 2), (2, 7), (3, 2)]


@pytest.mark.parametrize(("size", "counts"), slow_but([(14, POOLS[::2])], [(14, POOLS[::2]), (14, POOLS), (16, POOLS)]))
def test_adaptive_pools_are_right_in_onnx_at_every_size(tmp_path: Path, size: int, counts: list[tuple[int, int]]):
    """Of one, two and three axes, whether the counts divide the sizes of the example or not, in one file."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    inputs = [
        f"input x{axes}: [N, 3, {', '.join('HWD'[:axes])}] = [1, 3, {', '.join([str(size)] * axes)}]"
        for axes in dict(counts)
    ]
    outputs = [
        f"output {kind}{axes}_{count} = x{axes} -> adaptive_{kind}pool({count})"
        for kind in ("avg", "max")
        for axes, count in counts
    ]
    net = archc.loads("\n".join(["arch A {", *inputs, *outputs, "}"]))
    module = net.module()
    to_onnx(module, net.ir, tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    for batch, sizes in ((2, (7, 8, 9)), (1, (21, 20, 19)), (1, (1, 1, 1))):
        given = {f"x{axes}": torch.randn([batch, 3, *sizes[:axes]]) for axes in dict(counts)}
        found = session.run(None, {name: x.numpy() for name, x in given.items()})
        wanted = module(*given.values())
        assert [entry.name for entry in session.get_outputs()] == list(wanted)
        for ours, theirs in zip(found, wanted.values(), strict=True):
            torch.testing.assert_close(torch.as_tensor(ours), theirs)


LEGAL = [
    ("tokens [N, 8, 16]{}, 8, 16]", "attention(4)", [[8, 16]]),
    ("tokens [N, 8, 16]{}, 8, 16]", "attention(4, causal = true)", [[8, 16]]),
    ("tokens [N, 5, 16]{}, 5, 16]", "gru(16)", [[5, 16]]),
    ("tokens [N, T, 16]{}, 6, 16]", "ln -> linear(3)", [[1, 16], [6, 16], [40, 16]]),
    ("[N, 16]{}, 16]", "ln", [[16]]),
    ("[N, 3, H, W]{}, 3, 32, 32]", "conv(8, 4, 4, padding = 0) -> ln -> gap -> flatten", [[3, 4, 4], [3, 4, 60]]),
    ("[N, 3, H, W]", "conv(8, 4, 4, padding = 0) -> ln -> gap -> flatten", [[3, 4, 4], [3, 32, 47]]),
    # These have a single legal height.
    ("[N, 4, H, W]", 'rearrange("n c (p h) w -> n (p c) h w", p = 2, h = 3)', [[4, 6, 1], [4, 6, 7]]),
    ("[N, 4, H, W]", "(id + (conv(4, 3, 3) -> upsample(3) -> crop(0, 6)))", [[4, 6, 6]]),
    ("[N, 4, 2 * k, W]", 'rearrange("n c (p h) w -> n (p c) h w", p = 2, h = 3)', [[4, 6, 1], [4, 6, 7]]),
]


@pytest.mark.parametrize(
    ("usual", "given", "body", "sizes"),
    [
        *((1, *row) for row in LEGAL),
        *(pytest.param(2, *row, marks=[pytest.mark.slow] * (i not in (0, 5))) for i, row in enumerate(LEGAL)),
    ],
)
def test_files_take_every_legal_size(tmp_path: Path, usual: int, given: str, body: str, sizes: list[list[int]]):
    net = archc.loads(f"arch A {{ input x: {given.format(f' = [{usual}')}  output x -> {body} }}")
    module = net.module(seed=0).eval()
    agreement = to_pt2(module, net.ir, tmp_path / "net.pt2")
    assert {trial.sizes["N"] for trial in agreement.trials} >= {1, 2}
    loaded = torch.export.load(tmp_path / "net.pt2").module()
    for batch in (1, 2, 5):
        for rest in sizes:
            x = torch.randn(batch, *rest)
            torch.testing.assert_close(loaded(x), module(x))


def test_without_the_packages_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "onnxscript" else real(name))
    with pytest.raises(ArchError) as error:
        to_onnx(to_graph_module(small()), small(), tmp_path / "net.onnx")
    (found,) = error.value.diagnostics
    assert found.code == "E0820" and "onnxscript" in found.message and "archc-lang[onnx]" in found.hints[0]


def test_nothing_is_written_unless_the_module_ran(tmp_path: Path):
    net = Net()
    x = net.input("image")
    op = Extern(name="f", results=(TensorType.of((N, 3, H, W)),))
    net.output(net("f", op, x))
    module = to_graph_module(net.graph, externs={"f": lambda x: x[:, :1]})
    for write in (to_pt2, to_onnx):
        with pytest.raises(ArchError, match="E0803"):
            write(module, net.graph, tmp_path / "net")
    assert not list(tmp_path.iterdir())


def test_code_that_depends_on_data_cannot_be_exported(tmp_path: Path):
    net = Net()
    op = Extern(name="f", results=(TensorType.of((N, 3, H, W)),))
    net.output(net("f", op, net.input("image")))
    module = to_graph_module(net.graph, externs={"f": lambda x: x if x.sum() > 0 else -x})
    with pytest.raises(ArchError, match="E0821"):
        to_pt2(module, net.graph, tmp_path / "net.pt2")
    assert not list(tmp_path.iterdir())


def test_sizes_that_are_tried_are_legal():
    nominal, *others = trial_sizes(divisible())
    assert nominal == {"N": 1, "H": 8, "W": 8} and len(others) == 2
    for sizes in (*others, larger_sizes(divisible())):
        assert sizes is not None and sizes["H"] % 2 == 0 and sizes["N"] >= 2 and sizes["H"] != 8 != sizes["W"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_exports_from_a_gpu(tmp_path: Path):
    module = to_graph_module(small(), device="cuda")
    to_pt2(module, small(), tmp_path / "net.pt2")
    loaded = torch.export.load(tmp_path / "net.pt2").module()
    assert loaded(torch.randn(3, 3, 20, 20, device="cuda")).shape == (3, 10)
