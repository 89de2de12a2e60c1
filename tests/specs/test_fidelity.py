"""Every shipped architecture computes what its peers compute. The default run takes the quick rows."""

from __future__ import annotations

import pytest
import torch
import torchvision.models as models
from oracles import LIBRARIES, Row, families
from twins import FORMS, QUANTITIES, compared, largest_difference

from archc.catalog import shipped

ROWS = [(family, row) for family, rows in families().items() for row in rows]
NAMED = [pytest.param(row, id=f"{family}: {row.label}") for family, row in ROWS]


def agrees(row: Row) -> None:
    found = compared(row)
    assert len(found.differences) == len(FORMS) * len(QUANTITIES)
    assert found.largest <= row.within, found.differences
    assert row.library != "torchvision" or found.names == "same, in order"


@pytest.mark.parametrize("row", [p for p, (_, row) in zip(NAMED, ROWS, strict=True) if row.quick])
def test_equal_to_its_peer(row: Row) -> None:
    agrees(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", [p for p, (_, row) in zip(NAMED, ROWS, strict=True) if not row.quick])
def test_every_variant_is_equal_to_its_peers(row: Row) -> None:
    agrees(row)


@pytest.mark.parametrize("row", NAMED)
def test_a_row_is_sound(row: Row) -> None:
    assert row.library in LIBRARIES or row.make is not None
    assert bool(row.why) == bool(row.within)


def test_every_network_of_torchvision_is_compared() -> None:
    """Of its classification and segmentation, each under its own name, the two largest with fewer layers."""
    names = {name for module in (models, models.segmentation) for name in models.list_models(module)}
    assert len(names) >= 86 and names <= {*shipped()}
    assert names <= {row.oracle.partition(",")[0] for _, row in ROWS if row.library == "torchvision"}


def test_rows_differ() -> None:
    assert len({(family, row.label) for family, row in ROWS}) == len(ROWS)


def test_what_counts_as_a_difference() -> None:
    one, nan, infinite = torch.ones(2), torch.tensor([1.0, float("nan")]), torch.tensor([1.0, float("inf")])
    assert largest_difference({"a": one}, {"a": one.clone()}) == 0
    assert largest_difference({"a": one}, {"a": one + 2**-20}) == 2**-20
    for other in ({"b": one}, {"a": one, "b": one}, {"a": one[:1]}, {"a": nan}, {"a": infinite}):
        assert largest_difference({"a": one}, other) == float("inf")
    assert largest_difference({"a": nan}, {"a": nan}) == float("inf")
    assert largest_difference({"a": infinite}, {"a": infinite}) == float("inf")
