"""Every limit of archc, in one table (`docs/language.md` prints it)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
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
