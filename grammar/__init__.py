"""The grammar of `.arch`, and its LALR tables.

`arch.lark` is the grammar. `tables.json` holds what lark computes from it, so that starting archc neither imports
lark nor computes the tables; it is used only while its hash of the grammar matches, and
`python -m archc.grammar` writes it anew.
"""

from __future__ import annotations

from .tables import GRAMMAR, STORED, Rule, Tables, Terminal, build, load

__all__ = ["GRAMMAR", "STORED", "Rule", "Tables", "Terminal", "build", "load"]
