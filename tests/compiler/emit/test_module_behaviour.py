"""A compiled module takes what users do to modules: hooks, swaps, wrappers, traces, copies, transforms."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import sys
from typing import Any

import pytest
import torch
import torch.ao.quantization as quantization
from module_steps import callable_paths, close, equal, inputs_of, loss, run, step, tensors
from small_nets import distinct, small, small_sizes
from torch import fx, nn
from torch._dynamo.testing import CompileCounter
from torch.ao.quantization.quantize_fx import prepare_fx, prepare_qat_fx
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing
from torch.func import functional_call, grad, jacrev, vmap
from torch.fx.experimental.optimization import fuse
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils import parametrizations, prune
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

import archc
from archc.compiler.emit.modules import ArchModule

UNIT = "block unit(c) = id + (conv1: conv(c, 3) -> bn1: bn -> relu) -> relu\n"
SPECS = {
    "plain": UNIT
    + """arch A { input x: [N, 3, H, W] = [1, 3, 16, 16]
      output x -> stem: conv(8, 3) -> layer1: [unit(8), unit(8)] -> layer2: (conv(8, 3) -> relu) -> gap -> fc: linear(3)
    }""",
    "only when training": UNIT
    + """arch A { input x: [N, 3, H, W] = [1, 3, 16, 16]
      h = x -> stem: conv(8, 3) -> layer1: [unit(8), unit(8)]
      output main = h -> layer2: (conv(8, 3) -> relu) -> gap -> fc: linear(3)
      output aux = h -> aux: (conv(4, 1) -> bn -> gap -> linear(3)) when training
    }""",
    "recomputed": UNIT
    + """arch A { input x: [N, 3, H, W] = [1, 3, 16, 16]
      output x -> stem: conv(8, 3) -> layer1: [recompute(unit(8)), unit(8)]
        -> recompute(layer2: (conv(8, 3) -> dropout(0.3) -> relu)) -> recompute(conv(8, 1) -> bn -> relu)
        -> gap -> fc: linear(3)
    }""",
    "two inputs": """block cbr(c) = conv(c, 3) -> bn -> relu
    block up(c)(x, side) { output (x -> upsample(scale = 2), side) -> concat -> conv: cbr(c) }
    arch U { input x: [N, 3, H, W] = [1, 3, 16, 16]
      a = x -> d1: cbr(4)   b = a -> maxpool(2) -> d2: cbr(8)
      output (b, a) -> u1: up(4) -> head: conv(2, 1)
    }""",
    "own parameters": """block scaled() { param s = ones([1, in.channels, 1, 1])  output s * in -> relu }
    arch A { input x: [N, 3, H, W] = [1, 3, 16, 16]
      output x -> a: scaled() -> conv: conv(6, 3) -> b: scaled() -> ln: ln -> c: conv(6, 1)
    }""",
    "left out at random": UNIT.replace("relu)", "relu -> survive(0.8))")
    + """arch A { input x: [N, 3, H, W] = [1, 3, 16, 16]
      output x -> stem: conv(8, 3) -> layer1: [unit(8), unit(8), unit(8)] -> dropout(0.2)
        -> (a: conv(4, 3), b: conv(4, 1)) -> freeze_drop_path(cycle = 5) -> (id, c: conv(4, 3)) -> drop_mean(0.3)
        -> gap -> fc: linear(3)
    }""",
    "shared": """arch A { input x: [N, 3, H, W] = [1, 3, 16, 16]
      shared cell = conv: conv(4, 3) -> relu
      output x -> stem: conv(4, 3) -> cell -> bn -> cell -> gap -> fc: linear(3)
    }""",
    "dense": """block first(k) = concat -> bn1: bn -> relu -> conv1: conv(2 * k, 1)
    block layer(k)(*xs) = recompute(first(k)) -> bn2: bn -> conv2: conv(k, 3)
    block dense(n, k)(x) {
      features = x
      for i in 1..n { features = (features, layer{i}: layer(k)(features)) }
      output features -> concat
    }
    arch A { input x: [N, 3, H, W] = [1, 3, 16, 16]
      output x -> conv0: conv(8, 3) -> dense: dense(3, 4) -> gap -> fc: linear(10)
    }""",
}


@pytest.fixture(params=list(SPECS))
def net(request: Any) -> archc.Architecture:
    return archc.loads(SPECS[request.param])


def detached(value: Any) -> Any:
    return value.detach() if isinstance(value, torch.Tensor) else value


def hooked(net: archc.Architecture, module: nn.Module) -> dict[str, list[tuple[str, Any]]]:
    """What hooks on every scope that can be called see, by the scope's path.

    The tensors are detached: a hook that keeps one with its gradient keeps the module alive, beyond what Python can
    collect.
    """
    seen: dict[str, list[tuple[str, Any]]] = {path: [] for path in callable_paths(net)}

    def keep(events: list[tuple[str, Any]], kind: str) -> Any:
        def hook(_: nn.Module, *seen: Any) -> None:
            events.append((kind, fx.node.map_aggregate(seen, detached)))

        return hook

    for path, events in seen.items():
        scope = module.get_submodule(path)
        scope.register_forward_pre_hook(keep(events, "before"))
        scope.register_forward_hook(keep(events, "after"))
        scope.register_full_backward_hook(keep(events, "backward"))
    return seen


def test_hooks_fire_on_every_scope_that_can_be_called(net: archc.Architecture):
    module = net.module(seed=0)
    expected = step(copy.deepcopy(module), inputs_of(net))
    seen = hooked(net, module)
    assert equal(step(module, inputs_of(net)), expected)
    assert seen and all({kind for kind, _ in events} == {"before", "after", "backward"} for events in seen.values())


def test_a_scope_computes_its_part(net: archc.Architecture):
    module = net.module(seed=0).eval()
    seen = hooked(net, module)
    run(module, inputs_of(net))
    module = copy.deepcopy(module)
    ran = {path: dict(events)["after"] for path, events in seen.items() if events}
    assert ran
    for path, (inputs, output) in ran.items():
        assert equal(module.get_submodule(path)(*inputs), output)


def test_what_is_put_in_place_of_a_scope_or_layer_is_what_runs(net: archc.Architecture):
    class Doubled(nn.Module):
        def __init__(self, inner: nn.Module):
            super().__init__()
            self.inner = inner

        def forward(self, *inputs: Any) -> Any:
            output = self.inner(*inputs)
            return 2 * output if isinstance(output, torch.Tensor) else tuple([2 * part for part in output])

    layers = [path for path, layer in net.module().named_modules() if isinstance(layer, nn.Conv2d)]
    for path in [*callable_paths(net), *layers]:
        if path.startswith("aux"):
            continue
        module = net.module(seed=0)
        before = run(module.eval(), inputs_of(net))
        parent, _, name = path.rpartition(".")
        holder = module.get_submodule(parent)
        new = Doubled(module.get_submodule(path))
        if name.isdigit() and isinstance(holder, nn.Sequential):
            holder[int(name)] = new
        else:
            setattr(holder, name, new)
        assert not equal(run(module, inputs_of(net)), before), path
        step(module, inputs_of(net))
        assert any(p.grad is not None for p in new.parameters()), path


def test_rows_are_sliced_and_shortened():
    module = archc.loads(SPECS["plain"]).module(seed=0).eval()
    h = torch.randn(2, 8, 16, 16)
    assert torch.equal(module.layer1[:1](h), module.layer1[0](h))
    expected = module.layer1[1](h)
    del module.layer1[0]
    assert torch.equal(module.layer1(h), expected)


def test_tracing_gives_the_flat_graph(net: archc.Architecture):
    for training in (True, False):
        module = net.module(seed=0).train(training)
        flat = fx.symbolic_trace(copy.deepcopy(module)).train(training)
        assert equal(run(flat, inputs_of(net)), run(module, inputs_of(net)))
        called = [flat.get_submodule(str(node.target)) for node in flat.graph.nodes if node.op == "call_module"]
        assert called and not any(isinstance(layer, nn.Sequential | fx.GraphModule) for layer in called)


def test_passes_of_fx(net: archc.Architecture):
    module, inputs = net.module(seed=0).eval(), inputs_of(net)
    expected = run(module, inputs)
    assert equal(tensors(fx.Interpreter(module).run(*inputs)), expected)
    ShapeProp(module).propagate(*inputs)
    names = get_graph_node_names(module)[1]
    extracted = create_feature_extractor(copy.deepcopy(module), {names[1]: "first", names[-2]: "last"})
    assert set(extracted(*inputs)) == {"first", "last"}
    if net.ir.root.children.get("cell") is None:  # torch's fuse takes a shared convolution for one that is used once
        assert close(run(fuse(copy.deepcopy(module)), inputs), expected)
    prepare_fx(module, quantization.get_default_qconfig_mapping("x86"), tuple(inputs))(*inputs)


def test_quantisation_in_training(net: archc.Architecture):
    inputs = inputs_of(net)
    mapping = quantization.get_default_qat_qconfig_mapping("x86")
    prepare_qat_fx(net.module(seed=0).train(), mapping, tuple(inputs))(*inputs)


@pytest.mark.filterwarnings("ignore:Was not able to save")
def test_to_folder(net: archc.Architecture, tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    module, name = net.module(seed=0), f"written_{len(sys.modules)}"
    module.to_folder(tmp_path / name, "Written")
    monkeypatch.syspath_prepend(tmp_path)
    written = importlib.import_module(name).Written()
    for training in (True, False):
        written.train(training)
        module.train(training)
        assert equal(run(written, inputs_of(net)), run(module, inputs_of(net)))


def test_graphs_are_edited_in_either_mode(net: archc.Architecture):
    for training in (True, False):
        expected = {mode: run(net.module(seed=0).train(mode), inputs_of(net)) for mode in (True, False)}
        module = net.module(seed=0).train(training)
        output = next(node for node in reversed(module.graph.nodes) if node.op == "output")
        result = output.all_input_nodes[0]
        with module.graph.inserting_after(result):
            doubled = module.graph.call_function(torch.mul, (result, 2))
        output.replace_input_with(result, doubled)
        module.recompile()
        module.graph.lint()
        both = module.train(not training).graph is module.train(training).graph
        for mode in (training, not training):
            factor = 2 if both or mode is training else 1
            assert equal(run(copy.deepcopy(module).train(mode), inputs_of(net))[0], factor * expected[mode][0])


def test_unused_modules_are_those_that_neither_mode_uses(net: archc.Architecture):
    for training in (True, False):
        module = net.module(seed=0).train(training)
        names = list(module.state_dict())
        module.add_module("unused", nn.Linear(1, 1))
        module.delete_all_unused_submodules()
        assert list(module.state_dict()) == names and not hasattr(module, "unused")
        step(module, inputs_of(net))


def test_copies_are_the_same_bit_for_bit(net: archc.Architecture):
    module, inputs = net.module(seed=0), inputs_of(net)
    module.note = "kept"  # type: ignore[assignment]
    step(module, inputs)
    stored = io.BytesIO()
    torch.save(module, stored)
    stored.seek(0)
    copies = copy.deepcopy(module), pickle.loads(pickle.dumps(module)), torch.load(stored, weights_only=False)
    evaluated = run(copy.deepcopy(module).eval(), inputs)
    trained = step(module, inputs)
    for other in copies:
        assert isinstance(other, ArchModule) and other.note == "kept"
        assert repr(other).splitlines()[:-1] == repr(module).splitlines()[:-1]
        assert equal(run(copy.deepcopy(other).eval(), inputs), evaluated)
        assert equal(step(other, inputs), trained)


def test_sizes_in_slices_survive_pickling():
    net = archc.loads("arch A { input x: [N, 1, H, W] = [1, 1, 20, 20]  output x -> crop(size = 5) }")
    module, x = net.module(), torch.randn(2, 1, 21, 23)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), module(x))


def test_edited_graphs_are_pickled_too():
    module = archc.loads(SPECS["plain"]).module(seed=0).eval()
    output = next(node for node in reversed(module.graph.nodes) if node.op == "output")
    with module.graph.inserting_before(output):
        output.args = (module.graph.call_function(torch.clamp_min, (output.args[0], 0.5)),)
    module.recompile()
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), module(x)) and module(x).min() == 0.5


def test_equal_blocks_share_their_class_and_its_code():
    module = archc.load("resnet18").module()
    blocks = [block for stage in ("layer1", "layer2", "layer3", "layer4") for block in module.get_submodule(stage)]
    assert len(blocks) == 8 and len({type(block) for block in blocks}) == 2
    assert isinstance(blocks[1], type(blocks[0])) and type(blocks[0]).__name__ == "Basic"
    assert all(isinstance(block, type(other)) for block in blocks for other in blocks)
    assert not isinstance(module, type(blocks[0])) and not isinstance(module.conv1, type(blocks[0]))
    assert repr(type(blocks[0])).endswith(".Basic'>")
    assert type(archc.load("resnet34").module().layer1[0]) is type(blocks[0])
    module.layer1[0].recompile()
    assert type(copy.deepcopy(module).layer1[0]) is type(blocks[0])


@pytest.mark.parametrize("network", ["conv(4, 3)", "conv(4, 3) -> bn -> relu", "id + (conv(4, 3) -> bn)"])
def test_what_has_two_names_is_called_by_the_first(network: str):
    net = archc.loads(
        f"arch A {{ input x: [N, 4, 8, 8]  shared f = {network}  output x -> a: f -> mid: conv(4, 1) -> b: f }}"
    )
    module, x = net.module(seed=0).eval(), torch.randn(2, 4, 8, 8)
    expected, calls = module(x), []
    assert module.a is module.b and isinstance(fx.symbolic_trace(module), fx.GraphModule)
    module.a = Counting(module.a, calls)
    assert torch.equal(module(x), expected) and len(calls) == 2


class Counting(nn.Module):
    def __init__(self, inner: nn.Module, calls: list[int]):
        super().__init__()
        self.inner, self.calls = inner, calls

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(1)
        return self.inner(x)


def test_an_edit_of_one_block_leaves_its_equals_alone():
    module = archc.load("resnet_cifar", depth=20).module(seed=0).eval()
    h = torch.randn(1, 16, 8, 8)
    before = module.layer1[1](h)
    graph = module.layer1[0].graph
    output = next(node for node in reversed(graph.nodes) if node.op == "output")
    with graph.inserting_before(output):
        output.args = (graph.call_function(torch.neg, (output.args[0],)),)
    module.layer1[0].recompile()
    assert (module.layer1[0](h) <= 0).all() and torch.equal(module.layer1[1](h), before)


def test_wrappers_of_torch(net: archc.Architecture):
    module, inputs = net.module(seed=0).eval(), inputs_of(net)
    expected = run(module, inputs)
    assert equal(run(nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(module)), inputs), expected)
    normalised, pruned = copy.deepcopy(module), copy.deepcopy(module)
    for layer in [layer for layer in normalised.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]:
        parametrizations.weight_norm(layer)
    assert close(run(copy.deepcopy(normalised), inputs), expected)
    for layer in [layer for layer in pruned.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]:
        prune.l1_unstructured(layer, "weight", 0.3)
    assert not close(run(pruned, inputs), expected)
    step(pruned, inputs)


def test_low_rank_adapters(net: archc.Architecture):
    peft = pytest.importorskip("peft")
    module, inputs = net.module(seed=0).eval(), inputs_of(net)
    targets = [path for path, layer in module.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    adapted = peft.get_peft_model(copy.deepcopy(module), peft.LoraConfig(target_modules=targets, r=2))
    assert close(run(adapted.eval(), inputs), run(module, inputs))
    loss(run(adapted.train(), inputs)).backward()
    trained = {name for name, p in adapted.named_parameters() if p.grad is not None}
    assert trained and all("lora_" in name for name in trained)


def test_layers_that_are_replaced_run_in_parts_that_are_computed_again():
    module = nn.SyncBatchNorm.convert_sync_batchnorm(archc.loads(SPECS["recomputed"]).module(seed=0))
    calls: list[str] = []
    for path, layer in module.named_modules():
        if isinstance(layer, nn.SyncBatchNorm):
            layer.register_forward_hook(lambda *_, path=path: calls.append(path))
    step(module, inputs_of(archc.loads(SPECS["recomputed"])))
    assert sorted(calls) == ["bn", "bn", "layer1.0.bn1", "layer1.0.bn1", "layer1.1.bn1"]


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_torch_compile(net: archc.Architecture, backend: str):
    module, inputs = net.module(seed=0), inputs_of(net)
    for training in (False, True):
        torch._dynamo.reset()
        compiled = torch.compile(module.train(training), backend=backend, fullgraph=True)
        found = run(compiled, inputs)
        if not training:
            assert close(found, run(module, inputs))
        loss(found).backward()


@pytest.mark.parametrize(
    ("net", "dynamic"),
    [
        *((name, None) for name in SPECS),
        *(
            pytest.param(name, True, marks=[pytest.mark.slow] * (name not in ("plain", "two inputs", "recomputed")))
            for name in SPECS
        ),
    ],
    indirect=["net"],
)
def test_a_second_training_step_is_not_compiled_again(net: archc.Architecture, dynamic: bool | None):
    module = net.module(seed=0)
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(module, backend=counter, fullgraph=True, dynamic=dynamic)
    for batch in (2, 3 if dynamic else 2, 5 if dynamic else 2):
        loss(run(compiled, inputs_of(net, batch))).backward()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.sub_(0.01)
    assert counter.frame_count == 1


def test_equal_blocks_are_compiled_once():
    module = archc.load("resnet_cifar", depth=20).module(seed=0).eval()
    x = torch.randn(2, 3, 32, 32)
    expected = module(x)
    torch._dynamo.reset()
    counter = CompileCounter()
    for block in module.layer1:
        block.compile(backend=counter, fullgraph=True)
    assert close(module(x), expected)
    assert counter.frame_count == 1


def test_precisions_and_layouts(net: archc.Architecture):
    module, inputs = net.module(seed=0).train(), inputs_of(net)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = run(module, inputs)
    loss(outputs).backward()
    assert any(p.grad is not None for p in module.parameters())
    halved = [t.bfloat16() if t.is_floating_point() else t for t in inputs]
    assert all(t.dtype == torch.bfloat16 for t in run(copy.deepcopy(module).to(torch.bfloat16), halved))
    last = [t.to(memory_format=torch.channels_last) for t in inputs]
    module.eval()
    assert close(run(copy.deepcopy(module).to(memory_format=torch.channels_last), last), run(module, inputs))


def test_meta_modules_are_filled(net: archc.Architecture):
    module = net.module(seed=0)
    empty = net.module(device="meta")
    assert all(p.is_meta for p in empty.parameters())
    empty.to_empty(device="cpu").load_state_dict(module.state_dict())
    assert equal(run(empty.eval(), inputs_of(net)), run(module.eval(), inputs_of(net)))


TIED = """arch T { input x: int [N, T] = [2, 6]
  param table = normal([20, 8])
  output x -> wte: embedding(20, 8, weight = table) -> linear(8) -> head: linear(20, bias = false, weight = table) }"""


def test_what_is_shared_stays_shared_when_it_gets_memory():
    net = archc.loads(TIED)
    module = net.module(seed=0)
    for moved in (
        net.module(device="meta").to_empty(device="cpu"),
        copy.deepcopy(module).to("meta").to_empty(device="cpu"),
    ):
        for made in (moved, pickle.loads(pickle.dumps(moved)), copy.deepcopy(moved).double()):
            assert made.wte.weight is made.head.weight
        moved.load_state_dict(module.state_dict())
        assert equal(step(moved, inputs_of(net)), step(copy.deepcopy(module), inputs_of(net)))
        moved.head.weight = nn.Parameter(torch.zeros(20, 8))
        assert moved.to("meta").wte.weight is not moved.head.weight


def test_function_transforms(net: archc.Architecture):
    module, inputs = net.module(seed=0).eval(), inputs_of(net)
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())

    def cost(parameters: dict[str, torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
        return loss(functional_call(module, (parameters, buffers), inputs))

    found = grad(cost)(parameters, *inputs)
    expected = torch.autograd.grad(cost(parameters, *inputs), list(parameters.values()), allow_unused=True)
    for name, gradient in zip(parameters, expected, strict=True):
        assert torch.allclose(found[name], torch.zeros(()) if gradient is None else gradient, atol=1e-5)
    each = vmap(lambda *x: tensors(module(*[t[None] for t in x]))[0][0])(*inputs)
    assert close(each, tensors(module(*inputs))[0])
    assert jacrev(lambda x: tensors(module(x))[0].flatten()[:2])(inputs[0]).shape == (2, *inputs[0].shape)
    grad(cost)(parameters, *inputs)


def test_second_backward_passes(net: archc.Architecture):
    module, inputs = net.module(seed=0).train(), inputs_of(net)
    cost = loss(run(module, inputs))
    cost.backward(retain_graph=True)
    first = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    cost.backward()
    again = [p.grad for p in module.parameters() if p.grad is not None]
    assert all(torch.allclose(b, 2 * a, atol=1e-5) for a, b in zip(first, again, strict=True))
    x = inputs[0].clone().requires_grad_()
    cost = loss(run(module, [x]))
    (gradient,) = torch.autograd.grad(cost, x, create_graph=True)
    ((gradient.norm() - 1) ** 2 + cost).backward()


def test_activation_checkpointing_of_every_scope(net: archc.Architecture):
    module, inputs = net.module(seed=0), inputs_of(net)
    wrapped = copy.deepcopy(module)
    scopes = {id(wrapped.get_submodule(path)) for path in callable_paths(net)}
    apply_activation_checkpointing(wrapped, check_fn=lambda part: id(part) in scopes)
    # torch's wrapper takes a batch into running statistics again when it computes again: gradients are compared.
    count = len(tensors(module.train()(*inputs))) + sum(p.requires_grad for p in module.parameters())
    assert equal(step(wrapped, inputs)[:count], step(net.module(seed=0), inputs)[:count])


def test_export(net: archc.Architecture):
    module, inputs = net.module(seed=0).eval(), inputs_of(net)
    exported = torch.export.export(module, tuple(inputs)).module()
    assert close(run(exported, inputs), run(module, inputs))


def test_a_block_of_any_shipped_net_nests_no_deeper_than_python_can_call():
    nested = ".".join(["s"] * 100)
    net = archc.loads(f"arch A {{ input x: [N, 3, 8, 8]  output x -> {nested}.conv: conv(4, 3) }}")
    module = net.module(seed=0)
    assert module(torch.randn(1, 3, 8, 8)).shape == (1, 4, 8, 8)


# --- every shipped architecture -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", distinct())
def test_every_shipped_module(name: str):
    try:
        net = small(name)
    except archc.ArchError:
        pytest.skip("needs arguments")
    sizes = small_sizes(net)
    if len(net.ir.nodes) > 3000 or net.stats(**sizes).training_bytes > 2**31:
        pytest.skip("too large for a step of training here")
    module, inputs = net.module(seed=0), inputs_of(net, **sizes)
    expected = step(copy.deepcopy(module), inputs)
    watched = copy.deepcopy(module)
    seen = hooked(net, watched)
    count = sum(len(output.values) for output in net.ir.outputs)  # torch adds gradients in another order around hooks
    assert equal(step(watched, inputs)[:count], expected[:count])
    assert all({kind for kind, _ in events} == {"before", "after", "backward"} for events in seen.values())
    assert equal(step(pickle.loads(pickle.dumps(module)), inputs), expected)
    assert equal(run(fx.symbolic_trace(module.eval()), inputs), run(module, inputs))
