"""Limits that a user may raise: each message that names one says how, and that works."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from archc.cli.app import COMMANDS
from archc.dsl.limits import FIXED, LIMITS, Limits

ARCH = "arch A { input x: [N, 4, 8, 8] output x -> %s }"
COUNT = "fn f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1)\n"
SPECS = {
    "nodes": (100, ARCH % "relu ** 150"),
    "edges": (150, ARCH % "relu ** 40 -> [id + relu] ** 50"),
    "source_bytes": (100, ARCH % "relu" + "#" * 200),
    "list_values": (100, "n = len(1..150)\n" + ARCH % "relu"),
    "evaluation_steps": (2000, COUNT + ARCH % "conv(1 + f(8), 1)"),
    "layer_outputs": (3, ARCH % "split(4) -> concat"),
    "field_steps": (3, ARCH % "conv(4, 3) ** 9"),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_hint_raises_the_limit(archc: Callable[..., Any], tmp_path: Path, name: str) -> None:
    limit, text = SPECS[name]
    (tmp_path / "a.arch").write_text(text)
    raised = {name: str(limit)}
    for _ in range(12):
        options = [word for name, value in raised.items() for word in ("--limit", f"{name}={value}")]
        outcome = archc("field" if name == "field_steps" else "check", tmp_path / "a.arch", *options)
        if outcome.status == 0:
            break
        (found,) = re.findall(r"`--limit (\w+=\d+)`", outcome.err) or [outcome.err]
        assert found.startswith(f"{name}="), outcome.err
        raised |= [found.split("=")]
    assert outcome.status == 0 and int(raised[name]) > limit, outcome.err
    assert Limits() == LIMITS


def test_all_errors_are_shown_where_that_is_asked(archc: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.arch").write_text("".join(f"n{i} = q{i}\n" for i in range(150)) + ARCH % "relu")
    (option,) = re.findall(r"`--limit (diagnostics_shown=\d+)`", archc("check", tmp_path / "a.arch").err)
    outcome = archc("check", tmp_path / "a.arch", "--limit", option)
    assert outcome.err.count("error[") == 150 and "more" not in outcome.err.splitlines()[-1]


@pytest.mark.parametrize(
    "option", ["nodes", "nodes=", "nodes=x", "nodes=0", "nesting=900", "nods=4", "nodes=" + "9" * 30]
)
def test_other_words_are_usage_errors(archc: Callable[..., Any], option: str) -> None:
    assert archc("check", "resnet18", "--limit", option).status == 2


def test_every_command_has_the_option(archc: Callable[..., Any]) -> None:
    for command in COMMANDS:
        assert "--limit" in archc(command, "--help").out
    assert set(FIXED) < {field.name for field in fields(Limits)}


@pytest.mark.parametrize(
    "network", ["[tanh, relu] ** 30000", "[tanh, relu, elu] ** 15000", "([tanh, relu] ** 100) ** 200"]
)
def test_one_hint_names_all_limits_that_would_be_met(archc, tmp_path: Path, network: str) -> None:
    spec = tmp_path / "deep.arch"
    spec.write_text(f"arch Deep {{ input x: [N, 8, 4, 4]  output x -> {network} }}")
    first = archc("check", spec, "--limit", "nodes=20000", "--limit", "evaluation_steps=90000")
    assert "E0912" in first.err
    options = re.findall(r"--limit (\w+=\d+)", first.err)
    assert [option.partition("=")[0] for option in options] == ["nodes", "evaluation_steps"]
    assert archc("check", spec, *(word for option in options for word in ("--limit", option))).status == 0


def test_no_limit_is_offered_that_no_machine_holds(archc, tmp_path: Path) -> None:
    spec = tmp_path / "deep.arch"
    spec.write_text("arch Deep { input x: [N, 8, 4, 4]  output x -> relu ** 100000000 }")
    refused = archc("check", spec).err
    assert "E0912" in refused and "--limit" not in refused
