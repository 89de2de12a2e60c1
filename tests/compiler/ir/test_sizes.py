from __future__ import annotations

import copy
import gc
import pickle
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.ir import requirements
from archc.compiler.ir import sizes as module
from archc.compiler.ir.proofs import prove_at_least, prove_equal, tabulate
from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.size_rules import maximum, minimum
from archc.compiler.ir.sizes import Dim, Size, ceil_div, evaluate, substitute, symbol, symbols, total

H, W, C = symbol("H"), symbol("W"), symbol("C")
NAMES = ["H", "W", "C"]
RANGE = range(1, 201)

Tree = Any
"""A name, an int, or (operator, operand, operand): evaluated directly, and through sizes."""


def trees(names: list[str], operators: list[str]) -> st.SearchStrategy[Tree]:
    leaves = st.one_of(st.sampled_from(names), st.integers(-9, 9))
    return st.recursive(leaves, lambda inner: st.tuples(st.sampled_from(operators), inner, inner), max_leaves=12)


def floor_trees(names: list[str]) -> st.SearchStrategy[Tree]:
    leaves = st.one_of(st.sampled_from(names), st.integers(-9, 9))

    def extend(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        divisors = st.integers(1, 6)
        return st.one_of(
            st.tuples(st.sampled_from(["+", "-"]), inner, inner),
            st.tuples(st.sampled_from(["//", "%", "*"]), inner, divisors),
        )

    return st.recursive(leaves, extend, max_leaves=6)


def calculate(tree: Tree, leaf: dict[str, Any]) -> Any:
    """The value of a tree by ordinary arithmetic on whatever `leaf` gives the names."""
    if isinstance(tree, str):
        return leaf[tree]
    if isinstance(tree, int):
        return tree
    operator, left, right = tree
    a, b = calculate(left, leaf), calculate(right, leaf)
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "//":
            return a // b
        case "%":
            return a % b
        case "max":
            return maximum(a, b)
        case "min":
            return minimum(a, b)
        case "ceil":
            return ceil_div(a, b)
    raise AssertionError(operator)


ALL = ["+", "-", "*", "//", "%", "max", "min", "ceil"]
values = st.fixed_dictionaries({name: st.integers(1, 60) for name in NAMES})


@settings(max_examples=400, deadline=None)
@given(trees(NAMES, ALL), values)
def test_normal_form_has_the_value_of_the_expression(tree: Tree, sizes: dict[str, int]):
    try:
        expected = calculate(tree, sizes)
        form = calculate(tree, {"H": H, "W": W, "C": C})
    except ZeroDivisionError:
        return
    assert evaluate(form, sizes) == expected
    assert symbols(form) <= set(NAMES)
    assert isinstance(form, int) or form.symbols()
    # The text is an expression of the same value, and substituting in steps gives the same as at once.
    assert eval(str(form), {"max": max, "min": min}, dict(sizes)) == expected
    assert evaluate(substitute(form, {"H": sizes["H"]}), sizes) == expected
    assert substitute(form, sizes) == expected
    swapped = substitute(form, {"H": C, "C": H})
    assert evaluate(swapped, {"H": sizes["C"], "W": sizes["W"], "C": sizes["H"]}) == expected


@settings(max_examples=300, deadline=None)
@given(trees(NAMES, ALL), values, st.integers(-20, 20))
def test_bounds_hold(tree: Tree, sizes: dict[str, int], least: int):
    try:
        value = calculate(tree, sizes)
        form = calculate(tree, {"H": H, "W": W, "C": C})
    except ZeroDivisionError:
        return
    proved = prove_at_least(form, least)
    if proved is not None:
        assert (value >= least) == proved
    equal = prove_equal(form, least)
    if equal is not None:
        assert (value == least) == equal


def within(name: str, low: int, high: int | None) -> Dim:
    """A size that takes every value from `low` to `high`, or every one from `low` on, as its symbol grows."""
    grown = symbol(name) + (low - 1)
    return grown if high is None else minimum(grown, high)


ends = st.tuples(st.integers(-7, 7), st.none() | st.integers(0, 9))


@settings(max_examples=400, deadline=None)
@given(ends, ends, st.sampled_from(["+", "-", "*", "//", "ceil"]))
def test_intervals_hold_at_every_value_in_range(first: Any, second: Any, operator: str):
    """Against brute force over both operands, negative numerators and divisors among them."""
    spans = [(low, None if length is None else low + length) for low, length in (first, second)]
    if operator in ("//", "ceil") and spans[1] == (0, 0):
        return
    form = calculate((operator, "H", "W"), {n: within(n, *s) for n, s in zip("HW", spans, strict=True)})
    found = []
    for a in range(spans[0][0], (25 if spans[0][1] is None else spans[0][1]) + 1):
        for b in range(spans[1][0], (25 if spans[1][1] is None else spans[1][1]) + 1):
            if b or operator not in ("//", "ceil"):
                found.append(calculate((operator, "H", "W"), {"H": a, "W": b}))
    low, high = (form, form) if isinstance(form, int) else form.interval
    assert all((low is None or low <= v) and (high is None or v <= high) for v in found)


@pytest.mark.parametrize(
    ("numerator", "divisor", "interval"),
    [
        ((3, 10), (2, 4), (0, 5)),
        ((8, 10), (2, 4), (2, 5)),
        ((8, 10), (2, None), (0, 5)),
        ((8, None), (2, 4), (2, None)),
        ((-9, 10), (4, 4), (-3, 2)),
        ((-9, 10), (2, 4), (None, None)),
        ((3, 10), (0, 4), (None, None)),
        ((3, 10), (-4, -2), (None, None)),
    ],
)
def test_the_interval_of_a_quotient(numerator: Any, divisor: Any, interval: tuple[int | None, int | None]):
    form = within("H", *numerator) // within("W", *divisor)
    assert isinstance(form, Size) and form.interval == interval


@settings(max_examples=300, deadline=None)
@given(floor_trees(["H"]), floor_trees(["H"]))
def test_one_symbol_equality_is_decided_exactly(left: Tree, right: Tree):
    a, b = calculate(left, {"H": H}), calculate(right, {"H": H})
    gap = a - b
    if not isinstance(gap, int) and tabulate(gap) is None:
        return
    wide = range(1, 1500)
    answer = prove_equal(a, b)
    holds = [calculate(left, {"H": n}) == calculate(right, {"H": n}) for n in wide]
    if answer is None:
        assert not all(holds)
    else:
        assert all(h == answer for h in holds)
    if any(holds) and not all(holds):
        assert answer is None


claims = st.one_of(
    st.tuples(st.just("equal"), floor_trees(["H"]), floor_trees(["H"])),
    st.tuples(st.just("at_least"), floor_trees(["H"]), st.integers(-5, 30)),
    st.tuples(st.just("divisible"), floor_trees(["H"]), st.integers(1, 9)),
    st.tuples(st.just("at_least"), trees(["H"], ["+", "*", "max", "min"]), st.integers(0, 90)),
)


def holds_at(claim: tuple[str, Tree, Tree], n: int) -> bool:
    kind, left, right = claim
    a, b = calculate(left, {"H": n}), calculate(right, {"H": n})
    return {"equal": a == b, "at_least": a >= b, "divisible": b != 0 and a % b == 0}[kind]


def says(text: str, n: int) -> bool:
    """Whether a described requirement on H holds at n."""
    text = text.replace("at least", ">=").replace("at most", "<=")
    return eval(text, {"max": max, "min": min}, {"H": n})


@settings(max_examples=400, deadline=None)
@given(st.lists(claims, min_size=1, max_size=4))
def test_requirements_say_what_was_asked(asked: list[tuple[str, Tree, Tree]]):
    facts = Requirements()
    accepted = []
    for kind, left, right in asked:
        before = facts.describe()
        a, b = calculate(left, {"H": H}), calculate(right, {"H": H})
        met = [n for n in RANGE if all(holds_at(c, n) for c in [*accepted, (kind, left, right)])]
        answer = getattr(facts, kind)(a, b)
        if answer:
            accepted.append((kind, left, right))
        else:
            assert not met
            assert facts.describe() == before
    legal = [n for n in RANGE if all(holds_at(claim, n) for claim in accepted)]
    described = facts.describe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requirements, "SEARCH_BOUND", 2**12)
        smallest = facts.smallest()
    assert [n for n in RANGE if all(says(text, n) for text in described)] == legal
    assert [n for n in RANGE if not facts.violations({"H": n})] == legal
    assert len(described) == len(set(described))
    if legal:
        assert smallest == ({"H": legal[0]} if facts.symbols() else {})
    elif smallest is not None:
        assert smallest["H"] > max(RANGE)


