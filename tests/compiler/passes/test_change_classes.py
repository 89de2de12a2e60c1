"""Another number of classes: the heads start anew, all other tensors stay."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings

import archc
from archc.compiler.emit.weights import load_weights

from .random_nets import Net, agree, double, image, nets


def test_a_head_and_an_auxiliary_one() -> None:
    net = archc.load("inception_v3")
    rows, before = (
        {row.path: row.parameters for row in n.stats().rows} for n in (net.rewrite("change_classes", classes=10), net)
    )
    changed = {path for path in before if rows[path] != before[path]}
    assert changed == {"fc", "AuxLogits", "AuxLogits.fc"} and rows.keys() == before.keys()
    assert rows["fc"] == 10 * 2048 + 10 and rows["AuxLogits.fc"] == 10 * 768 + 10


def test_checkpoints() -> None:
    net = archc.loads(
        "arch A { input x: [N, 3, 8, 8]  output x -> c: conv(4, 3) -> bn -> gap -> fc: linear(6) -> softmax }"
    )
    other = net.rewrite("change_classes", classes=3)
    plain, module = double(net), other.module(seed=5, dtype="float64")
    fresh = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    load_weights(module, plain.state_dict(), other.ir)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, fresh[name] if name.startswith("fc.") else plain.state_dict()[name]), name
    again = double(other, module.state_dict())
    assert all(torch.equal(tensor, module.state_dict()[name]) for name, tensor in again.state_dict().items())
    lacking = {name: tensor for name, tensor in plain.state_dict().items() if name != "c.weight"}
    with pytest.raises(archc.ArchError, match=r"lacks 1 tensor of the module:\n  c\.weight"):
        load_weights(module, lacking, other.ir)


def test_a_checkpoint_with_another_head() -> None:
    """One that was fitted to 21 classes is as good as one of the network itself: the head starts anew."""
    net = archc.load("resnet18")
    other = net.rewrite("change_classes", classes=7)
    source = net.rewrite("change_classes", classes=21).module(seed=0).state_dict()
    module = other.module(weights=source, seed=1)
    started = other.module(seed=1)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, started.state_dict()[name] if name.startswith("fc.") else source[name])
    thinner = {name: tensor[:, :3] if name.endswith("fc.weight") else tensor for name, tensor in source.items()}
    with pytest.raises(archc.ArchError, match="E0813"):
        other.module(weights=thinner)


def test_what_starts_anew_is_told() -> None:
    """Of checkpoints with another head, where they are given; not of those that have it, or after other rewrites."""
    net = archc.loads("arch N { input x: [N, 3, 8, 8]  output x -> a: conv(4, 3) -> gap -> fc: linear(6) }")
    other = net.rewrite("change_classes", classes=5)
    for rewritten in (other, other.rewrite("convolutionalize")):
        for weights in (net.module(), net.rewrite("change_classes", classes=7).module()):
            for use in (rewritten.module, rewritten.optimized):
                with pytest.warns(UserWarning, match=r"another one, and new: fc\.bias, fc\.weight$") as told:
                    use(weights=weights.state_dict())
                assert [Path(one.filename) for one in told] == [Path(__file__)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other.module(weights=other.module())
        net.rewrite("convolutionalize").module(weights=net.module())


PYRAMID = """arch Pyramid {
  input image: [N, 3, 16 * h, 16 * w] = [1, 3, 64, 64]
  c1 = image -> stem: [conv(8, 3, 2), relu]
  c2 = c1 -> stage: [conv(8, 3, 2), relu]
  shared cls = [conv(8, 3), relu, conv(9, 3)]
  shared box = [conv(8, 3), relu, conv(4, 3)]
  output p1 = (c1 -> cls, c1 -> box)
  output p2 = (c2 -> cls, c2 -> box)
}"""


def channels(net: archc.Architecture) -> list[list[int]]:
    outputs = net.module().eval()(torch.rand(1, 3, 32, 32)).values()
    return [[tensor.shape[1] for tensor in output] for output in outputs]


def test_which_heads_changed_is_told() -> None:
    """Of a detector, whose outputs are classes and boxes, and where `modules` chooses."""
    net = archc.loads(PYRAMID)
    other, boxes = net.rewrite("change_classes", classes=5), net.rewrite("change_classes", classes=5, modules="box.2")
    assert channels(other) == [[5, 4], [5, 4]] and other.notes["heads"] == ["cls.2"]
    assert channels(boxes) == [[9, 5], [9, 5]] and boxes.notes["heads"] == ["box.2"]
    both = net.rewrite("change_classes", classes=5, modules=["box.2", "cls.2"])
    assert channels(both) == [[5, 5], [5, 5]] and both.notes["heads"] == ["cls.2", "box.2"]
    loaded = boxes.module(weights=net.module())
    assert loaded.get_parameter("cls.2.weight").shape[0] == 9
    for wrong, code in (("stem.1", "E0457"), ("stem", "E0443"), ("stem.0", "E0457"), ("nowhere", "E0443")):
        with pytest.raises(archc.ArchError, match=code):
            net.rewrite("change_classes", classes=5, modules=wrong)
    with pytest.raises(archc.ArchError, match=r"E0440.*gives 4 classes already"):
        net.rewrite("change_classes", classes=4, modules="box.2")


def test_a_head_that_is_rewritten_further() -> None:
    net = archc.load("resnet18")
    maps = net.rewrite("change_classes", classes=10).rewrite("convolutionalize").rewrite("fold_batch_norm")
    plain, module = net.module(seed=0), maps.module(seed=1)
    head = module.get_parameter("fc.weight").detach().clone()
    load_weights(module, plain.state_dict(), maps.ir)
    assert torch.equal(module.get_parameter("fc.weight"), head) and head.shape == (10, 512, 1, 1)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(net=nets())
def test_random_nets(net: Net) -> None:
    before = net.architecture
    if "fc: linear(3)" not in net.text:
        return
    other = before.rewrite("change_classes", classes=5)
    written = archc.loads(net.text.replace("fc: linear(3)", "fc: linear(5)"))
    module, meant = double(other, double(before).state_dict()), double(written)
    load_weights(
        module, {**module.state_dict(), **{k: v for k, v in meant.state_dict().items() if k[:3] == "fc."}}, other.ir
    )
    load_weights(meant, module.state_dict(), written.ir)
    assert agree(module, meant, image(2, 3, 8, 8), atol=0)
    state, old = module.state_dict(), double(before).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in old.items() if not name.startswith("fc."))
