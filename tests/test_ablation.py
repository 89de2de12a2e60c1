"""`archc.ablation`: trained modules without parts of them, reordered, and path by path."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import archc
from archc import ablation
from archc.compiler.analyses.path_samples import PathsByLength


def started(net: archc.Architecture, **options: object) -> torch.fx.GraphModule:
    """A module of the net in evaluation mode, in float64, whose batch norms have statistics of their own."""
    module = net.module(seed=1, dtype=torch.float64, **options)
    generator = torch.Generator().manual_seed(2)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.weight.data, part.bias.data, part.running_mean, part.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype))
    return module.eval()


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def code(call: Callable[[], object]) -> tuple[str, str, str]:
    """The code, the message and the hints of the one error of a call."""
    with pytest.raises(archc.ArchError) as caught:
        call()
    (found,) = caught.value.diagnostics
    return found.code, found.message, " ".join(found.hints)


RESNET = archc.load("resnet_cifar", depth=14)


# --- leaving out -------------------------------------------------------------------------------


def test_residual_modules_are_named_by_their_scopes() -> None:
    assert ablation.residual_modules(RESNET) == [f"layer{i}.{j}" for i in (1, 2, 3) for j in (0, 1)]
    branches = archc.load("multi_resnet26_2_10_cifar")
    assert len(set(ablation.residual_modules(branches))) == branches.paths("module").modules
    assert ablation.residual_modules(archc.load("vgg11")) == []


HEADS = [
    '[maxpool(2, 1, padding = "same"), id * 0.5 + 1, conv(4, 4, padding = "same"), gap, linear(3)]',
    '[conv(4, 3), bn, conv(4, 4, padding = "same"), [relu, gap], linear(3)]',
]


@pytest.mark.parametrize("head", HEADS)
def test_lists_whose_elements_carry_functions_are_taken_as_they_are(head: str) -> None:
    net = archc.loads(f"""
    block unit(c) = id + (conv: conv(c, 3) -> bn: bn -> relu)
    arch A {{
      input x: [N, 4, 8, 8]
      output x -> body: [unit(4) ** 2, unit(4)] -> head: {head}
    }}""")
    whole, x = started(net), images(2, 4, 8, 8)
    a, b, c = (whole.get_submodule(path) for path in ablation.residual_modules(net))
    order = ablation.residual_modules(net)
    assert torch.equal(ablation.lesion(net, whole, [order[1]])(x), whole.head(c(a(x))))
    made = ablation.reorder(net, whole, order[::-1])
    assert torch.equal(made.module(x), whole.head(a(b(c(x))))) and list(made.module.state_dict()) == [
        *whole.state_dict()
    ]


@pytest.mark.parametrize("depth", [8, 14])
def test_a_lesion_is_a_last_batch_norm_of_zeros(depth: int) -> None:
    net = archc.load("resnet_cifar", depth=depth)
    whole, x = started(net), images(1, 3, 8, 8)
    for path in ablation.residual_modules(net):
        zeroed = deepcopy(whole)
        for tensor in zeroed.get_submodule(path).bn2.parameters():
            tensor.data.zero_()
        assert torch.equal(ablation.lesion(net, whole, path)(x), zeroed(x))


class Unit(nn.Module):
    """A pre-activation unit by hand."""

    def __init__(self, before: int, c: int, stride: int):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(before), nn.Conv2d(before, c, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(c), nn.Conv2d(c, c, 3, 1, 1, bias=False)
        self.more, self.stride = c - before, stride

    def forward(self, x: Tensor, whole: bool) -> Tensor:
        shortcut = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        if not whole:
            return shortcut
        return shortcut + self.conv2(self.bn2(self.conv1(self.bn1(x).relu())).relu())


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        for i, (before, c) in enumerate(((4, 4), (4, 8), (8, 16))):
            units = [Unit(before if j == 0 else c, c, 2 if i > 0 and j == 0 else 1) for j in (0, 1)]
            self.add_module(f"stage{i + 1}", nn.ModuleList(units))
        self.bn, self.fc = nn.BatchNorm2d(16), nn.Linear(16, 10)

    def forward(self, x: Tensor, without: set[str]) -> Tensor:
        x = self.conv(x)
        for path in (f"stage{i}.{j}" for i in (1, 2, 3) for j in (0, 1)):
            x = self.get_submodule(path)(x, path not in without)
        return self.fc(self.bn(x).relu().mean((2, 3)))


UNITS = archc.load(Path(__file__).parents[1] / "studies" / "nets.arch", "residual", n=2, width=4)


@settings(max_examples=8)
@given(st.sets(st.sampled_from(ablation.residual_modules(UNITS))))
def test_several_at_once_against_a_net_by_hand(without: set[str]) -> None:
    whole, x = started(UNITS), images(1, 1, 6, 6)
    by_hand = Net().double().eval()
    by_hand.load_state_dict(whole.state_dict())
    torch.testing.assert_close(ablation.lesion(UNITS, whole, without)(x), by_hand(x, without))


def loads(body: str) -> archc.Architecture:
    return archc.loads(f"arch A {{ input x: [N, 4, 8, 8]\n{body}\n}}")


def test_a_scope_stands_for_its_modules_and_a_name_twice_for_one() -> None:
    whole, x = started(RESNET), images(1, 3, 8, 8)
    stage = ablation.lesion(RESNET, whole, "layer2")(x)
    assert torch.equal(stage, ablation.lesion(RESNET, whole, ["layer2.1", "layer2.0", "layer2.1"])(x))
    assert torch.equal(ablation.lesion(RESNET, whole, [])(x), whole(x))


def test_a_chain_is_skipped() -> None:
    net = loads("output x -> body: [[conv(4, 3), bn, relu], [conv(4, 3), bn, relu], [conv(8, 3), bn, relu]] -> gap")
    whole, x = started(net), images(2, 4, 8, 8)
    first, second, third = whole.body
    for paths, left in (("body.0", (second, third)), ("body.1", (first, third)), (["body.0", "body.1"], (third,))):
        assert torch.equal(ablation.lesion(net, whole, paths)(x), nn.Sequential(*left)(x).mean((2, 3), keepdim=True))
    without_norm = nn.Sequential(first[0], first[2], second, third)
    assert torch.equal(ablation.lesion(net, whole, "body.0.1")(x), without_norm(x).mean((2, 3), keepdim=True))
    assert code(lambda: ablation.lesion(net, whole, "body.2"))[:2] == (
        "E0872",
        "`body.2` cannot be skipped: it gets [N, 4, 8, 8] and makes [N, 8, 8, 8]",
    )


def test_what_worked_in_place_leaves_others_alone() -> None:
    net = loads("h = x -> conv: conv(4, 3)  output (h -> bn: bn -> relu: relu -> pool: maxpool(1)) + h")
    whole, x = started(net), images(2, 4, 8, 8)
    assert whole.relu.inplace
    h = whole.conv(x)
    assert torch.equal(ablation.lesion(net, whole, "bn")(x), h.relu() + h)


def test_merges_of_what_is_left() -> None:
    net = loads("output x -> mean(id, a: conv(4, 3), b: conv(4, 5))")
    whole, x = started(net), images(2, 4, 8, 8)
    assert ablation.residual_modules(net) == ["a", "b"]
    assert torch.equal(ablation.lesion(net, whole, "a")(x), (x + whole.b(x)) / 2)
    assert torch.equal(ablation.lesion(net, whole, ["a", "b"])(x), x)
    net = loads("p = x -> a: conv(4, 3)  q = x -> b: conv(4, 3)  output (p - q) + x -> tanh")
    whole = started(net)
    torch.testing.assert_close(ablation.lesion(net, whole, "a")(x), (x - whole.b(x)).tanh())
    torch.testing.assert_close(ablation.lesion(net, whole, "b")(x), (x + whole.a(x)).tanh())
    torch.testing.assert_close(ablation.lesion(net, whole, ["a", "b"])(x), x.tanh())


def test_what_is_shared_goes_wherever_it_is_applied() -> None:
    net = loads("shared f = [conv(4, 3), relu]  h = x + (x -> f)  output h + (h -> f) -> tanh")
    whole, x = started(net), images(2, 4, 8, 8)
    (path,) = ablation.residual_modules(net)
    assert torch.equal(ablation.lesion(net, whole, path)(x), x.tanh())
    net = loads("shared f = [conv(4, 3), relu]  output x -> f -> between: conv(4, 1) -> f")
    whole = started(net)
    assert torch.equal(ablation.lesion(net, whole, "f")(x), whole.between(x))


def test_heads_for_training_stay() -> None:
    net = loads(
        "h = x + (x -> a: conv(4, 3))  output main = h -> gap  output aux = h -> linear: conv(2, 1) when training"
    )
    whole, x = started(net), images(2, 4, 8, 8)
    left = ablation.lesion(net, whole, "a")
    assert left(x)["aux"] is None and torch.equal(left(x)["main"], x.mean((2, 3), keepdim=True))
    assert torch.equal(left.train()(x)["aux"], whole.linear(x))


def test_the_module_stays_as_it_is_and_lends_its_parameters() -> None:
    whole, x = started(RESNET).train(), images(2, 3, 8, 8)
    before, text = {name: tensor.clone() for name, tensor in whole.state_dict().items()}, whole.code
    made = [
        ablation.lesion(RESNET, whole, "layer1.0"),
        ablation.reorder(RESNET, whole, ["layer1.1", "layer1.0"]).module,
    ]
    for module in made:
        assert module.training
        module(x)
        module.eval()
        assert {id(p) for p in module.parameters()} == {id(p) for p in whole.parameters()}
    ablation.path_gradients(RESNET, whole, x, lambda out: out.sum(), 3, 2)
    assert all(torch.equal(before[name], tensor) for name, tensor in whole.state_dict().items())
    assert whole.code == text and all(part.training for part in whole.modules())
    whole.fc.bias.data.add_(1)
    assert torch.equal(made[0].fc.bias, whole.fc.bias)


def test_what_cannot_be_left_out() -> None:
    whole = started(RESNET)
    found, message, hints = code(lambda: ablation.lesion(RESNET, whole, "layer1.7"))
    assert found == "E0871" and "`layer1.7`" in message and "`layer1.1`" in hints
    found, message, hints = code(lambda: ablation.lesion(RESNET, whole, "layer1.1.conv1"))
    assert found == "E0872" and "part of the residual module `layer1.1`" in message
    assert code(lambda: ablation.lesion(RESNET, whole, "fc"))[0] == "E0872"
    assert code(lambda: ablation.lesion(RESNET, whole, [3]))[0] == "E0871"  # type: ignore[list-item]
    joined = loads("a, b = x -> s: [relu, split(2)]  output (a -> p: conv(2, 3)) * (b -> q: conv(2, 3))")
    found, message, _ = code(lambda: ablation.lesion(joined, started(joined), "s"))
    assert found == "E0872" and "1 tensor comes in and 2 go out" in message


def test_columns_that_are_counted_cannot_be_left_out() -> None:
    net = loads("draw c = choice(2)  output drop_mean(0.1, survivor = c)(x -> a: conv(4, 3), x)")
    found, message, hints = code(lambda: ablation.lesion(net, started(net), "a"))
    assert found == "E0872" and "counts its columns" in message and "extract_column" in hints


def test_a_module_of_something_else_is_refused() -> None:
    whole = started(RESNET)
    for other in (
        nn.Linear(1, 1),
        archc.load("vgg11").module(device="meta"),
        ablation.lesion(RESNET, whole, "layer1.0"),
    ):
        assert code(lambda other=other: ablation.lesion(RESNET, other, "layer1.0"))[0] == "E0870"


# --- another order -----------------------------------------------------------------------------


def test_reordering_is_an_exchange_of_weights() -> None:
    net = archc.load("resnet_cifar", depth=20)
    whole, x = started(net), images(1, 3, 8, 8)
    done = ablation.reorder(net, whole, ["layer1.2", "layer1.0", "layer3.2", "layer3.1"])
    exchanged = deepcopy(whole)
    for a, b in (("layer1.0", "layer1.2"), ("layer3.1", "layer3.2")):
        exchanged.get_submodule(a).load_state_dict(whole.get_submodule(b).state_dict())
        exchanged.get_submodule(b).load_state_dict(whole.get_submodule(a).state_dict())
    assert torch.equal(done.module(x), exchanged(x))
    assert done.order[:3] == ("layer1.2", "layer1.1", "layer1.0") and done.order[-2:] == ("layer3.2", "layer3.1")
    assert done.tau == pytest.approx(1 - 2 * 4 / 36)


def test_modules_of_other_layers_and_side_by_side() -> None:
    net = loads(
        "h = x + (x -> a: [conv(4, 3), tanh]) + (x -> b: conv(4, 5))  output h + (h -> c: [bn, relu, conv(4, 1)])"
    )
    whole, x = started(net), images(2, 4, 8, 8)
    a, b, c = whole.a, whole.b, whole.c
    h = x + c(x) + b(x)
    torch.testing.assert_close(ablation.reorder(net, whole, ["c", "a"]).module(x), h + a(h))
    h = x + b(x) + c(x)
    torch.testing.assert_close(ablation.reorder(net, whole, ["b", "c", "a"]).module(x), h + a(h))


def test_orders_that_there_are_not() -> None:
    whole = started(RESNET)
    found, message, _ = code(lambda: ablation.reorder(RESNET, whole, ["layer2.1", "layer1.0"]))
    assert found == "E0874" and "`layer1.0`" in message and "`layer2.1`" in message
    assert code(lambda: ablation.reorder(RESNET, whole, ["layer1.0", "layer1.0"]))[0] == "E0873"
    assert code(lambda: ablation.reorder(RESNET, whole, ["layer1.0", "fc"]))[0] == "E0871"


@settings(max_examples=30)
@given(st.permutations(range(7)))
def test_kendall_tau(order: list[int]) -> None:
    """Each exchange of neighbours, of which a bubble sort makes as few as can be, takes away two of n (n - 1) / 2."""
    row, exchanges = list(order), 0
    for end in range(len(row) - 1, 0, -1):
        for i in range(end):
            if row[i] > row[i + 1]:
                row[i], row[i + 1] = row[i + 1], row[i]
                exchanges += 1
    assert ablation.kendall_tau(order) == pytest.approx(1 - 2 * exchanges / 21)
    with pytest.raises(ValueError):
        ablation.kendall_tau([*order, order[0]])


# --- path by path ------------------------------------------------------------------------------


@st.composite
def dags(draw: st.DrawFn) -> str:
    """A net of layers and merges over any tensors before, some taken twice, of two inputs and two outputs."""
    names, lines = ["x", "y"], ["arch A {", "  input x: [N, 4, 4, 4]  input y: [N, 4, 4, 4]"]
    for i in range(draw(st.integers(1, 5))):
        terms = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))
        merge = draw(st.sampled_from(["sum", "multiply", "mean"]))
        layer = draw(st.sampled_from(["relu", "conv(4, 3)", "bn -> relu", "tanh"]))
        lines.append(f"  t{i} = {merge}(*[{', '.join(terms)}]) -> {layer}")
        names.append(f"t{i}")
    lines += [
        "  param gain = normal([1, 4, 1, 1])",
        "  a, b = x * gain -> conv(4, 1) -> split(2)",
        f"  output all = ({' + '.join(names)}, a * b -> relu)",
    ]
    return "\n".join([*lines, f"  output last = {names[-1]}", "}"])


def loss_of(results: dict[str, Tensor]) -> Tensor:
    (first, second), last = results["all"], results["last"]
    return first.square().mean() + (second.mean() * last.mean()).exp()


@settings(max_examples=10)
@given(dags(), st.sampled_from(["layer", "module"]))
def test_gradients_along_all_paths_add_up(text: str, by: str) -> None:
    net = archc.loads(text)
    module, given = started(net), {"x": images(2, 4, 4, 4), "y": images(2, 4, 4, 4).flip(0)}
    inputs = {name: tensor.clone().requires_grad_() for name, tensor in given.items()}
    whole = torch.autograd.grad(loss_of(module(**inputs)), list(inputs.values()))
    found = {name: torch.zeros_like(tensor) for name, tensor in given.items()}
    counts = net.paths(by).counts
    for length, count in counts.items():
        paths = ablation.path_gradients(net, module, given, loss_of, length, by=by)
        assert len(paths) == count
        for path in paths:
            found[path.input] += path.gradient
    for name, gradient in zip(found, whole, strict=True):
        torch.testing.assert_close(found[name], gradient)


def test_a_path_is_a_product_of_its_modules() -> None:
    """Of linear modules F, G the paths of x + F(x) + G(x + F(x)) are 1, F, G and GF."""
    net = loads("h = x + (x -> f: conv(4, 3))  output h + (h -> g: conv(4, 3))")
    module, x = started(net), images(1, 4, 8, 8)
    for part in (module.f, module.g):
        part.weight.data[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0
    f, g = (part.weight.data[:, :, 1, 1] for part in (module.f, module.g))
    ones = torch.ones(4, dtype=torch.float64)
    wanted = {(): ones, ("f",): f.T @ ones, ("g",): g.T @ ones, ("f", "g"): f.T @ g.T @ ones}
    for length in (0, 1, 2):
        for path in ablation.path_gradients(net, module, x, Tensor.sum, length):
            expected = wanted.pop(path.modules)[None, :, None, None].expand(x.shape)
            torch.testing.assert_close(path.gradient, expected)
            assert path.norm == pytest.approx(float(expected.norm()))
    assert not wanted


@settings(max_examples=10)
@given(dags(), st.sampled_from(["layer", "module"]))
def test_every_path_has_one_number(text: str, by: str) -> None:
    net = archc.loads(text)
    known = PathsByLength(net.ir, by)
    assert known.counts == net.paths(by).counts
    listed = [known.path(length, number) for length, count in known.counts.items() for number in range(count)]
    assert len(set(listed)) == len(listed)
    for path in listed:
        for (source, _), (node, slot) in pairwise(path.steps):
            assert net.ir.nodes[node].inputs[slot][0] == source


def test_paths_are_drawn_evenly_and_the_same_for_a_seed() -> None:
    units = " ".join(f"h{i + 1} = h{i} + (h{i} -> m{i}: conv(1, 3))" for i in range(4))
    net = archc.loads(f"arch A {{ input h0: [N, 1, 2, 2]  {units}  output h4 }}")
    module, x = started(net), images(1, 1, 2, 2)

    def drawn(seed: int) -> list[tuple[str, ...]]:
        return [path.modules for path in ablation.path_gradients(net, module, x, Tensor.sum, 1, 80, seed=seed)]

    first = drawn(0)
    assert first == drawn(0) != drawn(1)
    assert all(8 <= first.count((path,)) <= 32 for path in ablation.residual_modules(net))


def test_gradients_that_there_are_not() -> None:
    module, x = started(RESNET), images(1, 3, 8, 8)

    def call(*given: object, loss: Callable[..., object] = Tensor.sum, **more: object) -> str:
        return code(lambda: ablation.path_gradients(RESNET, module, given[0], loss, *given[1:], **more))[0]  # type: ignore[arg-type]

    assert call(x, 7) == call(x, 1, 0) == call(x, 1, True) == call(x, 1, by="unit") == "E0875"
    assert call((x, x), 1) == call({"y": x}, 1) == call(x.long(), 1) == call(x, 1, loss=lambda out: out) == "E0876"
    deep = archc.load("resnet_cifar", depth=110)
    found, message, hints = code(lambda: ablation.path_gradients(deep, deep.module(device="meta"), x, Tensor.sum, 27))
    assert found == "E0875" and message.startswith("1,946,939,425,648,112 paths") and "count=100" in hints
