"""Multiply-adds and memory, held against what torch counts."""

from __future__ import annotations

import pytest
import torch
from allocator import Allocator, saved_for_backward
from torch.utils.flop_counter import FlopCounterMode

import archc

NETS = {
    "resnet": """use bottleneck, stages from "zoo/resnet.arch"
      arch Net { input x: [N, 3, H, W] = [2, 3, 64, 64]
        output x -> conv1: conv(16, 7, 2) -> bn1: bn -> relu -> maxpool(3, 2, padding = 1)
          -> stages(bottleneck, 8, [2, 2, 2, 1], ["B"]) -> gap -> fc: linear(10) }""",
    "densenet": """use DenseNet from "zoo/densenet.arch"
      arch Net = DenseNet([3, 4, 3], growth_rate = 8, size = 64, drop = 0.1)""",
    "vgg": """arch Net { input x: [N, 3, H, W] = [2, 3, 32, 32]
        output x -> conv(8, 3, bias = true) -> relu -> conv(8, 3, bias = true) -> relu -> maxpool(2)
          -> conv(16, 3, bias = true) -> bn -> relu -> conv(16, 3) -> relu -> maxpool(2) -> flatten
          -> linear(64) -> relu -> dropout -> linear(64) -> relu -> dropout -> linear(10) }""",
    "decoder": """arch Net { input x: [N, 3, H, W] = [2, 3, 32, 30]
        h = x -> conv(8, 3, 2, padding = "same") -> gn(2) -> silu
        up = h -> upconv(8, 6, 2, padding = 1) -> elu -> crop(1, like = x)
        output up -> (id * (conv(8, 1) -> sigmoid))
          -> conv(4, 3, groups = 4, padding_mode = "reflect") -> upsample(2) }""",
    "dropped channels": """arch Net { input x: [N, 3, 4, 4] = [2, 3, 4, 4]
        output x -> conv(32, 3) -> dropout2d -> conv(8, 3) -> dropout2d(0.0)
          -> conv(4, 3) -> alphadropout -> conv(4, 3) }""",
    "preactivated": """arch Net { input x: [N, 3, 16, 16] = [2, 3, 16, 16]
        h = x -> conv(8, 3)
        output h -> ((relu -> conv(8, 3)) + id) -> gap -> linear(5) }""",
    "transformer": """arch Net { input x: [N, 3, 16, 16] = [2, 3, 16, 16]
        theta = x -> conv(8, 3, 2) -> relu -> flatten -> linear(6) -> reshape([2, 3])
        output (x, theta -> affine_grid(like = x)) -> grid_sample -> conv(4, 3) -> tanh -> gap -> linear(5) }""",
    "gated": """arch Net { input x: [N, 8, 16, 16] = [2, 8, 16, 16]
        output x -> (id + (conv(8, 3) -> bn -> survive(0.5)) + dwconv(3)) -> leakyrelu -> avgpool(2) -> softmax
          -> (conv(4, 1) ++ conv(4, 3)) -> channel_shuffle(2) -> pixel_shuffle(2)
          -> lrn(3) -> tanh -> gap -> linear(3) }""",
    "tokens": """arch Net { input x: [N, 3, 32, 32] = [2, 3, 32, 32]
        output x -> conv(16, 8, 8, padding = 0) -> flatten(2) -> transpose
          -> (id + (ln -> attention(2))) -> (id + (ln -> linear(64) -> gelu -> linear(16)))
          -> select(1, 0) -> linear(5) }""",
    "values": """arch Net { input x: [N, 3, 16, 16] = [2, 3, 16, 16]
        a = x -> conv(8, 3) -> exp
        b = x -> conv(8, 3) -> abs -> sqrt -> log1p
        c = where(a > 1, a / (b + 1), b) -> sin -> cumsum("height") -> flip("width") -> erf
        v, i = c -> topk(4)
        t = (v -> unfold(3, padding = 1) -> fold(3, padding = 1, like = x)) + gather(c, i, 1) -> glu -> rsqrt
        s = t -> repeat(2, 1) -> repeat_interleave(2, 1) -> tril -> to(like = x)
        r = 1 / (s -> flatten(2))
        q = einsum("n i l, n j l -> n i j", r, r)
        output where(q != 0, power(q -> abs, q), power(2, q)) -> sort(2) -> max -> floor -> linear(5, axis = -1) }""",
    "recomputed": """block unit(c) = conv(c, 3) -> bn -> relu -> conv(c, 3) -> bn
      arch Net { input x: [N, 3, 32, 32] = [2, 3, 32, 32]
        output x -> conv(8, 3) -> bn -> relu -> (recompute(unit(8)) + id) -> relu -> (unit(8) + id)
          -> relu -> gap -> linear(5) }""",
    "frozen": """arch Net { input x: [N, 3, 32, 32] = [2, 3, 32, 32]
        output x -> frozen(conv(8, 3) -> bn -> relu -> maxpool(2)) -> conv(8, 3) -> relu -> gap -> linear(5) }""",
}


