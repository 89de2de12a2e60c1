"""Ops under test: built from calls, typed, and run by torch from the data of their lowering."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import product
from typing import Any

import torch
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from archc.compiler.emit import stochastic
from archc.compiler.ir.lowering import In, Ins, ModuleCall, Name, Program, Returned, Step, WeightRef
from archc.compiler.ir.op import LayerError, Op
from archc.compiler.ir.requirements import Requirements
from archc.compiler.ir.sizes import Dim, Size, evaluate, symbol
from archc.compiler.ir.types import TensorType
from archc.compiler.ops.build import build_op
from archc.compiler.ops.registry import lookup

DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}


def op(name: str, *positional: Any, **keywords: Any) -> Op:
    """The layer that a call in a spec means."""
    cls = lookup(name)
    assert cls is not None, name
    return build_op(cls, list(positional), keywords)


def tensor_type(*dims: Dim, dtype: str = "float", channel_axis: int | None = 1) -> TensorType:
    return TensorType.of(dims, channel_axis, dtype)


def infer(layer: Op, *inputs: TensorType) -> tuple[TensorType, ...]:
    return layer.infer(inputs, Requirements())


def example(x: TensorType) -> torch.Tensor:
    """A random tensor of a type whose sizes are all numbers."""
    assert all(isinstance(d, int) for d in x.dims)
    shape = tuple(d for d in x.dims if isinstance(d, int))
    if x.dtype == "float":
        return torch.randn(shape)
    return torch.randint(0, 2, shape).to(DTYPES[x.dtype])


def resolve(target: str) -> Any:
    """What a dotted name means."""
    parts = target.replace("runtime.", f"{stochastic.__name__}.").split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[cut:], module)
    raise LookupError(target)


class Lowered(torch.nn.Module):
    """An op as a torch module, made from its lowering and nothing else.

    Its parameters are those of the torch module it lowers to, or those that the op declares.
    """

    def __init__(self, layer: Op, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]):
        super().__init__()
        self.lowering = layer.lower(inputs, outputs)
        if isinstance(self.lowering, ModuleCall):
            self.layer = resolve(self.lowering.target)(*self.lowering.args, **self.lowering.kwargs)
            return
        for weight in layer.weights(inputs):
            value = torch.full(weight.shape, 0.0 if weight.init.kind == "zeros" else 1.0)
            if weight.learned:
                self.register_parameter(weight.name, torch.nn.Parameter(value))
            else:
                self.register_buffer(weight.name, value.to(DTYPES[weight.dtype]))

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        evaluation = _Evaluation(self, tensors)
        if isinstance(self.lowering, Program):
            return tuple(evaluation.value(result) for result in self.lowering.results)
        call = self.lowering
        arguments = [evaluation.value(item) for item in call.inputs] if call.inputs is not None else tensors
        result = self.layer(*arguments, **{k: evaluation.value(v) for k, v in call.call_kwargs.items()})
        if call.results is not None:
            evaluation.returned = result
            return tuple(map(evaluation.value, call.results))
        return tuple(result) if isinstance(result, tuple | list) else (result,)

    def state(self) -> list[tuple[str, tuple[int, ...], bool]]:
        """(name, shape, learned) of every entry of the state, in order."""
        learned = {name for name, _ in self.named_parameters()}
        prefix = "layer." if isinstance(self.lowering, ModuleCall) else ""
        return [(k.removeprefix(prefix), tuple(v.shape), k in learned) for k, v in self.state_dict().items()]


class _Evaluation:
    """Computes steps, each once."""

    def __init__(self, module: torch.nn.Module, tensors: tuple[torch.Tensor, ...]):
        self.module = module
        self.tensors = tensors
        self.results: dict[int, Any] = {}
        self.returned: Any = None

    def value(self, item: Any) -> Any:
        if isinstance(item, Returned):
            return self.returned
        if isinstance(item, In):
            return self.tensors[item.index]
        if isinstance(item, Ins):
            return list(self.tensors)
        if isinstance(item, WeightRef):
            return getattr(self.module, item.name)
        if isinstance(item, Name):
            return resolve(item.target)
        if isinstance(item, Step):
            if id(item) not in self.results:
                self.results[id(item)] = self._call(item)
            return self.results[id(item)]
        if isinstance(item, list | tuple):
            return type(item)(map(self.value, item))
        if isinstance(item, slice):
            return slice(self.value(item.start), self.value(item.stop), self.value(item.step))
        if isinstance(item, Mapping):
            return {key: self.value(value) for key, value in item.items()}
        return item

    def _call(self, step: Step) -> Any:
        arguments = [self.value(item) for item in step.args]
        settings = {key: self.value(value) for key, value in step.kwargs.items()}
        if step.kind == "method":
            subject, *arguments = arguments
            return getattr(subject, step.target)(*arguments, **settings)
        return resolve(step.target)(*arguments, **settings)


def per_axis(draw: st.DrawFn, rank: int, low: int, high: int) -> int | list[int]:
    """A setting that is one number for all axes, or a list of one for each."""
    number = st.integers(low, high)
    return draw(st.one_of(number, st.lists(number, min_size=rank, max_size=rank)))


def refused_as_torch_does(layer: Op, x: TensorType) -> bool:
    """Whether the op refuses the size of the input; torch must refuse it too, or return nothing."""
    try:
        infer(layer, x)
        return False
    except LayerError as error:
        assert error.code == "E0404"
    try:
        with torch.no_grad():
            (result,) = Lowered(layer, (x,), ())(example(x))
    except RuntimeError:
        return True
    assert result.numel() == 0
    return True


def symbolic(x: TensorType, prefix: str = "s", keep: tuple[int, ...] = ()) -> tuple[TensorType, dict[str, int]]:
    """The same type with a symbol for the batch and for every axis of space, and the symbols' values; `keep` lists axes
    that stay numbers."""
    dims: list[Dim] = []
    sizes: dict[str, int] = {}
    for axis, d in enumerate(x.dims):
        if axis == x.channel_axis or axis in keep or isinstance(d, Size):
            dims.append(d)
            continue
        sizes[f"{prefix}{axis}"] = d
        dims.append(symbol(f"{prefix}{axis}"))
    return x.with_dims(tuple(dims)), sizes


def other_batch(types: Iterable[TensorType], sizes: dict[str, int]) -> dict[str, int] | None:
    """The sizes with another batch, 1 unless it is that; None where no batch is a symbol."""
    batches = {d.name: 1 + (sizes[d.name] == 1) for x in types for d in x.dims[:1] if isinstance(d, Size) and d.name}
    return {**sizes, **batches} if batches else None


def check_types(layer: Op, *inputs: TensorType) -> None:
    """Of inputs of any types, those that the op takes run, and the outputs have the types that it states."""
    for types in product(DTYPES, repeat=len(inputs)):
        given = tuple([x.with_dtype(dtype) for x, dtype in zip(inputs, types, strict=True)])
        try:
            outputs = infer(layer, *given)
        except LayerError:
            continue
        with torch.no_grad():
            results = Lowered(layer, given, outputs).eval()(*map(example, given))
        assert [y.dtype for y in results] == [DTYPES[y.dtype] for y in outputs], (layer, types)


def check_against_torch(layer: Op, *inputs: TensorType, count: bool = True) -> tuple[torch.Tensor, ...]:
    """Holds the op's shapes, weights and multiply-adds against torch's, at numbers and with symbols in their places.

    Returns what torch computed. `count` is False where torch counts work that the op leaves out, or the reverse.
    """
    tensors = tuple(map(example, inputs))
    outputs = infer(layer, *inputs)
    module = Lowered(layer, inputs, outputs).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        results = module(*tensors)
    assert [tuple(y.shape) for y in results] == [y.dims for y in outputs]
    assert [y.dtype for y in results] == [DTYPES[y.dtype] for y in outputs]
    assert module.state() == [(w.name, w.shape, w.learned) for w in layer.weights(inputs)]
    if count:
        assert 2 * evaluate(layer.multiply_adds(inputs, outputs), {}) == counter.get_total_flops()
    _check_symbolic(layer, inputs, tensors, results)
    check_types(layer, *inputs)
    return results


def _check_symbolic(
    layer: Op, inputs: tuple[TensorType, ...], tensors: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...]
) -> None:
    """With symbols the shapes, evaluated, are the same, and so is what the lowering computes. At another batch, where
    one is legal, it gives the shapes that are inferred."""
    pairs = [symbolic(x) for x in inputs]
    sizes = {name: value for _, known in pairs for name, value in known.items()}
    types = tuple(x for x, _ in pairs)
    requirements = Requirements()
    outputs = layer.infer(types, requirements)
    assert requirements.violations(sizes) == []
    assert [tuple(evaluate(d, sizes) for d in y.dims) for y in outputs] == [tuple(y.shape) for y in expected]
    numbers = layer.multiply_adds(inputs, infer(layer, *inputs))
    assert evaluate(layer.multiply_adds(types, outputs), sizes) == numbers
    module = Lowered(layer, types, outputs).eval()
    if not layer.has_weights:
        with torch.no_grad():
            for got, wanted in zip(module(*tensors), expected, strict=True):
                assert torch.equal(got, wanted)
    others = other_batch(types, sizes)
    if others is not None and requirements.violations(others) == []:
        with torch.no_grad():
            results = module(*(example(x.with_dims(tuple(evaluate(d, others) for d in x.dims))) for x in types))
        assert [tuple(evaluate(d, others) for d in y.dims) for y in outputs] == [tuple(y.shape) for y in results]
