"""The names of a checkpoint, read as a tree: scopes within scopes, and at its ends modules that hold tensors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

COUNTER = "num_batches_tracked"
"""The tensor that old checkpoints lack, and nothing is computed from."""
_NUMBERED = re.compile(r"(?<!\dx)(?<!\d)\d+$", re.ASCII)
_DIGITS = re.compile(r"(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class TensorKind:
    """What is known of a tensor without its values."""

    shape: tuple[int, ...]
    floating: bool = True


Signature = frozenset[tuple[str, TensorKind]]
"""The tensors of one module, by the last part of their names."""


def signature(tensors: Mapping[str, TensorKind]) -> Signature:
    """What modules are compared by: their tensors, but for the counter beside running statistics."""
    counted = "running_mean" in tensors
    return frozenset((name, kind) for name, kind in tensors.items() if not (counted and name == COUNTER))


def is_counter(name: str) -> bool:
    return name.rpartition(".")[2] == COUNTER


def beside(counter: str) -> str:
    """The name of the running mean whose batches are counted."""
    return counter.removesuffix(COUNTER) + "running_mean"


def scopes_above(name: str) -> Iterator[str]:
    """The scopes that a tensor is in, the outermost first."""
    for dot in re.finditer(r"\.", name):
        yield name[: dot.start()]


def modules(tensors: Mapping[str, TensorKind]) -> dict[str, dict[str, TensorKind]]:
    """The tensors by the module that holds them: what stands before the last dot of their names."""
    found: dict[str, dict[str, TensorKind]] = {}
    for name, kind in tensors.items():
        path, _, last = name.rpartition(".")
        found.setdefault(path, {})[last] = kind
    return found


_WORDS = {
    "weight": ("w", "s", "kernel", "gamma"),
    "bias": ("b", "beta"),
    "running_mean": ("rm", "moving_mean"),
    "running_var": ("riv", "rv", "moving_var", "moving_variance"),
    COUNTER: (),
}
_TENSOR = {other: word for word, others in _WORDS.items() for other in (word, *others)}
"""What other frameworks call torch's tensors."""
_LAST = re.compile(rf"(?:^|[._])({'|'.join(sorted(_TENSOR, key=len, reverse=True))})$")


def spelled(name: str, flat: bool = True) -> str:
    """The name with torch's word for the tensor, and where it is `flat`, with dots for the `_` that tell its scopes, as
    Caffe2 has them: res2_0_branch2a_w."""
    found = _LAST.search(name)
    scope, last = (name[: found.start()], _TENSOR[found[1]]) if found else ("", name)
    return f"{scope.replace('_', '.') if flat else scope}.{last}" if scope else last


def squeezed(name: str) -> str:
    """The name without what separates its parts, but for numbers from each other: layer1_0.bn1 is layer1.0.bn.1."""
    return re.sub(r"[._]", "", re.sub(r"(?<=\d)[._](?=\d)", "/", spelled(name)))


def natural(path: str) -> tuple[object, ...]:
    """Sorts names as people number them: unit2 before unit10."""
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in _DIGITS.split(path))


def stem(label: str) -> str | None:
    """What numbered siblings have in common: "conv" of conv1 and conv2. None where the label carries no number; the
    3 of branch3x3 is a size."""
    found = _NUMBERED.search(label)
    return label[: found.start()] if found else None


@dataclass(slots=True, eq=False)
class Branch:
    """A scope of the tree, or a module at its end.

    `module` is the module's path, None for a scope. `series` holds the scope's children by their places in `children`,
    those of one stem in the order of their numbers and every other alone. `contents` counts the modules within.
    """

    label: str
    module: str | None = None
    children: list[Branch] = field(default_factory=list)
    series: list[list[int]] = field(default_factory=list)
    contents: Counter[Signature] = field(default_factory=Counter)

    def paths(self) -> list[str]:
        """The modules within, in natural order."""
        found: list[str] = []
        stack: list[Branch] = [self]
        while stack:
            branch = stack.pop()
            if branch.module is not None:
                found.append(branch.module)
            stack.extend(reversed(branch.children))
        return found


def tree(signatures: Mapping[str, Signature]) -> Branch:
    """The modules as a tree. A scope that holds a single thing is that thing under the scope's label."""
    nested: dict[str | None, Any] = {}
    for path in sorted(signatures, key=natural):
        at = nested
        for label in path.split(".") if path else ():
            at = at.setdefault(label, {})
        at[None] = path
    return _branch("", nested, signatures)


def _branch(label: str, nested: Mapping[str | None, Any], signatures: Mapping[str, Signature]) -> Branch:
    """A scope; the tensors that it holds itself stand under None."""
    children = []
    for name, inner in nested.items():
        if name is None:
            children.append(Branch("", inner, contents=Counter([signatures[inner]])))
        else:
            children.append(_branch(name, inner, signatures))
    if len(children) == 1:
        children[0].label = label
        return children[0]
    branch = Branch(label, children=children, series=_series(children))
    for child in children:
        branch.contents.update(child.contents)
    return branch


def _series(children: list[Branch]) -> list[list[int]]:
    """Children of one stem together, in the order of their numbers, and every other alone. Two of one number (1 and
    01) have no order, so the second stands alone."""
    stems: dict[str, dict[int, int]] = {}
    alone = []
    for place, child in enumerate(children):
        common = stem(child.label)
        if common is None or stems.setdefault(common, {}).setdefault(int(child.label[len(common) :]), place) != place:
            alone.append([place])
    return [*([numbers[n] for n in sorted(numbers)] for numbers in stems.values()), *alone]
