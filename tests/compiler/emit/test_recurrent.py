"""Recurrent layers are torch's: names, outputs, states, gradients, in every form that is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.compiler.emit.export import to_onnx, to_pt2

FORMS = [
    ("rnn(6)", nn.RNN, {}),
    ('rnn(6, activation = "relu", layers = 2)', nn.RNN, {"nonlinearity": "relu", "num_layers": 2}),
    ("gru(6)", nn.GRU, {}),
    ("gru(6, bias = false, both = true)", nn.GRU, {"bias": False, "bidirectional": True}),
    ("lstm(6)", nn.LSTM, {}),
    ("lstm(6, layers = 2, both = true)", nn.LSTM, {"num_layers": 2, "bidirectional": True}),
    ("lstm(6, layers = 2, dropout = 0.5)", nn.LSTM, {"num_layers": 2, "dropout": 0.5}),
    ("lstm(6, projection = 3, layers = 2)", nn.LSTM, {"proj_size": 3, "num_layers": 2}),
]


def spec(call: str, states: str = "") -> str:
    given = f", {states}" if states else ""
    return f"arch A {{ input x: tokens [N, T, 4] = [1, 5, 4]{given}\n output x -> cell: {call} }}"


def pair(text: str, cls: type[nn.RNNBase], settings: dict[str, Any]) -> tuple[Any, nn.RNNBase]:
    module, peer = archc.loads(text).module(seed=0), cls(4, 6, batch_first=True, **settings)
    names = [f"cell.{name}" for name in peer.state_dict()]
    assert list(module.state_dict()) == names
    peer.load_state_dict({name.removeprefix("cell."): tensor for name, tensor in module.state_dict().items()})
    return module, peer


def assert_equal(ours: Any, theirs: Any) -> None:
    ours, theirs = (v if isinstance(v, tuple) else (v,) for v in (ours, theirs))
    assert len(ours) == len(theirs) and all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(("call", "cls", "settings"), FORMS)
@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 2, 4), (2, 1, 4)])
def test_sequences_are_torchs(call: str, cls: type[nn.RNNBase], settings: dict[str, Any], shape: Any) -> None:
    module, peer = pair(spec(call), cls, settings)
    for mode in (False, True):
        module.train(mode), peer.train(mode)
        x, y = (torch.ones(shape).cumsum(1).mul(0.1).requires_grad_() for _ in range(2))
        torch.manual_seed(0)
        ours = module(x)
        torch.manual_seed(0)
        theirs = peer(y)[0]
        assert_equal(ours, theirs)
        ours.square().sum().backward()
        theirs.square().sum().backward()
        assert x.grad is not None and y.grad is not None and torch.equal(x.grad, y.grad)


def swapped(states: Any) -> tuple[Tensor, ...]:
    return tuple(state.transpose(0, 1) for state in (states if isinstance(states, tuple) else (states,)))


@pytest.mark.parametrize(("call", "cls", "settings"), FORMS)
def test_states_come_out_and_go_in(call: str, cls: type[nn.RNNBase], settings: dict[str, Any]) -> None:
    module, peer = pair(spec(f"{call[:-1]}, states = true)"), cls, settings)
    x = torch.randn(3, 5, 4)
    sequence, states = peer.eval()(x)
    assert_equal(module.eval()(x), (sequence, *swapped(states)))
    given = swapped(states)
    inputs = "\n".join(f"input s{i}: tokens [N, {s.shape[1]}, {s.shape[2]}]" for i, s in enumerate(given))
    names = ", ".join(["x", *(f"s{i}" for i in range(len(given)))])
    text = f"arch A {{ input x: tokens [N, T, 4] = [1, 5, 4]\n {inputs}\n output ({names}) -> cell: {call} }}"
    module, other = pair(text, cls, settings)
    assert_equal(module.eval()(x, *given), other.eval()(x, states)[0])


@pytest.mark.parametrize(("call", "cls", "settings"), FORMS)
@pytest.mark.parametrize("states", [False, True])
def test_they_are_written_and_read(
    archc: Any, tmp_path: Path, call: str, cls: type[nn.RNNBase], settings: dict[str, Any], states: bool
) -> None:
    (tmp_path / "a.arch").write_text(spec(f"{call[:-1]}, states = true)" if states else call))
    for emit in ("py", "arch", "json"):
        result = archc("compile", tmp_path / "a.arch", "-o", tmp_path / f"b.{emit}", "--device", "cpu")
        assert result.status == 0, result.err


@pytest.mark.parametrize(
    ("body", "emit"),
    [
        ("gru(4)", "pt2"),
        ("gru(4)", "onnx"),
        ("lstm(4, both = true)", "pt2"),
        ("lstm(4, both = true)", "onnx"),
        ("(id, id, id) -> sdpa(2) -> gru(4)", "pt2"),
        ("(id, id, id) -> sdpa(2) -> gru(4)", "onnx"),
        ("gru(4) -> attention(2)", "pt2"),
        pytest.param("gru(4) -> attention(2)", "onnx", marks=pytest.mark.slow),
    ],
)
def test_files_take_every_number_of_tokens(tmp_path: Path, body: str, emit: str) -> None:
    net = archc.loads(f"arch A {{ input x: tokens [N, T, 4] = [2, 12, 4]\n output x -> {body} }}")
    module, path = net.module(seed=0).eval(), tmp_path / f"a.{emit}"
    (to_pt2 if emit == "pt2" else to_onnx)(module, net.ir, path)
    run: Any
    if emit == "pt2":
        run = torch.export.load(path).module()
    else:
        session = pytest.importorskip("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])

        def run(x: Tensor) -> Tensor:
            return torch.as_tensor(session.run(None, {"x": x.numpy()})[0])

    for shape in ((2, 12, 4), (1, 1, 4), (5, 1, 4), (1, 30, 4)):
        x = torch.randn(shape)
        torch.testing.assert_close(run(x), module(x))


def test_torch_exports_as_before_after_an_export_of_archc(tmp_path: Path) -> None:
    """What torch registers for recurrent layers is back."""
    ops = [getattr(torch.ops.aten, name).input for name in ("gru", "lstm", "rnn_tanh", "rnn_relu")]
    before = [dict(op.py_kernels) for op in ops]
    net = archc.loads(spec("gru(6)"))
    to_pt2(net.module(seed=0), net.ir, tmp_path / "a.pt2")
    assert [dict(op.py_kernels) for op in ops] == before


@pytest.mark.parametrize("call", ["rnn(6)", "lstm(6, projection = 3)"])
def test_onnx_files_of_some_need_a_fixed_length(archc: Any, tmp_path: Path, call: str) -> None:
    (tmp_path / "a.arch").write_text(spec(call))
    result = archc("compile", tmp_path / "a.arch", "-o", tmp_path / "b.onnx", "--device", "cpu")
    assert result.status == 1 and "[E0821]" in result.err and "a fixed number of tokens" in result.err
    (tmp_path / "a.arch").write_text(spec(call).replace("[N, T, 4] = [1, 5, 4]", "[N, 5, 4]"))
    result = archc("compile", tmp_path / "a.arch", "-o", tmp_path / "b.onnx", "--device", "cpu")
    assert result.status == 0, result.err


def test_figures() -> None:
    net = archc.loads(spec("lstm(6, layers = 2, both = true)"))
    peer = nn.LSTM(4, 6, num_layers=2, bidirectional=True)
    stats = net.stats()
    assert stats.parameters == sum(p.numel() for p in peer.parameters())
    assert stats.multiply_adds == 5 * sum(w.numel() for name, w in peer.named_parameters() if "weight" in name)
    assert stats.depth == 2


def test_a_state_sees_all_tokens_and_a_token_those_before() -> None:
    sees = {both: archc.loads(spec(f"gru(6, both = {both})")).receptive_field() for both in ("true", "false")}
    assert all(field.unknown is None for field in sees.values())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("input x: [N, 4, 5, 5]\n output x -> lstm(6)", "E0401"),
        ("input x: tokens [N, 5, 4]\n output x -> lstm(6, projection = 6)", "E0412"),
        ("input x: tokens [N, 5, 4]\n output (x, x) -> lstm(6)", "E0301"),
        ("input x: tokens [N, 5, 4]\n output (x, x) -> gru(6)", "E0405"),
        ("input x: tokens [N, 5, 4]\n output x -> gru(6, states = true) -> relu", "E0301"),
        ("input x: tokens [N, 5, 4]\n output x -> GRU(6)", "E0201"),
    ],
)
def test_refusals(body: str, code: str) -> None:
    found = archc.check(text=f"arch A {{ {body} }}")
    assert [d.code for d in found] == [code]
    assert code != "E0201" or "`gru`" in found[0].hints[0]
