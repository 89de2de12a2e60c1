"""Identity layers: a deeper network that computes the shallower one, new or from its checkpoint."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archc

from .random_nets import Net, agree, double, image, nets

NET = """
arch Net {
  input x: [N, 4, 8, 8]
  input t: tokens [N, 5, 6]
  shared cell = [conv(4, 3), bn, relu]
  h = x -> cell -> cell -> unit: (id + conv(4, 3) -> relu)
  output scores = h -> features: [conv(4, 3), relu] -> gap -> flatten -> fc: linear(4)
  output t -> embed: linear(3)
}"""


def test_every_place() -> None:
    net = archc.loads(NET)
    after = ["cell", "unit", "unit.conv", "features.0", "fc"]
    deeper = net.rewrite("insert_identity", after=after)
    plain = double(net)
    module = double(deeper, plain.state_dict())
    inputs = image(2, 4, 8, 8), image(2, 5, 6)
    assert agree(module, plain, *inputs, atol=1e-13)
    new = set(module.state_dict()) - set(plain.state_dict())
    convs = {"cell.3.conv.weight", "unit.identity.conv.weight", "unit.identity_2.conv.weight", "features.2.conv.weight"}
    assert {name for name in new if "bn." not in name} == {*convs, "identity.linear.weight"}
    assert all(
        torch.equal(tensor, plain.state_dict()[name]) for name, tensor in module.state_dict().items() if name not in new
    )
    again = double(deeper, module.state_dict())
    assert agree(again, module, *inputs, atol=0)


def test_it_is_exact_in_torchs_arithmetic() -> None:
    net = archc.loads(NET)
    plain = net.module(seed=0).eval()
    with_norm = net.rewrite("insert_identity", after=["features.1", "unit"], relu=True, kernel=5).module(seed=1).eval()
    missing, _ = with_norm.load_state_dict(plain.state_dict(), strict=False)
    assert all("identity" in name or name.startswith("features.2") for name in missing)
    x, t = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 6)
    for ours, theirs in zip(with_norm(x, t).values(), plain(x, t).values(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-7)


def test_without_norms_training_is_the_same_and_tokens_are_taken() -> None:
    net = archc.loads(NET)
    deeper = net.rewrite("insert_identity", after=["cell.2", "embed"], batch_norm=False)
    plain = double(net)
    module = double(deeper, plain.state_dict())
    inputs = image(2, 4, 8, 8), image(2, 5, 6)
    assert agree(module.train(), plain.train(), *inputs, atol=0)
    weight = module.get_parameter("cell.3.conv.weight")
    assert weight.requires_grad and weight.sum() == 4


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(net=nets(), kernel=st.sampled_from([1, 3]), batch_norm=st.booleans(), relu=st.booleans())
def test_random_nets(net: Net, kernel: int, batch_norm: bool, relu: bool) -> None:
    before = net.architecture
    after = ["stem", *(label for label in net.units if net.units[label] != "cell")]
    if relu:
        after = [label for label in after if net.text.split(f"{label}: ")[1].split("\n")[0].endswith("relu)")]
    deeper = before.rewrite("insert_identity", after=after, kernel=kernel, batch_norm=batch_norm, relu=relu)
    plain = double(before)
    x = image(2, 3, 8, 8)
    assert agree(double(deeper, plain.state_dict()), plain, x)
    fresh = deeper.module(seed=0, dtype="float64").eval()
    shallow = before.module(seed=0, dtype="float64").eval()
    shallow.load_state_dict({name: fresh.state_dict()[name] for name in shallow.state_dict()})
    assert agree(fresh, shallow, x, atol=1e-6) or pytest.fail("a new network does not start as the identity")


def test_names_that_were_left_out_are_not_used_again() -> None:
    net = archc.loads("arch A { input x: [N, 4, 8, 8]  output x -> s: [conv(4, 1), [conv: conv(4, 1)]] -> gap }")
    deeper = net.rewrite("remove", modules="s.1").rewrite("insert_identity", after="s.0", batch_norm=False)
    assert list(deeper.module().state_dict()) == ["s.0.weight", "s.2.conv.weight"]
    state = double(deeper).state_dict()
    assert torch.equal(double(deeper, state).state_dict()["s.2.conv.weight"], state["s.2.conv.weight"])
