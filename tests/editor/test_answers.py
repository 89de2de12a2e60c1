"""Hover, hints, completion, signatures, symbols, folding, colours, repairs, layout, lenses and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

import archc
from archc.editor.completion import complete, documentation
from archc.editor.fixing import laid_out, repairs
from archc.editor.hover import hover
from archc.editor.inlay import inlays
from archc.editor.navigation import applied
from archc.editor.outline import Symbol, coloured, folds, symbols, workspace_symbols
from archc.editor.pictures import boxes_at, lenses, picture, run_at
from archc.editor.signatures import signature_help
from archc.editor.workspace import Workspace

from .written import MARK, marked, offset, read, understood

SPEC = '''block unit(c, stride: 1 | 2 = 1) {
  """A unit."""
  output conv(c, 3, stride) -> bn -> relu
}
arch Net(width: int = 8) {
  input x: [N, 3, H, W] = [1, 3, 32, 32]
  y = x -> unit(width) -> b: unit(2 * width, 2) -> unit(4 * width, 2)
  output (y -> conv(32, 1)) + y -> gap -> fc: linear(10)
}
'''


def labelled(text: str) -> str:
    """A text with its hints."""
    document = understood(text)
    for hint in reversed(inlays(document, 0, len(text))):
        text = f"{text[: hint.offset]}«{hint.label}»{text[hint.offset :]}"
    return text


def test_hints_stand_behind_arrows_and_layers() -> None:
    lines = labelled(SPEC).splitlines()
    made = "«[N, 8…32, 32…8, 32…8]»"
    assert lines[2] == f"  output conv(c, 3, stride){made} -> bn{made} -> relu{made}"
    assert lines[6].startswith("  y = x -> unit(width)«[N, 8, 32, 32]» -> b: unit(2 * width, 2)«[N, 16, 16, 16]» -> ")
    assert "+ y«[N, 32, 8, 8]» -> gap«[N, 32, 1, 1]» -> fc: linear(10)«[N, 10]»" in lines[7]


def test_shapes_stay_while_something_is_being_written() -> None:
    broken = SPEC.replace("  output (y", "  z = y -> conv(\n  output (y")
    assert "b: unit(2 * width, 2)«[N, 16, 16, 16]»" in labelled(broken)
    wrong = SPEC.replace("unit(4 * width, 2)", "unit(4 * width, 2) -> maxpool(99)")
    assert "unit(4 * width, 2)«[N, 32, 8, 8]»" in labelled(wrong)


def told(text: str) -> str:
    found, at = marked(text)
    hovered = hover(understood(found), at)
    return hovered.text if hovered is not None else ""


def test_hover_tells_shapes_and_costs() -> None:
    net = archc.loads(SPEC)
    text = told(SPEC.replace("b: unit", "b: ‸unit"))
    assert text.startswith("**[N, 8, 32, 32] → [N, 16, 16, 16]**") and "block unit(c, stride: 1 | 2 = 1)" in text
    weights = sum(n for name, n in sizes(net).items() if name.startswith("b."))
    assert f"{weights:,} parameters" in text and "A unit." in text and "receptive field 5×5, step 2" in text
    inside = told(SPEC.replace("output conv", "output ‸conv"))
    assert "applied 3 times in `Net`" in inside and "conv(channels, kernel" in inside and "`[N, 8, H, W]`" in inside
    total = sum(sizes(net)[name] for name in ("conv.weight", "b.conv.weight", "conv_2.weight"))
    assert f"together {total:,} parameters" in inside


def test_hover_without_a_receptive_field_that_is_too_costly() -> None:
    text = "arch A {\n  input x: [N, 3, H, W]\n  output x -> ‸conv(3, 3, 2) ** 60\n}\n"
    assert "receptive field too costly to find (E0910)" in told(text) and "81 parameters" in told(text)
    assert "receptive field 3×3" in told(text.replace(" ** 60", ""))


def sizes(net: archc.Architecture) -> dict[str, int]:
    """How many numbers each parameter has."""
    return {name: parameter.numel() for name, parameter in net.module().named_parameters()}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SPEC.replace("conv(c, 3", "conv(‸c, 3"), ["parameter `c`", "8, 16, 32"]),
        (SPEC.replace("H, W]", "‸H, W]"), ["`H`", "usually 32"]),
        (SPEC.replace("output conv", "out‸put conv"), ["**output**"]),
        (SPEC.replace("conv(c, 3", "conv(c, 3, dila‸tion = 1"), ["distance between the window's elements"]),
        (SPEC.replace("-> bn", "-> bm‸"), ["**E0201**"]),
        (SPEC.replace("unit(width)", "unit(wid‸th)"), ["width: int = 8"]),
        ("# ‸conv\n" + SPEC, []),
    ],
)
def test_hover_tells_what_names_and_codes_mean(text: str, parts: list[str]) -> None:
    found = told(text)
    assert all(part in found for part in parts) and bool(found) == bool(parts), found


def offered(text: str) -> dict[str, str]:
    """What a completion offers: what each label would make of the text."""
    found, at = marked(text)
    items = complete(read(found), at)
    return {item.label: found[: item.start] + item.text + found[item.end :] for item in items}


ARCH = "arch A(width = 8) {\n  input x: [N, 3, 8, 8]\n  y = x -> relu\n  ‸\n}\n"


@pytest.mark.parametrize(
    ("written", "some", "none"),
    [
        ("", ["output", "for", "param", "expect"], ["conv", "then", "use"]),
        ("output ‸", ["x", "y", "conv", "width", "N", "match"], ["output", "arch"]),
        ("output x -> ‸", ["conv", "relu", "y", "gap"], ["output"]),
        ("output x -> con‸", ["conv"], []),
        ("output x -> conv(8, ‸", ["kernel", "stride", "bias", "width"], ["channels"]),
        ("output x -> conv(8, kernel = 3, ‸)", ["stride"], ["kernel", "channels"]),
        ("output x -> conv(8, 3, padding = ‸", ['"same"', '"half"'], ["kernel"]),
        ('output x -> pad(1, mode = "‸")', ["reflect"], ["conv"]),
        ('output x -> pad(1, mode = "ref‸', ["reflect"], ["conv"]),
        ("output x -> conv(8, 3, bias = ‸)", ["true", "false"], []),
        ("z = x.‸", ["shape", "channels"], ["conv", "output"]),
        ("# ‸", [], ["conv", "output"]),
        ("if width == 8 ‸", ["and", "or"], ["conv"]),
    ],
)
def test_completion(written: str, some: list[str], none: list[str]) -> None:
    text = ARCH.replace(MARK, written if MARK in written else written + MARK)
    found = offered(text)
    assert found.keys() >= {*some} and not found.keys() & {*none}, sorted(found)


def test_what_is_completed_is_a_spec() -> None:
    """Only that nothing uses `width` is told."""
    text = offered(ARCH.replace("‸", "output x -> con‸"))["conv"].replace("conv", "conv(8, 3)")
    assert [d.code for d in archc.check(text=text)] == ["E0515"]
    text = offered(ARCH.replace("‸", 'output x -> conv(8, 3, padding = "‸")'))["same"]
    assert [d.code for d in archc.check(text=text)] == ["E0515"]
    text = offered(ARCH.replace("‸", "output x -> conv(8, kern‸)"))["kernel"].replace("kernel = ", "kernel = 3")
    assert [d.code for d in archc.check(text=text)] == ["E0515"]


def test_completion_in_what_cannot_be_read() -> None:
    assert "chan" in offered("block b(chan, stride = 1) = conv(‸")
    assert {"first", "second"} <= offered("block b(first) {\n second = conv(first, 3)\n output second + (‸").keys()
    assert "block" in offered("arch A { input x: [N, \n}\nbl‸")


def test_completion_of_imports(tmp_path: Path) -> None:
    (tmp_path / "archc.toml").touch()
    (tmp_path / "parts.arch").write_text("block unit(c) = conv(c, 3)\n")
    cases = {
        'use unit from "‸"': "parts.arch",
        'use unit from "std/‸"': "std/residual.arch",
        'use ‸ from "parts.arch"': "unit",
    }
    for text, label in cases.items():
        found, at = marked(text)
        items = {c.label for c in complete(read(found, path=tmp_path / "a.arch"), at)}
        assert label in items and "conv" not in items
    document = read('use unit from "parts.arch"\n', path=tmp_path / "a.arch")
    assert "block unit(c)" in documentation(document, "unit", 30) and "kernel" in documentation(document, "conv", 30)
    assert documentation(document, "nothing", 3) == ""


@pytest.mark.parametrize(
    ("written", "label", "active"),
    [
        ("output x -> conv(8, ‸", "conv(channels, kernel", "kernel"),
        ("output x -> conv(8, 3, bias = ‸)", "conv(channels, kernel", "bias = false"),
        ("output x -> conv([1, 2‸", "conv(channels, kernel", "channels"),
        ("output x -> u(8, ‸", "u(c, stride = 1)", "stride = 1"),
        ("output x -> (u(8, 2) -> conv(‸", "conv(channels, kernel", "channels"),
    ],
)
def test_signatures(written: str, label: str, active: str) -> None:
    text, at = marked("block u(c, stride = 1) = conv(c, 3)\n" + ARCH.replace(MARK, written))
    found = signature_help(read(text), at)
    assert found is not None and found.signature.label.startswith(label) and found.active is not None
    assert found.signature.parameters[found.active].label == active


def test_no_signature_where_nothing_is_called() -> None:
    for written in ("output x‸", "output (x‸", "# conv(‸", "output conv(8, 3)(‸x)"):
        text, at = marked(ARCH.replace(MARK, written))
        assert signature_help(read(text), at) is None or "(" in written


def test_symbols_and_folds() -> None:
    document = read(SPEC)
    found = {s.name: [child.name for child in s.children] for s in symbols(document)}
    assert found == {"unit": [], "Net": ["x", "y", "fc"]}
    assert {(0, 3, "region"), (4, 8, "region")} <= {*folds(document)}
    broken = read(SPEC + "block half(c) = conv(\narch Other {\n input x: [N, 3]\n output x -> relu\n}\n")
    assert {"unit", "Net", "half", "Other"} <= {s.name for s in symbols(broken)}


def outline(found: list[Symbol]) -> list[object]:
    """Names with their details, each before what is below it."""
    return [one for s in found for one in (f"{s.name} {s.detail}".strip(), *([outline(s.children)] * bool(s.children)))]


def test_labels_are_symbols_of_what_holds_them() -> None:
    """Wherever they stand, each within the text of the one that it is below."""
    document = read("""block unit(act = a: relu) = conv1: conv(8, 3) -> act
