"""Changes one operator, constant or condition of the package at a time, and says which changes the tests notice.

    python tests/mutation.py --count 200

draws that many changes, each from the seed, and runs on copies of the checkout the tests that run the changed lines,
the shortest first, up to two minutes of them. Which tests these are is measured first, by one run of the fast suite.
A change is caught if a test fails or takes several times as long as without it. What is not caught is listed;
`equivalent_mutants.txt` says of some why nothing can notice them, and these are not drawn.

The tests run in forks of this process, which has imported what takes long to import, and nothing of the package.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import coverage
import pytest

PROJECT = Path(__file__).resolve().parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
OUTSIDE = ("tests/", "docs/", "bench/", "studies/", "specs/", "build/")
"""Folders of Python that are no part of the package."""

FIRST, LONGEST = 10.0, 120.0
"""Seconds that the tests of a change take: those that run at once, and all of them."""

OTHERWISE: dict[type, type] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A change: the text from one offset of a file to another is replaced."""

    path: str
    line: int
    start: int
    end: int
    before: str
    after: str

    @property
    def change(self) -> str:
        return f"{' '.join(self.before.split())} => {' '.join(self.after.split())}"

    @property
    def lines(self) -> range:
        """The lines of what is changed."""
        return range(self.line, self.line + self.before.count("\n") + 1)


