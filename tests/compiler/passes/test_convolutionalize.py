"""Dense layers as convolutions: the same outputs at the usual size, the dense net's on every crop at larger ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from typer.testing import CliRunner

import archc
from archc.cli.app import app
from archc.compiler.analyses.claimed import Figures
from archc.compiler.decompile.python.file import class_name, to_python
from archc.compiler.elaborate.language import known_names
from archc.compiler.emit.weights import load_weights
from archc.compiler.ir.rewrites import REWRITES, SPELLINGS
from archc.compiler.ir.sizes import symbol
from archc.compiler.passes.registry import lookup

N = symbol("N")

NARROW = """
block stage(c, n) = [*[conv(c, 3, bias = true), relu] for _ in 1..n] -> [maxpool(2)]
arch Narrow(classes: int = 10, k: int = 7) {
  input image: [N, 3, H, W] = [1, 3, 224, 224]
  output image -> features: (stage(4, 1) -> stage(6, 1) -> stage(8, 2) -> stage(8, 1) -> stage(12, 1))
    -> adaptive_avgpool(k) -> flatten
    -> classifier: [linear(32), relu, dropout(0.5), linear(16), relu, dropout(0.5), linear(classes)]
}
arch fcn = convolutionalize(Narrow)
arch averaged = convolutionalize(Narrow, pool = true)
"""


def double(net: archc.Architecture, state: dict[str, Tensor] | None = None) -> nn.Module:
    """The module in evaluation and double precision, with a checkpoint or with drawn weights and statistics."""
    module = net.module(seed=0, dtype="float64").eval()
    if state is not None:
        load_weights(module, state, net.ir)
        return module
    torch.manual_seed(1)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if name.endswith("running_var") else tensor.add_(0.3 * torch.randn_like(tensor))
    return module


def image(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def by_hand(dense: nn.Module, x: Tensor) -> Tensor:
    """What the narrow net's head gives at every place of its features: written with F.conv2d alone."""
    layers: Any = dense.get_submodule("classifier")
    x = functional.relu(functional.conv2d(_features(dense, x), layers[0].weight.view(32, 12, 7, 7), layers[0].bias))
    x = functional.relu(functional.conv2d(x, layers[3].weight[:, :, None, None], layers[3].bias))
    return functional.conv2d(x, layers[6].weight[:, :, None, None], layers[6].bias)


def _features(dense: nn.Module, x: Tensor) -> Tensor:
    for layer in dense.get_submodule("features").children():
        x = layer(x)
    return x


