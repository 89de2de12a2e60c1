"""What a notebook shows: the picture of an architecture as HTML, pictures and plots as SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from elaborated_zoo import load

from archc.api import loads
from archc.dsl.diagnostics import ArchError
from archc.viz import draw
from archc.viz.draw import Picture

from .test_render import ALLOWED, HOSTILE, hostile

NET = load("resnet18")


def test_an_architecture_shows_its_picture_and_its_figures() -> None:
    root = ElementTree.fromstring(NET._repr_html_())
    assert root.tag == "figure"
    caption = root.find("figcaption")
    assert caption is not None
    assert f"<Architecture {caption.text}>" == repr(NET)
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"layer1", "2 × basic", "linear 1000"} <= texts


def test_pictures_in_one_notebook_share_no_names() -> None:
    assert not re.search(r'\bid="|url\(#|<\?xml', NET._repr_html_() + NET.draw(depth=2)._repr_svg_())


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "</figcaption><b>", "a & b &amp;", "中文 🙂"])
def test_settings_stay_text_in_the_caption(text: str) -> None:
    net = loads("arch Net(word: str = 'x') { input x: [N, 3, 8, 8] output x -> gap }".replace("'", '"'), word=text)
    root = ElementTree.fromstring(net._repr_html_())
    caption = root.find("figcaption")
    assert caption is not None and caption.text is not None and f"word = {text}" in caption.text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_a_spec_stays_text_in_the_picture(text: str) -> None:
    root = ElementTree.fromstring(Picture(hostile(text), b"", "svg")._repr_svg_())
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= ALLOWED


def test_a_picture_is_a_file_too(tmp_path: Path) -> None:
    made = NET.draw(tmp_path / "a.svg", depth=2, theme="dark", legend=False)
    assert (tmp_path / "a.svg").read_bytes() == made.content
    assert (made.format, made.diagram.depth) == ("svg", 2) and made.content.startswith(b"<?xml")
    made = NET.draw(tmp_path / "b.png", expand="layer1")
    assert made.format == "png" and (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    assert made._repr_svg_().startswith("<svg")
    NET.draw(format="dot", collapse=["layer1"]).save(tmp_path / "c.gv")
    assert (tmp_path / "c.gv").read_text().startswith("digraph")
    NET.draw(tmp_path / "d.html")
    assert (tmp_path / "d.html").read_text(encoding="utf-8").startswith("<!")
    with pytest.raises(ArchError) as caught:
        NET.draw(tmp_path / "a.gif")
    assert caught.value.diagnostics[0].code == "E0830" and not (tmp_path / "a.gif").exists()


def test_options_choose_what_a_picture_shows() -> None:
    assert "layer2" in NET.draw(only="layer2").diagram.name
    assert len(NET.draw(expand=["layer*"]).diagram.groups) > len(NET.draw().diagram.groups)
    assert repr(NET.draw()).startswith("<Picture of resnet18: 10 boxes, depth 2 of ")


def test_what_is_too_large_to_draw_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "LARGEST", 5)
    root = ElementTree.fromstring(NET._repr_html_())
    found = root.find("p")
    assert found is not None and found.text is not None and "too large" in found.text
    assert root.find("figcaption") is not None


@pytest.mark.slow
def test_a_real_notebook_shows_it() -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = ["import archc\nnet = archc.load('resnet18')\nnet", "net.draw(depth=1)", "net.plot('memory')"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    done = nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    kinds = ["text/html", "image/svg+xml", "image/svg+xml"]
    for cell, kind in zip(done.cells, kinds, strict=True):
        assert "<svg" in cell.outputs[0].data[kind]


def test_a_picture_is_saved_as_what_it_is(tmp_path: Path) -> None:
    made = loads("arch A { input x: [N, 3]  output x -> linear(2) }").draw()
    for name in ("a.png", "a.html"):
        with pytest.raises(ArchError) as refused:
            made.save(tmp_path / name)
        assert refused.value.diagnostics[0].code == "E0836" and not (tmp_path / name).exists()
    made.save(tmp_path / "a.svg")
    made.save(tmp_path / "figure")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "figure").read_bytes() == made.content
