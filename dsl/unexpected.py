"""What to say of a token that cannot stand where it was met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lark.parsers.lalr_interactive_parser import InteractiveParser

from ..grammar import Token, words
from .diagnostics import Diagnostic, Label
from .recover import OPENERS, open_brackets, python_heading
from .slips import character, slip, unquoted_label
from .source import Source, Span, clip

SIGNS = {"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "LBRACE": "{", "RBRACE": "}"}

_STATEMENTS = {
    *("USE", "ARCH", "BLOCK", "FN", "EXTERN", "INPUT", "OUTPUT", "SHARED", "PARAM", "BUFFER", "DRAW", "DEFAULT"),
    *("REQUIRE", "EXPECT", "ORDER", "DOC", "ERROR"),
}
_EXPRESSIONS = {
    *("NUMBER", "STRING", "NAME", "LABEL", "LPAR", "LSQB", "MINUS", "TRUE", "FALSE", "IN", "IF", "MATCH", "NOT")
}
_OPERATORS = {
    *("ARROW", "PLUS", "MINUS", "JOIN", "STAR", "SLASH", "FLOOR", "PERCENT", "POW", "AND", "OR", "LPAR", "LSQB", "DOT"),
    *("EQUALS", "DIFFERS", "LESS", "AT_MOST", "MORE", "AT_LEAST", "THROUGH", "UNTIL"),
}
_COMPARISONS = {"EQUALS", "DIFFERS", "LESS", "AT_MOST", "MORE", "AT_LEAST"}
_FORMS = {
    "USE": 'use a, b as c from "file.arch"',
    "ARCH": "arch Name(p: int = 1) { ... }",
    "BLOCK": "block name(p, q = 1) = ...",
    "FN": "fn name(p) = ...",
    "EXTERN": "extern name(c)(x: [N, C, H, W]) -> [N, c, H, W] { param weight: [c, C] }",
    "INPUT": "input x: [N, 3, H, W] = [1, 3, 224, 224]",
    "SHARED": "shared f = ...",
    "PARAM": "param p = normal([1, 1, d], std = 0.02)",
    "BUFFER": "buffer b = zeros([d])",
    "DRAW": "draw r = choice(n)",
    "DEFAULT": "default bn(eps = 0.001)",
    "EXPECT": "expect params == 25_557_032 when depth == 50",
    "ORDER": "order a, b",
    "FOR": "for x in xs { ... }",
}
_GOES_ON = {"ARROW": " -> ...", "LPAR": "(...)", "DOT": ".a", "LSQB": "[...]"}
_NAMED = {"NAME": "a name", "STRING": "a string", "NUMBER": "a number", "LABEL_PATH": "a label"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading stopped. `token` is None where no token could be made of the text at `position`."""

    source: Source
    parser: InteractiveParser
    token: Token | None
    position: int
    previous: Token | None
    margin: int | None = None
    reread: bool = False  # the token was taken for a name at first, and begins a statement
    interpolation: tuple[int, int] | None = None
    expected: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.expected.update(self.parser.accepts())

    @property
    def values(self) -> list[Any]:
        """What has been read and makes no whole yet: tokens, and trees of what is whole."""
        return self.parser.parser_state.value_stack

    @property
    def opener(self) -> Token | None:
        """The innermost bracket that is still open."""
        return next(reversed(open_brackets(self.values)), None)

    def span(self, token: Token) -> Span:
        return Span(self.source, token.start_pos, token.end_pos)

    def opener_is_round(self) -> bool:
        return self.opener is not None and self.opener.type != "LBRACE"

    def kind_before(self) -> str:
        return self.previous.type if self.previous else ""


def unexpected(place: Place) -> Diagnostic:
    token = place.token
    if token is None:
        code, message, start, end, hints = character(place.source.text, place.position)
        return Diagnostic(code, message, Span(place.source, start, end), hints=hints)
    if token.type == "$END":
        return _at_end(place, token)
    for rule in _RULES:
        if found := rule(place, token):
            return found
    return _generic(place, token)


# --- brackets and ends


