// Starts `archc lsp`, and shows the picture of an architecture beside its text.
"use strict";

const vscode = require("vscode");
const { LanguageClient, Trace } = require("vscode-languageclient/node");
const { Preview } = require("./preview");

let client;

function settings() {
  return vscode.workspace.getConfiguration("archc");
}

async function start() {
  const server = { command: settings().get("path"), args: ["lsp"] };
  client = new LanguageClient("archc", "archc", server, {
    documentSelector: [{ language: "arch" }],
    initializationOptions: { hints: settings().get("hints"), preview: true },
  });
  await client.setTrace(Trace.Off);
  try {
    await client.start();
  } catch (error) {
    const chosen = await vscode.window.showErrorMessage(
      `\`${server.command} lsp\` does not start: ${error.message}. \`pip install 'archc-lang[lsp]'\` installs it; the ` +
        "setting archc.path says where it is.",
      "Open the setting",
    );
    if (chosen) await vscode.commands.executeCommand("workbench.action.openSettings", "archc.path");
  }
}

async function stop() {
  const before = client;
  client = undefined;
  if (before && before.isRunning()) await before.stop();
}

/** The answer of the server to one of its commands; undefined while it does not run. */
async function ask(command, asked) {
  if (!client || !client.isRunning()) return undefined;
  return client.sendRequest("workspace/executeCommand", { command, arguments: [asked] });
}

async function activate(context) {
  const preview = new Preview(ask);
  context.subscriptions.push(
    preview,
    vscode.commands.registerCommand("archc.preview", (asked) => preview.show(asked)),
    vscode.commands.registerCommand("archc.restart", async () => {
      await stop();
      await start();
    }),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (!event.affectsConfiguration("archc")) return;
      await stop();
      await start();
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
