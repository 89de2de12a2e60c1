"""The hook of mkdocs.yml, which makes the pages of the site that are not in docs/: one for each layer, code, word and
shipped spec, the Python reference, and pages from elsewhere in the repository.

A link of a page leads to a file of the repository, so that it works there. Here it leads to the page of that file; one
without a page fails the build.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generate import HOW_TO_READ, code_groups, entry_of, initialisers, layer_groups, layer_page, table
from mkdocs.plugins import event_priority, get_plugin_logger
from mkdocs.structure.files import File, Files

from archc.compiler.ir.initialisers import INITIALISERS
from archc.dsl.codes import EXPLANATIONS, all_words, explained

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
SPECS = {"zoo": "Networks", "std": "Blocks that networks share"}
CODE = EXPLANATIONS.relative_to(EXPLANATIONS.parents[1])

REFERENCE = {
    "Functions and errors": (
        "Each is a name of `archc`. A file, a text or a module becomes an [architecture](architecture.md).",
        ["load", "loads", "from_torch", "from_onnx", "from_graph", "check", "ArchError", "Diagnostic"],
    ),
    "Architecture": ("A network, and what can be asked of it.", ["Architecture"]),
    "Results": (
        "What the methods of an architecture return.",
        [
            "compiler.analyses.stats.Stats",
            "compiler.analyses.stats.Row",
            "compiler.analyses.outputs.Output",
            "compiler.analyses.paths.Paths",
            "compiler.analyses.receptive_field.ReceptiveField",
            "compiler.analyses.plan.Plan",
            "compiler.compare.difference.Difference",
            "compiler.compare.equivalence.Equivalence",
            "compiler.emit.mapping.NameMap",
            "compiler.emit.inference.Optimized",
            "viz.draw.Picture",
            "viz.plot.Plot",
        ],
    ),
    "Ablation": ("", ["ablation"]),
    "Many devices": ("", ["parallel"]),
}
"""The pages of the Python reference, each with its first words and what it documents, as named below `archc`."""

MOVED = {"errors.md": "errors/index.md", "layers.md": "layers/index.md"}
"""Pages of docs/ that lead a folder of the site. That of the layers lists them, as each has a page there."""

_log = get_plugin_logger("archc")
_copy = tempfile.TemporaryDirectory(prefix="archc-site-")
"""What the reference is read from: in the checkout, which is the package, an environment may stand beside the code."""


# --- what there is beside docs/*.md


def _from_repository() -> Iterator[tuple[str, str, str]]:
    """Pages that are files of the repository: their place on the site, the file's in the repository, their text."""
    for uri, name in {"index.md": "README.md", "changelog.md": "CHANGELOG.md", "bench.md": "bench/results.md"}.items():
        yield uri, name, _text(name)
    for codes in code_groups().values():
        yield from ((f"errors/{code}.md", f"{CODE}/{code}.md", _text(f"{CODE}/{code}.md")) for code in codes)
    for place in sorted(set(all_words().values())):
        yield f"{place}.md", f"{CODE}/{place}.md", _text(f"{CODE}/{place}.md")
    yield "train.md", "examples/train.py", f"# examples/train.py\n\n```python\n{_text('examples/train.py')}```\n"
    for folder in SPECS:
        for path in sorted((ROOT / "specs" / folder).glob("*.arch")):
            name = f"specs/{folder}/{path.name}"
            yield f"{folder}/{path.stem}.md", name, f"# {path.stem}\n\n`{name}`\n\n```arch\n{_text(name)}```\n"


def _made() -> Iterator[tuple[str, str]]:
    """Pages that no file holds, with their texts."""
    yield "layers/index.md", _layers()
    yield "initialisers.md", "\n".join(initialisers("#"))
    for names in layer_groups().values():
        yield from ((f"layers/{name}.md", layer_page(name)) for name in names)
    yield "words/index.md", _index("Words of the language", "", _words())
    yield "sources/index.md", _index("Sources", "The text of every spec that ships with archc.", _sources())
    yield "api/index.md", _index("Python reference", "The [guide](../python.md) tells how these go together.", _api())
    for title, (words, names) in REFERENCE.items():
        entries = "\n\n".join(f"::: archc.{name}" for name in names)
        yield _reference(title), f"# {title}\n\n{words}\n\n{entries}\n"


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _reference(title: str) -> str:
    return f"api/{title.lower().replace(' ', '_')}.md"


def _index(title: str, words: str, rows: Iterator[tuple[str, str]]) -> str:
    return "\n".join([f"# {title}", "", words, "", *table(("", ""), list(rows))])


def _layers() -> str:
    lines = ["# Layers", "", *HOW_TO_READ, "[Initialisers](../initialisers.md) say how weights start.", ""]
    for heading, names in layer_groups().items():
        rows = [(f"[`{name}`]({name}.md)", entry_of(name).summary) for name in sorted(names)]
        lines += [f"## {heading}", "", *table(("layer", ""), rows)]
    return "\n".join(lines)


