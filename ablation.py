"""What becomes of a trained module without some of its parts, with its parts in another order, along single paths.

    from archc import ablation

    net = archc.load("resnet_cifar", depth=20)
    model = net.module()                                   # train it, or load weights
    for path in ablation.residual_modules(net):
        print(path, evaluate(ablation.lesion(net, model, path)))

The experiments of Veit, Wilber & Belongie, "Residual networks behave like ensembles of relatively shallow networks"
(2016, arXiv 1605.06431), for any module that archc built. The module given is never changed. Importing this imports
torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .compiler.analyses import residual
from .compiler.analyses.residual import kendall_tau
from .compiler.emit import ablation
from .compiler.emit import path_gradients as gradients
from .compiler.emit.ablation import Reordering
from .compiler.emit.path_gradients import PathGradient

if TYPE_CHECKING:
    import torch

    from .architecture import Architecture

__all__ = ["PathGradient", "Reordering", "kendall_tau", "lesion", "path_gradients", "reorder", "residual_modules"]


def residual_modules(net: Architecture) -> list[str]:
    """The paths of the residual modules, in the order of the computation: what stands beside a shortcut."""
    return [module.path for module in residual.residual_modules(net.ir)]


def lesion(net: Architecture, module: torch.nn.Module, paths: str | Iterable[str]) -> torch.fx.GraphModule:
    """The module without the parts at `paths`.

    Of a residual module the sum is computed without the branch; a mean is that of what is left. A scope stands for all
    residual modules in it. Any other layer or scope is skipped, so that it passes on what it gets.

    `module` is one that `net` built. The result has its parameters, not copies, and buffers of its own, and is in its
    mode. Raises ArchError where the module is not the net's (E0870), nothing has a path (E0871), and where something
    cannot be left out (E0872).
    """
    return ablation.lesion(net.ir, module, paths)


def reorder(net: Architecture, module: torch.nn.Module, order: Iterable[str]) -> Reordering:
    """The module with residual modules in another order.

    Those that `order` names take the places that they have together, in this order, and the others stay. The result is
    a `Reordering`: `module`, which shares parameters as that of `lesion` does, `order`, the paths of all residual
    modules as they are computed now, and `tau`, Kendall's rank correlation of that with the order before. Raises
    ArchError (E0870, E0871), also where a module is named twice (E0873) or does not fit its place (E0874).
    """
    return ablation.reorder(net.ir, module, order)


def path_gradients(
    net: Architecture,
    module: torch.nn.Module,
    inputs: torch.Tensor | Sequence[torch.Tensor] | Mapping[str, torch.Tensor],
    loss: Callable[[Any], torch.Tensor],
    length: int,
    count: int | None = None,
    *,
    by: str = "module",
    seed: int = 0,
) -> list[PathGradient]:
    """The gradients of `loss(module(inputs))` at the inputs through single paths of one length, in evaluation mode.

    Where a path meets others, at a sum or a product, their values count and their gradients are stopped; so the
    gradients along all paths add up to the whole gradient. Lengths are those of `net.paths(by)`: how many residual
    modules are on a path, or with `by="layer"` how many convolutions and dense layers. With a `count` this many paths
    are drawn, each as likely as any other of the length and one independent of another; without one all are taken.

    Each result has `gradient`, `norm`, the residual `modules` on the path, and the name of the `input` at which it
    starts. Raises ArchError where the module is not the net's (E0870), where there are no such paths (E0875), and where
    there is no gradient (E0876).
    """
    return gradients.path_gradients(net.ir, module, inputs, loss, length, count, by, seed)
