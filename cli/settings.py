"""Networks and values of their parameters as the command line writes them: `my.arch:Net(depth = 34)`, `depth=34`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

Setting = int | float | bool | str | list["Setting"]

NAME = re.compile(r"[A-Za-z_]\w*\Z")
INTEGER = re.compile(r"[+-]?\d+\Z")
DECIMAL = re.compile(r"[+-]?(\d{1,40}\.\d{0,40}|\.\d{1,40}|\d{1,40}(?=[eE]))([eE][+-]?\d{1,3})?\Z")
TOKEN = re.compile(r"""\s*(\[|\]|,|"[^"]*"|'[^']*'|[^\s\[\],"']+)\s*""")
DEEPEST = 16
NAMED = re.compile(r"(?P<spec>[^()]+?)(?::(?P<name>[A-Za-z_]\w*))?\s*(?:\((?P<settings>.*)\))?\s*\Z", re.DOTALL)
NEXT = re.compile(r""",(?=\s*[A-Za-z_]\w*\s*=)(?=(?:[^"']|"[^"]*"|'[^']*')*\Z)""")


class SettingError(ValueError):
    """What is wrong with the text of a `--set`, or of a network with parameters."""


@dataclass(frozen=True, slots=True)
class Named:
    """A network as one word names it: `SPEC`, `SPEC:NAME`, either with `(parameter = value, ...)`."""

    spec: str
    name: str | None
    settings: dict[str, Setting]


def parse_named(text: str) -> Named:
    """What a word of the command line asks for. Raises SettingError where it is not of that form."""
    if text and os.path.exists(text):
        return Named(text, None, {})
    match = NAMED.match(text)
    if match is None:
        raise SettingError(f"'{text}' is not of the form SPEC, SPEC:NAME or SPEC(name = value, ...)")
    # A comma is of a list without brackets unless a name and its value follow.
    settings = [part.strip() for part in NEXT.split((match["settings"] or "").strip().removesuffix(","))]
    return Named(match["spec"], match["name"], parse_settings(list(filter(None, settings))))


def parse_settings(texts: list[str]) -> dict[str, Setting]:
    """The parameters that `--set` options give, each once."""
    settings: dict[str, Setting] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not NAME.match(name):
            raise SettingError(f"'{text}' is not of the form name=value")
        if name in settings:
            raise SettingError(f"'{name}' is set twice")
        settings[name] = parse_value(value.strip())
    return settings


def parse_value(text: str) -> Setting:
    """A number, true or false, a list such as `[3, 4, 6, 3]`, whose own brackets may be left out, else a string."""
    if not text.startswith("[") and "," not in text:
        return scalar(text)
    tokens = tokenize(text)
    if "," not in tokens and tokens[0] != "[":
        return scalar(text)
    opened: list[list[Setting]] = [[]]
    before = ","
    for token in tokens:
        outside = len(opened) == 1
        if outside and (token == "]" or (before == "]" and token != ",")):
            raise SettingError(f"'{text}' goes on after its closing bracket")
        if token != "]" and (token == ",") == (before in ",["):
            raise SettingError(f"'{text}' needs one comma between two elements")
        if token == "[":
            if len(opened) > DEEPEST:
                raise SettingError(f"lists nest at most {DEEPEST} deep")
            inner: list[Setting] = []
            opened[-1].append(inner)
            opened.append(inner)
        elif token == "]":
            opened.pop()
        elif token != ",":
            opened[-1].append(scalar(token))
        before = token
    if len(opened) > 1:
        raise SettingError(f"'{text}' lacks a closing bracket")
    alone = tokens[0] == "[" and len(opened[0]) == 1 and before == "]"
    return opened[0][0] if alone else opened[0]


def tokenize(text: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise SettingError(f"'{text}' has a quotation mark without its partner")
        tokens.append(match[1])
        at = match.end()
    return tokens


def scalar(text: str) -> Setting:
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    if INTEGER.match(text):
        return whole(text)
    if DECIMAL.match(text):
        return float(text)
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def whole(text: str) -> int:
    value = int(text) if len(text) <= 20 else 2**63
    if abs(value) >= 2**63:
        raise SettingError(f"'{text[:40]}' is too large: whole numbers have at most 63 bits")
    return value
