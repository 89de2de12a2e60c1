"""The unravelled view: every result used once, and the same numbers, bit for bit."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from random_nets import Net, double, image, nets, results

import archc


def units(n: int) -> archc.Architecture:
    return archc.loads(f"""
    block unit() = id + (c1: conv(4, 3) -> b1: bn -> relu -> c2: conv(4, 3))
    arch A {{ input x: [N, 4, 8, 8]   output x -> unit() ** {n} }}""")


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_a_residual_net_has_two_to_the_n_paths(n: int) -> None:
    net = units(n)
    tree = net.rewrite("unroll")
    assert net.paths().counts == tree.paths().counts and tree.paths().total == 2**n
    # The first unit is computed for each way past it, the last one once (Veit et al., figure 1b).
    kinds = Counter(node.op.kind for node in tree.ir.nodes)
    assert kinds["conv"] == 2 * (2**n - 1) and kinds["sum"] == 2**n - 1
    assert tree.stats().parameters == net.stats().parameters


def check(net: archc.Architecture) -> None:
    tree = net.rewrite("unroll")
    taken = Counter(value for node in tree.ir.nodes for value in node.inputs)
    taken.update(value for output in tree.ir.outputs for value in output.values)
    fixed = {node.index for node in tree.ir.nodes if node.op.kind in ("input", "parameter", "choice")}
    assert all(count == 1 for value, count in taken.items() if value[0] not in fixed)
    module = double(net)
    unrolled = double(tree, module.state_dict())
    assert list(unrolled.state_dict()) == list(module.state_dict())
    x = image(2, *net.ir.inputs[0].nominal[1:])
    assert all(torch.equal(a, b) for a, b in zip(results(module, x), results(unrolled, x), strict=True))


def test_the_numbers_are_the_same() -> None:
    check(units(3))
    check(archc.load("fractalnet", columns=3, widths=[4], drop=0.0))


def test_tensors_of_its_own_and_shared_parts() -> None:
    check(
        archc.loads("""
        arch A {
          input x: [N, 4, 8, 8]
          param p = normal([1, 4, 8, 8])
          shared f = c: conv(4, 3) -> b: bn
          h = x + p -> f -> split(2) -> concat -> relu
          output h * (h -> f) + p
          output other = h
        }""")
    )


def test_gradients_are_the_same() -> None:
    net = units(3)
    module = double(net)
    unrolled = double(net.rewrite("unroll"), module.state_dict())
    x = image(2, 4, 8, 8)
    for one in (module, unrolled):
        one(x).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert torch.allclose(parameter.grad, unrolled.get_parameter(name).grad, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("net", "settings", "code", "message"),
    [
        (units(3), {"limit": 20}, "E0449", "would have 36 applications, and 20 is the limit"),
        (units(48), {}, "E0449", r"would have over 10 \*\* 15 applications"),
        (units(60), {}, "E0449", r"would have over 10 \*\* 18 applications, and 4,096 is the limit"),
        (
            archc.loads("arch A { input x: [N, 3]   output x -> linear(2) }"),
            {},
            "E0440",
            "no layer's result is used more",
        ),
        (units(2), {"limit": 0}, "E0303", "positive whole number"),
    ],
)
def test_what_is_refused(net: archc.Architecture, settings: dict[str, int], code: str, message: str) -> None:
    with pytest.raises(archc.ArchError, match=message) as error:
        net.rewrite("unroll", **settings)
    assert [d.code for d in error.value.diagnostics] == [code]


@settings(max_examples=15)
@given(net=nets())
def test_random_nets(net: Net) -> None:
    try:
        check(net.architecture)
    except archc.ArchError as error:
        assert [d.code for d in error.diagnostics] in (["E0440"], ["E0449"])
