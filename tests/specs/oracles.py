"""The peers that the shipped specs are held against: one row for every spec and library that has the same network."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import archc

LIBRARIES = ("torchvision", "timm", "pytorchcv", "pretrainedmodels", "transformers")


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: a shipped architecture with its parameters, and the peer that must compute the same.

    `text` is a few lines of `.arch` that define `spec` by a shipped family, which does not name the variant itself.
    `oracle` is the peer's name in its library, `options` what its constructor takes; `make` builds it where the library
    has no name for it (then `oracle` says what it is). `shape` is that of the images compared; with `draws` they see
    what this makes of a generator instead. `renamed` turns the peer's names into the spec's where neither the names
    agree nor the structure decides: pairs for `re.sub`, applied in order. `why` says why a row is
    not zero, and `within` the largest |Δ| that this explains. Rows marked `quick` belong to every run of the tests.
    """

    spec: str
    library: str
    oracle: str
    set: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    make: Callable[[], nn.Module] | None = None
    shape: tuple[int, ...] = (2, 3, 64, 64)
    draws: Callable[[torch.Generator], tuple[Tensor, ...]] | None = None
    renamed: tuple[tuple[str, str], ...] = ()
    why: str = ""
    within: float = 0.0
    quick: bool = False

    @property
    def variant(self) -> str:
        """The spec's call: ``resnet_cifar(depth = 110)``."""
        given = ", ".join(
            f"{key} = {str(value).lower() if isinstance(value, bool) else value}" for key, value in self.set.items()
        )
        return f"{self.spec}({given})" if given else self.spec

    @property
    def label(self) -> str:
        return f"{self.variant} = {self.library} {self.oracle}"

    def inputs(self) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(1)
        return (torch.randn(self.shape, generator=generator),) if self.draws is None else self.draws(generator)

    def ours(self) -> archc.Architecture:
        if self.text:
            return archc.loads(self.text, self.spec, **self.set)
        return archc.load(self.spec, **self.set)

    def theirs(self, device: str = "cpu") -> nn.Module:
        """The peer, freshly initialised."""
        with torch.device(device):
            return self.make() if self.make is not None else BUILDERS[self.library](self.oracle, self.options)


def from_torchvision(name: str, options: dict[str, Any]) -> nn.Module:
    import torchvision.models

    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False, **options}
    return torchvision.models.get_model(name, weights=None, **options)


def from_timm(name: str, options: dict[str, Any]) -> nn.Module:
    import timm

    return timm.create_model(name, pretrained=False, **options)


def from_pytorchcv(name: str, options: dict[str, Any]) -> nn.Module:
    from pytorchcv.model_provider import get_model

    return get_model(name, pretrained=False, **options)


def from_pretrainedmodels(name: str, options: dict[str, Any]) -> nn.Module:
    import pretrainedmodels

    return getattr(pretrainedmodels, name)(num_classes=1000, pretrained=None, **options)


def from_transformers(name: str, options: dict[str, Any]) -> nn.Module:
    """The class with a configuration of these settings."""
    import transformers

    kind = getattr(transformers, name)
    return kind(kind.config_class(**options))


BUILDERS: dict[str, Callable[[str, dict[str, Any]], nn.Module]] = {
    "torchvision": from_torchvision,
    "timm": from_timm,
    "pytorchcv": from_pytorchcv,
    "pretrainedmodels": from_pretrainedmodels,
    "transformers": from_transformers,
}


def words(count: int, *shape: int) -> Callable[[torch.Generator], tuple[Tensor, ...]]:
    """Draws words, numbers below `count`, of this shape."""
    return lambda generator: (torch.randint(count, shape, generator=generator),)


def averaged_globally(net: nn.Module, pool: str = "features.final_pool") -> nn.Module:
    """A peer whose last pool, of a fixed size, is replaced by an average of the whole map, however large that is.

    At the size that the peer was made for both are the same average, in another order of summation.
    """
    net.set_submodule(pool, nn.AdaptiveAvgPool2d(1))
    return net


def families() -> dict[str, list[Row]]:
    """The rows of each family, by the name of its file in `rows/`."""
    folder = str(Path(__file__).parent / "rows")
    names = sorted(module.name for module in pkgutil.iter_modules([folder]))
    return {name: list(importlib.import_module(f"rows.{name}").ROWS) for name in names}
