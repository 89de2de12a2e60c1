"""What parses, and is an error all the same: readings that mislead, another language's words such as `True` or
`nn.Conv2d(3, 8, 3)`, names given twice, statements out of place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from . import ast
from .build_statements import Broken
from .diagnostics import Diagnostic, Label, finding
from .frameworks import called_here
from .limits import LIMITS
from .misreadings import Tensors, bare_labels, clipped, dashed_labels, merges_after_arrows
from .scan import too_deep
from .slips import slice_with_colon
from .source import Span
from .walk import children, walk


def check(statements: tuple[ast.Statement, ...]) -> Iterator[Diagnostic]:
    """The errors of a file's statements, `Broken` ones among them."""
    yield from _duplicate_names(statements)
    yield from _placement(statements)
    definitions = Definitions(statements)
    for statement in statements:
        tensors = Tensors(statement)
        for node, depth in walk(statement):
            if depth > LIMITS.nesting:
                yield too_deep(node.span)
                break
            yield from _check_node(node, tensors, definitions)


def _check_node(node: ast.Syntax, tensors: Tensors, definitions: Definitions) -> Iterator[Diagnostic]:
    match node:
        case ast.Fold():
            yield from bare_labels(node)
            yield from dashed_labels(node)
        case ast.Chain():
            yield from merges_after_arrows(node, tensors)
        case ast.Labelled():
            yield from _labelled_value(node)
        case ast.Name():
            yield from _constant(node)
        case ast.Index(index=ast.Labelled()):
            bracket = node.span.source.text.rindex("[", 0, node.index.span.start)
            yield slice_with_colon(Span(node.span.source, bracket, bracket + 1))
        case ast.Attribute():
            yield from _attribute(node, definitions)
        case ast.Call():
            yield from _duplicates([(a.name, a.span) for a in node.arguments if a.name], "the argument")
        case ast.Declaration():
            inputs = node.inputs or () if isinstance(node, ast.BlockDef | ast.ExternDef) else ()
            yield from _duplicates([(p.name, p.span) for p in (*node.parameters, *inputs)], "the parameter")
            if isinstance(node, ast.ExternDef):
                yield from _duplicates([(f.name, f.span) for f in node.figures], "the figure")
            yield from _rest_last(node.parameters)
            arriving = [p for p in inputs if isinstance(p, ast.Parameter)]
            yield from _rest_last(arriving)
            yield from _defaults_last(arriving)
        case ast.Assign() | ast.For() | ast.ForClause():
            yield from _targets(node.targets, node.span)


# --- another language's words

_MODULES = {"nn", "F", "torch", "self", "super", "tf", "keras", "layers", "np", "math", "jnp"}


class Definitions:
    """Every name that anything in a file defines, in whatever place."""

    def __init__(self, statements: tuple[ast.Statement, ...]):
        self._statements = statements

    @cached_property
    def names(self) -> frozenset[str]:
        found: set[str] = set()
        for statement in self._statements:
            for node, _ in walk(statement):
                found.update(_defined(node))
        return frozenset(found)


def _defined(node: ast.Syntax) -> Iterator[str]:
    if isinstance(node, Broken):
        yield from re.findall(r"[A-Za-z_]\w*", node.span.text)
    elif isinstance(node, ast.Statement):
        yield from node.defines
    elif isinstance(node, ast.ForClause):
        yield from ast.names_of(node.targets)
    elif isinstance(node, ast.Parameter | ast.ExternInput):
        yield node.name


_IN_SHAPE = re.compile(r"\binput\s+\w+\s*:[^=\n]*\Z")


def _constant(node: ast.Name) -> Iterator[Diagnostic]:
    if node.id in ("True", "False"):
        message = f"`{node.id}` is written in small letters here"
        yield finding("E0120", message, node.span, f"write `{node.id.lower()}`")
    elif node.id == "None":
        hint = "write `none` for no value; a part that does nothing is `id`, an optional one `[if c then f]`"
        if _IN_SHAPE.search(node.span.source.text, 0, node.span.start):
            hint = "a size that is left open has a name: `input x: [N, 3, H, W]`"
        yield finding("E0120", "`None` is written in small letters here", node.span, hint)


def _attribute(node: ast.Attribute, definitions: Definitions) -> Iterator[Diagnostic]:
    """`nn.Conv2d`, `torch.nn.Conv2d`, `self.conv`. A module alone is left to be an unknown name."""
    root: ast.Expr = node
    while isinstance(root, ast.Attribute):
        root = root.value
    if node.name in _MODULES or not isinstance(root, ast.Name) or root.id not in _MODULES - definitions.names:
        return
    path = node.span.text
    if root.id == "self":
        hint = "name a part where it is applied, `x -> conv1: conv(64, 3)`, or before: `conv1 = conv(64, 3)`"
    elif layer := called_here(node.name):
        hint = f"write {layer}"
        hint += "; the number of channels that comes in is known" if "(channels" in layer or layer == "`bn`" else ""
    else:
        hint = "layers stand alone, without a module before them: `conv(64, 3) -> bn -> relu`"
    yield finding("E0120", f"there is no `{path}` in `.arch`", node.span, hint)


