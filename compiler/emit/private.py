"""What archc uses of torch beside its documented interface: all of it stands here.

| what | in torch | what is without it |
| --- | --- | --- |
| `open_sizes` | 2.7 on | files of one image would be wrong; with torch 2.10 pools would fix sizes |
| `open_lengths` | 2.6 on | torch.export holds recurrent layers to one number of tokens |
| `operators_kept` | 2.6 on | a second for each later ONNX file; with torch 2.15 LSTMs of two directions |
| `is_open` | 2.6 on | which sizes of an exported program are open |
| `written_out` | 2.6 on | ONNX files of RNNs, and of LSTMs with a projection |
| `in_simpler_calls` | 2.6 on | reading of functions that torch writes out in others |
| `release_bounds` | 2.6 on | a refusal of files that torch would keep from sizes of 1 without need |
| `pytree` | 2.6 on | the tensors in what a module returns |
| `BatchNorms` | 2.6 on | the modules whose running statistics training changes |
| `refused_dimensions` | 2.6 on | sizes as torch relates them, where it does so more sharply than the spec |
| `without_numbers` | 2.6 on | a run of a module on tensors that have shapes alone |
| `SizesRead` | 2.6 on | `deciding_sizes` for every network |
| `deciding_sizes` | 2.7 on | networks that decide by sizes in Python would be read as one of their ways |
| `operator_name` | 2.6 on | what an exported node calls |
| `schema_of` | 2.6 on | what an exported node overwrites, draws and counts |
| `frozen_weights` | 2.6 on | the engine inductor |
| `onednn` | 2.6 on, in builds for CPUs with oneDNN | the engine kernels |
| `adds_to_one_place` | 2.6 on, in builds for CPUs with oneDNN | sums in the engine kernels |
| `aot_package` | 2.6 on | files of the engine inductor |
| `aot_module` | 2.6 on | files of the engine inductor |
| `fold_constants` | 2.6 on | weights of a file of the engine kernels are packed at each call |
| `transforms` | 2.6 on | a refusal of `recompute` under torch.func |
| `parametrized` | 2.6 on | parametrizations, computed once, under `recompute` |
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from itertools import islice
from types import FrameType
from typing import Any

import torch
from torch.library import Library
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorms
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

__all__ = ["BatchNorms", "pytree"]


@contextmanager
def open_sizes(are_open: bool = True) -> Iterator[None]:
    """Inside, torch.export does not assume that open sizes differ from 1; unless `are_open` it does. Nor does it assume
    that the steps of a pool leave no rest, as torch 2.10 does."""
    from torch import _meta_registrations
    from torch.fx.experimental import _config

    config: Any = _config
    shapes: Any = _meta_registrations
    rounded_down, shapes.div_rtn = shapes.div_rtn, operator.floordiv
    try:
        with config.patch(backed_size_oblivious=are_open):
            yield
    finally:
        shapes.div_rtn = rounded_down


@contextmanager
def open_lengths() -> Iterator[None]:
    """Inside, a recurrent layer that is traced is one operator for any number of tokens: torch infers its shapes from a
    loop over them that it writes out, which holds the program to their number."""
    from torch._C import DispatchKey
    from torch._decomp import decomposition_table
    from torch._subclasses.fake_impls import op_implementations_dict as inferred

    ops = [getattr(torch.ops.aten, name).input for name in ("gru", "lstm", "rnn_relu", "rnn_tanh")]
    keys = (DispatchKey.CompositeImplicitAutograd, DispatchKey.Autograd)
    tables: list[Any] = [decomposition_table, inferred]  # the latter has what an earlier export left
    before = [{op: table[op] for op in ops if op in table} for table in tables]
    kernels = [dict(op.py_kernels) for op in ops]

    def recurrent_shapes(x: torch.Tensor, given: Any, weights: Any, biases: bool, layers: int, *more: Any) -> Any:
        """Tensors in the shapes of what a recurrent layer returns: the sequence, and each state."""
        _, _, both, _ = more
        states = given if isinstance(given, list | tuple) else (given,)
        sequence = x.new_empty(*x.shape[:2], states[0].shape[-1] * (1 + both))
        return sequence, *(torch.empty_like(state) for state in states)

    def use(held: Iterable[Mapping[Any, Any]], found: Iterable[Mapping[Any, Any]]) -> None:
        for table, entries in zip(tables, held, strict=True):
            for op in ops:
                table.pop(op, None)
            table.update(entries)
        for op, own in zip(ops, found, strict=True):
            op.py_kernels.clear()
            op.py_kernels.update(own)
            op._dispatch_cache.clear()

    try:
        use(
            (dict.fromkeys(before[0], recurrent_shapes), {}),
            [own | dict.fromkeys(keys, recurrent_shapes) for own in kernels],
        )
        yield
    finally:
        use(before, kernels)


@contextmanager
def operators_kept() -> Iterator[None]:
    """Inside, torch writes ONNX with the table of operators that it made for an earlier file: it makes one of the
    source of some 500 functions each time. Recurrent layers stay what they are in `open_lengths`: from 2.15 on torch
    traces loops in their place, and fails at those of two directions."""
    from torch.onnx._internal.exporter import _capture_strategies
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    registry: Any = ONNXRegistry
    strategies: Any = _capture_strategies
    loops = getattr(strategies, "patch_dynamic_shape_rnn_decompositions", None)
    own, make = vars(registry)["from_torchlib"], registry.from_torchlib

    def kept(*given: Any, **named: Any) -> Any:
        key = given, tuple(named.items())
        if key not in _TABLES:
            _TABLES[key] = make(*given, **named)
        return _TABLES[key]

    registry.from_torchlib = staticmethod(kept)
    if loops is not None:
        strategies.patch_dynamic_shape_rnn_decompositions = nullcontext
    try:
        yield
    finally:
        registry.from_torchlib = own
        if loops is not None:
            strategies.patch_dynamic_shape_rnn_decompositions = loops


_TABLES: dict[Any, Any] = {}


def written_out(op: Any) -> Callable[..., Any]:
    """How torch writes an operator out in simpler ones."""
    from torch._decomp import get_decompositions

    return get_decompositions([op])[op]


def in_simpler_calls(op: Any, call: Callable[..., Any], tensors: list[torch.Tensor]) -> torch.fx.GraphModule | None:
    """How torch writes out `call(op, *tensors)` in calls of simpler operators, None where it does not. The tensors have
    shapes alone."""
    from torch._decomp import decomposition_table
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx

    composite = torch._C._dispatch_has_kernel_for_dispatch_key(op.name(), "CompositeImplicitAutograd")
    written = op if composite else decomposition_table.get(op)
    if written is None:
        return None
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        given = [torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=t.device) for t in tensors]
        return make_fx(lambda *made: call(written, *made), pre_dispatch=not composite)(*given)


def is_open(size: Any) -> bool:
    """Whether a size of a traced tensor is open; torch holds some that are numbers as symbols."""
    return not isinstance(size, int) and not size.node.expr.is_number


def release_bounds(program: Any) -> None:
    """Takes back the lower bounds that torch.export found for the sizes of a program, and its other conditions."""
    found = program._range_constraints
    found.update({name: type(bounds)(min(bounds.lower, 1), bounds.upper) for name, bounds in found.items()})
    if hasattr(program, "_guards_code"):
        program._guards_code = []


def refused_dimensions() -> type[Exception]:
    """What torch.export raises for sizes that it relates otherwise than it is told."""
    from torch._dynamo.exc import UserError

    return UserError


def without_numbers() -> Any:
    """A mode in which tensors have shapes and no numbers, those of modules too."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode(allow_non_fake_inputs=True)


