"""Specs are short, and `docs/specs.md` says how short."""

from __future__ import annotations

import pytest
from lines import LIMITS, PAGE, PEERS, families, peer_lines, releases, spec_lines, specs, table

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("family", "most"), LIMITS.items())
def test_no_longer_than_promised(family: str, most: int) -> None:
    assert specs()[family] <= most


@pytest.mark.parametrize("family", PEERS)
def test_shorter_than_every_peer(family: str) -> None:
    assert all(2 * specs()[family] < peer_lines(*peer) for peer in PEERS[family])


def test_the_page_lists_the_families() -> None:
    assert families() in TEXT


def test_the_page_gives_the_lines() -> None:
    for family, lines in specs().items():
        assert f"| `{family}.arch` | {lines} |" in TEXT


@pytest.mark.skipif(f"Counted in {releases()}." not in TEXT, reason="other releases of the peers")
def test_the_page_gives_the_peers_lines() -> None:
    assert table() in TEXT


def test_what_counts_as_a_line() -> None:
    block = '"""Doc.\n\nMore."""\n# a remark\nblock b() = relu  # and one\n'
    arch = "\narch A { input x: [1]\n  output x }  expect params == 0\n  expect depth == 0\n"
    assert spec_lines(block + arch) == 3
