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
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import archc
from archc import parallel

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
    "features": lambda v: NET.features(v),
    "stages": lambda v: NET.stages(v),
    "stages at": lambda v: NET.stages(at=v),
    "stages size": lambda v: NET.stages(2, H=v),
    "plan": lambda v: NET.plan(v, "80GB"),
    "plan memory": lambda v: NET.plan(2, v),
    "plan batch": lambda v: NET.plan(2, "80GB", batch=v),
    "plan dtype": lambda v: NET.plan(2, "80GB", dtype=v),
    "plan optimizer": lambda v: NET.plan(2, "80GB", optimizer=v),
    "plan loss": lambda v: NET.plan(2, "80GB", loss=v),
    "plan link": lambda v: NET.plan(2, "80GB", link=v),
    "plan multiply_adds": lambda v: NET.plan(2, "80GB", multiply_adds=v),
    "plan bandwidth": lambda v: NET.plan(2, "80GB", bandwidth=v),
    "plan size": lambda v: NET.plan(2, "80GB", H=v),
    "fit": lambda v: NET.fit(v),
    "fit batch": lambda v: NET.fit("8GB", batch=v),
    "fit dtype": lambda v: NET.fit("8GB", dtype=v),
    "fit optimizer": lambda v: NET.fit("8GB", optimizer=v),
    "fit size": lambda v: NET.fit("8GB", H=v),
    "module weights": lambda v: NET.module(weights=v),
    "module device": lambda v: NET.module(device=v),
    "module dtype": lambda v: NET.module(dtype=v),
    "module seed": lambda v: NET.module(seed=v),
    "module fresh": lambda v: NET.module(weights={}, fresh=v),
    "module leave_out": lambda v: NET.module(weights={}, leave_out=v),
    "module externs": lambda v: NET.module(externs=v),
    "optimized weights": lambda v: NET.optimized(v),
    "optimized device": lambda v: NET.optimized(device=v),
    "optimized dtype": lambda v: NET.optimized(dtype=v),
    "optimized engine": lambda v: NET.optimized(engine=v),
    "optimized externs": lambda v: NET.optimized(externs=v),
    "plot size": lambda v: NET.plot("memory", H=v if not isinstance(v, int) else min(v, 999)),
    "plot dtype": lambda v: NET.plot("memory", dtype=v),
    "draw direction": lambda v: NET.draw(direction=v),
    "draw width": lambda v: NET.draw(width=v),
    "from_torch": lambda v: archc.from_torch(v),
    "from_torch input": lambda v: archc.from_torch(torch.nn.ReLU(), v),
    "from_torch name": lambda v: archc.from_torch(torch.nn.ReLU(), torch.ones(1, 2), name=v),
    "from_torch sizes": lambda v: archc.from_torch(torch.nn.ReLU(), torch.ones(1, 2), sizes=v),
    "from_onnx": lambda v: archc.from_onnx(v),
}
SAYS = re.compile(r"^[^\n]{1,60} takes .* and not |^check takes a path or text=")


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
@example(value=2**63)
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


PATHS: dict[str, Callable[[], object]] = {
    "load": lambda: archc.load(""),
    "from_onnx": lambda: archc.from_onnx(""),
    "module": lambda: NET.module(weights=""),
    "optimized": lambda: NET.optimized(""),
    "map_weights": lambda: NET.map_weights(""),
    "map_weights given": lambda: NET.map_weights(STATE, ""),
    "map save": lambda: NET.map_weights(STATE).save(""),
    "draw": lambda: NET.draw(""),
    "plot": lambda: NET.plot(path=""),
    "carry": lambda: NET.carry(archc.loads(TWIN).equivalent(NET), ""),
    "planned": lambda: parallel.planned(NET, "", 2, 4),
    "parallel.save": lambda: parallel.save("", NET.module()),
    "parallel.load": lambda: parallel.load("", NET.module()),
    "parallel.resume": lambda: parallel.resume("", NET.module()),
    "one_file": lambda: parallel.one_file("", "x.pth"),
}
TWIN = "arch B { input x: [N, 3, H, W]   output x -> d: conv(8, 3) -> gap -> fc: linear(5) }"


@pytest.mark.parametrize("call", PATHS)
def test_an_empty_path_is_called_empty(call: str) -> None:
    with pytest.raises(archc.ArchError) as error:
        PATHS[call]()
    (found,) = error.value.diagnostics
    assert found.code == "E1009" and found.message == "the path is empty"


def test_an_empty_path_of_a_spec_is_found_by_check() -> None:
    assert [d.code for d in archc.check("")] == ["E1009"]
