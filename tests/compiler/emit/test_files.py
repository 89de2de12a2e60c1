"""Files are there whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from archc.compiler.files import atomic_write
from archc.dsl.diagnostics import ArchError


def test_text_bytes_and_writers(tmp_path: Path):
    target = tmp_path / "a.txt"
    for content in ("é\n", "é\n".encode(), lambda path: path.write_text("é\n", encoding="utf-8")):
        atomic_write(target, content)
        assert target.read_bytes() == "é\n".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_old_file_survives_a_failure(tmp_path: Path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fails(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        atomic_write(target, fails)
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_modes_are_those_of_files(tmp_path: Path):
    target = tmp_path / "a.txt"
    atomic_write(target, "x")
    plain = tmp_path / "plain"
    plain.write_text("")
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    target.chmod(0o600)
    atomic_write(target, "y")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["missing/a.txt", "folder", "file/a.txt", "a" * 300])
def test_unwritable_targets(tmp_path: Path, name: str):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    with pytest.raises(ArchError) as error:
        atomic_write(tmp_path / name, "x")
    assert error.value.diagnostics[0].code == "E0805"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"] and (tmp_path / "file").read_text() == "old"


def test_what_is_no_regular_file_is_refused_and_stays(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for target in (pipe, link):
        with pytest.raises(ArchError) as error:
            atomic_write(target, "x")
        assert error.value.diagnostics[0].code == "E0805" and "it is a pipe" in error.value.diagnostics[0].message
    assert stat.S_ISFIFO(pipe.stat().st_mode) and link.is_symlink()


def test_through_a_link_its_target_is_written(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / "real.txt", tmp_path / "link"
    link.symlink_to(target)
    for text in ("new", "newer"):
        atomic_write(link, text)
        assert link.is_symlink() and not target.is_symlink() and target.read_text() == text
    assert os.listdir(target.parent) == ["real.txt"]


def test_a_link_to_itself_is_refused(tmp_path: Path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ArchError):
        atomic_write(tmp_path / "loop", "x")
    assert (tmp_path / "loop").is_symlink()
