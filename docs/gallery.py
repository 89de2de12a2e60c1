"""The gallery: a picture, figures and the source of each family that ships. `generate.py` writes it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import archc
from archc.catalog import ZOO
from archc.compiler.analyses.figures import depth, totals
from archc.compiler.ir.counts import short
from archc.dsl import ast
from archc.dsl.parse import parse
from archc.dsl.source import Source
from archc.dsl.walk import walk
from archc.figures import signature
from archc.viz.build import diagram_of
from archc.viz.render import render

HERE = Path(__file__).parent

SHOWN = {
    "alexnet": "alexnet",
    "vgg": "vgg16",
    "fcn": "fcn8s",
    "nin": "nin_cifar",
    "resnet": "resnet50",
    "resnet_releases": "caffe_resnet",
    "resnet_cifar": "resnet110_cifar",
    "preresnet": "preresnet50",
    "preresnet_cifar": "preresnet164bn_cifar",
    "ablations": "exclusive_gating_cifar",
    "wide_resnet": "wide_resnet50_2",
    "wide_resnet_cifar": "wrn28_10_cifar",
    "resnext": "resnext50_32x4d",
    "multi_resnet": "multi_resnet200_5_cifar",
    "ror": "ror3_56_cifar",
    "stochastic_depth": "stochastic_depth",
    "tied": "tied_resnet_cifar",
    "sharesnet": "sharesnet34",
    "densenet": "densenet121",
    "googlenet": "googlenet",
    "inception_v3": "inception_v3",
    "inception_v4": "inception_v4",
    "inception_resnet": "inception_resnet_v2",
    "polynet": "polynet",
    "polynet_small": "polynet_mixed_b",
    "fractalnet": "fractalnet",
    "fractal_of_fractals": "fof",
    "stn": "stn_svhn_multi",
    "squeezenet": "squeezenet1_0",
    "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3": "mobilenet_v3_large",
    "mnasnet": "mnasnet1_0",
    "shufflenet_v2": "shufflenet_v2_x1_0",
    "efficientnet": "efficientnet_b0",
    "regnet": "regnet_y_3_2gf",
    "convnext": "convnext_tiny",
    "vit": "vit_b_16",
    "swin": "swin_t",
    "maxvit": "maxvit_t",
    "fcn_resnet": "fcn_resnet50",
    "deeplabv3": "deeplabv3_resnet50",
    "lraspp": "lraspp_mobilenet_v3_large",
    "unet": "unet",
    "yolov8": "yolov8n",
    "ddpm": "ddpm_cifar",
    "gpt2": "gpt2",
    "llama": "llama3_8b",
    "clip": "clip_vit_b_32",
}
"""Which architecture of each family is drawn, in the order of the page."""

HEAD = """\
# Gallery

<!-- Made by docs/generate.py from the specs in specs/zoo. -->

One architecture of each family that ships with archc, as `archc draw` shows it. Below each picture stand its `arch` and
those that it calls, without their claims; the blocks are in the file. [Drawings](drawing.md) explains the pictures,
and [Fidelity](fidelity.md) compares the networks with those of other libraries. The pictures have a page
colour of their own, so they read the same on light and dark screens.
"""


def gallery() -> dict[Path, str]:
    """The page and its pictures, by their files."""
    files = sorted(path.stem for path in ZOO.glob("*.arch"))
    lacking = set(files) ^ set(SHOWN)
    if lacking:
        raise ValueError(f"the gallery and specs/zoo do not have the same families: {', '.join(sorted(lacking))}")
    pages: dict[Path, str] = {}
    lines = [HEAD, " · ".join(f"[{name}](#{name})" for name in SHOWN.values()), ""]
    for family, name in SHOWN.items():
        net = archc.load(name)
        pages[HERE / "images" / f"{name}.svg"] = render(diagram_of(net.ir)).decode()
        lines += _entry(family, name, net)
    return {HERE / "gallery.md": "\n".join(lines), **pages}


def _entry(family: str, name: str, net: archc.Architecture) -> Iterator[str]:
    path = ZOO / f"{family}.arch"
    file = parse(Source(path.read_text(encoding="utf-8"), path.name))[0]
    assert file is not None
    doc = " ".join((file.doc or "").partition("\n\n")[0].split())
    total = totals(net.ir)
    yield from (f"## {name}", "", f"[`{path.name}`](../specs/zoo/{path.name}): {html.escape(doc, quote=False)}", "")
    yield from (f"![{name}, drawn by archc](images/{name}.svg)", "")
    yield (
        f"{total['parameters']:,} parameters, {short(total['multiply_adds'])} multiply-adds, depth {depth(net.ir)}; "
        f"`{signature(net.ir)}`"
    )
    yield from ("", "<!-- test: parse -->", "```arch", *_source(file, name), "```", "")


def _source(file: ast.File, name: str) -> Iterator[str]:
    """An arch and those of the same file that it calls, each after those that call it, without claims."""
    arches = {found.name: found for found in file.statements if isinstance(found, ast.ArchDef)}
    order = [name]
    for wanted in order:
        arch = arches[wanted]
        called = [node.id for node, _ in walk(arch) if isinstance(node, ast.Name) and node.id in arches]
        order += [other for other in dict.fromkeys(called) if other not in order]
    for found in order:
        yield from _text(arches[found]).split("\n")


def _text(arch: ast.ArchDef) -> str:
    """The declaration without its claims."""
    if isinstance(arch.body, ast.Syntax):
        return arch.span.source.text[arch.span.start : arch.body.span.end]
    text, start = arch.span.text, arch.span.start
    for claim in reversed([item for item in arch.body if isinstance(item, (ast.Expect, ast.Require))]):
        text = text[: claim.span.start - start].rstrip() + text[claim.span.end - start :]
    return text[: text.rindex("}") + 1]
