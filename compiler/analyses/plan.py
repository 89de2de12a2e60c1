"""How a network can be trained on many equal devices: what each way holds on each of them, sends, and takes.

Ways are data parallel (each rank has the whole network and a share of the batch), fully sharded (each rank has a share
of every unit's parameters, and gathers a unit when it runs; Zhao et al. 2023, arXiv 2304.11277), pipelines (each rank
has a stage: GPipe, Huang et al. 2019, arXiv 1811.06965; 1F1B and interleaved, Narayanan et al. 2021, arXiv 2104.04473),
and pipelines whose stages are data parallel or sharded in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil

from ...dsl.diagnostics import ArchError, refused
from ..ir.graph import Graph
from .balance import Part, least_memory
from .memory import size_text
from .pipeline import Step, Whole, at_batch, uses
from .schedules import SCHEDULES, in_flight, micro_batches, most_held
from .training import Machine, Owned, Training


@dataclass(frozen=True, slots=True)
class Rank:
    """What one rank holds, in bytes, and its time for one micro-batch, forward and backward, in seconds."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    buffers: int
    seconds: float

    @property
    def memory(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations + self.buffers


@dataclass(frozen=True, slots=True)
class Way:
    """One way to train: `replicas` times a pipeline of as many ranks as `ranks` has entries.

    `sharded`: parameters, gradients and the optimizer's states are shared out among the replicas. `cuts` are the nodes
    before which the graph is cut, and `recompute` the paths of the units whose forward is computed again in the
    backward pass, so that memory suffices. A step has `micro_batches`, takes `seconds`, of which the part `bubble` is
    spent waiting for other stages, and sends `traffic` bytes from the rank that sends most. `binds` is what a step
    waits for most: "compute", "link" or "bubble"; of a way that does not fit it is "memory".
    """

    replicas: int
    sharded: bool
    schedule: str | None
    micro_batches: int
    cuts: tuple[int, ...]
    recompute: tuple[str, ...]
    ranks: tuple[Rank, ...]
    traffic: int
    seconds: float
    bubble: float
    binds: str

    @property
    def memory(self) -> int:
        """The bytes of the rank that holds most."""
        return max(rank.memory for rank in self.ranks)

    @property
    def called(self) -> str:
        copies, again = "fully sharded" if self.sharded else "data parallel", ", recompute" if self.recompute else ""
        if self.schedule is None:
            return copies + again
        pipeline = f"pipeline of {len(self.ranks)}, {self.schedule}"
        return (pipeline if self.replicas == 1 else f"{pipeline}, {copies} by {self.replicas}") + again


@dataclass(frozen=True, slots=True)
class Plan:
    """All ways to train a network on a machine. Those that fit come first, the fastest first of all; `best` is it.
    `unknown` are kinds of layers whose memory is not known and is left out."""

    name: str
    machine: Machine
    training: Training
    sizes: dict[str, int]
    ways: tuple[Way, ...]
    unknown: tuple[str, ...] = ()

    @property
    def best(self) -> Way:
        return self.ways[0]


def plan(graph: Graph, machine: Machine, training: Training, sizes: Mapping[str, int]) -> Plan:
    """The ways to train. Raises ArchError where none fits into the memory, with the least that would do (E1302), and
    where the batch cannot be shared out (E1304)."""
    planner = _Planner(graph, machine, training, sizes)
    found = list(planner.ways())
    if all(way.memory > machine.memory for way in found):
        found += planner.ways(again=True)
    found.sort(key=lambda way: (way.memory > machine.memory, way.seconds))
    if not found:
        message = f"a batch of {training.batch} cannot be shared out among {machine.devices} devices"
        hint = "the batch is how many images a step has on all devices together: `--batch`, in Python `batch`"
        raise refused("E1304", message, hint)
    if found[0].memory > machine.memory:
        raise planner.too_small(found)
    unknown = tuple(sorted(planner.whole.memory(again=False).unknown))
    return Plan(graph.name, machine, training, dict(sizes), tuple(found), unknown)


@dataclass(frozen=True, slots=True)
class _Split:
    """How devices train together: so many replicas of a pipeline of so many stages, 1 where each has the whole.
    `again`: units are computed again."""

    replicas: int
    sharded: bool
    stages: int
    schedule: str | None
    micro: int
    again: bool = False


class _Planner:
    """The ways to train a graph on a machine."""

    def __init__(self, graph: Graph, machine: Machine, training: Training, sizes: Mapping[str, int]):
        self.whole = Whole(graph, training.number)
        self.machine = machine
        self.training = training
        self.sizes = sizes
        self._steps: dict[tuple[int, bool], Step] = {}

    def ways(self, again: bool = False) -> Iterator[Way]:
        """All ways, or those in which each unit is computed again, where there are units."""
        for split in self._splits() if not again or self.whole.again[1] else ():
            way = self._way(replace(split, again=again))
            if way is not None:
                yield way

    def _splits(self) -> Iterator[_Split]:
        devices = self.machine.devices
        for stages in (n for n in range(1, devices + 1) if devices % n == 0):
            replicas = devices // stages
            micro = micro_batches(self.training.batch // replicas, stages) if stages > 1 else 1
            if self.training.batch % replicas or micro is None:
                continue
            for sharded in (False, True)[: 1 + (replicas > 1)]:
                for schedule in SCHEDULES if stages > 1 else (None,):
                    yield _Split(replicas, sharded, stages, schedule, micro)

    def _way(self, split: _Split) -> Way | None:
        way = self._replicated(split) if split.schedule is None else self._pipeline(split, split.schedule)
        return replace(way, binds="memory") if way is not None and way.memory > self.machine.memory else way

    def _step(self, split: _Split) -> Step:
        images = self.training.batch // split.replicas // split.micro
        if (images, split.again) not in self._steps:
            at = at_batch(self.whole.graph, images, self.sizes)
            self._steps[images, split.again] = Step(self.whole, self.machine, self.training, at, split.again)
        return self._steps[images, split.again]

    def _made(
        self,
        split: _Split,
        parts: list[Part],
        ranks: list[Rank],
        traffic: float,
        seconds: float,
        bubble: float,
        binds: str,
    ) -> Way:
        cuts = tuple(part.first for part in parts[1:])
        recompute = tuple(self.whole.again[1]) if split.again else ()
        return Way(
            split.replicas, split.sharded, split.schedule, split.micro, cuts, recompute, tuple(ranks), round(traffic),
            seconds, bubble, binds,
        )  # fmt: skip

    # --- each rank has the whole -------------------------------------------------------------

    def _replicated(self, split: _Split) -> Way:
        """Data parallel, or fully sharded: units are gathered for the forward and for the backward pass, and what is in
        no unit once. Gradients are reduced while the backward pass runs."""
        step, replicas, link = self._step(split), split.replicas, self.machine.link
        parts = [Part(0, len(self.whole.graph.nodes))]
        (rank,) = self._ranks(step, split, parts)
        share = (replicas - 1) / replicas
        forward, reduced = sum(step.forward) / 1e12, share * rank.gradients
        gathered = again = 0.0
        backward = rank.seconds - forward
        if split.sharded:
            own, number = step.owns(parts[0]), self.training.number
            parameters = own.trained + own.frozen
            in_units, largest = sum(self.whole.units), max(self.whole.units, default=0)
            gathered, again = share * parameters * number, share * in_units * number
            held = parameters - in_units + min(2 * largest, in_units)
            unreduced = rank.gradients // self.training.master - in_units + largest
            rank = self._shared_out(rank, replicas, held * number, unreduced * self.training.master)
        else:
            reduced *= 2
        seconds = max(forward, gathered / link) + max(backward, (again + reduced) / link)
        binds = "link" if seconds > 1.01 * rank.seconds else "compute"
        return self._made(split, parts, [rank], gathered + again + reduced, seconds, 0.0, binds)

    def _shared_out(self, rank: Rank, replicas: int, gathered: int, unreduced: int) -> Rank:
        """What a rank holds where parameters are shared out, beside what it has gathered and not yet reduced."""
        shares = {name: ceil(getattr(rank, name) / replicas) for name in ("weights", "gradients", "optimizer")}
        shares["weights"] += gathered
        shares["gradients"] += unreduced
        return replace(rank, **shares)

    # --- pipelines ---------------------------------------------------------------------------

    def _pipeline(self, split: _Split, schedule: str) -> Way | None:
        step, stages = self._step(split), split.stages
        parts = self._cut(step, split, schedule)
        if parts is None:
            return None
        ranks = self._ranks(step, split, parts)
        exchanged = self._exchanged(step, split, parts, ranks)
        seconds = max(rank.seconds for rank in ranks)
        waiting = seconds * (stages - 1) / (len(parts) // stages)
        exchange = max(exchanged) / self.machine.link
        sent = [split.micro * sum(self._sent(step, part) for part in parts[rank::stages]) for rank in range(stages)]
        receiving = max(sum(step.row.receive[p.first] for p in parts[rank::stages]) for rank in range(stages)) / 1e12
        total = split.micro * seconds + waiting + exchange
        costs = {
            "bubble": waiting,
            "link": split.micro * receiving + exchange,
            "compute": split.micro * (seconds - receiving),
        }
        traffic = max(map(sum, zip(sent, exchanged, strict=True)))
        if split.sharded:
            ranks = [self._gathered(rank, split.replicas) for rank in ranks]
        return self._made(split, parts, ranks, traffic, total, waiting / total, max(costs, key=costs.__getitem__))

    def _cut(self, step: Step, split: _Split, schedule: str) -> list[Part] | None:
        """The stages: the most even ones, or where these do not fit the most even of those that do."""
        flying, memory = in_flight(schedule, split.stages, split.micro), self.machine.memory
        parts = step.cut(flying)
        if parts is None or schedule == "interleaved":
            return parts
        most = max(rank.memory for rank in self._ranks(step, split, parts))
        if most <= memory:
            return parts
        return step.cut(flying, split.micro, memory - self._beside(step, split.micro)) or parts

    def _beside(self, step: Step, micro: int) -> int:
        """The bytes that a stage may hold beside what the row of nodes counts."""
        tied = sum(self.training.held(own) for _, own in step.tied)
        return micro * step.given + step.again + max(step.row.returning) + max(step.row.arriving) + tied

    def _ranks(self, step: Step, split: _Split, parts: list[Part]) -> list[Rank]:
        figures = [*zip(parts, step.saved(parts), step.put_out(parts), strict=True)]
        return [self._rank(step, figures[rank :: split.stages], split, rank) for rank in range(split.stages)]

    def _sent(self, step: Step, part: Part) -> int:
        """The bytes that a stage sends for a micro-batch: what it puts out, and gradients of what it takes."""
        return step.sent_back[part.first] + step.sent_on[part.after]

    def _exchanged(self, step: Step, split: _Split, parts: list[Part], ranks: list[Rank]) -> list[float]:
        """The bytes that each rank sends in a step to its replicas, and to the ranks with stages that share parameters
        with its own. Where a stage is sharded its parameters are gathered once."""
        share, number = (split.replicas - 1) / split.replicas, self.training.number / self.training.weight
        sent = [share * (r.weights * number + r.gradients if split.sharded else 2 * r.gradients) for r in ranks]
        for users, own in step.tied:
            holders = {index % split.stages for index, part in enumerate(parts) if uses(part, users)}
            shard = own.trained * self.training.master / (split.replicas if split.sharded else 1)
            for rank in holders:
                sent[rank] += 2 * (len(holders) - 1) / len(holders) * shard
        return sent

    def _gathered(self, rank: Rank, replicas: int) -> Rank:
        """A rank whose stages are sharded: it holds them and their gradients whole until the step ends."""
        number = self.training.number / self.training.weight
        return self._shared_out(rank, replicas, round(rank.weights * number), rank.gradients)

    # --- ranks -------------------------------------------------------------------------------

    def _rank(self, step: Step, stages: list[tuple[Part, int, int]], split: _Split, number: int) -> Rank:
        """What the rank of this number holds of these stages, of which each saves and puts out so many bytes. Each has
        what it shares with others, and beside what they make each rank holds the batch, which it is given, and room for
        what arrives of all micro-batches."""
        training, row = self.training, step.row
        parts, saved, out = (list(column) for column in zip(*stages, strict=True))
        own = sum(map(step.owns, parts), start=Owned())
        back = [row.returning[part.first] for part in parts]
        most = most_held(split.schedule or "gpipe", number, split.stages, split.micro, saved, out, back)
        received = step.given + sum(row.arriving[part.first] + row.returning[part.after] for part in parts)
        activations = most + split.micro * received + step.again
        return Rank(
            (own.trained + own.frozen) * training.weight,
            own.trained * training.master,
            own.trained * training.states,
            activations,
            own.buffers,
            sum(map(row.spent, parts)) / 1e12,
        )

    def too_small(self, ways: list[Way]) -> ArchError:
        """What to say where no way fits."""
        needed = {id(way): self._least(way) for way in ways}
        best = min(ways, key=lambda way: needed[id(way)])
        rank = max(best.ranks, key=lambda rank: rank.memory)
        most = max(("weights", "gradients", "optimizer", "activations"), key=lambda kind: getattr(rank, kind))
        message = (
            f"nothing fits into {size_text(self.machine.memory)} on each of {self.machine.devices} devices: the least "
            f"that would do is {size_text(needed[id(best)])}, {best.called}; most of it is {KINDS[most]}"
        )
        mib = ceil(needed[id(best)] / 2**20)
        return refused(
            "E1302", message, f"`--memory {mib}MiB`, more `--devices`, {HINTS[most]}; in Python these are arguments"
        )

    def _least(self, way: Way) -> int:
        """The fewest bytes within which this way fits, with other cuts where these may move."""
        if way.schedule not in ("gpipe", "1f1b") or way.sharded:
            return way.memory
        stages = len(way.ranks)
        step = self._step(_Split(way.replicas, False, stages, way.schedule, way.micro_batches, bool(way.recompute)))
        flying = in_flight(way.schedule, stages, way.micro_batches)
        least = least_memory(replace(step.row, micro=way.micro_batches), flying) or 0
        return min(way.memory, least + self._beside(step, way.micro_batches))


KINDS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "the optimizer's states",
    "activations": "what the backward pass keeps",
}
HINTS = {
    "weights": "or fewer parameters",
    "gradients": "or fewer parameters",
    "optimizer": "or an optimizer with fewer states, `--optimizer momentum`",
    "activations": "or a smaller `--batch`",
}
