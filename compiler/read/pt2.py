"""Exported programs (`.pt2`). The archive's JSON and raw tensors are read here, so that no pickle and no expression of
the file is ever evaluated, as `torch.export.load` would do."""

from __future__ import annotations

import io
import json
import operator
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, refused
from ...dsl.quoting import quoted
from ...dsl.reads import note_read, opened
from ..emit.checkpoint_file import read_torch
from .aten import handler
from .recompose import functions
from .replay import Ref, Replay, Stack, Step, Stored
from .unsayable import Missing, missing

MAJOR = 8
"""The version of torch's format that is read."""
JSON_BYTES = 1 << 28
"""How long the description of a graph may be."""
SQUEEZED = 100
"""How many times as long as in the archive a file of it may become."""
DTYPES = dict(
    zip(
        (1, 2, 3, 4, 5, 6, 7, 8, 12, 13),
        (
            *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
            *(torch.float16, torch.float32, torch.float64, torch.bool, torch.bfloat16),
        ),
        strict=True,
    )
)
"""torch's numbers for types, as the format has them."""
PYTHON = {name: getattr(operator, name) for name in ["add", "sub", "mul", "floordiv", "mod", "neg", "getitem"]}
"""Arithmetic with sizes."""
MAKERS = """
    arange bernoulli empty empty_like fill full full_like linspace new_empty new_full new_ones new_zeros ones ones_like
    scalar_tensor zeros zeros_like sym_size
"""
"""Functions that are run though the reader may have nothing for them, as their results may not be needed."""
Model: TypeAlias = tuple[Any, list[str], Callable[[str, bool], Tensor]]
"""The description of a graph, the names of its state in their order, and what reads a tensor by its name: of the state,
or a constant. One that has several names is one object."""
SKIPPED = "_assert_scalar _assert_async _assert_tensor_metadata sym_constrain_range sym_constrain_range_for_size"


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Whatever a file makes its reader raise as a diagnostic. Raises ArchError (E1208)."""
    try:
        yield
    except ArchError:
        raise
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from None
    except RecursionError:
        raise unreadable(path, "it is nested too deeply") from None
    except Exception as error:  # a corrupt file may raise anything at all
        raise unreadable(path, f"it is truncated, or no {what}: {quoted(error)}") from None


def unreadable(path: Path, reason: str, *hints: str) -> ArchError:
    return refused("E1208", f"cannot read a network from {path}: {reason}", *hints)


def read_pt2(path: Path) -> Stored:
    """The network of a file. Raises ArchError (E1204, E1208)."""
    note_read(path)
    with readable(path, "exported program"), opened(path) as file, zipfile.ZipFile(file) as archive:
        return _Program(path, _Archive(path, archive)).network()


class _Archive:
    """The files of an archive, by their names without the folder that all are in."""

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        self._path, self._archive = path, archive
        self._files = {info.filename: info for info in archive.infolist()}
        top = next((n.rpartition("/")[0] for n in self._files if n.endswith("/archive_format")), None)
        self._prefix = "" if top is None else f"{top}/"
        self._bytes: dict[str, bytes] = {}

    def read(self, name: str, limit: int | None = None) -> bytes:
        info = self._files.get(self._prefix + name)
        if info is None:
            raise unreadable(self._path, f"its `{name}` is missing")
        if info.file_size > max(SQUEEZED * info.compress_size, 1 << 16) or (limit and info.file_size > limit):
            raise unreadable(self._path, f"its `{name}` would take {info.file_size:,} bytes")
        if name not in self._bytes:
            self._bytes[name] = self._archive.read(info)
        return self._bytes[name]

    def has(self, name: str) -> bool:
        return self._prefix + name in self._files

    def json(self, name: str) -> Any:
        return json.loads(self.read(name, JSON_BYTES))

    def model(self) -> Model:
        if self.has("serialized_exported_program.json"):
            about = self.json("serialized_exported_program.json")
            return self._with_state(about, "serialized_state_dict.pt", "serialized_constants.pt")
        models = [n for n in self._files if n.startswith(f"{self._prefix}models/") and n.endswith(".json")]
        if len(models) != 1:
            what = "no graph" if not models else f"{len(models)} graphs"
            raise unreadable(self._path, f"it holds {what}", "`torch.export.save` writes a file with one")
        kinds = {False: "weights", True: "constants"}
        about = self.json(models[0].removeprefix(self._prefix))
        name = Path(models[0]).stem
        if self.has(f"data/weights/{name}.pt"):
            return self._with_state(about, *(f"data/{kind}/{name}.pt" for kind in kinds.values()))
        configs = {c: self.json(f"data/{kind}/{name}_{kind}_config.json")["config"] for c, kind in kinds.items()}
        found: dict[tuple[str, str], Tensor] = {}

        def tensor(name: str, constant: bool) -> Tensor:
            folder, entry = f"data/{kinds[constant]}", configs[constant][name]
            place = f"{folder}/{entry['path_name']}", json.dumps(entry["tensor_meta"])
            if place not in found:
                found[place] = self._tensor(folder, entry)
            return found[place]

        return about, list(configs[False]), tensor

    def _with_state(self, about: Any, state: str, constants: str) -> Model:
        """A graph whose tensors are in checkpoints inside the archive, as torch wrote them before 2.9."""
        kept = {False: self._pickled(state), True: self._pickled(constants)}
        return about, list(kept[False]), lambda name, constant: kept[constant][name]

    def _pickled(self, name: str) -> dict[str, Tensor]:
        """The tensors of a checkpoint inside the archive."""
        data = self.read(name)
        found = read_torch(io.BytesIO(data), f"{name} in {self._path}") if data else {}
        first: dict[object, Tensor] = {}
        return {key: first.setdefault(_place_of(tensor), tensor) for key, tensor in found.items()}

    def _tensor(self, folder: str, entry: Any) -> Tensor:
        meta = entry["tensor_meta"]
        if entry["use_pickle"] or meta["dtype"] not in DTYPES:
            raise unreadable(self._path, f"`{entry['path_name']}` is no plain tensor, and would run code when loaded")
        sizes, strides = ([int(n["as_int"]) for n in meta[key]] for key in ("sizes", "strides"))
        dtype, first = DTYPES[meta["dtype"]], int(meta["storage_offset"]["as_int"])
        data = self.read(f"{folder}/{entry['path_name']}")
        if not prod(sizes):
            return torch.empty(sizes, dtype=dtype)
        last = first + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        if min(sizes, default=1) < 1 or min([first, *strides]) < 0 or last >= len(data) // dtype.itemsize:
            raise unreadable(self._path, f"`{entry['path_name']}` has fewer numbers than its shape {sizes}")
        return torch.frombuffer(bytearray(data), dtype=dtype).as_strided(sizes, strides, first).clone()


def _place_of(tensor: Tensor) -> object:
    """What tensors have in common that are one; itself for an empty one, which has no place."""
    return (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()) if tensor.numel() else id(tensor)


class _Program:
    """The description of a program, as a network that runs."""

    def __init__(self, path: Path, archive: _Archive):
        self.path = path
        self.about, self.order, self.tensor = archive.model()
        version = self.about["schema_version"]
        if version["major"] != MAJOR:
            newer = version["major"] > MAJOR
            hint = "a newer archc may read it" if newer else "save it again, with torch 2.6 or newer"
            raise unreadable(path, f"its format is version {version['major']}, and {MAJOR} is read", hint)
        self.graph = self.about["graph_module"]["graph"]
        self.signature = self.about["graph_module"]["signature"]

    def network(self) -> Stored:
        self._refuse_unknown()
        taken = [s["user_input"]["arg"] for s in self.signature["input_specs"] if "user_input" in s]
        if any("as_tensor" not in arg for arg in taken):
            raise unreadable(self.path, "it has inputs that are no tensors")
        names = [arg["as_tensor"]["name"] for arg in taken]
        classes = {path: cls for node in self.graph["nodes"] for path, _, cls in _stack(node)}
        net = Replay(names, classes)
        self._hold_state(net)
        for path in classes:
            net.scope(path)
        known = functions(net)
        net.steps += [step for node in self.graph["nodes"] if (step := self._step(node, known)) is not None]
        net.returns = self._returns()
        net.join()
        metas = [self.graph["tensor_values"][name] for name in names]
        usual: dict[int | str, int] = {}
        inputs = [(DTYPES[meta["dtype"]], [self._size(size, usual) for size in meta["sizes"]]) for meta in metas]
        return Stored(net, inputs, usual)

    def _size(self, size: Any, usual: dict[int | str, int]) -> int | str:
        """A size, or its symbol where it is open; what the program was exported with is usual."""
        if "as_int" in size:
            return int(size["as_int"])
        name = str(size["as_expr"]["expr_str"])
        usual[name] = int((size["as_expr"].get("hint") or {}).get("as_int") or 2)
        return name

    def _hold_state(self, net: Replay) -> None:
        entries: list[tuple[str, str, Any]] = [
            (
                entry.get("parameter_name") or entry.get("buffer_name") or entry.get("tensor_constant_name") or "",
                kind,
                entry,
            )
            for spec in self.signature["input_specs"]
            for kind, entry in spec.items()
        ]
        places = {name: place for place, name in enumerate(self.order)}
        idle = self._idle(entries)
        learned: dict[int, nn.Parameter] = {}
        for name, kind, entry in sorted(entries, key=lambda item: places.get(item[0], len(places))):
            if name.rpartition(".")[0] in idle and kind != "user_input":
                continue
            if kind in ("parameter", "buffer", "tensor_constant"):
                lost = kind == "tensor_constant" or (kind == "buffer" and not entry.get("persistent", True))
                tensor = self.tensor(name, lost)
                if kind == "parameter":
                    made = learned.setdefault(id(tensor), nn.Parameter(tensor, tensor.is_floating_point()))
                    net.hold(entry["arg"]["name"], name, made, True)
                else:
                    net.hold(entry["arg"]["name"], name, tensor, False, not lost)
            elif kind != "user_input":
                raise unreadable(self.path, f"it takes a `{kind}`, and tensors alone are read")

    def _idle(self, entries: list[tuple[Any, str, Any]]) -> set[str]:
        """The paths of modules whose parameters nothing takes, as heads for training alone have them."""
        given = (argument["arg"] for node in self.graph["nodes"] for argument in node["inputs"])
        taken = {value.name for item in (*given, *self.graph["outputs"]) for value in _refs(item)}
        held = [(name, kind, entry["arg"]["name"] in taken) for name, kind, entry in entries if kind != "user_input"]
        tied = {id(self.tensor(name, False)) for name, kind, is_taken in held if kind == "parameter" and is_taken}
        used = {
            name.rpartition(".")[0]
            for name, kind, is_taken in held
            if is_taken or (kind == "parameter" and id(self.tensor(name, False)) in tied)
        }
        return {name.rpartition(".")[0] for name, kind, _ in held if kind == "parameter"} - used

    def _refuse_unknown(self) -> None:
        """Raises ArchError (E1204) with all functions that no reader is for: none is looked up by its name alone."""
        found: list[Missing] = []
        for node in self.graph["nodes"]:
            if _function(node["target"]) is None:
                path = next((path for path, _, _ in reversed(_stack(node))), "")
                name = str(node["target"]).removeprefix("torch.ops.").removeprefix("aten.").partition(".")[0]
                found.append(Missing(f"`{name[:80]}`", path, _line(node)))
        if found:
            raise missing(self.path.name, found)

    def _step(self, node: Any, known: dict[str, Callable[..., Any]]) -> Step | None:
        name, overload = _function(node["target"]) or ("", "")
        given = {argument["name"]: _value(argument["arg"]) for argument in node["inputs"]}
        makes = [name for output in node["outputs"] for name in _names(output)]
        if name in SKIPPED.split():
            return None
        stack = tuple([(path, call) for path, call, _ in _stack(node)])
        several = len(makes) > 1 or "as_tensors" in node["outputs"][0]
        if not overload:
            return Step(PYTHON[name], list(given.values()), {}, makes, stack, several)
        function: Any = getattr(getattr(torch.ops.aten, name), overload)
        return _called(known.get(name) or function, function._schema, given, makes, stack, several)

    def _returns(self) -> Any:
        specs = self.signature["output_specs"]
        made = [_value(out) for out, spec in zip(self.graph["outputs"], specs, strict=True) if "user_output" in spec]
        calls = self.about["graph_module"]["module_call_graph"]
        signature = next((call["signature"] for call in calls if call["fqn"] == ""), None)
        shape = json.loads(signature["out_spec"])[1] if signature else None
        leaves = iter(made)
        return _shaped(shape, leaves) if shape is not None else made[0] if len(made) == 1 else tuple(made)


def _called(
    function: Callable[..., Any], schema: Any, given: dict[str, Any], makes: list[str], stack: Stack, several: bool
) -> Step:
    """A step of a function of torch's: arguments in their order as far as they are given, the others by name."""
    listed: list[Any] = []
    for argument in schema.arguments:
        if argument.name not in given or argument.kwarg_only:
            break
        listed.append(given.pop(argument.name))
    return Step(function, listed, given, makes, stack, several)