RECURRENT = [
    *(
        "gru(7)",
        "rnn(7)",
        "lstm(7, projection = 4)",
        "gru(7, layers = 2)",
        "rnn(7, both = true)",
        "gru(7, bias = false)",
    ),
    "gru(9, layers = 3, both = true, dropout = 0.3)",
    "lstm(7, projection = 4, layers = 2, both = true)",
    'rnn(7, layers = 2, activation = "relu", bias = false)',
    "gru(7) -> gru(5)",
    "gru(7) -> dropout -> rnn(5)",
    "gru(7, both = true) -> ln -> gru(6)",
    "linear(8) -> relu -> gru(7)",
    "(gru(7) + rnn(7)) -> gru(6)",
    "linear(48) -> gru(4)",
    "gru(7) -> transpose -> conv(5, 3) -> select(2, 0)",
]
STATES = {
    "given": """input h: [N, 2, 5]
      output (x, h) -> gru(5, layers = 2)""",
    "made": """h = x -> select(1, 0) -> linear(5) -> tanh -> reshape([1, 5])
      c = x -> select(1, 0) -> linear(9) -> reshape([1, 9])
      output (x, h, c) -> lstm(9, projection = 5)""",
    "handed on": """y, h = x -> gru(5, states = true)
      output (y, h) -> gru(5)""",
    "map": "output x -> transpose -> conv(6, 3) -> transpose -> gru(5)",
}


def net(name: str) -> archc.Architecture:
    return archc.loads(NETS[name], "Net")


def image(architecture: archc.Architecture) -> torch.Tensor:
    return torch.rand(architecture.stats().inputs[0])


@pytest.mark.parametrize("name", NETS)
def test_multiply_adds_are_half_of_the_flops_that_torch_counts(name: str) -> None:
    architecture = net(name)
    module = architecture.module(seed=0)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(image(architecture))
    # Before 2.15 torch does not count the products of attention on CPUs: two of 16 x 16 tokens, 16 channels, 2 images.
    counted = any("attention" in str(function) for function in counter.get_flop_counts()["Global"])
    uncounted = 2 * 16 * 16 * 16 * 2 if name == "tokens" and not counted else 0
    assert architecture.stats().multiply_adds == counter.get_total_flops() // 2 + uncounted


def kept_bytes(architecture: archc.Architecture) -> int:
    """The bytes of all memory that a training step's backward pass will read, parameters and buffers left out."""
    module = architecture.module(seed=0).train()
    with saved_for_backward(module) as found:
        module(image(architecture))
    return sum(found.values())


@pytest.mark.parametrize("name", [n for n in NETS if n != "recomputed"])
def test_what_training_keeps_is_what_autograd_saves(name: str) -> None:
    architecture = net(name)
    measured = kept_bytes(architecture)
    assert architecture.stats().kept == pytest.approx(measured, rel=0.05)
    assert architecture.stats().unknown == ()


