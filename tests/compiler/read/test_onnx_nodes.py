"""ONNX's operators are read as what they compute, or refused. The oracle is onnxruntime, which every reading asks; the
cases are those of torch.onnx and those that ONNX holds its backends to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import archc

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

CHANNELS = np.linspace(0.5, 1.5, 6, dtype=np.float32)


def _read(
    path: Path, op: str, constants: Sequence[Any], shape: Sequence[int], outputs: int = 1, **attributes: Any
) -> archc.Architecture:
    """The network of one node. `constants` are its inputs after the first."""
    path = path / "net.onnx"
    names = ["x", *(f"c{i}" if value is not None else "" for i, value in enumerate(constants))]
    held = [numpy_helper.from_array(np.asarray(v), n) for n, v in zip(names[1:], constants, strict=True) if n]
    made = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, names, made, **attributes)],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in made],
        held,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return archc.from_onnx(path, (2, *shape))


@pytest.mark.parametrize(
    ("op", "constants", "attributes"),
    [
        ("InstanceNormalization", [CHANNELS, CHANNELS], {"epsilon": 1e-3}),
        ("Flatten", [], {"axis": -3}),
        ("Selu", [], {"alpha": 2.0, "gamma": 0.7}),
        ("Selu", [], {}),
        ("SpaceToDepth", [], {"blocksize": 2}),
        ("Clip", [], {}),
        ("MaxPool", [], {"kernel_shape": [3, 3], "pads": [2, 2, 2, 2]}),
        ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [2, 2, 2, 2], "count_include_pad": 1}),
        ("PRelu", [CHANNELS.reshape(6, 1, 1)], {}),
        ("Resize", [None, np.float32([2, 2])], {"axes": [2, 3], "mode": "linear"}),
        ("Pad", [np.array([0, 1, 0, 2]), None, np.array([2, 3])], {"mode": "edge"}),
    ],
)
def test_an_operator_is_read(op: str, constants: list[Any], attributes: dict[str, Any], tmp_path: Path) -> None:
    _read(tmp_path, op, constants, (6, 8, 8), **attributes)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode: str, tmp_path: Path) -> None:
    net = _read(tmp_path, "DepthToSpace", [], (8, 4, 4), blocksize=2, mode=mode)
    assert any(node.op.kind == "channel_shuffle" for node in net.ir.nodes) == (mode == "DCR")


def test_a_bias_of_one_number(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    net = _read(tmp_path, "Gemm", [weight, np.float32([0.5])], (6,), transB=1)
    assert dict(net.module().named_parameters())["linear.bias"].shape == (5,)


@pytest.mark.parametrize(
    ("op", "constants", "attributes", "why"),
    [
        ("PRelu", [CHANNELS], {}, "another axis than the channels"),
        ("LayerNormalization", [CHANNELS], {"outputs": 3}, "`LayerNormalization` for more than its first output"),
        ("Resize", [None, np.float32([1, 1, 2, 2])], {"mode": "cubic", "cubic_coeff_a": -0.5}, "coefficient -0.5"),
        ("Resize", [None, np.float32([1, 1, 2, 2])], {"mode": "cubic", "exclude_outside": 1}, "with `exclude_outside`"),
        ("Resize", [None, np.float32([1, 1, 2, 2])], {"mode": "linear", "antialias": 1}, "with `antialias`"),
        ("Resize", [None, np.float32([1, 2, 2, 2])], {"mode": "linear"}, "of the batch or the channels"),
        ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [2, 2, 2, 2]}, "does not count its borders"),
    ],
)
def test_what_torch_has_not_is_refused(
    op: str, constants: list[Any], attributes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    with pytest.raises(archc.ArchError, match="E1204") as error:
        _read(tmp_path, op, constants, (6, 8, 6), **attributes)
    assert why in str(error.value)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("dynamo", [False, True])
def test_a_group_norm_is_one_layer(groups: int, dynamo: bool, tmp_path: Path) -> None:
    """torch writes it as an instance norm of a reshaped map, with a scale and a shift after it."""
    if dynamo:
        pytest.importorskip("onnxscript")
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.GroupNorm(groups, 6), nn.ReLU()).eval()
    nn.init.uniform_(net[1].weight)
    path = tmp_path / "net.onnx"
    if dynamo:
        sizes = ({0: torch.export.Dim("N")},)
        torch.onnx.export(net, (torch.zeros(2, 3, 8, 8),), path, dynamo=True, dynamic_shapes=sizes, verbose=False)
    else:
        axes = {"x": {0: "N", 2: "H", 3: "W"}}
        torch.onnx.export(net, (torch.zeros(2, 3, 8, 8),), path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    read = archc.from_onnx(path, (2, 3, 8, 8))
    assert [node.op.kind for node in read.ir.nodes if node.op.kind != "input"] == ["conv", "gn", "relu"]


def test_half_precision_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    torch.onnx.export(nn.Conv2d(3, 4, 1).half(), (torch.zeros(1, 3, 4, 4).half(),), path, dynamo=False)
    with pytest.raises(archc.ArchError, match=r"E1208.*of type float16") as error:
        archc.from_onnx(path)
    assert "module.float()" in str(error.value)


APART = {"test_top_k_same_values_2d", "test_reduce_max_empty_set", "test_reduce_max_empty_set_bool"}
APART |= {"test_reduce_min_empty_set", "test_max_int32", "test_min_int32"}
"""Equal numbers in another order, reductions of nothing and results that are short whole numbers: refused otherwise."""


@pytest.mark.slow
def test_every_case_of_onnx_is_read_or_refused(tmp_path: Path) -> None:
    from onnx.backend.test.loader import load_model_tests

    from archc.compiler.read.onnx_functions import FUNCTIONS
    from archc.compiler.read.onnx_layers import LAYERS

    read = 0
    path = tmp_path / "net.onnx"
    for case in load_model_tests(kind="node"):
        model = onnx.ModelProto.FromString(case.model.SerializeToString())
        ops = {node.op_type for node in model.graph.node}
        given, _ = case.data_sets[0]
        arrays = all(isinstance(x, np.ndarray) for x in given)
        if case.name in APART or len(ops) > 1 or not ops <= {*FUNCTIONS, *LAYERS} or not arrays or not given:
            continue
        inputs = list(model.graph.input)
        for entry, value in zip(inputs[1:], given[1:], strict=True):
            model.graph.initializer.append(numpy_helper.from_array(value, entry.name))
        del model.graph.input[1:]
        onnx.save(model, path)
        try:
            archc.from_onnx(path)
            read += 1
        except archc.ArchError as error:
            assert "E1204" in str(error) or "E1208" in str(error), (case.name, str(error))
    assert read > 300


@pytest.mark.parametrize("batch", [1, None])
@pytest.mark.parametrize("dynamo", [False, True])
def test_a_transformer_is_read_with_its_tokens(dynamo: bool, batch: int | None, tmp_path: Path) -> None:
    """Its attention joins the batch, which may be fixed, with the heads, and rows of tokens with the batch behind."""
    torchvision = pytest.importorskip("torchvision")
    if dynamo:
        pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    source = torchvision.models.VisionTransformer(16, 8, 2, 2, 8, 16, num_classes=3).eval()
    for parameter in source.parameters():  # equal ones are one tensor in a file
        nn.init.normal_(parameter, std=0.3)
    path = tmp_path / "net.onnx"
    given = (torch.zeros(batch or 2, 3, 16, 16),)
    if batch:
        torch.onnx.export(source, given, path, dynamo=dynamo, verbose=False)
    elif dynamo:
        sizes = ({0: torch.export.Dim("N")},)
        torch.onnx.export(source, given, path, dynamo=True, dynamic_shapes=sizes, verbose=False)
    else:
        torch.onnx.export(source, given, path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "N"}})
    read = archc.from_onnx(path)
    parameters = dict(read.module().named_parameters())
    assert (dynamo and batch) or parameters["class_token"].shape == (1, 1, 8)  # of which that file knows no name
    assert parameters["encoder.pos_embedding"].shape == (1, 5, 8)
    assert sum(p.numel() for p in parameters.values()) == sum(p.numel() for p in source.parameters())
    assert batch or "** 2" in read.source()


class Biased(nn.Module):
    """A bias that is looked up by places, as relative positions are."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, 5))
        self.register_buffer("places", torch.tensor([[0, 1, 2], [3, 4, 0], [1, 1, 3]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.relu() + self.table[:, self.places]).softmax(-1)


def test_a_table_of_biases_stays_a_table(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    torch.onnx.export(Biased().eval(), (torch.zeros(1, 4, 3, 3),), path, dynamo=False)
    assert archc.from_onnx(path).stats().parameters == 20


def test_what_is_gathered_by_one_axis_is_read(tmp_path: Path) -> None:
    """As torch.onnx writes biases by places too: a table in rows, and places in lists of one."""
    table = numpy_helper.from_array(np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32), "table")
    places = numpy_helper.from_array(np.array([[[0], [3]], [[4], [3]]]), "places")
    nodes = [helper.make_node("GatherND", ["table", "places"], ["b"]), helper.make_node("Add", ["x", "b"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 2, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, 2, 4])
    graph = helper.make_graph(nodes, "net", [x], [y], [table, places])
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    assert archc.from_onnx(path, (1, 2, 2, 4)).stats().parameters == 20


@pytest.mark.parametrize("dynamo", [False, True])
def test_a_gate_by_its_own_sigmoid_is_silu(dynamo: bool, tmp_path: Path) -> None:
    if dynamo:
        pytest.importorskip("onnxscript")
    path = tmp_path / "net.onnx"
    torch.onnx.export(nn.Sequential(nn.Conv2d(3, 4, 1), nn.SiLU()), (torch.zeros(1, 3, 4, 4),), path, dynamo=dynamo)
    assert [node.op.kind for node in archc.from_onnx(path).ir.nodes] == ["input", "conv", "silu"]
