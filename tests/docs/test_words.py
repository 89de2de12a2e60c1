"""The words and operators of the grammar: each has a page, whose example is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from archc import check
from archc.dsl.codes import all_operators, all_words, explained
from archc.grammar import words


def test_every_word_of_the_grammar_is_explained() -> None:
    assert all_words().keys() == words().keywords.keys()


@pytest.mark.parametrize("page", sorted(set(all_words().values())))
def test_the_example_of_a_word_is_right_and_has_it(page: str) -> None:
    found = [word for word, stem in all_words().items() if stem == page]
    example = explained(found[0]).right
    assert example is not None and {*found} & {*re.findall("[a-z]+", example)}
    assert check(text=example) == []


PUNCTUATION = set("()[]{},:.=|")


def test_every_operator_of_the_grammar_is_explained() -> None:
    assert all_operators().keys() == words().operators.keys() - PUNCTUATION


@pytest.mark.parametrize("sign", all_operators())
def test_the_page_of_an_operator_is_told_and_its_example_is_right(sign: str, archc: Callable[..., Any]) -> None:
    page = explained(sign)
    assert page.right is not None and sign in page.right and check(text=page.right) == []
    told = archc("explain", sign)
    assert told.status == 0 and f"{sign}: {page.title}" in told.out
