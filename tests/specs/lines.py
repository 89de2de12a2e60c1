"""Counts the lines of the shipped specs, and of their peers' source for the same families.

Run as a script it writes the tables of `docs/specs.md`. Counted are lines on which code stands, so neither blank lines,
comments and doc strings, nor, in a spec, what it claims of itself (`expect`).
"""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import tokenize
from importlib.metadata import version
from pathlib import Path

from archc.catalog import ZOO, defined_names

PEERS: dict[str, tuple[tuple[str, str], ...]] = {
    "alexnet": (("torchvision", "models/alexnet.py"),),
    "squeezenet": (("torchvision", "models/squeezenet.py"),),
    "mobilenet_v2": (("torchvision", "models/mobilenetv2.py"),),
    "mobilenet_v3": (("torchvision", "models/mobilenetv3.py"),),
    "mnasnet": (("torchvision", "models/mnasnet.py"),),
    "shufflenet_v2": (("torchvision", "models/shufflenetv2.py"),),
    "googlenet": (("torchvision", "models/googlenet.py"),),
    "efficientnet": (("torchvision", "models/efficientnet.py"),),
    "regnet": (("torchvision", "models/regnet.py"),),
    "convnext": (("torchvision", "models/convnext.py"),),
    "vit": (("torchvision", "models/vision_transformer.py"),),
    "swin": (("torchvision", "models/swin_transformer.py"),),
    "maxvit": (("torchvision", "models/maxvit.py"),),
    "fcn_resnet": (("torchvision", "models/segmentation/fcn.py"),),
    "deeplabv3": (("torchvision", "models/segmentation/deeplabv3.py"),),
    "lraspp": (("torchvision", "models/segmentation/lraspp.py"),),
    "vgg": (("torchvision", "models/vgg.py"), ("timm", "models/vgg.py"), ("pytorchcv", "models/vgg.py")),
    "nin": (("pytorchcv", "models/nin_cifar.py"),),
    "resnet": (("torchvision", "models/resnet.py"), ("timm", "models/resnet.py"), ("pytorchcv", "models/resnet.py")),
    "resnet_cifar": (("pytorchcv", "models/resnet_cifar.py"),),
    "resnext": (("pytorchcv", "models/resnext.py"), ("pytorchcv", "models/resnext_cifar.py")),
    "preresnet": (("timm", "models/resnetv2.py"), ("pytorchcv", "models/preresnet.py")),
    "preresnet_cifar": (("pytorchcv", "models/preresnet_cifar.py"),),
    "wide_resnet_cifar": (("pytorchcv", "models/wrn_cifar.py"),),
    "inception_v3": (
        ("torchvision", "models/inception.py"),
        ("timm", "models/inception_v3.py"),
        ("pytorchcv", "models/inceptionv3.py"),
    ),
    "inception_v4": (("timm", "models/inception_v4.py"), ("pytorchcv", "models/inceptionv4.py")),
    "inception_resnet": (
        ("timm", "models/inception_resnet_v2.py"),
        ("pytorchcv", "models/inceptionresnetv1.py"),
        ("pytorchcv", "models/inceptionresnetv2.py"),
    ),
    "polynet": (("pytorchcv", "models/polynet.py"), ("pretrainedmodels", "models/polynet.py")),
    "fractalnet": (("pytorchcv", "models/fractalnet_cifar.py"),),
    "ror": (("pytorchcv", "models/ror_cifar.py"),),
    "densenet": (
        ("torchvision", "models/densenet.py"),
        ("timm", "models/densenet.py"),
        ("pytorchcv", "models/densenet.py"),
        ("pytorchcv", "models/densenet_cifar.py"),
    ),
    "sharesnet": (("pytorchcv", "models/sharesnet.py"),),
    "gpt2": (("transformers", "models/gpt2/modeling_gpt2.py"),),
    "llama": (("transformers", "models/llama/modeling_llama.py"),),
    "clip": (("transformers", "models/clip/modeling_clip.py"),),
}
"""The files in which the peers define a family. Some hold options that the spec lacks, and the other way round."""

