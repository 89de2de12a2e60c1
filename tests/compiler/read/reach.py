"""Reads models of libraries, and writes `docs/reach.md`: exact or why refused, lines, seconds beside one export.

    python tests/compiler/read/reach.py torchvision           all of a library: an hour on two cores
    python tests/compiler/read/reach.py timm pytorchcv video  one model for each file of theirs
    python tests/compiler/read/reach.py torchvision:resnet50  these models; the other rows stay as they are
    python tests/compiler/read/reach.py onnx                  files that torch.onnx writes of some of these
    python tests/compiler/read/reach.py --missing torchvision the rows that the page lacks

Libraries that are not installed have no rows.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[3] / "docs" / "reach.md"
START, END = "<!-- rows -->\n", "<!-- end of rows -->\n"
LIMIT = 900
"""Seconds after which a model counts as not read, unless told otherwise."""
ONNX = {
    "torchvision": "alexnet squeezenet1_1 mobilenet_v2 mobilenet_v3_small mnasnet0_5 shufflenet_v2_x0_5 resnet18 "
    "resnext50_32x4d googlenet densenet121 efficientnet_b0 regnet_x_400mf regnet_y_400mf convnext_tiny vit_b_32 "
    "lraspp_mobilenet_v3_large fcn_resnet50",
    "timm": "test_vit convnext_atto ghostnet_050 efficientvit_b0 levit_128 pvt_v2_b0 repvit_m1 mixer_s32_224",
    "pytorchcv": "resnet10 seresnet10 preresnet10 mobilenet_wd4 squeezenet_v1_1 shufflenet_g1_wd4",
}
"""Models whose ONNX files are read."""


def torchvision_models() -> list[str]:
    from torchvision import models

    rooms = (models, models.segmentation)
    return [name for room in rooms for name in models.list_models(module=room)]


def video_models() -> list[str]:
    from torchvision import models

    return models.list_models(module=models.video)


def timm_models() -> list[str]:
    """For each file of models the one with the shortest name, which is the plain one as a rule."""
    import timm

    return [min(timm.list_models(module=room), key=lambda n: (len(n), n)) for room in timm.list_modules()]


def onnx_models() -> list[str]:
    return [f"{library}:{name}" for library, names in ONNX.items() if installed(library) for name in names.split()]


def pytorchcv_models() -> list[str]:
    """For each file of models the first."""
    from pytorchcv import model_provider

    first: dict[str, str] = {}
    for name, make in model_provider._models.items():
        first.setdefault(make.__module__, name)
    return list(first.values())


def from_torchvision(name: str) -> tuple[str, dict[str, Any]]:
    from torchvision import models

    backbone = name in models.list_models(module=models.segmentation)
    plain = {"weights": None, "weights_backbone": None} if backbone else {}
    start = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return "torchvision.models:get_model", {"name": name, **plain, **start}


LIBRARIES: dict[str, tuple[str, Callable[[], list[str]], Callable[[str], tuple[str, dict[str, Any]]]]] = {
    "torchvision": ("torchvision", torchvision_models, from_torchvision),
    "video": ("torchvision", video_models, from_torchvision),
    "timm": ("timm", timm_models, lambda name: ("timm:create_model", {"model_name": name})),
    "pytorchcv": ("pytorchcv", pytorchcv_models, lambda name: ("pytorchcv.model_provider:get_model", {"name": name})),
}
"""For each word the package, its models, and the callable with arguments that makes one."""
LIBRARIES["onnx"] = ("onnxruntime", onnx_models, lambda name: making(*name.split(":")))
INPUTS = {"video": (1, 3, 16, 112, 112), "torchvision": (1, 3, 224, 224), "timm": None, "pytorchcv": None}
SHAPES = {
    "inception_v3": (1, 3, 299, 299),
    **dict.fromkeys(("mvit_v1_b", "mvit_v2_s", "s3d"), (1, 3, 16, 224, 224)),
}
"""Of models that take other inputs than the rest of their library."""


def making(library: str, name: str) -> tuple[str, dict[str, Any]]:
    return LIBRARIES[library][2](name)


def installed(library: str) -> bool:
    return find_spec(LIBRARIES[library][0]) is not None


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="+", help="libraries, or models as `torchvision:resnet50`")
    parser.add_argument("--missing", action="store_true", help="only rows that the page lacks")
    parser.add_argument("--limit", type=int, default=LIMIT, help="seconds after which a model counts as not read")
    options = parser.parse_args(arguments)
    jobs: list[tuple[str, str]] = []
    for word in options.what:
        library, _, name = word.partition(":")
        if library not in LIBRARIES:
            print(f"no library is named {library}; there are {', '.join(LIBRARIES)}", file=sys.stderr)
            return 2
        if installed(library):
            jobs += [(library, each) for each in ([name] if name else LIBRARIES[library][1]())]
    rows = written()
    for job in jobs:
        if not (options.missing and job in rows):
            row = measured(job, options.limit)
            print(row, flush=True)
            rows = written() | {job: row}  # another run may have written meanwhile
            write(rows)
    return 0


def measured(job: tuple[str, str], limit: int) -> str:
    """The row of a model, read in a process of its own: what fails, or takes all memory, costs one row."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=read, args=(job, theirs))
    process.start()
    theirs.close()
    try:
        verdict, lines, seconds, export = ours.recv() if ours.poll(limit) else (f"over {limit} s", 0, 0.0, 0.0)
    except EOFError:
        verdict, lines, seconds, export = "out of memory", 0, 0.0, 0.0
    process.kill()
    process.join()
    figures = [str(lines), f"{seconds:.1f}", f"{export:.1f}", f"{seconds / export:.1f}"] if lines else [""] * 4
    return f"| {' | '.join([*job, verdict, *figures])} |"


