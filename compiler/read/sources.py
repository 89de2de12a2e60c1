"""Modules by name: `package.module:callable` and `file.py:callable`. Importing and calling them runs their code."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ...dsl.diagnostics import ArchError, refused
from ...dsl.quoting import quoted
from ...dsl.reads import note_read
from ..analyses.memory import size_text
from ..emit.memory import physical
from ..ir.words import did_you_mean, few

DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}
_COPIES = 16
"""How many tensors of an input's size reading may have at once."""
INPUT = "say the shapes: `--input 1,3,224,224` on the command line, `input=(1, 3, 224, 224)` in Python"


def made(where: str, attribute: str, settings: dict[str, Any]) -> tuple[nn.Module, Callable[..., Any] | None]:
    """The module that a callable makes with these arguments, and the callable; a module that stands there ready has
    none. Raises ArchError (E1201)."""
    with _user_code(f"{where}:{attribute}"):
        found: Any = _imported(where)
        for name in attribute.split("."):
            if not hasattr(found, name):
                raise refused("E1201", f"`{where}` has no `{attribute}`", *_makers(found, name, where))
            found = getattr(found, name)
        if isinstance(found, nn.Module) and not settings:
            return found, None
        result = found(**settings)
    if not isinstance(result, nn.Module):
        kind = type(result).__name__
        hint = "name a class, or a function that returns a `torch.nn.Module`"
        raise refused("E1201", f"`{where}:{attribute}` makes a value of type {kind}, and no module", hint)
    return result, found


def _makers(home: Any, name: str, where: str) -> Iterator[str]:
    """Hints with what is there that makes a module: those of like names, and the classes of a file."""
    makers = [
        key
        for key, value in vars(home).items()
        if not key.startswith("_") and (isinstance(value, nn.Module) or (callable(value) and not _is_of_torch(value)))
    ]
    yield from did_you_mean(name, makers)
    classes = [key for key in makers if _is_module(vars(home)[key])]
    if where.endswith(".py") and classes:
        yield f"these are in it: {few([f'`{key}`' for key in classes])}"


def _is_module(value: Any) -> bool:
    """Whether this is a module, or a class of modules."""
    return isinstance(value, nn.Module) or (isinstance(value, type) and issubclass(value, nn.Module))


def _is_of_torch(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] == "torch"


