"""Weights that are tensors of the network: tied, computed, and under names of one's own, against torch."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import archc
from archc.compiler.decompile.arch.spec import written
from archc.compiler.decompile.python.file import to_python
from archc.compiler.emit.python_file import to_py
from archc.compiler.emit.weights import load_weights
from archc.compiler.ir.graph import Graph
from archc.compiler.program import Program
from archc.dsl.diagnostics import ArchError

TIED = """arch Net(V: int = 20) {
  input t: int [N, T] = [1, 6]
  param table = wte.weight: normal([V, 16], std = 0.02)
  h = t -> embedding(V, 16, weight = table) -> norm: ln
  output h -> lm_head: linear(V, bias = BIAS, weight = table)
}"""
STANDARD = """block ws(c, k, stride = 1) {
  param weight = kaiming_normal([c, in.channels, k, k])
  param gain = ones([c, 1, 1, 1])
  param bias = zeros([c])
  mean = weight -> reduce("mean", [1, 2, 3], keep = true)
  variance = (weight - mean) * (weight - mean) -> reduce("mean", [1, 2, 3], keep = true)
  normal = (weight - mean) * (variance + 1e-6 -> power(-0.5)) * gain
  output in -> conv(c, k, stride, padding = 1, weight = normal, bias = bias)
}
arch Net {
  input x: [N, 3, 9, 9]
  output x -> conv1: ws(8, 3) -> relu -> conv2: ws(4, 3, 2)
}"""


def graph_of(text: str) -> Graph:
    found = Program.parse(text).elaborate("Net")
    assert found.graph is not None, found.diagnostics
    return found.graph


def module_of(text: str) -> nn.Module:
    return archc.loads(text).module(seed=0)


class Tied(nn.Module):
    def __init__(self, bias: bool):
        super().__init__()
        self.wte = nn.Embedding(20, 16)
        self.norm = nn.LayerNorm(16)
        self.lm_head = nn.Linear(16, 20, bias=bias)
        self.lm_head.weight = self.wte.weight

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        return self.lm_head(self.norm(self.wte(t)))


class Standardised(nn.Conv2d):
    def __init__(self, *settings: int):
        super().__init__(*settings)
        self.gain = nn.Parameter(torch.ones(self.out_channels, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = self.weight
        centred = w - w.mean((1, 2, 3), keepdim=True)
        variance = (centred * centred).mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, centred * (variance + 1e-6) ** -0.5 * self.gain, self.bias, self.stride, self.padding)


def assert_trains_alike(one: nn.Module, other: nn.Module, *batches: torch.Tensor) -> None:
    """The same outputs, bit for bit, and, by name, the same gradients, in training and in evaluation. Gradients are
    those of double precision, in which what rounding does is small."""
    other.load_state_dict(one.state_dict())
    for dtype, training, x in itertools.product((torch.float32, torch.float64), (True, False), batches):
        found = []
        for module in (one.to(dtype).train(training), other.to(dtype).train(training)):
            module.zero_grad()
            y = module(x.to(dtype) if x.is_floating_point() else x)
            y.square().sum().backward()
            found.append((y, {name: p.grad for name, p in module.named_parameters()}))
        assert torch.equal(found[0][0], found[1][0])
        assert found[0][1].keys() == found[1][1].keys()
        if dtype is torch.float64:
            for name, gradient in found[0][1].items():
                torch.testing.assert_close(gradient, found[1][1][name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bias", [True, False])
def test_a_tied_output_layer_is_torchs(bias: bool) -> None:
    module, peer = module_of(TIED.replace("BIAS", str(bias).lower())), Tied(bias)
    assert {n: v.shape for n, v in module.state_dict().items()} == {n: v.shape for n, v in peer.state_dict().items()}
    assert_trains_alike(module, peer, torch.randint(20, (1, 6)), torch.randint(20, (2, 3)))


def test_a_tie_stays_a_tie() -> None:
    module = module_of(TIED.replace("BIAS", "false"))
    for other in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module)), copy.deepcopy(module).double()):
        state = other.state_dict()
        assert state["wte.weight"].data_ptr() == state["lm_head.weight"].data_ptr()
        assert sum(p.numel() for p in other.parameters()) == 20 * 16 + 32
    graph = graph_of(TIED.replace("BIAS", "false"))
    assert "lm_head.weight" in graph.tensor_shapes() and written(graph).count("param ") == 1


def forms_of(text: str, name: str = "Net") -> dict[str, Callable[[], nn.Module]]:
    """The module, and those of the Python and of the spec that are written of it, all with the same weights."""
    module, graph, space = module_of(text), graph_of(text), {}
    exec(to_python(graph), space)
    made = {"fx": module, "py": space[name](), "arch": module_of(written(graph))}
    for other in made.values():
        other.load_state_dict(module.state_dict())
    return {form: partial(copy.deepcopy, other) for form, other in made.items()}


def test_a_tied_layer_can_be_hooked_replaced_untied_and_deleted() -> None:
    for form, make in forms_of(TIED.replace("BIAS", "true")).items():
        t, module = torch.randint(20, (2, 6)), make()
        assert type(module.wte) is nn.Embedding and type(module.lm_head) is nn.Linear, form
        assert module.lm_head.weight is module.wte.weight
        seen: list[str] = []
        module.wte.register_forward_hook(lambda *_, seen=seen: seen.append("wte"))
        module.lm_head.register_full_backward_hook(lambda *_, seen=seen: seen.append("lm_head"))
        module(t).sum().backward()
        assert seen == ["wte", "lm_head"], form
        module.lm_head.weight = nn.Parameter(torch.zeros(20, 16))
        torch.testing.assert_close(module(t), module.lm_head.bias.expand(2, 6, 20), rtol=0, atol=0)
        assert module.wte.weight.abs().sum() > 0 and len(list(module.parameters())) == 5
        module.lm_head = nn.Linear(16, 7)
        assert module(t).shape == (2, 6, 7)
        module.lm_head = nn.Identity()
        torch.testing.assert_close(module(t), module.norm(module.wte(t)), rtol=0, atol=0)
        del module.lm_head
        with pytest.raises((ArchError, AttributeError), match="lm_head"):
            module(t)


def test_checkpoints_with_one_name_of_a_tie_or_both_load() -> None:
    net = archc.loads(TIED.replace("BIAS", "false"))
    state = net.module(seed=1).state_dict()
    for left_out in ((), ("wte.weight",), ("lm_head.weight",)):
        module = net.module()
        load_weights(module, {name: value for name, value in state.items() if name not in left_out})
        assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("bias", ["true", "false"])
def test_a_layer_whose_weight_is_computed_is_called_with_it(bias: str) -> None:
    text = TIED.replace("BIAS", bias).replace("weight = table)\n}", "weight = 2 * table)\n}")
    for form, make in forms_of(text).items():
        t, module = torch.randint(20, (2, 6)), make()
        seen: list[int] = []
        module.lm_head.register_forward_hook(lambda _, inputs, __, seen=seen: seen.append(len(inputs)))
        module(t)
        assert seen == [2], form
        module.lm_head = nn.Bilinear(16, 16, 3)
        with pytest.raises(RuntimeError, match="dimensions"):
            module(t)
        del module.lm_head
        with pytest.raises((ArchError, AttributeError), match="lm_head"):
            module(t)


TREES = {
    "table at the top": (
        "input t: int [N, 6]\n param w = normal([16, 16])\n"
        " output (t -> embedding(16, 16, weight = w)) -> a: linear(16, weight = w)"
        " -> b: linear(16, bias = false, weight = w)",
        {"a": nn.Linear, "b": nn.Linear},
    ),
    "named by the last": (
        "input x: [N, 16]\n param w = b.weight: normal([16, 16])\n"
        " output x -> a: linear(16, weight = w) -> relu -> b: linear(16, bias = false, weight = w)",
        {"a": nn.Linear, "b": nn.Linear},
    ),
    "all weights given, in another order": (
        "input x: [N, 16]\n param b = f.bias: zeros([16])\n param w = f.weight: normal([16, 16])\n"
        " output x -> f: linear(16, weight = w, bias = b)",
        {"f": nn.Linear},
    ),
    "in a list": (
        "input x: [N, 16]\n param w = normal([16, 16])\n"
        " output x -> f: [linear(16, weight = w), relu, linear(16, bias = false, weight = w)]",
        {"f.0": nn.Linear, "f.2": nn.Linear},
    ),
    "convolutions that pad unevenly, or have a computed bias": (
        "input x: [N, 3, 9, 9]\n param w = normal([8, 3, 3, 3])\n param v = zeros([8])\n"
        " output (x -> a: conv(8, 3, padding = [[0, 2], [1, 1]], weight = w, bias = v))"
        " + (x -> c: conv(8, 3, weight = w, bias = 2 * v))",
        {"a": nn.Conv2d},
    ),
    "frozen": (
        "input x: [N, 16]\n param w = f.weight: normal([16, 16])\n"
        " output x -> frozen(f: linear(16, weight = w)) -> relu",
        {"f": nn.Linear},
    ),
    "beside layers that start alike": (
        "input t: int [N, 6]\n default linear(init = trunc_normal(std = 0.5))\n param w = e.weight: zeros([20, 16])\n"
        " h = t -> embedding(20, 16, weight = w) -> a: linear(16) -> b: linear(16)\n"
        " output h -> head: linear(20, bias = false, weight = w)",
        {"e": nn.Embedding, "head": nn.Linear},
    ),
}


@pytest.mark.parametrize("case", TREES)
def test_layers_with_given_weights_are_torchs_wherever_they_stand(case: str, tmp_path: Path) -> None:
    body, classes = TREES[case]
    text = f"arch Net {{\n {body} }}"
    made = {form: make() for form, make in forms_of(text).items()}
    x = torch.randint(16, (2, 6)) if "int" in body else torch.randn(2, *graph_of(text).inputs[0].nominal[1:])
    made["networkx"] = archc.from_graph(archc.loads(text).graph).module()
    made["networkx"].load_state_dict(made["fx"].state_dict())
    for form, module in made.items():
        assert {name: type(module.get_submodule(name)) for name in classes} == classes, form
        assert list(module.state_dict()) == list(made["fx"].state_dict())
        assert torch.equal(module(x), made["fx"](x))
        grads = [p.requires_grad for p in module.parameters()]
        assert grads == [p.requires_grad for p in made["fx"].parameters()]
    net = archc.loads(text)
    to_py(net.module(), net.ir, tmp_path / "net.py", fresh=True)


def test_an_unlabelled_layer_that_owns_a_bias_keeps_its_names() -> None:
    text = "arch Net { input x: [N, 16]  param w = e.weight: normal([16, 16])  output x -> linear(16, weight = w) }"
    assert list(module_of(text).state_dict()) == ["e.weight", "linear.bias"]


def test_a_shared_layer_with_a_given_weight_has_no_text_and_says_so() -> None:
    text = "arch Net { input x: tokens [N, 4, 16]  param w = normal([16, 16])  shared f = linear(16, weight = w)"
    with pytest.raises(ArchError, match="`f` is shared"):
        written(graph_of(f"{text}  output x -> f -> relu -> f }}"))


def test_what_a_tied_layer_owns_starts_as_torchs_does() -> None:
    bias = module_of(TIED.replace("BIAS", "true")).state_dict()["lm_head.bias"]
    assert 0 < bias.abs().max() <= 0.25 and bias.std() > 0.05


def test_standardised_weights_are_the_papers() -> None:
    module, peer = module_of(STANDARD), nn.Sequential()
    peer.conv1, peer.relu, peer.conv2 = Standardised(3, 8, 3, 1, 1), nn.ReLU(), Standardised(8, 4, 3, 2, 1)
    names = [f"conv{i}.{name}" for i in (1, 2) for name in ("weight", "gain", "bias")]
    assert list(module.state_dict()) == names
    assert_trains_alike(module, peer, torch.randn(1, 3, 9, 9), torch.randn(2, 3, 9, 9))
    claims = f"expect params == {8 * 29 + 4 * 74}\n expect macs == {8 * 27 * 81 + 4 * 72 * 25}\n expect depth == 2"
    archc.loads(STANDARD.removesuffix("}") + claims + "}")


CALLS = [
    ("x: [N, 4, 7, 7]", "conv(6, 3, 2, groups = 2{})", [6, 2, 3, 3]),
    ("x: [N, 4, 7, 7]", 'conv(6, [3, 2], 2, padding = "same"{})', [6, 4, 3, 2]),
    ("x: [N, 4, 7, 7]", 'conv(6, 3, padding_mode = "circular", dilation = 2{})', [6, 4, 3, 3]),
    ("x: [N, 4, 7]", 'conv(6, 3, padding = "valid"{})', [6, 4, 3]),
    ("x: [N, 4, 5, 5, 5]", "conv(6, 3{})", [6, 4, 3, 3, 3]),
    ("x: [N, 4, 7, 7]", "dwconv(3, multiplier = 2{})", [8, 1, 3, 3]),
    ("x: [N, 4, 7, 7]", "upconv(6, 3, 2, padding = 1, output_padding = 1, groups = 2{})", [4, 3, 3, 3]),
    ("x: tokens [N, 5, 4]", "linear(6{})", [6, 4]),
    ("x: [N, 4, 1, 1]", "linear(6{})", [6, 4]),
]


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize(("given", "call", "shape"), CALLS)
def test_a_given_weight_does_what_a_layers_own_does(given: str, call: str, shape: list[int], bias: str) -> None:
    head = f"arch Net {{\n input {given}\n"
    own = f"{head} output x -> f: {call.format(f', bias = {bias}')} }}"
    tied = (
        f"{head} param w = f.weight: normal({shape})\n output x -> f: {call.format(f', bias = {bias}, weight = w')} }}"
    )
    computed = (
        f"{head} param w = f.w: normal({shape})\n output x -> {call.format(f', bias = {bias}, weight = 2 * w')} }}"
    )
    x = torch.randn(2, *graph_of(own).inputs[0].nominal[1:])
    assert_trains_alike(module_of(own), module_of(tied), x, x[:1])
    module, layer = module_of(computed), module_of(own)
    with torch.no_grad():
        for value, own_value in zip(module.state_dict().values(), layer.state_dict().values(), strict=True):
            own_value.copy_(value * (1 + (value.dim() > 1)))
    assert torch.equal(module(x), layer(x))
    for text in (tied, computed):
        written(graph_of(text))


def test_weights_have_the_names_that_a_spec_gives_them() -> None:
    text = "arch Net {\n input x: [N, 3, 8, 8]\n param a = stem.dense.w3: normal([8, 3, 3, 3])\n"
    text += ' param b = "w-1": normal([8])\n output x -> conv(8, 3, weight = a, bias = twin.b: b) }'
    module = module_of(text)
    assert list(module.state_dict()) == ["w-1", "stem.dense.w3", "twin.b"]
    assert len(list(module.parameters())) == 2
    assert graph_of(written(graph_of(text))).tensor_shapes() == graph_of(text).tensor_shapes()


@pytest.mark.parametrize(
    ("body", "code", "part"),
    [
        ("param w = normal([8, 3, 1, 1])\n output x -> conv(8, 3, weight = w)", "E0405", "[8, 3, 3, 3]"),
        ("output x -> conv(8, 3, weight = x)", "E0405", "[8, 3, 3, 3]"),
        ("output x -> conv(8, 3, weight = 2)", "E0303", "weight"),
        ("param w = normal([8, 3, 3, 3])\n output x -> conv(weight = w, bias = x)", "E0303", "needs `channels`"),
        ("param w = normal([8])\n output x -> relu(weight = w)", "E0303", "weight"),
    ],
)
def test_weights_that_do_not_fit_are_refused(body: str, code: str, part: str) -> None:
    with pytest.raises(ArchError) as caught:
        archc.loads(f"arch Net {{\n input x: [N, 3, 8, 8]\n {body} }}")
    found = [d for d in caught.value.diagnostics if d.code == code]
    assert found and part in found[0].message


@pytest.mark.parametrize("text", [TIED.replace("BIAS", "true"), STANDARD], ids=["tied", "standardised"])
def test_networkx_takes_them_back(text: str) -> None:
    net = archc.loads(text)
    again = archc.from_graph(net.graph)
    module, other = net.module(seed=0), again.module()
    assert list(module.state_dict()) == list(other.state_dict())
    other.load_state_dict(module.state_dict())
    x = torch.randint(0, 20, (2, 6)) if "int" in text else torch.randn(2, 3, 9, 9)
    assert torch.equal(module.eval()(x), other.eval()(x))
    assert net.equivalent(again).verdict == "equal"


@pytest.mark.parametrize("names", [["weight", "weight"], ["gain"], ["weight", "bias", "gain"]])
def test_networkx_refuses_other_names(names: list[str]) -> None:
    graph = archc.loads(STANDARD).graph
    node = next(key for key, data in graph.nodes.items() if data.get("given"))
    graph.nodes[node]["given"] = names
    with pytest.raises(ArchError) as error:
        archc.from_graph(graph)
    assert error.value.diagnostics[0].code == "E0303"


def test_a_factor_of_a_weight_is_part_of_what_is_computed() -> None:
    text = "arch A { input x: [N, 3, 8, 8]  param w = ones([4, 3, 3, 3])  output x -> conv(4, 3, weight = w * %d) }"
    assert archc.loads(text % 2).equivalent(archc.loads(text % 3)).verdict != "equal"
