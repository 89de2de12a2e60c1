"""What layers say of themselves, held against what torch computes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from interpret import DTYPES, Lowered, infer, op, tensor_type
from torch import Tensor

from archc.compiler.ir.op import LayerError, Op
from archc.compiler.ir.types import Axis, TensorType
from archc.compiler.ops.build import ArgumentError, build_op
from archc.compiler.ops.core import Affine
from archc.compiler.ops.registry import LAYERS

MAP = tensor_type(2, 4, 6, 6)
VECTOR = tensor_type(2, 4)
TOKENS = tensor_type(2, 6, 4, channel_axis=2)
NUMBERS = tensor_type(2, 6, dtype="int")
MASK = tensor_type(2, 4, 6, 6, dtype="bool")

CASES: list[tuple[str, list[TensorType], dict[str, Any]]] = [
    ("conv", [MAP], {"channels": 4, "kernel": 3}),
    ("conv", [MAP], {"channels": 4, "kernel": 1}),
    ("conv", [MAP], {"channels": 4, "kernel": 1, "bias": True}),
    ("conv", [MAP], {"channels": 4, "kernel": 3, "groups": 4}),
    ("conv", [MAP], {"channels": 4, "kernel": 3, "padding_mode": "reflect"}),
    ("dwconv", [MAP], {"kernel": 3}),
    ("dwconv", [MAP], {"kernel": 3, "multiplier": 2}),
    ("upconv", [MAP], {"channels": 4, "bias": True}),
    ("upconv", [MAP], {"channels": 4, "kernel": 1, "stride": 1}),
    ("upconv", [MAP], {"channels": 4, "kernel": 3, "stride": 1, "padding": 1}),
    ("linear", [TOKENS], {"units": 4}),
    ("linear", [VECTOR], {"units": 4, "bias": False}),
    ("bn", [MAP], {}),
    ("bn", [MAP], {"track": False}),
    ("gn", [MAP], {"groups": 2}),
    ("inorm", [MAP], {"affine": True}),
    ("inorm", [MAP], {"affine": True, "track": True}),
    ("ln", [MAP], {}),
    ("ln", [TOKENS], {}),
    ("rmsnorm", [MAP], {}),
    ("lrn", [MAP], {}),
    *((kind, [MAP], {}) for kind in ("celu", "elu", "gelu", "hardsigmoid", "hardswish", "leakyrelu", "mish", "relu")),
    *((kind, [MAP], {}) for kind in ("relu6", "selu", "sigmoid", "silu", "softplus", "tanh", "logsoftmax")),
    ("gelu", [MAP], {"approximate": "tanh"}),
    ("prelu", [MAP], {}),
    ("prelu", [MAP], {"shared": True}),
    ("softmax", [MAP], {}),
    ("softmax", [MAP], {"axis": "height"}),
    ("softmax", [TOKENS], {"axis": 1}),
    ("adaptive_avgpool", [MAP], {"size": 3}),
    ("adaptive_maxpool", [MAP], {"size": 3}),
    ("avgpool", [MAP], {"kernel": 3, "stride": 1, "padding": 1}),
    ("avgpool", [MAP], {"kernel": 3, "stride": 2, "padding": 1, "count_pad": False}),
    ("maxpool", [MAP], {"kernel": 3, "stride": 1, "padding": 1}),
    ("lppool", [MAP], {"norm": 2, "kernel": 2}),
    *((kind, [MAP], {}) for kind in ("gap", "gmp", "dropout", "dropout2d", "alphadropout")),
    ("drop_mean", [MAP, MAP], {"p": 0.5}),
    ("freeze_drop_path", [MAP, MAP], {}),
    ("survive", [MAP], {"p": 0.5}),
    ("survive", [MAP], {"p": 0.5, "per": "image"}),
    *((kind, [MAP, MAP], {}) for kind in ("concat", "max", "mean", "min", "multiply", "stack", "sum")),
    *((kind, [MAP, MAP, MAP], {}) for kind in ("max", "mean", "min", "multiply", "sum")),
    *((kind, [TOKENS, TOKENS], {}) for kind in ("concat", "mean", "multiply", "sum")),
    ("concat", [MAP, MAP], {"axis": "height"}),
    ("matmul", [MAP, MAP], {}),
    ("flatten", [MAP], {"start": 2}),
    ("permute", [MAP], {"order": [0, 1, 3, 2]}),
    ("rearrange", [MAP], {"pattern": "n (c d) h w -> n (d c) h w", "d": 2}),
    ("reshape", [MAP], {"sizes": [4, 36]}),
    ("select", [TOKENS], {"axis": 1, "index": 0}),
    ("squeeze", [tensor_type(2, 4, 1, 6)], {"axis": 2}),
    ("as_map", [MAP], {}),
    ("as_tokens", [MAP], {}),
    ("transpose", [MAP], {"first": 2, "second": 3}),
    ("unsqueeze", [VECTOR], {"axis": 2}),
    ("crop", [MAP], {"size": 3}),
    ("crop", [MAP, tensor_type(2, 3, 2, 2)], {"like": True}),
    ("pad", [MAP], {"amounts": 1}),
    ("pad", [MAP], {"amounts": 1, "value": -1.0}),
    ("pad", [MAP], {"amounts": 1, "mode": "reflect"}),
    ("pad_channels", [MAP], {"channels": 6}),
    ("roll", [MAP], {"shifts": 2}),
    ("roll", [MAP], {"shifts": 1, "axes": ["channels"]}),
    ("slice", [MAP], {"axis": "channels", "start": 1, "stop": 3}),
    ("slice", [MAP], {"axis": "height", "start": 1, "stop": 3}),
    ("subsample", [MAP], {"stride": 2}),
    ("channel_shuffle", [MAP], {"groups": 2}),
    ("chunk", [MAP], {"parts": 2}),
    ("split", [MAP], {"parts": [1, 3]}),
    ("split", [MAP], {"parts": 2, "axis": "height"}),
    ("pixel_shuffle", [MAP], {"factor": 2}),
    ("pixel_unshuffle", [MAP], {"factor": 2}),
    *(("upsample", [MAP], {"scale": 2, "mode": mode}) for mode in ("nearest", "bilinear", "bicubic", "area")),
    ("affine_grid", [tensor_type(2, 2, 3)], {"size": [4, 4]}),
    ("grid_sample", [MAP, tensor_type(2, 5, 5, 2, channel_axis=3)], {}),
    ("grid_sample", [MAP, tensor_type(2, 5, 5, 2, channel_axis=3)], {"mode": "bicubic"}),
    ("attention", [TOKENS], {"heads": 2}),
    ("attention", [TOKENS], {"heads": 2, "dropout": 0.5}),
    ("attention", [TOKENS], {"heads": 2, "causal": True, "bias_kv": True}),
    ("rnn", [TOKENS], {"channels": 3}),
    ("gru", [TOKENS], {"channels": 3, "both": True}),
    ("lstm", [TOKENS], {"channels": 3, "layers": 2, "dropout": 0.5}),
    ("embedding", [tensor_type(2, 6, dtype="int")], {"count": 2, "channels": 4}),
    ("sdpa", [TOKENS, TOKENS, TOKENS], {"heads": 2}),
    ("sdpa", [TOKENS, TOKENS, TOKENS], {"heads": 2, "causal": True}),
    ("sdpa", [TOKENS, TOKENS, TOKENS], {"heads": 2, "dropout": 0.5}),
    ("clamp", [MAP], {"low": 0}),
    ("clamp", [MAP], {"low": -1, "high": 1}),
    ("clamp", [MAP], {"high": -1}),
    ("reduce", [MAP], {"statistic": "mean", "axis": ["height", "width"]}),
    ("reduce", [MAP], {"statistic": "sum", "axis": "channels", "keep": True}),
    ("reduce", [MAP], {"statistic": "max", "axis": "height", "keep": True}),
    ("reduce", [MAP], {"statistic": "std", "axis": "width"}),
    ("reduce", [MAP], {"statistic": "norm", "axis": "channels"}),
    ("reduce", [MAP], {"statistic": "logsumexp", "axis": 1}),
    ("l2norm", [MAP], {}),
    ("power", [MAP], {"n": 2}),
    ("power", [MAP], {"n": 3}),
    ("power", [MAP], {"base": 2}),
    *(
        (kind, [MAP], {})
        for kind in ("abs", "ceil", "cos", "erf", "exp", "expm1", "floor", "log", "log1p", "reciprocal")
    ),
    *((kind, [MAP], {}) for kind in ("round", "rsqrt", "sign", "sin", "sqrt", "tan")),
    ("divide", [MAP, MAP], {}),
    *((kind, [MAP, MAP], {}) for kind in ("eq", "ge", "gt", "le", "lt", "ne")),
    ("lt", [MAP], {"right": 0}),
    ("lt", [MAP], {"left": 0}),
    *((kind, [MASK, MASK], {}) for kind in ("logical_and", "logical_or", "logical_xor")),
    ("logical_not", [MASK], {}),
    ("where", [MASK, MAP, MAP], {}),
    ("where", [MASK, MAP], {"value": 1}),
    ("where", [MASK, MAP], {"other": -1}),
    ("where", [MASK], {"value": 0, "other": -100}),
    ("arange", [MAP], {"size": 4}),
    ("arange", [MAP], {"size": 4, "start": 0.5}),
    ("arange", [MAP], {"size": 4, "start": 0.5, "step": -1}),
    ("full", [MAP], {"sizes": [2, 3], "value": 1}),
    ("full", [MAP], {"value": -1}),
    ("one_hot", [NUMBERS], {"classes": 2}),
    ("to", [MAP], {"dtype": "int"}),
    ("to", [MAP, MAP], {"like": True}),
    ("tril", [MAP], {}),
    ("tril", [TOKENS], {}),
    ("triu", [MAP], {"diagonal": 1}),
    ("argmax", [MAP], {}),
    ("argmin", [MAP], {"axis": "height"}),
    ("argmax", [MAP], {"keep": True}),
    ("cumsum", [MAP], {"axis": "height"}),
    ("cumsum", [MAP], {"axis": "channels"}),
    ("flip", [MAP], {"axis": "width"}),
    ("flip", [MAP], {"axis": "channels"}),
    ("gather", [TOKENS, tensor_type(2, 6, 4, channel_axis=2, dtype="int")], {}),
    ("index_select", [MAP, TensorType((Axis(2),), "int")], {"axis": "width"}),
    ("sort", [MAP], {}),
    ("topk", [MAP], {"k": 2, "axis": "width"}),
    ("unbind", [MAP], {"axis": 1}),
    ("einsum", [TOKENS, TOKENS], {"pattern": "b i d, b j d -> b i j"}),
    ("einsum", [MAP], {"pattern": "b c h w -> b h"}),
    ("glu", [MAP], {}),
    ("glu", [MAP], {"axis": "height"}),
    ("repeat", [MAP], {"count": 2, "axis": "height"}),
    ("repeat", [MAP], {"count": 2, "axis": "channels"}),
    ("repeat_interleave", [MAP], {"count": 2, "axis": "height"}),
    ("expand", [tensor_type(2, 4, 1, 1), MAP], {"like": True}),
    ("unfold", [MAP], {"kernel": 3}),
    ("fold", [tensor_type(2, 36, 16)], {"kernel": 3, "size": [6, 6]}),
    ("scale", [MAP], {}),
    ("scale", [TOKENS], {"bias": True}),
    ("affine", [MAP], {"scale": 2, "shift": 1}),
    ("affine", [MAP], {"scale": -1}),
    ("affine", [MAP], {"divisor": 2, "shift": -1}),
    ("affine", [MAP], {}),
]
OTHER_AXES = {
    "as_map",
    "as_tokens",
    "flatten",
    "matmul",
    "permute",
    "rearrange",
    "reshape",
    "select",
    "squeeze",
    "transpose",
    "unsqueeze",
}
"""Layers that give axes another place: in some cases channels and places stay apart, and they do not say so."""
CALLS = pytest.mark.parametrize("call", CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])


def built(kind: str, settings: dict[str, Any]) -> Op:
    return build_op(Affine, [], settings) if kind == "affine" else op(kind, **settings)


class Sample:
    """A layer with random weights, in double precision."""

    def __init__(self, call: tuple[str, list[TensorType], dict[str, Any]], training: bool = False):
        kind, self.types, settings = call
        torch.manual_seed(0)
        self.op = built(kind, settings)
        self.inputs = tuple(self.types)
        self.outputs = infer(self.op, *self.inputs)
        self.module = Lowered(self.op, self.inputs, self.outputs).double().train(training)
        for name, tensor in (*self.module.named_parameters(), *self.module.named_buffers()):
            if tensor.is_floating_point():
                torch.nn.init.uniform_(tensor, 0.5, 2) if "var" in name else torch.nn.init.normal_(tensor)

    def draw(self) -> list[Tensor]:
        sizes = [tuple(d for d in x.dims if isinstance(d, int)) for x in self.types]
        return [
            torch.randn(shape, dtype=torch.float64)
            if x.dtype == "float"
            else torch.randint(0, 2, shape).to(DTYPES[x.dtype])
            for shape, x in zip(sizes, self.types, strict=True)
        ]

    def __call__(self, tensors: list[Tensor]) -> list[Tensor]:
        with torch.no_grad():
            return list(self.module(*[tensor.clone() for tensor in tensors]))

    def reorder_weights(self, order: Tensor) -> None:
        """Gives the rows of the weights for channels another order."""
        for tensor in (*self.module.parameters(), *self.module.buffers()):
            if tensor.dim() and len(tensor) == len(order):
                tensor.data = tensor.data[order]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(a.shape == b.shape and torch.allclose(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def follows(call: Any, joined: Callable[[TensorType], list[int]], weights: bool = False) -> bool:
    """Whether the same order of the places along the joined axes of the inputs gives that order of the outputs, and
    whether an output's place depends on the inputs' same place alone."""
    sample = Sample(call)
    arriving = sample.op.arriving(sample.inputs)
    if not arriving:
        return False
    tensors = sample.draw()
    made = sample(tensors)
    sides = [*zip(tensors[: len(arriving)], arriving, strict=True)], [*zip(made, sample.outputs, strict=True)]
    counts = {_flat(tensor, joined(type_)).size(-1) for side in sides for tensor, type_ in side}
    layouts = {tuple(joined(type_)) for side in sides for _, type_ in side}
    if len(counts) > 1 or len(layouts) > 1:
        return False
    (count,) = counts
    order = torch.randperm(count)
    first = _flat(tensors[0], joined(arriving[0]))
    other = torch.randn_like(first) if first.is_floating_point() else (1 - first.long()).to(first.dtype)
    changed = [_placed(t, joined(type_), slice(1, None), _like(other, t)) for t, type_ in sides[0]]
    alone = [m.select(-1, 0) for m in _flats(sample([*changed, *tensors[len(arriving) :]]), sample.outputs, joined)]
    before = [m.select(-1, 0) for m in _flats(made, sample.outputs, joined)]
    if weights:
        sample.reorder_weights(order)
    moved = [_placed(t, joined(type_), slice(None), _flat(t, joined(type_))[..., order]) for t, type_ in sides[0]]
    after = _flats(sample([*moved, *tensors[len(arriving) :]]), sample.outputs, joined)
    wanted = [m[..., order] for m in _flats(made, sample.outputs, joined)]
    return equal(after, wanted) and equal(alone, before)


def _like(values: Tensor, tensor: Tensor) -> Tensor:
    """The values, 0 or 1 where the tensor holds whole numbers."""
    return values if tensor.is_floating_point() else (values > 0).to(tensor.dtype)


def _flat(tensor: Tensor, axes: list[int]) -> Tensor:
    """The axes joined into a last one."""
    return tensor.movedim(axes, list(range(-len(axes), 0))).flatten(-len(axes)) if axes else tensor[..., None]


def _flats(tensors: list[Tensor], types: tuple[TensorType, ...], joined: Any) -> list[Tensor]:
    return [_flat(tensor, joined(type_)) for tensor, type_ in zip(tensors, types, strict=True)]


def _placed(tensor: Tensor, axes: list[int], where: slice, values: Tensor) -> Tensor:
    """A copy of a tensor with other numbers at some places of the joined axes; of another shape it stays."""
    flat = _flat(tensor, axes).clone()
    if flat.shape[:-1] == values.shape[:-1]:
        flat[..., where] = values[..., where]
    shape = [tensor.size(axis) for axis in axes]
    return flat.unflatten(-1, shape).movedim(list(range(-len(axes), 0)), axes) if axes else flat.squeeze(-1)


def channels(type_: TensorType) -> list[int]:
    return [] if type_.channel_axis is None else [type_.channel_axis]


def places(type_: TensorType) -> list[int]:
    return [axis for axis in range(1, type_.rank) if axis != type_.channel_axis]


def everywhere(type_: TensorType) -> list[int]:
    return list(range(1, type_.rank))


def test_every_layer_is_sampled():
    assert {case[0] for case in CASES} == {*LAYERS, "affine"}


@CALLS
def test_elementwise_layers_follow_any_order_of_the_numbers(call: Any):
    assert built(call[0], call[2]).is_elementwise() == follows(call, everywhere)


@CALLS
def test_layers_per_channel_follow_an_order_of_the_channels(call: Any):
    kind, types, settings = call
    if kind not in OTHER_AXES:
        assert built(kind, settings).is_per_channel(tuple(types)) == follows(call, channels, weights=True)


@CALLS
def test_layers_per_place_follow_an_order_of_the_places(call: Any):
    kind, types, settings = call
    if kind not in OTHER_AXES and all(places(type_) for type_ in types):
        assert built(kind, settings).is_per_place(tuple(types)) == follows(call, places)


@CALLS
def test_affine_layers_map_lines_to_lines(call: Any):
    sample = Sample(call)
    one, other = sample.draw(), sample.draw()
    if all(type_.dtype == "float" for type_ in (*sample.types, *sample.outputs)):
        between = sample([0.3 * a + 0.7 * b for a, b in zip(one, other, strict=True)])
        ends = zip(sample(one), sample(other), strict=True)
        assert sample.op.is_affine() == equal(between, [0.3 * a + 0.7 * b for a, b in ends])


@CALLS
def test_averages_that_keep_constants(call: Any):
    sample = Sample(call)
    if sample.op.family == "pool" and sample.op.is_affine() and sample.outputs[0].rank == sample.types[0].rank:
        found = sample([torch.full_like(tensor, 0.7) for tensor in sample.draw()])
        assert sample.op.keeps_constants() == equal(found, [torch.full_like(tensor, 0.7) for tensor in found])
    else:
        assert not sample.op.keeps_constants()


@CALLS
@pytest.mark.parametrize("positive", [False, True])
def test_outputs_that_are_never_negative(call: Any, positive: bool):
    lowest = 0.0
    for training in (False, True):
        sample = Sample(call, training)
        for i in range(20):
            sign = 1 if positive else -1
            chosen = positive or i % 2
            tensors = [sign * t.abs() if chosen and t.is_floating_point() else t for t in sample.draw()]
            lowest = min(lowest, *(made.nan_to_num(0).min().item() for made in sample(tensors)))
    layer = built(call[0], call[2])
    claimed = layer.is_nonnegative([positive] * len(layer.arriving(tuple(call[1]))))
    assert claimed == (lowest >= 0)


@CALLS
def test_inputs_of_commutative_layers_change_places(call: Any):
    if len(call[1]) > 1 and len(set(call[1])) == 1:
        found = []
        for seed in range(8):
            sample = Sample(call, training=seed > 0)
            tensors = sample.draw()
            torch.manual_seed(seed)
            made = sample(tensors)
            torch.manual_seed(seed)
            found.append(equal(made, sample(tensors[::-1])))
        assert Sample(call).op.is_commutative == all(found)


@CALLS
def test_random_layers_give_something_else_in_training(call: Any):
    sample = Sample(call, training=True)
    tensors = sample.draw()
    made = [sample(tensors) for _ in range(20)]
    assert sample.op.is_random() == (not all(equal(made[0], other) for other in made[1:]))
    assert sample.op.is_random() or not sample.op.drops_paths


@CALLS
@pytest.mark.parametrize("training", [False, True])
def test_what_layers_allocate_may_be_overwritten(call: Any, training: bool):
    sample = Sample(call, training)
    if sample.op.allocates(sample.inputs):
        tensors = [tensor.requires_grad_() for tensor in sample.draw()]
        gradients = []
        for rectify in (torch.relu, torch.relu_):
            (made,) = sample.module(*tensors)
            gradients.append(torch.autograd.grad((rectify(made) * made.detach().cos()).sum(), tensors))
        copies = [tensor.detach().clone() for tensor in tensors]
        with torch.no_grad():
            (made,) = sample.module(*tensors)
            torch.relu_(made)
        assert equal(tensors, copies)
        assert len(gradients[0]) == len(gradients[1])


@CALLS
def test_merges_stay_merges_without_one_of_their_inputs(call: Any):
    sample = Sample(call)
    layer = sample.op
    if layer.is_merge:
        assert layer.is_elementwise() and layer.arity is None
        assert infer(layer, *sample.inputs[:-1], sample.inputs[0]) == infer(layer, sample.inputs[0])
    assert layer.is_additive == (layer.is_merge and layer.is_affine())
    factors = layer.factors(len(sample.inputs))
    assert layer.is_additive == (factors is not None)
    if factors is not None:
        tensors = sample.draw()
        whole = sum(float(factor) * tensor for factor, tensor in zip(factors, tensors, strict=True))
        assert torch.allclose(sample(tensors)[0], torch.as_tensor(whole))
    if layer.family == "merge":
        assert layer.joins_shapes == (sample.outputs[0].dims != sample.inputs[0].dims)


OTHER_VALUES = (0.25, 0.75, "image", "uniform", "falling", 7, True, False)


def changing(call: Any, training: bool) -> set[str]:
    """The settings that have another value with which a layer with the same weights, and the same random numbers,
    computes something else."""
    kind, types, settings = call
    found = set()
    for name, value in itertools.product(type(built(kind, settings)).model_fields, OTHER_VALUES):
        try:
            samples = Sample(call, training), Sample((kind, types, {**settings, name: value}), training)
        except (LayerError, ArgumentError):
            continue
        one, other = ({k: v for k, v in sample.module.state_dict().items() if k != "iteration"} for sample in samples)
        shapes = [{name: tensor.shape for name, tensor in state.items()} for state in (one, other)]
        if samples[0].outputs == samples[1].outputs and shapes[0] == shapes[1]:
            samples[1].module.load_state_dict(one, strict=False)
            tensors, made = samples[0].draw(), []
            for sample, state in zip(samples, (one, other), strict=True):
                torch.manual_seed(1)
                made.append([*sample(tensors), *state.values()])
            found |= set() if equal(*made) else {name}
    return found


WITH_IDLE = [case for case in CASES if built(case[0], case[2]).is_random() or case[0] in ("bn", "inorm", "prelu")]


@pytest.mark.parametrize("call", WITH_IDLE, ids=[f"{i}-{case[0]}" for i, case in enumerate(WITH_IDLE)])
def test_some_settings_do_nothing_in_evaluation_or_with_the_same_weights(call: Any):
    layer = type(built(call[0], call[2]))
    evaluation, training = (changing(call, mode) for mode in (False, True))
    assert training - evaluation <= set(layer.training_settings)
    assert not evaluation & {*layer.training_settings, *layer.start_settings}
    assert not training & set(layer.start_settings)
