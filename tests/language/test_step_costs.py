"""What a step of an evaluation takes: no form of the language costs more than its steps, however long the lists are.

Each text would run for minutes, or for ever, if what it does at every turn were not counted. The limits are a twentieth
of the usual ones, and so is the time.
"""

from __future__ import annotations

import time

import pytest
from patience import IN_TIME

import archc
from archc.dsl.limits import LIMITS, raised

SCALE = 20
STEPS = LIMITS.evaluation_steps // SCALE
LONG = 20_000
HEAD = f"""long = 1..{LONG}
nets = [relu for a in 1..{LONG}]
inside = [long]
fn same(v) = v
block plain(f) = f
block first(n)(a, *rest) = a
arch B(n = 3) {{ input x: [N, 3, 8, 8]  output x -> conv(n, 3) }}
"""
NET = "arch A { input x: [N, 3000, 8, 8]\n%s\noutput x -> relu }\n"
TURNS = "turns = [%s for a in 1..30_000]\n"
EXPRESSIONS = {
    "a list as an argument of a function": "same(long)",
    "a list as an argument of a block": "plain(long)",
    "a list as a setting": "conv(3, long)",
    "a list as the shape of a tensor": "normal(long)",
    "a list compared": "long == long",
    "a list matched": "match long { long => 1 }",
    "the sum of a list": "sum(long)",
    "the mean of a list": "mean(long)",
    "what a list has most of": "max(long, 1)",
    "a count": "count(long, a)",
    "a list without what is twice": "unique(long)",
    "a list backwards": "reversed(long)",
    "a list spread among arguments": "max(*long)",
    "the rest of a list": "len([f for f, *rest in inside])",
    "a ratio to a power": "(1000000000000/1000000000001) ** 4096",
    "a number to a power": "(-7) ** 63",
    "layers with other settings": "conv(a, 3)",
    "layers that are wrong": 'conv("a", 3)',
    "names that nothing has": "relu_",
    "a pattern": 'rearrange("n c h w -> n (h w) c")',
    "an initialiser": "normal([a], std = 1)",
    "a label": "part{a}: relu",
    "a call in calls": "plain(plain(plain(relu)))",
    "a tuple": "(relu, bn)",
    "a difference": "relu - bn",
    "an architecture": "B(n = a)",
    "a rewrite": "convolutionalize(B)",
    "a long element that is never made": "[1 for b in 1..1 if false and " + " and ".join(["false"] * 3000) + "]",
}
STATEMENTS = {
    "loops over nothing": "for a in long { for b in long { } }",
    "loops over definitions": "for a in long { for b in long { fn f(v) = v } }",
    "a list named again": "for a in long { y = long }",
    "networks named again": "for a in long { y = nets }",
    "lists of networks added": "for a in long { y = nets + nets }",
    "a label around a list": "for a in long { y = part: nets }",
    "tensors sliced": "ts = x -> split(3000)\nfor a in long { y = ts[1..] }",
    "tensors side by side": "ts = x -> split(3000)\nfor a in long { y = (ts, ts) }",
    "tensors looped over": "ts = x -> split(3000)\nfor a in long { for b in ts { } }",
    "a block of many tensors": "ts = x -> split(3000)\nfor a in long { y = ts -> first(a) }",
    "a tuple of many tensors": "y = x -> split(3000) -> (id,) ** 30000",
    "tensors handed on": "ts = x -> split(3000)\nfor a in long { y = ts -> id }",
}
DEAR = "arch A%d { input x: [N, 3]  turns = [a + b for a in 1..30 for b in 1..900]  output x }\n"
TEXTS = {
    "many architectures": "".join(DEAR % number for number in range(40)),
    "constants of many architectures": DEAR.partition("turns")[2].partition("output")[0].replace(" = [", "turns = [", 1)
    + "".join(f"arch A{number} {{ input x: [N, 3]  output x }}\n" for number in range(40)),
    "many parameters": "arch A("
    + ", ".join(f"p{number}: {' | '.join('12345678')} = 1" for number in range(125))
    + ") { input x: [N, 3]  output x }\n",
    **{name: HEAD + TURNS % expression + NET % "" for name, expression in EXPRESSIONS.items()},
    **{name: HEAD + NET % statements for name, statements in STATEMENTS.items()},
    "ratios added up": "n = sum([1 / a for a in 1..6_000])\n" + NET % "",
    "the mean of ratios": "n = mean([1 / a for a in 1..6_000])\n" + NET % "",
    "names many scopes up": "turns = [a0 "
    + "".join(f"for a{i} in 0..0 " for i in range(150))
    + "for z in 1..30_000]\n"
    + NET % "",
    "lists in lists": "a0 = [relu]\n"
    + "".join(f"a{i + 1} = [a{i} -> a{i}]\n" for i in range(60))
    + NET % "y = x -> a60",
}


def loop() -> float:
    """Seconds of processor time of a plain loop: about 0.016 on a machine that has nothing else to do."""
    start, table = time.process_time(), {}
    for i in range(200_000):
        table[i & 255] = (i, table)
    return time.process_time() - start


@IN_TIME
@pytest.mark.parametrize("name", TEXTS)
def test_no_step_takes_long(patience: int, name: str) -> None:
    archc.check(text=NET % "")
    unit = max(1, loop() / 0.016)
    with raised({"evaluation_steps": STEPS, "list_values": 50_000}):
        start = time.process_time()
        found = archc.check(text=TEXTS[name])
        spent = time.process_time() - start
    assert all(d.span is not None and d.code for d in found)
    assert spent < 10 / SCALE * patience * unit, f"{spent:.2f} s, where the share of two seconds is {2 / SCALE}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sum([1 / 3, 2 / 3])", "1"),
        ("mean([1 / 3, 1 / 6])", "1 / 4"),
        ("sum([1 / a for a in 1..3])", "11 / 6"),
        ("sum([])", "0"),
    ],
)
def test_sums_of_ratios_are_exact(text: str, value: str) -> None:
    assert archc.check(text=f"arch A {{ input x: [N, 3]  require {text} == {value}  output x }}") == []


def test_a_table_is_made_anew_where_a_name_around_it_has_another_value() -> None:
    last = "fn last(i) = max([i for i in 0..<i])\nfn top(n, xs) = max([a + n for b in 1..2 for a in xs])\n"
    holds = "last(2000) == 1999   require last(3000) == 2999   require top(1, 1..900) == 901 and top(2, 1..900) == 902"
    assert (
        archc.check(text=f"{last}arch A {{ input x: [N, 3]   require {holds} and top(1, 2..901) == 902  output x }}")
        == []
    )


@pytest.mark.parametrize("text", ["0.0 ** -5000", "0 ** -1", "(10 / 3) ** 4096", "2 ** 64", "(-2) ** 64"])
def test_powers_that_have_no_value(text: str) -> None:
    (found,) = archc.check(text=f"n = {text}\n" + NET % "")
    assert found.code in ("E0329", "E0330") and found.span is not None
