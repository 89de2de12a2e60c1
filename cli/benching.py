"""`archc bench`: how long inference takes on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compiler.analyses.tables import markdown
from ..figures import plural
from .costs import checked_sizes_of
from .looking import looked_at
from .options import sizes_of, usage
from .progress import phase
from .terminal import duration, say, say_json, style, table
from .weights import note_weights, taken

if TYPE_CHECKING:
    from ..compiler.emit.benchmark import Timing
    from .analysis_commands import Bench

COLUMNS = ("batch", "engine", "median", "spread", "ratio", "ready", "peak memory")
FIGURES = frozenset(range(len(COLUMNS))) - {1}


def run_bench(request: Bench) -> int:
    from ..compiler.emit.benchmark import benchmark, threads

    note_weights(request)
    sized, batches = sizes_of(request.sizes), batches_of(request.batch)
    engines = [word.strip() for word in request.engines.split(",")]
    if len(set(engines)) < len(engines):
        raise usage(f"'{request.engines}' names an engine twice", "--engines")
    architecture = looked_at(request)
    graph = architecture.ir
    sizes = [{**graph.nominal, **checked_sizes_of(architecture, sized, batch)} for batch in batches]
    given = taken(request, graph)
    weights = None if given is None else given.checkpoint
    phase(f"bench: {', '.join(engines)} in turn, {request.runs} runs of each")
    with threads(request.threads) as used:
        found = benchmark(
            graph,
            sizes,
            engines,
            weights=weights,
            dtype=request.dtype,
            runs=request.runs,
        )
    rows = [row(batch, timing, timings[0]) for batch, timings in zip(batches, found, strict=True) for timing in timings]
    if given is not None:
        given.save_map()
    about = f"{request.dtype}, {plural(used, 'thread')}, {plural(request.runs, 'run')} of each in turn"
    if request.format == "json":
        facts = {"name": graph.name, "dtype": request.dtype, "threads": used, "runs": request.runs}
        say_json({**facts, "timings": [figures(timing, group[0]) for group in found for timing in group]})
    elif request.format == "md":
        for line in [f"{graph.name}: {about}.", "", *markdown(COLUMNS, rows, FIGURES)]:
            say(line)
    else:
        say(f"{style(graph.name, 'bold')}  {about}")
        table(COLUMNS, rows, FIGURES)
    return 0


def batches_of(text: str) -> list[int]:
    """The numbers of `--batch`, or a usage error."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise usage(f"'{text}' is not of the form 1,16", "--batch")
    return [int(word) for word in words]


def row(batch: int, timing: Timing, first: Timing) -> list[str]:
    """What the table has of an engine; its ratio is to the first one's median."""
    from ..compiler.analyses.memory import size_text

    peak = "" if timing.memory is None else size_text(timing.memory)
    cells = [duration(timing.median), f"±{timing.spread:.0%}", f"{timing.median / first.median:.2f}"]
    return [str(batch), timing.engine, *cells, duration(timing.ready), peak]


def figures(timing: Timing, first: Timing) -> dict[str, Any]:
    """The figures in seconds and bytes."""
    return {
        "engine": timing.engine,
        "sizes": dict(timing.sizes),
        "median": timing.median,
        "spread": timing.spread,
        "ratio": timing.median / first.median,
        "ready": timing.ready,
        "peak_memory": timing.memory,
        "seconds": timing.seconds,
    }
