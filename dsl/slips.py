"""Common slips: how other languages write it, and how `.arch` does."""

from __future__ import annotations

import re

from ..grammar import Token, words
from .source import clip

Found = tuple[str, str, int, tuple[str, ...]]  # code, message, where it starts, hints

_WORDS = {
    "def": "a block of layers is `block name(p) = ...`, a computed value `fn name(p) = ...`",
    "function": "a block of layers is `block name(p) = ...`, a computed value `fn name(p) = ...`",
    "func": "a block of layers is `block name(p) = ...`, a computed value `fn name(p) = ...`",
    "class": "an architecture is `arch Name(p: int = 1) { ... }`",
    "module": "an architecture is `arch Name(p: int = 1) { ... }`",
    "model": "an architecture is `arch Name(p: int = 1) { ... }`",
    "network": "an architecture is `arch Name(p: int = 1) { ... }`",
    "import": 'layers need no import; of another spec write `use name from "file.arch"`',
    "from": 'write `use name from "file.arch"`',
    "include": 'write `use name from "file.arch"`',
    "lambda": "name it: `fn f(x) = ...` for a value, `block f(p) = ...` for a network",
    "return": "write `output e`; a `fn` is one expression: `fn f(x) = e`",
    "yield": "a block ends with `output e`",
    "elif": "write `else if`",
    "elseif": "write `else if`",
    "while": "evaluation always ends: use `for x in xs { ... }`, `f ** n` or recursion",
    "let": "write `name = value`, with no word before it",
    "var": "write `name = value`, with no word before it",
    "val": "write `name = value`, with no word before it",
    "const": "write `name = value`, with no word before it",
    "assert": 'write `require condition, "why"`, or `expect claim == value`',
    "is": "compare with `==`",
    "pass": "the part that does nothing is `id`",
    "switch": "write `match value { 1 => a, _ => b }`",
    "case": "write `match value { 1 => a, _ => b }`",
}

_CHARACTERS: tuple[tuple[str, str, str, str], ...] = (
    (r"&&?", "E0120", "`{}` is not an operator", "write `and`"),
    (r"!", "E0120", "`{}` is not an operator", "write `not`, or `!=` to compare"),
    (r"\^", "E0120", "`{}` is not an operator", "a power, and the repetition of a network, is `**`: `f ** 3`"),
    (r";+", "E0120", "statements need no `{}`", "delete it: a statement ends where the next begins"),
    (r"[→⟶➜⇒]", "E0120", "an arrow is written in two characters", "write `->`"),
    (r"[\u00d7\u00b7\u2219]", "E0120", "`{}` is not an operator", "write `*`"),
    (r"[⊕∘]", "E0120", "`{}` is not an operator", "write `+` to add, `->` to compose"),
    (r"[\u2212\u2013\u2014]", "E0120", "this dash is not a minus", "write `-`"),
    (r"[≤≥≠]", "E0120", "`{}` is written in two characters", "write `<=`, `>=` or `!=`"),
    (r"[“”„«»]", "E0120", "this is a typographic quote", 'write `"`'),
    (r"'''", "E0120", "doc strings have double quotes", 'write `"""`'),
    (r"['\u2019\u2018`]", "E0120", "strings have double quotes", 'write `"text"`'),
    (r"@", "E0120", "`{}` is not an operator", "matrices are multiplied by a layer: `matmul(a, b)`"),
    (r"\?", "E0120", "`{}` is not an operator", "write `if c then a else b`"),
    (r"~", "E0120", "`{}` is not an operator", "write `not`"),
    (r"\\", "E0120", "lines need no `{}` to go on", "delete it: newlines mean nothing"),
    (r"\$", "E0106", "`{}` means nothing here", "a value is inserted into a label or a string by `{name}`"),
)
_CHARACTER = re.compile("|".join(f"(?P<c{i}>{row[0]})" for i, row in enumerate(_CHARACTERS)))
_NUMBER = re.compile(r"[0-9][0-9A-Za-z_]*(?:\.[0-9A-Za-z_]+)*")
_STRING = re.compile(r'"[^"\n]*')
_WORD = re.compile(r"\w+")