def read(job: tuple[str, str], out: Any) -> None:
    import torch

    import archc
    from archc.compiler.read.sources import inputs_of, made

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    library, name = job
    callable_, settings = making(library, name)
    library, _, name = name.rpartition(":") if library == "onnx" else (library, "", name)
    seconds = export = 0.0
    lines = 0
    with contextlib.redirect_stdout(open(os.devnull, "w")):
        try:
            module, maker = made(*callable_.split(":"), settings)
            shape = SHAPES.get(name, INPUTS[library])
            inputs = inputs_of(shape, module, maker)
            if job[0] == "onnx":
                net, seconds, export = from_file(module.eval(), inputs)
            else:
                start = time.process_time()
                torch.export.export(module.eval(), tuple([torch.cat([x, x]) for x in inputs]), strict=False)
                export = time.process_time() - start
                start = time.process_time()
                net = archc.from_torch(module, *inputs, name="Net")
                seconds = time.process_time() - start
            lines = len(net.source().splitlines())
            found = [re.search(r"up to (\S+) of", warning.message) for warning in net.warnings]
            verdict = f"within {found[0][1]}" if found and found[0] else "exact"
        except archc.ArchError as error:
            first = error.diagnostics[0]
            listed = [line.strip() for line in first.message.splitlines()]
            verdict = f"{first.code}: {'; '.join(re.sub(', /.*', '', line) for line in listed[1:3] or listed)[:160]}"
        except Exception as error:  # the library's own
            verdict = f"{type(error).__name__}: {str(error)[:100]}"
    out.send((verdict.replace("|", "/").replace("\n", " "), lines, seconds, export))


def from_file(module: Any, inputs: Any) -> tuple[Any, float, float]:
    """The network of the file that torch.onnx writes, and the seconds of reading and of writing it."""
    import torch

    import archc

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.onnx")
        start = time.process_time()
        torch.onnx.export(module, tuple(inputs), path, dynamo=True, verbose=False)
        export = time.process_time() - start
        start = time.process_time()
        net = archc.from_onnx(path)
        return net, time.process_time() - start, export


def written() -> dict[tuple[str, str], str]:
    """The rows of the page, by library and model."""
    body = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    rows = [line for line in body.splitlines() if line.startswith("| ")][2:]
    return {(cells[1].strip(), cells[2].strip()): row for row in rows if (cells := row.split("|"))}


def write(rows: dict[tuple[str, str], str]) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    order = sorted(rows, key=lambda job: ([*LIBRARIES].index(job[0]), job[1]))
    header = "| library | model | read | lines | seconds | one export | ratio |\n" + "| --- " * 7 + "|\n"
    body = header + "".join(f"{rows[job]}\n" for job in order)
    PAGE.write_text(f"{before}{START}\n{body}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