def _at_end(place: Place, token: Token) -> Diagnostic:
    opener, here = place.opener, place.span(token)
    if place.previous is not None:
        here = Span(place.source, place.previous.end_pos, place.previous.end_pos)
    if place.interpolation:
        hint = "put one expression between the braces, such as `{i}` or `{2 * s + 1}`"
        start, end = place.interpolation
        message = f"there is no whole expression between these braces: {_expected(place)} is missing"
        return Diagnostic("E0117", message, Span(place.source, start - 1, end + 1), hints=(hint,))
    if lone := _lone_name(place, token):
        return lone
    if opener is None:
        return Diagnostic("E0101", f"the file ends where {_expected(place)} should follow", here, hints=_form(place))
    sign, close = SIGNS[opener.type], SIGNS[OPENERS[opener.type]]
    label = Label(place.span(opener), f"this `{sign}` is still open")
    if place.margin is not None:
        end = place.source.text.find("\n", place.margin)
        span = Span(place.source, place.margin, end if end >= 0 else len(place.source.text))
        message = f"a declaration begins here before `{close}` closes what is open"
        return Diagnostic("E0102", message, span, labels=(label,), hints=(f"write `{close}` before this line",))
    message = f"the file ends before a `{close}` closes the `{sign}`"
    return Diagnostic("E0102", message, here, labels=(label,), hints=(f"write `{close}` where it ends",))


def _closing(place: Place, token: Token) -> Diagnostic | None:
    if token.type not in OPENERS.values():
        return None
    opener, here = place.opener, place.span(token)
    if opener is None or (opener.type == "LBRACE" and token.type != "RBRACE"):
        message = f"this `{token.value}` closes nothing"
        return Diagnostic("E0103", message, here, hints=("delete it, or open its partner before",))
    if OPENERS[opener.type] != token.type:
        close = SIGNS[OPENERS[opener.type]]
        label = Label(place.span(opener), f"this `{opener.value}` is still open")
        message = f"this `{token.value}` closes a `{opener.value}`, whose partner is `{close}`"
        return Diagnostic("E0103", message, here, labels=(label,), hints=(f"write `{close}` here or before",))
    if "THEN" in place.expected or "ELSE" in place.expected:
        return None
    if place.kind_before() == "LPAR" and opener.type == "LPAR":
        message = "these parentheses are empty"
        return Diagnostic("E0101", message, place.span(opener).to(here), hints=("a part that does nothing is `id`",))
    hints = ("a part of a list is a comprehension, `[xs[i] for i in 1..<len(xs)]`",)
    open_range = place.kind_before() in ("THROUGH", "UNTIL")
    message = f"{_expected(place)} is missing before this `{token.value}`"
    return Diagnostic("E0101", message, here, hints=hints if open_range else ())


def _unclosed(place: Place, token: Token) -> Diagnostic | None:
    """A statement begins inside of brackets: one was not closed."""
    opener = place.opener
    starts = token.type in _STATEMENTS or _at_line_start(place, token)
    if opener is None or opener.type == "LBRACE" or not starts or not {"RPAR", "RSQB"} & place.expected:
        return None
    close = SIGNS[OPENERS[opener.type]]
    label = Label(place.span(opener), f"this `{opener.value}` is still open")
    message = f"`{clip(token.value)}` begins something new before `{close}` closes the `{opener.value}`"
    hint = f"write `{close}` before it, or `,` or `->` if it belongs inside"
    return Diagnostic("E0102", message, place.span(token), labels=(label,), hints=(hint,))


def _missing_value(place: Place, token: Token) -> Diagnostic | None:
    if not place.reread:
        return None
    return Diagnostic("E0101", f"an expression is missing before this `{token.value}`", place.span(token))


def _at_line_start(place: Place, token: Token) -> bool:
    line = place.source.text.rfind("\n", 0, token.start_pos) + 1
    return token.type == "NAME" and not place.source.text[line : token.start_pos].strip()


# --- if, match, for


def _choice(place: Place, token: Token) -> Diagnostic | None:
    here = place.span(token)
    if token.type in ("IF", "MATCH") and "NUMBER" in place.expected:
        word = token.value
        message = f"`{word}` stands at the head of an expression; as a part of one it needs parentheses"
        hint = f"write `({word} ...)`"
        return Diagnostic("E0121", message, here, hints=(hint,))
    if "THEN" in place.expected and "ELSE" not in place.expected:
        message = "an `if` goes on with `then` after its condition"
        if token.type == "LBRACE":
            message = "an `if` with braces is a statement; here a value is needed"
        return Diagnostic("E0101", message, here, hints=("write `if condition then a else b`",))
    if "ELSE" in place.expected and token.type != "ELSE":
        message = f"this `if` has no `else`, and {_found(token)} follows"
        hint = "write `if c then a else b`; only as an item of a list may an `if` lack its `else`"
        opened = next((v for v in reversed(place.values) if type(v) is Token and v.type == "IF"), token)
        return Diagnostic("E0110", message, place.span(opened), hints=(hint,))
    if "LBRACE" in place.expected and token.type == "THEN":
        hints = ("write `output if c then a else b`, or `if c { ... } else { ... }`",)
        return Diagnostic("E0101", "an `if` that begins a statement has a body in braces", here, hints=hints)
    if "LBRACE" in place.expected and token.type != "LBRACE" and (opened := _trailing_if(place)):
        hint = "the condition comes first: `x = if c then a else b`; in a list `[if c then f]`"
        return Diagnostic("E0101", "an `if` cannot follow a value", place.span(opened), hints=(hint,))
    if token.type == "ELSE":
        if opened := _trailing_if(place):
            here = place.span(opened)
        return Diagnostic("E0101", "this `else` belongs to no `if`", here, hints=("write `if c then a else b`",))
    opener = place.opener
    if token.type == "FOR" and opener is not None and opener.type == "LPAR":
        hint = "write the comprehension in brackets, `[f(x) for x in xs]`, or as the only argument of a call"
        return Diagnostic("E0101", "a comprehension cannot stand here", here, hints=(hint,))
    return None


