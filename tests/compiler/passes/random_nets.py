"""Random legal networks for the tests of rewrites, and modules of them whose numbers can be compared.

`nets()` draws specs: units in a row, labelled u0, u1, ..., each a chain, a residual unit (with an identity, a
projection, a mean, three terms, or another unit inside), a join of branches, a gate, or a cell that is shared and
applied several times; with batch norms, and with a head, a second output or one for training. The channels before a
unit are those after it unless it is a `step`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

import archc
from archc.compiler.emit.weights import load_weights

CHANNELS = 4
CHAINS = [
    "conv(%d, 3)",
    "conv(%d, 1, bias = true)",
    "conv(%d, 3) -> bn",
    "conv(%d, 3) -> bn -> relu",
    "bn -> conv(%d, 3)",
]
KEEPING = ["relu", "bn", "tanh", "maxpool(3, 1, padding = 1)", "dropout(0.2)"]
UNITS = {
    "plain": "{a} -> {b}",
    "alone": "{a}",
    "quiet": "{k}",
    "residual": "id + body: ({a} -> {b}) -> relu",
    "bare": "id + body: ({a} -> {b})",
    "projected": "body: ({a} -> {b}) + shortcut: [conv({c}, 1), bn] -> relu",
    "mean": "mean(id, body: ({a} -> {b})) -> relu",
    "wide": "sum(id, left: ({a} -> {b}), right: conv({c}, 3)) -> relu",
    "nested": "id + body: (inner: (id + body: ({a} -> {b}) -> relu) -> {a})",
    "joined": "(left: conv({c}, 3) ++ right: ({k} -> conv({c}, 1))) -> conv({c}, 1)",
    "pooled": "{a} -> conv({c}, 1, bias = true) -> avgpool(3, 1, padding = 1, count_pad = false)",
    "gated": "id * gate: (gap -> conv({c}, 1) -> sigmoid)",
    "negative": "id - body: ({a} -> {b})",
}
STEPS = ["conv(%d, 3, 2) -> bn -> relu", "body: (conv(%d, 3, 2) -> bn) + shortcut: conv(%d, 1, 2) -> relu"]


@dataclass(frozen=True)
class Net:
    """A random network: its spec, and the kind of each unit by its label (`cell` for one that is shared)."""

    text: str
    units: dict[str, str] = field(default_factory=dict)

    @property
    def architecture(self) -> archc.Architecture:
        return archc.loads(self.text)

    def of_kind(self, *kinds: str) -> list[str]:
        return [label for label, kind in self.units.items() if kind in kinds]


@st.composite
def nets(draw: st.DrawFn, steps: bool = True, shared: bool = True, outputs: bool = True) -> Net:
    """A network on [N, 3, 8, 8]. Without `steps` all units have as many channels; `shared` and `outputs` say whether
    there may be a shared cell, and more than one output."""
    channels, lines, units = CHANNELS, ["h = x -> stem: (conv(4, 3) -> bn -> relu)"], {}
    kinds = [*UNITS, *(["step"] if steps else []), *(["cell"] if shared else [])]
    for number in range(draw(st.integers(1, 5))):
        label, kind = f"u{number}", draw(st.sampled_from(kinds))
        units[label] = kind
        if kind == "cell":
            lines.append(f"shared {label} = {draw(_network(channels))}")
            lines.append(f"h = h -> {label} ** {draw(st.integers(2, 3))}")
            continue
        if kind == "step":
            channels += 2
            network = draw(st.sampled_from(STEPS)).replace("%d", str(channels))
        else:
            network = draw(_network(channels, UNITS[kind]))
        lines.append(f"h = h -> {label}: ({network})")
    lines += draw(_endings(channels)) if outputs else ["output h -> gap -> fc: linear(3)"]
    body = "\n  ".join(["input x: [N, 3, 8, 8]", *lines])
    return Net(f"arch Net {{\n  {body}\n}}", units)


@st.composite
def _network(draw: st.DrawFn, channels: int, form: str = "{a} -> {b}") -> str:
    a, b = (draw(st.sampled_from(CHAINS)) % channels for _ in range(2))
    return form.format(a=a, b=b, c=channels, k=draw(st.sampled_from(KEEPING)))


@st.composite
def _endings(draw: st.DrawFn, channels: int) -> list[str]:
    head = "h -> gap -> fc: linear(3)"
    return draw(
        st.sampled_from(
            [
                [f"output {head}"],
                ["output h"],
                [f"output scores = {head}", "output h"],
                [f"output {head}", f"output aux = h -> aux: (conv({channels}, 1) -> bn) when training"],
            ]
        )
    )


def double(net: archc.Architecture, state: dict[str, Tensor] | None = None, seed: int = 1) -> nn.Module:
    """The module in evaluation and double precision, with a checkpoint, of before a rewrite or after it, or with drawn
    weights and statistics."""
    module = net.module(seed=0, dtype="float64").eval()
    if state is not None:
        load_weights(module, state, net.ir)
        return module
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point():
            tensor.add_(0.3 * torch.randn(tensor.shape, dtype=tensor.dtype, generator=generator))
    return module


def image(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def results(module: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """What the module returns, as a list: of a dict the values, without those for training only."""
    with torch.no_grad():
        found: Any = module(*inputs)
    listed = list(found.values()) if isinstance(found, dict) else list(found) if isinstance(found, tuple) else [found]
    return [item for part in listed if part is not None for item in (part if isinstance(part, tuple) else (part,))]


def agree(one: nn.Module, other: nn.Module, *inputs: Tensor, atol: float = 1e-12) -> bool:
    """Whether two modules return the same tensors, up to rounding."""
    pairs = list(zip(results(one, *inputs), results(other, *inputs), strict=True))
    return all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-10, atol=atol) for a, b in pairs)
