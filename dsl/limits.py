"""Every limit of archc, in one table (`docs/language.md` prints it)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Limits:
    """Bounds that keep a check finite. Sizes in bytes or counts; at a limit is legal, one more is not."""

    source_bytes: int = 256 * 1024
    nesting: int = 200
    list_values: int = 1_000_000
    instantiation_depth: int = 200
    evaluation_steps: int = 2_000_000
    nodes: int = 250_000
    edges: int = 1_000_000
    layer_outputs: int = 65_536
    field_steps: int = 8_000_000
    integer_bits: int = 63
    diagnostics_shown: int = 100
    imported_files: int = 100


LIMITS = Limits()
FIXED = ("nesting", "instantiation_depth", "integer_bits")
"""Those that the stack of the machine or the form of numbers sets. The command line may raise the others."""


@contextmanager
def raised(to: Mapping[str, int]) -> Iterator[None]:
    """Other limits inside."""
    before = asdict(LIMITS)
    try:
        for name, value in to.items():
            setattr(LIMITS, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(LIMITS, name, value)


_MOST = 100
"""A network of so many times a limit is beyond every machine: raising the limit does not build it."""
_STEPS = 8
"""Evaluation steps that a node takes, about."""


def higher(name: str, needed: int = 0, **others: int) -> tuple[str, ...]:
    """The hint of a diagnostic that names a limit: how to raise it, to twice as much or what is needed, with `others`
    of which more is needed than their limits. None where so much is needed that no machine has it."""
    limit = getattr(LIMITS, name)
    values = {name: max(needed, 2 * limit)}
    if name == "nodes":
        values["evaluation_steps"] = _STEPS * values[name]
    values |= {other: max(values.get(other, 0), count) for other, count in others.items() if other != name}
    values = {other: count for other, count in values.items() if count > getattr(LIMITS, other)}
    if any(count > _MOST * getattr(LIMITS, other) for other, count in values.items()):
        return ()
    options = " ".join(f"--limit {other}={count}" for other, count in values.items())
    return (f"`{options}` on the command line allows more",)


COUNTED = {"E0912": "nodes", "E0910": "evaluation_steps"}
"""The limit that a code names, where each part of a network takes as much of it."""


def higher_for_all(
    code: str, before: tuple[int, int], spent: tuple[int, int], done: int, count: int
) -> tuple[str, ...]:
    """The hint of a limit that is met after `done` of `count` equal parts: what all of them need, as far as the first
    ones tell. The nodes and the evaluation steps are those `before` the first part, and those `spent` by now."""
    nodes, steps = (a + (b - a) * count // max(done, 1) + 1 for a, b in zip(before, spent, strict=True))
    if COUNTED[code] == "nodes":
        return higher("nodes", nodes, evaluation_steps=steps)
    return higher("evaluation_steps", steps, nodes=nodes)
