"""The words of the grammar: each has a page, whose example is right."""

from __future__ import annotations

import re

import pytest

import archc
from archc.dsl.codes import all_words, explained
from archc.grammar import words


def test_every_word_of_the_grammar_is_explained() -> None:
    assert all_words().keys() == words().keywords.keys()


@pytest.mark.parametrize("page", sorted(set(all_words().values())))
def test_the_example_of_a_word_is_right_and_has_it(page: str) -> None:
    found = [word for word, stem in all_words().items() if stem == page]
    example = explained(found[0]).right
    assert example is not None and {*found} & {*re.findall("[a-z]+", example)}
    assert archc.check(text=example) == []
