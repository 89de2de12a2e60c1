"""Modules that share their weights: as `shared` has them, and untied again."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from random_nets import Net, agree, double, image, nets

import archc

UNIT = "block unit() = id + (c: conv(4, 3) -> b: bn -> relu -> conv(4, 1)) -> relu\n"
TWICE = "block twice() { shared c = conv(4, 3)   output in -> c -> c -> bn }\n"
SCALED = "block scaled() { param s = ones([1])   output in * s -> conv(4, 3) }\n"


def written(body: str) -> archc.Architecture:
    return archc.loads(f"{UNIT}{TWICE}{SCALED}arch A {{ input x: [N, 4, 8, 8]   {body} }}")


@pytest.mark.parametrize(
    ("before", "groups", "after"),
    [
        (
            "output x -> u1: unit() -> u2: unit() -> u3: unit()",
            [["u1", "u3"]],
            "shared f = unit()   output x -> u1: f -> u2: unit() -> u3: f",
        ),
        (
            "output x -> a: conv(4, 3) -> relu -> b: conv(4, 3)",
            ["b", "a"],
            "shared f = conv(4, 3)   output x -> a: f -> relu -> b: f",
        ),
        (
            "output (x -> a: unit()) + (x -> b: unit())",
            ["a", "b"],
            "shared f = unit()   output (x -> a: f) + (x -> b: f)",
        ),
    ],
)
def test_tied_is_shared(before: str, groups: list[list[str]], after: str) -> None:
    net, wanted = written(before), written(after)
    tied = net.rewrite("tie", modules=groups)
    assert not tied.diff(wanted) and tied.stats().parameters == wanted.stats().parameters < net.stats().parameters
    module, shared = double(tied), double(wanted)
    assert sorted(module.state_dict()) == sorted(shared.state_dict())
    shared.load_state_dict(module.state_dict())
    x = image(2, 4, 8, 8)
    assert agree(module, shared, x) and agree(module.train(), shared.train(), x)
    assert [(n.op.kind, n.path, n.owner) for n in tied.ir.nodes] == [
        (n.op.kind, n.path, n.owner) for n in wanted.ir.nodes
    ]


def test_a_checkpoint_loads_where_the_weights_are_equal() -> None:
    net = written("output x -> u1: unit() -> u2: unit()")
    tied = net.rewrite("tie", modules=["u1", "u2"])
    module = double(net)
    with pytest.raises(archc.ArchError, match=r"E0814.*\n.*u1\.c\.weight and u2\.c\.weight"):
        double(tied, module.state_dict())
    state = {name: module.state_dict()[name.replace("u2", "u1")] for name in module.state_dict()}
    module.load_state_dict(state)
    assert agree(module, double(tied, state), image(2, 4, 8, 8))


@pytest.mark.parametrize(
    ("body", "group", "code", "message"),
    [
        ("output x -> a: conv(4, 3) -> b: conv(4, 5)", ["a", "b"], "E0448", "`a` and `b` are different layers"),
        ("output x -> a: conv(8, 3) -> b: conv(8, 3)", ["a", "b"], "E0448", "are different layers"),
        ("output x -> a: conv(4, 3) -> frozen(b: conv(4, 3))", ["a", "b"], "E0448", "are different layers"),
        ("output x -> a: unit() -> b: (unit() -> gap)", ["a", "b"], "E0448", "`b` has a part `gap`, and `a` has none"),
        ("output x -> a: unit() -> b: conv(4, 3)", ["a", "b"], "E0448", "`a` has a part `b`"),
        ("output x -> a: unit()", ["a", "a.c"], "E0448", "lie in one another"),
        ("output x -> a: unit()", ["a", "b"], "E0443", "no module `b`"),
        ("output x -> a: unit()", ["a", "a"], "E0303", "two different modules"),
        ("output x -> a: unit()", [], "E0303", "must list modules"),
    ],
)
def test_what_is_not_tied(body: str, group: list[str], code: str, message: str) -> None:
    with pytest.raises(archc.ArchError, match=message) as error:
        written(body).rewrite("tie", modules=group)
    assert [d.code for d in error.value.diagnostics] == [code]


def test_untied_modules_start_as_one_and_have_their_own_weights() -> None:
    net = written("shared f = unit()   output x -> one: f -> two: f -> f")
    untied = net.rewrite("untie", modules="one")
    module = double(net)
    apart = double(untied, module.state_dict())
    x = image(2, 4, 8, 8)
    assert agree(module, apart, x)
    names = [n for n in module.state_dict() if n.startswith("one.")]
    assert list(apart.state_dict()) == [n.replace("one", u) for u in ("one", "two", "one_3") for n in names]
    assert len({tensor.data_ptr() for tensor in apart.parameters()}) == 3 * len(list(module.parameters()))
    # A checkpoint of the result loads as it is, weights that have parted included.
    with torch.no_grad():
        apart.get_parameter("one_3.c.weight").add_(1)
    assert agree(apart, double(untied, apart.state_dict()), x) and not agree(module, apart, x)


def test_untied_layers() -> None:
    net = written("shared f = conv(4, 3)   output x -> f -> relu -> f")
    untied = net.rewrite("untie", modules="f")
    module = double(net)
    assert list(untied.module(seed=0).state_dict()) == ["f.weight", "f_2.weight"]
    assert agree(module, double(untied, module.state_dict()), image(2, 4, 8, 8))


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (
            "shared f = id + (c: conv(4, 3) -> n: fresh(bn))   output x -> f -> f",
            {"f.c", "f.n.0", "f_2.c", "f_2.n.0"},
        ),
        (
            "shared f = fresh(bn) -> c: conv(4, 3) -> m: fresh(bn -> conv(4, 1))   output x -> f -> relu -> f -> g: f",
            {f"{f}.{name}" for f in ("f", "g", "f_3") for name in ("bn.0", "c", "m.0.bn", "m.0.conv")},
        ),
        ("shared f = scaled()   output x -> f -> f", {"f", "f.conv", "f_2", "f_2.conv"}),
        ("shared f = scaled()   output x -> a: f -> b: f", {"a", "a.conv", "b", "b.conv"}),
        ("shared f = twice()   output x -> f -> f", {"f.c", "f.bn", "f_2.c", "f_2.bn"}),
        ("shared f = g: twice() -> conv(4, 1)   output x -> f -> f", {"f.g.c", "f.g.bn", "f.conv", "f_2.g.c"}),
    ],
)
def test_all_of_an_application_goes_with_it(body: str, names: set[str]) -> None:
    """Layers that are fresh at each application, parameters, and what is shared within."""
    net = written(body)
    shared = next(name for name in ("f", "a") if name in net.ir.root.children)
    module, untied = double(net), net.rewrite("untie", modules=shared)
    apart = double(untied, module.state_dict())
    assert names <= {n.rpartition(".")[0] for n in apart.state_dict()}
    assert agree(module, apart, image(2, 4, 8, 8))
    read = archc.loads(untied.source())
    assert not untied.diff(read) and read.stats().parameters == untied.stats().parameters
    with pytest.raises(archc.ArchError, match="E0440"):
        untied.rewrite("untie", modules=shared)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("output x -> f: conv(4, 3)", "E0440", "applied once"),
        ("shared c = conv(4, 3)   output x -> f: c -> c", "E0443", "no module `g`"),
    ],
)
def test_what_is_not_untied(body: str, code: str, message: str) -> None:
    with pytest.raises(archc.ArchError, match=message) as error:
        written(body).rewrite("untie", modules="g" if code == "E0443" else "f")
    assert [d.code for d in error.value.diagnostics] == [code]


def test_what_is_applied_elsewhere_too_is_untied_first() -> None:
    net = written("shared f = conv(4, 3) -> bn   output x -> f -> f -> last: bn")
    with pytest.raises(archc.ArchError, match=r"E0448.*applied 2 or 3 times"):
        net.rewrite("tie", modules=["f.bn", "last"]).rewrite("untie", modules="f")


def test_untie_and_tie_are_inverse() -> None:
    net = written("shared f = unit()   output x -> a: f -> bn -> b: f")
    back = net.rewrite("untie", modules="a").rewrite("tie", modules=["a", "b"])
    assert not net.diff(back)
    assert [(n.op.kind, n.path, n.owner) for n in back.ir.nodes] == [(n.op.kind, n.path, n.owner) for n in net.ir.nodes]


@settings(max_examples=15)
@given(net=nets())
def test_random_nets(net: Net) -> None:
    before = net.architecture
    module = double(before)
    x = image(2, 3, 8, 8)
    cells = net.of_kind("cell")
    if cells:
        untied = before.rewrite("untie", modules=cells)
        apart = double(untied, module.state_dict())
        assert agree(module, apart, x)
        assert all(n.owner == n.index for n in untied.ir.nodes if n.path.startswith(cells[0]))
    kinds = {label: before.ir.root.children.get(label) for label in net.of_kind("plain", "residual")}
    for one, a in kinds.items():
        for other, b in kinds.items():
            try:
                tied = before.rewrite("tie", modules=[one, other]) if one < other else None
            except archc.ArchError as error:
                assert [d.code for d in error.diagnostics] == ["E0448"]
                continue
            if tied is not None and a is not None and b is not None:
                state = double(tied).state_dict()
                assert agree(double(tied, state), double(before, state), x)
