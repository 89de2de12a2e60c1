"""What other programs say, in diagnostics."""

from __future__ import annotations

import pytest

from archc.dsl.quoting import quoted

CAUSE = "The input tensor cannot be reshaped to the requested shape. Input shape:{2,12,8}, requested shape:{-1,13,4,2}"
ONNX = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Reshape node. Name:'node_Reshape_1' "
    "Status Message: /src/core/providers/cpu/tensor/reshape_helper.h:84 onnxruntime::ReshapeHelper::ReshapeHelper("
    "const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) input_shape_size == size was false. "
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ONNX + CAUSE, CAUSE),
        ("one line\nand another", "one line"),
        ("", "ValueError"),
        ("A sentence. " * 40, ". ".join(["A sentence"] * 16)),
    ],
)
def test_what_is_said(text: str, said: str) -> None:
    assert quoted(ValueError(text)) == said


def test_a_long_sentence_ends_at_a_word() -> None:
    assert quoted("word " * 100).endswith("word …") and len(quoted("word " * 100)) <= 200
