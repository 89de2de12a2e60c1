"""GoogLeNet."""

from __future__ import annotations

from oracles import Row


def row(quick: bool = False, **options: bool) -> Row:
    given = {"aux": options["aux_logits"]} if "aux_logits" in options else options
    return Row("googlenet", "torchvision", "googlenet", given, options=options, quick=quick)


ROWS = [row(quick=True), row(aux_logits=False), row(transform_input=True)]
