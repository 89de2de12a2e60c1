"""ONNX files: the operators with weights become modules under the names of their weights, all others functions."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ...dsl.reads import note_read, opened
from ..emit.export import USUAL_SIZES, require_onnx
from .onnx_functions import CASTS, FUNCTIONS, HOST
from .onnx_fusion import fused
from .onnx_layers import LAYERS, WEIGHT, Layer
from .onnx_maps import in_order
from .pt2 import readable, unreadable
from .replay import Ref, Replay, Scope, Step, Stored
from .unsayable import Missing, Unsayable, missing

if TYPE_CHECKING:
    import onnx

OLDEST = 9
"""The opset from which on files are read."""
CONSTANTS = (2, 3, 11)
"""ONNX's numbers for the types that constants have beside those of networks: uint8, int8 and float64."""
SEVERAL = ("Split", "TopK")
"""Operators of which more is known than their first output."""
UNNAMED = re.compile(r"val_\d+")
"""What torch.onnx calls numbers of the code."""
MOVES = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Expand")
NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*")


def read_onnx(path: Path) -> Stored:
    """The network of a file. Raises ArchError (E0820, E1204, E1208)."""
    require_onnx()
    note_read(path)
    with readable(path, "ONNX model"):
        return _Conversion(path, _checked(path)).network()


def _checked(path: Path) -> onnx.ModelProto:
    """The model with all its tensors, after onnx has checked it. Raises ArchError (E1208)."""
    import onnx
    from onnx.inliner import inline_local_functions

    with opened(path) as file:
        model = onnx.load_model_from_string(file.read())
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _bring_in(path, tensor)
    newest = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and not OLDEST <= entry.version <= newest:
            hint = "a newer onnx may read it: `pip install -U onnx`" if entry.version > newest else "export it again"
            raise unreadable(path, f"it is of opset {entry.version}, and {OLDEST} to {newest} are read", hint)
    onnx.checker.check_model(model)
    return inline_local_functions(model) if model.functions else model


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner) if inner.node or inner.initializer else ()


def _bring_in(path: Path, tensor: onnx.TensorProto) -> None:
    """Reads the numbers of a tensor from the file beside the model's that it names. Raises ArchError (E1208)."""
    about = {entry.key: entry.value for entry in tensor.external_data}
    folder = path.resolve().parent
    place = (folder / about.get("location", "")).resolve()
    if folder not in place.parents:
        raise unreadable(
            path, f"the numbers of `{tensor.name[:80]}` are in another folder, {about.get('location')!r:.80}"
        )
    note_read(place)
    with opened(place) as file:
        file.seek(int(about.get("offset", 0)))
        length = int(about["length"]) if "length" in about else -1
        data = file.read(length)
    if length >= 0 and len(data) < length:
        raise unreadable(path, f"{place.name} is truncated, and has not all numbers of `{tensor.name[:80]}`")
    tensor.raw_data = data
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")


class Node:
    """A node of the file, with what is known of its inputs."""

    def __init__(self, proto: onnx.NodeProto, constants: dict[str, np.ndarray[Any, Any]], opset: int):
        from onnx import helper, numpy_helper

        self.op = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
        self.proto, self.inputs, self.outputs = proto, list(proto.input), list(proto.output)
        self.constants, self.opset = constants, opset
        given = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        self.attributes: dict[str, Any] = {
            name: value.decode() if isinstance(value, bytes) else list(value) if hasattr(value, "__len__") else value
            for name, value in given.items()
            if not hasattr(value, "data_type")
        }
        self.tensors = {n: numpy_helper.to_array(t) for n, t in given.items() if hasattr(t, "data_type")}
        about = {entry.key: entry.value for entry in proto.metadata_props}
        self.scopes = _literal(about.get("pkg.torch.onnx.name_scopes"))[:-1]
        self.classes = _literal(about.get("pkg.torch.onnx.class_hierarchy"))
        self.line = about.get("pkg.torch.onnx.stack_trace", "")
        if not self.scopes and proto.name.startswith("/"):
            self.scopes = _scopes_of(proto.name)

    def constant(self, place: int) -> np.ndarray[Any, Any] | None:
        return self.constants.get(self.inputs[place]) if place < len(self.inputs) else None


