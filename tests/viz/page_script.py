"""The scripts of a page that ask for no document, run without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from py_mini_racer import MiniRacer

from archc.viz import page as page_module

NAMES = (
    "Model, Folding, layout, zoomed, roomFor, fitting, opening, showing, closeTo, cardPlace, rounded, shortOf, "
    "highest, nearest, rowAt, entriesOf, nearestNames, short, labelOf, factsOf, sourcesOf"
)


class Script:
    """The functions of a page. Values go in and come back as JSON."""

    def __init__(self) -> None:
        folder = Path(page_module.__file__).parent
        code = "\n".join((folder / name).read_text(encoding="utf-8") for name in page_module.LOGIC)
        self.context = MiniRacer()
        self.context.eval(
            f"const kept = {{}}, {{{NAMES}}} = (() => {{'use strict';\n{code}\nreturn {{{NAMES}}}; }})();"
        )

    def keep(self, name: str, value: Any) -> None:
        """Makes a value known as `kept[name]`."""
        self.context.eval(f"kept[{json.dumps(name)}] = {json.dumps(value)};")

    def run(self, function: str, *arguments: Any) -> Any:
        """The value of a JavaScript function of some arguments; None where it gives none."""
        given = ", ".join(json.dumps(argument) for argument in arguments)
        return json.loads(self.context.eval(f"JSON.stringify(({function})({given}) ?? null)"))
