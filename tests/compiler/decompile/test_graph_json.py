"""The graph as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from graphs import small, with_aux

import archc
from archc.compiler.decompile.graph_json import SCHEMA, to_json, write_json
from archc.compiler.emit.fx import to_graph_module


def test_it_is_plain_and_deterministic(tmp_path: Path):
    first, second = to_json(small()), to_json(small())
    assert first == second == json.loads(json.dumps(first, allow_nan=False))
    write_json(small(), tmp_path / "net.json")
    assert json.loads((tmp_path / "net.json").read_text()) == first


def test_blocks_that_blocks_are_given_have_no_address():
    text = (
        "block twice(f, n) = f -> f\nblock unit = relu\narch A { input x: [N, 3, 8, 8]\n output x -> twice(unit, 2) }"
    )
    origins = [node["origin"] for node in to_json(archc.loads(text).ir)["nodes"]]
    assert origins[1:] == [["unit()", "twice(2)", "A()"]] * 2


def test_it_says_everything():
    data = to_json(with_aux())
    assert data["schema"] == SCHEMA and data["name"] == "Aux"
    assert data["inputs"][0]["type"]["dims"] == ["N", 3, "H", "W"]
    conv = data["nodes"][1]
    assert conv["op"] == "conv" and conv["path"] == "conv1" and conv["inputs"] == [[0, 0]]
    assert conv["parameters"]["channels"] == 8 and conv["outputs"][0]["dims"] == ["N", 8, "H", "W"]
    assert conv["weights"][0]["shape"] == [8, 3, 3, 3]
    assert data["outputs"][1] == {"name": "aux", "values": [[5, 0]], "when_training": True}


def test_its_weights_are_the_modules():
    names = [f"{n['path']}.{w['name']}" for n in to_json(small())["nodes"] for w in n["weights"]]
    assert sorted(names) == sorted(to_graph_module(small()).state_dict())
