"""What another program says of an error, for a diagnostic."""

from __future__ import annotations

import re
from textwrap import shorten

_MOST = 200
_SIGNATURE = re.compile(r"\S+\.(?:h|hpp|cc|cpp|cu|cuh):\d+ .*?\)(?: const)? (?=\S)")
_TEST = re.compile(r"^.*? was false\. ")
_STATUS = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:.*?Status Message: )?")
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def quoted(error: BaseException | str) -> str:
    """The first sentences of an error's text, as many as fit, without places in C++ files; its type where it says
    nothing. What is too long ends in " …", at a word."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = _STATUS.sub("", lines[0])
    placed = _SIGNATURE.sub("", text)
    text = _TEST.sub("", placed) if placed != text else text
    first, *more = _END.split(text)
    for sentence in more:
        if len(first) + len(sentence) >= _MOST:
            break
        first = f"{first} {sentence}"
    return shorten(first, _MOST, placeholder=" …").rstrip(".:") or type(error).__name__
