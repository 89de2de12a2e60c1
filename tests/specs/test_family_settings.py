"""What every family takes: `act` replaces its activation, `classes` the size of its outputs, `drop` its dropout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import archc
from archc.catalog import shipped_files
from archc.compiler.ops import registry
from archc.compiler.program import Program

pytestmark = pytest.mark.slow

FILES = [path for path in shipped_files() if path.parent.name == "zoo"]
RISING = {"fractalnet"}
"""Families whose `drop` is by how much the share rises from unit to unit."""


def first(path: Path) -> archc.Architecture | None:
    """The first architecture of a file, with its defaults."""
    for name, definition in Program.open(path).arches().items():
        if definition.has_defaults:
            return archc.load(path, name)
    return None


def kinds(net: archc.Architecture) -> Counter[str]:
    return Counter(node.op.kind for node in net.ir.nodes)


def rates(net: archc.Architecture) -> set[float]:
    """The shares that dropout leaves out."""
    return {getattr(node.op, "p", 0.0) for node in net.ir.nodes}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_settings_do_what_their_names_say(path: Path) -> None:
    net = first(path)
    assert net is not None
    given = net.parameters
    if "act" in given:
        other, usual = archc.load(path, net.name, act="elu"), given["act"].partition("(")[0]
        assert kinds(other)["elu"] and not kinds(net)["elu"]
        assert usual not in kinds(other) or registry.lookup(usual) is None
        assert other.ir.tensor_shapes() == net.ir.tensor_shapes()
    if "classes" in given:
        other = archc.load(path, net.name, classes=7)
        sizes = {output.channels for output in other.outputs}
        assert sizes == {7} or (path.stem == "yolov8" and sizes == {4 * 16 + 7})
    if "drop" in given:
        share = 0.17 if path.stem in RISING else 0.37
        assert share in rates(archc.load(path, net.name, drop=share))
        assert share not in rates(archc.load(path, net.name, drop=0))
