"""What the extension for VS Code is made of: it is current, colours every shipped spec as archc does, and builds."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT

from archc.catalog import shipped_files
from archc.compiler.elaborate.language import known_names
from archc.grammar.highlight import KINDS, pieces

EXTENSION = PROJECT / "editors" / "vscode"
MADE = runpy.run_path(str(PROJECT / "editors" / "generate.py"))
NODE = shutil.which("node")
MODULES = EXTENSION / "node_modules"
with_node = pytest.mark.skipif(
    NODE is None or not (MODULES / "vscode-textmate").is_dir(), reason="needs node, and `npm ci` in editors/vscode"
)
TOKENISE = """
const { readFileSync } = require("fs");
const oniguruma = require("vscode-oniguruma"), { Registry, parseRawGrammar, INITIAL } = require("vscode-textmate");
const [grammarPath, ...paths] = process.argv.slice(2);
const wasm = readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer;
const onigLib = oniguruma.loadWASM(wasm).then(() => ({
  createOnigScanner: (sources) => new oniguruma.OnigScanner(sources),
  createOnigString: (text) => new oniguruma.OnigString(text),
}));
const loadGrammar = async () => parseRawGrammar(readFileSync(grammarPath, "utf8"), grammarPath);
new Registry({ onigLib, loadGrammar }).loadGrammar("source.arch").then((grammar) => {
  const found = paths.map((path) => {
    let stack = INITIAL;
    return readFileSync(path, "utf8").split("\\n").map((line) => {
      const result = grammar.tokenizeLine(line, stack);
      stack = result.ruleStack;
      return result.tokens.map((t) => [t.startIndex, t.endIndex, t.scopes.slice(1)]);
    });
  });
  console.log(JSON.stringify(found));
});
"""


@pytest.mark.parametrize("path", MADE["FILES"], ids=lambda path: path.name)
def test_what_is_derived_is_current(path: Path) -> None:
    made = MADE["text_of"](MADE["FILES"][path]())
    assert path.read_text(encoding="utf-8") == made, "run `python editors/generate.py`"


@pytest.fixture(scope="module")
def scopes() -> dict[Path, list[list[Any]]]:
    """What node makes of each shipped spec with the grammar: the tokens of each line, with their scopes."""
    assert NODE is not None
    grammar, paths = EXTENSION / "syntaxes" / "arch.tmLanguage.json", list(shipped_files())
    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    done = subprocess.run(
        [NODE, "-", str(grammar), *map(str, paths)], input=TOKENISE, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(paths, json.loads(done.stdout), strict=True))


@with_node
@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_it_colours_as_archc_does(path: Path, scopes: dict[Path, list[list[Any]]]) -> None:
    text = path.read_text(encoding="utf-8")
    wanted = [""] * len(text)
    for kind, start, end in pieces(text, tuple(known_names())):
        wanted[start:end] = [f"{KINDS[kind][0]}.arch"] * (end - start)
    found, at = [""] * len(text), 0
    for line, tokens in zip(text.split("\n"), scopes[path], strict=True):
        for start, end, names in tokens:
            end = min(end, len(line))
            found[at + start : at + end] = [names[-1] if names else ""] * (end - start)
        at += len(line) + 1
    differ = [n for n, c in enumerate(text) if not c.isspace() and found[n] != wanted[n]]
    assert not differ, [(text[n : n + 20], found[n], wanted[n]) for n in differ[:5]]


@with_node
def test_the_kinds_of_words() -> None:
    assert NODE is not None
    program = MODULES / "vscode-tmgrammar-test" / "dist" / "unit.js"
    command = [NODE, str(program), "-g", "syntaxes/arch.tmLanguage.json", "test/heading.test.arch"]
    done = subprocess.run(command, cwd=EXTENSION, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@with_node
def test_it_builds(tmp_path: Path) -> None:
    """The bundle and the package, from the modules that are there."""
    assert NODE is not None
    folder = tmp_path / "vscode"
    shutil.copytree(EXTENSION, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "*.vsix"))
    (folder / "node_modules").symlink_to(MODULES)
    scripts = json.loads((folder / "package.json").read_text())["scripts"]
    for command in ("npm run build", scripts["vsix"].rpartition("&& ")[2]):
        environment = {**os.environ, "PATH": f"{MODULES / '.bin'}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
    names = set(zipfile.ZipFile(folder / "archc.vsix").namelist())
    wanted = {"dist/extension.js", "syntaxes/arch.tmLanguage.json", "snippets/arch.json", "language-configuration.json"}
    assert {f"extension/{name}" for name in wanted} <= names
    assert not [name for name in names if "node_modules" in name or name.startswith("extension/src")]
