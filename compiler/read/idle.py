"""Layers and tensors of a module that nothing which it returns depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx, nn

from ...dsl.diagnostics import refused
from ..ir.graph import Graph, is_under
from .replay import Network
from .trace import State, Trace
from .verify import returned

MOST_NAMED = 8


def refuse_idle(graph: Graph, module: nn.Module, trace: Trace, inputs: Sequence[Tensor]) -> None:
    """Raises ArchError (E1209) where the module has weights on which nothing depends that it returns."""
    kept, known = module.state_dict(keep_vars=True), graph.tensor_shapes()
    used = {id(state.tensor) for state in _used(trace)}
    idle = {name for name, tensor in kept.items() if name not in known and id(tensor) not in used}
    if not idle:
        return
    paths = list(dict.fromkeys(_outermost(name, idle, kept) for name in kept if name in idle))
    told = ", ".join([f"`{path}`" for path in paths[:MOST_NAMED]])
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    if isinstance(module, Network):
        raise refused("E1209", f"no output depends on {told}{more}", "write the file anew from a module without it")
    message = f"nothing that {type(module).__name__} returns depends on its {told}{more}"
    changes = [_left_out(module, path) for path in paths]
    if _runs_without(module, paths, inputs):
        hint = f"leave that out before the module is read: `{'; '.join(changes)}`; or do not make it"
    else:
        hint = "its forward computes with it and drops the result: take out that line, and then the layer"
    raise refused("E1209", message, hint)


def _used(trace: Trace) -> list[State]:
    """The state that the outputs depend on."""
    waiting: list[fx.Node] = [node for _, node in trace.outputs]
    seen = {*waiting}
    while waiting:
        new = {*waiting.pop().all_input_nodes} - seen
        seen |= new
        waiting += new
    return [state for node, state in trace.state.items() if node in seen]


def _outermost(name: str, idle: set[str], kept: dict[str, Tensor]) -> str:
    """The outermost module around a tensor all of whose tensors are idle, or else the tensor."""
    parts = name.split(".")
    around = (".".join(parts[:end]) for end in range(1, len(parts)))
    return next((path for path in around if idle.issuperset(n for n in kept if is_under(n, path))), name)


def _left_out(module: nn.Module, path: str) -> str:
    """The statement that leaves out a part or a tensor, so that what is around it keeps its names."""
    above, _, name = path.rpartition(".")
    is_part = name in module.get_submodule(above)._modules
    if not all(map(str.isidentifier, path.split("."))):
        home = f'module.get_submodule("{above}")' if above else "module"
        return f'setattr({home}, "{name}", {"torch.nn.Identity()" if is_part else None})'
    return f"module.{path} = {'torch.nn.Identity()' if is_part else None}"


def _runs_without(module: nn.Module, paths: Sequence[str], inputs: Sequence[Tensor]) -> bool:
    """Whether the module computes without these parts and tensors."""
    held: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for path in paths:
            above, _, name = path.rpartition(".")
            home = module.get_submodule(above)
            own: dict[str, Any] = next(d for d in (home._modules, home._parameters, home._buffers) if name in d)
            held.append((own, name, own[name]))
            own[name] = nn.Identity() if own is home._modules else None
        for training in (False, True):
            returned(module, inputs, training)
    except Exception:  # whatever a forward raises where something is missing
        return False
    finally:
        for own, name, value in held:
            own[name] = value
    return True
