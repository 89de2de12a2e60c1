"""The page of an architecture in headless Chromium: it opens at once, folds, tells, finds, and obeys the keyboard."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elaborated_zoo import load

from archc.api import loads
from archc.viz.page import page
from archc.viz.sheet import STRAIGHT
from archc.viz.style import THEMES

from .several_outputs import SPECS
from .test_page import HOSTILE, data_of, shipped

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need `pip install playwright`")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="the browser tests need Chromium: `apt-get install chromium`"),
]
SOON = 2.0
"""Seconds in which a page opens."""
LOADED = 4
"""How much slower a machine with much else to do may be."""
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a text, by default without movements. Nothing may be asked of anybody, or complained of."""
    complaints: list[str] = []
    contexts = []

    def visit(text: str, **options: Any) -> Any:
        given = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options}
        contexts.append(chromium.new_context(**given))
        tab = contexts[-1].new_page()
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: request.url == path.as_uri() or complaints.append(request.url))
        tab.goto(path.as_uri())
        tab.locator(".box").first.wait_for()
        return tab

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def part(tab: Any, name: str) -> Any:
    return tab.get_by_role("treeitem", name=name).first


def shown(tab: Any) -> dict[str, tuple[float, ...]]:
    """The boxes that stand on a page, and where they are in the picture."""
    script = "all => all.map(one => [one.id, one.getAttribute('transform')])"
    return dict(tab.locator(".box").evaluate_all(script))


def totals(tab: Any, data: dict[str, Any]) -> list[int]:
    boxes = [data["groups" if name[0] == "g" else "boxes"][int(name[1:])] for name in shown(tab)]
    return [sum(box["total"][place] for box in boxes) for place in (0, 1)]


BOTH = [pytest.param("resnet152", marks=pytest.mark.slow), "fof"]
"""The longest column and the largest page."""


@pytest.mark.parametrize("name", BOTH)
def test_it_opens_in_under_two_seconds_and_answers_at_once(visit: Open, name: str) -> None:
    _, text = shipped(name)
    visit(text)  # The browser itself has started.
    start = time.perf_counter()
    tab = visit(text)
    opened = time.perf_counter()
    for _ in range(8):
        tab.keyboard.press("]")
    tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    unfolded = time.perf_counter()
    print(f"{name}: open in {opened - start:.2f} s, all unfolded in {unfolded - opened:.2f} s")
    assert opened - start < SOON * LOADED
    assert unfolded - opened < SOON * LOADED
    assert tab.locator(".box[aria-expanded]").count() == 0


@pytest.mark.parametrize("name", BOTH)
def test_figures_add_up_whatever_is_open(visit: Open, name: str) -> None:
    _, text = shipped(name)
    tab, data = visit(text), data_of(text)
    whole = [data["parameters"], data["macs"]]
    seen = set()
    for key in "[[[[[]]]]]]":
        assert totals(tab, data) == whole
        seen.add(len(shown(tab)))
        tab.keyboard.press(key)
    assert len(seen) > 3


def test_a_box_unfolds_in_place_and_folds_again(visit: Open) -> None:
    tab = visit(shipped("resnet152")[1])
    before = shown(tab)
    card = part(tab, "layer3, 36 × bottleneck")
    corner = card.locator("circle").bounding_box()
    card.click()
    opened = part(tab, "layer3, 36 × bottleneck")
    assert opened.get_attribute("aria-expanded") == "true"
    part(tab, "35 × bottleneck").click()
    assert tab.locator(".frame .sheet").count() > tab.locator(".frame").count()  # a pile of frames
    assert part(tab, "residual(1024, 1)").is_visible()
    knob = opened.locator("circle").bounding_box()
    assert abs(knob["x"] - corner["x"]) < 60 * knob["width"] / 12
    opened.locator(".knob").click()
    assert shown(tab) == before
    assert part(tab, "layer3, 36 × bottleneck").get_attribute("aria-expanded") == "false"


def test_movements_end_where_there_are_none(visit: Open) -> None:
    """With movements the same picture stands in the end, and boxes on the way are neither here nor there."""
    _, text = shipped("fof")
    still, moving = visit(text), visit(text, reduced_motion="no-preference")
    for tab in (still, moving):
        part(tab, "subblock3, module").click()
    moving.wait_for_timeout(600)
    assert shown(moving) == shown(still)
    ends = [tab.locator("#stage > g").first.get_attribute("transform") for tab in (still, moving)]
    assert ends[0] == ends[1]