def _literal(text: str | None) -> list[str]:
    found = ast.literal_eval(text) if text else []
    return [str(item) for item in found] if isinstance(found, list) else []


def _scopes_of(name: str) -> list[str]:
    """The modules around a node that the older exporter names `/layer1/layer1.0/conv1/Conv`."""
    found: list[str] = []
    before = ""
    for part in name.split("/")[1:-1]:
        around = found[-1] if found else ""
        if before and part.startswith(f"{before}."):
            around, part, whole = around.rpartition(".")[0], part, part
            found.append(f"{around}.{whole}" if around else whole)
        else:
            found.append(f"{around}.{part}" if around else part)
        before = part
    return found


class _Conversion:
    def __init__(self, path: Path, model: onnx.ModelProto):
        from onnx import numpy_helper

        self.path, self.graph, self.about = path, model.graph, model.metadata_props
        self.opsets = {entry.domain: entry.version for entry in model.opset_import}
        for t in model.graph.initializer:
            _refuse_type(path, f"tensor `{t.name[:80]}`", t.data_type, {*CASTS, *CONSTANTS})
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.given = {*self.constants}
        outputs = [o.name for o in model.graph.output]
        self.uses = Counter([*(name for node in model.graph.node for name in node.input), *outputs])
        self.layers: dict[str, str] = {}
        self.made: dict[tuple[Any, ...], str] = {}
        self.held: set[str] = set()
        self.moved: set[str] = set()
        """Weights whose axes are in another order, or joined."""
        self.same: dict[str, str] = {}
        """Weights that are repeated for a batch of one, by another name."""
        self.numbers: set[str] = set()
        """What is made of shapes."""

    def network(self) -> Stored:
        entries = [entry for entry in self.graph.input if entry.name not in self.given]
        nodes = self._folded()
        inside = [re.sub(r"\.(weight|bias)$", "", name) for name in self.given]
        inside += [path for node in nodes for path in node.scopes]
        self.scopes = {name[: dot.start()] for name in inside for dot in re.finditer(r"\.", name)}
        classes = {path: cls for node in nodes for path, cls in zip(node.scopes, node.classes, strict=False)}
        self.net = Replay([entry.name for entry in entries], classes)
        for node in nodes:
            if node.op == "Shape" or self._is_of_numbers(node):
                self.numbers.update(node.outputs)
        if unknown := list(self._unknown(nodes)):
            raise missing(self.path.name, unknown)
        self.net.steps = [self._step(node) for node in nodes]
        for step in self.net.steps:
            paths = [path for path, _ in step.stack if NAME.fullmatch(path) and isinstance(self._scope(path), Scope)]
            step.stack = tuple([(path, path) for path in paths])
        made = {out.name: Ref(out.name) for out in self.graph.output}
        self.net.returns = made if len(made) > 1 else next(iter(made.values()))
        inputs = [_declared(self.path, entry) for entry in entries]
        # A batch may be of any size, and 1 does; archc's own files say the others.
        first: dict[int | str, int] = {sizes[0]: 1 for _, sizes in inputs if sizes and isinstance(sizes[0], str)}
        said = next((entry.value for entry in self.about if entry.key == USUAL_SIZES), "")
        pairs = (pair.split("=") for pair in said.split(",") if re.fullmatch(r"[\w *+/()-]+=[1-9]\d{0,8}", pair))
        return Stored(self.net, inputs, first | {name: int(size) for name, size in pairs})

    def _unknown(self, nodes: list[Node]) -> Iterator[Missing]:
        """What the language has nothing for, whatever the sizes are."""
        for node in nodes:
            path = node.scopes[-1] if node.scopes else ""
            if node.op not in FUNCTIONS and node.op not in LAYERS:
                yield Missing(f"`{node.op}`", path, "")
            elif node.op not in SEVERAL and any(self.uses[name] for name in node.outputs[1:]):
                yield Missing(f"`{node.op}` for more than its first output", path, "")
        for out in self.graph.output:
            if out.name in self.numbers or out.name in self.constants:
                yield Missing(f"the output `{out.name}`, which depends on sizes alone", "", "")

    def _scope(self, path: str) -> nn.Module | None:
        inside = any(path.startswith(f"{layer}.") for layer in self.layers)
        return None if inside else self.net.scope(path)

    def _folded(self) -> list[Node]:
        """The nodes, without those that compute numbers of numbers, which are computed."""
        left: list[Node] = []
        for proto in self.graph.node:
            node = Node(proto, self.constants, self.opsets.get("", 1))
            node.inputs = [self.same.get(name, name) for name in node.inputs]
            if node.op == "Constant":
                value = next(iter(node.tensors.values()), None)
                value = np.array(next(iter(node.attributes.values()))) if value is None else value
                self.constants[node.outputs[0]] = value
            elif node.op == "Identity" and node.inputs[0] in self.constants:
                self.constants[node.outputs[0]] = self.constants[node.inputs[0]]
                if node.inputs[0] in self.given:
                    self.given.add(node.outputs[0])
            elif self._is_constant(node):
                given = [self.constants[name] for name in node.inputs if name]
                results = self.by_reference(node)(*given)
                results = results if isinstance(results, tuple) else (results,)
                self.constants |= dict(zip(node.outputs, results, strict=True))
                if node.op in MOVES and self._is_weight(node.inputs[0]):
                    self.moved.add(node.outputs[0])
                    if np.array_equal(results[0], given[0]):
                        self.same[node.outputs[0]] = node.inputs[0]
            else:
                left.append(node)
        return fused(left, self.uses)

    def _is_constant(self, node: Node) -> bool:
        """Whether a node computes numbers of numbers, and looks none up in a table that is learned."""
        looks_up = node.op in ("Gather", "GatherND") and self._is_weight(node.inputs[0])
        known = all(name in self.constants for name in node.inputs if name)
        return known and node.op in FUNCTIONS and not looks_up

    def by_reference(self, node: Node) -> Callable[..., Any]:
        """What computes a node of numbers: the reference implementation of onnx."""
        from onnx.reference import ReferenceEvaluator

        names = [name for name in node.inputs if name]

        def compute(*given: Any) -> Any:
            evaluator = ReferenceEvaluator(node.proto, opsets=self.opsets)
            results: Any = evaluator.run(None, dict(zip(names, map(np.asarray, given), strict=True)))
            return results[0] if len(results) == 1 else tuple(results)

        return compute

    def _step(self, node: Node) -> Step:
        stack = tuple([(path, path) for path in node.scopes if path])
        layer = LAYERS[node.op](node) if node.op in LAYERS else None
        if layer is not None:
            path = self._place(node, layer)
            around = tuple([call for call in stack if path.startswith(f"{call[0]}.")])
            function = self.net.module.get_submodule(path)
            return Step(layer.before(function), [Ref(node.inputs[layer.takes])], {}, node.outputs, around)
        function = FUNCTIONS.get(node.op, _computed(node.op))
        arguments = [self._argument(node, place) for place in range(len(node.inputs))]
        settings: dict[str, Any] = dict(node.attributes)
        if node.op == "Split" and "split" not in settings and len(node.inputs) < 2:
            settings["outputs"] = len(node.outputs)
        run = _either(function, self.by_reference(node))
        if node.op in SEVERAL:
            return Step(run, arguments, settings, node.outputs, stack, several=True)
        return Step(run, arguments, settings, node.outputs[:1], stack)

    def _is_of_numbers(self, node: Node) -> bool:
        """Whether a node takes numbers, and constants at most, as those do that compute shapes."""
        names = [name for name in node.inputs if name not in self.constants and name]
        return bool(names) and self.numbers.issuperset(names) and not any(map(self._is_weight, node.inputs))

    def _is_weight(self, name: str) -> bool:
        """Whether a constant is a tensor that the network learns, as a token that is repeated for the batch."""
        value = self.constants.get(name)
        known = name in self.given or name in self.moved
        return known and value is not None and value.dtype.kind == "f" and value.ndim > 1

    def _argument(self, node: Node, place: int) -> Any:
        name = node.inputs[place]
        if not name:
            return None
        if name not in self.constants:
            return Ref(name)
        value = self.constants[name]
        told = (place and node.op in HOST) or (place == 1 and node.op == "Gather" and self._is_told(node, value))
        number = value.ndim == 0 or (value.size == 1 and (name not in self.given or UNNAMED.fullmatch(name)))
        if told or number or self._is_of_numbers(node):
            return value
        if name not in self.held:
            self.held.add(name)
            self.net.hold(name, self._free(_word(name)), torch.tensor(value), value.dtype.kind == "f")
        return Ref(name)

    def _is_told(self, node: Node, indices: Any) -> bool:
        """Whether indices are no tensor of the network: a number, or the places of an activation in their order, as
        torch.onnx writes strides."""
        places = indices.ndim > 1 and in_order(indices) and node.inputs[0] not in self.constants
        return indices.ndim == 0 or places

    def _place(self, node: Node, layer: Layer) -> str:
        """Puts a layer into the network, and tells where. Layers with one weight are one layer."""
        weight = node.inputs[layer.weight]
        key = (weight, node.op, str(sorted(node.attributes.items()))) if layer.shared else (node.outputs[0],)
        if key in self.made:
            return self.made[key]
        match = WEIGHT.fullmatch(weight)
        around = [path for path in reversed(node.scopes) if NAME.fullmatch(path)]
        word = {"Gemm": "linear", "MatMul": "linear", "Gather": "embedding"}.get(node.op, node.op.lower())
        names = [*([match[1]] if match else []), *around[:1], *(f"{name}.{word}" for name in around[:1])]
        path = next((name for name in names if not self._is_taken(name)), None) or self._free(word)
        above, _, last = path.rpartition(".")
        self.net.scope(above).add_module(last, layer.module)
        self.layers[path] = node.op
        self.made[key] = path
        return path

    def _free(self, name: str) -> str:
        """The name, or one with a number, where the network has nothing yet and nothing around is a layer."""
        number, found = 0, name
        while self._is_taken(found):
            number += 1
            found = f"{name}_{number}"
        return found

    def _is_taken(self, name: str) -> bool:
        if name in self.scopes or any(name.startswith(f"{layer}.") for layer in self.layers):
            return True
        above, _, last = name.rpartition(".")
        home = self.net.scope(above)
        return hasattr(home, last)


