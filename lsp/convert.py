"""The answers of the editor as those of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lsprotocol import types

from ..dsl.diagnostics import Diagnostic, Label
from ..dsl.source import Span
from ..editor.completion import Completion
from ..editor.fixing import Repair
from ..editor.inlay import Inlay
from ..editor.outline import Coloured, Symbol
from ..editor.signatures import Help
from ..grammar.highlight import KINDS
from .lines import Lines

Locate = Callable[[Span], types.Location]
"""Gives the location of a span in any file."""

TOKEN_TYPES = tuple(sorted({kind for _, _, kind in KINDS.values()} - {""}))
TOKEN_MODIFIERS = ("declaration", "defaultLibrary")
_UNUSED = ("E0506", "E0356")
_SYMBOLS = {
    "arch": types.SymbolKind.Class,
    "block": types.SymbolKind.Function,
    "fn": types.SymbolKind.Function,
    "extern": types.SymbolKind.Interface,
    "input": types.SymbolKind.Field,
    "size": types.SymbolKind.TypeParameter,
    "import": types.SymbolKind.Module,
    "label": types.SymbolKind.Property,
}
_ITEMS = {
    "layer": types.CompletionItemKind.Function,
    "block": types.CompletionItemKind.Function,
    "fn": types.CompletionItemKind.Function,
    "function": types.CompletionItemKind.Function,
    "rewrite": types.CompletionItemKind.Function,
    "initialiser": types.CompletionItemKind.Function,
    "arch": types.CompletionItemKind.Class,
    "extern": types.CompletionItemKind.Interface,
    "argument": types.CompletionItemKind.Field,
    "attribute": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.EnumMember,
    "word": types.CompletionItemKind.Keyword,
    "file": types.CompletionItemKind.File,
    "type": types.CompletionItemKind.TypeParameter,
}


def diagnostic(found: Diagnostic, lines: Lines, locate: Locate) -> types.Diagnostic:
    """A finding with its hints behind the message."""
    hints = [f"hint: {hint}" for hint in found.hints]
    notes = [*found.labels, *found.chain]
    return types.Diagnostic(
        lines.of(found.span) if found.span is not None else lines.range(0, 0),
        "\n".join([found.message, *hints]),
        severity=types.DiagnosticSeverity.Error if found.severity == "error" else types.DiagnosticSeverity.Warning,
        code=found.code,
        source="archc",
        tags=[types.DiagnosticTag.Unnecessary] if found.code in _UNUSED else None,
        related_information=[_related(note, locate) for note in notes] or None,
    )


def _related(note: Label, locate: Locate) -> types.DiagnosticRelatedInformation:
    return types.DiagnosticRelatedInformation(locate(note.span), note.text)


def markdown(text: str) -> types.MarkupContent:
    return types.MarkupContent(types.MarkupKind.Markdown, text)


def completion(found: Completion, lines: Lines, number: int) -> types.CompletionItem:
    snippet = types.InsertTextFormat.Snippet if found.snippet else types.InsertTextFormat.PlainText
    return types.CompletionItem(
        found.label,
        kind=_ITEMS.get(found.kind, types.CompletionItemKind.Variable),
        detail=found.detail or None,
        sort_text=f"{found.rank}{number:05}",
        insert_text_format=snippet,
        text_edit=types.TextEdit(lines.range(found.start, found.end), found.text),
    )


def signature(found: Help) -> types.SignatureHelp:
    parameters = [
        types.ParameterInformation(p.label, markdown(p.doc) if p.doc else None) for p in found.signature.parameters
    ]
    doc = markdown(found.signature.doc) if found.signature.doc else None
    one = types.SignatureInformation(found.signature.label, doc, parameters)
    # Behind the last parameter: none of them is active.
    return types.SignatureHelp([one], 0, found.active if found.active is not None else len(parameters))


def inlay(found: Inlay, lines: Lines) -> types.InlayHint:
    return types.InlayHint(
        lines.position(found.offset),
        found.label,
        kind=types.InlayHintKind.Type,
        tooltip=markdown(found.tooltip) if found.tooltip else None,
        padding_left=True,
    )


def symbol(found: Symbol, lines: Lines) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        found.name,
        _SYMBOLS.get(found.kind, types.SymbolKind.Variable),
        lines.of(found.span),
        lines.of(found.name_span),
        detail=found.detail or None,
        children=[symbol(child, lines) for child in found.children],
    )


def workspace_symbol(found: Symbol, location: types.Location) -> types.WorkspaceSymbol:
    return types.WorkspaceSymbol(location, found.name, _SYMBOLS.get(found.kind, types.SymbolKind.Variable))


def semantic(found: Sequence[Coloured], lines: Lines) -> types.SemanticTokens:
    """Each token as five numbers, relative to the one before."""
    data: list[int] = []
    line = character = 0
    for token in found:
        start, end = lines.position(token.start), lines.position(token.end)
        if start.line != end.line or end.character <= start.character:
            continue
        column = start.character - (character if start.line == line else 0)
        modifiers = token.given + 2 * token.brought
        length = end.character - start.character
        data += [start.line - line, column, length, TOKEN_TYPES.index(token.type), modifiers]
        line, character = start.line, start.character
    return types.SemanticTokens(data)


def repair(found: Repair, uri: str, lines: Lines, locate: Locate) -> types.CodeAction:
    edit = types.TextEdit(lines.of(found.edit.span), found.edit.text)
    return types.CodeAction(
        found.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[diagnostic(found.diagnostic, lines, locate)],
        is_preferred=found.sure,
        edit=types.WorkspaceEdit(changes={uri: [edit]}),
    )
