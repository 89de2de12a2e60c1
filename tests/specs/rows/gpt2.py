"""GPT-2, with few layers of few channels.

transformers multiplies by a weight [in, out] and not by its transpose, which rounds otherwise.
"""

from __future__ import annotations

from typing import Any

from oracles import Row, words

SMALL = {"depth": 2, "c": 32, "heads": 4, "words": 90, "context": 24}
OWN = {"depth": "n_layer", "c": "n_embd", "heads": "n_head", "words": "vocab_size", "context": "n_positions"}


def row(drop: float | None = None) -> Row:
    given: dict[str, Any] = SMALL if drop is None else SMALL | {"drop": drop}
    options = {OWN[key]: value for key, value in SMALL.items()} | {"use_cache": False}
    if drop is not None:
        options |= dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), drop)
    return Row(
        *("GPT2", "transformers", "GPT2LMHeadModel", given),
        options=options,
        draws=words(90, 2, 17),
        why="multiplies in another order",
        within=1e-5,
        quick=True,
    )


ROWS = [row(), row(0.4)]
