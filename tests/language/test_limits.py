"""Programs that would never end or fill the memory end in time with a located error; limits hold at n and at n + 1."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from language_files import METERED, TENTHS, every_diagnostic
from patience import IN_TIME
from quick import slow_but

import archc
from archc.compiler.program import Program
from archc.dsl.limits import LIMITS, raised

ARCH = "arch A { input x: [N, 3, 8, 8]   output x -> (%s) }\n"
DOUBLED = "fn d(xs, n) = if n == 0 then xs else d([xs, xs], n - 1)\n"
BOMBS = {
    "a power of a power of ten": ("E0912", ARCH % "relu ** 10 ** 18"),
    "a power of a power": ("E0912", ARCH % "(relu ** 1000) ** 1000"),
    "a block that doubles": ("E0910", "block d(n) = if n == 0 then relu else d(n - 1) -> d(n - 1)\n" + ARCH % "d(64)"),
    "a tree that doubles": (
        "E0910",
        "block d(n) = if n == 0 then relu else sum(d(n - 1), d(n - 1))\n" + ARCH % "d(64)",
    ),
    "a function that doubles": (
        "E0910",
        "fn f(n) = if n == 0 then 1 else f(n - 1) + f(n - 1)\n" + ARCH % "conv(f(64), 1)",
    ),
    "a block applied to itself": ("E0304", "block s(f) = f(f)\n" + ARCH % "s(s)"),
    "a function applied to itself": ("E0304", "fn s(f) = f(f)\n" + ARCH % "s(s)"),
    "a block that grows its argument": ("E0911", "block s(f, n) = f(f, n + 1)\n" + ARCH % "s(s, 0)"),
    "a list that doubles": (
        "E0914",
        "fn d(xs, n) = if n == 0 then xs else d([*xs, *xs], n - 1)\n" + ARCH % "conv(len(d([1], 64)), 1)",
    ),
    "a list in itself": ("E0914", DOUBLED + ARCH % "conv(d([1], 64), 1)"),
    "a network of lists": ("E0914", DOUBLED + ARCH % "d([id], 64)"),
    "lists compared": ("E0914", DOUBLED + ARCH % "if d([1], 60) == d([1], 60) then relu else id"),
    "a text that doubles": (
        "E0914",
        'fn d(t, n) = if n == 0 then t else d("{t}{t}", n - 1)\n' + ARCH % 'conv(if d("a", 64) == "" then 1 else 2, 1)',
    ),
    "loops in loops": ("E0910", ARCH % "conv(len([1 for a in 1..1_000_000 for b in 1..1_000_000]), 1)"),
    "a list of ranges": ("E0910", ARCH % "conv(len([1..1_000_000 for a in 1..1_000_000]), 1)"),
    "tuples that double": ("E0913", ARCH % "(id, id) ** 64 -> sum"),
    "nothing, often": ("E0910", ARCH % "((id ** 250_000) ** 250_000) ** 250_000"),
    "a chain that doubles": (
        "E0910",
        "arch A { input x: [N, 3, 8, 8]   a0 = id   "
        + "   ".join(f"a{i} = a{i - 1} -> a{i - 1}" for i in range(1, 64))
        + "   output x -> a63 }",
    ),
    "edges": ("E0913", ARCH % "((id, id) ** 16 -> sum) ** 100"),
    "powers of sizes": (
        "E0330",
        "arch A { input x: [A, B, C, D]   s = x.shape[0] + x.shape[1] + x.shape[2]   t = (s ** 8) ** 8   output x }",
    ),
}
RUN = (
    METERED
    + """
from archc.compiler.program import Program
from archc.dsl.limits import raised
from archc.dsl.render import render

found = {}
for name, (text, limits) in json.load(sys.stdin).items():
    unit, start = loop(), time.process_time()
    with raised(limits):
        program = Program.parse(text)
        diagnostics = program.diagnostics + [d for c in program.check() for d in c.elaborated.diagnostics]
    render(diagnostics)
    spent = time.process_time() - start
    found[name] = [[d.code for d in diagnostics], [d.span is not None for d in diagnostics], spent, (unit + loop()) / 2]
