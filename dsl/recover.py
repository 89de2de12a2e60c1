"""Where to go on after a syntax error: at the next statement, in the innermost body that is still open."""

from __future__ import annotations

import re
from typing import Any

from lark import Tree, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from ..grammar import Token, token_at

OPENERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}

_LANDMARK = re.compile(r'"""[\s\S]*?(?:"""|\Z)|"(?:[^"\\\n]|\\[^\n])*"?|#[^\n]*|[()\[\]{}]|\n[ \t\r]*(?=\S)')
_DECLARATION = re.compile(r"(?:arch|block|fn|use|extern)[ \t]+[A-Za-z_]")
_STATEMENT = re.compile(
    r"(?:arch|block|fn|use|extern|input|output|shared|param|buffer|const|draw|default|require|expect|order)"
    r"[ \t]+[^\s=:,)\].]"
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
        if type(value) is Token and value.type in (*words, "LBRACE"):
            starts += [value.start_pos] if value.type in words else []
            break
    lines = (text.rfind("\n", 0, start) + 1 for start in starts)
    return next((match for line in lines if (match := _HEADING.match(text, line))), None)


def open_brackets(values: list[Any]) -> list[Token]:
    """The brackets among what the parser has read that are still open."""
    found: list[Token] = []
    for value in values:
        if type(value) is not Token:
            continue
        if value.type in OPENERS:
            found.append(value)
        elif value.type in OPENERS.values() and found:
            found.pop()
    return found


class Recovery:
    """Drops what cannot be read from the stacks of a parser: two lists that run side by side, the states one longer."""

    def __init__(self, parser: InteractiveParser, text: str):
        self.parser = parser
        self.text = text
        self.dropped: list[Any] = []
        self._states: list[Any] = parser.parser_state.state_stack
        self._values: list[Any] = parser.parser_state.value_stack
        self._resumed = -1
        self._restarts = 3

    def resume(self, position: int, margin: int | None, at_end: bool) -> int:
        """Drop the statement with the error at `position`; where to read on."""
        if at_end:
            return self.give_up() if margin is None else self._leave(margin, self._file_level())
        heading = python_heading(self._values, self.text, position)
        if heading is not None and heading.start() > self._resumed - 1:
            return self._leave_indented(heading)
        keep = self._innermost(len(self._values))
        target, at_margin = self._find(position, keep)
        return self._leave(target, self._file_level() if at_margin else keep)

    def statement_word(self, previous: Token) -> Token | None:
        """The token before an error, if it was taken for a name though a statement begins with it."""
        line = self.text.rfind("\n", 0, previous.start_pos) + 1
        if (
            previous.type != "NAME"
            or previous.start_pos <= self._resumed
            or self.text[line : previous.start_pos].strip()
        ):
            return None
        match = _STATEMENT.match(self.text, previous.start_pos)
        return token_at(previous.value.upper(), previous.value, previous.start_pos, previous.end_pos) if match else None

    def give_up(self) -> int:
        """Drop the declaration that is open, and all that follows."""
        self._drop(self._file_level(), len(self.text))
        return len(self.text)

    def missing_close(self) -> int | None:
        """At the end of a file: the declaration at the margin before which the open brace should have been closed."""
        brackets = open_brackets(self._values)
        if not brackets or self._restarts == 0:
            return None
        self._restarts -= 1
        match = _MARGIN.search(self.text, max(brackets[-1].end_pos, self._resumed + 1))
        return match.start() if match else None

    def _leave_indented(self, heading: re.Match[str]) -> int:
        """Drop a body that has no braces: all lines that are indented deeper than its heading."""
        margin = len(heading.group()) - len(heading.group().lstrip(" \t"))
        target = len(self.text)
        for line in _LINE.finditer(self.text, self.text.find("\n", heading.end()) % (target + 1)):
            if len(line["indent"]) <= margin and not line["goes_on"]:
                target = line.end("indent")
                break
        values = self._values
        keep = next(
            (i for i, v in enumerate(values) if type(v) is Token and v.start_pos >= heading.start()), len(values)
        )
        return self._leave(target, self._innermost(keep))

    def _leave(self, target: int, keep: int) -> int:
        self._drop(keep, target)
        self._resumed = target
        return target

    def _drop(self, keep: int, target: int) -> None:
        dropped = self._values[keep:]
        del self._values[keep:]
        del self._states[keep + 1 :]
        start = min([target, *(v.start_pos for v in dropped if type(v) is Token)])
        self.dropped += dropped
        self.parser.feed_token(token_at("ERROR", self.text[start:target], start, target))

    def _file_level(self) -> int:
        return 1 if self._values and self._innermost(1) == 1 else 0

    def _innermost(self, most: int) -> int:
        """How many of the values, `most` at most, stand before a place where a statement can be broken."""
        probe = self.parser.copy(deepcopy_values=False)
        states = probe.parser_state.state_stack
        del states[most + 1 :]
        while "ERROR" not in probe.choices() or not self._takes_error(states):
            states.pop()
        return len(states) - 1

    def _takes_error(self, states: list[Any]) -> bool:
        """Whether ERROR could be read in these states. `accepts` tells it too, but tries all other tokens as well."""
        probe = self.parser.copy(deepcopy_values=False)
        probe.parser_state.state_stack[:] = states
        probe.parser_state.value_stack[:] = [Tree("", []) for _ in states[1:]]
        try:
            probe.feed_token(token_at("ERROR", "", 0, 0))
        except UnexpectedToken:
            return False
        return True

    def _find(self, position: int, keep: int) -> tuple[int, bool]:
        """The next statement from `position`, and whether it is a declaration at the margin."""
        values = self._values
        inside = [bracket.type == "LBRACE" for bracket in open_brackets(values[keep:])]
        in_body = any(bracket.type == "LBRACE" for bracket in open_brackets(values[:keep]))
        line = self.text.rfind("\n", 0, position) + 1
        at_line_start = not self.text[line:position].strip()
        if at_line_start and (found := self._starts(position, len(inside))):
            return position, found == "margin"
        for match in _LANDMARK.finditer(self.text, position):
            mark = match.group()
            if mark[0] == "\n":
                found = self._starts(match.end(), len(inside))
                if found == "margin" or (found and (in_body or not any(inside))):
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
        return closing <= sum(bracket.type == "LBRACE" for bracket in open_brackets(self._values))

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
