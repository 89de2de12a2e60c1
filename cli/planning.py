"""`archc plan`: how to train an architecture on many devices."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.analyses.figures import parameters
from ..compiler.analyses.memory import size_text
from ..compiler.analyses.pipeline import place_of
from ..dsl.diagnostics import refused
from ..figures import plural
from .costs import checked_sizes_of, say_unknown
from .looking import looked_at
from .options import sizes_of
from .outputs import put_out, ready_for, target_path
from .terminal import duration, say, say_json, style, table

if TYPE_CHECKING:
    from ..architecture import Architecture
    from ..compiler.analyses.plan import Plan, Rank, Way
    from .analysis_commands import Plan as Request

ENDINGS = (".json", ".svg", ".png", ".pdf")
WAYS = ("way", "micro-batches", "memory", "traffic", "step", "bubble", "waits for")
RANKS = ("rank", "from", "weights", "gradients", "optimizer", "activations", "total", "micro-batch")


def run_plan(request: Request) -> int:
    sizes = sizes_of(request.sizes)
    target = None if request.output is None else target_path(request.output, "plan.json")
    if target is not None and target.suffix.lower() not in ENDINGS:
        raise refused("E1005", f"no plan is a `{target.suffix}` file", f"known are {', '.join(ENDINGS)}")
    ready_for(target)
    architecture = looked_at(request)
    found = architecture.plan(
        request.devices,
        request.memory,
        batch=request.batch,
        dtype=request.dtype,
        optimizer=request.optimizer,
        loss=request.loss,
        link=request.link,
        multiply_adds=request.multiply_adds,
        bandwidth=request.bandwidth,
        **checked_sizes_of(architecture, sizes),
    )
    written = plan_json(architecture, found)
    if target is not None:
        put_out(target, _content(target, architecture, found, written))
    elif request.format == "json":
        say_json(written)
    else:
        show_plan(architecture, found, request.all)
    return 0


def _content(target: Path, architecture: Architecture, found: Plan, written: dict[str, Any]) -> bytes:
    if target.suffix.lower() == ".json":
        return (json.dumps(written, indent=2) + "\n").encode()
    from ..viz.plan import plan_plot

    return plan_plot(architecture.ir, found).content(target.suffix.removeprefix(".").lower())


def show_plan(architecture: Architecture, found: Plan, every: bool) -> None:
    """The ways in a table, and the ranks of the best one."""
    machine, training = found.machine, found.training
    devices = f"{plural(machine.devices, 'device')} of {size_text(machine.memory)}"
    about = f"{devices}, {plural(training.batch, 'image')} in a step, {training.dtype}, {training.optimizer}"
    say(f"{style(found.name, 'bold')}  {about}")
    fitting = [way for way in found.ways if way.memory <= machine.memory]
    shown = found.ways if every else fitting
    table(WAYS, [way_cells(way) for way in shown], frozenset(range(1, 6)))
    if len(shown) < len(found.ways):
        rest = len(found.ways) - len(shown)
        say(f"{plural(rest, 'way')} would not fit into {size_text(machine.memory)}: --all shows them")
    best = found.best
    say(f"\n{style(best.called, 'bold')}: what each rank holds")
    table(RANKS, [rank_cells(architecture, best, number) for number in range(len(best.ranks))], frozenset(range(2, 8)))
    say_unknown(found.unknown)


def way_cells(way: Way) -> list[str]:
    micro, bubble = ("", "") if way.schedule is None else (str(way.micro_batches), f"{way.bubble:.0%}")
    return [way.called, micro, size_text(way.memory), size_text(way.traffic), duration(way.seconds), bubble, way.binds]


def rank_cells(architecture: Architecture, way: Way, number: int) -> list[str]:
    """A rank's row; `from` is where its stages begin."""
    rank = way.ranks[number]
    starts = [place_of(architecture.ir, cut) for cut in (0, *way.cuts)[number :: len(way.ranks)]]
    kinds = (rank.weights, rank.gradients, rank.optimizer, rank.activations, rank.memory)
    return [str(number), " and ".join(starts), *map(size_text, kinds), duration(rank.seconds)]


def plan_json(architecture: Architecture, found: Plan) -> dict[str, Any]:
    """The plan for JSON; its first way is the best. `cuts` are what `net.stages(at=...)` takes."""
    return {
        "name": found.name,
        "parameters": parameters(architecture.ir),
        "nodes": len(architecture.ir.nodes),
        "sizes": found.sizes,
        "machine": asdict(found.machine),
        "training": asdict(found.training),
        "unknown_memory": list(found.unknown),
        "ways": [_way_json(architecture, way) for way in found.ways],
    }


def _way_json(architecture: Architecture, way: Way) -> dict[str, Any]:
    places = [place_of(architecture.ir, cut) for cut in way.cuts]
    return {
        "called": way.called,
        "memory": way.memory,
        **asdict(way),
        "places": places,
        "ranks": [_rank_json(r) for r in way.ranks],
    }


def _rank_json(rank: Rank) -> dict[str, Any]:
    return {"memory": rank.memory, **asdict(rank)}