def _trailing_if(place: Place) -> Token | None:
    """The `if` of what was taken for a statement, where something precedes it on its line."""
    text = place.source.text
    opened = next((v for v in reversed(place.values) if type(v) is Token and v.type == "IF"), None)
    if opened is None:
        return None
    before = text[text.rfind("\n", 0, opened.start_pos) + 1 : opened.start_pos].rstrip()
    return opened if before and before[-1] not in "{}" else None


def _lone_name(place: Place, token: Token) -> Diagnostic | None:
    """A name at the start of a statement, with no `=` after it: mostly an operator is missing before it."""
    previous = place.previous
    if previous is None or previous.type != "NAME" or place.opener_is_round():
        return None
    if token.type in ("COLON", "EQUALS") or place.expected != {"EQUAL", "COMMA"}:
        return None
    name, here = clip(previous.value), place.span(previous)
    if name == "self":
        hint = "name a part where it is applied: `x -> conv1: conv(64, 3)`"
        return Diagnostic("E0120", "there is no `self` in `.arch`", here, hints=(hint,))
    if token.type in _GOES_ON:
        message = f"a statement cannot begin with the value `{name}`: nothing says where its result goes"
        whole = f"{name}{_GOES_ON[token.type]}"
        hints = (f"write `output {whole}` for the result, or name it: `y = {whole}`",)
        return Diagnostic("E0101", message, here, hints=hints)
    message = f"`{name}` stands alone: nothing joins it to what precedes, and no `=` follows"
    hints = ("put an operator before it, such as `->`", f"or name a value: `{name} = ...`")
    line = place.source.text[place.source.text.rfind("\n", 0, previous.start_pos) + 1 : previous.start_pos]
    if "//" in line:
        hints = ("if this is a comment, begin it with `#`", *hints)
    return Diagnostic("E0101", message, here, hints=hints)


def _after_match(place: Place, token: Token) -> Diagnostic | None:
    if place.kind_before() != "RBRACE" or token.type not in _OPERATORS - {"DOT"}:
        return None
    message = f"`{token.value}` cannot follow a closing brace"
    hint = "a `match` that is a part of an expression needs parentheses: `(match v { ... }) -> f`"
    return Diagnostic("E0121", message, place.span(token), hints=(hint,))


def _reserved(place: Place, token: Token) -> Diagnostic | None:
    if token.value not in words().reserved or "NAME" not in place.expected or "NUMBER" in place.expected:
        return None
    message = f"`{token.value}` is a reserved word, so it cannot be a name"
    return Diagnostic("E0118", message, place.span(token), hints=(f"choose another name, such as `{token.value}_`",))


def _slip(place: Place, token: Token) -> Diagnostic | None:
    found = slip(place.source.text, token, place.previous, place.expected)
    if found is None:
        return None
    code, message, start, hints = found
    end = token.end_pos
    if place.previous is not None and "\n" in place.source.text[start:end]:
        end = place.previous.end_pos
    return Diagnostic(code, message, Span(place.source, start, end), hints=hints)


def _label(place: Place, token: Token) -> Diagnostic | None:
    """A statement that begins with a label which is none: `branch-1: f`, `0: f`."""
    lone = token.type == "MINUS" and place.previous is not None and place.expected == {"EQUAL", "COMMA"}
    if not lone and not (token.type == "NUMBER" and "OUTPUT" in place.expected):
        return None
    found = unquoted_label(place.source.text, place.previous.end_pos if lone and place.previous else token.start_pos)
    if found is None:
        return None
    code, message, start, end, hints = found
    hints = (*hints, "no statement begins with a label: write `output` before it, or label it where it is applied")
    return Diagnostic(code, message, Span(place.source, start, end), hints=hints)


