"""How ranks share a training step, as asked or as a plan says, checked before any rank waits for another."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...dsl.diagnostics import refused
from ...dsl.quoting import quoted
from ..analyses.figures import parameters
from ..analyses.pipeline import place_of, places_of
from ..analyses.schedules import CHUNKS, SCHEDULES
from ..files import path_of
from ..ir.graph import Graph, walk
from ..ir.words import did_you_mean


@dataclass(frozen=True, slots=True)
class Sharing:
    """How ranks share a training step: so many `replicas` of a pipeline of so many `stages`, one of which each rank
    has, or two of an interleaved schedule. Each replica takes a share of the batch, in `micro_batches`. `sharded`:
    parameters are shared out among replicas. `cuts` and `recompute` are what `pipeline` takes for `at` and `recompute`.
    """

    replicas: int
    stages: int
    schedule: str
    sharded: bool
    micro_batches: int
    cuts: tuple[int, ...]
    recompute: tuple[str, ...]


def shared(
    graph: Graph,
    ranks: int,
    batch: int,
    stages: int,
    schedule: str,
    micro_batches: int,
    sharded: bool,
    cuts: Sequence[int] = (),
    recompute: Sequence[str] = (),
) -> Sharing:
    """How so many ranks share a batch, `micro_batches` on all replicas together. Raises ArchError: E1301 for more
    stages than there are places to cut, E1303 for cuts, E1304 for the batch, E1305 for the schedule, E1306 for ranks
    that stages cannot share."""
    if stages < 1 or ranks < 1 or ranks % stages:
        hint = f"`--nproc-per-node {ranks // stages * stages or stages}`" if stages > 0 else "a pipeline has 1 or more"
        raise refused("E1306", f"{ranks} ranks cannot be shared out evenly among {stages} stages", hint)
    replicas = ranks // stages
    if micro_batches < 1 or micro_batches % replicas or batch < 1 or batch % micro_batches:
        message = f"{replicas} replicas cannot share a batch of {batch} in {micro_batches} micro-batches evenly"
        hint = f"micro-batches are a multiple of {replicas}, and a batch is a multiple of micro-batches"
        raise refused("E1304", message, hint)
    count = check_schedule(schedule, stages, micro_batches // replicas)
    found = places_of(graph, None if cuts else count, cuts, graph.nominal)
    return Sharing(replicas, stages, schedule, sharded, micro_batches // replicas, tuple(found), tuple(recompute))


def check_schedule(schedule: str, stages: int, micro_batches: int) -> int:
    """Into how many parts a network is cut for so many ranks. Raises ArchError (E1304, E1305)."""
    if schedule not in SCHEDULES:
        hints = (*did_you_mean(schedule, SCHEDULES), f"known are {', '.join(SCHEDULES)}")
        raise refused("E1305", f"there is no schedule {schedule!r}", *hints)
    if micro_batches < 1 or (schedule == "interleaved" and micro_batches % stages):
        what = f"a multiple of {stages}" if schedule == "interleaved" else "at least 1"
        raise refused("E1304", f"micro_batches is {micro_batches}, and {schedule} takes {what}")
    return stages * (CHUNKS if schedule == "interleaved" else 1)


class _Way(BaseModel):
    """What of a plan's way says how ranks share a step."""

    model_config = ConfigDict(strict=True)
    replicas: int = Field(ge=1)
    ranks: list[Any] = Field(min_length=1)
    schedule: str | None
    sharded: bool
    micro_batches: int = Field(ge=1)
    cuts: list[int]
    places: list[str]
    recompute: list[str]


class _Plan(BaseModel):
    name: str
    parameters: int
    nodes: int
    ways: list[_Way] = Field(min_length=1)


def planned(graph: Graph, path: str | os.PathLike[str], ranks: int, batch: int) -> Sharing:
    """The first way of the plan in a file. Raises ArchError: as `shared` does, and E1310 for a file that is no plan of
    this network for so many ranks."""
    file = path_of(path)
    try:
        with open(file, encoding="utf-8") as opened:
            plan = _Plan.model_validate(json.load(opened))
    except (OSError, ValueError, RecursionError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else quoted(error)
        raise refused("E1310", f"{file} is no plan: {why}", "`archc plan SPEC -o plan.json` writes one") from None
    way = plan.ways[0]
    again = f"`archc plan ... --devices {ranks} -o plan.json` makes one"
    if plan.name != graph.name:
        raise refused("E1310", f"{file} is a plan of {plan.name}, and not of {graph.name}", again)
    stages = len(way.ranks)
    if way.replicas * stages != ranks:
        raise refused("E1310", f"{file} is a plan for {way.replicas * stages} ranks, and there are {ranks}", again)
    schedule, known = way.schedule or "1f1b", {path for path, _ in walk(graph.root)}
    count = check_schedule(schedule, stages, way.micro_batches)
    places = [place_of(graph, cut) for cut in way.cuts if 0 < cut < len(graph.nodes)]
    same = (plan.parameters, plan.nodes) == (parameters(graph), len(graph.nodes)) and places == way.places
    if not same or len(way.cuts) + 1 != count or not known.issuperset(way.recompute):
        raise refused("E1310", f"{file} is a plan of another network that is called {graph.name} too", again)
    parts = way.micro_batches * way.replicas
    return shared(graph, ranks, batch, stages, schedule, parts, way.sharded, way.cuts, way.recompute)
