"""What a check takes is bounded before it is paid: an answer, or a diagnostic that names the limit."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from language_files import METERED, TENTHS
from patience import IN_TIME, steps

import archc
from archc.dsl.format import format_source
from archc.dsl.limits import LIMITS, raised
from archc.dsl.source import Source

NET = "arch A {{ input x: [N, {0}]\n output x -> {1}\n{2} }}\n"
CHAIN = " -> ".join
OPEN = "1, H, W] = [1, 1, 64, 64"
RESNET = 'use resnet from "zoo/resnet.arch"\n'
FOLDED = "fold_batch_norm(resnet(depth = 18))"
LOOPS = "".join(f"for {name} in 1..20 {{ " for name in "abcd") + "order part{a}_{b}_{c}_{d}" + " }" * 4
GROWING = "(conv(1, 3, 2) -> upsample(2) -> maxpool(3, 2) -> upsample(3)) ** 1000"
PIECES = "{a}" * 30
NUMBERED = "a{1..}: conv(1, 3) ** 2007"


def _claims(form: str) -> str:
    return "".join(f"expect {form.format(i + 8)}\n" for i in range(2000))


TEXTS = {
    "a huge image": (["E0910"], NET.format("1, 100000, 100000", "conv(1, 3) ** 50", "expect receptive_field == 101")),
    "a large image": (["E0910"], NET.format("1, 9000, 9000", "conv(1, 3) ** 50", "expect receptive_field == 101")),
    "a huge kernel": (["E0910"], NET.format("1, 4096, 4096", "conv(1, 2001)", "expect receptive_field == 2001")),
    "many parts": (["E0913"], NET.format("10000000, 4, 4", "split(10000000) -> sum", "")),
    "unknown layers": (["E0201"] * 6000, NET.format("3, 8, 8", CHAIN(f"foo{i}" for i in range(6000)), "")),
    "unknown constants": (
        ["E0201"] * 4000,
        "".join(f"p{i} = q{i}\n" for i in range(4000)) + NET.format("3, 8, 8", "relu", ""),
    ),
    "one claim, often": ([], NET.format("3, 8, 8", "relu ** 200000", "expect macs == 0\n" * 200)),
    "claims that fail": (
        ["E0603"] * 200,
        NET.format("3, 8, 8", "relu ** 200000", "".join(f"expect count(relu) == {i}\n" for i in range(200))),
    ),
    "products of parameters": (
        ["E0912"],
        NET.format("3, 8, 8", "relu ** 20000", "").replace("A", f"A(_a: {'|'.join('12345678')} = 1, _b: 1|2|3|4 = 1)"),
    ),
    "figures at many sizes": (
        [],
        NET.format(OPEN, "conv(1, 3) ** 10000", _claims("macs at [1, 1, {0}, 9] > 0")),
    ),
    "fields at many sizes": (
        ["E0910"],
        NET.format(OPEN, "conv(1, 3) ** 100", _claims("receptive_field at [1, 1, {0}, {0}] > 0")),
    ),
    "figures of many layers": ([], NET.format("1, 8, 8", NUMBERED, _claims("macs(a{0}) > 0"))),
    "parameters of many layers": ([], NET.format("1, 8, 8", NUMBERED, _claims("params(a{0}) > 0"))),
    "fields of many layers": ([], NET.format("1, 8, 8", NUMBERED, _claims("receptive_field(a{0}) > 0"))),
    "depth at many sizes": ([], NET.format(OPEN, NUMBERED, _claims("depth at [1, 1, {0}, {0}] > 0"))),
    "paths at many sizes": (
        [],
        NET.format(OPEN, "sum(id, relu) ** 3000", _claims("paths at [1, 1, {0}, 9] > 0")),
    ),
    "layers that are not there": (["E0604"] * 2000, NET.format("1, 8, 8", NUMBERED, _claims("count(b{0}) > 0"))),
    "figures that differ": (["E0603"] * 2000, NET.format("1, 8, 8", NUMBERED, _claims("macs == {0}"))),
    "variants of one network": (["E0910"], RESNET + "".join(f"arch v{i} = resnet(depth = 50)\n" for i in range(1800))),
    "rewrites of one network": (["E0910"], RESNET + "".join(f"arch v{i} = {FOLDED}\n" for i in range(900))),
    "variants of variants": (
        ["E0910"],
        NET.format("3", "id", "") + "".join(f"arch A{i} = A\n" for i in range(3000)),
    ),
    "labels of an order": (["E0910"], NET.format("3", "id", LOOPS)),
    "pieces of a label": (["E0510"], "a = 111111111111\n" + NET.format("3", f"q{PIECES}z: relu", f"order q{PIECES}y")),
    "a rank that grows": (["E0910"], NET.format("3", "unsqueeze(1) ** 20000", "")),
    "sizes that grow": (
        ["E0910"],
        NET.format(OPEN, GROWING, ""),
    ),
    "parameters of a block": (
        ["E0910"],
        f"block b({', '.join(f'_p{i} = 1' for i in range(7000))}) = relu\n"
        + NET.format("3", "[b() for i in 1..3000]", ""),
    ),
    "many architectures": (
        ["E0912"],
        "".join(NET.format("3, 8, 8", "relu ** 200000", "").replace("A", f"A{i}") for i in range(50)),
    ),
}
RUN = (
    METERED
    + """