@contextmanager
def _user_code(called: str) -> Iterator[None]:
    """Code of the user's. What it prints goes to the standard error. Raises ArchError (E1201) where it fails."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        with redirect_stdout(sys.stderr):
            yield
    except ArchError:
        raise
    except (Exception, SystemExit) as error:  # it may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        own = last.filename != __file__ and "importlib" not in last.filename
        place = f" ({last.filename}:{last.lineno})" if own else ""
        reason = quoted(error)
        hint = (
            "`--set name=value`, in Python `archc.load(NETWORK, name=value)`, gives it arguments"
            if isinstance(error, TypeError)
            else ""
        )
        message = f"`{called}` cannot be made: {type(error).__name__}: {reason}{place}"
        raise refused("E1201", message, *filter(None, [hint])) from None
    finally:
        sys.path.remove(str(Path.cwd()))


def _imported(where: str) -> ModuleType:
    if not where.endswith(".py"):
        return importlib.import_module(where)
    path = Path(where).resolve()
    note_read(path)
    spec = importlib.util.spec_from_file_location(re.sub(r"\W", "_", path.stem), path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"there is no file {where}")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


# --- inputs ----------------------------------------------------------------------------------


def inputs_of(said: Any, module: nn.Module, maker: Callable[..., Any] | None) -> list[Tensor]:
    """The inputs of a module: tensors, shapes and texts that say them, or what the module says of itself. Raises
    ArchError (E1202)."""
    if said is not None:
        several = isinstance(said, list | tuple) and not all(isinstance(item, int) for item in said)
        return [_input(item) for item in (said if several else [said])]
    shape = _hinted(module) or _of_weights(maker)
    if shape is None:
        raise refused("E1202", f"{type(module).__name__} does not say what shape its input has", INPUT)
    return [_input(shape)]


def checked_open_sizes(said: Any, inputs: Sequence[Tensor]) -> Sequence[Sequence[int | str]] | None:
    """Which sizes of the inputs stay open, by name, where that is said. Raises ArchError (E1202)."""
    if said is None:
        return None
    known = isinstance(said, list | tuple) and len(said) == len(inputs)
    if not known or not all(map(_names_sizes, said, inputs)):
        shapes = ", ".join(str(list(x.shape)) for x in inputs)
        names = [["N", *x.shape[1:]] for x in inputs]
        hint = f"`sizes={names}`: a name for what stays open, the size itself for what does not".replace("'", '"')
        raise refused("E1202", f"`sizes` has a list for each input, here of {shapes}, with a name or the size", hint)
    return said


def _names_sizes(said: Any, x: Tensor) -> bool:
    return (
        isinstance(said, list | tuple)
        and len(said) == x.dim()
        and all(s.isidentifier() if isinstance(s, str) else s == n for s, n in zip(said, x.shape, strict=True))
    )


def _input(said: Any) -> Tensor:
    if isinstance(said, Tensor):
        return said
    dtype, sizes = "float", said
    if isinstance(said, str):
        match = re.fullmatch(r"\s*(?:(\w+)\s*[: ])?\s*\[?([\d,\s]+)\]?\s*", said)
        dtype = (match and match[1]) or "float"
        sizes = [int(n) for n in match[2].split(",") if n.strip()] if match else None
    whole = isinstance(sizes, list | tuple) and all(isinstance(n, int) and n is not True and n > 0 for n in sizes)
    if not sizes or not whole or dtype not in DTYPES:
        message = f"{said!r:.60} is no input: it is sizes, and before them `int` or `bool` for such numbers"
        hint = '`--input 1,3,224,224`, or `--input int:1,128` for the numbers of tokens; in Python `input="int:1,128"`'
        if isinstance(said, list | tuple) and all(isinstance(item, list | tuple | Tensor) for item in said):
            hint = "several inputs are arguments of their own: `from_torch(module, (1, 3, 224, 224), (1, 10))`"
        raise refused("E1202", message, hint)
    needed, there = prod(sizes) * DTYPES[dtype].itemsize, physical()
    if there is not None and needed > there // _COPIES:
        message = f"an input of {size_text(needed)} is too large: reading it runs with up to {_COPIES} such tensors"
        raise refused("E1202", message, f"this machine has {size_text(there)}; smaller sizes do, as they stay open")
    return torch.zeros(tuple(sizes), dtype=DTYPES[dtype])


def _hinted(module: nn.Module) -> Sequence[int] | None:
    """The shape that a module has with it: timm's configuration, or pytorchcv's attributes."""
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    size = config.get("input_size") if isinstance(config, dict) else None
    if size is not None:
        return [1, *size]
    size, channels = getattr(module, "in_size", None), getattr(module, "in_channels", 3)
    return [1, channels, *size] if isinstance(size, tuple) and isinstance(channels, int) else None


def _of_weights(maker: Callable[..., Any] | None) -> Sequence[int] | None:
    """The shape that the weights which torchvision publishes for a model were made for."""
    if maker is None or not str(getattr(maker, "__module__", "")).startswith("torchvision.models"):
        return None
    from torchvision.models import get_model_weights

    try:
        weights = get_model_weights(maker)
    except ValueError:
        return None
    transforms = next((w.transforms() for w in weights), None)
    sizes = [getattr(transforms, name, None) for name in ("crop_size", "resize_size")]
    for size in sizes:
        values = [size] if isinstance(size, int) else list(size or [])
        if values:
            height, width = values[0], values[-1]
            video = "video" in str(maker.__module__)
            return [1, 3, 16, height, width] if video else [1, 3, height, width]
    return None


def described(module: nn.Module, called: str | None = None) -> str:
    """What the doc string of an architecture that was read says of where it is from."""
    cls = type(module)
    top = cls.__module__.partition(".")[0]
    version = getattr(sys.modules.get(top), "__version__", None)
    of = f"{top} {version}" if version else cls.__module__
    if called is not None and ":" in called and not version:  # which says the module or the file
        return f"Read from {called}."
    return f"Read from {called or cls.__qualname__} of {of}."


def checked_module(module: Any) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise refused("E1201", f"what is read is a `torch.nn.Module`, and not a value of type {type(module).__name__}")
    return module