_LABEL_BEFORE = re.compile(r"[A-Za-z0-9_{}.-]*\Z")
_LABEL_AFTER = re.compile(r"[A-Za-z0-9_{}.-]*(?=[ \t]*:(?!=))")


def quote_label(name: str) -> tuple[str, str, tuple[str, ...]]:
    """What to say of a label that only quotes make one: it starts with a digit, or holds a `-`."""
    why = "holds a `-`" if "-" in name else "starts with a digit"
    message = f"a label that {why} is written in quotes"
    return "E0111", message, (f'write `"{clip(name)}": ...`',)


def unquoted_label(text: str, position: int) -> tuple[str, str, int, int, tuple[str, ...]] | None:
    """What to say if the text around `position` is a label that lacks its quotes."""
    after = _LABEL_AFTER.match(text, position)
    before = _LABEL_BEFORE.search(text, max(0, text.rfind("\n", 0, position)), position)
    if after is None or before is None:
        return None
    name = text[before.start() : after.end()]
    if not name or "." in name or not (name[0].isdigit() or "-" in name.strip("-")):
        return None
    code, message, hints = quote_label(name)
    return code, message, before.start(), after.end(), hints


def character(text: str, position: int) -> tuple[str, str, int, int, tuple[str, ...]]:
    """The code, message, start, end and hints for text of which no token could be made."""
    if match := _NUMBER.match(text, position):
        if label := unquoted_label(text, position):
            return label
        hint = "write digits, at most one point between them, `_` to group: `25_557_032`, `0.5`, `1e-5`"
        if match.group().lower().startswith(("0x", "0b", "0o")):
            hint = "numbers are decimal"
        return "E0107", f"`{clip(match.group())}` is not a number", *match.span(), (hint,)
    if match := _STRING.match(text, position):
        return "E0104", "this string is never closed", *match.span(), ('end it with `"` on the same line',)
    if match := _CHARACTER.match(text, position):
        _, code, message, hint = _CHARACTERS[int((match.lastgroup or "c0")[1:])]
        return code, message.format(match.group()), *match.span(), (hint,)
    if match := _WORD.match(text, position):
        start = position
        while start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_"):
            start -= 1
        hint = "names are made of ASCII letters, digits and `_`"
        return "E0106", f"`{clip(text[start : match.end()])}` cannot be a name", start, match.end(), (hint,)
    hint = "delete it; strings and comments may hold any text"
    return "E0106", f"`{text[position]}` means nothing here", position, position + 1, (hint,)


def slip(text: str, token: Token, previous: Token | None, expected: set[str]) -> Found | None:
    """What a token, or the one before it, was probably meant to be."""
    return (
        _word(token, previous)
        or _symbols(text, token, previous, expected)
        or _habits(text, token, previous, expected)
        or _bars(text, token, expected)
        or _colon_or_equal(text, token, previous, expected)
    )


def _word(token: Token, previous: Token | None) -> Found | None:
    for word in (previous, token):
        if word is not None and word.type == "NAME" and word.value in _WORDS:
            return "E0120", f"there is no `{word.value}` in `.arch`", word.start_pos, (_WORDS[word.value],)
    return None


def _habits(text: str, token: Token, previous: Token | None, expected: set[str]) -> Found | None:
    """Operators, strings and comments of other languages, and what lacks its left side."""
    pair = (previous.type if previous and previous.end_pos == token.start_pos else "", token.type)
    start = previous.start_pos if previous else token.start_pos
    if pair == ("LESS", "MORE"):
        return "E0120", "`<>` is not an operator", start, ("write `!=`",)
    if pair[1] == "STRING" and pair[0] == "NAME" and previous is not None and len(previous.value) == 1:
        hint = "delete it: every string inserts values by `{name}`"
        return "E0120", f"a string has no `{previous.value}` before it", start, (hint,)
    if ("OUTPUT" in expected or "ARCH" in expected) and (found := _comment(text, token, previous)):
        return found
    if "NUMBER" in expected and token.type in _MISSING:
        return "E0101", _MISSING[token.type][0], token.start_pos, (_MISSING[token.type][1],)
    if {"ARROW", "EQUALS"} & expected and _MEMBER.match(text, token.start_pos):
        return (
            "E0120",
            "`in` is no comparison: it is the input of a block",
            token.start_pos,
            ("write `x == a or x == b`",),
        )
    return None


