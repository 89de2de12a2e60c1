"""Layers that files of ONNX write as several nodes, as one node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .onnx_layers import is_plain

if TYPE_CHECKING:
    from .onnx_file import Node

GROUP_NORM = 21
"""The opset from which on a group norm has a scale for each channel."""


def fused(nodes: list[Node], uses: Mapping[str, int]) -> list[Node]:
    """The nodes, with one for each layer. `uses` counts by name how often a tensor is used."""
    return _swishes(_group_norms(_biased(nodes, uses), uses), uses)


def _biased(nodes: list[Node], uses: Mapping[str, int]) -> list[Node]:
    """Products with a matrix, to which a vector is added, as one: a linear layer with its bias."""
    makers = {node.outputs[0]: node for node in nodes if node.op == "MatMul"}
    left = []
    for node in nodes:
        product = next((makers[name] for name in node.inputs if name in makers), None)
        if node.op == "Add" and product is not None and uses[product.outputs[0]] == 1:
            weight, bias = product.constant(1), node.constant(1 - node.inputs.index(product.outputs[0]))
            if weight is not None and weight.ndim == 2 and bias is not None and bias.shape == weight.shape[1:]:
                product.inputs.append(node.inputs[1 - node.inputs.index(product.outputs[0])])
                product.outputs = node.outputs
                continue
        left.append(node)
    return left


def _group_norms(nodes: list[Node], uses: Mapping[str, int]) -> list[Node]:
    """Group norms as such: torch.onnx writes them as instance norms of reshaped maps, with a scale and a shift of the
    channels after them."""
    makers = {output: node for node in nodes for output in node.outputs}
    gone: set[int] = set()

    def before(node: Node, place: int, op: str) -> Node | None:
        """What makes an input, if it is of this operator and makes it for this node alone."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        made = makers.get(name)
        return made if made is not None and made.op == op and uses[name] == 1 else None

    for shift in nodes:
        if shift.op != "Add" or not (scale := before(shift, 0, "Mul")) or not (back := before(scale, 0, "Reshape")):
            continue
        norm, shape = before(back, 0, "InstanceNormalization"), before(back, 1, "Shape")
        if norm is None or shape is None or not _is_whole(shape) or not (split := before(norm, 0, "Reshape")):
            continue
        groups, weight, bias = split.constant(1), scale.constant(1), shift.constant(1)
        own_scale, own_shift = norm.constant(1), norm.constant(2)
        if (
            shape.inputs[0] == split.inputs[0]
            and groups is not None
            and groups.size == 3
            and (groups[0], groups[2]) == (0, -1)
            and own_scale is not None
            and own_shift is not None
            and is_plain(own_scale, own_shift)
            and weight is not None
            and bias is not None
            and _per_channel(weight)
            and weight.shape == bias.shape
        ):
            shift.op, shift.opset = "GroupNormalization", GROUP_NORM
            shift.attributes = {**norm.attributes, "num_groups": int(groups[1])}
            shift.inputs = [split.inputs[0], scale.inputs[1], shift.inputs[1]]
            gone |= {id(node) for node in (split, norm, shape, back, scale)}
    return [node for node in nodes if id(node) not in gone]


def _swishes(nodes: list[Node], uses: Mapping[str, int]) -> list[Node]:
    """Products of a tensor and its sigmoid, as torch.onnx writes `silu`."""
    makers = {node.outputs[0]: node for node in nodes if node.op == "Sigmoid" and uses[node.outputs[0]] == 1}
    gone: set[int] = set()
    for node in nodes:
        if node.op != "Mul" or len(node.inputs) != 2:
            continue
        for place, name in enumerate(node.inputs):
            gate = makers.get(name)
            if gate is not None and gate.inputs[0] == node.inputs[1 - place]:
                node.op, node.inputs, node.attributes = "Swish", [gate.inputs[0]], {}
                gone.add(id(gate))
                break
    return [node for node in nodes if id(node) not in gone]


def _is_whole(shape: Node) -> bool:
    """Whether the sizes of all axes are taken."""
    return not shape.attributes.get("start", 0) and "end" not in shape.attributes


def _per_channel(weight: np.ndarray) -> bool:
    """Whether a tensor has a number for each channel, and axes of 1 for those of a map."""
    return weight.ndim > 0 and weight.shape[0] > 1 and weight.size == weight.shape[0]
