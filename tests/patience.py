"""What a test measures of a promised time, and how long it waits for it."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

IN_TIME = pytest.mark.parametrize("patience", [10, pytest.param(1, marks=pytest.mark.slow)])
"""How many times the promised time passes before a test fails: ten, as a busy machine is not the fault of a commit;
`pytest -m slow` holds to the promise itself."""


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python run: a measure of time that no other load changes."""
    count = 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
