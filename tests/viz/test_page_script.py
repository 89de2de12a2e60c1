"""What a page computes, without a browser: where things stand, what folds, which name is meant, what is said."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

import pytest
from elaborated_zoo import load
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.api import loads
from archc.compiler.ir.graph import Graph
from archc.viz.build import diagram_of
from archc.viz.page_data import page_data
from archc.viz.page_tree import page_tree
from archc.viz.paint import heading_size, widths_of
from archc.viz.routes import arranged
from archc.viz.sheet import STRAIGHT, Sheet
from archc.viz.view import View

from .crossing import CROSSING, dags
from .page_script import Script
from .several_outputs import SPECS, specs
from .test_page import data_of, shipped
from .test_shapes import PYRAMID

SCRIPT = Script()
run = SCRIPT.run
WINDOW = {"w": 1280, "h": 800}

# --- the layout ------------------------------------------------------------------------------------------------------

LAYOUT = """(data, open) => {
  const model = new Model(data), found = layout(model, open ?? new Folding(model).open);
  return { ...found, spots: [...found.spots], frames: [...found.frames] };
}"""
DENSE = """
block layer(c)(*xs) = concat(*xs) -> bn -> relu -> conv(c, 3)
arch dense {
  input image: [N, 8, 8, 8]
  a = image -> first: layer(8)
  b = (image, a) -> second: layer(8)
  c = (image, a, b) -> third: layer(8)
  output (image, a, b, c) -> concat -> gap -> fc: linear(10)
}
"""
LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("inception_v4", "exclusive_gating_cifar")]
CASES: list[Any] = [("resnet18", 1), ("resnet18", 99), ("fof", 3), ("fof", 99), ("dense", 9)]
CASES += [("stochastic_depth", 4), ("stn_mnist", 2), ("fcn8s_atonce", 2), ("exclusive_gating_cifar", 3)]
CASES += [("lateral", 1)]
CASES += [(name, depth) for name in (*SPECS, *CROSSING) for depth in (1, 9)]
CASES += [pytest.param("inception_v4", 99, marks=pytest.mark.slow)]


@pytest.mark.parametrize("direction", STRAIGHT)
@pytest.mark.parametrize(("name", "depth"), CASES)
def test_boxes_stand_and_arrows_run_as_in_a_picture(name: str, depth: int, direction: str) -> None:
    spec = {"dense": DENSE, "lateral": PYRAMID, **SPECS, **CROSSING}.get(name)
    assert_as_in_a_picture((loads(spec) if spec else load(name)).ir, View(depth), direction)


@settings(max_examples=30)
@given(st.one_of(dags(), specs()), st.sampled_from([1, 9]), st.sampled_from(STRAIGHT))
def test_random_networks_stand_as_in_a_picture(spec: str, depth: int, direction: str) -> None:
    assert_as_in_a_picture(loads(spec).ir, View(depth), direction)


def assert_as_in_a_picture(graph: Graph, view: View, direction: str = "down") -> None:
    sheet = Sheet(legend=False, direction=direction)
    data = page_data(page_tree(graph, view), sheet)
    found = run(LAYOUT, data, None)
    diagram = diagram_of(graph, view)
    items = sorted((item for item, _ in found["spots"]), key=lambda item: first_box(data, item))
    assert len(items) == len(diagram.boxes) and len(found["frames"]) == len(diagram.groups)
    parts = [data["boxes"][item] if item >= 0 else data["groups"][-1 - item] for item in items]
    sizes = [(part["w"], part["h"]) for part in parts]
    headings = [heading_size(group) for group in diagram.groups]
    plan = arranged(diagram, sizes, headings, widths_of(diagram), sheet.turned)
    spots, left, top = dict(found["spots"]), found["bounds"]["x"], found["bounds"]["y"]
    for item, box in zip(items, diagram.boxes, strict=True):
        mine, theirs = spots[item], plan.boxes[box.id]
        places = [mine["x"] - left, mine["y"] - top, mine["w"], mine["h"]]
        assert places == pytest.approx([theirs.x, theirs.y, theirs.w, theirs.h], abs=0.05)
    assert len(found["arrows"]) == len(diagram.edges)
    for number, (arrow, edge) in enumerate(zip(found["arrows"], diagram.edges, strict=True)):
        assert arrow["told"] == (edge.shape is not None)
        if number in plan.routes:
            points = [(x - left, y - top) for x, y in arrow["points"]]
            assert points == [pytest.approx(point, abs=0.05) for point in plan.routes[number]]
            sign, spot = plan.signs.get(number, ("", None))
            assert arrow["sign"] == sign
            if spot is not None:
                places = [arrow["mark"]["x"] - left, arrow["mark"]["y"] - top]
                assert places == pytest.approx([spot.x, spot.y], abs=0.05)
        if number in plan.labels:
            mine, theirs = arrow["label"], plan.labels[number]
            places = [mine["x"] - left, mine["y"] - top, mine["w"]]
            assert places == pytest.approx([theirs.x, theirs.y, theirs.w], abs=0.05)
    assert [found["bounds"]["w"], found["bounds"]["h"]] == pytest.approx([plan.w, plan.h], abs=0.05)


def around(data: dict[str, Any], item: int) -> list[int]:
    """The groups around a box, or around a group given as -1 minus its number; innermost first."""
    parent = (data["boxes"][item] if item >= 0 else data["groups"][-1 - item])["parent"]
    return [parent, *around(data, -1 - parent)] if parent >= 0 else []


def first_box(data: dict[str, Any], item: int) -> int:
    """The first box of an item: itself, or the first in a group."""
    return item if item >= 0 else next(n for n in range(len(data["boxes"])) if -1 - item in around(data, n))


@pytest.mark.parametrize("name", [*LARGE, "resnet18", "fof"])
def test_nothing_overlaps_whatever_is_open(name: str) -> None:
    data = data_of(shipped(name)[1])
    count = len(data["groups"])
    for step in (1, 2, 4):
        found = run(LAYOUT, data, [(number * 7 + step) % (step + 1) < step for number in range(count)])
        spots = [spot for _, spot in found["spots"]]
        for one, other in combinations(spots, 2):
            beside = one["x"] + one["w"] <= other["x"] + 0.1 or other["x"] + other["w"] <= one["x"] + 0.1
            below = one["y"] + one["h"] <= other["y"] + 0.1 or other["y"] + other["h"] <= one["y"] + 0.1
            assert beside or below
        frames = dict(found["frames"])
        for item, spot in found["spots"]:
            parent = (data["boxes"][item] if item >= 0 else data["groups"][-1 - item])["parent"]
            if parent in frames:
                frame = frames[parent]
                assert frame["x"] < spot["x"] and spot["x"] + spot["w"] < frame["x"] + frame["w"]
                assert frame["y"] < spot["y"] and spot["y"] + spot["h"] < frame["y"] + frame["h"]


# --- folding ---------------------------------------------------------------------------------------------------------

FOLDING = """(name, open, steps) => {
  const model = new Model(kept[name]), folding = new Folding(model);
  folding.open = open;
  const said = steps.map(([name, value]) => folding[name](value));
  return { open: folding.open, said, shown: model.shown(folding.open) };
}"""
NETS = ("resnet18", "fof", "stn_mnist")


@cache
def known(name: str) -> dict[str, Any]:
    """The data of a page, which the script keeps too."""
    data = data_of(shipped(name)[1])
    SCRIPT.keep(name, data)
    return data


@st.composite
def states(draw: st.DrawFn) -> tuple[str, list[bool]]:
    """A net, and which of its groups are open."""
    name = draw(st.sampled_from(NETS))
    count = len(known(name)["groups"])
    return name, draw(st.lists(st.booleans(), min_size=count, max_size=count))


@given(states())
def test_what_is_shown_adds_up_to_the_whole(state: tuple[str, list[bool]]) -> None:
    name, opened = state
    data = known(name)
    shown = run(FOLDING, name, opened, [])["shown"]
    for box, item in enumerate(shown["boxes"]):
        folded = [group for group in around(data, box) if not opened[group]]
        assert item == (-1 - folded[-1] if folded else box)
    for group, visible in enumerate(shown["groups"]):
        assert visible == (opened[group] and all(opened[other] for other in around(data, -1 - group)))
    items = [data["boxes"][item] if item >= 0 else data["groups"][-1 - item] for item in set(shown["boxes"])]
    assert [sum(item["total"][place] for item in items) for place in (0, 1)] == [data["parameters"], data["macs"]]


@given(states(), st.data())
def test_folding_keeps_what_is_inside(state: tuple[str, list[bool]], draw: st.DataObject) -> None:
    name, opened = state
    data = known(name)
    group = draw.draw(st.integers(0, len(opened) - 1))
    once = run(FOLDING, name, opened, [["toggle", group]])
    assert once["said"] == [not opened[group]]
    assert once["open"] == [state != (number == group) for number, state in enumerate(opened)]
    assert run(FOLDING, name, opened, [["toggle", group]] * 2)["open"] == opened
    box = draw.draw(st.integers(0, len(data["boxes"]) - 1))
    revealed = run(FOLDING, name, opened, [["reveal", box]])
    assert revealed["said"] == [not all(opened[other] for other in around(data, box))]
    assert revealed["shown"]["boxes"][box] == box
    assert all(
        revealed["open"][other] == opened[other] for other in range(len(opened)) if other not in around(data, box)
    )


@given(states(), st.booleans())
def test_a_level_is_the_outermost_that_is_folded_or_the_innermost_that_is_not(
    state: tuple[str, list[bool]], deeper: bool
) -> None:
    name, opened = state
    data = known(name)
    found = run(FOLDING, name, opened, [["level", deeper]])
    depth = [len(around(data, -1 - group)) for group in range(len(opened))]
    visible = [all(opened[other] for other in around(data, -1 - group)) for group in range(len(opened))]
    wanted = [group for group in range(len(opened)) if opened[group] != deeper and visible[group]]
    goal = (min if deeper else max)((depth[group] for group in wanted), default=None)
    changed = [group for group in wanted if depth[group] == goal]
    assert found["said"] == [len(changed)]
    assert found["open"] == [deeper if group in changed else state for group, state in enumerate(opened)]


# --- where the keyboard goes -----------------------------------------------------------------------------------------


def part(key: str, x: int, y: int, group: bool = False, is_open: bool = False, size: int = 20) -> dict[str, Any]:
    return {"key": key, "to": {"x": x, "y": y, "w": size, "h": size}, "group": group, "open": is_open}


PARTS = [part("frame", -50, -50, True, True, 400), part("top", 100, 0), part("left", 90, 50), part("right", 130, 50)]
PARTS += [part("end", 100, 100, True)]
NEAREST = "(parts, at, dx, dy) => nearest(parts, parts[at], dx, dy)?.key"


@pytest.mark.parametrize(
    ("start", "direction", "end"),
    [
        ("top", (0, 1), "left"),
        ("end", (0, -1), "left"),
        ("left", (1, 0), "right"),
        ("right", (-1, 0), "left"),
        ("left", (0, 1), "end"),
        ("left", (0, -1), "top"),
        ("frame", (0, 1), "top"),
        ("top", (0, -1), None),
        ("end", (0, 1), None),
        ("left", (-1, 0), None),
    ],
)
def test_keys_go_to_the_nearest_box_of_a_direction(start: str, direction: tuple[int, int], end: str | None) -> None:
    at = next(number for number, part in enumerate(PARTS) if part["key"] == start)
    assert run(NEAREST, PARTS, at, *direction) == end


def test_the_keyboard_begins_at_the_top() -> None:
    assert run("highest", PARTS) == "top"
    assert run("highest", PARTS[:1]) is None
    assert run("highest", [part("first", 0, 5), part("second", 50, 5), part("third", 0, 4)]) == "third"


def test_a_row_is_found_by_its_height() -> None:
    rows = [{"high": 10}, {"high": 20}, {"high": 10}]
    heights = {-1: 0, 0: 0, 9.9: 0, 10: 1, 29.9: 1, 30: 2, 99: 2}
    assert {height: run("rowAt", rows, height) for height in heights} == heights
    assert run("rowAt", rows[:1], 5) == -1


# --- names and words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_every_name_is_its_own_nearest(name: str) -> None:
    data = data_of(shipped(name)[1])
    names = "(found) => found.map(({ name }) => [name, nearestNames(found, name, 1)[0]?.name])"
    found = run(f"(data) => ({names})(entriesOf(data))", data)
    assert {one for one, _ in found} >= {row["path"] for box in data["boxes"] for row in box["rows"] if row.get("path")}
    assert all(one == other for one, other in found if one)


def test_names_are_nearer_the_more_of_them_is_typed() -> None:
    names = ["conv", "conv1", "layer.conv", "layer.preconv", "layer.c.o.n.v", "fc"]
    data = {
        "groups": [],
        "boxes": [{"names": [name], "rows": [{"path": name, "text": "linear", "kind": "x"}]} for name in names],
    }
    find = "(data, typed) => nearestNames(entriesOf(data), typed).map((entry) => entry.name)"
    assert run(find, data, "conv") == names[:5]
    assert run(find, data, " CONV1 ") == ["conv1"]
    assert run(find, data, "near")[0] == "fc" and len(run(find, data, "near")) == 6  # All say `linear`.
    assert run(find, data, "  ") == run(find, data, "xyz") == []
    twelve = {"groups": [], "boxes": data["boxes"] * 2}
    assert len(run(find, twelve, "linear")) == 9


def test_counts_are_short() -> None:
    counts = {
        0: "0",
        999: "999",
        1000: "1.00 k",
        25_557_032: "25.6 M",
        4_089_184_256: "4.09 G",
        999_000_000_000: "999 G",
    }
    assert {count: run("short", count) for count in counts} == counts


def test_a_part_says_what_it_is() -> None:
    row = {
        "text": "conv",
        "path": "a.conv",
        "takes": "3×8×8",
        "gives": "4×8×8",
        "parameters": 1200,
        "macs": 64,
        "line": 0,
    }
    box: dict[str, Any] = {
        "rows": [row, row | {"text": "relu", "parameters": 0, "macs": 0, "gives": "4×8×8", "line": 1}]
    }
    box |= {"total": [2400, 128], "times": 2}
    assert run("labelOf", box) == "conv, relu; a.conv; 4×8×8; 2,400 parameters, 128 multiply-adds"
    facts = {
        "shape": "3×8×8 → 4×8×8",
        "parameters": "1,200 (1.20 k)",
        "multiply-adds": "64",
        "counts": "2 times",
        "in all": "2.40 k · 128",
    }
    assert dict(run("factsOf", box["rows"], box, True)) == facts
    assert "in all" not in dict(run("factsOf", box["rows"][:1], box, False))
    lines = [
        ["net.arch", 3, "", "conv(4)", " -> relu"],
        ["net.arch", 3, "conv(4) -> ", "relu", ""],
        ["b.arch", 1, "", "x", ""],
    ]
    assert run("sourcesOf", [*box["rows"], {}, {"line": 2}], lines) == [
        {"key": "net.arch:3", "pieces": [["conv(4)", True], [" -> ", False], ["relu", True]]},
        {"key": "b.arch:1", "pieces": [["x", True]]},
    ]


# --- views and lines -------------------------------------------------------------------------------------------------

places = st.floats(-2000, 2000)
lengths = st.floats(1, 3000)
spots = st.fixed_dictionaries({"x": places, "y": places, "w": lengths, "h": lengths})
views = st.fixed_dictionaries({"x": places, "y": places, "k": st.floats(0.01, 6)})


def seen(spot: dict[str, float], view: dict[str, float]) -> tuple[float, float, float, float]:
    """Where a spot is in the window: left, top, right, bottom."""
    left, top = (view["k"] * spot[axis] + view[axis] for axis in "xy")
    return left, top, left + view["k"] * spot["w"], top + view["k"] * spot["h"]


@given(views, st.floats(0.001, 1000), places, places)
def test_zooming_keeps_what_is_under_the_pointer(view: dict[str, float], factor: float, x: float, y: float) -> None:
    after = run("zoomed", view, factor, x, y)
    assert 0.004 <= after["k"] <= 8
    if 0.004 < view["k"] * factor < 8:
        assert after["k"] == pytest.approx(view["k"] * factor)
    under = [[(place - one[axis]) / one["k"] for place, axis in ((x, "x"), (y, "y"))] for one in (view, after)]
    assert under[1] == pytest.approx(under[0], rel=1e-6, abs=1e-3)


@given(spots, views, spots.filter(lambda room: room["w"] > 50 and room["h"] > 50))
def test_what_is_looked_at_is_in_its_room(
    spot: dict[str, float], view: dict[str, float], room: dict[str, float]
) -> None:
    west, north = room["x"], room["y"]
    east, south = west + room["w"], north + room["h"]
    left, top, right, bottom = seen(spot, run("fitting", spot, room))
    assert left >= west - 0.1 and top >= north - 0.1 and right <= east + 0.1 and bottom <= south + 0.1
    assert left + right == pytest.approx(west + east, abs=0.1) and top + bottom == pytest.approx(north + south, abs=0.1)
    shown = run("showing", spot, view, room)
    assert shown["k"] <= view["k"] + 1e-9
    left, top, right, bottom = seen(spot, shown)
    assert left >= west - 0.1 or right - left > room["w"]
    assert right <= east + 0.1 or left == pytest.approx(west, abs=0.1)
    assert top >= north - 0.1 and (bottom <= south + 0.1 or top == pytest.approx(north, abs=0.1))
    assert run("showing", spot, shown, room)["k"] == pytest.approx(shown["k"])
    near = run("closeTo", spot, view, room)
    left, _, right, _ = seen(spot, near)
    assert near["k"] >= 0.9 and left + right == pytest.approx(west + east, abs=0.1)


PANELS = [
    {"x": 8, "y": 8, "w": 400, "h": 120},
    {"x": 924, "y": 14, "w": 340, "h": 34},
    {"x": 16, "y": 600, "w": 232, "h": 186},
    {"x": 990, "y": 752, "w": 274, "h": 34},
]


@given(spots, st.lists(st.sampled_from(PANELS), unique_by=id))
def test_a_picture_has_the_largest_room_that_panels_leave(spot: dict[str, float], panels: list[dict[str, int]]) -> None:
    room = run("roomFor", spot, WINDOW, panels)
    assert room["x"] >= 20 and room["x"] + room["w"] <= 1260 and room["y"] >= 20 and room["y"] + room["h"] <= 780
    assert not any(covers(panel, room) for panel in panels)
    scale = run("fitting", spot, room)["k"]
    for x, y, right, bottom in [(428, 20, 904, 780), (268, 148, 970, 780), (20, 148, 1260, 580), (268, 148, 1260, 732)]:
        other = {"x": x, "y": y, "w": right - x, "h": bottom - y}
        assert scale >= run("fitting", spot, other)["k"] - 1e-9


def covers(panel: dict[str, int], room: dict[str, float]) -> bool:
    across = panel["x"] < room["x"] + room["w"] and room["x"] < panel["x"] + panel["w"]
    return across and panel["y"] < room["y"] + room["h"] and room["y"] < panel["y"] + panel["h"]


@given(spots, views, st.none() | st.fixed_dictionaries({"x": st.integers(0, 1280), "y": st.integers(0, 800)}))
def test_a_card_is_in_the_window(
    spot: dict[str, float], view: dict[str, float], pointer: dict[str, int] | None
) -> None:
    across, down = run("cardPlace", spot, {"w": 300, "h": 200}, view | {"size": WINDOW}, pointer)
    assert 8 <= across <= 1280 - 300 - 8 and 8 <= down <= 800 - 200 - 8


def test_a_card_stands_beside_what_it_tells_of() -> None:
    spot, card, camera = {"x": 0, "y": 0, "w": 100, "h": 50}, {"w": 300, "h": 200}, {"k": 1, "size": WINDOW}
    assert run("cardPlace", spot, card, camera | {"x": 200, "y": 300}, None) == [314, 300]
    assert run("cardPlace", spot, card, camera | {"x": 1100, "y": 300}, None) == [1100 - 14 - 300, 300]
    assert run("cardPlace", spot, card, camera | {"x": 200, "y": 300}, {"x": 400, "y": 100}) == [418, 112]


def test_lines_have_round_corners_and_end_before_their_tips() -> None:
    assert run("rounded", [[0, 0], [0, 10]], 4, 0.5) == "M0 0L0 10"
    assert run("rounded", [[0, 0], [0, 10], [20, 10]], 4, 0.5) == "M0 0L0 6C0 8 2 10 4 10L20 10"
    assert (
        run("rounded", [[0, 0], [0, 10], [4, 10], [4, 20]], 4, 0.5) == "M0 0L0 8C0 9 1 10 2 10L2 10C3 10 4 11 4 12L4 20"
    )
    ends = {(0, 0, 0, 9): [0, 6], (0, 9, 0, 0): [0, 3], (0, 0, 9, 0): [6, 0], (9, 0, 0, 0): [3, 0]}
    for (x, y, a, b), end in ends.items():
        assert run("shortOf", [x, y], [a, b], 3) == end
