"""What the text of an architecture is made of: expressions, in which everything that may differ between two instances
of one block is a value apart from the structure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...elaborate.arithmetic import MASKS

if TYPE_CHECKING:
    from .units import Unit


OPEN = ("chain", "merge", "affine", "function", "tuple")
"""What takes the tensors of a body: parts of these may name them."""
THERE = "with_"
"""How the parameter that says whether an optional part is there begins."""

Variable = tuple[Any, ...]
"""What a term calls a tensor: where it comes from, and its number."""


@dataclass(frozen=True, slots=True)
class Named:
    """A value that is written as a name of the architecture's body: something shared, a drawn number."""

    name: str


@dataclass(slots=True, eq=False)
class Term:
    """An expression. Tensor or network, by where it stands: the first part of a chain may be either, the rest are
    networks.

    | tag | data | values | parts |
    | --- | --- | --- | --- |
    | in | | | |
    | var | whether an input, its number | | |
    | layer | kind, names of the settings, names of the tensors | settings | those tensors |
    | shared | | its name | |
    | label | path, whether the network has no name without it | | a network |
    | chain | | | one after the other |
    | merge | kind, names of the settings, signs | settings | operands |
    | start | initialiser | shape | |
    | input | number of the node | | |
    | affine | form | the number | operand |
    | function | kind, for each operand its setting or "" for a tensor | the numbers | the tensors |
    | tuple | | | side by side |
    | list | | | elements, numbered |
    | spread | | | elements, numbered, as operands of a merge |
    | repeat | label before the number, first number; None in a list | count | a network |
    | grow | label before the number, first number | count | a network |
    | wrap | frozen or recompute | | a network |
    | unit | | | what fills its hole |
    | hole | | | |
    | optional | the word of its parameter | whether it is there | a network |

    `in` is the input as a network sees it. `grow` applies a network again and again to all tensors so far, and puts its
    output beside them. `unit` is a part with a text of its own. `hole` is a part of that which its caller gives.
    """

    tag: str
    data: tuple[Any, ...] = ()
    values: list[Any] = field(default_factory=list)
    parts: list[Term] = field(default_factory=list)
    unit: Unit | None = None


IN = Term("in")
HOLE = Term("hole")


SIGNS = {kind: sign for sign, kind in MASKS.items()}
"""What comparisons and what joins masks are written with."""


def chain(*parts: Term) -> Term:
    """One after the other; chains in it are flat, and the input is nothing to write before something else."""
    flat: list[Term] = []
    for part in parts:
        flat.extend(part.parts if part.tag == "chain" else [part])
    flat = [part for part in flat if part.tag != "in"]
    return flat[0] if len(flat) == 1 else Term("chain", parts=flat) if flat else IN


def labelled(path: str, network: Term, stays: bool = False) -> Term:
    """A network under a label, which `stays` where the network has no name without it."""
    return Term("label", (path, stays), parts=[network])


def is_var(term: Term, variable: Variable) -> bool:
    return term.tag == "var" and term.data == variable


def walk(term: Term) -> Iterator[Term]:
    """The term and all its parts, in the order of evaluation."""
    stack = [term]
    while stack:
        item = stack.pop()
        yield item
        stack.extend(reversed(item.parts))


def rewritten(term: Term, change: Callable[[Term], Term | None]) -> Term:
    """The term with what `change` makes of parts that take the tensors of a body, where that is not None."""
    other = change(term)
    if other is not None:
        return other
    parts = [rewritten(part, change) for part in term.parts] if term.tag in OPEN else term.parts
    return chain(*parts) if term.tag == "chain" else Term(term.tag, term.data, term.values, parts, term.unit)


def variables(term: Term) -> Counter[Variable]:
    """How often each variable occurs."""
    return Counter(item.data for item in walk(term) if item.tag == "var")


def as_network(term: Term, variable: Variable) -> Term | None:
    """The network that makes the term of a variable; None where there is none."""
    if is_var(term, variable):
        return IN
    if term.tag == "var":
        return None
    if term.tag == "chain":
        head = as_network(term.parts[0], variable)
        closed = not any(variables(part) for part in term.parts[1:])
        return chain(head, *term.parts[1:]) if head is not None and closed else None
    if term.tag not in ("merge", "affine", "tuple"):
        return None
    parts: list[Term] = []
    for part in term.parts:
        network = as_network(part, variable)
        if network is None:
            return None
        parts.append(network)
    return Term(term.tag, term.data, term.values, parts)


def affine(op: Any) -> tuple[str, int | float]:
    """How the language writes numbers around a tensor, and the number."""
    scale, divisor, shift = op.scale, op.divisor, op.shift
    if _is_written(divisor, 1):
        return "/", divisor
    if _is_written(shift, 0):
        if scale == -1:
            return "1-", shift
        return ("-", -shift) if math.copysign(1, shift) < 0 else ("+", shift)
    return ("-x", -1) if scale == -1 and isinstance(scale, int) else ("*", scale)


def _is_written(number: Any, neutral: int) -> bool:
    """Whether a spec writes the number: it changes something, or is a real one, which is written all the same."""
    return number != neutral or isinstance(number, float)


def side_by_side(terms: list[Term]) -> Term:
    return terms[0] if len(terms) == 1 else Term("tuple", parts=terms)


def word_of(label: Term) -> str:
    """The last name of a label's path as a name of the language, empty where that is a number."""
    word = re.sub(r"\W", "_", label.data[0].rsplit(".", 1)[-1])
    return "" if word[:1].isdigit() else word


def gathered(term: Term, whole: list[tuple[Any, ...]]) -> Term:
    """The term with a variable for all inputs where these stand side by side, or are merged."""
    if [part.data if part.tag == "var" else None for part in term.parts] == whole:
        if term.tag == "tuple":
            return Term("var", ("in",))
        if term.tag == "merge" and not term.data[2]:
            return chain(Term("var", ("in",)), Term("layer", (*term.data[:2], ()), term.values))
    if term.tag not in ("chain", "merge", "affine", "tuple"):
        return term
    return Term(term.tag, term.data, term.values, [gathered(part, whole) for part in term.parts])
