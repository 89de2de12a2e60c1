"""Hints about names that nothing has: what they may be slips of, and what other frameworks call a layer."""

from __future__ import annotations

from collections.abc import Iterable

from ..ir.words import meant, nearest

# What other frameworks call the language's layers; `did_you_mean` offers the latter.
ELSEWHERE = {
    "adaptiveavgpool2d": "`adaptive_avgpool(size)`, or `gap` for size 1",
    "add": "`f + g` or `sum`",
    "avgpool2d": "`avgpool`",
    "batchnorm": "`bn`",
    "batchnorm1d": "`bn`",
    "batchnorm2d": "`bn`",
    "cat": "`f ++ g` or `concat`",
    "concatenate": "`f ++ g` or `concat`",
    "conv2d": "`conv`",
    "convtranspose2d": "`upconv`",
    "dense": "`linear`",
    "drop_path": '`survive(1 - p, per = "image")`, which takes the probability to survive',
    "droppath": '`survive(1 - p, per = "image")`, which takes the probability to survive',
    "fc": "`linear`",
    "globalaveragepooling2d": "`gap`",
    "groupnorm": "`gn`",
    "identity": "`id`",
    "instancenorm2d": "`inorm`",
    "layernorm": "`ln`",
    "maxpool2d": "`maxpool`",
    "multiheadattention": "`attention`",
    "range": "`0..<n`, or `1..n` with both ends",
    "sequential": "a list, `[f, g]`, or a chain, `f -> g`",
    "stochastic_depth": "`survive(1 - p)`, which takes the probability to survive",
    "stochasticdepth": "`survive(1 - p)`, which takes the probability to survive",
    "view": "`reshape`",
}
INPUTS = frozenset({"x", "image", "img", "input", "inputs", "h", "self", "X"})


def did_you_mean(name: str, known: Iterable[str], in_block: bool = False) -> tuple[str, ...]:
    """A hint that offers the nearest known names, or none."""
    if name.lower() in ELSEWHERE:
        return (f"here it is {ELSEWHERE[name.lower()]}",)
    if in_block and name in INPUTS:
        return ("the input of a block is `in`",)
    known = list(known)
    return meant([k for k in known if k.lower() == name.lower()] or nearest(name, known))
