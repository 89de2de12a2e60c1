"""The Python interface: `load`, `loads`, `check`, and what reads networks. Users import it as `archc`."""

from __future__ import annotations

import math
import numbers
import os
from typing import TYPE_CHECKING, Any

from .architecture import Architecture
from .arguments import PATH, described, need
from .catalog import NETWORKS, Network, Place, locate, network_of
from .compiler.files import path_of
from .compiler.ir.words import python_number
from .dsl.diagnostics import ArchError, Diagnostic, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import networkx
    import torch

    from .compiler.ir.graph import Graph
    from .compiler.program import Program


def load(
    path_or_name: str | os.PathLike[str],
    /,
    name: str | None = None,
    *,
    input: Any = None,
    extern: bool = False,
    **parameters: Any,
) -> Architecture:
    """The architecture of a `.arch` file, one that ships with archc, or that of a PyTorch module.

    `name` chooses among those that the file defines, as does `load("my.arch:Net")`; the keywords are parameters of the
    spec: `load("resnet", depth=101)`. Raises ArchError, which carries diagnostics.

    `load("torchvision.models:resnet50")` and `load("net.py:Net", width=64)` run that Python, with the keywords as
    arguments, and read the module that it makes, as `from_torch` does. `input` is then the shape of its input, or a
    list of shapes, where the module does not say them itself; `extern` is as in `from_torch`.
    """
    need("load", path_or_name, *PATH)
    return found(path_or_name, _named(name), parameters, input, extern)


def found(
    spec: str | os.PathLike[str],
    name: str | None,
    parameters: dict[str, Any],
    input: Any = None,
    extern: bool = False,
    failing: list[Diagnostic] | None = None,
) -> Architecture:
    """The architecture that a spec's name means, or Python's; `failing` as in `opened`. Raises ArchError."""
    network = network_of(spec, name)
    if network is not None:
        return _of_network(network, parameters, input, extern)
    place = locate(spec, name)
    if extern:
        hint = "`extern` in a spec declares such layers"
        raise refused("E1202", f"layers of the host are made of PyTorch modules, and {os.fspath(spec)} is a spec", hint)
    if input is not None:
        hint = "the `input` statement says its shapes, and the option `--size`, in Python keywords, open sizes"
        raise refused("E1202", f"a shape is said for a PyTorch module, and {os.fspath(spec)} is a spec", hint)
    return opened(place, parameters, failing)


def _of_network(network: Network, arguments: dict[str, Any], input: Any, extern: bool) -> Architecture:
    if network.where.endswith(NETWORKS):
        if extern:
            hint = "name the Python that makes the network: `file.py:Net`"
            raise refused("E1202", f"{network.where} has no code of modules to make layers of the host of", hint)
        from .compiler.read.files import read_file

        if arguments:
            raise refused("E1202", f"{network.where} takes no arguments: it holds one network", "leave them out")
        return _read(*read_file(network.where, network.name or None, input))
    from .compiler.read.sources import inputs_of, made

    module, maker = made(network.where, network.name, arguments)
    called = f"{network.where}:{network.name}"
    return _module(module, inputs_of(input, module, maker), network.name.rpartition(".")[2], called, None, extern)


def _module(
    module: torch.nn.Module, inputs: Sequence[torch.Tensor], name: str, called: str, sizes: Any, extern: bool
) -> Architecture:
    from .compiler.read.from_torch import Source, read
    from .compiler.read.hosts import Hosts
    from .compiler.read.sources import described as told

    hosts = Hosts(module) if extern else None
    found = read(Source(module, inputs, name, told(module, called), sizes), hosts)
    return _read(*found, {} if hosts is None else hosts.code)


def _read(graph: Graph, apart: float, code: Mapping[str, torch.nn.Module] | None = None) -> Architecture:
    message = f"what was read differs from the source by up to {apart:.1g} of the largest number, from rounding"
    return Architecture(graph, [Diagnostic("E1207", message, severity="warning")] if apart else [], code)


def from_torch(
    module: torch.nn.Module,
    *inputs: Any,
    name: str | None = None,
    sizes: Sequence[Sequence[int | str]] | None = None,
    extern: bool = False,
) -> Architecture:
    """The architecture of a PyTorch module, whose weights it has by the same names.

    `inputs` are what the module takes: tensors, or their shapes, whose sizes become the usual ones; without any the
    module's own configuration is asked (timm's, pytorchcv's). `sizes` says for each input which sizes stay open, by
    name, `[["N", 3, "H", "W"]]`; else all but the channels do, or the batch alone, as the module lets them. With
    `extern` a submodule that the language cannot say becomes a layer of the host, of which it is the code.

    Before it is returned, a module of the architecture has run beside this one, with its weights, in evaluation and in
    training. Raises ArchError (E12xx), with all that the language cannot say.
    """
    from .compiler.read.sources import checked_module, checked_open_sizes, inputs_of

    given = inputs_of(list(inputs) or None, checked_module(module), None)
    cls = type(module).__name__
    return _module(module, given, _to_be(name) or cls, cls, checked_open_sizes(sizes, given), extern)


