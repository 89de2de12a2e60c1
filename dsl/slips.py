"""Common slips: how other languages write it, and how `.arch` does."""

from __future__ import annotations

import re

from ..grammar import Token, words
from .diagnostics import Diagnostic, Hint
from .place import Place
from .source import Span, clip, piece_at

_WORDS = {
    **dict.fromkeys(
        ("def", "function", "func"), "a block of layers is `block name(p) = ...`, a computed value `fn name(p) = ...`"
    ),
    **dict.fromkeys(("class", "module", "model", "network"), "an architecture is `arch Name(p: int = 1) { ... }`"),
    "import": 'layers need no import; of another spec write `use name from "file.arch"`',
    **dict.fromkeys(("from", "include"), 'write `use name from "file.arch"`'),
    "lambda": "name it: `fn f(x) = ...` for a value, `block f(p) = ...` for a network",
    "return": "write `output e`; a `fn` is one expression: `fn f(x) = e`",
    "yield": "a block ends with `output e`",
    **dict.fromkeys(("elif", "elseif"), "write `else if`"),
    "while": "evaluation always ends: use `for x in xs { ... }`, `f ** n` or recursion",
    **dict.fromkeys(("let", "var", "val", "const"), "write `name = value`, with no word before it"),
    **dict.fromkeys(("assert", "raise"), 'write `require condition, "why"`, or `expect claim == value`'),
    **dict.fromkeys(("share", "tie", "tied"), "one set of parameters for several places is `shared f = conv(3, 3)`"),
    "inputs": "each input is a statement: `input x: [N, 3, H, W]`",
    "outputs": "write `output e`; several have names: `output aux = e`",
    "is": "compare with `==`",
    "pass": "the part that does nothing is `id`",
    **dict.fromkeys(("switch", "case"), "write `match value { 1 => a, _ => b }`"),
    "print": "delete it: `archc stats` shows every shape, and `archc draw` all of them in a picture",
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
_OPEN_SIZE = "a size that is left open has a name: `input x: [N, 3, H, W]`"
_SIGNS = {
    **dict.fromkeys(("&", "&&"), "and"),
    **dict.fromkeys("!~", "not "),
    **dict.fromkeys("→⟶➜⇒", "->"),
    **dict.fromkeys("\u00d7\u00b7\u2219", "*"),
    **dict.fromkeys("\u2212\u2013\u2014", "-"),
    **dict.fromkeys("“”„«»", '"'),
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "^": "**",
    "\u2295": "+",
    "\u2218": "->",
    "'''": '"' * 3,
}
"""What stands here in the place of a sign."""
_CHARACTER = re.compile("|".join(f"(?P<c{i}>{row[0]})" for i, row in enumerate(_CHARACTERS)))
_NUMBER = re.compile(r"[0-9][0-9A-Za-z_]*(?:\.[0-9A-Za-z_]+)*")
_STRING = re.compile(r'"[^"\n]*')
_WORD = re.compile(r"\w+")
_NAME_BEFORE = re.compile(r"\b([A-Za-z_]\w*)\s*\Z")
_SINGLE = re.compile(r"'[^'\"\\\n{}]*'")
_WORD_START = re.compile(r"\w*\Z")
_LABEL_BEFORE = re.compile(r"[A-Za-z0-9_{}.-]*\Z")
_LABEL_AFTER = re.compile(r"[A-Za-z0-9_{}.-]*(?=[ \t]*:(?!=))")

_ARROW = ("E0120", "this is not an arrow", "write `->` to compose")
_GLUED = {
    ("LESS", "MORE"): ("E0120", "`<>` is not an operator", "write `!=`"),
    **dict.fromkeys((("MINUS", "ARROW"), ("EQUAL", "MORE"), ("BAR", "MORE"), ("SLASH", "MORE")), _ARROW),
    ("MORE", "MORE"): ("E0120", "`>>` is not an operator", "write `->` to compose"),
    ("POW", "STAR"): ("E0120", "`***` is not an operator", "write `**`"),
    ("EQUALS", "EQUAL"): ("E0120", "`===` is not an operator", "write `==`"),
    **dict.fromkeys(
        (("PLUS", "PLUS"), ("JOIN", "PLUS")),
        ("E0101", "two operators meet here", "`+` adds, `++` concatenates channels"),
    ),
}
"""Two tokens that are one sign in another language: code, message and hint."""
_BARS = {">": _ARROW, "|": ("E0120", "`||` is not an operator", "write `or`")}
"""The same for a `|`, by the character after it."""
_ASSIGNING = ("PLUS", "MINUS", "STAR", "SLASH", "JOIN")
_MISSING = {
    "PLUS": ("a `+` needs something on its left", "delete it: numbers need no sign"),
    "LBRACE": (
        "a value has no braces",
        "a list is `[a, b]`, a choice `match v { 1 => a, _ => b }`; a body in braces follows its heading without `=`",
    ),
    "POW": ("a power needs something on its left", "there are no `**` arguments: name each one, `f(a = 1)`"),
    "ARROW": ("something is missing before this `->`", "a chain begins with what goes in: `in -> conv(64, 3)`"),
    "COMMA": ("a value is missing before this `,`", "write it, or delete the `,`"),
}
"""What cannot begin a value: message and hint."""
_MEMBER = re.compile(r"(?:not\s+)?in\b")
_TARGETS = re.compile(r"[(\[](?P<names>[\w\s,*]+?),?\s*[)\]]\s*=(?!=)")
_INSIDE = re.compile(r"(?:->|[\[(,])\s*\Z")
_NAMED = re.compile(r"\s*([A-Za-z_]\w*)")
_GROWS = re.compile(r"\s*\.\s*(?P<how>append|extend|add)\s*\(")
_NUMBER_ARGUMENT = re.compile(r"(?:\A|,)\s*(?P<number>(?:[A-Za-z_]\w*\s*=\s*)?-?\d[\w.]*)\s*->")


def quoted_label(name: str) -> tuple[str, str]:
    """What to say of a label that only quotes make one, as it starts with a digit or holds a `-`: message and hint."""
    why = "holds a `-`" if "-" in name else "starts with a digit"
    return f"a label that {why} is written in quotes", f'write `"{clip(name)}": ...`'


def unquoted_label(place: Place, position: int, *more: str) -> Diagnostic | None:
    """What to say if the text around `position` is a label that lacks its quotes, with `more` hints."""
    text = place.text
    after = _LABEL_AFTER.match(text, position)
    before = _LABEL_BEFORE.search(text, max(0, text.rfind("\n", 0, position)), position)
    if after is None or before is None:
        return None
    name = text[before.start() : after.end()]
    if not name or "." in name or not (name[0].isdigit() or "-" in name.strip("-")):
        return None
    message, hint = quoted_label(name)
    return place.says("E0111", message, (before.start(), after.end()), hint, *more)


def character(place: Place) -> Diagnostic:
    """What to say of text of which no token could be made."""
    text, position = place.text, place.position
    if match := _NUMBER.match(text, position):
        if label := unquoted_label(place, position):
            return label
        hint = "write digits, at most one point between them, `_` to group: `25_557_032`, `0.5`, `1e-5`"
        if match.group().lower().startswith(("0x", "0b", "0o")):
            hint = "numbers are decimal"
        return place.says("E0107", f"`{clip(match.group())}` is not a number", match.span(), hint)
    if match := _STRING.match(text, position):
        return place.says("E0104", "this string is never closed", match.span(), 'end it with `"` on the same line')
    if match := _SINGLE.match(text, position):
        new = f'"{match.group()[1:-1]}"'
        return place.says("E0120", "strings have double quotes", match.span(), Hint(f"write `{clip(new)}`", new))
    if place.latest("INPUT", "LBRACE", "ARROW", "EQUAL") == place.latest("INPUT") and text[position] == "?":
        return place.says("E0120", "`?` is no size", (position, position + 1), _OPEN_SIZE)
    if match := _CHARACTER.match(text, position):
        _, code, message, hint = _CHARACTERS[int((match.lastgroup or "c0")[1:])]
        if new := _SIGNS.get(match.group()):
            hint = Hint(hint, new)
        return place.says(code, message.format(match.group()), match.span(), hint)
    if match := _WORD.match(text, position):
        before = _WORD_START.search(text, max(0, text.rfind("\n", 0, position)), position)
        start = before.start() if before else position
        hint = "names are made of ASCII letters, digits and `_`"
        return place.says("E0106", f"`{clip(text[start : match.end()])}` cannot be a name", (start, match.end()), hint)
    hint = "delete it; strings and comments may hold any text"
    return place.says("E0106", f"`{text[position]}` means nothing here", (position, position + 1), hint)


def word(place: Place, token: Token) -> Diagnostic | None:
    """A word of another language, here or before."""
    for found in (place.previous, token):
        if found is not None and found.type == "NAME" and found.value in _WORDS:
            return place.said_of("E0120", f"there is no `{found.value}` in `.arch`", found, _WORDS[found.value])
    return None


def sign(place: Place, token: Token) -> Diagnostic | None:
    """Two tokens that are one sign elsewhere, and a number without its first digit."""
    before, after = place.previous, place.text[token.end_pos : token.end_pos + 1]
    glued = before is not None and before.end_pos == token.start_pos
    found = _GLUED.get((before.type, token.type)) if before is not None and glued else None
    if found and before is not None:
        return place.said_of(found[0], found[1], before, found[2])
    first = token if after == "=" else before if glued and token.type == "EQUAL" else None
    if first is not None and first.type in _ASSIGNING:
        name = _NAME_BEFORE.search(place.text, 0, first.start_pos)
        x, value = name[1] if name else "x", piece_at(place.text, first.end_pos + 1).strip()
        hint = f"write `{x} = {x} {first.value} {value if name and 0 < len(value) < 40 else 'e'}`"
        return place.said_of("E0120", f"`{first.value}=` is not an operator", first, hint)
    if token.type in ("DOT", "THROUGH") and "NUMBER" in place.expected:
        digits = re.match(r"[0-9_]*", place.text[token.end_pos :])
        decimals = (digits[0] if digits else "") or "5"
        return place.said_of("E0107", "a number begins with a digit", token, f"write `0.{decimals}`, not `.{decimals}`")
    return None


def habit(place: Place, token: Token) -> Diagnostic | None:
    """Lists that grow, strings, comments and operators of other languages, and what lacks its left side."""
    before, expected = place.previous, place.expected
    if grown := _grown(place):
        return grown
    prefix = before is not None and before.type == "NAME" and before.end_pos == token.start_pos
    if token.type == "STRING" and before is not None and prefix and len(before.value) == 1:
        hint = "delete it: every string inserts values by `{name}`"
        return place.said_of("E0120", f"a string has no `{before.value}` before it", before, hint)
    if ("OUTPUT" in expected or "ARCH" in expected) and (found := _comment(place, token)):
        return found
    if token.type == "STAR" and before is not None and before.type in ("OUTPUT", "EQUAL"):
        value = piece_at(place.text, token.start_pos, stops="\n").rstrip()
        message, written = "a `*` spreads a list within a tuple, a list or a call", f"({value})"
        if piece_at(place.text, token.start_pos).rstrip() == value:
            written = f"({value},)"
        span = token.start_pos, token.start_pos + len(value)
        return place.says("E0101", message, span, Hint(f"a tuple has parentheses: `{written}`", written))
    if "NUMBER" in expected and token.type in _MISSING:
        message, hint = _MISSING[token.type]
        return place.said_of("E0101", message, token, hint)
    if {"ARROW", "EQUALS"} & expected and _MEMBER.match(place.text, token.start_pos):
        message = "`in` is no comparison: it is the input of a block"
        return place.said_of("E0120", message, token, "write `x == a or x == b`")
    if token.type == "FAT_ARROW" and "ARROW" in expected:
        message = "`=>` stands only between a pattern and its value in `match`"
        return place.said_of("E0120", message, token, "write `->` to compose")
    if token.type == "BAR" and (found := _BARS.get(place.text[token.end_pos : token.end_pos + 1])):
        return place.said_of(found[0], found[1], token, found[2])
    if token.type == "BAR" and "ARROW" in expected:
        message = "`|` separates only the alternatives of a type or a pattern"
        hint = "write `or` between conditions, `->` to compose, `++` to concatenate"
        return place.said_of("E0120", message, token, hint)
    return None


def _grown(place: Place) -> Diagnostic | None:
    """`layers.append(f)`: a list that is made longer."""
    name = place.previous
    found = _GROWS.match(place.text, name.end_pos) if name is not None and name.type == "NAME" else None
    if name is None or found is None or place.is_inside(name):
        return None
    more = piece_at(place.text, found.end())
    end = found.end() + len(more) + 1
    longer = (
        f"[*{name.value}, {'*' if found['how'] == 'extend' else ''}{more.strip() if 0 < len(more) < 80 else '...'}]"
    )
    message = f"there is no `.{found['how']}`: nothing changes a list, and a longer one is another list"
    return place.says("E0120", message, (name.start_pos, end), f"write `{name.value} = {longer}`")


def _comment(place: Place, token: Token) -> Diagnostic | None:
    """A comment as other languages begin it, or names in parentheses, where a statement should begin."""
    if place.text.startswith(("//", "/*", "--"), token.start_pos):
        begins = place.text[token.start_pos : token.start_pos + 2]
        return place.said_of("E0120", f"`{begins}` begins no comment", token, "write `#`")
    if match := _TARGETS.match(place.text, token.start_pos):
        hint = f"write `{clip(' '.join(match['names'].split()))} = ...`"
        return place.said_of("E0120", "names that take a list apart have no parentheses", token, hint)
    return None


def equal(place: Place, token: Token) -> Diagnostic | None:
    """A `=` or `==` in the place of the other, or of a label's `:`."""
    before, expected = place.previous, place.expected
    if token.type == "EQUALS" and "EQUAL" in expected:
        return place.said_of("E0101", "`==` compares; here a value is given", token, "write `=`")
    if token.type != "EQUAL" or before is None:
        return None
    if before.type == "OUTPUT":
        hint = "write `output e`, or `output name = e` to name it"
        return place.said_of("E0101", "`output` takes no `=`", token, hint)
    if words().keywords.get(before.value) == before.type:
        name = before.value
        why = "is a reserved word" if name in words().reserved else "begins a statement here"
        message, hint = f"`{name}` {why}, so it cannot be a name", f"choose another name, such as `{name}_`"
        return place.said_of("E0118", message, before, hint)
    if before.type == "STRING" and place.latest("OUTPUT", "LBRACE", "EQUAL", "ARROW") == place.latest("OUTPUT"):
        hint = "an output's name is a plain word; outputs of a loop are a tuple, `output (a, b)` or `output (*xs)`"
        return place.said_of("E0101", "a string names no output", before, hint)
    if "EQUALS" not in expected:
        return None
    named = _NAMED.match(place.text, token.end_pos)
    if named and named[1] not in words().reserved and _INSIDE.search(place.text, 0, before.start_pos):
        message = f"a part of an expression gets its name by `:`, and `{before.value} =` is a statement"
        return place.said_of("E0101", message, before, f"write `{before.value}:` to name what follows")
    hint = "write `==` to compare; `=` names an argument, a value or a default"
    return place.said_of("E0101", "`=` cannot stand here", token, hint)


def _layer_of(places: list[str]) -> str:
    """The layer that does what `x[:, a:b]` or `x[:, 0]` does, where it is one."""
    told = [(axis, place) for axis, place in enumerate(places) if place != ":"]
    if len(told) == 1:
        ((axis, place),) = told
        start, colon, stop = place.partition(":")
        if ":" not in stop:
            return f"slice({axis}, {start or 0}{stop and f', {stop}'})" if colon else f"select({axis}, {place})"
    return "slice(axis, start, stop)"


def slice_with_colon(opener: Span) -> Diagnostic:
    """`xs[1:3]`, from its bracket on."""
    text = opener.source.text
    inside = piece_at(text, opener.end, stops="")
    bounds = inside.split(":")
    span = Span(opener.source, opener.start, opener.end + len(inside) + 1)
    if "," in inside:
        layer = _layer_of([part.strip() for part in inside.split(",")])
        name = _WORD_START.search(text, 0, opener.start)
        start = name.start() if name else opener.start
        call = f"({text[start : opener.start] or 'x'} -> {layer})"
        hint = Hint(f"a layer takes a part of a tensor: `{call}`", call)
        return Diagnostic("E0120", "there are no slices with `:`", Span(span.source, start, span.end), hints=(hint,))
    hint = "a part of a list is `xs[1..<3]`, `xs[1..]` or `xs[..<3]`; of a tensor, `slice(axis, start, stop)`"
    if len(bounds) == 2 and inside.strip() != ":":
        start, stop = (bound.strip() for bound in bounds)
        hint = f"write `[{start}..<{stop}]`" if stop else f"write `[{start}..]`"
        hint += "; a part of a tensor is `slice(axis, start, stop)`"
    return Diagnostic("E0120", "there are no slices with `:`", span, hints=(hint,))


def colon(place: Place, token: Token) -> Diagnostic | None:
    """A `:` that is none of a label."""
    if token.type != "COLON":
        return None
    before, expected, text = place.previous, place.expected, place.text
    if before is not None and before.type == "NAME" and "EQUAL" in expected and "LBRACE" not in expected:
        name = before.value
        if text[token.end_pos : token.end_pos + 1] == "=":
            return place.said_of("E0120", "`:=` is not an operator", token, "write `=`")
        if text[: before.start_pos].rstrip().endswith("lambda"):
            return place.said_of("E0120", "there is no `lambda` in `.arch`", before, _WORDS["lambda"])
        message = f"`{name}:` labels a part of an expression; no statement begins with a label"
        hint = f"write `output {name}: ...` for the result, or `{name} = ...` to name a value"
        return place.said_of("E0101", message, before, hint)
    if before is not None and before.type == "INPUT":
        hint = "write `input x: [N, 3, H, W]`"
        return place.said_of("E0101", "an input has a name before its `:`", token, hint)
    if before is not None and before.type == "OUTPUT":
        return place.said_of("E0101", "`output` takes no `:`", token, "write `output e`, or `output name = e`")
    if "FAT_ARROW" in expected:
        hint = "write `=>`: `match v { 1 => a, _ => b }`"
        return place.said_of("E0120", "a pattern is not followed by `:`", token, hint)
    if ("RSQB" in expected and "COMMA" not in expected) or place.kind_before == "LSQB":
        opener = place.latest("LSQB")
        return slice_with_colon(place.span(opener or token))
    if before is not None and before.end_pos <= token.start_pos and (label := unquoted_label(place, before.end_pos)):
        return label
    if {"LBRACE", "EQUAL"} & expected:
        hint = "a body is written in braces, `{ ... }`, or after `=`"
        return place.said_of("E0120", "no body begins with `:`", token, hint)
    hint = "a label stands before what it names: `conv1: conv(64, 3)`"
    return place.said_of("E0101", "this `:` labels nothing", token, hint)


def after_number(place: Place, opener: Token, end: int) -> tuple[str, ...]:
    """A hint where to close the arguments of a call, if a number with an arrow is one of them: `conv(16, 3 -> bn`."""
    inside = place.text[opener.end_pos : end]
    if opener.type != "LPAR" or not re.search(r"\w\Z", place.text[: opener.start_pos]):
        return ()
    for match in _NUMBER_ARGUMENT.finditer(inside):
        before = inside[: match.start()]
        if all(before.count(a) == before.count(b) for a, b in ("()", "[]", "{}")):
            written = clip(" ".join(match["number"].split()))
            return (f"write `)` behind `{written}`: a number cannot begin a chain",)
    return ()
