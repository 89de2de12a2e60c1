"""`archc.from_torch` of modules that use one layer, or one weight, several times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archc


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.trunk(a) - self.trunk(b)


class NormTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(3)

    def forward(self, a: Tensor) -> Tensor:
        return self.bn(self.bn(a))


@pytest.mark.parametrize(("source", "count"), [(NormTwice(), 1), (Siamese(), 2)])
def test_a_batch_norm_applied_twice_is_shared(source: nn.Module, count: int) -> None:
    """Its running statistics and its count of batches go on from one application to the next."""
    net = archc.from_torch(source, *[(2, 3, 8, 8)] * count)
    assert "shared" in net.source() and not net.warnings
    for made in (net.module(), archc.loads(net.source()).module()):
        assert list(made.state_dict()) == list(source.state_dict())
        made.load_state_dict(source.state_dict())
        for mode in (True, False):
            x = [torch.randn(3, 3, 9, 7) for _ in range(count)]
            assert torch.equal(source.train(mode)(*x), made.train(mode)(*x))
            after = source.state_dict()
            assert all(torch.equal(tensor, after[name]) for name, tensor in made.state_dict().items())


class Language(nn.Module):
    """The table of an embedding is the weight of the last layer."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.wte, self.ln, self.head = nn.Embedding(10, 4), nn.LayerNorm(4), nn.Linear(4, 10, bias=bias)
        self.head.weight = self.wte.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.ln(self.wte(x)))


class Alike(nn.Module):
    """Two layers of one kind with one weight, and biases of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)))


class Norms(nn.Module):
    """Two norms of one kind with one weight."""

    def __init__(self, kind: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.a, self.b = kind(), kind()
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)))


@pytest.mark.parametrize(
    ("kind", "name"), [(lambda: nn.BatchNorm1d(4), "batch_norm"), (lambda: nn.GroupNorm(2, 4), "group_norm")]
)
def test_two_norms_with_one_weight_are_refused(kind: Callable[[], nn.Module], name: str) -> None:
    with pytest.raises(archc.ArchError, match=f"`{name}` with a weight that .* in `a`") as refusal:
        archc.from_torch(Norms(kind), (2, 4))
    assert refusal.value.diagnostics[0].code == "E1204"


class Autoencoder(nn.Module):
    """A parameter is the weight of a layer, and transposed that of another."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 4))
        self.shift = nn.Parameter(torch.zeros(4))
        self.enc = nn.Linear(4, 3)
        self.enc.weight = self.w

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.relu(self.enc(x)), self.w.t()) + self.shift


TIED = [
    (Language(False), "int:1,6", "wte.weight", "head.weight", "head: linear(10, bias = false, weight = wte_weight)"),
    (Language(True), "int:1,6", "wte.weight", "head.weight", "head: linear(10, weight = wte_weight"),
    (Alike(), (1, 4), "a.weight", "b.weight", "b: linear(4, weight = a_weight"),
    (Autoencoder(), (1, 4), "w", "enc.weight", "enc: linear(3, weight = w"),
]


@pytest.mark.parametrize(("source", "like", "name", "second", "text"), TIED)
def test_a_weight_with_two_names_has_both(source: nn.Module, like: Any, name: str, second: str, text: str) -> None:
    net = archc.from_torch(source, like)
    assert text in net.source() and not net.warnings
    for made in (net.module(), archc.loads(net.source()).module()):
        assert list(made.state_dict()) == list(source.state_dict())
        assert made.get_parameter(name) is made.get_parameter(second)
        made.load_state_dict(source.state_dict())
        x = torch.randint(10, (3, 5)) if isinstance(like, str) else torch.randn(3, 4)
        assert torch.equal(source(x), made(x))


