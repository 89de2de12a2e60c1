"""Specs with their expected outcome: what the comments in them claim, and what an elaboration comes to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archc.compiler.ir.graph import Graph, Node, Scope
from archc.compiler.program import Program
from archc.dsl.diagnostics import Diagnostic, Hint
from archc.dsl.limits import LIMITS
from archc.dsl.render import to_json

HERE = Path(__file__).parent
METERED = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))

def loop():
    start, table = time.process_time(), {}
    for i in range(200_000):
        table[i & 255] = (i, table)
    return time.process_time() - start

"""
"""How a script begins that has 512 MB, with a unit of processor time to hold its own against: about 0.016 s on a
machine that has nothing else to do."""
TENTHS = {
    code: {name: getattr(LIMITS, name) // 10 for name in names}
    for code, names in {"E0910": ("evaluation_steps", "field_steps"), "E0912": ("nodes",)}.items()
}
"""A tenth of the limits that end a text with a code, so that it ends in a tenth of the time."""
_CLAIM = re.compile(r"^#! (state|params|owners|requires) (\w+):(.*)$", re.MULTILINE)
_CODES = re.compile(r"#!((?: E\d{4})+)")


@dataclass
class Claims:
    """What the comments of a good spec claim of one arch, None where they claim nothing."""

    state: list[str] | None = None
    params: list[str] | None = None
    owners: list[str] | None = None
    requires: list[str] | None = None


@dataclass
class Good:
    """A spec that must elaborate."""

    path: Path
    claims: dict[str, Claims] = field(default_factory=dict)


def good(path: Path) -> Good:
    """Reads a spec's claims: `#! state Arch: names`, `params`, `owners` (of weighted nodes) and `requires a; b`."""
    spec = Good(path)
    for kind, arch, text in _CLAIM.findall(path.read_text(encoding="utf-8")):
        claims = spec.claims.setdefault(arch, Claims())
        words = [t.strip() for t in text.split(";")] if kind == "requires" else text.split()
        setattr(claims, kind, (getattr(claims, kind) or []) + [w for w in words if w])
    return spec


def expected_codes(path: Path) -> list[tuple[int, str]]:
    """The line and code of every error that a bad spec announces by `#! E0405`."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for match in _CODES.finditer(line):
            found += [(number, code) for code in match[1].split()]
    return sorted(found)


def every_diagnostic(program: Program) -> list[Diagnostic]:
    """What reading, resolving names and elaborating every arch that needs no parameters find, each thing once."""
    found = {d.key: d for d in program.diagnostics}
    for checked in program.check():
        for diagnostic in checked.elaborated.diagnostics:
            found.setdefault(diagnostic.key, diagnostic)
    return list(found.values())


def state(graph: Graph) -> list[tuple[str, tuple[int, ...], bool]]:
    """Name, shape and kind (learned or not) of every tensor, in the order of the module's `state_dict`."""
    return list(_state(graph, graph.root, ""))


def _state(graph: Graph, scope: Scope, prefix: str) -> Iterator[tuple[str, tuple[int, ...], bool]]:
    own = [c for c in scope.children.items() if _is_tensor(c[1])]
    for learned in (True, False):
        for name, child in own:
            yield from (t for t in _tensors(graph, child, prefix + name) if t[2] is learned)
    for name, child in scope.children.items():
        if isinstance(child, Scope):
            yield from _state(graph, child, f"{prefix}{name}.")
        elif not _is_tensor(child):
            yield from _tensors(graph, child, prefix + name)


def _is_tensor(child: Node | Scope) -> bool:
    return isinstance(child, Node) and child.op.kind == "parameter"


def _tensors(graph: Graph, node: Node | Scope, path: str) -> Iterator[tuple[str, tuple[int, ...], bool]]:
    assert isinstance(node, Node)
    for weight in node.op.weights(graph.input_types(node)):
        yield (f"{path}.{weight.name}" if weight.name else path), weight.shape, weight.learned


def first_graph(text: str, arch: str | None = None) -> Graph:
    """The graph of a spec's arch, which must be right."""
    program = Program.parse(text)
    elaborated = program.elaborate(arch or next(iter(program.arches())))
    assert elaborated.graph is not None, elaborated.diagnostics
    return elaborated.graph


def mended(text: str, found: Diagnostic, hint: str) -> str:
    """A spec with a hint applied, as an editor does, else with what it quotes in the place of what is wrong."""
    if isinstance(hint, Hint) and hint.new:
        span, new = hint.place(found.span), hint.new[0]
    else:
        quoted = re.search("`([^`]+)`", hint)
        assert quoted is not None, hint
        span, new = found.span, quoted[1]
    assert span is not None, hint
    return text[: span.start] + new + text[span.end :]


def described(diagnostics: list[Diagnostic], graph: Graph | None) -> list[Any]:
    """All that an elaboration comes to."""
    nodes = (
        [(n.op.kind, n.path, n.inputs, [str(t) for t in n.outputs], n.owner) for n in graph.nodes] if graph else None
    )
    tensors = state(graph) if graph else None
    needs = graph.requirements.describe() if graph else None
    return [[to_json(d) for d in diagnostics], nodes, tensors, needs]


def digest() -> str:
    """Of every program here: names, graphs and diagnostics."""
    digested = hashlib.sha256()
    for path in sorted(HERE.glob("*/*.arch")):
        program = Program.open(path)
        digested.update(json.dumps([to_json(d) for d in program.diagnostics], default=str).encode())
        for checked in program.check():
            found = checked.elaborated
            digested.update(
                json.dumps([checked.name, *described(found.diagnostics, found.graph)], default=str).encode()
            )
    return digested.hexdigest()
