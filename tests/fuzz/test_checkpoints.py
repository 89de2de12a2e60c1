"""Damaged and made-up checkpoints: read, or refused with a code, within little memory."""

from __future__ import annotations

import io
import pickle
import tempfile
from pathlib import Path
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

import archc

NET = archc.loads("arch A { input x: [N, 3, 8, 8] output x -> c1: conv(8, 3) -> bn1: bn -> gap -> fc: linear(5) }")
STATE = NET.module(seed=0).state_dict()


def saved(content: Any, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


WHOLE = [saved(STATE), saved(STATE, False), save(STATE), saved({"state_dict": STATE, "epoch": 3})]
TENSORS = st.builds(torch.zeros, st.lists(st.integers(0, 9), max_size=4))
NAMES = st.sampled_from([*STATE, "a", "a.b", "", ".", "net.fc.weight", "fc_weight", "1", "\x1b[2J"]) | st.text(
    max_size=5
)
STATES = st.dictionaries(NAMES, TENSORS | st.none() | st.integers() | st.text(max_size=3), max_size=8)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A checkpoint with bytes replaced, put in, left out or cut."""
    data = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@settings(max_examples=60)
@given(damaged() | st.binary(max_size=60) | STATES.map(pickle.dumps) | STATES.map(saved))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.pt"
        path.write_bytes(data)
        try:
            NET.map_weights(path).apply(path)
        except archc.ArchError as error:
            assert all(d.code.startswith("E081") for d in error.diagnostics)
            assert len(str(error)) < 6000 and "\x1b" not in str(error)
