"""The page of an architecture as text: what it holds, that it needs nothing else, and that texts stay texts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from archc.api import load, loads
from archc.architecture import Architecture
from archc.dsl.diagnostics import ArchError
from archc.viz import page as page_module
from archc.viz.page import page
from archc.viz.view import View

Run = Callable[..., Any]
SOME = ("resnet18", "fof", "densenet121", "tied_resnet_cifar", "ror3_56_cifar", "stn_mnist", "exclusive_gating_cifar")

HOSTILE = """
# A comment: </script><script>window.owned = 1</script> <img src=x onerror="window.owned = 2"> \U0001f600
block unit(c, note = "</script><svg onload='window.owned = 3'>") = conv(c, 3) -> bn -> relu  # <b>bold</b> & "quoted"
arch hostile(note: str = "<script>window.owned = 4</script>") {
  \"\"\"</title><script>window.owned = 5</script> & 'quotes' "double" \U0001f600 {data} {script}\"\"\"
  input image: [N, 3, 8, 8]
  output image -> body: (unit(8) ** 3) -> "a-b_c": unit(16) -> gap -> fc: linear(10)   # <!-- LONG
}
"""
HOSTILE = HOSTILE.replace("LONG", "<i>" + "x" * 10_000)


class Reader(HTMLParser):
    """The elements of a page, and the texts of its style and scripts."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.texts.append((tag, ""))
            self.within = tag

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within:
            tag, text = self.texts[-1]
            self.texts[-1] = tag, text + data

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(next(text for tag, text in self.texts if tag == "script"))


@cache
def shipped(name: str) -> tuple[Architecture, str]:
    """An architecture that ships with archc, and its page."""
    architecture = load(name)
    return architecture, page(architecture.ir)


def data_of(text: str) -> dict[str, Any]:
    return Reader(text).data


def inside(data: dict[str, Any], item: dict[str, Any], group: int) -> bool:
    parent = item["parent"]
    while parent >= 0 and parent != group:
        parent = data["groups"][parent]["parent"]
    return parent == group


@pytest.mark.parametrize("name", SOME)
def test_figures_add_up_at_every_frame(name: str) -> None:
    architecture, text = shipped(name)
    data = data_of(text)
    total = architecture.stats()
    assert [data["parameters"], data["macs"]] == [total.parameters, total.multiply_adds]
    for place in range(2):
        assert sum(box["total"][place] for box in data["boxes"]) == [data["parameters"], data["macs"]][place]
        for number, group in enumerate(data["groups"]):
            held = [box["total"][place] for box in data["boxes"] if inside(data, box, number)]
            assert group["total"][place] == sum(held)


@pytest.mark.parametrize("name", SOME)
def test_every_layer_can_be_found(name: str) -> None:
    architecture, text = shipped(name)
    data = data_of(text)
    found = {path for part in (*data["boxes"], *data["groups"]) for path in part["names"]}
    found |= {row.get("path", "") for box in data["boxes"] for row in box["rows"]}
    assert {node.path for node in architecture.ir.nodes if node.name} <= found


def test_a_layer_tells_what_it_is() -> None:
    data = data_of(shipped("resnet18")[1])
    row = next(row for box in data["boxes"] for row in box["rows"] if row.get("path") == "layer1.0.conv1")
    assert (row["takes"], row["gives"]) == ("64×56×56", "64×56×56")
    assert (row["parameters"], row["macs"]) == (9 * 64 * 64, 9 * 64 * 64 * 56 * 56)
    # 7, then 7 + 2 * 2 behind the pool, then 11 + 2 * 4: every layer adds its size less one, times the stride before.
    assert row["sees"] == "19×19, step 4"
    file, number, before, meant, after = data["lines"][row["line"]]
    line = (Path(__file__).parents[2] / "specs/zoo" / file).read_text(encoding="utf-8").splitlines()[number - 1]
    assert before + meant + after == line.strip()
    assert meant.startswith("conv(")


def test_a_receptive_field_that_is_too_costly_leaves_the_rest_of_the_page() -> None:
    net = loads("arch A {\n  input x: [N, 3, H, W]\n  output x -> conv(3, 3, 2) ** 60 -> gap -> linear(4)\n}\n")
    with pytest.raises(ArchError, match="E0910"):
        net.receptive_field()
    data = data_of(page(net.ir))
    told = {row.get("sees") for box in data["boxes"] for row in box["rows"] if row.get("parameters") == 81}
    assert told == {"too costly to find (E0910)"}
    assert data["parameters"] == 60 * 81 + 16


