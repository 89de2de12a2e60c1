"""Quantities as people write them: `80GB`, `50GB/s`, `100T`."""

from __future__ import annotations

import math

from pydantic import ByteSize, TypeAdapter, ValidationError

from ...dsl.diagnostics import refused
from ..ir.words import did_you_mean
from .memory import DTYPES
from .training import LOSSES, STATES, Machine, Training

_BYTES = TypeAdapter(ByteSize)


_FORMS = {"memory": "`80GB`, `80GiB`, `80G`", "multiply-adds": "`100T`, `100T/s`"}
"""How quantities are written that are no rates of bytes."""


def quantity(name: str, given: float | str) -> int:
    """A positive number, or its text: `80GB` and `80G` are 80 * 10^9, `80GiB` is 80 * 2^30. `/s` may follow a rate.
    Raises ArchError (E1305)."""
    hint = _FORMS.get(name, "`50GB/s`, `50GiB/s`, `50G`")
    text = given.strip() if isinstance(given, str) else given
    if isinstance(text, str) and text.endswith("/s"):
        if name == "memory":
            raise refused("E1305", f"{name} is {text[:60]!r}, which is a rate, and a number of bytes is needed", hint)
        text = text.removesuffix("/s")
    if isinstance(text, str) and name == "multiply-adds" and text.lower().endswith("b"):
        raise refused("E1305", f"{name} is {text[:60]!r}, which is bytes, and multiply-adds are counted", hint)
    try:
        found = int(_BYTES.validate_python(text) if isinstance(text, str) else text)
    except (ValidationError, ValueError, OverflowError, TypeError):
        found = 0
    if found < 1 or (isinstance(given, float) and not math.isfinite(given)):
        shown = repr(given) if isinstance(given, str | int | float) else f"a value of type {type(given).__name__}"
        raise refused("E1305", f"{name} is {shown[:60]}, which is no quantity above 0", hint)
    return found


def machine(
    devices: int, memory: float | str, link: float | str, multiply_adds: float | str, bandwidth: float | str
) -> Machine:
    """Devices and what they can. Raises ArchError (E1305)."""
    if not 1 <= devices <= MOST_DEVICES:
        raise refused("E1305", f"devices is {devices}, and a plan is for 1 to {MOST_DEVICES:,} devices")
    named = {"memory": memory, "link": link, "multiply_adds": multiply_adds, "bandwidth": bandwidth}
    return Machine(devices, *(quantity(name.replace("_", "-"), value) for name, value in named.items()))


MOST_DEVICES = 65_536
MOST_IMAGES = 10**9
"""How many images a step has at most."""


def training(batch: int, dtype: str, optimizer: str, loss: str = "other") -> Training:
    """How a network is trained. Raises ArchError (E1305)."""
    for what, word, known in (("dtype", dtype, DTYPES), ("optimizer", optimizer, STATES), ("loss", loss, LOSSES)):
        if word not in known:
            hints = (*did_you_mean(str(word), known), f"known are {', '.join(known)}")
            raise refused("E1305", f"there is no {what} {word!r}", *hints)
    if not 1 <= batch <= MOST_IMAGES:
        raise refused("E1305", f"a batch has 1 to {MOST_IMAGES:,} images, and not {batch}")
    return Training(batch, dtype, optimizer, loss)