class Again(nn.Module):
    """A module with a tensor of its own, applied twice."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Autoencoder()

    def forward(self, x: Tensor) -> Tensor:
        return self.part(self.part(x))


def test_a_tensor_of_what_is_applied_twice_is_one() -> None:
    source = Again()
    net = archc.from_torch(source, (1, 4))
    for made in (net.module(), archc.loads(net.source()).module()):
        made.load_state_dict(source.state_dict())
        x = torch.randn(3, 4)
        assert torch.equal(source(x), made(x))


class Scaled(nn.Module):
    """A module with a learned tensor, and one that no checkpoint has, beside its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.g = nn.Linear(4, 4), nn.Parameter(torch.randn(4))
        self.register_buffer("mix", torch.randn(4, 4), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.fc(x) * self.g) @ self.mix


class Blend(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.g = nn.Linear(4, 4), nn.Parameter(torch.randn(4))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.fc(a * self.g) + b


class Blends(nn.Module):
    """Calls a module with one tensor in two places, then with two."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Blend()

    def forward(self, x: Tensor) -> Tensor:
        return self.part(self.part(x, x), x)


class Calling(nn.Module):
    """Calls a module again, and what holds it; perhaps with tensors of another rank, where it does something else."""

    def __init__(self, alike: bool) -> None:
        super().__init__()
        self.part, self.alike = nn.Sequential(Scaled(), nn.ReLU()), alike

    def forward(self, x: Tensor) -> Tensor:
        y = self.part(torch.tanh(self.part(x)))
        return y if self.alike else self.part(y[:, None])[:, 0] + self.part[0](x)


@pytest.mark.parametrize(("source", "shared"), [(Calling(True), True), (Calling(False), False), (Blends(), False)])
def test_a_module_with_tensors_of_its_own_is_one_shared_part(source: nn.Module, shared: bool) -> None:
    """Where its calls are alike; else it is written out for each call."""
    net = archc.from_torch(source, (1, 4))
    assert ("shared part = " in net.source()) == shared and net.source().count("param g") == 1
    for made in (net.module(), archc.loads(net.source()).module()):
        assert list(made.state_dict()) == list(source.state_dict())
        made.load_state_dict(source.state_dict())
        for batch in (1, 3):
            x = torch.randn(batch, 4)
            assert torch.equal(source(x), made(x))


@pytest.mark.parametrize(("source", "like", "name", "second", "text"), TIED)
def test_a_weight_has_both_names_in_an_exported_program(
    source: nn.Module, like: Any, name: str, second: str, text: str, tmp_path: Path
) -> None:
    x = torch.randint(10, (3, 5)) if isinstance(like, str) else torch.randn(3, 4)
    torch.export.save(torch.export.export(source, (x,)), tmp_path / "tied.pt2")
    net = archc.load(tmp_path / "tied.pt2")
    for made in (net.module(), archc.loads(net.source()).module()):
        assert made.get_parameter(name) is made.get_parameter(second)
        made.load_state_dict(source.state_dict())
        assert torch.equal(source(x), made(x))


class Nested(nn.Module):
    """Layers in lists of lists, of which two have one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 4))
        self.dec = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
        self.dec[0][0].weight = self.enc[0][0].weight

    def forward(self, x: Tensor) -> Tensor:
        return self.dec(self.enc(x))


def test_what_has_one_weight_may_stand_in_lists_of_lists() -> None:
    source = Nested()
    made = archc.loads(archc.from_torch(source, (1, 4)).source()).module()
    assert made.get_parameter("dec.0.0.weight") is made.get_parameter("enc.0.0.weight")
    made.load_state_dict(source.state_dict())
    x = torch.randn(3, 4)
    assert torch.equal(source(x), made(x))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Conv2d(4, 4, 1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor, scale: float = 2.0) -> Tensor:
        return torch.sigmoid(self.gate(mask)) * self.conv(x) * scale


class CallsGated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gated, self.last = Gated(), Gated()
        self.again = self.gated

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.last(mask=self.gated(a, mask=torch.relu(b)), x=self.again(b, a))


