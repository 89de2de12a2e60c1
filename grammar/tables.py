"""LALR tables: computed by lark, stored as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

GRAMMAR = Path(__file__).with_name("arch.lark")
STORED = Path(__file__).with_name("tables.json")
STARTS = ("start", "interpolation")


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal: `word` is set for one that is a fixed string, else `pattern` is its regular expression."""

    name: str
    pattern: str
    word: str | None
    priority: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A production: `build` names what makes its node; None leaves its children to the rule around it."""

    origin: str
    size: int
    build: str | None
    transparent: bool  # a single child stands for itself


@dataclass(frozen=True, slots=True)
class Tables:
    """An LALR automaton. An action `n >= 0` shifts to state `n`; `n < 0` reduces by rule `-n - 1`."""

    hash: str
    lark: str
    terminals: tuple[Terminal, ...]
    ignored: tuple[str, ...]
    rules: tuple[Rule, ...]
    states: tuple[dict[str, int], ...]
    start: dict[str, int]
    end: dict[str, int]

    def to_json(self) -> str:
        data = asdict(self)
        data["terminals"] = [list(t.values()) for t in data["terminals"]]
        data["rules"] = [list(r.values()) for r in data["rules"]]
        symbols = sorted({symbol for state in self.states for symbol in state})
        index = {symbol: i for i, symbol in enumerate(symbols)}
        rows = [tuple(x for symbol, n in state.items() for x in (index[symbol], n)) for state in self.states]
        order = {row: i for i, row in enumerate(dict.fromkeys(rows))}
        data["symbols"] = symbols
        data["rows"] = list(order)
        data["states"] = [order[row] for row in rows]
        fields = (f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in data.items())
        return "{\n" + ",\n".join(fields) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Tables:
        data = json.loads(text)
        symbols = data.pop("symbols")
        rows = [{symbols[row[i]]: row[i + 1] for i in range(0, len(row), 2)} for row in data.pop("rows")]
        data["states"] = tuple(rows[i] for i in data["states"])
        data["terminals"] = tuple(Terminal(*t) for t in data["terminals"])
        data["rules"] = tuple(Rule(*r) for r in data["rules"])
        data["ignored"] = tuple(data["ignored"])
        return cls(**data)


def grammar_hash(text: str) -> str:
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


@cache
def load() -> Tables:
    """The stored tables where they belong to the grammar as it stands, else tables built from it."""
    try:
        tables = Tables.from_json(STORED.read_text(encoding="utf-8"))
        if tables.hash == grammar_hash(GRAMMAR.read_text(encoding="utf-8")):
            return tables
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        pass
    return build()


def build() -> Tables:
    """The tables of the grammar, computed by lark."""
    import lark
    from lark.parsers.lalr_analysis import Shift

    text = GRAMMAR.read_text(encoding="utf-8")
    parser = lark.Lark(
        text, parser="lalr", lexer="contextual", start=list(STARTS), keep_all_tokens=True, maybe_placeholders=False
    )
    table = parser.parser.parser._parse_table  # type: ignore[union-attr]
    rules = {rule: i for i, rule in enumerate(parser.rules)}
    order = _numbering(table)
    states = [
        {
            str(symbol): order[arg] if action is Shift else -rules[arg] - 1
            for symbol, (action, arg) in sorted(table.states[old].items())
        }
        for old in order
    ]
    return Tables(
        hash=grammar_hash(text),
        lark=lark.__version__,
        terminals=tuple(_terminal(t) for t in sorted(parser.terminals, key=lambda t: t.name)),
        ignored=tuple(sorted(parser.ignore_tokens)),
        rules=tuple(_rule(rule) for rule in parser.rules),
        states=tuple(states),
        start={str(k): order[v] for k, v in sorted(table.start_states.items())},
        end={str(k): order[v] for k, v in sorted(table.end_states.items())},
    )


def _numbering(table: Any) -> dict[int, int]:
    """States numbered as they are first met from the start: lark's own numbers differ from run to run."""
    order: dict[int, int] = {}
    pending = [table.start_states[start] for start in reversed(STARTS)]
    while pending:
        state = pending.pop()
        if state in order:
            continue
        order[state] = len(order)
        row = sorted(table.states[state].items(), reverse=True)
        pending += [arg for _, (_, arg) in row if isinstance(arg, int)]
    return order


def _terminal(terminal: Any) -> Terminal:
    pattern = terminal.pattern
    word = pattern.value if pattern.type == "str" else None
    return Terminal(terminal.name, pattern.to_regexp(), word, terminal.priority)


def _rule(rule: Any) -> Rule:
    origin = str(rule.origin.name)
    transparent = bool(rule.options.expand1) and not rule.alias and len(rule.expansion) == 1
    build = None if origin.startswith("_") else str(rule.alias or origin)
    return Rule(origin, len(rule.expansion), build, transparent)
