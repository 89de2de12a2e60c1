"""Paths by length, held against enumeration and closed forms."""

from __future__ import annotations

import time
from collections import Counter
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import IN_TIME

import archc
from archc.compiler.analyses.paths import Paths, distribution
from archc.compiler.ir.graph import Graph


def enumerated(graph: Graph, weight) -> dict[int, int]:
    """The paths, walked one by one from the outputs."""
    found: Counter[int] = Counter()
    stack = [(node, 0) for output in graph.outputs for node, _ in output.values]
    while stack:
        index, length = stack.pop()
        node = graph.nodes[index]
        length += weight(node)
        if node.op.kind == "input":
            found[length] += 1
        stack.extend((source, length) for source, _ in node.inputs)
    return dict(sorted(found.items()))


@st.composite
def dags(draw) -> str:
    """A network of convolutions and sums over any tensors before, some taken twice."""
    names, lines = ["x"], ["arch A {", "  input x: [N, 4, 8, 8]"]
    for i in range(draw(st.integers(1, 9))):
        terms = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
        layer = draw(st.sampled_from(["relu", "conv(4, 3)", "conv(4, 1) -> conv(4, 3)", "dropout"]))
        lines.append(f"  t{i} = sum(*[{', '.join(terms)}]) -> {layer}")
        names.append(f"t{i}")
    lines += [f"  output all = sum(*[{', '.join(names)}])", f"  output last = {names[-1]}"]
    return "\n".join([*lines, "}"])


@settings(max_examples=80, deadline=None)
@given(dags())
def test_as_many_of_each_length_as_enumeration_finds(text: str) -> None:
    net = archc.loads(text)
    found = net.paths()
    assert found.counts == enumerated(net.ir, lambda node: int(node.op.is_weight_layer()))
    assert max(found.counts) == net.stats().depth
    assert distribution(net.ir, lambda node: 3 * node.op.is_weight_layer() + 1, found.total) == enumerated(
        net.ir, lambda node: 3 * node.op.is_weight_layer() + 1
    )


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_resnet110_is_binomial_over_its_54_modules(shortcut: str) -> None:
    """Veit et al. 2016: 98 % of the paths go through 19 to 35 modules; those of 5 to 17, which carry the gradient, are
    0.45 %."""
    found = archc.load("resnet_cifar", depth=110, shortcut=shortcut).paths("module")
    assert found.modules == 54 and found.total == 2**54
    assert found.counts == {k: comb(54, k) for k in range(55)}
    assert found.share(19, 35) == pytest.approx(0.980166, abs=5e-7)
    assert found.share(5, 17) == pytest.approx(0.00453667, abs=5e-9)
    assert found.mean == 27 and found.deviation == pytest.approx((54 / 4) ** 0.5)
    assert found.shortest_interval() == (20, 34)
    assert found.shortest_interval(0.96) == (19, 34)  # as many as from 20 to 35


def power(polynomial: dict[int, int], n: int) -> dict[int, int]:
    result = {0: 1}
    for _ in range(n):
        result = product(result, polynomial)
    return result


def product(a: dict[int, int], b: dict[int, int]) -> dict[int, int]:
    found: Counter[int] = Counter()
    for i, x in a.items():
        for j, y in b.items():
            found[i + j] += x * y
    return dict(sorted(found.items()))


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_fractals(columns: int) -> None:
    """P_1 = x and P_(C + 1) = P_C ** 2 + x for each of five blocks; one dense layer ends them."""
    block = {1: 1}
    for _ in range(columns - 1):
        block = product(block, block)
        block[1] = block.get(1, 0) + 1
    found = archc.load("fractalnet", columns=columns).paths()
    assert found.counts == product(power(block, 5), {1: 1})


def test_the_fractal_of_fractals() -> None:
    counts = (1, 2, 6, 13, 28, 52, 84, 116, 138, 144, 128, 96, 60, 28, 8, 1)
    assert archc.load("fof").paths().counts == dict(enumerate(counts, 2))
    assert archc.load("tsn_fdp").paths().total == 1805 and archc.load("fof_tsn").paths().total == 2555