def test_a_narrow_vgg() -> None:
    dense, fcn = double(archc.loads(NARROW, "Narrow")), archc.loads(NARROW, "fcn")
    maps = double(fcn, dense.state_dict())
    x = image(2, 3, 224, 224)
    assert torch.allclose(maps(x).flatten(1), dense(x), rtol=0, atol=1e-12) and maps(x).shape == (2, 10, 1, 1)
    for height, width in ((256, 224), (384, 320), (500, 300)):
        x = image(1, 3, height, width)
        assert maps(x).shape == (1, 10, height // 32 - 6, width // 32 - 6)
        assert torch.allclose(maps(x), by_hand(dense, x), rtol=0, atol=1e-12)


def test_the_grid_is_averaged() -> None:
    dense, averaged = double(archc.loads(NARROW, "Narrow")), archc.loads(NARROW, "averaged")
    module = double(averaged, dense.state_dict())
    for size in (224, 320):
        x = image(2, 3, size, size)
        assert torch.allclose(module(x), by_hand(dense, x).mean((2, 3)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", range(224, 513, 16))
def test_the_side_of_the_grid(size: int) -> None:
    graph = archc.load("vgg16").rewrite("convolutionalize").ir
    assert Figures().measure(graph, "shape", None, {"H": size, "W": size}) == [N, 1000, *[size // 32 - 6] * 2]


def test_what_is_kept() -> None:
    dense = archc.load("vgg16_bn")
    maps = dense.rewrite("convolutionalize")
    assert (maps.name, maps.doc, maps.parameters) == (dense.name, dense.doc, dense.parameters)
    assert maps.stats().parameters == dense.stats().parameters and maps.stats().depth == dense.stats().depth
    assert maps.stats().multiply_adds == dense.stats().multiply_adds
    rows = [row for row in dense.stats().rows if row.path]
    assert [(r.path, r.parameters) for r in maps.stats().rows if r.path] == [(r.path, r.parameters) for r in rows]
    assert dense.ir.requirements.describe() != maps.ir.requirements.describe() == ["H and W at least 224"]
    assert all(node.span is not None for node in maps.ir.nodes)
    assert "linear" in [node.op.kind for node in dense.ir.nodes] and not dense.ir.weight_maps


def test_resnet_is_torchvisions_at_224_and_its_head_beyond() -> None:
    models: Any = pytest.importorskip("torchvision").models
    theirs = models.resnet18(weights=None).double().eval()
    maps = double(archc.load("resnet18").rewrite("convolutionalize"), theirs.state_dict())
    x = image(1, 3, 224, 224)
    assert torch.allclose(maps(x).flatten(1), theirs(x), rtol=0, atol=1e-10)
    body = nn.Sequential(*list(theirs.children())[:-2])
    x = image(1, 3, 256, 224)
    scores = functional.conv2d(functional.avg_pool2d(body(x), 7, 1), theirs.fc.weight[:, :, None, None], theirs.fc.bias)
    assert maps(x).shape == (1, 1000, 2, 1) and torch.allclose(maps(x), scores, rtol=0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_vgg_is_torchvisions(name: str) -> None:
    theirs = getattr(pytest.importorskip("torchvision").models, name)(weights=None).eval()
    net = archc.load(name).rewrite("convolutionalize")
    maps = net.module(seed=0).eval()
    load_weights(maps, theirs.state_dict(), net.ir)
    with torch.no_grad():
        x = torch.randn(1, 3, 224, 224)
        assert torch.allclose(maps(x).flatten(1), theirs(x), rtol=0, atol=1e-4)
        x = torch.randn(1, 3, 384, 256)
        y = functional.conv2d(
            theirs.features(x), theirs.classifier[0].weight.view(4096, 512, 7, 7), theirs.classifier[0].bias
        )
        y = theirs.classifier[1:](y.movedim(1, -1)).movedim(-1, 1)
        assert maps(x).shape == (1, 1000, 6, 2) and torch.allclose(maps(x), y, rtol=0, atol=1e-4)


def test_python_source_does_the_same() -> None:
    net = archc.loads(NARROW, "averaged")
    names: dict[str, Any] = {}
    exec(compile(to_python(net.ir), "averaged.py", "exec"), names)
    module, source = double(net), names[class_name(net.ir)]().double().eval()
    source.load_state_dict(module.state_dict())
    x = image(1, 3, 288, 256)
    assert torch.equal(source(x), module(x))


# --- checkpoints ---------------------------------------------------------------------------


def test_a_checkpoint_of_maps_loads_as_well() -> None:
    fcn = archc.loads(NARROW, "fcn")
    state = double(fcn).state_dict()
    loaded = double(fcn, state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())


def test_other_shapes_are_refused() -> None:
    dense, fcn = archc.loads(NARROW, "Narrow"), archc.loads(NARROW, "fcn")
    state = dict(dense.module(seed=0).state_dict())
    state["classifier.0.weight"] = state["classifier.0.weight"].T
    with pytest.raises(archc.ArchError, match="does not fit") as error:
        load_weights(fcn.module(), state, fcn.ir)
    assert [d.code for d in error.value.diagnostics] == ["E0813"]
    with pytest.raises(archc.ArchError):
        load_weights(dense.module(), fcn.module().state_dict(), dense.ir)


def test_compile_takes_the_dense_checkpoint(tmp_path: Path) -> None:
    spec = tmp_path / "narrow.arch"
    spec.write_text(NARROW.replace("k: int = 7", "k: int = 2").replace("224", "64"))
    dense = archc.load(spec, "Narrow").module(seed=5)
    torch.save(dense.state_dict(), tmp_path / "dense.pth")
    arguments = ["compile", str(spec), "fcn", "--weights", str(tmp_path / "dense.pth"), "-o", str(tmp_path / "f.pt2")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    program = torch.export.load(tmp_path / "f.pt2").module()
    x = torch.randn(1, 3, 64, 64)
    assert torch.allclose(program(x).flatten(1), dense.eval()(x), rtol=0, atol=1e-5)


def test_weights_start_as_the_dense_ones_do() -> None:
    spec = """
    arch Dense {
      input x: [N, 4, 6, 6]
      output x -> flatten -> a: linear(50, init = %s) -> b: linear(30, init = %s)
    }"""
    for init in ('kaiming_normal("fan_out", "tanh")', 'kaiming_uniform("fan_out", a = 0.5)', "xavier_normal(gain = 2)"):
        dense = archc.loads(spec % (init, init))
        starts = [net.module(seed=4).state_dict() for net in (dense, dense.rewrite("convolutionalize"))]
        for name in ("a.weight", "b.weight"):
            first, second = (state[name].flatten() for state in starts)
            assert torch.allclose(first, second, rtol=1e-5, atol=0), (init, name)


# --- random networks -----------------------------------------------------------------------

TRUNK = ["conv(4, 3, padding = 0)", "conv(5, 3, 2, padding = 0)", "relu", "bn", "maxpool(2)", "tanh"]
FLAT = ["", "relu ->", "dropout(0.3) ->", "tanh ->"]
BETWEEN = [
    "relu",
    "bn",
    "ln",
    "tanh",
    "softmax",
    "(0.5 * id + 1)",
    "dropout(0.2)",
    "prelu",
    "scale",
    "softmax(-1)",
    "l2norm",
]
HEADS = [
    "flatten -> %s linear(%d)",
    "flatten -> %s linear(7, bias = false) -> bn -> linear(%d)",
    "gap -> flatten -> %s linear(%d)",
    "gmp -> %s linear(%d)",
    "gap -> squeeze(3) -> squeeze(2) -> %s linear(%d)",
    "adaptive_avgpool(1) -> %s conv(6, 1) -> hardswish -> linear(%d)",
]
JOINS = ["sum", "concat", "mean", "max", "multiply", "concat(axis = 1)", "drop_mean(0.2)", "freeze_drop_path"]


@st.composite
def nets(draw: st.DrawFn) -> SimpleNamespace:
    """A small legal dense net: a trunk without padding, heads side by side on its map, joined; dense layers after."""
    trunk = ["conv(4, 3, padding = 0)", *draw(st.lists(st.sampled_from(TRUNK), max_size=3))]
    width = draw(st.integers(2, 5))
    heads = [
        draw(st.sampled_from(HEADS)) % (draw(st.sampled_from(FLAT)), width) for _ in range(draw(st.integers(1, 3)))
    ]
    chain = [f"({', '.join(heads)},) -> {draw(st.sampled_from(JOINS))}"]
    for _ in range(draw(st.integers(0, 3))):
        chain += [draw(st.sampled_from(BETWEEN)), f"linear({draw(st.integers(2, 6))})"]
    return written(trunk, chain, (draw(st.integers(28, 40)), draw(st.integers(28, 40))))


def written(trunk: list[str], chain: list[str], size: tuple[int, int]) -> SimpleNamespace:
    """The spec of a net, the stride of its trunk, and the size of its input."""
    stride = 2 ** sum("2)" in layer or ", 2," in layer for layer in trunk)
    text = f"""
    arch Net {{
      input x: [N, 3, H, W] = [1, 3, {size[0]}, {size[1]}]
      output x -> body: ({" -> ".join(trunk)}) -> head: ({" -> ".join(chain)})
    }}"""
    return SimpleNamespace(text=text, stride=stride, size=size)


def check(net: SimpleNamespace) -> None:
    dense = archc.loads(net.text)
    plain = double(dense)
    maps, averaged = (dense.rewrite("convolutionalize", pool=pool) for pool in (False, True))
    convolved, pooled = (double(n, plain.state_dict()) for n in (maps, averaged))
    height, width = net.size
    x = image(2, 3, height, width)
    assert torch.allclose(convolved(x), plain(x)[:, :, None, None], rtol=0, atol=1e-10)
    assert torch.allclose(pooled(x), plain(x), rtol=0, atol=1e-10)
    # Without padding, a place of the grid is the dense net's output on the crop that is as far down and right.
    x = image(1, 3, height + net.stride, width + 2 * net.stride)
    assert not maps.ir.requirements.violations({"H": x.shape[2], "W": x.shape[3]})
    grid = convolved(x)
    assert grid.shape[2:] == (2, 3)
    for i in range(2):
        for j in range(3):
            top, left = i * net.stride, j * net.stride
            crop = x[:, :, top : top + height, left : left + width]
            assert torch.allclose(grid[:, :, i, j], plain(crop), rtol=0, atol=1e-10)
    assert torch.allclose(pooled(x), grid.mean((2, 3)), rtol=0, atol=1e-10)


def test_every_layer() -> None:
    heads = [head % (flat, 3) for head in HEADS for flat in FLAT]
    chain = [f"({', '.join(heads)}) -> concat(axis = 1)"]
    for layer in BETWEEN:
        chain += ["linear(6)", layer]
    check(written(["conv(4, 3, padding = 0)", "maxpool(2)"], chain, (10, 12)))
    joined = [f"({HEADS[0] % ('', 4)}, {HEADS[2] % ('', 4)}) -> {join}" for join in JOINS]
    check(written(["conv(4, 3, 2, padding = 0)"], [f"({', '.join(f'({j})' for j in joined)}) -> concat"], (11, 9)))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(net=nets())
def test_random_nets(net: SimpleNamespace) -> None:
    check(net)


# --- graphs --------------------------------------------------------------------------------


def test_shared_dense_layers() -> None:
    twins = archc.loads("""
    arch Twins {
      input a: [N, 3, 8, 8]
      input b: [N, 3, 8, 8]
      shared tower = conv(4, 3) -> flatten -> [linear(6), relu, linear(5)]
      output (a -> tower) ++ (b -> tower) -> last: linear(2)
    }""")
    dense = double(twins)
    maps = double(twins.rewrite("convolutionalize"), dense.state_dict())
    assert maps.state_dict().keys() == dense.state_dict().keys()
    a, b = image(2, 3, 8, 8), image(2, 3, 8, 8) + 1
    assert torch.allclose(maps(a, b).flatten(1), dense(a, b), rtol=0, atol=1e-12)


def test_outputs_frozen_parts_and_gates() -> None:
    net = archc.loads("""
    arch Net {
      input x: [N, 3, H, W] = [1, 3, 12, 12]
      map = x -> frozen(conv1: conv(4, 3)) -> relu
      gated = map * (map -> gap -> gate: conv(4, 1) -> sigmoid)
      output scores = gated -> flatten -> fc: linear(5)
      output aux = map -> gap -> aux: linear(3) when training
      output gated
    }""")
    dense = double(net)
    rewritten = net.rewrite("convolutionalize")
    maps = double(rewritten, dense.state_dict())
    assert not maps.get_parameter("conv1.weight").requires_grad and maps.get_parameter("fc.weight").requires_grad
    x = image(1, 3, 12, 12)
    ours, theirs = maps(x), dense(x)
    assert ours["aux"] is None and torch.equal(ours["out"], theirs["out"])
    assert torch.allclose(ours["scores"].flatten(1), theirs["scores"], rtol=0, atol=1e-12)
    assert torch.allclose(maps.train()(x)["aux"].flatten(1), dense.train()(x)["aux"], rtol=0, atol=1e-12)
    # The gate is no dense layer, so it stays a gate of the whole map.
    assert [node.op.kind for node in rewritten.ir.nodes].count("gap") == 1


def test_heads_for_other_numbers_of_axes() -> None:
    for shape in ("[N, 3, 20]", "[N, 3, 6, 7, 8]"):
        net = archc.loads(
            f"arch A {{ input x: {shape}   output x -> conv(4, 3) -> flatten -> linear(5) -> linear(2) }}"
        )
        dense = double(net)
        maps = double(net.rewrite("convolutionalize"), dense.state_dict())
        x = image(2, *net.ir.inputs[0].nominal[1:])
        assert torch.allclose(maps(x).flatten(1), dense(x), rtol=0, atol=1e-12)


def test_parts_that_are_left_out_leave_no_empty_scope() -> None:
    net = archc.loads("""
    arch A {
      input x: [N, 3, H, W] = [1, 3, 16, 16]
      output x -> conv(4, 3) -> neck: (maxpool(2) -> fix: [adaptive_avgpool(8)]) -> tail: [adaptive_avgpool(8)]
        -> flatten -> fc: linear(2)
    }""").rewrite("convolutionalize")
    assert set(net.ir.root.children) == {"conv", "neck", "fc"}
    module = double(net)
    assert "fix" not in dict(module.named_modules()) and module(image(1, 3, 18, 20)).shape == (1, 2, 2, 3)


def test_a_global_pool_of_one_place_at_a_stated_size() -> None:
    net = archc.loads("""
    arch A {
      input x: [N, 3, H, W] = [1, 3, 16, 16]
      output x -> conv(4, 3, 4) -> conv(5, 4, padding = 0) -> gap -> fc: linear(2)
    }""")
    dense = double(net)
    maps = double(net.rewrite("convolutionalize"), dense.state_dict())
    x = image(1, 3, 16, 16)
    assert torch.allclose(maps(x).flatten(1), dense(x), rtol=0, atol=1e-12)
    assert maps(image(1, 3, 24, 32)).shape == (1, 2, 3, 5)


def test_names() -> None:
    assert {*REWRITES, *SPELLINGS} <= set(known_names())
    assert all(lookup(name).kind == name for name in REWRITES)
    assert all(lookup(name).kind == meant for name, meant in SPELLINGS.items())