def test_a_folded_part_tells_where_it_is_called() -> None:
    data = data_of(page(load("resnet50").ir))
    group = next(group for group in data["groups"] if group["title"] == "layer3")
    (row,) = group["rows"]
    assert (row["takes"], row["gives"]) == ("512×28×28", "1024×14×14")
    assert data["lines"][row["line"]][3].startswith("stage(")
    assert "layer3" in group["names"]


def test_the_view_says_what_is_open_at_first() -> None:
    graph = load("resnet18").ir

    def opened(view: View) -> set[str]:
        return {group["title"] for group in data_of(page(graph, view))["groups"] if group["open"]}

    assert opened(View(1)) == set()
    assert "layer2" in opened(View(1, expand=("layer2.0",)))
    assert "layer2" not in opened(View(9, collapse=("layer2",)))
    assert {group["title"] for group in data_of(page(graph, View(only=("layer1.0",))))["groups"]} <= {"residual(64, 1)"}


def test_it_is_small_and_the_same_every_time() -> None:
    for name in ("resnet152", "fof"):
        _, first = shipped(name)
        assert first == page(load(name).ir)
        assert len(first.encode()) < 400_000
        assert str(Path(__file__).parents[2]) not in first


def test_it_needs_nothing_else() -> None:
    _, text = shipped("resnet18")
    reader = Reader(text)
    policy = next(given["content"] or "" for tag, given in reader.tags if tag == "meta" and "http-equiv" in given)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    texts = [text for tag, text in reader.texts if tag in ("style", "script")]
    for code in (texts[0], texts[2]):
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert not {"link", "img", "iframe", "object", "embed", "base"} & {tag for tag, _ in reader.tags}
    assert not any(key in ("src", "href") or key.startswith("on") for _, given in reader.tags for key in given)
    assert set(re.findall(r"https?://[^\s'\"<]*", text)) == {"http://www.w3.org/2000/svg"}


def test_texts_of_a_spec_stay_texts() -> None:
    plain, hostile = (Reader(page(loads(text, "hostile").ir)) for text in (HOSTILE.replace("<", "("), HOSTILE))
    assert hostile.tags == plain.tags
    assert "window.owned = 5" in hostile.data["doc"]
    assert len(hostile.data["doc"]) < 1000
    lines = ["".join(line[2:]) for line in hostile.data["lines"]]
    assert any("<b>bold</b>" in line for line in lines)
    assert max(map(len, lines)) < 300
    text = page(loads(HOSTILE, "hostile").ir)
    data = text[text.index('id="data">') + 10 :]
    assert "<" not in data[: data.index("</script>")]


def test_what_cannot_be_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = load("resnet18").ir
    for code, arguments in (("E0830", (View(), "sepia")), ("E0834", (View(only=("nothing",)),))):
        with pytest.raises(ArchError) as caught:
            page(graph, *arguments)  # type: ignore[arg-type]
        assert [found.code for found in caught.value.diagnostics] == [code]
    monkeypatch.setattr(page_module, "LARGEST", 20)
    with pytest.raises(ArchError) as caught:
        page(graph)
    assert [found.code for found in caught.value.diagnostics] == ["E0835"]
    assert len(page(graph, View(only=("layer1",)))) > 1000


def test_the_command_writes_it(archc: Run, small: Path) -> None:
    outcome = archc("draw", "small.arch", "small", "--format", "html")
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("wrote small.html: a page of ")
    text = (small.parent / "small.html").read_text(encoding="utf-8")
    assert '<html lang="en">' in text
    assert data_of(text)["legend"]
    assert archc("draw", "small.arch", "small", "-o", "dark.html", "--theme", "dark", "--no-legend").status == 0
    text = (small.parent / "dark.html").read_text(encoding="utf-8")
    assert '<html lang="en" data-theme="dark">' in text
    assert data_of(text)["legend"] is None
    assert (
        archc("draw", "small.arch", "small", "-o", "-", "--format", "html", "--theme", "dark", "--no-legend").out
        == text
    )


def test_torch_stays_out(small: Path) -> None:
    code = (
        "import sys; from archc.cli import main; assert main(['draw', 'small.arch', 'small', '-o', 'a.html']) == 0\n"
        "loaded = {'torch', 'sympy', 'networkx', 'numpy', 'graphviz'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
