"""What ships is right, says so itself, and notices when it no longer is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torchvision.models
from twins import VARIANTS

import archc as package
from archc.catalog import ZOO
from archc.compiler.program import Program

FAMILIES = (ZOO / "vgg.arch", ZOO / "resnet.arch")
GENERAL = {"VGG", "ResNet", "resnet"}
"""The architectures of these files that are no variant of torchvision's by themselves."""

FIGURE = re.compile(r"expect (?:params|macs) == ([0-9_]+)")


def figures() -> list[tuple[Path, int]]:
    """Every published figure: its file, and where it stands."""
    return [(path, found.start(1)) for path in FAMILIES for found in FIGURE.finditer(path.read_text())]


def test_every_variant_is_compared() -> None:
    defined = {name for path in FAMILIES for name in Program.open(path).arches()}
    assert defined - GENERAL == set(VARIANTS)
    assert set(VARIANTS) <= set(torchvision.models.list_models())


def test_what_ships_is_right(archc) -> None:
    outcome = archc("check", ZOO.parent)
    assert (outcome.status, outcome.err) == (0, "")
    assert "nothing wrong" in outcome.out


def test_parameters_are_published_for_every_variant() -> None:
    """The number that torchvision gives with its weights is the one that the spec expects."""
    for name in VARIANTS:
        weights = torchvision.models.get_model_weights(name)
        published = {entry.meta["num_params"] for entry in weights}
        assert published == {package.load(name).stats().parameters}, name


@pytest.mark.parametrize("name", VARIANTS)
def test_multiply_adds_are_torchvisions(name: str) -> None:
    """torchvision states billions, to three decimals."""
    published = {entry.meta["_ops"] for entry in torchvision.models.get_model_weights(name)}
    billions = package.load(name).stats().multiply_adds / 1e9
    assert all(abs(figure - billions) <= 0.00051 for figure in published), (published, billions)


@pytest.mark.parametrize("path", FAMILIES, ids=lambda path: path.stem)
def test_every_wrong_figure_is_noticed(path: Path) -> None:
    text = path.read_text()
    places = [place for file, place in figures() if file == path]
    assert len(places) >= 12
    for place in places:
        number = FIGURE.match(text, text.rindex("expect", 0, place))
        assert number is not None
        wrong = f"{text[:place]}{int(number[1].replace('_', '')) + 1}{text[number.end(1) :]}"
        found = package.check(text=wrong)
        assert len(found) == 1, wrong[place - 40 : place + 40]
        assert found[0].severity == "error"


def test_a_wrong_depth_is_noticed() -> None:
    text = (ZOO / "resnet.arch").read_text()
    text = re.sub(r"expect (?:params|macs).*", "", text)
    wrong = text.replace("18 => ResNet(basic, [2, 2, 2, 2])", "18 => ResNet(basic, [2, 2, 2, 3])")
    assert wrong.count("[2, 2, 2, 3]") == 1
    found = package.check(text=wrong)
    assert ["depth" in diagnostic.message for diagnostic in found] == [True]


def test_the_command_line_notices(archc, tmp_path: Path) -> None:
    for path in FAMILIES:
        shutil.copy(path, tmp_path)
    copy = tmp_path / "resnet.arch"
    copy.write_text(copy.read_text().replace("25_557_032", "25_557_033"))
    outcome = archc("check", tmp_path)
    assert outcome.status == 1
    assert re.sub("[_,]", "", outcome.err).count("25557032")
    assert "2 specs, 1 wrong" in outcome.out
