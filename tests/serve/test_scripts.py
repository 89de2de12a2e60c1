"""What the page computes without a document: colours, changes of a text; and the bundle of its editor."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT
from hypothesis import given
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from archc.catalog import shipped_files
from archc.compiler.elaborate.language import known_names
from archc.grammar.highlight import pieces
from archc.serve import server
from archc.serve.told import Units, colouring

FOLDER = Path(server.__file__).parent
BUNDLE = PROJECT / "editors" / "serve"
STREAM = """
function coloured(text) {
  const { startState, token } = tokenizer(rules), state = startState(), found = [];
  let start = 0;
  for (const string of text.split('\\n')) {
    const stream = {
      string, pos: 0, sol() { return this.pos === 0; }, eol() { return this.pos >= string.length; },
      next() { this.pos += 1; },
    };
    while (!stream.eol()) {
      const from = stream.pos, kind = token(stream, state);
      if (kind) found.push([kind, start + from, start + stream.pos]);
    }
    start += string.length + 1;
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def scripts() -> MiniRacer:
    context = MiniRacer()
    for name in ("words.js", "arch.js"):
        text = (FOLDER / name).read_text(encoding="utf-8")
        context.eval(re.sub(r"^export ", "", text, flags=re.MULTILINE))
    context.eval(f"const rules = {json.dumps(colouring(known_names()))};{STREAM}")
    return context


def run(scripts: MiniRacer, function: str, *arguments: Any) -> Any:
    return json.loads(scripts.eval(f"JSON.stringify({function}({', '.join(map(json.dumps, arguments))}))"))


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_it_colours_as_archc_does(path: Path, scripts: MiniRacer) -> None:
    text = path.read_text(encoding="utf-8")
    wanted, found = [""] * len(text), [""] * len(text)
    for kind, start, end in pieces(text, tuple(known_names())):
        wanted[start:end] = [kind] * (end - start)
    for kind, start, end in run(scripts, "coloured", text):
        found[start:end] = [kind] * (end - start)
    differ = [n for n, c in enumerate(text) if not c.isspace() and found[n] != wanted[n]]
    assert not differ, [(text[n : n + 20], found[n], wanted[n]) for n in differ[:5]]


@given(before=st.text("ab\n"), after=st.text("ab\n"))
def test_the_change_of_a_text_makes_the_other(before: str, after: str, scripts: MiniRacer) -> None:
    made = run(scripts, "change", before, after)
    assert before[: made["from"]] + made["insert"] + before[made["to"] :] == after
    assert before != after or made["insert"] == ""


@given(text=st.text("a\U0001f600é\n"))
def test_units_are_those_of_utf_16(text: str) -> None:
    units = Units(text)
    for offset in range(len(text) + 1):
        unit = len(text[:offset].encode("utf-16-le")) // 2
        assert (units.of(offset), units.character(unit)) == (unit, offset)


@pytest.mark.skipif(
    shutil.which("node") is None or not (BUNDLE / "node_modules" / "esbuild").is_dir(),
    reason="needs node, and `npm ci` in editors/serve",
)
def test_the_bundle_is_that_of_the_lock_file(tmp_path: Path) -> None:
    folder = tmp_path / "editors" / "serve"
    shutil.copytree(BUNDLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(BUNDLE / "node_modules")
    (tmp_path / "serve").mkdir()
    commands = json.loads((folder / "package.json").read_text())["scripts"]
    environment = {**os.environ, "PATH": f"{BUNDLE / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"}
    for command in (commands["bundle"], commands["build"].rpartition("&& ")[2]):
        done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
    for name in ("codemirror.js", "codemirror.LICENSE.txt"):
        assert (tmp_path / "serve" / name).read_bytes() == (FOLDER / name).read_bytes()
