"""Changes of the package for tests of the tests: each is another program, and its file's own tests come first."""

from __future__ import annotations

import ast
import subprocess
import sys

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
        found, unchanged = mutation.mutants_of(path, text), ast.dump(ast.parse(text))
        for mutant in found[:: max(1, len(found) // 20)]:
            assert ast.dump(ast.parse(mutation.mutated(text, mutant))) != unchanged, mutant


RUNS = mutation.Runs({"f.py": {1: ["load"], 5: ["long", "short"], 6: ["short"]}}, {"long": 119, "short": 1, "load": 2})


@pytest.mark.parametrize(
    ("line", "before", "stages"),
    [
        (5, "a", [["short"], ["long"]]),
        (6, "a", [["short"]]),
        (4, "(\na)", [["short"], ["long"]]),  # it ends in line 5
        (9, "a", [["short", "load"]]),  # no test runs the line: it may run as the file is imported; `long` is too long
    ],
)
def test_the_tests_that_run_the_lines_come_the_shortest_first(line: int, before: str, stages: list[list[str]]) -> None:
    assert RUNS.stages(mutation.Mutant("f.py", line, 0, 1, before, "b")) == stages


def test_what_no_test_runs_has_no_tests() -> None:
    assert not RUNS.stages(mutation.Mutant("g.py", 1, 0, 1, "a", "b"))


def test_every_file_that_is_named_is_there() -> None:
    assert all((mutation.PROJECT / path).exists() for path, _ in mutation.equivalent())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ("tests/compiler/passes/test_reorder", "FAILED tests/compiler/passes/test_reorder.py::"),
        ("tests/dsl/test_quoting", "\n0 of 6 changes are caught"),
    ],
)
def test_changes_are_caught_by_the_tests_that_run_them(tests: str, said: str) -> None:
    command = [sys.executable, "tests/mutation.py", "--only", "compiler/analyses/residual.py", "--count", "6"]
    run = subprocess.run([*command, "--tests", tests], cwd=mutation.PROJECT, capture_output=True, text=True)
    assert run.returncode == 0 and said in run.stdout, run.stdout + run.stderr
