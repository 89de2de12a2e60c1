"""`rearrange` against einops."""

from __future__ import annotations

import itertools

import einops
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.types import Axis, TensorType

from .compare import H, N, T, W, agree, argument_error, dims, refusal
from .interpret import infer, op

X = dims(N, 6, H, W)
SIZES = {"N": 3, "H": 8, "W": 4}

PATTERNS = [
    ("n c (h p) (w q) -> n (h w) (p q c)", {"p": 4, "q": 2}),
    ("n c h w -> n (h w) c", {}),
    ("n (g c) h w -> n (c g) h w", {"g": 3}),
    ("n c (h p) (w q) -> (n h w) c p q", {"p": 2, "q": 2}),
    ("n c h w -> n c h w", {}),
    ("n c h w -> n c 1 (h w) 1", {}),
    ("n (a b c) h w -> n b h (a w c)", {"a": 2, "b": 3}),
    ("n c h w -> (n w) (h c)", {}),
]


@pytest.mark.parametrize(("pattern", "sizes"), PATTERNS)
def test_rearrange_as_einops(pattern, sizes):
    (x,), (result,) = agree(op("rearrange", pattern, **sizes), [X], **SIZES)
    assert torch.equal(result, einops.rearrange(x, pattern, **sizes))


@st.composite
def cases(draw):
    """A random pattern: axes split into names, the names permuted and grouped anew, with axes of size 1 strewn in."""
    sizes, left, shape = {}, ["n"], [2]
    for axis in range(draw(st.integers(1, 3))):
        names = [f"{'abc'[axis]}{i}" for i in range(draw(st.integers(1, 3)))]
        sizes |= {name: draw(st.integers(1, 3)) for name in names}
        left.append(names[0] if len(names) == 1 else f"({' '.join(names)})")
        shape.append(torch.Size(sizes[name] for name in names).numel())
        if draw(st.integers(0, 4)) == 0:
            left.append("1")
            shape.append(1)
    order = draw(st.permutations(list(sizes)))
    cuts = sorted({0, len(order), *draw(st.lists(st.integers(0, len(order)), max_size=3))})
    groups = [order[a:b] for a, b in itertools.pairwise(cuts)]
    right = ["n", *(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in groups)]
    right += ["1"] * draw(st.integers(0, 1))
    inner = [name for part in left if part.startswith("(") for name in part[1:-1].split()[1:]]
    return f"{' '.join(left)} -> {' '.join(right)}", {name: sizes[name] for name in inner}, shape


@settings(max_examples=120, deadline=None)
@given(cases())
def test_any_pattern_as_einops(case):
    pattern, sizes, shape = case
    (x,), (result,) = agree(op("rearrange", pattern, **sizes), [dims(N, *shape[1:])], N=2)
    assert torch.equal(result, einops.rearrange(x, pattern, **sizes))


def test_the_channels_go_where_their_name_goes():
    assert infer(op("rearrange", "n c h w -> n h w c"), X)[0].channel_axis == 3
    assert infer(op("rearrange", "n c (h p) (w q) -> n (h w) (p q c)", p=2, q=2), X)[0].channel_axis == 2
    assert infer(op("rearrange", "n t c -> n c t"), dims(N, T, 8, channel_axis=2))[0].channel_axis == 1


def test_symbolic_sizes_by_keyword():
    layer = op("rearrange", "n c (h p) w -> n (h w) (p c)", h=H // 4)
    requirements = Requirements()
    (out,) = layer.infer((X,), requirements)
    assert not requirements.violations({"N": 1, "H": 8, "W": 3})
    assert out.rank == 3


def test_sizes_that_do_not_divide():
    requirements = Requirements()
    op("rearrange", "n c (h p) w -> n (h w) (p c)", p=4).infer((X,), requirements)
    assert requirements.violations({"N": 1, "H": 7, "W": 3}) and not requirements.violations({"N": 1, "H": 8, "W": 3})
    assert refusal(op("rearrange", "n (g c) h w -> n c g h w", g=4), X).code == "E0409"
    assert refusal(op("rearrange", "n (g c) h w -> n c g h w", g=4, c=2), X).code == "E0409"
    assert refusal(op("rearrange", "n c h w -> n (h w) c", c=5), X).code == "E0409"
    unknown = refusal(op("rearrange", "n (g c) h w -> n c g h w"), X)
    assert unknown.code == "E0409" and "`c = 4`" in unknown.hints[0]
    assert refusal(op("rearrange", "n c h -> n h c"), X).code == "E0401"
    assert refusal(op("rearrange", "n 1 h w -> n h w"), X).code == "E0409"


def test_the_batch_stays_first():
    moved = refusal(op("rearrange", "n c h w -> c n h w"), X)
    assert (moved.code, moved.hints) == ("E0409", ("that is `n`",))
    assert "batch first" in str(refusal(op("rearrange", "1 c h w -> 1 c h w"), X))


@pytest.mark.parametrize("pattern", ["(s t) h -> h s t", "s h -> h s", "(t s) h -> (h t) 1 s"])
def test_a_parameter_has_no_batch_to_keep(pattern):
    sizes = {"t": 2} if "t" in pattern else {}
    table = TensorType((Axis(6), Axis(5)))
    (x,), (result,) = agree(op("rearrange", pattern, **sizes), [table])
    assert torch.equal(result, einops.rearrange(x, pattern, **sizes))


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("n c h w", "arrow"),
        ("n (c h w -> n c h w", "does not close"),
        ("n c) -> n c", "cannot be read"),
        ("n c ... -> n ... c", "cannot be read"),
        ("n c c -> n c", "twice"),
        ("n c h -> n c", "one only"),
        ("->", "both sides"),
        (3, "pattern"),
    ],
)
def test_bad_patterns_are_explained(pattern, part):
    assert part in argument_error("rearrange", pattern)


def test_bad_sizes_are_explained():
    assert "no name of the pattern" in argument_error("rearrange", "n c h -> n h c", q=3)
    assert "whole number" in argument_error("rearrange", "n (c d) h -> n h c d", d=0)
    assert "whole number" in argument_error("rearrange", "n (c d) h -> n h c d", d="x")
