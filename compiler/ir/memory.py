"""What a layer holds in memory beside its output, as data: the memory of training and of inference is made of it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .sizes import Dim
from .types import TensorType


class Held(NamedTuple):
    """What one application of a layer holds.

    `inputs` are those that its backward pass reads, and `output` says whether it reads the output; both are held in
    whatever memory they stand. `own` is how many numbers of the map's type it keeps beside these, such as a mask or
    the statistics of a norm, and `indices` how many whole numbers of 8 bytes. `scratch` is how many numbers it needs
    while it computes. Parameters are left out.

    `view`: the output is the first input's memory: "same" as it stands, "strided" with other steps between its numbers,
    "joined" where axes are joined or split, which copies what is strided. `idle`: evaluation passes the input on.

    `exchanged`: the outputs stand in memory with their first two axes exchanged. `moved` are inputs, each with how many
    copies of it with its first two axes exchanged the backward pass reads. Where it stands so in memory, or one of
    these axes is a single place, nothing is copied and the backward pass reads the input. `moving` is what the copying
    of the first of them adds to `scratch`.
    """

    inputs: tuple[int, ...] = ()
    output: bool = False
    own: Dim = 0
    indices: Dim = 0
    scratch: Dim = 0
    view: str | None = None
    idle: bool = False
    exchanged: bool = False
    moved: tuple[tuple[int, int], ...] = ()
    moving: Dim = 0


NOTHING = Held()
INPUT = Held(inputs=(0,))
OUTPUT = Held(output=True)


def elements(type_: TensorType, *left_out: int) -> Dim:
    """How many numbers a tensor has; axes may be left out."""
    return _count(tuple([size for axis, size in enumerate(type_.dims) if axis not in left_out]))


@lru_cache(maxsize=1024)
def _count(sizes: tuple[Dim, ...]) -> Dim:
    """The product. Halves are multiplied, as that of many sizes is itself long."""
    if len(sizes) < 2:
        return sizes[0] if sizes else 1
    half = len(sizes) // 2
    return _count(sizes[:half]) * _count(sizes[half:])
