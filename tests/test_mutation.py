"""Changes of the package for tests of the tests: each is another program, and its file's own tests come first."""

from __future__ import annotations

import ast

import mutation
import pytest

TEXT = '''"""Text 1 == 2."""
from x import y

def f(a: int = 3, *, b: "A | B" = False) -> int | None:
    if a and not b:
        return [n * 2 for n in a if n]
    while True:
        a: int | str = -1
        return "é" + f"{a + 1}" if a <= 2 < b else a // 2
'''


def test_every_operator_constant_and_condition_is_changed() -> None:
    changes = [mutant.change for mutant in mutation.mutants_of("f.py", TEXT)]
    assert sorted(changes) == sorted(
        [
            "3 => 4",
            "False => True",
            "a and not b => (a or not b)",
            "not b => (b)",
            "[n * 2 for n in a if n] => None",
            "n => (not (n))",
            "n * 2 => (n + 2)",
            "2 => 3",
            "1 => 2",
            '"é" + f"{a + 1}" if a <= 2 < b else a // 2 => None',
            "a <= 2 < b => (a < 2 < b)",
            "a <= 2 < b => (a <= 2 <= b)",
            "2 => 3",
            "a // 2 => (a * 2)",
            "2 => 3",
        ]
    )


def test_each_change_of_the_package_is_another_program() -> None:
    for path, text in mutation.sources("compiler/analyses/"):
        found = mutation.mutants_of(path, text)
        for mutant in found[:: max(1, len(found) // 20)]:
            assert ast.dump(ast.parse(mutation.mutated(text, mutant))) != ast.dump(ast.parse(text)), mutant


@pytest.mark.parametrize(
    ("path", "test"),
    [
        ("compiler/passes/tie.py", "tests/compiler/passes/test_tie.py"),
        ("compiler/analyses/residual.py", "tests/compiler/passes/test_reorder.py"),
        ("viz/page.py", "tests/viz/test_page_browser.py"),
        ("api.py", "tests/test_api.py"),
    ],
)
def test_the_nearest_tests_come_first(path: str, test: str) -> None:
    stages = mutation.tests_of(path)
    assert test in stages[0]
    assert len({file for stage in stages for file in stage}) == sum(map(len, stages))


def test_every_file_of_the_package_has_tests() -> None:
    assert all(mutation.tests_of(path) for path, _ in mutation.sources(""))


def test_every_file_that_is_named_is_there() -> None:
    for tests in mutation.ROOMS.values():
        assert all((mutation.PROJECT / test).exists() for test in tests)
    assert all((mutation.PROJECT / path).exists() for path, _ in mutation.equivalent())
