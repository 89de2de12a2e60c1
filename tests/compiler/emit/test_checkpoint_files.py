"""Hostile checkpoints: what a file declares is refused before memory is paid for it."""

from __future__ import annotations

import io
import pickle
import re
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import archc
from archc import ArchError
from archc.compiler.emit.checkpoint_file import LARGEST_HEADER

HUGE = 10**11
NET = archc.loads("arch A { input x: [N, 3, 8, 8] output x -> c1: conv(8, 3) -> gap -> fc: linear(5) }")


@pytest.fixture(autouse=True)
def little_memory() -> Any:
    """A process that may take 4 GB more than it has: a file that is believed ends in MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 4 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


class Called:
    """Pickles as a call of a function by its name."""

    def __init__(self, function: Any, *given: Any):
        self.call = function, given

    def __reduce__(self) -> Any:
        return self.call


def saved(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def old(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def repacked(change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of a small tensor with its records changed."""
    stream = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(saved({"w": torch.zeros(1000)})))
    with zipfile.ZipFile(stream, "w", compression) as made:
        for name in source.namelist():
            made.writestr(name, change(name, source.read(name)))
    return stream.getvalue()


def counted(data: bytes) -> bytes:
    """The pickle of a tensor of 1,000 numbers, of which it says many more."""
    return data.replace(b"M\xe8\x03", b"J" + struct.pack("<i", 2**31 - 1))