def test_modules_of_nested_shortcuts_are_the_innermost() -> None:
    """RoR-3-110: each stage of 17 units has a shortcut of its own, and the three together one more."""
    found = archc.load("ror3_110_cifar").paths("module")
    assert found.total == (2**17 + 1) ** 3 + 1 == 2_251_851_353_686_018
    stage = {k: comb(17, k) for k in range(18)}
    stage[0] += 1
    expected = power(stage, 3)
    expected[0] += 1
    assert found.modules == 51 and found.counts == expected


def test_powers_go_through_a_module_as_often_as_they_apply_it() -> None:
    """PolyNet: ten times I + F + G, where three ways lead through each block, then fifteen times I + F + FF + FFF and
    I + F + G, where two do."""
    found = archc.load("polynet").paths("module")
    first, way, poly = {0: 1, 1: 2 * 3}, {0: 1, 1: 2 * 2}, {0: 1, 1: 2, 2: 4, 3: 8}
    expected = product(power(first, 10), product(power(way, 15), power(poly, 15)))
    trunk = found.counts[0]
    assert found.counts == {k: trunk * n for k, n in expected.items()}
    assert found.modules == 10 * 2 + 15 * (3 + 2)


def modules(body: str) -> tuple[int | None, dict[int, int]]:
    found = archc.loads(f"arch A {{ input x: [N, 4, 8, 8]  output x -> ({body}) }}").paths("module")
    return found.modules, found.counts


def test_what_a_shortcut_is() -> None:
    two = "(conv(4, 3) -> relu -> conv(4, 3))"
    assert modules(f"{two} + id") == (1, {0: 1, 1: 1})
    assert modules(f"{two} + (conv(4, 1) -> bn)") == (1, {0: 1, 1: 1})
    assert modules(f"{two} + (avgpool(3, 1, padding = 1) -> conv(4, 1))") == (1, {0: 1, 1: 1})
    assert modules(f"{two} + (id * (conv(4, 1) -> sigmoid))") == (1, {0: 2, 1: 1})
    assert modules(f"{two} + {two} + id") == (2, {0: 1, 1: 2})
    assert modules(f"(0.5 * {two} + id) -> relu -> ((conv(4, 3) -> relu) + id)") == (2, {0: 1, 1: 2, 2: 1})
    assert modules("conv(4, 1) + conv(4, 3)") == (1, {0: 1, 1: 1})
    assert modules(f"{two} + (conv(4, 1) -> relu)") == (0, {0: 2})
    assert modules(f"{two} + {two}") == (0, {0: 2})
    assert modules("conv(4, 3) ++ id") == (0, {0: 2})
    assert modules("(id + maxpool(3, 1, padding = 1))") == (0, {0: 2})


def test_a_size_and_a_draw_are_no_paths() -> None:
    net = archc.loads("""arch A { input x: [N, 4, 9, 9]
      y = x -> conv(4, 3) -> conv(4, 3)
      output (x -> upsample(like = y)) + (y -> crop(0, like = x)) }""")
    assert net.paths().counts == {0: 1, 2: 1}
    assert archc.load("fractalnet").paths().total == 5**5


def test_training_heads_have_no_paths() -> None:
    net = archc.loads("""arch A { input x: [N, 4, 8, 8]  h = x -> conv(4, 3)
      output main = h -> conv(4, 3)  output aux = h + x when training }""")
    assert net.paths().counts == {2: 1}


@IN_TIME
@pytest.mark.parametrize("name", ["resnet1202_cifar", "resnet1001_cifar", "polynet", "densenet264"])
def test_a_thousand_layers_take_less_than_a_second(name: str, patience: int) -> None:
    net = archc.load(name)
    for by in ("layer", "module"):
        start = time.process_time()
        found = net.paths(by)
        assert time.process_time() - start < patience
        assert found.total == sum(found.counts.values()) > 2**100


