"""Imports stay inside the project's folder, links resolved, and do not run in circles."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from language_files import every_diagnostic

import archc
from archc.compiler.program import Program

USES = 'use unit from "{}"\narch A {{ input x: [N, 3, 8, 8]   output x -> unit }}\n'
UNIT = "block unit() = conv(3, 1)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder, with a spec beside it that does not belong to it."""
    (tmp_path / "outside.arch").write_text(UNIT)
    folder = tmp_path / "project"
    (folder / "sub").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    (folder / "unit.arch").write_text(UNIT)
    return folder


def codes(path: Path) -> list[str]:
    return [d.code for d in every_diagnostic(Program.open(path))]


def spec(path: Path, imported: str) -> Path:
    path.write_text(USES.format(imported))
    return path


def test_inside_the_project(project: Path) -> None:
    assert codes(spec(project / "sub" / "main.arch", "../unit.arch")) == []
    (project / "link.arch").symlink_to(project / "unit.arch")
    assert codes(spec(project / "sub" / "main.arch", "../link.arch")) == []


@pytest.mark.parametrize(
    "imported", ["../outside.arch", "sub/../../outside.arch", "{absolute}", "link.arch", "folder/outside.arch"]
)
def test_outside_of_the_project(project: Path, imported: str) -> None:
    (project / "link.arch").symlink_to(project.parent / "outside.arch")
    (project / "folder").symlink_to(project.parent)
    imported = imported.replace("{absolute}", str(project.parent / "outside.arch"))
    assert codes(spec(project / "main.arch", imported)) == ["E0702"]


def test_without_a_project_the_folder_of_the_spec_is_it(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (tmp_path / "unit.arch").write_text(UNIT)
    (tmp_path / "alone" / "unit.arch").write_text(UNIT)
    assert codes(spec(tmp_path / "alone" / "main.arch", "unit.arch")) == []
    assert codes(spec(tmp_path / "alone" / "main.arch", "../unit.arch")) == ["E0702"]


def test_circles_show_their_way(project: Path) -> None:
    (project / "a.arch").write_text('use unit from "b.arch"\nblock a() = unit\n')
    (project / "b.arch").write_text('use unit from "c.arch"\nblock b() = unit\n')
    (project / "c.arch").write_text('use a from "a.arch"\nblock unit() = a\n')
    (found,) = [d for d in every_diagnostic(Program.open(project / "a.arch")) if d.code == "E0703"]
    assert [Path(note.span.source.name).name for note in found.labels] == ["a.arch", "b.arch"]
    (project / "self.arch").write_text('use unit from "self.arch"\n' + UNIT)
    assert "E0703" in codes(project / "self.arch")


def test_what_cannot_be_read(project: Path) -> None:
    assert codes(spec(project / "main.arch", "nowhere.arch")) == ["E0701"]
    assert codes(spec(project / "main.arch", "sub")) == ["E0701"]
    (found,) = every_diagnostic(Program.open(spec(project / "main.arch", "zoo/resnet")))
    assert found.hints == ("did you mean `zoo/resnet.arch`?",)
    assert codes(project / "missing.arch") == ["E0701"]
    (project / "bytes.arch").write_bytes(b"\xff\xfe block")
    assert codes(spec(project / "main.arch", "bytes.arch")) == ["E0905"]


def test_a_file_that_is_not_there_is_like_another(project: Path) -> None:
    """By their names alone, which all end in `.arch`; of a file to check as of one that is imported."""
    for name in ("unet.arch", "three.arch", "two.arch"):
        (project / name).write_text("block unit(c) = conv(c, 3)\n")
    for path, wanted in (("unett.arch", {"unet"}), ("thre.arch", {"three"}), ("four.arch", set()), ("xyz", set())):
        for found in (archc.check(spec(project / "main.arch", path)), archc.check(project / path)):
            hints = " ".join(found[0].hints)
            offered = {stem for stem in ("unet", "three", "two", "main") if f"{stem}.arch`" in hints}
            assert (found[0].code, offered) == ("E0701", wanted)
    (hint,) = archc.check(os.path.relpath(project / "unett.arch"))[0].hints
    assert archc.check(re.findall("`(.+?)`", hint)[0]) == []


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.arch")
    (found,) = Program.open(tmp_path / "pipe.arch").diagnostics
    assert found.code == "E0701"
    assert "it is a pipe" in found.message


def test_errors_in_an_imported_file_are_told_of_it(project: Path) -> None:
    (project / "unit.arch").write_text("block unit() = conv(3, 1) -> rellu\n")
    (found,) = every_diagnostic(Program.open(spec(project / "main.arch", "unit.arch")))
    assert found.code == "E0201"
    assert found.span is not None and found.span.source.name.endswith("unit.arch")


def test_names_are_imported_one_by_one(project: Path) -> None:
    (found,) = every_diagnostic(Program.open(_with_text(project, 'use units from "unit.arch"\n' + UNIT)))
    assert found.code == "E0704"
    assert any("`unit`" in hint for hint in found.hints)


def _with_text(project: Path, text: str) -> Path:
    path = project / "main.arch"
    path.write_text(text)
    return path


@pytest.mark.parametrize("order", [1, -1])
def test_a_declaration_with_a_syntax_error_is_not_unknown_too(project: Path, order: int) -> None:
    broken = "block unit(c) {\n  output in -> (conv(c, 3)\n}\n"
    main = "arch A { input x: [N, 3, 8, 8]   output x -> unit(3) }\n"
    (project / "a.arch").write_text("".join([broken, main][::order]))
    assert codes(project / "a.arch") == ["E0103"]
    (project / "unit.arch").write_text(broken + "block other() = relu\n")
    assert codes(spec(project / "b.arch", "unit.arch")) == ["E0103"]


def test_a_spec_imports_at_most_a_hundred_files(project: Path) -> None:
    for number in range(101):
        (project / f"f{number}.arch").write_text(UNIT.replace("unit", f"unit{number}"))

    def importing(count: int) -> list[str]:
        uses = "".join(f'use unit{n} from "f{n}.arch"\n' for n in range(count))
        (project / "main.arch").write_text(f"{uses}arch A {{ input x: [N, 3, 8, 8]   output x -> unit0 }}\n")
        return codes(project / "main.arch")

    assert importing(99) == []
    assert importing(100) == ["E0915"]
