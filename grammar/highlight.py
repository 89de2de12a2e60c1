"""The tokens of `.arch` as highlighters see them: rules in contexts, made of the terminals of the grammar.

One table serves the Pygments lexer, the grammar of VS Code and the tokens of the editor server. It reads any text, also
one that is no spec, without parsing it, so a word that is a keyword in some places only is told by what follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from .parser import load, words

KINDS: dict[str, tuple[str, str, str]] = {
    "comment": ("comment.line.number-sign", "Comment.Single", "comment"),
    "doc": ("comment.block.documentation", "String.Doc", "comment"),
    "string": ("string.quoted.double", "String.Double", "string"),
    "escape": ("constant.character.escape", "String.Escape", "string"),
    "inserted": ("meta.interpolation", "String.Interpol", "string"),
    "number": ("constant.numeric", "Number", "number"),
    "constant": ("constant.language", "Keyword.Constant", "keyword"),
    "statement": ("keyword.other", "Keyword.Declaration", "keyword"),
    "control": ("keyword.control", "Keyword", "keyword"),
    "word": ("keyword.operator.word", "Operator.Word", "keyword"),
    "operator": ("keyword.operator", "Operator", "operator"),
    "arrow": ("keyword.operator.arrow", "Operator", "operator"),
    "punctuation": ("punctuation", "Punctuation", ""),
    "declared": ("entity.name.function", "Name.Function", "function"),
    "architecture": ("entity.name.class", "Name.Class", "class"),
    "layer": ("support.function", "Name.Builtin", "function"),
    "type": ("support.type", "Keyword.Type", "type"),
    "label": ("entity.name.tag", "Name.Label", "property"),
    "parameter": ("variable.parameter", "Name.Attribute", "parameter"),
    "assigned": ("variable.other.definition", "Name.Variable", "variable"),
    "name": ("variable.other", "Name", "variable"),
}
"""Each kind of token: its TextMate scope, its Pygments token, and its type in the protocol of language servers, empty
where that has none."""

CONTROL = ("if", "then", "else", "match", "for")
CONSTANTS = ("true", "false")
OPENS = ("arch", "block", "fn", "extern")
NAMES_ONE = ("input", "shared", "param", "buffer", "const", "draw", "default")
BETWEEN = ("as", "at", "from", "training", "when")
"""The words that stand within a statement; of the others that are no operators a statement begins with one."""
TYPES = ("int", "float", "bool", "str", "list", "block", "network", "tokens")
"""What stands behind the `:` of a parameter."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a piece of text is: the kinds of the groups of a pattern, or of the whole. It may open a context, or close
    the one around it."""

    pattern: str
    kinds: Sequence[str]
    opens: str = ""
    closes: bool = False


class Piece(NamedTuple):
    """A token: its kind, and where it begins and ends."""

    kind: str
    start: int
    end: int


def _any(words: Sequence[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=lambda word: (-len(word), word))))


@cache
def contexts(layers: tuple[str, ...] = ()) -> dict[str, tuple[Rule, ...]]:
    """The rules of each context, in the order in which they are tried; the first context is that of a file. `layers`
    are the names that the language brings along."""
    grammar = load()

    def terminal(name: str) -> str:
        return grammar.get_terminal(name).pattern.to_regexp()

    known = words()
    name, label = r"[A-Za-z_][A-Za-z0-9_]*", terminal("LABEL")
    begins = [w for w in known.keywords if w not in known.reserved and w not in (*BETWEEN, *OPENS, *NAMES_ONE)]
    operative = [w for w in known.reserved if w not in (*CONTROL, *CONSTANTS)]
    arrows = [known_op for known_op in known.operators if known_op.endswith(">") and known_op[0] in "-="]
    plain = [op for op in known.operators if op not in arrows and op not in tuple("()[]{},.:")]
    something = r"(?=[ \t]+[A-Za-z_0-9\"(\[{*-])"
    common = (
        Rule(terminal("COMMENT"), ("comment",)),
        Rule('"""', ("doc",), "doc"),
        Rule(label, ("label",)),
        Rule('"', ("string",), "string"),
        Rule(terminal("NUMBER"), ("number",)),
    )
    headings = (("arch", "architecture"), (_any(OPENS), "declared"))
    statements = (
        *(
            Rule(rf"\b({word})(\s+)({name})(\s*)(\()", ("statement", "", kind, "", "punctuation"), "parameters")
            for word, kind in headings
        ),
        *(Rule(rf"\b({word})(\s+)({name})", ("statement", "", kind)) for word, kind in headings),
        Rule(rf"\b({_any(NAMES_ONE)})([ \t]+)({name})(\s*)(:)", ("statement", "", "assigned", "", "punctuation")),
        Rule(rf"\b({_any(NAMES_ONE)})([ \t]+)({name})", ("statement", "", "assigned")),
    )
    rest = (
        Rule(rf"\b(?:{_any(begins)})\b{something}", ("statement",)),
        Rule(r"\bfrom\b(?=\s*\")", ("statement",)),
        Rule(rf"\b(?:as|at|when)\b{something}", ("statement",)),
        Rule(r"(?<=when )training\b", ("statement",)),
        Rule(rf"\b(?:{_any(CONTROL)})\b", ("control",)),
        Rule(rf"\b(?:{_any(CONSTANTS)})\b", ("constant",)),
        Rule(rf"\b(?:{_any(operative)})\b", ("word",)),
    )
    symbols = (
        *((Rule(rf"\b(?:{_any(layers)})\b", ("layer",)),) if layers else ()),
        Rule(rf"\b{name}(?=\s*\()", ("declared",)),
        Rule(rf"\b{name}\b", ("name",)),
        Rule(_any(arrows), ("arrow",)),
        Rule(r"[(\[]", ("punctuation",), "group"),
        Rule(_any(plain), ("operator",)),
        Rule(r"[{}),.:\]]", ("punctuation",)),
    )
    assigned = Rule(rf"\b{name}(?=\s*=(?![=>]))", ("assigned",))
    argument = Rule(rf"\b{name}(?=\s*=(?![=>]))", ("parameter",))
    in_group = (*common, *rest, argument, *symbols)
    begin = r"(?:(?<=[(,])|(?<=[(,] )|^[ \t]*)"
    return {
        "file": (
            common[0],
            common[1],
            *statements,
            *common[2:],
            *rest,
            assigned,
            *symbols,
        ),
        "parameters": (
            Rule(r"(\))(\s*)(\()", ("punctuation", "", "punctuation"), "parameters", closes=True),
            Rule(r"\)", ("punctuation",), closes=True),
            common[0],
            Rule(
                rf"{begin}(\*?)({name})(\s*)(:)(\s*)({_any(TYPES)})\b",
                ("operator", "parameter", "", "punctuation", "", "type"),
            ),
            Rule(rf"{begin}(\*?)({name})(\s*)(:)", ("operator", "parameter", "", "punctuation")),
            Rule(rf"{begin}(\*?)({name})(?=\s*[=,)])", ("operator", "parameter")),
            Rule(rf"(\|)(\s*)({_any(TYPES)})\b", ("operator", "", "type")),
            *in_group,
        ),
        "group": (Rule(r"[)\]]", ("punctuation",), closes=True), *in_group),
        "doc": (Rule('"""', ("doc",), closes=True), Rule(r'[^"]+|"', ("doc",))),
        "string": (
            Rule(r'"|$', ("string",), closes=True),
            Rule(r"\\[^\n]|\{\{|\}\}", ("escape",)),
            Rule(r"\{[^{}\n]*\}", ("inserted",)),
            Rule(r"[^\"\\{}\n]+|[{}\\]", ("string",)),
        ),
    }


@cache
def _compiled(layers: tuple[str, ...]) -> dict[str, list[tuple[re.Pattern[str], Rule]]]:
    return {
        context: [(re.compile(rule.pattern, re.MULTILINE), rule) for rule in rules]
        for context, rules in contexts(layers).items()
    }


def pieces(text: str, layers: tuple[str, ...] = ()) -> Iterator[Piece]:
    """The tokens of a text in order. Spaces, and what no rule knows, are in none."""
    tables = _compiled(layers)
    around = [next(iter(tables))]
    at = 0
    while at < len(text):
        for pattern, rule in tables[around[-1]]:
            found = pattern.match(text, at)
            if found is None or (found.end() == at and not rule.closes):
                continue
            yield from _of(found, rule)
            if rule.closes:
                around.pop()
            if rule.opens:
                around.append(rule.opens)
            at = found.end()
            break
        else:
            at += 1


def _of(found: re.Match[str], rule: Rule) -> Iterator[Piece]:
    groups = range(1, len(rule.kinds) + 1) if len(rule.kinds) > 1 else (0,)
    for group, kind in zip(groups, rule.kinds, strict=True):
        if kind and found.end(group) > found.start(group):
            yield Piece(kind, found.start(group), found.end(group))
