"""What torch has no module for: what is left out at random in training, and the draw that several may share.

The emitted modules are of these classes, and a file of generated Python holds the text of those that it uses. So each
class needs torch and nothing else of this file. Random numbers come from torch's default generator of the tensors'
device. Nothing in Python depends on them, so that the classes compile as a whole.
"""

import torch
from torch import Tensor, nn


class Survive(nn.Module):
    """Stochastic depth: in training the input survives with probability p and is divided by p, else it is zero."""

    def __init__(self, p: float, per: str = "batch"):
        super().__init__()
        self.p = p
        self.per = per

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 1:
            return x
        factor = x.new_empty(x.size(0) if self.per == "image" else 1).bernoulli_(self.p)
        if self.p > 0:
            factor = factor / self.p
        return torch.where(factor > 0, x.movedim(0, -1) * factor, 0).movedim(-1, 0)

    def extra_repr(self) -> str:
        return f"p={self.p}, per={self.per}"


class DropMean(nn.Module):
    """The mean. In training each input is dropped with probability p, but one of them survives at least.

    With `columns` the inputs are the last of so many columns, and one more input says for each decision which column
    alone passes: where it is none of these inputs all pass, and where it is negative inputs are dropped as ever.
    """

    def __init__(self, p: float, columns: int = 0, per: str = "batch"):
        super().__init__()
        self.p = p
        self.columns = columns
        self.per = per

    def forward(self, *inputs: Tensor) -> Tensor:
        branches = inputs[:-1] if self.columns else inputs
        total = branches[0]
        if len(branches) == 1:
            return total
        if self.training:
            return self.survivors(branches, inputs[-1] if self.columns else None)
        for branch in branches[1:]:
            total = total + branch
        return total / len(branches)

    def survivors(self, branches: tuple[Tensor, ...], survivor: Tensor | None) -> Tensor:
        """The mean of the inputs that are not dropped, the images on the last axis until it is done."""
        size = branches[0].size(0) if self.per == "image" else 1
        luck = branches[0].new_empty((len(branches), size), dtype=torch.float32).uniform_()
        best = luck.argmax(0)  # where all are dropped, this one is any of them with equal chances
        first = self.columns - len(branches)
        total = count = branches[0].new_zeros(())
        for i, branch in enumerate(branches):
            kept = (luck[i] >= self.p) | (best == i)
            if survivor is not None:
                kept = torch.where(survivor < 0, kept, (survivor == first + i) | (survivor < first))
            total = total + torch.where(kept, branch.movedim(0, -1), 0)
            count = count + kept.type_as(count)
        return (total / count).movedim(-1, 0)

    def extra_repr(self) -> str:
        return f"p={self.p}, {f'columns={self.columns}, ' if self.columns else ''}per={self.per}"


class FreezeDropPath(nn.Module):
    """The sum. In training it ends with an input that is chosen at each forward, and that alone gets a gradient.

    The chances rise with the square of an input's place, fall with it, or are equal. With a `cycle` the inputs take
    turns in so many forwards, each as often as its chance says; `iteration` counts forwards in training.
    """

    iteration: Tensor

    def __init__(self, distribution: str = "rising", cycle: int = 0):
        super().__init__()
        self.distribution = distribution
        self.cycle = cycle
        if cycle:
            self.register_buffer("iteration", torch.zeros((), dtype=torch.long))

    def forward(self, *branches: Tensor) -> Tensor:
        if self.training:
            return self.chosen(branches)
        total = branches[0]
        for branch in branches[1:]:
            total = total + branch
        return total

    def chosen(self, branches: tuple[Tensor, ...]) -> Tensor:
        """The sum up to the chosen input, with those before it detached."""
        chances = [(j + 1) ** 2 if self.distribution != "uniform" else 1 for j in range(len(branches))]
        if self.distribution == "falling":
            chances.reverse()
        if self.cycle:
            # A tensor of the forward is in it so that torch.fx sees it change; quantisers take sums for floats.
            iteration = self.iteration - branches[0].new_zeros((), dtype=torch.long)
            self.iteration.copy_(iteration - (-1))
            position = iteration % self.cycle
        else:
            position = branches[0].new_empty((), dtype=torch.float32).uniform_()
        below, total, reached = 0, branches[0], position >= 0
        for i, branch in enumerate(branches):
            below += chances[i]
            end = -(-below * self.cycle // sum(chances)) if self.cycle else below / sum(chances)
            passed = position >= end
            branch = torch.where(passed, branch.detach(), branch)
            total = total + torch.where(reached, branch, 0) if i else branch
            reached = passed
        return total

    def extra_repr(self) -> str:
        return f"distribution={self.distribution}{f', cycle={self.cycle}' if self.cycle else ''}"


class Choice(nn.Module):
    """A random whole number below n, or -1 with probability 1 - share; always -1 in evaluation.

    The input tells the device and how many images there are.
    """

    def __init__(self, n: int, share: float = 1.0, per: str = "batch"):
        super().__init__()
        self.n = n
        self.share = share
        self.per = per

    def forward(self, x: Tensor) -> Tensor:
        size = x.size(0) if self.per == "image" else 1
        none = x.new_full((size,), -1, dtype=torch.long)
        if not self.training:
            return none
        luck = x.new_empty((size,), dtype=torch.float32).uniform_()
        return torch.where(luck < self.share, torch.randint_like(none, self.n), none)

    def extra_repr(self) -> str:
        return f"n={self.n}, share={self.share}, per={self.per}"


class DotProductAttention(nn.Module):
    """softmax(q k^T * scale) v. In training each weight, a number of the softmax, is dropped with probability p."""

    def __init__(self, p: float, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False):
        super().__init__()
        self.p = p
        self.is_causal = is_causal
        self.scale = scale
        self.enable_gqa = enable_gqa

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        p = self.p if self.training else 0.0
        settings = {"is_causal": self.is_causal, "scale": self.scale, "enable_gqa": self.enable_gqa}
        return nn.functional.scaled_dot_product_attention(q, k, v, mask, p, **settings)

    def extra_repr(self) -> str:
        return f"p={self.p}, is_causal={self.is_causal}, scale={self.scale}, enable_gqa={self.enable_gqa}"


_ALL: tuple[type[nn.Module], ...] = (Survive, DropMean, FreezeDropPath, Choice, DotProductAttention)
CLASSES = {cls.__name__: cls for cls in _ALL}
"""What a lowering calls `runtime.Survive` and so on."""
