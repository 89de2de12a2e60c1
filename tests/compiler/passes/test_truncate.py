"""Networks that end earlier give what the whole gives there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import Net, agree, double, image, nets
from torch import Tensor, nn

import archc


def written(body: str) -> archc.Architecture:
    return archc.loads(f"arch A {{ {body} }}")


def features(module: nn.Module, paths: list[str], *inputs: Tensor) -> dict[str, Tensor]:
    """What modules with a forward of their own return while the whole runs."""
    found: dict[str, Tensor] = {}

    def keep(path: str) -> Any:
        return lambda _, __, result: found.__setitem__(path, result.clone())  # rectifiers may overwrite it

    hooks = [module.get_submodule(path).register_forward_hook(keep(path)) for path in paths]
    with torch.no_grad():
        module(*inputs)
    for hook in hooks:
        hook.remove()
    return found


def test_a_network_up_to_a_stage() -> None:
    net = archc.load("resnet18")
    whole = double(net)
    short = net.rewrite("truncate", at="layer2")
    module = double(short, whole.state_dict())
    x = image(1, 3, 64, 64)
    wanted = features(whole, ["layer2.1.relu_2"], x)["layer2.1.relu_2"]
    assert torch.equal(module(x), wanted) and wanted.shape == (1, 128, 8, 8)
    assert all(name.startswith(("conv1", "bn1", "layer1", "layer2")) for name in module.state_dict())
    assert short.stats().depth == 1 + 4 + 4 and list(short.ir.root.children)[-1] == "layer2"
    assert agree(module, double(short, module.state_dict()), x)


def test_taps() -> None:
    net = archc.load("resnet18")
    whole = double(net)
    tapped = net.rewrite("taps", at=["layer1", "layer4.1", "layer2.0.conv1", "fc"])
    module = double(tapped, whole.state_dict())
    x = image(1, 3, 64, 64)
    found = module(x)
    paths = ["layer1.1.relu_2", "layer4.1.relu_2", "layer2.0.conv1", "fc"]
    wanted = features(whole, paths, x)
    assert list(found) == ["layer1", "layer4_1", "layer2_0_conv1", "fc"]
    assert all(torch.equal(a, wanted[path]) for a, path in zip(found.values(), paths, strict=True))
    assert module.state_dict().keys() == whole.state_dict().keys()


def test_what_is_not_needed_is_gone_inputs_too() -> None:
    net = written("""
      input a: [N, 3, H, W] = [1, 3, 16, 16]
      input b: [N, 3, K, K] = [1, 3, 8, 8]
      f = a -> left: conv(4, 3, 2) -> bn
      g = b -> right: conv(4, 3)
      output (f + (g -> head: conv(4, 1))) -> end: conv(2, 1)
      output aux = f -> aux: conv(1, 1) when training
    """)
    short = net.rewrite("truncate", at="right")
    assert [entry.name for entry in short.ir.inputs] == ["b"] and short.ir.nominal.keys() == {"N", "K"}
    assert list(short.module(seed=0).state_dict()) == ["right.weight"]
    assert short.module(seed=0)(torch.zeros(2, 3, 5, 5)).shape == (2, 4, 5, 5)
    assert not short.ir.requirements.describe() and net.ir.requirements.describe()
    assert [o.when_training for o in net.rewrite("taps", at="aux").ir.outputs] == [False]


def test_a_later_application_owns_what_is_shared_where_the_first_is_gone() -> None:
    net = written("""
      input a: [N, 3, 8, 8]
      input b: [N, 3, 8, 8]
      shared f = frozen(c: conv(4, 3) -> n: bn)
      left = a -> f -> left: conv(4, 1)
      output left ++ (b -> f -> right: conv(4, 1))
    """)
    short = net.rewrite("truncate", at="right")
    whole = double(net)
    module = double(short, whole.state_dict())
    names = [name for name in whole.state_dict() if name != "left.weight"]
    assert sorted(module.state_dict()) == sorted(names)
    assert not module.get_parameter("f.c.weight").requires_grad and module.get_parameter("right.weight").requires_grad
    x = image(2, 3, 8, 8)
    assert torch.equal(module(x), whole(torch.zeros_like(x), x)[:, 4:])


def test_names_of_outputs() -> None:
    net = written('input x: [N, 3, 8, 8]   output x -> [conv(3, 3), conv(3, 3)] -> "a-b": conv(3, 3) -> lambda_: bn')
    tapped = net.rewrite("taps", at=["0", 1, "a-b", "lambda_"])
    assert [o.name for o in tapped.ir.outputs] == ["_0", "_1", "a_b", "lambda_"]
    assert list(tapped.module(seed=0).eval()(torch.zeros(1, 3, 8, 8))) == ["_0", "_1", "a_b", "lambda_"]


@pytest.mark.parametrize(
    ("body", "at", "code", "message"),
    [
        ("output x -> a: conv(3, 3)", "b", "E0443", "no module `b`"),
        ("output x -> a: (id, conv(3, 3)) -> sum", "a.c", "E0443", "no module"),
        ("output x -> a: (bn -> split(3)) -> concat", "a", "E0446", "gives 3 tensors"),
        ("shared f = conv(3, 3)   output x -> f -> f", "f", "E0446", "applied in 2 places"),
    ],
)
def test_what_is_refused(body: str, at: str, code: str, message: str) -> None:
    for name, path in (("truncate", at), ("taps", [at])):
        with pytest.raises(archc.ArchError, match=message) as error:
            written(f"input x: [N, 3, 8, 8]   {body}").rewrite(name, at=path)
        assert [d.code for d in error.value.diagnostics] == [code]


def test_a_module_is_tapped_once() -> None:
    net = written("input x: [N, 3, 8, 8]   output x -> a: (b: conv(3, 3) -> bn) -> a_b: conv(3, 3)")
    with pytest.raises(archc.ArchError, match="two outputs would be called `a_b`"):
        net.rewrite("taps", at=["a.b", "a_b"])


@settings(max_examples=15)
@given(net=nets(), data=st.data())
def test_random_nets(net: Net, data: st.DataObject) -> None:
    before = net.architecture
    applied = [node for node in before.ir.nodes if node.name and node.op.is_module]
    needed = before.ir.ancestors(v for o in before.ir.outputs if not o.when_training for v in o.values)
    once = [n.path for n in applied if sum(m.owner == n.owner for m in applied) == 1 and needed[n.index]]
    chosen = data.draw(st.lists(st.sampled_from(once), min_size=1, max_size=3, unique=True))
    whole = double(before)
    tapped = double(before.rewrite("taps", at=chosen), whole.state_dict())
    x = image(2, 3, 8, 8)
    wanted = features(whole.eval(), chosen, x)
    found = tapped(x) if len(chosen) > 1 else {"": tapped(x)}
    for path, got in zip(chosen, found.values(), strict=True):
        assert torch.allclose(got, wanted[path], rtol=0, atol=1e-12)


def test_second_names_go_with_what_they_were_applied_in() -> None:
    whole = archc.load("sharesnet34")
    cut = whole.rewrite("truncate", at="features.stage1")
    assert all(path.startswith(("features.init_block.", "features.stage1.")) for path in cut.module().state_dict())
    assert "shared" in cut.source()
