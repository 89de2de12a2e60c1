"""The reference entry of what a spec calls with settings, from which hover text and the documentation are made."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import cleandoc

from ..ir.initialisers import REQUIRED, Declaration
from ..ir.op import Declared
from ..ir.words import say
from .build import default_text, parameter_names, signature, type_words


@dataclass(frozen=True, slots=True)
class ParameterEntry:
    """One parameter. `default` is as a spec writes it, None where the parameter must be given; `type` is in words."""

    name: str
    type: str
    default: str | None
    description: str
    positional: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A layer, a rewrite or an initialiser in the reference."""

    kind: str
    signature: str
    doc: str
    parameters: tuple[ParameterEntry, ...]

    @property
    def summary(self) -> str:
        """The first paragraph of the documentation."""
        return self.doc.split("\n\n", 1)[0].replace("\n", " ")


def reference(cls: type[Declared]) -> Entry:
    """The reference entry of a layer or a rewrite."""
    fields = cls.model_fields
    parameters = tuple(
        ParameterEntry(
            name,
            type_words(fields[name]),
            default_text(fields[name]),
            fields[name].description or "",
            name in cls.positional,
        )
        for name in parameter_names(cls)
    )
    return Entry(cls.kind, signature(cls), cleandoc(cls.__doc__ or ""), parameters)


def initialiser_reference(declared: Declaration) -> Entry:
    """The reference entry of an initialiser, whose parameters have no type in words."""
    parameters = tuple(
        ParameterEntry(s.name, "", None if s.default is REQUIRED else say(s.default), s.description, True)
        for s in declared.settings
    )
    return Entry(declared.kind, declared.signature, declared.doc, parameters)
