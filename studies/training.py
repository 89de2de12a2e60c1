"""The trainer of the studies: seeded, with a progress bar, and resumable to the bit.

After every epoch it leaves a checkpoint. A run that was stopped goes on from there, and one that was finished is
loaded. What an epoch does depends on the seed and its number alone, so a run that was stopped ends with the same bits
as one that was not, on the same machine with as many threads.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from digits import Digits
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, fx, nn
from torch.nn.functional import cross_entropy

import archc

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Plan:
    """What is trained, and how: stochastic gradient descent with momentum, the rate rising over the first tenth of the
    steps and falling to 0 along a cosine."""

    spec: str
    arch: str
    parameters: dict[str, Any] = field(default_factory=dict)
    epochs: int = 20
    batch: int = 64
    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 1e-4
    seed: int = 0

    @property
    def title(self) -> str:
        given = "".join(f" {key}={value}" for key, value in self.parameters.items())
        return f"{self.arch}{given} seed={self.seed}"

    def net(self) -> archc.Architecture:
        return archc.load(HERE / self.spec, self.arch, **self.parameters)

    def file(self, digits: Digits) -> str:
        """The name of its checkpoint. Another plan, spec or set of digits has another."""
        text = json.dumps(asdict(self), sort_keys=True) + (HERE / self.spec).read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode())
        digest.update(digits.images.cpu().numpy().tobytes())
        return f"{self.arch}-{digest.hexdigest()[:12]}.pt"


@dataclass(frozen=True)
class Trained:
    """A network after training, in evaluation mode, and the mean loss of every epoch."""

    net: archc.Architecture
    module: fx.GraphModule
    losses: list[float]


Batches = Callable[[Digits, torch.Generator], Digits]
"""What becomes of the digits before an epoch."""


def train(
    plan: Plan,
    digits: Digits,
    folder: Path,
    device: str = "cpu",
    prepare: Batches = lambda digits, _: digits,
) -> Trained:
    """Trains a plan, or goes on with it, or loads what is finished. `folder` keeps the checkpoints."""
    net = plan.net()
    module = net.module(device=device, seed=plan.seed)
    optimizer = torch.optim.SGD(
        module.parameters(), plan.rate, plan.momentum, weight_decay=plan.decay, nesterov=plan.momentum > 0
    )
    path = folder / plan.file(digits)
    losses = _resume(path, module, optimizer, device)
    with _progress(plan, len(losses)) as advance:
        for epoch in range(len(losses), plan.epochs):
            losses.append(_epoch(plan, epoch, module, optimizer, digits, device, prepare))
            _save(path, module, optimizer, losses)
            advance(losses[-1])
    return Trained(net, module.eval(), losses)


def _epoch(
    plan: Plan,
    epoch: int,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    digits: Digits,
    device: str,
    prepare: Batches,
) -> float:
    """One pass over the digits, in an order of its own; the mean loss."""
    generator = torch.Generator().manual_seed(plan.seed * 100_003 + epoch)
    order = torch.randperm(len(digits), generator=generator)
    digits = prepare(digits, generator).to(device)
    parts = [part for part in order.split(plan.batch) if len(part) == min(plan.batch, len(digits))]
    total = torch.zeros((), device=device)
    module.train()
    for step, part in enumerate(parts):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * _warmth((epoch + step / len(parts)) / plan.epochs)
        loss = cross_entropy(logits(module(digits.images[part])), digits.classes[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach()
    return float(total) / len(parts)


def _warmth(done: float, rising: float = 0.1) -> float:
    """The rate as a part of the highest one, where this part of the training is done."""
    return (done + 1e-3) / rising if done < rising else (1 + cos(pi * (done - rising) / (1 - rising))) / 2


def logits(result: Any) -> Tensor:
    """The scores of the classes, of what a network returns."""
    return result["logits"] if isinstance(result, dict) else result


def error(module: nn.Module, digits: Digits, batch: int = 500) -> float:
    """The share of digits that the module takes for another class. Its mode stays as it is."""
    with torch.no_grad():
        parts = zip(digits.images.split(batch), digits.classes.split(batch), strict=True)
        wrong = sum(int((logits(module(images)).argmax(1) != classes).sum()) for images, classes in parts)
    return wrong / len(digits)


def _save(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float]) -> None:
    """Writes the checkpoint beside its place and moves it there, so that it is whole whenever the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".writing")
    torch.save({"module": module.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}, beside)
    os.replace(beside, path)


def _resume(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, device: str) -> list[float]:
    """The losses of the epochs that are done, after loading what they came to."""
    if not path.exists():
        return []
    state = torch.load(path, map_location=device, weights_only=True)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    return state["losses"]


@contextmanager
def _progress(plan: Plan, done: int) -> Iterator[Callable[[float], None]]:
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeElapsedColumn()) as bar:
        task = bar.add_task(plan.title, total=plan.epochs, completed=done, loss="")
        yield lambda loss: bar.update(task, advance=1, loss=f"loss {loss:.4f}")
