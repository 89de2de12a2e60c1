"""What the names of the language and of a spec mean, in words."""

from __future__ import annotations

from ..compiler.elaborate.callables import DrawKind, InitialiserKind, Rewriter
from ..compiler.elaborate.language import form_of, global_value
from ..compiler.elaborate.networks import LayerKind
from ..compiler.ir.initialisers import INITIALISERS
from ..compiler.ops.reference import Entry, initialiser_reference, reference
from ..compiler.passes.registry import lookup
from ..dsl import ast
from ..dsl.codes import all_pages, explained


def described(name: str) -> tuple[str, Entry | None]:
    """What kind of thing a name of the language is, and its reference entry, None where it has none."""
    match global_value(name):
        case LayerKind(cls=cls):
            return "layer", reference(cls)
        case Rewriter():
            return "rewrite", reference(lookup(name))
        case InitialiserKind():
            return "initialiser", initialiser_reference(INITIALISERS[name])
        case DrawKind(cls=cls):
            return "function", reference(cls)
        case _:
            return "function", None


def documented(name: str) -> str:
    """A name of the language as Markdown: how it is called, what it does, its parameters."""
    _, entry = described(name)
    parts = []
    if entry is not None:
        parts = [fenced(entry.signature), entry.doc]
        rows = []
        for p in entry.parameters:
            words = "; ".join(filter(None, (p.type, f"`{p.default}` unless told" if p.default is not None else "")))
            rows.append(f"- `{p.name}`: {p.description}{f' ({words})' if words else ''}")
        parts.append("\n".join(rows))
    parts += [f"{form}." for form in form_of(name)]
    return "\n\n".join(filter(None, parts))


def page(name: str) -> str | None:
    """The explanation of a code or of a word of the grammar as Markdown, None where there is none."""
    if name not in all_pages():
        return None
    found = explained(name)
    parts = [f"**{name}**: {found.title}", *found.paragraphs]
    for heading, example in (("Wrong:", found.wrong), ("Right:" if found.wrong else "", found.right)):
        if example is not None:
            parts += [heading, fenced(example)]
    return "\n\n".join(filter(None, parts))


def heading(node: ast.Declaration) -> str:
    """A declaration without its body, as it is written."""
    text = node.span.source.text
    body = getattr(node, "body", None)
    end = body.span.start if isinstance(body, ast.Expr) else text.find("{", node.name_span.end, node.span.end)
    if isinstance(node, ast.ExternDef):
        end = node.result.span.end
    written = text[node.span.start : end if end > 0 else node.span.end].rstrip().removesuffix("=").rstrip()
    return written if written.startswith(node.kind) else f"{node.kind} {written}"


def fenced(text: str) -> str:
    return f"```arch\n{text}\n```"
