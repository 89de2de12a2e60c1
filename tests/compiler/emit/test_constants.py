"""A `const` is a tensor of the module that no checkpoint has, and is the same in whatever archc writes."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from python_compare import built

import archc

TEXT = """
block spread(c) {
  const kernel = constant([[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]] for _ in 0..<c])
  output in -> dwconv(3, 1, weight = kernel)
}
arch A {
  input x: [N, 3, 8, 8]
  const middle = constant([[[0.25]], [[0.5]], [[0.75]]])
  const places: int = constant([2, 0, 1])
  const kept: bool = constant([[[1]], [[0]], [[1]]])
  buffer steps = zeros([1])
  y = (x - middle) -> conv(3, 3) -> blur: spread(3)
  output index_select(where(kept, y, -inf) -> relu, places, 1) + steps
}
"""


@pytest.fixture
def net() -> archc.Architecture:
    return archc.loads(TEXT)


def test_no_checkpoint_has_it(net: archc.Architecture) -> None:
    made = net.module()
    assert list(made.state_dict()) == ["steps", "conv.weight"]
    assert made.middle.flatten().tolist() == [0.25, 0.5, 0.75] and made.places.dtype == torch.int64  # type: ignore[operator]
    assert made.kept.dtype == torch.bool and made.blur.kernel.shape == (3, 1, 3, 3)  # type: ignore[union-attr]
    assert {"middle", "places", "kept"} <= {name for name, _ in made.named_buffers()}
    assert net.stats().parameters == 81 and net.stats().buffers == 1 + 3 * 3 + 27


def test_it_computes_as_torch_does(net: archc.Architecture) -> None:
    made, x = net.module(), torch.randn(2, 3, 8, 8)
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).expand(3, 1, 3, 3)
    y = torch.conv2d(x - torch.tensor([0.25, 0.5, 0.75])[:, None, None], made.conv.weight, padding=1)  # type: ignore[union-attr]
    y = torch.conv2d(y, kernel, padding=1, groups=3)
    y[:, 1] = -torch.inf
    torch.testing.assert_close(made(x), y.relu()[:, [2, 0, 1]])


def test_it_is_the_same_wherever_the_module_goes(net: archc.Architecture) -> None:
    made, x = net.module(), torch.randn(2, 3, 8, 8)
    expected = made(x)
    empty = net.module(device="meta").to_empty(device="cpu")
    again = archc.loads(net.source())
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), empty, again.module(), built(net.ir)):
        other.load_state_dict(made.state_dict())
        assert torch.equal(other(x), expected)
    assert again.ir.tensor_shapes() == net.ir.tensor_shapes()
    assert "const places: int = constant([2, 0, 1])" in net.source()


def test_numbers_that_differ_are_another_function(net: archc.Architecture) -> None:
    assert net.equivalent(archc.loads(TEXT)).verdict == "equal"
    other = archc.loads(TEXT.replace("0.75", "0.5"))
    assert net.equivalent(other).verdict != "equal"
    assert net.diff(other).count("changed") == 1


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("const c = normal([3, 1, 1], std = 0.1)", "a const is the same in every module, and normal draws numbers"),
        ("const c: int = constant([[[0.5]]])", "holds whole numbers"),
        ("const c = zeros", "takes an initialiser with a shape"),
    ],
)
def test_what_is_no_constant_is_refused(statement: str, words: str) -> None:
    with pytest.raises(archc.ArchError, match=words):
        archc.loads(f"arch A {{ input x: [N, 3, 8, 8]   {statement}   output x + c }}")