def _words() -> Iterator[tuple[str, str]]:
    for word, place in sorted(all_words().items()):
        yield f"[`{word}`](../{place}.md)", explained(word).title


def _sources() -> Iterator[tuple[str, str]]:
    for folder, heading in SPECS.items():
        for path in sorted((ROOT / "specs" / folder).glob("*.arch")):
            yield f"[`{path.name}`](../{folder}/{path.stem}.md)", heading


def _api() -> Iterator[tuple[str, str]]:
    for title, (_, names) in REFERENCE.items():
        yield f"[{title}](../{_reference(title)})", ", ".join(f"`{name.rpartition('.')[2]}`" for name in names)


# --- links


def _homes() -> dict[str, str]:
    """The file of the repository that each page of the site is."""
    docs = {MOVED.get(path.name, path.name): f"docs/{path.name}" for path in Path(__file__).parent.glob("*.md")}
    return {**docs, **{uri: name for uri, name, _ in _from_repository()}}


MADE = dict(_made())
HOMES = _homes()
PLACES = {name: uri for uri, name in HOMES.items()}
FENCED = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"""(?<=\]\()([^)\s]+)(?=\))|(?<=src=")([^"]+)(?=")""")


def _place(name: str, anchor: str) -> tuple[str, str]:
    """Where a file of the repository is on the site, and the anchor there. Raises KeyError."""
    if name == "docs/layers.md" and anchor:
        if any(anchor in names for names in layer_groups().values()):
            return f"layers/{anchor}.md", ""
        if anchor in {"initialisers", *INITIALISERS}:
            return "initialisers.md", anchor
    if name.startswith("docs/images/") and (ROOT / name).is_file():
        return name.removeprefix("docs/"), ""
    return PLACES[name], anchor


def _relinked(uri: str) -> Callable[[re.Match[str]], str]:
    home = posixpath.dirname(HOMES[uri])

    def relink(match: re.Match[str]) -> str:
        if re.match(r"https?:|mailto:", match[0]):
            return match[0]
        path, _, anchor = match[0].partition("#")
        name = posixpath.normpath(posixpath.join(home, path)) if path else HOMES[uri]
        try:
            place, anchor = _place(name, anchor)
        except KeyError:
            _log.warning(f"{HOMES[uri]} links to {match[0]}, which has no page on the site")
            return match[0]
        return posixpath.relpath(place, posixpath.dirname(uri) or ".") + (f"#{anchor}" if anchor else "")

    return relink


# --- the hooks of MkDocs


@event_priority(100)  # ahead of mkdocstrings
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the pages that are made below the page that lists them, and copies the code for the reference."""
    for package in tomllib.loads(_text("pyproject.toml"))["tool"]["setuptools"]["packages"]:
        folder = Path(_copy.name, *package.split("."))
        folder.mkdir(parents=True, exist_ok=True)
        for path in ROOT.joinpath(*package.split(".")[1:]).glob("*.py"):
            shutil.copy(path, folder)
    config.plugins["mkdocstrings"].config["handlers"]["python"]["paths"] = [_copy.name]
    below = {
        "layers/index.md": [{group: [f"layers/{n}.md" for n in names]} for group, names in layer_groups().items()],
        "words/index.md": [f"{place}.md" for place in sorted(set(all_words().values()))],
        "errors/index.md": [{group: [f"errors/{code}.md" for code in codes]} for group, codes in code_groups().items()],
        "api/index.md": [{title: _reference(title)} for title in REFERENCE],
        "sources/index.md": [
            {heading: [uri for uri in HOMES if uri.startswith(f"{folder}/")]} for folder, heading in SPECS.items()
        ],
    }
    below["layers/index.md"].append("initialisers.md")
    config["nav"] = _extended(config["nav"], below)
    return config


def _extended(nav: Any, below: dict[str, list[Any]]) -> Any:
    if isinstance(nav, list):
        return [_extended(entry, below) for entry in nav]
    if isinstance(nav, dict):
        return {title: _extended(entry, below) for title, entry in nav.items()}
    return [nav, *below[nav]] if nav in below else nav


def on_shutdown() -> None:
    _copy.cleanup()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made."""
    moved = {uri: _text(f"docs/{name}") for name, uri in MOVED.items()}
    pages = {**moved, **{uri: text for uri, _, text in _from_repository()}, **MADE}
    added = [File.generated(config, uri, content=text) for uri, text in pages.items()]
    return Files([*(file for file in files if file.src_uri not in MOVED), *added])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads links to pages of the site, and leaves out what is said to the tests."""
    uri = page.file.src_uri
    parts = FENCED.split(re.sub(r"^<!--.*?-->\n", "", markdown, flags=re.MULTILINE | re.DOTALL))
    if uri in HOMES and uri not in MADE:
        parts[::2] = [TARGET.sub(_relinked(uri), part) for part in parts[::2]]
    parts[1::2] = [re.sub(r"^```sh\n(?=\$ )", "```console\n", part) for part in parts[1::2]]
    return "".join(parts)
