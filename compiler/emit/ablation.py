"""Trained modules with parts left out or in another order (Veit et al. 2016, arXiv 1605.06431, section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

from ..analyses.inplace import Built, lowerings_of, overwritable, to_build
from ..analyses.residual import kendall_tau, residual_modules
from ..ir.graph import Graph, Node, Scope, scopes
from ..ir.regions import Regions
from ..ir.rows import members_of
from .containers import container
from .fx import codes, with_code
from .lesions import checked_paths, left_out, problem, reordered
from .modules import ArchModule
from .names import identifier
from .tree import function_module


@dataclass(frozen=True)
class Reordering:
    """A module whose residual modules were put in another order.

    `order` has the paths of all of them as they are computed now, and `tau` is the rank correlation of that with the
    order in which they were trained: 1 for the same order, -1 for the reverse.
    """

    module: fx.GraphModule
    order: tuple[str, ...]
    tau: float


def lesion(graph: Graph, module: nn.Module, paths: object) -> ArchModule:
    """The module without these parts of it; see `archc.ablation.lesion`."""
    made = check_fits(graph, module).made
    return _on_weights_of(module, made, left_out(graph, checked_paths(paths)))


def reorder(graph: Graph, module: nn.Module, order: object) -> Reordering:
    """The module with residual modules in this order; see `archc.ablation.reorder`."""
    made = check_fits(graph, module).made
    changed, now = reordered(graph, checked_paths(order))
    paths = [part.path for part in residual_modules(graph)]
    return Reordering(_on_weights_of(module, made, changed), tuple([paths[number] for number in now]), kendall_tau(now))


def check_fits(graph: Graph, module: nn.Module) -> Built:
    """What a module of the graph is built of. Raises ArchError (E0870) unless this module is one."""
    hint = "build it by `net.module()`, and load weights by `module.load_state_dict(...)`"
    if not isinstance(module, ArchModule):
        raise problem("E0870", f"a {type(module).__name__} is no module that archc built", None, hint)
    made = to_build(graph)
    try:
        parts = codes(made.regions, made.lowerings)
        fits = all(_computes(module.get_submodule(scope.path), code) for scope, code in parts)
    except AttributeError as error:
        raise problem("E0870", f"this is no module of {graph.name}: {error}", None, hint) from None
    if not fits:
        more = "what had parts left out or reordered is another network: start from the whole one"
        raise problem("E0870", f"this module does not compute what {graph.name} says", None, hint, more)
    return made


def _computes(module: nn.Module, code: fx.Graph) -> bool:
    """Whether a scope's module runs this code."""
    if isinstance(module, ArchModule):
        return module._graph.python_code("self").src == code.python_code("self").src
    called = [node.target for node in code.nodes if node.op == "call_module"]
    return isinstance(module, nn.Sequential) and called == list(module._modules)


def _on_weights_of(module: nn.Module, made: Iterable[tuple[str, str | None]], graph: Graph) -> ArchModule:
    """A module that computes a graph with the parameters of another one, which was built with the modules `made`.

    It has the same parameters and its own buffers, so running it in training mode leaves the other's running statistics
    alone.
    """
    memo: dict[int, Any] = {id(parameter): parameter for parameter in module.parameters()}
    copy = deepcopy(module, memo)
    for path, name in made:
        home, _, place = path.rpartition(".")
        held = copy.get_submodule(home)._modules
        if name is None:
            del held[place]
        else:
            held[place] = copy.get_submodule(f"{path}.{name}")
    regions, lowerings = Regions(graph), lowerings_of(graph)
    safe = overwritable(regions)
    for node in graph.owners():
        if node.op.is_module and node.name and not node.op.is_parameter and node.index not in safe:
            layer = copy.get_submodule(node.path)
            if getattr(layer, "inplace", False):
                layer.inplace = False  # type: ignore[assignment]  # what it would overwrite now has other users
    return with_code(_around(copy, regions, lowerings, type(module).__name__), regions, lowerings)


def _around(module: nn.Module, regions: Regions, lowerings: dict[int, Any], name: str) -> dict[Scope, nn.Module]:
    """Modules for the scopes of a graph, around the layers of a module that has the same scopes."""
    root = regions.graph.root
    inner = [scope for scope in scopes(root) if scope is not root]
    made: dict[Scope, nn.Module] = {root: ArchModule(identifier(name))}
    made |= {scope: container(scope, regions, lowerings) for scope in inner}
    for scope, after in made.items():
        before = module.get_submodule(scope.path)
        for kind in ("training", "_modules", "_parameters", "_buffers", "_non_persistent_buffers_set"):
            after.__dict__[kind] = before.__dict__[kind]
    for scope, after in made.items():
        members, held = members_of(scope, regions, lowerings), after._modules
        functions = [(n, item) for n, item in members.items() if isinstance(item, Node) and not item.name]
        held.update({name: made[child] for name, child in members.items() if isinstance(child, Scope)})
        held.update({n: function_module(item, regions.graph, lowerings) for n, item in functions if n not in held})
        if functions:
            after.__dict__["_modules"] = {name: held[name] for name in members}
    return made