def test_the_pointer_is_told_everything(visit: Open) -> None:
    tab = visit(shipped("resnet18")[1])
    part(tab, "conv 7×7, 64").hover(position={"x": 30, "y": 8})
    card = tab.locator("#card")
    for text in ("conv 7×7, 64, stride 2", "conv1", "3×224×224 → 64×112×112", "9,408", "118,013,952", "7×7, step 2"):
        assert text in card.inner_text()
    assert "resnet.arch:" in card.inner_text()
    assert card.locator("mark").inner_text().startswith("conv(64, 7")
    part(tab, "layer1").hover()
    assert "147,968" in card.inner_text()
    assert "click to unfold" in card.inner_text()
    tab.mouse.move(3, 400)
    assert not card.is_visible()


def test_the_wheel_zooms_towards_the_pointer_and_dragging_moves(visit: Open) -> None:
    tab = visit(shipped("resnet18")[1])
    box = part(tab, "layer2")
    before = box.bounding_box()
    tab.mouse.move(before["x"], before["y"])
    tab.mouse.wheel(0, -300)
    after = box.bounding_box()
    assert after["width"] > 1.5 * before["width"]
    scale = after["width"] / before["width"]
    assert abs(after["x"] - before["x"]) + abs(after["y"] - before["y"]) < 8 * scale
    tab.mouse.move(40, 300)
    tab.mouse.down()
    tab.mouse.move(140, 250, steps=4)
    tab.mouse.up()
    moved = box.bounding_box()
    assert (round(moved["x"] - after["x"]), round(moved["y"] - after["y"])) == (100, -50)
    tab.keyboard.press("0")
    assert box.bounding_box() == before


def test_a_search_unfolds_and_goes_to_the_hit(visit: Open) -> None:
    tab = visit(shipped("resnet152")[1])
    tab.keyboard.press("/")
    tab.keyboard.type("layer3.20.conv2")  # Drawn by its equal, layer3.1.conv2.
    assert tab.get_by_role("option").first.inner_text().startswith("layer3.20.conv2")
    tab.keyboard.press("Enter")
    focused = tab.locator(":focus")
    assert "layer3.1.conv2" in focused.get_attribute("aria-label")
    assert "layer3.20.conv2 is drawn here" in tab.locator("#card").inner_text()
    spot = focused.bounding_box()
    assert 0 < spot["x"] < 1280 and 0 < spot["y"] < 800
    tab.keyboard.press("/")
    tab.keyboard.type("l4d0")  # Letters in order are enough.
    assert "layer4.0.downsample" in tab.get_by_role("option").first.inner_text()
    tab.keyboard.type("\u00df?")
    assert tab.get_by_role("option").count() == 0
    assert "no name like that" in tab.locator("#hits").inner_text()


def test_the_keyboard_does_everything(visit: Open) -> None:
    tab = visit(shipped("resnet18")[1])
    tab.keyboard.press("Tab")
    focused = tab.locator(":focus")
    labels = []
    for _ in range(4):
        labels.append(focused.get_attribute("aria-label"))
        assert tab.locator(".ring").is_visible()
        tab.keyboard.press("ArrowDown")
    assert labels[0].startswith("image") and len(set(labels)) == 4
    tab.keyboard.press("ArrowUp")
    assert focused.get_attribute("aria-label") == labels[3]
    while focused.get_attribute("aria-expanded") != "false":
        tab.keyboard.press("ArrowDown")
    name = focused.get_attribute("aria-label")
    tab.keyboard.press("Enter")
    assert focused.get_attribute("aria-expanded") == "true"
    assert "unfolded" in tab.locator("#said").inner_text()
    tab.keyboard.press("ArrowDown")
    assert focused.get_attribute("aria-label") != name
    tab.keyboard.press("Backspace")
    assert (focused.get_attribute("aria-label"), focused.get_attribute("aria-expanded")) == (name, "false")
    wide = part(tab, "image").bounding_box()["width"]
    tab.keyboard.press("+")
    assert part(tab, "image").bounding_box()["width"] > wide
    tab.keyboard.press("?")
    assert tab.get_by_role("dialog").is_visible()
    tab.keyboard.press("Escape")
    assert not tab.locator("dialog").is_visible()
    assert tab.locator("[tabindex='0']").count() == 1


STANDING = """all => all.map(element => {
  const { x, y, right, bottom } = element.getBoundingClientRect();
  return [element.id || element.textContent, x, y, right, bottom];
})"""


def assert_uncovered(tab: Any) -> None:
    """All boxes and the texts along arrows are in the window, and no panel covers one of them."""
    panels = [panel for panel in tab.locator("header, #finder, #legend, #tools").evaluate_all(STANDING) if panel[3]]
    for name, left, top, right, bottom in tab.locator(".box, .arrow text").evaluate_all(STANDING):
        assert min(left, top) >= 0 and right <= tab.viewport_size["width"] and bottom <= tab.viewport_size["height"]
        for panel, west, north, east, south in panels:
            assert right <= west or east <= left or bottom <= north or south <= top, f"{panel} covers {name}"


