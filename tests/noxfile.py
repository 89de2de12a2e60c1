"""The suite with the lowest and the newest versions of what archc depends on, on the first and the last Python.

nox                    # all four, which takes hours
nox -s "suite(lowest)" -p 3.11
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nox

HERE = Path(__file__).parents[1]
FLOOR = re.compile(r"([\w-]+)>=([\w.]+)")


def floors() -> list[str]:
    """The lowest version that pyproject.toml takes of each package that archc itself depends on."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["onnx"]]
    return [f"{name}=={version}" for name, version in FLOOR.findall("\n".join(needed))]


@nox.session(python=["3.11", "3.13"])
@nox.parametrize("versions", ["lowest", "newest"], ids=["lowest", "newest"])
def suite(session: nox.Session, versions: str) -> None:
    """Installs archc with these versions, and runs its tests."""
    lowest = Path(session.create_tmp()) / "lowest.txt"
    lowest.write_text("\n".join(floors() if versions == "lowest" else ()) + "\n", "utf-8")
    session.install("--upgrade", "-e", f"{HERE}[test]", "--constraint", str(lowest))
    session.run("pip", "freeze")
    session.run("pytest", "-q", "-n", "auto", *session.posargs)
