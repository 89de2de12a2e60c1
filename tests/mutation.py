"""Changes one operator, constant or condition of the package at a time, and says which changes the tests notice.

    python tests/mutation.py --count 200

draws that many changes, each from the seed, and runs the tests of the changed room on a copy of the checkout, the
nearest ones first. A change is caught if a test fails or runs several times as long as without it. What is not caught
is listed; `equivalent_mutants.txt` says of some why nothing can notice them, and these are not drawn.

The tests run in forks of this process, which has imported what takes long to import, and nothing of the package.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
OUTSIDE = ("tests/", "docs/", "bench/", "studies/", "specs/", "build/")
"""Folders of Python that are no part of the package."""

ROOMS: dict[str, tuple[str, ...]] = {
    "dsl/": ("tests/dsl", "tests/language"),
    "grammar/": ("tests/dsl",),
    "cli/": (
        "tests/test_cli.py",
        "tests/test_cli_compile.py",
        "tests/test_cli_analyses.py",
        "tests/test_cli_rewrite.py",
        "tests/test_cli_diff.py",
        "tests/test_cli_equiv.py",
        "tests/test_cli_overwrite.py",
        "tests/test_cli_settings.py",
        "tests/viz/test_command.py",
        "tests/docs/test_readme.py",
        "tests/docs/test_pages.py",
    ),
    "compiler/ir/": ("tests/compiler/ir", "tests/language", "tests/compiler/passes", "tests/compiler/ops"),
    "compiler/ops/": (
        "tests/compiler/ops",
        "tests/language",
        "tests/compiler/emit/test_layers.py",
        "tests/compiler/analyses",
    ),
    "compiler/elaborate/": (
        "tests/language",
        "tests/docs/test_errors.py",
        "tests/docs/test_language.py",
        "tests/specs",
    ),
    "compiler/analyses/": (
        "tests/compiler/analyses",
        "tests/test_cli_analyses.py",
        "tests/test_ablation.py",
        "tests/viz/test_plot.py",
    ),
    "compiler/compare/": (
        "tests/compiler/compare",
        "tests/test_cli_diff.py",
        "tests/test_cli_equiv.py",
        "tests/viz/test_diff.py",
    ),
    "compiler/passes/": (
        "tests/compiler/passes",
        "tests/language",
        "tests/test_cli_rewrite.py",
        "tests/test_ablation.py",
    ),
    "compiler/decompile/": (
        "tests/compiler/decompile",
        "tests/specs/test_python_lines.py",
        "tests/specs/test_lines.py",
    ),
    "compiler/interchange/": ("tests/compiler/interchange", "tests/test_cli_compile.py"),
    "compiler/read/": ("tests/compiler/read",),
    "compiler/emit/": ("tests/compiler/emit", "tests/test_ablation.py", "tests/test_cli_compile.py"),
    "lsp/": ("tests/lsp",),
    "serve/": ("tests/serve",),
    "editor/": ("tests/editor", "tests/editors", "tests/lsp"),
    "viz/": ("tests/viz", "tests/docs/test_generated.py"),
    "": (
        "tests/test_api.py",
        "tests/test_cli.py",
        "tests/test_ablation.py",
        "tests/language",
        "tests/docs/test_pages.py",
    ),
}
"""The tests of a room: those of the longest prefix of a file's path."""

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


def tests_of(path: str) -> list[list[str]]:
    """The tests that notice changes of a file, the nearest first: those of its name and those that import it, then
    those of its room."""
    room = max((prefix for prefix in ROOMS if path.startswith(prefix)), key=len)
    words, module = set(Path(path).stem.split("_")), f"archc.{path.removesuffix('.py').replace('/', '.')} import"
    everywhere = sorted((PROJECT / "tests").glob("**/test_*.py"))
    of_room = [file for file in everywhere if any(file.is_relative_to(PROJECT / place) for place in ROOMS[room])]
    near = [
        file
        for file in everywhere
        if (file in of_room and words & set(file.stem.removeprefix("test_").split("_")))
        or module in file.read_text(encoding="utf-8")
    ]
    stages = [near, [file for file in of_room if file not in near]]
    return [[str(file.relative_to(PROJECT)) for file in stage] for stage in stages if stage]


