"""Parts left out in training, in every form of a network: the same numbers in each, and none at random in eval."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from python_compare import load_source
from torch import Tensor, nn

from archc.api import loads
from archc.compiler.decompile.python.file import class_name, to_python
from archc.compiler.decompile.python.names import RUNTIME
from archc.compiler.emit.export import to_onnx, to_pt2
from archc.compiler.emit.stochastic import CLASSES

ALL = """
block branch(c, p) {
  draw r = choice(2, share = 0.5)
  y = in -> conv(c, 3) -> bn -> survive(p)
  output (in, y) -> drop_mean(0.3, survivor = r)
}
arch Every {
  input x: [N, 3, 4, 4]
  draw column = choice(3, share = 0.5, per = "image")
  stem = x -> conv1: conv(4, 3) -> relu
  a = stem -> a: branch(4, 0.6)
  b = a -> b: (branch(4, 0.7) -> branch(4, 0.8))
  c = (stem, a, b) -> drop_mean(0.15, survivor = column, per = "image") -> survive(0.9, per = "image")
  output (c, (b, c) -> drop_mean(0.15, survivor = column), stem -> conv(4, 3)) -> freeze_drop_path
  output aux = (b, c) -> freeze_drop_path("uniform", cycle = 4) -> gap -> linear(2) when training
}
"""
SHORT = """
arch Short {
  input x: [N, 3, 4, 4]
  draw column = choice(2, share = 0.5, per = "image")
  y = (x, x -> conv(3, 3) -> survive(0.5)) -> drop_mean(0.15, survivor = column, per = "image")
  output (x, y) -> freeze_drop_path -> survive(0.9, per = "image")
  output aux = (x, y) -> freeze_drop_path("uniform", cycle = 4)
}
"""
X = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def every() -> nn.Module:
    return loads(ALL, "Every").module(seed=0)


def tensors(result: Any) -> list[Tensor]:
    return [t for t in result.values() if t is not None]


def runs(module: Any, x: Tensor = X, count: int = 6) -> list[Tensor]:
    """What some forwards give, with the same seed each time."""
    torch.manual_seed(16)
    return [t for _ in range(count) for t in tensors(module(x))]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) > 0 and all(map(torch.equal, a, b))


def test_a_seed_gives_the_same_numbers_in_both_forms_and_in_copies(every: nn.Module) -> None:
    graph = loads(ALL, "Every").ir
    written = load_source(to_python(graph), class_name(graph))()
    assert list(written.state_dict()) == list(every.state_dict())
    written.load_state_dict(every.state_dict())
    others = [written, copy.deepcopy(every), pickle.loads(pickle.dumps(every))]
    others.append(torch.fx.symbolic_trace(copy.deepcopy(every)))
    expected = runs(every)
    assert all(same(runs(other), expected) for other in others)
    assert not same(expected[:1], expected[2:3])
    for module in (every, *others[:-1]):
        module.eval()
        assert same(runs(module, count=1), runs(every, count=1))


def test_a_file_holds_the_classes_that_it_uses_and_its_own_names_stay_apart() -> None:
    assert set(CLASSES) == RUNTIME
    body = "input x: [N, 3, 8, 8] output x -> a: Survive(3) -> b: Survive(3)"
    text = f"block Survive(c) = conv(c, 3) -> bn  arch Choice {{ {body}%s }}"
    bare, used = (loads(text % end, "Choice") for end in ("", " -> survive(0.5)"))
    assert "self.p" not in to_python(bare.ir) and "DropMean" not in to_python(used.ir)
    source = to_python(used.ir)
    assert source.count("class Survive(") == 1 and "archc" not in source.split('"""', 2)[2]
    made, module = load_source(source, class_name(used.ir))(), used.module(seed=0)
    made.load_state_dict(module.state_dict())
    results = []
    for net in (made, module):
        torch.manual_seed(17)
        results.append(torch.cat([net(torch.ones(2, 3, 8, 8)) for _ in range(4)]))
    assert torch.equal(*results)


def compiled(backend: str) -> None:
    torch._dynamo.reset()
    module = loads(SHORT, "Short").module(seed=0)
    other = copy.deepcopy(module)
    fast, slow = runs(torch.compile(other, fullgraph=True, backend=backend)), runs(module)
    torch.testing.assert_close(fast, slow)
    for results in (fast, slow):
        sum(t.sum() for t in results).backward()
    torch.testing.assert_close([p.grad for p in other.parameters()], [p.grad for p in module.parameters()])
    assert other.freeze_drop_path_2.iteration == 6


def test_it_compiles_as_one_graph() -> None:
    compiled("aot_eager")


@pytest.mark.slow
def test_inductor_compiles_it_as_one_graph() -> None:
    import torch._inductor.config as config

    with config.patch(fallback_random=True):
        compiled("inductor")


def test_it_runs_in_every_type_and_without_memory(every: nn.Module) -> None:
    for dtype in (torch.bfloat16, torch.float64):
        results = runs(copy.deepcopy(every).to(dtype), X.to(dtype), 2)
        assert all(t.dtype == dtype and t.isfinite().all() for t in results)
        sum(t.sum() for t in results).backward()
    with torch.autocast("cpu", torch.bfloat16):
        assert all(t.isfinite().all() for t in runs(every, count=2))
    meta = loads(ALL, "Every").module(device="meta")
    assert [t.shape for t in runs(meta, X.to("meta"), 1)] == [(5, 4, 4, 4), (5, 2)]


def test_every_parameter_gets_a_gradient_so_that_ddp_does_not_wait(every: nn.Module, tmp_path: Path) -> None:
    """What is left out has a gradient of zero rather than none."""
    dist = torch.distributed
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("no gloo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(every)
        for _ in range(4):
            every.zero_grad()
            sum(t.sum() for t in tensors(wrapped(X))).backward()
            assert all(p.grad is not None for p in every.parameters())
    finally:
        dist.destroy_process_group()


def test_exports_hold_no_randomness(tmp_path: Path) -> None:
    arch = loads(SHORT, "Short")
    graph, module = arch.ir, arch.module(seed=0)
    to_pt2(copy.deepcopy(module), graph, tmp_path / "net.pt2")
    program = torch.export.load(tmp_path / "net.pt2")
    drawn = ("rand", "bernoulli", "uniform", "normal")
    assert not [n for n in program.graph.nodes if any(word in str(n.target) for word in drawn)]
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert to_onnx(module, graph, tmp_path / "net.onnx").difference < 1e-4
    operators = {node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node}
    assert not [o for o in operators if o.startswith(("Random", "Bernoulli", "Dropout", "Multinomial"))]


def test_a_part_can_be_stopped_and_watched_alone() -> None:
    arch = loads("arch Net { input x: [N, 3] output x -> first: survive(0) -> (id + survive(0)) }", "Net")
    module, x, seen = arch.module(), torch.randn(2, 3), []
    module.first.eval()
    module.survive.register_forward_hook(lambda part, arguments, result: seen.append(result))
    assert torch.equal(module(x), x) and not seen[0].any()
    assert repr(module.first) == "Survive(p=0.0, per=batch)"
