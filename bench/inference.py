"""How long inference takes by `net.optimized()`, against the library's module in eager mode and frozen by inductor.

    python bench/inference.py [NAME ...] [--batch 1 8] [--dtype float32 bfloat16] [--engines kernels frozen inductor]

The modules of a network take turns with the same weights, and the ratio is that of their fastest calls. The reference
is the library's module in float32. "frozen" is the library's module under `torch.compile`, with the global switch
`torch._inductor.config.freezing`; "kernels" and "inductor" are archc's engines. Networks that no library has are
compared with archc's own module. The rows go into `inference.md` beside this file; those of other networks stay.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import timing
import torch
from torch import Tensor, nn

import archc

PAGE = Path(__file__).with_name("inference.md")
RUNS = 7
IMAGES = 96
BARS = {"float32": 0.62, "bfloat16": 0.27}
"""The most that kernels may take of eager's time, in geometric mean."""
WORST = 0.9
ROUNDING = {"float32": 1e-5, "bfloat16": 1e-2}


def _torchvision(name: str) -> nn.Module:
    import torchvision.models

    return torchvision.models.get_model(name)


def _timm(name: str) -> nn.Module:
    import timm

    return timm.create_model(name)


def _pytorchcv(name: str) -> nn.Module:
    from pytorchcv.model_provider import get_model

    return get_model(name)


TORCHVISION = (
    "resnet18 resnet50 resnet152 vgg16 densenet121 resnext50_32x4d wide_resnet50_2 mobilenet_v2 efficientnet_b0 "
    "convnext_tiny vit_b_16"
)
PEERS: dict[str, tuple[str, Callable[[str], nn.Module]] | None] = {
    **dict.fromkeys(TORCHVISION.split(), ("torchvision", _torchvision)),
    **dict.fromkeys(("inception_v4", "inception_resnet_v2"), ("timm", _timm)),
    **dict.fromkeys(("preresnet50", "polynet"), ("pytorchcv", _pytorchcv)),
    'resnext50_32x4d(form = "a")': None,
    "fractalnet": None,
    "fof": None,
    "ror3": None,
}
"""For each network the library that has it, or None."""


@dataclass(slots=True)
class Engine:
    """Seconds of each call, and until the first result; the largest difference to the reference, as a share of its
    largest number, and of how many images the largest output is the same."""

    ready: float
    calls: list[float] = field(default_factory=list)
    error: float = 0.0
    agreeing: int = 0

    @property
    def fastest(self) -> float:
        return min(self.calls)


@dataclass(frozen=True, slots=True)
class Row:
    """A network at a batch and a type of weights and maps."""

    name: str
    peer: str
    batch: int
    dtype: str
    images: int
    engines: dict[str, Engine]

    def ratio(self, engine: str, to: str = "eager") -> float | None:
        if engine not in self.engines or to not in self.engines:
            return None
        return self.engines[engine].fastest / self.engines[to].fastest