@pytest.mark.parametrize("name", ["resnet", "densenet", "vgg"])
def test_the_memory_of_common_networks_is_exact(name: str) -> None:
    architecture = net(name)
    assert architecture.stats().kept == pytest.approx(kept_bytes(architecture), rel=0.005)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(
    "body, batch, tokens",
    [
        (body, batch, tokens)
        for body in [*(f"output x -> {layers}" for layers in RECURRENT), *STATES.values()]
        for batch in (1, 3)
        for tokens in (1, 9)
        # oneDNN chooses how a map of one row, of one image or place, stands in memory.
        if "conv" not in body or 1 not in (batch, tokens)
    ],
)
def test_the_memory_of_recurrent_layers_is_exact(body: str, batch: int, tokens: int) -> None:
    """torch saves tensors for each step; one example or one step alone needs no copy with time first."""
    text = f"arch Net {{ input x: tokens [N, T, 6]\n {body} }}"
    if "transpose" in body:
        text = text.replace("T,", f"{tokens},")
    sizes = {"N": batch, "T": tokens} if "T," in text else {"N": batch}
    architecture = archc.loads(text)
    stats, module = architecture.stats(**sizes), architecture.module(seed=0).train()
    tensors = [torch.rand(shape) for shape in stats.inputs]
    with saved_for_backward(module) as found:
        module(*tensors)
    assert stats.kept == sum(found.values()) and stats.unknown == ()
    if tokens > 1:
        assert stats.inference_bytes - stats.weight_bytes == pytest.approx(peak(module, tensors), rel=0.05)


def peak(module: torch.nn.Module, tensors: list[torch.Tensor]) -> int:
    """The most bytes that tensors take at once in evaluation, parameters and buffers left out."""
    known = Allocator([*module.parameters(), *module.buffers()])
    before = known.live
    with torch.no_grad():
        for tensor in tensors:
            known.count(tensor)
        with known:
            module.eval()(*tensors)
    return known.peak - before


@pytest.mark.parametrize("name", NETS)
def test_the_peak_of_inference_is_what_an_allocator_counts(name: str) -> None:
    architecture = net(name)
    module = architecture.module(seed=0)
    stats = architecture.stats()
    assert stats.weight_bytes == sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
    found = peak(module, [image(architecture)])
    assert stats.inference_bytes - stats.weight_bytes == pytest.approx(found, rel=0.05)


def test_parts_that_are_computed_again_keep_their_inputs() -> None:
    plain = archc.loads(NETS["recomputed"].replace("recompute(unit(8))", "unit(8)"), "Net").stats()
    again = net("recomputed").stats()
    map = 2 * 8 * 32 * 32 * 4
    # Of conv, bn, relu, conv, bn: the output of each but the last, which the sum takes, and the statistics.
    inside = 3 * map + 2 * 2 * 8 * 4
    assert plain.kept - again.kept == inside
    assert again.training_bytes == plain.training_bytes
    assert plain.training_bytes == 2 * plain.parameters * 4 + (plain.weight_bytes - plain.parameters * 4) + plain.kept


def test_sizes_batches_and_types() -> None:
    architecture = archc.load("resnet50")
    one, many = architecture.stats(), architecture.stats(N=32, H=448, W=448)
    assert many.sizes == {"N": 32, "H": 448, "W": 448} and many.outputs == [(32, 1000)]
    assert many.parameters == one.parameters
    fc = 2048 * 1000
    assert many.multiply_adds == 32 * (4 * (one.multiply_adds - fc) + fc)
    half = architecture.stats("bfloat16", N=32, H=448, W=448)
    indices = 8 * 32 * 64 * 112 * 112
    assert (many.kept - indices) == 2 * (half.kept - indices)
    with pytest.raises(ValueError, match="no size `h`"):
        architecture.stats(h=448)
    with pytest.raises(ValueError, match="does not take W = 10"):
        archc.load("vgg16").stats(W=10)
    with pytest.raises(ValueError, match="float32"):
        architecture.stats("float8")


def test_formulas_are_the_figures_at_every_size() -> None:
    architecture = net("resnet")
    formulas = architecture.stats().formulas
    for sizes in ({"N": 1, "H": 64, "W": 64}, {"N": 3, "H": 71, "W": 128}):
        found = architecture.stats(**sizes)
        assert formulas.multiply_adds.evaluate(sizes) == found.multiply_adds
        assert formulas.activations.evaluate(sizes) == found.activations
        assert formulas.kept.evaluate(sizes) == found.kept