_LONGEST = 1000
"""So long may what is asked of sizes be: the time for longer ones grows with their square and worse."""
_HOME = os.path.join(os.path.dirname(torch.__file__), "")
_SYMBOLIC = (torch.__file__, os.path.join(_HOME, "fx", "experimental", ""))
_BETWEEN = (
    *_SYMBOLIC,
    *(os.path.join(_HOME, name) for name in ("_export", "export", "overrides.py", "_ops.py", "_tensor.py")),
)


class SizesRead(TorchFunctionMode):
    """Notes whether code that is none of torch's reads a size of a tensor: what does not cannot decide by sizes. Also
    while torch.export traces, whose own frames are passed over."""

    is_read = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.is_read and func in _SIZES:
            frame = sys._getframe(1)
            while frame is not None and frame.f_code.co_filename.startswith(_BETWEEN):
                frame = frame.f_back
            self.is_read = frame is not None and not frame.f_code.co_filename.startswith(_HOME)
        return func(*args, **(kwargs or {}))


_SIZES = {torch.Tensor.size, torch.Tensor.numel, torch.Tensor.nelement, torch.numel, torch.Tensor.__len__}
_SIZES |= {torch.Tensor.stride, torch.Tensor.__iter__}
_SIZES |= {getattr(torch.Tensor, name).__get__ for name in ("shape", "nbytes")}


