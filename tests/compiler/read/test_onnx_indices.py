"""ONNX files that take tensors apart by indices of several axes. The oracle is onnxruntime: every reading asks it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import archc

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402

IN_ORDER = np.arange(6).reshape(2, 3)
MIXED = np.array([[3, 0, 3], [5, 1, 2]])


@pytest.mark.parametrize(("indices", "layers"), [(IN_ORDER, 0), (MIXED, 1)])
@pytest.mark.parametrize("axis", [2, -1])
def test_indices_of_several_axes(indices: np.ndarray, layers: int, axis: int, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    tensor = helper.make_tensor("indices", TensorProto.INT64, indices.shape, indices.ravel())
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4, 6, 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    gather = helper.make_node("Gather", ["x", "indices"], ["y"], axis=axis)
    graph = helper.make_graph([gather], "net", [x], [y], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    net = archc.from_onnx(path, (1, 4, 6, 6))
    assert sum(node.op.kind == "index_select" for node in net.ir.nodes) == layers
