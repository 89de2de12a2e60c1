"""Progress: shown on a terminal alone, when a command takes long, and gone before anything is printed."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from archc.cli import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool, float], io.StringIO]:
    def make(terminal: bool, patience: float) -> io.StringIO:
        stream = Terminal() if terminal else io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "PATIENCE", patience)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        return stream

    return make


def slowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks take a while, with a phase of their own."""
    from archc.cli import checking

    check = checking.check_file

    def slow(*given: Any) -> Any:
        progress.phase("check: \x1b[31m [bold]one")
        time.sleep(0.4)
        return check(*given)

    monkeypatch.setattr(checking, "check_file", slow)


def test_a_long_command_shows_its_phase(archc: Any, stderr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stderr(True, 0.05)
    slowed(monkeypatch)
    outcome = archc("check", "resnet18")
    text = stream.getvalue()
    assert outcome.status == 0 and outcome.out.startswith("ok resnet18") and "ok resnet18" not in text
    assert "[bold]one" in text and "\x1b[31m" not in text
    assert text.endswith("\x1b[2K"), "the line is gone at the end"


@pytest.mark.parametrize(("terminal", "patience"), [(False, 0.05), (True, 60)])
def test_else_nothing_is_shown(
    archc: Any, stderr: Any, monkeypatch: pytest.MonkeyPatch, terminal: bool, patience: float
) -> None:
    stream = stderr(terminal, patience)
    slowed(monkeypatch)
    assert archc("check", "resnet18").status == 0
    assert stream.getvalue() == ""
    assert progress._progress.timer is None


def test_it_is_gone_before_an_error_is_printed(archc: Any, stderr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stderr(True, 0.05)
    slowed(monkeypatch)
    assert archc("check", "resnet18", "--set", "nosuch=1").status == 1
    shown, _, error = stream.getvalue().partition("error")
    assert "[bold]one" in shown and "[bold]one" not in error
