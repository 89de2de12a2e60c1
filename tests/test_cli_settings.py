"""`--set` and its values."""

from __future__ import annotations

import pytest

from archc.cli.settings import DEEPEST, SettingError, parse_settings, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-5", 1e-5),
        (".5", 0.5),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("basic", "basic"),
        ("nan", "nan"),
        ('"7"', "7"),
        ("", ""),
        ("[]", []),
        ("[3,4,6,3]", [3, 4, 6, 3]),
        ("[3, 4, ]", [3, 4]),
        ("3,4,6,3", [3, 4, 6, 3]),
        ("layer1.0, layer1.1", ["layer1.0", "layer1.1"]),
        ("1,[2,3],", [1, [2, 3]]),
        ("[a,b],[c,d]", [["a", "b"], ["c", "d"]]),
        ("'a,b'", "a,b"),
        ("[[1, 2], [a, 'b, c'], 0.5]", [[1, 2], ["a", "b, c"], 0.5]),
    ],
)
def test_values(text: str, value: object) -> None:
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[1",
        "[1 2]",
        "[,]",
        "[1,,2]",
        "[1]]",
        "[1]x",
        "['a]",
        "[1[2]]",
        "1,,2",
        ",",
        "1,]",
        "1,'a",
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
    ],
)
def test_malformed_lists(text: str) -> None:
    with pytest.raises(SettingError):
        parse_value(text)


@pytest.mark.parametrize("text", [str(2**63), str(-(2**63)), "9" * 5000])
def test_numbers_beyond_63_bits(text: str) -> None:
    with pytest.raises(SettingError, match="63 bits"):
        parse_value(text)


def test_the_largest_number() -> None:
    assert parse_value(str(2**63 - 1)) == 2**63 - 1


def test_deepest_list() -> None:
    assert str(parse_value("[" * DEEPEST + "]" * DEEPEST)).count("[") == DEEPEST


@pytest.mark.parametrize("texts", [["depth"], ["=3"], ["a-b=3"], ["d=1", "d=2"]])
def test_malformed_settings(texts: list[str]) -> None:
    with pytest.raises(SettingError):
        parse_settings(texts)


def test_settings() -> None:
    assert parse_settings(["depth=50", "name = a=b"]) == {"depth": 50, "name": "a=b"}