LIMITS = {
    "resnet": 30,
    "inception_v4": 28,
    "inception_resnet": 26,
    "polynet": 36,
    "fractalnet": 17,
    "fractal_of_fractals": 22,
    "ror": 20,
    "densenet": 26,
    "fcn": 24,  # four networks; FCN-8s alone needs 20 of the lines
}
"""What these families must not exceed."""

PAGE = Path(__file__).parents[2] / "docs" / "specs.md"


def spec_lines(text: str) -> int:
    """The lines of code of a spec."""
    code = re.sub(r'"""[\s\S]*?"""', "", text)
    code = re.sub(r"#.*", "", code)
    return filled(re.sub(r"\bexpect\b.*", "", code).split("\n"))


def filled(lines: list[str]) -> int:
    return sum(1 for line in lines if line.strip())


def peer_lines(library: str, file: str) -> int:
    """The lines of code of a peer's file."""
    return len(code_lines((folder(library) / file).read_text(encoding="utf-8")))


def code_lines(text: str) -> set[int]:
    """The numbers of the lines of Python on which code stands."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = {line for t in tokens if t.type not in layout for line in range(t.start[0], t.end[0] + 1)}
    return code - {line for node in ast.walk(ast.parse(text)) for line in docstring(node)}


def docstring(node: ast.AST) -> range:
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
        return range(node.body[0].lineno, (node.body[0].end_lineno or node.body[0].lineno) + 1)
    return range(0)


def folder(library: str) -> Path:
    package = importlib.util.find_spec(library)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(f"{library} is not installed")
    return Path(package.origin).parent


def specs() -> dict[str, int]:
    return {path.stem: spec_lines(path.read_text(encoding="utf-8")) for path in sorted(ZOO.glob("*.arch"))}


def built_on(path: Path) -> list[Path]:
    """The specs that a spec imports from, and those that they import from."""
    found: list[Path] = []
    waiting = [path]
    while waiting:
        here = waiting.pop()
        for name in re.findall(r'\bfrom "([^"]+)"', here.read_text(encoding="utf-8")):
            file = here.parent / name if (here.parent / name).exists() else ZOO.parent / name
            if file not in found:
                found.append(file)
                waiting.append(file)
    return sorted(found)


def row(family: str, lines: int) -> str:
    peers = ", ".join(
        f"{library} `{file.partition('/')[2]}` {peer_lines(library, file)}" for library, file in PEERS.get(family, ())
    )
    imported = built_on(ZOO / f"{family}.arch")
    bases = ", ".join(f"`{p.relative_to(ZOO.parent)}` {spec_lines(p.read_text(encoding='utf-8'))}" for p in imported)
    return f"| `{family}.arch` | {lines} | {bases} | {peers or 'none'} |"


def releases() -> str:
    libraries = sorted({library for peers in PEERS.values() for library, _ in peers})
    return ", ".join(f"{library} {version(library)}" for library in libraries)


def table() -> str:
    rows = [row(family, lines) for family, lines in specs().items()]
    head = ["| spec | lines | builds on | peers' files |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows, "", f"Counted in {releases()}."])


def families() -> str:
    """What each spec defines, in the words of its own doc string."""
    rows = []
    for path in sorted(ZOO.glob("*.arch")):
        text = path.read_text(encoding="utf-8")
        summary = " ".join(text.removeprefix('"""').partition('"""')[0].partition("\n\n")[0].split())
        names = ", ".join(f"`{name}`" for name in defined_names(text))
        rows.append(f"| `{path.stem}` | {summary} | {names} |")
    return "\n".join(["| spec | what it is | architectures |", "| --- | --- | --- |", *rows])


def replaced(text: str, name: str, table: str) -> str:
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = text.partition(start)
    return f"{before}{start}\n{table}\n\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    page = replaced(PAGE.read_text(encoding="utf-8"), "families", families())
    PAGE.write_text(replaced(page, "lines", table()), encoding="utf-8")
