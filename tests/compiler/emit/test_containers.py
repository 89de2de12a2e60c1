"""Numbered scopes: indexed as users index `nn.Sequential`, and called where that is right."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from graphs import Net, chain, images, small
from torch import nn

import archc
from archc.compiler.emit.fx import to_graph_module

PLAIN = """arch A {
  input x: [N, 3, 8, 8]
  output x -> features: [conv(4, 3), relu, [conv(5, 3), relu]] -> gap -> flatten -> classifier: [linear(7), linear(2)]
}"""


def module(text: str = PLAIN) -> nn.Module:
    return archc.loads(text).module(seed=0)


def test_a_row_of_layers_is_a_sequential_that_computes_its_part():
    net = module().eval()
    assert type(net.features) is nn.Sequential and type(net.classifier) is nn.Sequential
    x = images(size=8)
    assert torch.equal(net.classifier(net.features(x).mean((2, 3))), net(x))
    assert isinstance(net.features[1], nn.ReLU) and len(net.classifier) == 2
    assert [type(layer) for layer in net.classifier] == [nn.Linear, nn.Linear]
    assert isinstance(net.features[:2], nn.Sequential) and net.features[-1][0].out_channels == 5


def test_a_replaced_layer_is_the_one_that_runs():
    net = module()
    net.classifier[1] = nn.Linear(7, 9)
    x = images(size=8)
    assert net(x).shape == (2, 9)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other(x).shape == (2, 9) and type(other.classifier) is nn.Sequential
        assert list(other.state_dict()) == list(net.state_dict())
    torch._dynamo.reset()
    assert torch.compile(net, backend="eager", fullgraph=True)(x).shape == (2, 9)


def test_blocks_in_a_row_are_a_sequential():
    net = to_graph_module(small())
    assert type(net.layer1) is nn.Sequential and len(net.layer1) == 2
    assert net.layer1[1].conv1 is next(iter(net.layer1[1:])).conv1
    assert type(net.layer1[0].downsample) is nn.Sequential


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("conv(4, 3), sum(id, id), conv(4, 3)", 1),
        ("conv(4, 3), relu, sum(id, id)", 2),
        ("sum(id, id), conv(4, 3), relu", 0),
    ],
)
def test_a_function_of_one_tensor_twice_is_a_module_in_its_place(body: str, place: int):
    made = module(f"arch A {{ input x: [N, 3, 8, 8]  output x -> part: [{body}] }}")
    assert type(made.part) is nn.Sequential and len(made.part) == 3
    x = images(size=8)
    assert torch.equal(made.part[place](x), x + x) and torch.equal(made.part(x), made(x))


def test_where_numbers_are_missing_the_others_are_found_by_them():
    """Which functions are the one element, and which the other, nothing says."""
    made = module(
        "arch A { input x: [N, 3, 8, 8]  output x -> part: [conv(4, 3), id * 0.5 + 1, clamp(0, 1), conv(4, 3)] }"
    )
    assert list(made.state_dict()) == ["part.0.weight", "part.3.weight"]
    assert made.part[3] is made.part[-1] and len(made.part) == len(list(made.part)) == 2
    assert list(made.part[1:]) == [made.part[3]] and type(made.part[1:]) is nn.ModuleList
    x = images(size=8)
    assert torch.equal(made.part(x), made(x))
    with pytest.raises(IndexError, match="no module is called 1 here: there are 0, 3"):
        _ = made.part[1]
    with pytest.raises(archc.ArchError, match="nothing can be added to `part`: its modules are called by"):
        made.part.append(nn.ReLU())
    made.part[3] = nn.Conv2d(4, 6, 1)
    for other in (made, copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other(images(size=8)).shape == (2, 6, 8, 8) and other.part[3].out_channels == 6


def test_what_to_do_instead_of_an_addition_is_python():
    part = "part: [conv(4, 3), id * 0.5 + 1, clamp(0, 1), conv(4, 3)]"
    made = module(f"arch A {{ input x: [N, 3, 8, 8]  output x -> a: [conv(4, 3), {part}] }}")
    with pytest.raises(archc.ArchError, match="nothing can be added") as error:
        made.a.part.append(nn.ReLU())
    exec(error.value.diagnostics[0].hints[0].split("`")[1], {"m": made, "torch": torch, "more": nn.ReLU()})
    assert made(images(size=8)).min() >= 0


def test_a_row_that_applies_a_layer_twice_is_called_as_that():
    net = Net()
    x = net.input("image")
    first = net("part.0", "conv", x, channels=3, kernel=3)
    second = net("part.1", "relu", first)
    net.output(net("", net.graph.nodes[first[0]].op, second, owner=first))
    made = to_graph_module(net.graph)
    assert not isinstance(made.part, nn.Sequential)
    values = images()
    assert torch.equal(made(values), made.part[0](made.part[1](made.part[0](values))))
    assert torch.equal(made(values), made.part(values))


def test_layers_side_by_side_are_called_with_what_they_take():
    net = Net()
    x = net.input("image")
    a = net("part.0", "relu", x)
    b = net("part.1", "conv", x, channels=3, kernel=1)
    net.output(a, b)
    made = to_graph_module(net.graph)
    assert not isinstance(made.part, nn.Sequential)
    for one, other in zip(made(images()), made.part(images()), strict=True):
        assert torch.equal(one, other)


def test_what_data_leaves_and_comes_back_to_says_that_it_is_not_called():
    net = Net()
    x = net.input("image")
    a = net("part.0", "relu", x)
    b = net("part.1", "conv", net("between", "relu", a), channels=3, kernel=1)
    net.output(b)
    made = to_graph_module(net.graph)
    assert isinstance(made.part, nn.ModuleList) and len(made.part) == 2 and type(made.part[:1]) is nn.ModuleList
    assert "not called as one: data leaves it and comes back through `between`" in repr(made)
    with pytest.raises(archc.ArchError, match="data leaves it and comes back through `between`") as caught:
        made.part(images())
    assert [d.code for d in caught.value.diagnostics] == ["E0809"]
    for hook in ("forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"):
        with pytest.warns(UserWarning, match="never runs, as the scope is not called as one: data leaves it"):
            getattr(made.part, f"register_{hook}")(lambda *_: None)
    other = pickle.loads(pickle.dumps(to_graph_module(net.graph)))
    assert "comes back through `between`" in repr(copy.deepcopy(other)) and other(images()).shape == (2, 3, 32, 32)


def test_what_takes_another_part_at_each_application_says_that_a_call_cannot_name_it():
    net = archc.load("tied_resnet_cifar").module(device="meta")
    with pytest.raises(archc.ArchError, match="each time with another part of `norm2`, and a call cannot say which"):
        net.unit1.cell(images())
    with pytest.warns(UserWarning, match="never runs"):
        net.unit1.cell.register_forward_hook(lambda *_: None)
    assert "each application of `unit1.cell` uses another module of this list" in repr(net.unit1.cell.norm2)


def test_a_layer_whose_input_is_prepared_is_not_called_blindly():
    """Nothing without tensors stands before the layer to take the function."""
    made = module("arch A { input x: [N, 3, 8, 8]  output x -> gap -> head: [linear(4), relu] }")
    assert list(made.head._modules) == ["flatten", "0", "1"] and made(images(size=8)).shape == (2, 4)
    assert made.head(images(size=1)).shape == (2, 4) and made.head.get_submodule("0").out_features == 4
    made = module("arch A { input x: [N, 3, 8, 8]  output x -> gap -> head: (fc: linear(4) -> relu: relu) }")
    assert not isinstance(made.head, nn.Sequential) and made.head(images(size=1)).shape == (2, 4)


def test_a_long_row():
    made = to_graph_module(chain(500))
    x = torch.randn(1, 2, 4, 4)
    assert torch.equal(made.layers(x), made(x)) and len(made.layers) == 500