def _symbols(text: str, token: Token, previous: Token | None, expected: set[str]) -> Found | None:
    pair = (previous.type if previous and previous.end_pos == token.start_pos else "", token.type)
    start = previous.start_pos if previous else token.start_pos
    if pair in (("MINUS", "ARROW"), ("EQUAL", "MORE"), ("BAR", "MORE"), ("SLASH", "MORE")):
        return "E0120", "this is not an arrow", start, ("write `->` to compose",)
    if pair == ("POW", "STAR"):
        return "E0120", "`***` is not an operator", start, ("write `**`",)
    if pair == ("EQUALS", "EQUAL"):
        return "E0120", "`===` is not an operator", start, ("write `==`",)
    if token.type in ("PLUS", "MINUS", "STAR", "SLASH", "JOIN") and text[token.end_pos : token.end_pos + 1] == "=":
        return "E0120", f"`{token.value}=` is not an operator", token.start_pos, (f"write `x = x {token.value} e`",)
    if pair[1] == "EQUAL" and pair[0] in ("PLUS", "MINUS", "STAR", "SLASH", "JOIN"):
        operator = previous.value if previous else ""
        return "E0120", f"`{operator}=` is not an operator", start, (f"write `x = x {operator} e`",)
    if pair in (("PLUS", "PLUS"), ("JOIN", "PLUS")):
        return "E0101", "two operators meet here", start, ("`+` adds, `++` concatenates channels",)
    if token.type in ("DOT", "THROUGH") and "NUMBER" in expected:
        digits = re.match(r"[0-9_]*", text[token.end_pos :])
        decimals = (digits[0] if digits else "") or "5"
        hint = f"write `0.{decimals}`, not `.{decimals}`"
        return "E0107", "a number begins with a digit", token.start_pos, (hint,)
    if token.type == "PLUS" and "NUMBER" in expected:
        return "E0101", "a `+` needs something on its left", token.start_pos, ("delete it: numbers need no sign",)
    return None


def _bars(text: str, token: Token, expected: set[str]) -> Found | None:
    if token.type == "FAT_ARROW" and "ARROW" in expected:
        message = "`=>` stands only between a pattern and its value in `match`"
        return "E0120", message, token.start_pos, ("write `->` to compose",)
    if token.type == "BAR" and text[token.end_pos : token.end_pos + 1] == ">":
        return "E0120", "this is not an arrow", token.start_pos, ("write `->` to compose",)
    if token.type == "BAR" and text[token.end_pos : token.end_pos + 1] == "|":
        return "E0120", "`||` is not an operator", token.start_pos, ("write `or`",)
    if token.type == "BAR" and "ARROW" in expected:
        hint = "write `or` between conditions, `->` to compose, `++` to concatenate"
        return "E0120", "`|` separates only the alternatives of a type or a pattern", token.start_pos, (hint,)
    return None


_MEMBER = re.compile(r"(?:not\s+)?in\b")
_MISSING = {
    "LBRACE": (
        "a value has no braces",
        "a list is `[a, b]`, a choice `match v { 1 => a, _ => b }`; a body in braces follows its heading without `=`",
    ),
    "POW": ("a power needs something on its left", "there are no `**` arguments: name each one, `f(a = 1)`"),
    "ARROW": ("something is missing before this `->`", "a chain begins with what goes in: `in -> conv(64, 3)`"),
    "COMMA": ("a value is missing before this `,`", "write it, or delete the `,`"),
}


