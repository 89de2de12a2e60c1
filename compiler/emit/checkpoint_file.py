"""Checkpoint files: what they declare is held against what they have before anything is made of it.

A torch file is a pickle beside raw numbers. The pickle is first run with nothing behind its names, which finds what it
would call, and for each tensor how much it needs. Only then torch reads it, without code.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any, BinaryIO

import torch

from ...dsl.diagnostics import ArchError, Diagnostic
from ...dsl.quoting import quoted
from ...dsl.reads import named_in_utf8, note_read, opened, reason
from ..analyses.memory import size_text

LARGEST_HEADER = 16 * 2**20
"""Bytes of a header, or of a pickle without its tensors, beyond which a file is refused. A network with 100,000
tensors has less."""
_MAGIC = 0x1950A86A20F9469CFC6C
"""What files of torch before 1.6 begin with."""
_STATE_ALONE = "save the state dict alone: `torch.save(model.state_dict(), path)`"


def read_file(path: Path) -> Any:
    """What a safetensors or torch file holds; its numbers are read when they are used. Raises ArchError (E0810)."""
    with _refusals(path), opened(path) as file:
        note_read(path)
        head = file.read(16)
        if path.suffix in (".onnx", ".pt2"):
            hint = f"it is a network: `archc compile {path} -o net.arch` reads it, `-o net.pt2` with its weights"
            raise _Refused("it is no checkpoint", hint)
        if head.startswith(_NPY):
            raise _of_numpy(file, path)
        if path.suffix == ".safetensors" or (len(head) > 8 and head[8:9] == b"{"):
            return _safetensors(path, head, os.fstat(file.fileno()).st_size)
        return _tensors(file, path)


def read_torch(file: BinaryIO, where: str) -> Any:
    """What a torch file holds that is part of another file; errors name it `where`. Raises ArchError (E0810)."""
    with _refusals(where):
        return _tensors(file, None)


def _tensors(file: BinaryIO, path: Path | None) -> Any:
    """What torch wrote, its numbers mapped where it has a path of its own."""
    whole = zipfile.is_zipfile(file)
    (_check_zip if whole else _check_legacy)(file, path)
    file.seek(0)
    mapped = None if path is None or not whole else named_in_utf8(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(mapped or file, map_location="cpu", weights_only=True, mmap=mapped is not None)


@contextmanager
def _refusals(where: Path | str) -> Iterator[None]:
    try:
        yield
    except _Refused as refused:
        raise unreadable(where, *map(str, refused.args)) from None
    except OSError as error:
        raise unreadable(where, reason(error)) from None
    except Exception as error:  # a corrupt file may raise anything at all
        raise unreadable(where, _corrupt(error)) from None


def unreadable(path: Path | str, reason: str, *hints: str) -> ArchError:
    return ArchError([Diagnostic("E0810", f"cannot read weights from {path}: {reason}", hints=hints)])


class _Refused(Exception):
    """Why a file is not read, and a hint."""


def _corrupt(error: Exception) -> str:
    """What a reader says of a file; not what it trips over inside, as in "pop from empty list"."""
    telling = type(error).__name__ == "SafetensorError"
    return f"it is truncated or no checkpoint ({quoted(error)})" if telling else "it is truncated or no checkpoint"


def _more(what: str, declared: int, most: int, where: str) -> _Refused:
    return _Refused(f"it declares {what} of {size_text(declared)}, and {where} {size_text(most)}")


def _safetensors(path: Path, head: bytes, size: int) -> Any:
    from safetensors.torch import load, load_file

    declared = int.from_bytes(head[:8], "little")
    if len(head) > 8 and declared > min(LARGEST_HEADER, size):
        raise _more("a header", declared, min(LARGEST_HEADER, size), "has at most")
    return load_file(path, device="cpu") if named_in_utf8(path) else load(path.read_bytes())


# --- files of numpy, and pickles -----------------------------------------------------------

_NPY = b"\x93NUMPY"
"""What a file of one array begins with."""


def _made_of(loaded: str, path: Path | None, condition: str = "; it runs code of the file, so trust that first") -> str:
    """A hint: the line of Python that makes a file of tensors out of what it loads, in which `{path}` is the file."""
    where, other = ("path", "other") if path is None else (repr(str(path)), repr(f"{path.with_suffix('')}-tensors.pth"))
    loaded = loaded.format(path=where)
    imports = ", ".join([name for name in ("numpy", "pickle") if f"{name}." in loaded] + ["torch"])
    line = f"import {imports}; torch.save(torch.utils.data.default_convert({loaded}), {other})"
    return f"`{line}` makes a file of tensors of it{condition}"


_BY_TORCH = "torch.load({path}, weights_only=False)"
_BY_PICKLE = "pickle.load(open({path}, 'rb'))"


def _of_numpy(file: BinaryIO, path: Path) -> _Refused:
    """What to say of a file of one array, which may be an object: a mapping of arrays."""
    file.seek(0)
    if b"|O" in file.read(200).partition(b"\n")[0]:
        loaded = "numpy.load({path}, allow_pickle=True).item()"
        return _Refused("it is a pickle in a file of numpy, and no file of tensors", _made_of(loaded, path))
    hint = _made_of('{{"NAME": numpy.load({path})}}', path, ", with the tensor's name in place of NAME")
    return _Refused("it is one array of numpy without a name, and no file of tensors", hint)


# --- torch files ---------------------------------------------------------------------------


def _check_zip(file: BinaryIO, path: Path | None) -> None:
    """The archive of today's torch: the pickle and one record of numbers for each storage, none of them compressed."""
    records = {record.filename: record for record in zipfile.ZipFile(file).infolist()}
    pickles = [name for name in records if name.endswith("/data.pkl")]
    if any(name.endswith("/constants.pkl") for name in records):
        hint = "save its state dict: `torch.save(torch.jit.load(path).state_dict(), other)`"
        raise _Refused("it is a program of TorchScript, and no file of tensors", hint)
    if records and all(name.endswith(".npy") for name in records):
        raise _Refused("it holds arrays of numpy, and no tensors", _made_of("dict(numpy.load({path}))", path, ""))
    if len(pickles) != 1:
        raise _Refused("it is an archive of other things than tensors", _STATE_ALONE)
    if any(record.compress_type != zipfile.ZIP_STORED for record in records.values()):
        raise _Refused("its records are compressed, as torch never writes them", _STATE_ALONE)
    size = file.seek(0, io.SEEK_END)
    if (declared := sum(record.file_size for record in records.values())) > size:
        raise _more("records", declared, size, "has")
    pickled = records[pickles[0]]
    if pickled.file_size > LARGEST_HEADER:
        raise _more("a pickle", pickled.file_size, LARGEST_HEADER, "may have at most")
    with zipfile.ZipFile(file) as archive:
        skeleton = _Skeleton(archive.read(pickled), size, _made_of(_BY_TORCH, path))
    root = pickles[0].removesuffix("data.pkl")
    for key, needed in skeleton.storages.items():
        record = records.get(f"{root}data/{key}")
        if record is None or record.file_size < needed:
            raise _more("a tensor", needed, 0 if record is None else record.file_size, "has for it")


