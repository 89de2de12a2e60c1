"""`python -m archc.grammar`: store the parser of `arch.lark`."""

from __future__ import annotations

from .parser import STORED, store

if __name__ == "__main__":
    store()
    print(f"{STORED}: {STORED.stat().st_size} bytes")
