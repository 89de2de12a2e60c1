"""What networks compute beside layers, said in the language and held against torch: the module, its Python source and
the spec that is written back have torch's outputs and gradients, at two batches."""

from __future__ import annotations

from collections.abc import Callable
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
    """An expression of some inputs, and the same in torch."""

    spec: str
    torch: Callable[..., Any]


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
GROUPS = {"elementwise": ELEMENTWISE, "operators": OPERATORS, "masks": MASKS}
CASES = ELEMENTWISE | OPERATORS | MASKS


def names_of(case: Case) -> list[str]:
    code = getattr(case.torch, "__code__", None)
    return ["x"] if code is None else list(code.co_varnames[: code.co_argcount])


def loaded(names: list[str], outputs: list[str]) -> archc.Architecture:
    inputs = "\n".join(f"input {name}: {INPUTS[name]}" for name in names)
    return archc.loads(f"arch A() {{\n{inputs}\noutput ({', '.join(outputs)},)\n}}")


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
    net = loaded(names_of(case), [case.spec])
    again = archc.loads(written(net.ir))
    space: dict[str, Any] = {}
    exec(to_python(net.ir), space)
    for module in (net.module(seed=0), again.module(seed=0), space["A"]()):
        for batch in (1, 2):
            inputs = drawn(case, batch)
            for ours, torchs in zip(results(module, inputs), results(case.torch, inputs), strict=True):
                torch.testing.assert_close(ours, torchs, rtol=1e-6, atol=1e-6, equal_nan=True)
    check_forward(net.module(seed=0), net.ir)


def net_of(group: str) -> archc.Architecture:
    cases = GROUPS[group].values()
    names = dict.fromkeys(name for case in cases for name in names_of(case))
    return loaded([*names], [case.spec for case in cases])


def nets() -> list[archc.Architecture]:
    """A network of all that is said here, for each group."""
    return [net_of(group) for group in GROUPS]


@pytest.mark.parametrize("group", GROUPS)
def test_files_hold_all_of_a_group(group: str, tmp_path: Any):
    net = net_of(group)
    module = net.module(seed=0).eval()
    to_pt2(module, net.ir, tmp_path / "a.pt2")
    to_onnx(module, net.ir, tmp_path / "a.onnx")
