"""A block returns what its `output` says, in that order, whatever its caller uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from python_compare import built
from torch import Tensor, nn

import archc

BLOCKS = {
    "made first, put out last": (
        "block part(c)(x) { a = x -> one: conv(c, 3)   b = a -> two: conv(c, 3)   output (b, a) }",
        "(x)",
        lambda m, x: (m.two(m.one(x)), m.one(x)),
    ),
    "as an expression": (
        "block part(c) = one: conv(c, 3) -> (two: conv(c, 3), id)",
        "(x)",
        lambda m, x: (m.two(m.one(x)), m.one(x)),
    ),
    "twice": (
        "block part(c)(x) { a = x -> one: conv(c, 3)   b = x -> two: conv(c, 3)   output (a, b, a) }",
        "(x)",
        lambda m, x: (m.one(x), m.two(x), m.one(x)),
    ),
    "what it is given": (
        "block part(c)(x, y) { a = x + y -> one: conv(c, 3)   b = y -> two: conv(c, 3)   output (x, b, a) }",
        "(x, x -> relu)",
        lambda m, x, y: (x, m.two(y), m.one(x + y)),
    ),
    "its parameter": (
        "block part(c)(x) { param w = ones([1, c, 1, 1])   a = x * w -> one: conv(c, 3)\n"
        "b = a -> two: conv(c, 3)   output (b, w, a) }",
        "(x)",
        lambda m, x: (m.two(m.one(x * m.w)), m.w, m.one(x * m.w)),
    ),
}


def spec(block: str, call: str) -> str:
    names = ("p", "q", "r")[: 2 + ("output (a, b, a)" in block or "output (x" in block or "w, a" in block)]
    sums = " + ".join(f"{n + 1} * {name}" for n, name in enumerate(names))
    return f"{block}\narch A {{ input x: [N, 4, 8, 8]\n{', '.join(names)} = {call} -> part: part(4)\noutput {sums} }}"


def forms(net: archc.Architecture) -> Iterator[nn.Module]:
    """The module of an architecture in all the ways in which it can be had."""
    yield net.module()
    yield built(net.ir)
    yield archc.loads(net.source()).module()
    yield archc.from_graph(net.graph).module()


class Declared(nn.Module):
    """A part written by hand: `what` its outputs are, of the parts of another one."""

    def __init__(self, part: nn.Module, what: object):
        super().__init__()
        self.part, self.what = part, what

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.what(self.part, *inputs)  # type: ignore[operator]


@pytest.mark.parametrize(("block", "call", "what"), BLOCKS.values(), ids=BLOCKS)
def test_one_that_is_written_by_hand_takes_its_place(block: str, call: str, what: object) -> None:
    x = torch.randn(2, 4, 8, 8)
    for module in forms(archc.loads(spec(block, call))):
        expected, part = module(x), module.get_submodule("part")
        found: list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = []
        part.register_forward_hook(lambda _, given, made, found=found: found.append((given, made)))
        module(x)
        ((given_, made),) = found
        declared = Declared(part, what)
        assert len(made) == len(declared(*given_)) and all(map(torch.equal, made, declared(*given_)))
        module.part = declared
        assert torch.equal(module(x), expected)


GATE = "block gate(c)(skip, g) { a = skip + g -> f: conv(c, 3) -> sigmoid   output (skip * a, a) }"


def test_one_block_that_is_used_in_several_ways_is_one_class() -> None:
    net = archc.loads(f"""{GATE}
    arch A {{ input x: [N, 4, 8, 8]
      y, _ = (x, x -> g: conv(4, 1)) -> one: gate(4)
      z, a = (y, x) -> two: gate(4)
      _, u = (z, x) -> three: gate(4)
      output z + a + u }}""")
    x = torch.randn(2, 4, 8, 8)
    text = net.source()
    assert text.count("block ") == 1 and archc.loads(text).source() == text
    for module in forms(net):
        gates = [module.get_submodule(name) for name in ("one", "two", "three")]
        assert len({type(gate) for gate in gates}) == 1
        y, _ = gates[0](x, module.get_submodule("g")(x))
        z, a = gates[1](y, x)
        assert torch.allclose(module(x), z + a + gates[2](z, x)[1])


def test_what_is_shared_returns_them_at_each_application() -> None:
    net = archc.loads("""block part(c)(x, y) {
      a = y -> f: conv(c, 3)   b = x * y -> g: conv(c, 1)   output (b, x, a, b * x) }
    arch A { input x: [N, 4, 8, 8]
      shared part = part(4)
      a, _, b, _ = (x, x -> relu) -> part
      c, d, _, e = (a, b) -> part
      output c + 2 * d + 3 * e }""")
    x = torch.randn(2, 4, 8, 8)
    for module in forms(net):
        part = module.get_submodule("part")
        a, same, b, _ = part(x, x.relu())
        c, d, _, e = part(a, b)
        assert torch.equal(same, x) and torch.equal(d, a)
        assert torch.allclose(module(x), c + 2 * d + 3 * e)


def test_what_is_made_in_a_part_of_the_block_leaves_that() -> None:
    net = archc.loads("""block part(c)(x) { a = x -> body.one: conv(c, 3)   output (a -> body.two: conv(c, 3), a) }
    arch A { input x: [N, 4, 8, 8]   shared b = part(4)
      y, _ = x -> part: part(4)   z, _ = y -> b   u, _ = z -> b   output u }""")
    x = torch.randn(2, 4, 8, 8)
    for module in forms(net):
        for name in ("part", "b"):
            part = module.get_submodule(name)
            first = part.get_submodule("body.one")(x)
            assert torch.equal(part(x)[1], first) and torch.equal(part(x)[0], part.get_submodule("body.two")(first))


def test_what_is_used_otherwise_comes_after_them() -> None:
    net = archc.loads("""block part(c)(x) { a = x -> f: conv(c, 3)   b = a -> g: conv(c, 1)   output b }
    arch A { input x: [N, 4, 8, 8]   output x -> part: part(4) }""").features("part.f", "part")
    x = torch.randn(2, 4, 8, 8)
    for module in forms(net):
        part = module.get_submodule("part")
        b, a = part(x)
        assert torch.equal(a, part.get_submodule("f")(x)) and torch.equal(b, part.get_submodule("g")(a))


def test_a_rectifier_leaves_alone_what_is_returned() -> None:
    net = archc.loads("""block part(c)(x, y) { a = x + y -> f: conv(c, 3)   b = a -> relu   output (a, b) }
    arch A { input x: [N, 4, 8, 8]   _, b = (x, x) -> part: part(4)   output b }""")
    x = torch.randn(2, 4, 8, 8)
    for module in (net.module(), built(net.ir)):
        part = module.get_submodule("part")
        assert torch.equal(part(x)[0], part.get_submodule("f")(x + x))


def test_a_rewrite_keeps_the_order() -> None:
    net = archc.loads("""block part(c)(x) { a = x -> one: conv(c, 3) -> bn1: bn
      b = a -> two: conv(c, 3) -> bn2: bn   output (b, a) }
    arch A { input x: [N, 4, 8, 8]   b, a = x -> part: part(4)   output 2 * b + a }""")
    x = torch.randn(2, 4, 8, 8)
    for module in forms(net.rewrite("fold_batch_norm")):
        part = module.get_submodule("part")
        b, a = part(x)
        assert torch.equal(a, part.get_submodule("one")(x)) and torch.equal(b, part.get_submodule("two")(a))


def test_what_stands_for_what_is_removed_takes_its_place() -> None:
    net = archc.loads("""block part(c)(x) {
      a = x -> one: conv(c, 3)   b = a -> two: conv(c, 3) -> three: conv(c, 3)   output (b, a) }
    arch A { input x: [N, 4, 8, 8]   b, a = x -> part: part(4)   output 2 * b + a }""")
    x = torch.randn(2, 4, 8, 8)
    for module in forms(net.rewrite("remove", modules=["part.three"])):
        part = module.get_submodule("part")
        b, a = part(x)
        assert torch.equal(a, part.get_submodule("one")(x)) and torch.equal(b, part.get_submodule("two")(a))


def test_what_is_used_has_another_name_than_what_is_not() -> None:
    net = archc.loads("""block part(c)(x) { a = x -> f: conv(c, 3)   b = a -> g: conv(c, 1)   output (a, b, a) }
    arch A { input x: [N, 4, 8, 8]   _, b, c = x -> part: part(4)   output b - c }""")
    assert "_, b, c = x -> part: part" in net.source()


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(4)), st.lists(st.integers(-1, 3), min_size=1, max_size=6), st.data())
def test_any_order_and_use(made: list[int], put_out: list[int], data: st.DataObject) -> None:
    steps = "\n".join(f"x{i} = x -> c{i}: conv(4, 1)" for i in made)
    put_out += [i for i in range(4) if i not in put_out]
    used = data.draw(st.sets(st.integers(0, len(put_out) - 1))) | {put_out.index(i) for i in range(4)}
    outputs = ", ".join(f"x{i}" if i >= 0 else "x0 * x1" for i in put_out)
    names = ", ".join(f"y{n}" if n in used else "_" for n in range(len(put_out)))
    total = " + ".join(f"{n + 1} * y{n}" for n in sorted(used))
    net = archc.loads(f"""block part()(x) {{ {steps}\noutput ({outputs}) }}
    arch A {{ input x: [N, 4, 4, 4]\n{names} = x -> part: part\noutput {total} }}""")
    x = torch.randn(2, 4, 4, 4)
    for module in forms(net):
        part = module.get_submodule("part")
        single = [part.get_submodule(f"c{i}")(x) for i in range(4)]
        expected = [single[i] if i >= 0 else single[0] * single[1] for i in put_out]
        assert len(part(x)) == len(expected) and all(map(torch.equal, part(x), expected))
        assert torch.allclose(module(x), sum((n + 1) * expected[n] for n in used), atol=1e-5)
