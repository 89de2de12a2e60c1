"""A submodule as the text of an `extern`: its shapes, parameters and costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..decompile.arch.printer import label_text
from ..elaborate.declared import dtype_word, fits
from ..ir.free_names import FreeNames
from ..ir.sizes import Size
from ..ir.types import TensorType
from .fitted import Formula, Point, fitted
from .start import dtype_of
from .unsayable import Unsayable

AXES = {1: "N", 2: "NC", 3: "NCL", 4: "NCHW", 5: "NCDHW"}
"""What the sizes of inputs are called, by how many there are."""
TOKENS = "NTC"
"""The same of tokens, and of whole numbers."""
STEPS = (1, 2, 3, 4, 5)
"""How much larger than shown a size is made, beside twice and three times it."""


def letters(rank: int, word: str) -> list[str]:
    """What the sizes of a tensor of so many axes are called."""
    if word == "float":
        known = AXES.get(rank, "")
    else:
        known = AXES[rank].replace("C", "") + "C" if word == "tokens" and rank in (4, 5) else TOKENS[:rank]
    return [*known, *(f"D{axis}" for axis in range(len(known), rank))]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a submodule made at some sizes: the shape and the word of its result, and its multiply-adds, None where
    torch does not count all of them."""

    shape: tuple[int, ...]
    word: str
    macs: int | None


Run = Callable[[list[tuple[int, ...]]], Ran | None]
"""A submodule at these shapes of its inputs; None where it fails."""


def declaration(
    module: nn.Module,
    names: Sequence[str],
    types: Sequence[TensorType],
    traced: Callable[[Any], int],
    run: Run,
    depth: int | None,
) -> str:
    """What an `extern` declares behind its name. `traced` gives the numbers that open sizes are shown with. Raises
    Unsayable."""
    takes, known = _inputs(names, types)
    base = {name: traced(size) for size, name in known.items()}

    def at(sizes: dict[str, int]) -> Ran | None:
        return run([tuple([d if isinstance(d, int) else sizes[known[d]] for d in x.dims]) for x in types])

    first = at(base)
    if first is None:
        raise Unsayable("it does not run alone")
    ran = [(base, first), *((sizes, made) for sizes in _sizes(base) if (made := at(sizes)) is not None)]
    if any(len(made.shape) != len(first.shape) for _, made in ran):
        raise Unsayable("the number of axes of its result follows from sizes")
    dims: list[Formula] = []
    for axis, size in enumerate(first.shape):
        formula = fitted([(sizes, made.shape[axis]) for sizes, made in ran])
        if formula is None:
            raise Unsayable(f"the size {size} of its result is no arithmetic of those that arrive")
        dims.append(formula)
    batch = types[0].dims[0]
    if isinstance(batch, Size) and not dims:
        raise Unsayable("its result has no axes, and so none of the batch")
    if isinstance(batch, Size) and str(dims[0]) != known[batch]:
        raise Unsayable(f"the first size of its result is `{dims[0]}`, and not that of the batch")
    word = _result_word(first, types[0])
    members = [*_members(module)]
    counted: list[Point] = [(sizes, made.macs) for sizes, made in ran if made.macs is not None]
    macs = fitted(counted) if len(counted) == len(ran) else None
    members += [f"macs = {macs}"] if macs is not None else []
    members += [f"depth = {depth}"] if depth is not None else []
    body = " {\n" + "\n".join(members) + "\n}" if members else " {}"
    return f"({', '.join(takes)}) -> {word}[{', '.join(map(str, dims))}]{body}"


def _inputs(names: Sequence[str], types: Sequence[TensorType]) -> tuple[list[str], dict[Size, str]]:
    """The inputs as they are declared, and the symbols of open sizes: equal sizes have one."""
    free = FreeNames(names)
    known: dict[Size, str] = {}
    takes: list[str] = []
    for name, x in zip(names, types, strict=True):
        word = dtype_word(x)
        called = letters(x.rank, word)
        for axis, size in enumerate(x.dims):
            if isinstance(size, Size) and size not in known:
                known[size] = free.new(called[axis], "")
        dims = ", ".join(known[d] if isinstance(d, Size) else str(d) for d in x.dims)
        said = f"{word} " if word != "float" and fits(x, word, None) else ""
        takes.append(f"{name}: {said}[{dims}]")
    return takes, known


def _sizes(base: dict[str, int]) -> Iterator[dict[str, int]]:
    """Other sizes: each alone, and at last all together."""
    for name, size in base.items():
        for value in dict.fromkeys([*(size + step for step in STEPS), 2 * size, 3 * size]):
            yield base | {name: value}
    if len(base) > 1:
        yield {name: 2 * size for name, size in base.items()}
        yield {name: size + 1 + place for place, (name, size) in enumerate(base.items())}


def _result_word(made: Ran, x: TensorType) -> str:
    if made.word != "float":
        return f"{made.word} "
    return "tokens " if x.rank == len(made.shape) and dtype_word(x) == "tokens" else ""


def _members(module: nn.Module) -> Iterator[str]:
    """The parameters and buffers, in the order of the checkpoint."""
    names: dict[int, str] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if not isinstance(tensor, Tensor) or tensor.is_complex():
            raise Unsayable(f"`{name}` in its checkpoint is no tensor of real numbers")
        if names.setdefault(id(tensor), name) != name:
            raise Unsayable(f"`{names[id(tensor)]}` and `{name}` are one tensor")
        word = dtype_of(tensor)
        learned = isinstance(tensor, nn.Parameter)
        if learned and word != "float":
            raise Unsayable(f"its parameter `{name}` has whole numbers")
        shape = ", ".join(map(str, tensor.shape))
        said = "" if word == "float" else f"{word} "
        yield f"{'param' if learned else 'buffer'} {label_text(name)} {said}[{shape}]"
