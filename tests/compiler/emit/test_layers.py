"""Every layer of the language through the emitter: the shape inferred, the weights declared, and exporting."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from graphs import H, N, Net, W
from test_vocabulary import nets

from archc.compiler.emit.check import check_forward
from archc.compiler.emit.export import export
from archc.compiler.emit.fx import to_graph_module
from archc.compiler.ops.build import build_op
from archc.compiler.ops.registry import LAYERS, lookup

MAP = ((N, 8, H, W), (1, 8, 8, 12))
FLAT = ((N, 8), (1, 8))
TOKENS = ((N, 6, 8), (1, 6, 8))
MASK = ((N, 6, 6), (1, 6, 6))
HEADS = ((N, 2, 6, 4), (1, 2, 6, 4))
VOLUME = ((N, 8, 4, 6, 6), (1, 8, 4, 6, 6))

CALLS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("conv", [MAP], {"channels": 4, "kernel": 3}),
    ("conv", [MAP], {"channels": 4, "kernel": 4, "padding": "same", "stride": 2}),
    ("conv", [MAP], {"channels": 4, "kernel": 3, "padding": [[0, 1], [1, 2]], "padding_mode": "reflect"}),
    ("conv", [VOLUME], {"channels": 4, "kernel": 3, "groups": 2, "bias": True}),
    ("dwconv", [MAP], {"kernel": 3}),
    ("upconv", [MAP], {"channels": 4, "bias": True}),
    ("linear", [FLAT], {"units": 3}),
    ("linear", [TOKENS], {"units": 3, "bias": False}),
    ("bn", [MAP], {}),
    ("bn", [FLAT], {"affine": False}),
    ("bn", [MAP], {"track": False}),
    ("gn", [MAP], {"groups": 2}),
    ("inorm", [MAP], {"affine": True}),
    ("ln", [MAP], {}),
    ("ln", [TOKENS], {"bias": False}),
    ("rmsnorm", [MAP], {}),
    ("rmsnorm", [TOKENS], {}),
    ("lrn", [MAP], {}),
    *((kind, [MAP], {}) for kind in ("relu", "relu6", "elu", "celu", "gelu", "hardsigmoid", "hardswish", "leakyrelu")),
    *((kind, [MAP], {}) for kind in ("mish", "selu", "sigmoid", "silu", "softplus", "tanh", "softmax", "logsoftmax")),
    ("prelu", [MAP], {}),
    ("adaptive_avgpool", [MAP], {"size": 2}),
    ("adaptive_maxpool", [MAP], {"size": 2}),
    ("avgpool", [MAP], {"kernel": 3, "stride": 2}),
    ("maxpool", [MAP], {"kernel": 3, "stride": 2}),
    ("lppool", [MAP], {"norm": 2, "kernel": 2}),
    *((kind, [MAP], {}) for kind in ("gap", "gmp", "dropout", "dropout2d", "alphadropout")),
    ("sum", [MAP, MAP, MAP], {}),
    *((kind, [MAP, MAP], {}) for kind in ("concat", "max", "min", "mean", "multiply", "stack")),
    ("matmul", [HEADS, ((N, 2, 4, 6), (1, 2, 4, 6))], {}),
    ("flatten", [VOLUME], {}),
    ("permute", [MAP], {"order": [0, 2, 3, 1]}),
    ("rearrange", [MAP], {"pattern": "n (c d) h w -> n c (h d) w", "d": 2}),
    ("reshape", [FLAT], {"sizes": [2, 4]}),
    ("select", [TOKENS], {"axis": 1, "index": 0}),
    ("unsqueeze", [FLAT], {"axis": 1}),
    ("as_map", [FLAT], {}),
    ("reduce", [MAP], {"statistic": "std", "axis": ["height", "width"]}),
    ("as_tokens", [FLAT], {}),
    ("transpose", [TOKENS], {}),
    ("crop", [MAP, ((N, 8, 4, 4), (1, 8, 4, 4))], {"offset": 1, "like": True}),
    ("pad", [MAP], {"amounts": 2}),
    ("pad_channels", [MAP], {"channels": 12}),
    ("roll", [MAP], {"shifts": 2, "axes": ["height"]}),
    ("slice", [MAP], {"axis": "channels", "start": 0, "stop": 4}),
    ("subsample", [MAP], {"stride": 2}),
    ("channel_shuffle", [MAP], {"groups": 2}),
    ("chunk", [MAP], {"parts": 2}),
    ("split", [MAP], {"parts": [3, 5]}),
    ("pixel_shuffle", [MAP], {"factor": 2}),
    ("pixel_unshuffle", [((N, 8, 8, 12), (1, 8, 8, 12))], {"factor": 2}),
    ("upsample", [MAP], {"scale": 2}),
    ("upsample", [MAP, MAP], {"like": True, "mode": "bilinear"}),
    ("attention", [TOKENS], {"heads": 2}),
    ("rnn", [TOKENS], {"channels": 3, "activation": "relu"}),
    ("gru", [TOKENS], {"channels": 3, "both": True, "states": True}),
    ("lstm", [TOKENS], {"channels": 4, "layers": 2, "dropout": 0.5, "projection": 2}),
    ("attention", [TOKENS, MASK], {"heads": 2, "causal": True, "mask": True, "bias_kv": True, "dropout": 0.1}),
    ("sdpa", [TOKENS, TOKENS, TOKENS, MASK], {"heads": 2, "causal": True, "mask": True}),
    ("sdpa", [TOKENS, TOKENS, TOKENS], {"heads": 2}),
    ("sdpa", [TOKENS, TOKENS, TOKENS, MASK], {"heads": 2, "causal": True, "mask": True, "dropout": 0.1}),
    ("l2norm", [TOKENS], {}),
    ("clamp", [MAP], {"low": 0}),
    ("power", [MAP], {"n": 2}),
    ("scale", [MAP], {}),
]


def net_of(kind: str, inputs: list[Any], settings: dict[str, Any]) -> Net:
    net = Net()
    values = [net.input(f"x{i}", dims, nominal, **_axis(dims)) for i, (dims, nominal) in enumerate(inputs)]
    cls = lookup(kind)
    assert cls is not None
    out = net("layer" if build_op(cls, [], settings).is_module else "", kind, *values, **settings)
    net.output(*[(out[0], port) for port in range(len(net.graph.nodes[out[0]].outputs))])
    return net


def _axis(dims: tuple[Any, ...]) -> dict[str, int]:
    return {"channel_axis": 2} if len(dims) == 3 else {}


@pytest.mark.parametrize(("kind", "inputs", "settings"), CALLS, ids=[f"{i}-{call[0]}" for i, call in enumerate(CALLS)])
def test_layer(kind: str, inputs: list[Any], settings: dict[str, Any]):
    graph = net_of(kind, inputs, settings).graph
    module = to_graph_module(graph, seed=0)
    check_forward(module, graph)
    module.graph.lint()
    declared = [
        f"layer.{weight.name}" if weight.name else "layer"
        for node in graph.nodes
        if node.op.has_weights
        for weight in node.op.weights(tuple(graph.type_of(v) for v in node.inputs))
    ]
    assert sorted(module.state_dict()) == sorted(declared)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        check_forward(other, graph)
        assert list(other.state_dict()) == list(module.state_dict())


@pytest.mark.parametrize(
    ("kind", "inputs", "settings"),
    [call for call in CALLS if call[0] in ("ln", "upsample", "concat", "pad_channels", "subsample", "conv", "crop")],
    ids=str,
)
def test_layers_with_sizes_at_run_time_export(kind: str, inputs: list[Any], settings: dict[str, Any]):
    graph = net_of(kind, inputs, settings).graph
    module = to_graph_module(graph, seed=0).eval()
    program = export(module, graph).module()
    shapes = [(1, 8, 10, 14) if dims == MAP[0] else nominal for dims, nominal in inputs]
    tensors = [torch.randn(shape) for shape in shapes]
    assert torch.equal(torch.as_tensor(program(*tensors)), module(*tensors))


def test_every_layer_is_here():
    elsewhere = {"affine_grid", "grid_sample", "embedding", "squeeze", "survive", "drop_mean", "freeze_drop_path"}
    said = {node.op.kind for net in nets() for node in net.ir.nodes}
    assert not set(LAYERS) - {kind for kind, _, _ in CALLS} - elsewhere - said


def test_a_spatial_transformer():
    net = Net()
    x = net.input("image", nominal=(1, 3, 8, 8))
    theta = net.input("theta", (N, 2, 3), (1, 2, 3))
    grid = net("", "affine_grid", theta, x, like=True)
    net.output(net("", "grid_sample", x, grid))
    check_forward(to_graph_module(net.graph), net.graph)


def test_an_embedding():
    net = Net()
    x = net.input("tokens", (N, 6), (1, 6), dtype="int")
    net.output(net("embedding", "embedding", x, count=10, channels=4))
    module = to_graph_module(net.graph, seed=0)
    check_forward(module, net.graph)
    assert module(torch.tensor([[1, 2, 3, 4, 5, 9]])).shape == (1, 6, 4)


def test_a_shared_layer_norm_is_called_again():
    net = Net()
    x = net.input("image", *MAP)
    first = net("norm", "ln", x)
    op = net.graph.nodes[first[0]].op
    net.output(net("", op, first, owner=first))
    module = to_graph_module(net.graph)
    assert module.code.count("self.norm(") == 2 and list(module.state_dict()) == ["norm.weight", "norm.bias"]
    check_forward(module, net.graph)
