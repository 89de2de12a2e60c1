"""The server as a process, asked over the protocol."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from patience import IN_TIME

pytest.importorskip("pygls")

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

from archc.lsp.lines import Lines

SPEC = """block unit(c, stride = 1) = conv(c, 3, stride) -> bn -> relu
arch Net {
  input x: [N, 3, 32, 32]
  output x -> unit(8) -> unit(16, 2) -> gap -> linear(10)
}
"""
WINDOW = types.WindowClientCapabilities(show_document=types.ShowDocumentClientCapabilities(True))
REFRESH = types.WorkspaceClientCapabilities(
    inlay_hint=types.InlayHintWorkspaceClientCapabilities(True),
    code_lens=types.CodeLensWorkspaceClientCapabilities(True),
)


class Client(LanguageClient):
    """An editor with one folder: what it was told of each file, in order."""

    def __init__(self, folder: Path):
        super().__init__("tests", "1")
        self.folder = folder
        self.told: dict[str, list[types.PublishDiagnosticsParams]] = {}
        self.shown: list[str] = []
        self.versions: dict[str, int] = {}

    def uri(self, name: str = "a.arch") -> str:
        return (self.folder / name).as_uri()

    def document(self, name: str = "a.arch") -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri(name))

    async def open(self, text: str, name: str = "a.arch") -> list[types.Diagnostic]:
        self.versions[name] = 1
        item = types.TextDocumentItem(self.uri(name), "arch", 1, text)
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.diagnostics(name)

    def change(self, text: str, name: str = "a.arch") -> None:
        self.versions[name] += 1
        version = types.VersionedTextDocumentIdentifier(self.versions[name], self.uri(name))
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.text_document_did_change(types.DidChangeTextDocumentParams(version, [change]))

    async def diagnostics(self, name: str = "a.arch") -> list[types.Diagnostic]:
        """What is told of the latest text of a file, once something is."""
        return await self.until(
            lambda: next(
                (
                    t.diagnostics
                    for t in reversed(self.told.get(self.uri(name), []))
                    if t.version == self.versions[name]
                ),
                None,
            )
        )

    async def until(self, found: Callable[[], Any]) -> Any:
        for _ in range(3000):
            if (value := found()) is not None:
                return list(value) if not isinstance(value, bool) else value
            await asyncio.sleep(0.01)
        raise AssertionError("the server does not answer")


def session(folder: Path, do: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    """Does something with a server of its own, which has to leave in order."""

    async def run() -> None:
        client = Client(folder)

        @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def told(params: types.PublishDiagnosticsParams) -> None:
            client.told.setdefault(params.uri, []).append(params)

        @client.feature(types.WINDOW_SHOW_DOCUMENT)
        def show(params: types.ShowDocumentParams) -> types.ShowDocumentResult:
            client.shown.append(params.uri)
            return types.ShowDocumentResult(True)

        for method in (types.WORKSPACE_INLAY_HINT_REFRESH, types.WORKSPACE_CODE_LENS_REFRESH):
            client.feature(method)(lambda params: None)
        client.feature(types.WINDOW_SHOW_MESSAGE)(lambda params: client.shown.append(params.message))
        await client.start_io(sys.executable, "-m", "archc", "lsp")
        encoding = options.pop("encodings", None)
        capabilities = types.ClientCapabilities(
            workspace=REFRESH, window=WINDOW, general=types.GeneralClientCapabilities(position_encodings=encoding)
        )
        folders = [types.WorkspaceFolder(folder.as_uri(), "project")]
        await client.initialize_async(
            types.InitializeParams(capabilities, workspace_folders=folders, initialization_options=options or None)
        )
        client.initialized(types.InitializedParams())
        await do(client)
        await client.shutdown_async(None)
        client.exit(None)
        assert client._server is not None
        assert await asyncio.wait_for(client._server.wait(), 10) == 0

    (folder / "archc.toml").touch()
    asyncio.run(asyncio.wait_for(run(), 60))


def at(text: str, words: str) -> types.Position:
    return Lines(text, "utf-16").position(text.index(words))


WHOLE = types.Range(types.Position(0, 0), types.Position(1000, 0))


def test_errors_come_and_go_as_one_types(tmp_path: Path) -> None:
    async def do(client: Client) -> None:
        assert await client.open(SPEC) == []
        client.change(SPEC.replace("gap", "gapp"))
        (found,) = await client.diagnostics()
        assert (found.code, found.source) == ("E0201", "archc") and "did you mean `gap`" in found.message
        assert found.range == types.Range(
            at(SPEC, "gap"), types.Position(at(SPEC, "gap").line, at(SPEC, "gap").character + 4)
        )
        actions = await client.text_document_code_action_async(
            types.CodeActionParams(client.document(), found.range, types.CodeActionContext([found]))
        )
        (fix,) = [
            a for a in actions or () if isinstance(a, types.CodeAction) and a.edit and a.title.endswith("`gap`?")
        ][:1]
        (edit,) = (fix.edit.changes or {})[client.uri()]
        assert (edit.new_text, edit.range) == ("gap", found.range)
        client.change(SPEC)
        assert await client.diagnostics() == []

    session(tmp_path, do)


def test_what_a_keystroke_makes_stale_is_never_told(tmp_path: Path) -> None:
    async def do(client: Client) -> None:
        await client.open(SPEC)
        for number in range(20):
            client.change(SPEC + f"# {number}\n" + "x" * (number % 2))
            await asyncio.sleep(0.002)
        assert len(await client.diagnostics()) == 1
        await asyncio.sleep(0.3)
        versions = [told.version for told in client.told[client.uri()]]
        assert versions == sorted(versions) and versions[-1] == 21
        assert len(set(versions)) < 15

    session(tmp_path, do)


@IN_TIME
def test_a_long_check_is_given_up(tmp_path: Path, patience: int) -> None:
    slow = (
        "block f(n) = if n == 0 then relu else [f(n - 1), f(n - 1)]\narch A { input x: [N, 3]\n output x -> f(16) }\n"
    )

    async def do(client: Client) -> None:
        client.versions["a.arch"] = 1
        client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(client.uri(), "arch", 1, slow))
        )
        await asyncio.sleep(0.3)
        start = time.monotonic()
        client.change(SPEC)
        assert await client.diagnostics() == []
        assert time.monotonic() - start < 3 * patience
        assert {told.version for told in client.told[client.uri()]} == {2}

    session(tmp_path, do)


def test_other_files_count_as_they_are_in_the_editor(tmp_path: Path) -> None:
    user = 'use unit from "parts.arch"\narch A { input x: [N, 3, 8, 8]\n output x -> unit(8) }\n'
    (tmp_path / "parts.arch").write_text("block unit(c) = conv(c, 3)\n")

    async def do(client: Client) -> None:
        assert await client.open(user) == []
        await client.open("block unit(c) = conv(c, 3)\n", "parts.arch")
        client.change("block unit(c) = conv(c, 3) -> bm\n", "parts.arch")
        (found,) = await client.until(lambda: client.told[client.uri()][-1].diagnostics or None)
        assert found.range.start.line == 2 and found.related_information is not None
        assert found.related_information[0].location.uri == client.uri("parts.arch")
        client.text_document_did_close(types.DidCloseTextDocumentParams(client.document("parts.arch")))
        await client.until(lambda: not client.told[client.uri()][-1].diagnostics or None)
        assert not client.told[client.uri("parts.arch")][-1].diagnostics

    session(tmp_path, do)


def test_questions_about_shapes(tmp_path: Path) -> None:
    async def do(client: Client) -> None:
        await client.open(SPEC)
        hovered = await client.text_document_hover_async(types.HoverParams(client.document(), at(SPEC, "unit(16")))
        assert hovered is not None and isinstance(hovered.contents, types.MarkupContent)
        assert "[N, 8, 32, 32] → [N, 16, 16, 16]" in hovered.contents.value
        hints = await client.text_document_inlay_hint_async(types.InlayHintParams(client.document(), WHOLE))
        labels = [hint.label for hint in hints or ()]
        assert labels[-4:] == ["[N, 8, 32, 32]", "[N, 16, 16, 16]", "[N, 16, 1, 1]", "[N, 10]"]
        found = await client.text_document_code_lens_async(types.CodeLensParams(client.document()))
        titles = [lens.command.title for lens in found or () if lens.command]
        assert titles[0].startswith("1,") and titles[1] == "draw"

    session(tmp_path, do)


def test_hints_can_be_fewer_or_off(tmp_path: Path) -> None:
    for wanted, count in (("changes", 6), ("off", 0)):

        async def do(client: Client, count: int = count) -> None:
            await client.open(SPEC)
            hints = await client.text_document_inlay_hint_async(types.InlayHintParams(client.document(), WHOLE))
            assert len(hints or ()) <= count and bool(hints) == bool(count)

        session(tmp_path, do, hints=wanted)


def test_questions_about_the_text(tmp_path: Path) -> None:
    async def do(client: Client) -> None:
        await client.open(SPEC)
        document = client.document()
        items = await client.text_document_completion_async(types.CompletionParams(document, at(SPEC, "gap")))
        assert isinstance(items, types.CompletionList)
        conv = next(item for item in items.items if item.label == "conv")
        told = await client.completion_item_resolve_async(conv)
        assert isinstance(told.documentation, types.MarkupContent) and "Convolution" in told.documentation.value
        place = types.Position(3, at(SPEC, "unit(16").character + 9)
        signature = await client.text_document_signature_help_async(types.SignatureHelpParams(document, place))
        assert signature is not None and signature.active_parameter == 1
        where = await client.text_document_definition_async(types.DefinitionParams(document, at(SPEC, "unit(16")))
        assert isinstance(where, types.Location) and where.range.start == types.Position(0, 6)
        spoken = types.ReferenceParams(types.ReferenceContext(False), document, at(SPEC, "unit(16"))
        assert len(await client.text_document_references_async(spoken) or ()) == 2
        marks = types.DocumentHighlightParams(document, at(SPEC, "unit(16"))
        assert len(await client.text_document_document_highlight_async(marks) or ()) == 3
        symbols = await client.text_document_document_symbol_async(types.DocumentSymbolParams(document))
        assert [s.name for s in symbols or ()] == ["unit", "Net"]
        everywhere = await client.workspace_symbol_async(types.WorkspaceSymbolParams("net"))
        assert [s.name for s in everywhere or ()] == ["Net"]
        folds = await client.text_document_folding_range_async(types.FoldingRangeParams(document))
        assert [(f.start_line, f.end_line) for f in folds or ()] == [(1, 4)]
        tokens = await client.text_document_semantic_tokens_full_async(types.SemanticTokensParams(document))
        assert tokens is not None and len(tokens.data) % 5 == 0 and len(tokens.data) > 150
        options = types.FormattingOptions(2, True)
        client.change(SPEC.replace("  output", "        output"))
        edits = await client.text_document_formatting_async(types.DocumentFormattingParams(document, options))
        assert [(e.new_text, e.range.start.line) for e in edits or ()] == [(SPEC.splitlines(True)[3], 3)]
        await client.open(SPEC.replace("linear", "fc: linear"), "b.arch")
        labelled = types.DocumentSymbolParams(client.document("b.arch"))
        inside = (await client.text_document_document_symbol_async(labelled) or ())[1].children
        assert [(s.name, s.detail) for s in inside or ()] == [("x", None), ("fc", "linear(10)")]

    session(tmp_path, do)


def test_rename_and_its_refusal(tmp_path: Path) -> None:
    (tmp_path / "b.arch").write_text('use unit from "a.arch"\narch B { input x: [N, 3, 8, 8]\n output x -> unit(8) }\n')
    (tmp_path / "a.arch").write_text(SPEC)

    async def do(client: Client) -> None:
        await client.open(SPEC)
        place, document = at(SPEC, "unit"), client.document()
        can = await client.text_document_prepare_rename_async(types.PrepareRenameParams(document, place))
        assert can == types.Range(place, types.Position(0, place.character + 4))
        done = await client.text_document_rename_async(types.RenameParams(document, place, "layer"))
        assert done is not None and {uri: len(edits) for uri, edits in (done.changes or {}).items()} == {
            client.uri(): 3,
            client.uri("b.arch"): 2,
        }
        for name, why in (("match", "cannot be a name"), ("conv", "name of the language"), ("Net", "taken")):
            with pytest.raises(JsonRpcException, match=why):
                await client.text_document_rename_async(types.RenameParams(document, place, name))
        with pytest.raises(JsonRpcException, match="word of the language"):
            await client.text_document_prepare_rename_async(types.PrepareRenameParams(document, at(SPEC, "gap")))

    session(tmp_path, do)


def test_pictures(tmp_path: Path) -> None:
    async def do(client: Client) -> None:
        await client.open(SPEC)

        async def ask(command: str, **more: Any) -> Any:
            asked = [{"uri": client.uri(), **more}]
            return await client.workspace_execute_command_async(types.ExecuteCommandParams(command, arguments=asked))

        found = await ask("archc.picture", theme="dark")
        assert found["name"] == "Net" and found["svg"].startswith("<?xml")
        place = at(SPEC, "linear")
        boxes = await ask("archc.boxes", position={"line": place.line, "character": place.character})
        assert boxes and all(f'id="{box}"' in found["svg"] for box in boxes)
        path = await ask("archc.draw", name="Net")
        assert Path(path).read_text().startswith("<?xml") and client.shown == [Path(path).as_uri()]
        client.change(SPEC.replace("gap", "gapp"))
        assert "errors" in (await ask("archc.picture"))["error"]
        assert "error" in await ask("archc.picture", name="Other")

    session(tmp_path, do)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_places_are_counted_as_the_client_counts(tmp_path: Path, encoding: str) -> None:
    smile = "\U0001f600"
    text = f'# {smile}\r\narch A {{\r\n  input x: [N, 3]  require "{smile}é" == "{smile}é"  output x -> bm }}\r\n'
    units = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]

    async def do(client: Client) -> None:
        (found,) = await client.open(text)
        line = text.splitlines()[2]
        before = len(line[: line.index("bm")].encode(f"{encoding}-le" if units > 1 else "utf-8")) // units
        assert found.range == types.Range(types.Position(2, before), types.Position(2, before + 2))

    session(tmp_path, do, encodings=[types.PositionEncodingKind(encoding)])


def test_without_the_library_it_says_what_to_install(
    archc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archc.cli.serving.find_spec", lambda name: None)
    refused = archc("lsp")
    assert refused.status == 1 and "E1006" in refused.err and "archc-lang[lsp]" in refused.err