@pytest.mark.parametrize("direction", STRAIGHT)
@pytest.mark.parametrize("name", [pytest.param("resnet50", marks=pytest.mark.slow), "inception_v4", "alexnet"])
def test_a_page_opens_legible_at_its_beginning(visit: Open, name: str, direction: str) -> None:
    """The smallest text has 11 pixels in an em, and the first box is in the window."""
    tab = visit(page(load(name).ir, direction=direction))
    scale = tab.locator("#stage > g").evaluate("world => world.getCTM().a")
    sizes = tab.locator(".box text").evaluate_all("texts => texts.map((text) => +text.getAttribute('font-size'))")
    assert scale * min(size for size in sizes if size > 7) >= 11 - 1e-6
    first = part(tab, "image").bounding_box()
    assert first["x"] >= 0 and first["x"] + first["width"] <= 1280
    assert first["y"] >= 0 and first["y"] + first["height"] <= 800


SIZES = [(1280, 800), (800, 600), (1600, 500)]
WINDOWS = [
    pytest.param(name, size, marks=() if number % len(SIZES) == place else pytest.mark.slow, id=f"{name}-size{place}")
    for number, name in enumerate([*SPECS, "stn_svhn_multi", "fof"])
    for place, size in enumerate(SIZES)
]
"""Each network in each window; with the fast tests each in one of them."""


@pytest.mark.parametrize(("name", "size"), WINDOWS)
def test_no_panel_covers_anything(visit: Open, name: str, size: tuple[int, int]) -> None:
    text = page(loads(SPECS[name]).ir) if name in SPECS else shipped(name)[1]
    tab = visit(text, viewport={"width": size[0], "height": size[1]})
    tab.keyboard.press("0")
    assert_uncovered(tab)
    tab.keyboard.press("]")
    assert_uncovered(tab)
    tab.mouse.wheel(0, -500)
    tab.keyboard.press("0")
    assert_uncovered(tab)


def test_what_unfolds_comes_out_from_under_the_panels(visit: Open) -> None:
    tab = visit(page(loads(SPECS["tapped"]).ir))
    for name in ("t3", "t2", "t1"):
        part(tab, f"{name}, tower").click()
        frame = part(tab, f"{name}, tower").locator(".sheet").bounding_box()
        for panel in tab.locator("header, #finder, #legend, #tools").all():
            other = panel.bounding_box()
            beside = frame["x"] >= other["x"] + other["width"] or other["x"] >= frame["x"] + frame["width"]
            assert beside or frame["y"] >= other["y"] + other["height"] or other["y"] >= frame["y"] + frame["height"]


def test_texts_have_the_width_of_the_layout_in_any_font(visit: Open) -> None:
    """The widths of texts in a font that is much wider are those in the usual one, and none leaves its box."""
    tab = visit(page(loads(SPECS["tapped"]).ir))
    for _ in range(3):
        tab.keyboard.press("]")
    width = "all => all.map(text => [text.textContent, text.getComputedTextLength()])"
    texts = tab.locator("#stage text, #key text")
    before = texts.evaluate_all(width)
    for selector in ("#stage", "#key svg"):
        tab.locator(selector).evaluate("svg => svg.style.font = '900 italic 10px monospace'")
    after = texts.evaluate_all(width)
    assert len(before) > 20 and after == [[text, pytest.approx(length, abs=0.5)] for text, length in before]


def test_light_and_dark(visit: Open) -> None:
    graph = load("resnet18").ir

    def background(tab: Any) -> str:
        red, green, blue = (
            int(part) for part in tab.evaluate("getComputedStyle(document.body).backgroundColor")[4:-1].split(",")
        )
        return f"#{red:02x}{green:02x}{blue:02x}"

    for system in ("light", "dark"):
        tab = visit(shipped("resnet18")[1], color_scheme=system)
        assert background(tab) == THEMES[system].page
        tab.keyboard.press("t")
        tab.wait_for_timeout(300)
        assert background(tab) == THEMES["dark" if system == "light" else "light"].page
    assert background(visit(page(graph, theme="dark"), color_scheme="light")) == THEMES["dark"].page


def test_texts_of_a_spec_stay_texts(visit: Open) -> None:
    tab = visit(page(loads(HOSTILE, "hostile").ir))
    for _ in range(4):
        tab.keyboard.press("]")
    for box in tab.locator(".box").all():
        box.hover()
    assert tab.evaluate("window.owned") is None
    assert tab.locator("body img, body b b, body i i, svg svg").count() == 0
    assert "</title><script>window.owned = 5</script>" in tab.locator("#doc").inner_text()
    tab.keyboard.press("/")
    tab.keyboard.type("<img src=x onerror=alert(1)>")
    assert tab.evaluate("window.owned") is None