def test_scopes_and_kinds_add_up_to_the_total() -> None:
    stats = archc.load("resnet18").stats()
    figures = ("parameters", "buffers", "multiply_adds", "activations", "kept")
    image = 3 * 224 * 224 * 4
    for figure in figures:
        top = sum(getattr(row, figure) for row in stats.rows if "." not in row.path)
        kinds = sum(getattr(kind, figure) for kind in stats.kinds)
        total = getattr(stats, figure)
        assert kinds == total - (image if figure == "kept" else 0)
        assert top <= kinds
    counts = {kind.kind: kind.count for kind in stats.kinds}
    assert counts == {"conv": 20, "bn": 20, "relu": 17, "maxpool": 1, "sum": 8, "gap": 1, "linear": 1}


def test_activations_are_what_layers_put_out() -> None:
    stats = archc.loads("""arch A { input x: [N, 3, 8, 8]
      output x -> conv(4, 3) -> relu -> maxpool(2) -> flatten -> dropout -> linear(10) }""").stats()
    # The rectifier overwrites the convolution's output, `flatten` is a view, and dropout does nothing in evaluation.
    assert stats.activations == 4 * 64 + 4 * 16 + 10


def test_what_is_not_known_is_named() -> None:
    stats = archc.loads("""extern own()(x: [N, C, H, W]) -> [N, C, H, W]
      arch A { input x: [N, 3, 8, 8]  output x -> conv(4, 3) -> own -> conv(4, 3) }""").stats()
    assert stats.unknown == ("extern",)
    lstm = archc.loads("arch A { input x: tokens [N, T, 8] = [1, 4, 8]  output x -> lstm(9) -> gru(7) }")
    assert lstm.stats().unknown == lstm.plan(1, "8GB").unknown == ("lstm",)
    with pytest.raises(archc.ArchError, match="E1309"):
        lstm.fit("1GB")


def test_what_is_shared_costs_where_it_is_applied() -> None:
    """Parameters count where they live, multiply-adds where they are spent, as in a net that shares nothing."""
    body = "output in -> a: (one: g -> relu) -> b: (two: g -> tanh -> three: g)"
    arch = "arch A { input x: [N, 4, 8, 8] output x -> u(conv(4, 3) -> bn) }"
    shared, apart = (
        {row.path: row for row in archc.loads(f"block u(f) {{ {keyword} g = f {body} }} {arch}").stats().rows}
        for keyword in ("shared", "block")
    )
    for scope in ("a", "b"):
        assert shared[scope].multiply_adds == apart[scope].multiply_adds > 0
        assert shared[scope].output == apart[scope].output
    assert shared["a"].parameters == apart["a"].parameters and shared["b"].parameters == 0
    assert shared["a.one"].multiply_adds == 3 * apart["a.one"].multiply_adds


MOVES = {
    "plain": ("", "flatten"),
    "transposed": ("transpose(1, 2)", "flatten"),
    "permuted": ("permute([0, 2, 3, 1])", "flatten"),
    "moved far before": ("transpose(1, 2) -> transpose(2, 3)", "flatten"),
    "transposed and lengthened": ("transpose(1, 2) -> unsqueeze(1)", "flatten"),
    "a part": ("crop(0, [4, 4])", "flatten"),
    "one place": ("select(2, 1)", "flatten"),
    "split": ("transpose(1, 3)", "reshape([8, 128])"),
    "half": ("half", "flatten"),
}


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_joining_axes_copies_what_other_steps_lie_between(moves: tuple[str, str]) -> None:
    """A view of a map is free; joined axes of a view that does not lie in a row are a copy, in training and without."""
    before, join = moves
    layers = ["sigmoid", *filter(None, [before]), join, "square"]
    architecture = archc.loads(
        "block half() { a, b = in -> split(2, axis = 2)  output a }  block square() = in * in\n"
        f"arch A {{ input x: [N, 16, 8, 8] = [2, 16, 8, 8]  output x -> conv(16, 3) -> {' -> '.join(layers)} }}"
    )
    assert architecture.stats().kept == kept_bytes(architecture)
    module, given = architecture.module(seed=0).eval(), image(architecture)
    known = Allocator([*module.parameters(), *module.buffers(), given])
    before_it = known.live
    with torch.no_grad(), known:
        module(given)
    stats = architecture.stats()
    assert stats.inference_bytes - stats.weight_bytes - given.nbytes == known.peak - before_it
