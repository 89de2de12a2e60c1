"""Reading the documentation's examples, and running those in `.arch`.

A fenced block of the language `arch` is an example. A whole spec (a line of it starts with `arch`) is taken as it is;
other text is wrapped in an architecture with `input x: [N, 3, 32, 32]`, unless it declares an input of its own, and a
bare expression is applied to `x`. An HTML comment right before the block says more, as `key=value` pairs separated by
semicolons:

    <!-- test: error=E0405 -->           elaborating it reports this code and no other
    <!-- test: apply=unit(64) -->        the text declares blocks; this is what is applied to `x`
    <!-- test: file=blocks.arch -->      the text is written to a file that later examples of the page import
    <!-- test: parse -->                 the text only parses: what it is about is not carried out
    <!-- test: set=depth=4 -->           a parameter of the architecture
    <!-- test: status=1 -->              the exit status of the commands, where they show no error
    <!-- test: skip -->                  a schema, no program
    <!-- test: slow -->                  what takes seconds, on which no other example depends: `pytest -m slow` runs it

A block of the language `names` right after it lists the parameters that the example has, in the order of
the checkpoint (buffers are left out). `...` stands for any number of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from archc.compiler.ir.graph import Graph, Node, Scope
from archc.compiler.program import Program
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.parse import parse
from archc.dsl.source import Source

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DIRECTIVE = re.compile(r"<!-- test:(.*?)-->\s*\Z", re.DOTALL)
WHOLE = re.compile(r"^(arch|use)\b", re.MULTILINE)
STATEMENT = re.compile(
    r"^(block|fn|input|output|shared|param|buffer|default|require|expect|order|draw|for .*\{|if .*\{"
    r"|[A-Za-z_][\w, *]* =(?!=))(?!\w)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, with what the comment before it says."""

    page: str
    line: int
    language: str
    text: str
    directives: dict[str, str] = field(default_factory=dict)
    names: list[str] | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    for i, match in enumerate(found):
        before = DIRECTIVE.search(text, found[i - 1].end() if i else 0, match.start())
        after = found[i + 1] if i + 1 < len(found) else None
        named = after is not None and after[1] == "names" and not text[match.end() : after.start()].strip()
        yield Block(
            page,
            text.count("\n", 0, match.start()) + 1,
            match[1],
            match[2],
            _directives(before[1]) if before else {},
            after[2].split() if named and after is not None else None,
        )


def _directives(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def program_of(text: str, apply: str | None = None) -> str:
    """A fragment as a whole spec."""
    if WHOLE.search(text):
        return text
    if apply is not None:
        return f"{text}\narch Example {{\n  input x: [N, 3, 32, 32]\n  result = {apply}\n  output x -> result\n}}\n"
    if not STATEMENT.search(text):
        text = f"result = {text.rstrip()}\noutput x -> result\n"
    given = "" if re.search(r"^input\b", text, re.MULTILINE) else "input x: [N, 3, 32, 32]\n"
    ending = (
        "" if re.search(r"\boutput\b", re.sub(r"^block[^\n]*\{.*?^\}", "", text, flags=re.M | re.S)) else "output x\n"
    )
    return f"arch Example {{\n{given}{text}{ending}}}\n"


@dataclass(frozen=True)
class Outcome:
    """What elaborating an example came to."""

    graphs: dict[str, Graph]
    diagnostics: list[Diagnostic]

    @property
    def codes(self) -> set[str]:
        return {d.code for d in self.diagnostics}

    def __str__(self) -> str:
        return "\n".join(f"{d.code} at {d.span}: {d.message} | {' | '.join(d.hints)}" for d in self.diagnostics)


def elaborate(text: str, folder: Path | None = None, parameters: dict[str, object] | None = None) -> Outcome:
    """Every architecture of a spec that needs no parameters. With a folder, the spec is a file there."""
    if folder is None:
        program = Program.parse(text, "example.arch")
    else:
        path = folder / "example.arch"
        path.write_text(text, encoding="utf-8")
        program = Program.open(path)
    if parameters:
        done = program.elaborate(None, parameters)
        return Outcome({"": done.graph} if done.graph else {}, done.diagnostics)
    checked, diagnostics = program.check_all()
    graphs = {c.name: c.elaborated.graph for c in checked if c.elaborated.graph is not None}
    return Outcome(graphs, diagnostics)


def parses(text: str) -> list[Diagnostic]:
    return parse(Source(program_of(text), "example.arch"))[1]


def parameter_names(graph: Graph) -> list[str]:
    """The keys of the checkpoint, buffers left out: each scope's own tensors first, then its children."""
    found: list[str] = []

    def weights(node: Node, path: str) -> None:
        types = tuple(graph.type_of(v) for v in node.inputs)
        found.extend(f"{path}.{w.name}".rstrip(".") for w in node.op.weights(types) if w.learned)

    def walk(scope: Scope, prefix: str) -> None:
        own = {n: c for n, c in scope.children.items() if isinstance(c, Node) and c.op.kind == "parameter"}
        for name, child in {**own, **scope.children}.items():
            if isinstance(child, Node):
                weights(child, prefix + name)
            else:
                walk(child, f"{prefix}{name}.")

    walk(graph.root, "")
    return found


def matches(wanted: list[str], got: list[str]) -> bool:
    """Whether the names are those wanted, where `...` stands for any number of them."""
    pattern = "".join(r"(?:\S+ )*" if name == "..." else re.escape(name) + " " for name in wanted)
    return re.fullmatch(pattern, "".join(f"{name} " for name in got)) is not None
