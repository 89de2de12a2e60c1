"""How a network can be trained on many equal devices: what each way holds on each of them, sends, and takes.

Ways are data parallel (each rank has the whole network and a share of the batch), fully sharded (each rank has a share
of every unit's parameters, and gathers a unit when it runs; Zhao et al. 2023, arXiv 2304.11277), pipelines (each rank
has a stage: GPipe, Huang et al. 2019, arXiv 1811.06965; 1F1B and interleaved, Narayanan et al. 2021, arXiv 2104.04473),
and pipelines whose stages are data parallel or sharded in turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil

from ...dsl.diagnostics import ArchError, refused
from ..ir.graph import Graph, Scope
from ..ir.regions import Regions
from .balance import Part, least_memory
from .figures import numbers_of
from .memory import size_text
from .pipeline import Machine, Step, Training, at_batch
from .units import sharded_units

SCHEDULES = ("gpipe", "1f1b", "interleaved")
CHUNKS = 2
"""The stages of each rank of an interleaved pipeline."""


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
    before which the graph is cut. A step has `micro_batches`, takes `seconds`, of which the part `bubble` is spent
    waiting for other stages, and sends `traffic` bytes from the rank that sends most. `binds` is what a step waits for
    most: "compute", "link" or "bubble"; of a way that does not fit it is "memory".
    """

    replicas: int
    sharded: bool
    schedule: str | None
    micro_batches: int
    cuts: tuple[int, ...]
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
        copies = "fully sharded" if self.sharded else "data parallel"
        if self.schedule is None:
            return copies
        pipeline = f"pipeline of {len(self.ranks)}, {self.schedule}"
        return pipeline if self.replicas == 1 else f"{pipeline}, {copies} by {self.replicas}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All ways to train a network on a machine. Those that fit come first, the fastest first of all; `best` is it."""

    name: str
    machine: Machine
    training: Training
    sizes: dict[str, int]
    ways: tuple[Way, ...]

    @property
    def best(self) -> Way:
        return self.ways[0]


def plan(graph: Graph, machine: Machine, training: Training, sizes: Mapping[str, int]) -> Plan:
    """The ways to train. Raises ArchError where none fits into the memory, with the least that would do (E1302), and
    where the batch cannot be shared out (E1304)."""
    planner = _Planner(graph, machine, training, sizes)
    found = sorted(planner.ways(), key=lambda way: (way.memory > machine.memory, way.seconds))
    if not found:
        message = f"a batch of {training.batch} cannot be shared out among {machine.devices} devices"
        raise refused("E1304", message, "`--batch` is how many images a step has on all devices together")
    if found[0].memory > machine.memory:
        raise planner.too_small(found)
    return Plan(graph.name, machine, training, dict(sizes), tuple(found))


def units(regions: Regions) -> dict[Scope, int]:
    """The scopes that are sharded and gathered as wholes, with how many parameters of each train."""

    def inner(scope: Scope) -> list[Scope]:
        return [child for child in scope.children.values() if isinstance(child, Scope) and child.holder is scope]

    trained = _trained(regions.graph)
    found = sharded_units(regions.root.scope, trained.__getitem__, inner, lambda scope: regions.reason(scope) is None)
    return {unit: trained[unit] for unit in found}


def _trained(graph: Graph) -> Counter[Scope]:
    """How many parameters that train are in each scope."""
    found = Counter[Scope]()
    for node in graph.owners():
        scope: Scope | None = node.scope
        count = numbers_of(graph, node).parameters
        while scope is not None and count:
            found[scope] += count
            scope = scope.parent
    return found