def view(size: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    storage = torch.zeros(10).untyped_storage()
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
    return Called(torch._utils._rebuild_tensor_v2, typed, 0, size, stride, False, None)


FILES: dict[str, bytes] = {
    "compressed": repacked(lambda name, data: data + bytes(2**24 * name.endswith("/0")), zipfile.ZIP_DEFLATED),
    "more numbers than the record": repacked(lambda name, data: counted(data) if name.endswith(".pkl") else data),
    "no record": repacked(lambda name, data: data.replace(b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x007")),
    "a pickle of zeros": repacked(lambda name, data: data + bytes(LARGEST_HEADER * name.endswith(".pkl"))),
    "more numbers than an old file": old({"w": torch.zeros(1000)}).replace(b"M\xe8\x03", b"J\xff\xff\xff\x7f"),
    "a view beyond its storage": saved({"w": view((HUGE,), (1,))}),
    "one number many times": saved({"w": view((HUGE,), (0,))}),
    "negative": saved({"w": view((-1, HUGE), (1, 1))}),
    "bytearray": saved({"w": Called(bytearray, HUGE)}),
    "Tensor": saved({"w": Called(torch.Tensor, HUGE)}),
    "memo": repacked(lambda name, data: b"\x80\x02}r\xf0\xff\xff\xff." if name.endswith(".pkl") else data),
    "memo of an old file": b"\x80\x02}r\xf0\xff\xff\xff.",
    "a function": saved({"w": Called(pickle.loads, b"")}),
    "header": struct.pack("<Q", HUGE) + b'{"a": {}}' + bytes(100),
    "sizes in a header": struct.pack("<Q", 80)
    + b'{"w":{"dtype":"F32","shape":[100000000000],"data_offsets":[0,400000000000]}}'.ljust(80),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_declares_is_not_believed(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch would read it"))
    path = tmp_path / "w.pt"
    path.write_bytes(FILES[name])
    with pytest.raises(ArchError) as error:
        NET.map_weights(path)
    (found,) = error.value.diagnostics
    assert found.code == "E0810", found.message


def test_a_program_of_torchscript_is_told_with_what_to_do(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as made:
        for name in ("a/data.pkl", "a/constants.pkl", "a/code/m.py"):
            made.writestr(name, b"\x80\x02}.")
    with pytest.raises(ArchError, match="TorchScript"):
        NET.map_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("save", [saved, old])
def test_what_training_scripts_save_is_taken(tmp_path: Path, save: Callable[[Any], bytes]):
    state = NET.module(seed=0).state_dict()
    optimizer = torch.optim.Adam(torch.nn.Linear(2, 2).parameters()).state_dict()
    around = {"epoch": 3, "size": torch.Size([1]), "device": torch.device("cpu"), "at": b"bytes", "type": torch.float16}
    for number, more in enumerate(({}, {"optimizer": optimizer}, around, {"seen": {1, 2}, "c": 1j})):
        path = tmp_path / f"{number}.pt"
        path.write_bytes(save({"state_dict": state, **more}))
        assert NET.map_weights(path).identical
    types = (torch.float64, torch.float16, torch.bfloat16)
    for number, kind in enumerate(types):
        path = tmp_path / f"type{number}.pt"
        path.write_bytes(save({n: torch.nn.Parameter(t.to(kind)) for n, t in state.items()}))
        names = NET.map_weights(path)
        assert all(t.dtype == kind for t in names.apply(path).values())


def test_views_of_one_storage_are_taken(tmp_path: Path):
    whole = torch.arange(8 * 27 + 8.0)
    state = NET.module(seed=0).state_dict()
    first = next(name for name, tensor in state.items() if tensor.shape == (8, 3, 3, 3))
    state[first] = whole[: 8 * 27].view(8, 3, 3, 3).transpose(2, 3)
    torch.save(state, tmp_path / "w.pt")
    assert torch.equal(NET.map_weights(tmp_path / "w.pt").apply(tmp_path / "w.pt")[first], state[first])


# --- arrays of numpy -----------------------------------------------------------------------


def pickled(content: Any, protocol: int | None = None) -> bytes:
    return pickle.dumps(content, protocol)


def in_numpy(save: Callable[..., None], *given: Any, **named: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *given, **named)
    return stream.getvalue()


STATE = NET.module(seed=3).state_dict()
ARRAYS = {name: tensor.numpy() for name, tensor in STATE.items()}
NUMPY: dict[str, bytes] = {
    "saved.pth": saved(ARRAYS),
    "old.pth": old(ARRAYS),
    "wrapped.pth": saved({"model": ARRAYS, "epoch": np.int64(3)}),
    "a number beside.pth": saved({"model": STATE, "best": np.float64(0.5)}),
    "pickle.pkl": pickled(ARRAYS),
    "old pickle.pkl": pickled(ARRAYS, 2),
    "tensors.pkl": pickled(STATE),
    "it's {odd}.npz": in_numpy(np.savez, **ARRAYS),
    "compressed.npz": in_numpy(np.savez_compressed, **ARRAYS),
    "mapping.npy": in_numpy(np.save, ARRAYS, allow_pickle=True),
}


def run_hint(folder: Path, path: Path, change: Callable[[str], str] = str) -> Path:
    """Runs the line of the hint; gives the file that it makes."""
    with pytest.raises(ArchError) as error:
        NET.module(weights=path)
    (found,) = error.value.diagnostics
    assert found.code == "E0810" and "truncated" not in found.message
    (line,) = re.findall("`(.*)`", found.hints[0])
    exec(change(line), {})
    (made,) = folder.glob("*-tensors.pth")
    return made


@pytest.mark.parametrize("name", NUMPY)
def test_the_hint_makes_tensors_of_arrays(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(NUMPY[name])
    loaded = NET.module(weights=run_hint(tmp_path, tmp_path / name)).state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in STATE.items())


def test_one_array_is_named(tmp_path: Path):
    (tmp_path / "one.npy").write_bytes(in_numpy(np.save, ARRAYS["fc.weight"]))
    made = run_hint(tmp_path, tmp_path / "one.npy", lambda line: line.replace("NAME", "fc.weight"))
    rest = [name for name in STATE if name != "fc.weight"]
    assert torch.equal(NET.module(weights=made, fresh=rest).fc.weight, STATE["fc.weight"])


def test_arrays_by_name_are_told_apart_from_other_things():
    with pytest.raises(ArchError, match="arrays of numpy") as error:
        NET.module(weights=ARRAYS)
    assert "default_convert(state)" in error.value.diagnostics[0].hints[0]
    NET.module(weights=torch.utils.data.default_convert(ARRAYS))