def _check_legacy(file: BinaryIO, path: Path | None) -> None:
    """The file of torch before 1.6: pickles, the fourth with the tensors, and after them the numbers."""
    size, start = file.seek(0, io.SEEK_END), 0
    for place in range(4):
        file.seek(start)
        hint = _made_of(_BY_TORCH if place else _BY_PICKLE, path)
        skeleton = _Skeleton(file.read(LARGEST_HEADER + 1), size, hint)
        start += skeleton.end
        if place == 0 and skeleton.value != _MAGIC:
            raise _Refused("it is truncated or no checkpoint")
    if (declared := sum(skeleton.storages.values())) > size - start:
        raise _more("tensors", declared, size - start, "has for them")


_SIZES = {
    **dict.fromkeys(("Double", "Long", "ComplexFloat"), 8),
    **dict.fromkeys(("Float", "Int", "QInt32"), 4),
    **dict.fromkeys(("Half", "BFloat16", "Short"), 2),
    **dict.fromkeys(("Bool", "Byte", "Char", "QInt8", "QUInt8", "QUInt4x2", "QUInt2x4", "Untyped"), 1),
    "ComplexDouble": 16,
}
"""Bytes of a number, by the name of its class of storage."""
_STORAGE = re.compile(rf"torch\.(?:cuda\.|storage\.)?({'|'.join(_SIZES)})Storage")
_PLAIN = {
    *("collections.Counter", "builtins.set", "__builtin__.set", "_codecs.encode", "torch.Size", "torch.device"),
    *("builtins.complex", "__builtin__.complex", "torch.serialization._get_layout"),
}
"""What may be called to make things that are small."""
_TYPES = {"torch.Tensor", "torch.nn.parameter.Parameter"}
_VIEWS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor")
_REBUILT = ("_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_sparse_tensor")
_META = "_rebuild_meta_tensor_no_storage"


