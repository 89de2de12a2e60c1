"""The page of a spec that is served, in headless Chromium: edited, it shows what is wrong, and the picture follows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import IN_TIME

from archc.catalog import shipped

from ..viz.test_page_browser import CHROMIUM, chromium  # noqa: F401
from .window import LONG, served

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need `pip install playwright`")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="the browser tests need Chromium: `apt-get install chromium`"),
]
SOON = 0.3
"""Seconds from a keystroke to the picture that it makes."""
DRAWN = """() => {
  const frame = document.getElementById('picture'), stage = frame.contentDocument.getElementById('stage');
  window.drawn = new Promise((done) => {
    let start = null;
    const begins = () => { start = performance.now(); };
    document.querySelector('.cm-content').addEventListener('keydown', begins, { once: true, capture: true });
    new MutationObserver((_, observer) => {
      if (start === null) return;
      observer.disconnect();
      frame.contentWindow.requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
    }).observe(stage, { childList: true, subtree: true });
  });
}"""
"""Has `window.drawn` become the milliseconds from the next keystroke to the picture that follows it."""
LATE = """() => {
  const asked = window.fetch;
  window.fetch = async (...request) => {
    const answer = await asked(...request);
    await new Promise((go) => setTimeout(go, 300));
    return answer;
  };
}"""
"""Has answers come late, when what is found in the text has long been told."""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """ResNet in a file of its own."""
    path = tmp_path / "net.arch"
    path.write_bytes(shipped()["resnet18"].read_bytes())
    return path


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:  # noqa: F811
    """Opens an address. Nothing may be asked of anybody else, or complained of."""
    complaints: list[str] = []
    contexts = []

    def visit(address: str, drawn: bool = True, **options: Any) -> Any:
        given = {"viewport": {"width": 1400, "height": 860}, "reduced_motion": "reduce", **options}
        contexts.append(chromium.new_context(**given))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(1000 * LONG)
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: request.url.startswith(address) or complaints.append(request.url))
        tab.goto(address)
        if drawn:
            picture(tab).locator(".box").first.wait_for()
        return tab

    yield visit
    for context in contexts:
        context.close()
    # Texts that are not the latest, refusals and servers that have ended are answers, and noted by the browser.
    answers = tuple(f"Failed to load resource: the server responded with a status of {n}" for n in (409, 422))
    answers += ("Failed to load resource: net::ERR_CONNECTION",)
    assert [text for text in complaints if not text.startswith(("data:", *answers))] == []


def address(window: Any) -> str:
    return f"http://{window.host}{window.path}"


def picture(tab: Any) -> Any:
    return tab.frame_locator("#picture")


def box(tab: Any, name: str) -> Any:
    return picture(tab).get_by_role("treeitem", name=name).first


def behind(tab: Any, text: str, line: str) -> None:
    """Puts the cursor behind a text of a line."""
    place = tab.locator(".cm-line", has_text=line).first
    place.click()
    tab.keyboard.press("Home")
    tab.keyboard.press("Home")
    for _ in range(place.inner_text().index(text) + len(text)):
        tab.keyboard.press("ArrowRight")


NET = "arch Net {\n  input x: [N, 3, H, W] = [1, 3, 32, 32]\n  output x -> conv(8, 3) -> relu\n}\n"
STEM = "classes: int = 1000, stem"


def test_an_error_is_shown_mended_and_the_picture_changes(visit: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "net.arch"
    path.write_text(NET)
    with served(path) as (live, window):
        tab = visit(address(window))
        tab.locator("#summary", has_text="nothing wrong").wait_for()
        behind(tab, "relu", "output x")
        tab.keyboard.type("x")
        tab.locator("#found li", has_text="relux").wait_for()
        assert "E0201" in tab.locator("#found li").inner_text()
        tab.locator(".cm-lintRange-error", has_text="relux").wait_for()
        tab.locator("#last", has_text="last picture").wait_for()
        assert box(tab, "conv 3×3, 8").is_visible()
        tab.keyboard.press("Backspace")
        tab.locator("#summary", has_text="nothing wrong").wait_for()
        tab.locator("#last").wait_for(state="hidden")
        tab.locator(".cm-lintRange-error").wait_for(state="detached")
        behind(tab, "conv(8", "output x")
        tab.keyboard.type("0")
        box(tab, "conv 3×3, 80").wait_for()
        assert "not saved" in tab.locator("#state").inner_text() and path.read_text() == NET
        tab.keyboard.press("Control+s")
        tab.locator("#state", has_text=re.compile("^saved$")).wait_for()
        assert path.read_text() == live.text == NET.replace("conv(8", "conv(80")


def test_marks_follow_the_text_though_the_server_tells_what_it_found_before_it_answers(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "net.arch"
    path.write_text(NET)
    with served(path) as (_, window):
        tab = visit(address(window))
        tab.locator("#summary", has_text="nothing wrong").wait_for()
        tab.evaluate(LATE)
        behind(tab, "relu", "output x")
        for key, error in (("x", True), ("Backspace", False), ("x", True)):
            tab.keyboard.press(key)
            tab.locator("#summary", has_text="1 error" if error else "nothing wrong").wait_for()
            tab.locator(".cm-lintRange-error").wait_for(state="visible" if error else "detached")


@IN_TIME
def test_the_picture_follows_a_keystroke(visit: Callable[..., Any], spec: Path, patience: int) -> None:
    with served(spec, "resnet18") as (_, window):
        tab = visit(address(window))
        behind(tab, "conv(64", STEM)
        took = []
        for number, key in enumerate(("0", "Backspace") * 2):
            window.wait("checked", lambda word, number=number: word["finished"] and word["version"] > number)
            tab.evaluate(DRAWN)
            tab.keyboard.press(key)
            took.append(tab.evaluate("() => window.drawn"))
            box(tab, "conv 7×7, 640" if key == "0" else "conv 7×7, 64,").wait_for()
        print("keystroke to picture:", [round(time) for time in took], "ms")
        assert min(took) < 1000 * SOON * patience


def test_what_another_editor_saves_shows_up_as_it_is_looked_at(visit: Callable[..., Any], spec: Path) -> None:
    """What is unfolded stays so, and the scale and the place in the window too."""
    with served(spec, "resnet18") as (_, window):
        tab = visit(address(window))
        box(tab, "layer3").click()
        assert box(tab, "layer3").get_attribute("aria-expanded") == "true"
        for _ in range(3):
            picture(tab).get_by_role("button", name="Zoom in").click()
        layer = picture(tab).get_by_role("treeitem", name=re.compile("^layer3")).first
        scale = 'one => one.closest("svg").firstElementChild.getAttribute("transform").split("scale")[1]'
        before, zoom = layer.bounding_box(), layer.evaluate(scale)
        spec.write_text(spec.read_text(encoding="utf-8").replace("conv(64, 7, 2)", "conv(48, 7, 2)"))
        box(tab, "conv 7×7, 48").wait_for(state="attached")
        assert box(tab, "layer3").get_attribute("aria-expanded") == "true"
        after = layer.bounding_box()
        assert layer.evaluate(scale) == zoom
        assert abs(before["x"] - after["x"]) < 2 and abs(before["y"] - after["y"]) < 2
        assert "conv(48, 7, 2)" in tab.locator(".cm-line", has_text=STEM).inner_text()
        tab.locator("#state", has_text=re.compile("^saved$")).wait_for()


def test_a_file_that_has_changed_under_edits_asks_which_text_to_keep(visit: Callable[..., Any], spec: Path) -> None:
    with served(spec, "resnet18") as (live, window):
        tab = visit(address(window))
        behind(tab, "conv(64", STEM)
        tab.keyboard.type("0")
        tab.locator("#state", has_text="not saved").wait_for()
        theirs = spec.read_text(encoding="utf-8").replace("conv(64, 7, 2)", "conv(32, 7, 2)")
        spec.write_text(theirs)
        tab.get_by_role("button", name="Keep this text").wait_for()
        tab.keyboard.press("Control+s")
        tab.locator("#toast", has_text="E1008").wait_for()
        assert spec.read_text(encoding="utf-8") == theirs
        tab.get_by_role("button", name="Load the file").click()
        box(tab, "conv 7×7, 32").wait_for()
        tab.locator("#banners p").wait_for(state="detached")
        assert live.text == theirs


def test_hints_are_applied_and_words_completed(visit: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "net.arch"
    path.write_text(NET.replace("relu", "relo"))
    with served(path) as (live, window):
        tab = visit(address(window), drawn=False)
        tab.locator("#last", has_text="nothing to draw").wait_for()
        tab.locator(".mend", has_text="relu").first.click()
        box(tab, "conv 3×3, 8").wait_for()
        assert live.text == NET
        behind(tab, "relu", "output x")
        tab.keyboard.type(" -> max")
        tab.locator(".cm-tooltip-autocomplete li", has_text="maxpool").first.wait_for()
        tab.locator(".cm-tooltip-autocomplete li", has_text="maxpool").first.click()
        tab.keyboard.type("(2)")
        box(tab, "max pool").wait_for()
