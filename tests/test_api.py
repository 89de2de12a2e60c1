"""`import archc`: load, loads, check, Architecture."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from checkout import PACKAGE, PACKAGES, PROJECT, PYPROJECT, folder_of, sources

import archc

INSTALLED = re.compile(r"pip\s+install\s+['\"]([\w-]+)\[([\w,]+)\]")


def test_load_a_shipped_name() -> None:
    net = archc.load("resnet50")
    assert net.name == "resnet50"
    assert net.stats().parameters == 25_557_032
    assert "25,557,032 parameters" in repr(net)
    assert "[1, 3, 224, 224] -> [1, 1000]" in repr(net)


def test_load_a_file_with_parameters(small: Path) -> None:
    net = archc.load(small, "small", width=4)
    assert net.parameters == {"width": 4, "depth": 2, "classes": 10}
    assert archc.load(str(small), "wide").stats().parameters > net.stats().parameters


def test_a_file_and_a_name_in_one_word(small: Path) -> None:
    assert archc.load(f"{small}:wide").name == "wide"
    with pytest.raises(archc.ArchError, match="E0208"):
        archc.load(f"{small}:Nothing")
    odd = small.with_name("a:b")
    odd.write_bytes(small.read_bytes())
    assert archc.load(str(odd), "wide").name == "wide"


def test_loads() -> None:
    net = archc.loads("arch a(c: int = 4) { input x: [N, 3, 8, 8]  output x -> conv(c, 3) }", c=5)
    assert net.stats().parameters == 5 * 3 * 9


def test_graph() -> None:
    graph = archc.loads("arch a { input x: [N, 3, 8, 8]  output x -> conv(4, 3) -> relu }").graph
    assert [data["op"] for _, data in graph.nodes(data=True)][-2:] == ["conv", "relu"]


def test_module() -> None:
    import torch

    net = archc.loads("arch a { input x: [N, 3, H, W]  output x -> conv1: conv(4, 3) }")
    module = net.module(seed=1)
    assert list(module.state_dict()) == ["conv1.weight"]
    assert module(torch.zeros(2, 3, 5, 7)).shape == (2, 4, 5, 7)
    again = net.module(seed=1).state_dict()["conv1.weight"]
    assert torch.equal(module.state_dict()["conv1.weight"], again)
    assert net.module(dtype=torch.float64).state_dict()["conv1.weight"].dtype == torch.float64


@pytest.mark.parametrize(
    "call",
    [
        lambda: archc.load("resnt50"),
        lambda: archc.load("absent.arch"),
        lambda: archc.load(PACKAGE),
        lambda: archc.load("resnet", "absent"),
        lambda: archc.load("resnet", depth=7),
        lambda: archc.load("resnet", depth=[]),
        lambda: archc.load("resnet", dpeth=50),
        lambda: archc.loads("arch a {"),
        lambda: archc.loads(""),
        lambda: archc.loads("\0"),
        lambda: archc.loads("arch a { input x: [N, 3]  output x -> nonsense }"),
    ],
)
def test_bad_input_raises_arch_error_alone(call) -> None:
    with pytest.raises(archc.ArchError) as caught:
        call()
    assert caught.value.diagnostics
    assert all(d.code.startswith("E") for d in caught.value.diagnostics)


NUMBERED = "arch a(n = 3, widths = [1, 2]) { input x: [N, 3, 8, 8]  output x -> conv(n, 3) }"


def test_values_of_numpy_and_tuples_are_the_languages_own() -> None:
    import numpy as np

    for value in (np.int64(2), np.uint8(2), np.array(2)):
        net = archc.loads(NUMBERED, n=value)
        assert net.parameters["n"] == 2 and type(net.parameters["n"]) is int
    widths = archc.loads(NUMBERED, widths=(np.int32(4), (5, np.float64(0.5)))).parameters["widths"]
    assert widths == [4, [5, 0.5]] and type(widths[0]) is int


@pytest.mark.parametrize("value", [None, {}, object(), 1j, float("nan"), [None], b"x", {1, 2}])
def test_other_values_are_refused_in_words(value: object) -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.loads(NUMBERED, n=value)
    (found,) = caught.value.diagnostics
    assert found.code == "E0311" and "`n` cannot be" in found.message and found.hints


def test_a_name_that_is_no_string() -> None:
    with pytest.raises(archc.ArchError, match="named by a string"):
        archc.load("resnet", 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("E0808", {"seed": -1}),
        ("E0808", {"seed": 1.5}),
        ("E0808", {"seed": "1"}),
        ("E0808", {"seed": True}),
        ("E0808", {"seed": 2**64}),
        ("E0808", {"dtype": "int8"}),
        ("E0808", {"dtype": "nonsense"}),
        ("E0808", {"dtype": "nn"}),
        ("E0808", {"dtype": 3}),
        ("E0808", {"externs": [1]}),
        ("E0808", {"externs": {"a": 1}}),
        ("E0804", {"device": "gpu"}),
        ("E0804", {"device": 1.5}),
    ],
)
def test_arguments_of_module_are_checked(code: str, arguments: dict[str, object]) -> None:
    with pytest.raises(archc.ArchError) as caught:
        archc.loads(NUMBERED).module(**arguments)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_arguments_of_module_by_other_names() -> None:
    import numpy as np
    import torch

    net = archc.loads(NUMBERED)
    assert next(net.module(dtype="float16").parameters()).dtype == torch.float16
    assert next(net.module(dtype="torch.bfloat16").parameters()).dtype == torch.bfloat16
    pair = [next(net.module(seed=seed).parameters()) for seed in (np.int64(3), 3)]
    assert torch.equal(*pair)


def test_code_of_an_extern_is_asked_for_as_it_is_given() -> None:
    text = "extern twice()(x: [N, C, H, W]) -> [N, C, H, W] {}\n"
    net = archc.loads(text + "arch a { input x: [N, 3, 8, 8]  output x -> twice() }")
    with pytest.raises(archc.ArchError) as caught:
        net.module()
    (found,) = caught.value.diagnostics
    assert "archc.load(...).module(externs={'twice': function})" in found.hints[0]


def test_check() -> None:
    assert archc.check("resnet50") == []
    (found, *_) = archc.check(text="arch a { input x: [N, 3]  output x -> nonsense }")
    assert found.span is not None
    assert archc.check("absent.arch")[0].severity == "error"


def test_check_wants_one_of_two() -> None:
    with pytest.raises(TypeError):
        archc.check()
    with pytest.raises(TypeError):
        archc.check("resnet50", text="")


def test_import_is_near_free() -> None:
    program = (
        "import sys; before = set(sys.modules); import archc; new = set(sys.modules) - before; "
        "print(sorted(m for m in new if not m.startswith(('archc', '__'))))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"


def test_names() -> None:
    assert set(archc.__all__) <= set(dir(archc))
    for name in archc.__all__:
        assert getattr(archc, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = archc.nonsense


def test_every_package_is_in_the_wheel() -> None:
    rooms = [path.parent for path in PROJECT.glob("*/__init__.py") if path.parent.name != "tests"]
    folders = {path.parent for room in rooms for path in room.rglob("*.py")}
    found = {".".join(("archc", *folder.relative_to(PROJECT).parts)) for folder in folders}
    assert {"archc.cli", "archc.compiler.ir"} <= found <= PACKAGES
    assert all(folder_of(name).is_dir() for name in PACKAGES)


def test_what_is_read_beside_the_code_is_in_the_wheel() -> None:
    data = PYPROJECT["tool"]["setuptools"]["package-data"]
    shipped = {
        path for name, patterns in data.items() for pattern in patterns for path in folder_of(name).glob(pattern)
    }
    pages = set((folder_of("archc.dsl") / "explanations").rglob("*.md"))
    assert pages and pages <= shipped


NAME = PYPROJECT["project"]["name"]


def test_one_version() -> None:
    """That of the installed distribution, or none in a checkout that is not installed."""
    try:
        wanted = metadata.version(NAME)
    except metadata.PackageNotFoundError:
        wanted = "0+unknown"
    assert archc.__version__ == wanted


def test_without_tags_the_version_is_the_one_that_comes_next() -> None:
    changes = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    fallback = PYPROJECT["tool"]["setuptools_scm"]["fallback_version"]
    assert re.findall(r"^## (.*)$", changes, re.MULTILINE)[0] == f"{fallback.removesuffix('.dev0')} (unreleased)"


def test_what_is_told_to_install_is_this_distribution() -> None:
    """`archc` is another project's name on PyPI."""
    told = [*sources("archc"), *PROJECT.glob("*.md"), *PROJECT.glob("d*/**/*.md")]
    wanted = [found for path in told for found in INSTALLED.findall(path.read_text(encoding="utf-8"))]
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert wanted and {name for name, _ in wanted} == {NAME}
    assert {extra for _, found in wanted for extra in found.split(",")} <= extras.keys()


def test_what_is_printed_fits_a_line() -> None:
    net = archc.load("resnet18")
    node = net.ir.nodes[4]
    for value in (net.stats(), net.paths(), net.equivalent(net), net.ir, node, node.scope, node.origin, node.span):
        assert len(repr(value)) < 400, type(value)
    assert "11,689,512 parameters" in repr(net.stats()) and "equal" in repr(net.equivalent(net))


def test_claims_wait_for_a_file_that_parses() -> None:
    text = "block b(c) {\n  body = conv(c, 3) -> relu\n  output in -> body + id\n}\n"
    text += "arch A { input x: [N, 3, 8, 8]  output x -> b(4)  expect params == 1_234 }"
    assert {d.code for d in archc.check(text=text)} == {"E0109"}


@pytest.mark.parametrize("collecting", [True, False])
def test_the_garbage_collector_is_left_as_it_was(collecting: bool) -> None:
    (gc.enable if collecting else gc.disable)()
    try:
        net = archc.load("resnet18")
        net.stats()
        net.draw(format="html")
        with pytest.raises(archc.ArchError):
            net.draw(theme="none")
        assert archc.check(text="arch A { output x }") and gc.isenabled() is collecting
    finally:
        gc.enable()