class Copy:
    """A copy of the checkout in which one file at a time is changed, and its tests run."""

    def __init__(self, folder: Path):
        self.root = folder / "checkout"
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=PROJECT, capture_output=True, text=True, check=True
        )
        for name in listed.stdout.splitlines():
            if (PROJECT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, self.root / name)
        (folder / "path").mkdir()
        (folder / "path" / "archc").symlink_to(self.root)
        os.environ["PYTHONPATH"] = str(folder / "path")
        os.environ["OMP_NUM_THREADS"] = "1"
        sys.path.insert(0, str(folder / "path"))
        self.log = folder / "log"
        self.changes = 0
        self.unchanged: dict[tuple[str, ...], float] = {}

    def write(self, path: str, text: str) -> None:
        """Writes a file with a time of its own, so that no compiled file of another text is taken for it."""
        (self.root / path).write_text(text, encoding="utf-8")
        self.changes += 2
        when = time.time() + self.changes
        os.utime(self.root / path, (when, when))

    def run(self, tests: list[str], limit: float | None) -> tuple[str, str]:
        """`passed`, `failed` or `timed out`, and the test that failed."""
        child = os.fork()
        if child == 0:
            self._test(tests)
        start = time.monotonic()
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            if limit is not None and time.monotonic() - start > limit:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "timed out", ""
            time.sleep(0.05)
        said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        failed = next((line for line in said if line.startswith(("FAILED", "ERROR"))), "")
        return ("passed" if status == 0 else "failed"), failed[:100]

    def _test(self, tests: list[str]) -> None:
        import pytest

        status = 1
        try:
            os.setsid()
            os.chdir(self.root)
            with self.log.open("w", encoding="utf-8") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header", "--tb=no"]
            status = int(pytest.main([*options, *tests]))
            sys.stdout.flush()
        finally:
            os._exit(status)

    def limit(self, tests: list[str]) -> float:
        """How long tests may take: several times what they take unchanged. They must pass then."""
        key = tuple(tests)
        if key not in self.unchanged:
            start = time.monotonic()
            outcome, failed = self.run(tests, None)
            if outcome != "passed":
                sys.exit(f"without any change: {failed}")
            self.unchanged[key] = time.monotonic() - start
        return 30 + 4 * self.unchanged[key]

    def outcome(self, mutant: Mutant) -> tuple[str, str]:
        """What becomes of a change: `failed` or `timed out`, with the test that noticed it, else `survived`."""
        text = (PROJECT / mutant.path).read_text(encoding="utf-8")
        for stage in tests_of(mutant.path):
            limit = self.limit(stage)
            self.write(mutant.path, mutated(text, mutant))
            outcome, test = self.run(stage, limit)
            self.write(mutant.path, text)
            if outcome != "passed":
                return outcome, test
        return "survived", ""


def sources(only: str) -> Iterator[tuple[str, str]]:
    """The files of the package whose paths begin with `only`, and their texts."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=PROJECT, capture_output=True, text=True, check=True)
    for path in sorted(listed.stdout.splitlines()):
        if path.startswith(only) and not path.startswith(OUTSIDE) and (PROJECT / path).is_file():
            yield path, (PROJECT / path).read_text(encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="how many changes to draw (200)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (0)")
    parser.add_argument("--only", default="", metavar="PATH", help="only in files whose paths begin so")
    parser.add_argument("--at-least", type=float, default=0, metavar="PERCENT", help="fail below this rate")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no other change after this time")
    given = parser.parse_args()
    start = time.monotonic()
    known = equivalent()
    found = [mutant for path, text in sources(given.only) for mutant in mutants_of(path, text)]
    drawn = random.Random(given.seed).sample(found, min(given.count, len(found)))
    for name in ("numpy", "networkx", "hypothesis", "pytest", "torch"):
        importlib.import_module(name)  # Forks have them already.
    caught, survived = 0, []
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for mutant in drawn:
            place = f"{mutant.path}:{mutant.line}"
            if (mutant.path, mutant.change) in known:
                print(f"equivalent  {place}  {mutant.change}: {known[mutant.path, mutant.change]}", flush=True)
                continue
            if time.monotonic() - start > 60 * given.minutes:
                break
            outcome, test = copy.outcome(mutant)
            caught += outcome != "survived"
            if outcome == "survived":
                survived.append(mutant)
            print(f"{outcome:<10}  {place}  {mutant.change}  {test}", flush=True)
    count = caught + len(survived)
    rate = 100 * caught / max(1, count)
    print(f"\n{caught} of {count} changes are caught, {rate:.1f} %, of {len(found):,} there are (seed {given.seed})")
    for mutant in survived:
        print(f"no test notices {mutant.path}:{mutant.line}  {mutant.change}")
    return int(rate < given.at_least)


if __name__ == "__main__":
    sys.exit(main())
