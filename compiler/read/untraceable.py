"""Modules that `torch.export` gives no graph of, or one that is another function in training."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from ...dsl.diagnostics import ArchError, refused
from ...dsl.quoting import quoted
from ..emit.private import pytree

OWN = str(Path(__file__).resolve().parents[1])
"""The folder whose lines are no lines of a user's."""
DECIDED = "what depends on the values of tensors, in `if` or `.item()`, has no graph; give the part that has one"


def refuse_untraceable(module: nn.Module) -> None:
    """Raises ArchError (E1203) for modules that are quantised or compiled already."""
    for path, part in module.named_modules():
        where = f"`{path}`" if path else type(module).__name__
        if ".quantized" in type(part).__module__:
            message = f"{where} is quantised: its weights are other tensors than those that a checkpoint trains"
            raise refused("E1203", message, "give the module before it is quantised")
        if isinstance(part, torch.jit.ScriptModule):
            raise refused(
                "E1203", f"{where} is a TorchScript module, which has no Python", "give the module it is made of"
            )


def not_exported(module: nn.Module, error: Exception, inputs: Sequence[Tensor]) -> ArchError:
    """What is said where torch raises an error: the first sentence of its reason, the part and the line of code, and
    what the module was given."""
    part = next((note for note in getattr(error, "__notes__", ()) if note.startswith("in `")), "")
    at = _place(module, _frames(error)) or ", ".join(filter(None, (part, _named(str(error)))))
    decided = "data-dependent" in str(error)
    reason = "it decides by the values of tensors" if decided else f"{type(error).__name__}: {quoted(error)}"
    message = f"torch cannot export {type(module).__name__}: {reason}{at and f' ({at})'}"
    hints = [DECIDED] if decided else []
    types = {t.dtype for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()}
    if others := types - {torch.float32}:
        found = " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in others))
        hints.append(f"the module has weights of type {found}: give `module.float()`, which has the same architecture")
    if not hints:
        given = " and ".join(map(_described, inputs))
        word = "numbers" if len(inputs) > 1 else "number"
        hints.append(f"it is given {given}, the batch as first {word}; `--input`, once for each input, says others")
    return refused("E1203", message, *hints)


def _described(x: Tensor) -> str:
    """The type and the shape of an input."""
    kind = "bool" if x.dtype == torch.bool else "float" if x.is_floating_point() else "int"
    return f"{kind} {list(x.shape)}"


def refuse_decided(module: nn.Module, program: ExportedProgram) -> None:
    """Raises ArchError (E1203) where a size or a number depends on the values of tensors: no others are unknown."""
    for node in program.graph.nodes:
        found = pytree.tree_leaves(node.meta.get("val"))
        sizes = [size for x in found if isinstance(x, Tensor) for size in x.shape]
        if any(isinstance(x, torch.SymInt | torch.SymFloat | torch.SymBool) for x in (*found, *sizes)):
            stack = [*(node.meta.get("nn_module_stack") or {}).values()]
            path = stack[-1][0] if stack else ""
            at = ", ".join(filter(None, (path and f"in `{path}`", line_of(node))))
            what = getattr(node.target, "__name__", str(node.target)).partition(".")[0].lstrip("_")
            message = f"{type(module).__name__} takes `{what}` of the values of a tensor{at and f' ({at})'}"
            raise refused("E1203", message, DECIDED)


@contextmanager
def own_gradients(module: nn.Module, hosts: Collection[str]) -> Iterator[None]:
    """Refuses functions with gradients of their own: the graph has what they compute, and not these. Parts at the paths
    `hosts` keep their code. Raises ArchError (E1203)."""
    applied = torch.autograd.Function.__dict__["apply"]

    def apply(cls: type, *args: Any, **kwargs: Any) -> Any:
        if cls.__module__.partition(".")[0] not in ("torch", "archc"):
            frames = _callers(sys._getframe(1))
            inner = _part(module, frames)
            if not any(inner == host or inner.startswith(f"{host}.") for host in hosts):
                at = _place(module, frames)
                message = f"`{cls.__name__}` has a gradient of its own, which no spec can say{at and f' ({at})'}"
                raise refused(
                    "E1203", message, "write it in functions of torch's, whose gradient is that of what they compute"
                )
        return applied.__get__(None, cls)(*args, **kwargs)

    torch.autograd.Function.apply = classmethod(apply)  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        torch.autograd.Function.apply = applied


def _callers(frame: FrameType | None) -> list[tuple[FrameType, int]]:
    """The frames with their lines, the outermost first."""
    found = []
    while frame is not None:
        found.append((frame, frame.f_lineno))
        frame = frame.f_back
    return found[::-1]


def _frames(error: BaseException) -> list[tuple[FrameType, int]]:
    """The frames that an error came through, and those that caused it."""
    found = []
    tb = error.__traceback__
    while tb is not None:
        found.append((tb.tb_frame, tb.tb_lineno))
        tb = tb.tb_next
    cause = error.__cause__ or error.__context__
    return [*found, *(_frames(cause) if cause is not None else [])]


def _receiver(frame: FrameType) -> Any:
    """What a method was called on, if it is one."""
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


def _part(module: nn.Module, frames: list[tuple[FrameType, int]]) -> str:
    """The path of the innermost part that was running."""
    paths = {part: path for path, part in module.named_modules()}
    running = [_receiver(frame) for frame, _ in frames]
    found = [paths[part] for part in running if isinstance(part, nn.Module) and part in paths]
    return found[-1] if found else ""


def _place(module: nn.Module, frames: list[tuple[FrameType, int]]) -> str:
    """The part that was running, and the line of its code."""
    paths = {part: path for path, part in module.named_modules()}
    for frame, line in reversed(frames):
        part = _receiver(frame)
        if isinstance(part, nn.Module) and part in paths and _is_users(frame.f_code.co_filename):
            path = paths[part]
            return f"{f'in `{path}`, ' if path else ''}{frame.f_code.co_filename}:{line}"
    return ""


def place_of(module: nn.Module, frame: FrameType) -> tuple[str, str]:
    """The part that runs in a frame, and the line of code."""
    part = _part(module, _callers(frame))
    return part, f"{f'in `{part}`, ' if part else ''}{frame.f_code.co_filename}:{frame.f_lineno}"


def _named(text: str) -> str:
    """The line of the user's code that torch's reason names."""
    places = re.findall(r'File "([^"]+)", line (\d+)', text)
    users = [f"{path}:{line}" for path, line in places if _is_users(path)]
    return users[-1] if users else ""


def _is_users(path: str) -> bool:
    """Whether a file is neither torch's nor archc's."""
    return "/torch/" not in path and not path.startswith(OWN)


def line_of(node: fx.Node) -> str:
    """The file and line of the user's code that made a node."""
    places = re.findall(r'File "([^"]+)", line (\d+)', node.meta.get("stack_trace") or "")
    users = [f"{path}:{line}" for path, line in places if "/torch/nn/" not in path and not path.startswith(OWN)]
    return users[-1] if users else ""