def from_onnx(path: str | os.PathLike[str], *inputs: Any, name: str | None = None) -> Architecture:
    """The architecture of an ONNX file, as `torch.onnx` and archc write them; `archc.load` takes such files too.

    Its layers have the names of the file's weights where these tell them. `inputs` are as those of `from_torch`, where
    the file leaves sizes open. No code of the file is run. Before it is returned, a module of the architecture has
    run beside the file in onnxruntime, within 1e-5. Raises ArchError (E0820, E12xx).
    """
    need("from_onnx", path, *PATH)
    where = str(path_of(path))
    if not where.endswith(".onnx"):
        raise refused("E1208", f"cannot read a network from {where}: the files of ONNX end in .onnx")
    return found(where, _to_be(name), {}, list(inputs) or None)


def opened(place: Place, parameters: dict[str, Any], failing: list[Diagnostic] | None = None) -> Architecture:
    """The architecture at a place, with its parameters set. Raises ArchError. A list for `failing` takes the claims
    that do not hold, which otherwise are errors."""
    return elaborated(open_program(place.path), place.name, parameters, failing)


def loads(text: str, /, name: str | None = None, **parameters: Any) -> Architecture:
    """The architecture that a text of `.arch` defines; else like `load`."""
    from .compiler.program import Program

    need("loads", text, str)
    return elaborated(Program.parse(text), name, parameters)


def from_graph(graph: networkx.DiGraph) -> Architecture:
    """The architecture that a directed graph of networkx describes: one of `Architecture.graph`, edited or not, or your
    own, whose nodes have `op` and the op's settings, and whose edges are tensors.

    Shapes are inferred. Raises ArchError, with what is wrong at which node.
    """
    from .compiler.interchange.from_networkx import from_networkx

    return Architecture(from_networkx(graph))


def check(path: str | os.PathLike[str] | None = None, *, text: str | None = None) -> list[Diagnostic]:
    """What is wrong with a file, a shipped spec or a text: nothing, where the list is empty.

    Everything that it defines is elaborated with its defaults, and its expectations are compared. A diagnostic whose
    `severity` is "warning" is about what is accepted and may not be what was meant.
    """
    if (path is None) == (text is None):
        raise TypeError("check takes a path or text=, one of the two")
    need("check", path if text is None else text, *(PATH if text is None else (str,)))
    from .compiler.program import Program

    try:
        program = open_program(locate(path).path) if path is not None else Program.parse(text or "")
        return program.check_all()[1]
    except ArchError as error:
        return list(error.diagnostics)


def open_program(path: Path) -> Program:
    """The file, read and parsed. Raises ArchError."""
    if os.path.isdir(path):
        raise refused("E1003", f"{path} is a folder, not a spec", "name one of its files; `archc check` takes a folder")
    from .compiler.program import Program

    return Program.open(path)


def elaborated(
    program: Program, name: str | None, parameters: dict[str, Any], failing: list[Diagnostic] | None = None
) -> Architecture:
    """The one that was asked for. Raises ArchError, with all that is wrong with it; `failing` as in `opened`."""
    found = program.elaborate(
        _named(name), {key: value if value is None else plain(key, value) for key, value in parameters.items()}
    )
    graph = found.graph
    if graph is None and failing is not None and found.despite is not None:
        failing.extend(d for d in found.diagnostics if d.severity == "error")
        graph = found.despite
    if graph is None:
        raise ArchError(found.diagnostics)
    return Architecture(graph, [d for d in found.diagnostics if d.severity == "warning"])


def _named(name: object) -> str | None:
    if name is None or isinstance(name, str):
        return name
    message = f"an architecture is named by a string, and not by {described(name)}"
    raise refused("E0208", message, "parameters are given by name: `load(path, n=3)`")


def _to_be(name: object) -> str | None:
    """The name that an architecture is to have. Raises ArchError (E0208) where it cannot."""
    from .compiler.elaborate.language import known_names
    from .grammar.parser import words

    given = _named(name)
    if given and (not words().is_name(given) or given in known_names()):
        message = f"no architecture can be called `{given}`"
        raise refused("E0208", message, "a name has letters, digits and `_`, and is no word or layer of the language")
    return given


def plain(name: str, value: Any) -> Any:
    """A parameter's value as the language has it: numbers of numpy as Python's, tuples as lists. Raises ArchError."""
    value = python_number(value)
    if isinstance(value, bool | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(name, item) for item in value]
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    message = f"the parameter `{name}` cannot be {described(value)}"
    hint = "parameters are numbers, true or false, strings, and lists of these; leave it out for its default"
    raise refused("E0311", message, hint)