def _labelled_value(node: ast.Labelled) -> Iterator[Diagnostic]:
    if _is_plain(node.value):
        name, value = node.label.span.text, clipped(node.value.span.text)
        hint = f"write `{name} = {value}` to name an argument, or a value"
        message = "a label names a part of a network, and this is a plain value"
        yield finding("E0115", message, node.span, hint)


def _is_plain(value: ast.Expr) -> bool:
    if isinstance(value, ast.ListExpr):
        return bool(value.items) and all(isinstance(i, ast.Number | ast.Boolean | ast.Text) for i in value.items)
    if isinstance(value, ast.Negative):
        return isinstance(value.operand, ast.Number)
    return isinstance(value, ast.Number | ast.Boolean | ast.Text)


# --- names


def _targets(targets: ast.Targets, span: Span) -> Iterator[Diagnostic]:
    names = [target for target in targets if isinstance(target, str)]
    if sum(name.startswith("*") for name in names) > 1:
        hint = "keep one `*`: it takes whatever the other names leave"
        yield finding("E0122", "two names cannot both take the rest", span, hint)
    yield from _duplicates([(name, span) for name in ast.names_of(targets)], "the name", "E0113")


def _duplicates(names: Iterable[tuple[str, Span]], what: str, code: str = "E0112") -> Iterator[Diagnostic]:
    seen: dict[str, Span] = {}
    for name, span in names:
        if name in seen and name != "_":
            labels = (Label(seen[name], "first given here"),)
            yield finding(code, f"{what} `{name}` is given twice", span, labels=labels)
        seen.setdefault(name, span)


def _rest_last(parameters: Sequence[ast.Parameter]) -> Iterator[Diagnostic]:
    for i, parameter in enumerate(parameters):
        if parameter.rest and (i < len(parameters) - 1 or parameter.default is not None):
            message = f"`*{parameter.name}` takes all that is left, so it comes last and has no default"
            yield finding("E0122", message, parameter.span, f"move `*{parameter.name}` to the end")


def _defaults_last(inputs: Sequence[ast.Parameter]) -> Iterator[Diagnostic]:
    """Tensors arrive by position, so those that may be missing are the last."""
    for before, parameter in pairwise(inputs):
        if before.default is not None and parameter.default is None and not parameter.rest:
            message = f"the input `{parameter.name}` has no default, and `{before.name}` before it has one"
            yield finding("E0122", message, parameter.span, f"move `{parameter.name}` before `{before.name}`")


def _duplicate_names(statements: tuple[ast.Statement, ...]) -> Iterator[Diagnostic]:
    names: list[tuple[str, Span]] = []
    for statement in statements:
        if isinstance(statement, _IN_FILE):
            span = statement.name_span if isinstance(statement, ast.Declaration) else statement.span
            names += [(name, span) for name in statement.defines]
    yield from _duplicates(names, "the name", "E0113")


# --- places

_IN_FILE = (ast.Use, ast.Declaration, ast.Assign)
_NOT_IN_ARCH = (ast.Use, ast.ArchDef, ast.ExternDef)
_NOT_IN_BLOCK = (*_NOT_IN_ARCH, ast.Input, ast.Default, ast.Expect)


def _placement(statements: tuple[ast.Statement, ...]) -> Iterator[Diagnostic]:
    pending: list[tuple[ast.Statement, str]] = []
    after_error = False
    for statement in statements:
        # What follows a heading that could not be read may have been its body.
        if isinstance(statement, Broken):
            after_error = True
        elif not after_error or isinstance(statement, _IN_FILE):
            after_error = False
            pending.append((statement, "file"))
    pending.reverse()
    while pending:
        statement, where = pending.pop()
        if misplaced := _misplaced(statement, where):
            word = statement.span.text.split(maxsplit=1)[0]
            yield finding("E0114", f"`{word}` cannot stand {misplaced[0]}", statement.span, misplaced[1])
            continue
        if isinstance(statement, ast.Declaration):
            where = statement.kind
        elif where == "arch":
            where = "part of an arch"
        pending += [(inner, where) for inner in reversed(children(statement)) if isinstance(inner, ast.Statement)]


def _misplaced(statement: ast.Statement, where: str) -> tuple[str, str] | None:
    if where == "file" and isinstance(statement, ast.Require | ast.Expect):
        hint = "write it in the braces of an `arch`, or directly after a variant `arch x = ...`"
        return "here, since no variant precedes it", hint
    if where == "file" and not isinstance(statement, _IN_FILE):
        return "outside of a body", "put it into the braces of an `arch` or a `block`"
    if where == "part of an arch" and isinstance(statement, ast.Default):
        hint = "it holds for the whole arch, so it stands in its braces: `default conv(bias = wide)`"
        return "in an `if` or a `for`", hint
    if where.endswith("arch") and isinstance(statement, _NOT_IN_ARCH):
        return "in the braces of an `arch`", "move it to the file; or is a `}` missing before it?"
    if where == "block" and isinstance(statement, _NOT_IN_BLOCK):
        if isinstance(statement, ast.Input):
            hint = "a block's input is `in`; several are named in a second list: `block b(p)(x, y) { ... }`"
            return "in a block", hint
        return "in a block", "move it into the `arch`, or to the file"
    return None