def _shaped(spec: Any, leaves: Iterator[Any]) -> Any:
    """What a program returns, in the tuples and dictionaries that it returns it in."""
    if spec["type"] is None:
        return next(leaves)
    made = [_shaped(child, leaves) for child in spec["children_spec"]]
    if spec["type"] in ("builtins.dict", "collections.OrderedDict"):
        return dict(zip(json.loads(spec["context"]), made, strict=True))
    return tuple(made)


def _function(target: Any) -> tuple[str, str] | None:
    """The name and overload of a function that may be run, none for Python's; None for all others."""
    match = re.fullmatch(r"torch\.ops\.aten\.(\w+)\.(\w+)|_operator\.(\w+)", str(target))
    if match is None:
        return None
    name, overload, plain = match.groups()
    if plain:
        return (plain, "") if plain in PYTHON else None
    known = handler(name) is not None or name in f"{MAKERS} {SKIPPED}".split()
    known = known or name in functions(None)
    packet = getattr(torch.ops.aten, name, None) if known else None
    return (name, overload) if packet is not None and overload in packet.overloads() else None


def _stack(node: Any) -> list[tuple[str, str, str]]:
    """The modules around a node, but for the network: the path, a name of the call and the class of each."""
    found = []
    for entry in filter(None, (node["metadata"].get("nn_module_stack") or "").split(";")):
        call, path, cls = entry.split(",", 2)
        path = re.sub(r"@\d+", "", path)
        if path:
            found.append((path, call, cls))
    return found


