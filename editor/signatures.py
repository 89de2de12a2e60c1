"""How what is called is called: its parameters, their types and values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..compiler.elaborate.environment import MISSING
from ..compiler.elaborate.language import form_of, global_value
from ..compiler.elaborate.parameters import NAMED_TYPES
from ..dsl import ast
from .cursor import cursor
from .document import Document
from .names import Binding
from .reference import described
from .words import literal_at

_QUOTED = re.compile(r'"[\w-]+"')


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as it is written, with what it means and the values that it is known to take (`words`)."""

    name: str
    label: str
    doc: str
    detail: str
    words: tuple[str, ...] = ()
    positional: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """What is called, with its parameters in order, and what it does in a sentence."""

    name: str
    parameters: tuple[Parameter, ...]
    doc: str

    @property
    def label(self) -> str:
        return f"{self.name}({', '.join(p.label for p in self.parameters)})"

    def at(self, place: int, name: str | None) -> int | None:
        """The number of the parameter that an argument is for, by its name or by its place."""
        if name is not None:
            return next((i for i, p in enumerate(self.parameters) if p.name == name), None)
        return place if place < len(self.parameters) and self.parameters[place].positional else None


def signature_of(document: Document, name: str) -> Signature | None:
    """That of a declaration of the spec or of a name of the language."""
    binding = document.names.file.own.get(name) if document.names is not None else None
    if binding is not None:
        return _declared(document, binding)
    if global_value(name) is MISSING:
        return None
    _, entry = described(name)
    if entry is None:
        form = form_of(name)
        return Signature(name, (), form[0]) if form else None
    parameters = tuple(
        Parameter(
            p.name,
            p.name if p.default is None else f"{p.name} = {p.default}",
            f"{p.description}{f' ({p.type})' if p.type else ''}",
            p.type,
            _values(p.type),
            p.positional,
        )
        for p in entry.parameters
    )
    return Signature(name, parameters, entry.summary)


def _values(words: str) -> tuple[str, ...]:
    """The values that the words of a type name: quoted words, truth values."""
    return (*_QUOTED.findall(words), *(("true", "false") if "true or false" in words else ()))


def _declared(document: Document, binding: Binding) -> Signature | None:
    node = document.workspace.origin(binding).node
    if not isinstance(node, ast.Declaration):
        return None
    return Signature(binding.name, tuple(map(_parameter, node.parameters)), node.doc or "")


def _parameter(node: ast.Parameter) -> Parameter:
    alternatives = node.type.alternatives if node.type is not None else ()
    literals = tuple(a.span.text for a in alternatives if not isinstance(a, str))
    named = [NAMED_TYPES[a][0] for a in alternatives if isinstance(a, str) and a in NAMED_TYPES]
    truth = ("true", "false") if "bool" in alternatives or isinstance(node.default, ast.Boolean) else ()
    written = " ".join(node.span.text.split())
    return Parameter(node.name, written, " or ".join(named), written, (*literals, *truth))


@dataclass(frozen=True, slots=True)
class Help:
    """The signature of the call at a character, and the number of the parameter that is being given."""

    signature: Signature
    active: int | None


def signature_help(document: Document, offset: int) -> Help | None:
    """The call at a character, None where there is none or nothing is known of it."""
    text = document.source.text
    literal = literal_at(text, offset)
    if literal is not None and literal[0] != "string":
        return None
    calling = cursor(document.source, offset if literal is None else literal[1]).calling
    signature = signature_of(document, calling.name) if calling is not None and not calling.declares else None
    return (
        None if signature is None or calling is None else Help(signature, signature.at(calling.place, calling.naming))
    )
