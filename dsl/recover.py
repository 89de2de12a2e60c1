"""Where to go on after a syntax error: at the next statement, in the innermost body that is still open."""

from __future__ import annotations

import re
from typing import Any

from .automaton import Automaton
from .lexer import Token

OPENERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}

_LANDMARK = re.compile(r'"""[\s\S]*?(?:"""|\Z)|"(?:[^"\\\n]|\\[^\n])*"?|#[^\n]*|[()\[\]{}]|\n[ \t\r]*(?=\S)')
_DECLARATION = re.compile(r"(?:arch|block|fn|use|extern)[ \t]+[A-Za-z_]")
_STATEMENT = re.compile(
    r"(?:arch|block|fn|use|extern|input|output|shared|param|buffer|draw|default|require|expect|order)[ \t]+[^\s=:,)\].]"
)
_PERHAPS = re.compile(
    r'[A-Za-z_]\w*(?:[ \t]*,[ \t]*\*?[A-Za-z_]\w*)*[ \t]*[-:+*/]*=(?![=>])|(?:if|for)\b|"""'
    r"|(?:def|class|import|let|var|const)[ \t]+[A-Za-z_]"
)
_MARGIN = re.compile(r"^(?:arch|block|fn|use|extern)[ \t]+[A-Za-z_]", re.MULTILINE)
_LINE = re.compile(r"\n(?P<indent>[ \t]*)(?=[^\s#])(?P<goes_on>(?:else|elif|except|finally)\b[^\n{]*:)?")
_HEADING = re.compile(
    r"[ \t]*(?:(?:def|class|while|with|try|elif|else|if|for|block|arch|fn)\b[^\n{#]*?(?P<last>:)[ \t]*(?:#[^\n]*)?$"
    r"|(?:if|for|elif|while)\b(?![^\n]*\bthen\b)[^\n{#]*?(?P<inner>:)(?!=))",
    re.MULTILINE,
)


def python_heading(values: list[Any], text: str, position: int) -> re.Match[str] | None:
    """The line, of the statement with an error at `position`, that begins a body by a `:` and indentation."""
    words = ("IF", "FOR", "BLOCK", "ARCH", "FN")
    starts = [position]
    for value in reversed(values):
        if type(value) is Token and value.kind in (*words, "LBRACE"):
            starts += [value.start] if value.kind in words else []
            break
    lines = (text.rfind("\n", 0, start) + 1 for start in starts)
    return next((match for line in lines if (match := _HEADING.match(text, line))), None)


def open_brackets(values: list[Any]) -> list[Token]:
    """The brackets among what the automaton has read that are still open."""
    found: list[Token] = []
    for value in values:
        if type(value) is not Token:
            continue
        if value.kind in OPENERS:
            found.append(value)
        elif value.kind in OPENERS.values() and found:
            found.pop()
    return found


