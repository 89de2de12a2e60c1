"""The schedules of pipelines: into how many micro-batches a batch is split, and how many of them are in flight."""

from __future__ import annotations

SCHEDULES = ("gpipe", "1f1b", "interleaved")
CHUNKS = 2
"""The stages of each rank of an interleaved pipeline."""


def micro_batches(images: int, stages: int) -> int | None:
    """Into how many micro-batches a rank's images are split: a multiple of the stages, four times as many where that
    is possible; None where there are too few images."""
    counts = [n for n in range(stages, images + 1, stages) if images % n == 0]
    return next((n for n in counts if n >= 4 * stages), counts[-1] if counts else None)


def in_flight(schedule: str, stages: int, micro: int) -> list[int]:
    """How many micro-batches each stage holds at once."""
    if schedule == "gpipe":
        return [micro] * stages
    if schedule == "1f1b":
        return [min(micro, stages - stage) for stage in range(stages)]
    return [micro] * (CHUNKS * stages)


def most_held(schedule: str, rank: int, stages: int, micro: int, kept: list[int]) -> list[int]:
    """How many micro-batches of each of a rank's stages are in flight when it holds most, where each keeps so many
    bytes of one."""
    if schedule != "interleaved":
        return [in_flight(schedule, stages, micro)[rank]]
    chunks, total = len(kept), micro * len(kept)
    ahead = min(total, 2 * (stages - rank - 1) + (chunks - 1) * stages + 1)
    flying, most = [0] * chunks, [0] * chunks
    for turn in range(total):
        flying[turn // stages % chunks] += 1
        if turn + 1 >= ahead:
            if held(flying, kept) > held(most, kept):
                most = list(flying)
            back = turn + 1 - ahead
            flying[chunks - 1 - back // stages % chunks] -= 1
    return most


def held(flying: list[int], kept: list[int]) -> int:
    """The bytes of so many micro-batches of each stage."""
    return sum(count * bytes_ for count, bytes_ in zip(flying, kept, strict=True))
