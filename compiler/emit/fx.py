"""Graph to `torch.fx.GraphModule`.

1. `tree` makes a module for each layer and each scope, in the order of the checkpoint, and draws the weights in the
   order of application. A scope that can be called is an `nn.Sequential` where that does the same, else an
   `ArchModule`; one that cannot be called is a list or a namespace that says why.
2. `region_code` makes the fx graph of each region that can be called: its own layers, and calls of the regions in it.
3. `modules` makes each `ArchModule` run its graph. Modules of equal code have one class, so that a compiler takes each
   distinct block once. A second graph serves evaluation where some outputs are for training only. `recompute` puts
   what training computes again into methods, which `torch.utils.checkpoint` calls.

A rectifier overwrites its input only where the same forward makes that input: what a module returns belongs to hooks,
and what it gets to its caller. Names and targets from a spec are checked where they arise, and in the finished graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import fx, nn

from ...dsl.diagnostics import ArchError, Diagnostic
from ...dsl.quoting import quoted
from ..analyses.inplace import to_build
from ..ir.graph import Graph, Scope
from ..ir.lowering import Lowering
from ..ir.regions import Regions
from .arguments import checked_dtype, checked_externs, checked_seed
from .codec import without_outputs
from .memory import allocating, check_memory
from .modules import ArchModule
from .names import check_graph
from .region_code import RegionCode
from .targets import resolved
from .tree import Externs, Tree


def to_graph_module(
    graph: Graph,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    seed: int | None = None,
    externs: Externs | None = None,
) -> ArchModule:
    """The torch module that a graph means, in training mode and freshly initialised.

    Modules nest by label, so `state_dict()` has the spec's names in definition order. Weights start on the CPU in
    float32 and then move, so a seed gives the same weights on every device; `dtype` casts floating tensors. Without a
    seed they come from torch's global generator, with one the global state is untouched. `device="meta"` allocates
    nothing.
    `externs` binds the code of extern layers by name: `code(*inputs, **weights, **arguments)`.

    Raises ArchError (E0801, E0802, E0804, E0807, E0808) where the host or the device cannot take the spec.
    """
    seed, kind, code_of = checked_seed(seed), checked_dtype(dtype), checked_externs(externs)
    place = check_device(device)
    meta = place is not None and place.type == "meta"
    if not meta:
        check_memory(graph)
    with torch.device("cpu"), allocating(graph, "for them" if place is None else f"for them on the device {place}"):
        made = to_build(graph)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        tree = Tree(made.regions, made.lowerings, made.inplace, code_of, generator, meta)
        module = with_code(tree.build(), made.regions, made.lowerings)
        return module.to(device=None if meta else place, dtype=kind)


def with_code(modules: Mapping[Scope, nn.Module], regions: Regions, lowerings: dict[int, Lowering]) -> ArchModule:
    """The root's module, after every module that can be called got its code."""
    root = regions.graph.root
    training = [output.name or "out" for output in regions.graph.outputs if output.when_training]
    for scope, made in codes(regions, lowerings):
        module = modules[scope]
        if isinstance(module, ArchModule):
            check_graph(made, resolved())
            module._adopt(made, without_outputs(made, training) if training and scope is root else None)
    whole = modules[root]
    assert isinstance(whole, ArchModule)
    return whole


def codes(regions: Regions, lowerings: dict[int, Lowering]) -> Iterator[tuple[Scope, fx.Graph]]:
    """The fx graph of every scope that can be called, the root's first."""
    for scope, region in regions.callable_scopes():
        if regions.layer(scope) is None:
            yield scope, RegionCode(regions, lowerings, region).build()


def with_defaults(
    device: torch.device | str | None, dtype: torch.dtype | str | None
) -> tuple[torch.device | str | None, torch.dtype | str | None]:
    """The device and the type that a module has where these are given, and torch's defaults where they are None."""
    default = torch.get_default_dtype()
    kind = default if dtype is None and default is not torch.float32 else dtype
    return torch.get_default_device() if device is None else device, kind


def check_device(device: torch.device | str | None) -> torch.device | None:
    """The device as torch's. Raises ArchError (E0804) if torch cannot use it."""
    if device is None:
        return None
    try:
        place = torch.device(device)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        hint = '`cpu` is always there: `--device cpu` on the command line, `device="cpu"` in Python'
        message = f"torch cannot use the device {device}: {quoted(error)}"
        raise ArchError([Diagnostic("E0804", message, hints=(hint,))]) from None
    return place