class Recovery:
    def __init__(self, automaton: Automaton, text: str):
        self.automaton = automaton
        self.text = text
        self._resumed = -1
        self._restarts = 3

    def resume(self, position: int, margin: int | None, at_end: bool) -> int:
        """Drop the statement with the error at `position`; where to read on."""
        if at_end:
            return self.give_up() if margin is None else self._leave(margin, self._file_level())
        heading = python_heading(self.automaton.values, self.text, position)
        if heading is not None and heading.start() > self._resumed - 1:
            return self._leave_indented(heading)
        keep = self._innermost()
        target, at_margin = self._find(position, keep)
        return self._leave(target, self._file_level() if at_margin else keep)

    def statement_word(self, previous: Token) -> Token | None:
        """The token before an error, if it was taken for a name though a statement begins with it."""
        line = self.text.rfind("\n", 0, previous.start) + 1
        if previous.kind != "NAME" or previous.start <= self._resumed or self.text[line : previous.start].strip():
            return None
        match = _STATEMENT.match(self.text, previous.start)
        return Token(previous.text.upper(), previous.text, previous.start, previous.end) if match else None

    def give_up(self) -> int:
        """Drop the declaration that is open, and all that follows."""
        self._drop(self._file_level(), len(self.text))
        return len(self.text)

    def missing_close(self) -> int | None:
        """At the end of a file: the declaration at the margin before which the open brace should have been closed."""
        brackets = open_brackets(self.automaton.values)
        if not brackets or self._restarts == 0:
            return None
        self._restarts -= 1
        match = _MARGIN.search(self.text, max(brackets[-1].end, self._resumed + 1))
        return match.start() if match else None

    def _leave_indented(self, heading: re.Match[str]) -> int:
        """Drop a body that has no braces: all lines that are indented deeper than its heading."""
        margin = len(heading.group()) - len(heading.group().lstrip(" \t"))
        target = len(self.text)
        for line in _LINE.finditer(self.text, self.text.find("\n", heading.end()) % (target + 1)):
            if len(line["indent"]) <= margin and not line["goes_on"]:
                target = line.end("indent")
                break
        values = self.automaton.values
        keep = next((i for i, v in enumerate(values) if type(v) is Token and v.start >= heading.start()), len(values))
        while keep > 0 and not self._takes_error(keep):
            keep -= 1
        return self._leave(target, keep)

    def _leave(self, target: int, keep: int) -> int:
        self._drop(keep, target)
        self._resumed = target
        return target

    def _drop(self, keep: int, target: int) -> None:
        automaton = self.automaton
        dropped = automaton.values[keep:]
        del automaton.values[keep:]
        del automaton.states[keep + 1 :]
        starts = [v.start for v in dropped if type(v) is Token]
        start = min([target, *starts])
        automaton.feed(Token("ERROR", self.text[start:target], start, target))

    def _file_level(self) -> int:
        return 1 if len(self.automaton.states) > 1 and self._takes_error(1) else 0

    def _innermost(self) -> int:
        return next(i for i in range(len(self.automaton.values), -1, -1) if self._takes_error(i))

    def _takes_error(self, keep: int) -> bool:
        automaton = self.automaton
        if "ERROR" not in automaton.tables.states[automaton.states[keep]]:
            return False
        return automaton.accepts("ERROR", keep + 1)

    def _find(self, position: int, keep: int) -> tuple[int, bool]:
        """The next statement from `position`, and whether it is a declaration at the margin."""
        values = self.automaton.values
        inside = [bracket.kind == "LBRACE" for bracket in open_brackets(values[keep:])]
        in_body = any(bracket.kind == "LBRACE" for bracket in open_brackets(values[:keep]))
        line = self.text.rfind("\n", 0, position) + 1
        at_line_start = not self.text[line:position].strip()
        if at_line_start and (found := self._starts(position, len(inside))):
            return position, found == "margin"
        for match in _LANDMARK.finditer(self.text, position):
            mark = match.group()
            if mark[0] == "\n":
                if found := self._starts(match.end(), len(inside)):
                    return match.end(), found == "margin"
            elif mark in "([{":
                inside.append(mark == "{")
            elif mark == "}" and in_body and match.start() > self._resumed and self._ends_body(match, inside):
                return match.start(), False
            elif mark in ")]}" and inside:
                _close(inside, mark == "}")
        return len(self.text), False

    def _ends_body(self, brace: re.Match[str], inside: list[bool]) -> bool:
        """Whether a brace closes the body, though brackets that are none (`inside`) may still be open."""
        if not inside:
            return True
        if any(inside):
            return False
        # It was meant for the round bracket if without it there are still enough braces for all open bodies.
        margin = _MARGIN.search(self.text, brace.end())
        end = margin.start() if margin else len(self.text)
        closing = self.text.count("}", brace.start(), end) - self.text.count("{", brace.start(), end)
        return closing <= sum(bracket.kind == "LBRACE" for bracket in open_brackets(self.automaton.values))

    def _starts(self, position: int, depth: int) -> str | None:
        if position <= self._resumed:
            return None
        line = self.text.rfind("\n", 0, position) + 1
        if line == position and _DECLARATION.match(self.text, position):
            return "margin"
        if _STATEMENT.match(self.text, position):
            return "statement"
        return "statement" if depth <= 0 and _PERHAPS.match(self.text, position) else None


def _close(inside: list[bool], brace: bool) -> None:
    """Takes off what a bracket closes: a brace closes the round brackets in it too, if it has a partner."""
    while brace and any(inside) and not inside[-1]:
        inside.pop()
    inside.pop()
