"""Long lists of numbers are written by the rule that makes them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import archc


def written(numbers: Tensor) -> str:
    """The list that `.arch` has for a buffer, which says the same numbers again."""
    net = archc.loads(f"arch A {{ input x: [N, 2]   buffer b: int = constant({numbers.tolist()})   output (x, b) }}")
    text = net.source()
    again = archc.loads(text)
    assert torch.equal(again.module().b, numbers)  # type: ignore[arg-type]
    return text.partition("constant(")[2].rpartition(")")[0].replace("\n", " ")


def _ways(size: int) -> Tensor:
    """How far two places of a window are apart, by number, as Swin transformers look it up (arXiv 2103.14030)."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    down = rows.flatten()[:, None] - rows.flatten()[None, :] + size - 1
    right = columns.flatten()[:, None] - columns.flatten()[None, :] + size - 1
    return down * (2 * size - 1) + right


def _far(size: int) -> Tensor:
    """The same whichever place comes first, as LeViT looks it up (arXiv 2104.01136)."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()])
    down, right = (places[:, :, None] - places[:, None, :]).abs()
    return size * down + right


def _regions() -> Tensor:
    mask = torch.zeros(12, 14, dtype=torch.long)
    mask[6:9] += 3
    mask[9:] += 6
    mask[:, 10:] += 1
    return mask


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (torch.arange(30), "[i for i in 0..<30]"),
        (torch.arange(24).flip(0) * 5 - 7, "[-5 * i + 108 for i in 0..<24]"),
        (torch.arange(60).reshape(3, 4, 5), "[[[20 * i + 5 * j + k for k in 0..<5] for j in 0..<4] for i in 0..<3]"),
        (torch.full((4, 9), 3), "[[3 for j in 0..<9] for i in 0..<4]"),
        (_ways(5), "[[9 * i + j - 9 * k - l + 40 for k in 0..<5 for l in 0..<5] for i in 0..<5 for j in 0..<5]"),
        (_ways(4).flatten(), "for i in 0..<4 for j in 0..<4 for k in 0..<4 for l in 0..<4]"),
        (_far(6), "[[6 * abs(i - k) + abs(j - l) for k in 0..<6 for l in 0..<6] for i in 0..<6 for j in 0..<6]"),
        (_regions(), "(if i < 6 then 0 else if i < 9 then 3 else 6) + (if j < 10 then 0 else 1)"),
        (torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 5, 3]), "[3, 1, 4, 1, 5, 9, 2, 6, 5, 3]"),
        (torch.tensor([0, 1, 2]), "[0, 1, 2]"),
    ],
)
def test_the_rule_is_found(numbers: Tensor, text: str) -> None:
    assert text in written(numbers)


@st.composite
def _tables(draw: Any) -> Tensor:
    """Sums along the axes, most of them with a rule, of which one number may be another."""
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    table = torch.zeros(shape, dtype=torch.long)
    for axis, size in enumerate(shape):
        along = draw(
            st.one_of(
                st.integers(-3, 3).map(lambda step, n=size: [step * i for i in range(n)]),
                st.lists(st.integers(-2, 2), min_size=size, max_size=size),
            )
        )
        table += torch.tensor(along).reshape([-1 if axis == other else 1 for other in range(len(shape))])
    if draw(st.booleans()):
        table.flatten()[draw(st.integers(0, table.numel() - 1))] += draw(st.integers(-1, 1))
    return table


@settings(max_examples=60, deadline=None)
@given(_tables())
def test_any_table_comes_back(table: Tensor) -> None:
    written(table)


@pytest.mark.parametrize("sizes", [(5,), (4, 6), (2, 3, 4)])
@pytest.mark.parametrize("ones", [0, 1, 2])
def test_places_of_a_grid(sizes: tuple[int, ...], ones: int) -> None:
    """As the positions of Swin v2, whose logarithms are no whole numbers (arXiv 2111.09883)."""
    axes = [torch.linspace(-1, 1, size).sign() * torch.linspace(-1, 1, size).abs().log1p() for size in (*sizes, 3)]
    numbers = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    for _ in range(ones):
        numbers = numbers.unsqueeze(0)
    net = archc.loads(f"arch A {{ input x: [N, 2]   const t = constant({numbers.tolist()})   output (x, t) }}")
    text = net.source()
    assert text.count("for") == len(axes) and text.count(",") < 30
    assert torch.equal(archc.loads(text).module().t, numbers)
    numbers.flatten()[-1] += 1
    other = archc.loads(f"arch A {{ input x: [N, 2]   const t = constant({numbers.tolist()})   output (x, t) }}")
    assert "for" not in other.source() and torch.equal(archc.loads(other.source()).module().t, numbers)


@pytest.mark.parametrize("shape", [(6, 1, 3, 3), (4, 5)])
def test_rows_that_are_all_equal(shape: tuple[int, ...]) -> None:
    """As the kernel of a blur that every channel has (arXiv 1904.11486)."""
    numbers = torch.rand(shape[1:]).expand(shape).contiguous()
    net = archc.loads(f"arch A {{ input x: [N, 2]   const t = constant({numbers.tolist()})   output (x, t) }}")
    text = net.source()
    assert f"for _ in 0..<{shape[0]}]" in text and torch.equal(archc.loads(text).module().t, numbers)


def _bordered(size: int) -> Tensor:
    """How BEiT looks up places and a class token (arXiv 2106.08254)."""
    count = (2 * size - 1) ** 2 + 3
    table = torch.full((size * size + 1,) * 2, count - 1)
    table[1:, 1:], table[0, 1:], table[1:, 0] = _ways(size), count - 3, count - 2
    return table


@pytest.mark.parametrize("size", [3, 7, 14])
def test_a_matrix_with_a_border(size: int) -> None:
    assert len(written(_bordered(size))) < 200


@pytest.mark.parametrize("place", [(0, 2), (2, 0), (3, 4)])
def test_a_matrix_with_another_number(place: tuple[int, int]) -> None:
    table = _bordered(3)
    table[place] += 1
    assert len(written(table)) > 200
