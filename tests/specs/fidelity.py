"""Compares every shipped architecture with its peers, and writes `docs/fidelity.md`.

    python tests/specs/fidelity.py                   every row: twenty minutes on two cores
    python tests/specs/fidelity.py resnet densenet   these families; the other rows stay as they are
    python tests/specs/fidelity.py --missing         the rows that the page lacks

Exits 1 where a row differs.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

from lines import replaced
from oracles import Row, families

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "fidelity.md"
HEADER = "| spec | variant | peer | parameters | names | eval | train | gradients | step | verdict |"
START, END = "<!-- rows -->\n", "<!-- end of rows -->\n"


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    known = families()
    unknown = [name for name in options.families if name not in known]
    if unknown:
        print(f"no family is named {unknown[0]}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    lines = written()
    order = [(family, row) for family, rows in known.items() for row in rows]
    jobs = [
        (family, row)
        for family, row in order
        if (not options.families or family in options.families) and not (options.missing and key(family, row) in lines)
    ]
    # A row is found again in the process that compares it: what builds a peer cannot be sent.
    places = [(family, known[family].index(row)) for family, row in jobs]
    bad = 0
    # A process takes some rows and ends, since what large nets leave behind fragments its memory.
    with get_context("spawn").Pool(options.jobs, one_thread, maxtasksperchild=16) as pool:
        for job, line in zip(jobs, pool.imap(measured, places), strict=True):
            bad += not line.rstrip(" |").endswith(GOOD)
            print(line, flush=True)
            lines = written() | {key(*job): line}  # another run may have written meanwhile
            write([lines[key(*each)] for each in order if key(*each) in lines])
    return 1 if bad else 0


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("families", nargs="*", help="families to compare; all, if none is named")
    parser.add_argument("--missing", action="store_true", help="only rows that the page lacks")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="rows compared at once")
    return parser.parse_args(arguments)


def one_thread() -> None:
    """Rows run side by side, each on a core."""
    import torch

    torch.set_num_threads(1)


GOOD = ("equal", "equal up to rounding")


def key(family: str, row: Row) -> str:
    return f"{family}: {row.label}"


def measured(job: tuple[str, int]) -> str:
    """The line of one row."""
    from twins import QUANTITIES, compared

    family, place = job
    row = families()[family][place]
    start = time.perf_counter()
    cells = [f"`{family}`", f"`{row.variant}`", f"{row.library} `{row.oracle}`"]
    try:
        found = compared(row)
    except Exception as error:
        reason = (str(error).strip().split("\n") or [""])[0].replace("|", "/")
        return f"| {' | '.join(cells)} | | | | | | | failed: {type(error).__name__}: {reason[:200]} |"
    cells += [f"{found.parameters:,}", found.names]
    cells += [f"{found.worst(quantity):.2g}" for quantity in QUANTITIES]
    print(f"{key(family, row)}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return f"| {' | '.join([*cells, verdict(found.largest, row)])} |"


def verdict(largest: float, row: Row) -> str:
    if largest == 0:
        return "equal"
    if row.why and largest <= row.within and math.isfinite(largest):
        return f"{row.why}: equal up to rounding"
    return "DIFFERS"


def written() -> dict[str, str]:
    """The rows of the page, by what they compare."""
    return {line_key(line): line for line in page_rows()}


def page_rows() -> Iterator[str]:
    text = PAGE.read_text(encoding="utf-8")
    body = text.partition(START)[2].partition(END)[0]
    yield from (line for line in body.split("\n") if line.startswith("| `"))


def line_key(line: str) -> str:
    family, variant, peer = (cell.strip().replace("`", "") for cell in line.strip("|").split("|")[:3])
    return f"{family}: {variant} = {peer}"


def write(rows: list[str]) -> None:
    rule = "| " + " | ".join(["---"] * HEADER.count(" | ") + ["---"]) + " |"
    body = "\n".join([HEADER, rule, *rows])
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), "rows", body), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