@settings(max_examples=300, deadline=None)
@given(trees(NAMES, ["+", "*", "//", "min", "max"]), st.integers(-5, 60), values)
def test_requirements_of_several_symbols(tree: Tree, least: int, sizes: dict[str, int]):
    facts = Requirements()
    try:
        form, value = calculate(tree, {"H": H, "W": W, "C": C}), calculate(tree, sizes)
    except ZeroDivisionError:
        return
    if not facts.at_least(form, least):
        assert value < least
    else:
        assert (not facts.violations(sizes)) == (value >= least)


def chain(x: Dim, times: int, kernel: int, stride: int, padding: int) -> Dim:
    for _ in range(times):
        x = (x + 2 * padding - kernel) // stride + 1
    return x


def test_canonical_forms():
    assert (H + 6 - 7) // 2 + 1 is (H + 1) // 2
    assert ((H + 1) // 2 + 1) // 2 is (H + 3) // 4
    assert (2 * H) // 4 is H // 2
    assert (32 * H + 1) // 2 is 16 * H
    assert (32 * H) // 32 is H
    assert (H + 5 * W) // 5 is W + H // 5
    assert chain(H, 5, 7, 2, 3) is (H + 31) // 32
    assert (H * W) // W is H
    assert (H + W) * (H - W) is H**2 - W**2
    assert H - H == 0
    assert (H % 4) // 4 == 0
    assert H % 1 == 0
    assert 7 % symbol("H") is 7 - H * (7 // H)


def test_maximum_collapses_where_order_is_proved():
    assert maximum(H, 1) is H
    assert maximum(H + 1, H + 3) is H + 3
    assert maximum(H, H // 2, W, H) is maximum(W, H)
    assert minimum(H, H // 2, 0) == 0
    assert maximum(maximum(H, W), C) is maximum(H, maximum(W, C))
    assert maximum(3, 5) == 5
    with pytest.raises(ValueError):
        maximum()


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ((H + 31) // 32, "(H + 31) // 32"),
        (32 * H, "32 * H"),
        (H // 2 + W, "H // 2 + W"),
        ((H - 3) // 2 + 1, "(H - 1) // 2"),
        (5 - H, "5 - H"),
        (-H, "-H"),
        (-(H // 2), "-(H // 2)"),
        (-(7 // H), "-(7 // H)"),
        (-2 * (H // 2), "-2 * (H // 2)"),
        (-H // 2, "-((H + 1) // 2)"),
        (H % 2, "H - 2 * (H // 2)"),
        (3 * H * H * W + 1, "3 * H ** 2 * W + 1"),
        (maximum(W, H // 2, 7), "max(7, H // 2, W)"),
        ((3 * H) // 4, "(3 * H) // 4"),
        ((H - W) // 2, "(H - W) // 2"),
        (H // W, "H // W"),
    ],
)
def test_text(size: Dim, text: str):
    assert str(size) == text


def test_order_is_not_decided_by_python():
    with pytest.raises(TypeError):
        _ = H < W  # type: ignore[operator]
    with pytest.raises(TypeError):
        _ = H >= 1  # type: ignore[operator]
    with pytest.raises(ZeroDivisionError):
        _ = H // 0


def test_a_missing_size_is_named():
    with pytest.raises(ValueError, match="size W"):
        (H + W).evaluate({"H": 1})


def test_proofs():
    assert prove_equal(2 * (H // 2), H) is None
    assert prove_equal(H + 1, H) is False
    assert prove_equal(2 * (H // 2), H + 1) is False
    assert prove_equal(H - H // 2, (H + 1) // 2) is True
    assert prove_equal(2 * H + 4 * W, 3) is False
    assert prove_equal(H, W) is None
    assert prove_at_least((H + 1) // 2, 1) is True
    assert prove_at_least(H // 2, 1) is None
    assert prove_at_least(3 - H, 3) is False
    assert prove_at_least(H * W + W, 2) is True
    assert prove_at_least(H // 2 - H, 1) is False


def test_forms_are_dropped_with_their_last_use():
    gc.collect(1)  # what is this young is in no older generation, which takes seconds
    before = len(module._sizes)
    kept = [chain(symbol(f"x{i}"), 3, 3, 2, 1) for i in range(50)]
    assert len(module._sizes) > before
    del kept
    gc.collect(1)
    assert len(module._sizes) <= before


def test_copies_are_the_same_object():
    size = maximum((H + 1) // 2, W * C) + 3
    assert copy.deepcopy(size) is size
    assert copy.copy(size) is size
    assert pickle.loads(pickle.dumps(size)) is size


def test_described_requirements():
    facts = Requirements()
    assert facts.at_least((H - 5) // 8, 3)
    assert facts.at_least(W - 28, 1)
    assert facts.at_least(H, 7)
    assert facts.describe() == ["H and W at least 29"]
    assert facts.equal(2 * (H // 2), H)
    assert facts.divisible(H, 8)
    assert facts.equal(H // 2, W)
    assert facts.at_least(H + W, 7)
    assert facts.describe() == ["H and W at least 29", "H % 8 == 0", "H // 2 == W", "H + W >= 7"]
    assert not facts.divisible(H + 1, 2)
    assert facts.smallest() == {"H": 32, "W": 29}
    assert facts.violations({"H": 12, "W": 40}) == [
        "H at least 29, but H = 12",
        "H % 8 == 0, but H = 12",
        "H // 2 == W, but H // 2 = 6 and W = 40",
    ]
    assert facts.symbols() == {"H", "W"}
    with pytest.raises(ValueError, match="size W"):
        facts.violations({"H": 32})


def test_residues_merge():
    facts = Requirements()
    assert facts.equal((H + 1) // 2 - H // 2, 1)
    assert facts.describe() == ["H % 2 == 1"]
    assert facts.divisible(H - 1, 4)
    assert facts.describe() == ["H % 4 == 1"]
    assert not facts.divisible(H, 2)
    assert facts.describe() == ["H % 4 == 1"]
    assert facts.divisible(H, 3)
    assert facts.describe() == ["H % 12 == 9"]


@pytest.mark.parametrize(("claim", "least"), [(H + 3 * (H % 2), 4), (20 - H - 3 * (H % 2), 6)])
def test_bounds_that_are_no_range_stay_formulas(claim: Size, least: int):
    facts = Requirements()
    assert facts.at_least(claim, least)
    legal = [n for n in RANGE if claim.evaluate({"H": n}) >= least]
    assert legal != list(range(legal[0], legal[-1] + 1))
    assert [n for n in RANGE if not facts.violations({"H": n})] == legal


def test_certainly_equal_requires_nothing():
    facts = Requirements()
    assert facts.certainly_equal(H - H // 2, (H + 1) // 2)
    assert not facts.certainly_equal(H, W)
    assert not facts.certainly_equal(2 * (H // 2), H)
    assert facts.certainly_equal(3, 3)
    assert facts.describe() == []


def test_a_search_without_result_ends():
    facts = Requirements()
    assert facts.equal(H * H, 2)
    assert facts.describe() == ["H ** 2 == 2"]
    assert facts.smallest() is None


def test_division_by_zero_is_a_violation():
    facts = Requirements()
    assert facts.at_least(10 // (H - 3), 2)
    assert facts.violations({"H": 3}) == ["10 // (H - 3) >= 2, but this divides by 0"]
    assert facts.smallest() == {"H": 4}


def test_required_equality_joins_smallest():
    facts = Requirements()
    assert facts.equal(H, W)
    assert facts.at_least(H, 5)
    assert facts.divisible(W, 4)
    assert facts.at_least(H * W - W, 100)
    assert facts.smallest() == {"H": 12, "W": 12}


def test_numbers():
    facts = Requirements()
    assert facts.equal(3, 3) and not facts.equal(3, 4)
    assert facts.at_least(3, 3) and not facts.at_least(2, 3)
    assert facts.divisible(8, 4) and not facts.divisible(7, 4)
    assert facts.describe() == [] and facts.smallest() == {}


def test_long_chains_do_not_recurse():
    folded = chain(H, 10_000, 7, 2, 3)
    assert evaluate(folded, {"H": 10**6}) == 1
    assert "2**" in str(folded)
    nested: Dim = H
    facts = Requirements()
    for _ in range(5_000):
        nested = maximum((2 * nested + W) // 3, 2)
        assert facts.at_least(nested - 1, 1)
    assert symbols(nested) == {"H", "W"}
    assert evaluate(nested, {"H": 10**6, "W": 90}) == 90
    assert "..." in str(nested)
    assert not facts.equal(nested, nested + W)
    assert evaluate(chain(H, 5_000, 3, 2, 1) * W, {"H": 224, "W": 2}) == 2
    del nested


def test_total():
    many = [prod([symbol(f"n{i % 7}"), H, W, i % 5]) for i in range(20_000)]
    assert total(many) is total(reversed(many))
    assert total([]) == 0
    assert total([H, 3, -H]) == 3