import archc
from archc.dsl.limits import raised

found = {}
for name, (text, limits) in json.load(sys.stdin).items():
    unit, start = loop(), time.process_time()
    with raised(limits):
        diagnostics = archc.check(text=text)
    spent = time.process_time() - start
    found[name] = [[d.code for d in diagnostics], spent, (unit + loop()) / 2]
json.dump(found, sys.stdout)
"""
)


LONG = {
    *("one claim, often", "claims that fail", "many architectures", "parameters of a block", "sizes that grow"),
    *("unknown constants", "depth at many sizes", "figures of many layers", "parameters of many layers"),
}
"""Texts that take most of the time whatever the limits, and those beside which every run tries one of their kind."""


@IN_TIME
def test_every_text_ends_in_two_seconds(patience: int) -> None:
    """And in 512 MB. Where the machine is busy, what a plain loop takes longer counts less.

    Every run takes a tenth of the limits that end a text, and the slow one the limits themselves.
    """
    quick = patience > 1
    texts = json.dumps(
        {
            name: (text, TENTHS.get("".join(codes), {}) if quick else {})
            for name, (codes, text) in TEXTS.items()
            if not (quick and name in LONG)
        }
    )
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, input=texts, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, (codes, spent, unit) in json.loads(done.stdout).items():
        assert codes == TEXTS[name][0], name
        assert spent < 2.5 * patience * max(1, unit / 0.016), (
            f"{name}: {spent:.2f} s, where a plain loop took {unit:.2f} s"
        )


def test_a_layout_does_not_start_anew_for_every_nested_body() -> None:
    """Half as deep and twice as many is as long, and takes about as much."""
    form = "arch A {{ input x: [N, 3]  output x\n{} }}"
    deep, flat = (
        Source(form.format(f"{'if true { ' * depth}require true {'} ' * depth}\n" * (800 // depth)), "a.arch")
        for depth in (80, 20)
    )
    format_source(flat)
    assert steps(lambda: format_source(deep)) < 2.5 * steps(lambda: format_source(flat))


def test_the_message_names_the_limit() -> None:
    for name, limit in (
        ("a huge image", "field_steps"),
        ("many parts", "layer_outputs"),
        ("products of parameters", "nodes"),
    ):
        codes, text = TEXTS[name]
        with raised(TENTHS.get("".join(codes), {})):
            (found,) = archc.check(text=text)
            assert f"{getattr(LIMITS, limit):,}" in found.message and found.span is not None
            assert "E0999" not in str(found)


@pytest.mark.parametrize("parts", [LIMITS.layer_outputs, LIMITS.layer_outputs + 1])
def test_parts_at_the_limit(parts: int) -> None:
    text = NET.format(f"{parts}, 4, 4", f"split({parts}) -> concat", "")
    assert [d.code for d in archc.check(text=text)] == ["E0913"] * (parts > LIMITS.layer_outputs)


def test_the_first_unknown_names_have_hints() -> None:
    found = archc.check(text=NET.format("3, 8, 8", CHAIN(f"con{i}" for i in range(6000)), ""))
    assert all(d.hints for d in found[:20]) and not found[-1].hints


def test_a_field_of_the_interface_is_refused_too() -> None:
    net = archc.loads(NET.format("1, 100000, 100000", "conv(1, 3) ** 50", ""))
    with pytest.raises(archc.ArchError, match="8,000,000 steps"):
        net.receptive_field()


def test_ways_are_counted_exactly() -> None:
    two = "a = x -> relu\n output a -> sum(id, relu) ** 40\n output b = a"
    assert archc.check(text=NET.format("3, 8, 8", "sum(id, relu) ** 62", "expect paths == 2 ** 62")) == []
    text = NET.format("3, 8, 8", "relu", "expect paths == 2 ** 40 + 1").replace("output x -> relu", two)
    assert archc.check(text=text) == []
