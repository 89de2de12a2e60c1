"""What is looked at before a text is parsed: its bytes, its characters, the depth of its brackets, its quotes."""

from __future__ import annotations

import re
from pathlib import Path

from .diagnostics import Diagnostic, finding
from .limits import LIMITS, higher
from .source import Source, Span

_FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# Pictures, archives (PyTorch's checkpoints are zip files), pickles, HDF5, PDF, programs.
_MAGIC = (
    *(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"\x1f\x8b", b"\x89HDF", b"%PDF-", b"\x7fELF", b"MZ\x90"),
    *(b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
)
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # UTF-16 and UTF-32, in which every other byte may be NUL
_LANDMARK = re.compile(
    r'(?P<doc>"""(?:(?!""")[\s\S])*""")|(?P<open_doc>""")|(?P<string>"(?:[^"\\\n]|\\[^\n])*")|(?P<quote>")'
    r"|(?P<comment>#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])"
)


def decode(data: bytes, name: str, path: Path | None = None) -> tuple[Source | None, list[Diagnostic]]:
    """The source that these bytes hold: UTF-8, with or without a byte order mark."""
    if _is_binary(data):
        message = "this looks like a binary file, not a spec"
        hint = "a spec is text, and its name mostly ends in `.arch`"
        return None, [finding("E0905", message, Span(Source("", name, path), 0, 0), hint)]
    if len(data) > LIMITS.source_bytes:
        return None, [_too_large(Source("", name, path))]
    try:
        return Source(data.decode("utf-8-sig"), name, path), []
    except UnicodeDecodeError as error:
        source = Source(data[: error.start].decode("utf-8-sig"), name, path)
        end = len(source.text)
        message = f"this file is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}"
        return None, [finding("E0905", message, Span(source, end, end), "save the file as UTF-8")]


def scan(source: Source) -> list[Diagnostic]:
    """The errors for which a text is refused unparsed."""
    size = len(source.text.encode("utf-8", "surrogatepass"))
    if size > LIMITS.source_bytes:
        return [_too_large(source)]
    match = _FORBIDDEN.search(source.text)
    if match:
        message = f"this file holds the invisible character U+{ord(match.group()):04X}"
        return [finding("E0904", message, _span(source, match), "delete it")]
    return _nesting(source)


def is_doc(text: str) -> bool:
    """Whether a text can stand in a doc string."""
    return '"""' not in text and not _FORBIDDEN.search(text)


def _nesting(source: Source) -> list[Diagnostic]:
    depth = 0
    for match in _LANDMARK.finditer(source.text):
        kind = match.lastgroup
        if kind == "open":
            depth += 1
            if depth > LIMITS.nesting:
                return [too_deep(_span(source, match))]
        elif kind == "close":
            depth = max(depth - 1, 0)
        elif kind == "open_doc":
            return [finding("E0105", "this doc string is never closed", _span(source, match), 'end it with `"""`')]
    return []


def too_deep(span: Span) -> Diagnostic:
    message = f"this nests more than {LIMITS.nesting} deep"
    hint = "name the inner part (`x = ...`, or a block), or write a chain or a list, which may be long"
    return finding("E0902", message, span, hint)


def _is_binary(data: bytes) -> bool:
    """Whether these bytes, perhaps the first of more, are no text in any encoding. A lone NUL may be a slip."""
    if data.startswith(_MAGIC):
        return True
    if data.startswith(_WIDE):
        return False
    nuls = data.count(0)
    return nuls > max(1, len(data) // 64) or (nuls > 0 and not _is_utf8(data))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _too_large(source: Source) -> Diagnostic:
    message = f"this file is larger than {LIMITS.source_bytes // 1024} KiB, the most that a spec may be"
    hint = "say what repeats with parameters, `**`, lists and imports"
    return finding("E0901", message, Span(source, 0, 0), hint, *higher("source_bytes"))


def _span(source: Source, match: re.Match[str]) -> Span:
    return Span(source, match.start(), match.end())
