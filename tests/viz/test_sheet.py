"""How a picture is put on paper: which way its arrows run, how wide it is, and what is legible then; TikZ."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from elaborated_zoo import load

from archc.api import loads
from archc.dsl.diagnostics import ArchError
from archc.viz.build import diagram_of
from archc.viz.draw import draw
from archc.viz.layout import Spot
from archc.viz.paint import HEAD, painted, placed
from archc.viz.sheet import SMALLEST, UNITS, Length, Sheet
from archc.viz.tikz import to_tikz
from archc.viz.view import View

from .clear import assert_no_shared_lines, assert_nothing_is_run_through, length
from .test_painters import page_size
from .test_render import HOSTILE, hostile

Run = Callable[..., Any]
BADGE = 7 / 8
"""The letters of shared weights are smaller than shapes and figures."""
COLUMN = ("resnet50", "inception_v3", "unet", "densenet121", "fof", "vit_b_16", "gpt2", "yolov8n")
PDFLATEX = shutil.which("pdflatex")
needs_tex = pytest.mark.skipif(PDFLATEX is None, reason="pdflatex is not installed")


def svg_of(content: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(content)


def text_sizes(content: bytes) -> list[float]:
    return [float(element.attrib["font-size"]) for element in svg_of(content).iter() if "font-size" in element.attrib]


def refused(*arguments: Any, **options: Any) -> tuple[str, str, tuple[str, ...]]:
    with pytest.raises(ArchError) as caught:
        draw(*arguments, **options)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.message, diagnostic.hints


# --- widths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COLUMN)
def test_a_column_is_legible(name: str) -> None:
    content = draw(load(name).ir, width="9.5cm").content
    root = svg_of(content)
    assert root.attrib["width"] == "9.5cm" and root.attrib["height"].endswith("cm")
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert width == pytest.approx(9.5 * 72 / 2.54, abs=0.01)
    assert float(root.attrib["height"][:-2]) * 72 / 2.54 == pytest.approx(height, abs=0.2)
    assert min(text_sizes(content)) >= SMALLEST * BADGE - 0.01


@pytest.mark.parametrize(("width", "points"), [("85mm", 240.94), ("3.5in", 252), ("300pt", 300), ("400px", 300)])
def test_units(width: str, points: float) -> None:
    root = svg_of(draw(load("resnet18").ir, width=width).content)
    assert root.attrib["width"] == width
    assert float(root.attrib["viewBox"].split()[2]) == pytest.approx(points, abs=0.01)


def test_what_has_room_is_not_enlarged() -> None:
    graph = load("resnet18").ir
    assert set(text_sizes(draw(graph, width="30cm").content)) == set(text_sizes(draw(graph).content))


def test_pdf_has_the_width_exactly() -> None:
    assert page_size(draw(load("resnet50").ir, "pdf", width="8.5cm").content)[0] == pytest.approx(240.94, abs=0.01)


def test_less_is_shown_where_there_is_less_room() -> None:
    graph = load("googlenet").ir
    wide, narrow = (len(diagram_of(graph, View(), Sheet(width=Length.of(width))).boxes) for width in ("30cm", "9cm"))
    assert narrow < wide


def test_the_hint_of_a_width_that_is_too_small_works() -> None:
    graph = load("inception_v4").ir
    code, message, hints = refused(graph, "svg", View(3), width="8.5cm")
    assert code == "E0837" and "points; 6 are the least" in message
    found = [re.fullmatch(r"`--(\w+) (\S+)` (?:fits|is wide enough)", hint) for hint in hints]
    assert {match[1] for match in found if match} == {"depth", "width"}
    for match in filter(None, found):
        if match[1] == "depth":
            assert draw(graph, "svg", View(int(match[2])), width="8.5cm").content
        else:
            assert draw(graph, "svg", View(3), width=match[2]).content
            less = Length.of(match[2])
            assert refused(graph, "svg", View(3), width=str(Length(less.value - 0.2, less.unit)))


def test_what_is_too_long_to_run_to_the_right_fits_otherwise() -> None:
    for name, directions in (("unet", ["u", "down"]), ("yolov8n", ["down"])):
        graph = load(name).ir
        *_, hints = refused(graph, direction="right", width="20cm")
        found = [hint.split()[1].strip("`") for hint in hints if "--direction" in hint]
        assert found == directions
        for direction in found:
            assert draw(graph, direction=direction, width="20cm").content


TOWERS = """
block unit(c) = id + (conv(c, 3) -> bn -> relu -> conv(c, 3) -> bn) -> relu
arch Towers() {
  input x: [N, 8, 16, 16]
  y = x -> trunk: (unit(8) ** 3)
  output y -> concat(*[conv(8, k) for k in [1, 3, 5, 7, 9, 11, 13]]) -> conv(8, 1)
}
"""


def test_what_has_no_room_whatever_is_folded_fits_in_parts_or_in_another_direction() -> None:
    wide = loads(TOWERS).ir
    for width, name, makes in (
        ("8.5cm", "only", lambda text: draw(wide, "svg", View(only=(text,)), width="8.5cm")),
        ("20cm", "direction", lambda text: draw(wide, direction=text, width="20cm")),
    ):
        code, _, hints = refused(wide, width=width)
        first = re.fullmatch(r"`--(\w+) (\S+)` fits", hints[0])
        assert code == "E0837" and first and first[1] == name
        assert makes(first[2]).content


def test_a_frame_that_is_too_wide_is_to_be_folded() -> None:
    graph = load("inception_v4").ir
    *_, hints = refused(graph, "svg", View(1, expand=("features.6",)), width="8.5cm")
    assert hints[0].startswith("`--collapse ") and hints[0].endswith("` fits")
    path = hints[0].split("`")[1].removeprefix("--collapse ")
    assert draw(graph, "svg", View(1, expand=("features.6",), collapse=(path,)), width="8.5cm").content


@pytest.mark.parametrize("width", ["8.5", "8.5em", "cm", "0cm", "-3cm", "1e3cm", "", "8,5cm"])
def test_what_is_no_width(width: str) -> None:
    code, _, hints = refused(load("resnet18").ir, width=width)
    assert code == "E0837" and all(unit in hints[0] for unit in UNITS)


@pytest.mark.parametrize("format", ["html", "dot"])
def test_what_has_no_width(format: str) -> None:
    assert refused(load("resnet18").ir, format, width="8cm")[0] == "E0837"


# --- directions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet50", "unet", "yolov8n"])
def test_arrows_run_to_the_right(name: str) -> None:
    diagram = diagram_of(load(name).ir, View())
    plan = placed(diagram, Sheet(direction="right"))
    for edge in diagram.edges:
        assert plan.boxes[edge.source].right < plan.boxes[edge.target].x
    assert plan.w > plan.h


def test_the_trunk_runs_straight_to_the_right() -> None:
    diagram = diagram_of(load("unet").ir, View(1))
    plan = placed(diagram, Sheet(direction="right"))
    assert len({round(plan.boxes[box.id].centre, 2) for box in diagram.boxes}) == 1


def test_dot_and_unknown_directions() -> None:
    graph = load("resnet18").ir
    assert b"rankdir=LR" in draw(graph, "dot", direction="right").content
    assert b"rankdir" not in draw(graph, "dot").content
    assert refused(graph, direction="up")[0] == "E0830"


def test_on_the_command_line(archc: Run, small: Path) -> None:
    outcome = archc("draw", small, "small", "--direction", "right", "--width", "25cm", "-o", "a.svg")
    assert outcome.status == 0, outcome.err
    assert b'width="25cm"' in (small.parent / "a.svg").read_bytes()
    assert archc("draw", small, "small", "--direction", "up").status == 2
    assert "E0837" in archc("draw", small, "small", "--width", "1cm").err


# --- U-nets ---------------------------------------------------------------------------------------

SUMS = """
block double(c) = [conv(c, 3), bn, relu, conv(c, 3), bn, relu]
arch sums {
  input image: [N, 3, 64, 64]
  a = image -> e1: double(16)
  b = a -> maxpool(2) -> e2: double(32)
  c = b -> maxpool(2) -> e3: double(64)
  u = c -> maxpool(2) -> mid: double(64) -> upsample(2) -> d3: double(64)
  u = (u + c) -> upsample(2) -> d2: double(32)
  u = (u + b) -> upsample(2) -> d1: double(16)
  output (u ++ a) -> head: conv(2, 1)
}
"""
TWICE = """
block pair(c)(x) { y = x -> conv(c, 3) output (y, y -> conv(c, 3)) }
block join(c)(*xs) = concat(*xs) -> conv(c, 3)
arch twice {
  input image: [N, 3, 64, 64]
  a, b = image -> e1: pair(16)
  c, d = b -> maxpool(2) -> e2: pair(32)
  u = d -> maxpool(2) -> mid: conv(64, 3) -> upsample(2)
  u = (u, c, d) -> d2: join(32) -> upsample(2)
  output (u, a, b) -> d1: join(16) -> head: conv(2, 1)
}
"""
RESIDUAL = "arch r { input x: [N, 8, 8, 8] a = x -> conv(8, 3) output (a -> conv(8, 3)) + a }"
U_NETS = {"unet": "", "sums": SUMS, "twice": TWICE}


@pytest.mark.parametrize("name", U_NETS)
def test_a_u_net_is_a_u(name: str) -> None:
    """Boxes that skips join stand side by side, the way down in one line at the left and the way up in one at the
    right; no arrow runs through a box or a text, or along one of another tensor."""
    diagram = diagram_of((loads(U_NETS[name]) if U_NETS[name] else load(name)).ir, View(1))
    plan = placed(diagram, Sheet(direction="u"))
    skips = [edge for edge in diagram.edges if edge.target != edge.source + 1]
    assert len(skips) > 1
    for edge in skips:
        source, target = plan.boxes[edge.source], plan.boxes[edge.target]
        assert source.right < target.x and source.centre == pytest.approx(target.centre)
    bottom = max(edge.source for edge in skips)
    left = {round(plan.boxes[box].middle, 2) for box in range(bottom + 1)}
    right = {round(plan.boxes[edge.target].middle, 2) for edge in skips}
    assert len(left) == len(right) == 1 and left.pop() < right.pop()
    assert set(plan.routes) == set(range(len(diagram.edges)))
    for number, way in plan.routes.items():
        edge = diagram.edges[number]
        assert length(way[-2], way[-1]) >= HEAD
        assert on_border(way[0], plan.boxes[edge.source]) and on_border(way[-1], plan.boxes[edge.target])
    assert_nothing_is_run_through(diagram, plan)
    assert_no_shared_lines(diagram, plan)
    for one, other in combinations(plan.boxes.values(), 2):
        assert not one.meets(other)
    for spot in (*plan.boxes.values(), *plan.labels.values()):
        assert spot.x >= 0 and spot.right <= plan.w and spot.y >= 0 and spot.bottom <= plan.h


def on_border(point: tuple[float, float], spot: Spot) -> bool:
    """Whether an arrow begins or ends at a side of a box, or at its circle."""
    x, y = point
    if spot.w == spot.h:
        return abs(((x - spot.middle) ** 2 + (y - spot.centre) ** 2) ** 0.5 - spot.w / 2) < 0.1
    beside = min(abs(x - spot.x), abs(x - spot.right)) < 0.01 and spot.y < y < spot.bottom
    return beside or (min(abs(y - spot.y), abs(y - spot.bottom)) < 0.01 and spot.x < x < spot.right)


def test_the_overview_folds_until_it_is_a_u() -> None:
    graph = load("unet").ir
    assert draw(graph, direction="u").diagram.depth == 1
    code, _, hints = refused(graph, "svg", View(2), direction="u")
    assert code == "E0838" and hints == ("without `--depth` it is one",)


@pytest.mark.parametrize("spec", [RESIDUAL, "arch r { input x: [N, 8] output x -> linear(3) }"])
def test_what_is_no_u(spec: str) -> None:
    assert refused(loads(spec).ir, direction="u")[0] == "E0838"


GATED = """
block gate(c)(skip, deep) { output skip * ((skip -> wx: conv(c, 1)) + (deep -> wg: conv(c, 1)) -> sigmoid) }
arch Gated() {
  input x: [N, 8, 32, 32]
  a = x -> down1: conv(8, 3)
  b = a -> maxpool(2) -> down2: conv(8, 3)
  c = b -> maxpool(2) -> down3: conv(8, 3) -> up3: upconv(8, 2, 2)
  d = concat(b, c) -> up2: conv(8, 3) -> upconv(8, 2, 2)
  output concat(SKIP, d) -> up1: conv(8, 3)
}
"""


def test_the_box_in_the_way_of_a_u_is_named() -> None:
    assert draw(loads(GATED.replace("SKIP", "a")).ir, direction="u").content
    gated = loads(GATED.replace("SKIP", "att: gate(8)(a, d)")).ir
    for depth, name in ((1, "att"), (2, "att.wx")):
        code, message, _ = refused(gated, "svg", View(depth), direction="u")
        assert code == "E0838" and message.endswith(f"in the way is `{name}`")


@pytest.mark.parametrize("name", ["ddpm_cifar", "ddpm_256"])
def test_a_diffusion_u_net_is_a_u(name: str) -> None:
    """What embeds the time stands beside the U, and its arrows lead around it: to the left sides of the way down, to
    the right sides of the way up."""
    sheet = Sheet(direction="u")
    diagram = diagram_of(load(name).ir, View(), sheet)
    plan = placed(diagram, sheet)
    box = {box.path: box.id for box in diagram.boxes if box.path}
    levels = [int(path.split(".")[1]) for path in box if path.startswith("down_blocks.")]
    down = [plan.boxes[box[f"down_blocks.{level}"]] for level in levels]
    up = [plan.boxes[box[f"up_blocks.{max(levels) - level}"]] for level in levels]
    assert len(levels) >= 4 and all(one.bottom < other.y for one, other in pairwise(down))
    for one, other in zip(down, up, strict=True):
        assert one.right < other.x and one.centre == pytest.approx(other.centre)
    told = {number: edge for number, edge in enumerate(diagram.edges) if edge.source == box["time_embedding.linear_2"]}
    assert len(told) >= 2 * len(levels)
    for number, edge in told.items():
        spot, (x, y) = plan.boxes[edge.target], plan.routes[number][-1]
        assert y == spot.centre and x == (spot.right if spot in up else spot.x)
    assert set(plan.routes) == set(range(len(diagram.edges)))
    assert_nothing_is_run_through(diagram, plan)
    assert_no_shared_lines(diagram, plan)
    assert not any(one.meets(other) for one, other in combinations(plan.boxes.values(), 2))
    assert sum(one.total_parameters for one in diagram.boxes) == diagram.parameters


@pytest.mark.parametrize("name", ["resnet50", "yolov8n", "gpt2"])
def test_shipped_networks_that_are_no_u(name: str) -> None:
    assert refused(load(name).ir, direction="u")[0] == "E0838"


@pytest.mark.parametrize("format", ["html", "dot"])
def test_what_is_laid_out_where_it_is_read_is_no_u(format: str) -> None:
    assert refused(load("unet").ir, format, direction="u")[0] == "E0838"


# --- TikZ -----------------------------------------------------------------------------------------


def compiled(folder: Path, name: str) -> bytes:
    """The PDF of a file of TeX, without a word of what is too wide, missing or wrong. PDF 1.4 compresses no objects."""
    options = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", f"-jobname={Path(name).stem}"]
    arguments = [str(PDFLATEX), *options, rf"\pdfminorversion=4\input{{{name}}}"]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, check=False)
    log = (folder / name).with_suffix(".log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert not re.findall(r"^(?:!.*|.*Missing character.*|(?:Over|Under)full.*|.*Warning:.*)", log, re.MULTILINE)
    return (folder / name).with_suffix(".pdf").read_bytes()


@needs_tex
@pytest.mark.parametrize("name", ["resnet50", "unet", "fractalnet", "gpt2"])
def test_tikz_compiles_to_the_size_of_the_picture(name: str, tmp_path: Path) -> None:
    graph = load(name).ir
    (tmp_path / "net.tex").write_bytes(draw(graph, "tex", width="9cm").content)
    content = compiled(tmp_path, "net.tex")
    height = painted(diagram_of(graph, View(), Sheet(width=Length(9, "cm"))), Sheet(width=Length(9, "cm"))).height
    assert content.count(b"/Type /Page\n") == 1
    assert page_size(content) == pytest.approx([9 * 72 / 2.54, height], abs=0.1)


@needs_tex
def test_tikz_in_another_document(tmp_path: Path) -> None:
    for name in ("resnet18", "densenet121"):
        (tmp_path / f"{name}.tex").write_bytes(draw(load(name).ir, "tex", width="7cm").content)
    text = "\\resizebox{3cm}{!}{\\input{resnet18}} \\resizebox{3cm}{!}{\\input{densenet121}}"
    document = f"\\documentclass{{article}}\\usepackage{{tikz}}\\begin{{document}}\n{text}\n\\end{{document}}\n"
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    assert compiled(tmp_path, "paper.tex").startswith(b"%PDF")


@needs_tex
def test_tex_takes_any_text(tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE):
        (tmp_path / f"{number}.tex").write_text(to_tikz(painted(hostile(text[:40]))), encoding="utf-8")
    pictures = "\\clearpage\n".join(f"\\input{{{number}}}" for number in range(len(HOSTILE)))
    head = "\\documentclass{article}\\usepackage{tikz}\\usepackage[margin=1cm]{geometry}"
    document = f"{head}\\begin{{document}}\n{pictures}\n\\end{{document}}\n"
    (tmp_path / "all.tex").write_text(document, encoding="utf-8")
    assert compiled(tmp_path, "all.tex").startswith(b"%PDF")


def test_no_text_becomes_a_command_of_tex() -> None:
    evil = "\\input{/etc/passwd} ^^5cend % $x$ {#1} ~ & _"
    lines = [line for line in to_tikz(painted(hostile(evil))).splitlines() if line.startswith("\\archctext")]
    assert any("passwd" in line for line in lines)
    for line in lines:
        text = line[line.rindex("bp}{") + 4 : -1] if "bp}{" in line else line
        assert "\\input" not in text and "^^" not in text
        assert not re.search(r"(?<!\\)[%$#&_]", text)


def test_tikz_is_bold_where_the_svg_is() -> None:
    graph = load("resnet18").ir
    tex, svg = draw(graph, "tex").content.decode(), svg_of(draw(graph).content)
    weights = [element.attrib.get("font-weight") for element in svg.iter() if element.tag.endswith("}text")]
    fonts = re.findall(r"^ *\\archctext\{[^}]*\}\{\w*\}\{\w*\}\{(.*?)\}", tex, re.MULTILINE)
    assert "bold" in weights and fonts == ["\\bfseries" if weight == "bold" else "" for weight in weights]


def test_tikz_stands_where_the_svg_does() -> None:
    graph = loads("arch Net() { input x: [N, 8, 4, 4] output x -> conv(8, 3) -> relu -> gap }").ir
    tex, svg = draw(graph, "tex").content.decode(), svg_of(draw(graph).content)
    places = [(element.attrib["x"], element.attrib["y"]) for element in svg.iter() if element.tag.endswith("}text")]
    assert [tuple(place.split(",")) for place in re.findall(r"\\archctext\{([^}]*)\}", tex)[1:]] == places
    assert r"3\ensuremath{\times}3" in tex
