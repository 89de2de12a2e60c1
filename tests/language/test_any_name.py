"""Every name that a check accepts compiles and runs, in every output; the others are refused by the check."""

from __future__ import annotations

import builtins
import importlib.util
import keyword
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from quick import slow_but
from torch import fx, nn
from torch.utils import _pytree as pytree

import archc
from archc.compiler.decompile.graph_json import json_text
from archc.compiler.decompile.python.file import class_name, to_python
from archc.compiler.emit.export import to_onnx, to_pt2
from archc.dsl.diagnostics import ArchError, Diagnostic

OWN = """
self cls x y m i j n k t h c F nn Tensor Any Callable math torch torchvision archc annotations dataclass
partial lru_cache checkpoint step args kwargs out output placeholder getattr_1 get_attr call_module
call_function add mul conv conv_1 conv2d relu relu_1 input input_1 input1 functional device inf nan operator
pytree fx_pytree NoneType Sequential ModuleList Module Conv2d Net A a__b a_b a_b_1 features unit unit1 body
weights weight bias init tensor shape dtype data residual outputs result value key main test E1 x_1 x1
T_destination copy deepcopy
"""
EXPORTED = """
self t x x_1 X add mul conv2d conv2d_1 conv_1 relu_1 input input_1 out output placeholder operator torch inf Tensor
weight bias p_weight p_p_weight b_weight p_conv2d_weight own a_b shape data
"""
"""Of these also files are written by torch.export and for ONNX, which takes long; they name values in such files."""
TORCH = dir(fx.GraphModule(nn.Module(), fx.Graph()))
TOLD = {*OWN.split(), *EXPORTED.split()}
NAMES = sorted({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *TORCH, *TOLD})
"""Words of Python and of its builtins, what torch's modules have, and what generated code is made of."""
SOME = sorted({*keyword.kwlist, *keyword.softkwlist, *TOLD, *NAMES[::4]})
"""What every run of the tests tries."""
AMONG = [pytest.param(SOME, id="some"), pytest.param(NAMES, id="all", marks=pytest.mark.slow)]

TAKEN = frozenset({"t", "hh", "v", "conv", "bn", "relu", "sum", "power"})
"""What the texts below say themselves."""

X = "input t: [N, 3, 8, 8] = [2, 3, 8, 8]"


def chain(parts: list[str], before: str = "") -> str:
    return f"{before}arch Net {{ {X}\noutput t -> {' -> '.join(parts)} }}"


def tensors(kind: str, names: list[str]) -> str:
    made = "\n".join(f"{kind} {name} = zeros([1, 3, 8, 8])" for name in names)
    return f"arch Net {{ {X}\n{made}\noutput sum([t * v for v in [{', '.join(names)}]]) -> conv_: conv(4, 3) }}"


def inputs(names: list[str]) -> str:
    made = "\n".join(f"input {name}: [N, 3, 8, 8] = [2, 3, 8, 8]" for name in names)
    return f"arch Net {{ {made}\noutput sum([{', '.join(names)}]) -> first: conv(4, 3) -> power(2) }}"


def outputs(names: list[str]) -> str:
    made = "\n".join(f"output {name} = h + {number}" for number, name in enumerate(names))
    return f"arch Net {{ {X}\nhh = t -> first: conv(4, 3)\n{made.replace('h +', 'hh +')} }}"


def blocks(names: list[str]) -> str:
    made = "".join(f"block {name}() = conv(3, 1) -> relu -> conv(3, 1)\n" for name in names)
    return chain([f"p{number}: {name}" for number, name in enumerate(names)], made)


def externs(names: list[str]) -> str:
    made = "".join(f"extern {name}()(x: [N, C, H, W]) -> [N, C, H, W]\n" for name in names)
    return chain(names, made)


ROLES: dict[str, Callable[[list[str]], str]] = {
    "label of a layer": lambda names: chain([f"{name}: conv(3, 1)" for name in names]),
    "label of a scope": lambda names: chain([f"{name}: (a: conv(3, 1) -> b: bn)" for name in names]),
    "label in a scope": lambda names: chain(
        [f"{s}: ({' -> '.join(f'{name}: conv(3, 1)' for name in names)})" for s in ("s", "r")]
    ),
    "shared": lambda names: (
        f"arch Net {{ {X}\n"
        + "\n".join(f"shared {name} = conv(3, 1)" for name in names)
        + f"\noutput t -> {' -> '.join([*names, *names])} }}"
    ),
    "param": lambda names: tensors("param", names),
    "buffer": lambda names: tensors("buffer", names),
    "input": inputs,
    "output": outputs,
    "block": blocks,
    "extern": externs,
}


def trouble(text: str) -> list[Diagnostic]:
    """The errors that a check finds."""
    return [d for d in archc.check(text=text) if d.severity == "error"]


def refusal(text: str) -> str | None:
    """The code that a check gives; None where it accepts the text."""
    found = trouble(text)
    return found[0].code if found else None


