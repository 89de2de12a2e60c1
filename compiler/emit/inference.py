"""Architectures with weights, made ready for inference.

1. Rewrites of the graph: batch norms go into the layers before them, parallel branches become one, pools go before
   1 x 1 convolutions.
2. `analyses.fusion` says what one kernel computes, and which sums write over an operand.
3. The network becomes one flat fx graph, in which evaluation alone is left: maps are channels last, kernels are modules
   with packed weights, all else is torch's operator as `module()` has it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from typing import Any

import torch
from torch import fx, nn

from ..analyses.figures import evaluated
from ..analyses.fusion import DENSE, Bounded, Fusion, Kernel, fusion
from ..analyses.inplace import lowerings_of, overwritable
from ..analyses.joins import Join
from ..ir.graph import Graph, Node, Value, concrete
from ..ir.lowering import Lowering, ModuleCall
from ..ir.regions import Regions
from ..ops.core import Extern
from ..passes.absorb import AbsorbBatchNorm
from ..passes.branches import MergeBranches
from ..passes.fold import FoldBatchNorm
from ..passes.merge_kernels import MergeKernels
from ..passes.pools import PoolFirst
from . import kernels
from .arguments import checked_dtype, checked_externs, checked_word
from .checkpoint import Checkpoint, Source
from .constants import settle
from .fx import check_device
from .lowerer import Lowerer
from .memory import allocating, check_memory
from .names import identifier
from .region_code import Code, added_after
from .tree import Externs, Tree
from .weights import load_weights

MERGED = "sets of parallel branches merged into one"
MOVED = "pools moved before a 1 x 1 convolution"
FOLDED = "batch norms folded into the layer before"
ABSORBED = "batch norms absorbed behind a concat or another norm, or by the layers behind them"
SUMMED = "sums of convolutions of one tensor merged into one convolution"
SETTLED = "tensors that weights alone decide computed once"
ENGINES = ("kernels", "inductor")
_LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}


@dataclass(slots=True)
class Report:
    """What was done to a network for inference, and how often; and what was not and why, by path (of the whole: "")."""

    done: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        done = [f"{what}: {count}" for what, count in self.done.items()]
        return "\n".join([*done, *(f"not {path}: {why}" if path else why for path, why in self.refused.items())])


class Optimized(nn.Module):
    """A network for inference alone: no gradients, and no training mode. `report` says what was done.

    It takes inputs of any size that the architecture takes, of its own type or another floating one, and gives outputs
    of its own type. Weights are packed and are no state dict: `net.module()` has one.
    """

    def __init__(self, network: nn.Module, report: Report):
        super().__init__()
        self.network = network
        self.report = report
        self.eval()

    def train(self, mode: bool = True) -> Optimized:
        """Stays in evaluation."""
        return super().train(False)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        with torch.no_grad():
            return self.network(*inputs, **named)


def optimized(
    graph: Graph,
    weights: Source | None = None,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    engine: str = "kernels",
    externs: Externs | None = None,
) -> Optimized:
    """The architecture with these weights, or new ones, as a module for inference; see `Architecture.optimized`."""
    network, report = rewritten(graph, weights, device=device, dtype=dtype, engine=engine, externs=externs)
    if engine == "inductor":
        from .inductor import Frozen

        return Optimized(Frozen(network), report)
    return Optimized(network, report)


def rewritten(
    graph: Graph,
    weights: Source | None,
    *,
    device: torch.device | str | None,
    dtype: torch.dtype | str | None,
    engine: str,
    externs: Externs | None = None,
) -> tuple[fx.GraphModule, Report]:
    """The network as one flat module, which an engine runs or takes further, and what was done."""
    checked_word("an engine", engine, ENGINES)
    kind, place = checked_dtype(dtype) or torch.float32, check_device(device) or torch.device("cpu")
    report = Report()
    graph = _rewritten(graph, report)
    lowerings = lowerings_of(graph)
    root = _loaded(graph, lowerings, weights, checked_externs(externs), kind, place)
    lacking = None if engine == "kernels" else "inductor"
    lacking = lacking or kernels.lacking(place, kind)
    plan = fusion(graph, lowerings) if lacking is None else Fusion()
    if engine == "kernels" and lacking is not None:
        report.refused[""] = lacking
    _told(plan, report)
    code = FlatCode(graph, lowerings, plan, root, kind)
    network = code.build().eval()
    report.done |= {SETTLED: code.settled} if code.settled else {}
    return network, report


def _rewritten(graph: Graph, report: Report) -> Graph:
    """The graph after the rewrites that are exact in real numbers, in evaluation, and pay."""
    counts: Counter[str] = Counter()
    while True:  # behind a norm that is folded may stand another
        graph, counted, kept = FoldBatchNorm.wherever_exact(graph)
        graph, absorbed, left = AbsorbBatchNorm.wherever_exact(graph)
        counts += Counter({FOLDED: counted, ABSORBED: absorbed})
        if not absorbed and not counted:
            break
    graph, counts[SUMMED] = MergeKernels.wherever_exact(graph)
    graph, counts[MERGED] = MergeBranches.wherever_it_pays(graph)  # without norms more branches are alike
    graph, counts[MOVED] = PoolFirst.wherever_it_pays(graph)
    report.done |= {what: counts[what] for what in (FOLDED, ABSORBED, SUMMED, MERGED, MOVED) if counts[what]}
    report.refused |= kept | left
    return graph


def _loaded(
    graph: Graph,
    lowerings: dict[int, Lowering],
    weights: Source | None,
    externs: Externs,
    dtype: torch.dtype,
    device: torch.device,
) -> nn.Module:
    """The modules of the layers with their weights, in evaluation; those of scopes have no code. Where all weights are
    given none is drawn."""
    check_memory(graph)
    drawn = weights is None or any(step.fresh for step in graph.weight_maps)
    drawn = drawn or (isinstance(weights, Checkpoint) and bool(weights.fresh))
    with allocating(graph, f"for them on the device {device}"):
        regions = Regions(graph)
        tree = Tree(regions, lowerings, overwritable(regions), externs, None, meta=False, drawn=drawn)
        root = tree.build()[graph.root]
        root.to(torch.promote_types(dtype, torch.float32))
        if weights is not None:
            load_weights(root, weights, graph)
        return root.eval().requires_grad_(False).to(device, dtype)


def _at(root: nn.Module, path: str) -> Any:
    """The module or tensor at a path."""
    holder, _, name = path.rpartition(".")
    return getattr(root.get_submodule(holder), name)


class FlatCode(Code):
    """The whole network as one fx graph, without the scopes. `root` has the modules of the layers."""

    def __init__(self, graph: Graph, lowerings: dict[int, Lowering], plan: Fusion, root: nn.Module, dtype: torch.dtype):
        super().__init__(graph, lowerings)
        self.plan = plan
        self.root = root
        self.dtype = dtype
        self.used: dict[str, Any] = {}
        self.bounds: dict[Value, kernels.Bound] = {}
        self.constant: set[int] = set()
        self.fixed: set[fx.Node] = set()
        """The calls that weights alone decide."""
        self.joins = {index: join for join in plan.joins for index in join.ends}
        self.joined: dict[int, tuple[fx.Node, int]] = {}
        """The memory of a join, by its identity, and how many maps stand in it so far."""

    def value(self, value: Value) -> fx.Node:
        return super().value(self.plan.same.get(value, value))

    def build(self) -> fx.GraphModule:
        """The module that runs it."""
        self._inputs()
        for node, needed in zip(self.graph.nodes, evaluated(self.graph), strict=True):
            if needed and not (node.op.is_input or node.op.is_parameter or node.index in self.plan.inside):
                self._emit(node)
        self.put_out(training=False)
        settled = settle(self.code, self.fixed, partial(_at, self.root))
        self.settled = len(settled)
        self.used |= settled
        targets = {str(node.target) for node in self.code.nodes if node.op in ("call_module", "get_attr")}
        return fx.GraphModule(self.used | {t: _at(self.root, t) for t in targets - self.used.keys()}, self.code)

    def _inputs(self) -> None:
        self.take_in()
        for entry in self.graph.inputs:
            if entry.type.dtype == "float":
                layout: Any = {"memory_format": _LAYOUTS[entry.type.rank]} if entry.type.rank in _LAYOUTS else {}
                given = self.values[entry.node, 0]
                self.values[entry.node, 0] = self.code.call_method("to", (given, self.dtype), layout)

    def _emit(self, node: Node) -> None:
        kernel = self.plan.kernels.get(node.index)
        if kernel is not None:
            self._kernel(kernel)
        elif node.index in self.plan.bounds:
            self._bound(self.plan.bounds[node.index])
        elif node.index in self.joins:
            self._join(node, self.joins[node.index])
        elif (node.index, 0) not in self.plan.same:
            before = next(iter(reversed(self.code.nodes)), None)
            self.add(node)
            if self._is_constant(node):
                self.constant.add(node.index)
                self.fixed.update(added_after(self.code, before))
            if node.index in self.plan.pooled:
                self.bounds[node.index, 0] = self.bounds[self._taken(node)]

    def _is_constant(self, node: Node) -> bool:
        """Whether weights alone decide what a node gives. The code of layers of the host may do anything."""
        nodes = [self.graph.nodes[index] for index, _ in node.inputs]
        known = bool(nodes) and all(each.op.is_parameter or each.index in self.constant for each in nodes)
        return known and not (node.op.is_random() or isinstance(node.op, Extern))

    def _taken(self, node: Node) -> Value:
        """The tensor that a node takes, through what passes it on."""
        return self.plan.same.get(node.inputs[0], node.inputs[0])

    def _kernel(self, kernel: Kernel) -> None:
        node = kernel.node
        call, layer = self.lowerings[node.index], _at(self.root, self.path(node))
        assert isinstance(call, ModuleCall)
        inputs = [self.value(value) for value in node.inputs]
        lowerer = Lowerer(self.code, inputs, self.reference, identifier(self.path(node)))
        args = inputs if call.inputs is None else [lowerer.value(item) for item in call.inputs]
        if kernel.other is not None:
            args = [*args, self.value(kernel.other)]
        size = concrete(self.graph.type_of(node.inputs[0]).dims, self.graph.nominal)
        if call.target == DENSE:
            made: nn.Module = kernels.FusedLinear(layer, math.prod(size) // layer.in_features, kernel.epilogue)
        else:
            bound = self.bounds.get(self._taken(node))
            made = kernels.FusedConv(layer, size, kernel.epilogue, kernel.overwrites, bound)
        self.values[kernel.end, 0] = self._call_own(self.path(node), made, args)

    def _bound(self, bounded: Bounded) -> None:
        norm = bounded.norm
        bound = kernels.Bound.of(_at(self.root, self.path(norm)), self.dtype)
        self.bounds[bounded.end, 0] = bound
        module = kernels.Bounded(bound, len(norm.outputs[0].dims))
        self.values[bounded.end, 0] = self._call_own(self.path(norm), module, [self.value(norm.inputs[0])])

    def _join(self, node: Node, join: Join) -> None:
        end = join.ends[node.index]
        whole, begun = self.joined.get(id(join), (None, 0))
        if begun < end:
            maps = [self.value(value) for value in join.maps[begun:end]]
            made = kernels.Joined(join.channels, join.starts[begun])
            whole = self._call_own("joined", made, maps if whole is None else [whole, *maps])
            self.joined[id(join)] = whole, end
        assert whole is not None
        channels: Any = node.outputs[0].dims[1]
        self.values[node.index, 0] = self.code.call_method("narrow", (whole, 1, 0, channels))

    def _call_own(self, path: str, module: nn.Module, args: list[fx.Node]) -> fx.Node:
        """A call of a module of this graph's own, which has the name of the layer that it stands for."""
        name = next(n for n in chain([path], (f"{path}_{i}" for i in count(2))) if n not in self.used)
        self.used[name] = module
        return self.code.create_node("call_module", name, tuple(args), name=identifier(name))


def _told(plan: Fusion, report: Report) -> None:
    """Says what the kernels do."""
    found = plan.kernels.values()
    sums = [kernel for kernel in found if kernel.other is not None]
    counts = {
        "convolutions and dense layers with fused kernels and packed weights": len(found),
        "activations computed within a kernel": sum(kernel.epilogue is not None for kernel in found),
        "sums computed within a kernel": len(sums),
        "sums computed in place": sum(kernel.overwrites for kernel in sums),
        "batch norms made bounds with their rectifiers, the scale taken into convolutions": len(plan.bounds),
        "concats that are the first channels of one memory, without copies": sum(len(j.ends) for j in plan.joins),
        "layers left out that do nothing in evaluation": len(plan.same),
    }
    report.done |= {what: count for what, count in counts.items() if count}
    report.refused |= plan.plain
