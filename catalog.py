"""What ships with archc, and what a spec's name on the command line or in `archc.load` means."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .compiler.files import path_of
from .compiler.ir.words import did_you_mean, few
from .dsl.diagnostics import refused

ZOO = Path(__file__).parent / "specs" / "zoo"
LINE_OF_DEFINITIONS = re.compile(r"^arch\b.*", re.MULTILINE)
DEFINITION = re.compile(r"(?:^|[ \t])arch[ \t]+([A-Za-z_]\w*)(?=[ \t]*(?:[=({]|$))")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")
NETWORKS = (".pt2", ".onnx")
"""How the files of networks end that are read, and are no specs."""
WEIGHTS = (".pt", ".pth", ".ckpt", ".safetensors")
"""How files of weights end."""
PLAIN_NAME = re.compile(r"[A-Za-z_][\w.-]*\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a spec is: its file, and the definition in it that was asked for, if one was."""

    path: Path
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """A network that is no spec: Python that makes a module, where `name` stands in a package's module or a `.py` file,
    or the file of a network, without a name in it."""

    where: str
    name: str


@cache
def shipped_files() -> tuple[Path, ...]:
    """The shipped specs, sorted by name."""
    return tuple(sorted(ZOO.glob("**/*.arch")))


def defined_names(text: str) -> list[str]:
    """The architectures that a spec's text defines, by a scan of its lines; several may stand on one."""
    lines = LINE_OF_DEFINITIONS.findall(text)
    return list(dict.fromkeys(name for line in lines for name in DEFINITION.findall(line)))


@cache
def shipped() -> dict[str, Path]:
    """Every architecture that ships with archc, and the file that defines it.

    The files are scanned, not parsed: an index of the whole zoo takes milliseconds. Of two files that define
    one name, the file of that name has it, else the first.
    """
    index: dict[str, Path] = {}
    for path in shipped_files():
        for name in defined_names(path.read_text(encoding="utf-8")):
            if name not in index or path.stem == name:
                index[name] = path
    return index


def locate(spec: str | os.PathLike[str], name: str | None = None) -> Place:
    """The file and the definition that `spec` and `name` mean; `spec` may say both, as in `my.arch:Net`.

    A plain word is the name of a shipped architecture, or of a shipped file, before it is that of a file or a
    folder here; everything else is a path. Raises ArchError where there is neither.
    """
    text = os.fspath(spec)
    where, _, last = text.rpartition(":")
    if where and name is None and isinstance(spec, str) and last.isidentifier() and not os.path.exists(text):
        return locate(where, last)
    plain = isinstance(spec, str) and PLAIN_NAME.match(text) is not None and not text.endswith(".arch")
    if plain and text in shipped():
        return Place(shipped()[text], name or text)
    if plain:
        for path in shipped_files():
            if path.stem == text:
                return Place(path, name)
    if plain and not os.path.exists(text):
        near = did_you_mean(text, [*shipped(), *(path.stem for path in shipped_files())])
        hint = "`archc list` shows what ships with archc; a spec of your own is named by its path, `./my.arch`"
        message = f"no architecture named `{text}` ships with archc, and there is no such file"
        raise refused("E1001", message, *near, hint)
    if name is None and os.path.isfile(text):
        _refuse_other(text)
    return Place(path_of(text), name)


def _refuse_other(path: str) -> None:
    """Raises ArchError for Python (E1201) and weights (E0905), which are no specs."""
    if path.endswith(".py"):
        made = _makers(Path(path))
        hint = f"these are in it: {few([f'`{path}:{name}`' for name in made])}" if made else f"`{path}:Net` names one"
        raise refused("E1201", f"{path} is Python, and no spec: say which of its modules is meant", hint)
    if path.endswith(WEIGHTS):
        if _is_torchscript(path):
            hint = "name the Python that makes the module: `net.py:Net`, or export it as ONNX"
            raise refused("E0905", f"{path} is a program of TorchScript, and no spec", hint)
        hint = f"`--weights {path}` loads tensors by name into a network: `archc compile net.arch --weights {path}`"
        raise refused("E0905", f"{path} is a file of torch, as of weights, and no spec", hint)


def _is_torchscript(path: str) -> bool:
    """Whether an archive of torch's holds code."""
    import zipfile  # as Python's parser, loaded where something is wrong alone

    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _makers(path: Path) -> list[str]:
    """The classes of a Python file that are modules, as far as its text says it, and its functions that need no
    arguments where there are none."""
    import ast

    try:
        statements = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    found: list[str] = []
    for statement in statements:
        if isinstance(statement, ast.ClassDef):
            bases = [ast.unparse(base).rpartition(".")[2] for base in statement.bases]
            if any(base in ("Module", "Sequential", *found) or base.endswith(("Net", "Model")) for base in bases):
                found.append(statement.name)
    functions = [one for one in statements if isinstance(one, ast.FunctionDef)]
    plain = [f.name for f in functions if len(f.args.defaults) == len(f.args.posonlyargs + f.args.args)]
    return found or [name for name in plain if not name.startswith("_")]


def network_of(spec: str | os.PathLike[str], name: str | None = None) -> Network | None:
    """The Python that `package.module:callable` or `file.py:callable` means, whose last part may be `name`, or the file
    `net.pt2` or `net.onnx`; None for what is a spec."""
    if os.fspath(spec).endswith(NETWORKS):
        return Network(os.fspath(spec), name or "")
    where, colon, last = os.fspath(spec).rpartition(":")
    where, last = (where, last) if colon and name is None else (os.fspath(spec), name)
    if not where or not isinstance(last, str) or not MODULE.match(last):
        return None
    specs = {*shipped(), *(path.stem for path in shipped_files())}
    module = MODULE.match(where) is not None and not where.endswith(".arch") and where not in specs
    return Network(where, last) if where.endswith(".py") or (module and not os.path.exists(where)) else None


def spec_files(folder: Path) -> list[Path]:
    """The `.arch` files under a folder, sorted; folders whose name starts with a dot are left out."""
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        found.extend(Path(root, f) for f in sorted(files) if f.endswith(".arch"))
    return found