def agree(found: Paths, expected: dict[int, int]) -> None:
    """Counts are right to their last digit, lengths that few paths have are left out, all else is exact."""
    total = sum(expected.values())
    assert not found.exact and found.total == total
    assert [*found.counts] == [length for length, count in expected.items() if count * 10**50 >= total]
    for length, count in found.counts.items():
        assert len(str(count).rstrip("0")) <= 16 or count == expected[length]
        assert abs(count - expected[length]) * 10**14 <= expected[length]
    mean = Fraction(sum(length * count for length, count in expected.items()), total)
    squares = Fraction(sum(length**2 * count for length, count in expected.items()), total)
    assert found.mean == float(mean)
    assert found.deviation == pytest.approx(float(squares - mean**2) ** 0.5, rel=1e-15)
    assert (found.shortest, found.longest) == (min(expected), max(expected))


def test_counts_of_thousands_of_units_are_rounded(units: int = 2100) -> None:
    net = archc.loads(f"arch A {{ input x: [N, 4, 8, 8]  output x -> (id + conv(4, 3)) ** {units} }}")
    for by in ("layer", "module"):
        agree(net.paths(by), {k: comb(units, k) for k in range(units + 1)})
    low, high = net.paths().shortest_interval()
    assert 0.95 <= net.paths().share(low, high) < 0.955


def test_rounded_counts_of_branches_of_unequal_sizes() -> None:
    """Three branches have numbers of paths of very different lengths, and meet."""
    found = archc.loads("""
    block twice() = id + id
    arch A { input x: [N, 4, 8, 8]
      a = x -> twice() ** 3000
      b = x -> conv(4, 1) -> twice() ** 2900 -> (id + conv(4, 1)) ** 8
      output a + b + (x -> conv(4, 1) ** 20 -> twice() ** 2000) }
    """).paths()
    agree(found, {0: 2**3000, **{k + 1: 2**2900 * comb(8, k) for k in range(9)}, 20: 2**2000})


def test_totals_of_more_digits_than_python_writes_are_said() -> None:
    net = archc.loads("block twice() = id + id\narch A { input x: [N, 4, 8, 8]  output x -> twice() ** 15000 }")
    assert repr(net.paths()) == "<Paths of A: 2.818e+4515, of lengths 0 to 0 by layer>"


def exactly(graph: Graph) -> dict[int, int]:
    """The counts of all nodes, as dictionaries."""
    known: list[Counter[int]] = []
    for node in graph.nodes:
        here = Counter({0: int(node.op.is_input)})
        for source, _ in node.inputs:
            for length, count in known[source].items():
                here[length + node.op.weight_layers()] += count
        known.append(+here)
    found = sum((known[node] for output in graph.outputs for node, _ in output.values), Counter())
    return dict(sorted(found.items()))


@settings(max_examples=10, deadline=None)
@given(dags(), st.data())
def test_rounded_counts_of_random_networks(text: str, data: st.DataObject) -> None:
    """Every tensor is added to itself up to a thousand times."""
    lines = text.splitlines()
    for place, line in enumerate(lines):
        if line.startswith("  t"):
            lines[place] += f" -> twice() ** {data.draw(st.integers(0, 1000))}"
    lines[1] += "\n  x = x0 -> twice() ** 2048"
    text = "\n".join(["block twice() = id + id", *lines]).replace("input x", "input x0")
    net = archc.loads(text)
    agree(net.paths(), exactly(net.ir))


def test_figures_of_a_distribution() -> None:
    found = Paths("a", "layer", {1: 1, 3: 2, 4: 5, 9: 2})
    assert found.total == 10 and found.mean == 4.5 and found.within(2, 4) == 7 and found.share(2, 4) == 0.7
    assert found.shortest_interval(0.7) == (3, 4) and found.shortest_interval(0.8) == (1, 4)
    assert found.shortest_interval(1.0) == (1, 9) and found.shortest_interval(0.5) == (4, 4)
    for share in (0, 1.1, -1):
        with pytest.raises(ValueError, match="share"):
            found.shortest_interval(share)
    with pytest.raises(ValueError, match="no path"):
        _ = Paths("a", "layer", {}).mean
    with pytest.raises(ValueError, match="layer or module"):
        archc.load("fof").paths("block")