arch Net(n: list = [1, 2]) {
  input x: [N, 3, 8, 8]
  body = conv(8, 1) -> stage{1..}: [in_it: relu, unit] -> "last one": id
  for k in n {
    x = x -> "turn{k}": conv(3, k)
    p, q = (x -> left: relu, x -> right: relu)
  }
  if len(n) > 1 {
    y = x -> then: body
  } else {
    y = x
  }
  output y -> head.fc: linear(
    10, bias = false)
}
""")
    found = symbols(document)
    assert outline(found) == [
        "unit block unit(act = a: relu)",
        ["a relu", "conv1 conv(8, 3)"],
        "Net arch Net(n: list = [1, 2])",
        [
            *("x", "body", ["stage{1..} [in_it: relu, unit]", ["in_it relu"], '"last one" id']),
            *("k", '"turn{k}" conv(3, k)', "p", "q", "left relu", "right relu", "y", ["then body"]),
            "head.fc linear( 10, bias = false)",
        ],
    ]
    pending = found
    for symbol in pending:
        assert symbol.span.holds(symbol.name_span)
        assert all(symbol.span.holds(child.span) for child in symbol.children)
        pending += symbol.children


def test_symbols_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "archc.toml").touch()
    (tmp_path / "a.arch").write_text(SPEC)
    workspace = Workspace()
    workspace.open(tmp_path / "b.arch", "block only_open(c) = conv(c, 3)\n")
    assert [s.name for s in workspace_symbols(workspace, tmp_path, "et")] == ["Net"]
    assert {s.name for s in workspace_symbols(workspace, tmp_path, "")} == {"unit", "Net", "only_open"}


def test_every_word_has_its_colour() -> None:
    document = read(SPEC)
    types = {(SPEC[t.start : t.end], t.type) for t in coloured(document)}
    assert {
        ("unit", "function"),
        ("Net", "class"),
        ("c", "parameter"),
        ("conv", "function"),
        ("b:", "property"),
    } <= types
    assert {("output", "keyword"), ("y", "variable"), ("32", "number"), ("->", "operator"), ("N", "type")} <= types
    starts = [t.start for t in coloured(document)]
    assert starts == sorted(set(starts)) and all("\n" not in SPEC[t.start : t.end] for t in coloured(document))


BODY = "arch A { input x: [N, 4, 32, 32]\n "


@pytest.mark.parametrize(
    "body",
    [
        "output x -> convv(8, 3)",
        "output x -> ReLU",
        "output x -> conv(4, 8, kernel_size = 3)",
        "output x -> conv(8, 3, bias = 0)",
        "output x -> conv(8, 3, strid = 2)",
        "output x -> bn(epsilon = 0.1)",
        "output x -> permute(0, 2, 3, 1)",
        "output x.flatten(1) -> linear(10)",
        "output x -> conv(8, 3, padding = same)",
        "output x → relu",
        "default conv(biass = true)\n output x -> conv(8, 3)",
        "fs = []\n fs = fs + [conv(4, 3), relu]\n output x -> fs",
        "f = conv(4, 3)\n output x -> (id + f -> survive(0.5))",
        "fs = [conv(4, 3)]\n gs = fs + [relu]\n output x -> gs",
    ],
)
def test_each_repair_mends_what_it_is_for(body: str) -> None:
    text = f"{BODY}{body} }}"
    found = [*repairs(understood(text), 0, len(text))]
    assert found
    for repair in found:
        mended = archc.check(text=applied(text, [repair.edit]))
        assert not [d for d in mended if d.code == repair.diagnostic.code], repair


def test_layout_is_the_formatters() -> None:
    messy = SPEC.replace(" -> ", "  ->   ").replace("  y =", "      y =")
    assert applied(messy, laid_out(read(messy))) == SPEC
    assert laid_out(read(SPEC)) == [] and laid_out(read("arch {")) == []


def test_lenses_and_pictures() -> None:
    document = understood(SPEC + "arch Open(n) {\n input x: [N, n]\n output x -> relu\n}\n")
    found = {lens.span.text: (lens.title, lens.name) for lens in lenses(document)}
    net = archc.loads(SPEC, "Net")
    assert found["Net"][0].startswith(f"{sum(sizes(net).values()):,} parameters")
    assert found["Net"][1] == "Net" and found["Open"] == ("needs n", None)
    run = run_at(document, "Net", 0)
    assert run is not None
    shown = picture(run)
    assert shown is not None and b'id="n0"' in shown.content
    for words, path in (("b: unit", "b"), ("linear(10)", "fc")):
        boxes = boxes_at(document, run, shown.diagram, offset(document, words))
        paths = {row.path for box in shown.diagram.boxes if f"n{box.id}" in boxes for row in box.rows}
        groups = {group.path for group in shown.diagram.groups if f"g{group.id}" in boxes}
        assert any(p.split(".")[0] == path for p in paths | groups), (words, boxes)


def test_what_is_wrong_in_an_import_stands_at_the_import(tmp_path: Path) -> None:
    workspace = Workspace()
    (tmp_path / "archc.toml").touch()
    workspace.open(tmp_path / "parts.arch", "block unit(c) = conv(c, 3) -> bm\n")
    text = 'use unit from "parts.arch"\narch A { input x: [N, 3, 8, 8]\n output x -> unit(8) }\n'
    document = understood(text, workspace, tmp_path / "a.arch")
    (found,) = document.diagnostics
    assert found.span is not None and found.span.source.path == tmp_path / "a.arch"
    assert found.labels[0].span.source.path == tmp_path / "parts.arch"
    workspace.open(tmp_path / "parts.arch", "block unit(c) = conv(c, 3) -> bn\n")
    assert understood(text, workspace, tmp_path / "a.arch").diagnostics == []