def reference(name: str) -> tuple[str, nn.Module]:
    """The library's module, or archc's, whose norms have the statistics of some images."""
    found = PEERS[name]
    module = archc.load(name).module(seed=0) if found is None else found[1](name)
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None
    module.train()
    with torch.no_grad():
        for _ in range(2):
            module(torch.randn(4, *shape(name)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return "archc" if found is None else found[0], module.eval()


def shape(name: str) -> tuple[int, ...]:
    """Of an image, [channels, height, width]."""
    return archc.load(name).ir.inputs[0].nominal[1:]


def images(name: str, count: int) -> Tensor:
    """Half of them noise, half gradients in some direction of each channel, [count, channels, height, width]."""
    channels, height, width = shape(name)
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(count - count // 2, channels, height, width, generator=draw)
    slopes = torch.randn(2, count // 2, channels, 1, 1, generator=draw)
    rows, columns = torch.linspace(-1, 1, height).view(-1, 1), torch.linspace(-1, 1, width)
    return torch.cat([noise, 2 * (slopes[0] * rows + slopes[1] * columns)])


def compiled(engine: str, name: str, module: nn.Module, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The engine's function of images in float32. What compiles late does so at its first call."""
    if engine != "frozen":
        return archc.load(name).optimized(module, dtype=dtype, engine=engine)
    torch._dynamo.reset()
    run = torch.compile(copy.deepcopy(module).to(dtype), dynamic=False)
    return lambda x: run(x.to(dtype))


def rows(
    name: str, batches: Sequence[int], dtypes: Sequence[str], engines: Sequence[str], runs: int, count: int = IMAGES
) -> Iterator[Row]:
    """All rows of a network."""
    torch._inductor.config.freezing = True
    peer, module = reference(name)
    pictures = images(name, count)
    with torch.no_grad():
        right = torch.cat([module(chunk) for chunk in pictures.split(8)])
        for dtype in dtypes:
            for batch in batches:
                chunks = [chunk for chunk in pictures.split(batch) if len(chunk) == batch]
                found = _row(name, module, getattr(torch, dtype), engines, runs, chunks, right)
                yield Row(name, peer, batch, dtype, len(chunks) * batch, found)


def _row(
    name: str,
    module: nn.Module,
    dtype: torch.dtype,
    engines: Sequence[str],
    runs: int,
    chunks: list[Tensor],
    right: Tensor,
) -> dict[str, Engine]:
    """What each engine takes for the first batch, and how far its outputs for all of them are from the right ones."""
    calls: dict[str, Callable[[Tensor], Tensor]] = {"eager": module}
    found = {"eager": Engine(0.0)}
    for engine in engines:
        start = time.perf_counter()
        calls[engine] = compiled(engine, name, module, dtype)
        calls[engine](chunks[0])
        found[engine] = Engine(time.perf_counter() - start)
    for turn in range(runs + 1):
        for engine, call in calls.items():
            seconds = timing.measured(partial(call, chunks[0]))
            if turn:
                found[engine].calls.append(seconds)
    for engine in engines:
        out = torch.cat([calls[engine](chunk) for chunk in chunks]).float()
        expected = right[: len(out)]
        found[engine].error = float((out - expected).abs().max() / expected.abs().max())
        found[engine].agreeing = int((out.argmax(1) == expected.argmax(1)).sum())
    return found


def _send(pipe: Any, *arguments: Any) -> None:
    for row in rows(*arguments):
        pipe.send(row)
    pipe.close()


def measured(*arguments: Any) -> Iterator[Row]:
    """The rows, from a process of its own, without what inductor compiled before."""
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, *arguments))
    process.start()
    theirs.close()
    try:
        while True:
            yield ours.recv()
    except EOFError:
        process.join()


COLUMNS = (
    "network",
    "peer",
    "batch",
    "type",
    "eager",
    "kernels",
    "frozen",
    "inductor",
    "kernels to frozen",
    "inductor to frozen",
    "ready",
    "frozen ready",
    "error",
    "same class",
)


def cells(row: Row) -> list[str]:
    def ready(engine: str) -> str:
        return timing.shown(row.engines[engine].ready) if engine in row.engines else ""

    def ratio(engine: str, to: str = "eager") -> str:
        value = row.ratio(engine, to)
        return "" if value is None else f"{value:.2f}"

    kernels = row.engines.get("kernels")
    return [
        f"`{row.name}`",
        row.peer,
        str(row.batch),
        row.dtype,
        timing.shown(row.engines["eager"].fastest),
        *(ratio(engine) for engine in ("kernels", "frozen", "inductor")),
        ratio("kernels", "frozen"),
        ratio("inductor", "frozen"),
        ready("kernels"),
        ready("frozen"),
        "" if kernels is None else f"{kernels.error:.0e}",
        "" if kernels is None else f"{kernels.agreeing} of {row.images}",
    ]


Key = tuple[str, ...]


def written(text: str) -> dict[Key, list[str]]:
    """The rows of a page, by network, batch and type."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {(row[0], row[2], row[3]): row for row in found}


def page(found: dict[Key, list[str]], about: str) -> str:
    order = [f"`{name}`" for name in PEERS]
    table = sorted(found.values(), key=lambda row: (order.index(row[0]), row[3] != "float32", int(row[2])))
    lines = ["# Inference", "", INTRODUCTION, "", about, "", *summary(table), ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "| --- " * len(COLUMNS) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in table), ""])


INTRODUCTION = """\
`net.optimized()` against the library's module in eager mode, in float32, and against the same module under
`torch.compile` with the global switch of freezing, as `python bench/inference.py` measures them: all take turns in one
process with the same weights, which are random. Ratios are those of the fastest calls, to the eager module where no
other is named. `ready` is the time until the first result, `error` the largest difference of the kernels as a share of
the largest output, `same class` of how many images, noise and gradients, the largest output is the same. Empty cells
were not measured."""


def summary(table: list[list[str]]) -> list[str]:
    """How the bars are met, and every row that does not meet one."""
    lines: list[str] = []
    found = [dict(zip(COLUMNS, row, strict=True)) for row in table]
    for dtype, bar in BARS.items():
        rows = {f"{row['network']} at {row['batch']}": row for row in found if row["type"] == dtype}
        bars = (
            ("kernels to eager", "kernels", bar, WORST),
            ("kernels to frozen", "kernels to frozen", 1.0, 1.0),
            ("inductor to frozen", "inductor to frozen", 1.02, 1.02),
        )
        for title, column, most, worst in bars:
            values = {name: float(row[column]) for name, row in rows.items() if row[column]}
            if values:
                mean = math.exp(sum(map(math.log, values.values())) / len(values))
                met = "met" if mean <= most else "missed"
                over = [f"{name} {value:.2f}" for name, value in values.items() if value > worst]
                text = f"- {dtype}, {title}: {mean:.2f} in geometric mean of {len(values)}, at most {most:g}: {met}"
                lines.append(f"{text}; over {worst:g} are {', '.join(over)}" if over else text)
        errors = {name: row["error"] for name, row in rows.items() if row["error"]}
        wrong = [f"{name} {error}" for name, error in errors.items() if float(error) > ROUNDING[dtype]]
        classes = {name: row["same class"] for name, row in rows.items()}
        others = [f"{name} {same}" for name, same in classes.items() if len({*same.split(" of ")}) > 1]
        lines += [f"- {dtype}, error over {ROUNDING[dtype]:g}: {', '.join(wrong)}"] if wrong else []
        lines += [f"- {dtype}, another class: {', '.join(others)}"] if others else []
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(PEERS), metavar="NAME")
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--dtype", nargs="+", default=list(BARS), choices=list(BARS))
    parser.add_argument("--engines", nargs="+", default=["kernels", "frozen", "inductor"])
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    from run import machine

    for name in options.names:
        for row in measured(name, options.batch, options.dtype, options.engines, options.runs):
            found = written(PAGE.read_text("utf-8")) if PAGE.exists() else {}
            found[f"`{row.name}`", str(row.batch), row.dtype] = cells(row)
            PAGE.write_text(page(found, machine()), encoding="utf-8")
            print(" | ".join(cells(row)), flush=True)


if __name__ == "__main__":
    main()
