"""How weights start: what differs from torch's own start is written, once for a type of module where it can be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ...ir.graph import Node, Scope
from ...ir.initialisers import INITIALISERS, ONES, TORCH_BIAS, TORCH_WEIGHT, ZEROS, Initialiser
from ...ir.lowering import ModuleCall
from ...ir.op import Weight
from .expr import Expr, attr, call, const, raw
from .layers import torch_name
from .parts import Part, members

_LINEAR = {"weight": TORCH_WEIGHT, "bias": TORCH_BIAS}
_NORM = {"weight": ONES, "bias": ZEROS, "running_mean": ZEROS, "running_var": ONES, "num_batches_tracked": ZEROS}
_ATTENTION = {
    "in_proj_weight": Initialiser("xavier_uniform", (("gain", 1.0),)),
    "in_proj_bias": ZEROS,
    "out_proj.weight": TORCH_WEIGHT,
    "out_proj.bias": ZEROS,
}
_OWN_STARTS: tuple[tuple[str, dict[str, Initialiser]], ...] = (
    ("Conv", _LINEAR),
    ("Linear", _LINEAR),
    ("BatchNorm", _NORM),
    ("InstanceNorm", _NORM),
    ("GroupNorm", _NORM),
    ("LayerNorm", _NORM),
    ("RMSNorm", _NORM),
    ("MultiheadAttention", _ATTENTION),
    ("FreezeDropPath", {"iteration": ZEROS}),
    ("Embedding", {"weight": Initialiser("normal", (("std", 1.0), ("mean", 0.0)))}),
)
"""How torch starts its modules, by the start of their names."""
_OF_ONE_LAYER = frozenset({"fan_in_uniform", "dirac", "bilinear"})
"""Initialisers that depend on the layer's weight or groups."""
_RECURRENT = frozenset({"RNN", "LSTM", "GRU"})
_STARTED_BY_CONSTRUCTOR = frozenset({"torch.nn.PReLU"})


@dataclass(frozen=True, slots=True)
class Helper:
    """A function that the file needs because torch has none."""

    name: str
    text: str


HELPERS = {
    "bilinear": Helper(
        "init_bilinear_",
        '''def init_bilinear_(weight: Tensor, groups: int = 1) -> None:
    """Bilinear interpolation on the diagonal of the channels of each group."""
    kernel = torch.ones(())
    for size in weight.shape[2:]:
        factor = (size + 1) // 2
        center = factor - 1 if size % 2 else factor - 0.5
        kernel = kernel.unsqueeze(-1) * (1 - (torch.arange(size) - center).abs() / factor)
    nn.init.zeros_(weight)
    with torch.no_grad():
        for channel in range(weight.shape[0]):
            place = channel % (weight.shape[0] // groups)
            if place < weight.shape[1]:
                weight[channel, place] = kernel
''',
    ),
    "lecun_normal": Helper(
        "init_lecun_normal_",
        '''def init_lecun_normal_(weight: Tensor) -> None:
    """Normal, with a standard deviation of 1 / sqrt(fan_in)."""
    nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
''',
    ),
    "fan_in_uniform": Helper(
        "init_fan_in_uniform_",
        '''def init_fan_in_uniform_(bias: Tensor, weight: Tensor) -> None:
    """Uniform in 1 / sqrt(fan_in) of the layer's weight around 0."""
    fan = weight[0].numel() if weight.dim() > 1 else weight.numel()
    bound = fan**-0.5 if fan else 0.0
    nn.init.uniform_(bias, -bound, bound)
''',
    ),
    "list": Helper(
        "Modules",
        '''class Modules(nn.ModuleList):
    """Modules with a forward. A slice of them is a plain list."""

    def __getitem__(self, index: int | slice) -> nn.Module:
        return nn.ModuleList([*self][index]) if isinstance(index, slice) else super().__getitem__(index)
''',
    ),
    "recompute": Helper(
        "recompute",
        '''class FirstRun:
    """Modules in the mode and with the buffers of a run, for runs that repeat it and leave no trace."""

    def __init__(self, module: nn.Module):
        self.modules = list(module.modules())
        self.before = [(m.training, _copied(m._buffers)) for m in self.modules]
        self.now: list[Any] = []

    def __enter__(self) -> None:
        self.now.append([(m.training, m._buffers) for m in self.modules])
        for m, (training, buffers) in zip(self.modules, self.before):
            m.training, m._buffers = training, _copied(buffers)

    def __exit__(self, *error: object) -> None:
        for m, (training, buffers) in zip(self.modules, self.now.pop()):
            m.training, m._buffers = training, buffers


def _copied(buffers: dict[str, Tensor | None]) -> dict[str, Tensor | None]:
    return {name: None if buffer is None else buffer.clone() for name, buffer in buffers.items()}


def recompute(part: Callable[..., Any], *inputs: Any) -> Any:
    """Runs a module, or a method of one, of which training keeps the inputs alone: its backward pass runs it again.

    The repetition draws the same random numbers, and running statistics take the batch in once.
    """
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return part(*inputs)
    module = getattr(part, "__self__", part)
    if not (module.training and torch.is_grad_enabled()):
        return part(*inputs)
    kept, first = [list(x) if isinstance(x, list) else x for x in inputs], FirstRun(module)
    return checkpoint(part, *kept, use_reentrant=False, context_fn=lambda: (nullcontext(), first))
''',
    ),
    "values": Helper(
        "init_values_",
        '''def init_values_(tensor: Tensor, values: tuple) -> None:
    """Given numbers, of the tensor's shape."""
    with torch.no_grad():
        tensor.copy_(torch.tensor(values).reshape(tensor.shape))
''',
    ),
}


