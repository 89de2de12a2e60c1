"""Llama, with few layers of few channels: grouped heads as in the largest of Llama 2 and in Llama 3, and not."""

from __future__ import annotations

from oracles import Row, words

OWN = {"depth": "num_hidden_layers", "c": "hidden_size", "heads": "num_attention_heads"}
OWN |= {"kv_heads": "num_key_value_heads", "hidden": "intermediate_size", "words": "vocab_size"}


def row(kv_heads: int, base: float) -> Row:
    given = {"depth": 2, "c": 32, "heads": 4, "kv_heads": kv_heads, "hidden": 48, "words": 90}
    options = {OWN[key]: value for key, value in given.items()}
    options |= {
        "rms_norm_eps": 1e-5,
        "use_cache": False,
        "rope_parameters": {"rope_theta": base, "rope_type": "default"},
    }
    set = given | {"base": base}
    return Row("Llama", "transformers", "LlamaForCausalLM", set, options=options, draws=words(90, 2, 17), quick=True)


ROWS = [row(4, 10000), row(2, 500000)]