def deciding_sizes(
    inputs: Iterable[torch.Tensor],
    open_axes: Collection[tuple[int, int]],
    decide: Callable[[Any, Any, FrameType], None],
) -> tuple[AbstractContextManager[Any], list[torch.Tensor], dict[Any, tuple[int, int]]]:
    """A mode as `without_numbers`, the inputs in it with symbols for the sizes of open axes, and the axis of each
    symbol. What Python asks of these is answered as for the sizes of the inputs; `decide` gets the expression, the
    answer and the frame that asks, except where torch's own code does."""
    from sympy import preorder_traversal
    from torch._dispatch.python import enable_python_dispatcher
    from torch._dynamo.source import ConstantSource
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

    class Deciding(ShapeEnv):
        """Answers as the sizes of the inputs do, and assumes nothing of others."""

        def evaluate_expr(self, orig_expr: Any, hint: Any = None, *given: Any, **named: Any) -> Any:
            if hint is None:
                return super().evaluate_expr(orig_expr, hint, *given, **named)
            if len(list(islice(preorder_traversal(orig_expr), _LONGEST + 1))) > _LONGEST:
                raise ValueError(f"a question about sizes has more than {_LONGEST} parts")
            frame = asking(sys._getframe(1))
            if frame is not None:
                decide(orig_expr, hint, frame)
            return hint

    def asking(frame: FrameType | None) -> FrameType | None:
        """The frame whose Python asks for a number or a truth, None for torch's own and for kernels."""
        by_python = False
        while frame is not None and frame.f_code.co_filename.startswith(_SYMBOLIC):
            by_python |= frame.f_code.co_filename == torch.__file__
            frame = frame.f_back
        return frame if by_python and frame is not None and not frame.f_code.co_filename.startswith(_HOME) else None

    sizes: Any = Deciding(specialize_zero_one=False, duck_shape=False)
    mode: Any = FakeTensorMode(allow_non_fake_inputs=True, shape_env=sizes)

    @contextmanager
    def inside() -> Iterator[None]:
        with open_lengths(), enable_python_dispatcher(), mode:
            yield

    given: list[torch.Tensor] = []
    axes: dict[Any, tuple[int, int]] = {}
    for number, x in enumerate(inputs):
        kinds = [DimDynamic.DYNAMIC if (number, axis) in open_axes else DimDynamic.STATIC for axis in range(x.dim())]
        context = StatelessSymbolicContext(dynamic_sizes=kinds)
        given.append(mode.from_tensor(x, symbolic_context=context, source=ConstantSource(f"input_{number}")))
        shape: Any = given[-1].shape
        axes |= {shape[axis].node.expr: (number, axis) for axis in range(x.dim()) if (number, axis) in open_axes}
    return inside(), given, axes


