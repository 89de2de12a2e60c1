"""The `archc` command: what it prints, what it leaves behind, how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archc.compiler.elaborate.language import known_names

from .conftest import Outcome

COMMANDS = ("check", "compile", "stats", "list", "fmt", "explain")


def command(*argv: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "archc", *argv],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **settings},
        check=False,
    )


# --- help and usage ------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_with_an_example(archc, name: str) -> None:
    result = archc(name, "--help")
    assert result.status == 0
    assert f"archc {name} " in result.out


def test_version(archc) -> None:
    import archc as package

    assert archc("--version").out == f"archc {package.__version__}\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["nonsense"],
        ["check"],
        ["check", "--nonsense", "x"],
        ["check", "resnet50", "--set", "depth"],
        ["check", "resnet50", "--set", "n=[3,4"],
        ["compile", "resnet50", "--emit", "exe"],
        ["compile", "resnet50", "--seed", "-1"],
        ["explain", "E4711"],
        ["explain", "conv", "bn"],
        ["check", "a.arch", "b.arch", "--set", "n=1"],
        ["compile", "resnet50", "-o", "x.foo"],
        ["compile", "resnet50", "-o", "x.pt2", "--emit", "onnx"],
        ["compile", "resnet50", "-o", "-", "--emit", "onnx"],
    ],
)
def test_wrong_usage_is_2(archc, argv: list[str]) -> None:
    result = archc(*argv)
    assert result.status == 2
    assert result.out == ""
    assert result.err


def test_usage_errors_say_what_to_do(archc, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(*argv: str) -> str:
        return " ".join(re.sub("[│╭╰─╮╯]", " ", archc(*argv).err).split())

    for ending in (".py", ".pt2", ".onnx", ".json"):
        assert ending in said("compile", "resnet50", "-o", "x.foo")
    assert "contradicts 'x.pt2'" in said("compile", "resnet50", "-o", "x.pt2", "--emit", "onnx")
    assert "'my.arch(n = 3)' sets its own" in said("check", "a.arch", "b.arch", "--set", "n=1")
    wrong = said("compile", "resnet50", "--device", "gpu")
    assert "'gpu' is not one of" in wrong and "Value error" not in wrong


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_stand_on_lines_of_their_own(archc, name: str) -> None:
    lines = [line.strip() for line in archc(name, "--help").out.splitlines()]
    examples = [line for line in lines if line.startswith(f"archc {name}")]
    assert len(examples) >= 2 and all(line.count("archc ") == 1 for line in examples)


# --- check ---------------------------------------------------------------------------------


def test_check_prints_a_line_for_each_architecture(archc, small: Path) -> None:
    result = archc("check", small)
    assert result.status == 0, result.err
    lines = result.out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", "small"], ["ok", "wide"]]
    assert "parameters" in lines[0]
    assert "legal: H and W at least 2" in lines[0]
    assert lines[-1].endswith("2 architectures, nothing wrong")


def test_check_one_with_parameters(archc, small: Path) -> None:
    result = archc("check", small, "small", "--set", "width=4", "--set", "depth=1")
    assert result.status == 0, result.err
    assert result.out.startswith("ok small")


def test_check_json(archc, small: Path) -> None:
    result = archc("check", small, "--format", "json")
    report = json.loads(result.out)
    assert report["ok"] is True
    (spec,) = report["specs"]
    assert [a["name"] for a in spec["architectures"]] == ["small", "wide"]
    assert spec["architectures"][0]["inputs"][0] == {
        "name": "image",
        "shape": ["N", 3, "H", "W"],
        "nominal": [1, 3, 32, 32],
    }
    assert spec["architectures"][0]["legal_sizes"] == ["H and W at least 2"]
    assert spec["diagnostics"] == []


def test_check_reports_what_is_wrong(archc, small: Path) -> None:
    small.write_text(small.read_text().replace("[N, classes]", "[N, 11]"))
    result = archc("check", small)
    assert result.status == 1
    assert result.out == ""
    assert re.search(r"error\[E\d{4}\]", result.err)
    assert "small.arch" in result.err


def test_check_json_of_a_wrong_spec(archc, small: Path) -> None:
    small.write_text("arch a { nonsense }")
    result = archc("check", small, "--format", "json")
    assert result.status == 1
    report = json.loads(result.out)
    assert report["ok"] is False
    assert report["specs"][0]["diagnostics"][0]["code"].startswith("E")


def test_check_a_folder(archc, small: Path) -> None:
    (small.parent / "deep").mkdir()
    (small.parent / "deep" / "bad.arch").write_text("arch a { nonsense }")
    result = archc("check", small.parent)
    assert result.status == 1
    assert "2 specs, 1 wrong" in result.out
    assert re.search(r"small\.arch +2 +0 +2  ok", result.out)


def test_check_several_specs(archc, small: Path) -> None:
    """They, and those of folders among them, are checked as those of one folder, each once."""
    (small.parent / "deep").mkdir()
    bad, open_ = small.parent / "deep" / "bad.arch", small.parent / "open.arch"
    bad.write_text("arch a { nonsense }")
    open_.write_text("arch A(n) { input x: [N, 3, 8, 8]  output x -> conv(n, 3) }\n")
    fine = archc("check", small, f"{open_}(n = 3)", "resnet18")
    assert (fine.status, fine.err) == (0, "") and "3 specs, nothing wrong" in fine.out
    assert re.search(r"small\.arch +2 +0 +2  ok", fine.out) and re.search(r"open\.arch\(n = 3\) +1 +0 +0  ok", fine.out)
    rows = archc("check", "resnet18", "resnet(depth = 50)").out
    assert re.search(r"resnet\.arch:resnet18 +1 ", rows) and re.search(r"resnet\.arch:resnet\(depth = 50\) +1 ", rows)
    words = (small, small.parent / "deep", bad, "nosuch.arch", "nosuch", "nosuch.pt2", small)
    wrong = archc("check", *words)
    assert wrong.status == 1 and "5 specs, 4 wrong" in wrong.out
    assert all(wrong.err.count(f"[{code}]") == 1 for code in ("E0701", "E1001", "E1208"))
    report = json.loads(archc("check", *words, "--format", "json").out)
    assert [spec["ok"] for spec in report["specs"]] == [True, *[False] * 4] and not report["ok"]
    both = archc("check", bad.parent, small.parent)
    assert "3 specs, 1 wrong" in both.out


@pytest.mark.parametrize("words", [("{}", "wide"), ("{}:wide",), ("{}", "small", "--set", "width=16")])
def test_a_second_word_that_is_a_name_is_one_of_the_spec(archc, small: Path, words: tuple[str, ...]) -> None:
    result = archc("check", *(word.format(small) for word in words))
    assert result.status == 0 and re.match(r"ok (wide|small)", result.out) and result.out.count("\n") == 1


def test_warnings_are_shown_and_refuse_nothing(archc, small: Path) -> None:
    body = "{ input x: [N, 3, 32, 32]  output x -> conv(3, 16, 3) }\n"
    small.write_text(f"arch A {body}arch B {body}")
    checked = archc("check", small)
    assert checked.status == 0 and checked.err.count("warning[E0357]") == 2
    assert checked.out.startswith("ok A") and checked.out.endswith("2 architectures, 2 warnings\n")
    assert re.search(r"ok, 2 warnings\n", archc("check", small.parent).out)
    (spec,) = json.loads(archc("check", small, "--format", "json").out)["specs"]
    assert spec["ok"] and [d["severity"] for d in spec["diagnostics"]] == ["warning", "warning"]
    for command in (("stats", small, "A"), ("compile", small, "A", "-o", small.parent / "a.json")):
        told = archc(*command)
        assert told.status == 0 and told.err.count("warning[E0357]") == 1


def test_check_tells_what_was_not_checked(archc, small: Path) -> None:
    open_ = small.parent / "open.arch"
    open_.write_text("arch A(n, m, k = 1) { input x: [N, 3, 8, 8]  output x -> conv(n, 3) -> conv(m, k) }\n")
    result = archc("check", open_)
    assert (result.status, result.out) == (0, "A not checked: needs n and m (`--set n=... --set m=...`)\n")
    (spec,) = json.loads(archc("check", open_, "--format", "json").out)["specs"]
    assert spec["not_checked"] == [{"name": "A", "needs": ["n", "m"]}] and spec["architectures"] == []
    folder = archc("check", small.parent).out
    assert re.search(r"open\.arch +0 +1 +0  ok", folder) and "1 architecture not checked" in folder
    assert archc("check", open_, "--set", "n=2", "--set", "m=3").out.startswith("ok A")
    open_.write_text(open_.read_text() + "arch B = A(2, 3)\n")
    assert "not checked" not in archc("check", open_).out


def test_which_of_several_is_asked_for_by_an_example(archc, small: Path) -> None:
    small.write_text(small.read_text() + "arch more = small(width = 32)\n")
    result = archc("stats", small.name)
    assert result.status == 1 and "`small.arch small`" in result.err


def test_check_an_empty_folder(archc, tmp_path: Path) -> None:
    result = archc("check", tmp_path)
    assert (result.status, result.out) == (1, "")
    assert "E1002" in result.err


def test_unknown_parameters_are_the_specs_matter(archc, small: Path) -> None:
    result = archc("check", small, "small", "--set", "widht=4")
    assert result.status == 1
    assert "width" in result.err


# --- names ---------------------------------------------------------------------------------


def test_shipped_names(archc) -> None:
    result = archc("check", "resnet50")
    assert result.status == 0, result.err
    assert "25,557,032 parameters" in result.out


def test_an_unknown_name_offers_the_nearest(archc) -> None:
    result = archc("check", "resnt50")
    assert result.status == 1
    assert "E1001" in result.err
    assert "`resnet50`" in result.err


def test_list_shows_what_ships(archc) -> None:
    result = archc("list")
    assert result.status == 0
    assert "resnet50" in result.out.split()


def test_list_shows_what_a_file_defines(archc, small: Path) -> None:
    result = archc("list", small)
    assert result.status == 0, result.err
    names = [line.split()[1] for line in result.out.splitlines()[1:]]
    assert names == ["unit", "small", "wide"]
    found = json.loads(archc("list", small, "--format", "json").out)
    assert [d["name"] for d in found["definitions"]] == names


# --- stats ---------------------------------------------------------------------------------


def test_stats_json(archc, small: Path) -> None:
    result = archc("stats", small, "small", "--format", "json")
    assert result.status == 0, result.err
    figures = json.loads(result.out)
    convolutions = 3 * 8 * 9 + 8 * 8 * 9
    assert figures["parameters"] == convolutions + 2 * 2 * 8 + 8 * 10 + 10
    assert figures["multiply_adds"] == 32 * 32 * convolutions + 8 * 10
    assert figures["depth"] == 3
    assert figures["inputs"][0]["nominal"] == [1, 3, 32, 32]
    assert figures["outputs"][0]["nominal"] == [[1, 10]]


@pytest.mark.parametrize("format", ["text", "csv", "md"])
def test_stats_tables(archc, small: Path, format: str) -> None:
    result = archc("stats", small, "small", "--format", format)
    assert result.status == 0, result.err
    assert "fc" in result.out
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(result.out)))
        assert {row["scope"] for row in rows} >= {"body", "fc"}


WRONG = """# É: columns count characters
arch Net {
  input x: [N, 3, 8, 8]
  a = x -> conv(0, 3)
  output a -> nothere(1)
}
"""


def test_findings_are_github_commands(archc, small: Path) -> None:
    """As https://docs.github.com/actions/reference/workflow-commands-for-github-actions has them."""
    odd = small.parent / "a,b" / "50%:net.arch"
    odd.parent.mkdir()
    odd.write_text(WRONG)
    result = archc("check", ".", "--format", "github")
    assert result.status == 1
    zero, unknown = sorted(result.out.splitlines())
    assert zero.startswith("::error file=a%2Cb/50%25%3Anet.arch,line=4,endLine=4,col=17,endColumn=18,title=archc E0")
    assert unknown.startswith("::error file=a%2Cb/50%25%3Anet.arch,line=5,endLine=5,col=15,endColumn=22,title=archc E0")
    assert "%0Ahint: " in zero + unknown
    assert archc("check", small, "--format", "github") == Outcome(0, "", "")


