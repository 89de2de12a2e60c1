"""Generated Python is about as long as what experts wrote, and says nothing twice. `docs/specs.md` has the table."""

from __future__ import annotations

import ast
import re
from itertools import groupby

import pytest
from lines import PAGE, releases
from python_lines import ALONE, COMPARED, MOST, alone, compared, generated_lines, ours, row_of, written
from quick import slow_but

TEXT = PAGE.read_text(encoding="utf-8")
PAIRS = [(family, *pair) for family, pairs in COMPARED.items() for pair in pairs]
ROWS = re.findall(r"^\| `(\w+)` \| `.*` \| \d+ \| \w+ `.*` \| \d+ \| ([\d.]+) \|$", TEXT, re.MULTILINE)


LARGE = {
    *("polynet", "multi_resnet_cifar", "preresnet164bn_cifar", "inception_resnet_v2", "densenet201", "resnet152"),
    *("swin_v2_t", "efficientnet_v2_s", "regnet_y_3_2gf", "deeplabv3_resnet50"),
}
"""Networks beside which a smaller one of the same parts is written in every run."""


@pytest.mark.parametrize(("family", "spec", "library"), slow_but([p for p in PAIRS if p[1] not in LARGE], PAIRS))
def test_the_page_gives_the_lines(family: str, spec: str, library: str) -> None:
    row = row_of(family, spec, library)
    assert f"| `{family}` | `{row.variant}` | {ours(row)} | {library} `{row.oracle}` |" in TEXT


def test_no_longer_than_the_peers() -> None:
    assert sorted(family for family, _ in ROWS) == sorted(family for family, _, _ in PAIRS)
    assert all(float(ratio) <= MOST for _, ratio in ROWS)


@pytest.mark.slow
@pytest.mark.skipif(f"Counted in {releases()}." not in TEXT, reason="other releases of the peers")
@pytest.mark.parametrize(("family", "spec", "library"), PAIRS)
def test_the_page_gives_the_peers_lines(family: str, spec: str, library: str) -> None:
    assert compared(family, spec, library) in TEXT


@pytest.mark.parametrize(("family", "name"), ALONE.items())
def test_the_page_gives_the_lines_of_those_without_peers(family: str, name: str) -> None:
    assert f"| `{family}` | `{name}` | {alone(name)} | none |" in TEXT


def test_densenet_264_is_a_page() -> None:
    text = written("densenet264")
    assert len(text.splitlines()) <= 100
    assert "def forward(self, features: list[Tensor]) -> Tensor:" in text
    assert 'self.add_module(f"denselayer{i + 1}", Denselayer(in_channels + 32 * i))' in text
    assert "features.append(layer(features))" in text


def test_stages_of_a_resnet_are_a_class() -> None:
    text = written("resnet34")
    assert "self.layer1 = make_stage(64, 64, num_layers=3)" in text
    assert "self.layer3 = make_stage(128, 256, num_layers=6, stride=2, downsample=make_shortcut(128))" in text


NETWORKS = sorted({spec for _, spec, _ in PAIRS} | set(ALONE.values()))


@pytest.mark.parametrize("name", slow_but([name for name in NETWORKS if name not in LARGE], NETWORKS))
def test_no_class_differs_from_another_in_numbers_alone(name: str) -> None:
    shapes = shapes_of(written(name))
    assert len(set(shapes.values())) == len(shapes)


def test_what_differs_in_numbers_alone() -> None:
    one = "class A:\n    def f(self):\n        self.a1 = L(2)\n        self.a2 = L(2)\n"
    other = "class B:\n    def f(self):\n        self.a1 = L(3)\n"
    more = "class C:\n    def f(self):\n        self.a1 = M(3)\n"
    a, b, c = shapes_of(one + other + more).values()
    assert a == b != c
    assert generated_lines('"""Doc."""\nimport torch\n\n\n' + one) == 4


def shapes_of(text: str) -> dict[str, str]:
    """The classes and functions, without their names, numbers, and how often a statement comes again."""
    classes = _definitions(text)
    for number, node in enumerate(classes):
        word = "".join(chr(ord("A") + int(digit)) for digit in str(number))
        text = re.sub(rf"\b{node.name}\b", f"Class_{word}_", text)
    shapes = {}
    for node, renamed in zip(classes, _definitions(text), strict=True):
        lines = [line for statement in renamed.body for line in _statements(statement)]
        bases = renamed.bases if isinstance(renamed, ast.ClassDef) else []
        shapes[node.name] = "\n".join([*map(ast.unparse, bases), *lines])
    return shapes


def _definitions(text: str) -> list[ast.ClassDef | ast.FunctionDef]:
    return [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]


def _statements(node: ast.stmt) -> list[str]:
    inner = getattr(node, "body", None)
    if inner is None:
        return [_without_numbers(ast.unparse(node))]
    head = _without_numbers(ast.unparse(node).partition("\n")[0])
    lines = [line for statement in inner for line in _statements(statement)]
    return [head, *(line for line, _ in groupby(lines))]


def _without_numbers(code: str) -> str:
    """Numbers in quotes stay: they are part of a module's name."""
    return re.sub(r"('[^']*')|\d+", lambda found: found[1] or "#", code)
