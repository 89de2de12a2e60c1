"""`archc init`: a first spec, to be changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..dsl.diagnostics import refused
from ..grammar.parser import words
from .outputs import put_out, ready_for
from .terminal import say

if TYPE_CHECKING:
    from .specs_commands import Init

TEMPLATE = '''"""A small residual network for images."""

# A shortcut is the input itself, or a convolution where the channels or the size change.
block shortcut(c, stride) = if in.channels == c and stride == 1 then id else [conv(c, 1, stride), bn]

# `in` is what arrives. Names such as conv1 become the names of the parameters.
block unit(c, stride = 1) {
  body = conv1: conv(c, 3, stride) -> bn1: bn -> relu -> conv2: conv(c, 3) -> bn2: bn
  output body + shortcut: shortcut(c, stride) -> relu
}

# n units in a row, of which the first may halve the size. A list numbers its elements: layer1.0, layer1.1.
block stage(c, n, stride = 1) = [unit(c, stride), unit(c) ** (n - 1)]

# Parameters have defaults; `--set n=3` sets another value. N, H and W stay open.
arch NAME(n: int = 2, width: int = 64, classes: int = 10) {
  input image: [N, 3, H, W] = [1, 3, 32, 32]
  output image -> stem: [conv(width, 3), bn, relu]
    -> layer1: stage(width, n)
    -> layer2: stage(2 * width, n, 2)
    -> layer3: stage(4 * width, n, 2)
    -> pool: gap -> head: linear(classes)
}
'''


def run_init(request: Init) -> int:
    path = Path(request.path)
    path = path if path.suffix else path.with_suffix(".arch")
    if path.exists():
        hint = "`archc init other.arch` writes another file"
        raise refused("E0805", f"{path} exists already, and `init` writes over nothing", hint)
    ready_for(path)
    put_out(path, TEMPLATE.replace("NAME", name_of(path)).encode())
    say(f"  archc check {path}      shapes, parameters, legal sizes")
    say(f"  archc draw {path}       a picture")
    say(f"  archc compile {path}    a Python file that needs torch and nothing else")
    return 0


def name_of(path: Path) -> str:
    """The file's name as that of an architecture: `Net` where it is no name."""
    name = re.sub(r"\W+", "_", path.stem)
    return name if re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) and name not in words().reserved else "Net"
