"""Equivalence: what is proved equal computes the same with the weights that the map gives, and what is told apart is
told apart by a counterexample that holds.

The oracle is torch: both networks run in float64, one with random weights, the other with these carried over.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import archc
from archc import Architecture
from archc.compiler.compare.equivalence import Equivalence, equivalence
from archc.compiler.emit.carry import applied

HEAD = "input x: [N, {}, H, W] = [2, {}, 6, 6]"


def built(body: str, channels: int = 4, before: str = "") -> Architecture:
    head = HEAD.format(channels, channels)
    return archc.loads(f"arch A {{\n  {head}\n{before}\n  output x -> ({body})\n}}")


def randomised(net: Architecture, seed: int = 0) -> nn.Module:
    """A module in float64 all of whose tensors are random, running statistics included."""
    module = net.module(seed=seed, dtype="float64")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if name.endswith("running_var"):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype))
            elif tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype) / 2)
            else:
                tensor.fill_(seed + 3)
    return module


def example_of(net: Architecture, **sizes: int) -> tuple[Tensor, ...]:
    at = {**net.ir.nominal, **sizes}
    generator = torch.Generator().manual_seed(1)
    shapes = [[d if isinstance(d, int) else d.evaluate(at) for d in entry.type.dims] for entry in net.ir.inputs]
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def carried(a: Architecture, b: Architecture, found: Equivalence, training: bool = False) -> None:
    """Both compute the same, with weights of A and with what the map makes of them."""
    assert found.weights is not None
    one, other = randomised(a), b.module(seed=7, dtype="float64")
    other.load_state_dict(applied(one.state_dict(), found.weights))
    inputs = example_of(a, **found.sizes)
    for module in (one, other):
        module.train(training)
    with torch.no_grad():
        results = one(*inputs), other(*inputs)
    flat = [list(r.values()) if isinstance(r, dict) else [r] for r in results]
    for x, y in zip(*flat, strict=True):
        if x is not None or y is not None:
            torch.testing.assert_close(y, x, rtol=1e-8, atol=1e-8)


def equal(a: Architecture, b: Architecture, **sizes: int) -> Equivalence:
    """They are proved equal, both ways, and both maps hold."""
    found = equivalence(a.ir, b.ir, sizes)
    assert found.verdict == "equal", (found.reason, found.parted)
    carried(a, b, found)
    if found.training and not any(node.op.kind == "dropout" for node in a.ir.nodes):
        carried(a, b, found, training=True)
    back = equivalence(b.ir, a.ir, sizes)
    assert back.verdict == "equal" and back.training == found.training
    carried(b, a, back)
    return found


def never_wrong(a: Architecture, b: Architecture) -> None:
    """Whatever is said of them, it is not that they are equal where they are not."""
    found = equivalence(a.ir, b.ir)
    assert found.verdict in ("equal", "undecided", "different")
    if found:
        carried(a, b, found)


# --- random networks and exact rewrites of them ---------------------------------------------------------


Net = tuple[Any, ...]


@st.composite
def nets(draw: st.DrawFn, channels: int = 4, depth: int = 3) -> tuple[Net, int]:
    """A network as nested tuples, and how many channels it has in the end."""
    kinds = ["conv", "bn", "relu", "pool", "dw"]
    kinds += ["chain", "sum", "concat", "residual", "gate"] if depth else []
    kind = draw(st.sampled_from(kinds))
    if kind == "conv":
        out = draw(st.sampled_from([2, 4, 6]))
        groups = draw(st.sampled_from([1, 2])) if channels % 2 == 0 else 1
        bias = draw(st.booleans()) if groups == 1 else False
        return ("conv", channels, out, draw(st.sampled_from([1, 3])), groups, bias), out
    if kind == "chain":
        parts = []
        for _ in range(draw(st.integers(2, 3))):
            part, channels = draw(nets(channels, depth - 1))
            parts.append(part)
        return ("chain", *parts), channels
    if kind in ("sum", "concat"):
        found = [draw(nets(channels, depth - 1)) for _ in range(draw(st.integers(2, 3)))]
        if kind == "concat":
            return ("concat", *(net for net, _ in found)), sum(out for _, out in found)
        out = found[0][1]
        ends = [("chain", net, ("conv", have, out, 1, 1, False)) for net, have in found]
        return ("sum", *ends), out
    if kind in ("residual", "gate"):
        net, have = draw(nets(channels, depth - 1))
        return (kind, ("chain", net, ("conv", have, channels, 3, 1, False))), channels
    return (kind, channels), channels


SIMPLE = {"bn": "bn", "relu": "relu", "pool": "maxpool(3, 1, padding = 1)", "dw": "dwconv(3)"}


def plain(net: Net) -> str:
    kind, *rest = net
    if kind == "conv":
        _, out, k, groups, bias = rest
        return f"conv({out}, {k}, groups = {groups}, bias = {str(bias).lower()})"
    if kind in SIMPLE:
        return SIMPLE[kind]
    if kind == "residual":
        return f"(id + ({plain(rest[0])}))"
    if kind == "gate":
        return f"(id * ({plain(rest[0])} -> sigmoid))"
    inner = [f"({plain(part)})" for part in rest]
    return {"chain": "({})".format(" -> ".join(inner))}.get(kind, f"{kind}({', '.join(inner)})")


def pieces(widths: list[int], nets: list[str]) -> str:
    """Slices of the channels, each through a network, joined."""
    starts = [sum(widths[:i]) for i in range(len(widths))]
    ends = zip(starts, widths, nets, strict=True)
    cuts = [f'(slice("channels", {start}, {start + width}) -> {net})' for start, width, net in ends]
    return f"concat({', '.join(cuts)})"


class Rewriter:
    """Writes a network otherwise, so that it computes the same."""

    def __init__(self, draw: st.DrawFn):
        self.draw = draw
        self.labels = 0

    def __call__(self, net: Net) -> str:
        kind, *rest = net
        text = self.conv(*rest) if kind == "conv" else self.channelwise(net) if kind in SIMPLE else self.whole(net)
        extra = self.draw(st.sampled_from(["", "", "", " -> dropout(0.2)", " -> id"]))
        self.labels += 1
        label = self.draw(st.sampled_from(["", "", f"part{self.labels}: "]))
        return f"{label}({text}{extra})"

    def whole(self, net: Net) -> str:
        kind, *rest = net
        inner = [self(part) for part in rest]
        if kind == "residual":
            return self.draw(st.sampled_from([f"(id + {inner[0]})", f"({inner[0]} + id)"]))
        if kind == "gate":
            return self.draw(st.sampled_from([f"(id * ({inner[0]} -> sigmoid))", f"(({inner[0]} -> sigmoid) * id)"]))
        if kind == "chain":
            return "({})".format(" -> ".join(inner))
        if kind == "sum":
            inner = self.draw(st.permutations(inner))
            if len(inner) == 3 and self.draw(st.booleans()):
                return f"sum({inner[0]}, sum({inner[1]}, {inner[2]}))"
        elif len(inner) == 3 and self.draw(st.booleans()):
            return f"concat(concat({inner[0]}, {inner[1]}), {inner[2]})"
        return f"{kind}({', '.join(inner)})"

    def channelwise(self, net: Net) -> str:
        kind, channels = net
        if channels > 1 and self.draw(st.booleans()):
            first = self.draw(st.integers(1, channels - 1))
            return pieces([first, channels - first], [SIMPLE[kind]] * 2)
        return SIMPLE[kind]

    def conv(self, channels: int, out: int, k: int, groups: int, bias: bool) -> str:
        if groups > 1:
            each = f"conv({out // groups}, {k})"
            split = [pieces([channels // groups] * groups, [each] * groups), plain(("conv", channels, out, k, 2, bias))]
            return self.draw(st.sampled_from(split))
        how = self.draw(st.sampled_from(["plain", "out", "in", "twice"]))
        first = self.draw(st.integers(1, max(1, channels - 1)))
        if how == "out":
            return f"concat(conv(1, {k}, bias = {str(bias).lower()}), conv({out - 1}, {k}, bias = {str(bias).lower()}))"
        if how == "in" and channels > 1:
            return (
                f'((slice("channels", 0, {first}) -> conv({out}, {k}, bias = {str(bias).lower()})) '
                f'+ (slice("channels", {first}) -> conv({out}, {k})))'
            )
        if how == "twice" and k == 1 and not bias:
            return f'(concat(id, id) -> slice("channels", {channels}) -> conv({out}, 1))'
        return plain(("conv", channels, out, k, groups, bias))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """A network and an exact rewrite of it."""
    net, channels = draw(nets())
    net = ("chain", net, ("conv", channels, 3, 1, 1, True))
    return plain(net), Rewriter(draw)(net)


WHOLE = "conv(3, 1, bias = true)"
PARTED = """(slice("channels", 0, 2) -> conv(3, 1, bias = true)) + (slice("channels", 2) -> conv(3, 1))"""


@given(pairs())
@example(
    (f"id * (conv(4, 3) -> sigmoid) -> {WHOLE}", f"id * (concat(conv(1, 3), conv(3, 3)) -> sigmoid) -> ({PARTED})")
)
@example(
    (
        f"conv(6, 1, groups = 2) -> bn -> {WHOLE}",
        f"""conv(6, 1, groups = 2) -> concat(slice("channels", 0, 2) -> bn, slice("channels", 2) -> bn) -> {WHOLE}""",
    )
)
@settings(max_examples=25)
def test_a_random_network_equals_its_random_rewrite(pair: tuple[str, str]) -> None:
    equal(*map(built, pair))


MUTATIONS = (
    (", 3, groups", ", 5, groups"),
    ("relu", "id"),
    ("bn -> relu", "relu -> bn"),
    ("groups = 2", "groups = 1"),
    ("id + ", "id - "),
    ("maxpool(3, 1, padding = 1)", "avgpool(3, 1, padding = 1)"),
    ('"channels", 0, 2', '"channels", 1, 3'),
    ("bn", "bn(eps = 0.1)"),
    ("dwconv(3)", "dwconv(3, dilation = 2)"),
    ("sigmoid", "tanh"),
)


def mutated(text: str, draw: st.DrawFn) -> str:
    """A text in which something is otherwise; what comes out may or may not compute the same."""
    fitting = [change for change in MUTATIONS if change[0] in text]
    if not fitting:
        return f"relu -> ({text})"
    old, new = draw(st.sampled_from(fitting))
    parts = text.split(old)
    at = draw(st.integers(1, len(parts) - 1))
    return old.join(parts[:at]) + new + old.join(parts[at:])


@given(st.data())
@settings(max_examples=25)
def test_what_is_said_equal_after_a_mutation_is(data: st.DataObject) -> None:
    one, other = data.draw(pairs())
    never_wrong(built(one), built(mutated(data.draw(st.sampled_from([one, other])), data.draw)))


# --- what papers claim ------------------------------------------------------------------------------------


@pytest.mark.parametrize("forms", ["ab", "bc", "ca"])
def test_the_forms_of_resnext_are_one_network(forms: str) -> None:
    text = (
        'use aggregated from "zoo/resnext.arch"\narch A {{\n  input x: [N, 3, 8, 8] = [2, 3, 8, 8]\n'
        '  output x -> conv(8, 3) -> units: [aggregated(8, 2, 3, 16, "{0}"), aggregated(8, 1, 3, 16, "{0}")]\n}}'
    )
    nets = [archc.loads(text.format(form)) for form in forms]
    found = equal(*nets)
    assert found.training and found.by_name is None
    parameters = sum(torch.Size(made.shape).numel() for made in found.made)
    assert parameters == sum(t.numel() for t in nets[1].module(device="meta").state_dict().values() if t.dim())


def test_branches_of_a_multi_residual_unit_are_one_with_groups() -> None:
    branch = "bn -> relu -> conv(4, 3) -> bn -> relu -> conv(4, 3)"
    many = built(f"sum(id, {', '.join(f'({branch})' for _ in range(3))})")
    grouped = built("id + (concat(id, id, id) -> bn -> relu -> conv(12, 3, groups = 3) -> bn -> relu -> conv(4, 3))")
    assert equal(many, grouped).training


def test_a_cut_through_equal_siblings_is_found() -> None:
    """One wide layer against two narrow ones, all the way to where they meet."""
    narrow = "conv(3, 3, bias = true) -> bn -> relu -> conv(5, 1)"
    wide = built("conv(6, 3, bias = true) -> bn -> relu -> conv(5, 1)")
    assert equal(wide, built(f"({narrow}) + ({narrow})")).training


def test_dense_layers_are_convolutions_at_one_size() -> None:
    dense = built("conv(6, 3) -> flatten -> linear(8) -> relu -> linear(3)")
    grid = dense.rewrite("convolutionalize", pool=True)
    assert not equivalence(dense.ir, grid.ir)
    equal(dense, grid, H=6, W=6)


def test_no_torch_is_needed_to_prove_the_forms_of_resnext50() -> None:
    program = (
        "import archc, sys, time\n"
        "a, c = (archc.load('resnext', form=form) for form in 'ac')\n"
        "assert a.equivalent(c).verdict == 'equal' and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


# --- what must not be taken for equal -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("shared f = conv(4, 3)\noutput (x -> f) + (x -> relu -> f)",
         "output (x -> conv(4, 3)) + (x -> relu -> conv(4, 3))"),
        ("shared f = conv(4, 3)\noutput x -> f -> f", "output x -> conv(4, 3) -> conv(4, 3)"),
        ("output x -> bn", "output x -> bn(eps = 0.1)"),
        ("output x -> conv(4, 3) -> relu", "output x -> conv(4, 3) -> relu6"),
        ("output x -> conv(4, 3, padding = [[1, 1], [1, 1]])", 'output x -> conv(4, 3, padding_mode = "reflect")'),
        ("output x -> conv(4, 3, groups = 2)", "output x -> channel_shuffle(2) -> conv(4, 3, groups = 2)"),
        ('output (x -> slice("channels", 0, 2)) * (x -> slice("channels", 2))',
         'output (x -> slice("channels", 0, 2)) * (x -> slice("channels", 0, 2))'),
        ("output x -> upsample(size = [2 * H, W])", "output x -> upsample(size = [H, 2 * W])"),
        ("output x -> (conv(4, 1) ++ conv(4, 1))", "shared f = conv(4, 1)\noutput x -> (f ++ f)"),
        ("output (x -> conv(4, 1)) - (x -> conv(4, 3))", "output (x -> conv(4, 1)) + (x -> conv(4, 3))"),
        ("output x -> dwconv(3) -> conv(4, 1)", "output x -> conv(4, 3)"),
        ("output mean(x, x -> conv(4, 3)) -> relu", "output sum(x, x -> conv(4, 3)) -> relu"),
    ],
)  # fmt: skip
def test_other_functions_are_not_proved_equal(one: str, other: str) -> None:
    a, b = (archc.loads(f"arch A {{\n{HEAD.format(4, 4)}\n{text}\n}}") for text in (one, other))
    assert not equivalence(a.ir, b.ir) and not equivalence(b.ir, a.ir)
    assert equivalence(a.ir, a.ir) and equivalence(b.ir, b.ir)


@pytest.mark.parametrize("ones", ["0 * x + 1", "(x - x) + 1", '(x -> pad_channels(3) -> slice("channels", 2)) + 1'])
def test_constants_keep_the_shape_that_they_have(ones: str) -> None:
    """Ones on 15 rows and on 16 become means on 8, which differ at the border."""
    pool = "avgpool([3, 1], [2, 1], padding = [1, 0])"
    body = '  input image: [N, 2, 18, 8]\n  x = image -> slice("height", 0, {})\n  ones = {}\n  output ones -> {}\n'
    a, b = (archc.loads(f"arch A {{\n{body.format(rows, ones, pool)}}}") for rows in (15, 16))
    assert not equivalence(a.ir, b.ir) and equivalence(a.ir, a.ir)


def test_names_of_sizes_say_nothing() -> None:
    text = "arch A {{\ninput x: [N, 3, {0}, {1}] = [1, 3, 6, 4]\noutput x -> upsample(size = [2 * {0}, {1}])\n}}"
    a, b, c = (archc.loads(text.format(*names)) for names in ("HW", "WH", "ab"))
    assert equivalence(a.ir, b.ir) and equivalence(a.ir, c.ir)
    swapped = archc.loads(text.replace("[2 * {0}, {1}]", "[{0}, 2 * {1}]").format(*"HW"))
    assert equivalence(a.ir, swapped.ir).verdict == "different"


# --- modes, names, interfaces -----------------------------------------------------------------------------


def test_what_holds_in_evaluation_alone_is_not_claimed_for_training() -> None:
    plain_, dropped = built("conv(4, 3) -> relu"), built("conv(4, 3) -> relu -> dropout(0.3)")
    assert equal(dropped, dropped).training
    assert not equal(plain_, dropped).training
    assert not equal(built("conv(4, 3) -> bn"), built("conv(4, 3) -> bn(momentum = 0.5)")).training
    cut = 'concat(slice("channels", 0, 2) -> dropout(0.3), slice("channels", 2) -> dropout(0.3))'
    found = equivalence(built("conv(4, 3) -> dropout(0.3)").ir, built(f"conv(4, 3) -> {cut}").ir)
    assert found.training  # the fates of two channels have nothing to do with each other
    one = found.before, built("conv(4, 3) -> (id + id) -> dropout(0.3)").ir
    two = built("conv(4, 3) -> (dropout(0.3) + dropout(0.3))").ir
    assert equivalence(one[1], two) and not equivalence(one[1], two).training


def test_shared_norms_are_not_compared_in_training() -> None:
    shared = built("f -> f", before="shared f = conv(4, 3) -> bn")
    assert equivalence(shared.ir, shared.ir) and not equivalence(shared.ir, shared.ir).training


def test_a_checkpoint_that_loads_as_it_is() -> None:
    one, other = built("a: conv(4, 3) -> bn -> b: conv(4, 3)"), built("b: conv(4, 3) -> bn -> a: conv(4, 3)")
    assert one.equivalent(one).by_name is True
    swapped = one.equivalent(other)
    assert swapped.verdict == "equal" and swapped.by_name is False
    carried(one, other, swapped)
    example_ = swapped.counterexample
    assert example_ is not None and example_.kind == "by name"
    outputs = []
    for net in (one, other):
        module = net.module(dtype="float64").eval()
        module.load_state_dict(example_.weights)
        with torch.no_grad():
            outputs.append(module(*example_.inputs["x"]))
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
    assert torch.equal(outputs[1], example_.outputs["after"][0])


def test_parts_for_training_alone_play_no_part_in_evaluation() -> None:
    with_aux = archc.loads(
        f"arch A {{\n{HEAD.format(4, 4)}\nb = x -> conv(4, 3)\noutput out = b -> relu\n"
        "output aux = b -> aux: conv(2, 1) when training\n}"
    )
    without = built("conv(4, 3) -> relu")
    found = equivalence(with_aux.ir, without.ir)
    assert found and not found.training and found.weights is not None
    assert found.weights.gone == {"aux.weight"}


def test_an_input_or_output_that_differs_is_a_difference() -> None:
    base = built("conv(4, 3)")
    assert "[N, 5, H, W]" in (reason := equivalence(base.ir, built("conv(4, 3)", 5).ir).reason) and "[N, 4" in reason
    for body, said in (("conv(5, 3)", "[2, 4, 6, 6] and [2, 5, 6, 6]"), ("conv(4, 3, 2)", "[2, 4, 3, 3]")):
        found = equivalence(base.ir, built(body).ir)
        assert found.verdict == "different" and said in found.reason


# --- what no weights can do ---------------------------------------------------------------------------------


def bottleneck(version: float) -> str:
    first, second = (2, 1) if version == 1 else (1, 2)
    return (
        f"((conv(4, 1, {first}) -> bn -> relu -> conv(4, 3, {second}) -> bn -> relu -> conv(6, 1) -> bn) "
        "+ (conv(6, 1, 2) -> bn)) -> relu -> conv(6, 3) -> bn -> relu"
    )


def test_the_place_of_a_stride_is_told_from_the_rows_that_meet() -> None:
    """Versions 1 and 1.5 of a bottleneck, behind a global pool: all outputs see all rows."""
    one, other = (built(f"conv(4, 3) -> {bottleneck(version)} -> gap -> linear(3)") for version in (1, 1.5))
    found = one.equivalent(other)
    assert (found.verdict, found.by_name) == ("different", False)
    shown = found.counterexample
    assert shown is not None and shown.kind == "joins" and shown.side == "before"
    for net, weights, holds in ((one, shown.weights, True), (other, randomised(other).state_dict(), False)):
        module = net.module(dtype="float64").eval()
        module.load_state_dict(weights)
        with torch.no_grad():
            x, u, v, both = (module(*shown.inputs[case]) for case in ("x", "x + u", "x + v", "x + u + v"))
        scale = max(t.abs().max() for t in (x, u, v, both))
        assert ((both - u - v + x).abs().max() > 1e-9 * scale) == holds


def test_rows_that_an_output_never_sees() -> None:
    one, other = built("conv(4, 3) -> relu -> conv(2, 3)"), built("conv(4, 5) -> relu -> conv(2, 3)")
    found = one.equivalent(other)
    shown = found.counterexample
    assert found.verdict == "different" and shown is not None and (shown.kind, shown.side) == ("sees", "after")
    module = other.module(dtype="float64").eval()
    module.load_state_dict(shown.weights)
    with torch.no_grad():
        difference = module(*shown.inputs["x + u"]) - module(*shown.inputs["x"])
        unmoved = randomised(one).eval()
        still = unmoved(*shown.inputs["x + u"]) - unmoved(*shown.inputs["x"])
    rows = [row for row in range(6) if difference[:, :, row].abs().max() > 0 and still[:, :, row].abs().max() == 0]
    assert rows and "never in A" in found.reason


def test_what_no_rule_tells_apart_is_undecided() -> None:
    """Two linear layers in a row have the functions of one, if the width between them is enough."""
    one, other = built("conv(4, 3) -> conv(3, 1)"), built("conv(8, 3) -> conv(3, 1)")
    found = one.equivalent(other)
    assert (found.verdict, found.parted) == ("undecided", ("conv_2", "conv_2"))


@pytest.mark.slow
def test_versions_and_depths_of_resnet_are_told_apart() -> None:
    net = archc.load("resnet", depth=50)
    assert net.equivalent(archc.load("resnet", depth=50, version=1)).verdict == "different"
    assert net.equivalent(archc.load("resnet", depth=101)).verdict == "different"


def test_namesakes_of_which_one_is_frozen() -> None:
    found = built("frozen(conv(8, 1)) -> bn").equivalent(built("conv(8, 1) -> bn"))
    assert found.verdict == "equal" and not found.training


def test_vectors_of_open_length() -> None:
    def net(body: str) -> Architecture:
        return archc.loads(f"arch A {{ input x: [N, 8, H, W]  output {body} }}")

    joined = net("concat(x -> a: conv(4, 1), x -> b: conv(4, 1)) -> flatten")
    assert joined.equivalent(joined).verdict == "equal"
    parts = net("concat(x -> a: conv(4, 1) -> flatten, x -> b: conv(4, 1) -> flatten)")
    assert joined.equivalent(parts).verdict != "different"


def test_a_carried_checkpoint_keeps_its_precision() -> None:
    a, b = built("one: conv(4, 3)"), built("two: conv(4, 3)")
    found = a.equivalent(b)
    for dtype in (torch.float64, torch.bfloat16):
        state = a.module(dtype=dtype, seed=0).state_dict()
        assert torch.equal(b.carry(found, state)["two.weight"], state["one.weight"])
