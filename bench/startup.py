"""How long `archc check resnet50` takes as a whole process, against `python -c "import torch"`.

python bench/startup.py
"""

from __future__ import annotations

import subprocess
import sys

from timing import Comparison, alternated

CHECK = ("-m", "archc", "check", "resnet50")
IMPORT = ("-c", "import torch")
RUNS = 9
TARGET = 0.25


def compare(ours: tuple[str, ...] = CHECK, theirs: tuple[str, ...] = IMPORT, runs: int = RUNS) -> Comparison:
    first, second = alternated(lambda: process(ours), lambda: process(theirs), runs)
    return Comparison(
        "`archc check resnet50`, a process", '`python -c "import torch"`', tuple(first), tuple(second), TARGET
    )


def process(arguments: tuple[str, ...]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    print(compare())
