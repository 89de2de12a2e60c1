"""Writes what the extension for VS Code derives from the grammar: colours, and the snippets of the completion.

python editors/generate.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from archc.compiler.elaborate.language import known_names
from archc.dsl.codes import explained
from archc.editor.completion import SNIPPETS
from archc.grammar.highlight import KINDS, Rule, contexts

VSCODE = Path(__file__).parent / "vscode"


def textmate() -> dict[str, Any]:
    """The grammar of TextMate: a repository entry for each context, which rules that open one refer to."""
    tables = contexts(tuple(known_names()))
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "arch",
        "scopeName": "source.arch",
        "patterns": [{"include": "#file"}],
        "repository": {
            name: {"patterns": [_rule(rule, tables) for rule in rules if not rule.closes or rule.opens]}
            for name, rules in tables.items()
        },
    }


def _rule(rule: Rule, tables: dict[str, tuple[Rule, ...]]) -> dict[str, Any]:
    if not rule.opens or rule.closes:
        return {"match": rule.pattern, **_captures("captures", rule)}
    end = next(other for other in tables[rule.opens] if other.closes and not other.opens)
    again = [other.pattern for other in tables[rule.opens] if other.closes and other.opens]
    return {
        "begin": rule.pattern,
        **_captures("beginCaptures", rule),
        # What closes a context and opens it again does neither.
        "end": "".join(f"(?!{pattern})" for pattern in again) + f"(?:{end.pattern})",
        **_captures("endCaptures", end),
        "patterns": [{"include": f"#{rule.opens}"}],
    }


def _captures(key: str, rule: Rule) -> dict[str, Any]:
    groups = range(1, len(rule.kinds) + 1) if len(rule.kinds) > 1 else (0,)
    named = {str(g): {"name": f"{KINDS[kind][0]}.arch"} for g, kind in zip(groups, rule.kinds, strict=True) if kind}
    return {key: named}


def snippets() -> dict[str, Any]:
    """The snippets that the server offers too, for an editor without it."""
    return {
        word: {"prefix": word, "body": text.splitlines(), "description": explained(word).title}
        for word, text in SNIPPETS.items()
    }


FILES = {VSCODE / "syntaxes" / "arch.tmLanguage.json": textmate, VSCODE / "snippets" / "arch.json": snippets}


def text_of(made: dict[str, Any]) -> str:
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, make in FILES.items():
        path.write_text(text_of(make()), encoding="utf-8")
        print(f"wrote {path}")