def accepted(role: str, among: list[str]) -> list[str]:
    """The names that a check takes in a role. Those that the role's own text has are left out."""
    write = ROLES[role]
    names = [name for name in among if name not in TAKEN and refusal(write([name])) is None]
    while problems := trouble(write(names)):
        # Inputs that a check does not take beside one another.
        assert role == "input" and {problem.code for problem in problems} == {"E0511"}, problems
        refused = {problem.message.split("`")[1] for problem in problems}
        names = [name for name in names if name not in refused]
    return names


def results(module: nn.Module, given: list[torch.Tensor]) -> list[torch.Tensor]:
    with torch.no_grad():
        return pytree.tree_flatten(module(*given))[0]


def assert_same(one: list[torch.Tensor], other: list[torch.Tensor]) -> None:
    assert len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("generated_names", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("among", AMONG)
@pytest.mark.parametrize("role", ROLES)
def test_every_accepted_name_compiles_and_runs(role: str, among: list[str], tmp_path: Path) -> None:
    names = accepted(role, among)
    assert len(names) > 100, role
    assert "self" not in names or role in ("output", "block", "extern")
    net = archc.loads(ROLES[role](names))
    hosts = {"externs": {name: lambda x: x + 1 for name in names}} if role == "extern" else {}
    module: Any = net.module(seed=0, **hosts).eval()
    given = [torch.randn(2, 3, 8, 8) for _ in net.ir.inputs]
    wanted = results(module, given)
    assert json_text(net.ir)
    if role == "extern":
        return
    path = tmp_path / "net.py"
    path.write_text(to_python(net.ir))
    made = getattr(imported(path), class_name(net.ir))()
    made.load_state_dict(module.state_dict())
    assert list(made.state_dict()) == list(module.state_dict())
    assert_same(results(made.eval(), given), wanted)
    again: Any = archc.loads(net.source()).module(seed=0)
    again.load_state_dict(module.state_dict())
    assert_same(results(again.eval(), given), wanted)


EXPORTING = [role for role in ROLES if role != "extern"]


@pytest.mark.parametrize("role", slow_but(("input", "output", "buffer"), EXPORTING))
def test_every_accepted_name_is_exported(role: str, tmp_path: Path) -> None:
    few = archc.loads(ROLES[role](accepted(role, sorted({*EXPORTED.split()}))))
    module: Any = few.module(seed=0).eval()
    given = [torch.randn(2, 3, 8, 8) for _ in few.ir.inputs]
    wanted = results(module, given)
    to_pt2(module, few.ir, tmp_path / "net.pt2")
    loaded: Any = torch.export.load(tmp_path / "net.pt2").module()
    for a, b in zip(results(loaded, given), wanted, strict=True):
        torch.testing.assert_close(a, b)
    # It is compared with onnxruntime where it is written.
    to_onnx(module, few.ir, tmp_path / "net.onnx")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("Net",)][::3])
def test_every_accepted_name_of_an_arch(name: str) -> None:
    text = f"arch {name} {{ {X}\noutput t -> a: conv(4, 3) }}"
    if refusal(text) is not None:
        return
    net = archc.loads(text)
    module: Any = net.module(seed=0)
    space: dict[str, Any] = {"__name__": "generated"}
    exec(compile(to_python(net.ir), "<generated>", "exec"), space)
    made = space[class_name(net.ir)]()
    made.load_state_dict(module.state_dict())
    given = [torch.randn(2, 3, 8, 8)]
    assert_same(results(made, given), results(module, given))
    assert archc.loads(net.source()).name == name


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("arch A { input t: [N, 3]  param self = ones([1, 3])  output t * self }", "E0502"),
        ("arch A { input t: [N, 3]  buffer self = ones([1, 3])  output t * self }", "E0502"),
        ("arch A { input t: [N, 3]  output t -> self: linear(3) }", "E0502"),
        ("arch A { input t: [N, 3]  output t -> self: (linear(3) -> relu) }", "E0502"),
        ("arch A { input t: [N, 3]  shared self = linear(3)  output t -> self -> self }", "E0502"),
        ("arch A { input self: [N, 3]  output self -> linear(3) }", "E0511"),
        ("arch A { input input: [N, 3]  input input_1: [N, 3]  output input + input_1 }", "E0511"),
        ("arch A { input x: [N, 3]  input X: [N, 3]  output x - X }", "E0511"),
        ("arch A { input Input: [N, 3]  input input_1: [N, 3]  output Input + input_1 }", "E0511"),
        ("extern f()(x: [N, C]) -> [N, C] { param self: [3] }\narch A { input t: [N, 3]  output t -> f }", "E0502"),
        ("extern f()(x: [N, C]) -> [N, C] { buffer train: [3] }\narch A { input t: [N, 3]  output t -> f }", "E0503"),
    ],
)
def test_names_that_a_check_refuses(text: str, code: str) -> None:
    assert refusal(text) == code
    with pytest.raises(ArchError, match=code):
        archc.loads(text)