def test_findings_are_a_log_of_sarif(archc, small: Path) -> None:
    small.write_text(WRONG)
    result = archc("check", "small.arch", "--format", "sarif")
    log = json.loads(result.out)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert (result.status, log["version"], run["columnKind"]) == (1, "2.1.0", "unicodeCodePoints")
    assert [rules[found["ruleIndex"]] for found in run["results"]] == [found["ruleId"] for found in run["results"]]
    places = [found["locations"][0]["physicalLocation"] for found in run["results"]]
    assert {place["artifactLocation"]["uri"] for place in places} == {"small.arch"}
    assert {"startLine": 5, "startColumn": 15, "endLine": 5, "endColumn": 22} in [place["region"] for place in places]


def test_a_log_of_sarif_follows_the_schema_of_its_standard(archc, small: Path) -> None:
    """That of OASIS, of a file without findings, and of one of every kind of them, in a folder with an odd name."""
    validation_errors = pytest.importorskip("sarif_kit").validation_errors
    clean = json.loads(archc("check", "small.arch", "--format", "sarif").out)
    odd = small.parent / "50% ü"
    shutil.copytree(Path(__file__).parent / "language" / "bad", odd)
    (odd / "empty.arch").touch()
    (odd / "warned.arch").write_text("arch A {\n  input x: [N, 3, 8, 8]\n  output x -> ([relu, relu] * 2)\n}\n")
    (odd / "bytes.arch").write_bytes(b"\xff")
    full = json.loads(archc("check", ".", "--format", "sarif").out)
    results = full["runs"][0]["results"]
    assert clean["runs"][0]["results"] == [] and len({found["ruleId"] for found in results}) > 100
    assert {"error", "warning"} == {found["level"] for found in results}
    assert any("relatedLocations" in found for found in results)
    assert validation_errors(clean) == validation_errors(full) == []
    results[0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert validation_errors(full)


def test_a_first_spec(archc, small: Path) -> None:
    assert archc("init", "my-net").status == 0
    assert archc("check", "my-net.arch").out.startswith("ok my_net ")
    assert archc("fmt", "--check", "my-net.arch").status == 0
    again = archc("init", "my-net.arch")
    assert again.status == 1 and "E0805" in again.err
    assert archc("init", "if.arch").status == 0
    assert archc("check", "if.arch:Net(n = 1)").out.startswith("ok Net(n = 1) ")


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["resnet(depth = 50)", "--set", "depth=101"], "'depth' is set twice"),
        (["small.arch:small", "small"], "names an architecture already"),
        (["resnet(depth"], "is not of the form SPEC"),
    ],
)
def test_a_network_is_named_in_one_way(archc, small: Path, words: list[str], refusal: str) -> None:
    for name in ("check", "stats"):
        result = archc(name, *words)
        assert result.status == 2
        assert refusal in " ".join(re.sub("[│╭╰─╮╯]", " ", result.err).split())


