"""A graph as one Python file that needs torch and nothing else, as an expert would write it.

1. Parts: a graph of the same kind in which every op is lowered. A layer that torch has no module for is a scope in it.
2. Units: which scopes get a forward. One can be called if no data leaves it and comes back; else what is around it
   calls its modules one by one.
3. Code: expressions for the constructor and the forward of each scope, in which every number is a leaf. Scopes of one
   kind are written together, what they hold first, so that they come out alike: optional parts are passed by the
   caller, blocks that take any number of tensors take a list, and what repeats is said once.
4. Classes: scopes whose code differs in constants only share a class, and what differs becomes its parameters. Rows of
   modules that come again are no classes but functions that make a `nn.Sequential`, which can be sliced.
5. Text: runs of like expressions become loops, expressions become statements, long calls are broken.
"""

from __future__ import annotations

import ast
import re
from math import prod
from pathlib import Path

from ....dsl.garbage import uncollected
from ...ir.errors import EmitError
from ...ir.graph import Graph
from .class_text import ClassWriter
from .classes import Classes
from .code import Writer
from .init import HELPERS, Starts
from .names import ClassNames, root_name
from .parts import check_name, translate
from .plan import Plan

__all__ = ["EmitError", "class_name", "to_python"]


def class_name(graph: Graph) -> str:
    """The name of the class in the text that `to_python` makes."""
    return root_name(graph.name)


def to_python(graph: Graph) -> str:
    """The text of a module that defines the arch as a class, `class_name(graph)`, which takes no arguments.

    Its state_dict has the names, the order and the shapes of the graph; the same graph gives the same text. Raises
    EmitError where the graph holds what the front end never makes (a name that is none, say), or a layer whose code the
    host binds.
    """
    with uncollected():
        parts = translate(graph)
        for name in (node.name for node in graph.nodes if node.name):
            check_name(name)
        plan = Plan(parts)
        starts = Starts(parts.parts, plan.layers())
        writer = Writer(plan, starts, parts.inputs)
        while opened := writer.to_open():
            writer = Writer(Plan(parts, {*opened, *writer.plan.opened}), starts, parts.inputs)
        given = [code.optional for code in writer.codes.values() if code.optional]
        names = ClassNames(class_name(graph), [*given, *(helper.name for helper in HELPERS.values())])
        classes = Classes(writer, class_name(graph), names)
        bodies = [ClassWriter(group, classes, graph, starts).lines() for group in classes.by_key.values()]
        if any(step.again for code in writer.codes.values() for step in code.steps):
            starts.used.add("recompute")
        if any(code.form == "class of list" for code in writer.codes.values()):
            starts.used.add("list")
        return _file(graph, bodies, starts)


def _file(graph: Graph, bodies: list[list[str]], starts: Starts) -> str:
    helpers = [HELPERS[kind].text.rstrip().split("\n") for kind in sorted(starts.used)]
    blocks = ["\n".join(lines) for lines in [*helpers, *_runtime(starts.targets), *bodies]]
    code = "\n\n\n".join(blocks)
    library = {
        r"\bOrderedDict\(": "from collections import OrderedDict",
        r"\bCallable\[": "from collections.abc import Callable",
        r"\bnullcontext\(": "from contextlib import nullcontext",
        r"\bAny\b": "from typing import Any",
    }
    imports = [line for word, line in library.items() if re.search(word, code)]
    imports += [""] * bool(imports)
    if re.search(r"\btorch\.", code):
        imports.append("import torch")
    if re.search(r"\bF\.", code):
        imports.append("import torch.nn.functional as F")
    imports.append("from torch import Tensor, nn" if re.search(r"\bTensor\b", code) else "from torch import nn")
    if "recompute" in starts.used:
        imports.append("from torch.utils.checkpoint import checkpoint")
    return "\n".join([*_header(graph), "", *imports, "", "", code, ""])


def _runtime(targets: frozenset[str]) -> list[list[str]]:
    """The classes that torch lacks, as far as the arch uses them, in order of their names.

    They are those of compiled modules, which import torch; text alone needs no torch, so the file is read.
    """
    names = sorted(target.removeprefix("runtime.") for target in targets if target.startswith("runtime."))
    if not names:
        return []
    text = (Path(__file__).parents[2] / "emit" / "stochastic.py").read_text(encoding="utf-8")
    classes = {each.name: each for each in ast.parse(text).body if isinstance(each, ast.ClassDef)}
    return [(ast.get_source_segment(text, classes[name]) or "").split("\n") for name in names]


def _header(graph: Graph) -> list[str]:
    from .... import __version__

    lines = [f"{graph.name}, generated by archc {__version__}.", ""]
    if graph.doc:
        lines += [*_escaped(graph.doc.strip()).split("\n"), ""]
    counts = [
        prod(weight.shape)
        for node in graph.owners()
        if node.op.has_weights
        for weight in node.op.weights(tuple(graph.type_of(v) for v in node.inputs))
        if weight.learned
    ]
    lines.append(f"Parameters: {sum(counts):,}")
    lines += [f"Input {entry.name}: {entry.type}, such as {list(entry.nominal)}" for entry in graph.inputs]
    for output in graph.outputs:
        shapes = ", ".join(str(graph.type_of(value)) for value in output.values)
        when = ", when training" if output.when_training else ""
        lines.append(f"Output{' ' + output.name if output.name else ''}: {shapes}{when}")
    required = graph.requirements.describe()
    if required:
        lines.append(f"Sizes: {'; '.join(required)}")
    first, *rest = [_escaped(line).rstrip() for line in lines]
    return [f'"""{first}', *rest, '"""']


def _escaped(text: str) -> str:
    """Text that stays inside a docstring, whatever it says."""
    kept = "".join(c if c == "\n" or c.isprintable() else " " for c in text.replace("\r\n", "\n"))
    return kept.replace("\\", "/").replace('"""', "'''").replace('"', "'")
