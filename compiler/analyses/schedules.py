"""The schedules of pipelines: into how many micro-batches a batch is split, and how many of them are in flight."""

from __future__ import annotations

from itertools import pairwise
from math import isqrt

SCHEDULES = ("gpipe", "1f1b", "interleaved")
CHUNKS = 2
"""The stages of each rank of an interleaved pipeline."""


def micro_batches(images: int, stages: int) -> int | None:
    """Into how many micro-batches a rank's images are split: a multiple of the stages, four times as many where that
    is possible; None where there are too few images."""
    times, rest = divmod(images, stages)
    if rest or not times:
        return None
    small = next((n for n in range(4, isqrt(times) + 1) if times % n == 0), None)
    return stages * (small or min((times // n for n in (1, 2, 3) if times % n == 0 and times // n >= 4), default=times))


def in_flight(schedule: str, stages: int, micro: int) -> list[int]:
    """How many micro-batches each stage holds at once."""
    if schedule == "gpipe":
        return [micro] * stages
    if schedule == "1f1b":
        return [min(micro, stages - stage) for stage in range(stages)]
    return [micro] * (CHUNKS * stages)


def most_held(
    schedule: str, rank: int, stages: int, micro: int, saved: list[int], out: list[int], back: list[int]
) -> int:
    """The most bytes that a rank holds when a forward ends, of what its stages make: each keeps `saved` bytes of a
    micro-batch in flight, hands on `out` bytes that it makes, and sends `back` bytes of gradients to the one before.

    Torch's schedules hold more than what is in flight: `1f1b` the gradients that it sent last, and what it put out last
    but one before the first backward, in the last stage last of all; `interleaved` all that it has sent, until the step
    ends.
    """
    if schedule != "interleaved":
        count = in_flight(schedule, stages, micro)[rank]
        if count == micro:
            return count * saved[0]
        return count * saved[0] + back[0] + (out[0] if 2 * count <= micro + 1 else 0)
    sent = [*map(sum, zip(out, back, strict=True))]
    if rank == stages - 1:
        sent[-1] = back[-1]
    chunks, total, most = len(saved), micro * len(saved), 0
    ahead = min(total, 2 * (stages - rank - 1) + (chunks - 1) * stages + 1)
    held = 0
    turns = sorted({*range(0, total, stages), *range(ahead - 1, total, stages), total})
    for turn, until in pairwise(turns):  # between them each turn does the same to the same stages
        more, count = saved[turn // stages % chunks], until - turn
        change = more
        if turn + 1 >= ahead:
            ended = chunks - 1 - (turn + 1 - ahead) // stages % chunks
            change += sent[ended] - saved[ended]
            most = max(most, held + more, held + more + (count - 1) * change)
        held += count * change
    return most
