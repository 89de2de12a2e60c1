"""Networks in `.pt2` and `.onnx` files. The oracles are the module that was exported, and onnxruntime."""

from __future__ import annotations

import io
import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archc as package

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402


class Unit(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.Hardswish()
        self.drop = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.act(self.bn(self.conv(x))))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.body = nn.Sequential(Unit(8), Unit(8))
        self.head = nn.Linear(8, 5)
        for name, tensor in self.named_parameters():
            nn.init.normal_(tensor, 1.0 if name.endswith("bn.weight") else 0.0, 0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.body(self.stem(x)), 2)
        return self.head(x.mean((2, 3)))


class Tokens(nn.Module):
    """What ONNX has operators for with numbers as inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.scale = nn.Parameter(torch.randn(8))

    def forward(self, t: Tensor) -> Tensor:
        x = self.norm(self.words(t))
        q, k, v = self.qkv(x).chunk(3, -1)
        y = (q @ k.transpose(1, 2) / 3).softmax(-1) @ v
        return torch.cat([F.gelu(y) * self.scale, x[:, :, 2:5].clamp(-1, 1)], -1)


def sources() -> dict[str, tuple[nn.Module, Tensor]]:
    torch.manual_seed(0)
    return {
        "net": (Net().eval(), torch.randn(2, 3, 16, 16)),
        "tokens": (Tokens().eval(), torch.arange(12).view(2, 6) % 11),
    }


def agrees(
    source: nn.Module, net: package.Architecture, x: Tensor, share: float = 0.0, modes: Any = (False, True)
) -> None:
    made = net.module()
    made.load_state_dict(source.state_dict())
    for mode in modes:
        results = []
        for module in (source, made):
            module.train(mode)
            torch.manual_seed(1)
            results.append(module(x).detach())
        assert (results[0] - results[1]).abs().max() <= share * results[0].abs().max()
    source.eval()


@pytest.mark.parametrize("core", [False, True])
@pytest.mark.parametrize("name", ["net", "tokens"])
def test_an_exported_program_is_the_module(name: str, core: bool, tmp_path: Path) -> None:
    source, x = sources()[name]
    program = torch.export.export(source, (x,))
    torch.export.save(program.run_decompositions() if core else program, tmp_path / "net.pt2")
    net = package.load(tmp_path / "net.pt2")
    assert list(net.module().state_dict()) == list(source.state_dict())
    assert net.name == "net" and not net.warnings
    # Dropout is gone after decomposition.
    agrees(source, net, x, modes=(False,) if core else (False, True))
    if name == "net" and not core:
        assert "drop: dropout(0.2))) ** 2" in net.source()


def test_sizes_are_as_open_as_the_file_is(tmp_path: Path) -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(2, 3, -1).relu()

    torch.export.save(torch.export.export(Fixed(), (torch.randn(2, 3, 4, 4),)), tmp_path / "a.pt2")
    batch = ({0: torch.export.Dim("b")},)
    conv = nn.Sequential(nn.Conv2d(3, 4, 3))
    open_ = torch.export.export(conv, (torch.randn(2, 3, 9, 9),), dynamic_shapes=batch)
    torch.export.save(open_, tmp_path / "b.pt2")
    assert list(map(str, package.load(tmp_path / "a.pt2").ir.inputs[0].type.dims)) == ["2", "3", "4", "4"]
    assert str(package.load(tmp_path / "b.pt2").ir.inputs[0].type.dims[0]) == "N"


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", ["net", "tokens"])
def test_what_torch_writes_as_onnx_is_the_module(name: str, dynamo: bool, tmp_path: Path) -> None:
    source, x = sources()[name]
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(source, (x,), str(path), dynamo=dynamo, **({"verbose": False} if dynamo else {}))
    net = package.from_onnx(path)
    text = net.source()
    if name == "net":  # its norms are folded into the convolutions
        assert "stem: conv(8, 3, 2" in text and "head: linear(5" in text and "hardswish" in text
    else:
        agrees(source, net, x, 1e-6)
        assert "embedding(11, 8)" in text and "ln" in text


HEAD = """arch A {
  input x: [N, 3, 8, 8]
  h = x -> conv: conv(4, 3) -> gap
  output logits = h -> fc: linear(2)
  output aux = h -> head: [linear(4), bn, linear(2)] when training
}"""
TOWERS = """arch A {
  input x: [N, 3, 8, 8]
  input y: [N, 3, 8, 8]
  shared tower = [conv(4, 3), bn, relu, gap, linear(2)]
  output (x -> a: tower) - (y -> b: tower)
}"""


@pytest.mark.parametrize(("text", "lost"), [(HEAD, 1), (TOWERS, 0)], ids=["a head for training", "two names"])
def test_exported_programs_of_archc_come_back(text: str, lost: int, tmp_path: Path, archc: Callable[..., Any]) -> None:
    spec, file = tmp_path / "net.arch", tmp_path / "net.pt2"
    spec.write_text(text)
    assert archc("compile", spec, "-o", file).status == 0
    module, again = package.load(spec).module(seed=0).eval(), package.load(file).module().eval()
    left = set(module.state_dict()) - set(again.state_dict())
    assert {name.split(".")[0] for name in left} == ({"head"} if lost else set())
    again.load_state_dict(module.state_dict(), strict=not lost)
    x = torch.randn(2, 2, 3, 8, 8)[: text.count("input")]
    made = module(*x)
    assert torch.equal(made["logits"] if lost else made, again(*x))


@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
def test_parts_may_have_any_names(suffix: str, tmp_path: Path, archc: Callable[..., Any]) -> None:
    names = ("scope", "steps", "inputs", "hold", "returns", "run", "_stem")
    parts = " -> ".join(f"{name}: conv(3, 3)" for name in names)
    spec, file, again = (tmp_path / f"net.{end}" for end in ("arch", suffix, "py"))
    spec.write_text(f"arch A {{ input x: [N, 3, 8, 8]   output x -> {parts} }}")
    assert archc("compile", spec, "-o", file).status == 0
    assert archc("compile", file, "-o", again).status == 0
    assert [*package.load(file).module().state_dict()] == [f"{name}.weight" for name in names]


def test_what_archc_writes_as_onnx_comes_back(tmp_path: Path, archc: Callable[..., Any]) -> None:
    (tmp_path / "net.arch").write_text(
        "arch Net { input x: [N, 3, H, W] = [1, 3, 20, 24]\n"
        "output x -> conv1: conv(8, 3, 2) -> bn -> relu -> [maxpool(2), conv(8, 3), sigmoid] -> gap -> linear(4) }"
    )
    path = tmp_path / "net.onnx"
    assert archc("compile", str(tmp_path / "net.arch"), "-o", str(path)).status == 0
    net = package.from_onnx(path)
    assert "= [1, 3, 20, 24]" in net.source() and "conv1: conv(8, 3, 2" in net.source()
    assert archc("compile", str(path), "-o", str(tmp_path / "net.py")).status == 0


@pytest.mark.parametrize(("form", "usual", "other"), [("8 * h", 16, 24), ("2 * h + 1", 17, 23), ("H", 16, 19)])
def test_onnx_files_of_declared_sizes_come_back(
    form: str, usual: int, other: int, tmp_path: Path, archc: Callable[..., Any]
) -> None:
    body = "output x -> a: conv(8, 3) -> b: conv(8, 3, 2)"
    text = f"arch net {{ input x: [N, 3, {form}, 8 * w] = [1, 3, {usual}, 16]\n{body} }}"
    (tmp_path / "net.arch").write_text(text)
    assert archc("compile", tmp_path / "net.arch", "-o", tmp_path / "net.onnx").status == 0
    again, whole = package.load(tmp_path / "net.onnx"), package.load(tmp_path / "net.arch")
    assert again.ir.inputs[0].nominal == whole.ir.inputs[0].nominal
    module, x = whole.module(seed=0), torch.randn(2, 3, other, 24)
    assert torch.equal(again.module(weights=module.state_dict())(x), module(x))


OPERATORS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "HardSigmoid": ([], {"alpha": 0.25}),
    "LeakyRelu": ([], {"alpha": 0.2}),
    "Clip": ([0.0, 6.0], {}),
    "Pad": ([[0, 0, 1, 0, 0, 0, 2, 3]], {}),
    "ReduceMean": ([[2, 3]], {"keepdims": 1}),
    "ReduceSum": ([[1]], {"keepdims": 0}),
    "Resize": ([None, [1.0, 1.0, 2.0, 2.0]], {"mode": "linear"}),
    "DepthToSpace": ([], {"blocksize": 2, "mode": "CRD"}),
    "AveragePool": ([], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    "MaxPool": ([], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}),
    "Slice": ([[1], [3], [2]], {}),
    "Softmax": ([], {"axis": 1}),
    "Transpose": ([], {"perm": [0, 3, 1, 2]}),
    "CumSum": ([2], {}),
    "GlobalMaxPool": ([], {}),
    "Elu": ([], {"alpha": 0.5}),
    "Gather": ([1], {"axis": 2}),
}
"""Operators on a map [2, 4, 6, 6]: what follows the tensor, and the attributes."""


@pytest.mark.parametrize("op", OPERATORS)
def test_operators_compute_what_onnxruntime_does(op: str, tmp_path: Path) -> None:
    more, attributes = OPERATORS[op]
    constants = []
    for place, value in enumerate(more):
        numbers = value if isinstance(value, list) else [value]
        kind = TensorProto.FLOAT if isinstance(numbers[0], float) else TensorProto.INT64
        if value is not None:
            shape = [len(numbers)] if isinstance(value, list) else []
            constants.append(helper.make_tensor(f"c{place}", kind, shape, numbers))
    names = ["" if value is None else f"c{place}" for place, value in enumerate(more)]
    write(tmp_path / "net.onnx", [helper.make_node(op, ["x", *names], ["y"], **attributes)], constants, [2, 4, 6, 6])
    assert package.load(tmp_path / "net.onnx").ir.outputs


def write(path: Path, nodes: list[Any], constants: list[Any], shape: list[Any], opset: int = 20) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    if opset < 100:
        model = onnx.shape_inference.infer_shapes(model)
    path.write_bytes(model.SerializeToString())


def refusal(path: Path, code: str, *words: str) -> None:
    with pytest.raises(package.ArchError) as error:
        package.load(path)
    (found,) = error.value.diagnostics
    assert found.code == code and all(word in found.message for word in words), found.message


@pytest.fixture(params=["this torch", "torch 2.7", "torch 2.8"])
def pt2(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An exported program, in the layout of a version of torch: until 2.8 its tensors are checkpoints."""
    path = tmp_path / "net.pt2"
    source = nn.Sequential(nn.Linear(4, 4))
    torch.export.save(torch.export.export(source, (torch.randn(2, 4),)), path)
    if request.param != "this torch":
        with zipfile.ZipFile(path) as archive:
            model = next(archive.read(name) for name in archive.namelist() if is_graph(name))
        state, constants = (saved(held) for held in (source.state_dict(), {}))
        if request.param == "torch 2.7":
            files = {"serialized_exported_program.json": model, "serialized_state_dict.pt": state}
            files |= {"serialized_constants.pt": b"", "version": b"8.2"}
        else:
            files = {"models/model.json": model, "data/weights/model.pt": state, "data/constants/model.pt": constants}
            files = {f"net/{name}": data for name, data in {**files, "archive_format": b"pt2"}.items()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    agrees(source, package.load(path), torch.randn(2, 4))
    return path


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def is_graph(name: str) -> bool:
    return name.endswith(("model.json", "serialized_exported_program.json"))


def holds_tensors(name: str) -> bool:
    return "weight_" in name or is_checkpoint(name)


def is_checkpoint(name: str) -> bool:
    return name.endswith(("serialized_state_dict.pt", "weights/model.pt"))


def in_checkpoints(path: Path) -> bool:
    """Whether an exported program has its tensors in checkpoints."""
    with zipfile.ZipFile(path) as archive:
        return any(map(is_checkpoint, archive.namelist()))


def changed(path: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """The archive with each of its files changed."""
    with zipfile.ZipFile(path) as archive:
        files = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("boom",)


def test_pickles_in_exported_programs_are_never_loaded(
    pt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bomb = saved(Bomb())

    def change(name: str, data: bytes) -> bytes:
        if name.endswith("weights_config.json"):
            return data.replace(b'"use_pickle": false', b'"use_pickle": true').replace(
                b'"use_pickle":false', b'"use_pickle":true'
            )
        return bomb if holds_tensors(name) or "sample_inputs" in name else data

    refusal(changed(pt2, change), *(("E0810", "weights") if in_checkpoints(pt2) else ("E1208", "run code")))
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize(
    "target", ["torch.ops.aten.from_file.default", "os.system", "torch.ops.aten.relu.nothing", "_operator.methodcaller"]
)
def test_functions_of_exported_programs_are_known_or_listed(pt2: Path, target: str) -> None:
    def change(name: str, data: bytes) -> bytes:
        return data.replace(b"torch.ops.aten.linear.default", target.encode()) if is_graph(name) else data

    refusal(changed(pt2, change), "E1204", "in `0`")


def test_bad_exported_programs_are_refused(pt2: Path) -> None:
    whole = pt2.read_bytes()
    pt2.write_bytes(whole[: len(whole) // 2])
    refusal(pt2, "E1208", "truncated")
    pt2.write_bytes(whole)
    fewer = ("E0810", "truncated") if in_checkpoints(pt2) else ("E1208", "fewer numbers")
    refusal(changed(pt2, lambda name, data: data[:8] if holds_tensors(name) else data), *fewer)
    pt2.write_bytes(whole)

    def newer(name: str, data: bytes) -> bytes:
        if not is_graph(name):
            return data
        about = json.loads(data)
        about["schema_version"]["major"] = 99
        return json.dumps(about).encode()

    refusal(changed(pt2, newer), "E1208", "version 99")
    pt2.write_bytes(whole)
    many = b" " * 30_000_000
    refusal(changed(pt2, lambda n, d: many if is_graph(n) else d, zipfile.ZIP_DEFLATED), "E1208", "bytes")
    pt2.write_bytes(whole)
    deep = b'{"graph_module":' + b"[" * 100_000
    refusal(changed(pt2, lambda n, d: deep if is_graph(n) else d), "E1208")
    refusal(pt2.with_name("none.pt2"), "E1208", "No such file")


@pytest.mark.parametrize("pt2", ["torch 2.7", "torch 2.8"], indirect=True)
def test_checkpoints_in_exported_programs_are_held_to_what_they_declare(pt2: Path) -> None:
    whole = pt2.read_bytes()
    evil = pickle.dumps(Bomb())
    with zipfile.ZipFile(pt2) as archive:
        name = next(name for name in archive.namelist() if is_checkpoint(name))
        state = io.BytesIO(archive.read(name))
    refusal(changed(pt2, lambda n, d: evil if is_checkpoint(n) else d), "E0810", name.removeprefix("net/"))
    assert not Path("boom").exists()
    pt2.write_bytes(whole)
    packed = io.BytesIO()
    with zipfile.ZipFile(state) as archive, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as again:
        for name in archive.namelist():
            again.writestr(name, archive.read(name))
    refusal(changed(pt2, lambda n, d: packed.getvalue() if is_checkpoint(n) else d), "E0810", "compressed")


def test_bad_onnx_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    relu = helper.make_node("Relu", ["x"], ["y"])
    write(path, [relu], [], [2, 4])
    path.write_bytes(path.read_bytes()[:-7])
    refusal(path, "E1208", "truncated")
    write(path, [relu], [], [2, 4], opset=999)
    refusal(path, "E1208", "opset 999")
    write(path, [helper.make_node("Hardmax", ["x"], ["z"]), helper.make_node("Shrink", ["z"], ["y"])], [], [4, 4])
    refusal(path, "E1204", "`Hardmax`", "`Shrink`")
    write(path, [relu], [], ["n", 3, "h", "w"])
    refusal(path, "E1202", "[n, 3, h, w]")
    assert package.from_onnx(path, (1, 3, 8, 8)).ir.inputs[0].nominal == (1, 3, 8, 8)
    with pytest.raises(package.ArchError, match="E1202"):
        package.load(path, width=3)


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "link.bin"])
def test_external_data_stays_in_the_folder(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(64))
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    path = folder / "net.onnx"
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 4], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    write(path, [node], [weight], [2, 4])
    refusal(path, "E1208", "another folder")
    weight.external_data[0].value = "own.bin"
    (folder / "own.bin").write_bytes(torch.randn(16).numpy().tobytes())
    write(path, [node], [weight], [2, 4])
    assert "linear(4, bias = false)" in package.load(path).source()
    (folder / "own.bin").write_bytes(bytes(60))
    refusal(path, "E1208")
