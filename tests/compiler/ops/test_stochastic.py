"""Parts left out in training: what their calls may say, and the shapes they take. What they do is tested as torch."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from archc.compiler.ir.op import Op
from archc.compiler.ops.build import ArgumentError, build_op
from archc.compiler.ops.stochastic import Choice, Columns

from .compare import argument_error, refusal
from .interpret import infer, op, tensor_type


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("survive", {"p": 1.5}, "`p` of survive must be a number from 0 to 1, not 1.5"),
        ("survive", {"p": -0.1}, "`p` of survive must be a number from 0 to 1, not -0.1"),
        ("survive", {"p": 0.5, "per": "row"}, '`per` of survive must be "batch" or "image", not the string "row"'),
        ("drop_mean", {"p": 2}, "`p` of drop_mean must be a number from 0 to 1, not 2"),
        ("drop_mean", {"p": 0.1, "survivor": 2}, "`survivor` of drop_mean must be a number made by `draw`, not 2"),
        ("drop_mean", {"p": 0.1, "survivor": True}, "must be a number made by `draw`, not true"),
        ("freeze_drop_path", {"distribution": "up"}, 'must be "rising", "uniform" or "falling", not the string "up"'),
        ("freeze_drop_path", {"cycle": -1}, "`cycle` of freeze_drop_path must be a whole number from 0, not -1"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(kind: str, settings: dict[str, Any], words: str) -> None:
    assert words in argument_error(kind, **settings)


def choice(n: int, **settings: Any) -> Op:
    return build_op(Choice, [n], settings)


@pytest.mark.parametrize(("n", "share", "words"), [(0, 1, "`n` of choice"), (2, 1.5, "`share` of choice")])
def test_a_draw_has_numbers_to_choose_from_and_a_probability(n: int, share: float, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        choice(n, share=share)


def test_every_image_may_have_its_own_number_or_all_one() -> None:
    x = tensor_type(5, 3, 8, 8)
    assert [infer(choice(4, per=per), x)[0].dims for per in ("image", "batch")] == [(5,), (1,)]
    assert infer(choice(4), x)[0].dtype == "int"


def test_a_join_has_at_most_one_input_for_each_column() -> None:
    x, drawn = tensor_type(5, 3, 8, 8), infer(choice(2), tensor_type(5, 3))[0]
    join = op("drop_mean", 0.1, survivor=Columns(2))
    assert infer(join, x, x, drawn) == infer(op("drop_mean", 0.1), x, x) == infer(op("mean"), x, x)
    assert refusal(join, x, x, x, drawn).code == "E0413"


@pytest.mark.parametrize("chances", [("rising", (1, 4, 9)), ("uniform", (1, 1, 1)), ("falling", (9, 4, 1))])
def test_a_cycle_has_a_turn_for_every_input(chances: tuple[str, tuple[int, ...]]) -> None:
    distribution, parts = chances
    three = (tensor_type(2, 3),) * 3
    for cycle in range(1, 30):
        ends = [Fraction(sum(parts[: i + 1]), sum(parts)) for i in range(3)]
        turns = {next(i for i, end in enumerate(ends) if Fraction(place, cycle) < end) for place in range(cycle)}
        layer = op("freeze_drop_path", distribution, cycle=cycle)
        if turns == {0, 1, 2}:
            assert infer(layer, *three) == infer(op("sum"), *three)
        else:
            assert refusal(layer, *three).code == "E0414"