def _comment(text: str, token: Token, previous: Token | None) -> Found | None:
    """A comment as other languages begin it, or names in parentheses, where a statement should begin."""
    if text.startswith(("//", "/*", "--"), token.start_pos):
        return (
            "E0120",
            f"`{text[token.start_pos : token.start_pos + 2]}` begins no comment",
            token.start_pos,
            ("write `#`",),
        )
    if match := _TARGETS.match(text, token.start_pos):
        hint = f"write `{clip(' '.join(match['names'].split()))} = ...`"
        return "E0120", "names that take a list apart have no parentheses", token.start_pos, (hint,)
    return None


_TARGETS = re.compile(r"[(\[](?P<names>[\w\s,*]+?),?\s*[)\]]\s*=(?!=)")


def _colon_or_equal(text: str, token: Token, previous: Token | None, expected: set[str]) -> Found | None:
    if token.type == "COLON":
        return _colon(text, token, previous, expected)
    if token.type == "EQUAL" and previous is not None and previous.type == "OUTPUT":
        return "E0101", "`output` takes no `=`", token.start_pos, ("write `output e`, or `output name = e` to name it",)
    if token.type == "EQUAL" and previous is not None and words().keywords.get(previous.value) == previous.type:
        word = previous.value
        why = "is a reserved word" if word in words().reserved else "begins a statement here"
        hint = f"choose another name, such as `{word}_`"
        return "E0118", f"`{word}` {why}, so it cannot be a name", previous.start_pos, (hint,)
    if token.type == "EQUAL" and "EQUALS" in expected:
        hint = "write `==` to compare; `=` names an argument, a value or a default"
        return "E0101", "`=` cannot stand here", token.start_pos, (hint,)
    if token.type == "EQUALS" and "EQUAL" in expected:
        return "E0101", "`==` compares; here a value is given", token.start_pos, ("write `=`",)
    return None


def _colon(text: str, token: Token, previous: Token | None, expected: set[str]) -> Found | None:
    if previous is not None and previous.type == "NAME" and "EQUAL" in expected and "LBRACE" not in expected:
        name = previous.value
        if text[token.end_pos : token.end_pos + 1] == "=":
            return "E0120", "`:=` is not an operator", token.start_pos, ("write `=`",)
        if text[: previous.start_pos].rstrip().endswith("lambda"):
            return "E0120", "there is no `lambda` in `.arch`", previous.start_pos, (_WORDS["lambda"],)
        message = f"`{name}:` labels a part of an expression; no statement begins with a label"
        hint = f"write `output {name}: ...` for the result, or `{name} = ...` to name a value"
        return "E0101", message, previous.start_pos, (hint,)
    if previous is not None and previous.type in ("INPUT", "OUTPUT"):
        name = previous.value
        hint = "write `input x: [N, 3, H, W]`" if name == "input" else "write `output e`, or `output name = e`"
        why = "an input has a name before its `:`" if name == "input" else "`output` takes no `:`"
        return "E0101", why, token.start_pos, (hint,)
    if "FAT_ARROW" in expected:
        return (
            "E0120",
            "a pattern is not followed by `:`",
            token.start_pos,
            ("write `=>`: `match v { 1 => a, _ => b }`",),
        )
    if ("RSQB" in expected and "COMMA" not in expected) or (previous is not None and previous.type == "LSQB"):
        hint = "a part of a list is a comprehension, `[xs[i] for i in 0..<3]`; of a tensor, `slice(axis, start, stop)`"
        return "E0120", "there are no slices with `:`", token.start_pos, (hint,)
    if (
        previous is not None
        and previous.end_pos <= token.start_pos
        and (label := unquoted_label(text, previous.end_pos))
    ):
        return label[0], label[1], label[2], label[4]
    if {"LBRACE", "EQUAL"} & expected:
        hint = "a body is written in braces, `{ ... }`, or after `=`"
        return "E0120", "no body begins with `:`", token.start_pos, (hint,)
    hint = "a label stands before what it names: `conv1: conv(64, 3)`"
    return "E0101", "this `:` labels nothing", token.start_pos, (hint,)
