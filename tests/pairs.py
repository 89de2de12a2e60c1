"""Compares pairs of shipped architectures with equal inputs, drawn from a seed, and tries out each verdict.

    python tests/pairs.py                           200 pairs
    python tests/pairs.py --seed 7 --count 50
    python tests/pairs.py --share 1/4               every fourth, as one of four processes
    python tests/pairs.py resnet18 resnet34         this one

A verdict of "equal" is tried with random weights of one, carried over; one of "different" with random weights of the
architecture that is said to lack something, at the inputs of the counterexample. The exit status is 1 where a verdict
does not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from functools import lru_cache
from itertools import combinations, pairwise
from typing import Any

import torch
from torch import Tensor, nn

import archc
from archc import Architecture
from archc.catalog import shipped
from archc.compiler.compare.equivalence import Equivalence
from archc.compiler.emit.carry import applied
from archc.dsl.diagnostics import ArchError

LIMIT = 10.0
"""Seconds that a pair may take."""
ROUNDING = 1e-9
"""Of the largest number: what counts as nothing."""
PARTS = (8, 64, 512)
"""What changes along a line are divided by."""


@lru_cache(16)
def loaded(name: str) -> Architecture:
    return archc.load(name)


def interface(name: str) -> Any:
    """What an architecture takes; None for one that needs arguments."""
    try:
        graph = loaded(name).ir
    except ArchError:
        return None
    return tuple((str(entry.type), entry.nominal) for entry in graph.inputs)


def drawn(seed: int, count: int) -> list[tuple[str, str]]:
    """Pairs with equal inputs: all that there are in a random order, the first of them."""
    alike: dict[Any, list[str]] = {}
    for name in shipped():
        key = interface(name)
        if key is not None:
            alike.setdefault(key, []).append(name)
    pairs = [pair for names in alike.values() for pair in combinations(sorted(names), 2)]
    return random.Random(seed).sample(pairs, min(count, len(pairs)))


def randomised(net: Architecture) -> nn.Module:
    """A module in evaluation and float64, all of whose tensors are random."""
    module = net.module(seed=1, dtype="float64").eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point() and tensor.dim() < 2:
                tensor.add_(torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) / 2)
    return module


def run(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    with torch.no_grad():
        found = module(*inputs)
    found = list(found.values()) if isinstance(found, dict) else [found]
    return torch.cat([y.flatten() for y in found if y is not None])


def wrong(a: Architecture, b: Architecture, found: Equivalence) -> str:
    """Why a verdict does not hold; empty where it does, or where nothing can be run."""
    if found:
        assert found.weights is not None
        one, other = randomised(a), b.module(dtype="float64").eval()
        other.load_state_dict(applied(one.state_dict(), found.weights))
        sizes = {**a.ir.nominal, **found.sizes}
        shapes = [[d if isinstance(d, int) else d.evaluate(sizes) for d in entry.type.dims] for entry in a.ir.inputs]
        inputs = tuple(torch.randn(shape, dtype=torch.float64) for shape in shapes)
        x, y = run(one, inputs), run(other, inputs)
        return "" if (x - y).abs().max() <= ROUNDING * x.abs().max() else "the outputs differ"
    shown = found.counterexample
    if found.verdict != "different" or shown is None or shown.kind == "by name":
        return ""
    lacking = randomised(b if shown.side == "before" else a)
    y = {case: run(lacking, inputs) for case, inputs in finer(shown.inputs).items()}
    return "" if CHECKS[shown.kind](y, shown.outputs) else f"the other one {shown.kind} too"


def finer(inputs: dict[str, tuple[Tensor, ...]]) -> dict[str, tuple[Tensor, ...]]:
    """The inputs, and on a line smaller changes too: kinks that lie close look like a curve until they are parted."""
    if "x - u / 8" not in inputs:
        return inputs
    x, far = inputs["x"], inputs["x + u"]
    u = [b - a for a, b in zip(x, far, strict=True)]
    more: dict[str, tuple[Tensor, ...]] = {}
    for part in PARTS[1:]:
        more[f"x - u / {part}"] = tuple(a - b / part for a, b in zip(x, u, strict=True))
        more[f"x + u / {part}"] = tuple(a + b / part for a, b in zip(x, u, strict=True))
    return {**inputs, **more}


def joins_not(y: dict[str, Tensor], _: Any) -> bool:
    effect = y["x + u + v"] - y["x + u"] - y["x + v"] + y["x"]
    return bool(effect.abs().max() <= ROUNDING * max(t.abs().max() for t in y.values()))


def sees_not(y: dict[str, Tensor], outputs: Any) -> bool:
    effect = torch.cat([(u - x).flatten() for u, x in zip(outputs["x + u"], outputs["x"], strict=True)])
    return bool((effect.abs() > 0)[y["x + u"] == y["x"]].any())


def shares(y: dict[str, Tensor]) -> list[tuple[float, float]]:
    """The second difference for changes that are 8 times smaller, again and again: of the largest number, and of that
    for the larger."""
    found = []
    names = ["u", *(f"u / {part}" for part in PARTS)]
    for larger, smaller in pairwise(names):
        large, small = (y[f"x - {u}"] - 2 * y["x"] + y[f"x + {u}"] for u in (larger, smaller))
        place = large.abs().argmax()
        found.append(((small[place].abs() / y["x"].abs().max()).item(), (small[place] / large[place]).item()))
    return found


def shrink_not(y: dict[str, Tensor], factor: int) -> bool:
    """Whether second differences do not shrink by a factor, as far as rounding lets them be seen."""
    seen = [share for size, share in shares(y) if size >= 1e-12]
    return not seen or any(not 0.8 < share * factor < 1.25 for share in seen)


def spans_not(y: dict[str, Tensor], _: Any) -> bool:
    singular = torch.linalg.svdvals(torch.stack(list(y.values())))
    return bool(singular[-1] <= ROUNDING * singular[0])


CHECKS = {
    "joins": joins_not,
    "sees": sees_not,
    "curves": lambda y, _: shrink_not(y, 64),
    "bends": lambda y, _: shrink_not(y, 8),
    "spans": spans_not,
    "moves": lambda *_: True,  # weights are counted
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pair", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--share", default="1/1")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    part, parts = map(int, options.share.split("/"))
    pairs = [tuple(options.pair)] if options.pair else drawn(options.seed, options.count)[part - 1 :: parts]
    counts: Counter[str] = Counter()
    for one, other in pairs:
        a, b = loaded(one), loaded(other)
        start = time.process_time()
        found = a.equivalent(b)
        seconds = time.process_time() - start
        problem = wrong(a, b, found)
        counts.update([found.verdict, *(["slow"] if seconds > LIMIT else []), *(["wrong"] if problem else [])])
        print(f"{found.verdict:9} {seconds:5.1f} s  {one} {other}: {found.reason} {problem and f'WRONG: {problem}'}")
        sys.stdout.flush()
    print(f"{len(pairs)} pairs: {', '.join(f'{count} {word}' for word, count in counts.items())}")
    return int(counts["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
