"""What a page holds, as one value for JSON: boxes with shapes and details, frames with their cells, and arrows.

`compose` takes the content of each frame apart, once, with all that it holds folded. Unfolding something makes it
larger and moves what is around it, but changes nothing in how that stands to each other. A cell is written as the
number of a box, or -1 minus that of a group; or as a list that starts with "column", "beside" or "layers" and goes on
as the constructors of these do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any

from ..compiler.ir.graph import Value
from . import cells, channels, faces, labels, layers, paint, routes, scene, style
from .cells import Beside, Cell, Column, Leaf
from .channels import Flow
from .compose import Composer, Content, Sizes, crowded
from .diagram import Box, Diagram, Group, Row, Shape
from .drafts import Draft
from .faces import LINES, heights_of, shapes_of, size_of
from .layers import Layers
from .layout import Spot
from .legend import legend
from .measure import text_width
from .page_details import LONGEST_DOC, LONGEST_PATH, Details
from .page_tree import FoldedFrame, PageTree
from .paint import heading_of, heading_size
from .scene import Outline, Text
from .sheet import Sheet
from .style import NARROW, SMALL, TEXT, WIDE, Theme
from .svg import DASHES, exact_width, path_data
from .thumbnail import thumbnail
from .words import clipped, sizes

COLORS = Theme("page", "ink", "muted", "line", "card", "bar", ("frame0", "frame1"))
"""The names of colours that are another in each theme; the page's style sheet has them as variables."""

LEGEND = 190
"""Width of the legend."""

MEASURE = {
    name.lower(): getattr(module, name)
    for module, names in (
        (channels, "GAP LABEL ABOVE BELOW TOLD SIGNED SLOT BEFORE APART TWIN CLEAR SAME"),
        (cells, "ASIDE LANE STEP PAD PORT TIGHT EDGE BORDER REACH NEAR SIDE"),
        (layers, "SWEEPS BESIDE"),
        (routes, "MARGIN BEFORE_HEAD"),
        (paint, "ROUND HEAD"),
        (faces, "PILE CORNER"),
        (scene, "CURVE"),
        (style, "TEXT SMALL"),
        (labels, "AWAY OVER RISE HIGH TRY TRIES SIGN HEAD_ROOM"),
    )
    for name in names.split()
}
"""What the script takes from the modules that lay out and paint other pictures."""


Face = tuple[dict[str, Any], list[int]]
_OF_BOX = attrgetter(*({one.name for one in fields(Box)} - {"id", "group", "rows", "inner"}))
_OF_ROW = attrgetter(*({one.name for one in fields(Row)} - {"path"}))
"""What tells the faces of boxes apart."""


def page_data(tree: PageTree, sheet: Sheet) -> dict[str, Any]:
    return _Writer(tree).data(sheet)


