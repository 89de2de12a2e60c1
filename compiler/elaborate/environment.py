"""Names and what they stand for, scope within scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MISSING = object()


class Environment:
    """A namespace inside another. `in` is kept beside the names, since it is lexical too."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Environment | None = None, names: dict[str, Any] | None = None):
        self.parent = parent
        self.names = {} if names is None else names

    def lookup(self, name: str) -> Any:
        """The value of a name, MISSING where nothing has it."""
        scope: Environment | None = self
        while scope is not None:
            value = scope.names.get(name, MISSING)
            if value is not MISSING:
                return value
            scope = scope.parent
        return MISSING

    def __iter__(self) -> Iterator[str]:
        """Every visible name, innermost first."""
        scope: Environment | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent


def nearest(name: str, known: Iterator[str] | list[str]) -> list[str]:
    """Up to three known names that `name` may be a slip of."""
    from difflib import get_close_matches

    return get_close_matches(name, sorted({k for k in known if k.isidentifier()}), n=3, cutoff=0.6)


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


def did_you_mean(name: str, known: Iterator[str] | list[str], in_block: bool = False) -> tuple[str, ...]:
    """A hint that offers the nearest known names, or none."""
    if name.lower() in ELSEWHERE:
        return (f"here it is {ELSEWHERE[name.lower()]}",)
    if in_block and name in INPUTS:
        return ("the input of a block is `in`",)
    close = nearest(name, known)
    close = [k for k in known if k.lower() == name.lower()] or close
    return (f"did you mean {' or '.join(f'`{c}`' for c in close)}?",) if close else ()
