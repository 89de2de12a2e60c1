"""Hints about names that nothing has: what they may be slips of, and what other frameworks call a layer."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...dsl import ast
from ...dsl.diagnostics import Hint
from ...dsl.frameworks import called_here
from ...dsl.source import Span, piece_at
from ..ir import words
from ..ir.words import meant, nearest
from ..ops import registry

_DIM = re.compile(r"\b(dim|axis)\s*=\s*")
_KEEP = re.compile(r"\bkeep(?:dims?)?\s*=\s*(true|false)", re.IGNORECASE)
_CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_SEVERAL = re.compile(r"-?\d+(?:\s*,\s*-?\d+)+")
_LAYER = re.compile(r"`([a-z_]\w*)[`(]")
_HEAD = re.compile(r"(?:\boutput|=|[(\[,])\s*(?P<all>(?P<given>[A-Za-z_]\w*)\s*->\s*\(\s*)\Z")
_BEHIND = re.compile(r"\s*\)")
_WHOLE_MAP = '["height", "width"]'
INPUTS = frozenset({"x", "image", "img", "input", "inputs", "h", "self", "X"})


def did_you_mean(name: str, known: Iterable[str], in_block: bool = False, layers: bool = False) -> tuple[str, ...]:
    """A hint that offers the nearest known names, or none. A name that may be that of a layer is looked up among those
    of other frameworks too."""
    known = list(known)
    same = [k for k in known if k.lower() == name.lower()]
    own = any(registry.lookup(k) is None for k in same)
    here = called_here(name) if layers and not own else None
    if here:
        word = _LAYER.match(here)
        return (Hint(f"here it is {here}", word[1], old=name) if word else f"here it is {here}",)
    if layers and not same and name in registry.quoted_words():
        return (Hint(f'a word that a layer takes stands in quotes: `"{name}"`', f'"{name}"', old=name),)
    if name == "training":
        return ("`output aux = y when training` is an output for training alone",)
    if in_block and name in INPUTS:
        return (Hint("the input of a block is `in`", "in", old=name),)
    return meant(same or nearest(name, known), name)


def power_of_each(node: ast.Power) -> Hint:
    """A hint for `**` of a tensor."""
    call = f"power({node.base.span.text}, {node.exponent.span.text})"
    return Hint(f"of every number it is `{call}`; `x -> f ** 3` applies f three times", call, span=node.span)


def division(operator: str, dividend: str, divisor: str) -> str:
    """A hint for `//` or `%` of a tensor, or for another operator that it lacks."""
    rounded = f"{dividend} / {divisor} -> floor"
    if operator == "//":
        return f"it divides and rounds down: `{rounded}`"
    if operator == "%":
        return f"the rest of a division is `{dividend} - {divisor} * ({rounded})`"
    return "networks and tensors are scaled and shifted by numbers: `0.5 * f`, `f / 8`, `1 - f`"


def applied_to(merge: Span) -> tuple[Span, str] | None:
    """For a merge in parentheses that a chain applies to a name, `x -> (id * g)`: the chain so far, and the name."""
    text = merge.source.text
    before, after = _HEAD.search(text[: merge.start]), _BEHIND.match(text, merge.end)
    if before is None or after is None:
        return None
    return Span(merge.source, before.start("all"), after.end()), before["given"]


class Compared(words.Compared):
    """The same, for as many names as do not take long."""

    def did_you_mean(
        self, name: str, known: list[str], in_block: bool = False, layers: bool = False
    ) -> tuple[str, ...]:
        """As the function of this name, which may say nothing of slips."""
        return did_you_mean(name, self.few(known), in_block, layers)


def is_statistic(name: str) -> bool:
    """Whether this is a merge, as `mean`, that other frameworks also take along axes."""
    cls = registry.lookup(name)
    return cls is not None and cls.is_merge and cls.of_numbers is not None


def along_axes(span: Span) -> tuple[str, ...]:
    """A hint for a call such as `mean(1)` where a network is needed, and `reduce` is likelier meant."""
    call = _CALL.fullmatch(span.text)
    if call is None or not is_statistic(call[1]) or not call[2].strip():
        return ()
    one = f"reduce({_reduced(call[1], call[2].strip())})"
    return (Hint(f"along axes of one tensor it is `{one}`", one, span=span),)


def _reduced(statistic: str, given: str) -> str:
    axes = _DIM.sub("", given).replace("(", "[").replace(")", "]")
    axes = f"[{axes}]" if _SEVERAL.fullmatch(axes) else axes
    return f'"{statistic}", {_KEEP.sub(lambda keep: f"keep = {keep[1].lower()}", axes)}'


def method(node: ast.Attribute) -> tuple[Span, tuple[str, ...]] | None:
    """For a layer that is called as a method of a tensor, `x.flatten(1)`: the whole call, and the call here. None for
    other attributes."""
    if node.name == "size":
        return node.span, (Hint("the sizes are `.shape`", "shape", old="size"),)
    cls, span = registry.lookup(node.name), node.span
    reduces = is_statistic(node.name)
    if cls is None or (cls.is_merge and not reduces):
        here = called_here(node.name)
        return (span, (f"here it is {here}, which stands behind a `->`",)) if here else None
    text, given = span.source.text, ""
    if text.startswith("(", span.end):
        given = piece_at(text, span.end + 1, stops="")
        span = Span(span.source, span.start, span.end + len(given) + 2)
    name, given = node.name, given.strip()
    if reduces:
        name, given = "reduce", _reduced(name, given or _WHOLE_MAP)
    arguments = ", ".join(filter(None, (node.value.span.text, given)))
    call = f"{name}({arguments})"
    return span, (Hint(f"write `{call}`: a layer is called on a tensor, or stands behind a `->`", call),)