class _Writer:
    def __init__(self, tree: PageTree):
        self.graph, self.tree, self.diagram = tree.source.graph, tree, tree.diagram
        self.details = Details(tree.source)
        self.paths: dict[str, int] = {}
        self.forms: dict[tuple[Any, ...], int] = {}
        self.shapes: dict[str, int] = {}
        self.names = _names(tree)
        self.faces: dict[tuple[Any, ...], Face] = {}
        self.lines = 1

    def data(self, sheet: Sheet) -> dict[str, Any]:
        diagram, regions = self.diagram, PageComposer(self.diagram)
        crowded, self.lines = regions.crowded(), LINES if sheet.turned else 1
        widths = [NARROW if crowd or sheet.turned else WIDE for crowd in crowded]
        boxes = [self._box(box, draft, widths) for box, draft in zip(diagram.boxes, self.tree.drafts, strict=True)]
        groups = [self._group(group, fold, widths) for group, fold in zip(diagram.groups, self.tree.folds, strict=True)]
        measured: list[Sizes] = [[(part["w"], part["h"]) for part in parts] for parts in (boxes, groups)]
        *inner, outermost = regions.cells(*measured)
        for group, cell in zip(groups, inner, strict=True):
            group["cell"] = cell
        edges, values = self._edges()
        picture = self._legend() if sheet.legend else None
        return {
            "name": clipped(diagram.name, LONGEST_PATH),
            "doc": clipped(self.graph.doc or "", LONGEST_DOC),
            "parameters": diagram.parameters,
            "macs": diagram.multiply_adds,
            "sizes": self._sizes(),
            "boxes": boxes,
            "groups": groups,
            "cell": outermost,
            "turned": int(sheet.turned),
            "edges": edges,
            "values": values,
            "paths": list(self.paths),
            "shapes": [[text, round(text_width(text, SMALL), 2)] for text in self.shapes],
            "lines": list(self.details.lines),
            "measure": {**MEASURE, "signs": {edge.sign: text_width(edge.sign, TEXT) for edge in diagram.edges}},
            "legend": picture,
        }

    def _sizes(self) -> str:
        """`image 3×224×224 → 1000`, without the batch."""
        given = [f"{clipped(i.name, 24)} {sizes(self.details.shapes.of((i.node, 0)))}" for i in self.graph.inputs]
        made = [value for output in self.graph.outputs if not output.when_training for value in output.values]
        shapes = [sizes(self.details.shapes.of(value)) for value in made]
        return clipped(f"{', '.join(given)} → {', '.join(shapes)}", LONGEST_PATH)

    # --- boxes and frames --------------------------------------------------------------------

    def _box(self, box: Box, draft: Draft, widths: list[int]) -> dict[str, Any]:
        face, heights = self._face(box, widths[box.group if box.group is not None else -1])
        return {
            "parent": _number(box.group),
            "role": box.role,
            "face": box.face,
            "title": box.title if box.role in ("fold", "rest") else "",
            "sums": self._shape(box.shape) if box.role == "merge" and not box.joins else -1,
            **face,
            "rows": self._rows(box, draft, heights),
            "names": self.names[0].get(box.id, []),
        }

    def _rows(self, box: Box, draft: Draft, heights: list[int]) -> list[dict[str, Any]]:
        if box.role in ("fold", "rest"):
            return [{**self.details.of(box.rows[0], draft.nodes), "count": box.count}]
        nodes = draft.nodes if len(draft.nodes) == len(box.rows) else []
        rows = [
            {**self.details.of(row, nodes[n : n + 1]), "high": high}
            for n, (row, high) in enumerate(zip(box.rows, heights, strict=True))
        ]
        if not nodes:
            rows[0]["gives"] = sizes(box.shape)
        return rows

    def _group(self, group: Group, fold: FoldedFrame, widths: list[int]) -> dict[str, Any]:
        box = fold.box
        above = widths[group.parent if group.parent is not None else -1]
        return {
            "parent": _number(group.parent),
            "role": "fold",
            "face": "card",
            "open": int(fold.open),
            "count": group.count,
            "title": box.title,
            "note": box.note,
            **self._face(box, above)[0],
            "head": heading_size(group),
            "heading": self._shapes(heading_of(group, 0, 0, COLORS)),
            "rows": [{**self.details.of_run(box.rows[0], fold.run, fold.nodes), "count": box.count}],
            "names": self.names[1][group.id],
        }

    def _face(self, box: Box, width: int) -> Face:
        """Its size and shapes, folded, and the figures for which it counts; and the heights of its rows. Boxes that
        differ only in where they stand have one face."""
        key = (width, id(box.inner), _OF_BOX(box), *map(_OF_ROW, box.rows))
        if key not in self.faces:
            self.faces[key] = self._faced(box, width)
        return self.faces[key]

    def _faced(self, box: Box, width: int) -> Face:
        thumb = thumbnail(box, width)
        w, h = (round(length, 2) for length in size_of(box, width, thumb, self.lines))
        total = [box.total_parameters, box.total_multiply_adds]
        face = {"w": w, "h": h, "times": box.times, "total": total}
        if box.face != "bar":
            drawn = {"draw": self._shapes(shapes_of(box, Spot(0, 0, w, h), COLORS, thumb))}
        else:
            outline, text = shapes_of(box, Spot(-w / 2, 0, w, h), COLORS)
            drawn = {"draw": self._shapes([text]), "round": int(not box.joins), "dash": _dash(outline)}
        return {**face, **drawn}, heights_of(box, w)

    def _shapes(self, shapes: Iterable[Outline | Text]) -> list[list[Any]]:
        """An outline as the number of its path, fill, line, width and dashes; a text as its text, place, size, colour,
        anchor, weight and width, 0 where that is not known exactly."""
        found: list[list[Any]] = []
        for shape in shapes:
            if isinstance(shape, Outline):
                form = shape.points, bool(shape.fill)
                if form not in self.forms:
                    self.forms[form] = self.paths.setdefault(path_data(shape), len(self.paths))
                path = self.forms[form]
                line = [shape.stroke, shape.width, DASHES.get(shape.dash, "")] if shape.width else []
                found.append([path, shape.fill, *line])
            else:
                x, y = round(shape.x, 2), round(shape.y, 2)
                width = round(exact_width(shape), 2)
                found.append([shape.text, x, y, shape.size, shape.color, shape.anchor, int(shape.bold), width])
        return found

    # --- arrows ------------------------------------------------------------------------------

    def _edges(self) -> tuple[list[list[Any]], list[list[int]]]:
        """The arrows of the open diagram as source, target, tensor, sign and whether only training has it; and of each
        tensor its shape, and whether it is a drawn number."""
        values: dict[Value, int] = {}
        edges: list[list[Any]] = []
        signs = iter(self.diagram.edges)
        for number, draft in enumerate(self.tree.drafts):
            for source, value in draft.takes:
                sign = next(signs).sign
                edges.append([source, number, values.setdefault(value, len(values)), sign, int(draft.training)])
        return edges, [self._value(value) for value in values]

    def _value(self, value: Value) -> list[int]:
        return [self._shape(self.details.shapes.of(value)), int(self.graph.nodes[value[0]].op.is_drawn)]

    def _shape(self, shape: Shape) -> int:
        """The number of a shape."""
        return self.shapes.setdefault(sizes(shape), len(self.shapes))

    def _legend(self) -> dict[str, Any]:
        """Of all that the page can show."""
        folded = tuple(fold.box for fold in self.tree.folds)
        whole = replace(self.diagram, boxes=(*self.diagram.boxes, *folded))
        shapes, width, height = legend(whole, COLORS, LEGEND)
        return {"w": round(width, 2), "h": round(height, 2), "draw": self._shapes(shapes)}


