"""Tensors that a module makes of sizes and numbers alone: masks, positions, tables that no checkpoint has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from ..elaborate.module_names import may_name
from ..emit.private import schema_of
from ..ir.free_names import FreeNames
from ..ir.graph import Value
from ..ir.initialisers import make_initialiser
from ..ir.sizes import Dim
from ..ir.types import TensorType
from .overwriting import overwrites
from .start import dtype_of, numbers_of, shortest
from .trace import State, Trace
from .unsayable import Unsayable
from .values import function_name, shape_of

if TYPE_CHECKING:
    from .reader import Reader

_LIKE = {f"{word}_like" for word in ("zeros", "ones", "full", "empty")}
_NEW = {f"new_{word}" for word in ("zeros", "ones", "full", "empty")}
_FROM_SHAPE = _LIKE | _NEW
"""Functions that look at the shape, the type and the device of their tensor alone."""
FEW = 64
"""So many numbers stand in a text as they are; more are computed as the module does it, if the language can say it."""
MANY = 2_000
"""A mask of more numbers is said by the groups of places that it keeps together, if it is one of these."""
MOST = 100_000
"""The most numbers that a text holds of one tensor."""


def fold(trace: Trace, marked: bool) -> None:
    """Computes the tensors that depend on no input and on nothing that a checkpoint has: they become state of the
    trace. Where borders are `marked`, aliases mark them and stay."""
    overwritten: set[int] = set()
    taken = FreeNames(state.name for state in trace.state.values())
    known: dict[fx.Node, Any] = {n: held.tensor.detach().clone() for n, held in trace.state.items() if not held.kept}
    with torch.no_grad():
        for node in trace.nodes:
            if not _is_fixed(node, known) or (marked and function_name(node) == "alias"):
                continue
            try:
                known[node] = _computed(node, known)
            except Exception:  # it stays a call, and is refused as one
                continue
            made = known[node]
            if isinstance(made, Tensor):
                overwritten |= {_memory(made)} if overwrites(node) else set()
                trace.state[node] = State(_name(node, made, taken), made, False, False)
    for node, held in trace.state.items():
        if node in known and node.op == "call_function" and _memory(held.tensor) not in overwritten:
            trace.computed[held.name] = node
    trace.nodes[:] = [node for node in trace.nodes if node not in known]


def _name(node: fx.Node, tensor: Tensor, taken: FreeNames) -> str:
    """A name for a tensor in the module whose forward makes it: that of the variable, where the line says one."""
    stack = [*(node.meta.get("nn_module_stack") or {}).values()]
    around = stack[-1][0] if stack else ""
    line = re.match(r" *(\w+) = ", (node.meta.get("stack_trace") or "").rstrip().rpartition("\n")[2])
    own = line[1] if line and may_name(line[1]) else "mask" if tensor.dtype == torch.bool else "numbers"
    return taken.new(f"{around}.{own}" if around else own)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _is_fixed(node: fx.Node, known: Mapping[fx.Node, Any]) -> bool:
    schema = schema_of(node.target)
    if schema is None:
        return bool(node.all_input_nodes) and all(source in known for source in node.all_input_nodes)
    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        return False
    return all(source in known for source in looked_at(node))


def looked_at(node: fx.Node) -> list[fx.Node]:
    """The tensors whose numbers a call looks at."""
    return node.all_input_nodes[1:] if function_name(node) in _FROM_SHAPE else node.all_input_nodes


def _computed(node: fx.Node, known: Mapping[fx.Node, Any]) -> Any:
    def given(source: fx.Node) -> Any:
        if source in known:
            return known[source]
        shown = source.meta["val"]
        return torch.empty(tuple(map(int, shown.shape)), dtype=shown.dtype, device=shown.device)

    args, kwargs = fx.map_arg((node.args, dict(node.kwargs)), given)
    assert callable(node.target)
    return node.target(*args, **kwargs)


def made(reader: Reader, state: State) -> Value:
    """A constant tensor in the graph: an expression of sizes where there is a short one, else its numbers, or, where
    these are many, what the module computes them with. Raises Unsayable."""
    for form in (_full, _row, _triangle):
        value = form(reader, state.tensor)
        if value is not None:
            return value
    if _is_repeated(reader, state.tensor):
        return made(reader, State(state.name, state.tensor[:1], False, False))
    node = reader.trace.computed.get(state.name)
    if node is not None and (source := _unchanged(reader, node, state.tensor)) is not None:
        return reader.made(source)
    if node is not None and state.tensor.numel() > FEW and (value := reader.written(node)) is not None:
        return value
    if state.tensor.numel() > MANY and (value := _groups(reader, state)) is not None:
        return value
    return reader.own(state.name, _literal(state))


def _unchanged(reader: Reader, node: fx.Node, tensor: Tensor) -> fx.Node | None:
    """What a call fills with the number that is there: `m.masked_fill(m != 0, -100.0).masked_fill(m == 0, 0.0)`."""
    ways: Any = [node, next(iter(node.all_input_nodes), node)]
    if any(function_name(way) != "masked_fill" for way in ways):
        return None
    outer, inner = ([function_name(way.args[1]), *way.args[1].args] for way in ways)
    if outer != ["eq", ways[1].args[0], node.args[2]] or inner != ["ne", *outer[1:]]:
        return None
    held = reader.trace.state[ways[1]]
    alike = held.name in reader.trace.computed and torch.equal(held.tensor.signbit(), tensor.signbit())
    return ways[1] if alike else None


def _is_repeated(reader: Reader, tensor: Tensor) -> bool:
    """Whether it is the same for each example of the batch: what it meets repeats it."""
    batch = shape_of(reader.trace.inputs[0])[:1]
    return tensor.dim() > 1 and tensor.shape[:1] == batch and bool((tensor == tensor[:1]).all())


def _literal(state: State) -> dict[str, Any]:
    """The settings of a `const` with the numbers of a tensor. Raises Unsayable."""
    tensor = state.tensor
    if tensor.numel() > MOST or tensor.is_complex() or not bool(torch.isfinite(tensor).all()):
        raise Unsayable(f"the tensor `{state.name}`, which no checkpoint has, and whose numbers have no short text")
    start = make_initialiser("constant", [numbers_of(tensor)], {})
    settings = {"name": state.own_name, "shape": tuple(tensor.shape), "init": start, "dtype": dtype_of(tensor)}
    return settings | {"learned": False, "persistent": False}


def _full(reader: Reader, tensor: Tensor) -> Value | None:
    """One number everywhere."""
    flat = tensor.flatten()
    if not flat.numel() or not bool((flat == flat[0]).all()):
        return None
    number, word = shortest(flat[:1])[0], dtype_of(tensor)
    whole = _of_shape(reader, tensor.shape)
    if whole is not None:
        return _filled(reader, whole, {}, number, word)
    if _is_repeated(reader, tensor):
        return None  # one row of it says it
    near = _near(reader, tensor.shape)
    return None if near is None else _filled(reader, near, {"sizes": _sizes(reader, near, tensor.shape)}, number, word)


def _filled(reader: Reader, x: Value, sizes: dict[str, Any], number: Any, word: str) -> Value:
    value = number if word == "bool" else float(number) if word == "float" else int(number)
    (made,) = reader.apply("full", (x,), {**sizes, "value": value}, None)
    if word == "int" and reader.graph.type_of(made).dtype != "int":
        (made,) = reader.apply("to", (made,), {"dtype": "int"}, None)
    return made


def _row(reader: Reader, tensor: Tensor) -> Value | None:
    """Numbers in a row, equally far apart, along one axis."""
    long = [axis for axis, size in enumerate(tensor.shape) if size > 1]
    if len(long) != 1 or tensor.dtype == torch.bool:
        return None
    row = tensor.flatten()
    first, step = row[0].item(), (row[1] - row[0]).item()
    if not float(first).is_integer() or not float(step).is_integer() or not step:
        return None
    if not torch.equal(row.to(torch.int64), torch.arange(len(row), device=row.device) * int(step) + int(first)):
        return None
    near = _near(reader, tensor.shape)
    if near is None:
        return None
    (size,) = (size for size in _sizes(reader, near, tensor.shape) if size != 1)
    settings = {"size": size, "start": int(first), "step": int(step)}
    (made,) = reader.apply("arange", (near,), settings, None)
    if tensor.is_floating_point():
        (made,) = reader.apply("to", (made, near), {"like": True}, None)
    for axis in [axis for axis in range(tensor.dim()) if axis not in long]:
        (made,) = reader.apply("unsqueeze", (made,), {"axis": axis}, None)
    return made


def _triangle(reader: Reader, tensor: Tensor) -> Value | None:
    """One number in a triangle of matrices, and another, or 0, elsewhere."""
    if tensor.dim() < 2 or tensor.shape[:-2].numel() != 1:
        return None
    matrix = tensor.reshape(tensor.shape[-2:])
    corner, other = matrix[-1, 0], matrix[0, -1]
    if bool(corner == other):
        return None
    kept = matrix == other
    upper = int(kept[0].int().argmax())
    lower = int(kept[:, 0].int().sum())
    diagonal = upper if upper else 1 - lower
    if not torch.equal(torch.ones_like(kept).triu(diagonal), kept):
        return None
    if not bool((matrix[~kept] == corner).all()):
        return None
    near = _near(reader, tensor.shape)
    if near is None:
        return None
    numbers, word = tuple(shortest(torch.stack([corner, other]))), dtype_of(tensor)
    ones = _filled(reader, near, {"sizes": _sizes(reader, near, tensor.shape)}, True, "bool")
    if numbers == (True, False) and word == "bool":
        return reader.apply("tril", (ones,), {"diagonal": diagonal - 1}, None)[0]
    (above,) = reader.apply("triu", (ones,), {"diagonal": diagonal}, None)
    if word == "bool":
        return above
    if word == "int":
        (above,) = reader.apply("to", (above,), {"dtype": "int"}, None)
        return above if numbers == (0, 1) else None
    (made,) = reader.apply("where", (above,), {"value": numbers[1], "other": numbers[0]}, None)
    return made


def _groups(reader: Reader, state: State) -> Value | None:
    """One number for two places of a group, and another for places of two groups, as in the masks of windows."""
    tensor = state.tensor
    numbers = tensor.unique()
    if tensor.dim() < 2 or tensor.shape[-1] != tensor.shape[-2] or len(numbers) != 2 or not tensor.is_floating_point():
        return None
    inside = tensor.flatten()[0]
    together = tensor == inside
    group = together.int().argmax(-1)
    if not torch.equal(group.unsqueeze(-1) == group.unsqueeze(-2), together):
        return None
    outside = numbers[numbers != inside].item()
    value = reader.own(f"{state.name}_group", _literal(State(state.name, group, False, False)))
    sides = [reader.apply("unsqueeze", (value,), {"axis": group.dim() - 1 + side}, None)[0] for side in (1, 0)]
    (equal,) = reader.apply("eq", tuple(sides), {}, None)
    near = _near(reader, (1,))
    if near is None:
        return None
    (filled,) = reader.apply("full", (near,), {"sizes": (1,), "value": float(outside)}, None)
    return reader.apply("where", (equal, filled), {"value": inside.item()}, None)[0]


def _near(reader: Reader, shape: tuple[int, ...]) -> Value | None:
    """The latest tensor of real numbers that has these sizes, else the latest."""
    found: Value | None = None
    for value, type_ in _arrived(reader):
        sizes = [reader.traced(size) for size in type_.dims[type_.has_batch :]]
        if all(size in sizes for size in shape if size != 1):
            return value
        found = found or value
    return found


def _of_shape(reader: Reader, shape: tuple[int, ...]) -> Value | None:
    """The latest tensor of real numbers with a batch that has this shape."""
    for value, type_ in _arrived(reader):
        if type_.has_batch and tuple(map(reader.traced, type_.dims)) == tuple(shape):
            return value
    return None


def _arrived(reader: Reader) -> Iterator[tuple[Value, TensorType]]:
    """The latest tensor of real numbers of each type, the latest of all first."""
    for type_, value in reversed(reader.arrived.items()):
        yield value, type_


def latest(reader: Reader) -> Value | None:
    """The latest tensor of real numbers."""
    return next((value for value, _ in _arrived(reader)), None)


def open_size(reader: Reader, number: int) -> tuple[Value, Dim] | None:
    """The latest tensor of real numbers that has an open size which is this number, and the size."""
    for value, type_ in _arrived(reader):
        for size in type_.dims[type_.has_batch :]:
            if not isinstance(size, int) and reader.traced(size) == number:
                return value, size
    return None


def _sizes(reader: Reader, near: Value, shape: tuple[int, ...]) -> tuple[Dim, ...]:
    """The sizes of a shape, the open ones as the tensor beside it has them."""
    dims = reader.graph.type_of(near).dims
    found: list[Dim] = []
    for back, size in enumerate(reversed(shape), 1):
        beside = dims[-back] if back < len(dims) else None
        alike = [beside] if beside is not None else []
        alike += reversed(dims[1:])
        found.append(next((dim for dim in alike if not isinstance(dim, int) and reader.traced(dim) == size), size))
    return tuple(reversed(found))
