"""The suite with the lowest and the newest versions of what archc depends on, on the first and the last Python.

nox                    # all four, which takes hours
nox -s "suite(lowest)" -p 3.11

The lowest are those that pyproject.toml declares, on Python 3.11. Where a later Python has no wheel of one, it is the
lowest that has.
"""

from __future__ import annotations

import re
import tempfile
import tomllib
from pathlib import Path

import nox

HERE = Path(__file__).parents[1]
FLOOR = re.compile(r"([\w-]+)>=([\w.]+)")
# Outside the checkout: tests read all files of it, and their temporary folders are to be in no project.
nox.options.envdir = str(Path(tempfile.gettempdir()) / "archc-nox")
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}


def floors() -> dict[str, str]:
    """The lowest version that pyproject.toml takes of each package that archc itself depends on."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["onnx"]]
    return dict(FLOOR.findall("\n".join(needed)))


def untested(pins: str) -> list[str]:
    """The declared floors below which the pins of the suite stay, as its own tools need later versions."""
    found = dict(re.findall(r"^([\w-]+)==([\w.+]+)", pins, re.MULTILINE))
    return [f"{name}>={low}: {found[name]}" for name, low in floors().items() if not _same(low, found[name])]


def _same(low: str, found: str) -> bool:
    return found == low or re.fullmatch(re.escape(low) + r"(\.0)+", found) is not None


@nox.session(python=["3.11", "3.13"])
@nox.parametrize("versions", ["lowest", "newest"], ids=["lowest", "newest"])
def suite(session: nox.Session, versions: str) -> None:
    """Installs archc with these versions, and runs its tests. One of the suite's tools has no wheel."""
    session.install("uv")
    pins = Path(session.create_tmp()) / "pins.txt"
    wheels = ("--only-binary", ":all:", "--no-binary", "pretrainedmodels")
    chosen = ("--resolution", RESOLUTIONS[versions], "--python-version", str(session.python))
    project = str(HERE / "pyproject.toml")
    session.run("uv", "pip", "compile", "-q", project, "--extra", "test", *chosen, *wheels, "-o", str(pins))
    if versions == "lowest" and session.python == "3.11" and (higher := untested(pins.read_text("utf-8"))):
        session.error(f"declared, and lower than what the suite runs with: {', '.join(higher)}")
    session.run("uv", "pip", "install", "-q", "-r", str(pins))
    session.run("uv", "pip", "install", "-q", "--no-deps", "-e", str(HERE))
    session.run("uv", "pip", "freeze")
    session.chdir(HERE)
    session.run("pytest", "-q", "-n", "auto", *session.posargs)