def _heading(place: Place, token: Token) -> Diagnostic | None:
    """A body that is begun by `:` and indented."""
    match = python_heading(place.values, place.source.text, token.start_pos)
    if match is None or match.group().split(maxsplit=1)[0] in ("def", "class", "while", "elif", "with", "try"):
        return None
    colon = match.start("last") if match["last"] else match.start("inner")
    if place.values and token.start_pos < colon:
        return None
    hint = "a body is written in braces, `{ ... }`"
    if match.group().split()[0] in ("block", "fn", "arch"):
        hint += ", or after `=`"
    return Diagnostic("E0120", "no body begins with `:`", Span(place.source, colon, colon + 1), hints=(hint,))


_RULES: tuple[Callable[[Place, Token], Diagnostic | None], ...] = (
    *(_heading, _label, _slip, _closing, _choice, _after_match, _reserved, _unclosed, _missing_value, _lone_name),
)


# --- in words


def _generic(place: Place, token: Token) -> Diagnostic:
    message = f"{_found(token)} cannot stand here; {_expected(place)} could"
    hints: tuple[str, ...] = ()
    if token.type in ("NAME", "NUMBER", "STRING", "LABEL") and "ARROW" in place.expected and place.previous:
        pair = f"`{clip(place.previous.value)}` and `{clip(token.value)}`"
        hints = (f"put an operator between {pair}: `->` to compose, or `,` in a list",)
    opener = place.opener
    if token.type in ("NAME", "NUMBER", "STRING", "LABEL") and _is_in_list(place):
        composed = "" if "NUMBER" in (token.type, place.kind_before()) else " or `->`"
        before = clip(place.previous.value) if place.previous else ""
        hints = (f"put `,`{composed} between `{before}` and `{clip(token.value)}`",)
    hints = hints or _form(place)
    if token.type == "COMMA" and place.expected == {"RSQB"} | (place.expected & _OPERATORS):
        hints = ("an index is one value: `n[0]`, and of a list of lists `n[0][1]`",)
    labels: tuple[Label, ...] = ()
    if opener is not None and OPENERS[opener.type] in place.expected and opener.type != "LBRACE":
        labels = (Label(place.span(opener), f"inside of this `{opener.value}`"),)
    return Diagnostic("E0101", message, place.span(token), labels=labels, hints=hints)


def _is_in_list(place: Place) -> bool:
    """Whether a comma could follow here, in a list or a call; in parameters a type could too."""
    return place.opener_is_round() and "COMMA" in place.expected and "COLON" not in place.expected


def _form(place: Place) -> tuple[str, ...]:
    """How the statement that is being read is written."""
    for value in reversed(place.values):
        if type(value) is Token and value.type in _FORMS:
            return (f"the form is `{_FORMS[value.type]}`",)
        if type(value) is Token and value.type in ("EQUAL", "LBRACE", "ARROW"):
            return ()
    return ()


def _found(token: Token) -> str:
    if token.type == "LABEL":
        return f"the label `{clip(token.value)}`"
    if token.type == "NUMBER":
        return f"the number `{clip(token.value)}`"
    if token.type in ("STRING", "DOC"):
        return "this doc string" if token.type == "DOC" else "this string"
    return f"`{clip(token.value)}`"


def _expected(place: Place) -> str:
    """What could stand at a place, in words."""
    left = set(place.expected)
    parts: list[str] = []
    if {"NUMBER", "LPAR", "IN"} <= left:
        parts.append("an expression")
        left -= _EXPRESSIONS | {"STAR"}
    elif {"NUMBER", "TRUE", "NAME"} <= left:
        parts.append("a type")
        left -= {"NUMBER", "TRUE", "FALSE", "STRING", "MINUS", "NAME"}
    if "ARROW" not in left and left >= _COMPARISONS:
        parts.append("a comparison such as `==`")
        left -= _COMPARISONS | _OPERATORS
    if {"ARROW", "POW"} & left or {"EQUALS", "PLUS"} <= left:
        parts.append("an operator such as `->`" if "ARROW" in left else "an operator")
        left -= _OPERATORS
    if {"OUTPUT", "USE"} <= left:
        inside = place.opener is not None
        parts.append("a statement" if inside else "a declaration")
        left -= _STATEMENTS | {"NAME", "FOR", "IF", "AT", "WHEN"}
    left -= {"ERROR", "$END"} | ({"FOR", "IF"} if parts else set())
    signs = {name: sign for sign, name in (words().operators | words().keywords).items()}
    parts += sorted(_NAMED.get(kind) or f"`{signs.get(kind, kind.lower())}`" for kind in left)
    if len(parts) > 5:
        parts = [*parts[:4], "..."]
    return " or ".join(parts) if len(parts) < 3 else ", ".join(parts[:-1]) + " or " + parts[-1]