def _line(node: Any) -> str:
    places = re.findall(r'File "([^"]+)", line (\d+)', node["metadata"].get("stack_trace") or "")
    users = [f"{path}:{line}" for path, line in places if "/torch/nn/" not in path]
    return users[-1] if users else ""


def _value(argument: Any) -> Any:
    """An argument of a call: numbers, texts, `Ref`s to tensors and sizes, and lists of these."""
    ((kind, value),) = argument.items()
    if kind == "as_none":
        return None
    if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
        return _named(value)
    if kind in ("as_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools", "as_optional_tensors"):
        return [_named(item) for item in value]
    if kind == "as_scalar_type":
        return DTYPES[value]
    if kind in ("as_memory_format", "as_layout"):
        return torch.contiguous_format if kind == "as_memory_format" else torch.strided
    if kind == "as_device":
        return torch.device("cpu")
    if kind in ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string"):
        return value
    raise ValueError(f"an argument {kind}")


def _refs(argument: Any) -> Iterator[Ref]:
    """What an argument of a call names."""
    try:
        found = _value(argument)
    except ValueError:
        return
    yield from (item for item in (found if isinstance(found, list) else [found]) if isinstance(item, Ref))


def _named(value: Any) -> Any:
    """What is there under a name, or a number in its place."""
    if "as_none" in value:
        return None
    if "as_tensor" in value:
        value = value["as_tensor"]
    name = value.get("name") or value.get("as_name")
    return Ref(name) if name is not None else next(v for k, v in value.items() if k.startswith("as_"))


def _names(output: Any) -> list[str]:
    ((kind, value),) = output.items()
    if kind == "as_tensors":
        return [item["name"] for item in value]
    return [] if kind == "as_none" else [str(value.get("name") or value.get("as_name"))]
