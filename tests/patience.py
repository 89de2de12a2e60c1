"""How long a test waits for what is promised within a time."""

import pytest

IN_TIME = pytest.mark.parametrize("patience", [10, pytest.param(1, marks=pytest.mark.slow)])
"""How many times the promised time passes before a test fails: ten, as a busy machine is not the fault of a commit;
`pytest -m slow` holds to the promise itself."""
