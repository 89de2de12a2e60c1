"""The server: which question of the protocol is answered by which function of the editor."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from .. import __version__
from ..dsl.diagnostics import ArchError
from ..dsl.source import Span
from ..editor.completion import complete, documentation
from ..editor.document import Document
from ..editor.fixing import laid_out, repairs
from ..editor.hover import hover
from ..editor.inlay import inlays
from ..editor.navigation import Edit, Refused, definition, highlights, references, renamable, rename
from ..editor.outline import coloured, folds, symbols, workspace_symbols
from ..editor.pictures import boxes_at, lenses, picture, run_at
from ..editor.signatures import signature_help
from . import convert
from .files import Files, Open, path_of
from .lines import Lines

DRAW, PICTURE, BOXES = "archc.draw", "archc.picture", "archc.boxes"
PREVIEW = "archc.preview"
"""The client's own command that shows a picture, for a client that says that it has one."""


Asked = Any
"""What a command is about, an object: the address `uri` of a file, and where they matter the `name` of an architecture,
else that which is being written, a `theme` and a `position`. From Python 3.13 on pygls takes no narrower type."""


class ArchServer(LanguageServer):
    """A server of one client. Its options come with the first message: `hints` ("all" shapes, those that "changes"
    make, or "off"), and `preview`, whether the client shows pictures itself."""

    def __init__(self) -> None:
        super().__init__("archc", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.files = Files(self.tell)
        self.options: dict[str, Any] = {}

    # --- what is told unasked --------------------------------------------------------------------

    def tell(self, file: Open, document: Document) -> None:
        """Publishes what is wrong, and has the client ask again for what depends on the analysis."""
        lines = self.lines(document.source.text)
        found = [convert.diagnostic(d, lines, self.location) for d in document.diagnostics]
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(file.uri, found, file.version))
        can = self.client_capabilities.workspace
        if can is not None and can.inlay_hint is not None and can.inlay_hint.refresh_support:
            self.workspace_inlay_hint_refresh(None)
        if can is not None and can.code_lens is not None and can.code_lens.refresh_support:
            self.workspace_code_lens_refresh(None)

    # --- places ----------------------------------------------------------------------------------

    def lines(self, text: str) -> Lines:
        """The lines of a text, counted as the client counts."""
        return Lines(text, str(getattr(self.workspace.position_encoding, "value", self.workspace.position_encoding)))

    def location(self, span: Span) -> types.Location:
        path = span.source.path
        uri = self.files.uri(path) if path is not None else ""
        return types.Location(uri, self.lines(span.source.text).of(span))

    def edits(self, found: list[Edit]) -> types.WorkspaceEdit:
        """Edits of several files."""
        changes: dict[str, list[types.TextEdit]] = {}
        for edit in found:
            where = self.location(edit.span)
            changes.setdefault(where.uri, []).append(types.TextEdit(where.range, edit.text))
        return types.WorkspaceEdit(changes=changes)