class _Planner:
    """The ways to train a graph on a machine."""

    def __init__(self, graph: Graph, machine: Machine, training: Training, sizes: Mapping[str, int]):
        self.graph = graph
        self.machine = machine
        self.training = training
        self.sizes = sizes
        self._steps: dict[int, Step] = {}

    def ways(self) -> Iterator[Way]:
        devices = self.machine.devices
        for stages in (n for n in range(1, devices + 1) if devices % n == 0):
            replicas = devices // stages
            if self.training.batch % replicas:
                continue
            for sharded in (False, True)[: 1 + (replicas > 1)]:
                if stages == 1:
                    yield self._whole(replicas, sharded)
                for schedule in SCHEDULES if stages > 1 else ():
                    yield from self._pipeline(replicas, sharded, stages, schedule)

    def step(self, images: int) -> Step:
        if images not in self._steps:
            at = at_batch(self.graph, images, self.sizes)
            self._steps[images] = Step(self.graph, self.machine, self.training, at)
        return self._steps[images]

    # --- each rank has the whole -------------------------------------------------------------

    def _whole(self, replicas: int, sharded: bool) -> Way:
        step, training = self.step(self.training.batch // replicas), self.training
        rank = self._rank(step, [Part(0, len(self.graph.nodes))], lambda _: [1])
        share = (replicas - 1) / replicas
        seconds, link = rank.seconds, self.machine.link
        gathered, gradients = share * self._parameters(step) * training.number, share * rank.gradients
        if sharded:
            rank = self._shared_out(rank, replicas)
            largest = 2 * max(units(step.regions).values(), default=0)
            rank = replace(
                rank,
                weights=rank.weights + min(largest, self._parameters(step)) * training.number,
                gradients=rank.gradients + largest // 2 * training.number,
            )
            total = max(seconds / 3, gathered / link) + max(2 * seconds / 3, (gathered + gradients) / link)
            traffic = 2 * gathered + gradients
        else:
            total, traffic = seconds / 3 + max(2 * seconds / 3, 2 * gradients / link), 2 * gradients
        binds = "link" if total > 1.01 * seconds else "compute"
        return self._way(Way(replicas, sharded, None, 1, (), (rank,), round(traffic), total, 0.0, binds))

    def _parameters(self, step: Step) -> int:
        return sum(owned.trained + owned.frozen for owned in step.owned)

    def _shared_out(self, rank: Rank, replicas: int) -> Rank:
        shares = {name: ceil(getattr(rank, name) / replicas) for name in ("weights", "gradients", "optimizer")}
        return replace(rank, **shares)

    # --- pipelines ---------------------------------------------------------------------------

    def _pipeline(self, replicas: int, sharded: bool, stages: int, schedule: str) -> Iterator[Way]:
        images = self.training.batch // replicas
        chunks = CHUNKS if schedule == "interleaved" else 1
        micro = _micro_batches(images, stages)
        if micro is None:
            return
        step = self.step(images // micro)
        flying = _in_flight(schedule, stages, micro)
        memory = self.machine.memory
        parts = step.cut(flying)
        ranks = [] if parts is None else self._ranks(step, parts, schedule, stages, micro)
        if chunks == 1 and ranks and max(rank.memory for rank in ranks) > memory:
            parts = step.cut(flying, memory - step.again) or parts
            ranks = self._ranks(step, parts or [], schedule, stages, micro)
        if parts is None:
            return
        seconds = max(rank.seconds for rank in ranks)
        waiting = seconds * (stages - 1) / chunks
        exchanged, ranks = self._exchanged(step, ranks, replicas, sharded)
        row = step.row
        sent = [
            sum(row.arriving[p.first] * (p.first > 0) + row.arriving[p.after] for p in parts[rank::stages])
            for rank in range(stages)
        ]
        traffic = max(micro * sent[rank] + exchanged[rank] for rank in range(stages))
        total = micro * seconds + waiting + max(exchanged) / self.machine.link
        receiving = max(sum(row.receive[p.first] for p in parts[rank::stages]) for rank in range(stages)) / 1e12
        costs = {
            "bubble": waiting,
            "link": micro * receiving + max(exchanged) / self.machine.link,
            "compute": micro * (seconds - receiving),
        }
        binds = max(costs, key=costs.__getitem__)
        cuts = tuple(part.first for part in parts[1:])
        yield self._way(
            Way(replicas, sharded, schedule, micro, cuts, tuple(ranks), round(traffic), total, waiting / total, binds)
        )

    def _ranks(self, step: Step, parts: list[Part], schedule: str, stages: int, micro: int) -> list[Rank]:
        def flying(rank: int) -> Callable[[list[int]], list[int]]:
            return lambda kept: _most_held(schedule, rank, stages, micro, kept)

        return [self._rank(step, parts[rank::stages], flying(rank)) for rank in range(stages)]

    def _exchanged(self, step: Step, ranks: list[Rank], replicas: int, sharded: bool) -> tuple[list[float], list[Rank]]:
        """The bytes that each rank sends to its replicas in a step, and what it then holds. A stage that is sharded
        gathers its parameters once a step, and holds them and their gradients whole until it ends."""
        share = (replicas - 1) / replicas
        if not sharded:
            return [2 * share * rank.gradients for rank in ranks], ranks
        low = self.training.number / self.training.weight
        sent = [share * (rank.weights * low + rank.gradients) for rank in ranks]
        held = [
            replace(
                self._shared_out(rank, replicas),
                weights=ceil(rank.weights / replicas) + round(rank.weights * low),
                gradients=rank.gradients + ceil(rank.gradients / replicas),
            )
            for rank in ranks
        ]
        return sent, held

    # --- ranks -------------------------------------------------------------------------------

    def _rank(self, step: Step, parts: list[Part], most_held: Callable[[list[int]], list[int]]) -> Rank:
        """What a rank holds of these stages; `most_held` says how many micro-batches of each are in flight when most
        is held, of what each keeps of one."""
        training, row = self.training, step.row
        owned = [own for part in parts for own in step.owned[part.first : part.after]]
        trained, frozen, buffers = (sum(column) for column in zip(*owned, strict=True))
        kept = [row.held(part, 1) - row.held(part, 0) for part in parts]
        activations = sum(count * bytes_ for count, bytes_ in zip(most_held(kept), kept, strict=True)) + step.again
        return Rank(
            (trained + frozen) * training.weight,
            trained * training.master,
            trained * training.states,
            activations,
            buffers,
            sum(map(row.spent, parts)) / 1e12,
        )

    def _way(self, way: Way) -> Way:
        return replace(way, binds="memory") if way.memory > self.machine.memory else way

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
        return refused("E1302", message, f"`--memory {mib}MiB`, more `--devices`, {HINTS[most]}")

    def _least(self, way: Way) -> int:
        if way.schedule not in ("gpipe", "1f1b") or way.sharded:
            return way.memory
        step = self.step(self.training.batch // way.replicas // way.micro_batches)
        flying = _in_flight(way.schedule, len(way.ranks), way.micro_batches)
        return min(way.memory, (least_memory(replace(step.row, places=step.places), flying) or 0) + step.again)


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


def _micro_batches(images: int, stages: int) -> int | None:
    """Into how many micro-batches a rank's images are split: a multiple of the stages, four times as many where that
    is possible; None where there are too few images."""
    counts = [n for n in range(stages, images + 1, stages) if images % n == 0]
    return next((n for n in counts if n >= 4 * stages), counts[-1] if counts else None)


def _in_flight(schedule: str, stages: int, micro: int) -> list[int]:
    """How many micro-batches each stage holds at once."""
    if schedule == "gpipe":
        return [micro] * stages
    if schedule == "1f1b":
        return [min(micro, stages - stage) for stage in range(stages)]
    return [micro] * (CHUNKS * stages)


def _most_held(schedule: str, rank: int, stages: int, micro: int, kept: list[int]) -> list[int]:
    """How many micro-batches of each of a rank's stages are in flight when it holds most, where each keeps so many
    bytes of one."""
    if schedule != "interleaved":
        return [_in_flight(schedule, stages, micro)[rank]]
    chunks, total = len(kept), micro * len(kept)
    ahead = min(total, 2 * (stages - rank - 1) + (chunks - 1) * stages + 1)
    flying, most = [0] * chunks, [0] * chunks
    for turn in range(total):
        flying[turn // stages % chunks] += 1
        if turn + 1 >= ahead:
            if _bytes(flying, kept) > _bytes(most, kept):
                most = list(flying)
            back = turn + 1 - ahead
            flying[chunks - 1 - back // stages % chunks] -= 1
    return most


def _bytes(flying: list[int], kept: list[int]) -> int:
    return sum(count * bytes_ for count, bytes_ in zip(flying, kept, strict=True))
