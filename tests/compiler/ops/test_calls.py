"""From calls to ops and initialisers: what is accepted, and what the errors say."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archc.compiler.ir.initialisers import INITIALISERS, Initialiser, make_initialiser, misfit
from archc.compiler.ir.sizes import symbol
from archc.compiler.ir.words import BadValue, met, say
from archc.compiler.ops.build import ArgumentError, build_op, signature
from archc.compiler.ops.registry import lookup, names

from .interpret import resolve

LAYERS = list(names())
ANYTHING = st.recursive(
    st.one_of(
        st.integers(),
        st.floats(),
        st.booleans(),
        st.text(max_size=3),
        st.fractions(),
        st.builds(object),
        st.just(symbol("H")),
        st.just(Initialiser("zeros")),
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


def call(name: str, *positional: object, **keywords: object):
    cls = lookup(name)
    assert cls is not None
    return build_op(cls, list(positional), keywords)


def refusal(name: str, *positional: object, **keywords: object) -> ArgumentError:
    with pytest.raises(ArgumentError) as caught:
        call(name, *positional, **keywords)
    return caught.value


def test_positions_and_keywords_mean_the_same():
    assert call("conv", 64, 3, 2, 0).key == call("conv", kernel=3, channels=64, padding="valid", stride=2).key


def test_values_get_their_canonical_form():
    layer = call("conv", Fraction(128, 2), [1, 7.0], padding=[[0, 1], [2, 3]], bias=True)
    assert (layer.channels, layer.kernel, layer.padding) == (64, (1, 7), ((0, 1), (2, 3)))
    assert call("dropout", Fraction(1, 4)).p == 0.25


@pytest.mark.parametrize(
    "error, parameter, message",
    [
        (refusal("conv", 7.5, 3), "channels", "`channels` of conv must be a positive whole number, not 7.5"),
        (refusal("conv", Fraction(15, 2), 3), "channels", "not 7.5"),
        (refusal("conv", Fraction(10, 3), 3), "channels", "not 10/3"),
        (refusal("conv", 0, 3), "channels", "not 0"),
        (refusal("conv", 2**63, 3), "channels", "below 2 ** 63"),
        (refusal("conv", True, 3), "channels", "not true"),
        (refusal("conv", symbol("H"), 3), "channels", "the symbolic size H"),
        (refusal("conv", object(), 3), "channels", "a network, a block or a tensor"),
        (refusal("conv", 64, "3"), "kernel", 'not the string "3"'),
        (refusal("conv", 64, [3, 0]), "kernel", "must be a positive whole number, not 0"),
        (refusal("conv", 64, [1, 2, 3, 4]), "kernel", "1 to 3 of them"),
        (refusal("conv", 64), None, "conv needs `kernel`"),
        (refusal("conv"), None, "conv needs `channels` and `kernel`"),
        (refusal("conv", 64, 3, 1, 0, 1), None, "at most 4 arguments by position (channels, kernel, stride, padding)"),
        (refusal("relu", 1), None, "relu takes no arguments by position, and gets 1"),
        (refusal("conv", 64, 3, channels=3), "channels", "twice, by position and by keyword"),
        (refusal("conv", 64, 3, bais=True), "bais", "conv has no parameter `bais`"),
        (refusal("conv", 64, 3, bias=0), "bias", "true, false or an initialiser"),
        (refusal("conv", 64, 3, init=0.1), "init", "must be an initialiser such as"),
        (refusal("conv", 64, 3, padding="full"), "padding", '"half", "same" or "valid", not the string "full"'),
        (refusal("conv", 64, 3, padding=-1), "padding", "a whole number from 0, not -1"),
        (refusal("conv", 64, 3, padding=[[1, 1], 2]), "padding", "a pair [before, after]"),
        (refusal("conv", 64, 3, padding_mode="mirror"), "padding_mode", '"reflect", "replicate" or "circular"'),
        (refusal("avgpool", 3, padding=[[0, 1], [0, 1]]), "padding", "equal on both sides"),
        (refusal("bn", affine=1), "affine", "true or false, not 1"),
        (refusal("bn", eps=0), "eps", "greater than 0, not 0"),
        (refusal("dropout", 1.5), "p", "a number from 0 to 1, not 1.5"),
        (refusal("dropout", float("nan")), "p", "a number from 0 to 1"),
        (refusal("gelu", approximate="tan"), "approximate", '"none" or "tanh"'),
    ],
)
def test_errors_say_what_is_wanted_and_what_was_met(error, parameter, message):
    assert error.parameter == parameter
    assert message in str(error)


def test_errors_have_hints():
    assert any("`//`" in hint for hint in refusal("conv", 7.5, 3).hints)
    assert "did you mean `bias`?" in refusal("conv", 64, 3, bais=True).hints
    assert any(hint.startswith("it is `conv(channels, kernel, stride = 1") for hint in refusal("conv", 64).hints)
    assert "a bias that starts at 0.1 is `constant(0.1)`" in refusal("linear", 10, bias=0.1).hints


@given(st.sampled_from(LAYERS), st.lists(ANYTHING, max_size=3), st.data())
def test_no_argument_gets_past_with_another_exception_or_pydantics_words(name, positional, data):
    cls = lookup(name)
    assert cls is not None
    rest = [field for field in cls.model_fields if field not in cls.positional[: len(positional)]]
    keywords = data.draw(st.dictionaries(st.sampled_from(rest), ANYTHING, max_size=3)) if rest else {}
    try:
        build_op(cls, positional, keywords)
    except ArgumentError as error:
        text = " ".join([str(error), *error.hints])
        for word in ("pydantic", "http", "Input should", "validation error", "<class", "object at"):
            assert word not in text


def test_signatures_show_defaults_as_a_spec_writes_them():
    conv, maxpool, relu = lookup("conv"), lookup("maxpool"), lookup("relu")
    assert conv and maxpool and relu
    assert signature(conv).startswith('conv(channels, kernel, stride = 1, padding = "half", dilation = 1, bias = false')
    assert signature(maxpool) == "maxpool(kernel, stride = kernel, ceil = false, padding = 0, dilation = 1)"
    assert signature(relu) == "relu"


def test_initialisers_have_all_their_settings():
    made = make_initialiser("normal", [], {"std": Fraction(1, 50)})
    assert made == make_initialiser("normal", [0.02, 0], {}) == Initialiser("normal", (("std", 0.02), ("mean", 0.0)))
    assert str(made) == "normal(std = 0.02)" and str(make_initialiser("normal", [], {})) == "normal"
    nested = make_initialiser("constant", [[[1, 0], [0, 1]]], {})
    assert nested.settings["value"] == ((1.0, 0.0), (0.0, 1.0))
    assert all(make_initialiser(kind, [], {}).kind == kind for kind in INITIALISERS if kind != "constant")


@pytest.mark.parametrize(
    "kind, positional, keywords, message",
    [
        ("normla", [], {}, "`normla` is no initialiser"),
        ("normal", [1, 2, 3], {}, "normal takes at most 2 arguments, not 3"),
        ("zeros", [1], {}, "zeros takes no arguments, not 1"),
        ("normal", [], {"sdt": 1}, "normal has no setting `sdt`"),
        ("normal", [1], {"std": 1}, "twice"),
        ("normal", [], {"std": -1}, "`std` of normal must be a number from 0, not -1"),
        ("constant", [], {}, "constant needs a `value`"),
        ("constant", [[1, [2]]], {}, "rows of equal length"),
        ("constant", ["a"], {}, 'must be a number, not the string "a"'),
        ("uniform", [1, 0], {}, "needs `low` below `high`, not 1 and 0"),
        ("kaiming_normal", [], {"mode": "fan"}, '"fan_in" or "fan_out"'),
    ],
)
def test_errors_of_initialisers(kind, positional, keywords, message):
    with pytest.raises(BadValue, match=r".") as caught:
        make_initialiser(kind, positional, keywords)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", [d.kind for d in INITIALISERS.values() if d.torch])
def test_torch_takes_the_settings_by_their_names(kind):
    declared = INITIALISERS[kind]
    tensor = torch.zeros((3,) * max(declared.least_rank, 1))
    resolve(declared.torch)(tensor, **make_initialiser(kind, [], {}).settings)
    assert kind == "zeros" or tensor.any()


def test_initialisers_say_which_tensors_they_cannot_fill():
    assert misfit(make_initialiser("kaiming_normal", [], {}), (3,)) is not None
    assert misfit(make_initialiser("eye", [], {}), (3, 3, 3)) is not None
    assert misfit(make_initialiser("constant", [[1, 2]], {}), (3,)) is not None
    assert misfit(make_initialiser("constant", [[1, 2]], {}), (2,)) is None
    assert misfit(make_initialiser("constant", [1], {}), (3, 3)) is None


def test_values_in_words():
    assert say([1, True, 'a"b', Fraction(1, 2), Fraction(1, 3)]) == '[1, true, "a\\"b", 0.5, 1/3]'
    assert met(list(range(100))) == "a list of 100"
