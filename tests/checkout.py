"""Which files belong to the project: a checkout may hold an environment (`.venv`), `build/` and users' files too."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import archc

PROJECT = Path(__file__).parents[1]
"""The checkout that these tests belong to."""

PACKAGE = Path(archc.__file__).parent
"""Where the package is that the tests import: the checkout, or an installed wheel."""

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = frozenset(PYPROJECT["tool"]["setuptools"]["packages"])
"""The package and every subpackage: `archc`, `archc.cli`, ..."""


def folder_of(package: str) -> Path:
    """The folder of one of `PACKAGES`."""
    return PACKAGE.joinpath(*package.split(".")[1:])


def sources(*packages: str) -> list[Path]:
    """The Python files of packages and of what is below them; `sources("archc")` are all that archc is made of."""
    found = {name for name in PACKAGES for top in packages if name == top or name.startswith(f"{top}.")}
    assert found, f"no package of the project: {packages}"
    return [path for name in sorted(found) for path in sorted(folder_of(name).glob("*.py"))]


def codes_in(*packages: str) -> set[str]:
    """The codes of diagnostics that stand in the sources of packages."""
    texts = [path.read_text(encoding="utf-8") for path in sources(*packages)]
    return {code for text in texts for code in re.findall(r'"(E\d{4})"', text)}