def made() -> ArchServer:
    """A server with all that it answers."""
    server = ArchServer()
    files = server.files

    def at(document: Document, position: types.Position) -> int:
        return server.lines(document.source.text).offset(position)

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        options = params.initialization_options
        server.options = options if isinstance(options, dict) else {}

    @server.feature(types.SHUTDOWN)
    def shutdown(params: Any) -> None:
        files.close_all()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        files.change(document.uri, document.text, document.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        files.change(uri, server.workspace.get_text_document(uri).source, params.text_document.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        files.close(params.text_document.uri)
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(params.text_document.uri, []))

    # --- about the architectures ---

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def on_hover(params: types.HoverParams) -> types.Hover | None:
        def answer(document: Document) -> types.Hover | None:
            found = hover(document, at(document, params.position))
            place = server.lines(document.source.text).of(found.span) if found is not None else None
            return types.Hover(convert.markdown(found.text), place) if found is not None else None

        return await files.understood(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def on_inlay(params: types.InlayHintParams) -> list[types.InlayHint] | None:
        wanted = server.options.get("hints", "all")

        def answer(document: Document) -> list[types.InlayHint]:
            lines = server.lines(document.source.text)
            found = inlays(document, lines.offset(params.range.start), lines.offset(params.range.end))
            return [convert.inlay(hint, lines) for hint in found if hint.changes or wanted == "all"]

        return await files.understood(params.text_document.uri, answer) if wanted != "off" else []

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    async def on_lens(params: types.CodeLensParams) -> list[types.CodeLens] | None:
        uri, show = params.text_document.uri, PREVIEW if server.options.get("preview") else DRAW

        def answer(document: Document) -> list[types.CodeLens]:
            lines, found = server.lines(document.source.text), []
            for lens in lenses(document):
                place = lines.of(lens.span)
                found.append(types.CodeLens(place, types.Command(lens.title, "")))
                if lens.name is not None:
                    found.append(
                        types.CodeLens(place, types.Command("draw", show, arguments=[{"uri": uri, "name": lens.name}]))
                    )
            return found

        return await files.understood(uri, answer)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    )
    async def on_action(params: types.CodeActionParams) -> list[types.CodeAction] | None:
        uri = params.text_document.uri

        def answer(document: Document) -> list[types.CodeAction]:
            lines = server.lines(document.source.text)
            found = repairs(document, lines.offset(params.range.start), lines.offset(params.range.end))
            return [convert.repair(one, uri, lines, server.location) for one in found]

        return await files.understood(uri, answer)

    # --- about the text ---

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(list('.("=>:,'), resolve_provider=True))
    async def on_completion(params: types.CompletionParams) -> types.CompletionList | None:
        def answer(document: Document) -> types.CompletionList:
            lines, offset = server.lines(document.source.text), at(document, params.position)
            items = [convert.completion(c, lines, n) for n, c in enumerate(complete(document, offset))]
            for item in items:
                item.data = [params.text_document.uri, offset]
            return types.CompletionList(False, items)

        return await files.read(params.text_document.uri, answer)

    @server.feature(types.COMPLETION_ITEM_RESOLVE)
    async def on_resolve(item: types.CompletionItem) -> types.CompletionItem:
        if isinstance(item.data, list) and len(item.data) == 2:
            uri, offset = item.data
            text = await files.read(uri, lambda document: documentation(document, item.label, int(offset)))
            item.documentation = convert.markdown(text) if text else None
        return item

    @server.feature(types.TEXT_DOCUMENT_SIGNATURE_HELP, types.SignatureHelpOptions(["(", ","]))
    async def on_signature(params: types.SignatureHelpParams) -> types.SignatureHelp | None:
        def answer(document: Document) -> types.SignatureHelp | None:
            found = signature_help(document, at(document, params.position))
            return convert.signature(found) if found is not None else None

        return await files.read(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def on_definition(params: types.DefinitionParams) -> types.Location | None:
        def answer(document: Document) -> types.Location | None:
            found = definition(document, at(document, params.position))
            return server.location(found) if found is not None else None

        return await files.read(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def on_references(params: types.ReferenceParams) -> list[types.Location] | None:
        def answer(document: Document) -> list[types.Location]:
            offset = at(document, params.position)
            given = None if params.context.include_declaration else definition(document, offset)
            return [server.location(span) for span in references(document, offset) if span != given]

        return await files.read(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    async def on_highlight(params: types.DocumentHighlightParams) -> list[types.DocumentHighlight] | None:
        def answer(document: Document) -> list[types.DocumentHighlight]:
            lines = server.lines(document.source.text)
            return [types.DocumentHighlight(lines.of(s)) for s in highlights(document, lines.offset(params.position))]

        return await files.read(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def on_prepare(params: types.PrepareRenameParams) -> types.Range | None:
        def answer(document: Document) -> types.Range:
            lines = server.lines(document.source.text)
            return lines.of(renamable(document, lines.offset(params.position)))

        try:
            return await files.read(params.text_document.uri, answer)
        except Refused as why:
            raise JsonRpcInvalidParams(str(why)) from None

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def on_rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        def answer(document: Document) -> types.WorkspaceEdit:
            return server.edits(rename(document, at(document, params.position), params.new_name))

        try:
            return await files.read(params.text_document.uri, answer)
        except Refused as why:
            raise JsonRpcInvalidParams(str(why)) from None

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def on_symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
        def answer(document: Document) -> list[types.DocumentSymbol]:
            lines = server.lines(document.source.text)
            return [convert.symbol(found, lines) for found in symbols(document)]

        return await files.read(params.text_document.uri, answer)

    @server.feature(types.WORKSPACE_SYMBOL)
    async def on_workspace_symbols(params: types.WorkspaceSymbolParams) -> list[types.WorkspaceSymbol]:
        folders = [path_of(folder.uri) for folder in server.workspace.folders.values()]
        folders = folders or sorted({file.path.parent for file in files.open.values()})

        def answer() -> list[types.WorkspaceSymbol]:
            found = [s for folder in folders for s in workspace_symbols(files.workspace, folder, params.query)]
            return [convert.workspace_symbol(s, server.location(s.name_span)) for s in found]

        return await files.apart(answer)

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    async def on_folding(params: types.FoldingRangeParams) -> list[types.FoldingRange] | None:
        def answer(document: Document) -> list[types.FoldingRange]:
            return [types.FoldingRange(a, b, kind=types.FoldingRangeKind(kind)) for a, b, kind in folds(document)]

        return await files.read(params.text_document.uri, answer)

    @server.feature(
        types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL,
        types.SemanticTokensLegend(list(convert.TOKEN_TYPES), list(convert.TOKEN_MODIFIERS)),
    )
    async def on_tokens(params: types.SemanticTokensParams) -> types.SemanticTokens | None:
        def answer(document: Document) -> types.SemanticTokens:
            return convert.semantic(coloured(document), server.lines(document.source.text))

        return await files.read(params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def on_formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        def answer(document: Document) -> list[types.TextEdit]:
            lines = server.lines(document.source.text)
            return [types.TextEdit(lines.of(edit.span), edit.text) for edit in laid_out(document)]

        return await files.read(params.text_document.uri, answer)

    # --- pictures ---

    async def drawn(asked: Asked) -> dict[str, Any]:
        uri, theme = asked["uri"], "dark" if asked.get("theme") == "dark" else "light"

        def answer(document: Document) -> dict[str, Any]:
            run = run_at(document, asked.get("name"), files.open[uri].cursor if uri in files.open else 0)
            try:
                made = picture(run, theme) if run is not None else None
            except ArchError as error:
                return {"error": error.diagnostics[0].message}
            if run is None or made is None:
                return {"error": "this text has errors, so there is nothing to draw"}
            return {"name": run.name, "svg": made.content.decode()}

        return await files.understood(uri, answer) or {"error": f"{uri} is not open"}

    @server.command(PICTURE)
    async def on_picture(asked: Asked) -> dict[str, Any]:
        """The picture of an architecture as SVG: `{name, svg}`, or `{error}`."""
        return await drawn(asked)

    @server.command(BOXES)
    async def on_boxes(asked: Asked) -> list[str]:
        """The elements of that picture which show what stands at the `position` in the text."""
        place = types.Position(asked["position"]["line"], asked["position"]["character"])

        def answer(document: Document) -> list[str]:
            offset = at(document, place)
            run = run_at(document, asked.get("name"), offset)
            try:
                made = picture(run) if run is not None else None
            except ArchError:
                return []
            return boxes_at(document, run, made.diagram, offset) if run is not None and made is not None else []

        return await files.understood(asked["uri"], answer) or []

    @server.command(DRAW)
    async def on_draw(asked: Asked) -> str | None:
        """Writes the picture into a folder for passing files, has the client show it, and gives its path."""
        found = await drawn(asked)
        if "error" in found:
            server.window_show_message(types.ShowMessageParams(types.MessageType.Error, found["error"]))
            return None
        path = Path(tempfile.mkdtemp(prefix="archc-")) / f"{found['name']}.svg"
        await files.apart(lambda: path.write_text(found["svg"], encoding="utf-8"))
        window = server.client_capabilities.window
        if window is not None and window.show_document is not None and window.show_document.support:
            await server.window_show_document_async(types.ShowDocumentParams(path.as_uri(), external=True))
        else:
            message = types.ShowMessageParams(types.MessageType.Info, f"the picture is {path}")
            server.window_show_message(message)
        return str(path)

    return server


def serve() -> None:
    """Serves a client over standard input and output until it leaves."""
    # The protocol closes what it writes to; the process flushes its own output at the end.
    made().start_io(stdout=os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
