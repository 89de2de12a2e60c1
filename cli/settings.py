"""`--set k=v`: the value of a spec's parameter, as the command line writes it."""

from __future__ import annotations

import re

Setting = int | float | bool | str | list["Setting"]

NAME = re.compile(r"[A-Za-z_]\w*\Z")
INTEGER = re.compile(r"[+-]?\d+\Z")
DECIMAL = re.compile(r"[+-]?(\d{1,40}\.\d{0,40}|\.\d{1,40}|\d{1,40}(?=[eE]))([eE][+-]?\d{1,3})?\Z")
TOKEN = re.compile(r"""\s*(\[|\]|,|"[^"]*"|'[^']*'|[^\s\[\],"']+)\s*""")
DEEPEST = 16


class SettingError(ValueError):
    """What is wrong with the text of a `--set`."""


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
    if not text.startswith("["):
        return parse_value(f"[{text}]") if "," in text and "," in tokenize(text) else scalar(text)
    tokens = tokenize(text)
    value, rest = parse_list(tokens, 1, 1, text)
    if tokens[rest:][:1] == [","]:
        return parse_value(f"[{text}]")
    if rest != len(tokens):
        raise SettingError(f"'{text}' goes on after its closing bracket")
    return value


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


def parse_list(tokens: list[str], at: int, depth: int, text: str) -> tuple[list[Setting], int]:
    """The list whose first token after the bracket is `tokens[at]`, and where the tokens go on."""
    if depth > DEEPEST:
        raise SettingError(f"lists nest at most {DEEPEST} deep")
    items: list[Setting] = []
    comma = True
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token == "]":
            return items, at
        if comma == (token == ","):
            raise SettingError(f"'{text}' needs one comma between two elements")
        comma = token == ","
        if token == "[":
            item, at = parse_list(tokens, at, depth + 1, text)
            items.append(item)
        elif not comma:
            items.append(scalar(token))
    raise SettingError(f"'{text}' lacks a closing bracket")


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