def test_modules_are_called_as_their_forward_is_declared() -> None:
    source = CallsGated()
    a, b = torch.randn(2, 2, 4, 8, 8)
    net = archc.from_torch(source, (1, 4, 8, 8), (1, 4, 8, 8))
    for made in (net.module(weights=source), archc.loads(net.source()).module(weights=source)):
        assert torch.equal(source(a, b), made(a, b))
        for name in ("gated", "last"):
            part, other = source.get_submodule(name), made.get_submodule(name)
            assert torch.equal(part(a, b), other(a, b)) and torch.equal(part(x=a, mask=b), other(x=a, mask=b))


class Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.drop, self.fc = nn.Dropout(0.2), nn.Linear(4, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.drop(self.relu(self.norm(self.conv(x))).mean((2, 3))))


class Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = Tower()
        self.second = self.tower

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.tower(a) - self.second(b)


class Levels(nn.Module):
    """Returns what it makes last first, and what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        a = self.one(x + y)
        return {"deep": self.two(a), "given": y, "shallow": a}


class Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.levels, self.last = Levels(), Levels()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        first = self.levels(a, b)
        again = self.levels(first["shallow"], first["deep"])
        last = self.last(again["deep"], again["shallow"])
        return last["shallow"] + 2 * last["deep"]


def test_modules_return_their_tensors_as_their_forward_does() -> None:
    source = Pyramid().eval()
    net = archc.from_torch(source, (2, 4, 8, 8), (2, 4, 8, 8))
    a, b = torch.randn(2, 2, 4, 8, 8)
    for made in (net.module(), archc.loads(net.source()).module()):
        made.load_state_dict(source.state_dict())
        assert torch.allclose(made.eval()(a, b), source(a, b), atol=1e-6)
        for name in ("levels", "last"):
            found, wanted = made.get_submodule(name)(a, b), source.get_submodule(name)(a, b)
            assert len(found) == 3 and all(map(torch.allclose, found, wanted.values()))


def test_a_module_that_is_called_twice_is_one_shared_part() -> None:
    source = Towers()
    net = archc.from_torch(source, (1, 3, 8, 8), (1, 3, 8, 8))
    text = net.source()
    assert "shared tower = " in text and "second: tower" in text
    a, b = torch.randn(2, 2, 3, 8, 8)
    for made in (net.module(weights=source), archc.loads(text).module(weights=source)):
        assert made.get_submodule("tower") is made.get_submodule("second")
        assert torch.equal(source.eval()(a, b), made.eval()(a, b))
        assert torch.equal(source.tower(a), made.get_submodule("tower")(a))


class Loop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = x + self.cell(x)
        return x


def test_a_module_that_a_loop_calls_is_one_shared_part() -> None:
    source = Loop()
    net = archc.from_torch(source, (1, 3, 8, 8))
    assert "shared cell = [conv(3, 3, bias = true), relu]" in net.source()
    made = net.module(weights=source)
    x = torch.randn(2, 3, 8, 8)
    assert isinstance(made.get_submodule("cell"), nn.Sequential)
    assert torch.equal(source(x), made(x)) and torch.equal(source.cell(x), made.get_submodule("cell")(x))


class Critic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.bound = nn.Linear(3, 1), nn.Linear(1, 1)
        nn.init.constant_(self.bound.bias, -4.6)

    def forward(self, x: Tensor) -> Tensor:
        return self.bound(self.fc(x))


def test_the_one_number_of_a_layer_does_not_tell_how_it_starts() -> None:
    text = archc.from_torch(Critic(), (1, 3)).source()
    assert "fc: linear(1)" in text and "bound: linear(1, bias = constant(-4.6))" in text


@pytest.mark.parametrize("name", ["graph", "code", "meta", "lambda", "a b"])
def test_names_that_modules_of_fx_cannot_have_are_refused(name: str) -> None:
    source = nn.Sequential()
    source.add_module(name, nn.Linear(2, 2))
    with pytest.raises(archc.ArchError, match=f"`{name}`") as refusal:
        archc.from_torch(source, (1, 2))
    assert refusal.value.diagnostics[0].code == "E1204"