class _Sites(ast.NodeVisitor):
    """Finds the changes of a file."""

    def __init__(self, path: str, text: str):
        self.path, self.data = path, text.encode()
        self.starts = [0]
        for line in self.data.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.found: list[Mutant] = []

    def add(self, node: ast.expr, after: str) -> None:
        start = self.starts[node.lineno - 1] + node.col_offset
        end = self.starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        self.found.append(Mutant(self.path, node.lineno, start, end, self.data[start:end].decode(), after))

    def negate(self, test: ast.expr) -> None:
        if not isinstance(test, (ast.Compare, ast.BoolOp, ast.UnaryOp)):  # Those are changed by themselves.
            self.add(test, f"(not ({ast.unparse(test)}))")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass  # Its parts have no places of their own.

    def visit_arg(self, node: ast.arg) -> None:
        pass  # An annotation.

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for child in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
            self.visit(child)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for child in node.body:  # A decorator says how a class is kept, not what it does.
            self.visit(child)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return
        self.negate(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        if not isinstance(node.test, ast.Constant):
            self.negate(node.test)
            self.generic_visit(node)
            return
        for child in node.body:
            self.visit(child)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.negate(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.negate(test)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            self.add(node.value, "None")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for place, operator in enumerate(node.ops):
            ops = [*node.ops[:place], OTHERWISE[type(operator)](), *node.ops[place + 1 :]]
            self.add(node, f"({ast.unparse(ast.Compare(node.left, ops, node.comparators))})")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.add(node, f"({ast.unparse(ast.BoolOp(OTHERWISE[type(node.op)](), node.values))})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        texts = any(
            isinstance(side, ast.JoinedStr) or isinstance(getattr(side, "value", None), str)
            for side in (node.left, node.right)
        )
        if type(node.op) in OTHERWISE and not texts:
            self.add(node, f"({ast.unparse(ast.BinOp(node.left, OTHERWISE[type(node.op)](), node.right))})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.add(node, f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.add(node, str(not node.value))
        elif isinstance(node.value, int):
            self.add(node, str(node.value + 1))


def mutants_of(path: str, text: str) -> list[Mutant]:
    """Every change of a file."""
    sites = _Sites(path, text)
    sites.visit(ast.parse(text))
    return sites.found


def mutated(text: str, mutant: Mutant) -> str:
    data = text.encode()
    return (data[: mutant.start] + mutant.after.encode() + data[mutant.end :]).decode()


def equivalent() -> dict[tuple[str, str], str]:
    """Changes that nothing can notice, by file and change, and why."""
    lines = [line for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    found = [[part.strip() for part in line.split(" | ")] for line in lines]
    return {(path, change): why for path, change, why in found}


@dataclass(frozen=True)
class Runs:
    """Which tests run which lines, by file and line, and the seconds that each test takes."""

    lines: Mapping[str, Mapping[int, Sequence[str]]]
    seconds: Mapping[str, float]

    def stages(self, mutant: Mutant) -> list[list[str]]:
        """The tests of a change, the shortest first, in two parts: those that run its lines, or the whole file where
        its lines run as the file is imported."""
        of_file = self.lines.get(mutant.path, {})
        found = {test for line in mutant.lines for test in of_file.get(line, ())}
        found = found or {test for tests in of_file.values() for test in tests}
        stages: list[list[str]] = [[], []]
        total = 0.0
        for test in sorted(found, key=lambda test: (self.seconds[test], test)):
            if total and total + self.seconds[test] > LONGEST:
                break
            total += self.seconds[test]
            stages[total > FIRST].append(test)
        return [stage for stage in stages if stage]


class _Recorder:
    """A plugin of pytest that names to coverage the test that runs, and keeps how long each takes and which fail."""

    def __init__(self, measured: coverage.Coverage):
        self.measured = measured
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self.measured.switch_context(item.nodeid)
        start = time.perf_counter()
        result = yield
        self.seconds[item.nodeid] = time.perf_counter() - start
        self.measured.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)


class Copy:
    """A copy of the checkout in which one file at a time is changed, and its tests run."""

    def __init__(self, folder: Path):
        self.root = (folder / "changed").resolve()
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=PROJECT, capture_output=True, text=True, check=True
        )
        for name in listed.stdout.splitlines():
            if (PROJECT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, self.root / name)
        (folder / "path").mkdir()
        (folder / "path" / "archc").symlink_to(self.root)
        self.path, self.log = str(folder / "path"), folder / "log"
        self.changes = 0

    def write(self, path: str, text: str) -> None:
        """Writes a file with a time of its own, so that no compiled file of another text is taken for it."""
        (self.root / path).write_text(text, encoding="utf-8")
        self.changes += 2
        when = time.time() + self.changes
        os.utime(self.root / path, (when, when))

    def recorded(self, tests: Sequence[str], paths: Sequence[str]) -> Runs:
        """What these tests run of the files. Those that fail are left out."""
        told = self.root / "runs.json"
        if self._run(partial(self._record, tests, paths, told), None):
            raise RuntimeError(self.log.read_text(encoding="utf-8", errors="replace")[-2000:])
        found = json.loads(told.read_text(encoding="utf-8"))
        lines = {path: {int(line): run for line, run in of.items()} for path, of in found["lines"].items()}
        return Runs(lines, found["seconds"])

    def _record(self, tests: Sequence[str], paths: Sequence[str], told: Path) -> int:
        measured = coverage.Coverage(
            data_file=None, include=[str(self.root / path) for path in paths], config_file=False
        )
        recorder = _Recorder(measured)
        measured.start()
        _pytest([*tests], [recorder])
        measured.stop()
        data = measured.get_data()
        seconds = {test: taken for test, taken in recorder.seconds.items() if test not in recorder.failed}
        lines = {
            path: {
                line: [test for test in tests if test in seconds]
                for line, tests in data.contexts_by_lineno(str(self.root / path)).items()
            }
            for path in paths
        }
        told.write_text(json.dumps({"lines": lines, "seconds": seconds}), encoding="utf-8")
        return 0

    def outcome(self, mutant: Mutant, runs: Runs) -> tuple[str, str]:
        """What becomes of a change: `failed` or `timed out`, with the test that noticed it, else `survived`."""
        text = (PROJECT / mutant.path).read_text(encoding="utf-8")
        self.write(mutant.path, mutated(text, mutant))
        try:
            for stage in runs.stages(mutant):
                limit = 30 + 4 * sum(runs.seconds[test] for test in stage)
                status = self._run(lambda tests=stage: _pytest(["-x", *tests], []), limit)
                if status is None:
                    return "timed out", ""
                if status:
                    said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
                    test = next((line for line in said if line.startswith(("FAILED", "ERROR"))), "")
                    return "failed", test[:100]
        finally:
            self.write(mutant.path, text)
        return "survived", ""

    def _run(self, act: Callable[[], int], limit: float | None) -> int | None:
        """The status of what is done in a fork, in the copy; None if it took longer than the limit."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setsid()
                os.chdir(self.root)
                os.environ |= {"PYTHONPATH": self.path, "OMP_NUM_THREADS": "1"}
                sys.path.insert(0, self.path)
                # Compiled tests are used again and again.
                os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
                sys.dont_write_bytecode = False
                with self.log.open("w", encoding="utf-8") as log:
                    os.dup2(log.fileno(), 1)
                    os.dup2(log.fileno(), 2)
                status = act()
                sys.stdout.flush()
            finally:
                os._exit(status)
        start = time.monotonic()
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
            if limit is not None and time.monotonic() - start > limit:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return None
            time.sleep(0.05)


def _pytest(arguments: Sequence[str], plugins: Sequence[Any]) -> int:
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "--no-header", "--tb=no", "--continue-on-collection-errors"]
    return int(pytest.main([*options, *arguments], plugins=[*plugins]))


def sources(only: str) -> Iterator[tuple[str, str]]:
    """The files of the package whose paths begin with `only`, and their texts."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=PROJECT, capture_output=True, text=True, check=True)
    for path in sorted(listed.stdout.splitlines()):
        if path.startswith(only) and not path.startswith(OUTSIDE) and (PROJECT / path).is_file():
            yield path, (PROJECT / path).read_text(encoding="utf-8")


_own: list[Copy] = []
"""The copy that a process of the pool works in."""


def _begin(copies: Any) -> None:
    _own.append(copies.get())


def _recorded(paths: Sequence[str], tests: Sequence[str]) -> Runs:
    return _own[0].recorded(tests, paths)


def _outcome(runs: Runs, mutant: Mutant) -> tuple[Mutant, str, str]:
    return mutant, *_own[0].outcome(mutant, runs)


def joined(parts: Sequence[Runs]) -> Runs:
    """What several runs of other tests found."""
    lines: dict[str, dict[int, list[str]]] = {}
    for part in parts:
        for path, of in part.lines.items():
            for line, tests in of.items():
                lines.setdefault(path, {}).setdefault(line, []).extend(tests)
    return Runs(lines, {test: taken for part in parts for test, taken in part.seconds.items()})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="how many changes to draw (200)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (0)")
    parser.add_argument("--only", default="", metavar="PATH", help="only in files whose paths begin so")
    parser.add_argument("--tests", default="tests", metavar="PATH", help="only tests whose paths begin so (tests)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side (one a core)")
    parser.add_argument("--at-least", type=float, default=0, metavar="PERCENT", help="fail below this rate")
    given = parser.parse_args()
    known = equivalent()
    found = [mutant for path, text in sources(given.only) for mutant in mutants_of(path, text)]
    drawn = random.Random(given.seed).sample(found, min(given.count, len(found)))
    for mutant in drawn:
        if why := known.get((mutant.path, mutant.change)):
            print(f"equivalent  {mutant.path}:{mutant.line}  {mutant.change}: {why}", flush=True)
    drawn = [mutant for mutant in drawn if (mutant.path, mutant.change) not in known]
    for name in ("numpy", "networkx", "hypothesis", "lark", "pydantic", "torch"):
        importlib.import_module(name)  # Forks have them already.
    tests = [str(file.relative_to(PROJECT)) for file in (PROJECT / "tests").glob("**/test_*.py")]
    tests = sorted(test for test in tests if test.startswith(given.tests))
    random.Random(0).shuffle(tests)  # Long ones stand together.
    context = multiprocessing.get_context("fork")
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        copies = context.Queue()
        for number in range(given.jobs):
            copies.put(Copy(Path(folder) / str(number)))
        with ProcessPoolExecutor(given.jobs, context, _begin, (copies,)) as pool:
            groups = [tests[start :: 4 * given.jobs] for start in range(4 * given.jobs)]
            paths = sorted({mutant.path for mutant in drawn})
            runs = joined([*pool.map(partial(_recorded, paths), filter(None, groups))])
            print(f"{len(runs.seconds):,} tests, {sum(runs.seconds.values()):,.0f} s", flush=True)
            for mutant, outcome, test in pool.map(partial(_outcome, runs), drawn):
                if outcome == "survived":
                    survived.append(mutant)
                print(f"{outcome:<10}  {mutant.path}:{mutant.line}  {mutant.change}  {test}", flush=True)
    caught = len(drawn) - len(survived)
    rate = 100 * caught / max(1, len(drawn))
    print(f"\n{caught} of {len(drawn)} changes are caught, {rate:.1f} %, of {len(found):,} (seed {given.seed})")
    for mutant in survived:
        print(f"no test notices {mutant.path}:{mutant.line}  {mutant.change}")
    return int(rate < given.at_least)


if __name__ == "__main__":
    sys.exit(main())
