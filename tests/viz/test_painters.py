"""PNG by the programs that there are, the package graphviz-pure and the system's Graphviz from 2.43 on; PDF by none."""

from __future__ import annotations

import base64
import re
import shutil
import struct
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path

import pytest
from elaborated_zoo import load
from gallery import SHOWN

from archc.dsl.diagnostics import ArchError
from archc.viz import programs, render
from archc.viz.build import diagram_of
from archc.viz.draw import draw
from archc.viz.paint import painted
from archc.viz.pdf import to_pdf
from archc.viz.scene import Element, Scene, Text
from archc.viz.sheet import Sheet
from archc.viz.view import View
from archc.viz.xdot import fitted, measured, room_for, texts_of, to_xdot

SYSTEM = shutil.which("dot")
needs_dot = pytest.mark.skipif(SYSTEM is None, reason="Graphviz is not installed")
BUNDLED = shutil.which("graphviz-pure", path=str(Path(sys.executable).parent)) or str(programs._bundled())
PROGRAMS = [pytest.param(str(SYSTEM), marks=needs_dot, id="system"), pytest.param(BUNDLED, id="bundled")]
LARGEST = ("fof", "polynet", "inception_v4", "stn_svhn_multi", "densenet121")


FEW = ("alexnet", "unet", "yolov8n", "gpt2", "clip_vit_b_32")
"""Of the gallery: a short column, a U, a pyramid with three heads, tokens, and two towers."""


@cache
def scene_of(name: str) -> Scene:
    return painted(diagram_of(load(name).ir, View()))


