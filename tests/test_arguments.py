"""Wrong arguments of the Python interface: an ArchError with a code, a ValueError that says what is known, or a
TypeError that names the argument; nothing that comes from inside."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archc

NET = archc.loads("arch A { input x: [N, 3, H, W]   output x -> c: conv(8, 3) -> gap -> fc: linear(5) }")
STATE = NET.module(seed=0).state_dict()
OBJECTS: list[Any] = [object(), b"x", os, NET, torch.ones(2), networkx.DiGraph(), networkx.Graph(), math.nan, 10**30]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["a\0b", "\x1b", "A" * 300, "\udcff", "/dev/zero", *OBJECTS]),
    st.lists(st.one_of(st.integers(), st.text(max_size=3), st.none()), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.dictionaries(st.integers(), st.integers(), max_size=2),
)
CALLS: dict[str, Callable[[Any], object]] = {
    "load": lambda v: archc.load(v),
    "load name": lambda v: archc.load("resnet18", v),
    "load parameter": lambda v: archc.load("resnet", depth=v),
    "loads": lambda v: archc.loads(v),
    "loads name": lambda v: archc.loads("arch A { input x: [N, 3]   output x }", v),
    "check": lambda v: archc.check(v),
    "check text": lambda v: archc.check(text=v),
    "from_graph": lambda v: archc.from_graph(v),
    "stats size": lambda v: NET.stats(H=v if not isinstance(v, int) else min(v, 999)),
    "stats dtype": lambda v: NET.stats(v),
    "paths": lambda v: NET.paths(v),
    "receptive_field": lambda v: NET.receptive_field(v),
    "receptive_field size": lambda v: NET.receptive_field(H=v),
    "diff": lambda v: NET.diff(v),
    "equivalent": lambda v: NET.equivalent(v) if v is not NET else None,
    "carry": lambda v: NET.carry(v, STATE),
    "rewrite": lambda v: NET.rewrite(v),
    "rewrite setting": lambda v: NET.rewrite("remove", modules=v),
    "map_weights": lambda v: NET.map_weights(v),
    "map_weights given": lambda v: NET.map_weights(STATE, v),
    "map_weights fresh": lambda v: NET.map_weights(STATE, fresh=v),
    "draw format": lambda v: NET.draw(format=v),
    "draw depth": lambda v: NET.draw(depth=v),
    "draw expand": lambda v: NET.draw(expand=v),
    "draw collapse": lambda v: NET.draw(collapse=v),
    "draw only": lambda v: NET.draw(only=v),
    "draw theme": lambda v: NET.draw(theme=v),
    "plot": lambda v: NET.plot(v),
    "plot by": lambda v: NET.plot("paths", by=v),
    "plot theme": lambda v: NET.plot(theme=v),
}
SAYS = re.compile(r"^[^\n]{1,60} takes .* and not |^check takes a path or text=")


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_wrong_arguments(name: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        CALLS[name](value)
    except archc.ArchError as error:
        assert all(d.code and d.code != "E0999" for d in error.diagnostics)
    except TypeError as error:
        assert SAYS.match(str(error)), error
    except ValueError as error:
        assert str(error) and type(error) is ValueError
        owner = archc.Architecture if hasattr(archc.Architecture, name.split()[0]) else archc
        assert "ValueError" in getattr(owner, name.split()[0]).__doc__, "a documented error of an argument"