def _dash(shape: Outline | Text) -> str:
    return DASHES.get(shape.dash, "") if isinstance(shape, Outline) else ""


def _number(group: int | None) -> int:
    return -1 if group is None else group


def _names(tree: PageTree) -> tuple[dict[int, list[str]], list[list[str]]]:
    """The paths of layers by the box that is drawn for them, and those of scopes by their frame."""
    layers: dict[int, list[str]] = {}
    for node in tree.source.graph.nodes:
        box = tree.homes.get(node.index)
        if box is not None and node.name and node.owner == node.index:
            layers.setdefault(box, []).append(clipped(node.path, LONGEST_PATH))
    scopes = [
        list(dict.fromkeys(clipped(path, LONGEST_PATH) for part in fold.run.parts for path in part.paths if path))
        for fold in tree.folds
    ]
    return layers, scopes


class PageComposer(Composer):
    """The contents of the frames of a diagram, each on its own."""

    def __init__(self, diagram: Diagram):
        super().__init__(diagram, [], [], {}, Flow.of(diagram.edges, {}))
        self.folded: list[tuple[float, float]] = []

    def crowded(self) -> list[bool]:
        """For each group, then for what stands in none, whether many things stand side by side in it or around it."""
        found = [False] * (len(self.diagram.groups) + 1)
        found[-1] = self._is_crowded(self.regions[None])
        for group in self.diagram.groups:
            above = group.parent if group.parent is not None else -1
            found[group.id] = found[above] or self._is_crowded(self.regions[group.id])
        return found

    def _is_crowded(self, region: Content) -> bool:
        return crowded((a, b) for a, b, number in region.arrows if self.diagram.edges[number].role != "skip")

    def cells(self, sizes: list[tuple[float, float]], folded: list[tuple[float, float]]) -> list[Any]:
        """The cells of each group's content, then of what stands in none, for boxes and folded groups of some sizes."""
        self.sizes, self.folded = sizes, folded
        groups = (*range(len(self.diagram.groups)), None)
        return [written(self.content(group)) if self.regions[group].items else ["column", []] for group in groups]

    def leaf(self, region: Content, node: int) -> Cell:
        item = region.items[node - 1]
        if item >= 0:
            return self.box(item, self.sizes[item])
        return Leaf(item, self.folded[-1 - item], 0, set(), set(), "card", 0)


def written(cell: Cell) -> Any:
    match cell:
        case Leaf():
            return cell.box
        case Column():
            return ["column", [written(row) for row in cell.rows]]
        case Beside():
            columns = [written(column) for column in cell.columns]
            return ["beside", columns, cell.lanes.edges, int(cell.trunk), int(cell.last)]
        case Layers():
            inner = [[node, written(one)] for node, one in cell.cells.items()]
            ends, order = (cell.start, cell.end), cell.order
            return ["layers", inner, cell.arrows, *ends, order.rows, order.blocks, order.links, order.trunk]
    raise TypeError(f"no cell of a region is a {type(cell).__name__}")
