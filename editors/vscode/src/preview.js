// A panel with the picture of one architecture, which follows the text and the cursor.
"use strict";

const crypto = require("crypto");
const vscode = require("vscode");

const REST = 250; // milliseconds for which a text must rest before it is drawn again

/** A function that runs once calls of it rest. */
function rested(run) {
  let waiting;
  return (...given) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => run(...given), REST);
  };
}

class Preview {
  constructor(ask) {
    this.ask = ask;
    this.panel = undefined;
    this.uri = undefined;
    this.name = undefined;
    const draw = rested(() => this.draw());
    const mark = rested((editor) => this.mark(editor));
    this.listening = [
      vscode.workspace.onDidChangeTextDocument((event) => {
        if (this.panel && event.document.languageId === "arch") draw();
      }),
      vscode.window.onDidChangeTextEditorSelection((event) => mark(event.textEditor)),
      vscode.window.onDidChangeActiveTextEditor((editor) => {
        if (this.panel && editor && editor.document.languageId === "arch") this.follow(editor.document.uri.toString());
      }),
      vscode.window.onDidChangeActiveColorTheme(draw),
    ];
  }

  /** Shows an architecture; without one, that at which the editor is. */
  async show(asked) {
    const editor = vscode.window.activeTextEditor;
    const uri = asked && asked.uri ? asked.uri : editor && editor.document.uri.toString();
    if (!uri) return;
    if (!this.panel) {
      const place = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
      this.panel = vscode.window.createWebviewPanel("archc.preview", "archc", place, { enableScripts: true });
      this.panel.webview.html = page(this.panel.webview);
      this.panel.onDidDispose(() => (this.panel = undefined));
    }
    this.uri = uri;
    this.name = asked && asked.name;
    await this.draw();
  }

  async follow(uri) {
    if (uri === this.uri) return;
    this.uri = uri;
    this.name = undefined;
    await this.draw();
  }

  async draw() {
    if (!this.panel || !this.uri) return;
    const kind = vscode.window.activeColorTheme.kind;
    const dark = kind === vscode.ColorThemeKind.Dark || kind === vscode.ColorThemeKind.HighContrast;
    const found = await this.ask("archc.picture", { uri: this.uri, name: this.name, theme: dark ? "dark" : "light" });
    if (!found || !this.panel) return;
    if (found.name) this.panel.title = found.name;
    // A text with errors keeps the picture that it had.
    await this.panel.webview.postMessage(found.svg ? { svg: found.svg } : { error: found.error });
    const editor = vscode.window.visibleTextEditors.find((other) => other.document.uri.toString() === this.uri);
    if (editor) await this.mark(editor);
  }

  async mark(editor) {
    if (!this.panel || editor.document.uri.toString() !== this.uri) return;
    const { line, character } = editor.selection.active;
    const boxes = await this.ask("archc.boxes", { uri: this.uri, name: this.name, position: { line, character } });
    if (boxes && this.panel) await this.panel.webview.postMessage({ boxes });
  }

  dispose() {
    this.listening.forEach((one) => one.dispose());
    if (this.panel) this.panel.dispose();
  }
}

/** The page of the panel. Nothing but its own script runs in it, and it loads nothing. */
function page(webview) {
  const nonce = crypto.randomBytes(16).toString("base64");
  return `<!DOCTYPE html>
<html><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src ${webview.cspSource} 'unsafe-inline'; script-src 'nonce-${nonce}'">
<style>
  body { margin: 0; padding: 8px; }
  svg { max-width: 100%; height: auto; }
  #error { color: var(--vscode-errorForeground); margin: 4px 0; }
  .stale { opacity: 0.5; }
  .here > path { stroke: var(--vscode-focusBorder, #0078d4); stroke-width: 2.5; }
</style></head>
<body><div id="error"></div><div id="picture"></div>
<script nonce="${nonce}">
  const picture = document.getElementById("picture"), error = document.getElementById("error");
  let boxes = [];
  function mark(scroll) {
    for (const old of picture.querySelectorAll(".here")) old.classList.remove("here");
    const found = boxes.map((id) => picture.querySelector("#" + CSS.escape(id))).filter(Boolean);
    for (const box of found) box.classList.add("here");
    if (scroll && found.length) found[0].scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  window.addEventListener("message", ({ data }) => {
    if (data.svg) {
      const parsed = new DOMParser().parseFromString(data.svg, "image/svg+xml");
      picture.replaceChildren(document.importNode(parsed.documentElement, true));
      mark(false);
    }
    if (data.svg || data.error) {
      error.textContent = data.error || "";
      picture.classList.toggle("stale", Boolean(data.error));
    }
    if (data.boxes) { boxes = data.boxes; mark(true); }
  });
</script></body></html>`;
}

module.exports = { Preview };
