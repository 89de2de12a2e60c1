"""What ships is right, says so itself, and notices when it no longer is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torchvision.models
from quick import slow_but
from small_nets import copied

import archc as package
from archc.catalog import ZOO, defined_names, shipped, shipped_files, spec_files
from archc.compiler.program import Program

FIGURE = re.compile(r"expect (?:params|macs|depth|paths) == ([0-9][0-9_]*)\b")
TORCHVISION = sorted(set(shipped()) & set(torchvision.models.list_models()))
PUBLISHED = {"googlenet": {"aux": False}, "fcn": {"aux": True}, "deeplabv3": {"aux": True}}
"""Families that torchvision publishes with other auxiliary classifiers than it builds."""


def changed(path: Path, places: list[re.Match[str]], folder: Path) -> Path:
    """A copy of what ships, in which some figures of one file are wrong by one."""
    text = path.read_text(encoding="utf-8")
    for place in reversed(places):
        text = f"{text[: place.start(1)]}{int(place[1].replace('_', '')) + 1}{text[place.end(1) :]}"
    copy = copied(path, folder)
    copy.write_text(text, encoding="utf-8")
    return copy


def lines(text: str, places: list[re.Match[str]]) -> list[int]:
    return [text.count("\n", 0, place.start()) + 1 for place in places]


LARGE = (
    *("ablations", "densenet", "efficientnet", "llama", "multi_resnet", "preresnet", "preresnet_cifar", "regnet"),
    *("resnet_cifar", "resnext", "sharesnet", "swin"),
)
"""Files whose check takes most, many architectures or deep ones."""


@pytest.mark.parametrize("large", slow_but([False], [False, True]))
def test_what_ships_is_right_and_torch_is_not_asked(large: bool) -> None:
    paths = [str(path) for path in spec_files(ZOO.parent) if (path.stem in LARGE) is large]
    code = (
        "import sys\nfrom archc.cli import main\n"
        f"status = any(main(['check', path]) for path in {paths})\nsys.exit(status or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing wrong" in done.stdout


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_the_scan_for_names_finds_what_the_parser_does(path: Path) -> None:
    assert defined_names(path.read_text(encoding="utf-8")) == list(Program.open(path).arches())


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_a_family_is_described_and_claims_its_figures(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert re.search(r"\d{4}\.\d{4,5}", text.partition('"""\n')[0]), "the paper's number is in the doc string"
    assert FIGURE.search(text)
    assert re.search(r"expect shape", text)


QUICK = ("fcn", "fractalnet", "nin", "sharesnet", "stn", "vgg")
"""Families whose check takes least."""


@pytest.mark.parametrize(
    "path",
    slow_but([path for path in shipped_files() if path.stem in QUICK], shipped_files(), lambda path: path.stem),
)
def test_every_wrong_figure_is_noticed(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    places = list(FIGURE.finditer(text))
    found = package.check(changed(path, places, tmp_path))
    assert {(diagnostic.severity, diagnostic.code) for diagnostic in found} == {("error", "E0603")}
    assert sorted(diagnostic.span.line for diagnostic in found) == lines(text, places)


def test_the_command_line_notices(archc, tmp_path: Path) -> None:
    path = ZOO / "resnet.arch"
    place = next(found for found in FIGURE.finditer(path.read_text(encoding="utf-8")) if "25_557_032" in found[0])
    copy = changed(path, [place], tmp_path)
    for other in copy.parent.glob("*.arch"):
        if other != copy:
            other.unlink()
    outcome = archc("check", tmp_path)
    assert outcome.status == 1
    assert "25557032" in re.sub("[_,]", "", outcome.err)
    assert ", 1 wrong" in outcome.out


SMALLEST = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vgg11_bn", "vit_b_32", "wide_resnet50_2"),
)


@pytest.mark.parametrize("name", slow_but(SMALLEST, TORCHVISION))
def test_figures_are_those_that_torchvision_publishes(name: str) -> None:
    """Its weights state parameters, and billions of multiply-adds to three decimals, at the size that they are for."""
    network = package.load(name, **PUBLISHED.get(name.partition("_")[0], {}))
    for entry in torchvision.models.get_model_weights(name):
        size = entry.transforms.keywords.get("crop_size", 520)  # segmentation resizes, and crops nothing
        if name.startswith(("vit", "swin")):
            figures = package.load(name, size=size).stats()
        else:
            figures = network.stats() if name.startswith("maxvit") else network.stats(H=size, W=size)
        assert entry.meta["num_params"] == figures.parameters
        assert abs(entry.meta["_ops"] - figures.multiply_adds / 1e9) <= 0.00051
