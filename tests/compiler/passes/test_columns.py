"""Columns of fractals: the plain networks that the spec itself calls them, and what drop-path computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from random_nets import agree, double, image

import archc

SETTINGS: dict[str, Any] = {"columns": 3, "widths": [4, 6], "drop": 0.0}


@pytest.mark.parametrize("pool_first", [False, True])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_column_is_the_plain_net(column: int, pool_first: bool) -> None:
    whole = archc.load("fractalnet", **SETTINGS, pool_first=pool_first)
    plain = archc.load("fractalnet", **SETTINGS, pool_first=pool_first, only=3 - column)
    made = whole.rewrite("extract_column", column=column)
    assert made.stats().depth == plain.stats().depth == 2 * 2**column + 1 and made.paths().total == 1
    module = double(whole)
    one, other = double(made, module.state_dict()), double(plain)
    assert list(one.state_dict()) == list(other.state_dict())
    other.load_state_dict(one.state_dict())
    x = image(2, 3, 32, 32)
    assert torch.equal(one(x), other(x)) and torch.equal(one.train()(x), other.train()(x))


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_column_is_what_drop_path_keeps(column: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = archc.load("fractalnet", **SETTINGS, global_share=1.0)
    module = double(whole)
    alone = double(whole.rewrite("extract_column", column=column), module.state_dict()).train()
    monkeypatch.setattr(type(module.get_submodule("survivor")), "forward", lambda *_: torch.tensor([column]))
    assert agree(module.train(), alone, image(2, 3, 32, 32))


def test_joins_that_are_means() -> None:
    net = archc.loads("""
    block f(C) = if C == 1 then a: conv(4, 3) else (s{C}: conv(4, 3), l{C}: f(C - 1) -> mean -> r{C}: f(C - 1))
    arch A { input x: [N, 4, 8, 8]   output x -> f(2) -> mean }""")
    shallow, deep = (net.rewrite("extract_column", column=c) for c in (0, 1))
    assert [list(a.module(seed=0).state_dict()) for a in (shallow, deep)] == [
        ["s2.weight"],
        ["l2.a.weight", "r2.a.weight"],
    ]


@pytest.mark.parametrize(
    ("body", "column", "code", "message"),
    [
        ("x -> (a: conv(4, 3), b: conv(4, 3)) -> drop_mean(0.1)", 2, "E0447", "the widest join has 2, from 0 to 1"),
        ("x -> conv(4, 3)", 0, "E0440", "has no join of columns"),
        ("x -> (id, conv(4, 3), conv(4, 5)) -> mean -> (id, conv(4, 3)) -> mean", 0, "E0447", "a join of deeper ones"),
    ],
)
def test_what_is_refused(body: str, column: int, code: str, message: str) -> None:
    with pytest.raises(archc.ArchError, match=message) as error:
        archc.loads(f"arch A {{ input x: [N, 4, 8, 8]   output {body} }}").rewrite("extract_column", column=column)
    (problem,) = error.value.diagnostics
    assert problem.code == code
    assert (problem.span is None) == (code == "E0440"), "nothing to do is no layer's fault"
