"""Counts in few digits."""

from __future__ import annotations

UNITS = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def short(count: int) -> str:
    """A count to three digits: `4.09 G`."""
    for size, unit in UNITS:
        if count >= size:
            value = count / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return str(count)
