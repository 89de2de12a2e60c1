"""The documentation site, built as docs/architecture.md says: its links, and that nothing is missing from it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from checkout import PACKAGE, PROJECT

import archc
from archc.catalog import ZOO
from archc.compiler.ir.initialisers import INITIALISERS
from archc.compiler.ops.registry import LAYERS
from archc.dsl.codes import all_codes, all_words, explained

from .support import blocks

pytestmark = pytest.mark.slow
COMMAND = "mkdocs build --strict"


class Html(HTMLParser):
    """What a page links to and loads, its anchors, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in ("script", "img") and "src" in found:
            self.loads.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "icon"):
            self.loads.append(found["href"])

    def handle_data(self, data: str) -> None:
        self.text += data


Site = dict[str, Html]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", *COMMAND.split(), "--site-dir", str(made)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return made


@pytest.fixture(scope="module")
def site(folder: Path) -> Site:
    """Every page, by its address below the site's."""
    pages = {str(path.relative_to(folder)): Html(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    return {name.removesuffix("index.html"): page for name, page in pages.items() if name != "404.html"}


def resolved(page: str, link: str) -> tuple[str, str]:
    """The address that a link leads to, below the site's, and the anchor there."""
    path, anchor = urldefrag(link)
    if not path:
        return page, unquote(anchor)
    parts = [part for part in page.rpartition("/")[0].split("/") if part]
    for part in path.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part] if part not in (".", "") else parts
    return "/".join(parts) + ("/" if parts and not Path(parts[-1]).suffix else ""), unquote(anchor)


def inner(links: list[str]) -> list[str]:
    return [link for link in links if not urlsplit(link).scheme]


def test_links_lead_somewhere(site: Site, folder: Path) -> None:
    broken = []
    for name, page in site.items():
        for link in inner(page.links):
            target, anchor = resolved(name, link)
            there = target in site and (not anchor or anchor == "__top" or anchor in site[target].anchors)
            if not there and (anchor or not (folder / target).is_file()):
                broken.append(f"{name}: {link}")
    assert broken == []


def test_pictures_scripts_and_styles_are_the_sites_own(site: Site, folder: Path) -> None:
    lacking = []
    for name, page in site.items():
        lacking += [
            f"{name}: {src}" for src in page.loads if not (folder / resolved(name, src)[0].rstrip("/")).is_file()
        ]
    assert lacking == []


def test_every_page_is_reached_from_the_first(site: Site) -> None:
    reached, todo = {""}, [""]
    while todo:
        name = todo.pop()
        new = {resolved(name, link)[0] for link in inner(site[name].links)} & site.keys() - reached
        reached |= new
        todo += new
    assert site.keys() - reached == set()


def test_every_layer_code_word_and_initialiser_has_a_page(site: Site) -> None:
    assert all(re.search(rf"\b{name}\b", site[f"layers/{name}/"].text) for name in LAYERS)
    assert all(explained(code).title.replace("`", "") in site[f"errors/{code}/"].text for code in all_codes())
    assert {f"{place}/" for place in all_words().values()} <= site.keys()
    assert INITIALISERS.keys() <= site["initialisers/"].anchors


def test_every_shipped_spec_has_a_page_and_a_picture(site: Site) -> None:
    for path in ZOO.glob("*.arch"):
        assert all(word in site[f"zoo/{path.stem}/"].text for word in path.read_text(encoding="utf-8").split())
    assert len({src for src in site["gallery/"].loads if src.endswith(".svg")}) == len(list(ZOO.glob("*.arch")))


def public_names() -> set[str]:
    """What `archc` exports, the members of `Architecture`, and the classes that its methods return."""
    names = {f"archc.{name}" for name in archc.__all__ if name != "__version__"}
    names |= {f"archc.Architecture.{name}" for name in vars(archc.Architecture) if not name.startswith("_")}
    tree = ast.parse((PACKAGE / "architecture.py").read_text(encoding="utf-8"))
    homes = {a.name: n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level for a in n.names}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    returned = {name for node in functions if node.returns for name in re.findall(r"\w+", ast.unparse(node.returns))}
    return names | {f"archc.{homes[name]}.{name}" for name in returned & homes.keys()}


def test_every_public_name_has_an_entry(site: Site) -> None:
    anchors = {anchor for name, page in site.items() if name.startswith("api/") for anchor in page.anchors}
    wanted = public_names()
    assert {"archc.load", "archc.Architecture.stats", "archc.compiler.analyses.plan.Plan"} <= wanted
    assert wanted - anchors == set()


def test_one_finds_pages_by_their_words(folder: Path) -> None:
    index = json.loads((folder / "search" / "search_index.json").read_text(encoding="utf-8"))
    for words, place in {"pixel_shuffle": "layers/", "E0405": "errors/", "receptive_field": "api/"}.items():
        assert any(words in entry["title"] and entry["location"].startswith(place) for entry in index["docs"]), words


def test_the_page_on_working_on_archc_has_the_command() -> None:
    commands = "".join(block.text for block in blocks("architecture.md") if block.language == "sh")
    assert re.search(rf"^{COMMAND}\b", commands, re.MULTILINE) and re.search(r"^mkdocs serve\b", commands, re.MULTILINE)
