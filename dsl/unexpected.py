"""What to say of a token that cannot stand where it was met."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..grammar import Token, words
from . import slips
from .diagnostics import Diagnostic, Hint, Label
from .place import Place
from .recover import OPENERS, python_heading
from .source import clip, piece_at, piece_before

SIGNS = {"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "LBRACE": "{", "RBRACE": "}"}

_STATEMENTS = {
    *("USE", "ARCH", "BLOCK", "FN", "EXTERN", "INPUT", "OUTPUT", "SHARED", "PARAM", "BUFFER", "CONST", "DRAW"),
    *("DEFAULT", "REQUIRE", "EXPECT", "ORDER", "DOC", "ERROR"),
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
    "CONST": "const c = constant([1, 2, 1])",
    "DRAW": "draw r = choice(n)",
    "DEFAULT": "default bn(eps = 0.001)",
    "EXPECT": "expect params == 25_557_032 when depth == 50",
    "ORDER": "order a, b",
    "FOR": "for x in xs { ... }",
}
_COMMENT = "if this is a comment, begin it with `#`"
_GOES_ON = ("ARROW", "LPAR", "DOT", "LSQB")
_NAMED = {"NAME": "a name", "STRING": "a string", "NUMBER": "a number", "LABEL_PATH": "a label"}


def unexpected(place: Place) -> Diagnostic:
    token = place.token
    if token is None:
        return slips.character(place)
    if token.type == "$END":
        return _at_end(place, token)
    return next(filter(None, (rule(place, token) for rule in _RULES)), None) or _generic(place, token)


# --- brackets and ends


def _at_end(place: Place, token: Token) -> Diagnostic:
    if place.interpolation:
        hint = "put one expression between the braces, such as `{i}` or `{2 * s + 1}`"
        start, end = place.interpolation
        message = f"there is no whole expression between these braces: {_expected(place)} is missing"
        return place.says("E0117", message, (start - 1, end + 1), hint)
    if lone := _lone_name(place, token):
        return lone
    opener, end = place.opener, place.previous.end_pos if place.previous is not None else token.start_pos
    if opener is None:
        return place.says("E0101", f"the file ends where {_expected(place)} should follow", (end, end), *_form(place))
    sign, close = SIGNS[opener.type], SIGNS[OPENERS[opener.type]]
    label = Label(place.span(opener), f"this `{sign}` is still open")
    if place.margin is not None:
        line_end = place.text.find("\n", place.margin)
        line = place.margin, line_end if line_end >= 0 else len(place.text)
        message = f"a declaration begins here before `{close}` closes what is open"
        hints = slips.after_number(place, opener, place.margin) or (f"write `{close}` before this line",)
        return place.says("E0102", message, line, *hints, labels=(label,))
    message = f"the file ends before a `{close}` closes the `{sign}`"
    hints = slips.after_number(place, opener, end) or (f"write `{close}` where it ends",)
    return place.says("E0102", message, (end, end), *hints, labels=(label,))


def _closing(place: Place, token: Token) -> Diagnostic | None:
    if token.type not in OPENERS.values():
        return None
    opener = place.opener
    if opener is None or (opener.type == "LBRACE" and token.type != "RBRACE"):
        return place.says(
            "E0103", f"this `{token.value}` closes nothing", token, "delete it, or open its partner before"
        )
    if OPENERS[opener.type] != token.type:
        close = SIGNS[OPENERS[opener.type]]
        label = Label(place.span(opener), f"this `{opener.value}` is still open")
        message = f"this `{token.value}` closes a `{opener.value}`, whose partner is `{close}`"
        latest = f"write `{close}` where what the `{opener.value}` holds ends, here at the latest"
        hints = slips.after_number(place, opener, token.start_pos) or (latest,)
        return place.says("E0103", message, token, *hints, labels=(label,))
    if "THEN" in place.expected or "ELSE" in place.expected:
        return None
    if place.kind_before == "LPAR" and opener.type == "LPAR":
        both = place.span(opener).to(place.span(token))
        return place.says("E0101", "these parentheses are empty", both, "a part that does nothing is `id`")
    if place.kind_before == "LABEL" and place.previous is not None and _is_index(place, opener):
        return slips.slice_with_colon(place.span(opener))
    if found := _trailing_if(place, token) or _lone_name(place, token):
        return found
    hints = ("a part of a list is `xs[1..3]`, `xs[1..<3]`, `xs[1..]` or `xs[..<3]`",)
    open_range = place.kind_before in ("THROUGH", "UNTIL")
    message = f"{_expected(place)} is missing before this `{token.value}`"
    return place.says("E0101", message, token, *(hints if open_range else ()))


def _comprehension(place: Place, token: Token) -> Diagnostic | None:
    """`[relu, conv(c, 3) for c in cs]`: a comprehension is all of a list, or spread into it."""
    opener = place.opener
    if token.type != "FOR" or opener is None or opener.type == "LBRACE" or "COMMA" not in place.expected:
        return None
    element = piece_before(place.text, token.start_pos)
    rest = piece_at(place.text, token.start_pos, stops="").rstrip()
    written = f"*[{element} {rest}]"
    hint = (
        f"write `{written}`" if element and len(written) < 100 and "\n" not in written else "write `*[e for x in xs]`"
    )
    message = "a comprehension is the only element of its list, or is spread into it by `*`"
    start = place.text.rindex(element, 0, token.start_pos) if element else token.start_pos
    return place.says("E0101", message, (start, token.start_pos + len(rest)), hint)


def _is_index(place: Place, bracket: Token) -> bool:
    """Whether a bracket stands directly behind what it may take an element of."""
    before = place.text[: bracket.start_pos]
    return bracket.type == "LSQB" and (before[-1:].isalnum() or before[-1:] in ("_", ")", "]"))


def _unclosed(place: Place, token: Token) -> Diagnostic | None:
    """A statement begins inside of brackets: one was not closed."""
    opener = place.opener
    starts = token.type in _STATEMENTS or (token.type == "NAME" and not place.line_before(token).strip())
    if opener is None or opener.type == "LBRACE" or not starts or not {"RPAR", "RSQB"} & place.expected:
        return None
    close = SIGNS[OPENERS[opener.type]]
    label = Label(place.span(opener), f"this `{opener.value}` is still open")
    message = f"`{clip(token.value)}` begins something new before `{close}` closes the `{opener.value}`"
    hints = slips.after_number(place, opener, token.start_pos)
    hints = hints or (f"write `{close}` before it, or `,` or `->` if it belongs inside",)
    return place.says("E0102", message, token, *hints, labels=(label,))


def _missing_value(place: Place, token: Token) -> Diagnostic | None:
    message = f"an expression is missing before this `{token.value}`"
    return place.says("E0101", message, token) if place.reread else None


# --- if, match, for


def _choice(place: Place, token: Token) -> Diagnostic | None:
    if token.type in ("IF", "MATCH") and "NUMBER" in place.expected:
        word = token.value
        message = f"`{word}` stands at the head of an expression; as a part of one it needs parentheses"
        return place.says("E0121", message, token, f"write `({word} ...)`")
    if "THEN" in place.expected and "ELSE" not in place.expected:
        message = "an `if` goes on with `then` after its condition"
        if token.type == "LBRACE":
            message = "an `if` with braces is a statement; here a value is needed"
        return place.says("E0101", message, token, "write `if condition then a else b`")
    if "ELSE" in place.expected and token.type != "ELSE":
        message = f"this `if` has no `else`, and {_found(token)} follows"
        hint = "write `if c then a else b`; only as an item of a list may an `if` lack its `else`"
        return place.says("E0110", message, place.latest("IF") or token, hint)
    if "LBRACE" in place.expected and token.type == "THEN":
        hint = "write `output if c then a else b`, or `if c { ... } else { ... }`"
        return place.says("E0101", "an `if` that begins a statement has a body in braces", token, hint)
    if found := _trailing_if(place, token):
        return found
    if token.type == "ELSE":
        return place.says("E0101", "this `else` belongs to no `if`", token, "write `if c then a else b`")
    opener = place.opener
    if token.type == "FOR" and opener is not None and opener.type == "LPAR":
        hint = "write the comprehension in brackets, `[f(x) for x in xs]`, or as the only argument of a call"
        return place.says("E0101", "a comprehension cannot stand here", token, hint)
    return None


def _trailing_if(place: Place, token: Token) -> Diagnostic | None:
    """`a if c else b`, whose `if` was taken for that of a comprehension or for a statement."""
    statement = "LBRACE" in place.expected and token.type != "LBRACE"
    opened = place.latest("IF") if statement or token.type == "ELSE" else None
    if opened is None or not place.is_inside(opened):
        return None
    message, value = "an `if` cannot follow a value", piece_before(place.text, opened.start_pos)
    if not value:
        return None
    if token.type != "ELSE":
        hint = "the condition comes first: `x = if c then a else b`; in a list `[if c then f]`"
        return place.says("E0101", message, opened, hint)
    condition = place.text[opened.end_pos : token.start_pos].strip()
    other = piece_at(place.text, token.end_pos).rstrip()
    start = place.text.rfind(value, 0, opened.start_pos)
    hint = f"write `if {condition} then {value} else {other.strip()}`: the condition comes first"
    return place.says("E0101", message, (start, token.end_pos + len(other)), hint)


def _lone_name(place: Place, token: Token) -> Diagnostic | None:
    """A name at the start of a statement, with no `=` after it: mostly an operator is missing before it."""
    previous = place.previous
    if previous is None or previous.type != "NAME" or place.in_brackets:
        return None
    if token.type in ("COLON", "EQUALS") or place.expected != {"EQUAL", "COMMA"}:
        return None
    name = clip(previous.value)
    if name == "self":
        hint = "name a part where it is applied: `x -> conv1: conv(64, 3)`"
        return place.says("E0120", "there is no `self` in `.arch`", previous, hint)
    if token.type in _GOES_ON:
        return _without_target(place, previous)
    if name == "as" and token.type == "NAME":
        named = f"`{clip(token.value)}: ...`"
        return place.says("E0120", "there is no `as` here", previous, f"a part gets its name before it: {named}")
    message = f"`{name}` stands alone: nothing joins it to what precedes, and no `=` follows"
    hints = ("put an operator before it, such as `->`", f"or name a value: `{name} = ...`")
    if "//" in place.line_before(previous):
        hints = (_COMMENT, *hints)
    return place.says("E0101", message, previous, *hints)


def _without_target(place: Place, first: Token) -> Diagnostic:
    """A value where a statement should stand: `conv1(x)`, `x -> conv(8, 3)`."""
    value = piece_at(place.text, first.start_pos).rstrip()
    if put_out := re.fullmatch(r"(.+?)\s*->\s*output", value, re.DOTALL):
        start, put_out = first.start_pos, put_out[1]
        hint = f"write `output {clip(put_out)}`"
        return place.says("E0101", "`output` stands before what it puts out", (start, start + len(value)), hint)
    message = f"a statement cannot begin with the value `{clip(first.value)}`: nothing says where its result goes"
    hints = ("put an operator before it, such as `->`",) if place.is_inside(first) else ()
    if len(value) > 80 or "\n" in value:
        value = f"{clip(first.value)} ..."
        hints += (f"write `y = {value}` to name the result, or `output {value}` to put it out",)
        return place.says("E0101", message, first, *hints)
    argument = re.fullmatch(r"\w+\(\s*([A-Za-z_]\w*)\s*\).*", value)
    name = argument[1] if argument else first.value if place.text.startswith("->", place.position) else "y"
    hints += f"write `{name} = {value}` to name the result", f"write `output {value}` to put it out"
    return place.says("E0101", message, (first.start_pos, first.start_pos + len(value)), *hints)


def _after_match(place: Place, token: Token) -> Diagnostic | None:
    if place.kind_before != "RBRACE" or token.type not in _OPERATORS - {"DOT"}:
        return None
    message = f"`{token.value}` cannot follow a closing brace"
    hint = "a `match` that is a part of an expression needs parentheses: `(match v { ... }) -> f`"
    return place.says("E0121", message, token, hint)


def _reserved(place: Place, token: Token) -> Diagnostic | None:
    if token.value not in words().reserved or "NAME" not in place.expected or "NUMBER" in place.expected:
        return None
    message = f"`{token.value}` is a reserved word, so it cannot be a name"
    return place.says("E0118", message, token, f"choose another name, such as `{token.value}_`")


def _label(place: Place, token: Token) -> Diagnostic | None:
    """A statement that begins with a label which is none: `branch-1: f`, `0: f`."""
    lone = token.type == "MINUS" and place.previous is not None and place.expected == {"EQUAL", "COMMA"}
    if not lone and not (token.type == "NUMBER" and "OUTPUT" in place.expected):
        return None
    hint = "no statement begins with a label: write `output` before it, or label it where it is applied"
    start = place.previous.end_pos if lone and place.previous else token.start_pos
    return slips.unquoted_label(place, start, hint)


def _heading(place: Place, token: Token) -> Diagnostic | None:
    """A body that is begun by `:` and indented."""
    match = python_heading(place.values, place.text, token.start_pos)
    if match is None or match.group().split(maxsplit=1)[0] in ("def", "class", "while", "elif", "with", "try"):
        return None
    colon = match.start("last") if match["last"] else match.start("inner")
    if place.values and token.start_pos < colon:
        return None
    hint = "a body is written in braces, `{ ... }`"
    if match.group().split()[0] in ("block", "fn", "arch"):
        hint += ", or after `=`"
    return place.says("E0120", "no body begins with `:`", (colon, colon + 1), hint)


def _input(place: Place, token: Token) -> Diagnostic | None:
    """An input that is given as a value, or among the parameters of an arch, and a body that a `fn` has none of."""
    begun = place.latest("INPUT", "ARCH", "FN", "BLOCK", "EXTERN", "EQUAL", "LBRACE", "ARROW")
    if begun is None:
        return None
    if begun.type == "INPUT" and token.type == "EQUAL" and "COLON" in place.expected:
        return place.says("E0101", "the shape of an input stands behind a `:`", token, Hint("write `:`", ":"))
    if begun.type == "INPUT" and token.type == "LPAR" and "LSQB" in place.expected:
        sizes = piece_at(place.text, token.end_pos, stops="")
        written = f"[{sizes.strip()}]"
        end = token.end_pos + len(sizes) + 1
        return place.says("E0101", "a shape stands in brackets", (token.start_pos, end), f"write `{written}`")
    if begun.type == "ARCH" and token.type == "LSQB" and place.kind_before == "COLON":
        hint = "an input is a statement in the braces: `input x: [N, 3, H, W]`"
        return place.says("E0101", "a parameter has a type, and no shape", token, hint)
    if begun.type == "EXTERN" and token.type == "LSQB" and place.kind_before == "COLON":
        name = re.compile(r"\s*(\w+)").match(place.text, begun.end_pos)
        hint = f"parameters stand in parentheses before them, perhaps none: `extern {name[1] if name else 'f'}()(...)`"
        return place.says("E0101", "tensors of a layer of the host stand in its second parentheses", token, hint)
    if begun.type == "FN" and token.type == "LBRACE" and place.expected == {"EQUAL"}:
        hint = "write `fn f(x) = e`; what has statements is a block: `block f()(x) { y = ...  output y }`"
        return place.says("E0101", "a `fn` is one expression, and has no body", token, hint)
    return None


_RULES: tuple[Callable[[Place, Token], Diagnostic | None], ...] = (
    *(_heading, _label, _input, slips.word, slips.sign, slips.habit, slips.equal, slips.colon),
    *(_closing, _comprehension, _choice, _after_match, _reserved, _unclosed, _missing_value, _lone_name),
)


# --- in words


def _generic(place: Place, token: Token) -> Diagnostic:
    opener, previous = place.opener, place.previous
    named = token.type in ("NAME", "NUMBER", "STRING", "LABEL")
    hints: tuple[str, ...] = ()
    if named and place.in_brackets and "COMMA" in place.expected and "COLON" not in place.expected:
        # In a list or a call; in parameters a type could follow too.
        composed = "" if "NUMBER" in (token.type, place.kind_before) else " or `->`"
        before = clip(previous.value) if previous else ""
        hints = (f"put `,`{composed} between `{before}` and `{clip(token.value)}`",)
    elif named and "ARROW" in place.expected and previous:
        pair = f"`{clip(previous.value)}` and `{clip(token.value)}`"
        hints = (f"put an operator between {pair}: `->` to compose, or `,` in a list",)
    elif token.type == "COMMA" and place.expected == {"RSQB"} | (place.expected & _OPERATORS):
        hints = ("an index is one value: `n[0]`, and of a list of lists `n[0][1]`",)
    elif token.type == "COMMA" and opener is not None and opener.type == "LBRACE":
        hints = (_between_statements(place),)
    elif place.kind_before == "FLOOR":
        hints = (_COMMENT,)
    labels: tuple[Label, ...] = ()
    if opener is not None and OPENERS[opener.type] in place.expected and opener.type != "LBRACE":
        labels = (Label(place.span(opener), f"inside of this `{opener.value}`"),)
    message = f"{_found(token)} cannot stand here; {_expected(place)} could"
    return place.says("E0101", message, token, *(hints or _form(place)), labels=labels)


_NAMED_OUTPUT = re.compile(r"\s*,\s*\w+\s*=(?!=)")


def _between_statements(place: Place) -> Hint:
    """What to write in the place of a `,` between statements."""
    begun, end = place.latest("OUTPUT", "LBRACE"), place.previous.end_pos if place.previous else 0
    if begun is not None and begun.type == "OUTPUT":
        if not _NAMED_OUTPUT.match(place.text, end):
            return Hint("outputs without names are a tuple: `output (a, b)`")
        return Hint("each output is a statement of its own: `output a = x output b = y`", " output")
    return Hint("delete it: a statement ends where the next begins", "")


def _form(place: Place) -> tuple[str, ...]:
    """How the statement that is being read is written."""
    begun = place.latest(*_FORMS, "EQUAL", "LBRACE", "ARROW")
    return (f"the form is `{_FORMS[begun.type]}`",) if begun is not None and begun.type in _FORMS else ()


def _found(token: Token) -> str:
    if token.type in ("STRING", "DOC"):
        return "this doc string" if token.type == "DOC" else "this string"
    return {"LABEL": "the label ", "NUMBER": "the number "}.get(token.type, "") + f"`{clip(token.value)}`"


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
    left -= {"ERROR", "$END", "LEADING_STAR"} | ({"FOR", "IF"} if parts else set())
    signs = {name: sign for sign, name in (words().operators | words().keywords).items()}
    parts += sorted(_NAMED.get(kind) or f"`{signs.get(kind, kind.lower())}`" for kind in left)
    if len(parts) > 5:
        parts = [*parts[:4], "..."]
    return " or ".join(parts) if len(parts) < 3 else ", ".join(parts[:-1]) + " or " + parts[-1]