class _Skeleton(pickle.Unpickler):
    """A pickle without what stands behind its names. Raises _Refused for names and calls that are none of tensors.

    `storages` has the bytes that each storage declares, `end` the length of the pickle, `value` what it makes. `size`
    is that of the whole file, and `hint` says what to do with arrays of numpy, and with tensors in a plain pickle.
    """

    def __init__(self, data: bytes, size: int, hint: str):
        self.size = size
        self.hint = hint
        self.storages: dict[str, int] = {}
        self.end = 0
        for op, argument, place in pickletools.genops(io.BytesIO(data)):
            # An index of the memo is a size that is allocated.
            if op.name.endswith("PUT") and isinstance(argument, int) and argument > len(data):
                raise _Refused("it is truncated or no checkpoint")
            self.end = (place or 0) + 1
        super().__init__(io.BytesIO(data[: self.end]))
        self.value = self.load()

    def find_class(self, module: str, name: str) -> Any:
        path = f"{module}.{name}"
        if path == "collections.OrderedDict":
            return OrderedDict
        stored = _STORAGE.fullmatch(path)
        if stored:
            return _Name(path, _SIZES[stored[1]])
        if module == "torch._utils" and name in (*_VIEWS, *_REBUILT, _META):
            return _Name(path, call=self._view if name in _VIEWS else None)
        if path == "torch._tensor._rebuild_from_type_v2":
            return _Name(path, call=lambda made, _, given, *state: made(*given))
        what = getattr(torch, name, None) if module == "torch" else None
        if path in _TYPES or isinstance(what, torch.dtype | torch.qscheme):
            return _Name(path, getattr(what, "itemsize", 1), call=self._never(path))
        if path not in _PLAIN:
            raise self._foreign(path)
        return _Name(path)

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, key, _, count, *_ = pid
        if not isinstance(kind, _Name) or type(key) is not str or type(count) is not int or count < 0:
            raise _Refused("it is truncated or no checkpoint")
        needed = self.storages[key] = max(count * kind.item, self.storages.get(key, 0))
        return _Storage(needed, kind.item)

    def _view(self, storage: Any, offset: Any, size: Any, stride: Any, *more: Any) -> _Made:
        """A tensor, checked to lie within its storage, and to be no larger than the file where it repeats it."""
        numbers = [offset, *size, *stride]
        if not isinstance(storage, _Storage) or not all(type(n) is int and n >= 0 for n in numbers):
            raise _Refused("it is truncated or no checkpoint")
        item = next((name.item for name in more if isinstance(name, _Name)), storage.item)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
        needed = 0 if 0 in size else max(last, 0) * item
        if needed > storage.bytes:
            raise _more("a tensor", needed, storage.bytes, "has for it")
        if math.prod(size) * item > max(self.size, storage.bytes):
            raise _more("a tensor that repeats its numbers, one", math.prod(size) * item, self.size, "has")
        return _Made()

    def _never(self, path: str) -> Any:
        def call(*_: Any) -> None:
            raise self._foreign(path)

        return call

    def _foreign(self, path: str) -> _Refused:
        what = shorten(path.replace(".", ". "), 120, placeholder="…").replace(". ", ".")
        if path.startswith("numpy."):
            return _Refused(f"it holds arrays of numpy (`{what}`), and would run code when loaded", self.hint)
        hint = self.hint if path == "torch.storage._load_from_bytes" else _STATE_ALONE
        return _Refused(f"it holds `{what}` beside tensors, and would run code when loaded", hint)


class _Fixed:
    """What no state of a pickle changes."""

    def __setstate__(self, _: object) -> None:
        raise _Refused("it is truncated or no checkpoint")


class _Storage(_Fixed):
    def __init__(self, bytes: int, item: int):
        self.bytes = bytes
        self.item = item


class _Name(_Fixed):
    """What stands for a name of the pickle."""

    def __init__(self, path: str, item: int = 1, call: Any = None):
        self.path = path
        self.item = item
        self.call = call

    def __call__(self, *given: Any) -> Any:
        return _Made() if self.call is None else self.call(*given)


class _Made:
    """What stands for a thing that a call of the pickle makes, whatever is done to it."""

    def __setstate__(self, _: object) -> None: ...

    def __setitem__(self, _: object, __: object) -> None: ...

    def append(self, _: object) -> None: ...

    def add(self, _: object) -> None: ...