def _either(function: Callable[..., Any], reference: Callable[..., Any]) -> Callable[..., Any]:
    """What runs a node: numbers are computed of numbers, as those of shapes."""

    def run(*given: Any, **settings: Any) -> Any:
        if given and not any(isinstance(x, Tensor) for x in given):
            return reference(*[x for x in given if x is not None])
        return function(*given, **settings)

    return run


def _word(name: str) -> str:
    """A name as a module of torch's may have it."""
    return re.sub(r"\.{2,}", ".", re.sub(r"[^\w.]", "_", name)).strip(".") or "x"


def _computed(op: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Unsayable(f"`{op}` with weights that are computed, or settings that torch's has not")

    return refuse


def _refuse_type(path: Path, what: str, number: int, known: Collection[int]) -> None:
    """Raises ArchError (E1208) for numbers of a type that no network of archc has."""
    from onnx import TensorProto

    word = TensorProto.DataType.Name(number).lower()
    if number not in known:
        hints = ["export the module in single precision, after `module.float()`"] if "float" in word else []
        raise unreadable(path, f"its {what} is of type {word}, which no network of archc has", *hints)


def _declared(path: Path, entry: Any) -> tuple[torch.dtype, list[int | str]]:
    kind = entry.type.tensor_type
    _refuse_type(path, f"input `{entry.name}`", kind.elem_type, CASTS)
    if not kind.HasField("shape"):
        raise unreadable(path, f"it does not say how many axes its input `{entry.name}` has")
    sizes: list[int | str] = []
    for axis, dim in enumerate(kind.shape.dim):
        sizes.append(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or f"{entry.name}_{axis}")
    return CASTS[kind.elem_type], sizes