def test_every_command_takes_parameters_in_the_name(archc, small: Path) -> None:
    given = 'resnext50_32x4d(form = "a", classes = 5)'
    assert "resnext50_32x4d(form = a, classes = 5)" in archc("check", given).out
    assert archc("stats", given).out == archc("stats", "resnext50_32x4d", "--set", "form=a", "--set", "classes=5").out
    assert archc("rewrite", "merge_branches", given).status == 0


# --- fmt -----------------------------------------------------------------------------------


def test_fmt(archc, small: Path) -> None:
    small.write_text("# kept\narch   a{input x:[N,3,8,8]  output x->relu}\n")
    assert archc("fmt", "--check", small).status == 1
    assert archc("fmt", small).status == 0
    text = small.read_text()
    assert "# kept" in text
    assert archc("fmt", "--check", small.parent).status == 0
    assert small.read_text() == text


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_diff_of_a_layout_is_a_patch(archc, small: Path, end: str) -> None:
    """The oracle is `patch`."""
    rough = small.read_text().replace("  ", "   ").replace(" -> ", "->").rstrip("\n") + end
    small.write_text(rough)
    shown = archc("fmt", "--diff", "small.arch")
    assert (shown.status, shown.err, small.read_text()) == (1, "", rough)
    subprocess.run(["patch", "-p0"], input=shown.out, text=True, check=True, capture_output=True)
    assert archc("fmt", "--diff", "small.arch") == Outcome(0, "", "")