json.dump(found, sys.stdout)
"""
)


@IN_TIME
def test_bombs_end_with_an_error(patience: int) -> None:
    """Each in its share of 2.5 s and 512 MB; where the machine is busy, what a plain loop takes longer counts less.

    Every run takes a tenth of the limits that end a program, and the slow one the limits themselves.
    """
    tenths = TENTHS if patience > 1 else {}
    texts = json.dumps({name: (text, tenths.get(code, {})) for name, (code, text) in BOMBS.items()})
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, input=texts, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, (codes, located, spent, unit) in json.loads(done.stdout).items():
        assert codes == [BOMBS[name][0]], name
        assert all(located), name
        assert spent < 2.5 * patience * max(1, unit / 0.016), (
            f"{name}: {spent:.2f} s, where a plain loop took {unit:.2f} s"
        )


def codes(text: str) -> list[str]:
    return [d.code for d in every_diagnostic(Program.parse(text))]


AT_LIMIT = {
    "nodes": (ARCH % "relu ** {}", LIMITS.nodes - 1, "E0912"),
    "a tenth of the nodes": (ARCH % "relu ** {}", TENTHS["E0912"]["nodes"] - 1, "E0912"),
    "depth of blocks": (
        "block d(n) = if n == 0 then relu else d(n - 1)\n" + ARCH % "d({})",
        LIMITS.instantiation_depth - 1,
        "E0911",
    ),
    "depth of functions": (
        "fn d(n) = if n == 0 then 1 else d(n - 1)\n" + ARCH % "conv(d({}), 1)",
        LIMITS.instantiation_depth - 1,
        "E0911",
    ),
    "range": ("n = len(1..{})\n" + ARCH % "relu", 1_000_000, "E0914"),
    "integers": ("n = {} + 0\n" + ARCH % "relu", 2**LIMITS.integer_bits - 1, "E0903"),
    "sum of integers": (f"n = {2**62} + {2**62 - 2} + {{}}\n" + ARCH % "relu", 1, "E0330"),
    "list": ("xs = 1..{}\nn = [*xs, *xs]\n" + ARCH % "relu", 500_000, "E0914"),
}


@pytest.mark.parametrize("name", slow_but([name for name in AT_LIMIT if name != "nodes"], AT_LIMIT))
def test_a_limit_is_legal_and_one_more_is_not(name: str) -> None:
    text, limit, code = AT_LIMIT[name]
    with raised(TENTHS["E0912"] if name == "a tenth of the nodes" else {}):
        assert codes(text.replace("{}", str(limit))) == []
        assert codes(text.replace("{}", str(limit + 1))) == [code]


def test_evaluation_steps_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by counting: what a program takes is legal, one step less is not."""
    from archc.compiler.elaborate import machine
    from archc.compiler.elaborate.arch import ArchElaboration

    text = "fn f(n) = if n == 0 then 0 else f(n - 1)\n" + ARCH % "conv(1 + f(20), 1)"
    taken: list[int] = []
    finish = ArchElaboration.finish
    monkeypatch.setattr(ArchElaboration, "finish", lambda self: (taken.append(self.steps), finish(self))[1])
    assert codes(text) == []
    for spare, expected in ((0, []), (-1, ["E0910"])):
        limits = type(LIMITS)(evaluation_steps=taken[0] + spare)
        monkeypatch.setattr(machine, "LIMITS", limits)
        assert codes(text) == expected


TABLE = "[[37 * i - j + abs(i - j) for j in 0..<100] for i in 0..<100]"


def test_a_table_that_depends_on_nothing_is_made_once() -> None:
    block = "block b{} {{ const t: int = constant({})  output in * (t -> to(like = in)) }}\n"
    names = [f"part{number}: b{number}" for number in range(40)]
    blocks = "".join(block.format(number, TABLE) for number in range(40))
    arch = f"arch A {{ input x: [N, 100, 100]  output x -> {' -> '.join(names)} }}"
    assert archc.check(text=blocks + arch) == []


def test_tables_of_one_text_differ_where_their_names_do() -> None:
    table = "const t: int = constant([i + k for i in 0..<2000])  output in * (t -> to(like = in))"
    text = f"""
block one() {{ k = 1  {table} }}
block other(k) {{ {table} }}
arch A {{ input x: [N, 2000]  output (x -> a: one, x -> b: other(2), x -> c: other(3)) }}
"""
    found = archc.loads(text).module()(torch.ones(1, 2000))
    assert [made[0, 1999].item() for made in found] == [2000, 2001, 2002]


def test_a_table_that_a_function_makes_is_made_once_for_equal_arguments() -> None:
    """As the windows of attention ask for it in each unit."""
    text = """
fn far(d) = abs(d) * 3
fn grid(n, k = 0) = [[37 * i - far(j) + k for j in 0..<n] for i in 0..<n]
block b(k) { const t: int = constant(grid(100, k))  output in + (t -> to(like = in)) }
arch A { input x: [N, 100, 100]  output x -> PARTS }
"""
    zeros = torch.zeros(1, 100, 100)
    (found,) = archc.loads(text.replace("PARTS", " -> ".join(["b(0)", "b(1)"] * 20))).module()(zeros)
    i, j = torch.meshgrid(torch.arange(100.0), torch.arange(100.0), indexing="ij")
    assert torch.equal(found, 40 * (37 * i - 3 * j) + 20)


def test_counts_of_thousands_of_digits_are_told_in_few() -> None:
    """Python refuses to print them: 2 ** 40,000 has 12,042 digits."""
    claims = "expect paths == 3  expect paths < 10 ** 17  expect paths == 2 * depth"
    found = archc.check(text=f"arch A {{ input x: [N, 4]  output x -> (id + relu) ** 40000  {claims} }}")
    assert [one.code for one in found] == ["E0603"] * 3 and all("it is 1.584e+12041" in one.message for one in found)
