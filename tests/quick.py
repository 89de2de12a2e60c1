"""Which cases belong to every run of the tests, and which to the slow one alone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest


def slow_but(quick: Collection[Any], cases: Collection[Any], id: Callable[[Any], str] | None = None) -> list[Any]:
    """The cases, of which all but the `quick` are slow. A tuple is a case of several arguments."""
    assert all(case in cases for case in quick), quick
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            id=id and id(case),
            marks=() if case in quick else pytest.mark.slow,
        )
        for case in cases
    ]
