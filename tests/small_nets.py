"""Shipped architectures at sizes at which they run fast."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import archc
from archc.catalog import ZOO, shipped, shipped_files
from archc.compiler.ir.sizes import evaluate

ALIAS = re.compile(r"^arch (\w+) = \w+\(\)", re.MULTILINE)
SIZES = (1, 2, 3, 4, 6, 8, 16, 32, 64, 75, 96, 128, 224)

SMALL = {
    "ablations": "ablation_cifar(20)",
    "alexnet": "AlexNet()",
    "clip": "CLIP(16, 64, 64, 2, 2, 32, 2, 2, 16, 100, 16)",
    "convnext": "ConvNeXt([1, 1, 2, 1], [16, 32, 64, 128])",
    "ddpm": "DDPM([32, 64], n = 1, size = 16)",
    "deeplabv3": "deeplabv3_mobilenet_v3_large()",
    "densenet": "densenet_cifar(22)",
    "efficientnet": "efficientnet(0.5, 0.5, 64)",
    "fcn": "FCN()",
    "fcn_resnet": "FCNResNet()",
    "fractal_of_fractals": "fof_tsn()",
    "fractalnet": "fractalnet(2, [8, 16, 32])",
    "googlenet": "GoogLeNet()",
    "gpt2": "GPT2(2, 32, 2, 100, 64)",
    "inception_resnet": "inception_resnet_v1_paper(n = [1, 1, 1])",
    "inception_v3": "InceptionV3()",
    "inception_v4": "InceptionV4()",
    "llama": "Llama(2, 32, 4, 2, 64, 100)",
    "lraspp": "LRASPP()",
    "maxvit": "MaxViT([1, 1], [32, 64], 16)",
    "mnasnet": "mnasnet0_5()",
    "mobilenet_v2": "MobileNetV2(0.5)",
    "mobilenet_v3": "mobilenet_v3_small()",
    "multi_resnet": "multi_resnet_cifar(20, 2)",
    "nin": "NIN()",
    "polynet": "PolyNet([twoway], [poly3], [twoway], [1, 1, 1])",
    "polynet_small": "polynet_small(n = [1, 1, 1])",
    "preresnet": "preresnet18()",
    "preresnet_cifar": "preresnet20_cifar()",
    "regnet": "RegNet(6, 16, 24, 2.5, 8, 0.25)",
    "resnet": "resnet(18)",
    "resnet_cifar": "resnet20_cifar()",
    "resnet_releases": "caffe_resnet()",
    "resnext": "resnext50_1x64d()",
    "ror": "ror_cifar(3, 2)",
    "sharesnet": "sharesnet18()",
    "shufflenet_v2": "shufflenet_v2_x0_5()",
    "squeezenet": "squeezenet1_1()",
    "stn": "STN()",
    "stochastic_depth": "stochastic_depth_cifar(20)",
    "swin": "Swin([2, 2], [2, 4], 32, size = 64)",
    "tied": "tied_resnet_cifar()",
    "unet": "UNet([8, 16, 32])",
    "vgg": "vgg11()",
    "vit": "ViT(16, 2, 2, 32, 64)",
    "wide_resnet": "wide_resnet()",
    "wide_resnet_cifar": "wide_resnet_cifar(16, 2)",
    "yolov8": "yolov8n()",
}
"""One architecture of each shipped file, with few layers."""


def distinct() -> list[str]:
    """The names of all that ships, without second names of what others are."""
    aliases = {name for path in shipped_files() for name in ALIAS.findall(path.read_text(encoding="utf-8"))}
    return [name for name in shipped() if name not in aliases]


def small(name: str) -> archc.Architecture:
    """A shipped architecture, for an image of 64 pixels where that is a setting."""
    net = archc.load(name)
    for setting in ("size", "width"):
        if net.parameters.get(setting, 0) > 64:
            try:
                return archc.load(name, **{setting: 64})
            except archc.ArchError:
                continue
    return net


def small_sizes(net: archc.Architecture) -> dict[str, int]:
    """The least of some sizes, where they are open, that are legal and leave of an input a 16th, or 8 pixels."""
    batches = {str(entry.type.dims[0]) for entry in net.ir.inputs if entry.type.has_batch}
    names = [name for name in net.ir.nominal if name not in batches]
    for size in SIZES if names else ():
        sizes = {**net.ir.nominal, **dict.fromkeys(names, size)}
        extents = [
            (evaluate(dim, sizes), usual)
            for entry in net.ir.inputs
            for dim, usual in zip(entry.type.dims[1:], entry.nominal[1:], strict=True)
        ]
        if all(
            extent >= min(usual, max(8, usual / 16)) for extent, usual in extents
        ) and not net.ir.requirements.violations(sizes):
            return dict.fromkeys(names, size)
    return {}


def copied(path: Path, folder: Path) -> Path:
    """The copy of a shipped file in a copy of all that ships."""
    shutil.copytree(ZOO.parent, folder / "specs", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return folder / "specs" / path.relative_to(ZOO.parent)


def small_file(path: Path, folder: Path) -> Path:
    """A copy of a shipped file in which `least` is its architecture of `SMALL`, for small inputs. As those make other
    figures, it claims none."""
    copy = copied(path, folder)
    copy.write_text(f"{copy.read_text(encoding='utf-8')}\narch least = {SMALL[path.stem]}\n", encoding="utf-8")
    net = archc.load(copy, "least")
    sizes = {**net.ir.nominal, **small_sizes(net)}
    usual = {str(list(entry.nominal)): [evaluate(dim, sizes) for dim in entry.type.dims] for entry in net.ir.inputs}
    for file in copy.parent.glob("*.arch"):
        text = re.sub(r"\bexpect\b.*", "", file.read_text(encoding="utf-8"))
        for old, new in usual.items():
            text = text.replace(f"= {old}", f"= {new}")
        file.write_text(text, encoding="utf-8")
    return copy