def test_fmt_leaves_a_broken_file_alone(archc, small: Path) -> None:
    small.write_text("arch a {")
    result = archc("fmt", small)
    assert result.status == 1
    assert "error[" in result.err
    assert small.read_text() == "arch a {"


# --- list of a folder ----------------------------------------------------------------------


def test_list_of_a_folder(archc, tmp_path: Path) -> None:
    """What each of its specs defines, in the order of the files; one that cannot be read is told, and left out."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.arch").write_text('"""Doc."""\nblock unit(c) = conv(c, 3)\n')
    (tmp_path / "sub" / "a.arch").write_text("fn half(n) = n // 2\nblock other() = relu\n")
    result = archc("list", tmp_path)
    assert result.status == 0
    assert re.findall(r"(\w+)\.arch +(\w+) +(\w+)", result.out) == [
        ("b", "block", "unit"),
        ("a", "fn", "half"),
        ("a", "block", "other"),
    ]
    (tmp_path / "a.arch").write_text("block broken(")
    result = archc("list", tmp_path, "--format", "json")
    found = json.loads(result.out)["specs"]
    assert [[d["name"] for d in file["definitions"]] for file in found] == [["unit"], ["half", "other"]]
    assert result.status == 1 and "E0102" in result.err
    (tmp_path / "none").mkdir()
    assert "E1002" in archc("list", tmp_path / "none").err


def test_list_of_several_specs(archc, small: Path) -> None:
    """As of one folder; of one that is not there it is said, and the others are listed."""
    (small.parent / "sub").mkdir()
    (small.parent / "sub" / "a.arch").write_text("fn half(n) = n // 2\n")
    result = archc("list", small.parent / "sub", small, "nosuch")
    assert result.status == 1 and "E1001" in result.err
    found = re.findall(r"(\w+)\.arch +(\w+) +(\w+)", result.out)
    own = [("small", "block", "unit"), ("small", "arch", "small"), ("small", "arch", "wide")]
    assert found == [("a", "fn", "half"), *own]
    specs = json.loads(archc("list", small, small.parent / "sub" / "a.arch", "--format", "json").out)["specs"]
    assert [[d["name"] for d in spec["definitions"]] for spec in specs] == [["unit", "small", "wide"], ["half"]]


@pytest.mark.parametrize(
    ("written", "offered"), [("--depth", None), ("--st", "--set"), ("--fomat", "--format"), ("--batches", "--batch")]
)
def test_options_are_offered_that_are_written_alike(archc, small: str, written: str, offered: str | None) -> None:
    """Their dashes, which all have, do not make them so."""
    told = archc("stats", small, written, "1").err
    assert f"No such option: {written}" in told
    assert (offered in told) if offered else "ossible" not in told and "Did you mean" not in told


# --- explain -------------------------------------------------------------------------------


def test_explain(archc) -> None:
    result = archc("explain", "e0402")
    assert result.status == 0
    assert result.out.startswith("E0402: ")
    assert "E0999" in archc("explain").out


def test_explain_tells_what_every_name_of_the_language_does(archc) -> None:
    listed = archc("explain").out
    for name in known_names():
        result = archc("explain", name)
        assert result.status == 0, name
        assert re.search(rf"^{name} +\S", listed, re.MULTILINE), name
        assert len(result.out.split()) >= 3, name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("conv", ["conv(channels, kernel", "spatial axes", "stride: step of the window", "1 unless told"]),
        ("fold_batch_norm", ["fold_batch_norm(modules = []", "skip: the batch norms that stay", "running variance"]),
        ("convolutionalise", ["convolutionalize(pool = false)"]),
        (
            "kaiming_normal",
            ["He et al. 2015", 'the backward pass ("fan_in" unless told)'],
        ),
        ("len", ["`len(xs)` counts"]),
        ("max", ["element by element", "`max(xs)` take numbers"]),
        ("choice", ["`draw r = choice(n)`"]),
        ("remove", ["\n1. In a residual unit", "\n2. A module that is one branch", "\n   "]),
    ],
)
def test_explain_prints_the_reference(archc, name: str, said: list[str]) -> None:
    out = archc("explain", name).out
    assert [text for text in said if text not in out and text not in " ".join(out.split())] == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("E9", "did you mean `E0901`, `E0902` or `E0903`?"),
        ("e405", "did you mean `E0405`?"),
        ("E0499", "`E0459`"),
        ("bnn", "did you mean `bn`"),
        ("Conv", "here it is `conv(channels, kernel)`"),
        ("fold_batchnorm", "did you mean `fold_batch_norm`"),
        ("kaiming", "did you mean `kaiming_"),
        ("share", "did you mean `shared`"),
        ("sharing", "did you mean `shared`"),
        ("Conv2d", "here it is `conv(channels, kernel)`"),
        ("qqqq", "`archc explain` lists what there is"),
        ("E9999", "`archc explain` lists what there is"),
    ],
)
def test_explain_offers_what_may_be_meant(archc, name: str, hint: str) -> None:
    result = archc("explain", name)
    assert (result.status, result.out) == (2, "")
    assert hint in " ".join(re.sub("[│╭╰─╮╯]", " ", result.err).split())


def test_the_shell_completes_what_can_be_explained() -> None:
    from archc.cli.completion import complete_explained

    assert complete_explained("E040") == [f"E040{number}" for number in range(1, 10)]
    assert complete_explained("fold_") == ["fold_batch_norm"]
    assert {"conv"} <= set(complete_explained("co"))


# --- how it ends ---------------------------------------------------------------------------


def test_an_internal_error_asks_for_a_report(archc, monkeypatch: pytest.MonkeyPatch) -> None:
    import archc.cli.checking as checking

    def fail(*_: object) -> int:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(checking, "run_check", fail)
    result = archc("check", "resnet50")
    assert result.status == 70
    assert "E0999" in result.err
    assert "Traceback" not in result.err
    monkeypatch.setenv("ARCHC_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        archc("check", "resnet50")


def test_interrupt(archc, monkeypatch: pytest.MonkeyPatch) -> None:
    import archc.cli.checking as checking

    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "run_check", interrupt)
    assert archc("check", "resnet50").status == 130


def test_a_reader_that_leaves_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "archc", "list", "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_output_in_ascii() -> None:
    result = command("check", "resnet50", PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr


def test_checking_loads_nothing_heavy() -> None:
    program = (
        "import sys; from archc.cli import main; status = main(['check', 'resnet50']); "
        "print([m for m in ('torch', 'networkx', 'sympy', 'rich', 'numpy') if m in sys.modules]); "
        "sys.exit(status)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["check", "resnet50"], {"resnet50"}),
        (["check", "resnet", "--set", "dep"], {"depth="}),
        (["check", "resnet50", "--set", "n"], set()),
        (["rewrite", "widen", "resnet", "--set", "dep"], {"depth="}),
        (["draw", "resnet50", "--only", "layer1"], {"layer1"}),
        (["draw", "resnet50", "--only", "layer1."], {"layer1.0", "layer1.1", "layer1.2"}),
        (["draw", "nothere", "--only", "l"], set()),
        (["draw", "resnet(", "--only", "l"], set()),
        (["explain", "fold_"], {"fold_batch_norm"}),
    ],
)
def test_the_shell_completes(archc, monkeypatch: pytest.MonkeyPatch, words: list[str], offered: set[str]) -> None:
    for name, value in typed(words).items():
        monkeypatch.setenv(name, value)
    result = archc()
    assert (result.status, result.err) == (0, "")
    assert set(result.out.split()) == offered


def test_the_shell_completes_by_a_process_of_its_own() -> None:
    result = command(**typed(["draw", "resnet50", "--only", "layer1."]))
    assert result.stderr == ""
    assert set(result.stdout.split()) == {"layer1.0", "layer1.1", "layer1.2"}


def typed(words: list[str]) -> dict[str, str]:
    """What a shell sets where it asks how the last word may end."""
    given = {"COMP_WORDS": f"archc {' '.join(words)}", "COMP_CWORD": str(len(words))}
    return {"_ARCHC_COMPLETE": "complete_bash", **given}


def test_completion_of_paths(small: Path) -> None:
    from archc.cli.completion import complete_specs

    assert complete_specs("sm") == ["small.arch"]
