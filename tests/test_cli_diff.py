"""`archc diff`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archc.cli.settings import Named, SettingError, parse_named

Run = Callable[..., Any]


def test_what_was_added(archc: Run, small: Path) -> None:
    outcome = archc("diff", "small.arch:small", "small.arch:small(depth = 5)")
    assert (outcome.status, outcome.err) == (0, "")
    head, _, body, units, *_ = outcome.out.splitlines()
    assert head == "small(depth = 2) -> small(depth = 5)"
    assert body.split() == ["body"]
    assert units.split()[:5] == ["+", "2..4", "3", "x", "unit(8):"]
    assert units.split()[-2:] == [f"{3 * (8 * 8 * 9 + 16):+,}", f"{3 * 8 * 8 * 9 * 32 * 32:+,}"]
    assert "change" in outcome.out and "layers: 9 added, 0 removed, 0 changed" in outcome.out


def test_the_other_way_round_it_was_removed(archc: Run, small: Path) -> None:
    outcome = archc("diff", "small.arch:small(depth=5)", "small.arch:small")
    assert "layers: 0 added, 9 removed, 0 changed" in outcome.out
    assert outcome.out.splitlines()[3].split()[:2] == ["-", "2..4"]


def test_no_difference_and_the_exit_status(archc: Run, small: Path) -> None:
    same = archc("diff", "small.arch:wide", "small.arch:small(width = 16)", "--check")
    assert (same.status, same.out.splitlines()[1]) == (0, "no difference")
    assert archc("diff", "small.arch:wide", "small.arch:small", "--check").status == 1
    assert archc("diff", "small.arch:wide", "small.arch:small").status == 0


def test_json(archc: Run, small: Path) -> None:
    found = json.loads(archc("diff", "small.arch:small", "small.arch:wide(classes = 20)", "--format", "json").out)
    assert not found["same"]
    for figure in ("parameters", "multiply_adds"):
        assert found[figure] == found["after"][figure] - found["before"][figure]
        assert found[figure] == sum(entry[figure] for entry in found["entries"])
    (fc,) = [entry for entry in found["entries"] if entry["after"] == ["fc"]]
    assert (fc["status"], fc["layer"]) == ("changed", "linear")
    assert fc["settings"] == [{"name": "units", "before": "10", "after": "20"}]
    assert found["layers"] == {"added": 0, "removed": 0, "changed": 3, "consequence": 6}


def test_shipped_names(archc: Run) -> None:
    outcome = archc("diff", "resnet:plain34", "resnet:resnet34")
    signs = {line[0] for line in outcome.out.splitlines()[2:-5]}
    assert signs == {" ", "+"}
    assert "layers: 22 added, 0 removed, 0 changed" in outcome.out


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("resnet50", Named("resnet50", None, {})),
        ("my.arch:Net", Named("my.arch", "Net", {})),
        ("resnet(depth = 34, shortcut=none)", Named("resnet", None, {"depth": 34, "shortcut": "none"})),
        (
            "my.arch:Net(n=[3, 4], act = leakyrelu(0.1))",
            Named("my.arch", "Net", {"n": [3, 4], "act": "leakyrelu(0.1)"}),
        ),
        ("my.arch:Net(a = 'x, y', b = true)", Named("my.arch", "Net", {"a": "x, y", "b": True})),
        ("../some folder/my.arch", Named("../some folder/my.arch", None, {})),
        ("net()", Named("net", None, {})),
    ],
)
def test_sides(text: str, side: Named) -> None:
    assert parse_named(text) == side


def test_a_file_is_a_file_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "odd(1).arch"
    path.write_text("")
    assert parse_named(str(path)) == Named(str(path), None, {})


@pytest.mark.parametrize(
    "text", ["", "resnet(", "resnet)", "resnet(50)", "resnet(depth = 1, depth = 2)", "(depth = 1)"]
)
def test_sides_of_no_form(text: str, archc: Run, small: Path) -> None:
    with pytest.raises(SettingError):
        parse_named(text)
    outcome = archc("diff", "small.arch:small", text)
    assert outcome.status == 2
    assert "'B'" in outcome.err


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("nothere", "E1001", "archc list"),
        ("small.arch:tiny", "E0208", "small, wide"),
        ("small.arch:small(breadth = 3)", "E0309", "width, depth, classes"),
        (".", "E1003", "name one of its files"),
    ],
)
def test_what_is_wrong_with_a_side(archc: Run, small: Path, text: str, code: str, hint: str) -> None:
    outcome = archc("diff", "small.arch:small", text)
    assert outcome.status == 1
    assert f"error[{code}]" in outcome.err
    assert hint in outcome.err
    assert outcome.out == ""


def test_which_one_is_said_behind_a_colon(archc: Run, small: Path) -> None:
    outcome = archc("diff", "small.arch", "small.arch:small")
    assert outcome.status == 1
    assert "error[E0207]" in outcome.err
    assert "`small.arch:small`" in outcome.err