class Starts:
    """The starts of all weights of an arch."""

    def __init__(self, parts: Iterable[Part], layers: Iterable[tuple[Scope, Node, ModuleCall]] = ()):
        modules: dict[str, list[dict[str, Initialiser | None]]] = defaultdict(list)
        for part in parts:
            if isinstance(part.how, ModuleCall) and part.owner == part.index:
                modules[part.how.target].append({w.name: _start(part.how, w) for w in part.weights})
        for scope, _, module in layers:
            weights = {name: part.how for name, part in members(scope).items() if isinstance(part, Part)}
            own = {name: how for name, how in weights.items() if isinstance(how, Weight)}
            modules[module.target].append({name: _start(module, replace(how, name=name)) for name, how in own.items()})
        self.used: set[str] = set()
        self.targets = frozenset(modules)
        self.bare: set[tuple[str, str]] = set()
        """Types of modules and their weights that some of them lack."""
        self.common: dict[str, dict[str, Initialiser]] = defaultdict(dict)
        """What is written once for a type of module: the starts that all its modules share."""
        for target, rows in modules.items():
            for name in dict.fromkeys(name for row in rows for name in row):
                starts = [row[name] for row in rows if name in row]
                self.bare.update([(target, name)] if len(starts) < len(rows) else [])
                first = starts[0]
                if first and len(starts) > 1 and len(set(starts)) == 1 and self._is_written_once(target, first):
                    self.common[target][name] = first

    def _is_written_once(self, target: str, start: Initialiser) -> bool:
        if target.endswith(".Linear") and any(t.endswith("MultiheadAttention") for t in self.targets):
            return False
        return target not in _STARTED_BY_CONSTRUCTOR and start.kind not in _OF_ONE_LAYER

    def of(self, part: Part, access: Expr, inside: tuple[Node, ModuleCall] | None = None) -> Iterable[Expr]:
        """The statements that start a module's weights, or a tensor, where neither torch nor the whole arch does it.
        The tensor may be `inside` a layer that makes it."""
        if isinstance(part.how, Weight):
            known = (ZEROS, ONES)
            if inside is not None:
                target = inside[1].target
                known = (own_start(target, part.name), self.common.get(target, {}).get(part.name))
                if part.frozen:
                    yield call(attr(access, "requires_grad_"), raw("False"))
            if part.how.init not in known:
                yield self.statement(part.how.init, access, access)
            return
        assert isinstance(part.how, ModuleCall)
        target = part.how.target
        if target in _STARTED_BY_CONSTRUCTOR:
            return
        for weight in part.weights:
            common = self.common.get(target, {}).get(weight.name)
            start = _start(part.how, weight)
            if start not in (None, common):
                groups = part.how.kwargs.get("groups", 1)
                yield self.statement(start, _path(access, weight.name), attr(access, "weight"), groups)

    def statement(self, init: Initialiser, tensor: Expr, weight: Expr, groups: int = 1) -> Expr:
        settings = init.settings
        grouped: dict[str, Any] = {"groups": const(groups, "groups")} if groups != 1 else {}
        if init.kind == "constant":
            value = settings["value"]
            if isinstance(value, tuple):
                return self._helper("values", tensor, const(value))
            return call(raw("nn.init.constant_"), tensor, const(value))
        if init.kind == "uniform":
            return call(raw("nn.init.uniform_"), tensor, const(settings["low"], "low"), const(settings["high"], "high"))
        declared = INITIALISERS[init.kind]
        if declared.torch is None:
            more = [weight] if init.kind == "fan_in_uniform" else []
            return self._helper(init.kind, tensor, *more, **(grouped if init.kind == "bilinear" else {}))
        defaults = {s.name: s.default for s in declared.settings}
        given: dict[str, Any] = {k: const(v, k) for k, v in settings.items() if v != defaults.get(k)}
        return call(torch_name(declared.torch), tensor, **given, **(grouped if init.kind == "dirac" else {}))

    def _helper(self, kind: str, *args: Expr, **kwargs: Expr) -> Expr:
        self.used.add(kind)
        return call(raw(HELPERS[kind].name), *args, **kwargs)

    def loop(self) -> list[tuple[str, list[tuple[str | None, Expr]]]]:
        """For each type of module its statements on `m`, each with the tensor that may be missing, if it may."""
        merged: dict[tuple[Any, ...], list[str]] = {}
        for target, starts in self.common.items():
            merged.setdefault(tuple((n, i, (target, n) in self.bare) for n, i in starts.items()), []).append(target)
        result = []
        for starts, targets in merged.items():
            test = " | ".join([torch_name(t).data for t in targets])
            m = raw("m")
            lines = [
                (name if bare else None, self.statement(i, _path(m, name), attr(m, "weight")))
                for name, i, bare in starts
            ]
            result.append((test, lines))
        return result


def _start(how: ModuleCall, weight: Weight) -> Initialiser | None:
    """How a module's weight starts; None where torch starts it so."""
    own = own_start(how.target, weight.name)
    if how.target.rpartition(".")[2] in _RECURRENT:
        bound = how.args[1] ** -0.5
        own = Initialiser("uniform", (("low", -bound), ("high", bound)))
    return None if weight.init == own else weight.init


def own_start(target: str, weight: str) -> Initialiser | None:
    name = target.rpartition(".")[2]
    for prefix, starts in _OWN_STARTS:
        if name.startswith(prefix):
            return starts.get(weight)
    return None


def _path(base: Expr, name: str) -> Expr:
    for segment in name.split("."):
        base = attr(base, segment)
    return base