def operator_name(target: object) -> str | None:
    """The name of an operator of torch's: `conv2d`; None for what is none."""
    schema = schema_of(target)
    return None if schema is None else schema.name.partition("::")[2]


def schema_of(target: object) -> Any:
    """What an operator of torch's declares, its arguments and which of them it overwrites; None for what is none."""
    return target._schema if isinstance(target, torch._ops.OpOverload) else None


def frozen_weights() -> AbstractContextManager[Any]:
    """Inside, torch.compile takes weights for constants."""
    from torch._inductor import config

    return config.patch(freezing=True)


@cache
def onednn(name: str) -> Any:
    """An operator of oneDNN's. It takes tensors without numbers, too: torch does not know the shapes of all."""
    for overload, shape in _SHAPES.items():
        known = torch._C._dispatch_has_kernel_for_dispatch_key(f"mkldnn::{overload}", "Meta")
        if overload.partition(".")[0] == f"_{name}" and not known:
            _LIBRARY.impl(overload, shape)
    return getattr(torch.ops.mkldnn, f"_{name}")


_LIBRARY = Library("mkldnn", "IMPL", "Meta")
_SHAPES: dict[str, Callable[..., torch.Tensor]] = {
    "_reorder_convolution_weight": lambda weight, *_: torch.empty_like(weight),
    "_reorder_linear_weight": lambda weight, *_: torch.empty_like(weight),
    "_convolution_pointwise.binary": lambda _, other, *__: torch.empty_like(other, memory_format=torch.channels_last),
    "_convolution_pointwise_.binary": lambda other, *_: other,
    "_linear_pointwise.binary": lambda _, other, *__: torch.empty_like(other),
}


@cache
def adds_to_one_place() -> bool:
    """Whether oneDNN adds a map of a single place to what packed weights make. It raises an error up to torch 2.10 at
    least, where it writes the sum into another tensor than that map."""
    window: Any = [0, 0], [1, 1], [1, 1], 1
    x, weight = torch.zeros(1, 8, 1, 1), torch.zeros(8, 8, 1, 1)
    packed = onednn("reorder_convolution_weight")(weight, *window, list(x.shape))
    try:
        onednn("convolution_pointwise").binary(x, x, packed, None, *window, "add", 1.0, None, [], None)
    except RuntimeError:
        return False
    return True


def aot_package(program: torch.export.ExportedProgram, path: str) -> None:
    """Compiles a program, its weights frozen, to AOTInductor's package for this processor."""
    from torch._inductor import aoti_compile_and_package

    with frozen_weights():
        aoti_compile_and_package(program, package_path=path)


def aot_module(path: str) -> Callable[..., Any]:
    """What AOTInductor's package computes."""
    from torch._inductor import aoti_load_package

    return aoti_load_package(path)


def fold_constants(network: torch.fx.GraphModule) -> None:
    """Computes what weights alone decide once, instead of at each call."""
    from torch._inductor.constant_folding import constant_fold

    constant_fold(network)


LOADED_BY = {
    "kernels": (
        "net = torch.export.load({path}).module()",
        "from torch._inductor.constant_folding import constant_fold; constant_fold(net)  # packs the weights once",
    ),
    "inductor": ("net = torch._inductor.aoti_load_package({path})",),
}
"""How a file for inference is loaded without archc, by its engine."""


def transforms() -> Any:
    """The function that says which transforms of torch.func are running, if there is one."""
    return getattr(getattr(torch._C, "_functorch", None), "peek_interpreter_stack", None)


class Parametrized:
    """The cache of what parametrizations compute, which is torch's for all modules."""

    @property
    def cache(self) -> tuple[int, Any]:
        return parametrize._cache_enabled, parametrize._cache

    @cache.setter
    def cache(self, held: tuple[int, Any]) -> None:
        parametrize._cache_enabled, parametrize._cache = held


parametrized = Parametrized()
