"""The grammar of `.arch`, and the parser that lark makes of it.

`arch.lark` is the grammar. `python -m archc.grammar` stores its parser, which is used only with the grammar and the
release of lark that it was made from.
"""

from __future__ import annotations

from .parser import GRAMMAR, STORED, Token, Words, build, load, store, token_at, words

__all__ = ["GRAMMAR", "STORED", "Token", "Words", "build", "load", "store", "token_at", "words"]
