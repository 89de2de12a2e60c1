"""What networks compute beside layers, said in the language and held against torch: the module, its Python source and
the spec that is written back have torch's outputs and gradients, at two batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import archc
from archc.compiler.decompile.arch.spec import written
from archc.compiler.decompile.python.file import to_python
from archc.compiler.emit.check import check_forward
from archc.compiler.emit.export import to_onnx, to_pt2

INPUTS = {
    "x": "[N, 4, H, W] = [1, 4, 6, 8]",
    "y": "[N, 4, H, W] = [1, 4, 6, 8]",
    "t": "tokens [N, T, 8] = [1, 6, 8]",
    "u": "tokens [N, T, 8] = [1, 6, 8]",
    "v": "[N, 8] = [1, 8]",
    "k": "int [N, T] = [1, 6]",
}
SHAPES = {"x": (4, 6, 8), "y": (4, 6, 8), "t": (6, 8), "u": (6, 8), "v": (8,), "k": (6,)}


class Case(NamedTuple):
    """An expression of some inputs, and the same in torch. `before` is a statement that it needs."""

    spec: str
    torch: Callable[..., Any]
    before: str = ""


ELEMENTWISE = {
    name: Case(f"x -> {name}", getattr(torch, name))
    for name in (
        *("abs", "ceil", "cos", "erf", "exp", "expm1", "floor", "log", "log1p", "reciprocal", "round", "rsqrt"),
        *("sign", "sin", "sqrt", "tan"),
    )
}
OPERATORS = {
    "div.Tensor": Case("x / y", lambda x, y: x / y),
    "div.Tensor, several": Case("x / y / (x * x)", lambda x, y: x / y / (x * x)),
    "div.Tensor of networks": Case("x -> (sigmoid / (id + 2))", lambda x: torch.sigmoid(x) / (x + 2)),
    "reciprocal, number": Case("1 / x", lambda x: 1 / x),
    "reciprocal and mul": Case("2 / x", lambda x: 2 / x),
    "pow.Tensor_Tensor": Case("power(x -> abs, y)", lambda x, y: x.abs() ** y),
    "pow.Scalar": Case("power(2, x)", lambda x: 2**x),
    "neg": Case("-x", lambda x: -x),
    "abs of whole numbers": Case("k - 3 -> abs", lambda k: (k - 3).abs()),
}
MASKS = {
    "lt.Tensor": Case("where(x < y, x, y)", lambda x, y: torch.where(x < y, x, y)),
    "le.Scalar": Case("where(x <= 0.5, x, y)", lambda x, y: torch.where(x <= 0.5, x, y)),
    "gt.Scalar, number first": Case("where(0.5 < x, x, y)", lambda x, y: torch.where(x > 0.5, x, y)),
    "ge.Tensor": Case("where(x >= y, 1, x)", lambda x, y: torch.where(x >= y, 1, x)),
    "eq.Scalar": Case("where(k == 2, 0, k)", lambda k: torch.where(k == 2, 0, k)),
    "ne.Scalar": Case("where(k != 2, k, 7)", lambda k: torch.where(k != 2, k, 7)),
    "logical_and": Case("where(x > 0 and y > 0, x, y)", lambda x, y: torch.where((x > 0) & (y > 0), x, y)),
    "logical_or": Case("where(x > 0 or y > 0, x, y)", lambda x, y: torch.where((x > 0) | (y > 0), x, y)),
    "logical_not": Case("where(not x > 0, x, y)", lambda x, y: torch.where(x <= 0, x, y)),
    "logical_xor": Case("where(logical_xor(x > 0, y > 0), x, y)", lambda x, y: torch.where((x > 0) ^ (y > 0), x, y)),
    "comparisons in a row": Case("where(-1 < x < 1, x, 0)", lambda x: torch.where((x > -1) & (x < 1), x, 0)),
    "masked_fill.Scalar": Case("where(x > 0, -100, y)", lambda x, y: y.masked_fill(x > 0, -100)),
    "a mask put out": Case("x > 0", lambda x: x > 0),
    "mul of a mask": Case("(x > 0) * y", lambda x, y: (x > 0) * y),
}
MAKERS = {
    "arange": Case("(t -> arange(t.length)) + k", lambda t, k: torch.arange(t.size(1)) + k),
    "arange.start": Case("t -> arange(5, start = 3)", lambda t: torch.arange(3, 8)),
    "arange.start_step": Case(
        "x -> arange(x.width, start = 0.5, step = 2)", lambda x: torch.arange(x.size(3)) * 2 + 0.5
    ),
    "zeros": Case("t + (t -> zeros([8]))", lambda t: t + torch.zeros(8)),
    "ones": Case("t * (t -> ones([t.length, 1]))", lambda t: t * torch.ones(t.size(1), 1)),
    "full": Case("t -> full([2, t.length], 0.25)", lambda t: torch.full((2, t.size(1)), 0.25)),
    "full of truth values": Case("t -> full([3], true)", lambda t: torch.full((3,), True)),
    "zeros_like": Case("where(k == 1, k -> zeros, k)", lambda k: torch.where(k == 1, torch.zeros_like(k), k)),
    "one_hot": Case("k -> one_hot(6)", lambda k: torch.nn.functional.one_hot(k, 6)),
    "to.dtype": Case(
        "t * (k -> one_hot(8) -> to(like = t))", lambda t, k: t * torch.nn.functional.one_hot(k, 8).float()
    ),
    "to.dtype, whole numbers": Case('(x -> to("int"))', lambda x: x.long()),
    "to.dtype, truth values": Case('k -> to("bool")', lambda k: k.bool()),
    "tril": Case("t -> ones([t.length, t.length]) -> tril", lambda t: torch.ones(t.size(1), t.size(1)).tril()),
    "triu": Case("x -> triu(1)", lambda x: x.triu(1)),
    "a causal mask": Case(
        "where((t -> arange(t.length) -> unsqueeze(1)) < (t -> arange(t.length)), -100, matmul(t, t -> transpose))",
        lambda t: (t @ t.mT).masked_fill(torch.ones(t.size(1), t.size(1)).triu(1).bool(), -100),
    ),
}
TABLE = torch.arange(12.0).view(6, 2)
OFFSETS = torch.tensor([[i - j + 2 for j in range(3)] for i in range(3)])
PLACES = {
    "index.Tensor": Case(
        "index_select(table, offsets, 0)",
        lambda x: TABLE[OFFSETS],
        "buffer table = constant([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]])\n"
        "buffer offsets: int = constant([[i - j + 2 for j in 0..<3] for i in 0..<3])",
    ),
    "index_select": Case(
        'index_select(x, order, "channels")', lambda x: x[:, [2, 0]], "buffer order: int = constant([2, 0])"
    ),
    "slice.Tensor": Case(
        "t + slice(long, 0, stop = t.length, like = t)",
        lambda t: t + torch.arange(72.0).view(9, 8)[: t.size(1)],
        "buffer long = constant([[8 * i + j for j in 0..<8] for i in 0..<9])",
    ),
    "slice.Tensor, both ends": Case(
        "u * slice(longer, 0, t.length - 1, 2 * t.length - 1, like = t)",
        lambda u, t: u * torch.arange(96.0).view(12, 8)[t.size(1) - 1 : 2 * t.size(1) - 1],
        "buffer longer = constant([[8 * i + j for j in 0..<8] for i in 0..<12])",
    ),
    "index of a batch": Case(
        "index_select(rows, k, 0)", lambda k: TABLE[k], "buffer rows = constant([[2 * i, 2 * i + 1] for i in 0..<6])"
    ),
    "a buffer of truth values": Case(
        "where(keep, t, 0)",
        lambda t: t * torch.tensor([1, 0, 1, 1, 0, 0, 0, 1]),
        "buffer keep: bool = constant([1, 0, 1, 1, 0, 0, 0, 1])",
    ),
    "gather": Case("gather(t, (u -> topk(3))[1], 2)", lambda t, u: t.gather(2, u.topk(3)[1])),
    "cumsum": Case('x -> cumsum("height")', lambda x: x.cumsum(2)),
    "cumsum of truth values": Case("x > 0 -> cumsum(-1)", lambda x: (x > 0).cumsum(-1)),
    "flip": Case('x -> flip("width")', lambda x: x.flip(3)),
    "sort": Case("x -> sort(descending = true)", lambda x: tuple(x.sort(dim=1, descending=True))),
    "topk": Case("t -> topk(3, largest = false)", lambda t: tuple(t.topk(3, largest=False))),
    "argmax": Case("x -> argmax", lambda x: x.argmax(1)),
    "argmin": Case('x -> argmin("width", keep = true)', lambda x: x.argmin(3, keepdim=True)),
    "max.dim": Case('(x -> reduce("max", 1), x -> argmax)', lambda x: tuple(x.max(1))),
    "unbind.int": Case("x -> unbind(1) -> sum", lambda x: sum(x.unbind(1))),
}
W = torch.tensor([[1.0, -1, 2], [0, 3, 1], [2, 2, 0], [1, 0, 5]])
SUMS = {
    "einsum": Case('einsum("b i d, b j d -> b i j", t, u)', lambda t, u: torch.einsum("bid,bjd->bij", t, u)),
    "einsum with a matrix": Case(
        'einsum("n c h w, c out -> n out h w", x, mixing) -> bn(affine = false, track = false)',
        lambda x: torch.nn.functional.batch_norm(torch.einsum("nchw,co->nohw", x, W), None, None, training=True),
        "buffer mixing = constant([[1, -1, 2], [0, 3, 1], [2, 2, 0], [1, 0, 5]])",
    ),
    "einsum of three": Case(
        'einsum("b i d, b j d, b j e -> b i e", t, u, t)',
        lambda t, u: torch.einsum("bid,bjd,bje->bie", t, u, t),
    ),
    "einsum, diagonal": Case(
        'einsum("b i i -> b", matmul(t, u -> transpose))', lambda t, u: torch.einsum("bii->b", t @ u.mT)
    ),
    "bmm": Case("matmul(t, u -> transpose)", lambda t, u: torch.bmm(t, u.mT)),
}
PARTS = {
    "im2col": Case(
        "x -> adaptive_avgpool(5) -> unfold(3, 2, padding = 1)",
        lambda x: torch.nn.functional.unfold(torch.nn.functional.adaptive_avg_pool2d(x, 5), 3, padding=1, stride=2),
    ),
    "col2im": Case(
        "x -> unfold(3, padding = 1) -> fold(3, padding = 1, like = y)",
        lambda x, y: torch.nn.functional.fold(torch.nn.functional.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1),
    ),
    "col2im of a known size": Case(
        "x -> adaptive_avgpool(4) -> unfold(2, 2) -> fold(2, 2, size = [4, 4])",
        lambda x: torch.nn.functional.adaptive_avg_pool2d(x, 4),
    ),
    "glu": Case("x -> glu", lambda x: torch.nn.functional.glu(x, 1)),
    "glu along an axis": Case("t -> glu(-1)", lambda t: torch.nn.functional.glu(t, -1)),
    "repeat": Case('x -> repeat(3, "channels")', lambda x: x.repeat(1, 3, 1, 1)),
    "repeat along the width": Case('x -> repeat(2, "width")', lambda x: x.repeat(1, 1, 1, 2)),
    "repeat_interleave": Case("t -> repeat_interleave(2, 1)", lambda t: t.repeat_interleave(2, 1)),
    "expand_as": Case("x -> gap -> expand(like = y)", lambda x, y: x.mean((2, 3), keepdim=True).expand_as(y)),
    "expand": Case("t -> ones([8]) -> expand(like = t)", lambda t: torch.ones(8).expand_as(t)),
    "upsample_bicubic2d.vec": Case(
        'x -> upsample(2, mode = "bicubic")',
        lambda x: torch.nn.functional.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False),
    ),
    "_upsample_bicubic2d_aa.vec": Case(
        'x -> upsample(size = [3, 5], mode = "bicubic", antialias = true)',
        lambda x: torch.nn.functional.interpolate(x, size=(3, 5), mode="bicubic", antialias=True),
    ),
    "upsample_nearest2d.vec": Case(
        "x -> upsample(2)", lambda x: torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
    ),
    "upsample_nearest_exact2d.vec": Case(
        'x -> upsample(size = [9, 5], mode = "nearest-exact")',
        lambda x: torch.nn.functional.interpolate(x, size=(9, 5), mode="nearest-exact"),
    ),
}
RELATIVE = torch.arange(41.0).view(41, 1) * torch.tensor([0.1, -0.2])
NEAR = torch.tensor([[i - j + 20 for j in range(6)] for i in range(6)])
attend = torch.nn.functional.scaled_dot_product_attention


def heads(t: Tensor, count: int = 2) -> Tensor:
    return t.unflatten(2, (count, -1)).transpose(1, 2)


def joined(t: Tensor) -> Tensor:
    return t.transpose(1, 2).flatten(2)


ATTENTION = {
    "scaled_dot_product_attention": Case("sdpa(t, u, t)", lambda t, u: attend(t, u, t)),
    "attention in heads": Case("sdpa(t, u, u, heads = 2)", lambda t, u: joined(attend(heads(t), heads(u), heads(u)))),
    "attention, causal": Case("sdpa(t, u, t, causal = true)", lambda t, u: attend(t, u, t, is_causal=True)),
    "attention, scaled": Case("sdpa(t, u, t, scale = 0.5)", lambda t, u: attend(t, u, t, scale=0.5)),
    "attention with a mask": Case(
        "sdpa(t, u, t, mask = unsqueeze(k > 2 or k < 9, 1))",
        lambda t, u, k: attend(t, u, t, ((k > 2) | (k < 9))[:, None]),
    ),
    "attention with a bias": Case(
        "sdpa(t, u, t, mask = matmul(u, t -> transpose))", lambda t, u: attend(t, u, t, u @ t.mT)
    ),
    "attention with a relative bias": Case(
        "sdpa(t, u, u, heads = 2, mask = index_select(relative, near + 20, 0) -> permute([2, 0, 1]))",
        lambda t, u: joined(attend(heads(t), heads(u), heads(u), RELATIVE[NEAR].permute(2, 0, 1))),
        "buffer relative = constant([[0.1 * i, -0.2 * i] for i in 0..<41])\n"
        "near = (t -> arange(t.length) -> unsqueeze(1)) - (u -> arange(u.length))",
    ),
    "attention, fewer heads of keys": Case(
        "sdpa(t, u -> slice(-1, 0, 4), u -> slice(-1, 4), heads = 4, kv_heads = 2)",
        lambda t, u: joined(attend(heads(t, 4), heads(u[..., :4]), heads(u[..., 4:]), enable_gqa=True)),
    ),
}
STATISTICS = {
    **{name: getattr(torch, name) for name in ("mean", "sum", "var", "std", "logsumexp")},
    "max": torch.amax,
    "min": torch.amin,
    "norm": torch.linalg.vector_norm,
}
REDUCTIONS = {
    name: Case(f'x -> reduce("{name}", [1, -2])', partial(function, dim=(1, -2)))
    for name, function in STATISTICS.items()
} | {
    "mean of a map": Case('x -> reduce("mean", ["height", "width"])', partial(torch.mean, dim=(2, 3))),
    "mean, kept": Case('x -> reduce("mean", ["channels", "width"], keep = true)', lambda x: x.mean((1, 3), True)),
    "var of a population": Case('x -> reduce("var", "H", unbiased = false)', lambda x: x.var(2, correction=0)),
    "maximum": Case("max(x, y)", lambda x, y: torch.maximum(x, y)),
    "minimum": Case("min(x, y, x * y)", lambda x, y: torch.minimum(torch.minimum(x, y), x * y)),
    "clamp_min": Case("x -> clamp(0.25)", lambda x: x.clamp_min(0.25)),
    "clamp_max": Case("x -> clamp(high = 0.25)", lambda x: x.clamp_max(0.25)),
    "tokens back to a map": Case(
        "x -> flatten(2) -> transpose -> softmax(-1) -> transpose -> reshape([4, x.height, x.width], like = x)",
        lambda x: x.softmax(1),
    ),
    "tokens to a map of half the size": Case(
        "x -> avgpool(2) -> flatten(2) -> abs -> reshape([4, x.height // 2, x.width // 2], like = x)",
        lambda x: torch.nn.functional.avg_pool2d(x, 2).abs(),
    ),
}
GROUPS = {
    "attention": ATTENTION,
    "reductions": REDUCTIONS,
    "elementwise": ELEMENTWISE,
    "operators": OPERATORS,
    "masks": MASKS,
    "makers": MAKERS,
    "places": PLACES,
    "sums": SUMS,
    "parts": PARTS,
}
CASES = {name: case for group in GROUPS.values() for name, case in group.items()}


def names_of(case: Case) -> list[str]:
    code = getattr(case.torch, "__code__", None)
    return (
        ["x", "y"][: 1 if case.spec.startswith("x ->") else 2]
        if code is None
        else list(code.co_varnames[: code.co_argcount])
    )


def loaded(*cases: Case) -> archc.Architecture:
    """An architecture that puts out what all these say."""
    names = dict.fromkeys(name for case in cases for name in names_of(case))
    inputs = [f"input {name}: {INPUTS[name]}" for name in names]
    whole = f"output ({', '.join(case.spec for case in cases)},)"
    return archc.loads("\n".join(["arch A() {", *inputs, *(case.before for case in cases), whole, "}"]))


def drawn(case: Case, batch: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(batch)
    return [
        torch.randint(0, 6, (batch, *SHAPES[name]), generator=generator)
        if name == "k"
        else torch.randn(batch, *SHAPES[name], generator=generator)
        for name in names_of(case)
    ]


def results(function: Callable[..., Any], inputs: list[Tensor]) -> list[Tensor]:
    """What a function makes, and the gradients of its inputs."""
    given = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    made = function(*given)
    found = [*made] if isinstance(made, tuple | list) else [made]
    real = [y for y in found if y.is_floating_point() and y.requires_grad]
    wanted = [x for x in given if x.requires_grad]
    if real and wanted:
        total = sum((y * torch.arange(y.numel()).view(y.shape).cos()).sum() for y in real)
        found += [g for g in torch.autograd.grad(total, wanted, allow_unused=True) if g is not None]
    return [y.detach() for y in found]


@pytest.mark.parametrize("name", CASES)
def test_every_form_is_torchs(name: str):
    case = CASES[name]
    net = loaded(case)
    again = archc.loads(written(net.ir))
    space: dict[str, Any] = {}
    exec(to_python(net.ir), space)
    for module in (net.module(seed=0), again.module(seed=0), space["A"]()):
        for batch in (1, 2):
            inputs = drawn(case, batch)
            for ours, torchs in zip(results(module, inputs), results(case.torch, inputs), strict=True):
                torch.testing.assert_close(ours, torchs, rtol=1e-6, atol=1e-6, equal_nan=True)
    check_forward(net.module(seed=0), net.ir)


def nets() -> list[archc.Architecture]:
    """A network of all that is said here, for each group."""
    return [loaded(*group.values()) for group in GROUPS.values()]


# Those that are left to torch's exporter one by one, and take it long.
AS_TORCH_WRITES = ("attention", "parts")
FILES = [
    *(pytest.param(group, to_pt2, id=f"{group} in pt2") for group in GROUPS),
    *(
        pytest.param(group, to_onnx, id=f"{group} in onnx", marks=[pytest.mark.slow] * (group in AS_TORCH_WRITES))
        for group in GROUPS
    ),
]


@pytest.mark.parametrize(("group", "write"), FILES)
def test_files_hold_all_of_a_group(group: str, write: Callable[..., Any], tmp_path: Any):
    net = loaded(*GROUPS[group].values())
    write(net.module(seed=0).eval(), net.ir, tmp_path / "file")