def png_size(content: bytes) -> tuple[int, int]:
    """The size in pixels of a PNG whose checksums hold, to the end."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    at, size = 8, (0, 0)
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + length]
        assert struct.unpack(">I", content[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        size = struct.unpack(">II", body[:8]) if kind == b"IHDR" else size
        at += length + 12
    assert kind == b"IEND"
    return size


def page_size(content: bytes) -> list[float]:
    """The size of the page of a PDF, in points, whose table says where each of its objects begins."""
    table = content[int(content.rsplit(b"startxref", 1)[1].split()[0]) :]
    for number, offset in enumerate(re.findall(rb"(\d{10}) \d{5} n", table), 1):
        assert content[int(offset) :].startswith(b"%d 0 obj" % number)
    box = re.search(rb"/MediaBox\s*\[\s*([\d. ]+?)\s*\]", content)
    assert box
    left, low, right, high = map(float, box[1].split())
    return [right - left, high - low]


def assert_png(content: bytes, scene: Scene) -> None:
    dpi = min(render.DPI, (render.PIXELS / (scene.width * scene.height / 72**2)) ** 0.5)
    for pixels, points in zip(png_size(content), (scene.width, scene.height), strict=True):
        assert pixels == pytest.approx(points * dpi / 72, rel=0.01, abs=6)


def run(program: str, *arguments: str, source: str) -> bytes:
    done = subprocess.run([program, *arguments], input=source.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:300]
    return done.stdout


def system_measure(scene: Scene) -> list[float]:
    import json

    return measured(scene, json.loads(run(str(SYSTEM), "-Kneato", "-n2", "-Tjson", source=to_xdot(scene))))


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    "name", [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in SHOWN.values() if name not in FEW)]
)
def test_every_family_as_png_and_pdf(name: str) -> None:
    graph, scene = load(name).ir, scene_of(name)
    assert_png(draw(graph, "png").content, scene)
    if SYSTEM is not None:
        assert_png(render._painted(scene, programs.Graphviz(Path(SYSTEM), False)), scene)
    content = draw(graph, "pdf").content
    assert content.startswith(b"%PDF") and content.rstrip().endswith(b"%%EOF")
    assert page_size(content) == pytest.approx([scene.width, scene.height], abs=0.02)


def page_texts(content: bytes) -> list[tuple[float, float, float, str]]:
    """The texts on the page of a PDF: the size, where each begins, from the lower left corner, and what it says."""
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)~>endstream", content, re.DOTALL):
        page = zlib.decompress(base64.a85decode(stream)).decode("latin-1")
        for block in re.findall(r"^BT (1 0 0 1 .*?) ET ?$", page, re.MULTILINE):
            x, y = re.findall(r"([-\d.]+) ([-\d.]+) Tm", block)[0]
            size = re.findall(r" ([\d.]+) Tf", block)[0]
            text = "".join(re.findall(r"\(((?:[^()\\]|\\.)*)\) Tj", block))
            text = re.sub(r"\\(\d{3}|.)", lambda m: chr(int(m[1], 8)) if len(m[1]) == 3 else m[1], text)
            found.append((float(size), float(x), float(y), text.encode("latin-1").decode("cp1252")))
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", LARGEST)
def test_texts_of_a_pdf_are_those_of_the_layout(name: str, theme: str, no_dot: None) -> None:
    """In Helvetica by name, whose widths place what is centred or stands at the right."""
    sheet = Sheet(theme)
    scene = painted(diagram_of(load(name).ir, View(), sheet), sheet)
    content = to_pdf(scene)
    assert {*re.findall(rb"/BaseFont /([\w-]+)", content)} <= {b"Helvetica", b"Helvetica-Bold", b"Symbol"}
    assert b"/FontFile" not in content
    wanted = [text for text in texts_of(scene) if text.text.isascii()]
    found = [text for text in page_texts(content) if text[3].isascii()]
    for text, (size, x, y, said) in zip(wanted, found, strict=True):
        begins = text.x - {"start": 0, "middle": 0.5, "end": 1}[text.anchor] * room_for(text)
        assert said == text.text and (size, x, y) == pytest.approx((text.size, begins, scene.height - text.y), abs=0.01)


@pytest.mark.parametrize("text", ["(a) b\\) (", "\x00\x1b\ud800", "\U0001f642 ünïcode 中文 \u202e", "é→β≤ж", ""])
def test_a_pdf_takes_any_text(text: str) -> None:
    scene = Scene(200, 50, "#ffffff", text, [Element("box", 0, "", [Text(100, 20, text, 8, "#000000", "middle")])])
    assert page_size(to_pdf(scene)) == [200, 50] and to_pdf(scene) == to_pdf(scene)


@pytest.mark.parametrize("name", LARGEST)
def test_png_without_the_systems_graphviz(name: str, no_dot: None) -> None:
    assert_png(draw(load(name).ir, "png").content, scene_of(name))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "polynet" else ()) for name in LARGEST]
)
def test_graphviz_reads_the_dot_file(name: str, program: str) -> None:
    assert run(program, "-Kdot", "-Tplain", source=draw(load(name).ir, "dot").content.decode())


def test_no_quoted_string_is_longer_than_graphviz_reads() -> None:
    strings = re.findall(r'"(?:[^"\\]|\\.)*"', to_xdot(scene_of("fof")))
    assert len("".join(strings)) > 80_000 and max(map(len, strings)) < 16_384


@needs_dot
@pytest.mark.parametrize("name", LARGEST)
def test_texts_have_room_in_the_font_of_the_system(name: str) -> None:
    scene = scene_of(name)
    smaller, widths = fitted(scene, system_measure)
    rooms = [room_for(text) for text in texts_of(scene)]
    assert all(width <= room + 1e-6 for width, room in zip(widths, rooms, strict=True))
    # Fonts round the widths of small letters, by a tenth at most.
    assert all(width <= 1.1 * room for width, room in zip(system_measure(smaller), rooms, strict=True))


def test_a_wider_font_gets_smaller_and_a_narrower_one_stays() -> None:
    scene = scene_of("resnet18")
    for factor, expected in ((1.25, 0.8), (0.9, 1)):
        smaller, widths = fitted(scene, lambda one, f=factor: [f * room_for(text) for text in texts_of(one)])
        for before, after, width in zip(texts_of(scene), texts_of(smaller), widths, strict=True):
            assert after.size == pytest.approx(expected * before.size)
            assert width == pytest.approx(min(1, factor) * room_for(before))


@needs_dot
def test_a_broken_graphviz_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scene, graph = scene_of("resnet18"), load("resnet18").ir
    broken = tmp_path / "dot"
    for does in ("echo no >&2; exit 1", "echo PNG", "exit 0"):
        broken.write_text(f"#!/bin/sh\n{does}\n")
        broken.chmod(0o755)
        with monkeypatch.context() as patch:
            patch.setenv("PATH", f"{tmp_path}:/bin")
            assert_png(draw(graph, "png").content, scene)
            patch.setattr(programs, "_bundled", lambda: broken)
            with pytest.raises(ArchError, match="Graphviz failed"):
                draw(graph, "png")
            assert page_size(draw(graph, "pdf").content) == pytest.approx([scene.width, scene.height], abs=0.02)
        with monkeypatch.context() as patch:
            patch.setattr(programs, "_bundled", lambda: broken)
            assert_png(draw(graph, "png").content, scene)
