"""Networks in files: `.pt2` and `.onnx`. Nothing of a file is run but functions of torch's that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...dsl.diagnostics import ArchError, refused
from ...dsl.quoting import quoted
from ..emit.agreement import distance, scale
from ..emit.export import onnx_session
from ..emit.private import pytree
from ..emit.trials import make_inputs, trial_sizes
from ..ir.graph import Graph
from .declare import letters
from .from_torch import Source, read
from .onnx_file import read_onnx
from .pt2 import read_pt2
from .replay import Stored
from .sources import INPUT, inputs_of
from .verify import TOLERANCE, otherwise


def read_file(where: str, name: str | None, said: Any) -> tuple[Graph, float]:
    """The graph of a file's network, and how far what it computes is from the file's. `said` are inputs in place of
    those that the file tells. Raises ArchError (E0820, E12xx)."""
    path = Path(where)
    onnx = path.suffix == ".onnx"
    stored = read_onnx(path) if onnx else read_pt2(path)
    inputs = _inputs(path, stored, said)
    source = Source(stored.net.module, inputs, name or path.stem, f"Read from {path.name}.")
    try:
        graph, apart = read(source)
    except ArchError:
        # As open as the file says, where it does not compute at other sizes.
        graph, apart = read(replace(source, sizes=_named(stored)))
    if onnx:
        _beside_runtime(path, stored, graph)
    return graph, apart


def _inputs(path: Path, stored: Stored, said: Any) -> list[Tensor]:
    """Inputs for the network. Raises ArchError (E1202) where a size is open and nobody says it."""
    if said is not None:
        given = inputs_of(said, stored.net.module, None)
        if [x.dim() for x in given] == [len(sizes) for _, sizes in stored.inputs]:
            return given
    elif all(size in stored.usual for _, sizes in stored.inputs for size in sizes if isinstance(size, str)):
        usual = {size: int(stored.usual.get(size, size)) for _, sizes in stored.inputs for size in sizes}
        return [torch.zeros([usual[size] for size in sizes], dtype=dtype) for dtype, sizes in stored.inputs]
    takes = " and ".join(f"[{', '.join(map(str, sizes))}]" for _, sizes in stored.inputs)
    message = "does not say its usual sizes" if said is None else "another is said"
    raise refused("E1202", f"{path.name} takes {takes}, and {message}", INPUT)


def _named(stored: Stored) -> list[list[int | str]]:
    """The sizes with the names that they have in archc, a size that a file names twice by one."""
    names: dict[str, str] = {}
    for dtype, row in stored.inputs:
        called = letters(len(row), "float" if dtype.is_floating_point else "int")
        for letter, size in zip(called, row, strict=True):
            if isinstance(size, str) and size not in names:
                names[size] = letter if letter not in names.values() else f"{letter}{len(names)}"
    return [[names[size] if isinstance(size, str) else size for size in row] for _, row in stored.inputs]


def _beside_runtime(path: Path, stored: Stored, graph: Graph) -> None:
    """Holds the network to what onnxruntime computes with the file, at two sizes where the file takes them. Raises
    ArchError (E1205) beyond rounding."""
    largest = 0.0
    try:
        session = onnx_session(path)
        for sizes in trial_sizes(graph, 2):
            inputs = make_inputs(graph, sizes, torch.device("cpu"), torch.float32)
            if not all(map(_takes, stored.inputs, inputs)):
                continue
            types = [dtype for dtype, _ in stored.inputs]
            given = [x.to(dtype).numpy() for dtype, x in zip(types, inputs, strict=True)]
            found = session.run(None, dict(zip(stored.net.inputs, given, strict=True)))
            with torch.no_grad():
                ours = pytree.tree_leaves(stored.net.module.eval()(*inputs))
            for a, b in zip(map(torch.as_tensor, found), ours, strict=True):
                if a.dtype != b.dtype:
                    raise otherwise(f"it computes {b.dtype}, and the file {a.dtype}".replace("torch.", ""))
                largest = max(largest, distance(a, b) / scale(a))
    except ArchError:
        raise
    except Exception as error:  # whatever the runtime raises is the finding
        raise otherwise(f"onnxruntime refuses {path.name}: {quoted(error)}") from None
    if not largest <= TOLERANCE:
        raise otherwise(f"onnxruntime computes what differs by {largest:.2g} of the largest number")


def _takes(entry: tuple[torch.dtype, list[int | str]], x: Tensor) -> bool:
    return all(isinstance(size, str) or size == n for size, n in zip(entry[1], x.shape, strict=True))
