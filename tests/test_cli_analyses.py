"""`archc stats`, `archc paths` and `archc field`."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest


def said(text: str) -> str:
    """An error without the frame around it."""
    return " ".join(re.sub("[│╭╰─╮╯]", " ", text).split())


# --- stats ---------------------------------------------------------------------------------


def test_stats_by_kind_with_memory(archc, small: Path) -> None:
    result = archc("stats", small, "small", "--by", "kind", "--memory", "--format", "csv")
    rows = {row["kind"]: row for row in csv.DictReader(io.StringIO(result.out))}
    assert list(rows) == ["conv", "bn", "relu", "maxpool", "gap", "linear"]
    assert rows["conv"]["count"] == "2" and rows["conv"]["parameters"] == str(8 * 27 + 8 * 72)
    assert rows["conv"]["activations"] == str(2 * 8 * 32 * 32) and rows["relu"]["activations"] == "0"


def test_stats_at_other_sizes(archc, small: Path) -> None:
    def figures(*options: str) -> dict:
        return json.loads(archc("stats", small, "small", "--format", "json", *options).out)

    usual, larger = figures(), figures("--size", "H=64,W=64", "--batch", "4")
    convolutions = usual["multiply_adds"] - 80
    assert larger["multiply_adds"] == 4 * (4 * convolutions + 80)
    assert larger["sizes"] == {"N": 4, "H": 64, "W": 64} and larger["parameters"] == usual["parameters"]
    assert larger["kept"] > 15 * usual["kept"] and larger["training_bytes"] > larger["kept"]
    assert figures("--dtype", "float16")["weight_bytes"] < usual["weight_bytes"]
    assert "N" in usual["formulas"]["multiply_adds"]
    assert [row["kind"] for row in usual["kinds"]][:2] == ["conv", "bn"]


def test_stats_as_text(archc, small: Path) -> None:
    text = archc("stats", small, "small", "--memory", "--formulas", "--size", "H=16").out
    assert "kept for the backward pass" in text and "activations" in text.splitlines()[1]
    assert "[1, 3, 16, 32]" in text and "multiply-adds = " in text and "H * N * W" in text
    plain = archc("stats", small, "small").out
    assert "memory" not in plain and "activations" not in plain and " = " not in plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "H"], "of the form H=448"),
        (["--size", "H=4,H=8"], "each size once"),
        (["--size", "Q=4"], "has no size `Q`"),
        (["--size", "H=1"], "does not take H = 1"),
        (["--batch", "0"], "greater than or equal to 1"),
        (["--by", "colour"], "'colour' is not one of"),
        (["--dtype", "int8"], "'int8' is not one of"),
    ],
)
def test_stats_refuses(archc, small: Path, options: list[str], message: str) -> None:
    result = archc("stats", small, "small", *options)
    assert result.status == 2 and message in said(result.err) and result.out == ""


@pytest.mark.parametrize("name", ["dtype", "self", "sizes", "graph", "at", "place", "path", "other", "before"])
def test_a_size_may_be_called_like_an_option(archc, tmp_path: Path, name: str) -> None:
    spec = tmp_path / "net.arch"
    spec.write_text(f"arch A {{ input x: [N, 3, {name}, 8]  output x -> conv(4, 3) }}")
    size = ("--size", f"{name}=16")
    assert json.loads(archc("stats", spec, *size, "--format", "json").out)["multiply_adds"] == 3 * 4 * 9 * 16 * 8
    assert "[1, 4, 16, 8]" in archc("field", spec, "--at", "conv", *size).out
    assert archc("field", spec, *size).status == 0
    assert archc("equiv", spec, spec, *size).out.splitlines()[1].endswith(f"with {name} = 16")


def test_a_fixed_batch(archc, small: Path) -> None:
    small.write_text("arch a { input x: [2, 3, 8, 8]  output x -> conv(4, 3) }")
    assert "batch of this architecture is fixed" in said(archc("stats", small, "--batch", "4").err)


# --- paths ---------------------------------------------------------------------------------


def test_paths_of_resnet110(archc) -> None:
    result = archc("paths", "resnet110_cifar", "--by", "module", "--range", "19-35", "--range", "5-17")
    assert "18,014,398,509,481,984 paths" in result.out and "of which there are 54" in result.out
    assert "98.02 % have 19 to 35" in result.out and "0.45 % have 5 to 17" in result.out
    assert "mean 27.00" in result.out and "95.98 % have 20 to 34" in result.out


def test_paths_as_json(archc) -> None:
    found = json.loads(archc("paths", "ror3_110_cifar", "--by", "module", "--format", "json", "--range", "0-0").out)
    assert found["total"] == 2_251_851_353_686_018 and found["modules"] == 51
    assert sum(row["paths"] for row in found["counts"]) == found["total"]
    assert found["ranges"] == [{"from": 0, "to": 0, "paths": 9, "share": 9 / found["total"]}]


def test_paths_of_what_has_no_modules_and_of_long_counts(archc, small: Path) -> None:
    text = archc("paths", small, "small", "--by", "module").out
    assert "1 path from" in text and "of which there are none" in text and "--by layer" in text
    huge = archc("paths", "resnet1202_cifar").out
    assert "4.150e+180 paths" in huge and len(huge.splitlines()) < 35
    small.write_text("arch a { input x: [1, 1, 8, 8]  for i in 1..16000 { x = x + x }  output x -> conv(1, 1) }")
    exact = archc("paths", small, "--format", "json").out
    assert re.search(r'"total": \d{4817},', exact)
    assert "e+4816 paths" in archc("paths", small).out


@pytest.mark.parametrize("text", ["19", "35-19", "a-b", "-3"])
def test_ranges_that_are_none(archc, text: str) -> None:
    result = archc("paths", "fof", f"--range={text}")
    assert result.status == 2 and "of the form 19-35" in said(result.err)


# --- field ---------------------------------------------------------------------------------


def test_fields_of_all_layers(archc) -> None:
    lines = archc("field", "vgg16").out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines[2:]}
    assert rows["features.30"][1:5] == ["maxpool", "212", "32", "-90"]
    assert rows["classifier.0"][1:3] == ["linear", "all"]


def test_the_field_of_one_layer_at_the_borders(archc) -> None:
    text = archc("field", "vgg16", "--at", "features.30", "--size", "H=448").out
    assert "image height by place: 0: 0 to 121; 1: 0 to 153; 2: 0 to 185; 12: 294 to 447" in text
    found = json.loads(archc("field", "vgg16", "--at", "features.30", "--format", "json").out)
    (field,) = found["fields"]
    assert field["shape"] == [1, 512, 7, 7] and field["axes"][0]["size"] == 212 and field["axes"][0]["stride"] == 32
    assert field["axes"][1]["seen"][0] == [0, 121]


def test_fields_that_are_not_known(archc, small: Path) -> None:
    small.write_text("""extern own()(x: [N, C, H, W]) -> [N, C, H, W]
      arch a { input x: [N, 3, 8, 8]  output x -> a: conv(4, 3, dilation = 2) -> b: own -> c: conv(4, 3) }""")
    text = archc("field", small).out
    assert "5*" in text and "it is not known what places see: `own` at" in text
    missing = archc("field", small, "--at", "d")
    assert missing.status == 2 and "no layer or scope `d`" in said(missing.err)


def test_totals_say_which_layers_they_lack(archc, small: Path) -> None:
    small.write_text("""extern own()(x: [N, C, H, W]) -> [N, C, H, W] {}
      arch a(c = 4) { input x: [N, 3, 8, 8]  output x -> conv(c, 3) -> own }
      arch b = a(c = 5)""")
    for asked in (["stats", f"{small}:a"], ["check", small], ["diff", f"{small}:a", f"{small}:b"]):
        assert re.search(r"multiply-adds (are )?without (those of )?own", archc(*asked).out), asked
    assert json.loads(archc("stats", f"{small}:a", "--format", "json").out)["lacks"] == ["own"]
    assert json.loads(archc("diff", f"{small}:a", f"{small}:b", "--format", "json").out)["after"]["lacks"] == ["own"]
    (spec,) = json.loads(archc("check", small, "--format", "json").out)["specs"]
    assert [found["lacks"] for found in spec["architectures"]] == [["own"], ["own"]]


@pytest.mark.parametrize(("states", "lacking"), [("macs = 5", "depth"), ("depth = 1", "multiply-adds")])
def test_only_the_figure_that_is_not_stated_is_lacking(archc, small: Path, states: str, lacking: str) -> None:
    small.write_text(f"""extern own()(x: [N, C, H, W]) -> [N, C, H, W] {{ {states} }}
      arch a {{ input x: [N, 3, 8, 8]  output x -> conv(4, 3) -> own }}""")
    summary = next(line for line in archc("stats", small).out.splitlines() if line.startswith("depth"))
    assert [re.search(rf"{figure}[^,]*without own", summary) is not None for figure in ("depth", "multiply-adds")] == [
        lacking == "depth", lacking == "multiply-adds",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["paths", "field", "stats"])
def test_help_has_examples(archc, name: str) -> None:
    text = archc(name, "--help").out
    assert len([line for line in text.splitlines() if line.strip().startswith(f"archc {name} ")]) >= 2


# --- claims --------------------------------------------------------------------------------


def test_claims_about_receptive_fields(archc, small: Path) -> None:
    spec = """arch a {{ input x: [N, 3, H, W] = [1, 3, 64, 64]
      output x -> a: conv(4, 3, 2) -> b: conv(4, [3, 5]) -> gap
      {} }}"""
    small.write_text(spec.format("expect receptive_field(a) == 3  expect receptive_field(b) == [7, 11]"))
    assert archc("check", small).status == 0
    small.write_text(spec.format("expect receptive_field(a) == 5"))
    wrong = archc("check", small)
    assert wrong.status == 1 and "and it is 3" in wrong.err
    small.write_text(spec.format("expect receptive_field == 5"))
    assert "depends on the size of the image" in archc("check", small).err


@pytest.mark.parametrize("command", ["stats", "paths", "field", "draw", "diff", "plot"])
def test_a_failing_claim_hides_nothing_from_who_looks(archc, command: str, small: Path) -> None:
    small.write_text("arch A { input x: [N, 3, 8, 8]  output x -> conv(4, 3) -> gap  expect params == 1 }")
    shown = archc(command, small.name, *(["nin_cifar"] if command == "diff" else []))
    assert shown.status == 0 and shown.out
    assert "warning[E0603]: expected params == 1, and it is 108" in shown.err
    refused = archc("compile", small.name)
    assert refused.status == 1 and "error[E0603]" in refused.err
