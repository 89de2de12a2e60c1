"""What an architecture is called, with its parameters."""

from __future__ import annotations

from collections.abc import Mapping

LONGEST = 40
"""Characters of a setting that is shown beside an architecture's name."""


def called(name: str, settings: Mapping[str, object]) -> str:
    """The name with the settings that fit on a line: `resnet(depth = 50)`."""
    plain = {k: v for k, v in settings.items() if isinstance(v, (bool, int, float, str, list))}
    words = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in plain.items()}
    shown = [f"{k} = {v}" for k, v in words.items() if len(v) <= LONGEST]
    return f"{name}({', '.join(shown)})" if shown else name
